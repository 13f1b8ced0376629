"""Interval enclosures of the Taylor coefficients φ⁽ᵏ⁾(z)/k! of the elementary functions.

One routine serves twice: at a point it gives the coefficients of the polynomial, each with its
error; over a range it gives the coefficient of the Lagrange remainder. The recurrences are those
of automatic differentiation (Moore 1966; Griewank and Walther, Evaluating Derivatives, ch. 13);
for tanh and its kin, polynomials in tanh in mean-value form, which are closer and cheaper.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numba
import numpy as np
from numpy.polynomial import polynomial as poly

from certify.enclosure.compiled import jit
from certify.enclosure.rounding import ELEMENTARY, TINY, down, gamma, up

SIN, COS, EXP, LOG, SQRT, TANH, SIGMOID, SOFTPLUS, RECIPROCAL = range(9)

MAX_ORDER = 12
"""The highest Taylor order the kernels take."""


def tanh_polynomials(order: int) -> list[np.ndarray]:
    """tanh⁽ᵏ⁾/k! as polynomials in tanh, k = 0…order, every coefficient rounded once.

    p_{k+1} = p_k' (1 − t²) / (k + 1), computed in rationals. p_k is odd for even k, else even.
    """
    p = [Fraction(0), Fraction(1)]
    out = [np.array([float(c) for c in p])]
    for k in range(1, order + 1):
        slope = [j * c for j, c in enumerate(p)][1:]
        p = [*slope, Fraction(0), Fraction(0)]
        for j, c in enumerate(slope):
            p[j + 2] -= c
        p = [c / k for c in p]
        out.append(np.array([float(c) for c in p]))
    return out


def _greatest(p: np.ndarray) -> float:
    """An upper bound of sup |p| on [−1, 1]: values on a grid and a Lipschitz constant.

    The relative margin is far above the rounding of these sums.
    """
    grid = np.linspace(-1.0, 1.0, 20001)
    slope = float(np.abs(poly.polyder(p)).sum())
    return float((np.abs(poly.polyval(grid, p)).max() + slope * 5.1e-5) * (1 + 1e-9))


_POLYNOMIALS = tanh_polynomials(MAX_ORDER + 1)

TANH_CAPS = np.array([_greatest(p) for p in _POLYNOMIALS])
"""Upper bounds of sup |tanh⁽ᵏ⁾|/k! over the reals, k = 0…MAX_ORDER + 1."""

TANH_SLOPES = np.array([_greatest(poly.polyder(p)) for p in _POLYNOMIALS])
"""Upper bounds of the derivative of tanh⁽ᵏ⁾/k! with respect to tanh, on [−1, 1]."""

TANH_HALVES = np.zeros((MAX_ORDER + 2, MAX_ORDER // 2 + 3))
"""tanh⁽ᵏ⁾/k! as a polynomial in tanh², up to a factor tanh where k is even."""
for _k, _p in enumerate(_POLYNOMIALS):
    _half = _p[1::2] if _k % 2 == 0 else _p[0::2]
    TANH_HALVES[_k, : len(_half)] = _half

TANH_ERRORS = np.array([gamma(2 * k + 10) * np.abs(p).sum() for k, p in enumerate(_POLYNOMIALS)])
"""Rounding errors of evaluating these polynomials on [−1, 1]."""


@numba.njit(inline="always")
def _mul(a: float, b: float, c: float, d: float) -> tuple[float, float]:
    """[a, b] · [c, d], outwards. A NaN among the products is passed on."""
    p, q, r, s = a * c, a * d, b * c, b * d
    if not (p == p and q == q and r == r and s == s):
        return -math.inf, math.inf
    return down(min(min(p, q), min(r, s))), up(max(max(p, q), max(r, s)))


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
        a = _tanh(lo)
        b = a if lo == hi else _tanh(hi)
        return max(_near(a)[0], -1.0), min(_near(b)[1], 1.0)
    if kind == SIGMOID:
        a = _sigmoid(lo)
        b = a if lo == hi else _sigmoid(hi)
        return max(_near_compound(a)[0], 0.0), min(_near_compound(b)[1], 1.0)
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
    if kind in (SIN, COS):
        _trigonometric(kind, lo, hi, order, low, high)
    elif kind == EXP:
        for k in range(1, order + 1):
            low[k], high[k] = down(low[k - 1] / k), up(high[k - 1] / k)
    elif kind in (LOG, SQRT, RECIPROCAL):
        _power_like(kind, lo, hi, order, low, high)
    elif kind == TANH:
        _tanh_series(low[0], high[0], 1.0, 1.0, order, low, high)
    else:
        # σ(z) = (1 + tanh(z/2))/2, so σ⁽ᵏ⁾/k! = 2⁻ᵏ⁻¹ tanh⁽ᵏ⁾(z/2)/k!; softplus' = σ.
        tl, th = plain_range(TANH, 0.5 * lo, 0.5 * hi)
        _tanh_series(tl, th, 0.5, 0.5, order, low, high)
        if kind == SOFTPLUS:
            for k in range(order, 1, -1):
                low[k], high[k] = down(low[k - 1] / k), up(high[k - 1] / k)
            if order >= 1:
                low[1], high[1] = plain_range(SIGMOID, lo, hi)


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
def _tanh_series(
    tl: float, th: float, first: float, ratio: float, order: int, low: np.ndarray, high: np.ndarray
) -> None:
    """first · ratioᵏ · tanh⁽ᵏ⁾/k!, k = 1…order, for tanh in [tl, th], by the mean-value form."""
    t = 0.5 * (tl + th)
    reach = up(max(th - t, t - tl))
    s = t * t
    factor = first
    for k in range(1, order + 1):
        factor *= ratio  # a power of 2: exact
        value = 0.0
        for j in range((k + 1) // 2, -1, -1):
            value = value * s + TANH_HALVES[k, j]
        if k % 2 == 0:
            value *= t
        spread = up(TANH_SLOPES[k] * reach + TANH_ERRORS[k])
        low[k] = factor * max(down(value - spread), -TANH_CAPS[k])
        high[k] = factor * min(up(value + spread), TANH_CAPS[k])
