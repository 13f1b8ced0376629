"""Interval enclosures of the Taylor coefficients φ⁽ᵏ⁾(z)/k! of the elementary functions.

One routine serves twice: at a point it gives the coefficients of the polynomial, each with its
error; over a range it gives the coefficient of the Lagrange remainder. The recurrences are those
of automatic differentiation (Moore 1966; Griewank and Walther, Evaluating Derivatives, ch. 13).
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.polynomial import polynomial as poly

from certify.enclosure.compiled import jit
from certify.enclosure.rounding import ELEMENTARY, TINY, down, up

SIN, COS, EXP, LOG, SQRT, TANH, SIGMOID, SOFTPLUS, RECIPROCAL = range(9)

MAX_ORDER = 12
"""The highest Taylor order the kernels take."""


def _tanh_caps() -> np.ndarray:
    """Upper bounds of sup |tanh⁽ᵏ⁾|/k! over the reals, k = 0…MAX_ORDER + 1.

    tanh⁽ᵏ⁾/k! is a polynomial in t = tanh; its supremum on [−1, 1] is bounded by its values on a
    grid and a Lipschitz constant, with a relative margin far above the rounding of this sum.
    """
    grid = np.linspace(-1.0, 1.0, 20001)
    p = np.array([0.0, 1.0])
    caps = []
    for k in range(MAX_ORDER + 2):
        if k:
            p = poly.polymul(poly.polyder(p), np.array([1.0, 0.0, -1.0])) / k
        slope = float(np.abs(poly.polyder(p)).sum())
        caps.append((np.abs(poly.polyval(grid, p)).max() + slope * 5.1e-5) * (1 + 1e-9))
    return np.array(caps)


TANH_CAPS = _tanh_caps()


@numba.njit(inline="always")
def _mul(a: float, b: float, c: float, d: float) -> tuple[float, float]:
    """[a, b] · [c, d], outwards. A NaN among the products is passed on."""
    p, q, r, s = a * c, a * d, b * c, b * d
    if not (p == p and q == q and r == r and s == s):
        return -math.inf, math.inf
    return down(min(min(p, q), min(r, s))), up(max(max(p, q), max(r, s)))


@numba.njit(inline="always")
def _square(a: float, b: float) -> tuple[float, float]:
    low, high = a * a, b * b
    if a <= 0.0 <= b:
        return 0.0, up(max(low, high))
    return max(down(min(low, high)), 0.0), up(max(low, high))


@jit
def sine_range(lo: float, hi: float) -> tuple[float, float]:
    """Bounds of sin on [lo, hi]."""
    if not (hi - lo < 6.28) or abs(lo) > 1e8 or abs(hi) > 1e8:
        return -1.0, 1.0
    a, b = math.sin(lo), math.sin(hi)
    low = min(a, b) - (abs(min(a, b)) * ELEMENTARY + TINY)
    high = max(a, b) + (abs(max(a, b)) * ELEMENTARY + TINY)
    # 1e-6 is far above the error of these quotients for |z| <= 1e8.
    turns = 2.0 * math.pi
    if math.floor((hi - 0.5 * math.pi) / turns + 1e-6) > math.floor(
        (lo - 0.5 * math.pi) / turns - 1e-6
    ):
        high = 1.0
    if math.floor((hi + 0.5 * math.pi) / turns + 1e-6) > math.floor(
        (lo + 0.5 * math.pi) / turns - 1e-6
    ):
        low = -1.0
    return max(low, -1.0), min(high, 1.0)


@jit
def cosine_range(lo: float, hi: float) -> tuple[float, float]:
    """Bounds of cos on [lo, hi]."""
    if not (hi - lo < 6.28) or abs(lo) > 1e8 or abs(hi) > 1e8:
        return -1.0, 1.0
    a, b = math.cos(lo), math.cos(hi)
    low = min(a, b) - (abs(min(a, b)) * ELEMENTARY + TINY)
    high = max(a, b) + (abs(max(a, b)) * ELEMENTARY + TINY)
    turns = 2.0 * math.pi
    if math.floor(hi / turns + 1e-6) > math.floor(lo / turns - 1e-6):
        high = 1.0
    if math.floor((hi - math.pi) / turns + 1e-6) > math.floor((lo - math.pi) / turns - 1e-6):
        low = -1.0
    return max(low, -1.0), min(high, 1.0)


@numba.njit(inline="always")
def _near(value: float) -> tuple[float, float]:
    """A library function's result, with its stated error."""
    margin = abs(value) * ELEMENTARY + TINY
    return value - margin, value + margin


@numba.njit(inline="always")
def _tanh(z: float) -> float:
    return math.tanh(z)


@numba.njit(inline="always")
def _sigmoid(z: float) -> float:
    return 1.0 / (1.0 + math.exp(-z)) if z >= 0.0 else math.exp(z) / (1.0 + math.exp(z))


@numba.njit(inline="always")
def _softplus(z: float) -> float:
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


@numba.njit(inline="always")
def _near_compound(value: float) -> tuple[float, float]:
    """Like _near for sigmoid and softplus, which take up to four library calls and roundings."""
    margin = abs(value) * (4.0 * ELEMENTARY) + TINY
    return value - margin, value + margin


