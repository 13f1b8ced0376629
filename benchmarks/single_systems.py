"""Lorenz, and the bilinear system whose value function has a kink at the equilibrium."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from benchmarks.measure import milliseconds, timed
from benchmarks.report import Bar, Report, Row
from benchmarks.settings import Settings
from certify import Candidate, Claim, Proved, Requested
from learners import ElmPolicyIteration, refine
from systems import expression as ex
from systems import zoo
from systems.dynamics import ControlAffineSystem
from systems.evaluate import function
from systems.expression import Expression

LORENZ_NEURONS, QUICK_NEURONS = (100, 200, 400, 800), (100,)
BILINEAR_NEURONS, QUICK_BILINEAR = (3, 50, 400), (3,)
BUDGET = 60.0
VALUE_ERROR = 1e-15
BILINEAR = Requested(
    Fraction("0.01"),
    Fraction("1.99"),
    Fraction("1e-5"),
    Fraction("0.01"),
    Claim.PRACTICAL_STABILITY,
)
COLUMNS = (
    "system", "learner", "claim", "verdict", "c1", "c2", "volume", "error of V",
    "training", "in all", "boxes",
)  # fmt: skip
NOTES = (
    "Lorenz on [-1, 1]³ with the first gain by pole placement: asymptotic stability, constants "
    "searched for, through the loop (a row says the round that was proved).",
    "Bilinear, ẋ = xu: V* = 2|x|, relu, first policy u = -2|x|. V has a kink at 0 and the "
    "linearisation there vanishes, so the claim is practical stability: decrease on "
    "0.01 ≤ V ≤ 1.99, {V ≤ 0.01} inside |x| < 0.01, and nothing about 0 itself. The error is the "
    "largest against V* at 1000 uniform points.",
)


def run(settings: Settings) -> Iterator[Report]:
    """The table, one report."""
    wanted = settings.among(("lorenz", "bilinear"))
    rows = []
    if "lorenz" in wanted:
        for m in settings.sizes(LORENZ_NEURONS, QUICK_NEURONS):
            rows.append(lorenz(m, settings))
            settings.say("  ".join(rows[-1].cells))
    if "bilinear" in wanted:
        for m in settings.sizes(BILINEAR_NEURONS, QUICK_BILINEAR):
            rows.append(bilinear(m, settings))
            settings.say("  ".join(rows[-1].cells))
    yield Report("single_systems", "Lorenz and bilinear", NOTES, COLUMNS, rows)


def lorenz(neurons: int, settings: Settings) -> Row:
    """Train, repair where needed, prove; the last candidate's proof is timed."""
    entry = zoo.entry("lorenz")
    system = entry.build()
    assert entry.initial_gain is not None
    gain = np.array([[float(v) for v in row] for row in entry.initial_gain])
    learner = ElmPolicyIteration(neurons=neurons, seed=0, initial_gain=gain)
    attempts = list(refine(system, learner, rounds=6))
    last = attempts[-1]
    training = sum(a.train_seconds for a in attempts)
    words = f"ELM-PI, m = {last.neurons}, round {last.round}"
    return _row(system, words, last.candidate, Requested(), training, None, settings)


def bilinear(neurons: int, settings: Settings) -> Row:
    """Relu features reproduce V* = 2|x|."""
    entry = zoo.entry("bilinear")
    system = entry.build()
    assert entry.optimal_value is not None
    learner = ElmPolicyIteration(
        neurons=neurons, activation="relu", seed=0,
        initial_policy=-2 * ex.absolute(system.state),
    )  # fmt: skip
    candidate = learner.fit(system)
    error = value_error(system, candidate, entry.optimal_value(system.state))
    training = candidate.provenance["seconds"]
    assert isinstance(training, float)
    words = f"ELM-PI, relu, m = {neurons}"
    return _row(system, words, candidate, BILINEAR, training, error, settings)


def value_error(system: ControlAffineSystem, candidate: Candidate, optimal: Expression) -> float:
    """The largest difference from V* at 1000 uniform points."""
    x = system.domain.sample(1000, np.random.default_rng(99))
    found, wanted = function([candidate.on(system).value, optimal], system.state)(x)
    return float(np.abs(found - wanted).max())


def _row(
    system: ControlAffineSystem,
    words: str,
    candidate: Candidate,
    asked: Requested,
    training: float,
    error: float | None,
    settings: Settings,
) -> Row:
    found = timed(system, candidate, asked, BUDGET, settings.repeats)
    proved = isinstance(found.result.verdict, Proved)
    bars = [Bar.claim("proved", proved)]
    if error is not None:
        bars.append(Bar("error of V", VALUE_ERROR, error, unit=""))
    constants, paving = found.result.constants, found.result.paving
    cells = (
        system.name, words, asked.claim.value,
        found.verdict if proved else f"{found.verdict}: {found.reason}",
        "–" if constants is None else f"{float(constants.c1):.4g}",
        "–" if constants is None else f"{float(constants.c2):.4g}",
        "–" if paving is None else f"{paving.volume:.4g}",
        "–" if error is None else f"{error:.1e}",
        milliseconds(training), milliseconds(found.seconds), str(found.result.boxes),
    )  # fmt: skip
    data = {
        "system": system.name,
        "learner": words,
        "claim": asked.claim.value,
        "value_error": error,
        "training_seconds": training,
        **found.data(),
    }
    return Row(cells, data, bars)
