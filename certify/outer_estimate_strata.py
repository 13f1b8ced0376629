"""Strata of a box between ellipsoids, how many starts to draw in each, and what the draws show."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from certify.outer_estimate_follow import Flow

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]

PROBE = 400
"""Draws that tell how many of a stratum's starts need a simulation."""

FEWEST, MOST = 200, 20_000
"""Draws in a stratum; a draw outside D, or in the proved region, costs next to nothing."""

DEEPEST = 80
"""Shells at most: a volume of 2⁻⁸⁰ of D."""


@dataclass(frozen=True, eq=False)
class Strata:
    """Ellipsoids {|Lᵀ (x − x*)| ≤ ρ}, for ``radii`` ρ that rise, and the rest of the box.

    ``factor`` is L. Stratum 0 is the innermost ellipsoid, k the shell up to radius k, and the last
    one the box D outside all of them. ``volumes`` are those of the sets that starts are drawn from:
    the shells, and D itself.
    """

    flow: Flow
    centre: Array
    factor: Array
    radii: Array
    volumes: Array

    @staticmethod
    def of(flow: Flow, centre: Array, shape: Array, innermost: float | None = None) -> Strata:
        """Shells from the volume ``innermost``, by default that of {q ≤ 1}, to that of D.

        Beyond that volume, drawing from D wastes fewer starts than drawing from an ellipsoid.
        """
        n = len(shape)
        factor = np.linalg.cholesky(shape)
        unit = math.exp(_log_unit_ball(n) - float(np.log(np.diag(factor)).sum()))
        whole = float((flow.high - flow.low).prod())
        first = min(innermost or unit, 0.5 * whole)
        shells = min(math.ceil(math.log2(whole / first)), DEEPEST)
        sizes = whole * 0.5 ** np.arange(shells, -1, -1)
        volumes = np.append(np.diff(sizes, prepend=0.0), whole).astype(np.float64)
        radii = np.asarray((sizes / unit) ** (1.0 / n), dtype=np.float64)
        return Strata(flow, centre, np.asarray(factor, dtype=np.float64), radii, volumes)

    @property
    def count(self) -> int:
        return len(self.volumes)

    def draw(self, k: int, count: int, generator: np.random.Generator) -> tuple[Array, Mask]:
        """Starts (count, n), uniform in what stratum k is drawn from, and which are of it."""
        flow = self.flow
        n = len(self.centre)
        if k == self.count - 1:
            x = flow.low + (flow.high - flow.low) * generator.random((count, n))
            return x, self.distance(x) > self.radii[-1]
        least = 0.0 if k == 0 else (self.radii[k - 1] / self.radii[k]) ** n
        share = least + (1.0 - least) * generator.random((count, 1))
        z = generator.standard_normal((count, n))
        z *= self.radii[k] * share ** (1.0 / n) / np.linalg.norm(z, axis=1, keepdims=True)
        x = self.centre + np.linalg.solve(self.factor.T, z.T).T
        return x, flow.within(x)

    def distance(self, x: Array) -> Array:
        """|Lᵀ (x − x*)|; (N,)."""
        return np.asarray(np.linalg.norm((x - self.centre) @ self.factor, axis=1))

    def stratum(self, x: Array) -> Counts:
        """The stratum of each point; (N,)."""
        return np.asarray(np.searchsorted(self.radii, self.distance(x)), dtype=np.int64)

    def even(
        self, simulations: int, generator: np.random.Generator, proved: Callable[[Array], Mask]
    ) -> Counts:
        """Draws for each stratum, with about as many simulations in each."""
        return self._draws(np.ones(self.count), simulations, generator, proved)

    def allocated(
        self,
        simulations: int,
        spreads: Array,
        generator: np.random.Generator,
        proved: Callable[[Array], Mask],
    ) -> Counts:
        """Draws for each stratum, with simulations in proportion to ``spreads``, some more."""
        weights = spreads / max(float(spreads.sum()), 1e-300)
        return self._draws(0.9 * weights + 0.1 / self.count, simulations, generator, proved)

    def _draws(
        self,
        weights: Array,
        simulations: int,
        generator: np.random.Generator,
        proved: Callable[[Array], Mask],
    ) -> Counts:
        costly = np.zeros(self.count)
        for k in range(self.count):
            x, valid = self.draw(k, PROBE, generator)
            costly[k] = float((valid & ~proved(x)).mean())
        weights = np.where(costly > 0, weights, 0.0)
        wanted = simulations * weights / max(float(weights.sum()), 1e-300)
        draws = np.where(costly > 0, wanted / np.maximum(costly, 1.0 / PROBE), 10 * FEWEST)
        return np.clip(np.ceil(draws), FEWEST, MOST).astype(np.int64)


