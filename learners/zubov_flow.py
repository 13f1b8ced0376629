"""Many trajectories of one vector field at once: which of them reach x* without leaving a box.

Dormand and Prince's method of order 5(4), every trajectory with a step of its own, in NumPy. Not
for proofs: what a learner is told here, proofs judge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Field = Callable[[Array], Array]
"""States (N, n) to their velocities (N, n)."""
Cost = Callable[[Array, Array], Array]
"""States and their velocities, (N, n) each, to a rate of cost (N,)."""

STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
"""The fifth-order weights (the last stage) less the fourth-order ones."""

TOLERANCE = 1e-6
"""Local error a step, relative to the half-widths of the box."""
MOST_STEPS = 3000
SMALLEST_STEP, LARGEST_STEP = 1e-14, 1e14


@dataclass(frozen=True, eq=False)
class Flow:
    """ẋ = F(x) in a box around x*, with a cost ψ accumulated on the way, if any.

    ``matrix`` P makes dᵀPd, d = x − x*, the cost to go near x*; a trajectory has arrived where that
    is at most ``arrival``, and is given up after the time ``horizon``. ``field`` is evaluated
    within the box only.
    """

    field: Field
    cost: Cost | None
    x_star: Array
    low: Array
    high: Array
    matrix: Array
    arrival: float
    horizon: float = np.inf

    def costs(self, starts: Array) -> Array:
        """∫ψ dt along the trajectory from each of the starts (N, n); (N,).

        Infinite where it leaves the box, does not arrive in time, or cannot be followed.
        """
        count, n = starts.shape
        out = np.full(count, np.inf)
        rows = np.flatnonzero(self.holds(starts))
        y = np.hstack([starts[rows], np.zeros((len(rows), 1))])
        with np.errstate(all="ignore"):
            rate = self._rate(y)
            step, elapsed = self._first_steps(rate), np.zeros(len(rows))
            for _ in range(MOST_STEPS):
                to_go = self.to_go(y[:, :n])
                arrived = to_go <= self.arrival
                out[rows[arrived]] = y[arrived, n] + to_go[arrived]
                sound = np.asarray(np.isfinite(rate).all(axis=1)) & (step > SMALLEST_STEP)
                sound &= elapsed < self.horizon
                going = ~arrived & self.holds(y[:, :n]) & sound
                if not going.any():
                    break
                rows, y, rate, step = rows[going], y[going], rate[going], step[going]
                y, rate, step, taken = self._advance(y, rate, step)
                elapsed = elapsed[going] + taken
        return out

    def to_go(self, x: Array) -> Array:
        """dᵀPd, (N,)."""
        d = x - self.x_star
        out: Array = np.vecdot(d @ self.matrix, d)
        return out

    def holds(self, x: Array) -> NDArray[np.bool_]:
        """Which points (N, n) are in the box; (N,)."""
        return np.asarray(((self.low <= x) & (x <= self.high)).all(axis=1))

    def _rate(self, y: Array) -> Array:
        x = y[:, :-1]
        x = np.clip(np.where(np.isfinite(x), x, self.x_star), self.low, self.high)
        velocity = self.field(x)
        cost = np.zeros(len(x)) if self.cost is None else self.cost(x, velocity)
        return np.column_stack([velocity, cost])

    def _first_steps(self, rate: Array) -> Array:
        widths = self.high - self.low
        speed = np.abs(rate[:, :-1] / widths).max(axis=1, initial=0.0)
        out: Array = 1e-3 / np.maximum(speed, 1e-6)
        return out

    def _advance(self, y: Array, rate: Array, step: Array) -> tuple[Array, Array, Array, Array]:
        """One step each: state, rate, next step, time taken. Where the error is too large, none."""
        h, rates = step[:, None], [rate]
        moved = y
        for weights in STAGES:
            moved = y + h * _combined(weights, rates)
            rates.append(self._rate(moved))
        error = h * _combined(ERROR, rates)
        relative = np.abs(error[:, :-1] / (self.high - self.low)).max(axis=1) / TOLERANCE
        relative = np.where(np.isfinite(relative), relative, 1e6)
        good = relative <= 1.0
        y = np.where(good[:, None], moved, y)
        rate = np.where(good[:, None], rates[-1], rate)
        factor = np.clip(0.9 * np.maximum(relative, 1e-8) ** -0.2, 0.1, 4.0)
        return y, rate, np.minimum(step * factor, LARGEST_STEP), np.where(good, step, 0.0)


def _combined(weights: tuple[float, ...], rates: list[Array]) -> Array:
    out = np.zeros_like(rates[0])
    for w, rate in zip(weights, rates, strict=True):
        if w:
            out += w * rate
    return out
