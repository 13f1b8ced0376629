"""The tape: an expression graph flattened to a straight-line program over vector registers.

Every evaluator is one small interpreter of this program: numpy values here, enclosures and Taylor
models in ``certify``, ball arithmetic in the checker, the writers of other tools' formats. The
tape is data: it is what a certificate stores and hashes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from systems.exact import ExactArray
from systems.expression import Expression, Op, topological


@dataclass(frozen=True)
class Instruction:
    """Writes the register of its own index; ``args`` are earlier registers.

    ``constants`` indexes the tape's constants: (values,) of CONSTANT, (W, b) of AFFINE.
    ``integers``: the exponent of POWER, the indices of SLICE, the offset in the input of VARIABLE.
    """

    op: Op
    size: int
    args: tuple[int, ...] = ()
    constants: tuple[int, ...] = ()
    integers: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Tape:
    """A straight-line program: input vector → output registers.

    ``inputs`` names the variables, with sizes, in the order in which they make up the input.
    """

    inputs: tuple[tuple[str, int], ...]
    instructions: tuple[Instruction, ...]
    constants: tuple[ExactArray, ...]
    outputs: tuple[int, ...]

    @property
    def dimension(self) -> int:
        """The length of the input vector."""
        return sum(size for _, size in self.inputs)

    @property
    def output_sizes(self) -> tuple[int, ...]:
        return tuple(self.instructions[i].size for i in self.outputs)

    @cached_property
    def varying(self) -> tuple[bool, ...]:
        """For each register, whether it depends on the input at all."""
        out: list[bool] = []
        for instruction in self.instructions:
            out.append(instruction.op is Op.VARIABLE or any(out[a] for a in instruction.args))
        return tuple(out)

    @cached_property
    def needed(self) -> frozenset[int]:
        """The registers that the outputs depend on."""
        return reachable(self.outputs, lambda r: self.instructions[r].args)

    def with_outputs(self, outputs: Sequence[int]) -> Tape:
        """The same program, of which other registers are asked for (by register number)."""
        return Tape(self.inputs, self.instructions, self.constants, tuple(outputs))

    def to_json(self) -> dict[str, object]:
        """The tape as plain JSON data; constants as exact hexadecimal floats or quotients."""
        return {
            "inputs": [[name, size] for name, size in self.inputs],
            "instructions": [
                {
                    "op": i.op.value,
                    "size": i.size,
                    "args": list(i.args),
                    "constants": list(i.constants),
                    "integers": list(i.integers),
                }
                for i in self.instructions
            ],
            "constants": [_constant_to_json(c) for c in self.constants],
            "outputs": list(self.outputs),
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def compile_tape(outputs: Sequence[Expression], inputs: Sequence[Expression]) -> Tape:
    """Flatten expressions over the variables ``inputs``; equal subexpressions become one register.

    Raises ValueError where an output depends on a variable that is not among the inputs.
    """
    offsets: dict[int, int] = {}
    position = 0
    for v in inputs:
        offsets[id(v)] = position
        position += v.size
    builder = _Builder()
    register: dict[int, int] = {}
    for node in topological(outputs):
        if node.op is Op.VARIABLE:
            if id(node) not in offsets:
                raise ValueError(f"the variable {node.name!r} is free but is no input")
            integers: tuple[int, ...] = (offsets[id(node)],)
        else:
            integers = node.integers
        args = tuple(register[id(a)] for a in node.args)
        register[id(node)] = builder.emit(node, args, integers)
    return Tape(
        tuple((v.name, v.size) for v in inputs),
        tuple(builder.instructions),
        tuple(builder.constants),
        tuple(register[id(o)] for o in outputs),
    )


def reachable(roots: Iterable[int], arguments: Callable[[int], Iterable[int]]) -> frozenset[int]:
    """All registers that can be reached from the roots."""
    pending, seen = list(roots), set[int]()
    while pending:
        register = pending.pop()
        if register not in seen:
            seen.add(register)
            pending.extend(arguments(register))
    return frozenset(seen)


class _Builder:
    """Instructions and constants so far, each kept once."""

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self.constants: list[ExactArray] = []
        self._instruction_index: dict[Instruction, int] = {}
        self._constant_index: dict[tuple[object, ...], int] = {}

    def emit(self, node: Expression, args: tuple[int, ...], integers: tuple[int, ...]) -> int:
        constants = tuple(self._constant(c) for c in node.constants)
        instruction = Instruction(node.op, node.size, args, constants, integers)
        known = self._instruction_index.get(instruction)
        if known is None:
            known = self._instruction_index[instruction] = len(self.instructions)
            self.instructions.append(instruction)
        return known

    def _constant(self, array: ExactArray) -> int:
        key = array.key()
        if key not in self._constant_index:
            self._constant_index[key] = len(self.constants)
            self.constants.append(array)
        return self._constant_index[key]


def _constant_to_json(array: ExactArray) -> dict[str, object]:
    entries: list[str] = [v.hex() for v in array.values.ravel().tolist()]
    for i, v in array.exceptions.items():
        entries[i] = f"{v.numerator}/{v.denominator}"
    return {"shape": list(array.shape), "entries": entries}
