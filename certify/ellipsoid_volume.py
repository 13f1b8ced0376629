"""The volume of an ellipsoid, from below; and which Lyapunov functions are quadratic forms.

|{(x − x*)ᵀ P (x − x*) ≤ r}| = π^(n/2) r^(n/2) / (Γ(n/2 + 1) √det P). The determinant is exact, so
that an ill-conditioned P costs nothing but digits; the rest is ball arithmetic, rounded down.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from flint import arb, ctx, fmpq, fmpq_mat

from certify.balls import exact_ball, to_float_interval
from systems.box import Box
from systems.exact import ExactArray, exact
from systems.expression import Op
from systems.quadratic import Rows, is_positive_definite, is_symmetric
from systems.tape import Instruction, Tape

PRECISION = 192
"""Bits of the balls; the float that comes out has 53."""

Polynomial = dict[tuple[int, ...], Fraction]
"""Monomials, as sorted indices of the displacements in them, with coefficients that are not 0."""


def ellipsoid_volume(matrix: Sequence[Sequence[object]], level: object) -> float:
    """A lower bound of the volume of {zᵀ P z ≤ level}, the true one rounded down to a float.

    ``matrix`` is P, (n, n), of floats or rationals meant exactly. Raises ValueError where P is not
    symmetric and positive definite, or the level negative.
    """
    P, r = [[exact(v) for v in row] for row in matrix], exact(level)
    if not P or any(len(row) != len(P) for row in P) or not is_symmetric(P):
        raise ValueError("the matrix of an ellipsoid must be square and symmetric")
    if not is_positive_definite(P):
        raise ValueError("the matrix of an ellipsoid must be positive definite")
    if r < 0:
        raise ValueError(f"the level of an ellipsoid must not be negative, as {float(r):g} is")
    n, determinant = len(P), _flint(P).det()
    squared = r**n / Fraction(int(determinant.p), int(determinant.q))
    with ctx.workprec(PRECISION):
        half = arb(fmpq(n, 2))
        volume = arb.pi() ** half * exact_ball(squared).sqrt() / (half + 1).gamma()
        return max(to_float_interval(volume)[0], 0.0)


def level_inside(
    matrix: Sequence[Sequence[Fraction]], centre: Sequence[Fraction], domain: Box
) -> Fraction:
    """The largest level whose ellipsoid lies in the domain, exactly, for P positive definite.

    q is at least d² / (P⁻¹)ᵢᵢ where |xᵢ − x*ᵢ| = d, and that little somewhere.
    """
    inverse = _flint(matrix).inv()
    diagonal = [inverse[i, i] for i in range(len(matrix))]
    return min(
        min(c - low, high - c) ** 2 / Fraction(int(v.p), int(v.q))
        for low, c, high, v in zip(domain.lower, centre, domain.upper, diagonal, strict=True)
    )


def half_widths(matrix: Sequence[Sequence[Fraction]], level: Fraction) -> list[Fraction]:
    """The half-widths of a box around {zᵀ P z ≤ level}: those of the hull, a little rounded up."""
    inverse, out = _flint(matrix).inv(), []
    for i in range(len(matrix)):
        wanted = level * Fraction(int(inverse[i, i].p), int(inverse[i, i].q))
        half = Fraction(float(wanted) ** 0.5)
        while half * half < wanted:
            half += max(half, Fraction(1, 2**500)) / 2**50
        out.append(half)
    return out


def exact_quadratic(tape: Tape, centre: Sequence[Fraction]) -> Rows | None:
    """P with V(x) = (x − x*)ᵀ P (x − x*) for every real x, V the first output; else None.

    The tape is multiplied out in rationals, so that "nearly quadratic" is None. So is whatever is
    quadratic only after terms of higher degree or other functions have cancelled.
    """
    [*wanted] = sorted(tape.with_outputs(tape.outputs[:1]).needed)
    if any(tape.instructions[k].op not in _POLYNOMIAL for k in wanted):
        return None
    registers: dict[int, list[Polynomial]] = {}
    for k in wanted:
        arguments = [registers[a] for a in tape.instructions[k].args]
        made = _step(tape, tape.instructions[k], arguments, centre)
        if made is None:
            return None
        registers[k] = made
    form = registers[tape.outputs[0]]
    if len(form) != 1 or any(len(monomial) != 2 for monomial in form[0]):
        return None
    n = len(centre)
    rows = [[Fraction(0)] * n for _ in range(n)]
    for (i, j), coefficient in form[0].items():
        rows[i][j] += coefficient / 2
        rows[j][i] += coefficient / 2
    return rows


MOST_FACTORS = 16
"""Of a power of a constant; a state's power above 2 is no quadratic form anyway."""

