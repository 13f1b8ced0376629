"""Points of one's own, such as counterexamples, that join those of a learner's fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from systems.dynamics import ControlAffineSystem
from systems.errors import InputError

Array = NDArray[np.float64]

USUAL_WEIGHT = 10.0
"""How many collocation points an extra one counts like."""


def checked_points(
    system: ControlAffineSystem, points: Array | None, weights: Array | None
) -> tuple[Array, Array]:
    """The extra points (M, n) and their weights (M,), :data:`USUAL_WEIGHT` where there are none.

    Raises :class:`InputError` where shapes do not fit, or numbers are not finite or negative.
    """
    n, name = system.state_dimension, system.name
    if points is None:
        if weights is not None:
            raise InputError(f"{name}: extra_weights without extra_points")
        return np.empty((0, n)), np.empty(0)
    x = np.atleast_2d(np.asarray(points, dtype=np.float64))
    if x.ndim != 2 or x.shape[1] != n:
        raise InputError(f"{name}: extra_points must have shape (M, {n}), not {x.shape}")
    w = np.full(len(x), USUAL_WEIGHT) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != (len(x),):
        raise InputError(f"{name}: extra_weights must have shape ({len(x)},), not {w.shape}")
    if not np.isfinite(x).all() or not np.isfinite(w).all() or (w < 0.0).any():
        raise InputError(f"{name}: extra points must be finite, and their weights not negative")
    return x, w


def with_roots(extra: tuple[Array, Array]) -> tuple[Array, Array]:
    """The points, and the square roots of their weights: factors of rows of a least squares."""
    points, weights = extra
    return points, np.sqrt(weights)
