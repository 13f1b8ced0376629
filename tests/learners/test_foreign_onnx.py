"""ONNX graphs come in exactly: the same values as the reference evaluator, or one clear line."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from learners.foreign import import_onnx
from systems import expression as ex
from systems.errors import InputError
from systems.evaluate import evaluate
from systems.expression import Op
from systems.tape import compile_tape

DOUBLE, FLOAT = TensorProto.DOUBLE, TensorProto.FLOAT
N = 3


def model(
    nodes: Sequence[onnx.NodeProto],
    arrays: dict[str, Any] | None = None,
    *,
    kind: int = DOUBLE,
    shape: Sequence[int | str] = ("batch", N),
    outputs: Sequence[str] = ("y",),
    opset: int = 17,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "network",
        [helper.make_tensor_value_info("x", kind, list(shape))],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(a), name) for name, a in (arrays or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def node(op: str, *inputs: str, to: str = "y", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, list(inputs), [to], name=f"my_{op}_{to}", **attributes)


def saved(proto: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "network.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def values(path: Path, points: np.ndarray, size: int = N) -> np.ndarray:
    out = import_onnx(path, size)
    free = ex.variables(out)
    tape = compile_tape([out], free or [ex.variable("x", size)])
    return evaluate(tape, points)[0]


def check(proto: onnx.ModelProto, folder: Path, shape: tuple[int, ...] = (1, N)) -> None:
    """Against onnx's own reference evaluator, in float64, one state at a time."""
    points = np.random.default_rng(0).uniform(0.2, 1.9, (7, N))
    evaluator = ReferenceEvaluator(proto)
    expected = [evaluator.run(None, {"x": p.reshape(shape)})[0].ravel() for p in points]
    np.testing.assert_allclose(values(saved(proto, folder), points), expected, rtol=1e-12)


rng = np.random.default_rng(1)
W, b = rng.normal(size=(5, N)), rng.normal(size=5)
v = rng.normal(size=N)
ints = np.array
CONSTANT = numpy_helper.from_array(np.array([0.1, 0.2, 0.3]))


@pytest.mark.parametrize(
    "op",
    ["Abs", "Cos", "Exp", "Identity", "Log", "Neg", "Reciprocal", "Relu", "Sigmoid", "Sin",
     "Softplus", "Softsign", "Sqrt", "Tan", "Tanh", "LeakyRelu", "Elu", "HardSigmoid"],
)  # fmt: skip
def test_functions(op: str, tmp_path: Path) -> None:
    shift = 0.1 if op in {"Log", "Sqrt"} else 1.0
    check(model([node("Sub", "x", "c", to="s"), node(op, "s")], {"c": shift}), tmp_path)


