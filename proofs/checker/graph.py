"""One graph of vector nodes, put together from the programs of a certificate.

The statement has V, k and φ as separate programs. Here they become one: φ's input u is bound to the
node of k, and in discrete time V is entered a second time with F for x. Equal nodes are kept once.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flint import fmpq

from .document import Unreadable, fields, integer, items, number, text

UNARY = {
    "sin", "cos", "tan", "exp", "log", "sqrt", "tanh", "sigmoid", "softplus", "relu", "step",
}  # fmt: skip
BINARY = {"add", "sub", "mul", "div", "min", "max"}
OTHERS = {"variable", "constant", "pi", "affine", "power", "stack", "slice"}
MAX_SIZE, MAX_NODES, MAX_ENTRIES, MAX_EXPONENT = 20_000, 100_000, 1_000_000, 1000

Numbers = tuple[fmpq, ...]


@dataclass(frozen=True)
class Node:
    """``constants``: the vector; or W, row by row, and b. ``integers``: exponent, or indices."""

    op: str
    size: int
    args: tuple[int, ...] = ()
    constants: tuple[Numbers, ...] = ()
    integers: tuple[int, ...] = ()


class Graph:
    """Nodes in order, operands first."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._known: dict[Hashable, int] = {}

    def add(self, op: str, size: int, *args: int, constants: Iterable[Numbers] = (),
            integers: Iterable[int] = ()) -> int:  # fmt: skip
        node = Node(op, size, args, tuple(constants), tuple(integers))
        key = (op, size, args, tuple(id(c) for c in node.constants), node.integers)
        if key not in self._known:
            self._known[key] = len(self.nodes)
            self.nodes.append(node)
        return self._known[key]

    def affine(self, rows: Sequence[Sequence[Any]], offset: Sequence[Any], arg: int) -> int:
        """W a + b, with rationals in any form that flint takes."""
        flat = tuple(_rational(v) for row in rows for v in row)
        return self.add("affine", len(rows), arg, constants=(flat, tuple(map(_rational, offset))))

    def splice(self, program: Program, bound: Sequence[int]) -> list[int]:
        """Enter a program with nodes for its inputs; returns the node of every register."""
        nodes: list[int] = []
        for op, size, args, constants, integers in program.instructions:
            if op == "variable":
                nodes.append(bound[integers[0]])
            else:
                chosen = [program.constants[c][1] for c in constants]
                operands = [nodes[a] for a in args]
                nodes.append(self.add(op, size, *operands, constants=chosen, integers=integers))
        return nodes

    def needed(self, roots: Iterable[int]) -> list[int]:
        """The nodes that the roots depend on, operands first."""
        seen, pending = set[int](), list(roots)
        while pending:
            node = pending.pop()
            if node not in seen:
                seen.add(node)
                pending.extend(self.nodes[node].args)
        return sorted(seen)


def _rational(value: Any) -> fmpq:
    return value if isinstance(value, fmpq) else fmpq(*value.as_integer_ratio())


@dataclass(frozen=True)
class Program:
    """``instructions`` as (op, size, args, constants, integers); a variable's integer is the number
    of its input. ``constants`` as (shape, entries)."""

    inputs: tuple[int, ...]
    instructions: tuple[tuple[str, int, tuple[int, ...], tuple[int, ...], tuple[int, ...]], ...]
    constants: tuple[tuple[tuple[int, ...], Numbers], ...]


def read_program(data: Any, where: str) -> Program:
    """A program whose every instruction fits its operands."""
    table = fields(data, where, "inputs", "instructions", "constants")
    inputs = []
    for i, pair in enumerate(items(table["inputs"], f"{where}.inputs", most=3)):
        text(items(pair, f"{where}.inputs[{i}]", 2)[0], f"{where}.inputs[{i}]")
        inputs.append(integer(pair[1], f"{where}.inputs[{i}]", MAX_SIZE, 1))
    constants = [
        _constant(c, f"{where}.constants[{i}]")
        for i, c in enumerate(items(table["constants"], f"{where}.constants"))
    ]
    offsets = {sum(inputs[:i]): i for i in range(len(inputs))}
    out: list[tuple[str, int, tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = []
    place, entries = f"{where}.instructions", 0
    for i, item in enumerate(items(table["instructions"], place, most=MAX_NODES)):
        here = f"{place}[{i}]"
        row = fields(item, here, "op", "size", "args", "constants", "integers")
        size = integer(row["size"], here, MAX_SIZE, 1)
        args = tuple(integer(a, here, i) for a in items(row["args"], here))
        refs = tuple(integer(c, here, len(constants)) for c in items(row["constants"], here))
        numbers = tuple(integer(k, here, 10**9) for k in items(row["integers"], here))
        op = text(row["op"], here, 20)
        if op == "variable":
            if len(numbers) != 1 or numbers[0] not in offsets or args or refs:
                raise Unreadable(f"{here}: no input begins there")
            numbers = (offsets[numbers[0]],)
            fits = size == inputs[numbers[0]]
        else:
            sizes = [out[a][1] for a in args]
            shapes = [constants[c][0] for c in refs]
            fits = _fits(op, size, sizes, shapes, numbers)
        entries += size
        if entries > MAX_ENTRIES:
            raise Unreadable(f"{here}: the registers have more than {MAX_ENTRIES:,} entries")
        if not fits:
            raise Unreadable(f"{here}: operands, constants and size do not fit the operation")
        out.append((op, size, args, refs, numbers))
    return Program(tuple(inputs), tuple(out), tuple(constants))


def _constant(data: Any, where: str) -> tuple[tuple[int, ...], Numbers]:
    table = fields(data, where, "shape", "entries")
    shape = tuple(integer(v, where, MAX_SIZE, 1) for v in items(table["shape"], where, most=2))
    entries = items(table["entries"], where, math.prod(shape) if shape else -1)
    return shape, tuple(number(v, f"{where}.entries[{i}]") for i, v in enumerate(entries))


def _fits(op: str, size: int, sizes: list[int], shapes: list[tuple[int, ...]],
          integers: tuple[int, ...]) -> bool:  # fmt: skip
    if op == "constant":
        return not sizes and shapes == [(size,)] and not integers
    if op == "affine":
        return len(sizes) == 1 and shapes == [(size, sizes[0]), (size,)] and not integers
    if shapes:
        return False
    if op == "power":
        return sizes == [size] and len(integers) == 1 and 2 <= integers[0] <= MAX_EXPONENT
    if op == "slice":
        return len(sizes) == 1 and len(integers) == size and max(integers) < sizes[0]
    if integers:
        return False
    if op == "pi":
        return not sizes and size == 1
    if op == "stack":
        return sum(sizes) == size
    if op in BINARY:
        return len(sizes) == 2 and set(sizes) <= {1, size} and max(sizes) == size
    return op in UNARY and sizes == [size]


def tape(data: Any, where: str, programs: Mapping[str, Program]) -> tuple[Program, list[int]]:
    """A program and the registers asked for."""
    table = fields(data, where, "program", "outputs")
    program = programs.get(table["program"]) if isinstance(table["program"], str) else None
    if program is None:
        raise Unreadable(f"{where}: there is no such program")
    outputs = items(table["outputs"], where, most=1000)
    count = len(program.instructions)
    return program, [integer(r, where, count) for r in outputs]
