"""Slopes for lines below and above elementary functions: good guesses, of which nothing is proved.

The best line below φ on an interval, at a point z, is the one that supports φ's convex envelope
there; above, the concave envelope. For S-shaped functions the envelope is φ itself up to the point
of the tangent through the far end, and that tangent from there on (Zhang et al., arXiv 1811.00866).
"""

from __future__ import annotations

import math

import numba

from certify.enclosure.compiled import jit
from certify.enclosure.lines import FAR, RELU, SQUARE
from certify.enclosure.series import (
    COS,
    EXP,
    LOG,
    RECIPROCAL,
    SIGMOID,
    SIN,
    SOFTPLUS,
    SQRT,
    TANH,
)


@numba.njit(inline="always")
def _slope(kind: int, z: float) -> float:
    """φ'(z), for choosing slopes; need not be accurate."""
    if kind == TANH:
        t = math.tanh(z)
        return 1.0 - t * t
    if kind == SIGMOID:
        t = math.tanh(0.5 * z)
        return 0.25 * (1.0 - t * t)
    if kind == SQUARE:
        return 2.0 * z
    if kind == RELU:
        return 1.0 if z > 0.0 else 0.0
    if kind == SIN:
        return math.cos(z)
    if kind == COS:
        return -math.sin(z)
    if kind == EXP:
        return math.exp(z)
    if kind == LOG:
        return 1.0 / z
    if kind == SQRT:
        return 0.5 / math.sqrt(z) if z > 0.0 else 1e150
    if kind == SOFTPLUS:
        return 0.5 + 0.5 * math.tanh(0.5 * z)
    return -1.0 / (z * z)


@jit
def curvature(kind: int, lo: float, hi: float) -> int:
    """1 where φ is convex on [lo, hi], −1 where concave, 0 where it may be neither."""
    if kind in (SQUARE, RELU, EXP, SOFTPLUS):
        return 1
    if kind in (LOG, SQRT):
        return -1
    if kind == RECIPROCAL:
        return 1 if lo > 0.0 else -1
    if kind in (TANH, SIGMOID):
        return 1 if hi <= 0.0 else (-1 if lo >= 0.0 else 0)
    if abs(lo) > FAR or abs(hi) > FAR:
        return 0  # beyond the integers, too
    shift = 0.0 if kind == SIN else 0.5 * math.pi
    half = math.floor((lo + shift) / math.pi)
    if (hi + shift) <= (half + 1.0) * math.pi:
        return -1 if int(half) % 2 == 0 else 1
    return 0


@jit
def far_tangent(kind: int, end: float, other: float) -> float:
    """Where the tangent of an S-shaped φ passes through (other, φ(other)); ``end`` if beyond it.

    ``end`` and ``other`` lie on different sides of 0. Newton's method; approximate.
    """
    half = 1.0 if kind == TANH else 0.5  # σ(z) is tanh(z/2) but for scale and shift
    a, q = half * end, half * other
    target, t = math.tanh(q), math.tanh(a)
    if (t + (1.0 - t * t) * (q - a) - target) * q >= 0.0:
        return end
    d = max(-0.5 * q, a) if q > 0.0 else min(-0.5 * q, a)
    for _ in range(4):
        t = math.tanh(d)
        s = 1.0 - t * t
        # The derivative of t + s (q − d) is −2 t s (q − d).
        d -= (t + s * (q - d) - target) / (-2.0 * t * s * (q - d))
        d = min(max(d, a), -1e-9) if q > 0.0 else max(min(d, a), 1e-9)
    return d / half if d == d else end


@jit
def chord(kind: int, lo: float, hi: float, a: float, b: float) -> float:
    """The slope between the ends of the interval, where φ is a and b."""
    width = hi - lo
    if width > 1e-7 * (1.0 + abs(lo) + abs(hi)):
        return (b - a) / width
    slope: float = _slope(kind, 0.5 * (lo + hi))
    return slope


@jit
def supporting(
    kind: int,
    lo: float,
    hi: float,
    a: float,
    b: float,
    z: float,
    bend: int,
    far: float,
    above: bool,
) -> float:
    """The slope of the best line above (below) φ on [lo, hi] at z: it supports the envelope there.

    a and b are φ at the ends, ``bend`` is the curvature, and ``far`` the point of the far tangent
    where that is 0.
    """
    z = min(max(z, lo), hi)
    slope: float = chord(kind, lo, hi, a, b)
    if bend != 0:
        if (bend > 0) != above:
            slope = _slope(kind, z)
    elif kind not in (TANH, SIGMOID):
        slope = slope if hi - lo < 3.0 else 0.0
    elif far != (hi if above else lo):
        # Below: convex up to the far tangent's point, straight from there on; above: the mirror.
        slope = _slope(kind, max(z, far) if above else min(z, far))
    return slope


@jit
def far_tangents(kind: int, lo: float, hi: float, bend: int) -> tuple[float, float]:
    """``far`` of :func:`supporting`, for the lines below and above."""
    if bend != 0 or kind not in (TANH, SIGMOID):
        return 0.0, 0.0
    return far_tangent(kind, lo, hi), far_tangent(kind, hi, lo)
