"""Rigorous values of constant expressions: a rational where one folds out, else a ball."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import reduce

import flint
from flint import arb

from systems import expression as ex
from systems.exact import ExactArray
from systems.expression import Expression, Op

PRECISION = 256
"""Bits of the ball arithmetic."""


def enclose_constant(node: Expression) -> list[arb]:
    """A ball around every entry of an expression without free variables.

    A step whose argument may be 0 is the whole of [0, 1]. What is not defined there is NaN.
    Raises ValueError where a variable is free.
    """
    registers: dict[int, list[arb]] = {}
    with flint.ctx.workprec(PRECISION):
        for item in ex.topological([node]):
            registers[id(item)] = _value(item, [registers[id(a)] for a in item.args])
    return registers[id(node)]


def ball(value: Fraction) -> arb:
    """The ball around a rational."""
    return arb(flint.fmpq(value.numerator, value.denominator))


def is_zero_or_tiny(value: Fraction | arb) -> bool:
    """Exactly 0, or a ball around 0 of radius at most 1e−30."""
    if isinstance(value, Fraction):
        return value == 0
    return bool(value.is_finite() and value.contains(0) and value.rad() < arb("1e-30"))


def shown(value: Fraction | arb) -> str:
    """A short decimal for messages."""
    return f"{float(value):.6g}" if isinstance(value, Fraction) else f"{float(value.mid()):.6g}"


def rational_or_ball(node: Expression) -> Fraction | arb:
    """The value of a scalar constant expression: exact where it folds, else a ball."""
    values = ex.rational_values(node)
    return enclose_constant(node)[0] if values is None else values[0]


def _value(node: Expression, args: Sequence[list[arb]]) -> list[arb]:
    match node.op:
        case Op.CONSTANT:
            return [ball(v) for v in node.constants[0].rationals()]
        case Op.PI:
            return [arb.pi()]
        case Op.AFFINE:
            return _affine(node.constants[0], args[0], node.constants[1])
        case Op.POWER:
            return [z ** node.integers[0] for z in args[0]]
        case Op.STACK:
            return [z for part in args for z in part]
        case Op.SLICE:
            return [args[0][i] for i in node.integers]
        case op if op in _UNARY:
            return [_UNARY[op](z) for z in args[0]]
        case op if op in _BINARY:
            a, b = args
            pairs = ((a[i % len(a)], b[i % len(b)]) for i in range(node.size))
            return [_BINARY[op](p, q) for p, q in pairs]
    raise ValueError(f"the expression is not constant: {node.name or node.op.value} is free")


def _affine(weight: ExactArray, argument: list[arb], bias: ExactArray) -> list[arb]:
    entries, columns = weight.rationals(), weight.shape[1]
    return [
        reduce(
            lambda total, pair: total + ball(pair[0]) * pair[1],
            zip(entries[i * columns : (i + 1) * columns], argument, strict=True),
            ball(offset),
        )
        for i, offset in enumerate(bias.rationals())
    ]


def _step(z: arb) -> arb:
    if not z.is_finite():
        return z
    if z > 0:
        return arb(1)
    return arb(0) if z < 0 else arb(0.5, 0.5)


_UNARY: dict[Op, Callable[[arb], arb]] = {
    Op.SIN: lambda z: z.sin(),
    Op.COS: lambda z: z.cos(),
    Op.TAN: lambda z: z.tan(),
    Op.EXP: lambda z: z.exp(),
    Op.LOG: lambda z: z.log(),
    Op.SQRT: lambda z: z.sqrt(),
    Op.TANH: lambda z: z.tanh(),
    Op.SIGMOID: lambda z: 1 / (1 + (-z).exp()),
    Op.SOFTPLUS: lambda z: z.exp().log1p(),
    Op.RELU: lambda z: z.max(arb(0)),
    Op.STEP: _step,
}

_BINARY: dict[Op, Callable[[arb, arb], arb]] = {
    Op.ADD: lambda a, b: a + b,
    Op.SUB: lambda a, b: a - b,
    Op.MUL: lambda a, b: a * b,
    Op.DIV: lambda a, b: a / b,
    Op.MIN: lambda a, b: a.min(b),
    Op.MAX: lambda a, b: a.max(b),
}
