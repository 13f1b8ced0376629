"""Results of every kind, each computed once for all tests of this folder."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np

from certify import Budget, Candidate, Claim, Requested, StabilityResult, prove_stability
from certify.verdict import Proved, Refuted, Unknown
from learners.lqr import lqr_candidate
from systems import expression as ex
from systems import zoo
from systems.dynamics import ControlAffineSystem, linear_control

BUDGET = Budget(seconds=60)


@cache
def proved(name: str = "pendulum") -> StabilityResult:
    """LQR's quadratic V and linear k on a system of the zoo, proved on the region found."""
    result = of(zoo.system(name))
    assert isinstance(result.verdict, Proved), result.verdict
    return result


@cache
def proved_attraction() -> StabilityResult:
    """The weaker claim, with one of the constants given."""
    result = of(zoo.pendulum(), Requested(c1=Fraction(1, 100), claim=Claim.PRACTICAL_STABILITY))
    assert isinstance(result.verdict, Proved), result.verdict
    return result


@cache
def proved_on_a_part() -> StabilityResult:
    """V rises and falls again inside the domain, so that a smaller box holds a larger region."""
    system = zoo.synthetic(2)
    x = system.state
    folded = Candidate(
        x, ex.total(x**2 - ex.constant("0.9") * x**4), linear_control(2 * np.eye(2), system)
    )
    result = prove_stability(system, folded, budget=BUDGET)
    assert isinstance(result.verdict, Proved), result.verdict
    return result


@cache
def refuted() -> StabilityResult:
    """c2 beyond what the domain holds: V is at most c2 somewhere on the boundary."""
    result = of(zoo.pendulum(), Requested(c2=Fraction(1)))
    assert isinstance(result.verdict, Refuted), result.verdict
    return result


@cache
def refuted_decrease() -> StabilityResult:
    """A rate of decrease that V does not have."""
    result = of(zoo.pendulum(), Requested(c1=Fraction(1, 100), c2=Fraction(1, 40), mu=Fraction(10)))
    assert isinstance(result.verdict, Refuted), result.verdict
    return result


@cache
def unknown() -> StabilityResult:
    """V = −|x|²: nothing positive on the boundary, so no level to begin with."""
    system = zoo.pendulum()
    candidate = lqr_candidate(system)
    worse = Candidate(system.state, ex.multiply(-1, candidate.value), candidate.control)
    result = prove_stability(system, worse, budget=BUDGET)
    assert isinstance(result.verdict, Unknown), result.verdict
    return result


def of(system: ControlAffineSystem, requested: Requested | None = None) -> StabilityResult:
    return prove_stability(system, lqr_candidate(system), requested, budget=BUDGET)
