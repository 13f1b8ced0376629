"""Ordinary floating-point values of expressions, many points at once. Not for proofs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from systems.expression import Expression, Op
from systems.tape import Tape, compile_tape

Array = NDArray[np.float64]


def evaluate(tape: Tape, points: Array) -> list[Array]:
    """The tape's outputs at ``points`` of shape (N, n): one array of shape (N, size) each.

    A point outside a function's domain yields NaN or infinity there, silently.
    """
    points = np.atleast_2d(np.asarray(points, dtype=np.float64))
    if points.shape[1] != tape.dimension:
        raise ValueError(f"points of dimension {points.shape[1]}, the tape takes {tape.dimension}")
    registers: dict[int, Array] = {}
    with np.errstate(all="ignore"):
        for index, i in enumerate(tape.instructions):
            if index not in tape.needed:
                continue
            a = [registers[k] for k in i.args]
            match i.op:
                case Op.VARIABLE:
                    value = points[:, i.integers[0] : i.integers[0] + i.size]
                case Op.CONSTANT:
                    value = tape.constants[i.constants[0]].values[None, :]
                case Op.PI:
                    value = np.array([[np.pi]])
                case Op.AFFINE:
                    weight, bias = (tape.constants[k].values for k in i.constants)
                    value = a[0] @ weight.T + bias
                case Op.POWER:
                    value = a[0] ** i.integers[0]
                case Op.STACK:
                    rows = max(len(v) for v in a)
                    value = np.hstack([np.broadcast_to(v, (rows, v.shape[1])) for v in a])
                case Op.SLICE:
                    value = a[0][:, i.integers]
                case _:
                    value = _ELEMENTWISE[i.op](*a)
            registers[index] = value
    out = [np.empty((len(points), tape.instructions[o].size)) for o in tape.outputs]
    for values, o in zip(out, tape.outputs, strict=True):
        values[:] = registers[o]
    return out


def function(
    outputs: Expression | Sequence[Expression], *inputs: Expression
) -> Callable[[Array], list[Array]]:
    """Compile once, evaluate often: points (N, n) → one array (N, size) per output."""
    nodes = [outputs] if isinstance(outputs, Expression) else list(outputs)
    tape = compile_tape(nodes, inputs)
    return lambda points: evaluate(tape, points)


def _sigmoid(z: Array) -> Array:
    small = np.exp(-np.abs(z))  # at most 1: nothing overflows, and the tail keeps its digits
    return np.asarray(np.where(z >= 0, 1.0, small) / (1.0 + small))


_ELEMENTWISE: dict[Op, Callable[..., Array]] = {
    Op.ADD: np.add,
    Op.SUB: np.subtract,
    Op.MUL: np.multiply,
    Op.DIV: np.divide,
    Op.MIN: np.minimum,
    Op.MAX: np.maximum,
    Op.SIN: np.sin,
    Op.COS: np.cos,
    Op.TAN: np.tan,
    Op.EXP: np.exp,
    Op.LOG: np.log,
    Op.SQRT: np.sqrt,
    Op.TANH: np.tanh,
    Op.SIGMOID: _sigmoid,
    Op.SOFTPLUS: lambda z: np.logaddexp(0.0, z),
    Op.RELU: lambda z: np.maximum(z, 0.0),
    Op.STEP: lambda z: np.heaviside(z, 0.5),
}
