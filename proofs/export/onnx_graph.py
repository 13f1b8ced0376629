"""From a tape to the nodes of an ONNX graph in float64; the batch is the first dimension.

Every register is a tensor (batch, size), or (1, size) where it does not depend on the input. How
numbers and the functions with a choice are spelt is left to a :class:`Reading`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from systems.exact import ExactArray
from systems.expression import Op
from systems.tape import Instruction, Tape

OPSET, IR_VERSION = 17, 8
"""Old enough for the tools that read such files; every operation used has float64 kernels."""


class Graph:
    """Nodes and constants so far; every constant is kept once."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._known: dict[tuple[object, ...], str] = {}

    def add(self, op: str, *inputs: str, to: str | None = None, **attributes: object) -> str:
        """A node; returns the name of its output."""
        from onnx import helper

        name = to or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def tensor(self, values: object) -> str:
        """A constant of float64, or of int64 where the values are integers."""
        from onnx import numpy_helper

        array = np.ascontiguousarray(values)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = f"c{len(self.initializers)}"
            self.initializers.append(numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def number(self, value: float) -> str:
        return self.tensor(np.array([[value]]))


class Reading(Protocol):
    """How constants are spelt, and the operations that leave a choice."""

    def array(self, graph: Graph, array: ExactArray) -> str:
        """A constant; a vector as one row (1, size), a matrix (rows, columns) as it is."""

    def pi(self, graph: Graph) -> str: ...

    def sigmoid(self, graph: Graph, z: str) -> str: ...

    def softplus(self, graph: Graph, z: str) -> str: ...

    def step(self, graph: Graph, z: str, size: int) -> str: ...


def emit(tape: Tape, graph: Graph, inputs: Mapping[int, str], reading: Reading) -> dict[int, str]:
    """The tape's needed registers as nodes: register → tensor.

    ``inputs`` maps the offset of every variable to the tensor (batch, size) that holds it.
    """
    known: dict[int, str] = {}
    for index, i in enumerate(tape.instructions):
        if index in tape.needed:
            known[index] = _node(tape, i, known, graph, inputs, reading)
    return known


def spread(graph: Graph, constant: str, like: str, like_size: int, size: int) -> str:
    """A constant (1, size) as (batch, size), the batch being that of the tensor ``like``."""
    return graph.add(
        "Add", graph.add("MatMul", like, graph.tensor(np.zeros((like_size, size)))), constant
    )


_UNARY = {
    Op.SIN: "Sin", Op.COS: "Cos", Op.EXP: "Exp", Op.LOG: "Log", Op.SQRT: "Sqrt", Op.TANH: "Tanh",
    Op.RELU: "Relu",
}  # fmt: skip
_BINARY = {
    Op.ADD: "Add", Op.SUB: "Sub", Op.MUL: "Mul", Op.DIV: "Div", Op.MIN: "Min", Op.MAX: "Max",
}  # fmt: skip


def _node(
    tape: Tape,
    i: Instruction,
    known: Mapping[int, str],
    graph: Graph,
    inputs: Mapping[int, str],
    reading: Reading,
) -> str:
    a = [known[k] for k in i.args]
    match i.op:
        case Op.VARIABLE:
            return inputs[i.integers[0]]
        case Op.CONSTANT:
            return reading.array(graph, tape.constants[i.constants[0]])
        case Op.PI:
            return reading.pi(graph)
        case Op.AFFINE:
            weight, bias = (reading.array(graph, tape.constants[k]) for k in i.constants)
            return graph.add("Gemm", a[0], weight, bias, transB=1)
        case Op.POWER:
            return graph.add("Pow", a[0], graph.number(float(i.integers[0])))
        case Op.TAN:
            return graph.add("Div", graph.add("Sin", a[0]), graph.add("Cos", a[0]))
        case Op.SIGMOID:
            return reading.sigmoid(graph, a[0])
        case Op.SOFTPLUS:
            return reading.softplus(graph, a[0])
        case Op.STEP:
            return reading.step(graph, a[0], i.size)
        case Op.STACK:
            return _stack(tape, i, a, graph, inputs)
        case Op.SLICE:
            return graph.add("Gather", a[0], graph.tensor(_integers(i.integers)), axis=1)
        case op if op in _UNARY:
            return graph.add(_UNARY[op], a[0])
        case op:
            return graph.add(_BINARY[op], *a)


def _stack(
    tape: Tape, i: Instruction, a: Sequence[str], graph: Graph, inputs: Mapping[int, str]
) -> str:
    """Parts that do not depend on the input have to be given the batch first."""
    varying = [tape.varying[k] for k in i.args]
    parts = list(a)
    if any(varying) and not all(varying):
        like = a[varying.index(True)]
        like_size = tape.instructions[i.args[varying.index(True)]].size
        parts = [
            part if varies else spread(graph, part, like, like_size, tape.instructions[k].size)
            for part, varies, k in zip(a, varying, i.args, strict=True)
        ]
    return graph.add("Concat", *parts, axis=1)


def _integers(values: Sequence[int]) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def model_bytes(
    graph: Graph,
    name: str,
    inputs: Sequence[tuple[str, int]],
    outputs: Sequence[tuple[str, int]],
    origin: Sequence[str],
) -> bytes:
    """The finished model, checked by onnx itself. Inputs and outputs are (name, size)."""
    import onnx
    from onnx import TensorProto, helper

    def tensors(described: Sequence[tuple[str, int]]) -> list[Any]:
        return [
            helper.make_tensor_value_info(n, TensorProto.DOUBLE, ["batch", size])
            for n, size in described
        ]

    proto = helper.make_graph(
        graph.nodes, name, tensors(inputs), tensors(outputs), graph.initializers
    )
    model = helper.make_model(
        proto,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="stableproof",
        doc_string="\n".join(origin),
    )
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString(deterministic=True)
    assert isinstance(data, bytes)
    return data
