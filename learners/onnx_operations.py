"""ONNX operations as expressions: every one a network of control is commonly made of.

Numbers are taken as exactly what their bits denote, and nothing is rounded on the way: the
expression is the network in real arithmetic. Semantics follow the ONNX operator specification.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from learners import onnx_layout as layout
from learners.onnx_layout import Node, Operation, constant_array, constant_number
from learners.tensors import (
    Tensor,
    Value,
    added,
    as_tensor,
    binary,
    matrix_product,
    rearranged,
    summed,
    unary,
)
from systems import expression as ex
from systems.expression import Expression, Op


def gemm(node: Node) -> Value:
    """alpha A' B' + beta C."""
    a, b = node.operand(0), node.operand(1)
    if node.attributes.get("transA", 0):
        a = rearranged(a, np.transpose)
    if node.attributes.get("transB", 0):
        b = rearranged(b, np.transpose)
    out = matrix_product(a, b)
    alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
    if alpha != 1:
        out = unary(lambda v: v * alpha, out)
    c = node.optional(2)
    if c is None or beta == 0:
        return out
    return added(out, c if beta == 1 else unary(lambda v: v * beta, c))


def power(node: Node) -> Value:
    exponent = constant_number(node.operand(1))
    if exponent == Fraction(1, 2):
        return unary(ex.sqrt, node.operand(0))
    if exponent.denominator != 1 or abs(exponent) > 64:
        raise ValueError(f"the exponent {float(exponent)} is no integer up to 64")
    return unary(lambda v: ex.power(v, int(exponent)), node.operand(0))


def clip(node: Node) -> Value:
    out = node.operand(0)
    limits: list[tuple[Callable[[Expression, Expression], Expression], str]]
    limits = [(ex.maximum, "min"), (ex.minimum, "max")]
    for index, (bound, name) in enumerate(limits, start=1):
        limit: Value | None = node.optional(index)
        if name in node.attributes:
            limit = np.array(float(node.attributes[name]))
        if limit is not None:
            out = binary(bound, out, limit)
    return out


def leaky_relu(node: Node) -> Value:
    """alpha z + (1 − alpha) max(z, 0): one kink, written once."""
    alpha = node.number("alpha", 0.01)
    return unary(lambda z: alpha * z + (1 - alpha) * ex.relu(z), node.operand(0))


def parametric_relu(node: Node) -> Value:
    z = node.operand(0)
    return binary(lambda v, s: ex.relu(v) - s * ex.relu(-v), z, node.operand(1))


def elu(node: Node) -> Value:
    alpha = node.number("alpha", 1.0)
    return unary(lambda z: ex.relu(z) + alpha * (ex.exp(ex.minimum(z, 0)) - 1), node.operand(0))


def hard_sigmoid(node: Node) -> Value:
    alpha, beta = node.number("alpha", 0.2), node.number("beta", 0.5)
    return unary(lambda z: ex.clip(alpha * z + beta, 0, 1), node.operand(0))


def cast(node: Node) -> Value:
    """Between floating-point types a network's value stays what it is, in real arithmetic."""
    value = node.operand(0)
    floating = {1, 10, 11, 16}  # FLOAT, FLOAT16, DOUBLE, BFLOAT16 of TensorProto
    to = int(node.attributes["to"])
    if isinstance(value, Tensor):
        if to not in floating:
            raise ValueError("a value of the network is cast to a type that is not floating")
        return value
    if to == 7:  # INT64
        return value.astype(np.int64)
    if to not in floating:
        raise ValueError("a cast to this type is not supported")
    return value.astype(np.float64)


def reduce(node: Node, mean: bool) -> Value:
    axes = node.integers(1, "axes")
    if not axes:
        if node.attributes.get("noop_with_empty_axes", 0):
            return node.operand(0)
        axes = None
    out = summed(node.operand(0), axes, bool(node.attributes.get("keepdims", 1)))
    count = as_tensor(node.operand(0)).node.size // out.node.size
    return unary(lambda v: v / count, out) if mean else out


def constant(node: Node) -> Value:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in node.attributes:
            return np.asarray(node.attributes[name])
    raise ValueError("a constant of this kind is not supported")


def _elementwise(function: Callable[[Expression], Expression]) -> Operation:
    return lambda node: unary(function, node.operand(0))


def _arithmetic(
    function: Callable[[Expression, Expression], Expression], of_integers: Callable[..., Any]
) -> Operation:
    """On whole numbers (shapes, axes) as integers, else as exact expressions."""

    def operation(node: Node) -> Value:
        a, b = node.operand(0), node.operand(1)
        if not isinstance(a, Tensor) and not isinstance(b, Tensor) and a.dtype.kind != "f":
            return np.asarray(of_integers(a, b))
        return added(a, b) if function is ex.add else binary(function, a, b)

    return operation


def _folded(function: Callable[[Expression, Expression], Expression]) -> Operation:
    def operation(node: Node) -> Value:
        out = node.operand(0)
        for k in range(1, len(node.operands)):
            out = binary(function, out, node.operand(k))
        return out

    return operation


def dropout(node: Node) -> Value:
    """Nothing, once training is over."""
    if (training := node.optional(2)) is not None and constant_array(training).any():
        raise ValueError("dropout is in training mode: export the network for inference")
    return node.operand(0)


def _same(node: Node) -> Value:
    return node.operand(0)


OPERATIONS: Mapping[str, Operation] = {
    "Abs": _elementwise(ex.absolute),
    "Add": _arithmetic(ex.add, np.add),
    "Cast": cast,
    "Clip": clip,
    "Concat": layout.concat,
    "Constant": constant,
    "Cos": _elementwise(ex.cos),
    "Div": _arithmetic(ex.divide, np.floor_divide),
    "Dropout": dropout,
    "Elu": elu,
    "Exp": _elementwise(ex.exp),
    "Expand": layout.expand,
    "Flatten": layout.flatten,
    "Gather": layout.gather,
    "Gemm": gemm,
    "HardSigmoid": hard_sigmoid,
    "Identity": _same,
    "LeakyRelu": leaky_relu,
    "Log": _elementwise(ex.log),
    "MatMul": lambda node: matrix_product(node.operand(0), node.operand(1)),
    "Max": _folded(ex.maximum),
    "Min": _folded(ex.minimum),
    "Mul": _arithmetic(ex.multiply, np.multiply),
    "Neg": _elementwise(lambda z: -z),
    "PRelu": parametric_relu,
    "Pow": power,
    "Reciprocal": _elementwise(lambda z: 1 / z),
    "ReduceMean": partial(reduce, mean=True),
    "ReduceSum": partial(reduce, mean=False),
    "Relu": _elementwise(ex.relu),
    "Reshape": layout.reshape,
    "Shape": layout.shape,
    "Sigmoid": _elementwise(ex.sigmoid),
    "Sin": _elementwise(ex.sin),
    "Slice": layout.slice_,
    "Softplus": _elementwise(ex.softplus),
    "Softsign": _elementwise(lambda z: z / (1 + ex.absolute(z))),
    "Split": layout.split,
    "Sqrt": _elementwise(ex.sqrt),
    "Squeeze": layout.squeeze,
    "Sub": _arithmetic(ex.subtract, np.subtract),
    "Sum": _folded(ex.add),
    "Tan": _elementwise(ex.tan),
    "Tanh": _elementwise(partial(ex.apply, Op.TANH)),
    "Transpose": layout.transpose,
    "Unsqueeze": layout.unsqueeze,
}
"""Every operation that is understood, by its ONNX name."""
