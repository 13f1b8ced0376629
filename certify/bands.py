"""Between which levels does V decrease? Sampled, to choose from; what is chosen is then proved."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from certify.levels import extreme_sample
from certify.stability import StabilityProblem
from systems.evaluate import evaluate
from systems.exact import short_fraction

Array = NDArray[np.float64]

SAMPLES = 4096
SCALES = 4.0
"""Points are drawn towards the equilibrium down to 10^-SCALES of the domain."""

NOISE = 1e-9
"""Where V is this small, compared with c2, rounding decides the sign of ΔV."""

WORTH = 2.0


@dataclass(frozen=True)
class Band:
    """Levels between which no sampled point has ΔV ≥ 0; ``bad_below``: some below it have."""

    bottom: Fraction
    top: Fraction
    bad_below: bool


def promising_band(problem: StabilityProblem, c2: Fraction, seed: int) -> Band:
    """The highest wide band up to c2 in which every sampled point has ΔV < 0."""
    V, change = sampled_values(problem, seed)
    bad = V[~(change < 0) & (float(c2) >= V)]
    bottom, top = widest_gap(bad, float(c2))
    exact_top = c2 if top >= float(c2) else Fraction(top) * Fraction(255, 256)
    return Band(Fraction(bottom), exact_top, bottom > float(c2) * NOISE)


def widest_gap(levels: Array, top: float) -> tuple[float, float]:
    """The highest gap worth having between neighbours among the levels, ``top``, and nearly 0.

    Worth having is a gap whose ends have a ratio of :data:`WORTH` (far out, where samples are
    sparse, neighbours are far apart, but their ratio is near 1); else the one of largest ratio.
    """
    floor = top * NOISE
    ends = np.unique(np.concatenate([[floor], levels[(levels > floor) & (levels < top)], [top]]))
    ratios = ends[1:] / ends[:-1]
    worth = np.flatnonzero(ratios >= WORTH)
    widest = int(worth[-1] if len(worth) else np.argmax(ratios))
    return float(ends[widest]), float(ends[widest + 1])


def promising_rate(problem: StabilityProblem, c2: Fraction, seed: int) -> Fraction | None:
    """A rate alpha at which sampling sees V fall on much of {V ≤ c2}, or None where on nothing.

    The larger alpha, the smaller the level up to which V falls so fast; this is the rate with the
    largest product of alpha and the volume below that level, to leading order.
    """
    V, change = sampled_values(problem, seed)
    used = np.isfinite(change) & (float(c2) * NOISE < V) & (float(c2) >= V)
    order = np.argsort(V[used])
    levels = V[used][order]
    rates = np.minimum.accumulate(-change[used][order] / levels)
    score = rates * levels ** (problem.state.size / 2)
    if not len(score) or score.max() <= 0:
        return None
    return short_fraction(Fraction(float(rates[int(np.argmax(score))])), down=True)


def sampled_values(problem: StabilityProblem, seed: int) -> tuple[Array, Array]:
    """V and ΔV, (N,) each, at points about the equilibrium on all scales and at extreme w."""
    generator = np.random.default_rng([seed, 41])
    star = np.array([float(v) for v in problem.system.equilibrium])
    points = problem.domain.sample(SAMPLES, generator)
    scale = np.where(np.arange(SAMPLES) % 2, 10.0 ** generator.uniform(-SCALES, 0, SAMPLES), 1.0)
    points = star + scale[:, None] * (points - star)
    W = problem.system.disturbance_range
    if W is not None:
        points = np.hstack([points, extreme_sample(*W.outer(), SAMPLES, generator)])
    V, change = evaluate(problem.asking("V", problem.change_name), points)
    return V[:, 0], change[:, 0]
