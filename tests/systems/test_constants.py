"""Balls around constant expressions, and exact definiteness."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from flint import arb
from hypothesis import given
from hypothesis import strategies as st

from systems import expression as ex
from systems.constants import enclose_constant, is_zero_or_tiny, rational_or_ball
from systems.evaluate import function
from systems.expression import Op
from systems.quadratic import diagonal, is_positive_definite, is_symmetric, quadratic_form


@pytest.mark.parametrize("op", sorted(ex.UNARY, key=lambda o: o.value))
def test_every_function_has_a_ball(op: Op) -> None:
    node = ex.apply(op, ex.constant(["0.3", "1.7"]))
    expected = function(node)(np.zeros((1, 0)))[0][0]
    for ball, value in zip(enclose_constant(node), expected, strict=True):
        assert float(ball.mid()) == pytest.approx(value, rel=1e-14)
        assert ball.rad() < arb("1e-60")


def test_zeros_that_do_not_fold() -> None:
    assert is_zero_or_tiny(rational_or_ball(ex.sin(ex.pi())))
    assert is_zero_or_tiny(rational_or_ball(ex.sqrt(2) ** 2 - 2))
    assert not is_zero_or_tiny(rational_or_ball(ex.sin(ex.pi()) + ex.constant("1e-60")))
    assert not is_zero_or_tiny(rational_or_ball(ex.log(-1)))
    assert not is_zero_or_tiny(rational_or_ball(ex.divide(1, ex.sin(ex.pi()))))
    wide = ex.apply(Op.STEP, ex.sin(ex.pi()))  # a ball around 0, but of radius 1/2
    assert not is_zero_or_tiny(rational_or_ball(wide))
    assert rational_or_ball(ex.constant("0.1")) == Fraction(1, 10)


def test_a_step_at_zero_is_everything_between() -> None:
    (ball,) = enclose_constant(ex.apply(Op.STEP, 0))
    assert ball.contains(0) and ball.contains(1) and ball.contains(arb("0.5"))
    assert not enclose_constant(ex.apply(Op.STEP, ex.log(-1)))[0].is_finite()


def test_free_variables_are_told() -> None:
    with pytest.raises(ValueError, match="x is free"):
        enclose_constant(ex.sin(ex.variable("x", 1)))


ENTRIES = st.lists(st.lists(st.integers(-4, 4), min_size=3, max_size=3), min_size=3, max_size=3)


@given(ENTRIES, st.integers(-3, 3))
def test_definiteness_is_decided_exactly(rows: list[list[int]], shift: int) -> None:
    L = np.array(rows)
    M = L @ L.T + shift * np.eye(3, dtype=int)
    exact = [[Fraction(int(v)) for v in row] for row in M]
    minors = [Fraction(_determinant([row[:k] for row in exact[:k]])) for k in (1, 2, 3)]
    assert is_positive_definite(exact) == all(d > 0 for d in minors)  # Sylvester


def _determinant(m: list[list[Fraction]]) -> Fraction:
    if len(m) == 1:
        return m[0][0]
    return sum(
        (
            (-1) ** j * m[0][j] * _determinant([r[:j] + r[j + 1 :] for r in m[1:]])
            for j in range(len(m))
        ),
        Fraction(0),
    )


def test_definiteness_at_the_edge() -> None:
    tiny = Fraction(1, 10**60)
    assert is_positive_definite([[1, 1], [1, 1 + tiny]])
    assert not is_positive_definite([[1, 1], [1, 1]])
    assert not is_positive_definite([[1, 1], [1, 1 - tiny]])
    assert is_positive_definite([])
    assert is_symmetric([[1, 2], [2, 1]]) and not is_symmetric([[1, 2], [3, 1]])


def test_quadratic_forms() -> None:
    x = ex.variable("x", 2)
    points = np.random.default_rng(0).normal(size=(10, 2))
    centre = [Fraction(1, 3), Fraction(-2)]
    shifted = points - np.array([1 / 3, -2])
    for M in (diagonal([Fraction(2), Fraction(1, 10)]), ((Fraction(2), Fraction(1)), (1, 3))):
        values = function(quadratic_form(M, x, centre), x)(points)[0][:, 0]
        expected = np.einsum("ni,ij,nj->n", shifted, np.array(M, dtype=float), shifted)
        np.testing.assert_allclose(values, expected, rtol=1e-12)
