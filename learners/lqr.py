"""The linear-quadratic regulator of the linearisation: first policy, and baseline row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import (
    LinAlgError,
    lapack,
    solve_continuous_are,
    solve_continuous_lyapunov,
    solve_discrete_are,
    solve_discrete_lyapunov,
)

from certify.candidate import Candidate
from systems import expression as ex
from systems.differentiate import gradient, jacobian
from systems.dynamics import ControlAffineSystem, Time, linear_control
from systems.errors import InputError
from systems.evaluate import function
from systems.expression import Expression
from systems.linearize import linearize

Array = NDArray[np.float64]

SMALL = 4
"""Up to this dimension a Lyapunov equation is solved as n² linear equations."""
RICCATI_TOLERANCE = 1e-12
"""Largest relative residual with which the plain Schur method's answer is taken."""
MARGIN = 1e-9
"""Real parts within this of zero (relative to the matrix) count as marginal, not as unstable; in
discrete time, moduli within this of one."""


@dataclass(frozen=True, eq=False)
class Linearisation:
    """ẋ ≈ A (x − x*) + B (u − u*), running cost ≈ (x − x*)ᵀQ(x − x*) + (u − u*)ᵀR(u − u*).

    In discrete ``time``, x⁺ − x* ≈ A (x − x*) + B (u − u*), and the cost is that of a step.
    """

    A: Array
    B: Array
    Q: Array
    R: Array
    time: Time = "continuous"

    def closed_loop(self, K: Array) -> Array:
        """A − BK."""
        out: Array = self.A - self.B @ K
        return out


def linearise(system: ControlAffineSystem) -> Linearisation:
    """A = D(f + g u*)(x*), B = g(x*), Q = half the Hessian of the state cost at x*.

    Disturbances are at the centre of their ranges. Raises :class:`InputError` where a derivative
    at the equilibrium does not exist.
    """
    A, B = linearize(system)
    there = np.array([[float(v) for v in system.equilibrium]])
    slopes = jacobian(gradient(system.state_cost, system.state), system.state)
    hessian = np.array([row[0] for row in function(slopes, system.state)(there)])
    if not np.isfinite(hessian).all():
        raise InputError(f"{system.name}: the state cost has no Hessian at the equilibrium")
    cost = 0.25 * (hessian + hessian.T)
    return Linearisation(A, B, cost, system.input_cost_array(), system.time)


def spectral_abscissa(matrix: Array) -> float:
    """The largest real part of the eigenvalues."""
    return float(np.linalg.eigvals(matrix).real.max())


def is_marginal(matrix: Array, abscissa: float) -> bool:
    """Whether the linear part decides nothing: an eigenvalue on the imaginary axis."""
    return abs(abscissa) <= MARGIN * max(1.0, float(np.abs(matrix).max(initial=0.0)))


def policy_cost(linear: Linearisation, K: Array) -> Array:
    """P with (A − BK)ᵀP + P(A − BK) + Q + KᵀRK = 0, for a stabilising K.

    In discrete time, with (A − BK)ᵀP(A − BK) − P + Q + KᵀRK = 0.
    """
    closed, cost = linear.closed_loop(K), linear.Q + K.T @ linear.R @ K
    if linear.time == "discrete":
        P = np.asarray(solve_discrete_lyapunov(closed.T, cost), dtype=np.float64)
    elif len(closed) <= SMALL:
        n, one = len(closed), np.eye(len(closed))
        # AᵀP + PA as a matrix on the entries of P, row by row.
        left = closed.T[:, None, :, None] * one[None, :, None, :]
        equations = (left + left.transpose(1, 0, 3, 2)).reshape(n * n, n * n)
        P = np.asarray(np.linalg.solve(equations, -cost.ravel())).reshape(n, n)
    else:
        P = solve_continuous_lyapunov(closed.T, -cost)
    return 0.5 * (P + P.T)


def lqr(system: ControlAffineSystem) -> tuple[Array, Array]:
    """The gain K (m, n) of u = u* − K(x − x*) and P (n, n) with cost (x − x*)ᵀP(x − x*).

    P solves the algebraic Riccati equation of the linearisation, K = R⁻¹BᵀP, or in discrete time
    K = (R + BᵀPB)⁻¹BᵀPA. Of an uncontrolled system, K is empty and P solves the Lyapunov equation.
    Disturbances are at the centre of their ranges. Raises :class:`InputError` where the
    linearisation cannot be stabilised or R is not positive definite.
    """
    return solve_riccati(linearise(system), system.name)