@jit
def plain_range(kind: int, lo: float, hi: float) -> tuple[float, float]:
    """Bounds of the function on [lo, hi]; infinite where it is not defined on all of it.

    An end that is not finite says that the argument itself may not be defined: then a bounded
    function's bounds would close boxes on which the formula has no value.
    """
    if not (lo <= hi) or math.isinf(lo) or math.isinf(hi):
        return -math.inf, math.inf
    if kind == SIN:
        return sine_range(lo, hi)
    if kind == COS:
        return cosine_range(lo, hi)
    if kind == EXP:
        a, b = math.exp(lo), math.exp(hi)
        return max(_near(a)[0], 0.0), _near(b)[1]
    if kind == LOG:
        if lo <= 0.0:
            return -math.inf, math.inf
        return _near(math.log(lo))[0], _near(math.log(hi))[1]
    if kind == SQRT:
        if lo < 0.0:
            return -math.inf, math.inf
        return max(_near(math.sqrt(lo))[0], 0.0), _near(math.sqrt(hi))[1]
    if kind == TANH:
        return max(_near(_tanh(lo))[0], -1.0), min(_near(_tanh(hi))[1], 1.0)
    if kind == SIGMOID:
        return max(_near_compound(_sigmoid(lo))[0], 0.0), min(_near_compound(_sigmoid(hi))[1], 1.0)
    if kind == SOFTPLUS:
        return max(_near_compound(_softplus(lo))[0], 0.0), _near_compound(_softplus(hi))[1]
    if kind == RECIPROCAL:
        if lo > 0.0 or hi < 0.0:
            return down(1.0 / hi), up(1.0 / lo)
        return -math.inf, math.inf
    return -math.inf, math.inf


@jit
def coefficients(
    kind: int, lo: float, hi: float, order: int, low: np.ndarray, high: np.ndarray
) -> None:
    """Enclose φ⁽ᵏ⁾(z)/k! for all z in [lo, hi], k = 0…order, into low[k] ≤ · ≤ high[k].

    Not finite where φ is not analytic on the interval.
    """
    low[0], high[0] = plain_range(kind, lo, hi)
    if not (math.isfinite(low[0]) and math.isfinite(high[0])) or (kind == SQRT and lo <= 0.0):
        for k in range(1, order + 1):
            low[k], high[k] = -math.inf, math.inf
        return
    if kind == SIN or kind == COS:
        _trigonometric(kind, lo, hi, order, low, high)
    elif kind == EXP:
        for k in range(1, order + 1):
            low[k], high[k] = down(low[k - 1] / k), up(high[k - 1] / k)
    elif kind == LOG or kind == SQRT or kind == RECIPROCAL:
        _power_like(kind, lo, hi, order, low, high)
    elif kind == TANH or kind == SIGMOID:
        _logistic(kind, order, low, high)
    else:
        a, b = plain_range(SIGMOID, lo, hi)
        first_low, first_high = low[0], high[0]
        low[0], high[0] = a, b
        _logistic(SIGMOID, order - 1, low, high)
        for k in range(order, 0, -1):
            low[k], high[k] = down(low[k - 1] / k), up(high[k - 1] / k)
        low[0], high[0] = first_low, first_high


@jit
def _trigonometric(
    kind: int, lo: float, hi: float, order: int, low: np.ndarray, high: np.ndarray
) -> None:
    s0, s1 = sine_range(lo, hi)
    c0, c1 = cosine_range(lo, hi)
    factorial = 1.0
    for k in range(order + 1):
        if k > 1:
            factorial *= k  # exact up to 18!
        phase = (k + (1 if kind == COS else 0)) % 4
        if phase == 0:
            a, b = s0, s1
        elif phase == 1:
            a, b = c0, c1
        elif phase == 2:
            a, b = -s1, -s0
        else:
            a, b = -c1, -c0
        if k == 0:
            low[0], high[0] = a, b
        else:
            low[k], high[k] = down(a / factorial), up(b / factorial)


@jit
def _power_like(
    kind: int, lo: float, hi: float, order: int, low: np.ndarray, high: np.ndarray
) -> None:
    """a_k = a_{k−1} · f_k / z, with f_k = −1 for 1/z, (3/2 − k)/k for sqrt, −(k−1)/k for log."""
    r0, r1 = plain_range(RECIPROCAL, lo, hi)
    for k in range(1, order + 1):
        if kind == LOG and k == 1:
            low[1], high[1] = r0, r1
            continue
        a, b = _mul(low[k - 1], high[k - 1], r0, r1)
        if kind == RECIPROCAL:
            low[k], high[k] = -b, -a
        else:
            f = (1.5 - k) / k if kind == SQRT else (1.0 - k) / k
            low[k], high[k] = _mul(a, b, down(f), up(f))


@jit
def _logistic(kind: int, order: int, low: np.ndarray, high: np.ndarray) -> None:
    """(k+1) y_{k+1} is 1 (tanh' = 1 − y²) or y (σ' = y − y²) less y², at coefficient k."""
    for k in range(order):
        a, b = 0.0, 0.0
        for i in range((k + 1) // 2):
            p, q = _mul(low[i], high[i], low[k - i], high[k - i])
            a, b = down(a + 2.0 * p), up(b + 2.0 * q)
        if k % 2 == 0:
            p, q = _square(low[k // 2], high[k // 2])
            a, b = down(a + p), up(b + q)
        if kind == TANH:
            head_low = head_high = 1.0 if k == 0 else 0.0
        else:
            head_low, head_high = low[k], high[k]
        low[k + 1] = down(down(head_low - b) / (k + 1))
        high[k + 1] = up(up(head_high - a) / (k + 1))
        cap = TANH_CAPS[k + 1]
        if kind == SIGMOID:
            cap = cap * 0.5 ** (k + 2) * (1.0 + 1e-15)
        low[k + 1] = max(low[k + 1], -cap)
        high[k + 1] = min(high[k + 1], cap)
