"""A tape as scalar instructions over few registers, for the kernel that runs many rows at once.

Stacks, slices and constants cost nothing here: they are settled while the program is made. What is
left is arithmetic, in the order in which the tape states it, so that the numbers are those of
:func:`systems.evaluate.evaluate` but for the last bits of powers, of functions and of sums W a + b.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learners.environments import codes
from systems.expression import Expression, Op
from systems.tape import Instruction, Tape, compile_tape

Value = int | float
"""One scalar: the number of the instruction that makes it (an int), or a constant (a float)."""


@dataclass(frozen=True, eq=False)
class Program:
    """Scalar instructions; the first ``inputs`` registers hold the input vector.

    ``code`` is (I, 5) uint64: operation, target, and up to three operands, all of them registers.
    ``numbers`` (I,) are the constants of the operations that have one. ``outputs`` are registers,
    in order, and ``sizes`` says how many of them belong to each output expression.
    """

    inputs: int
    registers: int
    code: NDArray[np.uint64]
    numbers: NDArray[np.float64]
    outputs: NDArray[np.uint64]
    sizes: tuple[int, ...]


def compile_program(outputs: Sequence[Expression], inputs: Sequence[Expression]) -> Program:
    """The program of expressions of the variables ``inputs``, which make up its input vector."""
    tape = compile_tape(outputs, inputs)
    scalars = _Scalars(tape)
    wanted = [
        scalars.emit(codes.CONSTANT, number=v) if isinstance(v, float) else v
        for o in tape.outputs
        for v in scalars.entries[o]
    ]
    steps = _joined(scalars.steps, scalars.inputs, wanted)
    return _allocate(steps, scalars.inputs, wanted, tape.output_sizes)


@dataclass(frozen=True)
class _Step:
    """One scalar operation; operands are earlier steps or inputs, by number."""

    code: int
    args: tuple[int, ...] = ()
    number: float = 0.0


class _Scalars:
    """The scalar steps of a tape, each kept once; ``entries`` maps its registers to scalars."""

    def __init__(self, tape: Tape) -> None:
        self.inputs = tape.dimension
        self.steps: list[_Step] = []
        self.entries: dict[int, list[Value]] = {}
        self._known: dict[_Step, int] = {}
        for index, instruction in enumerate(tape.instructions):
            if index in tape.needed:
                self.entries[index] = self._scalars(tape, instruction)

    def emit(self, code: int, *args: int, number: float = 0.0) -> int:
        step = _Step(code, args, number)
        known = self._known.get(step)
        if known is None:
            known = self._known[step] = self.inputs + len(self.steps)
            self.steps.append(step)
        return known

    def _scalars(self, tape: Tape, i: Instruction) -> list[Value]:
        a = [self.entries[k] for k in i.args]
        match i.op:
            case Op.VARIABLE:
                return list(range(i.integers[0], i.integers[0] + i.size))
            case Op.CONSTANT:
                return [float(v) for v in tape.constants[i.constants[0]].values]
            case Op.PI:
                return [math.pi]
            case Op.AFFINE:
                weight, bias = (tape.constants[k].values for k in i.constants)
                return [
                    self._affine(w.tolist(), a[0], float(b))
                    for w, b in zip(weight, bias, strict=True)
                ]
            case Op.POWER:
                return [self._power(v, i.integers[0]) for v in a[0]]
            case Op.STACK:
                return [v for part in a for v in part]
            case Op.SLICE:
                return [a[0][k] for k in i.integers]
            case op if op in codes.BINARY:
                x, y = (v * i.size if len(v) == 1 else v for v in a)
                return [self._binary(op, p, q) for p, q in zip(x, y, strict=True)]
            case op:
                return [self._unary(op, v) for v in a[0]]

    def _affine(self, row: list[float], argument: list[Value], bias: float) -> Value:
        """Σ wⱼ aⱼ + b, from left to right."""
        total: Value | None = None
        for w, v in zip(row, argument, strict=True):
            if w:
                term = v if w == 1.0 else self._binary(Op.MUL, v, w)
                total = term if total is None else self._binary(Op.ADD, total, term)
        if total is None:
            return bias
        return self._binary(Op.ADD, total, bias) if bias else total

    def _power(self, base: Value, exponent: int) -> Value:
        """By squaring."""
        out: Value | None = None
        while exponent:
            if exponent & 1:
                out = base if out is None else self._binary(Op.MUL, out, base)
            exponent >>= 1
            if exponent:
                base = self._binary(Op.MUL, base, base)
        assert out is not None
        return out

    def _unary(self, op: Op, v: Value) -> Value:
        if isinstance(v, float):
            v = self.emit(codes.CONSTANT, number=v)
        return self.emit(codes.UNARY[op], v)

    def _binary(self, op: Op, p: Value, q: Value) -> Value:
        """Where one operand is a constant, it is part of the instruction."""
        if isinstance(p, float) and isinstance(q, float):
            return codes.fold(op, p, q)
        if isinstance(p, int) and isinstance(q, int):
            if op in codes.COMMUTATIVE and q < p:
                p, q = q, p
            return self.emit(codes.BINARY[op], p, q)
        if isinstance(q, float):
            assert isinstance(p, int)
            if op is Op.SUB:
                return self.emit(codes.ADD_NUMBER, p, number=-q)
            return self.emit(codes.WITH_NUMBER[op], p, number=q)
        assert isinstance(q, int) and isinstance(p, float)
        return self.emit(codes.FROM_NUMBER.get(op, codes.WITH_NUMBER[op]), q, number=p)


def _joined(steps: list[_Step], inputs: int, outputs: list[int]) -> list[_Step]:
    """Products that nothing but one sum or difference needs become part of it."""
    uses = Counter(a for step in steps for a in step.args)
    uses.update(outputs)
    out = list(steps)
    for index, step in enumerate(steps):
        if step.code not in (codes.ADD, codes.SUB):
            continue
        p, q = step.args
        for factor, other in ((q, p), (p, q)):
            product = steps[factor - inputs] if factor >= inputs else None
            if product is None or uses[factor] > 1 or (step.code == codes.SUB and factor == p):
                continue
            if product.code == codes.MUL_NUMBER:
                number = product.number if step.code == codes.ADD else -product.number
                out[index] = _Step(codes.MUL_NUMBER_ADD, (*product.args, other), number)
                break
            if product.code == codes.MUL:
                code = codes.MUL_ADD if step.code == codes.ADD else codes.MUL_FROM
                out[index] = _Step(code, (*product.args, other))
                break
    return out


def _allocate(
    steps: list[_Step], inputs: int, outputs: list[int], sizes: tuple[int, ...]
) -> Program:
    """Give every scalar a register, and a register that is no longer needed to the next one.

    The target is never a register that the same instruction reads, as loops over separate memory
    run in vector instructions.
    """
    last = _last_uses(steps, inputs, outputs)
    register = {i: i for i in range(inputs)}
    free: list[int] = []
    count = inputs
    rows, numbers = [], []
    for index, step in enumerate(steps, start=inputs):
        if index not in last:
            continue  # nothing needs it
        if free:
            target = free.pop()
        else:
            target, count = count, count + 1
        args = [register[a] for a in step.args]
        rows.append([step.code, target, *args, *[0] * (3 - len(args))])
        numbers.append(step.number)
        register[index] = target
        free.extend(sorted({register[a] for a in step.args if last[a] == index}))
    return Program(
        inputs=inputs,
        registers=max(count, 1),
        code=np.array(rows, dtype=np.uint64).reshape(-1, 5),
        numbers=np.array(numbers, dtype=np.float64),
        outputs=np.array([register[o] for o in outputs], dtype=np.uint64),
        sizes=sizes,
    )


def _last_uses(steps: list[_Step], inputs: int, outputs: list[int]) -> dict[int, int]:
    """For every scalar that an output depends on, the last step that reads it."""
    end = inputs + len(steps)
    last = dict.fromkeys(outputs, end)
    for index in range(end - 1, inputs - 1, -1):
        if index in last:
            for a in steps[index - inputs].args:
                last.setdefault(a, index)
    return last