def solve_riccati(linear: Linearisation, name: str) -> tuple[Array, Array]:
    """As :func:`lqr`, from the linearisation; ``name`` goes into messages."""
    n, m = linear.B.shape
    if not m:
        return np.empty((0, n)), policy_cost(linear, _stable(linear, np.empty((0, n)), name))
    if not np.array_equal(linear.R, linear.R.T) or np.linalg.eigvalsh(linear.R)[0] <= 0.0:
        raise InputError(f"{name}: the input cost R must be symmetric and positive definite")
    P = riccati_solution(linear, name)
    weight, effect = linear.R, linear.B.T @ P
    if linear.time == "discrete":
        weight, effect = linear.R + effect @ linear.B, effect @ linear.A
    K = np.asarray(np.linalg.solve(weight, effect), dtype=np.float64)
    return _stable(linear, K, name), P


def riccati_solution(linear: Linearisation, name: str) -> Array:
    """P with AᵀP + PA − PBR⁻¹BᵀP + Q = 0, stabilising as far as can be had; ``name`` for messages.

    In discrete time, with AᵀPA − P − AᵀPB(R + BᵀPB)⁻¹BᵀPA + Q = 0. R must be positive definite.
    Raises :class:`InputError` where there is none.
    """
    discrete = linear.time == "discrete"
    P = None if discrete else _by_schur_vectors(linear)
    if P is not None:
        return P
    solve = solve_discrete_are if discrete else solve_continuous_are
    try:
        P = solve(linear.A, linear.B, linear.Q, linear.R)
    except (LinAlgError, ValueError) as error:
        raise InputError(
            f"{name}: the linearisation at the equilibrium has no LQR gain (it is not "
            f"stabilisable, or its cost does not see a mode: {error}); give an initial policy"
        ) from None
    return np.asarray(0.5 * (P + P.T), dtype=np.float64)


def _by_schur_vectors(linear: Linearisation) -> Array | None:
    """The Riccati solution from the stable subspace of the Hamiltonian matrix (Laub, 1979).

    Without the balancing and the checks of scipy's general solver, which on small systems take
    longer than ELM-PI does; None where it is not accurate, and scipy should try.
    """
    n = len(linear.A)
    G = linear.B @ np.linalg.solve(linear.R, linear.B.T)
    H = np.empty((2 * n, 2 * n))
    H[:n, :n], H[:n, n:], H[n:, :n], H[n:, n:] = linear.A, -G, -linear.Q, -linear.A.T
    _, stable, _, _, vectors, _, info = lapack.dgees(lambda real, _: real < 0.0, H, sort_t=1)
    if info or stable != n:
        return None
    try:
        P: Array = np.linalg.solve(vectors[:n, :n].T, vectors[n:, :n].T)
    except LinAlgError:
        return None
    P = 0.5 * (P + P.T)
    slope = linear.A.T @ P
    residual = np.abs(slope + slope.T - P @ G @ P + linear.Q).max()
    size = np.abs(slope).max() + np.abs(P @ G @ P).max() + np.abs(linear.Q).max()
    return P if residual <= RICCATI_TOLERANCE * size else None


def _stable(linear: Linearisation, K: Array, name: str) -> Array:
    closed = linear.closed_loop(K)
    if linear.time == "discrete":
        return _stable_in_discrete_time(closed, K, name)
    abscissa = spectral_abscissa(closed)
    if abscissa >= 0.0 or is_marginal(closed, abscissa):
        kind = "LQR closed loop" if K.size else "uncontrolled system"
        raise InputError(
            f"{name}: the {kind} is not exponentially stable at the equilibrium "
            f"(an eigenvalue has real part {abscissa + 0.0:.6g})"
        )
    return K


def _stable_in_discrete_time(closed: Array, K: Array, name: str) -> Array:
    radius = float(np.abs(np.linalg.eigvals(closed)).max())
    if radius >= 1.0 - MARGIN:
        kind = "LQR closed loop" if K.size else "uncontrolled system"
        raise InputError(
            f"{name}: the {kind} is not exponentially stable at the equilibrium "
            f"(an eigenvalue has modulus {radius:.6g}, at least 1)"
        )
    return K


def quadratic_value(P: Array, system: ControlAffineSystem) -> Expression:
    """(x − x*)ᵀP(x − x*), an exact expression for the floats in P."""
    displacement = system.state - ex.constant(list(system.equilibrium))
    return ex.dot(displacement, ex.affine(P, displacement))


def lqr_candidate(system: ControlAffineSystem) -> Candidate:
    """V = (x − x*)ᵀP(x − x*) and k = u* − K(x − x*), cut off at the input limits."""
    K, P = lqr(system)
    control = None if not K.size else system.saturated(linear_control(K, system))
    provenance = {"learner": "lqr", "gain": K.tolist(), "cost_matrix": P.tolist()}
    return Candidate(system.state, quadratic_value(P, system), control, provenance)
