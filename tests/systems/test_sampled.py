"""Sampled systems against loops written out by hand: the step, the held input, disturbances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from systems import expression as ex
from systems import zoo
from systems.build import system_from_text
from systems.checks import check_equilibrium, equilibrium_values
from systems.dynamics import ClosedLoop, ControlAffineSystem, linear_control
from systems.errors import InputError
from systems.evaluate import function
from systems.linearize import linearize
from systems.sampled import METHODS, MOST_SUBSTEPS, Method, Sampling, sampled, unsampled
from systems.simulate import simulate

Array = NDArray[np.float64]
Rate = Callable[[Array], Array]


def rk4(rate: Rate, x: Array, h: float) -> Array:
    first = rate(x)
    second = rate(x + 0.5 * h * first)
    third = rate(x + 0.5 * h * second)
    fourth = rate(x + h * third)
    return x + h / 6.0 * (first + 2.0 * second + 2.0 * third + fourth)


def euler(rate: Rate, x: Array, h: float) -> Array:
    return x + h * rate(x)


STEPS: dict[Method, Callable[[Rate, Array, float], Array]] = {"rk4": rk4, "euler": euler}


def points(system: ControlAffineSystem, seed: int = 0) -> Array:
    return system.domain.sample(50, np.random.default_rng(seed))


def bent(system: ControlAffineSystem) -> ex.Expression:
    """A feedback that is not linear, so that holding it and not holding it are different maps."""
    n = system.state_dimension
    weight = np.random.default_rng(1).normal(size=(system.input_dimension, n))
    return 3 * ex.tanh(ex.affine(weight, system.state))


def by_hand(system: ControlAffineSystem, sampling: Sampling, w: Array | None = None) -> Array:
    """The closed loop's next states in plain numpy, the input computed once a period."""
    x = points(system)
    inputs = function(bent(system), system.state)(x)[0]
    parts = function([system.drift, *system.input_columns], *system.variables)
    held = np.empty((len(x), 0)) if w is None else np.broadcast_to(w, (len(x), len(w)))

    def rate(at: Array) -> Array:
        drift, *columns = parts(np.hstack([at, held]))
        return drift + sum(c * inputs[:, [j]] for j, c in enumerate(columns))

    for _ in range(sampling.substeps):
        x = STEPS[sampling.method](rate, x, float(sampling.period / sampling.substeps))
    return x


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("substeps", [1, 3])
@pytest.mark.parametrize("name", ["pendulum", "cartpole", "quadrotor-2d"])
def test_a_step_is_the_one_written_by_hand(name: str, method: Method, substeps: int) -> None:
    system, sampling = zoo.system(name), Sampling(Fraction(1, 50), method, substeps)
    loop = ClosedLoop(sampled(system, sampling), bent(system))
    found = function(loop.field, system.state)(points(system))[0]
    np.testing.assert_allclose(found, by_hand(system, sampling), rtol=1e-12, atol=1e-12)


def test_the_input_is_held_over_the_period() -> None:
    """Another map than the Runge-Kutta step of the closed loop, where k is evaluated four times."""
    system, sampling = zoo.pendulum(), Sampling(Fraction(1, 10))
    k = bent(system)
    step = function(sampled(system, sampling).vector_field(k), system.state)
    not_held = function(sampling.next_state(system.vector_field(k), system.state), system.state)
    x = points(system)
    np.testing.assert_allclose(step(x)[0], by_hand(system, sampling), rtol=1e-12, atol=1e-12)
    assert np.abs(step(x)[0] - not_held(x)[0]).max() > 1e-3


def test_a_disturbance_is_held_too() -> None:
    system, sampling = zoo.system("pendulum-disturbed"), Sampling(Fraction(1, 20))
    assert system.disturbance_range is not None
    held = sampled(system, sampling)
    field = function(held.vector_field(bent(system)), *held.variables)
    x = points(system)
    for w in system.disturbance_range.sample(3, np.random.default_rng(2)):
        at = np.hstack([x, np.broadcast_to(w, (len(x), len(w)))])
        np.testing.assert_allclose(
            field(at)[0], by_hand(system, sampling, w), rtol=1e-12, atol=1e-12
        )
    calm = held.nominal()
    assert calm.sampling == sampling and calm.disturbance is None
    centre = np.array([float(v) for v in system.disturbance_range.centre])
    found = function(calm.vector_field(bent(system)), calm.state)(x)[0]
    np.testing.assert_allclose(found, by_hand(system, sampling, centre), rtol=1e-12, atol=1e-12)


