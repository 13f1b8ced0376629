"""The truth of a statement, found without any backend: rationals, balls, and plain subdivision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
from flint import arb, ctx

from certify.balls import BallInterpreter, exact_ball
from certify.conditions import Condition, Constraint
from certify.falsify import violations_at
from systems.expression import Op
from systems.tape import Instruction, Tape

Point = Sequence[Fraction]
Value = Fraction | None
"""An entry of a register: a rational, or None for a number that is not plainly one."""

PRECISION = 1024


class UndefinedError(Exception):
    """The point lies outside the domain of an operation."""


def exact_outputs(tape: Tape, point: Point) -> list[Value]:
    """The scalar outputs at a point in rational arithmetic, None where that does not suffice.

    Raises UndefinedError where an output divides by 0, or takes the logarithm of a number ≤ 0, the
    root of a negative one, or the step of 0.
    """
    registers: dict[int, list[Value]] = {}
    for index, i in enumerate(tape.instructions):
        if index in tape.needed:
            registers[index] = _step(tape, i, [registers[a] for a in i.args], point)
    return [registers[o][0] for o in tape.outputs]


def _step(tape: Tape, i: Instruction, a: list[list[Value]], point: Point) -> list[Value]:
    match i.op:
        case Op.VARIABLE:
            return list(point[i.integers[0] : i.integers[0] + i.size])
        case Op.CONSTANT:
            return list(tape.constants[i.constants[0]].rationals())
        case Op.PI:
            return [None]
        case Op.AFFINE:
            weight, bias = (tape.constants[k].rationals() for k in i.constants)
            n = len(a[0])
            return [_affine(weight[k * n : k * n + n], a[0], bias[k]) for k in range(i.size)]
        case Op.POWER:
            return [None if v is None else v ** i.integers[0] for v in a[0]]
        case Op.STACK:
            return [v for part in a for v in part]
        case Op.SLICE:
            return [a[0][k] for k in i.integers]
        case op if op in _BINARY:
            p, q = (part * i.size if len(part) == 1 else part for part in a)
            return [_BINARY[op](u, v) for u, v in zip(p, q, strict=True)]
        case op:
            return [None if v is None else _function(op, v) for v in a[0]]


def _affine(row: list[Fraction], values: list[Value], offset: Fraction) -> Value:
    for weight, v in zip(row, values, strict=True):
        if v is None:
            return None
        offset += weight * v
    return offset


def _both(fold: Callable[[Fraction, Fraction], Fraction]) -> Callable[[Value, Value], Value]:
    return lambda u, v: None if u is None or v is None else fold(u, v)


def _quotient(u: Value, v: Value) -> Value:
    if v == 0:
        raise UndefinedError
    return None if u is None or v is None else u / v


_BINARY: dict[Op, Callable[[Value, Value], Value]] = {
    Op.ADD: _both(lambda u, v: u + v),
    Op.SUB: _both(lambda u, v: u - v),
    Op.MUL: _both(lambda u, v: u * v),
    Op.DIV: _quotient,
    Op.MIN: _both(min),
    Op.MAX: _both(max),
}
_AT_ZERO = {Op.SIN: 0, Op.COS: 1, Op.TAN: 0, Op.EXP: 1, Op.SQRT: 0, Op.TANH: 0}


def _function(op: Op, v: Fraction) -> Value:
    if (op is Op.LOG and v <= 0) or (op is Op.SQRT and v < 0) or (op is Op.STEP and v == 0):
        raise UndefinedError
    if op is Op.RELU:
        return max(v, Fraction(0))
    if op is Op.STEP:
        return Fraction(v > 0)
    return Fraction(_AT_ZERO[op]) if v == 0 and op in _AT_ZERO else None


class Judge:
    """Decides what a condition says at points and on boxes, in rationals and in balls."""

    def __init__(self, condition: Condition) -> None:
        self.condition = condition
        self._sharp = BallInterpreter(condition.tape, PRECISION)
        self._quick = BallInterpreter(condition.tape, 64)

    def violates(self, point: Point) -> bool:
        """Whether a point certainly lies in a region and satisfies every constraint."""
        if not any(r.contains(point) for r in self.condition.regions):
            return False
        try:
            known = exact_outputs(self.condition.tape, point)
        except UndefinedError:  # of one output, perhaps one that no constraint is about
            known = [None] * len(self.condition.outputs)
        values: list[arb | Fraction] = [v for v in known if v is not None]
        if len(values) < len(known):
            balls = [part[0] for part in self._sharp.outputs(point, point)]
            values = [b if v is None else v for b, v in zip(balls, known, strict=True)]
        return all(_satisfied(c, values[c.output]) for c in self.condition.violation)

    def is_undefined(self, point: Point) -> bool:
        """Whether an output has no value, or many, by exact arithmetic; balls must agree."""
        try:
            exact_outputs(self.condition.tape, point)
        except UndefinedError:
            return not all(b[0].rad() < 1e-9 for b in self._sharp.outputs(point, point))
        return False

    def has_a_tangent_pole(self, a: Point, b: Point) -> bool:
        """Whether the argument of a tangent crosses a zero of the cosine on the segment."""
        tape, crosses = self.condition.tape, False
        at_a, at_b = self._sharp.registers(a, a), self._sharp.registers(b, b)
        for i in tape.instructions:
            if i.op is Op.TAN:
                p, q = at_a[i.args[0]][0], at_b[i.args[0]][0]
                crosses = crosses or bool(p.cos() * q.cos() < 0)
        return crosses

    def changes_sign(self, a: Point, b: Point) -> bool:
        """Whether one output passes its level between two points, both constraints being on it."""
        first, second = self.condition.violation
        assert (first.output, first.level) == (second.output, second.level)
        assert {first.sense, second.sense} == {"at least", "at most"}
        assert not first.strict and not second.strict
        p, q = (self._sharp.outputs(x, x)[first.output][0] for x in (a, b))
        level = exact_ball(first.level)
        return bool((p - level) * (q - level) < 0)

    def closes(self, most: int) -> bool:
        """Whether subdivision into at most ``most`` boxes shows that the condition holds."""
        pending = [(list(r.lower), list(r.upper)) for r in self.condition.regions]
        for _ in range(most):
            if not pending:
                return True
            lower, upper = pending.pop()
            if not self._closed(lower, upper):
                widths = [b - a for a, b in zip(lower, upper, strict=True)]
                axis = widths.index(max(widths))
                cut = (lower[axis] + upper[axis]) / 2
                pending.append((lower, [*upper[:axis], cut, *upper[axis + 1 :]]))
                pending.append(([*lower[:axis], cut, *lower[axis + 1 :]], upper))
        return not pending

    def _closed(self, lower: list[Fraction], upper: list[Fraction]) -> bool:
        outputs = self._quick.outputs(lower, upper)
        return any(_impossible(c, outputs[c.output][0]) for c in self.condition.violation)

    def violated_samples(self, count: int, seed: int) -> list[Point]:
        """Those of random points of the regions that violate the condition, exactly."""
        generator = np.random.default_rng(seed)
        found: list[Point] = []
        regions = self.condition.regions
        for region in regions:
            points = region.sample(-(-count // len(regions)), generator)
            likely = (violations_at(self.condition, points) >= 0).all(axis=1)
            for row in points[likely].tolist():
                ends = zip(region.lower, row, region.upper, strict=True)
                inside = tuple(min(max(a, Fraction(v)), b) for a, v, b in ends)
                if self.violates(inside):
                    found.append(inside)
        return found


def _satisfied(c: Constraint, value: arb | Fraction) -> bool:
    if isinstance(value, Fraction):
        excess = c.sign * (value - c.level)
        return excess > 0 if c.strict else excess >= 0
    with ctx.workprec(PRECISION):
        ball = c.sign * (value - exact_ball(c.level))
    return ball.is_finite() and bool(ball > 0 if c.strict else ball >= 0)


def _impossible(c: Constraint, ball: arb) -> bool:
    excess = c.sign * (ball - exact_ball(c.level))
    return ball.is_finite() and bool(excess <= 0 if c.strict else excess < 0)