@pytest.mark.parametrize(
    ("nodes", "arrays"),
    [
        ([node("Gemm", "x", "W", "b", transB=1)], {"W": W, "b": b}),
        ([node("Gemm", "x", "W", "b", alpha=0.3, beta=0.7)], {"W": W.T, "b": b}),
        ([node("Gemm", "x", "W", alpha=0.3)], {"W": W.T}),
        ([node("Gemm", "W", "x", "b", transB=1)], {"W": W, "b": b[:, None]}),
        ([node("MatMul", "x", "W", to="h"), node("Add", "b", "h")], {"W": W.T, "b": b}),
        ([node("Add", "x", "v")], {"v": v}),
        ([node("Sub", "v", "x")], {"v": v[None]}),
        ([node("Mul", "x", "v")], {"v": v}),
        ([node("Div", "x", "v")], {"v": v}),
        ([node("Div", "v", "x")], {"v": v}),
        ([node("Mul", "x", "x")], {}),
        ([node("Add", "x", "c")], {"c": [[[2.5]]]}),
        ([node("Pow", "x", "c")], {"c": 3.0}),
        ([node("Pow", "x", "c")], {"c": -2.0}),
        ([node("Pow", "x", "c")], {"c": 0.5}),
        ([node("Clip", "x", "low", "high")], {"low": 0.5, "high": 1.0}),
        ([node("Clip", "x", "", "high")], {"high": 1.0}),
        ([node("PRelu", "s", "v")], {"v": v}),
        ([node("Max", "x", "v", "c")], {"v": v, "c": 0.4}),
        ([node("Min", "x", "v")], {"v": v}),
        ([node("Sum", "x", "v", "x")], {"v": v}),
        ([node("ReduceSum", "x", "a", keepdims=0)], {"a": ints([1])}),
        ([node("ReduceSum", "x")], {}),
        ([node("ReduceMean", "x", axes=[-1])], {}),
        ([node("Concat", "x", "t", "v", axis=1)], {"v": v[None]}),
        ([node("Slice", "x", "i", "j", "a")], {"i": ints([1]), "j": ints([9]), "a": ints([1])}),
        (
            [node("Slice", "x", "i", "j", "a", "k")],
            {"i": ints([-1]), "j": ints([-99]), "a": ints([1]), "k": ints([-1])},
        ),
        ([node("Gather", "x", "i", axis=1)], {"i": ints([2, 0, 0])}),
        ([node("Gather", "x", "i", axis=1)], {"i": ints(-1)}),
        ([node("Reshape", "x", "i")], {"i": ints([0, -1, 1])}),
        ([node("Flatten", "x")], {}),
        ([node("Flatten", "x", axis=0)], {}),
        ([node("Squeeze", "x", "i")], {"i": ints([0])}),
        ([node("Unsqueeze", "x", "i")], {"i": ints([0, 3])}),
        ([node("Transpose", "x")], {}),
        ([node("Expand", "x", "i")], {"i": ints([2, 3])}),
        ([node("Transpose", "W", to="Wt"), node("MatMul", "x", "Wt")], {"W": W}),
        ([node("Constant", to="c", value=CONSTANT), node("Mul", "t", "c")], {}),
        ([node("Dropout", "x")], {}),
    ],
    ids=lambda value: "-".join(n.op_type for n in value) if isinstance(value, list) else None,
)
def test_operations(nodes: list[onnx.NodeProto], arrays: dict[str, Any], tmp_path: Path) -> None:
    before = [node("Tanh", "x", to="t"), node("Sub", "x", "one", to="s")]
    check(model([*before, *nodes], {"one": 1.0, **arrays}), tmp_path)


def test_split(tmp_path: Path) -> None:
    cut = helper.make_node("Split", ["x", "sizes"], ["p", "q"], axis=1)
    join = node("Concat", "q", "p", axis=1)
    check(model([cut, join], {"sizes": ints([1, 2])}), tmp_path)


def test_old_opsets_keep_axes_as_attributes(tmp_path: Path) -> None:
    nodes = [
        node("Slice", "x", to="s", starts=[0], ends=[2], axes=[1]),
        node("Clip", "s", to="c", min=0.5, max=1.0),
        node("Squeeze", "c", to="q", axes=[0]),
        node("Unsqueeze", "q", axes=[1]),
    ]
    points = np.array([[0.1, 0.8, 3.0]])
    path = saved(model(nodes, opset=9), tmp_path)
    assert values(path, points).tolist() == [[0.5, 0.8]]


def test_quadratic_forms(tmp_path: Path) -> None:
    """xᵀ P x with P a constant, as a product of two things that both depend on the input."""
    P = rng.normal(size=(N, N))
    nodes = [
        node("MatMul", "x", "P", to="xP"),
        node("Transpose", "x", to="xt"),
        node("MatMul", "xP", "xt"),
    ]
    check(model(nodes, {"P": P}), tmp_path)


