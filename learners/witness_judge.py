"""Which Lyapunov function to hand to a proof, judged by sampling: the one of the largest region.

A sample takes milliseconds, a proof seconds or minutes. Nothing is promised: proofs judge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from learners.frozen_loop import FrozenLoop
from systems.differentiate import gradient
from systems.evaluate import function
from systems.expression import Expression

Array = NDArray[np.float64]

SAMPLES = 4096
NEAREST = 1e-2
"""Half of the samples are drawn towards x* on all scales, down to this share of the domain."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Points of the domain with their weights, (N, n) and (N,), and F there; in continuous time,
    ``faces`` are points of its boundary, which V's level set must not reach."""

    loop: FrozenLoop
    x: Array
    weights: Array
    F: Array
    faces: Array

    @staticmethod
    def draw(loop: FrozenLoop, seed: int, count: int = SAMPLES) -> Samples:
        """Half of them uniform, half drawn towards x*; the weights make a volume of them."""
        generator = np.random.default_rng([seed, 43])
        low, high = loop.ends
        n = len(loop.scale)
        x = low + (high - low) * generator.random((count, n))
        near = count // 2
        scales = 10.0 ** generator.uniform(np.log10(NEAREST), 0.0, near)
        x[:near] = loop.x_star + (x[:near] - loop.x_star) * scales[:, None]
        room = np.where(x > loop.x_star, high - loop.x_star, loop.x_star - low)
        radius = np.maximum((np.abs(x - loop.x_star) / room).max(axis=1), 1e-9)
        # The density of the drawn half, against that of uniform points: x = s·y, s log-uniform.
        drawn = (np.maximum(radius, NEAREST) ** -n - 1.0) / (n * -np.log(NEAREST))
        faces = np.empty((0, n))
        if not loop.discrete:
            faces = low + (high - low) * generator.random((count // 2, n))
            axis, end = np.arange(len(faces)) % n, generator.random(len(faces)) < 0.5
            faces[np.arange(len(faces)), axis] = np.where(end, low[axis], high[axis])
        return Samples(loop, x, 1.0 / (1.0 + drawn), loop.at(x), faces)

    def joined(self, points: Array) -> Samples:
        """With points (M, n) that count for no volume, but which no region may hold if V fails
        there."""
        return replace(
            self,
            x=np.vstack([self.x, points]),
            weights=np.append(self.weights, np.zeros(len(points))),
            F=np.vstack([self.F, self.loop.at(points)]),
        )

    @cached_property
    def attracted(self) -> float:
        """The share of the domain that converges to x* without leaving it; no V has more."""
        arrives = np.isfinite(self.loop.costs(self.x))
        return float(self.weights[arrives].sum() / self.weights.sum())


@dataclass(frozen=True)
class Judgement:
    """What sampling says of a V: the ``share`` of the domain's volume, as samples see it, that lies
    below the ``level`` of the first violation; how many samples break it, and the words."""

    share: float
    level: float
    broken: int
    words: str


def judge(value: Expression, samples: Samples) -> Judgement:
    """The largest sublevel set of V, a function of the system's state, in which V is positive and
    falls, and which the loop does not leave, at all samples."""
    loop, x = samples.loop, samples.x
    V, change = _along(value, samples)
    leaves = _leaves(samples)
    rises = ~(change < 0.0)
    flat = ~(V > 0.0)
    bad = rises | flat | leaves
    level = float(V[bad & np.isfinite(V)].min(initial=np.inf))
    if not np.isfinite(V[bad]).all():
        level = -np.inf  # nowhere is V known to be larger there
    if len(samples.faces):
        there = function(value, loop.system.state)(samples.faces)[0]
        level = min(level, float(np.nan_to_num(there, nan=-np.inf).min()))
    below = (level > V) & ~bad
    share = float(samples.weights[below].sum() / samples.weights.sum()) if level > 0 else 0.0
    return Judgement(share, level, int(bad.sum()), _words(loop, rises, flat, leaves, len(x)))


def _along(value: Expression, samples: Samples) -> tuple[Array, Array]:
    """V, and V(F) − V or its derivative, at the samples; (N,) each."""
    loop, x, F = samples.loop, samples.x, samples.F
    state = loop.system.state
    with np.errstate(all="ignore"):
        if loop.discrete:
            V, after = function(value, state)(np.vstack([x, F]))[0].reshape(2, len(x))
            return V, after - V
        V, slope = function([value, gradient(value, state)], state)(x)
        return V[:, 0], np.vecdot(slope, F)


def _leaves(samples: Samples) -> NDArray[np.bool_]:
    """Where a step ends outside the domain; (N,)."""
    loop = samples.loop
    if loop.discrete:
        return np.asarray(~loop.inside(samples.F))
    return np.zeros(len(samples.x), dtype=bool)


def _words(
    loop: FrozenLoop,
    rises: NDArray[np.bool_],
    flat: NDArray[np.bool_],
    leaves: NDArray[np.bool_],
    count: int,
) -> str:
    change = "V(F) - V" if loop.discrete else "dV/dt"
    parts = [
        f"{words} at {int(where.sum()):,} of {count:,} sampled points"
        for words, where in (
            (f"{change} >= 0", rises & ~flat),
            ("V <= 0", flat),
            ("a step leaves the domain", leaves & ~rises & ~flat),
        )
        if where.any()
    ]
    return ", ".join(parts)
