"""Symmetric matrices of rationals: positive definiteness decided exactly, and quadratic forms."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from systems import expression as ex
from systems.exact import ExactArray
from systems.expression import Expression

Rows = Sequence[Sequence[Fraction]]


def diagonal(entries: Sequence[Fraction]) -> tuple[tuple[Fraction, ...], ...]:
    """The diagonal matrix with these entries."""
    n = len(entries)
    return tuple(tuple(entries[i] if i == j else Fraction(0) for j in range(n)) for i in range(n))


def is_symmetric(matrix: Rows) -> bool:
    n = len(matrix)
    return all(matrix[i][j] == matrix[j][i] for i in range(n) for j in range(i))


def is_positive_definite(matrix: Rows) -> bool:
    """Whether a symmetric matrix is positive definite: every pivot of LDLᵀ is positive.

    Exact, in rational arithmetic. The empty matrix is.
    """
    work = [[Fraction(v) for v in row] for row in matrix]
    n = len(work)
    for k in range(n):
        pivot = work[k][k]
        if pivot <= 0:
            return False
        for i in range(k + 1, n):
            factor = work[i][k] / pivot
            for j in range(k + 1, n):
                work[i][j] -= factor * work[k][j]
    return True


def quadratic_form(matrix: Rows, state: Expression, centre: Sequence[Fraction]) -> Expression:
    """(x − x*)ᵀ M (x − x*) for a symmetric matrix M."""
    shifted = state - ex.constant(list(centre))
    n = len(matrix)
    if all(not matrix[i][j] for i in range(n) for j in range(n) if i != j):
        weights = ExactArray.from_rationals([matrix[i][i] for i in range(n)], (1, n))
        return ex.affine(weights, shifted**2)
    flat = ExactArray.from_rationals([v for row in matrix for v in row], (n, n))
    return ex.dot(shifted, ex.affine(flat, shifted))
