"""Levenberg-Marquardt for the weights of a network.

The damping is the same for every weight. Marquardt's scaling by the columns' lengths was tried and
is far worse here: redundant neurons have almost equal columns, scaled steps let their output
weights grow against each other to 10⁷ and beyond, and nothing else then can move. Weights that stay
moderate also make proofs cheaper.

The normal equations are good enough: the damping at which steps succeed is many orders above their
rounding. They are accumulated over parts of the points, so that memory grows with the square of the
number of weights alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from learners.pinn_equations import Equations

Array = NDArray[np.float64]
Tick = Callable[[int, float], None]
"""Hears of the optimiser's step and the loss after it."""

FIRST_DAMPING = 1e-3
"""Relative to the square of the longest column, like all damping here."""
LEAST_DAMPING, MOST_DAMPING = 1e-14, 1e6
RAISED, LOWERED = 3.0, 0.2
"""What damping is multiplied with where a step fails, and where the loss falls by at least
:data:`GOOD` of what the linear model promises: quick to lower, as suits the
long curved valleys of such losses."""
GOOD = 0.25
WINDOW, PROGRESS = 20, 0.05
"""Ends where so many steps lower the loss by less than this share of it."""


@dataclass(frozen=True, eq=False)
class Descended:
    """The weights with the least loss seen; ``damping`` is where to go on from.

    ``finite`` is False where the loss became NaN or infinite, at the step after ``steps``.
    """

    theta: Array
    loss: float
    steps: int
    finite: bool = True
    damping: float = FIRST_DAMPING


def levenberg_marquardt(
    equations: Equations,
    theta: Array,
    steps: int,
    tick: Tick,
    damping: float = FIRST_DAMPING,
) -> Descended:
    """At most ``steps`` steps, each with as many trials of the damping as it needs.

    A trial whose loss is not finite is one that failed; so only the first loss can be the end.
    """
    loss = equations.loss(theta)
    if not math.isfinite(loss):
        return Descended(theta, loss, 0, finite=False)
    seen = [loss]
    while len(seen) <= steps and loss > 0.0:
        system = _linearised(equations, theta)
        found = math.inf
        while not found < loss:
            if damping > MOST_DAMPING:  # a minimum, as far as rounding lets us see
                return Descended(theta, loss, len(seen) - 1)
            move, promised = system.step(damping)
            trial = theta + move
            found = equations.loss(trial) if np.isfinite(move).all() else math.inf
            if not found < loss:
                damping *= RAISED
        if loss - found > GOOD * promised:
            damping = max(LEAST_DAMPING, LOWERED * damping)
        theta, loss = trial, found
        seen.append(loss)
        tick(len(seen) - 1, loss)
        if len(seen) > WINDOW and loss > (1.0 - PROGRESS) * seen[-1 - WINDOW]:
            break
    return Descended(theta, loss, len(seen) - 1, damping=damping)


@dataclass(frozen=True, eq=False)
class _Linearised:
    """``square`` is JᵀJ (its upper triangle), ``slope`` Jᵀr for the rows r + J δ.

    ``size`` is the square of the longest column of J.
    """

    square: Array
    slope: Array
    size: float
    rows: int

    def step(self, damping: float) -> tuple[Array, float]:
        """The damped step (NaN where it cannot be computed), and what it promises of the loss."""
        added = damping * self.size
        move = self._solved(added)
        # −(2 Jᵀr·δ + |Jδ|²) = −Jᵀr·δ + λ²|δ|², since (JᵀJ + λ²)δ = −Jᵀr
        return move, float(added * (move @ move) - self.slope @ move) / self.rows

    def _solved(self, added: float) -> Array:
        count = len(self.slope)
        matrix = self.square.copy(order="F")
        matrix[np.diag_indices(count)] += added
        factor, flaw = lapack.dpotrf(matrix, lower=0, overwrite_a=1, clean=0)
        if flaw:
            return np.full(count, np.nan)
        y, flaw = lapack.dpotrs(factor, -self.slope, lower=0)
        return np.full(count, np.nan) if flaw else np.asarray(y)


def _linearised(equations: Equations, theta: Array) -> _Linearised:
    count = len(theta)
    square, slope = np.zeros((count, count), order="F"), np.zeros(count)
    for r, J in equations.derivatives(theta):
        square = blas.dsyrk(1.0, J.T, beta=1.0, c=square, trans=1, overwrite_c=1)
        slope += J @ r
    return _Linearised(square, slope, float(np.diag(square).max()), equations.rows)
