"""Reading an ONNX file: from its bytes to one expression, or one line on what does not fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from learners.onnx_layout import Node
from learners.onnx_operations import OPERATIONS
from learners.tensors import Array, Tensor, Value, as_tensor
from systems.errors import InputError
from systems.expression import Expression

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto


def read_onnx(path: Path, state: Expression, output: str | None = None) -> Expression:
    """The network in the file as an expression of the variable ``state``, flattened.

    ``output`` names which output is meant where the graph has several. Raises InputError: no such
    file, no ONNX, weights kept in other files, NaN or infinite weights, an input of another size,
    an operation that is not understood.
    """
    model = _parsed(path)
    graph = model.graph
    _refuse_unknown_operations(path, graph)
    values: dict[str, Value] = {t.name: _array(path, t) for t in graph.initializer}
    inputs = [i for i in graph.input if i.name not in values]
    if len(inputs) != 1:
        names = ", ".join(repr(i.name) for i in inputs) or "none"
        raise InputError(f"{path}: one input, the state, is expected; the graph has {names}")
    values[inputs[0].name] = Tensor(state, _input_shape(path, inputs[0], state.size))
    wanted = _chosen_output(path, graph, output)
    for index, node in enumerate(graph.node):
        _run(path, index, node, values)
    if wanted not in values:
        raise InputError(f"{path}: no node computes the output {wanted!r}")
    return as_tensor(values[wanted]).node


def _parsed(path: Path) -> ModelProto:
    try:
        import onnx
    except ImportError:
        raise InputError(
            f"{path}: reading ONNX needs the package onnx: pip install 'stableproof[onnx]'"
        ) from None
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        model = onnx.load_model_from_string(data)
    except Exception:  # protobuf's own classes differ from version to version
        raise InputError(f"{path}: is no ONNX model, or is truncated") from None
    if not model.graph.output:
        raise InputError(f"{path}: is no ONNX model, or is truncated: it has no output")
    return model


def _refuse_unknown_operations(path: Path, graph: GraphProto) -> None:
    for index, node in enumerate(graph.node):
        if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATIONS:
            raise InputError(
                f"{path}: node {_name(index, node)!r}: the operation {node.op_type} is not "
                f"supported (supported: {', '.join(sorted(OPERATIONS))})"
            )


def _name(index: int, node: NodeProto) -> str:
    return node.name or f"#{index}"


def _array(path: Path, tensor: TensorProto) -> Array:
    """Floats as float64, exactly; whole numbers as int64."""
    from onnx import TensorProto, numpy_helper

    if tensor.data_location == TensorProto.EXTERNAL:
        raise InputError(
            f"{path}: the weights {tensor.name!r} are in another file: save the model with its "
            "weights inside"
        )
    try:
        array = np.asarray(numpy_helper.to_array(tensor))
    except Exception:  # whatever a damaged tensor makes the decoder raise
        raise InputError(f"{path}: the tensor {tensor.name!r} is damaged") from None
    kind = array.dtype.kind
    if kind in "iu":
        return array.astype(np.int64)
    if kind == "b":
        return array
    if kind != "f" and array.dtype.name != "bfloat16":
        raise InputError(f"{path}: the tensor {tensor.name!r} has the type {array.dtype}")
    floats = array.astype(np.float64)
    if not np.isfinite(floats).all():
        raise InputError(f"{path}: the tensor {tensor.name!r} holds NaN or infinity")
    return floats


def _input_shape(path: Path, info: ValueInfoProto, size: int) -> tuple[int, ...]:
    """The shape of one state; sides that are left open are the batch, except an open last one."""
    sides: list[int | None] = [
        d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None
        for d in info.type.tensor_type.shape.dim
    ]
    if not sides:
        return (1, size)
    if sides[-1] is None:
        sides[-1] = size
    shape = tuple(1 if s is None else s for s in sides)
    if math.prod(shape) != size:
        text = " x ".join("?" if s is None else str(s) for s in sides)
        raise InputError(
            f"{path}: the input {info.name!r} has the shape {text}, but the system has {size} "
            "states (a batch must be of size 1, or open)"
        )
    return shape


def _chosen_output(path: Path, graph: GraphProto, output: str | None) -> str:
    names = [str(o.name) for o in graph.output]
    if output is None and len(names) == 1:
        return names[0]
    if output in names:
        return str(output)
    listed = ", ".join(map(repr, names))
    problem = "has several outputs" if output is None else f"has no output {output!r}"
    raise InputError(f"{path}: the graph {problem}: name one of {listed}")


def _attributes(path: Path, node: NodeProto) -> Mapping[str, Any]:
    from onnx import TensorProto, helper

    out: dict[str, Any] = {}
    for attribute in node.attribute:
        value = helper.get_attribute_value(attribute)
        out[attribute.name] = _array(path, value) if isinstance(value, TensorProto) else value
    return out


def _run(path: Path, index: int, node: NodeProto, values: dict[str, Value]) -> None:
    """One node: its outputs are added to ``values``."""
    where = f"{path}: node {_name(index, node)!r} ({node.op_type})"
    for name in node.input:
        if name and name not in values:
            raise InputError(f"{where}: reads {name!r}, which nothing before it computes")
    operands = tuple(values[name] if name else None for name in node.input)
    attributes = _attributes(path, node)
    try:
        result = OPERATIONS[node.op_type](Node(operands, attributes, len(node.output)))
    except (ValueError, TypeError, ArithmeticError, LookupError) as error:
        raise InputError(f"{where}: {error}") from None
    results = result if isinstance(result, list) else [result]
    values.update(zip(node.output, results, strict=False))