def test_a_system_without_inputs_is_sampled_too() -> None:
    system, sampling = zoo.system("van-der-pol-reversed-1"), Sampling(Fraction(1, 10))
    x = points(system)
    rate = function(system.drift, system.state)
    found = function(sampled(system, sampling).vector_field(None), system.state)(x)[0]
    np.testing.assert_allclose(found, rk4(lambda at: rate(at)[0], x, 0.1), rtol=1e-12)


def test_no_two_samplings_of_a_system_share_a_name() -> None:
    system = zoo.pendulum()
    samplings = [
        Sampling(Fraction(1, 50)),
        Sampling(Fraction(1, 50), "euler"),
        Sampling(Fraction(1, 50), "rk4", 2),
        Sampling(Fraction(1, 500)),
        Sampling(Fraction(1, 5)),
        Sampling(Fraction(1, 30)),
        Sampling(Fraction(2, 100) + Fraction(1, 10**15)),
        Sampling(Fraction(20)),
        Sampling(Fraction(2)),
    ]
    names = [sampled(system, s).name for s in samplings]
    assert len({*names, system.name}) == len(samplings) + 1
    assert names[0] == "pendulum sampled every 0.02 by RK4"
    assert names[2] == "pendulum sampled every 0.02 by RK4 in 2 steps"
    assert names[5] == "pendulum sampled every 1/30 by RK4"
    assert names[7] == "pendulum sampled every 20 by RK4"


def test_the_running_cost_is_that_of_a_period() -> None:
    system = zoo.cartpole()
    held = sampled(system, Sampling(Fraction(1, 50)))
    x = points(system)
    costs = [function(s.state_cost, s.state)(x)[0] for s in (held, system)]
    np.testing.assert_allclose(costs[0], costs[1] / 50, rtol=1e-14)
    assert held.input_cost == tuple(tuple(v / 50 for v in row) for row in system.input_cost)


def test_what_was_sampled_can_be_had_back() -> None:
    system = zoo.cartpole()
    back = unsampled(sampled(system, Sampling(Fraction(1, 30), "rk4", 2)))
    assert (back.name, back.time, back.sampling) == (system.name, "continuous", None)
    assert back.drift is system.drift and back.input_cost == system.input_cost
    x = points(system)
    costs = [function(s.state_cost, s.state)(x)[0] for s in (back, system)]
    np.testing.assert_allclose(costs[0], costs[1], rtol=1e-14)
    discrete = zoo.system("pendulum-discrete")
    assert unsampled(system) is system and unsampled(discrete) is discrete


def test_the_words_for_a_sampling() -> None:
    sampling = Sampling(Fraction(1, 50))
    assert sampling.describe("s") == "sampled every 0.02 s, RK4, input held"
    assert Sampling(Fraction(1, 8), "euler", 4).describe() == (
        "sampled every 0.125, Euler in 4 steps, input held"
    )


def test_what_makes_no_sense_is_refused() -> None:
    system, sampling = zoo.pendulum(), Sampling(Fraction(1, 50))
    with pytest.raises(InputError, match="pendulum-discrete is a discrete system already"):
        sampled(zoo.system("pendulum-discrete"), sampling)
    with pytest.raises(InputError, match="discrete system already"):
        sampled(sampled(system, sampling), sampling)
    with pytest.raises(InputError, match="shorten the system's name"):
        sampled(system, Sampling(Fraction(1, 10**250)))
    with pytest.raises(ValueError, match="a sampled system is discrete, not continuous"):
        replace(system, sampling=sampling)
    for wrong in ({"period": Fraction(0)}, {"method": "heun"}, {"substeps": 0}):
        with pytest.raises(ValueError, match=r"period|method|step"):
            replace(sampling, **wrong)
    with pytest.raises(ValueError, match="substeps"):
        replace(sampling, substeps=MOST_SUBSTEPS + 1)


def test_a_held_step_takes_a_control_of_the_right_size_only() -> None:
    held = sampled(zoo.pendulum(), Sampling(Fraction(1, 50)))
    for wrong in (None, ex.constant([0, 0])):
        with pytest.raises(ValueError, match="needs a control of size 1"):
            held.vector_field(wrong)
    with pytest.raises(ValueError, match="not affine in its inputs"):
        held.input_matrix_transposed_times(held.state)


