"""The two convex problems of Zubov learning, over features whose output weights β are unknown.

With W(x) = Σ βⱼ φⱼ(x), anchored at x*, Zubov's equation ∇W·F = −αψ(1 − W) is linear in β. Its
solution is the start. What a proof needs is less than the equation and more than a small residual
of it: *inequalities*, right up to the boundary. So then

    ∇W·F ≤ −κ αψ(1 − W)                in the region,
    W ≤ 1 − γ(1 − ρ)                   at the share ρ < 1 of the way to its boundary,
    W = 1                              on its boundary,
    W ≥ 1 + γ(ρ − 1)                   beyond

are fitted: each violation squared, relative to the distance from the boundary (a support vector
machine's squared hinge). The cost is convex and piecewise quadratic; Newton's method with a line
search takes some ten least-squares problems over the rows that are violated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from learners.elm_least_squares import regularised
from learners.numeric import upper_entries
from learners.zubov_basis import Basis
from learners.zubov_points import Points

Array = NDArray[np.float64]

KAPPA, GAMMA = 0.2, 0.2
"""The share of Zubov's rate, and of W's mean slope along a ray, that is asked for."""
NEAREST, NEAREST_VALUE = 0.005, 0.003
"""Distances from the boundary below which weights no longer grow: V cannot be perfect there."""
BOUNDARY_WEIGHT = 10.0
EQUATION_WEIGHT = 0.01
"""How much Zubov's equation still counts among the inequalities."""
ORIGIN_WEIGHT = 0.1
"""How much the Hessian at x* counts among the inequalities, against all rows of the equation. (In
the equation's own solution it counts as much as they do.)"""
SMALLEST_RATE = 1e-3
"""Of the largest αψ: below it, near x*, rows no longer grow heavier."""
LONGEST_STEP, HALVINGS = 2.0, 24
SETTLED = 1e-4
ROUNDING = 1e-15
"""Tikhonov's parameter where his rows are among the others, and only rounding is to be fought."""
RIDGE = 100.0
"""Tikhonov's parameter among the inequalities, against the settings'. Less of it fits the points
better, and what lies between them worse."""

Progress = Callable[[dict[str, object], Array], None]


@dataclass(frozen=True, eq=False)
class Equation:
    """Features on the closed loop: F and αψ at points, and W's Hessian wanted at x*.

    ``rate`` is αψ, and ``hessian`` (n, n) that of W at x*.
    """

    basis: Basis
    field: Callable[[Array], Array]
    rate: Callable[[Array], Array]
    hessian: Array
    regularization: float

    def slopes(self, x: Array) -> Array:
        """∇φⱼ·F; (N, orbits)."""
        return self.basis.along(x, self.field(x))

    def origin(self, rows: int) -> tuple[Array, Array]:
        """The Hessian at x*, as heavy as so many rows."""
        first, second, _ = upper_entries(len(self.hessian))
        scaled = self.hessian * np.outer(self.basis.scale, self.basis.scale)
        weight = np.sqrt(rows) / np.abs(scaled).max()
        return self.basis.curvature() * weight, scaled[first, second] * weight

    def solve(self, A: Array, r: Array, level: float | None = None) -> Array:
        """Least squares, regularised as the settings say or at the given level."""
        level = self.regularization if level is None else level
        return regularised(A, r, self.basis.features.penalty, level)[0]


class Solver(Protocol):
    """Who knows how its unknowns are regularised."""

    def solve(self, A: Array, r: Array, level: float, /) -> Array:
        """Least squares of rows, Tikhonov's parameter being ``level``."""
        ...


