"""The shape of an ellipsoid, chosen by sampling for the largest region that it promises.

Lyapunov's equation P A + AᵀP = −diag(w) gives a quadratic form for every positive w. Which w lets
the ellipsoid grow farthest depends on how the closed loop bends; so w is searched for, by random
steps on a logarithmic scale, with the contraction tested at points of the ellipsoid's hull, where
the proof will have to bound it. Floating point all along: what comes of it is a proposal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from certify.budget import Clock
from certify.levels import extreme_sample
from certify.origin import Form, centre_point
from certify.stability import StabilityProblem
from systems.differentiate import jacobian
from systems.evaluate import function

Array = NDArray[np.float64]

POINTS = 96
"""So many states of the hull are looked at."""

MOST_STEPS = 160
"""So many weights are tried."""

FIRST_STEP, LAST_STEP = 1.2, 0.15
"""The size of the random steps, in the logarithm of a weight."""

HALVINGS = 24
"""A level is halved so often, at most, until the contraction holds."""


@dataclass(frozen=True, eq=False)
class Bend:
    """The closed loop's Jacobian at sampled points of boxes around x*."""

    problem: StabilityProblem
    form: Form
    seed: int

    def __post_init__(self) -> None:
        generator = np.random.default_rng([self.seed, 23])
        n, W = self.problem.state.size, self.problem.system.disturbance_range
        spread = generator.uniform(-1.0, 1.0, (POINTS, n))
        spread[::2] = np.sign(spread[::2])
        centre = centre_point(self.problem)
        points = np.repeat(centre, POINTS, axis=0)
        if W is not None:
            low, high = W.outer()
            points[:, n:] = extreme_sample(low, high, POINTS, generator)
        rows = function(
            list(jacobian(self.problem.field, self.problem.state)), *self.problem.variables
        )
        for name, value in (("_spread", spread), ("_points", points), ("_rows", rows)):
            object.__setattr__(self, name, value)

    _spread: Array = None  # type: ignore[assignment]
    _points: Array = None  # type: ignore[assignment]
    _rows: object = None

    def log_volume(self, weight: Array) -> float:
        """The logarithm of the volume, but for a constant, of the largest ellipsoid of this weight
        on whose hull the samples contract; -inf where there is none."""
        shape = self.form.solution(weight)
        if shape is None or not np.isfinite(shape).all():
            return -np.inf
        try:
            scaling = np.linalg.inv(np.linalg.cholesky(self.form.dissipation(shape)))
            reach = np.sqrt(np.diag(np.linalg.inv(shape)))
        except np.linalg.LinAlgError:
            return -np.inf
        domain, star = self.problem.domain, self.problem.system.equilibrium
        room = np.array(
            [
                float(min(c - a, b - c))
                for a, c, b in zip(domain.lower, star, domain.upper, strict=True)
            ]
        )
        radius = float((room / reach).min())
        for _ in range(HALVINGS):
            if self._contracts(shape, scaling, radius * reach):
                break
            radius /= 2.0
        else:
            return -np.inf
        for step in (2.0**0.5, 2.0**0.25):
            if self._contracts(shape, scaling, min(radius * step, (room / reach).min()) * reach):
                radius = min(radius * step, float((room / reach).min()))
        return float(len(shape) * np.log(radius) - 0.5 * np.linalg.slogdet(shape)[1])

    def _contracts(self, shape: Array, scaling: Array, widths: Array) -> bool:
        """Whether Gershgorin's discs of R S Rᵀ lie left of 0 at all samples."""
        points = self._points.copy()
        n = len(widths)
        points[:, :n] += widths * self._spread
        J = np.stack(self._rows(points), axis=1)  # type: ignore[operator]
        S = scaling @ -self.form.dissipation_along(J, shape) @ scaling.T
        diagonal = np.diagonal(S, axis1=1, axis2=2)
        ends = diagonal - np.abs(diagonal) + np.abs(S).sum(axis=2)
        return bool(np.isfinite(ends).all() and (ends < 0).all())


def best_weight(
    problem: StabilityProblem, form: Form, seed: int, clock: Clock, share: float
) -> Array:
    """The weight w (n,) whose ellipsoid promises the largest volume, within a share of the time."""
    bend = Bend(problem, form, seed)
    generator = np.random.default_rng([seed, 29])
    widths = np.array([float(w) for w in problem.domain.widths])
    best, found = 1.0 / widths**2, -np.inf
    found = bend.log_volume(best)
    ends = clock.elapsed + share * clock.remaining.seconds
    for k in range(MOST_STEPS):
        if clock.elapsed > ends:
            break
        size = FIRST_STEP * (LAST_STEP / FIRST_STEP) ** (k / MOST_STEPS)
        step = generator.normal(0.0, size, len(best))
        if k % 2:  # one axis at a time, every other time
            step[generator.permutation(len(best))[1:]] = 0.0
        weight = best * np.exp(step)
        volume = bend.log_volume(weight)
        if volume > found:
            best, found = weight, volume
    return best
