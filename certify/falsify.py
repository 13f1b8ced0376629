"""Look for counterexamples by sampling and local ascent; confirm them rigorously."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from flint import arb, ctx
from numpy.typing import NDArray

from certify.conditions import Condition, Constraint
from certify.enclosure.engine import Engine
from certify.verdict import Counterexample
from systems.box import Box
from systems.evaluate import evaluate

Array = NDArray[np.float64]

EXACT_BITS = 1024
"""Enough for the value of a polynomial of degree 19 at a float64, without a rounding."""

SAMPLES, CLIMBERS, TRIES, STEPS = 256, 8, 8, 4


def falsify(condition: Condition, engine: Engine, seed: int = 0) -> Counterexample | None:
    """A confirmed counterexample, or None where a short search finds none."""
    generator = np.random.default_rng(seed)
    ends = [r.outer() for r in condition.regions]
    lower = np.array([a for a, _ in ends])
    upper = np.array([b for _, b in ends])
    per_region = max(SAMPLES // len(ends), 32)
    which = np.repeat(np.arange(len(ends)), per_region)
    low, high = lower[which], upper[which]
    points = low + (high - low) * generator.random(low.shape)
    h = violations_at(condition, points)
    scale = _scales(h)
    merit = _merit(h, scale)
    best = np.argsort(-merit)[:CLIMBERS]
    points, low, high, merit = points[best], low[best], high[best], merit[best]
    for step in range(STEPS):
        reach = (high - low) * 0.15 * 0.5**step
        trial = points[:, None] + reach[:, None] * generator.uniform(
            -1, 1, (len(points), TRIES, points.shape[1])
        )
        trial = np.clip(trial, low[:, None], high[:, None])
        value = _merit(violations_at(condition, trial.reshape(-1, points.shape[1])), scale)
        value = value.reshape(len(points), TRIES)
        pick = value.argmax(axis=1)
        rows = np.arange(len(points))
        better = value[rows, pick] > merit
        points = np.where(better[:, None], trial[rows, pick], points)
        merit = np.where(better, value[rows, pick], merit)
    likely = np.flatnonzero(merit >= 0)
    likely = likely[np.argsort(-merit[likely])][:8]
    return confirm(condition, engine, points[likely]) if len(likely) else None


def violations(condition: Condition, outputs: Array) -> Array:
    """h_j from the tape's outputs (N, J'), in floating point: (N, J).

    A row with all h_j ≥ 0 (> 0 where strict) is a violation.
    """
    columns = [c.sign * (outputs[:, c.output] - float(c.level)) for c in condition.violation]
    return np.stack(columns, axis=1)


def violations_at(condition: Condition, points: Array) -> Array:
    """h_j at the points, (N, n) → (N, J)."""
    return violations(condition, np.hstack(evaluate(condition.tape, points)))


def _scales(h: Array) -> Array:
    """The spread of every constraint over the sample, kept away from 0 where it is constant."""
    known = np.where(np.isfinite(h), h, 0.0)
    with np.errstate(over="ignore"):
        spread = np.maximum(known.std(axis=0), 1e-9 * np.abs(known).max(axis=0))
    return np.asarray(np.clip(spread, 1e-290, 1e290))


def _merit(h: Array, scale: Array) -> Array:
    with np.errstate(over="ignore"):  # beside a pole h may dwarf what the sample saw
        value = (h / scale).min(axis=1)
    return np.where(np.isfinite(value), value, -np.inf)


def confirm(condition: Condition, engine: Engine, points: Array) -> Counterexample | None:
    """The first of the points that breaks the condition, rigorously.

    A point is first moved, exactly, into the nearest region (a face at 1/5 holds no float); the
    counterexample's floats are then the nearest to a rational point of which the bounds hold.
    """
    if not len(points):
        return None
    exact = [_moved_inside(condition.regions, p) for p in points.tolist()]
    ends = [Box(p, p).outer() for p in exact]
    lower, upper = engine.bound(np.array([a for a, _ in ends]), np.array([b for _, b in ends]), 1)
    for point, low, high in zip(exact, lower, upper, strict=True):
        if all(
            _holds(c.sign, c.strict, c.level, float(low[c.output]), float(high[c.output]))
            for c in condition.violation
        ):
            bounds = tuple(zip(low.tolist(), high.tolist(), strict=True))
            return Counterexample(condition.name, tuple(float(v) for v in point), bounds)
    return None


def confirm_exactly(condition: Condition, points: Array) -> Counterexample | None:
    """As :func:`confirm`, in ball arithmetic with many bits: slow, but it can see an equality.

    x² ≤ 0 holds at 0 and nowhere else; bounds with a rounding error show it at no point.
    """
    from certify.balls import enclose_point, to_float_interval

    for point in points.tolist():
        exact = _moved_inside(condition.regions, point)
        outputs = [values[0] for values in enclose_point(condition.tape, exact, EXACT_BITS)]
        if all(_certainly(c, outputs[c.output]) for c in condition.violation):
            bounds = tuple(to_float_interval(v) for v in outputs)
            return Counterexample(condition.name, tuple(float(v) for v in exact), bounds)
    return None


def _certainly(constraint: Constraint, value: arb) -> bool:
    """Whether a constraint holds for every value of a ball."""
    if not value.is_finite():
        return False
    level = constraint.level
    with ctx.workprec(EXACT_BITS):
        excess = (value * level.denominator - level.numerator) * constraint.sign
        return bool(excess > 0 if constraint.strict else excess >= 0)


def _moved_inside(regions: tuple[Box, ...], point: list[float]) -> tuple[Fraction, ...]:
    """The nearest point (in the maximum norm) of the nearest region."""
    moved = [
        tuple(
            min(max(Fraction(v), low), high)
            for v, low, high in zip(point, r.lower, r.upper, strict=True)
        )
        for r in regions
    ]
    return min(
        moved, key=lambda m: max(abs(a - Fraction(v)) for a, v in zip(m, point, strict=True))
    )


def _holds(sign: int, strict: bool, level: Fraction, low: float, high: float) -> bool:
    """Whether output ≥ level (sign 1) or ≤ level (−1) certainly holds; exact comparison."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return False
    if sign > 0:
        return low > level if strict else low >= level
    return high < level if strict else high <= level
