"""Shaped tensors over flat expressions: what reading a network graph of another tool needs.

A :class:`Tensor` is an expression with a shape, its entries in row-major order. Whatever only moves
entries about (reshape, transpose, slice, broadcast) is done by numpy on an array of indices, and so
is the same for constants, which stay numpy arrays (float64 or int64) as long as nothing is computed
with them: then they become exact constant expressions, and nothing is ever rounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from systems import expression as ex
from systems.exact import ExactArray
from systems.expression import Expression, Op

Array = NDArray[Any]

_LARGEST_DENSE_MATRIX = 50_000_000


@dataclass(frozen=True, eq=False)
class Tensor:
    """``node`` has as many entries as ``shape`` says; () is a scalar."""

    node: Expression
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if math.prod(self.shape) != self.node.size:
            raise ValueError(f"{self.node.size} entries do not make the shape {list(self.shape)}")


Value = Tensor | Array


def as_tensor(value: Value) -> Tensor:
    """A constant array as an exact constant expression. Raises ValueError for an empty one."""
    if isinstance(value, Tensor):
        return value
    flat = value.ravel()
    entries = flat if flat.dtype.kind == "f" else [int(v) for v in flat.tolist()]
    return Tensor(ex.constant(ExactArray.of(entries)), value.shape)


def rearranged(value: Value, move: Callable[[Array], Array]) -> Value:
    """What ``move`` does to an array, done to the tensor; it may only move and repeat entries."""
    if not isinstance(value, Tensor):
        return np.asarray(move(value))
    index = np.asarray(move(np.arange(value.node.size).reshape(value.shape)))
    if not index.size:
        raise ValueError("the result is empty")
    return Tensor(ex.select(value.node, index.ravel().tolist()), index.shape)


def concatenated(parts: Sequence[Value], axis: int) -> Value:
    """Along an axis; constants among tensors become expressions."""
    arrays = [p for p in parts if not isinstance(p, Tensor)]
    if len(arrays) == len(parts):
        return np.concatenate(arrays, axis=axis)
    tensors = [as_tensor(p) for p in parts]
    starts = np.cumsum([0, *(t.node.size for t in tensors)])
    index = np.concatenate(
        [
            start + np.arange(t.node.size).reshape(t.shape)
            for start, t in zip(starts[:-1], tensors, strict=True)
        ],
        axis=axis,
    )
    joined = ex.stack([t.node for t in tensors])
    return Tensor(ex.select(joined, index.ravel().tolist()), index.shape)


def unary(function: Callable[[Expression], Expression], value: Value) -> Tensor:
    """A function, entry by entry."""
    tensor = as_tensor(value)
    return Tensor(function(tensor.node), tensor.shape)


def binary(function: Callable[[Expression, Expression], Expression], a: Value, b: Value) -> Tensor:
    """An operation on two tensors, entry by entry, with numpy's broadcasting."""
    p, q = as_tensor(a), as_tensor(b)
    shape = np.broadcast_shapes(p.shape, q.shape)
    left, right = _broadcast(p, shape), _broadcast(q, shape)
    return Tensor(function(left, right), shape)


def added(a: Value, b: Value) -> Tensor:
    """a + b; a constant added to W x becomes its bias, so that layers are seen as layers."""
    p, q = as_tensor(a), as_tensor(b)
    for layer, bias in ((p, q), (q, p)):
        shape = np.broadcast_shapes(layer.shape, bias.shape)
        if _is_linear(layer.node) and bias.node.op is Op.CONSTANT and shape == layer.shape:
            moved = rearranged(bias, lambda v, s=shape: np.broadcast_to(v, s))  # type: ignore[misc]
            weight = layer.node.constants[0]
            constant = as_tensor(moved).node.constants[0]
            return Tensor(ex.affine(weight, layer.node.args[0], constant), shape)
    return binary(ex.add, p, q)


def matrix_product(a: Value, b: Value) -> Tensor:
    """a @ b for tensors of up to two dimensions (further leading ones must be 1)."""
    p, q = as_tensor(a), as_tensor(b)
    if not p.shape or not q.shape:
        raise ValueError("a matrix product needs vectors or matrices")
    shape = _product_shape(p.shape, q.shape)
    k = p.shape[-1]
    c = q.node.size // k
    r = p.node.size // k
    if q.node.op is Op.CONSTANT:
        weight = _entries(q.node).reshape(k, c).T
        node = ex.affine(_kronecker(np.eye(r), weight), p.node)
    elif p.node.op is Op.CONSTANT:
        node = ex.affine(_kronecker(_entries(p.node).reshape(r, k), np.eye(c)), q.node)
    else:
        rows = [p.node[list(range(i * k, (i + 1) * k))] for i in range(r)]
        columns = [q.node[list(range(j, k * c, c))] for j in range(c)]
        node = ex.stack([ex.dot(row, column) for row in rows for column in columns])
    return Tensor(node, shape)


def summed(value: Value, axes: Sequence[int] | None, keep: bool) -> Tensor:
    """The sum over some axes (over all where None)."""
    tensor = as_tensor(value)
    rank = len(tensor.shape)
    chosen = {a % rank for a in (range(rank) if axes is None else axes)}
    kept = [a for a in range(rank) if a not in chosen]
    index = np.arange(tensor.node.size).reshape(tensor.shape)
    index = index.transpose([*kept, *sorted(chosen)])
    rows = math.prod(tensor.shape[a] for a in kept)
    index = index.reshape(rows, -1)
    weight = np.zeros((rows, tensor.node.size))
    weight[np.arange(rows)[:, None], index] = 1.0
    shape = [1 if a in chosen else s for a, s in enumerate(tensor.shape)]
    final = shape if keep else [tensor.shape[a] for a in kept]
    return Tensor(ex.affine(weight, tensor.node), tuple(final))


def _broadcast(tensor: Tensor, shape: tuple[int, ...]) -> Expression:
    if tensor.node.size in (1, math.prod(shape)):
        return tensor.node  # expressions broadcast single entries themselves
    return as_tensor(rearranged(tensor, lambda v: np.broadcast_to(v, shape))).node


def _is_linear(node: Expression) -> bool:
    return node.op is Op.AFFINE and not any(node.constants[1].rationals())


def _entries(node: Expression) -> Array:
    """A constant's entries: floats where they are exact, else rationals as objects."""
    array = node.constants[0]
    return array.values if array.is_dyadic else np.array(array.rationals(), dtype=object)


def _kronecker(a: Array, b: Array) -> Array:
    for one, other in ((a, b), (b, a)):
        if one.shape == (1, 1):
            return np.ascontiguousarray(other)
    if a.size * b.size > _LARGEST_DENSE_MATRIX:
        raise ValueError("the matrix product is too large")
    return np.kron(a, b)


def _product_shape(p: tuple[int, ...], q: tuple[int, ...]) -> tuple[int, ...]:
    """The shape numpy gives a product, refusing batches of matrices."""
    if any(s != 1 for s in (*p[:-2], *q[:-2])):
        raise ValueError("a batch of matrices")
    if p[-1] != (q[-2] if len(q) > 1 else q[0]):
        raise ValueError(f"shapes {list(p)} and {list(q)} do not multiply")
    leading = (1,) * (max(len(p), len(q), 2) - 2)
    return (*leading, *p[-2:-1], *(q[-1:] if len(q) > 1 else ()))
