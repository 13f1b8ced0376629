"""Rigorous enclosures of a tape's registers in ball arithmetic (Arb, through python-flint).

Slow and careful: it folds the constants of a statement, re-checks counterexamples and is the
oracle of the tests; the fast enclosures are elsewhere. A register entry is a ball [m ± r] that
contains the real value for every input in the balls given. Where a function is not defined on all
of its argument (a divisor that may be 0, the logarithm of something that may be negative) the
result is a ball that is not finite, and so is everything made from it; nothing raises.

A ball's radius has 30 bits: an interval is widened by up to a billionth of its own width.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction

from flint import arb, arb_mat, ctx, fmpq

from systems.exact import ExactArray, exact
from systems.expression import Op
from systems.tape import Instruction, Tape

Balls = list[arb]


def enclose_point(
    tape: Tape, point: Sequence[Fraction | float], precision: int = 128
) -> list[Balls]:
    """Enclosures of every output at one point, meant exactly: one list of balls per output."""
    return BallInterpreter(tape, precision).outputs(point, point)


def enclose_box(
    tape: Tape,
    lower: Sequence[Fraction | float],
    upper: Sequence[Fraction | float],
    precision: int = 128,
) -> list[Balls]:
    """Enclosures of every output's range over the box lower ≤ x ≤ upper (exact ends)."""
    return BallInterpreter(tape, precision).outputs(lower, upper)


def constant_registers(tape: Tape, precision: int = 128) -> dict[int, Balls]:
    """Enclosures of all registers that do not depend on the input, by register."""
    return BallInterpreter(tape, precision).constant_registers()


def to_float_interval(ball: arb) -> tuple[float, float]:
    """Float64 ends (lo, hi), rounded outwards, of everything in the ball.

    (−∞, ∞) for a ball without finite bounds.
    """
    if ball.is_nan():
        return -math.inf, math.inf
    return _float_below(ball.lower()), -_float_below((-ball).lower())


def exact_ball(value: Fraction | float) -> arb:
    """A ball around one exact number; of radius 0 for a float, whatever the precision."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a finite number")
        return arb(value)
    rational = exact(value)
    return arb(fmpq(rational.numerator, rational.denominator))


def _interval(lower: Fraction, upper: Fraction) -> arb:
    """The interval as a ball: itself where middle and radius fit the format, else a little more."""
    radius = (upper - lower) / 2
    middle = exact_ball((upper + lower) / 2)
    exponent = radius.denominator.bit_length() - 1
    if radius.denominator == 1 << exponent and radius.numerator.bit_length() <= 30:
        if not radius:
            return middle
        if middle.is_exact():
            return arb(middle, (radius.numerator, -exponent))
    return exact_ball(lower).union(exact_ball(upper))


class BallInterpreter:
    """One tape at one working precision (bits), its constants converted once.

    Use it where many points or boxes are asked for; the functions of this module where one is.
    """

    def __init__(self, tape: Tape, precision: int = 128) -> None:
        self.tape = tape
        self.precision = precision
        with ctx.workprec(precision):
            self._constants = [_constant_balls(c) for c in tape.constants]
            self._fixed = self._run({}, constant=True)

    def constant_registers(self) -> dict[int, Balls]:
        """Enclosures of all registers that do not depend on the input, by register."""
        return dict(self._fixed)

    def outputs(
        self, lower: Sequence[Fraction | float], upper: Sequence[Fraction | float]
    ) -> list[Balls]:
        """Enclosures of the outputs' ranges over a box; lower = upper for a point."""
        registers = self.registers(lower, upper)
        return [registers[o] for o in self.tape.outputs]

    def registers(
        self, lower: Sequence[Fraction | float], upper: Sequence[Fraction | float]
    ) -> list[Balls]:
        """Enclosures of all registers' ranges over a box, in the order of the instructions.

        Raises ValueError where the box has another dimension than the tape, or an empty side.
        """
        n = self.tape.dimension
        if len(lower) != n or len(upper) != n:
            raise ValueError(f"the tape takes {n} inputs, not {len(lower)} and {len(upper)}")
        if any(a > b for a, b in zip(lower, upper, strict=True)):
            raise ValueError("a side of the box is empty")
        with ctx.workprec(self.precision):
            inputs = [_interval(exact(a), exact(b)) for a, b in zip(lower, upper, strict=True)]
            known = dict(self._fixed)
            self._run(known, constant=False, inputs=inputs)
        return [known[i] for i in range(len(self.tape.instructions))]

    def _run(
        self, known: dict[int, Balls], *, constant: bool, inputs: Sequence[arb] = ()
    ) -> dict[int, Balls]:
        for index, instruction in enumerate(self.tape.instructions):
            if self.tape.varying[index] is not constant:
                known[index] = self._step(instruction, known, inputs)
        return known

    def _step(self, i: Instruction, known: dict[int, Balls], inputs: Sequence[arb]) -> Balls:
        a = [known[k] for k in i.args]
        match i.op:
            case Op.VARIABLE:
                return list(inputs[i.integers[0] : i.integers[0] + i.size])
            case Op.CONSTANT:
                return self._constants[i.constants[0]].entries()
            case Op.PI:
                return [arb.pi()]
            case Op.AFFINE:
                weight, bias = (self._constants[k] for k in i.constants)
                return (weight * arb_mat(len(a[0]), 1, a[0]) + bias).entries()
            case Op.POWER:
                return [_power(x, i.integers[0]) for x in a[0]]
            case Op.STACK:
                return [x for part in a for x in part]
            case Op.SLICE:
                return [a[0][k] for k in i.integers]
            case Op.MUL if i.args[0] == i.args[1]:
                return [_power(x, 2) for x in a[0]]
            case op if op in _BINARY:
                x, y = (_spread(part, i.size) for part in a)
                return [_BINARY[op](p, q) for p, q in zip(x, y, strict=True)]
            case op:
                return [_finite_or_nan(_UNARY[op](x)) if x.is_finite() else arb.nan() for x in a[0]]


