"""The quadratic that closes the origin: a small ellipsoid on which solutions provably converge.

With S(x) = P DF(x) + DF(x)ᵀ P ≺ 0 on E = {q ≤ c_q}, q(x) = (x − x*)ᵀ P (x − x*) and F(x*) = 0,
q̇(x) = (x − x*)ᵀ ∫₀¹ S(x* + s (x − x*)) ds (x − x*) < 0 for every x ≠ x* in E, since E contains the
segment (Krasovskii's and Demidovich's argument; Khalil, Nonlinear Systems, exercise 4.10). F need
only be Lipschitz: at a kink every element of the enclosed Clarke Jacobian is covered.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from certify.conditions import Condition
from certify.stability import Ellipsoid, StabilityProblem, is_positive_definite
from certify.verdict import Counterexample
from systems.box import Box
from systems.differentiate import NotDifferentiableError, gradient, jacobian
from systems.evaluate import function
from systems.exact import short_fraction

Array = NDArray[np.float64]


def linearisation(problem: StabilityProblem) -> Array:
    """A ≈ DF(x*), in floating point, (n, n)."""
    point = np.array([[float(v) for v in problem.system.equilibrium]])
    rows = function(list(jacobian(problem.field, problem.state)), problem.state)(point)
    return np.array([row[0] for row in rows])


def instability(matrix: Array) -> str | None:
    """Why a linearisation does not show local exponential stability, or None where it does."""
    if not np.isfinite(matrix).all():
        return "the linearisation at the equilibrium is not finite"
    worst = max(np.linalg.eigvals(matrix), key=lambda v: v.real)
    if worst.real < -1e-9 * (1.0 + abs(matrix).max()):
        return None
    return (
        "the linearisation of the closed loop at the equilibrium has the eigenvalue "
        f"{worst.real:.4g}{f' + {abs(worst.imag):.4g}i' if worst.imag else ''}, which is not "
        "safely in the left half-plane"
    )


def ellipsoids(problem: StabilityProblem, matrix: Array) -> Iterator[Ellipsoid]:
    """Shapes to try, the most promising first: V's own curvature, then Lyapunov's equation."""
    n = len(matrix)
    point = np.array([[float(v) for v in problem.system.equilibrium]])
    with suppress(NotDifferentiableError):  # a relu V has no curvature; Lyapunov's equation serves
        slope = gradient(problem.value, problem.state)
        rows = function(list(jacobian(slope, problem.state)), problem.state)(point)
        yield from _ellipsoid(np.array([row[0] for row in rows]) / 2, matrix)
    from scipy.linalg import solve_continuous_lyapunov  # takes half a second to import

    yield from _ellipsoid(solve_continuous_lyapunov(matrix.T, -np.eye(n)), matrix)


def _ellipsoid(shape: Array, matrix: Array) -> Iterator[Ellipsoid]:
    """The ellipsoid of that shape, if its quadratic form decreases along the linearisation."""
    if not np.isfinite(shape).all():
        return
    shape = _short(0.5 * (shape + shape.T))
    dissipation = -(shape @ matrix + matrix.T @ shape)
    try:
        factor = np.linalg.cholesky(dissipation)
    except np.linalg.LinAlgError:
        return
    if is_positive_definite(shape):
        yield Ellipsoid(shape, _short(np.linalg.inv(factor)))


def _short(matrix: Array) -> Array:
    """Rounded to 24 significant bits: any P and R will do, and short ones keep products exact."""
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
    inverse = exact_inverse(ellipsoid.matrix)
    sides = []
    for i, c in enumerate(problem.system.equilibrium):
        wanted = level * inverse[i][i]
        half = Fraction(float(wanted) ** 0.5)
        while half * half < wanted:
            half += half / 2**50
        sides.append((c - half, c + half))
    return Box.of(sides)


def exact_inverse(matrix: Array) -> list[list[Fraction]]:
    """The inverse of a nonsingular float matrix, in rationals (Gauss-Jordan)."""
    n = len(matrix)
    rows = [
        [Fraction(v) for v in row] + [Fraction(int(i == j)) for j in range(n)]
        for i, row in enumerate(matrix.tolist())
    ]
    for k in range(n):
        pivot = next(i for i in range(k, n) if rows[i][k])
        rows[k], rows[pivot] = rows[pivot], rows[k]
        lead = rows[k][k]
        rows[k] = [v / lead for v in rows[k]]
        for i in range(n):
            if i != k and rows[i][k]:
                factor = rows[i][k]
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[k], strict=True)]
    return [row[n:] for row in rows]


def contraction_on_hull(
    problem: StabilityProblem, ellipsoid: Ellipsoid, level: Fraction
) -> Condition:
    """The contraction condition, searched on the ellipsoid's hull instead of the whole domain."""
    condition = problem.contraction(ellipsoid, level)
    return replace(condition, regions=(hull(problem, ellipsoid, level),))


def shrink_ellipsoid(condition: Condition, found: Counterexample) -> Condition | None:
    """Relax a contraction condition to an ellipsoid that excludes the counterexample."""
    level = short_fraction(Fraction(found.outputs[0][0]) * Fraction(15, 16), down=True)
    if level <= 0 or level < condition.violation[0].level / 2**40:
        return None
    return condition.with_levels([level, condition.violation[1].level])
