"""Successive Galerkin approximation: policy iteration with polynomials and exact integrals.

Beard, Saridis and Wen, "Galerkin approximations of the generalized Hamilton-Jacobi-Bellman
equation" (Automatica 33(12), 1997). V = Σ cⱼ φⱼ, the monomials of total degree 2 … order in
x − x*. A policy k is evaluated by the weak GHJB equation, for every i

    ∫ φᵢ (∇V·(f + g k) + Q + (k − u*)ᵀR(k − u*)) dx = 0   over the domain,

linear in c, and improved to u* − ½ R⁻¹gᵀ∇V. What differs from the paper:

* only the polynomials with the plant's sign symmetries and of its decoupled blocks are used, which
  V has too (:mod:`learners.elm_structure`);
* the integrals factorise into integrals in one variable wherever the dynamics are sums of products
  of such functions (:mod:`learners.galerkin_separable`), and are then exact but for rounding in any
  dimension; otherwise, and with input limits, they are computed by quadrature (up to 4 states);
* the first policy may be admissible on a part of the domain only
  (:mod:`learners.galerkin_training`).

The candidate is a polynomial, so that polynomial systems can also be proved by a solver for
polynomial arithmetic.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from certify.candidate import Candidate
from learners.elm_start import first_policy
from learners.first_candidate import first_candidate
from learners.galerkin_iteration import Progress, Solution
from learners.galerkin_training import Training
from learners.galerkin_value import polynomial_candidate
from learners.numeric import Plant
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.expression import Expression
from systems.threads import single_threaded_blas

Array = NDArray[np.float64]

ORDERS = range(2, 13)


@dataclass(frozen=True)
class GalerkinPolicyIteration:
    """Settings of the learner; :meth:`fit` runs it.

    ``order`` is the largest total degree of V's monomials, 2 to 12. ``iterations``: at most so many
    policy iterations; fewer once V has converged. ``initial_gain`` (m, n): start from
    u = u* − K(x − x*); ``initial_policy``: from an expression of the system's state; by default
    from LQR on the linearisation. Nothing is random.
    """

    order: int = 4
    iterations: int = 10
    initial_gain: Array | None = field(default=None, compare=False)
    initial_policy: Expression | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.order, int) or self.order not in ORDERS:
            raise InputError(
                f"order must be an integer from {ORDERS[0]} to {ORDERS[-1]}, not {self.order}: it "
                "is the degree of the polynomial V"
            )
        if self.iterations < 1:
            raise InputError(f"iterations must be at least 1, not {self.iterations}")
        if self.initial_gain is not None and self.initial_policy is not None:
            raise InputError("give initial_gain or initial_policy, not both")

    def fit(
        self,
        system: ControlAffineSystem,
        *,
        extra_points: Array | None = None,
        extra_weights: Array | None = None,
        progress: Progress | None = None,
    ) -> Candidate:
        """The candidate; its provenance holds settings, history, residuals and warnings.

        ``extra_points`` are not used: Galerkin's equations are integrals, not collocation.
        ``progress`` is called for every policy iteration. Raises :class:`InputError` on an unusable
        system, a first policy that is unstable, an order too large for the dimension, and where no
        iteration gave a V. Disturbances are taken at the centre of their ranges.
        """
        began = time.perf_counter()
        with single_threaded_blas():
            training = self._training(system, progress)
            if extra_points is not None and len(extra_points):
                training.warnings.append(
                    f"{system.name}: Galerkin's equations are integrals over the domain: extra "
                    "points (counterexamples) change nothing; another order may"
                )
            ready = time.perf_counter()
            solution = training.run()
            solved = time.perf_counter()
            provenance: dict[str, object] = {
                "learner": "galerkin",
                "settings": self._settings(),
                "iterations": len(training.history),
                "history": training.history,
                "warnings": training.warnings,
                "numpy": np.__version__,
                "solve_seconds": solved - ready,
                "seconds": 0.0,
            }
            candidate = self._candidate(training, solution, provenance)
        provenance["seconds"] = time.perf_counter() - began
        return candidate

    def check_for(self, system: ControlAffineSystem) -> None:
        """Raises InputError where :meth:`fit` could not begin: a wrong system, a bad first policy,
        or an order or integrals that are too much for the dimension.
        """
        with single_threaded_blas():
            training = self._training(system, None)
            training.check()

    def _training(self, system: ControlAffineSystem, progress: Progress | None) -> Training:
        if system.time == "discrete":
            raise InputError(
                f"{system.name}: Galerkin's approximation is for continuous time only; for a "
                "discrete system use LQR (--learner lqr)"
            )
        plant = Plant(system.nominal())
        start = first_policy(plant, self.initial_gain, self.initial_policy)
        return Training(self.order, self.iterations, plant, start, progress)

    def _settings(self) -> dict[str, object]:
        initial: object = "expression" if self.initial_policy is not None else "lqr"
        if self.initial_gain is not None:
            initial = np.asarray(self.initial_gain, dtype=np.float64).tolist()
        return {"order": self.order, "iterations": self.iterations, "initial": initial}

    def _candidate(
        self, training: Training, solution: Solution | None, provenance: dict[str, object]
    ) -> Candidate:
        if solution is None:
            return _first_candidate(training, self.order, provenance)
        basis, plant = solution.basis, solution.plant
        low, high = plant.ends
        scaled = solution.monomial_coefficients
        provenance |= {
            "unknowns": basis.count,
            **training.integration_of(solution),
            "trained_fraction": plant.fraction,
            "trained_box": [low.tolist(), high.tolist()],
            "kept_iteration": solution.iteration,
            "hjb_residual_max": solution.residual_max,
            "hjb_residual_rms": solution.residual_rms,
        }
        return polynomial_candidate(plant.system, basis.exponents, scaled, basis.half, provenance)


def _first_candidate(training: Training, order: int, provenance: dict[str, object]) -> Candidate:
    """The first policy with the quadratic cost of its linearisation: where nothing better is found.

    Raises :class:`InputError` where the Galerkin matrix was singular throughout, or the
    linearisation decides nothing.
    """
    failed = (
        f"Galerkin's approximation of order {order} failed ({training.failures[0]}); choose a "
        "lower order, another domain, or another initial policy"
    )
    if all("singular" in failure for failure in training.failures):
        raise InputError(f"{training.start.plant.system.name}: {failed}")
    return first_candidate(
        training.start,
        provenance,
        failed=failed,
        found="no iteration gave a positive V with a stable policy",
        may_help="another order or a smaller domain",
    )
