"""A rigorous lower bound of the volume of a sublevel set, by an inner paving."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from certify.budget import Budget
from certify.enclosure.engine import Engine
from systems.box import Box
from systems.tape import Tape

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Paving:
    """Boxes inside {output ≤ level}, and bounds of the set's volume.

    ``lower``, ``upper`` (B, n) are boxes that lie in the set; ``volume`` is a lower bound of its
    volume, and ``at_most`` an upper bound.
    """

    lower: Array
    upper: Array
    volume: float
    at_most: float


def sublevel_paving(
    tape: Tape,
    level: Fraction,
    region: Box,
    budget: Budget,
    *,
    tolerance: float = 0.02,
    most_boxes: int = 200_000,
) -> Paving:
    """Pave {x in region : V(x) ≤ level}, V the first output of the tape.

    Stops when the undecided part is below ``tolerance`` of the region that was found, or when the
    budget or ``most_boxes`` runs out; the bounds are rigorous at any time.
    """
    low, high = (np.array([v]) for v in region.outer())
    engine = Engine(tape, np.maximum(np.abs(low[0]), np.abs(high[0])))
    bound = _below(level)
    clock = budget.started()
    inside: list[tuple[Array, Array]] = []
    inner, seen = 0.0, 0
    while len(low):
        _, upper = lower_upper = engine.bound(low, high, 2)
        seen += len(low)
        closed_in = upper[:, 0] <= bound
        outside = lower_upper[0][:, 0] > bound + abs(bound) * 1e-15
        if closed_in.any():
            inside.append((low[closed_in], high[closed_in]))
            inner += _volume(low[closed_in], high[closed_in])
        open_ = ~(closed_in | outside)
        low, high = low[open_], high[open_]
        undecided = _volume(low, high)
        if undecided <= tolerance * inner or clock.exhausted(0) or seen > most_boxes:
            break
        low, high = _halved(low, high)
    found = inside or [(low[:0], high[:0])]
    boxes_low = np.concatenate([a for a, _ in found])
    boxes_high = np.concatenate([b for _, b in found])
    margin = 1e-9  # the sums above carry fewer than 10⁶ roundings of 1.2e-16 each
    at_most = (inner + _volume(low, high)) * (1 + margin)
    return Paving(boxes_low, boxes_high, inner * (1 - margin), at_most)


def _below(level: Fraction) -> float:
    value = float(level)
    return value if Fraction(value) <= level else math.nextafter(value, -math.inf)


def _volume(low: Array, high: Array) -> float:
    return float((high - low).prod(axis=1).sum()) if len(low) else 0.0


def _halved(low: Array, high: Array) -> tuple[Array, Array]:
    """Each box in two, along its widest side."""
    rows = np.arange(len(low))
    axis = (high - low).argmax(axis=1)
    middle = low[rows, axis] + 0.5 * (high[rows, axis] - low[rows, axis])
    left_high, right_low = high.copy(), low.copy()
    left_high[rows, axis] = middle
    right_low[rows, axis] = middle
    return np.concatenate([low, right_low]), np.concatenate([left_high, high])
