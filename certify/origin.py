"""The quadratic that closes the origin: a small ellipsoid on which solutions provably converge.

In continuous time, with S(x) = P DF(x) + DF(x)ᵀ P ≺ 0 on E = {q ≤ c_q} and F(x*) = 0, where
q(x) = (x − x*)ᵀ P (x − x*), q̇(x) = (x − x*)ᵀ ∫₀¹ S(x* + s (x − x*)) ds (x − x*) < 0 for every
x ≠ x* in E, since E contains the segment (Krasovskii's and Demidovich's argument; Khalil,
Nonlinear Systems, exercise 4.10). In discrete time q(F(x)) < q(x) follows likewise from
DFᵀ P DF ≺ P, as these DF make a convex set. F need only be Lipschitz: at a kink every element of
the enclosed Clarke Jacobian is covered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from certify.conditions import Condition
from certify.ellipsoid import Ellipsoid, exact_inverse, half_widths, is_positive_definite
from certify.stability import StabilityProblem
from certify.verdict import Counterexample
from systems.box import Box
from systems.differentiate import NotDifferentiableError, gradient, jacobian
from systems.evaluate import function
from systems.exact import short_fraction

Array = NDArray[np.float64]


def linearisation(problem: StabilityProblem) -> Array:
    """A ≈ ∂F/∂x at x*, in floating point, (n, n); with w at the centre of W."""
    rows = function(list(jacobian(problem.field, problem.state)), *problem.variables)(
        centre_point(problem)
    )
    return np.array([row[0] for row in rows])


def centre_point(problem: StabilityProblem) -> Array:
    """(x*, the centre of W), of shape (1, n + p)."""
    W = problem.system.disturbance_range
    values = [*problem.system.equilibrium, *(() if W is None else W.centre)]
    return np.array([[float(v) for v in values]])


def instability(matrix: Array, discrete: bool = False) -> str | None:
    """Why a linearisation does not show local exponential stability, or None where it does."""
    if not np.isfinite(matrix).all():
        return "the linearisation at the equilibrium is not finite"
    values = np.linalg.eigvals(matrix)
    slack = 1e-9 * (1.0 + abs(matrix).max())
    if discrete:
        worst = max(values, key=abs)
        outside, where = abs(worst) >= 1.0 - slack, "inside the unit circle"
    else:
        worst = max(values, key=lambda v: v.real)
        outside, where = worst.real >= -slack, "in the left half-plane"
    if not outside:
        return None
    return (
        "the linearisation of the closed loop at the equilibrium has the eigenvalue "
        f"{worst.real:.4g}{f' + {abs(worst.imag):.4g}i' if worst.imag else ''}, which is not "
        f"safely {where}"
    )


def rate_of(matrix: Array, discrete: bool) -> float:
    """The supremum of the rates alpha at which some quadratic form decreases along x ↦ A x."""
    values = np.linalg.eigvals(matrix)
    if discrete:
        return float(1.0 - max(abs(values)) ** 2)
    return float(-2.0 * max(values.real))


def ellipsoids(
    problem: StabilityProblem,
    matrix: Array,
    alpha: Fraction | None = None,
    *,
    weights: Sequence[Array] = (),
) -> Iterator[Ellipsoid]:
    """Shapes to try, the most promising first: of the ``weights`` (n,) in Lyapunov's equation, if
    there are any; V's own curvature; then Lyapunov's equation with the unit matrix.

    With ``alpha``, quadratic forms that decrease at this rate.
    """
    point = centre_point(problem)[:, : problem.state.size]
    form = Form.of(problem, matrix, alpha)
    for weight in weights:
        shape = form.solution(weight)
        if shape is not None:
            yield from _ellipsoid(shape, form)
    with suppress(NotDifferentiableError):  # a relu V has no curvature; Lyapunov's equation serves
        slope = gradient(problem.value, problem.state)
        rows = function(list(jacobian(slope, problem.state)), problem.state)(point)
        yield from _ellipsoid(np.array([row[0] for row in rows]) / 2, form)
    shape = form.solution(np.ones(len(matrix)))
    if shape is not None:
        yield from _ellipsoid(shape, form)


class Form:
    """−S of the linearisation A, for a shape P: what has to be positive definite."""

    @staticmethod
    def of(problem: StabilityProblem, matrix: Array, alpha: Fraction | None) -> Form:
        """The form of a problem; with ``alpha``, of what decreases at this rate."""
        return Form(matrix, problem.is_discrete, 0.0 if alpha is None else float(alpha))

    def __init__(self, matrix: Array, discrete: bool, alpha: float) -> None:
        self.matrix, self.discrete, self.alpha = matrix, discrete, alpha

    def dissipation(self, shape: Array) -> Array:
        """−S of the linearisation, (n, n)."""
        return self.dissipation_along(self.matrix, shape)

    def dissipation_along(self, matrices: Array, shape: Array) -> Array:
        """−S of each of ``matrices``, (…, n, n), Jacobians somewhere else."""
        A, turned = matrices, np.swapaxes(matrices, -1, -2)
        if self.discrete:
            return np.asarray((1.0 - self.alpha) * shape - turned @ shape @ A)
        return np.asarray(-(shape @ A + turned @ shape + self.alpha * shape))

    def solution(self, weight: Array) -> Array | None:
        """The P whose dissipation is the diagonal matrix of ``weight`` (n,); None where none is
        positive definite."""
        n = len(self.matrix)
        from scipy.linalg import (  # takes half a second to import
            solve_continuous_lyapunov,
            solve_discrete_lyapunov,
        )

        if rate_of(self.matrix, self.discrete) <= self.alpha:
            return None
        if not self.discrete:
            shifted = self.matrix + 0.5 * self.alpha * np.eye(n)
            return np.asarray(solve_continuous_lyapunov(shifted.T, -np.diag(weight)))
        scale = 1.0 - self.alpha
        return np.asarray(
            solve_discrete_lyapunov((self.matrix / scale**0.5).T, np.diag(weight) / scale)
        )


def _ellipsoid(shape: Array, form: Form) -> Iterator[Ellipsoid]:
    """The ellipsoid of that shape, if its quadratic form decreases along the linearisation."""
    shape = _short(0.5 * (shape + shape.T))
    if not np.isfinite(shape).all():
        return
    try:
        factor = np.linalg.cholesky(form.dissipation(shape))
    except np.linalg.LinAlgError:
        return
    scaling = _short(np.linalg.inv(factor))
    if np.isfinite(scaling).all() and is_positive_definite(shape):
        yield Ellipsoid(shape, scaling)


def _short(matrix: Array) -> Array:
    """Rounded to 24 significant bits: any P and R will do, and short ones keep products exact.

    Infinite where float32 is too small for it.
    """
    with np.errstate(over="ignore"):
        return matrix.astype(np.float32).astype(np.float64)


def largest_level_inside(problem: StabilityProblem, ellipsoid: Ellipsoid) -> Fraction:
    """The level below which {q ≤ level} lies in the interior of the domain, exactly.

    q is at least d² / (P⁻¹)ᵢᵢ where |xᵢ − x*ᵢ| = d.
    """
    inverse = exact_inverse(ellipsoid.matrix)
    domain, centre = problem.domain, problem.system.equilibrium
    return min(
        min(c - low, high - c) ** 2 / inverse[i][i]
        for i, (low, c, high) in enumerate(zip(domain.lower, centre, domain.upper, strict=True))
    )


def hull(problem: StabilityProblem, ellipsoid: Ellipsoid, level: Fraction) -> Box:
    """A box around {q ≤ level}, within a few units of the last place of the smallest."""
    widths = half_widths(ellipsoid, level)
    ends = zip(problem.system.equilibrium, widths, strict=True)
    return Box.of([(c - half, c + half) for c, half in ends])


def contraction_on_hull(
    problem: StabilityProblem,
    ellipsoid: Ellipsoid,
    level: Fraction,
    alpha: Fraction | None = None,
) -> Condition:
    """The contraction condition, searched on the ellipsoid's hull instead of the whole domain."""
    condition = problem.contraction(ellipsoid, level, alpha)
    return replace(condition, regions=(problem.disturbed(hull(problem, ellipsoid, level)),))


def shrink_ellipsoid(condition: Condition, found: Counterexample) -> Condition | None:
    """Relax a contraction condition to an ellipsoid that excludes the counterexample."""
    level = short_fraction(Fraction(found.outputs[0][0]) * Fraction(15, 16), down=True)
    if level <= 0 or level < condition.violation[0].level / 2**40:
        return None
    return condition.with_levels([level, condition.violation[1].level])
