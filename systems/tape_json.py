"""Tapes from files: JSON data that nobody vouches for becomes a tape, or one clear message."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from fractions import Fraction
from types import MappingProxyType

import numpy as np

from systems.errors import InputError
from systems.exact import ExactArray
from systems.expression import BINARY, UNARY, Expression, Op, variable
from systems.json_data import integer, list_of, object_of, rational, shown, text_of
from systems.tape import Instruction, Tape

MAX_REGISTERS = 1_000_000
MAX_ENTRIES = 20_000_000
"""Entries of all constants of a tape together, and of all its registers."""
MAX_SIZE = 1_000_000
"""Entries of one register."""
MAX_EXPONENT = 1000
_OPERATIONS = {op.value: op for op in Op}


def tape_from_json(data: object, where: str = "tape") -> Tape:
    """The tape that :meth:`Tape.to_json` wrote as ``data``, which is not trusted.

    Everything is checked: operations, register order, sizes, shapes of constants, one spelling for
    every number, limits on all of it; so the tape's own JSON is ``data`` again. Raises InputError
    that begins with the place, such as "tape.instructions[3]".
    """
    table = object_of(data, where, ("inputs", "instructions", "constants", "outputs"))
    inputs = _inputs(table["inputs"], f"{where}.inputs")
    constants = _constants(table["constants"], f"{where}.constants")
    instructions: list[Instruction] = []
    place, entries = f"{where}.instructions", 0
    for i, item in enumerate(list_of(table["instructions"], place, MAX_REGISTERS)):
        here = f"{place}[{i}]"
        instruction = _instruction(item, here, i, len(constants))
        _check(instruction, here, inputs, instructions, constants)
        instructions.append(instruction)
        entries += instruction.size
        if entries > MAX_ENTRIES:
            raise InputError(f"{here}: the registers have more than {MAX_ENTRIES} entries")
    outputs = _indices(table["outputs"], f"{where}.outputs", MAX_REGISTERS, len(instructions))
    if not outputs:
        raise InputError(f"{where}.outputs: a tape needs an output")
    return Tape(inputs, tuple(instructions), constants, outputs)


def expressions_of(tape: Tape) -> tuple[list[Expression], list[Expression]]:
    """(input variables, outputs): the expressions that a tape denotes, node for register.

    Nothing is simplified on the way, so compiling them again gives a tape that was made by
    ``compile_tape`` with the same digest.
    """
    variables = [variable(name, size) for name, size in tape.inputs]
    at_offset = dict(zip(_offsets(tape.inputs), variables, strict=True))
    nodes: list[Expression] = []
    for i in tape.instructions:
        if i.op is Op.VARIABLE:
            nodes.append(at_offset[i.integers[0]])
        else:
            nodes.append(
                Expression(
                    i.op,
                    tuple(nodes[a] for a in i.args),
                    i.size,
                    constants=tuple(tape.constants[c] for c in i.constants),
                    integers=i.integers,
                )
            )
    return variables, [nodes[o] for o in tape.outputs]


def _offsets(inputs: Sequence[tuple[str, int]]) -> list[int]:
    out, position = [], 0
    for _, size in inputs:
        out.append(position)
        position += size
    return out


def _inputs(data: object, where: str) -> tuple[tuple[str, int], ...]:
    out = []
    for i, item in enumerate(list_of(data, where, 1000)):
        pair = list_of(item, f"{where}[{i}]", 2)
        if len(pair) != 2:
            raise InputError(f"{where}[{i}]: a name and a size are wanted")
        name = text_of(pair[0], f"{where}[{i}]", 200)
        out.append((name, integer(pair[1], f"{where}[{i}]", 1, MAX_SIZE)))
    if not out:
        raise InputError(f"{where}: a tape needs an input")
    return tuple(out)


def _indices(data: object, where: str, most: int, below: int) -> tuple[int, ...]:
    items = list_of(data, where, most)
    return tuple(integer(v, f"{where}[{k}]", 0, below - 1) for k, v in enumerate(items))


def _instruction(data: object, where: str, index: int, constants: int) -> Instruction:
    table = object_of(data, where, ("op", "size", "args", "constants", "integers"))
    name = table["op"]
    op = _OPERATIONS.get(name) if isinstance(name, str) else None
    if op is None:
        raise InputError(f"{where}: unknown operation {shown(name)}")
    return Instruction(
        op,
        integer(table["size"], f"{where}.size", 1, MAX_SIZE),
        _indices(table["args"], f"{where}.args", MAX_SIZE, index),
        _indices(table["constants"], f"{where}.constants", 2, constants),
        _indices(table["integers"], f"{where}.integers", MAX_SIZE, MAX_SIZE * 1000),
    )


def _check(
    i: Instruction,
    where: str,
    inputs: Sequence[tuple[str, int]],
    earlier: Sequence[Instruction],
    constants: Sequence[ExactArray],
) -> None:
    """Operands, constants and size fit the operation; the caller has checked all indices."""
    sizes = [earlier[a].size for a in i.args]
    shapes = [constants[c].shape for c in i.constants]
    wanted_shapes: list[tuple[int, ...]] = []
    integers, size = 0, i.size
    match i.op:
        case Op.VARIABLE:
            arity, integers = 0, 1
            declared = dict(zip(_offsets(inputs), (s for _, s in inputs), strict=True))
            if len(i.integers) == 1:
                if i.integers[0] not in declared:
                    raise InputError(f"{where}.integers: no input begins at {i.integers[0]}")
                size = declared[i.integers[0]]
        case Op.CONSTANT:
            arity, wanted_shapes = 0, [(i.size,)]
        case Op.PI:
            arity, size = 0, 1
        case Op.AFFINE:
            arity = 1
            wanted_shapes = [(i.size, sizes[0] if sizes else 0), (i.size,)]
        case Op.POWER:
            arity, integers, size = 1, 1, sizes[0] if sizes else 0
            if len(i.integers) == 1:
                integer(i.integers[0], f"{where}.integers", 2, MAX_EXPONENT)
        case Op.STACK:
            arity, size = max(len(i.args), 1), sum(sizes)
        case Op.SLICE:
            arity, integers = 1, i.size
            if sizes and any(k >= sizes[0] for k in i.integers):
                raise InputError(f"{where}.integers: an index beyond the operand's {sizes[0]}")
        case op if op in UNARY:
            arity, size = 1, sizes[0] if sizes else 0
        case op if op in BINARY:
            arity, size = 2, max(sizes, default=0)
            if len(sizes) == 2 and sizes[0] != sizes[1] and 1 not in sizes:
                raise InputError(f"{where}: operands of sizes {sizes[0]} and {sizes[1]}")
        case _:
            raise InputError(f"{where}: the operation {i.op.value} has no place in a tape")
    _agree(where, "operands", len(i.args), arity)
    _agree(where, "integers", len(i.integers), integers)
    _agree(where, "shapes of constants", shapes, wanted_shapes)
    _agree(where, "size", i.size, size)


def _agree(where: str, what: str, given: object, wanted: object) -> None:
    if given != wanted:
        raise InputError(f"{where}: {what} {given}, but the operation wants {wanted}")


def _constants(data: object, where: str) -> tuple[ExactArray, ...]:
    out, left = [], MAX_ENTRIES
    for i, item in enumerate(list_of(data, where, MAX_REGISTERS)):
        array = exact_array_from_json(item, f"{where}[{i}]", left)
        left -= array.values.size
        out.append(array)
    return tuple(out)


def exact_array_from_json(data: object, where: str, most: int = MAX_ENTRIES) -> ExactArray:
    """An exact vector or matrix of at most ``most`` entries; raises InputError."""
    table = object_of(data, where, ("shape", "entries"))
    ends = list_of(table["shape"], f"{where}.shape", 2)
    shape = tuple(integer(v, f"{where}.shape", 1, MAX_SIZE) for v in ends)
    entries = list_of(table["entries"], f"{where}.entries", most)
    if not shape or math.prod(shape) != len(entries):
        raise InputError(f"{where}: {len(entries)} entries do not fill the shape {list(shape)}")
    values = np.empty(len(entries))
    exceptions: dict[int, Fraction] = {}
    for k, entry in enumerate(entries):
        number = exact_number(entry, f"{where}.entries[{k}]")
        if isinstance(number, Fraction):
            exceptions[k] = number
            number = number.numerator / number.denominator
        values[k] = number
    values = values.reshape(shape)
    values.setflags(write=False)
    return ExactArray(values, MappingProxyType(exceptions))


def exact_number(data: object, where: str) -> float | Fraction:
    """A number as a tape writes it: the float of a hexadecimal literal, or a quotient.

    A quotient is in lowest terms and is no float64. Raises InputError, also for NaN and infinity.
    """
    if isinstance(data, str) and "/" in data:
        value = rational(data, where)
        with contextlib.suppress(OverflowError):
            if Fraction(value.numerator / value.denominator) != value:
                return value
        raise InputError(f"{where}: {shown(data)} is a float64 and written as one, or beyond them")
    if isinstance(data, str) and len(data) <= 40:
        with contextlib.suppress(ValueError, OverflowError):
            number = float.fromhex(data)
            if math.isfinite(number) and number.hex() == data:
                return number
    raise InputError(
        f"{where}: {shown(data)} is no finite number; write a hexadecimal float such as "
        "'0x1.8000000000000p+0', or a quotient such as '1/3'"
    )
