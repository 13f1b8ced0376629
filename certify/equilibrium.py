"""Does a tape vanish at a rational point, exactly, in real arithmetic?

Claim 1 of a certificate, F(x*) = 0, V(x*) = 0 and ∇V(x*) = 0, is about real numbers: no enclosure
can show it, since every enclosure of 0 also holds its neighbours. Here the tape is evaluated at the
point with exact forms (:mod:`certify.exact_forms`), in which N(x*) − N(x*) cancels symbolically;
balls only decide signs and that divisors are not 0, and show what is certainly not 0.

Inputs that are no numbers but range over a box (the disturbances: F(x*, w) = 0 for all w) are
symbols of the forms, and the balls then enclose all values on that box.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from flint import arb, fmpq

from certify.balls import BallInterpreter, to_float_interval
from certify.exact_forms import (
    UNDEFINED,
    UNDETERMINED,
    Atoms,
    Special,
    Value,
    combination,
    number,
    rational,
)
from systems.box import Box
from systems.exact import ExactArray, exact
from systems.expression import Op
from systems.tape import Instruction, Tape


class Answer(Enum):
    """ZERO and NONZERO are proved; UNDECIDED is neither."""

    ZERO = "zero"
    NONZERO = "nonzero"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class ZeroTest:
    """The answer for one output entry, with float64 bounds of its value at the point."""

    answer: Answer
    lower: float
    upper: float


def prove_zero(
    tape: Tape, point: Sequence[Fraction | int | float], free: Box | None = None
) -> list[list[ZeroTest]]:
    """For each output, for each entry: is it 0 at the point, in real arithmetic?

    With ``free``, the point is only the first part of the input, the rest being anywhere in that
    box: ZERO and NONZERO then hold for all of it, and the bounds are of the range. Where a relu,
    min or max is at its kink, its derivative is a set and counts as undetermined; 0 times it is
    still 0. Raises ValueError where the dimensions do not add up to the tape's.
    """
    fixed = tuple(exact(v) for v in point)
    low = fixed if free is None else fixed + free.lower
    high = fixed if free is None else fixed + free.upper
    balls = BallInterpreter(tape, 256).registers(low, high)
    forms = _Evaluation(tape, low, high, balls).run()
    zero = [[value == {} for value in forms[o]] for o in tape.outputs]
    for precision in (1024, 4096):  # a small residual shows itself in the end
        answers = _answers([balls[o] for o in tape.outputs], zero)
        if not any(_is_open(test) for entries in answers for test in entries):
            return answers
        balls = BallInterpreter(tape, precision).registers(low, high)
    return _answers([balls[o] for o in tape.outputs], zero)


def _answers(balls: list[list[arb]], zero: list[list[bool]]) -> list[list[ZeroTest]]:
    return [
        [_answer(ball, is_zero) for ball, is_zero in zip(*pair, strict=True)]
        for pair in zip(balls, zero, strict=True)
    ]


def _is_open(test: ZeroTest) -> bool:
    return test.answer is Answer.UNDECIDED and math.isfinite(test.upper - test.lower)


def _answer(ball: arb, is_zero: bool) -> ZeroTest:
    if is_zero:
        return ZeroTest(Answer.ZERO, 0.0, 0.0)
    proved = ball.is_finite() and not ball.contains(0)
    return ZeroTest(Answer.NONZERO if proved else Answer.UNDECIDED, *to_float_interval(ball))


class _Evaluation:
    """The forms of all registers at the point; ``balls`` enclose the same registers there.

    An input with a range, low < high, is an atom.
    """

    def __init__(
        self,
        tape: Tape,
        low: Sequence[Fraction],
        high: Sequence[Fraction],
        balls: list[list[arb]],
    ) -> None:
        self.tape = tape
        self.balls = balls
        self.atoms = Atoms()
        self.point = [
            number(a) if a == b else self.atoms.atom("input", i)
            for i, (a, b) in enumerate(zip(low, high, strict=True))
        ]

    def run(self) -> list[list[Value]]:
        registers: list[list[Value]] = []
        for instruction in self.tape.instructions:
            registers.append(self._step(instruction, [registers[a] for a in instruction.args]))
        return registers

    def _step(self, i: Instruction, a: list[list[Value]]) -> list[Value]:
        match i.op:
            case Op.VARIABLE:
                return list(self.point[i.integers[0] : i.integers[0] + i.size])
            case Op.CONSTANT:
                return [number(v) for v in _entries(self.tape.constants[i.constants[0]])]
            case Op.PI:
                return [self.atoms.pi]
            case Op.AFFINE:
                weight, bias = (self.tape.constants[k] for k in i.constants)
                return _affine(weight, bias, a[0])
            case Op.POWER:
                return [self.atoms.power(v, i.integers[0]) for v in a[0]]
            case Op.STACK:
                return [v for part in a for v in part]
            case Op.SLICE:
                return [a[0][k] for k in i.integers]
        operands = [part if len(part) == i.size else part * i.size for part in a]
        enclosed = [self._balls_of(r, i.size) for r in i.args]
        apply = self._binary if len(i.args) == 2 else self._unary
        return [
            apply(i.op, values, balls)
            for values, balls in zip(
                zip(*operands, strict=True), zip(*enclosed, strict=True), strict=True
            )
        ]

    def _balls_of(self, register: int, size: int) -> list[arb]:
        balls = self.balls[register]
        return balls if len(balls) == size else balls * size

    def _binary(self, op: Op, values: tuple[Value, ...], balls: tuple[arb, ...]) -> Value:
        a, b = values
        match op:
            case Op.ADD | Op.SUB:
                return _sum(a, b, -1 if op is Op.SUB else 1)
            case Op.MUL:
                return self.atoms.product(a, b)
            case Op.DIV:
                return self.atoms.quotient(a, b, _sign(balls[1]) is not None)
            case Op.MIN | Op.MAX:
                excess = _sum(a, b, -1)
                part = self.atoms.positive_part(excess, _sign(balls[0] - balls[1]))
                return _sum(b, part, 1) if op is Op.MAX else _sum(a, part, -1)
        raise TypeError(f"{op.value} is not an operation on two operands")

    def _unary(self, op: Op, values: tuple[Value, ...], balls: tuple[arb, ...]) -> Value:
        (a,), (ball,) = values, balls
        sign = _sign(ball)
        if op is Op.STEP:
            return _unit_step(a, sign)
        if op is Op.RELU:
            return self.atoms.positive_part(a, sign)
        if not self._is_defined(op, a, ball):
            return UNDEFINED
        if isinstance(a, Special):
            return a
        return self.atoms.root(a) if op is Op.SQRT else self.atoms.function(op, a)

    def _is_defined(self, op: Op, a: Value, ball: arb) -> bool:
        """Whether the function exists at the register's value, by exact sign or by enclosure."""
        if op is Op.LOG:
            return bool(ball > 0)
        if op is Op.SQRT:
            value = rational(a) if isinstance(a, dict) else None
            return value >= 0 if value is not None else bool(ball >= 0)
        return op is not Op.TAN or ball.tan().is_finite()


