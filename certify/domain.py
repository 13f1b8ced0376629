"""Choose the box on which to state a theorem, where V is no Lyapunov function on all of the domain.

A learned V is often negative, or its derivative positive, far from the equilibrium; on a smaller
box around it the same V may prove a large region. The choice is made by sampling and promises
nothing: what is then claimed of the box is proved like everything else.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from certify.bands import widest_gap
from certify.levels import extreme_sample
from certify.stability import StabilityProblem
from certify.theorem import Claim
from systems.box import Box
from systems.evaluate import evaluate, function

Array = NDArray[np.float64]

SHARES = tuple(Fraction(k, 16) for k in (16, 14, 12, 10, 8, 7, 6, 5, 4, 3, 2, 1))
"""Boxes tried, as shares of the domain's extent from the equilibrium."""

SAMPLES = 2048
DIRECTIONS = 192
DISTURBANCES = 8
CORE = 0.02
"""Points nearer than this share of the box are left out: V̇ vanishes at the equilibrium."""


def with_best_domain(
    problem: StabilityProblem, seed: int = 0, claim: Claim = Claim.ASYMPTOTIC_STABILITY
) -> StabilityProblem:
    """The problem on the box for which sampling promises the largest region, the whole if close."""
    volumes = _promised_volumes(problem, seed, claim)
    best = int(np.argmax(volumes))
    if volumes[best] <= 0 or volumes[0] >= 0.9 * volumes[best]:
        return problem
    return replace(problem, chosen_domain=shrunk(problem, SHARES[best]))


def shrunk(problem: StabilityProblem, share: Fraction) -> Box:
    """The domain, drawn towards the equilibrium."""
    domain, star = problem.system.domain, problem.system.equilibrium
    return Box.of(
        [
            (c - share * (c - low), c + share * (high - c))
            for low, c, high in zip(domain.lower, star, domain.upper, strict=True)
        ]
    )


def _promised_volumes(problem: StabilityProblem, seed: int, claim: Claim) -> list[float]:
    """For each share, an estimate of the volume of {V ≤ c2} for the largest c2 not yet refuted.

    Points are drawn on rays from the equilibrium, at a uniform share ρ of the way to the boundary;
    a point then stands for a volume in proportion to ρⁿ⁻¹.
    """
    generator = np.random.default_rng(seed)
    directions = _boundary_directions(problem, SAMPLES, generator)
    star = np.array([float(v) for v in problem.system.equilibrium])
    reach = generator.random(SAMPLES)
    points = star + reach[:, None] * directions
    faces = _boundary_directions(problem, DIRECTIONS, generator)
    worst = _Worst(problem, points, generator)
    bad = (reach > CORE) & ~((worst.change < 0) & (worst.value > 0))
    out = []
    for share in SHARES:
        part = float(share)
        inside = reach <= part
        ceiling = worst.ceiling(inside, star + part * faces, shrunk(problem, share))
        levels = worst.value[bad & inside]
        if claim is Claim.PRACTICAL_STABILITY and problem.system.disturbance is not None:
            # V need not decrease near the equilibrium: the top of the widest band counts.
            level = widest_gap(levels, ceiling)[1] if 0 < ceiling < np.inf else ceiling
        else:
            level = min(ceiling, levels.min(initial=np.inf))
        weight = np.where(inside & (level >= worst.value), reach ** (len(star) - 1), 0.0)
        out.append(float(weight.sum()) if np.isfinite(level) and level > 0 else 0.0)
    return out


class _Worst:
    """V at points, ΔV and the next state for the disturbance that is worst of a few."""

    def __init__(
        self, problem: StabilityProblem, points: Array, generator: np.random.Generator
    ) -> None:
        self.problem, self.points = problem, points
        self.value = evaluate(problem.value_tape, points)[0][:, 0]
        W = problem.system.disturbance_range
        rows = [points]
        if W is not None:
            ends = W.outer()
            rows = [
                np.hstack([points, extreme_sample(*ends, len(points), generator)])
                for _ in range(DISTURBANCES)
            ]
        tape = problem.asking(problem.change_name)
        changes = np.array([evaluate(tape, r)[0][:, 0] for r in rows])
        self.change = np.where(np.isnan(changes).any(axis=0), np.nan, changes.max(axis=0))
        self.next: list[Array] = []
        if problem.is_discrete:
            move = function(problem.field, *problem.variables)
            self.next = [move(r)[0] for r in rows]

    def ceiling(self, inside: NDArray[np.bool_], faces: Array, box: Box) -> float:
        """What V must stay below: on the boundary, or where a step leaves the box; where unsafe."""
        if not self.problem.is_discrete:
            limit = float(evaluate(self.problem.value_tape, faces)[0][:, 0].min())
        else:
            low, high = box.outer()
            leaves = np.zeros(len(inside), dtype=bool)
            for moved in self.next:
                leaves |= ~((moved >= low) & (moved <= high)).all(axis=1)
            # Where no step leaves, all of the box may be claimed.
            highest = self.value[inside].max(initial=-np.inf)
            limit = float(self.value[leaves & inside].min(initial=highest))
        for unsafe in self.problem.system.unsafe:
            values = function(list(unsafe.constraints), self.problem.state)(self.points)
            met = inside & (np.hstack(values) >= 0).all(axis=1)
            limit = min(limit, float(self.value[met].min(initial=np.inf)))
        return limit


def _boundary_directions(
    problem: StabilityProblem, count: int, generator: np.random.Generator
) -> Array:
    """Vectors from the equilibrium to points of the domain's boundary, (count, n)."""
    star = np.array([float(v) for v in problem.system.equilibrium])
    low, high = problem.system.domain.outer()
    unit = generator.uniform(-1, 1, (count, len(star)))
    axis = generator.integers(len(star), size=count)
    rows = np.arange(count)
    unit[rows, axis] = np.where(generator.random(count) < 0.5, -1.0, 1.0)
    rays: Array = np.where(unit < 0, -unit * (low - star), unit * (high - star))
    return rays
