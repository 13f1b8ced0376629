"""Proofs in three to six dimensions, and the largest level that can be proved in a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from benchmarks.elm import turned_synthetic
from benchmarks.measure import Timed, milliseconds, requested_of, timed
from benchmarks.report import Bar, Report, Row
from benchmarks.settings import Settings
from certify import Claim, Proved, Requested
from learners import ElmPolicyIteration
from systems import zoo

COLUMNS = (
    "system", "features", "m", "wanted", "verdict", "c1", "c2", "volume", "with the origin",
    "1-3: searches", "1-3: in all", "boxes", "training",
)  # fmt: skip
NOTES = (
    "The synthetic system with the paper's c1 = 0.01, μ = 1e-4, ε = 0.1; c2 = 1.99 up to n = 4, "
    "and for n = 5, 6 the largest c2 that can be proved before the time limit (the sublevel set "
    "touches the faces at 2). One repeat where c2 is searched for, else medians.",
    "Features: adapted to the plant (they find out that it decouples, and use it), or the paper's "
    "uniform ones, which are not told. The turned systems are the synthetic ones in turned "
    "coordinates on a box of half-width 1/√n, where nothing decouples, and all constants are "
    "searched for.",
    "Four dimensions, uniform features: the paper's own error of such networks, 0.03, is above c1, "
    "so that its constants cannot hold; no bar.",
    "Seconds as in proofs.md: 1-3 without, the rest with the conditions that close the origin. "
    "Volume: a rigorous lower bound, of the region proved.",
)


@dataclass(frozen=True)
class Case:
    """One candidate and what is to be proved of it. ``limit``: seconds, the bar, or None."""

    n: int
    neurons: int
    features: Literal["adapted", "uniform"]
    limit: float | None
    search_level: bool = False
    turned: bool = False

    @property
    def system(self) -> str:
        return f"synthetic-{self.n}" + (" turned" if self.turned else "")


CASES = (
    Case(3, 800, "adapted", 1.0),
    Case(3, 1600, "adapted", 1.0),
    Case(3, 800, "uniform", 1.0),
    Case(3, 1600, "uniform", 1.0),
    Case(4, 1600, "adapted", 60.0),
    Case(4, 1600, "uniform", None),
    Case(5, 1600, "adapted", None, search_level=True),
    Case(6, 1600, "adapted", None, search_level=True),
    Case(5, 1600, "uniform", None, search_level=True),
    Case(6, 1600, "uniform", None, search_level=True),
    Case(3, 800, "adapted", None, search_level=True, turned=True),
    Case(4, 1600, "adapted", None, search_level=True, turned=True),
    Case(5, 1600, "adapted", None, search_level=True, turned=True),
    Case(6, 1600, "adapted", None, search_level=True, turned=True),
)


def run(settings: Settings) -> Iterator[Report]:
    """The table, one report."""
    names = settings.among([f"synthetic-{n}" for n in (3, 4, 5, 6)])
    largest = settings.most_neurons or 10**9
    rows = []
    for case in CASES:
        if f"synthetic-{case.n}" in names:
            rows.append(measure(case, min(case.neurons, largest), settings))
            settings.say("  ".join(rows[-1].cells))
    limit = settings.seconds(600.0, 20.0)
    notes = (*NOTES, f"Time limit of the searches that fill their time: {limit:g} s.")
    yield Report("dimensions", "Three to six dimensions", notes, COLUMNS, rows)


def measure(case: Case, neurons: int, settings: Settings) -> Row:
    """Train and prove one case."""
    entry = zoo.entry(f"synthetic-{case.n}")
    system = turned_synthetic(case.n)[0] if case.turned else entry.build()
    learner = ElmPolicyIteration(neurons=neurons, features=case.features, seed=0)
    candidate = learner.fit(system)
    full = 600.0 if case.search_level else 120.0
    budget = settings.seconds(full, 20.0)
    repeats = 1 if case.search_level else settings.repeats

    def prove(claim: Claim) -> Timed:
        asked = requested_of(entry.verification, claim, free_level=case.search_level)
        if case.turned:
            asked = Requested(claim=claim)
        return timed(system, candidate, asked, budget, repeats)

    whole = prove(Claim.ASYMPTOTIC_STABILITY)
    paper = None if case.search_level else prove(Claim.PRACTICAL_STABILITY)
    return _row(case, neurons, candidate.provenance.get("seconds"), paper, whole)


def _row(case: Case, neurons: int, training: object, paper: Timed | None, whole: Timed) -> Row:
    bars = []
    if case.limit is not None and paper is not None:
        for what, found in (("1-3, in all", paper), ("with the origin", whole)):
            proved = isinstance(found.result.verdict, Proved)
            seconds = found.seconds if proved else None
            bars.append(Bar(what, case.limit, seconds, reason=f"{found.verdict}: {found.reason}"))
    constants, paving = whole.result.constants, whole.result.paving
    proved = isinstance(whole.result.verdict, Proved) and constants is not None
    verdict = whole.verdict if proved else f"{whole.verdict}: {whole.reason}"
    cells = (
        case.system, case.features, str(neurons),
        "largest c2" if case.search_level else "c2 = 1.99", verdict,
        f"{float(constants.c1):.4g}" if proved and constants else "–",
        f"{float(constants.c2):.4g}" if proved and constants else "–",
        f"{paving.volume:.4g}" if paving is not None else "–",
        milliseconds(whole.seconds),
        milliseconds(paper.search_seconds) if paper else "–",
        milliseconds(paper.seconds) if paper else "–",
        str(whole.result.boxes),
        milliseconds(training) if isinstance(training, float) else "–",
    )  # fmt: skip
    data = {
        "system": case.system,
        "features": case.features,
        "neurons": neurons,
        "training_seconds": training,
        "conditions_1_to_3": None if paper is None else paper.data(),
        "with_origin": whole.data(),
    }
    return Row(cells, data, bars)