def _constant_balls(array: ExactArray) -> arb_mat:
    """A vector as a column, a matrix as it is."""
    entries: list[arb] = [arb(v) for v in array.values.ravel().tolist()]
    for k, v in array.exceptions.items():
        entries[k] = exact_ball(v)
    rows = array.shape[0]
    return arb_mat(rows, len(entries) // rows, entries)


def _spread(part: Balls, size: int) -> Balls:
    return part if len(part) == size else part * size


def _finite_or_nan(ball: arb) -> arb:
    return ball if ball.is_finite() else arb.nan()


def _divide(a: arb, b: arb) -> arb:
    return _finite_or_nan(a / b) if b.is_finite() and not b.contains(0) else arb.nan()


_BINARY: dict[Op, Callable[[arb, arb], arb]] = {
    Op.ADD: operator.add,
    Op.SUB: operator.sub,
    Op.MUL: operator.mul,
    Op.DIV: _divide,
    Op.MIN: lambda a, b: a.min(b) if a.is_finite() and b.is_finite() else arb.nan(),
    Op.MAX: lambda a, b: a.max(b) if a.is_finite() and b.is_finite() else arb.nan(),
}


def _power(x: arb, exponent: int) -> arb:
    """An integer power ≥ 2 by its shape: monotone where odd, a bowl where even."""
    if not x.is_finite():
        return arb.nan()
    if exponent % 2:
        return _increasing(x, lambda z: z**exponent)
    if x.contains(0):
        return _hull([arb(0), x.lower() ** exponent, x.upper() ** exponent]).nonnegative_part()
    return _increasing(abs(x), lambda z: z**exponent)


def _hull(balls: Iterable[arb]) -> arb:
    first, *others = balls
    for ball in others:
        first = first.union(ball)
    return first


def _is_narrow(x: arb) -> bool:
    """Whether the ball is as good as a point, so that evaluating it whole loses nothing."""
    small = arb((1, -(ctx.prec // 2)))
    return x.rad() <= small and x.rad() <= small * abs(x.mid())


def _increasing(x: arb, function: Callable[[arb], arb]) -> arb:
    """The range of an increasing function from its two ends."""
    return function(x) if _is_narrow(x) else function(x.lower()).union(function(x.upper()))


def _sigmoid(z: arb) -> arb:
    if z < 0:
        e = z.exp()
        return e / (1 + e)
    return 1 / (1 + (-z).exp())


def _softplus(z: arb) -> arb:
    return z.exp().log1p() if z < 0 else z + (-z).exp().log1p()


def _log(x: arb) -> arb:
    return _increasing(x, arb.log) if x > 0 else arb.nan()


def _sqrt(x: arb) -> arb:
    if not x >= 0:
        return arb.nan()
    return _increasing(x, arb.sqrt).nonnegative_part()


def _relu(x: arb) -> arb:
    if x >= 0:
        return x
    return arb(0) if x <= 0 else x.upper().union(arb(0)).nonnegative_part()


def _unit_step(x: arb) -> arb:
    if x > 0:
        return arb(1)
    return arb(0) if x < 0 else arb(0.5, (1, -1))


def _whole_turns(x: arb, offset: float) -> range | None:
    """The integers k with x = (k + offset)·π for some x in the ball, or a few more.

    None where the ball is too wide, or too far out for the precision, to tell.
    """
    if x.rad() > 7 or abs(x) > arb((1, ctx.prec // 2)):
        return None
    first = (x.lower() / arb.pi() - offset).lower().ceil().unique_fmpz()
    last = (x.upper() / arb.pi() - offset).upper().floor().unique_fmpz()
    return None if first is None or last is None else range(int(first), int(last) + 1)


def _wave(x: arb, function: Callable[[arb], arb], offset: float) -> arb:
    """The range of sin or cos: the ends, and ±1 at the extrema (k + offset)·π inside."""
    if _is_narrow(x):
        return function(x)
    extrema = _whole_turns(x, offset)
    if extrema is None or len(extrema) > 1:
        return arb(0, (1, 0))
    ends = [function(x.lower()), function(x.upper())]
    return _hull([*ends, *(arb(-1 if k % 2 else 1) for k in extrema)])


def _tan(x: arb) -> arb:
    poles = _whole_turns(x, 0.5)
    return arb.nan() if poles is None or len(poles) else _increasing(x, arb.tan)


_UNARY: dict[Op, Callable[[arb], arb]] = {
    Op.SIN: lambda x: _wave(x, arb.sin, 0.5),
    Op.COS: lambda x: _wave(x, arb.cos, 0.0),
    Op.TAN: _tan,
    Op.EXP: lambda x: _increasing(x, arb.exp).nonnegative_part(),
    Op.LOG: _log,
    Op.SQRT: _sqrt,
    Op.TANH: lambda x: _increasing(x, arb.tanh),
    Op.SIGMOID: lambda x: _increasing(x, _sigmoid).nonnegative_part(),
    Op.SOFTPLUS: lambda x: _increasing(x, _softplus).nonnegative_part(),
    Op.RELU: _relu,
    Op.STEP: _unit_step,
}


def _float_below(end: arb) -> float:
    """The largest float64 ≤ an exact ball, or the one below it."""
    if not end.is_finite():
        return -math.inf  # also for +∞: a bound that says nothing
    nearest = float(end)
    if math.isinf(nearest):
        return math.nextafter(math.inf, 0.0) if nearest > 0 else nearest
    return math.nextafter(nearest, -math.inf) if arb(nearest) > end else nearest
