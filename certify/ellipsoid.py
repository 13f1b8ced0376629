"""The ellipsoid at the equilibrium, and when the quadratic form that makes it decreases.

Along ẋ = F(x, w) it decreases, and at the rate alpha, where S = P DF + DFᵀ P + alpha·P ≺ 0; along
x⁺ = F(x, w) where S = DFᵀ P DF − (1 − alpha)·P ≺ 0, with alpha = 0 where no rate is claimed.
Gershgorin's discs of R S Rᵀ make of this one scalar expression: below 0, S is negative definite.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from systems import expression as ex
from systems.exact import ExactArray
from systems.expression import Expression

Array = NDArray[np.float64]
Rows = list[list[Fraction]]


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """q(x) = (x − x*)ᵀ P (x − x*), P symmetric with float entries meant exactly, (n, n).

    ``scaling`` is R, (n, n), with R S Rᵀ ≈ −I for the linearisation's S: in these coordinates
    Gershgorin's discs decide definiteness. Any R is sound; a poor one proves less.
    """

    matrix: Array
    scaling: Array


def quadratic(ellipsoid: Ellipsoid, displacement: Expression) -> Expression:
    """q, of the displacement x − x*."""
    return ex.dot(displacement, ex.affine(ellipsoid.matrix, displacement))


def continuous_disc_end(
    ellipsoid: Ellipsoid, columns: Sequence[Expression], alpha: Fraction | None
) -> Expression:
    """The largest right end of a disc of R (P DF + DFᵀ P + alpha P) Rᵀ, for the columns of DF.

    The matrix is J + Jᵀ + alpha R P Rᵀ with J = R P DF Rᵀ, whose column i is R P (DF Rᵀ)ᵢ.
    """
    R, P = ellipsoid.scaling, ellipsoid.matrix
    left = _exact_array(product(rationals(R), rationals(P)))
    J = [ex.affine(left, _combination(columns, row)) for row in R.tolist()]
    shift = _scaled_form(ellipsoid, alpha or Fraction(0))
    n = len(J)

    def entry(i: int, j: int) -> Expression:
        both = 2 * J[i][i] if i == j else J[i][j] + J[j][i]
        return both + shift[i][j]

    return _largest(_disc_ends([[entry(i, j) for j in range(n)] for i in range(n)]))


def discrete_disc_end(
    ellipsoid: Ellipsoid, columns: Sequence[Expression], alpha: Fraction | None
) -> Expression:
    """The largest right end of a disc of R (DFᵀ P DF − (1 − alpha) P) Rᵀ, for the columns of DF.

    Entry (i, j) is cᵢᵀ P cⱼ − (1 − alpha) (R P Rᵀ)ᵢⱼ with cᵢ = (DF Rᵀ)ᵢ.
    """
    moved = [_combination(columns, row) for row in ellipsoid.scaling.tolist()]
    weighted = [ex.affine(ellipsoid.matrix, c) for c in moved]
    shift = _scaled_form(ellipsoid, (alpha or Fraction(0)) - 1)
    n = len(moved)
    upper = {
        (i, j): ex.dot(moved[i], weighted[j]) + shift[i][j] for i in range(n) for j in range(i, n)
    }
    return _largest(_disc_ends([[upper[min(i, j), max(i, j)] for j in range(n)] for i in range(n)]))


def _scaled_form(ellipsoid: Ellipsoid, factor: Fraction) -> Rows:
    """factor · R P Rᵀ, exactly."""
    R = rationals(ellipsoid.scaling)
    form = product(product(R, rationals(ellipsoid.matrix)), [list(c) for c in zip(*R, strict=True)])
    return [[factor * v for v in row] for row in form]


def _disc_ends(matrix: Sequence[Sequence[Expression]]) -> list[Expression]:
    """Sᵢᵢ + Σ_{j≠i} |Sᵢⱼ| for every row."""
    ends = []
    for i, row in enumerate(matrix):
        end = row[i]
        for j, entry in enumerate(row):
            if j != i:
                end = end + ex.absolute(entry)
        ends.append(end)
    return ends


def _largest(values: Iterable[Expression]) -> Expression:
    first, *rest = values
    for value in rest:
        first = ex.maximum(first, value)
    return first


def _combination(vectors: Sequence[Expression], weights: Sequence[float]) -> Expression:
    out: Expression = ex.constant([0] * vectors[0].size)
    for v, w in zip(vectors, weights, strict=True):
        if w:
            out = out + ex.multiply(w, v)
    return out


def rationals(matrix: Array) -> Rows:
    """The entries of a float matrix, exactly."""
    return [[Fraction(v) for v in row] for row in matrix.tolist()]


def product(a: Rows, b: Rows) -> Rows:
    """The matrix product of rationals."""
    columns = list(zip(*b, strict=True))
    return [
        [sum((p * q for p, q in zip(row, column, strict=True)), Fraction(0)) for column in columns]
        for row in a
    ]


def _exact_array(rows: Rows) -> ExactArray:
    return ExactArray.from_rationals([v for row in rows for v in row], (len(rows), len(rows[0])))


def is_positive_definite(matrix: Array) -> bool:
    """Whether a symmetric float matrix is positive definite, decided exactly (pivots of LDLᵀ)."""
    n = len(matrix)
    if not np.array_equal(matrix, matrix.T):
        return False
    a = rationals(matrix)
    for k in range(n):
        if a[k][k] <= 0:
            return False
        for i in range(k + 1, n):
            factor = a[i][k] / a[k][k]
            for j in range(k, n):
                a[i][j] -= factor * a[k][j]
    return True


def half_widths(ellipsoid: Ellipsoid, level: Fraction) -> list[Fraction]:
    """How far {q ≤ level} reaches along each axis, √(level (P⁻¹)ᵢᵢ), rounded up."""
    inverse = exact_inverse(ellipsoid.matrix)
    return [_root_above(level * inverse[i][i]) for i in range(len(inverse))]


def _root_above(square: Fraction) -> Fraction:
    """A number whose square is at least ``square``, by next to nothing."""
    shift = max(0, (square.denominator.bit_length() - square.numerator.bit_length() + 1) // 2)
    scaled = square * 4 ** (shift + 60)
    return Fraction(isqrt(-(-scaled.numerator // scaled.denominator)) + 1, 2 ** (shift + 60))


def exact_inverse(matrix: Array) -> Rows:
    """The inverse of a nonsingular float matrix, in rationals (Gauss-Jordan)."""
    n = len(matrix)
    rows = [
        row + [Fraction(int(i == j)) for j in range(n)] for i, row in enumerate(rationals(matrix))
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
