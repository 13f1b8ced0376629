"""What Z3 is asked to take: polynomials, quotients, roots, kinks; and the constants folded away.

Nothing here needs the library. Constants are folded entry by entry wherever the result is plainly
rational (sin 0, log 1, √(4/9)); only what is left after that has to be supported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType

from certify.conditions import Condition
from systems import expression as ex
from systems.expression import BINARY, UNARY, Op
from systems.tape import Instruction, Tape

Entry = Fraction | None
"""A constant, or None for what varies, is irrational or is undefined."""

POLYNOMIAL = frozenset(
    {Op.VARIABLE, Op.CONSTANT, Op.AFFINE, Op.ADD, Op.SUB, Op.MUL, Op.POWER, Op.STACK, Op.SLICE}
)
TAKEN = POLYNOMIAL | {Op.DIV, Op.SQRT, Op.RELU, Op.STEP, Op.MIN, Op.MAX}

MOST_BITS = 20_000
"""Digits (binary) of a folded constant."""

MOST_TERMS = 50_000
"""Scalar operations: to write down more takes seconds, and to decide them is beyond hope."""

MOST_DEGREE = 1000
"""Degree of a register, where every quotient counts as a product."""

NO_INPUTS: Mapping[int, Fraction] = MappingProxyType({})


class UnsupportedError(ValueError):
    """The condition is none for Z3; the message says what stands in the way."""


def explain_unsupported(condition: Condition) -> str | None:
    """Why the condition is none for Z3, or None where it is one."""
    tape = asked(condition)
    try:
        if set(tape.output_sizes) != {1}:
            raise UnsupportedError("an output is a vector, and constraints are about numbers")
        _check_size(tape)
        _check_degree(tape)
        fold(tape)
    except UnsupportedError as error:
        return str(error)
    return None


def asked(condition: Condition) -> Tape:
    """The tape with those outputs only that constraints speak of, in the order of the outputs."""
    used = sorted({c.output for c in condition.violation})
    return condition.tape.with_outputs([condition.tape.outputs[k] for k in used])


def fold(tape: Tape, inputs: Mapping[int, Fraction] = NO_INPUTS) -> dict[int, list[Entry]]:
    """The constant entries of every needed register, where ``inputs`` are fixed coordinates.

    Raises UnsupportedError at the first operation that Z3 cannot take.
    """
    known: dict[int, list[Entry]] = {}
    for index in sorted(tape.needed):
        i = tape.instructions[index]
        entries = _entries(tape, i, [known[a] for a in i.args], inputs)
        if i.op not in TAKEN and None in entries:
            raise UnsupportedError(
                f"the operation {i.op.value} is not one for Z3, which decides "
                "polynomials, quotients, square roots, relu, step, min and max"
            )
        if any(_bits(v) > MOST_BITS for v in entries if v is not None):
            raise _too_long(index)
        known[index] = entries
    return known


def _entries(
    tape: Tape, i: Instruction, a: Sequence[list[Entry]], inputs: Mapping[int, Fraction]
) -> list[Entry]:
    match i.op:
        case Op.VARIABLE:
            return [inputs.get(i.integers[0] + k) for k in range(i.size)]
        case Op.CONSTANT:
            return list(tape.constants[i.constants[0]].rationals())
        case Op.AFFINE:
            return _affine(tape, i, a[0])
        case Op.POWER:
            return [_power(v, i.integers[0]) for v in a[0]]
        case Op.STACK:
            return [v for part in a for v in part]
        case Op.SLICE:
            return [a[0][k] for k in i.integers]
        case op if op in BINARY:
            x, y = (part if len(part) == i.size else part * i.size for part in a)
            return [_binary(op, p, q) for p, q in zip(x, y, strict=True)]
        case op if op in UNARY:
            return [_unary(op, v) for v in a[0]]
    return [None] * i.size


def _affine(tape: Tape, i: Instruction, a: list[Entry]) -> list[Entry]:
    """W a + b, where all of a is constant: 0 times what is undefined is undefined."""
    known = [v for v in a if v is not None]
    if len(known) < len(a):
        return [None] * i.size
    weight, bias = (tape.constants[c].rationals() for c in i.constants)
    n = len(known)
    return [
        sum((w * v for w, v in zip(weight[r * n : (r + 1) * n], known, strict=True)), bias[r])
        for r in range(i.size)
    ]


def _power(value: Entry, exponent: int) -> Entry:
    if value is None:
        return None
    if _bits(value) * exponent > 2 * MOST_BITS and abs(value) != 1:
        raise UnsupportedError(f"a constant to the power {exponent} has too many digits")
    return value**exponent


def _binary(op: Op, a: Entry, b: Entry) -> Entry:
    if a is None or b is None:
        return None
    match op:
        case Op.ADD:
            return a + b
        case Op.SUB:
            return a - b
        case Op.MUL:
            return a * b
        case Op.DIV:
            return a / b if b else None
        case Op.MIN:
            return min(a, b)
        case Op.MAX:
            return max(a, b)
    raise UnsupportedError(f"the operation {op.value} is unknown")


def _unary(op: Op, value: Entry) -> Entry:
    if value is None:
        return None
    try:
        image = ex.rational_values(ex.apply(op, value))
    except ValueError:  # beyond the floats that an expression's constants keep beside them
        return None
    return None if image is None else image[0]


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _too_long(index: int) -> UnsupportedError:
    return UnsupportedError(f"register {index} holds a constant of more than {MOST_BITS} bits")


def _check_size(tape: Tape) -> None:
    """Refuse what could not even be written down in reasonable time."""
    count = 0
    for index in tape.needed:
        i = tape.instructions[index]
        if i.op is Op.AFFINE:
            count += tape.constants[i.constants[0]].values.size
        count += i.size
    if count > MOST_TERMS:
        raise UnsupportedError(
            f"the statement has {count} scalar operations, more than the {MOST_TERMS} that are "
            "worth giving to an exact solver"
        )


def _check_degree(tape: Tape) -> None:
    """Refuse powers of powers, whose exponents Z3 would have to multiply out."""
    degrees: dict[int, int] = {}
    for index in sorted(tape.needed):
        i = tape.instructions[index]
        of = [degrees[a] for a in i.args]
        match i.op:
            case Op.VARIABLE:
                degree = 1
            case Op.MUL | Op.DIV:
                degree = sum(of)
            case Op.POWER:
                degree = of[0] * i.integers[0]
            case _:
                degree = max(of, default=0)
        if degree > MOST_DEGREE:
            raise UnsupportedError(
                f"register {index} is of degree {degree}, more than {MOST_DEGREE}"
            )
        degrees[index] = degree
