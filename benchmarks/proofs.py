"""ELM-PI candidates for the pendulum and the synthetic system, with the paper's constants.

Every candidate is proved, or refuted with a point and then repaired by the loop until it is proved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from benchmarks.measure import PAPER_CONDITIONS, Timed, milliseconds, requested_of, timed
from benchmarks.report import Bar, Report, Row
from benchmarks.settings import Settings
from certify import Budget, Claim, Proved, Refuted, Requested
from learners import Attempt, ElmPolicyIteration, refine
from systems import zoo
from systems.dynamics import ControlAffineSystem

SYSTEMS = ("pendulum", "synthetic-1", "synthetic-2")
NEURONS = (50, 100, 200, 400, 800, 1600)
QUICK_NEURONS = (50, 200)
LIMIT = 0.1
BUDGET = 20.0
ROUNDS = 12
PAPER_SECONDS = {
    ("synthetic-1", 50): "6.99", ("synthetic-1", 100): "2.20", ("synthetic-1", 200): "4.13",
    **{("synthetic-2", m): "time-out" for m in (50, 100, 200, 400, 800, 1600)},
}  # fmt: skip
"""dReal on the paper's own networks of these sizes (Table 2), seconds."""

COLUMNS = (
    "system", "features", "m", "verdict", "decrease", "containment", "small set",
    "1-3: searches", "1-3: in all", "with the origin", "boxes", "repaired", "dReal, published",
)  # fmt: skip
NOTES = (
    "Constants of the paper: pendulum c1 = 0.01, c2 = 0.029 (it states no μ and ε: found); "
    "synthetic c1 = 0.01, c2 = 1.99, μ = 1e-4, ε = 0.1. Seed 0, medians of the repeats.",
    "1-3: decrease, containment and small set, which is what the paper verifies: time of the three "
    "searches, and in all: with deriving and preparing the statement and the exact test of the "
    "equilibrium. With the origin: in all, for asymptotic stability, where two more conditions "
    "close the hole that 1-3 leave at the equilibrium. Training is not included.",
    "Refuted: the point found breaks the condition rigorously; then the loop, with its rounds, its "
    "time (training included) and the neurons it ended with.",
    "dReal, published: on the paper's networks of the same size (Table 2), for 1-3, in seconds.",
)


@dataclass(frozen=True, eq=False)
class Case:
    """One candidate to be proved."""

    system: str
    features: Literal["adapted", "uniform"]
    neurons: int

    @property
    def learner(self) -> ElmPolicyIteration:
        return ElmPolicyIteration(neurons=self.neurons, features=self.features, seed=0)


def run(settings: Settings) -> Iterator[Report]:
    """The table, one report."""
    cases = [
        Case(system, features, m)
        for system in settings.among(SYSTEMS)
        for features in ("adapted", "uniform")
        for m in settings.sizes(NEURONS, QUICK_NEURONS)
    ]
    rows = []
    for case in cases:
        rows.append(measure(case, settings))
        settings.say("  ".join(rows[-1].cells))
    yield Report("proofs", "ELM-PI, the paper's constants", NOTES, COLUMNS, rows)


def measure(case: Case, settings: Settings) -> Row:
    """Prove one candidate with and without the origin; repair it where it is refuted."""
    entry = zoo.entry(case.system)
    system = entry.build()
    candidate = case.learner.fit(system)
    constants = entry.verification
    paper = timed(
        system,
        candidate,
        requested_of(constants, Claim.PRACTICAL_STABILITY),
        BUDGET,
        settings.repeats,
    )
    whole_claim = requested_of(constants, Claim.ASYMPTOTIC_STABILITY)
    whole = timed(system, candidate, whole_claim, BUDGET, settings.repeats)
    needs_repair = not isinstance(whole.result.verdict, Proved)
    repaired = repair(system, case, whole_claim) if needs_repair else None
    return _row(case, paper, whole, repaired)


def repair(system: ControlAffineSystem, case: Case, requested: Requested) -> list[Attempt]:
    """The rounds of the loop from this learner."""
    budget = Budget(10 * BUDGET)
    return list(refine(system, case.learner, requested, rounds=ROUNDS, budget=budget))


def _row(case: Case, paper: Timed, whole: Timed, rounds: list[Attempt] | None) -> Row:
    decided = paper.decided and whole.decided
    reason = "" if decided else f"unknown: {whole.reason or paper.reason}"
    bars = [
        Bar("1-3, searches", LIMIT, paper.search_seconds if paper.decided else None, reason=reason),
        Bar("1-3, in all", LIMIT, paper.seconds if paper.decided else None, reason=reason),
        Bar("with the origin", LIMIT, whole.seconds if whole.decided else None, reason=reason),
    ]
    if rounds is not None:
        proved = isinstance(rounds[-1].conclusion, Proved)
        bars.append(Bar.claim("proved in the end", proved))
    verdict = whole.verdict
    if isinstance(whole.result.verdict, Refuted) or paper.verdict != whole.verdict:
        verdict = f"{whole.verdict}: {whole.reason}"
    if paper.verdict != whole.verdict:
        verdict += f" (1-3: {paper.verdict})"
    cells = (
        case.system, case.features, str(case.neurons), verdict,
        *(_search(paper, name) for name in PAPER_CONDITIONS),
        milliseconds(paper.search_seconds), milliseconds(paper.seconds),
        milliseconds(whole.seconds), str(whole.result.boxes), _repaired(rounds),
        PAPER_SECONDS.get((case.system, case.neurons), "–"),
    )  # fmt: skip
    data = {
        "system": case.system,
        "features": case.features,
        "neurons": case.neurons,
        "conditions_1_to_3": paper.data(),
        "with_origin": whole.data(),
        "rounds": None if rounds is None else [a.as_row() for a in rounds],
    }
    return Row(cells, data, bars)


def _search(found: Timed, name: str) -> str:
    return milliseconds(found.searches[name]) if name in found.searches else "–"


def _repaired(rounds: list[Attempt] | None) -> str:
    if rounds is None:
        return "–"
    seconds = sum(a.train_seconds + a.prove_seconds for a in rounds)
    ended = type(rounds[-1].conclusion).__name__.lower()
    return f"{ended} in round {rounds[-1].round}, m = {rounds[-1].neurons}, {seconds:.2f} s"
