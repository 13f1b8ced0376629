"""Tapes: straight-line programs that say what the graph says."""

from __future__ import annotations

import json

import numpy as np
import pytest

from systems import expression as ex
from systems.evaluate import evaluate, function
from systems.expression import Op
from systems.tape import compile_tape
from tests.systems.graphs import kinked, random_graph


def test_equal_subexpressions_become_one_register() -> None:
    x = ex.variable("x", 2)
    tape = compile_tape([ex.sin(x[0]) + ex.sin(x[0])], [x])
    assert [i.op for i in tape.instructions] == [Op.VARIABLE, Op.SLICE, Op.SIN, Op.ADD]


def test_operands_come_before_their_users() -> None:
    for seed in range(10):
        x = ex.variable("x", 3)
        tape = compile_tape([random_graph(np.random.default_rng(seed), [x])], [x])
        for k, instruction in enumerate(tape.instructions):
            assert all(a < k for a in instruction.args)


def test_the_digest_depends_on_the_statement_alone() -> None:
    def build(weight: str) -> str:
        x = ex.variable("x", 2)
        return compile_tape([ex.sin(x) * ex.constant(weight)], [x]).digest

    assert build("0.1") == build("0.1") == build("1/10")
    assert build("0.1") != build("0.2")
    x = ex.variable("x", 2)
    assert compile_tape([ex.sin(x) * 0.1], [x]).digest != build("0.1")  # a float is its bits


def test_json_is_plain_and_exact() -> None:
    x = ex.variable("x", 2)
    data = compile_tape([ex.affine([["0.1", 2], [0.5, 1]], x)], [x]).to_json()
    assert json.loads(json.dumps(data)) == data
    assert data["constants"][0]["entries"] == [  # type: ignore[index]
        "1/10", (2.0).hex(), (0.5).hex(), (1.0).hex(),
    ]  # fmt: skip


def test_varying_registers() -> None:
    x = ex.variable("x", 1)
    tape = compile_tape([x * ex.sin(ex.constant(1))], [x])
    ops = {i.op: v for i, v in zip(tape.instructions, tape.varying, strict=True)}
    assert ops == {Op.VARIABLE: True, Op.CONSTANT: False, Op.SIN: False, Op.MUL: True}


def test_inputs_are_laid_out_in_order() -> None:
    x, y = ex.variable("x", 2), ex.variable("y", 1)
    points = np.array([[1.0, 2.0, 3.0]])
    assert function(x - y, x, y)(points)[0].tolist() == [[-2.0, -1.0]]
    assert function(x - y, y, x)(points)[0].tolist() == [[1.0, 2.0]]


def test_values_beyond_a_domain_are_nan_without_a_warning() -> None:
    x = ex.variable("x", 1)
    values = function([ex.log(x), ex.sqrt(x), 1 / x], x)(np.array([[-1.0], [0.0]]))
    assert np.isnan(values[0][0, 0]) and np.isnan(values[1][0, 0]) and np.isinf(values[2][1, 0])


def test_constant_outputs_have_a_row_for_every_point() -> None:
    x = ex.variable("x", 2)
    assert function(ex.constant([1, 2]), x)(np.zeros((4, 2)))[0].shape == (4, 2)


def test_kinks_by_value() -> None:
    x = ex.variable("x", 2)
    a, b = np.random.default_rng(0).normal(size=(2, 30))
    expected = np.maximum(a, 0) * b + np.minimum(a, b) + 2 * np.maximum(a * b, b) + np.abs(a - b)
    np.testing.assert_allclose(function(kinked(x), x)(np.stack([a, b], axis=1))[0][:, 0], expected)


def test_the_sigmoid_keeps_its_digits_in_the_tails() -> None:
    x = ex.variable("x", 1)
    z = np.array([-800.0, -700.0, -40.0, 0.0, 40.0, 800.0])
    values = function(ex.sigmoid(x), x)(z[:, None])[0][:, 0]
    np.testing.assert_allclose(values, [0.0, np.exp(-700), np.exp(-40), 0.5, 1, 1], rtol=1e-15)


def test_misuse_is_told() -> None:
    x, y = ex.variable("x", 2), ex.variable("y", 1)
    with pytest.raises(ValueError, match="'y' is free but is no input"):
        compile_tape([x + y], [x])
    with pytest.raises(ValueError, match="points of dimension 3, the tape takes 2"):
        evaluate(compile_tape([x], [x]), np.zeros((1, 3)))
