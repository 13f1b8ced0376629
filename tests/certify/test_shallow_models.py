"""One hidden layer without composition: cancelling, saturated, tiny and blocked layers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from certify.enclosure.engine import Engine
from certify.enclosure.shallow import BLOCK
from systems import expression as ex
from systems.differentiate import directional, gradient
from systems.expression import Expression
from systems.tape import Tape, compile_tape
from tests.certify.enclosures import boxes_around, check

Array = NDArray[np.float64]


def layer(
    m: int, n: int, generator: np.random.Generator, scale: float = 1.0
) -> tuple[Array, Array]:
    return scale * generator.uniform(-1, 1, (m, n)), scale * generator.uniform(-1, 1, m)


def statements(x: Expression, W: Array, b: Array, betas: list[Array]) -> Tape:
    """Values with offsets, gradients, an anchored value, a row of a Hessian, and products."""
    hidden = ex.tanh(ex.affine(W, x, b))
    first = ex.affine(betas[0][None], hidden, [0.7])
    last = ex.affine(betas[-1][None], hidden, ["1/3"])
    slope = gradient(first, x)
    anchored = first - ex.dot(slope, x) * 0.5
    unit = np.eye(x.size)[0]
    curvature = directional(slope, x, ex.constant(list(unit)))
    outputs = [first, last, *slope, anchored, *curvature, ex.dot(slope, gradient(last, x))]
    return compile_tape(outputs, [x])


def boxes(n: int, generator: np.random.Generator) -> tuple[Array, Array]:
    widths = np.resize([0.0, 1e-12, 1e-4, 0.01, 0.1, 0.5, 2.0], 21)
    return boxes_around(generator.uniform(-1, 1, (21, n)), widths)


def is_shallow(tape: Tape) -> bool:
    engine = Engine(tape, np.full(tape.dimension, 4.0))
    return len(engine.layers) == 1 and bool(engine.layers[0].registers)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("m", [1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
def test_blocks_of_every_size(m: int, n: int) -> None:
    generator = np.random.default_rng([m, n])
    x = ex.variable("x", n)
    W, b = layer(m, n, generator, 2.0)
    tape = statements(x, W, b, [generator.normal(size=m), generator.normal(size=m)])
    assert is_shallow(tape)
    seen = check(tape, *boxes(n, generator), (1, 2, 4, 6), generator, points=40, exact=1)
    assert seen.finite == 21 * 4


@pytest.mark.parametrize(("n", "m"), [(1, 60), (2, 150)])
def test_plain_least_squares_with_cancelling_weights(n: int, m: int) -> None:
    """The weights of an unregularised fit to noisy data: terms 10⁹ times and more their sum."""
    generator = np.random.default_rng(m)
    x = ex.variable("x", n)
    W, b = layer(m, n, generator, 0.3)
    points = generator.uniform(-1, 1, (m, n))
    features = np.tanh(points @ W.T + b)
    target = (points**2).sum(axis=1) + 1e-3 * generator.normal(size=m)
    beta = np.linalg.lstsq(features, target, rcond=1e-18)[0]
    assert np.abs(beta).sum() > 1e9
    tape = statements(x, W, b, [beta, beta[::-1].copy()])
    assert is_shallow(tape)
    low, high = boxes(n, generator)
    check(tape, low, high, (1, 2, 4, 6), generator, points=40, exact=6)
    lower, upper = Engine(tape, np.full(n, 4.0)).bound(low, high, 6)
    narrow = (high - low).max(axis=1) <= 1e-4
    assert (upper - lower)[narrow, 0].max() < 1e-13 * np.abs(beta).sum() + 1e-3


def test_weights_of_a_million_million() -> None:
    """Pairs of neurons that cancel to the last digit, and a small function beside them."""
    generator = np.random.default_rng(3)
    x = ex.variable("x", 2)
    W, b = layer(40, 2, generator)
    huge = 1e12 * generator.uniform(1, 2, 20)
    W[20:] = W[:20] + 1e-9 * generator.normal(size=(20, 2))
    b[20:] = b[:20]
    beta = np.concatenate([huge, -huge])
    tape = statements(x, W, b, [beta, generator.normal(size=40)])
    assert is_shallow(tape)
    check(tape, *boxes(2, generator), (1, 3, 6), generator, points=40, exact=8)


@pytest.mark.parametrize("scale", [1e-8, 1e3, 1e8, 1e15])
def test_flat_and_saturated_neurons(scale: float) -> None:
    """Every neuron at ±1, or between, within 10⁻⁸ of its switching plane."""
    generator = np.random.default_rng(4)
    x = ex.variable("x", 2)
    W, b = layer(30, 2, generator, scale)
    tape = statements(x, W, b, [generator.normal(size=30), np.ones(30)])
    assert is_shallow(tape)
    low, high = boxes(2, generator)
    # Centres on switching planes: W c + b = 0 as nearly as floats allow.
    on = -b[:7, None] * W[:7] / (W[:7] ** 2).sum(axis=1, keepdims=True)
    close = boxes_around(on, np.resize([0.0, 1e-12, 1e-8 / scale, 1e-3], 7))
    low, high = np.concatenate([low, close[0]]), np.concatenate([high, close[1]])
    check(tape, low, high, (1, 2, 5), generator, points=40, exact=5)


def test_zero_weights_rows_of_zeros_and_repeated_potentials() -> None:
    generator = np.random.default_rng(6)
    x = ex.variable("x", 3)
    W, b = layer(12, 3, generator)
    W[3], W[:, 1], b[5] = 0.0, 0.0, 0.0
    beta = generator.normal(size=12)
    beta[7:] = 0.0
    tape = statements(x, W, b, [beta, beta])
    assert is_shallow(tape)
    check(tape, *boxes(3, generator), (1, 2, 4), generator, points=40, exact=3)


def test_boxes_far_from_the_origin_and_wide_ones() -> None:
    generator = np.random.default_rng(7)
    x = ex.variable("x", 2)
    W, b = layer(25, 2, generator, 1e-3)
    tape = statements(x, W, b, [1e6 * generator.normal(size=25), generator.normal(size=25)])
    low, high = boxes_around(
        1e6 * generator.uniform(-1, 1, (18, 2)), np.resize([0.0, 1e-9, 1.0, 1e2, 1e4, 1e6], 18)
    )
    check(tape, low, high, (1, 2, 5), generator, points=40, exact=5)


def test_a_single_neuron_that_is_broadcast() -> None:
    """Found in review: tanh of one neuron, times a vector of three, is no layer of three."""
    generator = np.random.default_rng(9)
    x = ex.variable("x", 1)
    hidden = ex.tanh(ex.affine([[2.0]], x, [0.5]))
    tape = compile_tape([ex.total(hidden * ex.constant([1, 2, 3])), hidden], [x])
    check(tape, *boxes(1, generator), (1, 2, 5), generator)


def test_output_weights_that_cannot_be_halved() -> None:
    generator = np.random.default_rng(10)
    x = ex.variable("x", 1)
    hidden = ex.tanh(ex.affine([[2.0], [1.0]], x, [0.5, 0.0]))
    tape = compile_tape([ex.affine([[5e-324, 1.0]], -0.5 * hidden)], [x])
    check(tape, *boxes(1, generator), (1, 2, 5), generator)


@pytest.mark.parametrize("n", [1, 2])
def test_layers_of_the_first_variable_beside_another(n: int) -> None:
    """V(x) beside a disturbance w: the layer is the same, and what multiplies w is not lost."""
    generator = np.random.default_rng(n)
    x, w = ex.variable("x", n), ex.variable("w", 2)
    W, b = layer(40, n, generator, 2.0)
    V = ex.affine(generator.normal(size=(1, 40)), ex.tanh(ex.affine(W, x, b)))
    slope = gradient(V, x)
    tape = compile_tape([V, *slope, ex.dot(slope, x) * w[0] + w[1] ** 2], [x, w])
    assert is_shallow(tape)
    seen = check(tape, *boxes(n + 2, generator), (1, 2, 4), generator, points=40, exact=1)
    assert seen.finite == 21 * 3


def test_a_layer_of_the_second_variable_is_no_layer_of_the_first() -> None:
    generator = np.random.default_rng(0)
    x, w = ex.variable("x", 2), ex.variable("w", 2)
    W, b = layer(10, 2, generator)
    of_w = ex.affine(generator.normal(size=(1, 10)), ex.tanh(ex.affine(W, w, b)))
    tape = compile_tape([of_w, of_w * x[0]], [x, w])
    assert not is_shallow_at_all(tape)
    seen = check(tape, *boxes(4, generator), (2, 4), generator, points=40, exact=1)
    assert seen.finite == 21 * 2


def is_shallow_at_all(tape: Tape) -> bool:
    return bool(Engine(tape, np.full(tape.dimension, 4.0)).layers)
