"""Lines below and above elementary functions on an interval: any slope, and an intercept for it.

φ(z) ≥ s z + t on [l, h] holds for every slope s if t is at most the minimum of φ(z) − s z there.
So slopes may come from anywhere (:mod:`certify.enclosure.slopes`), and only the intercept has to be
rigorous: the least and the greatest value of φ(z) − s z are taken at the ends of the interval or at
a critical point φ'(z) = s, which has a closed form.
"""

from __future__ import annotations

import math

import numba

from certify.enclosure.compiled import jit
from certify.enclosure.rounding import ELEMENTARY, TINY
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

SQUARE, RELU = 9, 10
"""Beside the functions of :mod:`certify.enclosure.series`."""

NEAR = 1e-9
"""A critical point that lies outside the interval by less than this share of its size counts as
inside: that can only weaken a line."""

ERROR = 32.0 * ELEMENTARY
"""Relative to the sum of the moduli of all terms: a few roundings and library calls."""

FAR = 1e6
"""Beyond, an argument of sine or cosine gets no lines but the trivial ones."""


@jit
def value(kind: int, z: float) -> float:
    """φ(z) in floating point, within four times the stated error of library functions."""
    if kind == TANH:
        return math.tanh(z)
    if kind == SIGMOID:
        return 1.0 / (1.0 + math.exp(-z)) if z >= 0.0 else math.exp(z) / (1.0 + math.exp(z))
    if kind == SQUARE:
        return z * z
    if kind == RELU:
        return max(z, 0.0)
    if kind == SIN:
        return math.sin(z)
    if kind == COS:
        return math.cos(z)
    if kind == EXP:
        return math.exp(z)
    if kind == LOG:
        return math.log(z)
    if kind == SQRT:
        return math.sqrt(z)
    if kind == SOFTPLUS:
        return max(z, 0.0) + math.log1p(math.exp(-abs(z)))
    return 1.0 / z


@numba.njit(inline="always")
def _inside(z: float, lo: float, hi: float) -> bool:
    """Whether a critical point, known up to rounding, may lie in the interval. A NaN may."""
    slack = NEAR * (1.0 + abs(z))
    return not (z < lo - slack or z > hi + slack)


@jit
def is_defined(kind: int, lo: float, hi: float) -> bool:
    """Whether φ is defined, and its lines are meant to be used, on all of [lo, hi]."""
    if not (lo <= hi and abs(lo) < 1e150 and abs(hi) < 1e150):
        return False
    if kind == LOG:
        return lo > 1e-150
    if kind == SQRT:
        return lo >= 0.0
    if kind == RECIPROCAL:
        return lo > 1e-150 or hi < -1e-150
    if kind == EXP:
        return hi < 300.0
    return True


@jit
def intercepts(
    kind: int, s: float, lo: float, hi: float, a: float, b: float
) -> tuple[float, float]:
    """(t, t') with t ≤ φ(z) − s z ≤ t' for all z in [lo, hi], rigorously, for any slope s.

    a and b are φ(lo) and φ(hi) by :func:`value`. Infinite where φ is not defined on all of the
    interval.
    """
    if not (is_defined(kind, lo, hi) and abs(s) < 1e150):
        return -math.inf, math.inf
    if kind in (SIN, COS) and (abs(lo) > FAR or abs(hi) > FAR or hi - lo > 6.0):
        most = (max(abs(s * lo), abs(s * hi)) + 1.0) * (1.0 + ERROR)
        return -most, most
    p, q = a - s * lo, b - s * hi
    pe, qe = (abs(a) + abs(s * lo)) * ERROR + TINY, (abs(b) + abs(s * hi)) * ERROR + TINY
    low, high = min(p - pe, q - qe), max(p + pe, q + qe)
    if kind == TANH:
        bottom, top = _tanh_extremes(s, lo, hi)
    elif kind == SIGMOID:
        # σ(z) − s z = 1/2 + (tanh w − 4 s w)/2 with w = z/2.
        bottom, top = _tanh_extremes(4.0 * s, 0.5 * lo, 0.5 * hi)
        bottom, top = 0.5 + 0.5 * bottom - ERROR, 0.5 + 0.5 * top + ERROR
    elif kind == SIN:
        bottom, top = _sine_extremes(s, lo, hi, 0.0)
    elif kind == COS:
        bottom, top = _sine_extremes(s, lo, hi, 0.5 * math.pi)
    else:
        bottom, top = _one_extreme(kind, s, lo, hi)
    low, high = min(low, bottom), max(high, top)
    if not (math.isfinite(low) and math.isfinite(high)):
        return -math.inf, math.inf
    return low, high


