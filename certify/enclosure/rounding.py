"""Rounding under control, in round-to-nearest and without switching rounding modes.

The standard model: fl(a ∘ b) = (a ∘ b)(1 + δ) + η with |δ| ≤ u = 2⁻⁵³ and |η| ≤ 2⁻¹⁰⁷⁵ (underflow).
A sum of L products computed in any order, with or without fused multiply-add, is then off by at
most γ_L Σ|terms| with γ_L = L u / (1 − L u) (Higham, Accuracy and Stability of Numerical
Algorithms, section 3.1), plus L underflows. Bounds are themselves computed in floating point;
each is inflated so that the inflation outweighs the rounding of its own computation.
"""

from __future__ import annotations

import numba
import numpy as np

U = 2.0**-53
"""Unit roundoff of float64."""

EPS = 2.0**-51
"""x ± (|x| EPS + TINY), computed in float64, lies beyond every real that rounds to x."""

TINY = 1e-300
"""Outweighs every underflow: fewer than 10²⁰ of them enter one bound."""

ULPS = 8
"""Assumed maximal error of the elementary functions in use (numpy's and libm's), in units of the
last place. The tests compare them with ball arithmetic over their whole range; the libraries
document 4 or less."""

ELEMENTARY = ULPS * 2.0**-52
"""The relative form of :data:`ULPS`."""


def gamma(terms: int) -> float:
    """An upper bound of γ_L for a computation of at most ``terms`` roundings a path."""
    if terms > 2**40:
        raise ValueError(f"{terms} terms are too many for the rounding model")
    return 1.001 * (terms + 2) * U


@numba.njit(inline="always")
def up(x: float) -> float:
    """An upper bound of every real within one rounding of x."""
    return x + (abs(x) * EPS + TINY)


@numba.njit(inline="always")
def down(x: float) -> float:
    """A lower bound of every real within one rounding of x."""
    return x - (abs(x) * EPS + TINY)


def up_array(x: np.ndarray, roundings: int = 1) -> np.ndarray:
    """An upper bound of non-negative quantities computed with at most ``roundings`` roundings."""
    return np.asarray(x) * (1.0 + 4.0 * (roundings + 2) * U) + TINY
