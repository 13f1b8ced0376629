"""Policy iteration on Galerkin equations, on one box; it watches itself and stops in time.

A Galerkin approximation inherits nothing from the theory of policy iteration where the first policy
is not admissible on the box, trajectories leave it, or the polynomials are too few: V may become
negative, its policy lose stability, the residual grow. Such an iterate is dropped, with a warning,
and the last good one is kept.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, LinAlgWarning, solve

from learners.elm_solution import NEGATIVE
from learners.elm_start import Start, shown_eigenvalue
from learners.galerkin_basis import PolynomialBasis
from learners.galerkin_quadrature import QuadratureEquations
from learners.galerkin_tables import SeparableEquations
from learners.lqr import spectral_abscissa
from learners.numeric import Plant, Samples, boundary_dense_points

Array = NDArray[np.float64]
Progress = Callable[[Mapping[str, object]], None]

CONVERGED = 1e-10
"""Stop when V changes by at most this, relative to its norm: Newton's method squares errors."""
DIVERGED = 10.0
"""The residual has grown by this factor since its least: iteration diverges."""
PROBES, PROBES_A_DIMENSION = 500, 100


@dataclass(frozen=True, eq=False)
class Solution:
    """V = Σ cⱼ φⱼ with the HJB residual of its greedy policy (max, rms) at held-out points.

    ``iteration`` counts from 1 in the history. ``is_lyapunov``: V decreases, at all of those points
    that lie in its largest sublevel set inside the box.
    """

    c: Array
    basis: PolynomialBasis
    iteration: int
    residual_max: float
    residual_rms: float
    is_lyapunov: bool

    @property
    def plant(self) -> Plant:
        return self.basis.plant

    @cached_property
    def monomial_coefficients(self) -> Array:
        """Of ((x − x*)/half)^a, a in the basis's exponents."""
        return self.basis.monomial_coefficients(self.c)


@dataclass(frozen=True, eq=False)
class _Probes:
    """Held-out points of the box, with φ there, and φ on its boundary (F, N)."""

    samples: Samples
    values: Array
    slopes: Array
    faces: Array

    @staticmethod
    def of(basis: PolynomialBasis) -> _Probes:
        plant, n = basis.plant, len(basis.half)
        count = PROBES + PROBES_A_DIMENSION * n
        x = boundary_dense_points(plant.ends, count, np.random.default_rng(3))
        face = x.copy()
        chosen, side = np.arange(count) % n, np.arange(count) // n % 2
        face[np.arange(count), chosen] = np.array(plant.ends)[side, chosen]
        values, slopes = (part @ basis.restriction for part in basis.at(x))
        faces = basis.at(face)[0] @ basis.restriction
        return _Probes(plant.sample(x), values, slopes, faces)

    def gradient(self, c: Array) -> Array:
        """∇V, (P, n)."""
        return (self.slopes @ c).T


