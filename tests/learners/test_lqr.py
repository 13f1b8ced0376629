"""LQR against closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import solve_continuous_are, solve_continuous_lyapunov

from learners.elm_pi import ElmPolicyIteration
from learners.elm_start import shown_eigenvalue
from learners.lqr import (
    Linearisation,
    _stable,
    linearise,
    lqr,
    lqr_candidate,
    policy_cost,
    solve_riccati,
)
from systems import zoo
from systems.build import system_from_text
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.evaluate import function
from systems.exact import exact
from systems.simulate import simulate


def test_the_double_integrator_has_the_textbook_gain() -> None:
    """ẍ = u with Q = I, R = 1: K = [1, √3], P = [[√3, 1], [1, √3]]."""
    system = replace(zoo.system("double-integrator"), input_limits=None)
    linear = linearise(system)
    assert np.array_equal(linear.A, [[0, 1], [0, 0]])
    assert np.array_equal(linear.B, [[0], [1]])
    assert np.array_equal(linear.Q, np.eye(2)) and np.array_equal(linear.R, np.eye(1))
    K, P = lqr(system)
    root = np.sqrt(3.0)
    assert np.allclose(K, [[1, root]], rtol=0, atol=1e-12)
    assert np.allclose(P, [[root, 1], [1, root]], rtol=0, atol=1e-12)


def test_the_candidate_is_the_quadratic_and_the_linear_law() -> None:
    system = zoo.system("pendulum")
    K, P = lqr(system)
    candidate = lqr_candidate(system)
    assert candidate.control is not None
    x = system.domain.sample(50, np.random.default_rng(0))
    V, u = function([candidate.value, candidate.control], candidate.state)(x)
    assert np.allclose(V[:, 0], ((x @ P) * x).sum(axis=1), rtol=1e-13)
    assert np.allclose(u, -x @ K.T, rtol=1e-13)
    A = linearise(system).closed_loop(K)
    assert np.linalg.eigvals(A).real.max() < 0


def test_input_limits_cut_the_control_off() -> None:
    system = zoo.system("double-integrator")
    candidate = lqr_candidate(system)
    assert candidate.control is not None and system.input_limits is not None
    far = np.array([[20.0, 5.0], [-20.0, -5.0]])
    u = function(candidate.control, candidate.state)(far)[0]
    assert u.ravel().tolist() == [-1.0, 1.0]


def test_an_uncontrolled_system_has_a_lyapunov_solution() -> None:
    system = zoo.system("van-der-pol-reversed")
    K, P = lqr(system)
    linear = linearise(system)
    assert K.shape == (0, 2)
    assert np.allclose(linear.A.T @ P + P @ linear.A, -linear.Q, atol=1e-12)


def test_a_vanishing_linearisation_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="give an initial policy") as error:
        lqr(zoo.system("bilinear"))
    assert "\n" not in str(error.value)


def test_a_vanishing_eigenvalue_has_no_sign() -> None:
    assert shown_eigenvalue(np.array([[-0.0]])) == "0"
    linear = linearise(zoo.system("van-der-pol-reversed"))
    still = replace(linear, A=np.diag([-0.0, -0.0]), B=np.zeros((2, 0)))
    with pytest.raises(InputError, match=r"real part 0\)"):
        _stable(still, np.zeros((0, 2)), "still")


def test_an_indefinite_input_cost_is_refused() -> None:
    broken = replace(zoo.system("pendulum"), input_cost=((exact(-1),),))
    with pytest.raises(InputError, match="positive definite"):
        lqr(broken)


SOLVABLE = ("synthetic-2", "pendulum", "lorenz", "cartpole", "quadrotor-2d", "quadrotor-3d")


@pytest.mark.parametrize("name", SOLVABLE)
def test_riccati_and_lyapunov_solutions_are_scipys(name: str) -> None:
    """Ours are quicker on small systems; scipy is the oracle."""
    system = zoo.system(name)
    linear = linearise(system)
    K, P = lqr(system)
    oracle = solve_continuous_are(linear.A, linear.B, linear.Q, linear.R)
    assert np.allclose(P, oracle, rtol=1e-8, atol=1e-8 * np.abs(oracle).max())
    K = 1.5 * K
    closed = linear.closed_loop(K)
    cost = solve_continuous_lyapunov(closed.T, -(linear.Q + K.T @ linear.R @ K))
    assert np.allclose(policy_cost(linear, K), cost, rtol=1e-9, atol=1e-9 * np.abs(cost).max())


def sampled(a: object, b: object, Q: object = 1, R: object = 1) -> ControlAffineSystem:
    """x⁺ = a x + b u."""
    return system_from_text(
        "sampled", ["x"], ["u"], {"x": "a*x + b*u"}, domain=[[-1, 1]], Q=Q, R=R, time="discrete",
        parameters={"a": a, "b": b},  # type: ignore[dict-item]
    )  # fmt: skip


def test_the_discrete_integrator_has_the_golden_ratio() -> None:
    """x⁺ = x + u with Q = R = 1: P = 1 + 1/P, and K = P/(1 + P) = 1/P."""
    K, P = lqr(sampled(1, 1))
    golden = (1 + np.sqrt(5)) / 2
    assert np.allclose(P, golden, rtol=1e-12) and np.allclose(K, 1 / golden, rtol=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 2))
def test_a_discrete_riccati_solution_is_the_cost_of_its_policy(seed: int, n: int, m: int) -> None:
    generator = np.random.default_rng(seed)
    A, B = generator.normal(size=(n, n)), generator.normal(size=(n, m))
    linear = Linearisation(A, B, np.eye(n), np.eye(m), "discrete")
    K, P = solve_riccati(linear, "random")
    closed = linear.closed_loop(K)
    assert np.abs(np.linalg.eigvals(closed)).max() < 1
    scale = np.abs(P).max()
    assert np.allclose(closed.T @ P @ closed - P + np.eye(n) + K.T @ K, 0, atol=1e-6 * scale)
    assert np.allclose(policy_cost(linear, K), P, rtol=1e-5, atol=1e-6 * scale)
    # no other gain near it costs less
    other = K + 1e-3 * generator.normal(size=K.shape)
    if np.abs(np.linalg.eigvals(linear.closed_loop(other))).max() < 1:
        excess = policy_cost(linear, other) - P
        assert np.linalg.eigvalsh(excess).min() > -1e-6 * scale


def test_the_cost_of_a_discrete_candidate_is_what_a_simulation_adds_up() -> None:
    system = zoo.pendulum_discrete()
    candidate = lqr_candidate(system)
    start = np.array([[1e-3, -1e-3]])
    found = simulate(candidate.closed_loop(system), start, 3000)
    V = function(candidate.value, candidate.state)(start)[0][0, 0]
    assert found.total_costs[0] == pytest.approx(V, rel=1e-5)


def test_an_unstable_discrete_system_is_refused() -> None:
    with pytest.raises(InputError, match="no LQR gain") as error:
        lqr(sampled(2, 0))
    assert "\n" not in str(error.value)
    still = system_from_text("still", ["x"], [], {"x": "-x"}, domain=[[-1, 1]], time="discrete")
    with pytest.raises(InputError, match="an eigenvalue has modulus 1, at least 1"):
        lqr(still)
    slow = system_from_text("slow", ["x"], [], {"x": "-x/2"}, domain=[[-1, 1]], time="discrete")
    assert np.allclose(lqr(slow)[1], 4 / 3)  # P = P/4 + 1


def test_learners_take_disturbances_at_the_centre() -> None:
    disturbed, plain = zoo.pendulum_disturbed(), zoo.pendulum()
    for one, other in zip(lqr(disturbed), lqr(plain), strict=True):
        assert np.array_equal(one, other)
    plain = replace(plain, domain=disturbed.domain)
    learner = ElmPolicyIteration(neurons=10)
    x = plain.domain.sample(20, np.random.default_rng(0))
    values = [
        function([c.value, c.control], c.state)(x)
        for c in (learner.fit(disturbed), learner.fit(plain))
        if c.control is not None
    ]
    assert len(values) == 2
    assert all(np.array_equal(a, b) for a, b in zip(*values, strict=True))


def test_elm_pi_refuses_discrete_time_in_one_line() -> None:
    with pytest.raises(InputError, match="ELM-PI learns in continuous time only") as error:
        ElmPolicyIteration().fit(zoo.pendulum_discrete())
    assert "\n" not in str(error.value)
