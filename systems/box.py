"""Products of closed intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from systems.exact import exact


@dataclass(frozen=True)
class Box:
    """{x : lower ≤ x ≤ upper}, a product of n closed intervals with exact rational ends."""

    lower: tuple[Fraction, ...]
    upper: tuple[Fraction, ...]

    def __post_init__(self) -> None:
        if len(self.lower) != len(self.upper) or not self.lower:
            raise ValueError("a box needs as many upper as lower ends, and at least one")
        for i, (low, high) in enumerate(zip(self.lower, self.upper, strict=True)):
            if low > high:
                raise ValueError(f"interval {i} is empty: [{float(low)}, {float(high)}]")

    @staticmethod
    def of(intervals: Iterable[Sequence[object]]) -> Box:
        """From pairs (lower, upper) of exact numbers."""
        pairs = [(exact(a), exact(b)) for a, b in intervals]
        return Box(tuple(a for a, _ in pairs), tuple(b for _, b in pairs))

    @staticmethod
    def symmetric(half_widths: Iterable[object]) -> Box:
        """[−h, h] for each half-width h."""
        return Box.of([(-exact(h), exact(h)) for h in half_widths])

    @property
    def dimension(self) -> int:
        return len(self.lower)

    @property
    def centre(self) -> tuple[Fraction, ...]:
        return tuple((a + b) / 2 for a, b in zip(self.lower, self.upper, strict=True))

    @property
    def widths(self) -> tuple[Fraction, ...]:
        return tuple(b - a for a, b in zip(self.lower, self.upper, strict=True))

    @property
    def volume(self) -> Fraction:
        return math.prod(self.widths, start=Fraction(1))

    def outer(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Float64 ends of shape (n,) each, rounded outwards."""
        return (
            np.array([_down(v) for v in self.lower]),
            np.array([-_down(-v) for v in self.upper]),
        )

    def contains(self, point: Sequence[object]) -> bool:
        values = [exact(v) for v in point]
        return len(values) == self.dimension and all(
            a <= v <= b for a, v, b in zip(self.lower, values, self.upper, strict=True)
        )

    def contains_in_interior(self, point: Sequence[object]) -> bool:
        values = [exact(v) for v in point]
        return len(values) == self.dimension and all(
            a < v < b for a, v, b in zip(self.lower, values, self.upper, strict=True)
        )

    def split(self, axis: int, at: object | None = None) -> tuple[Box, Box]:
        """The two halves along ``axis``, cut in the middle unless ``at`` says where."""
        cut = self.centre[axis] if at is None else exact(at)
        if not self.lower[axis] <= cut <= self.upper[axis]:
            raise ValueError(f"the cut {float(cut)} is outside interval {axis}")
        upper, lower = list(self.upper), list(self.lower)
        upper[axis] = lower[axis] = cut
        return Box(self.lower, tuple(upper)), Box(tuple(lower), self.upper)

    def faces(self) -> tuple[Box, ...]:
        """The 2n faces, each a box of width 0 along one axis; together, the boundary."""
        out = []
        for axis in range(self.dimension):
            for end in (self.lower[axis], self.upper[axis]):
                low, high = list(self.lower), list(self.upper)
                low[axis] = high[axis] = end
                out.append(Box(tuple(low), tuple(high)))
        return tuple(out)

    def scaled(self, factor: object) -> Box:
        """The box about the same centre with every width multiplied."""
        k = exact(factor)
        return Box.of(
            [(c - k * w / 2, c + k * w / 2) for c, w in zip(self.centre, self.widths, strict=True)]
        )

    def sample(self, count: int, generator: np.random.Generator) -> NDArray[np.float64]:
        """Points of shape (count, n), uniform; for learners and tests, not for proofs."""
        low = np.array([float(v) for v in self.lower])
        high = np.array([float(v) for v in self.upper])
        return np.asarray(low + (high - low) * generator.random((count, self.dimension)))


def _down(value: Fraction) -> float:
    nearest = value.numerator / value.denominator
    return nearest if Fraction(nearest) <= value else math.nextafter(nearest, -math.inf)
