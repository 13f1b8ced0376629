"""A condition as an ONNX model whose real-valued function is exactly that of the tape.

Real-valued: read as formulas, not as float64. Three things have no constant in float64 or no
single value, and are made exact here:

* a rational that is no float64 is a quotient of sums of float64 constants;
* π is one more input, which the property confines to a short interval;
* a step at 0 is set-valued (all of [0, 1]): every step has further inputs between 0 and 1, which
  the model returns where the argument is 0.

Where a partial function (quotient, logarithm, square root, tangent) has no value, nothing is
shown: the argument on which that hangs becomes a further output, a guard.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from certify.conditions import Condition
from proofs.export.onnx_graph import Graph, emit, model_bytes, spread
from systems.exact import ExactArray, nearest_float
from systems.expression import Op
from systems.tape import Instruction, Tape, reachable

MOST_PARTS = 24
"""Floats that a numerator or a denominator may be the sum of."""

LARGEST = Fraction(sys.float_info.max)
_OUT_OF_REACH = "a constant is no quotient of short sums of float64 numbers"

PI_BELOW = Fraction("3.14159265358979323846264338327950288419")
PI_ABOVE = Fraction("3.14159265358979323846264338327950288420")


class InexactError(ValueError):
    """A constant cannot be written exactly by a few float64 numbers."""


@dataclass(frozen=True)
class FreeInput:
    """Further inputs of the model, ``count`` of them, each anywhere in [lower, upper]."""

    what: str
    count: int
    lower: Fraction
    upper: Fraction


@dataclass(frozen=True)
class Guard:
    """Entries ``outputs`` of Y are defined arguments unless one is 0 ("zero"), or ≤ 0 ("not
    positive"); what depends on them then has no value, or none that is relied on."""

    outputs: tuple[int, ...]
    fails_where: Literal["zero", "not positive"]


@dataclass(frozen=True)
class ConditionModel:
    """The model's bytes and what its inputs and outputs mean.

    Input X (batch, n + free), output Y (batch, k + guards): the tape's n inputs and k outputs come
    first. ``guards`` has a tuple for each of the k outputs.
    """

    content: bytes
    free: tuple[FreeInput, ...]
    guards: tuple[tuple[Guard, ...], ...]
    outputs: int


def condition_model(condition: Condition, origin: Sequence[str] = ()) -> ConditionModel:
    """The model of a condition's tape. Raises InexactError where a constant is out of reach."""
    tape, n = condition.tape, condition.tape.dimension
    free = _free_inputs(tape)
    total = n + sum(f.count for f in free.values())
    graph = Graph()
    reading = ExactNumbers(_columns(graph, n, total, free))
    known = emit(tape, graph, _variables(tape, graph, total), reading)
    parts = [(known[o], tape.instructions[o].size, tape.varying[o]) for o in tape.outputs]
    count = sum(size for _, size, _ in parts)
    guards: dict[int, Guard] = {}
    for register in sorted(tape.needed):
        guarded = _guard(tape, register, graph, known)
        if guarded is not None:
            name, size, varies, fails_where = guarded
            parts.append((name, size, varies))
            guards[register] = Guard(tuple(range(count, count + size)), fails_where)
            count += size
    whole = [name if v else spread(graph, name, "X", total, size) for name, size, v in parts]
    if len(whole) > 1:
        graph.add("Concat", *whole, axis=1, to="Y")
    else:
        graph.add("Identity", whole[0], to="Y")
    content = model_bytes(graph, condition.name, [("X", total)], [("Y", count)], origin)
    mine = [
        reachable([o], lambda r: tape.instructions[r].args) & guards.keys() for o in tape.outputs
    ]
    by_output = tuple(tuple(guards[r] for r in sorted(m)) for m in mine)
    return ConditionModel(content, tuple(free.values()), by_output, count)


def _variables(tape: Tape, graph: Graph, total: int) -> dict[int, str]:
    out, at = {}, 0
    for _, size in tape.inputs:
        out[at] = _taken(graph, at, size, total)
        at += size
    return out


def _taken(graph: Graph, at: int, size: int, total: int) -> str:
    """Columns of X."""
    if size == total:
        return "X"
    return graph.add("Gather", "X", graph.tensor(np.arange(at, at + size)), axis=1)


def _free_inputs(tape: Tape) -> dict[int, FreeInput]:
    """By register: what has further inputs, in the order of the instructions."""
    out = {}
    for register in sorted(tape.needed):
        i = tape.instructions[register]
        if i.op is Op.STEP:
            words = f"the value of a step where its argument is 0 (register {register})"
            out[register] = FreeInput(words, i.size, Fraction(0), Fraction(1))
        elif i.op is Op.PI:
            out[register] = FreeInput("pi", 1, PI_BELOW, PI_ABOVE)
    return out


def _columns(graph: Graph, n: int, total: int, free: dict[int, FreeInput]) -> list[str]:
    """The tensors of the further inputs, in the order in which the tape asks for them."""
    out, at = [], n
    for f in free.values():
        out.append(_taken(graph, at, f.count, total))
        at += f.count
    return out


def _guard(
    tape: Tape, register: int, graph: Graph, known: dict[int, str]
) -> tuple[str, int, bool, Literal["zero", "not positive"]] | None:
    """(tensor, size, whether it varies, where it fails) of the argument of a partial function."""
    i = tape.instructions[register]
    if i.op not in (Op.DIV, Op.LOG, Op.SQRT, Op.TAN):
        return None
    operand = i.args[-1]
    instruction = tape.instructions[operand]
    if _is_harmless(tape, i, instruction):
        return None
    name = graph.add("Cos", known[operand]) if i.op is Op.TAN else known[operand]
    size, varies = instruction.size, tape.varying[operand]
    return name, size, varies, "zero" if i.op in (Op.DIV, Op.TAN) else "not positive"


def _is_harmless(tape: Tape, i: Instruction, operand: Instruction) -> bool:
    """A constant operand in the function's domain."""
    if operand.op is not Op.CONSTANT or i.op is Op.TAN:
        return False
    values = tape.constants[operand.constants[0]].rationals()
    return all(v != 0 if i.op is Op.DIV else v > 0 for v in values)


@dataclass
class ExactNumbers:
    """Constants as exact quotients; ``free`` has the tensors for π and steps, in order."""

    free: list[str]
    _done: dict[tuple[object, ...], str] = field(default_factory=dict)

    def array(self, graph: Graph, array: ExactArray) -> str:
        if array.is_dyadic:
            return graph.tensor(np.atleast_2d(array.values))
        key = array.key()
        if key not in self._done:
            numerator, denominator = exact_parts(array)
            top, bottom = _sum(graph, numerator), _sum(graph, denominator)
            alone = len(denominator) == 1 and bool((denominator[0] == 1).all())
            self._done[key] = top if alone else graph.add("Div", top, bottom)
        return self._done[key]

    def pi(self, graph: Graph) -> str:
        del graph
        return self.free.pop(0)

    def sigmoid(self, graph: Graph, z: str) -> str:
        return graph.add("Sigmoid", z)

    def softplus(self, graph: Graph, z: str) -> str:
        """max(z, 0) + log(1 + exp(−|z|)): ONNX's own has no float64 kernel."""
        small = graph.add("Exp", graph.add("Neg", graph.add("Abs", z)))
        logarithm = graph.add("Log", graph.add("Add", graph.number(1.0), small))
        return graph.add("Add", graph.add("Relu", z), logarithm)

    def step(self, graph: Graph, z: str, size: int) -> str:
        del size
        zero = graph.number(0.0)
        below = graph.add("Where", graph.add("Less", z, zero), zero, self.free.pop(0))
        return graph.add("Where", graph.add("Greater", z, zero), graph.number(1.0), below)


def _sum(graph: Graph, parts: Sequence[NDArray[np.float64]]) -> str:
    out = graph.tensor(np.atleast_2d(parts[0]))
    for part in parts[1:]:
        out = graph.add("Add", out, graph.tensor(np.atleast_2d(part)))
    return out


def exact_parts(
    array: ExactArray,
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Float arrays with entry = Σ numerators / Σ denominators, exactly. Raises InexactError."""
    pairs = [_scaled(v) for v in array.rationals()]
    return (
        _stacked([_floats(p) for p, _ in pairs], array.shape),
        _stacked([_floats(q) for _, q in pairs], array.shape),
    )


def _scaled(value: Fraction) -> tuple[Fraction, Fraction]:
    """(p, q) with p/q the value, both of moderate size: q is 1, or in [1, 2)."""
    q = value.denominator
    if q & (q - 1) == 0:
        return value, Fraction(1)
    shift = Fraction(1, 2 ** (q.bit_length() - 1))
    return value.numerator * shift, q * shift


def _floats(value: Fraction) -> list[float]:
    """Floats whose sum is the value, largest first."""
    parts: list[float] = []
    while value or not parts:
        if len(parts) == MOST_PARTS or abs(value) > LARGEST:
            raise InexactError(_OUT_OF_REACH)
        part = nearest_float(value)
        if value and not part:
            raise InexactError(_OUT_OF_REACH)
        parts.append(part)
        value -= Fraction(part)
    return parts


def _stacked(parts: Sequence[list[float]], shape: tuple[int, ...]) -> list[NDArray[np.float64]]:
    most = max(map(len, parts))
    rows = [p + [0.0] * (most - len(p)) for p in parts]
    return [np.array([row[k] for row in rows]).reshape(shape) for k in range(most)]
