"""What an expression's form says about its range, exactly: is a controller within its limits?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction

from systems import expression as ex
from systems.box import Box
from systems.expression import Expression, Op

End = Fraction | None
Range = tuple[End, End]
"""Lower and upper end of one entry; None where the form gives no bound on that side."""

FREE: Range = (None, None)

_BOUNDED: dict[Op, Range] = {
    Op.TANH: (Fraction(-1), Fraction(1)),
    Op.SIN: (Fraction(-1), Fraction(1)),
    Op.COS: (Fraction(-1), Fraction(1)),
    Op.SIGMOID: (Fraction(0), Fraction(1)),
    Op.STEP: (Fraction(0), Fraction(1)),
    Op.RELU: (Fraction(0), None),
    Op.EXP: (Fraction(0), None),
    Op.SOFTPLUS: (Fraction(0), None),
    Op.SQRT: (Fraction(0), None),
}


def lies_within(expression: Expression, limits: Box) -> bool:
    """Whether the form of every entry keeps it within the limits, wherever it is defined."""
    return all(
        a is not None and b is not None and low <= a and b <= high
        for (a, b), low, high in zip(ranges(expression), limits.lower, limits.upper, strict=True)
    )


def ranges(expression: Expression) -> list[Range]:
    """An exact range for every entry, from the outermost operations only."""
    known: dict[int, list[Range]] = {}
    for node in ex.topological([expression]):
        known[id(node)] = _range(node, [known[id(a)] for a in node.args])
    return known[id(expression)]


def _range(node: Expression, args: list[list[Range]]) -> list[Range]:
    op, n = node.op, node.size
    if op is Op.CONSTANT:
        return [(v, v) for v in node.constants[0].rationals()]
    if op in _BOUNDED:
        return [_BOUNDED[op]] * n
    if op is Op.STACK:
        return [r for part in args for r in part]
    if op is Op.SLICE:
        return [args[0][i] for i in node.integers]
    if op is Op.AFFINE and node.args[0].size * n <= 64 and FREE not in args[0]:
        return _affine(node, args[0])
    if op in (Op.ADD, Op.SUB, Op.MUL, Op.MIN, Op.MAX):
        x, y = (a * n if len(a) == 1 else a for a in args)
        return [_binary(op, p, q) for p, q in zip(x, y, strict=True)]
    return [FREE] * n


def _affine(node: Expression, argument: list[Range]) -> list[Range]:
    weight, bias = (c.rationals() for c in node.constants)
    columns = len(argument)
    out = []
    for i in range(node.size):
        total: Range = (bias[i], bias[i])
        for j, r in enumerate(argument):
            total = _binary(Op.ADD, total, _scaled(weight[i * columns + j], r))
        out.append(total)
    return out


def _scaled(factor: Fraction, r: Range) -> Range:
    if not factor:
        return Fraction(0), Fraction(0)
    low, high = (None if v is None else factor * v for v in r)
    return (low, high) if factor > 0 else (high, low)


def _binary(op: Op, p: Range, q: Range) -> Range:
    if op is Op.SUB:
        return _binary(Op.ADD, p, _scaled(Fraction(-1), q))
    if op is Op.ADD:
        return _sum(p[0], q[0]), _sum(p[1], q[1])
    if op is Op.MUL:
        for constant, other in ((p, q), (q, p)):
            if constant[0] is not None and constant[0] == constant[1]:
                return _scaled(constant[0], other)
        return FREE
    if op is Op.MIN:  # bounded above as soon as one of the two is
        return _if_all(min, p[0], q[0]), _of_known(min, p[1], q[1])
    return _of_known(max, p[0], q[0]), _if_all(max, p[1], q[1])


def _sum(a: End, b: End) -> End:
    return None if a is None or b is None else a + b


Pick = Callable[[Iterable[Fraction]], Fraction]


def _if_all(pick: Pick, a: End, b: End) -> End:
    return None if a is None or b is None else pick((a, b))


def _of_known(pick: Pick, a: End, b: End) -> End:
    known = [v for v in (a, b) if v is not None]
    return pick(known) if known else None
