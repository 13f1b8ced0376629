"""The numbers of the scalar operations that programs are made of and that the kernel runs."""

from __future__ import annotations

from systems.expression import Op

CONSTANT = 0
ADD, SUB, MUL, DIV, MIN, MAX = 1, 2, 3, 4, 5, 6
ADD_NUMBER, MUL_NUMBER, DIV_NUMBER, MIN_NUMBER, MAX_NUMBER = 7, 8, 9, 10, 11
NUMBER_SUB, NUMBER_DIV = 12, 13
MUL_ADD, MUL_NUMBER_ADD, MUL_FROM = 14, 15, 16
"""p·q + r, p·c + q and r − p·q, rounded twice, as the two operations that they are made of."""
SIN, COS, TAN, EXP, LOG, SQRT, TANH, SIGMOID, SOFTPLUS, RELU, STEP = range(17, 28)

BINARY = {
    Op.ADD: ADD, Op.SUB: SUB, Op.MUL: MUL, Op.DIV: DIV, Op.MIN: MIN, Op.MAX: MAX,
}  # fmt: skip
COMMUTATIVE = frozenset({Op.ADD, Op.MUL})
WITH_NUMBER = {
    Op.ADD: ADD_NUMBER,
    Op.SUB: NUMBER_SUB,
    Op.MUL: MUL_NUMBER,
    Op.DIV: DIV_NUMBER,
    Op.MIN: MIN_NUMBER,
    Op.MAX: MAX_NUMBER,
}
"""A scalar and a number, in this order (a difference is a sum with the number's negative)."""
FROM_NUMBER = {Op.SUB: NUMBER_SUB, Op.DIV: NUMBER_DIV}
"""A number and a scalar, where the order matters."""
UNARY = {
    Op.SIN: SIN, Op.COS: COS, Op.TAN: TAN, Op.EXP: EXP, Op.LOG: LOG, Op.SQRT: SQRT,
    Op.TANH: TANH, Op.SIGMOID: SIGMOID, Op.SOFTPLUS: SOFTPLUS, Op.RELU: RELU, Op.STEP: STEP,
}  # fmt: skip


def fold(op: Op, p: float, q: float) -> float:
    """The value of an operation on two numbers, as float64 arithmetic has it."""
    match op:
        case Op.ADD:
            return p + q
        case Op.SUB:
            return p - q
        case Op.MUL:
            return p * q
        case Op.DIV:
            return p / q if q else float("nan")
        case Op.MIN:
            return min(p, q)
        case _:
            return max(p, q)