_POLYNOMIAL = frozenset(
    {
        Op.VARIABLE, Op.CONSTANT, Op.AFFINE, Op.ADD, Op.SUB, Op.MUL, Op.POWER, Op.STACK, Op.SLICE,
    }
)  # fmt: skip
"""Defined everywhere, so that what is multiplied by 0 may be left out."""


def _step(
    tape: Tape, i: Instruction, a: list[list[Polynomial]], centre: Sequence[Fraction]
) -> list[Polynomial] | None:
    """The entries of one register; None where one is of a degree above 2."""
    match i.op:
        case Op.VARIABLE:
            first = i.integers[0]
            return [
                _sum([(1, {(k,): Fraction(1)})], centre[k]) for k in range(first, first + i.size)
            ]
        case Op.CONSTANT:
            return [_sum([], v) for v in tape.constants[i.constants[0]].rationals()]
        case Op.AFFINE:
            weight, bias = (tape.constants[k] for k in i.constants)
            return _affine(weight, bias, a[0])
        case Op.STACK:
            return [v for part in a for v in part]
        case Op.SLICE:
            return [a[0][k] for k in i.integers]
        case Op.POWER:
            exponent = i.integers[0]
            return None if exponent > MOST_FACTORS else _products([a[0]] * exponent)
    x, y = (part if len(part) == i.size else part * i.size for part in a)
    if i.op is Op.MUL:
        return _products([x, y])
    sign = Fraction(-1 if i.op is Op.SUB else 1)
    return [_sum([(1, p), (sign, q)]) for p, q in zip(x, y, strict=True)]


def _affine(weight: ExactArray, bias: ExactArray, argument: list[Polynomial]) -> list[Polynomial]:
    entries, columns = weight.rationals(), weight.shape[1]
    rows = (entries[k * columns : (k + 1) * columns] for k in range(weight.shape[0]))
    return [
        _sum(list(zip(row, argument, strict=True)), offset)
        for row, offset in zip(rows, bias.rationals(), strict=True)
    ]


def _sum(
    terms: Sequence[tuple[int | Fraction, Polynomial]], constant: Fraction = Fraction(0)
) -> Polynomial:
    out: Polynomial = {(): constant}
    for factor, polynomial in terms:
        for monomial, coefficient in polynomial.items():
            out[monomial] = out.get(monomial, Fraction(0)) + factor * coefficient
    return {monomial: v for monomial, v in out.items() if v}


def _products(factors: list[list[Polynomial]]) -> list[Polynomial] | None:
    """Entry by entry; None where a degree above 2 comes out."""
    out = []
    for entries in zip(*factors, strict=True):
        if sum(max(map(len, p), default=0) for p in entries if p) > 2 and all(entries):
            return None
        product: Polynomial = {(): Fraction(1)}
        for polynomial in entries:
            product = _product(product, polynomial)
        out.append(product)
    return out


def _product(p: Polynomial, q: Polynomial) -> Polynomial:
    out: Polynomial = {}
    for m, c in p.items():
        for k, d in q.items():
            monomial = tuple(sorted((*m, *k)))
            out[monomial] = out.get(monomial, Fraction(0)) + c * d
    return {monomial: v for monomial, v in out.items() if v}


def _flint(rows: Sequence[Sequence[Fraction]]) -> fmpq_mat:
    n = len(rows)
    return fmpq_mat(n, n, [fmpq(v.numerator, v.denominator) for row in rows for v in row])
