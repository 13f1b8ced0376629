"""ELM-PI against known optimal value functions, and its promises about the candidate."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flint import arb
from numpy.typing import NDArray

from certify.candidate import Candidate
from learners import ElmPolicyIteration
from learners.elm_iteration import prefix_sizes
from learners.elm_reference import reference_policy_iteration
from systems import expression as ex
from systems import zoo
from systems.box import Box
from systems.build import system_from_text
from systems.constants import rational_or_ball
from systems.differentiate import gradient, jacobian
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.evaluate import function
from systems.exact import exact
from systems.expression import Expression, Op

Array = NDArray[np.float64]


def largest_error(candidate: Candidate, name: str, count: int = 2000) -> float:
    entry = zoo.ENTRIES[name]
    assert entry.optimal_value is not None
    x = entry.build().domain.sample(count, np.random.default_rng(123))
    V, V_star = function([candidate.value, entry.optimal_value(candidate.state)], candidate.state)(
        x
    )
    return float(np.abs(V - V_star).max())


def hjb_residual(candidate: Candidate, system: ControlAffineSystem, x: Array) -> Array:
    """From the candidate's own expressions, not from the learner's matrices."""
    on = candidate.on(system)
    along = ex.dot(gradient(on.value, system.state), system.vector_field(on.control))
    outputs = [along, system.state_cost]
    if on.control is not None:
        outputs.append(on.control)
    values = function(outputs, system.state)(x)
    residual = values[0][:, 0] + values[1][:, 0]
    if on.control is not None:
        v = values[2] - np.array([float(u) for u in system.equilibrium_input])
        residual += ((v @ system.input_cost_array()) * v).sum(axis=1)
    out: Array = residual
    return out


def at_equilibrium(node: Expression, system: ControlAffineSystem) -> list[arb]:
    """Every entry of an expression at x*, as a rigorous ball."""
    there = ex.substitute(node, {system.state: ex.constant(list(system.equilibrium))})
    out = []
    for i in range(there.size):
        value = rational_or_ball(there[i])
        if not isinstance(value, arb):
            value = arb(value.numerator) / arb(value.denominator)
        out.append(value)
    return out


def shifted_pendulum() -> ControlAffineSystem:
    """Held up at an angle of 1/4 by a constant torque that no float is: x* and u* are not 0."""
    x = ex.variable("x", 2)
    gravity = ex.sin(x[0]) - ex.sin(ex.constant("1/4"))
    return ControlAffineSystem(
        name="shifted",
        state=x,
        drift=ex.stack([x[1], gravity - x[1] - ex.constant("1/3")]),
        input_columns=(ex.constant([0, 1]),),
        domain=Box.of([("-1/2", 1), (-1, 1)]),
        equilibrium=(exact("1/4"), exact(0)),
        equilibrium_input=(exact("1/3"),),
        state_cost=(x[0] - ex.constant("1/4")) ** 2 + x[1] ** 2,
        input_cost=((exact("3"),),),
    )


@pytest.mark.parametrize(("name", "neurons"), [("synthetic-1", 30), ("synthetic-2", 60)])
def test_it_converges_to_the_optimal_value(name: str, neurons: int) -> None:
    candidate = ElmPolicyIteration(neurons=neurons).fit(zoo.system(name))
    assert largest_error(candidate, name) < 1e-6


def test_a_smaller_regularization_fits_better() -> None:
    candidate = ElmPolicyIteration(neurons=60, regularization=1e-14).fit(zoo.system("synthetic-2"))
    assert largest_error(candidate, "synthetic-2") < 1e-9


def test_the_papers_features_work_too() -> None:
    learner = ElmPolicyIteration(neurons=200, features="uniform", regularization=1e-13)
    candidate = learner.fit(zoo.system("synthetic-2"))
    assert largest_error(candidate, "synthetic-2") < 1e-5
    assert candidate.provenance["neurons"] == 200


def test_bilinear_has_twice_the_absolute_value() -> None:
    """The linearisation vanishes, V* has a kink; relu features with zero bias are exact."""
    system = zoo.system("bilinear")
    learner = ElmPolicyIteration(
        neurons=4, activation="relu", initial_policy=-3 * ex.absolute(system.state)
    )
    candidate = learner.fit(system)
    assert largest_error(candidate, "bilinear") < 4e-15
    assert candidate.control is not None
    x = np.linspace(-1, 1, 101)[:, None]
    u = function(candidate.control, candidate.state)(x)[0]
    assert np.allclose(u, -np.abs(x), atol=1e-14)


@pytest.mark.parametrize("name", ["pendulum", "lorenz"])
@pytest.mark.parametrize("neurons", [100, 400])
def test_coupled_plants_are_stabilised_with_a_small_residual(name: str, neurons: int) -> None:
    system = zoo.system(name)
    candidate = ElmPolicyIteration(neurons=neurons).fit(system)
    assert candidate.control is not None
    rows = jacobian(candidate.closed_loop(system).field, system.state)
    A = np.array([row[0] for row in function(rows, system.state)(np.zeros((1, system.state.size)))])
    assert np.linalg.eigvals(A).real.max() < -1.0
    x = system.domain.sample(2000, np.random.default_rng(5))
    Q, u = function([system.state_cost, candidate.control], system.state)(x)
    running_cost = Q[:, 0] + ((u @ system.input_cost_array()) * u).sum(axis=1)
    residual = float(np.abs(hjb_residual(candidate, system, x)).max())
    assert residual < (1e-3 if neurons == 100 else 1e-6) * running_cost.max()


def test_the_reported_residual_is_that_of_the_candidate() -> None:
    system = zoo.system("pendulum")
    candidate = ElmPolicyIteration(neurons=40).fit(system)
    x = system.domain.sample(5000, np.random.default_rng(8))
    measured = float(np.abs(hjb_residual(candidate, system, x)).max())
    reported = candidate.provenance["hjb_residual_max"]
    assert isinstance(reported, float)
    assert 0.2 * measured < reported < 5 * measured


@pytest.mark.parametrize("name", ["pendulum", "lorenz", "shifted"])
def test_value_gradient_and_control_are_exact_at_the_equilibrium(name: str) -> None:
    """Balls of 256 bits around V(x*), ∇V(x*) and k(x*) − u* contain 0 and are tiny."""
    system = shifted_pendulum() if name == "shifted" else zoo.system(name)
    candidate = ElmPolicyIteration(neurons=30).fit(system).on(system)
    assert candidate.control is not None
    offset = candidate.control - ex.constant(list(system.equilibrium_input))
    for node in (candidate.value, gradient(candidate.value, system.state), offset):
        for ball in at_equilibrium(node, system):
            assert ball.contains(0) and ball.rad() < arb("1e-60")


def test_a_shifted_equilibrium_is_learned_about() -> None:
    system = shifted_pendulum()
    candidate = ElmPolicyIteration(neurons=100).fit(system)
    x = system.domain.sample(2000, np.random.default_rng(5))
    assert float(np.abs(hjb_residual(candidate, system, x)).max()) < 1e-4


def test_the_network_is_one_hidden_layer_of_the_raw_state() -> None:
    system = zoo.system("lorenz")
    candidate = ElmPolicyIteration(neurons=50).fit(system)
    layers = [n for n in ex.topological([candidate.value]) if n.op is Op.TANH]
    over_state = [n for n in layers if n.args[0].args and n.args[0].args[0] is candidate.state]
    assert len(over_state) == 1
    hidden = over_state[0].args[0]
    assert hidden.op is Op.AFFINE and hidden.size == candidate.provenance["neurons"]


def test_the_same_seed_gives_the_same_candidate_and_another_does_not() -> None:
    system = zoo.system("pendulum")

    def weights(seed: int) -> Array:
        candidate = ElmPolicyIteration(neurons=30, seed=seed).fit(system)
        return np.concatenate(
            [c.values.ravel() for n in ex.topological([candidate.value]) for c in n.constants]
        )

    assert np.array_equal(weights(4), weights(4))
    assert not np.array_equal(weights(4), weights(5))


def test_extra_points_lower_the_residual_where_they_are() -> None:
    system = zoo.system("lorenz")
    learner = ElmPolicyIteration(neurons=50)
    x = system.domain.sample(5000, np.random.default_rng(1))
    plain = learner.fit(system)
    worst = x[np.argsort(-np.abs(hjb_residual(plain, system, x)))[:20]]
    before = np.abs(hjb_residual(plain, system, worst)).max()
    refitted = learner.fit(system, extra_points=worst, extra_weights=np.full(20, 100.0))
    assert np.abs(hjb_residual(refitted, system, worst)).max() < 0.5 * before


def test_a_target_residual_saves_neurons() -> None:
    system = zoo.system("pendulum")
    modest = ElmPolicyIteration(neurons=400, target_residual=1e-3).fit(system).provenance
    assert isinstance(modest["neurons"], int) and modest["neurons"] < 100
    assert isinstance(modest["hjb_residual_max"], float) and modest["hjb_residual_max"] <= 1e-3


def test_an_uncontrolled_system_gets_a_lyapunov_function() -> None:
    """V with ∇V·f = −Q on a box inside the region of attraction."""
    system = replace(zoo.system("van-der-pol-reversed"), domain=Box.symmetric(["1/2", "1/2"]))
    candidate = ElmPolicyIteration(neurons=100).fit(system)
    assert candidate.control is None
    x = system.domain.sample(500, np.random.default_rng(0))
    assert float(np.abs(hjb_residual(candidate, system, x)).max()) < 1e-5


def test_an_initial_gain_leads_to_the_same_solution() -> None:
    system = zoo.system("synthetic-2")
    learner = ElmPolicyIteration(neurons=60, initial_gain=np.array([[3.0, 0.0], [0.0, 4.0]]))
    assert largest_error(learner.fit(system), "synthetic-2") < 1e-6


def test_input_limits_are_obeyed() -> None:
    system = replace(zoo.system("double-integrator"), domain=Box.symmetric([1, 1]))
    candidate = ElmPolicyIteration(neurons=60).fit(system)
    assert candidate.control is not None
    x = np.random.default_rng(0).uniform(-3, 3, (500, 2))
    u = function(candidate.control, candidate.state)(x)[0]
    assert np.abs(u).max() == 1.0


def test_provenance_is_plain_json_and_complete() -> None:
    calls: list[Any] = []
    candidate = ElmPolicyIteration(neurons=100).fit(zoo.system("pendulum"), progress=calls.append)
    text = json.dumps(candidate.provenance, allow_nan=False)
    data = json.loads(text)
    assert data["learner"] == "elm-pi" and data["settings"]["neurons"] == 100
    assert data["iterations"] == len(data["history"]) == len(calls)
    assert {"sum_beta_w", "effective_rank", "numpy", "seconds", "hjb_residual_rms"} <= set(data)


def test_prefixes_double() -> None:
    assert prefix_sizes(10) == [10]
    assert prefix_sizes(200) == [25, 50, 100, 200]


def test_the_reference_agrees_with_the_learner() -> None:
    """Two programs with different features, points and linear algebra, one value function."""
    system = zoo.system("pendulum")
    solution = reference_policy_iteration(system, 200, 400)
    assert solution.W.shape == (200, 2) and np.abs(solution.W).max() <= 1
    x = system.domain.sample(500, np.random.default_rng(0))
    V = function(ElmPolicyIteration(neurons=200).fit(system).value, system.state)(x)[0][:, 0]
    offset = solution.value(np.zeros((1, 2)))[0]
    assert abs(offset) < 1e-4  # V(0) = 0 is only a penalty there
    assert np.allclose(solution.value(x) - offset, V, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"neurons": 0}, "neurons must be at least 1"),
        ({"iterations": 0}, "iterations must be at least 1"),
        ({"collocation_points": 0}, "collocation_points must be"),
        ({"regularization": 0.0}, "regularization must be in"),
        ({"regularization": float("nan")}, "regularization must be in"),
        ({"activation": "sine"}, "activation must be"),
        ({"features": "many"}, "features must be"),
        ({"origin_weight": -1.0}, "origin_weight must be"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ElmPolicyIteration(**settings)


def refused(learner: ElmPolicyIteration, system: ControlAffineSystem, **more: Any) -> str:
    with pytest.raises(InputError) as error:
        learner.fit(system, **more)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_an_unstable_first_policy_is_refused_with_its_eigenvalue() -> None:
    system = zoo.system("pendulum")
    message = refused(ElmPolicyIteration(initial_gain=np.zeros((1, 2))), system)
    assert "unstable (eigenvalue 2.85798" in message
    message = refused(ElmPolicyIteration(initial_policy=0 * system.state[0]), system)
    assert "unstable" in message


def test_first_policies_that_do_not_fit_are_refused() -> None:
    system = zoo.system("pendulum")
    x = system.state
    assert "shape (1, 2)" in refused(ElmPolicyIteration(initial_gain=np.zeros((2, 2))), system)
    assert "NaN" in refused(ElmPolicyIteration(initial_gain=np.full((1, 2), np.nan)), system)
    assert "size 2" in refused(ElmPolicyIteration(initial_policy=-x), system)
    offset = ElmPolicyIteration(initial_policy=1 - 40 * x[0] - x[1])
    assert "at the equilibrium" in refused(offset, system)
    foreign = ElmPolicyIteration(initial_policy=ex.variable("y", 1))
    assert "expression of the state" in refused(foreign, system)
    with pytest.raises(InputError, match="not both"):
        ElmPolicyIteration(initial_gain=np.zeros((1, 2)), initial_policy=x[0])


def test_extra_points_that_do_not_fit_are_refused() -> None:
    system, learner = zoo.system("pendulum"), ElmPolicyIteration()
    one = np.zeros((1, 2))
    assert "shape (M, 2)" in refused(learner, system, extra_points=np.zeros((3, 1)))
    assert "extra_weights" in refused(learner, system, extra_points=one, extra_weights=np.ones(2))
    assert "finite" in refused(learner, system, extra_points=np.full((1, 2), np.nan))
    assert "without extra_points" in refused(learner, system, extra_weights=np.ones(1))


def test_unusable_systems_are_refused() -> None:
    pendulum, learner = zoo.system("pendulum"), ElmPolicyIteration()
    assert "initial policy" in refused(learner, zoo.system("bilinear"))
    indefinite = replace(pendulum, input_cost=((exact(-2),),))
    assert "positive definite" in refused(learner, indefinite)
    undefined = replace(pendulum, state_cost=ex.total(ex.log(1 - pendulum.state**2 * 2)) ** 2)
    assert "not a finite number at x" in refused(learner, undefined)
    relu = ElmPolicyIteration(activation="relu")
    assert 'use activation="tanh"' in refused(relu, pendulum)
    x = ex.variable("x", 1)
    unstable = ControlAffineSystem(
        "runaway", x, x, (), Box.symmetric([1]), (exact(0),), (), x**2, ()
    )
    assert "unstable (eigenvalue 1)" in refused(learner, unstable)


def test_an_unstable_equilibrium_without_inputs_is_refused_with_what_can_be_done() -> None:
    system = system_from_text("up", ["x"], [], {"x": "x"}, domain=[("-1", "1")])
    with pytest.raises(InputError, match=r"unstable.*no inputs.*choose another equilibrium"):
        ElmPolicyIteration().check_for(system)
