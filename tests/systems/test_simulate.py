"""Simulations against solutions in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from systems import expression as ex
from systems import zoo
from systems.build import system_from_text
from systems.dynamics import ClosedLoop, linear_control
from systems.errors import InputError
from systems.simulate import simulate


def test_a_linear_loop_follows_the_exponential() -> None:
    system = system_from_text("p", ["x"], ["u"], {"x": "x + u"}, domain=[[-2, 2]], Q=3, R=2)
    loop = ClosedLoop(system, linear_control([[2]], system))  # ẋ = -x
    result = simulate(loop, [[1.0], [-0.5]], 3.0, samples=31)
    expected = np.array([[1.0], [-0.5]]) * np.exp(-result.times)
    np.testing.assert_allclose(result.states[:, :, 0], expected, rtol=1e-8)
    np.testing.assert_allclose(result.inputs[:, :, 0], -2 * expected, rtol=1e-8)
    rate = 3 + 2 * 4  # Q x² + R (2x)²
    costs = rate * np.array([[1.0], [0.25]]) * (1 - np.exp(-2 * result.times)) / 2
    np.testing.assert_allclose(result.costs, costs, rtol=1e-7, atol=1e-12)
    assert result.completed.all() and (result.end_times == 3.0).all()
    np.testing.assert_allclose(result.total_costs, costs[:, -1], rtol=1e-7)


def test_the_cost_counts_inputs_from_the_equilibrium() -> None:
    system = system_from_text(
        "p", ["x"], ["u"], {"x": "u - 2"}, domain=[[-1, 1]], equilibrium={"u": 2}
    )
    rest = simulate(ClosedLoop(system, ex.constant(2)), [0.0], 1.0)
    assert rest.total_costs.tolist() == [0.0] and (rest.inputs == 2).all()


def test_the_optimal_policy_costs_the_optimal_value() -> None:
    system = zoo.synthetic(2)
    optimal = zoo.entry("synthetic-2").optimal_value
    assert optimal is not None
    x = system.state
    policy = -(2 * x**3 + x)  # -½ ∇V*
    start = np.array([0.7, -0.4])
    result = simulate(ClosedLoop(system, policy), start, 20.0)
    assert result.total_costs[0] == pytest.approx((start**4 + start**2).sum(), rel=1e-7)


def test_a_trajectory_that_blows_up_ends_there() -> None:
    system = system_from_text("p", ["x"], [], {"x": "x**3"}, domain=[[-2, 2]])
    result = simulate(ClosedLoop(system, None), [[1.0], [0.1]], 1.0, samples=101, blow_up=1e3)
    # x(t) = (1 - 2t)^(-1/2) leaves every bound before t = 1/2.
    assert result.completed.tolist() == [False, True]
    assert result.end_times[0] == pytest.approx(0.5, abs=1e-5)
    assert np.isnan(result.states[0, result.times > 0.5]).all()
    assert np.isfinite(result.states[0, result.times < 0.499]).all()
    assert result.total_costs[0] == np.inf and np.isfinite(result.total_costs[1])
    assert result.inputs.shape == (2, 101, 0)


def test_a_start_where_the_dynamics_are_undefined_ends_at_once() -> None:
    system = system_from_text(
        "p", ["x"], [], {"x": "log(x)"}, domain=[["0.5", 2]], equilibrium={"x": 1}
    )
    result = simulate(ClosedLoop(system, None), [[-1.0]], 1.0)
    assert not result.completed[0] and result.end_times[0] == 0.0


def test_saturation_is_seen() -> None:
    system = zoo.van_der_pol()
    control = system.saturated(linear_control([[20, 20]], system))
    result = simulate(ClosedLoop(system, control), [[1.0, 1.0]], 5.0)
    assert np.abs(result.inputs).max() == 1.0


@pytest.mark.parametrize(
    ("starts", "horizon", "message"),
    [
        ([[1.0, 2.0, 3.0]], 1.0, "do not fit 2 states"),
        ([[np.nan, 0.0]], 1.0, "must be finite"),
        ([[1e7, 0.0]], 1.0, "inside ±1e"),
        ([[0.0, 0.0]], 0.0, "the horizon must be positive"),
        ([[0.0, 0.0]], np.inf, "the horizon must be positive"),
    ],
)
def test_misuse_is_told(starts: list[list[float]], horizon: float, message: str) -> None:
    system = zoo.van_der_pol_reversed()
    with pytest.raises(InputError, match=message):
        simulate(ClosedLoop(system, None), starts, horizon)
