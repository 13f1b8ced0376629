"""LQR against closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import solve_continuous_are, solve_continuous_lyapunov

from learners.elm_start import shown_eigenvalue
from learners.lqr import _stable, linearise, lqr, lqr_candidate, policy_cost
from systems import zoo
from systems.errors import InputError
from systems.evaluate import function
from systems.exact import exact


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
