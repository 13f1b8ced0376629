"""Systems put together by hand: discrete time, disturbances, unsafe sets, and what does not fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from systems import expression as ex
from systems import zoo
from systems.box import Box
from systems.checks import check_equilibrium, equilibrium_values, rests_under_disturbances
from systems.dynamics import ClosedLoop, ControlAffineSystem, UnsafeSet, linear_control
from systems.errors import InputError
from systems.evaluate import function
from systems.expression import Expression
from systems.linearize import linearize

X = ex.variable("x", 2)
W = ex.variable("w", 1)
PLAIN = zoo.double_integrator()


def plant(
    drift: Expression, disturbance: Expression | None = W, **more: object
) -> ControlAffineSystem:
    """x⁺ or ẋ = drift + (0, 1) u about the origin, |w - 1| ≤ 1."""
    settings: dict[str, object] = {
        "name": "plant",
        "state": X,
        "drift": drift,
        "input_columns": (ex.constant([0, 1]),),
        "domain": Box.symmetric([1, 1]),
        "equilibrium": (Fraction(0), Fraction(0)),
        "equilibrium_input": (Fraction(0),),
        "state_cost": ex.dot(X, X),
        "input_cost": ((Fraction(1),),),
        "disturbance": disturbance,
        "disturbance_range": None if disturbance is None else Box.of([[0, 2]]),
    }
    return ControlAffineSystem(**{**settings, **more})  # type: ignore[arg-type]


def where(table: str, key: str) -> str:
    return f"{table} {key}".strip()


def test_nothing_changes_by_default() -> None:
    assert PLAIN.time == "continuous" and PLAIN.unsafe == ()
    assert PLAIN.disturbance is None and PLAIN.disturbance_dimension == 0
    assert PLAIN.variables == (PLAIN.state,)
    assert PLAIN.nominal() is PLAIN


def test_the_closed_loop_is_a_function_of_state_and_disturbance() -> None:
    system = plant(ex.stack([X[1], X[0] * W]))
    assert system.variables == (X, W)
    loop = ClosedLoop(system, linear_control([[2, 3]], system))
    F = function(loop.field, *system.variables)(np.array([[0.5, -1.0, 2.0]]))[0]
    np.testing.assert_array_equal(F, [[-1.0, 0.5 * 2.0 - (2 * 0.5 - 3)]])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.fractions(-2, 2, max_denominator=8), min_size=4, max_size=4))
def test_the_nominal_system_is_the_one_at_the_centre(numbers: list[Fraction]) -> None:
    a, b, c, d = numbers
    drift = ex.stack([a * X[0] * W + b * X[1], ex.sin(c * X[0]) + d * (W - 1)])
    column = ex.stack([W * W, ex.constant(1) + X[0]])
    system = plant(drift, input_columns=(column,))
    nominal = system.nominal()
    assert nominal.disturbance is None and nominal.state is system.state
    points = np.random.default_rng(0).uniform(-1, 1, size=(10, 2))
    whole = [system.drift, *system.input_columns]
    at_centre = function(whole, X, W)(np.hstack([points, np.ones((10, 1))]))
    alone = function([nominal.drift, *nominal.input_columns], X)(points)
    for one, other in zip(at_centre, alone, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14, atol=1e-15)
    A, B = linearize(system)
    np.testing.assert_allclose(A, [[float(a), float(b)], [float(c), 0]], rtol=1e-14)
    np.testing.assert_allclose(B, [[1], [1]])


def other() -> Expression:
    return ex.variable("y", 2)


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "a third time": (lambda: plant(X, time="both"), "time is continuous or discrete, not 'both'"),
    "a disturbance without range": (
        lambda: plant(X, disturbance_range=None),
        "give the disturbance and its range, or neither",
    ),
    "a range without disturbance": (
        lambda: plant(X, None, disturbance_range=Box.of([[0, 1]])),
        "give the disturbance and its range, or neither",
    ),
    "a range of another size": (
        lambda: plant(X, disturbance_range=Box.symmetric([1, 1])),
        "the disturbance range needs 1 entries",
    ),
    "a disturbance that is no variable": (
        lambda: plant(X, W + 1), "the disturbance must be a variable of its own name",
    ),
    "a disturbance with the state's name": (
        lambda: plant(X, ex.variable("x", 1)), "a variable of its own name",
    ),
    "too many names": (
        lambda: plant(X, disturbance_names=("a", "b")), "1 disturbance_names wanted, 2 given",
    ),
    "too many units": (
        lambda: plant(X, disturbance_units=("a", "b")), "1 disturbance_units wanted, 2 given",
    ),
    "names without disturbances": (
        lambda: plant(X, None, disturbance_names=("a",)), "0 disturbance_names wanted, 1 given",
    ),
    "dynamics of something else": (
        lambda: plant(X + other()), "the dynamics depend on the variable 'y'",
    ),
    "columns of something else": (
        lambda: plant(X, input_columns=(other(),)), "the dynamics depend on the variable 'y'",
    ),
    "a forgotten disturbance": (
        lambda: plant(X * W, None), "the dynamics depend on the variable 'w'",
    ),
    "a disturbed cost": (
        lambda: plant(X, state_cost=ex.dot(X, X) * W), "the state cost depends on the variable 'w'",
    ),
    "a disturbed set": (
        lambda: plant(X, unsafe=(UnsafeSet("s", (W - 1,)),)),
        "an unsafe set depends on the variable 'w'",
    ),
    "two sets of one name": (
        lambda: plant(X, unsafe=(UnsafeSet("s", (X[0],)), UnsafeSet("s", (X[1],)))),
        "two unsafe sets have the same name",
    ),
    "a set without constraints": (lambda: UnsafeSet("s", ()), "needs at least one constraint"),
    "a set of vectors": (lambda: UnsafeSet("s", (X,)), "needs scalar constraints"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_told(case: str) -> None:
    build, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        build()


def test_a_discrete_equilibrium_is_mapped_to_itself() -> None:
    half = (Fraction(1, 2), Fraction(0))
    moving = plant(X + ex.constant(["0", "1/4"]), None, equilibrium=half, time="discrete")
    resting = replace(moving, equilibrium_input=(Fraction(-1, 4),))
    assert equilibrium_values(resting) == [0, 0]
    check_equilibrium(resting, where)
    assert equilibrium_values(moving) == [0, Fraction(1, 4)]
    with pytest.raises(InputError) as caught:
        check_equilibrium(moving, where)
    assert str(caught.value) == (
        "equilibrium: not an equilibrium: f(x*, u*) - x* = (0, 0.25) at x* = (0.5, 0), u* = (0); "
        "choose x* and u* with f(x*, u*) = x*"
    )
    # ẋ = 0 at x* is no fixed point of x⁺
    still = plant(ex.constant([0, 0]) * X, None, equilibrium=half)
    check_equilibrium(still, where)
    with pytest.raises(InputError, match=r"= \(-0.5, 0\)"):
        check_equilibrium(replace(still, time="discrete"), where)


def test_an_additive_disturbance_is_accepted_where_its_centre_has_the_equilibrium() -> None:
    check_equilibrium(plant(X + (W - 1)), where)
    with pytest.raises(InputError, match=r"= \(1, 1\) at .*, disturbances \(1\)"):
        check_equilibrium(plant(X + W), where)
    with pytest.raises(InputError, match="not defined where the disturbances are at the centre"):
        check_equilibrium(plant(X / (W - 1)), where)


@pytest.mark.parametrize(
    ("drift", "rests"),
    [
        (X * W, True),
        (ex.sin(X) * ex.exp(W), True),
        (X**2 * W - X, True),
        (X + (W - 1), False),
        (ex.sin(X + (W - 1)), False),
    ],
)
@pytest.mark.parametrize("time", ["continuous", "discrete"])
def test_whether_the_equilibrium_holds_for_every_disturbance(
    drift: Expression, rests: bool, time: str
) -> None:
    assert rests_under_disturbances(plant(drift, time=time)) is rests
