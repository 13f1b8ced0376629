"""Programs of scalar instructions against the plain evaluator, operation by operation."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from learners.environments import kernel
from learners.environments.model import evaluate
from learners.environments.program import compile_program
from systems import expression as ex
from systems.evaluate import function
from systems.expression import UNARY, Expression, Op

Array = NDArray[np.float64]
X = ex.variable("x", 3)

EXACT: dict[str, Callable[[Expression], Expression]] = {
    "sum": lambda x: x + x[[2, 0, 1]],
    "difference": lambda x: x - x[[2, 0, 1]],
    "product": lambda x: x * x[1],
    "quotient": lambda x: x / x[[1, 2, 0]],
    "minimum": lambda x: ex.minimum(x, x[[1, 2, 0]]),
    "maximum": lambda x: ex.maximum(x[0], x),
    "with numbers": lambda x: ex.stack([x[0] + "0.1", x[1] - "0.1", x[2] * "0.3"]),
    "from numbers": lambda x: ex.stack(["0.1" - x[0], 3 / x[1], x[2] / 3]),
    "cut off": lambda x: ex.clip(x, "-0.5", "0.7"),
    "square": lambda x: x**2,
    "stacked": lambda x: ex.stack([x[1], ex.constant([1, 2]), x[0]]),
    "an input itself": lambda x: x,
    "numbers only": lambda x: ex.stack([ex.constant([1, "0.1"]), ex.pi()]),
    "sums of products": lambda x: ex.stack(
        [
            x[0] * x[1] + x[2],
            x[2] + x[0] * "0.1",
            x[2] - x[0] * x[1],
            x[0] * x[1] - x[2],
            x[2] - "0.3" * x[0],
            x[0] * "0.7" - x[2],
            x[0] * x[2] + x[1] * x[2],
            (x[0] * x[1] + x[2]) * x[1] + x[0] * x[1],
        ]
    ),
    "nested": lambda x: (x - 1) * (x + ex.pi()) / (2 + x * x),
}


def points(count: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(count, 3))


def both(expression: Expression, at: Array) -> tuple[Array, Array]:
    plain = function(expression, X)(at)[0]
    return evaluate(compile_program([expression], [X]), at), np.broadcast_to(
        plain, (len(at), expression.size)
    )


def ulps(a: Array, b: Array) -> Array:
    return np.asarray(np.abs(a - b) / np.spacing(np.abs(b)))


@pytest.mark.parametrize("name", EXACT)
def test_arithmetic_is_the_same_to_the_last_bit(name: str) -> None:
    ours, plain = both(EXACT[name](X), points(200))
    assert np.array_equal(ours, plain)


@pytest.mark.parametrize("op", sorted(UNARY, key=lambda op: op.value), ids=lambda op: op.value)
def test_functions_agree_to_a_few_last_bits(op: Op) -> None:
    at = 3.0 * points(300)
    at[0] = 0.0
    ours, plain = both(ex.apply(op, X), at)
    assert np.array_equal(np.isnan(ours), np.isnan(plain))
    assert np.isnan(plain).any() == (op in (Op.LOG, Op.SQRT))
    fine = np.isfinite(plain)
    assert np.array_equal(ours[~fine & ~np.isnan(plain)], plain[~fine & ~np.isnan(plain)])
    assert ulps(ours[fine], plain[fine]).max() <= 4


@pytest.mark.parametrize("exponent", [3, 4, 5, 7, 12])
def test_powers_agree_to_a_few_last_bits(exponent: int) -> None:
    ours, plain = both(X**exponent, points(200))
    assert ulps(ours, plain).max() <= exponent


def test_affine_maps() -> None:
    weight = np.random.default_rng(1).normal(size=(5, 3))
    weight[1] = 0.0
    weight[2, 0], weight[3] = 0.0, [1.0, 0.0, 0.0]
    bias = np.array([0.5, 2.0, 0.0, 0.0, -1.0])
    at = points(100)
    ours, plain = both(ex.affine(weight, X, bias), at)
    size = np.abs(at) @ np.abs(weight).T + np.abs(bias)
    assert (np.abs(ours - plain) <= 4 * np.spacing(size)).all()
    assert np.array_equal(ours[:, 1], np.full(100, 2.0)) and np.array_equal(ours[:, 3], at[:, 0])


@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
def test_a_row_does_not_depend_on_the_rows_beside_it(count: int) -> None:
    expression = ex.tanh(ex.sin(X) * ex.exp(X[0])) / (1 + X**4)
    program = compile_program([expression], [X])
    at = points(200)
    assert np.array_equal(evaluate(program, at[:count]), evaluate(program, at)[:count])


def test_not_a_number_stays_one() -> None:
    at = np.full((1, 3), np.nan)
    for made in (*EXACT.values(), lambda x: ex.relu(x), lambda x: ex.apply(Op.STEP, x)):
        expression = made(X)
        if ex.variables(expression):
            ours, plain = both(expression, at)
            assert np.array_equal(np.isnan(ours), np.isnan(plain)), expression


def test_registers_are_used_again() -> None:
    x = X
    for _ in range(50):
        x = ex.sin(x) + X[0]
    program = compile_program([x], [X])
    assert len(program.code) == 2 * 3 * 50
    assert program.registers < 12


def test_equal_parts_are_computed_once_and_idle_ones_not_at_all() -> None:
    a, b = ex.sin(X[0]) * X[1], X[1] * ex.sin(X[0])
    program = compile_program([ex.stack([a + b, X[2]])], [X])
    assert len(program.code) == 3


def test_the_cache_knows_all_that_is_compiled() -> None:
    """A cached kernel must not outlive the numbers of the operations, which another file holds."""
    imported = {
        node.module
        for node in ast.walk(ast.parse(Path(kernel.__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("learners")
    }
    assert imported == {"learners.environments"}  # of which it takes codes alone
    if not hasattr(kernel.step._cache, "_cache_file"):
        pytest.skip("nothing can be cached here: no folder that could be written to")
    stamps = {f._cache._cache_file._source_stamp for f in (kernel.step, kernel.evaluate)}
    assert stamps == {kernel._sources_digest()}
