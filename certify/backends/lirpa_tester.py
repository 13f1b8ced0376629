"""Bounds of the library as what closes boxes in a branch and bound. Not float-sound.

A box is closed where the library's bound says so with a margin to spare: 1e-9 of the terms that the
output is the sum of, 1e-13 of the largest number in between, and 1e-12. The margin outweighs the
rounding errors that were seen. It is a courtesy, and no proof that they are smaller.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from certify.backends.base import BackendError
from certify.backends.lirpa_graph import Graph
from certify.budget import Clock
from certify.enclosure.engine import Levels, Tested

Array = NDArray[np.float64]

ENTRIES = 2_000_000
"""Of the matrices between two layers, for all the boxes that are bounded at once."""

LAG = 16.0
"""A coordinate this much wider than the one that would be halved, relatively, is halved instead."""

OF_TERMS, OF_LARGEST, ALWAYS = 1e-9, 1e-13, 1e-12


class BoundsOfBoxes(Protocol):
    """(B, n) lower, upper → bounds (B, J) of h_j + level_j and the largest number met, (B,)."""

    def __call__(self, lower: Array, upper: Array) -> tuple[Array, Array, Array]: ...


class BoundsTester:
    """A tester (see :mod:`certify.branch_and_bound`) around bounds of a violation's outputs.

    Output j of ``graph`` and of ``bounds`` is that of constraint j times its sign. When the clock's
    time is out, the boxes that are left stay open. Raises BackendError where a bound excludes the
    value at a box's centre.
    """

    def __init__(self, graph: Graph, bounds: BoundsOfBoxes, clock: Clock) -> None:
        self.graph, self.bounds, self.clock = graph, bounds, clock

    @property
    def orders(self) -> tuple[int, ...]:
        return (1,)

    def cost(self, order: int) -> float:
        del order
        return 1.0

    def test(self, lower: Array, upper: Array, order: int, levels: Levels, scale: Array) -> Tested:
        """As Engine.test; boxes are closed by one constraint alone."""
        del order
        B, J = len(lower), len(levels.sign)
        found = Tested(
            np.full(B, -1, dtype=np.int64),
            np.zeros(B),
            _widest(lower, upper, scale),
            np.full((B, J), np.nan),
            np.full((B, J), -np.inf),
            np.full((B, J), np.inf),
        )
        chunk = min(max(ENTRIES // max(n.size for n in self.graph.nodes) ** 2, 64), 4096)
        for start in range(0, B, chunk):
            if self.clock.exhausted(0) is not None:
                break
            part = slice(start, start + chunk)
            self._test(lower[part], upper[part], levels, scale, found, part)
        return found

    def _test(
        self, lower: Array, upper: Array, levels: Levels, scale: Array, found: Tested, part: slice
    ) -> None:
        a, z, largest = self.bounds(lower, upper)
        middle, terms = self.graph.values(lower + 0.5 * (upper - lower))
        with np.errstate(all="ignore"):
            margin = margins(terms, z, levels.level, largest)
            _check_containment(a, z, middle, margin)
            high = z - levels.level + margin
            known = np.isfinite(high)
            found.middle[part] = middle - levels.level
            found.lower[part] = np.where(known, a - levels.level - margin, -np.inf)
            found.upper[part] = np.where(known, high, np.inf)
            closed = known & (high < 0.0)
        # A box with an undefined point is open, whatever the other outputs are.
        closed &= known.all(axis=1, keepdims=True)
        found.reason[part] = np.where(closed.any(axis=1), closed.argmax(axis=1), -1)
        rest = np.flatnonzero(~closed.any(axis=1))
        if len(rest):
            chosen = self._axes(lower[rest], upper[rest], found, part, rest, scale)
            found.axis[part][rest] = chosen

    def _axes(
        self,
        lower: Array,
        upper: Array,
        found: Tested,
        part: slice,
        rest: NDArray[np.int64],
        scale: Array,
    ) -> NDArray[np.int64]:
        """The coordinate along which the constraint nearest to closing the box changes most.

        Where the bound is mostly slack, or a coordinate lags far behind: the widest, relatively.
        """
        middle, high = found.middle[part][rest], found.upper[part][rest]
        with np.errstate(all="ignore"):
            slack = high - middle
            share = np.where(np.isfinite(slack), high / slack, np.inf)
        nearest = np.where(np.isnan(share), np.inf, share).argmin(axis=1)
        rows, n = np.arange(len(rest)), lower.shape[1]
        centre = lower + 0.5 * (upper - lower)
        change = np.empty((len(rest), n))
        for v in range(n):
            ends = []
            for side in (lower, upper):
                points = centre.copy()
                points[:, v] = side[:, v]
                ends.append(self.graph.values(points)[0][rows, nearest])
            with np.errstate(invalid="ignore"):
                change[:, v] = np.abs(ends[1] - ends[0])
        widest = _widest(lower, upper, scale)
        best = np.nan_to_num(change, nan=0.0, posinf=0.0).argmax(axis=1)
        with np.errstate(all="ignore"):
            explained = change.sum(axis=1) > slack[rows, nearest]
        widths = (upper - lower) / np.where(scale > 0, scale, 1.0)
        lags = widths[rows, widest] > LAG * widths[rows, best]
        chosen = np.where(explained & ~lags, best, widest)
        return np.where(widths[rows, chosen] > 0, chosen, widest)


def margins(terms: Array, bound: Array, level: Array, largest: Array) -> Array:
    """What is allowed for rounding: (B, J), (B, J), (J,), (B,) → (B, J)."""
    with np.errstate(all="ignore"):
        size = np.maximum(terms, np.abs(bound)) + np.abs(level)
        return np.asarray(OF_TERMS * size + OF_LARGEST * largest[:, None] + ALWAYS)


def _check_containment(a: Array, z: Array, middle: Array, margin: Array) -> None:
    """A bound that the value at the centre does not keep is a bug of the library's."""
    outside = np.isfinite(middle) & ((middle < a - margin) | (middle > z + margin))
    if outside.any():
        b, j = (int(v) for v in np.argwhere(outside)[0])
        raise BackendError(
            f"a bound of the library is wrong: [{a[b, j]:.17g}, {z[b, j]:.17g}] does not hold "
            f"{middle[b, j]:.17g}, a value on the box"
        )


def _widest(lower: Array, upper: Array, scale: Array) -> NDArray[np.int64]:
    """The relatively widest coordinate, −1 for a point."""
    widths = (upper - lower) / np.where(scale > 0, scale, 1.0)
    return np.where((widths > 0).any(axis=1), widths.argmax(axis=1), -1)