@dataclass(frozen=True, eq=False)
class Fit:
    """All rows at one set of points: those to be met, compressed, and those not to be exceeded."""

    equation: Solver
    equalities: tuple[Array, Array]
    limits: tuple[Array, Array]
    start: Array

    def cost(self, beta: Array) -> float:
        A, r = self.equalities
        over = np.maximum(self.limits[0] @ beta - self.limits[1], 0.0)
        return float(np.sum((A @ beta - r) ** 2) + over @ over)

    def enlarge(self, iterations: int, progress: Progress) -> Array:
        """β of least violation, from the solution of Zubov's equation."""
        (A, r), (C, c) = self.equalities, self.limits
        beta, active = self.start, np.zeros(0, dtype=bool)
        cost = self.cost(beta)
        for iteration in range(1, iterations + 1):
            violated = C @ beta > c
            if iteration > 1 and np.array_equal(violated, active):
                break
            active = violated
            aim = self.equation.solve(np.vstack([A, C[active]]), np.append(r, c[active]), ROUNDING)
            step = self._best_step(beta, aim - beta)
            best = self.cost(beta + step * (aim - beta))
            if not best < cost:
                break
            beta, before, cost = beta + step * (aim - beta), cost, best
            entry: dict[str, object] = {
                "iteration": iteration,
                "loss": cost,
                "violated": int(active.sum()),
                "step_length": step,
            }
            progress(entry, beta)
            if cost > (1 - SETTLED) * before:
                break
        return beta

    def _best_step(self, beta: Array, move: Array) -> float:
        """The t in [0, 2] of least cost(beta + t move), by bisection: its slope grows with t."""
        (A, r), (C, c) = self.equalities, self.limits
        u, du, v, dv = A @ beta - r, A @ move, C @ beta - c, C @ move
        low, high = 0.0, LONGEST_STEP
        for _ in range(HALVINGS):
            t = 0.5 * (low + high)
            slope = (u + t * du) @ du + np.maximum(v + t * dv, 0.0) @ dv
            low, high = (low, t) if slope > 0.0 else (t, high)
        return 0.5 * (low + high)


def assemble(equation: Equation, points: Points) -> Fit:
    """The rows at these points, and the solution of Zubov's equation there."""
    rate, slopes = equation.rate(points.interior), equation.slopes(points.interior)
    values = equation.basis.values(points.interior)
    floor = SMALLEST_RATE * float(rate.max())
    zubov = (slopes - rate[:, None] * values) / (rate + floor)[:, None]
    target = -rate / (rate + floor)
    hessian, wanted = equation.origin(len(rate))
    start = equation.solve(np.vstack([zubov, hessian]), np.append(target, wanted))

    hessian, wanted = ORIGIN_WEIGHT * hessian, ORIGIN_WEIGHT * wanted
    on = equation.basis.values(points.boundary) * BOUNDARY_WEIGHT
    met = compressed(
        np.vstack([on, EQUATION_WEIGHT * zubov, EQUATION_WEIGHT * hessian]),
        np.concatenate(
            [np.full(len(on), BOUNDARY_WEIGHT), EQUATION_WEIGHT * target, EQUATION_WEIGHT * wanted]
        ),
    )
    met = with_ridge(met, equation)
    weight = points.weights / (rate * (points.margin + NEAREST) + floor)
    below = 1.0 / (points.near_margin + NEAREST_VALUE)
    above = 1.0 / (points.excess + NEAREST_VALUE)
    limits = [
        (slopes - KAPPA * rate[:, None] * values) * weight[:, None],
        equation.basis.values(points.near) * below[:, None],
        -equation.basis.values(points.outside) * above[:, None],
    ]
    bounds = [
        -KAPPA * rate * weight,
        (1.0 - GAMMA * points.near_margin) * below,
        -(1.0 + GAMMA * points.excess) * above,
    ]
    return Fit(equation, met, (np.vstack(limits), np.concatenate(bounds)), start)


def with_ridge(rows: tuple[Array, Array], equation: Equation) -> tuple[Array, Array]:
    """With Tikhonov's rows: a part of the cost, so that every Newton step lowers what it should."""
    A, r = rows
    penalty = equation.basis.features.penalty
    ridge = RIDGE * equation.regularization * float(np.linalg.norm(A / penalty))
    return compressed(
        np.vstack([A, ridge * np.diag(penalty)]), np.append(r, np.zeros(len(penalty)))
    )


def compressed(A: Array, r: Array) -> tuple[Array, Array]:
    """As few rows with the same least-squares cost, but for a constant: the triangular factor."""
    columns = A.shape[1]
    if len(A) <= columns:
        return A, r
    factor, _, _, info = lapack.dgeqrf(np.asfortranarray(np.column_stack([A, r])), overwrite_a=1)
    if info:
        raise ArithmeticError(f"QR factorisation failed (info {info})")
    factor = np.triu(factor[: columns + 1])
    return factor[:, :columns], factor[:, columns]
