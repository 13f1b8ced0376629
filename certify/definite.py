"""Definiteness of matrices with interval entries, stated as conditions that any backend can take.

A form xᵀMx is positive for all x ≠ 0 iff it is on the faces xₖ = 1 of the cube |x| ≤ 1, since it is
even in x. Entries that are known only up to an interval are variables like x.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, TypeVar

from certify.balls import enclose_point, to_float_interval
from certify.conditions import Condition, Constraint
from certify.stability import Ellipsoid, StabilityProblem
from systems import expression as ex
from systems.box import Box
from systems.expression import Expression
from systems.tape import compile_tape

T = TypeVar("T")
Side = tuple[object, object]
Intervals = Sequence[Sequence[Side]]
"""A matrix of (lower, upper), exact numbers."""

POSITIVE, DECREASES = "P > 0", "A'P + PA < 0 at x*"
"""The names of the conditions."""


def positive_definite(P: Intervals) -> Condition:
    """xᵀPx > 0 for all x ≠ 0 and all symmetric P within the intervals, (n, n).

    Of P the entries on and above the diagonal are read; they follow x among the inputs.
    """
    n, sides = len(P), _upper(P)
    x, p = ex.variable("x", n), ex.variable("p", len(sides))
    form = ex.dot(_times(symmetric(list(p)), x), x)
    return _condition(POSITIVE, form, "at most", [x, p], sides)


def lyapunov_decreases(A: Intervals, P: Intervals) -> Condition:
    """AᵀP + PA ≺ 0 for all A and all symmetric P within the intervals, (n, n) each.

    Of P the entries on and above the diagonal are read; they follow x, and those of A follow them.
    """
    n, sides = len(P), _upper(P)
    x, p, a = ex.variable("x", n), ex.variable("p", len(sides)), ex.variable("a", n * n)
    form = 2 * ex.dot(_times(symmetric(list(p)), x), _times(rows(list(a), n), x))
    entries = [*sides, *(side for row in A for side in row)]
    return _condition(DECREASES, form, "at least", [x, p, a], entries)


def about_ellipsoid(problem: StabilityProblem, ellipsoid: Ellipsoid) -> tuple[Condition, ...]:
    """That P is positive definite and, in continuous time without disturbances, AᵀP + PA ≺ 0.

    A is the closed loop's Jacobian at x*, enclosed in ball arithmetic; left out where that is not
    narrow (a kink at x*). Both are decided elsewhere too, by other means: exactly, and as part of
    the contraction on the whole ellipsoid.
    """
    P = [[(Fraction(v), Fraction(v)) for v in row] for row in ellipsoid.matrix.tolist()]
    stated = [positive_definite(P)]
    if not problem.is_discrete and problem.system.disturbance is None:
        A = _jacobian(problem)
        if all(high - low <= Fraction(1, 2**30) for row in A for low, high in row):
            stated.append(lyapunov_decreases(A, P))
    return tuple(stated)


def _jacobian(problem: StabilityProblem) -> list[list[tuple[Fraction, Fraction]]]:
    """Enclosures of ∂F/∂x at x*, row by row; a wide one where it is not defined."""
    tape = compile_tape(list(problem.jacobian_columns), problem.variables)
    columns = enclose_point(tape, problem.system.equilibrium)
    n = len(columns)
    wide = (Fraction(-1), Fraction(1))
    ends = [
        [tuple(map(Fraction, to_float_interval(v))) if v.is_finite() else wide for v in column]
        for column in columns
    ]
    return [[(ends[j][i][0], ends[j][i][1]) for j in range(n)] for i in range(n)]


def _condition(
    name: str,
    form: Expression,
    sense: Literal["at most", "at least"],
    inputs: Sequence[Expression],
    entries: Sequence[Side],
) -> Condition:
    """The form has the other sign on every face of the cube."""
    n = inputs[0].size
    return Condition(
        name,
        f"{name}: the form vanishes at 0 only",
        compile_tape([form], inputs),
        ("form",),
        (Constraint(0, sense, Fraction(0)),),
        tuple(Box.of([*_face(n, k), *entries]) for k in range(n)),
    )


def _face(n: int, k: int) -> list[Side]:
    """{x : xₖ = 1, |x| ≤ 1}."""
    return [(1, 1) if i == k else (-1, 1) for i in range(n)]


def _upper(P: Intervals) -> list[Side]:
    return [P[i][j] for i in range(len(P)) for j in range(i, len(P))]


def symmetric(entries: Sequence[T]) -> list[list[T]]:
    """The symmetric matrix with these entries on and above its diagonal."""
    n = next(k for k in range(1, len(entries) + 1) if k * (k + 1) // 2 == len(entries))
    place = {(i, j): k for k, (i, j) in enumerate((i, j) for i in range(n) for j in range(i, n))}
    return [[entries[place[min(i, j), max(i, j)]] for j in range(n)] for i in range(n)]


def rows(entries: Sequence[T], n: int) -> list[list[T]]:
    """The (n, n) matrix with these entries, row by row."""
    return [list(entries[i * n : (i + 1) * n]) for i in range(n)]


def _times(matrix: Sequence[Sequence[Expression]], x: Expression) -> Expression:
    return ex.stack([ex.dot(ex.stack(list(row)), x) for row in matrix])
