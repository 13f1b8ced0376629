"""A tape on truncated power series of one variable t, with balls as coefficients.

If every input is a series that encloses xᵢ(t), every output encloses the series of its function of
x(t), up to the same length. The recurrences are those of automatic differentiation (Moore 1966),
each function split off at its argument's constant term z: sin(z + d) = sin z cos d + cos z sin d
and so on, so that a wide z makes coefficients wide once only.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from flint import arb, arb_mat, arb_series, ctx

from certify.balls import exact_ball
from systems.exact import ExactArray
from systems.expression import Op
from systems.tape import Instruction, Tape

PRECISION = 64
"""Bits; one limb of Arb, which costs no more than fewer."""
LONGEST = 40
"""The greatest length of a series."""

Series = list[arb]
"""Coefficients, the constant first."""


class KinkError(ArithmeticError):
    """The argument of relu, min, max or step may be at the kink, where there is no series."""


@contextmanager
def working_precision() -> Iterator[None]:
    """Arb's precision and the longest series, for a while; everything here runs inside."""
    former = ctx.prec, ctx.cap
    ctx.prec, ctx.cap = PRECISION, LONGEST
    try:
        yield
    finally:
        ctx.prec, ctx.cap = former


class Jets:
    """One tape, its constants converted once."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        with working_precision():
            self._constants = [_matrix(c) for c in tape.constants]
            fixed = self._run({}, (), 1, varying=False)
            # Constants are known to every order.
            self._fixed = {k: [arb_series([x[0]], LONGEST) for x in v] for k, v in fixed.items()}

    def series(self, inputs: Sequence[Series], length: int) -> list[list[Series]]:
        """Enclosures of every output's series up to t^(length − 1): one series for each entry.

        Inputs that are shorter are filled up with zeros. At length 1 this is the enclosure of the
        range over a box, kinks included (step there is all of [0, 1]). Coefficients that are not
        finite say that a function is not defined on all of the box.

        Raises KinkError at a longer length where an argument may be at a kink.
        """
        if not 1 <= length <= LONGEST:
            raise ValueError(f"a series has 1 to {LONGEST} coefficients, not {length}")
        given = [arb_series(s[:length], length) for s in inputs]
        known = self._run(dict(self._fixed), given, length, varying=True)
        return [[_filled(x, length) for x in known[o]] for o in self.tape.outputs]

    def _run(
        self,
        known: dict[int, list[arb_series]],
        inputs: Sequence[arb_series],
        length: int,
        *,
        varying: bool,
    ) -> dict[int, list[arb_series]]:
        for index, instruction in enumerate(self.tape.instructions):
            if index in self.tape.needed and self.tape.varying[index] is varying:
                known[index] = self._step(instruction, known, inputs, length)
        return known

    def _step(
        self,
        i: Instruction,
        known: dict[int, list[arb_series]],
        inputs: Sequence[arb_series],
        length: int,
    ) -> list[arb_series]:
        a = [known[k] for k in i.args]
        match i.op:
            case Op.VARIABLE:
                return list(inputs[i.integers[0] : i.integers[0] + i.size])
            case Op.CONSTANT:
                return [arb_series([v], 1) for v in self._constants[i.constants[0]].entries()]
            case Op.PI:
                return [arb_series([arb.pi()], 1)]
            case Op.AFFINE:
                weight, bias = (self._constants[k] for k in i.constants)
                return _affine(weight, bias, a[0], length)
            case Op.POWER:
                return [_power(x, i.integers[0]) for x in a[0]]
            case Op.STACK:
                return [x for part in a for x in part]
            case Op.SLICE:
                return [a[0][k] for k in i.integers]
            case op if op in _BINARY:
                x, y = (part if len(part) == i.size else part * i.size for part in a)
                binary = _BINARY[op]
                return [binary(p, q) for p, q in zip(x, y, strict=True)]
            case op:
                unary = _UNARY[op]
                return [unary(x) for x in a[0]]


def _matrix(array: ExactArray) -> arb_mat:
    """A vector as a column, a matrix as it is."""
    entries: list[arb] = [arb(v) for v in array.values.ravel().tolist()]
    for k, v in array.exceptions.items():
        entries[k] = exact_ball(v)
    rows = array.shape[0]
    return arb_mat(rows, len(entries) // rows, entries)


def _filled(x: arb_series, length: int) -> Series:
    if x.prec < length:
        raise ArithmeticError("a series is known to fewer terms than are asked for")
    known: Series = x.coeffs()[:length]
    return known + [arb(0)] * (length - len(known))


def _affine(weight: arb_mat, bias: arb_mat, x: list[arb_series], length: int) -> list[arb_series]:
    filled = [c for s in x for c in _filled(s, length)]
    product = (weight * arb_mat(len(x), length, filled)).entries()
    rows = [product[k : k + length] for k in range(0, len(product), length)]
    for row, offset in zip(rows, bias.entries(), strict=True):
        row[0] += offset
    return [arb_series(row, length) for row in rows]


def _power(x: arb_series, exponent: int) -> arb_series:
    """By repeated squaring, so that no logarithm asks for a positive base."""
    if exponent == 1:
        return x
    half = _power(x, exponent // 2)
    return half * half * x if exponent % 2 else half * half


def _divide(a: arb_series, b: arb_series) -> arb_series:
    if b[0].is_finite() and not b[0].contains(0):
        return a / b
    return _undefined(min(a.prec, b.prec))


def _undefined(length: int) -> arb_series:
    return arb_series([arb.nan()] * length, length)


def _parted(x: arb_series) -> tuple[arb, arb_series]:
    """(z, d) with x = z + d, the constant term of d exactly 0."""
    coefficients = x.coeffs()
    if not coefficients:
        return arb(0), x
    return coefficients[0], arb_series([arb(0), *coefficients[1:]], x.prec)


def _sin(x: arb_series) -> arb_series:
    z, d = _parted(x)
    s, c = d.sin_cos()
    return z.sin() * c + z.cos() * s


def _cos(x: arb_series) -> arb_series:
    z, d = _parted(x)
    s, c = d.sin_cos()
    return z.cos() * c - z.sin() * s


def _tan(x: arb_series) -> arb_series:
    z, d = _parted(x)
    t = z.tan()
    if not t.is_finite():
        return _undefined(x.prec)
    s = d.tan()
    return (t + s) / (1 - t * s)


def _tanh(x: arb_series) -> arb_series:
    z, d = _parted(x)
    e = (2 * d).exp() - 1
    s, t = e / (e + 2), z.tanh()
    return (t + s) / (1 + t * s)


def _exp(x: arb_series) -> arb_series:
    z, d = _parted(x)
    return z.exp() * d.exp()


def _log(x: arb_series) -> arb_series:
    z, d = _parted(x)
    return z.log() + (1 + d / z).log() if z > 0 else _undefined(x.prec)


def _sqrt(x: arb_series) -> arb_series:
    z, d = _parted(x)
    if z > 0:
        return z.sqrt() * (1 + d / z).sqrt()
    if x.prec == 1 and z >= 0:
        return arb_series([z.lower().sqrt().union(z.upper().sqrt()).nonnegative_part()], 1)
    return _undefined(x.prec)


def _sigmoid(x: arb_series) -> arb_series:
    return (1 + _tanh(x / 2)) / 2


def _softplus(x: arb_series) -> arb_series:
    z, d = _parted(x)
    value = z.exp().log1p() if z < 0 else z + (-z).exp().log1p()
    if x.prec == 1:
        return arb_series([value], 1)
    return value + (_sigmoid(x) * d.derivative()).integral()


def _relu(x: arb_series) -> arb_series:
    z = x[0]
    if z > 0 or z < 0:
        return x if z > 0 else 0 * x
    return _at_kink(lambda: z.upper().max(arb(0)).union(z.lower().max(arb(0))), x)


def _unit_step(x: arb_series) -> arb_series:
    z = x[0]
    if z > 0 or z < 0:
        return arb_series([arb(1 if z > 0 else 0)], x.prec)
    return _at_kink(lambda: arb(0.5, 0.5), x)


def _minimum(a: arb_series, b: arb_series) -> arb_series:
    p, q = a[0], b[0]
    if p < q or q < p:
        return a if p < q else b
    return _at_kink(lambda: p.min(q), a, b)


def _maximum(a: arb_series, b: arb_series) -> arb_series:
    p, q = a[0], b[0]
    if p < q or q < p:
        return a if p > q else b
    return _at_kink(lambda: p.max(q), a, b)


def _at_kink(value: Callable[[], arb], *parts: arb_series) -> arb_series:
    """The range, where no more than that is asked for."""
    length = min(p.prec for p in parts)
    if not all(p[0].is_finite() for p in parts):
        return _undefined(length)
    if length > 1:
        raise KinkError("the argument of relu, step, min or max may be at its kink")
    return arb_series([value()], 1)


_BINARY: dict[Op, Callable[[arb_series, arb_series], arb_series]] = {
    Op.ADD: operator.add,
    Op.SUB: operator.sub,
    Op.MUL: operator.mul,
    Op.DIV: _divide,
    Op.MIN: _minimum,
    Op.MAX: _maximum,
}

_UNARY: dict[Op, Callable[[arb_series], arb_series]] = {
    Op.SIN: _sin,
    Op.COS: _cos,
    Op.TAN: _tan,
    Op.EXP: _exp,
    Op.LOG: _log,
    Op.SQRT: _sqrt,
    Op.TANH: _tanh,
    Op.SIGMOID: _sigmoid,
    Op.SOFTPLUS: _softplus,
    Op.RELU: _relu,
    Op.STEP: _unit_step,
}
