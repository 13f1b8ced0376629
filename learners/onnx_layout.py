"""The ONNX operations that only move entries about, and what every operation is given.

The batch is taken to be of size 1. Semantics follow the ONNX operator specification.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from learners.tensors import Array, Tensor, Value, as_tensor, concatenated, rearranged
from systems import expression as ex


@dataclass(frozen=True)
class Node:
    """One node of the graph: its operands (None where one is left out) and its settings."""

    operands: tuple[Value | None, ...]
    attributes: Mapping[str, Any]
    outputs: int

    def operand(self, index: int) -> Value:
        """Raises ValueError where the operand is missing."""
        value = self.optional(index)
        if value is None:
            raise ValueError(f"operand {index} is missing")
        return value

    def optional(self, index: int) -> Value | None:
        return self.operands[index] if index < len(self.operands) else None

    def integers(self, index: int, attribute: str) -> list[int] | None:
        """Indices or axes, an attribute in old opsets and a constant operand in new ones."""
        if attribute in self.attributes:
            return [int(v) for v in self.attributes[attribute]]
        value = self.optional(index)
        if value is None:
            return None
        return [int(v) for v in constant_array(value).ravel().tolist()]

    def number(self, name: str, default: float) -> Fraction:
        """A numeric attribute, exactly; ONNX keeps them, and their defaults, as float32."""
        return Fraction(float(np.float32(self.attributes.get(name, default))))


Operation = Callable[[Node], Value | list[Value]]


def constant_array(value: Value) -> Array:
    """A constant operand. Raises ValueError where it depends on the network's input."""
    if not isinstance(value, Tensor):
        return value
    raise ValueError("an operand that must be constant depends on the input, or was computed")


def constant_number(value: Value) -> Fraction:
    """A constant with one entry, exactly."""
    rationals = ex.rational_values(as_tensor(value).node)
    if rationals is None or len(rationals) != 1:
        raise ValueError("an operand that must be one constant number is not")
    return rationals[0]


def gather(node: Node) -> Value:
    indices = constant_array(node.operand(1)).astype(np.int64)
    axis = int(node.attributes.get("axis", 0))
    return rearranged(node.operand(0), lambda v: np.take(v, indices, axis=axis))


def slice_(node: Node) -> Value:
    starts, ends = node.integers(1, "starts"), node.integers(2, "ends")
    if starts is None or ends is None:
        raise ValueError("starts or ends are missing")
    axes = node.integers(3, "axes") or list(range(len(starts)))
    steps = node.integers(4, "steps") or [1] * len(starts)

    def move(v: Array) -> Array:
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
            # Backwards, an end before the first entry cannot be written as a Python index.
            past = step < 0 and end < -v.shape[axis]
            cut = slice(start, None if past else end, step)
            v = v[(slice(None),) * (axis % v.ndim) + (cut,)]
        return v

    return rearranged(node.operand(0), move)


def split(node: Node) -> list[Value]:
    value, axis = node.operand(0), int(node.attributes.get("axis", 0))
    length = shape_of(value)[axis]
    sizes = node.integers(1, "split")
    if sizes is None:
        chunk = -(-length // node.outputs)
        sizes = [min(chunk, length - i * chunk) for i in range(node.outputs)]
    if sum(sizes) != length or min(sizes) < 1:
        raise ValueError(f"a side of length {length} is not split into {sizes}")
    ends = np.cumsum(sizes).tolist()
    ranges = [range(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    return [rearranged(value, lambda v, r=r: np.take(v, list(r), axis=axis)) for r in ranges]  # type: ignore[misc]


def reshape(node: Node) -> Value:
    wanted = node.integers(1, "shape")
    if wanted is None:
        raise ValueError("the shape is missing")
    sides = shape_of(node.operand(0))
    if not node.attributes.get("allowzero", 0):
        wanted = [sides[i] if s == 0 else s for i, s in enumerate(wanted)]
    return rearranged(node.operand(0), lambda v: v.reshape(wanted))


def flatten(node: Node) -> Value:
    axis = int(node.attributes.get("axis", 1))
    sides = shape_of(node.operand(0))
    rows = int(np.prod(sides[: axis if axis >= 0 else len(sides) + axis], dtype=np.int64))
    return rearranged(node.operand(0), lambda v: v.reshape(rows, -1))


def squeeze(node: Node) -> Value:
    axes = node.integers(1, "axes")
    chosen = None if axes is None else tuple(axes)
    return rearranged(node.operand(0), lambda v: np.squeeze(v, axis=chosen))


def unsqueeze(node: Node) -> Value:
    axes = node.integers(1, "axes")
    if axes is None:
        raise ValueError("the axes are missing")
    return rearranged(node.operand(0), lambda v: np.expand_dims(v, tuple(axes)))


def shape(node: Node) -> Value:
    sides = np.array(shape_of(node.operand(0)), dtype=np.int64)
    return sides[slice(node.attributes.get("start"), node.attributes.get("end"))]


def expand(node: Node) -> Value:
    wanted = node.integers(1, "shape") or []
    sides = np.broadcast_shapes(shape_of(node.operand(0)), tuple(wanted))
    return rearranged(node.operand(0), lambda v: np.broadcast_to(v, sides))


def shape_of(value: Value) -> tuple[int, ...]:
    return tuple(value.shape)


def concat(node: Node) -> Value:
    parts = [node.operand(k) for k in range(len(node.operands))]
    return concatenated(parts, int(node.attributes["axis"]))


def transpose(node: Node) -> Value:
    order: Sequence[int] | None = node.attributes.get("perm")
    return rearranged(node.operand(0), lambda v: np.transpose(v, order))