def test_shapes_computed_in_the_graph(tmp_path: Path) -> None:
    """How some exporters write x.view(x.shape[0], -1)."""
    nodes = [
        node("Shape", "x", to="s"),
        node("Gather", "s", "zero", to="rows", axis=0),
        node("Unsqueeze", "rows", "zeros", to="r"),
        node("Concat", "r", "rest", to="shape", axis=0),
        node("Reshape", "x", "shape", to="flat"),
        node("Gemm", "flat", "W", "b", transB=1),
    ]
    arrays = {"zero": ints(0), "zeros": ints([0]), "rest": ints([-1]), "W": W, "b": b}
    check(model(nodes, arrays), tmp_path)


@pytest.mark.parametrize("shape", [(1, N), (N,), (1, N, 1)], ids=str)
def test_batch_dimensions(shape: tuple[int, ...], tmp_path: Path) -> None:
    nodes = [node("Reshape", "x", "i", to="r"), node("Gemm", "r", "W", "b", transB=1)]
    proto = model(nodes, {"W": W, "b": b, "i": ints([1, -1])}, shape=shape)
    check(proto, tmp_path, shape)


def deep(kind: type[np.floating[Any]]) -> onnx.ModelProto:
    generator = np.random.default_rng(2)
    arrays, nodes, last = {}, [], "x"
    for k, (rows, columns) in enumerate([(10, N), (10, 10), (2, 10)]):
        arrays[f"W{k}"] = generator.normal(size=(rows, columns)).astype(kind)
        arrays[f"b{k}"] = generator.normal(size=rows).astype(kind)
        final = "y" if k == 2 else f"z{k}"
        nodes.append(node("Gemm", last, f"W{k}", f"b{k}", to=final, transB=1))
        if k < 2:
            nodes.append(node("Tanh", f"z{k}", to=f"h{k}"))
        last = f"h{k}"
    return model(nodes, arrays, kind=FLOAT if kind is np.float32 else DOUBLE)


def test_a_deep_network_is_layers_and_nothing_else(tmp_path: Path) -> None:
    check(deep(np.float64), tmp_path)
    out = import_onnx(saved(deep(np.float64), tmp_path), N)
    assert [n.op for n in ex.topological([out])][1:] == [
        Op.AFFINE, Op.TANH, Op.AFFINE, Op.TANH, Op.AFFINE,
    ]  # fmt: skip


def test_float32_weights_are_exactly_their_bits(tmp_path: Path) -> None:
    path = saved(deep(np.float32), tmp_path)
    points = np.random.default_rng(3).uniform(-1, 1, (20, N))
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"x": points.astype(np.float32)})
    np.testing.assert_allclose(values(path, points), expected, rtol=1e-4, atol=1e-5)
    weights = [
        numpy_helper.to_array(t) for t in deep(np.float32).graph.initializer if t.name == "W0"
    ]
    (first,) = [
        n for n in ex.topological([import_onnx(path, N)]) if n.op is Op.AFFINE and n.size == 10
    ][:1]
    assert first.constants[0].rationals() == [Fraction(float(w)) for w in weights[0].ravel()]


def test_matmul_and_add_become_one_layer(tmp_path: Path) -> None:
    nodes = [node("MatMul", "x", "W", to="h"), node("Add", "h", "b")]
    out = import_onnx(saved(model(nodes, {"W": W.T, "b": b}), tmp_path), N)
    assert out.op is Op.AFFINE
    assert out.args[0].op is Op.VARIABLE
    assert (out.constants[1].values == b).all()


def test_casts_between_floats_change_nothing(tmp_path: Path) -> None:
    to_float = helper.make_node("Cast", ["x"], ["f"], name="down", to=FLOAT)
    proto = model([to_float, node("Tanh", "f")])
    points = np.array([[0.1, 0.2, 0.3]])
    np.testing.assert_allclose(values(saved(proto, tmp_path), points), np.tanh(points), rtol=1e-15)
    to_int = helper.make_node("Cast", ["x"], ["y"], name="down", to=TensorProto.INT64)
    with pytest.raises(InputError, match=r"node 'down' \(Cast\): .*not floating"):
        import_onnx(saved(model([to_int]), tmp_path), N)


