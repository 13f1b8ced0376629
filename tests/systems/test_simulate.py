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


def test_a_discrete_system_is_iterated() -> None:
    """x⁺ = x/2 + u with u = -x/4: powers of 1/4, exact in floats, and their geometric sum."""
    system = system_from_text(
        "p", ["x"], ["u"], {"x": "x/2 + u"}, domain=[[-2, 2]], Q=3, R=2, time="discrete"
    )
    loop = ClosedLoop(system, linear_control([["1/4"]], system))
    starts = np.array([[1.0], [-0.5]])
    result = simulate(loop, starts, 20.5)
    assert result.times.tolist() == list(range(21)) and result.completed.all()
    expected = starts * 0.25**result.times
    np.testing.assert_array_equal(result.states[:, :, 0], expected)
    np.testing.assert_array_equal(result.inputs[:, :, 0], -expected / 4)
    sums = (1 - (1 / 16) ** result.times) / (1 - 1 / 16)
    np.testing.assert_allclose(result.costs, (3 + 2 / 16) * starts**2 * sums, rtol=1e-14)
    assert (result.end_times == 20).all()
    thin = simulate(loop, starts, 20, samples=5)
    assert thin.times.tolist() == [0, 5, 10, 15, 20]
    for k, t in enumerate([0, 5, 10, 15, 20]):
        np.testing.assert_array_equal(thin.states[:, k], result.states[:, t])
        np.testing.assert_array_equal(thin.costs[:, k], result.costs[:, t])


def test_a_discrete_trajectory_that_blows_up_ends_there() -> None:
    """x⁺ = x², y⁺ = 0: the second coordinate comes back to 0 even from NaN, the trajectory not."""
    system = system_from_text(
        "p", ["x", "y"], [], {"x": "x**2", "y": "0"}, domain=[[-1, 1]] * 2, time="discrete"
    )
    result = simulate(ClosedLoop(system, None), [[2.0, 1.0], [0.5, 1.0]], 10, blow_up=1e3)
    # 2, 4, 16, 256, then 65536
    assert result.completed.tolist() == [False, True] and result.end_times.tolist() == [3, 10]
    assert result.states[0, :4, 0].tolist() == [2, 4, 16, 256]
    assert np.isnan(result.states[0, 4:]).all() and np.isfinite(result.states[1]).all()
    assert result.total_costs[0] == np.inf


def test_the_disturbance_acts() -> None:
    """ẋ = -x + w: towards a constant w; for w = sin t, (sin t - cos t + e^-t)/2 from 0."""
    system = system_from_text(
        "p", ["x"], [], {"x": "w - x"}, domain=[[-2, 2]],
        disturbances=["w"], disturbance_range=[[-1, 1]],
    )  # fmt: skip
    loop = ClosedLoop(system, None)
    at_rest = simulate(loop, [0.0], 3.0)
    assert (at_rest.states == 0).all()
    t = at_rest.times
    pushed = simulate(loop, [0.0], 3.0, disturbance=[0.5])
    np.testing.assert_allclose(pushed.states[0, :, 0], 0.5 * (1 - np.exp(-t)), rtol=1e-8, atol=1e-9)
    swung = simulate(loop, [0.0], 3.0, disturbance=lambda time: [np.sin(time)])
    expected = (np.sin(t) - np.cos(t) + np.exp(-t)) / 2
    np.testing.assert_allclose(swung.states[0, :, 0], expected, rtol=1e-7, atol=1e-9)


def test_the_disturbance_acts_in_discrete_time() -> None:
    system = system_from_text(
        "p", ["x"], [], {"x": "x/2 + w - 1"}, domain=[[-4, 4]], time="discrete",
        disturbances=["w"], disturbance_range=[[0, 2]],
    )  # fmt: skip
    loop = ClosedLoop(system, None)
    assert (simulate(loop, [0.0], 5).states == 0).all()  # the centre of [0, 2] is 1
    found = simulate(loop, [0.0], 3, disturbance=lambda k: [k % 2])
    assert found.states[0, :, 0].tolist() == [0, -1, -0.5, -1.25]


@pytest.mark.parametrize(
    ("disturbance", "message"),
    [
        ([2.0], r"the disturbance w = 2 is outside its range \[-1, 1\]"),
        ([np.nan], "outside its range"),
        ([0.0, 0.0], r"a disturbance of shape \(2,\) where 1 values are wanted"),
        (lambda time: [time], r"w = .* is outside its range"),
    ],
)
def test_a_disturbance_outside_its_range_is_told(disturbance: object, message: str) -> None:
    system = system_from_text(
        "p", ["x"], [], {"x": "w - x"}, domain=[[-2, 2]],
        disturbances=["w"], disturbance_range=[[-1, 1]],
    )  # fmt: skip
    with pytest.raises(InputError, match=message):
        simulate(ClosedLoop(system, None), [0.0], 3.0, disturbance=disturbance)  # type: ignore[arg-type]


def test_what_has_no_disturbance_takes_none() -> None:
    system = zoo.van_der_pol_reversed()
    with pytest.raises(InputError, match="has no disturbances"):
        simulate(ClosedLoop(system, None), [0.0, 0.0], 1.0, disturbance=[0.0])


def test_less_than_one_step_is_no_horizon() -> None:
    system = system_from_text("p", ["x"], [], {"x": "x/2"}, domain=[[-1, 1]], time="discrete")
    with pytest.raises(InputError, match=r"a number of steps, from 1 to 10,000,000, not 0\.5"):
        simulate(ClosedLoop(system, None), [0.5], 0.5)