def _sum(a: Value, b: Value, sign: int) -> Value:
    return combination([(fmpq(1), a), (fmpq(sign), b)], fmpq(0))


def _sign(ball: arb) -> int | None:
    """1 or −1 where the ball shows it."""
    if not ball.is_finite():
        return None
    return 1 if ball > 0 else -1 if ball < 0 else None


def _unit_step(a: Value, sign: int | None) -> Value:
    """The derivative of relu: at the kink it is all of [0, 1], which is no one number."""
    if a is UNDEFINED:
        return UNDEFINED
    value = rational(a) if isinstance(a, dict) else None
    if value is not None:
        return number(int(value > 0)) if value else UNDETERMINED
    return UNDETERMINED if sign is None else number(int(sign > 0))


def _entries(array: ExactArray) -> list[fmpq]:
    out = [fmpq(*v.as_integer_ratio()) for v in array.values.ravel().tolist()]
    for k, v in array.exceptions.items():
        out[k] = fmpq(v.numerator, v.denominator)
    return out


def _affine(weight: ExactArray, bias: ExactArray, argument: list[Value]) -> list[Value]:
    """W a + b; entries of a that are 0 cost nothing, which at an equilibrium are most."""
    if UNDEFINED in argument:
        return [UNDEFINED] * weight.shape[0]
    used = [k for k, v in enumerate(argument) if v != {}]
    rows, columns = weight.shape
    coefficients = _entries(weight) if used else []
    return [
        combination(((coefficients[r * columns + k], argument[k]) for k in used), constant)
        for r, constant in zip(range(rows), _entries(bias), strict=True)
    ]
