"""Where solutions end, thousands at a time: simulated, not proved.

Each trajectory has a step of its own, chosen by the error estimate of the Dormand–Prince pair 5(4);
trajectories that are decided leave the batch. A discrete system is iterated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

UNDECIDED, CONVERGED, DIVERGED = 0, 1, 2
"""What became of a trajectory: neither within the horizon; in the target; far away or undefined."""

FAR = 1e3
"""In half-widths of D: who comes so far is taken not to return."""

RELATIVE, ABSOLUTE = 1e-6, 1e-8
"""Tolerances of a step; the absolute one in half-widths of D."""

MOST_STEPS = 20_000


@dataclass(frozen=True, eq=False)
class Flow:
    """ẋ = F(x), or x⁺ = F(x), with the box D and the target that ends a trajectory.

    ``field`` and ``target`` take points (N, n); ``target`` tells which of them lie in a set from
    which convergence is known. ``horizon`` is a time, or a number of steps.
    """

    field: Callable[[Array], Array]
    target: Callable[[Array], Mask]
    low: Array
    high: Array
    horizon: float
    discrete: bool

    @property
    def scale(self) -> Array:
        """Half the widths of D; (n,)."""
        return np.asarray(0.5 * (self.high - self.low))

    def within(self, x: Array) -> Mask:
        """Which points lie in D."""
        return np.asarray(((self.low <= x) & (x <= self.high)).all(axis=1))

    def far(self, x: Array) -> Mask:
        """Which points are beyond all hope, or not finite."""
        middle = 0.5 * (self.low + self.high)
        return ~np.asarray((np.abs(x - middle) < FAR * self.scale).all(axis=1))


def follow(
    flow: Flow, starts: Array, out_of_time: Callable[[], bool] = lambda: False
) -> tuple[NDArray[np.int8], Mask]:
    """What becomes of each start (N, n), and whether it left D on the way; (N,) each.

    What is not decided when ``out_of_time`` says so, or after 20,000 steps, is UNDECIDED; so is
    what comes to where F is not defined.
    """
    fate = np.full(len(starts), UNDECIDED, dtype=np.int8)
    left = ~flow.within(starts)
    with np.errstate(all="ignore"):
        fate[flow.target(starts)] = CONVERGED
        rows = np.flatnonzero(fate == UNDECIDED)
        run = _iterate if flow.discrete else _integrate
        run(flow, starts[rows], rows, fate, left, out_of_time)
    return fate, left


def _iterate(
    flow: Flow,
    x: Array,
    rows: NDArray[np.int64],
    fate: NDArray[np.int8],
    left: Mask,
    out_of_time: Callable[[], bool],
) -> None:
    for step in range(int(min(flow.horizon, MOST_STEPS))):
        if not len(rows) or (step % 16 == 0 and out_of_time()):
            return
        x = flow.field(x)
        left[rows[~flow.within(x)]] = True
        going = _decided(flow, x, rows, fate)
        x, rows = x[going], rows[going]


def _decided(flow: Flow, x: Array, rows: NDArray[np.int64], fate: NDArray[np.int8]) -> Mask:
    """Record who has arrived or is lost; returns who goes on."""
    lost = flow.far(x)
    arrived = ~lost & flow.target(x)
    fate[rows[lost]], fate[rows[arrived]] = DIVERGED, CONVERGED
    return ~(lost | arrived)


_A = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_E = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
"""Dormand and Prince, 1980: the stages, the last of which is the step, and its error estimate."""


def _integrate(
    flow: Flow,
    x: Array,
    rows: NDArray[np.int64],
    fate: NDArray[np.int8],
    left: Mask,
    out_of_time: Callable[[], bool],
) -> None:
    slope = flow.field(x)
    gone = np.zeros(len(x))
    h = _first_steps(flow, x, slope)
    for step in range(MOST_STEPS):
        if not len(rows) or (step % 16 == 0 and out_of_time()):
            return
        h = np.minimum(h, np.maximum(flow.horizon - gone, 1e-12))
        new, new_slope, error = _step(flow, x, slope, h)
        accepted = error <= 1.0
        path = _between(x, new, h[:, None] * slope, h[:, None] * new_slope)
        stays = np.logical_and.reduce([flow.within(y) for y in (new, *path)])
        left[rows[accepted & ~stays]] = True
        x = np.where(accepted[:, None], new, x)
        slope = np.where(accepted[:, None], new_slope, slope)
        gone = gone + np.where(accepted, h, 0.0)
        growth = np.clip(0.9 * np.maximum(error, 1e-10) ** -0.2, 0.2, 5.0)
        h = h * np.where(np.isfinite(error), growth, 0.2)
        going = _decided(flow, x, rows, fate)
        going &= (h > 1e-12 * flow.horizon) & (gone < flow.horizon)
        x, slope, gone, h, rows = x[going], slope[going], gone[going], h[going], rows[going]


def _between(x: Array, new: Array, rise: Array, new_rise: Array) -> list[Array]:
    """Points on the way through a step, on the cubic of its ends and slopes (Hermite)."""
    out = []
    for s in (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875):
        r = 1.0 - s
        ends = r * r * (1.0 + 2.0 * s) * x + s * s * (1.0 + 2.0 * r) * new
        out.append(ends + r * r * s * rise - s * s * r * new_rise)
    return out


def _first_steps(flow: Flow, x: Array, slope: Array) -> Array:
    """The time to cross a hundredth of D at the present speed."""
    speed = (np.abs(slope) / flow.scale).max(axis=1)
    first = np.minimum(0.01 / np.maximum(speed, 1e-12), 0.1 * flow.horizon)
    return np.asarray(np.where(np.isfinite(first), first, 1e-6 * flow.horizon))


def _step(flow: Flow, x: Array, slope: Array, h: Array) -> tuple[Array, Array, Array]:
    """The next states, the slopes there, and the largest error of a state in tolerances."""
    stages = [slope]
    new = x
    for weights in _A:
        rise = sum(w * k for w, k in zip(weights, stages, strict=True) if w)
        new = x + h[:, None] * rise
        stages.append(flow.field(new))
    wrong = sum(w * k for w, k in zip(_E, stages, strict=True) if w)
    allowed = ABSOLUTE * flow.scale + RELATIVE * np.maximum(np.abs(x), np.abs(new))
    error = np.abs(h[:, None] * wrong / allowed).max(axis=1)
    return new, stages[-1], np.where(np.isfinite(error), error, np.inf)
