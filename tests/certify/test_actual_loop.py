"""A proof is about the loop as it is built: the actuator's limits, and poles, are part of it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from certify import Budget, Candidate, Claim, Proved, Requested, Unknown, prove_stability
from learners.lqr import lqr_candidate
from systems import expression as ex
from systems import zoo
from systems.box import Box
from systems.build import system_from_text
from systems.dynamics import ControlAffineSystem
from systems.expression import Op, topological
from systems.limits import lies_within, ranges

F = Fraction
BUDGET = Budget(seconds=20)


def unstable_plant(limit: str) -> ControlAffineSystem:
    return system_from_text(
        "plant",
        ["x"],
        ["u"],
        {"x": "x + u"},
        domain={"x": (-1, 1)},
        input_limits={"u": ("-" + limit, limit)},
    )


def linear_candidate(system: ControlAffineSystem) -> Candidate:
    x = system.state
    return Candidate(x, x**2, -10 * x)


def test_a_torque_that_the_actuator_lacks_proves_nothing() -> None:
    """ẋ = x + sat(u): beyond |x| = limit the loop diverges, whatever the controller asks for."""
    system = unstable_plant("1/1000")
    result = prove_stability(system, linear_candidate(system), budget=BUDGET)
    if isinstance(result.verdict, Proved):
        assert result.constants is not None
        assert result.constants.c2 < F(1, 1000) ** 2
    given = prove_stability(
        system, linear_candidate(system), Requested(c1=F(1, 100), c2=F(9, 10)), budget=BUDGET
    )
    assert not isinstance(given.verdict, Proved)


def test_with_enough_torque_the_same_loop_is_proved() -> None:
    system = unstable_plant("20")
    result = prove_stability(system, linear_candidate(system), budget=BUDGET)
    assert isinstance(result.verdict, Proved)


def test_the_region_ends_where_the_torque_does() -> None:
    system = unstable_plant("1/2")
    result = prove_stability(system, linear_candidate(system), budget=BUDGET)
    assert isinstance(result.verdict, Proved)
    assert result.constants is not None
    assert F(1, 5) < result.constants.c2 < F(1, 4)


def test_a_controller_that_keeps_its_limits_is_not_cut_again() -> None:
    x = ex.variable("x", 2)
    system = replace(unstable_plant("1"))
    k = ex.tanh(ex.affine([[1.0]], system.state))
    assert system.saturated(k) is k
    clipped = system.saturated(-10 * system.state)
    assert system.saturated(clipped) is clipped
    assert not any(n.op in (Op.MIN, Op.MAX) for n in topological([k]))
    assert system.saturated(x[0]) is not x[0]


@pytest.mark.parametrize(
    ("build", "within"),
    [
        (lambda x: ex.tanh(x), True),
        (lambda x: 2 * ex.tanh(x), False),
        (lambda x: ex.constant("1/2") * ex.sin(x) - "1/2", True),
        (lambda x: ex.clip(x, -1, 1), True),
        (lambda x: ex.clip(x, -1, "1.0000001"), False),
        (lambda x: ex.minimum(x, 1), False),
        (lambda x: ex.maximum(ex.minimum(x, 1), -1), True),
        (lambda x: 2 * ex.sigmoid(x) - 1, True),
        (lambda x: ex.affine([["1/2", "1/2"]], ex.stack([ex.cos(x), ex.tanh(x)])), True),
        (lambda x: ex.affine([["1/2", "2/3"]], ex.stack([ex.cos(x), ex.tanh(x)])), False),
        (lambda x: ex.relu(x), False),
        (lambda x: x / (1 + x**2), False),
    ],
)
def test_limits_are_read_off_the_form(build: object, within: bool) -> None:
    x = ex.variable("x", 1)
    node = build(x)  # type: ignore[operator]
    assert lies_within(node, Box.of([(-1, 1)])) is within
    assert len(ranges(node)) == node.size


def test_attraction_is_not_claimed_around_a_pole() -> None:
    """A pole at 1/16, inside {V ≤ c1}, where the decrease condition does not look."""
    system = system_from_text(
        "pole", ["x"], [], {"x": "-x - x*0.00001/(16*x - 1)"}, domain={"x": (-1, 1)}
    )  # fmt: skip
    candidate = Candidate(system.state, system.state**2, None)
    asked = Requested(F(1, 16), F(1, 2), F(1, 128), claim=Claim.PRACTICAL_STABILITY)
    result = prove_stability(system, candidate, asked, budget=Budget(seconds=5))
    assert not isinstance(result.verdict, Proved)
    harmless = system_from_text("no_pole", ["x"], [], {"x": "-x"}, domain={"x": (-1, 1)})
    candidate = Candidate(harmless.state, harmless.state**2, None)
    assert isinstance(prove_stability(harmless, candidate, asked).verdict, Proved)


def test_a_relu_value_function_has_no_curvature_and_no_traceback() -> None:
    system = system_from_text("plain", ["x"], [], {"x": "-x"}, domain={"x": (-1, 1)})
    x = system.state
    candidate = Candidate(x, ex.relu(x) + ex.relu(-x), None)
    result = prove_stability(system, candidate, budget=BUDGET)
    assert isinstance(result.verdict, Proved | Unknown)


def pendulum_under_lqr() -> tuple[ControlAffineSystem, Candidate]:
    system = zoo.pendulum()
    return system, lqr_candidate(system)


@pytest.mark.parametrize("epsilon", ["1/100", "1/5"])
def test_the_tool_chooses_c1_to_fit_the_ball_asked_for(epsilon: str) -> None:
    system, candidate = pendulum_under_lqr()
    result = prove_stability(system, candidate, Requested(epsilon=F(epsilon)), budget=BUDGET)
    assert isinstance(result.verdict, Proved)
    assert result.constants is not None
    assert result.constants.epsilon == F(epsilon)


def test_a_rate_that_no_chosen_band_has_is_unknown_not_refuted() -> None:
    system, candidate = pendulum_under_lqr()
    result = prove_stability(system, candidate, Requested(mu=F(1)), budget=BUDGET)
    assert isinstance(result.verdict, Unknown)
    assert "smaller μ" in result.verdict.reason
