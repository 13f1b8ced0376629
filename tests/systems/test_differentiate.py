"""Gradients against central differences, and the rules by themselves."""

from __future__ import annotations

import numpy as np
import pytest

from systems import expression as ex
from systems.differentiate import gradient, jacobian, pullback
from systems.evaluate import function
from systems.expression import Expression, Op
from tests.systems.graphs import kinked, random_graph, used


def central(scalar: Expression, points: np.ndarray, *inputs: Expression) -> np.ndarray:
    compiled = function(scalar, *inputs)
    n, h = points.shape[1], 1e-5
    steps = h * np.eye(n)
    return np.stack(
        [(compiled(points + s)[0] - compiled(points - s)[0])[:, 0] / (2 * h) for s in steps], axis=1
    )


@pytest.mark.parametrize("seed", range(40))
def test_gradients_of_random_graphs(seed: int) -> None:
    generator = np.random.default_rng(seed)
    x, y = ex.variable("x", 3), ex.variable("y", 2)
    scalar = random_graph(generator, [x, y])
    points = generator.uniform(-1, 1, size=(5, 5))
    slopes = function([gradient(scalar, x), gradient(scalar, y)], x, y)(points)
    np.testing.assert_allclose(
        np.hstack(slopes), central(scalar, points, x, y), rtol=1e-6, atol=1e-6
    )


def test_random_graphs_use_every_smooth_node() -> None:
    seen: set[Op] = set()
    for seed in range(40):
        x, y = ex.variable("x", 3), ex.variable("y", 2)
        seen |= used(random_graph(np.random.default_rng(seed), [x, y]))
    assert seen >= set(Op) - {Op.PI, Op.TAN, Op.RELU, Op.STEP, Op.MIN, Op.MAX}


@pytest.mark.parametrize("op", sorted(ex.UNARY - {Op.STEP}, key=lambda o: o.value))
def test_every_unary_rule(op: Op) -> None:
    x = ex.variable("x", 2)
    scalar = ex.total(ex.apply(op, x))
    points = np.array([[0.3, 1.2], [0.9, 0.1]])
    slopes = function(gradient(scalar, x), x)(points)[0]
    np.testing.assert_allclose(slopes, central(scalar, points, x), rtol=1e-8, atol=1e-8)


def test_kinked_functions_away_from_their_kinks() -> None:
    x = ex.variable("x", 2)
    points = np.random.default_rng(0).uniform(-2, 2, size=(50, 2))
    slopes = function(gradient(kinked(x), x), x)(points)[0]
    np.testing.assert_allclose(slopes, central(kinked(x), points, x), rtol=1e-7, atol=1e-7)


def test_second_derivatives() -> None:
    x = ex.variable("x", 2)
    scalar = ex.sin(x[0]) * x[1] ** 3
    hessian = jacobian(gradient(scalar, x), x)
    a, b = 0.4, -1.3
    rows = function(list(hessian), x)(np.array([[a, b]]))
    expected = [
        [-np.sin(a) * b**3, 3 * np.cos(a) * b**2],
        [3 * np.cos(a) * b**2, 6 * np.sin(a) * b],
    ]
    np.testing.assert_allclose(np.vstack(rows), expected, rtol=1e-13)


def test_what_does_not_depend_has_gradient_zero() -> None:
    x, y = ex.variable("x", 2), ex.variable("y", 3)
    assert ex.rational_values(gradient(ex.total(ex.sin(x)), y)) == [0, 0, 0]
    assert ex.rational_values(gradient(ex.constant(3), y)) == [0, 0, 0]


def test_a_gradient_shares_the_activations() -> None:
    x = ex.variable("x", 2)
    hidden = ex.tanh(ex.affine(np.eye(2), x))
    slope = gradient(ex.total(hidden), x)
    tanhs = [n for n in ex.topological([slope, hidden]) if n.op is Op.TANH]
    assert tanhs == [hidden]


def test_misuse_is_told() -> None:
    x = ex.variable("x", 2)
    with pytest.raises(ValueError, match="a gradient needs a scalar"):
        gradient(x, x)
    with pytest.raises(ValueError, match="with respect to a variable"):
        pullback(ex.total(x), ex.sin(x), ex.constant(1))
    with pytest.raises(ValueError, match="a step has no derivative"):
        gradient(gradient(ex.relu(x[0]), x)[0], x)
