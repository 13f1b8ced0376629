"""From tape to program: constants folded rigorously, registers laid out, degrees bounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from certify.enclosure import series
from certify.enclosure.folding import Constants
from systems.expression import Op
from systems.tape import Tape, reachable

(
    INPUT,
    PRELOADED,
    AFFINE,
    ADD,
    SUB,
    ADD_CONSTANT,
    SCALE,
    MUL,
    UNARY,
    RELU,
    STEP,
    STACK,
    SLICE,
    CONST,
) = range(14)
"""Operations of a program."""

OPERATION, SIZE, OFFSET, DEGREE, FIRST, SECOND, POOL, POOL2, EXTRA = range(9)
"""Columns of a program's code. FIRST and SECOND are rows of earlier instructions."""

_UNARY = {
    Op.SIN: series.SIN,
    Op.COS: series.COS,
    Op.EXP: series.EXP,
    Op.LOG: series.LOG,
    Op.SQRT: series.SQRT,
    Op.TANH: series.TANH,
    Op.SIGMOID: series.SIGMOID,
    Op.SOFTPLUS: series.SOFTPLUS,
}

FULL = 1 << 20
"""A degree beyond every order: min(FULL, K) = K."""


@dataclass(frozen=True, eq=False)
class Program:
    """Code rows (see the column names), a pool of floats, index lists, and where outputs lie.

    ``degree`` entries are upper bounds of the polynomial degree, to be capped at K.
    """

    dimension: int
    code: NDArray[np.int64]
    pool: NDArray[np.float64]
    lists: NDArray[np.int64]
    outputs: NDArray[np.int64]
    entries: int
    widest: int

    def work(self, order: int, monomials: int) -> float:
        """An estimate of the time for one box, in nanoseconds."""
        pairs = monomials * (monomials + 1) / 4
        total = 0.0
        for operation, size, _, _, first, *_ in self.code.tolist():
            columns = self.code[first, SIZE] if first >= 0 else 1
            if operation == AFFINE:
                total += 0.12 * size * columns * (monomials + 2)
            elif operation == MUL:
                total += size * (15.0 + 0.6 * pairs + 3.0 * (order + 2))
            elif operation == UNARY:
                total += size * (180.0 + 12.0 * order + 0.3 * pairs * order)
            else:
                total += 2.0 * size * monomials
        return total

    def linear_work(self, outputs: int) -> float:
        """The same for linear relaxations: a forward pass, and a backward one for each output."""
        n, total = self.dimension, 0.0
        for operation, size, _, _, first, *_ in self.code.tolist():
            columns = self.code[first, SIZE] if first >= 0 else 1
            if operation == AFFINE:
                total += size * columns * (0.6 * (n + 1) + 0.4 * outputs)
            elif operation in (UNARY, RELU):
                total += size * (250.0 + 10.0 * outputs)
            else:
                total += size * (20.0 + 4.0 * n + 6.0 * outputs)
        return total


@dataclass
class _Writer:
    tape: Tape
    preloaded: Mapping[int, int]
    rows: list[list[int]] = field(default_factory=list)
    pool: list[NDArray[np.float64]] = field(default_factory=list)
    lists: list[int] = field(default_factory=list)
    row_of: dict[int, int] = field(default_factory=dict)
    pool_size: int = 0
    entries: int = 0

    def row(
        self,
        operation: int,
        size: int,
        degree: int,
        first: int = -1,
        second: int = -1,
        pool: int = 0,
        pool2: int = 0,
        extra: int = 0,
    ) -> int:
        self.rows.append([operation, size, self.entries, degree, first, second, pool, pool2, extra])
        self.entries += size
        return len(self.rows) - 1

    def put(self, values: NDArray[np.float64]) -> int:
        start = self.pool_size
        self.pool.append(np.ascontiguousarray(values, dtype=np.float64).ravel())
        self.pool_size += values.size
        return start


