"""The iteration x⁺ = F(x), many trajectories at once. Not for proofs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from systems.errors import InputError

Array = NDArray[np.float64]

MOST_STEPS = 10_000_000


def iterate(
    step: Callable[[float, Array], Array],
    starts: Array,
    horizon: float,
    samples: int,
    blow_up: float,
) -> tuple[Array, Array, Array]:
    """Times (T,), states and accumulated costs (N, T, n + 1), and end times (N,).

    ``step`` maps the time k and (state, cost so far) of shape (N, n + 1) to the next states and
    the cost of the step. At most ``samples`` of the times 0, 1, …, ⌊horizon⌋ are kept. A trajectory
    ends with its last state inside ±``blow_up``; it is NaN from there on.

    Raises InputError where the horizon is shorter than a step, or beyond all patience.
    """
    if not 1 <= horizon <= MOST_STEPS:
        raise InputError(
            f"in discrete time the horizon is a number of steps, from 1 to {MOST_STEPS:,}, "
            f"not {horizon:g}"
        )
    last = int(horizon)
    kept = np.unique(np.linspace(0, last, min(samples, last + 1)).round().astype(int))
    now = np.column_stack([starts, np.zeros(len(starts))])
    paths = np.full((len(starts), len(kept), now.shape[1]), np.nan)
    paths[:, 0] = now
    ends = np.zeros(len(starts))
    alive = np.ones(len(starts), dtype=bool)
    slot = 1
    for k in range(last):
        following = step(float(k), now)
        following[:, -1] += now[:, -1]
        alive &= np.isfinite(following).all(axis=1)
        alive &= (np.abs(following[:, :-1]) < blow_up).all(axis=1)
        following[~alive] = np.nan
        ends[alive] = k + 1
        now = following
        if kept[slot] == k + 1:
            paths[:, slot] = now
            slot += 1
        if not alive.any():
            break
    return kept.astype(np.float64), paths, ends
