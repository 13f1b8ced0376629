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

SAMPLES = 4096
DIRECTIONS = 512
CORE = 0.02
"""Points nearer than this share of the box are left out: V̇ vanishes at the equilibrium."""


def with_best_domain(problem: StabilityProblem, seed: int = 0) -> StabilityProblem:
    """The problem on the box for which sampling promises the largest region, the whole if close."""
    volumes = [_promised_volume(problem, share, seed) for share in SHARES]
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


def _promised_volume(problem: StabilityProblem, share: Fraction, seed: int) -> float:
    """An estimate of the volume of {V ≤ c2} for the largest c2 that sampling does not refute."""
    generator = np.random.default_rng(seed)
    box = shrunk(problem, share)
    star = np.array([float(v) for v in problem.system.equilibrium])
    low, high = box.outer()
    points = box.sample(SAMPLES, generator)
    faces = box.sample(DIRECTIONS, generator)
    axis = generator.integers(len(low), size=DIRECTIONS)
    rows = np.arange(DIRECTIONS)
    faces[rows, axis] = np.where(generator.random(DIRECTIONS) < 0.5, low[axis], high[axis])
    on_faces = evaluate(problem.asking(0), faces)[0][:, 0]
    inner = star + (points - star) * generator.uniform(CORE, 1, (SAMPLES, 1))
    probes = np.concatenate([points, inner])
    V, dV = (v[:, 0] for v in evaluate(problem.asking(0, 1), probes))
    far = (np.abs(probes - star) / (high - low)).max(axis=1) > CORE / 2
    bad = far & ~((dV < 0) & (V > 0))
    level = min(on_faces.min(), np.where(bad, V, np.inf).min())
    if not np.isfinite(level) or level <= 0:
        return 0.0
    return float((V[:SAMPLES] <= level).mean()) * float(box.volume)
