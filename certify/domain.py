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

from certify.stability import StabilityProblem
from systems.box import Box
from systems.evaluate import evaluate

Array = NDArray[np.float64]

SHARES = tuple(Fraction(k, 16) for k in (16, 14, 12, 10, 8, 7, 6, 5, 4, 3, 2, 1))
"""Boxes tried, as shares of the domain's extent from the equilibrium."""

SAMPLES = 2048
DIRECTIONS = 192
CORE = 0.02
"""Points nearer than this share of the box are left out: V̇ vanishes at the equilibrium."""


def with_best_domain(problem: StabilityProblem, seed: int = 0) -> StabilityProblem:
    """The problem on the box for which sampling promises the largest region, the whole if close."""
    volumes = _promised_volumes(problem, seed)
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


def _promised_volumes(problem: StabilityProblem, seed: int) -> list[float]:
    """For each share, an estimate of the volume of {V ≤ c2} for the largest c2 not yet refuted.

    Points are drawn on rays from the equilibrium, at a uniform share ρ of the way to the boundary;
    a point then stands for a volume in proportion to ρⁿ⁻¹.
    """
    generator = np.random.default_rng(seed)
    directions = _boundary_directions(problem, SAMPLES, generator)
    star = np.array([float(v) for v in problem.system.equilibrium])
    reach = generator.random(SAMPLES)
    points = star + reach[:, None] * directions
    V, dV = (v[:, 0] for v in evaluate(problem.asking(0, 1), points))
    bad = (reach > CORE) & ~((dV < 0) & (V > 0))
    faces = _boundary_directions(problem, DIRECTIONS, generator)
    out = []
    for share in (float(s) for s in SHARES):
        on_faces = evaluate(problem.asking(0), star + share * faces)[0][:, 0]
        inside = reach <= share
        level = min(on_faces.min(), np.where(bad & inside, V, np.inf).min())
        weight = np.where(inside & (level >= V), reach ** (len(star) - 1), 0.0)
        out.append(float(weight.sum()) if np.isfinite(level) and level > 0 else 0.0)
    return out


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