def compile_program(
    tape: Tape, constants: Constants, preloaded: Mapping[int, int] | None = None
) -> Program:
    """Compile the scalar outputs of a tape.

    ``constants`` are the folded constant registers; ``preloaded`` maps registers whose models are
    computed elsewhere to the index of their first entry among the preloaded ones. Raises ValueError
    where an output is no scalar or where a constant is undefined or beyond float64.
    """
    if any(size != 1 for size in tape.output_sizes):
        raise ValueError("every output must be a scalar")
    writer = _Writer(tape, preloaded or {})
    needed = reachable(
        tape.outputs, lambda r: () if r in writer.preloaded else tape.instructions[r].args
    )
    for index in range(len(tape.instructions)):
        if index not in needed:
            continue
        if index in writer.preloaded:
            size = tape.instructions[index].size
            writer.row_of[index] = writer.row(PRELOADED, size, FULL, extra=writer.preloaded[index])
        elif tape.varying[index]:
            writer.row_of[index] = _emit(writer, index, constants)
    for o in tape.outputs:
        if o not in writer.row_of:
            writer.row_of[o] = _constant_row(writer, constants[o])
    code = np.array(writer.rows, dtype=np.int64)
    pool = np.concatenate(writer.pool) if writer.pool else np.zeros(1)
    return Program(
        tape.dimension,
        code,
        pool,
        np.array(writer.lists or [0], dtype=np.int64),
        np.array([writer.row_of[o] for o in tape.outputs], dtype=np.int64),
        writer.entries,
        int(code[:, SIZE].max()),
    )


