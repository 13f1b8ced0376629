"""What the enclosure tests share: points of boxes, and the comparison with ball arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from flint import arb
from numpy.typing import NDArray

from certify.balls import BallInterpreter
from certify.enclosure.engine import Engine
from systems.evaluate import evaluate
from systems.tape import Tape

Array = NDArray[np.float64]


def outside(value: arb, low: float, high: float) -> bool:
    """Whether a value lies outside [low, high] for certain; an undefined one has no bounds."""
    if not value.is_finite():
        return math.isfinite(low) or math.isfinite(high)
    below = math.isfinite(low) and value < arb(low)
    above = math.isfinite(high) and value > arb(high)
    return bool(below or above)


def boxes_around(centres: Array, widths: Array) -> tuple[Array, Array]:
    """Boxes (B, n) from centres (B, n) and widths (B,) or (B, n)."""
    half = 0.5 * np.broadcast_to(widths.reshape(len(centres), -1), centres.shape)
    return centres - half, np.maximum(centres + half, centres - half)


def points_in(low: Array, high: Array, count: int, generator: np.random.Generator) -> Array:
    """Points of every box, (B, P, n): its corners and centre, points on its sides, and inside."""
    n = low.shape[1]
    corners = np.array(list(product([0.0, 1.0], repeat=n)))[:16]
    t = generator.random((count, n))
    on_sides = generator.random(t.shape) < 0.2
    t = np.where(on_sides, np.round(t), t)
    t = np.concatenate([corners, np.full((1, n), 0.5), t])
    points = low[:, None] + (high - low)[:, None] * t[None]
    return np.clip(points, low[:, None], high[:, None])


@dataclass
class Checked:
    """How much a check has looked at: points in floats, points in balls, finite bounds."""

    points: int = 0
    exact: int = 0
    finite: int = 0


def check(
    tape: Tape,
    low: Array,
    high: Array,
    orders: tuple[int, ...],
    generator: np.random.Generator,
    *,
    points: int = 60,
    exact: int = 3,
) -> Checked:
    """Assert that the engine's bounds hold the tape's values, for every box and order.

    Every float value that does not lie inside the bounds is computed again in balls, and so are
    ``exact`` points of every box: only these decide.
    """
    seen = Checked()
    oracle = BallInterpreter(tape, 192)
    try:
        engine = Engine(tape, np.maximum(np.abs(low), np.abs(high)).max(axis=0))
    except ValueError as error:  # a constant such as log(0): then there is nothing to bound
        assert "undefined" in str(error) or "may be 0" in str(error)
        assert any(not b.is_finite() for r in oracle.constant_registers().values() for b in r)
        return seen
    where = points_in(low, high, points, generator)
    B, P, n = where.shape
    flat = where.reshape(-1, n)
    values = np.hstack(evaluate(tape, flat)).reshape(B, P, -1)
    chosen = generator.permuted(np.tile(np.arange(P), (B, 1)), axis=1)[:, :exact]
    known = {
        (b, p): [balls[0] for balls in oracle.outputs(list(where[b, p]), list(where[b, p]))]
        for b in range(B)
        for p in {0, *chosen[b].tolist()}
    }
    for order in orders:
        lower, upper = engine.bound(low, high, order)
        inside = (lower[:, None] <= values) & (values <= upper[:, None])
        seen.points += B * P
        seen.finite += int(np.isfinite(upper - lower).all(axis=1).sum())
        suspects = [(b, p) for b, p in np.argwhere(~inside.all(axis=2)).tolist()]
        for b, p in [*known, *suspects[:200]]:
            if (b, p) not in known:
                point = list(where[b, p])
                known[b, p] = [balls[0] for balls in oracle.outputs(point, point)]
            for j, value in enumerate(known[b, p]):
                assert not outside(value, lower[b, j], upper[b, j]), (
                    f"order {order}, output {j}, box {low[b].tolist()} to {high[b].tolist()}, "
                    f"point {where[b, p].tolist()}: {value} is not in "
                    f"[{lower[b, j]!r}, {upper[b, j]!r}]"
                )
        seen.exact += len(known)
    return seen