@dataclass(eq=False)
class PolicyIteration:
    """One run; ``history`` is that of the whole training."""

    basis: PolynomialBasis
    start: Start
    equations: SeparableEquations | QuadratureEquations
    iterations: int
    history: list[dict[str, object]]
    progress: Progress | None

    def __post_init__(self) -> None:
        self.probes = _Probes.of(self.basis)
        self.failure = ""

    def solve(self, known: Array | None = None) -> Solution | None:
        """The last V that is positive with a stable policy; None where the first one is not.

        ``failure`` then says what was wrong with the one after it, if iteration failed.

        Starts from the first policy, or from the greedy policy of the coefficients ``known``.
        """
        plant, Q = self.basis.plant, self.basis.restriction
        best: Solution | None = None
        least, c = np.inf, known
        u = self._first_inputs(known)
        for step in range(1, self._most + 1):
            with np.errstate(all="ignore"):
                A, b = self.equations.first() if c is None else self.equations.improved(Q @ c)
                found = self._solved(Q.T @ A @ Q, Q.T @ b)
            if found is None:
                return best
            change = np.inf if c is None else float(np.linalg.norm(found - c))
            entry, u, solution = self._measured(found, u)
            if self.failure or solution.residual_rms > DIVERGED * least:
                self.failure = self.failure or (
                    f"the HJB residual grew from {least:.3g} to {solution.residual_rms:.3g}"
                )
                return best
            entry["value_change"] = None if c is None else change / float(np.linalg.norm(found))
            self._record(entry, step, found)
            best, least, c = solution, min(least, solution.residual_rms), found
            if change <= CONVERGED * float(np.linalg.norm(found)) or not plant.u_star.size:
                break
        return best

    @property
    def _most(self) -> int:
        """A system without inputs has one policy: one evaluation."""
        return self.iterations if self.basis.plant.u_star.size else 1

    def _first_inputs(self, known: Array | None) -> Array:
        plant, samples = self.basis.plant, self.probes.samples
        if known is None:
            return self.start.policy(samples.x)
        return plant.greedy(samples, self.probes.gradient(known))

    def _solved(self, A: Array, b: Array) -> Array | None:
        """The coefficients; None, with the failure said, where the matrix is singular."""
        if not (np.isfinite(A).all() and np.isfinite(b).all()):
            self.failure = "the Galerkin integrals are not finite"
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", LinAlgWarning)
                c = np.asarray(solve(A, b), dtype=np.float64)
        except (LinAlgError, LinAlgWarning):
            self.failure = "the Galerkin matrix is singular"
            return None
        return c

    def _measured(self, c: Array, u: Array) -> tuple[dict[str, object], Array, Solution]:
        """Figures of V at the held-out points, its greedy inputs there, and whether it is good."""
        plant, probes = self.basis.plant, self.probes
        samples, V, slopes = probes.samples, probes.values @ c, probes.gradient(c)
        improved = plant.greedy(samples, slopes)
        residual = plant.hamiltonian(samples, slopes, improved)
        rms = math.sqrt(float(np.vdot(residual, residual)) / len(residual))
        entry: dict[str, object] = {
            "ghjb_residual_max": float(np.abs(plant.hamiltonian(samples, slopes, u)).max()),
            "policy_change": float(plant.input_energy(improved - u).max(initial=0.0)),
            "hjb_residual_max": float(np.abs(residual).max()),
            "hjb_residual_rms": rms,
        }
        rate = np.vecdot(slopes, samples.velocity(improved))
        inside = float((probes.faces @ c).min()) > V
        self.failure = self._badness(c, V)
        solution = Solution(
            c,
            self.basis,
            len(self.history) + 1,
            float(np.abs(residual).max()),
            rms,
            bool((rate[inside] < 0.0).all() and (probes.faces @ c > 0.0).all()),
        )
        return entry, improved, solution

    def _badness(self, c: Array, V: Array) -> str:
        """Why V may not be kept; empty where it may."""
        if not np.isfinite(c).all():
            return "V is not finite"
        closed = self._closed_loop(c)
        if closed is not None and spectral_abscissa(closed) >= 0.0:
            return (
                "the policy lost stability at the equilibrium "
                f"(eigenvalue {shown_eigenvalue(closed)})"
            )
        lowest, highest = float(V.min()), float(V.max())
        if not lowest > -NEGATIVE * highest:
            return f"V became negative ({lowest:.3g})"
        return ""

    def _closed_loop(self, c: Array) -> Array | None:
        """The linearisation under V's greedy policy; None where that decides nothing."""
        linear, plant = self.start.linear, self.basis.plant
        if linear is None or not plant.u_star.size:
            return None
        K = plant.half_R_inverse @ (linear.B.T @ self.basis.hessian(c))
        return linear.closed_loop(K)

    def _record(self, entry: dict[str, object], step: int, c: Array) -> None:
        """Joins the history; listeners also hear the function V."""
        entry = {
            "iteration": len(self.history) + 1,
            "iterations": len(self.history) + 1 + self._most - step,
            "share": step / self._most,
            "unknowns": self.basis.count,
            "box": self.basis.plant.fraction,
            **entry,
        }
        self.history.append(entry)
        if self.progress is not None:
            basis = self.basis
            self.progress({**entry, "value": lambda x: basis.value(x, c)})