@pytest.mark.parametrize(
    ("proto", "message"),
    [
        (model([node("Erf", "x")]), "node 'my_Erf_y': the operation Erf is not supported"),
        (
            model([helper.make_node("Tanh", ["x"], ["y"], name="t", domain="my.domain")]),
            "'t': the operation Tanh is not supported",
        ),
        (model([node("Mul", "x", "v")], {"v": [1.0, np.nan, 0]}), "'v' holds NaN or infinity"),
        (model([node("Mul", "x", "v")], {"v": [np.inf, 1.0, 0]}), "'v' holds NaN or infinity"),
        (model([node("Mul", "x", "gone")]), r"\(Mul\): reads 'gone', which nothing"),
        (model([node("Gemm", "x", "W")], {"W": W}), r"node 'my_Gemm_y' \(Gemm\): shapes"),
        (model([node("Pow", "x", "c")], {"c": 1.7}), "exponent 1.7 is no integer"),
        (model([node("Pow", "x", "x")]), "must be one constant number"),
        (model([node("Div", "x", "c")], {"c": 0.0}), r"\(Div\): division by the constant 0"),
        (model([node("Tanh")]), "operand 0 is missing"),
        (model([node("Reshape", "x", "i")], {"i": ints([2, 2])}), r"\(Reshape\): "),
        (model([node("Gather", "x", "i", axis=1)], {"i": ints([7])}), r"\(Gather\): "),
        (model([node("Tanh", "x")], shape=("batch", 2)), r"shape \? x 2, but the system has 3"),
        (model([node("Tanh", "x")], shape=(32, N)), "32 x 3, but the system has 3 states"),
        (model([node("Tanh", "x")], outputs=("y", "z")), "several outputs: name one of 'y', 'z'"),
        (model([node("Tanh", "x")], outputs=("z",)), "no node computes the output 'z'"),
        (model([node("Add", "x", "s")], {"s": np.array([b"a"], dtype=object)}), "has the type"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_one_clear_line(
    proto: onnx.ModelProto, message: str, tmp_path: Path
) -> None:
    path = saved(proto, tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        import_onnx(path, N)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_two_inputs(tmp_path: Path) -> None:
    proto = model([node("Add", "x", "u")])
    proto.graph.input.append(helper.make_tensor_value_info("u", DOUBLE, [1, N]))
    with pytest.raises(InputError, match="the graph has 'x', 'u'"):
        import_onnx(saved(proto, tmp_path), N)


def test_a_chosen_output(tmp_path: Path) -> None:
    proto = model([node("Tanh", "x"), node("Sin", "x", to="z")], outputs=("y", "z"))
    path = saved(proto, tmp_path)
    assert import_onnx(path, N, output="z").op is Op.SIN
    with pytest.raises(InputError, match="no output 'w'"):
        import_onnx(path, N, output="w")


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 0.99])
def test_truncated_files(share: float, tmp_path: Path) -> None:
    path = saved(deep(np.float64), tmp_path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError) as caught:
        import_onnx(path, N)
    assert "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        import_onnx(tmp_path / "missing.onnx", N)
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        import_onnx(tmp_path, N)
    (tmp_path / "text.onnx").write_text("not a network")
    with pytest.raises(InputError, match="is no ONNX model"):
        import_onnx(tmp_path / "text.onnx", N)


def test_damaged_and_external_weights(tmp_path: Path) -> None:
    proto = model([node("Mul", "x", "v")], {"v": v})
    proto.graph.initializer[0].raw_data = proto.graph.initializer[0].raw_data[:-3]
    with pytest.raises(InputError, match="the tensor 'v' is damaged"):
        import_onnx(saved(proto, tmp_path), N)
    proto.graph.initializer[0].data_location = TensorProto.EXTERNAL
    with pytest.raises(InputError, match="'v' are in another file"):
        import_onnx(saved(proto, tmp_path), N)
