"""A proved result of every kind of theorem, each computed once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache, partial

from certify import Budget, Claim, Requested, StabilityResult, prove_stability
from certify.verdict import Proved
from learners.lqr import lqr_candidate
from systems import expression as ex
from systems import zoo
from systems.box import Box
from systems.dynamics import ControlAffineSystem, Time, UnsafeSet
from systems.expression import Expression

BUDGET = Budget(seconds=60)


def oscillator(time: Time, *, disturbed: str = "", unsafe: bool = False) -> ControlAffineSystem:
    """Two states, one input, a sine. ``disturbed`` names how the disturbance enters, if it does:

    "product" leaves the equilibrium where it is, "sum" moves it.
    """
    x = ex.variable("state", 2)
    w = ex.variable("gust", 1) if disturbed else None
    push: Expression | int = 0
    if w is not None:
        push = w[0] * x[0] if disturbed == "product" else w[0]
    rate = ex.stack([x[1], -1 * ex.sin(x[0]) - x[1] + push])
    column = ex.constant([0, 1])
    if time == "discrete":
        rate, column = x + ex.multiply("0.1", rate), ex.multiply("0.1", column)
    corner = UnsafeSet("corner", (x[0] - ex.constant("0.9"), x[1] - ex.constant("0.9")))
    return ControlAffineSystem(
        name=f"{time} oscillator",
        state=x,
        drift=rate,
        input_columns=(column,),
        domain=Box.symmetric([1, 1]),
        equilibrium=(Fraction(0), Fraction(0)),
        equilibrium_input=(Fraction(0),),
        state_cost=ex.total(x**2),
        input_cost=((Fraction(1),),),
        input_limits=Box.symmetric([2]),
        state_names=("angle", "speed"),
        state_units=("rad", "rad/s"),
        input_names=("torque",),
        input_units=("N m",),
        time=time,
        disturbance=w,
        disturbance_range=None if w is None else Box.symmetric([Fraction(1, 20)]),
        disturbance_names=() if w is None else ("gust",),
        disturbance_units=() if w is None else ("N m",),
        unsafe=(corner,) if unsafe else (),
    )


@cache
def proved(claim: Claim, time: Time, disturbed: str = "", unsafe: bool = False) -> StabilityResult:
    system = oscillator(time, disturbed=disturbed, unsafe=unsafe)
    asked = Requested(claim=claim)
    result = prove_stability(system, lqr_candidate(system), asked, budget=BUDGET)
    assert isinstance(result.verdict, Proved), result.verdict
    return result


@cache
def without_inputs() -> StabilityResult:
    """A system that nobody controls."""
    system = zoo.system("van-der-pol-reversed-1")
    result = prove_stability(system, lqr_candidate(system), budget=BUDGET)
    assert isinstance(result.verdict, Proved), result.verdict
    return result


ALL: dict[str, Callable[[], StabilityResult]] = {
    **{
        f"{claim.value}, {time}": partial(proved, claim, time)
        for claim in Claim
        for time in ("continuous", "discrete")
    },
    "practical stability under a disturbance": partial(
        proved, Claim.PRACTICAL_STABILITY, "continuous", "sum", True
    ),
    "practical stability under a disturbance, discrete": partial(
        proved, Claim.PRACTICAL_STABILITY, "discrete", "sum", True
    ),
    "asymptotic stability under a disturbance": partial(
        proved, Claim.ASYMPTOTIC_STABILITY, "continuous", "product", True
    ),
    "exponential stability under a disturbance, discrete": partial(
        proved, Claim.EXPONENTIAL_STABILITY, "discrete", "product", True
    ),
    "local stability under a disturbance": partial(
        proved, Claim.LOCAL_STABILITY, "continuous", "product", True
    ),
    "local stability under a disturbance, discrete": partial(
        proved, Claim.LOCAL_STABILITY, "discrete", "product", True
    ),
    "without inputs": without_inputs,
}
