"""What the bench of backends asks: seed's Table 2, polynomials, a deep network on large boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from benchmarks.deep import CANDIDATE
from benchmarks.settings import Settings
from certify.candidate_file import load_candidate
from certify.conditions import Condition, Constraint
from certify.stability import StabilityProblem
from learners import ElmPolicyIteration
from systems import zoo
from systems.evaluate import evaluate
from systems.exact import short_fraction
from tests.certify.statements import ALL

SYSTEMS = ("synthetic-1", "synthetic-2", "pendulum")
NEURONS, QUICK_NEURONS = (5, 10, 20, 50, 100, 200), (5,)
MU = Fraction(1, 10_000)
"""For the pendulum, of which the paper gives none."""

PUBLISHED = {
    ("synthetic-1", 50): ("6.99", "0.02"),
    ("synthetic-1", 100): ("2.20", "0.05"),
    ("synthetic-1", 200): ("4.13", "0.14"),
    ("synthetic-2", 50): ("time-out", "not verified"),
    ("synthetic-2", 100): ("time-out", "0.68"),
    ("synthetic-2", 200): ("time-out", "1.88"),
}
"""dReal's seconds for (1)-(3) on ELM-PI and PINN-PI networks of that size: the paper's Table 2."""

CORNER = Fraction(1, 4)
"""The share of the deep candidate's box, about the centre, on which its slope is bounded."""


@dataclass(frozen=True, eq=False)
class Case:
    """Conditions that are asked together, in this order. ``truth`` where it is known."""

    part: str
    name: str
    conditions: Sequence[Condition]
    published: str = "–"
    truth: bool | None = None


def cases(settings: Settings) -> Iterator[Case]:
    """In the order of the table."""
    for system in settings.among(SYSTEMS):
        for m in settings.sizes(NEURONS, QUICK_NEURONS):
            yield elm_case(system, m)
    yield from polynomial_cases(settings.quick)
    if settings.among(("van-der-pol",)):
        yield from deep_cases(settings.quick)


def elm_case(name: str, neurons: int) -> Case:
    """An ELM-PI candidate; (1)-(3) with the paper's constants, as far as it gives them."""
    entry = zoo.entry(name)
    system, constants = entry.build(), entry.verification
    learner = ElmPolicyIteration(neurons=neurons, features="uniform", seed=0)
    problem = StabilityProblem(system, learner.fit(system))
    assert constants.c1 is not None and constants.c2 is not None
    conditions = [
        problem.decrease(constants.c1, constants.c2, constants.mu or MU),
        problem.containment(constants.c2),
    ]
    if constants.epsilon is not None:
        conditions.append(problem.small_set(constants.c1, constants.epsilon))
    published = PUBLISHED.get((name, neurons))
    words = "–" if published is None else f"ELM-PI {published[0]}, PINN-PI {published[1]}"
    return Case("Table 2", f"{name}, m = {neurons}", conditions, words)


def polynomial_cases(quick: bool) -> Iterator[Case]:
    """The polynomial Lyapunov statements of the table of statements, one by one."""
    chosen = [s for s in ALL if s.kind == "polynomial" and "lyapunov" in s.tags]
    for s in chosen[:2] if quick else chosen:
        yield Case("polynomial", s.name, [s.condition], truth=s.truth)


def deep_cases(quick: bool) -> Iterator[Case]:
    """V 2-40-40-1 and k 2-10-10-1: its conditions, and a bound of V̇ on boxes of some size."""
    candidate, name = load_candidate(CANDIDATE)
    system = zoo.system(name)
    problem = StabilityProblem(system, candidate)
    proved = candidate.provenance["proved"]
    assert isinstance(proved, dict)
    c1, c2, mu = (Fraction(proved[key]) for key in ("c1", "c2", "mu"))
    yield Case("deep network", "containment", [problem.containment(c2)])
    if quick:
        return
    yield Case("deep network", "decrease", [problem.decrease(c1, c2, mu)])
    for share in (CORNER, Fraction(1)):
        box = problem.domain.scaled(share)
        tape = problem.asking(problem.change_name)
        values = evaluate(tape, box.sample(100_000, np.random.default_rng(0)))[0]
        level = short_fraction(Fraction(float(values.max())) * Fraction(5, 4), down=False)
        largest = Constraint(0, "at least", level, strict=True)
        claim = f"V̇ ≤ {float(level):.4g}, 5/4 of the largest of 100,000 samples"
        condition = Condition("slope", claim, tape, (problem.change_name,), (largest,), (box,))
        yield Case("deep network", f"{claim}, on {float(share):g} of the box's width", [condition])
