"""Lines above and below a function of one variable on an interval.

For any slope s, the line s z + t lies below φ on [l, u] iff t is at most the minimum of φ(z) − s z
there, and above φ iff t is at least the maximum. Between the zeros of its derivative φ(z) − s z is
monotone, so both are attained at an end or where φ'(z) = s, which has closed forms. Slopes are
therefore chosen in floats; only the intercepts are computed in balls.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce

from flint import arb

from .algebra import HALF, ONE, ZERO
from .series import Ball, Undefined, coefficients

Op = str | int
Points = list[tuple[Ball, Ball]]
"""Pairs z, φ(z)."""
Line = tuple[Ball, Ball]
"""A slope and an intercept."""


def value(op: Op, z: Ball) -> Ball:
    """φ over a ball; an integer is the power to it. Raises Undefined."""
    if op == "relu":
        return ZERO if z <= 0 else z if z >= 0 else z.nonnegative_part()
    if op == "step":
        return ONE if z > 0 else ZERO if z < 0 else HALF
    if op == "tanh'":
        return 1 - coefficients(2, coefficients("tanh", z, 0)[0], 0)[0]
    return coefficients(op, z, 0)[0]


def lines(op: Op, low: Ball, high: Ball, below: float, above: float) -> tuple[Line, Line, Ball]:
    """The lines of these slopes below and above φ on [low, high], as near as they come, and the
    range of φ there. ``low`` and ``high`` are exact. Raises Undefined."""
    if op == "tanh":
        y = low.tanh(), high.tanh()
        whole = y[0].union(y[1])
    else:
        y, whole = (value(op, low), value(op, high)), value(op, low.union(high))
    s, t = arb(below), arb(above)
    under = _rests([(low, y[0]), (high, y[1]), *_level_points(op, s, low, high)], s, low, high)
    over = _rests([(low, y[0]), (high, y[1]), *_level_points(op, t, low, high)], t, low, high)
    least, most = reduce(arb.min, under).lower(), reduce(arb.max, over).upper()
    if not (least.is_finite() and most.is_finite()):
        raise Undefined(f"a line beside {op}")
    return (s, least), (t, most), whole


def _rests(points: Points, slope: Ball, low: Ball, high: Ball) -> list[Ball]:
    """φ(z) − s z at those of the points that may be inside; what is no number is."""
    return [y - slope * z for z, y in points if not (z < low or z > high)]


def _level_points(op: Op, s: Ball, low: Ball, high: Ball) -> Points:
    """Where φ' = s or φ has a kink; points outside of [low, high] do no harm."""
    if isinstance(op, int):
        return _power_points(op, s)
    if op in ("relu", "step"):
        return [(ZERO, ZERO if op == "relu" else HALF)]
    if op == "tanh":  # 1 − y² = s
        y = (1 - s).sqrt() if 0 < s < 1 else ONE
        return _inverted(op, [y, -y] if 0 < s < 1 else [], low, high)
    if op == "softplus":  # e^z/(1 + e^z) = s, and y = log(1 + e^z) = −log(1 − s)
        return [((s / (1 - s)).log(), -(1 - s).log())] if 0 < s < 1 else []
    if op == "exp":
        return [(s.log(), s)] if s > 0 else []
    if op == "log":
        return [(1 / s, -s.log())] if s > 0 else []
    if op == "sqrt":
        return [(1 / (4 * s * s), 1 / (2 * s))] if s > 0 else []
    if op == "reciprocal":  # −1/z² = s
        y = (-s).sqrt()
        return [(1 / y, y), (-1 / y, -y)] if s < 0 else []
    if op == "tanh'":
        return _bell_points(s, low, high)
    return _periodic_points(str(op), s, low, high)


def _power_points(n: int, s: Ball) -> Points:
    """n z^(n−1) = s."""
    if s == 0 or (n % 2 and s < 0):
        return [(ZERO, ZERO)]
    z = (abs(s) / n).root(n - 1)
    roots = (z, -z) if n % 2 else (z if s >= 0 else -z,)
    return [(v, coefficients(n, v, 0)[0]) for v in roots]


