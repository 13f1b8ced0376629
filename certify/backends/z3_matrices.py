"""Definiteness of matrices with interval entries, decided by Z3: a check from outside on ours.

A form xᵀMx is positive for all x ≠ 0 iff it is on the faces xₖ = 1 of the cube |x| ≤ 1, since it is
even in x. Entries that are known only up to an interval are variables like x. Both together are a
condition like any other, in which an interval of width 0 is a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from certify.backends.z3_solving import Nowhere, Somewhere, Undecided, decide
from certify.conditions import Condition, Constraint
from certify.ellipsoid import Rows, product
from systems import expression as ex
from systems.box import Box
from systems.expression import Expression
from systems.tape import compile_tape

__all__ = ["Definite", "Indefinite", "Undecided", "lyapunov_decreases", "positive_definite"]

T = TypeVar("T")
Side = tuple[object, object]
Intervals = Sequence[Sequence[Side]]
"""A matrix of (lower, upper), exact numbers."""


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
    n, sides = len(P), _upper(P)
    x, p = ex.variable("x", n), ex.variable("p", len(sides))
    form = ex.dot(_times(_symmetric(list(p)), x), x)
    point = _where(form, "at most", [x, p], sides, seconds)
    if not isinstance(point, tuple):
        return point
    vector, matrix = point[:n], _symmetric(point[n:])
    return Indefinite(vector, (matrix,), _form(matrix, vector))


def lyapunov_decreases(A: Intervals, P: Intervals, seconds: float = 10.0) -> Answer:
    """Whether AᵀP + PA ≺ 0 for all A and all symmetric P within the intervals, (n, n) each.

    Of P the entries on and above the diagonal are read. ``matrices`` of a counterexample are A, P.
    """
    n, sides = len(P), _upper(P)
    x, p, a = ex.variable("x", n), ex.variable("p", len(sides)), ex.variable("a", n * n)
    form = 2 * ex.dot(_times(_symmetric(list(p)), x), _times(_rows(list(a), n), x))
    entries = [*sides, *(side for row in A for side in row)]
    point = _where(form, "at least", [x, p, a], entries, seconds)
    if not isinstance(point, tuple):
        return point
    vector, rest = point[:n], point[n:]
    matrix, symmetric = _rows(rest[len(sides) :], n), _symmetric(rest[: len(sides)])
    return Indefinite(vector, (matrix, symmetric), 2 * _form(product(symmetric, matrix), vector))


def _where(
    form: Expression,
    sense: str,
    inputs: Sequence[Expression],
    entries: Sequence[Side],
    seconds: float,
) -> tuple[Fraction, ...] | Definite | Undecided:
    """A point (x, entries) on a face xₖ = 1 at which the form has the wrong sign, or is 0."""
    n = inputs[0].size
    faces = [_face(n, k) for k in range(n)]
    condition = Condition(
        "definite",
        "the form vanishes at 0 only",
        compile_tape([form], inputs),
        ("form",),
        (Constraint(0, "at most" if sense == "at most" else "at least", Fraction(0)),),
        tuple(Box.of([*face, *entries]) for face in faces),
    )
    match decide(condition, seconds):
        case Somewhere(point=point):
            return point
        case Nowhere():
            return Definite()
        case undecided:
            return undecided


def _face(n: int, k: int) -> list[Side]:
    """{x : xₖ = 1, |x| ≤ 1}."""
    return [(1, 1) if i == k else (-1, 1) for i in range(n)]


def _upper(P: Intervals) -> list[Side]:
    return [P[i][j] for i in range(len(P)) for j in range(i, len(P))]


def _symmetric(entries: Sequence[T]) -> list[list[T]]:
    """The symmetric matrix with these entries on and above its diagonal."""
    n = next(k for k in range(1, len(entries) + 1) if k * (k + 1) // 2 == len(entries))
    place = {(i, j): k for k, (i, j) in enumerate((i, j) for i in range(n) for j in range(i, n))}
    return [[entries[place[min(i, j), max(i, j)]] for j in range(n)] for i in range(n)]


def _rows(entries: Sequence[T], n: int) -> list[list[T]]:
    return [list(entries[i * n : (i + 1) * n]) for i in range(n)]


def _times(matrix: Sequence[Sequence[Expression]], x: Expression) -> Expression:
    return ex.stack([ex.dot(ex.stack(list(row)), x) for row in matrix])


def _form(matrix: Rows, x: Sequence[Fraction]) -> Fraction:
    """xᵀMx."""
    return product([list(x)], product(matrix, [[v] for v in x]))[0][0]
