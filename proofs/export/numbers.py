"""Exact numbers in files: decimals rounded to a wanted side, and how far floats are from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction

from systems.exact import ExactArray
from systems.expression import Op
from systems.tape import Tape

MOST_DIGITS = 1100
"""Every float64 is a decimal of fewer digits, before and behind the point together."""
KEPT_DIGITS = 40
"""Significant digits of a number that is no short enough decimal."""


def decimal_below(value: Fraction) -> str:
    """The number itself as a decimal, else one that is a little smaller."""
    return _decimal(value, math.floor)


def decimal_above(value: Fraction) -> str:
    """The number itself as a decimal, else one that is a little larger."""
    return _decimal(value, math.ceil)


def is_short_decimal(value: Fraction) -> bool:
    """Whether :func:`decimal_below` and :func:`decimal_above` write the number itself."""
    return _places(value) is not None


def largest_difference(arrays: Iterable[ExactArray]) -> tuple[int, Fraction]:
    """How many entries are no floats, and the largest difference to the nearest float."""
    gaps = [
        abs(v - Fraction(float(array.values.flat[i])))
        for array in arrays
        for i, v in array.exceptions.items()
    ]
    return len(gaps), max(gaps, default=Fraction(0))


def rounded_up(value: Fraction) -> str:
    """A short decimal that is not below a number ≥ 0, for comments."""
    if not value:
        return "0"
    exponent = _order(value)
    unit = Fraction(10) ** (exponent - 1)
    return f"{math.ceil(value / unit)}e{exponent - 1}"


def _places(value: Fraction) -> int | None:
    """How many digits behind the point write the number exactly; None where none or too many."""
    rest, twos, fives = value.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    places = max(twos, fives)
    if rest != 1 or places > MOST_DIGITS or abs(value) >= Fraction(10) ** (MOST_DIGITS - places):
        return None
    return places


def rounding_line(tape: Tape) -> str:
    """How the constants of the tape that take part stand in float64."""
    used = [tape.instructions[r] for r in sorted(tape.needed)]
    arrays = [tape.constants[c] for c in sorted({c for i in used for c in i.constants})]
    count, gap = largest_difference(arrays)
    words = "Every constant is exactly its float64."
    if count:
        words = (
            f"{count} constants are no float64: the nearest stands for each, within "
            f"{rounded_up(gap)}."
        )
    return words + (" So it does for pi." if any(i.op is Op.PI for i in used) else "")


def _decimal(value: Fraction, whole: Callable[[Fraction], int]) -> str:
    places = _places(value)
    if places is None:
        places = min(max(KEPT_DIGITS - 1 - _order(abs(value)), 0), MOST_DIGITS)
    return _text(whole(value * 10**places), places)


def _order(value: Fraction) -> int:
    """k with 10ᵏ ≤ value < 10ᵏ⁺¹, for a positive number."""
    order = len(str(value.numerator)) - len(str(value.denominator))
    return order if Fraction(10) ** order <= value else order - 1


def _text(units: int, places: int) -> str:
    digits = str(abs(units)).rjust(places + 1, "0")
    whole, behind = digits[: len(digits) - places], digits[len(digits) - places :]
    return f"{'-' if units < 0 else ''}{whole}.{behind or '0'}"
