"""Building, folding and substituting expressions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from systems import expression as ex
from systems.constants import enclose_constant
from systems.evaluate import function
from systems.expression import Op
from tests.systems.graphs import kinked, random_graph


@pytest.mark.parametrize("seed", range(20))
def test_substituting_expressions_composes_functions(seed: int) -> None:
    generator = np.random.default_rng(seed)
    x, y, z = ex.variable("x", 3), ex.variable("y", 2), ex.variable("z", 2)
    outer = random_graph(generator, [x, y])
    inner = ex.stack([ex.sin(z[0]), z[1] * z[0], ex.tanh(z[1])])
    composed = ex.substitute(outer, {x: inner, y: z})
    assert ex.variables(composed) == [z]
    points = generator.uniform(-1, 1, size=(6, 2))
    middle = function(inner, z)(points)[0]
    expected = function(outer, x, y)(np.hstack([middle, points]))[0]
    np.testing.assert_allclose(function(composed, z)(points)[0], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_substituted_constants_enclose_the_value(seed: int) -> None:
    generator = np.random.default_rng(seed)
    x, y = ex.variable("x", 3), ex.variable("y", 2)
    scalar = random_graph(generator, [x, y])
    point = generator.uniform(-1, 1, size=5)
    constant = ex.substitute(scalar, {x: ex.constant(point[:3]), y: ex.constant(point[3:])})
    assert not ex.variables(constant)
    value = function(scalar, x, y)(point[None])[0][0, 0]
    assert float(enclose_constant(constant)[0].mid()) == pytest.approx(value, rel=1e-10, abs=1e-10)


@given(st.lists(st.fractions(-3, 3, max_denominator=50), min_size=2, max_size=2))
def test_rational_formulas_fold_to_rationals(values: list[Fraction]) -> None:
    x = ex.variable("x", 2)
    a, b = values
    mixed = ex.affine([["0.1", 2], [0, 1]], x, ["1/3", 0])
    node = ex.stack([ex.dot(mixed, x**3), (x[0] - 4) / (x[1] + 4), kinked(x)])
    p, q = Fraction(1, 10) * a + 2 * b + Fraction(1, 3), b
    kinks = max(a, 0) * b + min(a, b) + 2 * max(a * b, b) + abs(a - b)
    expected = [p * a**3 + q * b**3, (a - 4) / (b + 4), kinks]
    assert ex.rational_values(ex.substitute(node, {x: ex.constant(values)})) == expected


def test_substitution_leaves_alone_what_it_does_not_touch() -> None:
    x, y = ex.variable("x", 1), ex.variable("y", 1)
    node = ex.sin(x) + 1
    assert ex.substitute(node, {y: ex.constant(2)}) is node
    with pytest.raises(ValueError, match="'x' has size 1, its replacement 2"):
        ex.substitute(node, {x: ex.variable("z", 2)})


def test_known_values() -> None:
    for op, at, value in [
        (Op.SIN, 0, 0),
        (Op.COS, 0, 1),
        (Op.EXP, 0, 1),
        (Op.LOG, 1, 0),
        (Op.SQRT, Fraction(9, 4), Fraction(3, 2)),
        (Op.SIGMOID, 0, Fraction(1, 2)),
        (Op.RELU, -3, 0),
        (Op.RELU, "0.5", Fraction(1, 2)),
        (Op.STEP, 2, 1),
        (Op.STEP, -2, 0),
    ]:
        assert ex.rational_values(ex.apply(op, at)) == [value]


@pytest.mark.parametrize(
    ("op", "at"),
    [
        (Op.SIN, 1),
        (Op.SQRT, 2),
        (Op.SQRT, -4),
        (Op.LOG, 0),
        (Op.LOG, 2),
        (Op.STEP, 0),
        (Op.SOFTPLUS, 0),
    ],
)
def test_what_is_not_plainly_rational_stays(op: Op, at: int) -> None:
    assert ex.apply(op, at).op is op


def test_simple_identities() -> None:
    x = ex.variable("x", 2)
    assert x + 0 is x and 0 + x is x and x - 0 is x and x * 1 is x and x**1 is x
    assert ex.rational_values(0 * ex.sin(x)) == [0, 0]
    assert (0 * ex.log(x)).op is Op.MUL  # log may be undefined, and then so is the product
    assert ex.stack([x[0], x[1]])[1].op is Op.SLICE
    assert (x**-2).op is Op.DIV
    assert len(x) == 2 and len(list(x)) == 2


def test_misuse_is_told() -> None:
    x, y = ex.variable("x", 2), ex.variable("y", 3)
    for build in (
        lambda: x + y,
        lambda: ex.affine(np.eye(3), x),
        lambda: ex.affine(np.eye(2), x, [1]),
        lambda: ex.variable("x", 0),
        lambda: ex.stack([]),
        lambda: x**0.5,
        lambda: ex.apply(Op.ADD, x),
        lambda: ex.constant([[1, 2]]),
        lambda: x + float("nan"),
    ):
        with pytest.raises(ValueError):
            build()
    with pytest.raises(IndexError):
        x[2]
    with pytest.raises(ZeroDivisionError):
        x / 0
