"""Exact arrays: rationals in, the same rationals out."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from systems.exact import (
    ExactArray,
    exact,
    exact_product,
    exact_sum,
    nearest_float,
    short_fraction,
)

RATIONALS = st.fractions(max_denominator=10**6) | st.floats(
    allow_nan=False, allow_infinity=False
).map(Fraction)


@given(st.lists(RATIONALS, min_size=1, max_size=12))
def test_rationals_survive(values: list[Fraction]) -> None:
    array = ExactArray.from_rationals(values, (len(values),))
    assert array.rationals() == values
    for value, x, radius in zip(values, array.values, array.radius(), strict=True):
        assert abs(value - Fraction(float(x))) <= Fraction(float(radius))
    assert array.is_dyadic == all(Fraction(float(v)) == v for v in values)


@given(st.lists(RATIONALS, min_size=6, max_size=6))
def test_transposition(values: list[Fraction]) -> None:
    array = ExactArray.from_rationals(values, (2, 3))
    turned = array.transposed()
    assert turned.shape == (3, 2)
    assert turned.rationals() == [values[i * 3 + j] for j in range(3) for i in range(2)]
    assert turned.transposed().key() == array.key()


def test_floats_are_their_bits_and_text_is_decimal() -> None:
    assert ExactArray.of(np.array([0.1])).rationals() == [Fraction(0.1)]
    assert ExactArray.of(["0.1"]).rationals() == [Fraction(1, 10)]
    assert ExactArray.of([[1, "1/3"], [0.5, Fraction(2, 7)]]).shape == (2, 2)
    assert exact(np.int64(3)) == 3 and exact(np.float64(0.5)) == Fraction(1, 2)


def test_keys_compare_content() -> None:
    assert ExactArray.of([0.0]).key() == ExactArray.of([-0.0]).key()
    assert ExactArray.of(["0.1"]).key() != ExactArray.of([0.1]).key()
    assert ExactArray.of([1, 2]).key() != ExactArray.of([[1, 2]]).key()


def test_arrays_cannot_be_written_to() -> None:
    source = np.array([1.0, 2.0])
    array = ExactArray.of(source)
    source[0] = 9.0
    assert array.rationals() == [1, 2]
    with pytest.raises(ValueError, match="read-only"):
        array.values[0] = 3.0


@pytest.mark.parametrize(
    "value", [np.nan, np.inf, -np.inf, True, "abc", "1/0", "1e999999", "nan", None, 1j, ""]
)
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        exact(value)


def test_overflow_is_told() -> None:
    with pytest.raises(ValueError, match="beyond the range of float64"):
        nearest_float(Fraction(10) ** 400)
    with pytest.raises(ValueError, match="NaN or infinite"):
        ExactArray.of(np.array([np.nan]))
    assert nearest_float(Fraction(1, 10**400)) == 0.0


FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-40, 40).map(
    lambda k: 2.0**k
)


@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=1, max_size=8))
def test_an_exact_sum_or_product_is_exact(pairs: list[tuple[float, float]]) -> None:
    a, b = (np.array(v) for v in zip(*pairs, strict=True))
    total, product = exact_sum(a, b), exact_product(a, b)
    for i, (x, y) in enumerate(pairs):
        if total is not None:
            assert Fraction(float(total[i])) == Fraction(x) + Fraction(y)
        if product is not None:
            assert Fraction(float(product[i])) == Fraction(x) * Fraction(y)


def test_short_products_and_sums_are_found_exact_and_long_ones_not() -> None:
    a, b = np.array([0.5, 3.0, 0.0]), np.array([1.25, -7.0, 2.0])
    assert exact_sum(a, b) is not None
    assert exact_product(a, b) is not None
    assert exact_sum(np.array([1.0]), np.array([1e-30])) is None
    assert exact_product(np.array([0.1]), np.array([0.1])) is None
    assert exact_product(np.array([1e-200]), np.array([1e-200])) is None


@given(st.fractions(min_value=Fraction(1, 10**12), max_value=10**12), st.booleans())
def test_a_short_fraction_is_close_and_on_its_side(value: Fraction, down: bool) -> None:
    short = short_fraction(value, down)
    assert (short <= value) if down else (short >= value)
    assert abs(short - value) <= value / 999
    assert float(f"{float(short):.4g}") == pytest.approx(float(short), rel=1e-12)
