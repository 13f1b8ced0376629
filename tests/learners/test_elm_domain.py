"""Policies that do not stabilise: how ELM-PI notices, and what it falls back on."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from certify.candidate import Candidate
from certify.prove import prove_stability
from certify.result import Requested
from certify.verdict import Proved
from learners import ElmPolicyIteration, lqr
from learners.elm_reference import reference_policy_iteration
from learners.elm_start import first_policy
from learners.numeric import Plant
from systems import expression as ex
from systems import zoo
from systems.differentiate import gradient, jacobian
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.evaluate import function

Array = NDArray[np.float64]


def error_of(candidate: Candidate, name: str, x: Array) -> float:
    entry = zoo.ENTRIES[name]
    assert entry.optimal_value is not None
    outputs = [candidate.value, entry.optimal_value(candidate.state)]
    V, V_star = function(outputs, candidate.state)(x)
    return float(np.abs(V - V_star).max())


def corners(n: int) -> Array:
    return np.array(np.meshgrid(*[[-1.0, 1.0]] * n)).reshape(n, -1).T


def spectral_abscissa(candidate: Candidate, system: ControlAffineSystem) -> float:
    rows = jacobian(candidate.closed_loop(system).field, system.state)
    star = np.array([[float(v) for v in system.equilibrium]])
    A = np.array([row[0] for row in function(rows, system.state)(star)])
    return float(np.linalg.eigvals(A).real.max())


def values_and_rates(
    candidate: Candidate, system: ControlAffineSystem, x: Array
) -> tuple[Array, Array]:
    along = ex.dot(gradient(candidate.value, system.state), candidate.closed_loop(system).field)
    V, rate = function([candidate.value, along], system.state)(x)
    return V[:, 0], rate[:, 0]


def in_trained_box(candidate: Candidate, count: int) -> Array:
    low, high = (np.array(end) for end in _list(candidate, "trained_box"))
    out: Array = np.random.default_rng(1).uniform(low, high, (count, len(low)))
    return out


def _list(candidate: Candidate, key: str) -> list[Any]:
    found = candidate.provenance[key]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("gain", [None, 2.0])
def test_the_papers_features_find_the_right_root_in_three_dimensions(gain: float | None) -> None:
    """Prefixes of 25 and 50 dense neurons cannot tell a policy; they must not spoil the others."""
    first = None if gain is None else gain * np.eye(3)
    learner = ElmPolicyIteration(neurons=400, features="uniform", initial_gain=first)
    system = zoo.system("synthetic-3")
    candidate = learner.fit(system)
    x = system.domain.sample(2400, np.random.default_rng(99))
    assert error_of(candidate, "synthetic-3", np.vstack([x, corners(3)])) < 4e-3
    assert not candidate.provenance["warnings"]


@pytest.mark.parametrize(("n", "neurons"), [(2, 100), (3, 200)])
def test_the_papers_features_are_used_as_well_as_by_the_paper(n: int, neurons: int) -> None:
    """On equal terms (W, b ~ U[−1, 1], as many collocation points), the median of three seeds."""
    name = f"synthetic-{n}"
    system, entry = zoo.system(name), zoo.ENTRIES[name]
    assert entry.optimal_value is not None
    x = system.domain.sample(2 * n * neurons, np.random.default_rng(99))
    V_star = function(entry.optimal_value(system.state), system.state)(x)[0][:, 0]
    ours, theirs = [], []
    for seed in range(3):
        learner = ElmPolicyIteration(
            neurons=neurons,
            features="uniform",
            seed=seed,
            collocation_points=n * neurons,
            regularization=1e-12,
        )
        ours.append(error_of(learner.fit(system), name, x))
        run = reference_policy_iteration(
            system, neurons, n * neurons, seed=seed, initial_gain=2 * np.eye(n)
        )
        theirs.append(float(np.abs(run.value(x) - V_star).max()))
    assert np.median(ours) <= np.median(theirs)


def test_a_candidate_with_the_papers_features_can_be_proved() -> None:
    system = zoo.system("synthetic-2")
    candidate = ElmPolicyIteration(neurons=200, features="uniform").fit(system)
    constants = Requested(Fraction("0.01"), Fraction("1.99"), Fraction("0.0001"), Fraction("0.1"))
    assert isinstance(prove_stability(system, candidate, constants).verdict, Proved)


BEYOND_CONTROL = (
    "cartpole-bounded",
    "quadrotor-2d-bounded",
    "pendulum-bounded-0.75",
    "van-der-pol",
    "path-tracking-0.84",
)


@pytest.mark.parametrize("name", BEYOND_CONTROL)
def test_on_a_box_beyond_control_it_learns_on_a_part_and_says_so(name: str) -> None:
    system = zoo.system(name)
    candidate = ElmPolicyIteration(neurons=100).fit(system)
    assert spectral_abscissa(candidate, system) < 0.0
    fraction = candidate.provenance["trained_fraction"]
    assert isinstance(fraction, float) and 0.0 < fraction < 1.0
    *_, last = _list(candidate, "warnings")
    assert f"trained on the {fraction:.3g}-fold domain" in last and "\n" not in last
    x = in_trained_box(candidate, 2000)
    assert (system.domain.outer()[0] < x).all() and (x < system.domain.outer()[1]).all()
    V, rate = values_and_rates(candidate, system, x)
    assert V.min() > -0.01 * V.max()
    assert (rate < 0.0).mean() > 0.97


@pytest.mark.parametrize("neurons", [4, 30])
@pytest.mark.parametrize("name", ["quadrotor-2d", "quadrotor-2d-bounded", "cartpole-bounded"])
def test_too_few_neurons_still_give_a_stable_policy(name: str, neurons: int) -> None:
    system = zoo.system(name)
    candidate = ElmPolicyIteration(neurons=neurons).fit(system)
    assert spectral_abscissa(candidate, system) < 0.0
    assert _list(candidate, "warnings")


def test_without_any_value_function_the_first_policy_is_the_candidate() -> None:
    system = zoo.system("quadrotor-2d")
    candidate = ElmPolicyIteration(neurons=4).fit(system)
    assert candidate.provenance["trained_fraction"] == 0.0
    assert "this is the first policy" in _list(candidate, "warnings")[-1]
    assert candidate.control is not None
    K, P = lqr(system)
    x = system.domain.sample(20, np.random.default_rng(0))
    V, u = function([candidate.value, candidate.control], candidate.state)(x)
    assert np.allclose(V[:, 0], ((x @ P) * x).sum(axis=1), rtol=1e-9)
    assert np.allclose(u, -x @ K.T, rtol=1e-9, atol=1e-12)


def test_without_one_a_given_gain_is_kept() -> None:
    system = zoo.system("quadrotor-2d")
    K = 1.5 * lqr(system)[0]
    candidate = ElmPolicyIteration(neurons=4, initial_gain=K).fit(system)
    assert candidate.provenance["trained_fraction"] == 0.0 and candidate.control is not None
    x = system.domain.sample(20, np.random.default_rng(0))
    assert np.allclose(function(candidate.control, candidate.state)(x)[0], -x @ K.T, atol=1e-12)
    V, rate = values_and_rates(candidate, system, 0.01 * x)
    assert (V > 0).all() and (rate < 0).all()


def test_a_policy_that_loses_stability_is_named_with_its_eigenvalue() -> None:
    candidate = ElmPolicyIteration(neurons=30).fit(zoo.system("quadrotor-2d-bounded"))
    history = _list(candidate, "history")
    lost = [w for w in _list(candidate, "warnings") if "lost stability" in w]
    assert lost
    for line in lost:
        found = re.fullmatch(
            r"iteration (\d+): the policy lost stability at the equilibrium "
            r"\(eigenvalue ([-+.\de]+)(?:[-+][.\de+-]+j)?\) and was dropped",
            line,
        )
        assert found is not None
        assert 1 <= int(found[1]) <= len(history) and float(found[2]) >= 0.0


def test_no_first_policy_to_fall_back_on_is_an_error() -> None:
    """Without a linearisation there is no quadratic cost, and u = 0 does not stabilise."""
    system = zoo.system("bilinear")
    learner = ElmPolicyIteration(
        neurons=4, activation="relu", initial_policy=ex.absolute(system.state)
    )
    with pytest.raises(InputError, match="policy iteration diverged") as error:
        learner.fit(system)
    assert "\n" not in str(error.value)


def test_points_outside_the_part_that_is_learned_on_change_nothing() -> None:
    system, learner = zoo.system("pendulum-bounded-0.75"), ElmPolicyIteration(neurons=60)
    plain = learner.fit(system)
    low, high = system.domain.outer()
    more = learner.fit(system, extra_points=0.999 * np.array([low, high]))
    assert plain.provenance["trained_fraction"] == more.provenance["trained_fraction"]
    x = in_trained_box(plain, 100)
    V, same = (function(c.value, c.state)(x)[0] for c in (plain, more))
    assert np.allclose(V, same, rtol=1e-9)


def test_a_part_of_the_domain_is_scaled_about_the_equilibrium() -> None:
    system = zoo.system("path-tracking-0.84")
    plant = Plant(system)
    part = plant.restricted(0.25)
    star = np.array([float(v) for v in system.equilibrium])
    for whole, small in zip(system.domain.outer(), part.ends, strict=True):
        assert np.allclose(small, star + 0.25 * (whole - star))
    x = np.array([[0.1, -0.2], [0.0, 0.3]])
    assert np.array_equal(part.sample(x).f, plant.sample(x).f)


@pytest.mark.parametrize("name", ["lorenz", "cartpole", "quadrotor-3d", "bilinear"])
def test_samples_are_the_dynamics(name: str) -> None:
    """Whether g is the same everywhere or not."""
    system = zoo.system(name)
    plant, m = Plant(system), system.input_dimension
    generator = np.random.default_rng(0)
    x = 0.1 * generator.normal(size=(5, system.state_dimension))
    u = 0.1 * generator.normal(size=(5, m))
    samples = plant.sample(x)
    control = ex.variable("u", m)
    field = function(system.vector_field(control), system.state, control)
    assert np.allclose(samples.velocity(u), field(np.hstack([x, u]))[0], atol=1e-12)
    slope = generator.normal(size=x.shape)
    g = np.stack([samples.velocity(np.tile(e, (5, 1))) - samples.f for e in np.eye(m)], axis=2)
    assert np.allclose(samples.input_slope(slope), np.einsum("ni,nim->nm", slope, g), atol=1e-12)


def test_the_first_policy_is_trusted_where_its_cost_decreases() -> None:
    """u = −x for ẋ = x³ + u: d(x²)/dt = 2x⁴ − 2x² is at most −(2x²)/2 up to x² = 1/2."""
    plant = Plant(zoo.system("synthetic-1"))
    start = first_policy(plant, None, None)
    assert start.box == pytest.approx(0.64)
    assert start.decreases_on(plant.sample(np.array([[0.7], [-0.7]])))
    assert not start.decreases_on(plant.sample(np.array([[0.1], [0.72]])))
