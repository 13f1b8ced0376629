"""Exact real constants: what a statement says, not what a float happens to hold.

A literal ``0.15`` in a system file is the rational 3/20; a float64 weight is the dyadic rational
that its bits denote. Both live in an :class:`ExactArray`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from numbers import Rational
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

Number = int | float | Fraction | str
"""What callers may write where an exact number is wanted; a string is a decimal or a quotient."""


def exact(value: object) -> Fraction:
    """The rational that ``value`` denotes: an int, a float's bits, a Fraction, or text like "0.15".

    Raises ValueError for NaN, infinities and text that is no number.
    """
    if isinstance(value, Fraction):
        return value
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is a truth value, not a number")
    if isinstance(value, int | np.integer):
        return Fraction(int(value))
    if isinstance(value, float | np.floating):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a finite number")
        return Fraction(float(value))
    if isinstance(value, str):
        _, _, exponent = value.lower().partition("e")
        try:
            if exponent and abs(int(exponent)) > 400:  # "1e999999" would make a million digits
                raise ValueError
            return Fraction(value)
        except (ValueError, ZeroDivisionError):
            raise ValueError(f"{value[:40]!r} is not a number of ordinary size") from None
    if isinstance(value, Rational):
        return Fraction(int(value.numerator), int(value.denominator))
    raise ValueError(f"{value!r} is not a number")


def nearest_float(value: Fraction) -> float:
    """The float64 nearest to ``value``. Raises ValueError where it overflows."""
    try:
        return value.numerator / value.denominator
    except OverflowError:
        raise ValueError("a constant lies beyond the range of float64") from None


def short_fraction(value: Fraction, down: bool) -> Fraction:
    """A decimal of four significant digits next to a positive value, on the given side."""
    if value <= 0:
        return value
    digits = len(str(value.numerator // value.denominator)) if value >= 1 else 0
    scale = Fraction(10) ** (4 - digits)
    while value * scale < 1000:
        scale *= 10
    whole = value * scale
    rounded = whole.numerator // whole.denominator
    return Fraction(rounded if down or whole == rounded else rounded + 1) / scale


def exact_words(value: Fraction) -> str:
    """A rational as a decimal where it is a short one, else as a quotient."""
    for digits in range(13):
        scaled = abs(value) * 10**digits
        if scaled.denominator == 1:
            whole = str(scaled.numerator).rjust(digits + 1, "0")
            text = f"{whole[:-digits]}.{whole[-digits:]}" if digits else whole
            return f"-{text}" if value < 0 else text
    return str(value)


@dataclass(frozen=True, eq=False)
class ExactArray:
    """An immutable vector or matrix of exact rationals.

    ``values`` holds the nearest float64 of every entry (read-only). ``exceptions`` maps the flat
    index of each entry whose float is *not* exact to its rational; large weight matrices have none.
    """

    values: NDArray[np.float64]
    exceptions: Mapping[int, Fraction] = field(default_factory=dict)

    @staticmethod
    def of(values: ArrayLike | Iterable[object]) -> ExactArray:
        """From floats (their bits), or from nested sequences of :data:`Number`."""
        array = values if isinstance(values, np.ndarray) else np.array(values, dtype=object)
        if array.dtype.kind == "f":
            floats = np.array(array, dtype=np.float64)
            if not np.isfinite(floats).all():
                raise ValueError("a constant is NaN or infinite")
            return ExactArray(_frozen(floats))
        rationals = [exact(v) for v in array.ravel().tolist()]
        return ExactArray.from_rationals(rationals, array.shape)

    @staticmethod
    def from_rationals(rationals: Iterable[Fraction], shape: tuple[int, ...]) -> ExactArray:
        """From rationals in row-major order."""
        rationals = list(rationals)
        floats = np.array([nearest_float(v) for v in rationals], dtype=np.float64)
        odd = {
            i: v
            for i, (v, x) in enumerate(zip(rationals, floats.tolist(), strict=True))
            if Fraction(x) != v
        }
        return ExactArray(_frozen(floats.reshape(shape)), MappingProxyType(odd))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def is_dyadic(self) -> bool:
        """Whether every entry is exactly its float64."""
        return not self.exceptions

    def rationals(self) -> list[Fraction]:
        """Every entry as a rational, in row-major order."""
        out = [Fraction(v) for v in self.values.ravel().tolist()]
        for i, v in self.exceptions.items():
            out[i] = v
        return out

    def radius(self) -> NDArray[np.float64]:
        """|entry − values| is at most this, entrywise; 0 where the float is exact."""
        out = np.zeros(self.values.size)
        for i in self.exceptions:
            out[i] = np.spacing(abs(self.values.flat[i]))  # half an ulp suffices
        return out.reshape(self.shape)

    def transposed(self) -> ExactArray:
        """The transpose of a matrix."""
        if self.is_dyadic:
            return ExactArray(_frozen(np.ascontiguousarray(self.values.T)))
        rows, columns = self.shape
        flat = self.rationals()
        return ExactArray.from_rationals(
            [flat[i * columns + j] for j in range(columns) for i in range(rows)], (columns, rows)
        )

    def key(self) -> tuple[object, ...]:
        """Hashable content, for structural comparison."""
        # + 0.0 folds the two zeros, which denote the same rational.
        return (
            self.shape,
            (self.values + 0.0).tobytes(),
            tuple(sorted(self.exceptions.items())),
        )


def _frozen(array: NDArray[np.float64]) -> NDArray[np.float64]:
    array = np.ascontiguousarray(array)
    array.setflags(write=False)
    return array


def exact_sum(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """a + b where floats hold every entry exactly, else None (Knuth's error-free sum)."""
    with np.errstate(all="ignore"):
        s = a + b
        part = s - a
        error = (a - (s - part)) + (b - part)
    return s if np.isfinite(s).all() and not error.any() else None


def exact_product(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """a · b where floats hold every entry exactly, else None (Dekker's error-free product).

    None too where a product is so large or so small that the error itself might not be a float.
    """
    with np.errstate(all="ignore"):
        p = a * b
        ah, al = _halves(a)
        bh, bl = _halves(b)
        error = ((ah * bh - p) + ah * bl + al * bh) + al * bl
        sizes = np.abs(p[p != 0])
        safe = np.isfinite(p).all() and not ((p == 0) & (a != 0) & (b != 0)).any()
        safe = safe and bool(((sizes > 1e-250) & (sizes < 1e250)).all())
        safe = safe and max(np.abs(a).max(), np.abs(b).max()) < 1e250
    return p if safe and not error.any() else None


def _halves(a: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """a = high + low with at most 26 bits each (Veltkamp)."""
    scaled = a * 134217729.0
    high = scaled - (scaled - a)
    return high, a - high
