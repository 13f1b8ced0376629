"""First guesses of levels by sampling, and how a search relaxes them when it meets a violation."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from certify.branch_and_bound import Relax
from certify.conditions import Condition
from certify.falsify import violations
from certify.origin import short_fraction
from certify.verdict import Counterexample

Array = NDArray[np.float64]


def sampled_points(condition: Condition, count: int, seed: int) -> Array:
    """Uniform points of the condition's regions."""
    generator = np.random.default_rng(seed)
    share = max(count // len(condition.regions), 64)
    return np.concatenate([r.sample(share, generator) for r in condition.regions])


def lowest_violation(condition: Condition, ranked: int, seed: int = 0) -> float | None:
    """The least value of constraint ``ranked``'s output among sampled violations, or None.

    ``ranked`` is an "at most" constraint; its own level is ignored, so that the answer is a first
    guess of the largest level at which the condition could hold.
    """
    best = None
    points = sampled_points(condition, 1024, seed)
    generator = np.random.default_rng(seed + 1)
    widths = np.array([[float(w) for w in r.widths] for r in condition.regions]).max(axis=0)
    for step in range(4):
        h = violations(condition, points)
        values = float(condition.violation[ranked].level) - h[:, ranked]
        others = np.delete(h, ranked, axis=1)
        bad = (others >= 0).all(axis=1) & np.isfinite(values)
        if bad.any():
            lowest = float(values[bad].min())
            best = lowest if best is None else min(best, lowest)
            chosen = points[bad][np.argsort(values[bad])[:16]]
        elif best is None:
            return None
        near = chosen[:, None] + widths * 0.05 * 0.4**step * generator.uniform(
            -1, 1, (len(chosen), 16, chosen.shape[1])
        )
        points = np.concatenate([chosen, _inside(condition, near.reshape(-1, chosen.shape[1]))])
    return best


def _inside(condition: Condition, points: Array) -> Array:
    """The points moved into every region in turn."""
    ends = [region.outer() for region in condition.regions]
    return np.concatenate([np.clip(points, low, high) for low, high in ends])


def lower_level(ranked: int, floor: Fraction, shrink: Fraction = Fraction(255, 256)) -> Relax:
    """Relax by lowering constraint ``ranked``'s level below the counterexample, not below floor."""

    def relax(condition: Condition, found: Counterexample) -> Condition | None:
        constraint = condition.violation[ranked]
        value = Fraction(found.outputs[constraint.output][0])
        level = short_fraction(value * shrink, down=True)
        if level <= floor or level >= constraint.level:
            return None
        levels = [c.level for c in condition.violation]
        levels[ranked] = level
        return condition.with_levels(levels)

    return relax


def raise_level(ranked: int, ceiling: Fraction) -> Relax:
    """Relax by raising constraint ``ranked``'s "at least" level above the counterexample."""

    def relax(condition: Condition, found: Counterexample) -> Condition | None:
        constraint = condition.violation[ranked]
        value = Fraction(found.outputs[constraint.output][1])
        level = short_fraction(value * Fraction(257, 256), down=False)
        if level >= ceiling or level <= constraint.level:
            return None
        levels = [c.level for c in condition.violation]
        levels[ranked] = level
        return condition.with_levels(levels)

    return relax
