"""Where a candidate fails: many points near the one that a proof found, in floating point.

A proof stops at its first counterexample. One point says little to a least-squares fit, so the
region around it, and the whole domain, are sampled for more violations of the same condition.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from certify.conditions import Condition
from certify.falsify import violations_at
from certify.result import StabilityResult
from certify.verdict import Refuted, Unknown, Verdict
from systems.box import Box
from systems.evaluate import evaluate

Array = NDArray[np.float64]

MOST_POINTS = 12
"""Counterexamples a round: more would drown the other collocation points of a small network."""
SAMPLES = 2048
NEAR_SAMPLES = 96
NEAR_RADII = (0.2, 0.05, 0.01)
"""Of the domain's half-widths: how far around the found point more violations are looked for."""
NEIGHBOURS = 8
NEIGHBOURHOOD = 0.03
"""Half-width of the neighbourhood that joins the collocation points, of the domain's own."""


@dataclass(frozen=True, eq=False)
class Failure:
    """What a proof failed at, and where.

    ``condition`` is the name of the condition, or "origin" where the linearisation fails, "levels"
    where the levels asked for do not fit, and so on; ``points`` (M, n) violate it, worst first;
    ``severity`` ≥ 0 measures by how much, in the condition's own unit, or is None where nothing
    was measured.
    """

    condition: str
    points: Array
    severity: float | None


def failed_condition(verdict: Verdict) -> str:
    """The name of the condition that was refuted or left open; "" for Proved."""
    if isinstance(verdict, Refuted):
        return verdict.counterexample.condition
    return verdict.reason.partition(":")[0] if isinstance(verdict, Unknown) else ""


def find_failure(result: StabilityResult, seed: int) -> Failure:
    """What the next fit should know about a proof that did not succeed.

    Points are states: what the disturbance was at them is left out.
    """
    failure = _failure(result, seed)
    return replace(failure, points=failure.points[:, : result.problem.state.size])


def _failure(result: StabilityResult, seed: int) -> Failure:
    name = failed_condition(result.verdict)
    generator = np.random.default_rng([seed, 17])
    found = result.counterexample
    if found is not None:
        point = np.array(found.point)
        if name not in result.searches:  # the exact equilibrium test is no search
            return Failure(name, point[None], None)
        failure = _around(result.searches[name].condition, point, generator)
        return replace(failure, condition="origin") if _origin_is_open(result) else failure
    if name in ("core", "containment"):
        return _where_not_positive(result, name, generator)
    return Failure(name, np.empty((0, result.problem.state.size)), None)


def _origin_is_open(result: StabilityResult) -> bool:
    """Whether the linearisation itself failed; the search for a refutation then went on."""
    wanted = result.requested.claim.closes_origin
    return wanted and result.ellipsoid is None


def _around(condition: Condition, point: Array, generator: np.random.Generator) -> Failure:
    region = next(r for r in condition.regions if r.contains(point.tolist()))
    low, high = region.outer()
    clouds = [point[None]]
    for radius in NEAR_RADII:
        jitter = generator.uniform(-1.0, 1.0, (NEAR_SAMPLES, len(point)))
        clouds.append(np.clip(point + 0.5 * radius * (high - low) * jitter, low, high))
    share = max(SAMPLES // len(condition.regions), 64)
    clouds.extend(r.sample(share, generator) for r in condition.regions)
    x = np.concatenate(clouds)
    h = violations_at(condition, x)
    strict = np.array([c.strict for c in condition.violation])
    broken = np.all(np.where(strict, h > 0, h >= 0), axis=1)
    # The point itself is confirmed by enclosures, whatever floats say.
    bad = np.asarray(broken | np.all(x == point, axis=1), dtype=bool)
    x, amount = x[bad], h[bad, -1]
    order = np.argsort(-np.nan_to_num(amount, nan=-np.inf), kind="stable")
    order = np.concatenate([[0], order[order != 0]])
    scale = np.where(high > low, high - low, 1.0)
    severity = float(np.nanmax(np.append(amount, 0.0)))
    return Failure(condition.name, spread(x[order], scale, MOST_POINTS), severity)


def _where_not_positive(
    result: StabilityResult, name: str, generator: np.random.Generator
) -> Failure:
    """Points off the equilibrium with V ≤ 0: no proof got as far as a counterexample."""
    domain = result.problem.domain
    regions = domain.faces() if name == "containment" else (domain,)
    share = max(SAMPLES // len(regions), 64)
    x = np.concatenate([r.sample(share, generator) for r in regions])
    V = evaluate(result.problem.value_tape, x)[0][:, 0]
    bad = V <= 0.0
    low, high = domain.outer()
    order = np.argsort(V[bad], kind="stable")
    points = spread(x[bad][order], high - low, MOST_POINTS)
    return Failure(name, points, float(bad.mean()))


def spread(points: Array, scale: Array, most: int) -> Array:
    """At most ``most`` of the points (M, n): the first, then each time the farthest from those."""
    if len(points) <= most:
        return points
    chosen = [0]
    distance = np.full(len(points), np.inf)
    for _ in range(most - 1):
        step = np.abs((points - points[chosen[-1]]) / scale).max(axis=1)
        distance = np.minimum(distance, step)
        farthest = int(distance.argmax())
        if distance[farthest] == 0.0:
            break
        chosen.append(farthest)
    return points[chosen]


def with_neighbourhoods(
    points: Array, weights: Array, domain: Box, seed: int
) -> tuple[Array, Array]:
    """Every point with :data:`NEIGHBOURS` others around it, inside the domain, of equal weight.

    Shapes: points (M, n) and weights (M,) become (M (1 + NEIGHBOURS), n) and (M (1 + NEIGHBOURS),);
    the weight of a point is shared out among its neighbourhood.
    """
    low, high = domain.outer()
    generator = np.random.default_rng([seed, 29])
    jitter = generator.uniform(-1.0, 1.0, (len(points), NEIGHBOURS, points.shape[1]))
    around = points[:, None] + 0.5 * NEIGHBOURHOOD * (high - low) * jitter
    around = np.clip(around, low, high).reshape(-1, points.shape[1])
    share = weights / (1 + NEIGHBOURS)
    return np.concatenate([points, around]), np.concatenate([share, np.repeat(share, NEIGHBOURS)])
