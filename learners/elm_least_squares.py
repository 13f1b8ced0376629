"""The linear algebra of ELM-PI: basis functions at collocation points, and their least squares.

With N(x) = Σ βⱼ σ(wⱼᵀx + bⱼ), the value function is the anchored V(x) = N(x) − N(x*) −
∇N(x*)·(x − x*), so that V(x*) = 0 and ∇V(x*) = 0 whatever β is. V is linear in β, and the
gradient's j-th basis function is (σ'(wⱼᵀx + bⱼ) − σ'(wⱼᵀx* + bⱼ)) wⱼ. A relu has no slope at its
kink x* to subtract, and V(x) = N(x) − N(x*).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from learners.elm_features import Features

Array = NDArray[np.float64]

WORK = 64
"""Rows of workspace for each column in LAPACK's QR: as many as its largest block has columns."""


@dataclass(frozen=True, eq=False)
class Basis:
    """The gradient basis at N points, split as a slope per neuron times its row of W.

    ``W`` (copies, orbits, n) are the rows in raw coordinates; ``slopes`` has one array (N, orbits)
    for every copy: σ' minus its value at x*. Two copies with opposite rows are one, with the
    difference of their slopes.
    """

    W: Array
    slopes: tuple[Array, ...]

    @staticmethod
    def at(features: Features, x: Array, x_star: Array, half_widths: Array) -> Basis:
        z = (x - x_star) / half_widths
        at_rest = 0.0 if features.activation == "relu" else 1.0 - np.tanh(features.b) ** 2
        slopes: list[Array] = []
        for w in features.W:
            argument = z @ w.T
            argument += features.b
            if features.activation == "relu":
                slopes.append(np.heaviside(argument, 0.5))
                continue
            slope = np.tanh(argument, out=argument)
            np.multiply(slope, slope, out=slope)
            slopes.append(np.subtract(1.0 - at_rest, slope, out=slope))
        W, half = features.W, len(slopes) // 2
        if half and np.array_equal(W[: -half - 1 : -1], -W[:half]) and len(slopes) == 2 * half:
            pairs = zip(slopes[:half], slopes[: half - 1 : -1], strict=True)
            slopes, W = [np.subtract(a, b, out=a) for a, b in pairs], W[:half]
        return Basis(W / half_widths, tuple(slopes))

    def along(self, velocity: Array) -> Array:
        """∇φⱼ(x)·velocity for velocities (N, n): the matrix of policy evaluation, (N, orbits)."""
        out: Array = velocity @ self.W[0].T
        out *= self.slopes[0]
        for w, slope in zip(self.W[1:], self.slopes[1:], strict=True):
            out += (velocity @ w.T) * slope
        return out

    def gradient(self, beta: Array) -> Array:
        """∇V = Σ βⱼ ∇φⱼ at every point, (N, n)."""
        out: Array = self.slopes[0] @ (beta[:, None] * self.W[0])
        for w, slope in zip(self.W[1:], self.slopes[1:], strict=True):
            out += slope @ (beta[:, None] * w)
        return out


def regularised(
    A: Array, r: Array, penalty: Array, level: float, soft: tuple[Array, Array] | None = None
) -> tuple[Array, Array]:
    """argmin |Aβ − r|² + λ²|diag(penalty) β|², and the triangular factor of the scaled problem.

    λ is ``level`` times the Frobenius norm of A diag(penalty)⁻¹. By Householder QR of the matrix
    with λI below it: no normal equations, so that λ may be as small as 1e−13. ``soft`` are further
    rows (of A and of r), below the others. Shapes: A (N, M), r (N,), penalty (M,); β (M,) and the
    factor (M, M).
    """
    rows, columns = A.shape
    more = 0 if soft is None else len(soft[1])
    stacked = np.zeros((rows + more + columns, columns + 1), order="F")
    np.divide(A, penalty, out=stacked[:rows, :columns])
    stacked[:rows, columns] = r
    if soft is not None:
        np.divide(soft[0], penalty, out=stacked[rows : rows + more, :columns])
        stacked[rows : rows + more, columns] = soft[1]
        rows += more
    scaled = stacked[:rows, :columns]
    ridge = level * math.sqrt(np.vdot(scaled.T, scaled.T))
    np.fill_diagonal(stacked[rows:], ridge or 1.0)
    factor, _, _, info = lapack.dgeqrf(stacked, lwork=WORK * (columns + 1), overwrite_a=1)
    if info:
        raise ArithmeticError(f"QR factorisation failed (info {info})")
    R = factor[:columns, :columns]
    y, info = lapack.dtrtrs(R, factor[:columns, columns])
    if info:
        raise ArithmeticError("the least squares has a vanishing pivot")
    return y / penalty, R


def effective_rank(R: Array, level: float) -> float:
    """Σ σ²/(σ² + λ²) over the singular values σ of the unregularised matrix.

    Computed as the number of unknowns less λ²|R⁻¹|², with R the factor that
    :func:`regularised` returned and ``level`` its argument.
    """
    columns = len(R)
    square = float(np.linalg.norm(np.triu(R)) ** 2)
    # |R|² = |A|² + M λ², and λ = level |A|.
    ridge_square = level**2 * square / (1.0 + columns * level**2)
    inverse, info = lapack.dtrtri(np.triu(R))
    if info or not ridge_square:
        return float(columns)
    return columns - ridge_square * float(np.linalg.norm(np.triu(inverse)) ** 2)