def _finite(constants: Constants, index: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    middle, radius = constants[index]
    if not (np.isfinite(middle).all() and np.isfinite(radius).all()):
        raise ValueError("a constant subexpression is undefined or beyond the range of float64")
    return middle, radius


def _constant_row(w: _Writer, constant: tuple[NDArray[np.float64], NDArray[np.float64]]) -> int:
    middle, radius = constant
    if not (np.isfinite(middle).all() and np.isfinite(radius).all()):
        raise ValueError("a constant subexpression is undefined or beyond the range of float64")
    return w.row(CONST, len(middle), 0, pool=w.put(middle), pool2=w.put(radius))


def _emit(w: _Writer, index: int, constants: Constants) -> int:
    i = w.tape.instructions[index]
    match i.op:
        case Op.VARIABLE:
            return w.row(INPUT, i.size, 1, extra=i.integers[0])
        case Op.AFFINE:
            return _emit_affine(w, index)
        case Op.ADD | Op.SUB:
            return _emit_sum(w, index, constants)
        case Op.MUL:
            a, b = i.args
            if a in w.row_of and b in w.row_of:
                return _product(w, w.row_of[a], w.row_of[b], i.size)
            varying, fixed = (a, b) if a in w.row_of else (b, a)
            return _scale(w, w.row_of[varying], _finite(constants, fixed), i.size)
        case Op.DIV:
            return _emit_quotient(w, index, constants)
        case Op.POWER:
            return _power(w, w.row_of[i.args[0]], i.size, i.integers[0])
        case Op.TAN:
            z = w.row_of[i.args[0]]
            sine = w.row(UNARY, i.size, FULL, z, extra=series.SIN)
            cosine = w.row(UNARY, i.size, FULL, z, extra=series.COS)
            return _product(w, sine, _reciprocal(w, cosine, i.size), i.size)
        case Op.RELU:
            z = w.row_of[i.args[0]]
            return w.row(RELU, i.size, w.rows[z][DEGREE], z)
        case Op.STEP:
            return w.row(STEP, i.size, 0, w.row_of[i.args[0]])
        case Op.MIN | Op.MAX:
            return _emit_extremum(w, index, constants)
        case Op.STACK:
            parts = [_operand(w, a, constants) for a in i.args]
            start = len(w.lists)
            w.lists.extend([len(parts), *parts])
            return w.row(STACK, i.size, max(w.rows[p][DEGREE] for p in parts), extra=start)
        case Op.SLICE:
            z = w.row_of[i.args[0]]
            start = len(w.lists)
            w.lists.extend(i.integers)
            return w.row(SLICE, i.size, w.rows[z][DEGREE], z, extra=start)
        case op if op in _UNARY:
            return w.row(UNARY, i.size, FULL, w.row_of[i.args[0]], extra=_UNARY[op])
    raise ValueError(f"the Taylor engine does not know the operation {i.op.value}")


def _operand(w: _Writer, index: int, constants: Constants) -> int:
    """The row of a register, a constant made into one."""
    if index not in w.row_of:
        w.row_of[index] = _constant_row(w, _finite(constants, index))
    return w.row_of[index]


def _emit_affine(w: _Writer, index: int) -> int:
    i = w.tape.instructions[index]
    weight, bias = (w.tape.constants[k] for k in i.constants)
    for array in (weight, bias):
        odd = [abs(array.values.flat[k]) for k in array.exceptions]
        if odd and not min(odd) > 1e-290:
            raise ValueError("a rational weight lies below the normal range of float64")
    z = w.row_of[i.args[0]]
    transposed = w.put(np.ascontiguousarray(weight.values.T))
    return w.row(AFFINE, i.size, w.rows[z][DEGREE], z, pool=transposed, pool2=w.put(bias.values))


def _emit_sum(w: _Writer, index: int, constants: Constants) -> int:
    i = w.tape.instructions[index]
    a, b = i.args
    if a in w.row_of and b in w.row_of:
        x, y = w.row_of[a], w.row_of[b]
        degree = max(w.rows[x][DEGREE], w.rows[y][DEGREE])
        return w.row(ADD if i.op is Op.ADD else SUB, i.size, degree, x, y)
    if a in w.row_of:
        middle, radius = _finite(constants, b)
        return _shift(w, w.row_of[a], 1, (middle if i.op is Op.ADD else -middle, radius), i.size)
    sign = 1 if i.op is Op.ADD else -1
    return _shift(w, w.row_of[b], sign, _finite(constants, a), i.size)


def _shift(
    w: _Writer,
    x: int,
    sign: int,
    constant: tuple[NDArray[np.float64], NDArray[np.float64]],
    size: int,
) -> int:
    """sign · x + c."""
    middle, radius = (np.broadcast_to(v, (size,)) for v in constant)
    return w.row(
        ADD_CONSTANT,
        size,
        w.rows[x][DEGREE],
        x,
        pool=w.put(middle),
        pool2=w.put(radius),
        extra=sign,
    )


def _scale(
    w: _Writer, x: int, constant: tuple[NDArray[np.float64], NDArray[np.float64]], size: int
) -> int:
    middle, radius = (np.broadcast_to(v, (size,)) for v in constant)
    return w.row(SCALE, size, w.rows[x][DEGREE], x, pool=w.put(middle), pool2=w.put(radius))


def _product(w: _Writer, x: int, y: int, size: int) -> int:
    return w.row(MUL, size, min(w.rows[x][DEGREE] + w.rows[y][DEGREE], FULL), x, y)


def _reciprocal(w: _Writer, x: int, size: int) -> int:
    return w.row(UNARY, size, FULL, x, extra=series.RECIPROCAL)


def _emit_quotient(w: _Writer, index: int, constants: Constants) -> int:
    i = w.tape.instructions[index]
    a, b = i.args
    if b not in w.row_of:
        low, high = constants[b][0] - constants[b][1], constants[b][0] + constants[b][1]
        if not ((low > 0) | (high < 0)).all():
            raise ValueError("division by a constant that may be 0")
        divisor = _operand(w, b, constants)
        return _product(w, w.row_of[a], _reciprocal(w, divisor, w.rows[divisor][SIZE]), i.size)
    inverse = _reciprocal(w, w.row_of[b], w.rows[w.row_of[b]][SIZE])
    if a in w.row_of:
        return _product(w, w.row_of[a], inverse, i.size)
    return _scale(w, inverse, _finite(constants, a), i.size)


def _power(w: _Writer, x: int, size: int, exponent: int) -> int:
    """By repeated squaring."""
    if exponent == 1:
        return x
    half = _power(w, x, size, exponent // 2)
    square = _product(w, half, half, size)
    return _product(w, square, x, size) if exponent % 2 else square


def _emit_extremum(w: _Writer, index: int, constants: Constants) -> int:
    """max(a, b) = b + relu(a − b), min(a, b) = b − relu(b − a); exact identities."""
    i = w.tape.instructions[index]
    x, y = (_operand(w, a, constants) for a in i.args)
    degree = max(w.rows[x][DEGREE], w.rows[y][DEGREE])
    first, second = (x, y) if i.op is Op.MAX else (y, x)
    difference = w.row(SUB, i.size, degree, first, second)
    excess = w.row(RELU, i.size, degree, difference)
    return w.row(ADD if i.op is Op.MAX else SUB, i.size, degree, y, excess)
