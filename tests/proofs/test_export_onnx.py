"""ONNX models compute what the tape computes, in onnxruntime, to the last digits of float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.candidate import Candidate
from proofs.export.onnx_model import function_model, write_onnx
from proofs.export.source import source_of_candidate
from systems import expression as ex
from systems import zoo
from systems.dynamics import linear_control
from systems.evaluate import evaluate
from systems.expression import Expression, Op
from systems.tape import Tape, compile_tape
from tests.certify.graphs import graphs
from tests.proofs.exports import (
    TOLERANCE,
    Array,
    differences,
    functions,
    points_of,
    source_of,
)


def run(content: bytes, tape: Tape, points: Array) -> Array:
    """The model's output at points (N, n) of all inputs side by side."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    feeds, at = {}, 0
    for name, size in tape.inputs:
        feeds[name] = points[:, at : at + size]
        at += size
    out: Any = session.run(None, feeds)[0]
    return np.asarray(out)


@pytest.mark.parametrize("kind", ["lqr", "elm"])
@pytest.mark.parametrize("name", zoo.names())
def test_every_function_of_every_system(name: str, kind: str) -> None:
    source = source_of(name, kind)
    if source is None:
        assert kind == "lqr" and name in WITHOUT_LQR
        return
    assert kind == "elm" or name not in WITHOUT_LQR
    found = functions(source)
    assert {"V", "gradient", "closed_loop"} <= {f.name for f in found}
    for f in found:
        points = points_of(source, f.tape)
        values = run(function_model(f.tape, f.name, f.output), f.tape, points)
        expected = evaluate(f.tape, points)[0]
        assert values.dtype == np.float64 and values.shape == expected.shape
        scale = np.maximum(1, np.abs(expected).max(axis=0))
        assert (np.abs(values - expected) <= TOLERANCE * scale).all(), f.name
        assert (differences(f.tape, points[:5], values[:5]) <= TOLERANCE).all(), f.name


WITHOUT_LQR = {"bilinear"}
"""Whose linearisation no input stabilises."""


def compare(x: Expression, output: Expression, points: Array) -> None:
    tape = compile_tape([output], [x])
    values = run(function_model(tape, "graph", "y"), tape, points)
    assert (differences(tape, points, values) <= TOLERANCE).all()


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(min_value=1, max_value=3))
def test_random_graphs(data: st.DataObject, n: int) -> None:
    x, output = data.draw(graphs(n))
    compare(x, output, np.random.default_rng(0).uniform(-2, 2, (5, n)))


@pytest.mark.parametrize("op", sorted(ex.UNARY, key=lambda op: op.value), ids=lambda op: op.value)
def test_every_function_keeps_its_digits_far_out(op: Op) -> None:
    x = ex.variable("x", 1)
    points = np.concatenate([np.linspace(-45, 45, 91), [-1e-9, 1e-9, -700, 700, -1e3, 1e3]])
    if op in (Op.LOG, Op.SQRT):
        points = points[points > 0]
    if op is Op.TAN:
        points = points[np.abs(points) < 50]
    tape = compile_tape([ex.apply(op, x)], [x])
    values = run(function_model(tape, "f", "y"), tape, points[:, None])
    expected = evaluate(tape, points[:, None])[0]
    with np.errstate(invalid="ignore"):
        near = np.isclose(values, expected, rtol=1e-12, atol=1e-13 if op in WAVES else 1e-300)
    assert near.all(), points[~near[:, 0]]


WAVES = {Op.SIN, Op.COS, Op.TAN}
"""Near their zeros onnxruntime's own sine has an absolute error of an ulp of 1."""


def test_the_tails_of_sigmoid_and_softplus() -> None:
    """−40: 1/(1 + e⁴⁰) and log(1 + e⁻⁴⁰) are not 0."""
    x = ex.variable("x", 1)
    tape = compile_tape([ex.stack([ex.sigmoid(x), ex.softplus(x)])], [x])
    values = run(function_model(tape, "tails", "y"), tape, np.array([[-40.0]]))
    assert np.allclose(values, np.exp(-40.0), rtol=1e-12, atol=0)


@pytest.mark.parametrize("op", sorted(ex.UNARY, key=lambda op: op.value), ids=lambda op: op.value)
def test_nan_stays_nan(op: Op) -> None:
    """A sensor that gives NaN must not look like one that gives a number."""
    x = ex.variable("x", 1)
    tape = compile_tape([ex.apply(op, x)], [x])
    assert np.isnan(run(function_model(tape, "f", "y"), tape, np.array([[np.nan]]))).all()


def test_constants_broadcasting_and_outputs_that_do_not_vary() -> None:
    x = ex.variable("x", 2)
    constant = ex.softplus(ex.constant(["1/3", "0.1", 2]))
    points = np.random.default_rng(0).normal(size=(4, 2))
    compare(x, ex.stack([x[0] * constant, 3, ex.pi(), x]), points)
    compare(x, ex.stack([constant, ex.pi()]), points)
    compare(x, ex.total(x) / constant, points)
    compare(x, ex.maximum(constant, x[1]), points)
    compare(x, x, points)
    compare(x, ex.stack([x[1], ex.stack([ex.exp(ex.constant(1)), x[0]])]), points)


def test_the_step_is_one_half_at_zero() -> None:
    x = ex.variable("x", 1)
    tape = compile_tape([ex.apply(Op.STEP, x)], [x])
    values = run(function_model(tape, "f", "y"), tape, np.array([[-1.0], [0.0], [2.0]]))
    assert values.ravel().tolist() == [0.0, 0.5, 1.0]


def test_models_say_where_they_come_from() -> None:
    source = source_of("pendulum-bounded-6", "lqr")
    assert source is not None
    written = write_onnx(source)
    assert [a.path for a in written.artifacts] == [
        f"onnx/{name}.onnx" for name in ("V", "gradient", "controller", "closed_loop", "derivative")
    ]
    model = onnx.load_model_from_string(written.artifacts[2].content)
    assert model.producer_name == "stableproof"
    assert "actuator's limits" in model.doc_string and "nothing is proved" in model.doc_string
    assert "rounding errors of this file are not part of any proof" in model.doc_string
    shape = model.graph.input[0].type.tensor_type.shape
    assert [d.dim_param or d.dim_value for d in shape.dim] == ["batch", 2]


def test_the_controller_has_the_actuators_limits() -> None:
    """Also where the candidate's own k knows nothing of them."""
    system = zoo.system("pendulum-bounded-6")
    assert system.input_limits is not None
    k = linear_control([[9, 3]], system)
    source = source_of_candidate(system, Candidate(system.state, ex.total(system.state**2), k))
    f = next(f for f in functions(source) if f.name == "controller")
    far = np.array([[100.0, 100.0], [-100.0, -100.0]])
    values = run(function_model(f.tape, f.name, f.output), f.tape, far).ravel()
    ends = [system.input_limits.lower[0], system.input_limits.upper[0]]
    assert sorted(values.tolist()) == [float(v) for v in ends]


def test_the_same_source_gives_the_same_bytes() -> None:
    source = source_of("pendulum", "elm")
    assert source is not None
    assert write_onnx(source) == write_onnx(source)