def _log_unit_ball(n: int) -> float:
    return 0.5 * n * math.log(math.pi) - math.lgamma(0.5 * n + 1.0)


@dataclass(frozen=True)
class Estimate:
    """A simulated volume, with a 95 % interval; not proved.

    ``high`` counts what was undecided as converged. Where no sample converged, in the outermost
    strata, the interval says nothing; with 95 % confidence at most ``beyond`` more lies there.
    """

    volume: float
    low: float
    high: float
    beyond: float

    def proved_share(self, certified: float) -> tuple[float, float]:
        """What share of the estimate a certified volume is; and of the interval's upper end."""
        return (
            min(certified / self.volume, 1.0) if self.volume > 0 else 0.0,
            min(certified / self.high, 1.0) if self.high > 0 else 0.0,
        )


def estimated(
    volumes: Array, whole: float, hits: Counts, doubtful: Counts, misses: Counts, drawn: Counts
) -> Estimate:
    """The volume of a set in a box of volume ``whole``, from the draws of every stratum.

    A draw is a hit, doubtful, a miss in the box, or outside it. Of a set that fills most of the box
    the volume is that of the box less that of the misses, which is known more closely.
    """
    if not drawn.any():
        return Estimate(0.0, 0.0, whole, 0.0)
    volume, low, high, beyond = interval(volumes, hits, doubtful, drawn)
    if volume <= 0.5 * whole:
        return Estimate(volume, low, min(high, whole), min(beyond, whole))
    _, least, most, beyond = interval(volumes, misses, doubtful, drawn)
    missed = float((volumes * (misses + doubtful) / np.maximum(drawn, 1)).sum())
    return Estimate(whole - missed, max(whole - most - beyond, 0.0), whole - least, 0.0)


def interval(
    volumes: Array, hits: Counts, doubtful: Counts, drawn: Counts
) -> tuple[float, float, float, float]:
    """Estimate, lower and upper end of a 95 % interval, and how much more may lie beyond.

    Of independent binomial proportions pₖ with Clopper-Pearson limits lₖ and uₖ, the ends of
    Σ vₖ pₖ are Σ vₖ p̂ₖ ∓ √Σ vₖ² (p̂ₖ − lₖ)² (Zou and Donner, 2008). ``doubtful`` draws count for
    the upper end. Strata beyond the outermost with a hit are left to the last figure: where none of
    Nₖ draws hits, Σ vₖ pₖ exceeds max vₖ · ln 20 / Nₖ with a chance of at most 5 %.
    """
    seen = np.flatnonzero(hits + doubtful)
    end = min(int(seen[-1]) + 2, len(hits)) if len(seen) else 0
    v = volumes[:end]
    share, lower, _ = _proportion(hits[:end], drawn[:end])
    most, _, upper = _proportion(hits[:end] + doubtful[:end], drawn[:end])
    estimate = float((v * share).sum())
    low = estimate - math.sqrt(float(((v * (share - lower)) ** 2).sum()))
    high = float((v * most).sum()) + math.sqrt(float(((v * (upper - most)) ** 2).sum()))
    rest = volumes[end:] * np.minimum(math.log(20.0) / np.maximum(drawn[end:], 1), 1.0)
    return estimate, max(low, 0.0), high, float(rest.max(initial=0.0))


def interval_of_most(
    whole: float, volumes: Array, misses: Counts, doubtful: Counts, drawn: Counts
) -> tuple[float, float, float, float]:
    """The same for a set that fills most of the box, from the starts in the box that are not in it.

    Its volume is that of the box, ``whole``, less that of the misses, which is known more closely.
    """
    _, least, most, beyond = interval(volumes, misses, doubtful, drawn)
    missed = float((volumes * (misses + doubtful) / np.maximum(drawn, 1)).sum())
    return whole - missed, max(whole - most - beyond, 0.0), whole - least, 0.0


def _proportion(hits: Counts, drawn: Counts) -> tuple[Array, Array, Array]:
    """Shares with their limits; without draws, nothing is known."""
    from scipy.special import betaincinv  # takes a tenth of a second to import

    misses = drawn - hits
    with np.errstate(all="ignore"):
        lower = np.where(hits > 0, betaincinv(np.maximum(hits, 1), misses + 1.0, 0.025), 0.0)
        upper = np.where(misses > 0, betaincinv(hits + 1.0, np.maximum(misses, 1), 0.975), 1.0)
    return hits / np.maximum(drawn, 1), lower, upper
