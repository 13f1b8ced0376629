"""First guesses of levels by sampling, and how a search relaxes them when it meets a violation."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from certify.branch_and_bound import Relax
from certify.conditions import Condition
from certify.falsify import violations
from certify.verdict import Counterexample
from systems.evaluate import evaluate
from systems.exact import short_fraction

Array = NDArray[np.float64]


def sampled_points(condition: Condition, count: int, seed: int) -> Array:
    """Points of the condition's regions: uniform, and drawn towards the centres on all scales.

    Small sublevel sets lie there, and in many dimensions no uniform point would hit them.
    Disturbances, the coordinates after the first input, are drawn towards their ends instead.
    """
    generator = np.random.default_rng(seed)
    share = max(count // len(condition.regions), 64)
    n = condition.tape.inputs[0][1]
    out = []
    for region in condition.regions:
        points = region.sample(share, generator)
        centre = np.array([float(v) for v in region.centre])
        scale = np.where(np.arange(share) % 2, 10.0 ** generator.uniform(-3, 0, share), 1.0)
        scaled = centre + scale[:, None] * (points - centre)
        if len(centre) > n:
            low, high = region.outer()
            scaled[:, n:] = extreme_sample(low[n:], high[n:], share, generator)
        out.append(scaled)
    return np.concatenate(out)


def extreme_sample(low: Array, high: Array, count: int, generator: np.random.Generator) -> Array:
    """Points of a box, (count, p), two coordinates of three at an end, where disturbances do their
    worst."""
    share = np.clip(generator.uniform(-1.0, 2.0, (count, len(low))), 0.0, 1.0)
    return np.asarray(low + (high - low) * share)


def lowest_violation(condition: Condition, ranked: int, seed: int = 0) -> float | None:
    """The least value of constraint ``ranked``'s output among sampled violations, or None.

    ``ranked`` is an "at most" constraint; its own level is ignored, so that the answer is a first
    guess of the largest level at which the condition could hold.
    """
    return _extreme(condition, ranked, seed)


def highest_violation(condition: Condition, ranked: int, seed: int = 0) -> float | None:
    """As :func:`lowest_violation`, the greatest value for an "at least" constraint."""
    return _extreme(condition, ranked, seed)


def _extreme(condition: Condition, ranked: int, seed: int) -> float | None:
    """The most extreme value of the ranked output where all other constraints hold, by sampling."""
    constraint = condition.violation[ranked]
    best = None
    points = sampled_points(condition, 1024, seed)
    generator = np.random.default_rng(seed + 1)
    widths = np.array([[float(w) for w in r.widths] for r in condition.regions]).max(axis=0)
    chosen = points[:0]
    for step in range(5):
        outputs = np.hstack(evaluate(condition.tape, points))
        h = violations(condition, outputs)
        extremity = constraint.sign * outputs[:, constraint.output]
        others = np.delete(h, ranked, axis=1)
        bad = (others >= 0).all(axis=1) & np.isfinite(extremity)
        if bad.any():
            top = float(extremity[bad].max())
            best = top if best is None else max(best, top)
            chosen = points[bad][np.argsort(-extremity[bad])[:16]]
        if not len(chosen):
            return None
        near = chosen[:, None] + widths * 0.05 * 0.4**step * generator.uniform(
            -1, 1, (len(chosen), 16, chosen.shape[1])
        )
        points = np.concatenate([chosen, _inside(condition, near.reshape(-1, chosen.shape[1]))])
    return None if best is None else constraint.sign * best


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


def slower_or_lower(floor: Fraction, slower: bool, lower: bool) -> Relax:
    """Relax a decrease condition: a smaller μ where V still decreases at the counterexample, else
    a lower c2; each only where it is allowed. ``floor`` is the least c2."""
    lowered = lower_level(1, floor)

    def relax(condition: Condition, found: Counterexample) -> Condition | None:
        rate = found.outputs[condition.violation[2].output][1]
        if slower and rate < 0:
            levels = [c.level for c in condition.violation]
            levels[2] = -short_fraction(Fraction(-rate) / 2, down=True)
            return condition.with_levels(levels)
        return lowered(condition, found) if lower else None

    return relax


def narrower_or_slower(least: Fraction, raises_to: Fraction | None, lowers: bool) -> Relax:
    """Relax a decrease condition whose band may move at both ends.

    A smaller μ, not below ``least``, where V still decreases by more than that at the
    counterexample; else the band ends at it: the part above stays, or the part below where c2 may
    be lowered and that part is wider. The lower end is not raised beyond ``raises_to``.
    """

    def relax(condition: Condition, found: Counterexample) -> Condition | None:
        bottom, top, speed = (c.level for c in condition.violation)
        rate = Fraction(found.outputs[condition.violation[2].output][1])
        if -rate / 2 >= least and -rate < -speed:
            return condition.with_levels([bottom, top, -short_fraction(-rate / 2, down=True)])
        low, high = (Fraction(v) for v in found.outputs[condition.violation[0].output])
        raised = short_fraction(high * Fraction(33, 32), down=False)
        lowered = short_fraction(low * Fraction(255, 256), down=True)
        ceiling = top if raises_to is None else min(top, raises_to)
        may_raise = bottom < raised < ceiling
        may_lower = lowers and bottom < lowered < top
        if may_raise and not (may_lower and lowered - bottom > top - raised):
            return condition.with_levels([raised, top, speed])
        return condition.with_levels([bottom, lowered, speed]) if may_lower else None

    return relax


def steady_or_lower(floor: Fraction, alpha: Fraction, slower: bool, lower: bool) -> Relax:
    """Relax an exponential decrease condition: a lower c2, where that is allowed; not where V
    still falls at half the rate and another alpha may be tried (``slower``)."""
    lowered = lower_level(1, floor)

    def relax(condition: Condition, found: Counterexample) -> Condition | None:
        value, excess = (Fraction(low) for low, _ in found.outputs)
        if slower and value > 0 and excess < value * alpha / 2:
            return None
        return lowered(condition, found) if lower else None

    return relax


def raise_level(ranked: int, ceiling: Fraction) -> Relax:
    """Relax by raising constraint ``ranked``'s "at least" level above the counterexample."""

    def relax(condition: Condition, found: Counterexample) -> Condition | None:
        constraint = condition.violation[ranked]
        value = Fraction(found.outputs[constraint.output][1])
        level = short_fraction(value * Fraction(33, 32), down=False)
        if level >= ceiling or level <= constraint.level:
            return None
        levels = [c.level for c in condition.violation]
        levels[ranked] = level
        return condition.with_levels(levels)

    return relax