def _bell_points(s: Ball, low: Ball, high: Ball) -> Points:
    """−2 y (1 − y²) = s with y = tanh z: a cubic with three real roots if |s| ≤ 4/√27."""
    size = s * arb(27).sqrt() / 4
    if s == 0:
        return [(ZERO, ONE)]
    if size > 1 or size < -1:
        return []
    if not -1 < size < 1:
        return _anywhere("tanh'", low, high)
    turn, third = 2 * arb.pi() / 3, size.acos() / 3
    ys = [2 / arb(3).sqrt() * (third - turn * k).cos() for k in range(3)]
    return _inverted("tanh'", [y for y in ys if not (y > 1 or y < -1)], low, high)


def _inverted(op: Op, ys: list[Ball], low: Ball, high: Ball) -> Points:
    """Where tanh z is one of these; z may be beyond all bounds if one is as good as ±1."""
    if not all(-1 < y < 1 for y in ys):
        return _anywhere(op, low, high)
    return [(y.atanh(), y if op == "tanh" else 1 - y * y) for y in ys]


MOST_TURNS = 16


def _periodic_points(op: str, s: Ball, low: Ball, high: Ball) -> Points:
    """cos z = s for the sine, 1 + y² = s for y = tan z."""
    if (s > 1 or s < -1) if op == "sin" else s < 1:
        return []
    if op == "sin":
        turn, y = 2 * arb.pi(), ((1 - s) * (1 + s)).sqrt()
        z = arb.atan2(y, s)
    else:
        turn, y = arb.pi(), (s - 1).sqrt()
        z = y.atan()
    first, last_ = float((low / turn).lower()), float((high / turn).upper())
    if not (last_ - first < MOST_TURNS and abs(first) < 2**40):
        return _anywhere(op, low, high)
    turns = range(math.floor(first) - 1, math.ceil(last_) + 2)
    return [(v + turn * k, w) for k in turns for v, w in ((z, y), (-z, -y))]


def _anywhere(op: Op, low: Ball, high: Ball) -> Points:
    """All of [low, high] for one point: wide, but sound for every function."""
    whole = low.union(high)
    return [(whole, value(op, whole))]


PIECES = 8
_FLOATS: dict[str, Callable[[float], float]] = {
    "sin": math.sin, "tan": math.tan, "exp": math.exp, "log": math.log, "sqrt": math.sqrt,
    "tanh": math.tanh, "tanh'": lambda z: 1 - math.tanh(z) ** 2, "reciprocal": lambda z: 1 / z,
    "softplus": lambda z: math.log1p(math.exp(-abs(z))) + max(z, 0.0),
    "relu": lambda z: max(z, 0.0), "step": lambda z: float(z > 0),
}  # fmt: skip


def slopes(op: Op, low: float, high: float, at: float) -> tuple[float, float]:
    """Slopes of the lines below and above φ on [low, high] that are tightest at a point: of chords
    over it between a few points of the graph, the lowest and the highest. In floats, without any
    promise: whatever the slopes are, ``lines`` is sound."""
    step = (high - low) / PIECES
    if op == "step" or not 1e-12 * (abs(low) + abs(high)) < step < math.inf or math.isnan(at):
        return 0.0, 0.0  # a step's lines would be steep, and what is below them far from them
    at = min(max(at, low + 0.01 * step), high - 0.01 * step)
    zs = [low + k * step for k in range(PIECES)] + [high]
    k = min(int((at - low) / step), PIECES - 1) + 1
    try:
        ys = [z**op for z in zs] if isinstance(op, int) else list(map(_FLOATS[op], zs))
        left, right = list(zip(zs, ys, strict=True))[:k], list(zip(zs, ys, strict=True))[k:]
        chords = [
            ((p * (b - at) + q * (at - a)) / (b - a), (q - p) / (b - a))
            for a, p in left for b, q in right
        ]  # fmt: skip
    except (ArithmeticError, ValueError):
        return 0.0, 0.0
    below, above = min(chords)[1], max(chords)[1]
    return (below, above) if math.isfinite(below) and math.isfinite(above) else (0.0, 0.0)