@pytest.mark.parametrize("name", ["pendulum", "cartpole", "quadrotor-2d"])
@pytest.mark.parametrize("method", METHODS)
def test_the_linearisation_is_that_of_the_step(name: str, method: Method) -> None:
    """Against central differences of the loop written by hand, in the state and the held input."""
    system, h = zoo.system(name), 0.05
    n, m = system.state_dimension, system.input_dimension
    parts = function([system.drift, *system.input_columns], system.state)

    def step(z: Array) -> Array:
        x, u = z[:, :n], z[:, n:]

        def rate(at: Array) -> Array:
            drift, *columns = parts(at)
            return drift + sum(c * u[:, [j]] for j, c in enumerate(columns))

        return STEPS[method](rate, x, h)

    centre = np.array([float(v) for v in (*system.equilibrium, *system.equilibrium_input)])
    shifts = 1e-5 * np.eye(n + m)
    slopes = (step(centre + shifts) - step(centre - shifts)).T / 2e-5
    A, B = linearize(sampled(system, Sampling(Fraction(1, 20), method)))
    np.testing.assert_allclose(np.hstack([A, B]), slopes, rtol=1e-7, atol=1e-8)


def test_the_linearisation_needs_no_exact_equilibrium() -> None:
    """References beside the stated equilibrium are linearised at themselves."""
    system = replace(zoo.pendulum(), equilibrium=(Fraction(1, 3), Fraction(1, 7)))
    held = sampled(system, Sampling(Fraction(1, 10)))
    step = function(held.vector_field(ex.constant([0])), held.state)
    x = np.array([[1 / 3, 1 / 7]])
    shifts = 1e-5 * np.eye(2)
    slopes = (step(x + shifts)[0] - step(x - shifts)[0]).T / 2e-5
    np.testing.assert_allclose(linearize(held)[0], slopes, rtol=1e-7, atol=1e-9)


def test_a_kink_is_told_of_a_sampled_system_too() -> None:
    system = system_from_text("plant", ["x"], ["u"], {"x": "abs(x) + u"}, domain=[[-1, 1]])
    with pytest.raises(InputError, match="the equation of x is not differentiable at the equil"):
        linearize(sampled(system, Sampling(Fraction(1, 10))))


def test_the_equilibrium_is_that_of_the_equation() -> None:
    """The step rests there too; elsewhere the rate is told, not the change of a step."""
    held = sampled(zoo.cartpole(), Sampling(Fraction(1, 50)))
    assert equilibrium_values(held) == [0, 0, 0, 0]
    star = ex.constant(list(held.equilibrium))
    rest = ex.substitute(held.vector_field(ex.constant([0])), {held.state: star})
    assert ex.rational_values(rest) == list(held.equilibrium)
    check_equilibrium(held, lambda table, key: f"{table} {key}".strip())
    moved = replace(held, equilibrium=(Fraction(1, 10), *[Fraction(0)] * 3))
    with pytest.raises(InputError, match=r"f\(x\*, u\*\) = 0$"):
        check_equilibrium(moved, lambda table, key: f"{table} {key}".strip())


def test_a_simulation_iterates_the_held_step() -> None:
    system, sampling = zoo.pendulum(), Sampling(Fraction(1, 50))
    held = sampled(system, sampling)
    gain = [[20, 3]]
    loop = ClosedLoop(held, linear_control(gain, held))
    rate = function([system.drift, *system.input_columns], system.state)
    x, cost = np.array([[0.3, -0.1]]), 0.0
    found = simulate(loop, x, 25)
    for k in range(25):
        u = -x @ np.array(gain, dtype=float).T
        np.testing.assert_allclose(found.states[0, k], x[0], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(found.inputs[0, k], u[0], rtol=1e-12, atol=1e-14)
        price = function(system.state_cost, system.state)(x)[0][0, 0]
        cost += (price + u[0] @ system.input_cost_array() @ u[0]) / 50
        x = rk4(lambda at, u=u: rate(at)[0] + rate(at)[1] * u, x, 0.02)  # type: ignore[misc]
    np.testing.assert_allclose(found.total_costs, [cost], rtol=1e-12)
