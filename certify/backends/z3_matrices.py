"""Definiteness of matrices with interval entries, decided by Z3: a check from outside on ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from certify import definite
from certify.backends.z3_solving import Nowhere, Somewhere, Undecided, decide
from certify.conditions import Condition
from certify.definite import Intervals, rows, symmetric
from certify.ellipsoid import Rows, product

__all__ = [
    "Definite",
    "Indefinite",
    "Intervals",
    "Undecided",
    "lyapunov_decreases",
    "positive_definite",
]


@dataclass(frozen=True)
class Definite:
    """Every matrix within the intervals is definite."""


@dataclass(frozen=True)
class Indefinite:
    """Matrices within the intervals whose form has the wrong sign, or is 0, at ``vector`` ≠ 0.

    ``value`` is the form's value there, in rationals. Where Z3's model is irrational, matrices and
    vector are within 10⁻³⁰ of it, and only then may the value have the right sign after all.
    """

    vector: tuple[Fraction, ...]
    matrices: tuple[Rows, ...]
    value: Fraction


Answer = Definite | Indefinite | Undecided


def positive_definite(P: Intervals, seconds: float = 10.0) -> Answer:
    """Whether xᵀPx > 0 for all x ≠ 0 and all symmetric P within the intervals, (n, n).

    Of P the entries on and above the diagonal are read. Runs in this process, under Z3's own time
    limit.
    """
    n = len(P)
    point = _where(definite.positive_definite(P), seconds)
    if not isinstance(point, tuple):
        return point
    vector, matrix = point[:n], symmetric(point[n:])
    return Indefinite(vector, (matrix,), _form(matrix, vector))


def lyapunov_decreases(A: Intervals, P: Intervals, seconds: float = 10.0) -> Answer:
    """Whether AᵀP + PA ≺ 0 for all A and all symmetric P within the intervals, (n, n) each.

    Of P the entries on and above the diagonal are read. ``matrices`` of a counterexample are A, P.
    """
    n = len(P)
    point = _where(definite.lyapunov_decreases(A, P), seconds)
    if not isinstance(point, tuple):
        return point
    vector, rest = point[:n], point[n:]
    split = n * (n + 1) // 2
    matrix, form = rows(rest[split:], n), symmetric(rest[:split])
    return Indefinite(vector, (matrix, form), 2 * _form(product(form, matrix), vector))


def _where(condition: Condition, seconds: float) -> tuple[Fraction, ...] | Definite | Undecided:
    """A point (x, entries) on a face xₖ = 1 at which the form has the wrong sign, or is 0."""
    match decide(condition, seconds):
        case Somewhere(point=point):
            return point
        case Nowhere():
            return Definite()
        case undecided:
            return undecided


def _form(matrix: Rows, x: Sequence[Fraction]) -> Fraction:
    """xᵀMx."""
    return product([list(x)], product(matrix, [[v] for v in x]))[0][0]