@numba.njit(inline="always")
def _tanh_extremes(s: float, lo: float, hi: float) -> tuple[float, float]:
    """The local minimum and maximum of tanh z − s z where they may lie in [lo, hi].

    tanh² = 1 − s has the solutions ±z, z = atanh √(1 − s) = ln(1 + √(1 − s)) − ln(s)/2.
    """
    if not 0.0 < s < 1.0:
        return math.inf, -math.inf
    root = math.sqrt(1.0 - s)
    z = math.log1p(root) - 0.5 * math.log(s)
    # root and z are known to a few units of 1 and of z, whatever s; the extreme itself is flat.
    top = root - s * z
    error = ERROR * (1.0 + s * z)
    bottom = -top - error if _inside(-z, lo, hi) else math.inf
    return bottom, top + error if _inside(z, lo, hi) else -math.inf


@numba.njit(inline="always")
def _sine_extremes(s: float, lo: float, hi: float, shift: float) -> tuple[float, float]:
    """Those of sin(z + shift) − s z: at z + shift = ±acos(s) + 2πk."""
    bottom, top = math.inf, -math.inf
    if not -1.0 <= s <= 1.0:
        return bottom, top
    angle, height = math.acos(s), math.sqrt((1.0 - s) * (1.0 + s))
    turn = 2.0 * math.pi
    first = math.floor((lo - 4.0) / turn) - 1
    last = math.ceil((hi + 8.0) / turn) + 1
    for k in range(int(first), int(last) + 1):
        z = angle - shift + turn * k
        if _inside(z, lo, hi):
            top = max(top, height - s * z + ERROR * (4.0 + abs(z)))
        z = -angle - shift + turn * k
        if _inside(z, lo, hi):
            bottom = min(bottom, -height - s * z - ERROR * (4.0 + abs(z)))
    return bottom, top


@numba.njit(inline="always")
def _one_extreme(kind: int, s: float, lo: float, hi: float) -> tuple[float, float]:
    """That of φ(z) − s z for the functions that are convex or concave on their intervals."""
    none, none_above = math.inf, -math.inf
    if kind == SQUARE:
        if _inside(0.5 * s, lo, hi):
            return -0.25 * s * s * (1.0 + ERROR) - TINY, none_above
    elif kind == RELU:
        if lo < 0.0 < hi:
            return 0.0, none_above
    elif kind == EXP:
        if s > 0.0 and _inside(math.log(s), lo, hi):
            z = math.log(s)
            return s - s * z - ERROR * s * (1.0 + abs(z)) - TINY, none_above
    elif kind == SOFTPLUS:
        if 0.0 < s < 1.0 and _inside(math.log(s) - math.log1p(-s), lo, hi):
            return -s * math.log(s) - (1.0 - s) * math.log1p(-s) - ERROR, none_above
    elif kind == LOG:
        if s > 0.0 and _inside(1.0 / s, lo, hi):
            z = math.log(s)
            return none, -z - 1.0 + ERROR * (1.0 + abs(z))
    elif kind == SQRT:
        if s > 0.0 and _inside(0.25 / (s * s), lo, hi):
            return none, 0.25 / s * (1.0 + ERROR) + TINY
    elif kind == RECIPROCAL and s < 0.0:
        root = math.sqrt(-s)
        if lo > 0.0 and _inside(1.0 / root, lo, hi):
            return 2.0 * root * (1.0 - ERROR) - TINY, none_above
        if hi < 0.0 and _inside(-1.0 / root, lo, hi):
            return none, -2.0 * root * (1.0 - ERROR) + TINY
    return none, none_above
