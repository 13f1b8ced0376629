"""How much of the box D converges, by simulation: an estimate, never part of a proof.

The region of attraction inside D is estimated in two senses: the starts whose simulated solutions
converge without leaving D, and those that converge at all. A solution counts as converged when it
enters the proved region, from where convergence is certain: what is left is the integration error
up to there. Disturbances are held at the centre of their ranges.

Regions of attraction fill a tiny part of D where there are many states (1e-4 with four), so that
starts are drawn by strata: shells between ellipsoids about x*, each of half the volume of the next,
down to well inside the proved region, and last D itself outside the largest. The volume of a shell
is known, its share that converges is a binomial proportion, and starts outside D count as misses
without a simulation. A first quarter of the simulations fits the ellipsoids to what converged and
shares out the rest (Neyman's allocation); it does not enter the estimate, which is unbiased.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from certify.budget import Budget, Clock
from certify.inner_ellipsoid import promising_shape
from certify.origin import linearisation, rate_of
from certify.outer_estimate_follow import CONVERGED, UNDECIDED, Flow, follow
from certify.outer_estimate_strata import Estimate, Strata, estimated
from certify.stability import StabilityProblem
from systems.differentiate import NotDifferentiableError
from systems.evaluate import function
from systems.threads import single_threaded_blas

__all__ = ["Estimate", "OuterEstimate", "flow_of", "outer_estimate", "proved_region"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

PILOT = 0.25
"""The share of the simulations that only fits the strata."""

CHUNK = 1024
"""Trajectories that are followed together."""

NEAR = 0.99
"""A solution has arrived where V is below this share of the proved level: no step's error matters.
A start need only be inside."""

METHOD = "strata of ellipsoidal shells about x*, Dormand-Prince 5(4), 95 % Clopper-Pearson"

BATCHES = 8
"""The round that counts is drawn in so many parts, each from every stratum: where time runs out,
the parts that are finished count."""

CORE = 0.05
"""The innermost ellipsoid has this share of the volume that the pilot round shows."""

OnCount = Callable[[int, int], None]
"""Told how many simulations are done, of how many."""


@dataclass(frozen=True)
class OuterEstimate:
    """Simulated, not proved: the region of attraction inside D, as volumes in the states' units.

    ``staying`` are starts that converge without leaving D, ``converging`` those that converge at
    all. ``samples`` solutions were simulated, ``undecided`` of which neither converged nor went far
    away within ``horizon`` (a time, or steps). ``complete`` is False where time ran out.
    """

    staying: Estimate
    converging: Estimate
    samples: int
    undecided: int
    horizon: float
    method: str
    seconds: float
    complete: bool


def outer_estimate(
    problem: StabilityProblem,
    c2: Fraction,
    *,
    samples: int = 4000,
    seed: int = 0,
    horizon: float | None = None,
    budget: Budget | None = None,
    on_count: OnCount | None = None,
) -> OuterEstimate:
    """Estimate how much of the system's domain converges, given that {x in D : V ≤ c2} does.

    About ``samples`` solutions are simulated; the same seed gives the same figures unless time runs
    out. Raises ValueError where samples or horizon are not positive.
    """
    if samples < 1 or (horizon is not None and not horizon > 0):
        raise ValueError("samples and horizon must be positive")
    clock = (budget or Budget(300.0)).started()
    with single_threaded_blas():
        return _Estimator(problem, c2, samples, seed, horizon, clock, on_count).run()


def flow_of(problem: StabilityProblem, c2: Fraction, horizon: float | None = None) -> Flow:
    """The nominal closed loop in the system's domain, with the proved region as its target."""
    nominal = problem.system.nominal()
    field = function(problem.candidate.closed_loop(nominal).field, nominal.state)
    low, high = nominal.domain.outer()
    inside = proved_region(problem, c2, NEAR)
    longest = horizon or _horizon(problem)
    return Flow(lambda x: field(x)[0], inside, low, high, longest, problem.is_discrete)


def proved_region(
    problem: StabilityProblem, c2: Fraction, share: float = 1.0
) -> Callable[[Array], Mask]:
    """Which points lie in {x in D : V(x) ≤ share · c2}, D the box of the statement."""
    value = function(problem.value, problem.state)
    inner_low, inner_high = problem.domain.outer()
    level = share * float(c2)

    def inside(x: Array) -> Mask:
        within = ((inner_low <= x) & (x <= inner_high)).all(axis=1)
        return np.asarray(within & (value(x)[0][:, 0] <= level))

    return inside


def _horizon(problem: StabilityProblem) -> float:
    """Forty time constants of the slowest mode, within reason."""
    shortest, longest = (100.0, 10_000.0) if problem.is_discrete else (10.0, 1_000.0)
    try:
        rate = rate_of(linearisation(problem), problem.is_discrete)
    except NotDifferentiableError:
        rate = math.nan
    wanted = 80.0 / rate if rate > 0 else 10 * shortest
    return min(max(wanted, shortest), longest)


@dataclass(frozen=True, eq=False)
class _Starts:
    """Starts of one round: their strata, whether they count, and what became of them."""

    points: Array
    stratum: NDArray[np.int64]
    staying: Mask
    converging: Mask
    undecided: Mask
    simulated: int

    def hits(self, which: Mask, strata: Strata) -> NDArray[np.int64]:
        return np.asarray(np.bincount(self.stratum[which], minlength=strata.count))


class _Estimator:
    """One estimate: a pilot round, then the round that counts."""

    def __init__(
        self,
        problem: StabilityProblem,
        c2: Fraction,
        samples: int,
        seed: int,
        horizon: float | None,
        clock: Clock,
        on_count: OnCount | None,
    ) -> None:
        self.problem, self.c2, self.samples, self.seed = problem, c2, samples, seed
        self.clock, self.on_count = clock, on_count or (lambda _, __: None)
        self.flow = flow_of(problem, c2, horizon)
        self.proved = proved_region(problem, c2)
        self.generator = np.random.default_rng(seed)
        self.centre = np.array([float(v) for v in problem.system.equilibrium])
        self.whole = float(problem.system.domain.volume)
        self.done = 0

    def run(self) -> OuterEstimate:
        strata = Strata.of(self.flow, self.centre, self._first_shape())
        pilot = max(int(PILOT * self.samples), 1)
        draws = strata.even(pilot, self.generator, self.proved)
        first = self._follow(strata, draws)
        if first is None:
            return self._told(strata, np.zeros_like(draws), [], False)
        weights = (strata.volumes / draws)[first.stratum]
        better = self._fitted(strata, first, weights)
        draws = better.allocated(
            max(self.samples - first.simulated, 1),
            _spreads(better, first, weights),
            self.generator,
            self.proved,
        )
        part, found = -(-draws // BATCHES), []
        for _ in range(BATCHES):
            starts = self._follow(better, part)
            if starts is None:
                break
            found.append(starts)
        return self._told(better, part * len(found), found, len(found) == BATCHES)

    def _first_shape(self) -> Array:
        """An ellipsoid inside the proved region, or inside D."""
        try:
            shape = promising_shape(self.problem, self.c2, self.seed)
        except np.linalg.LinAlgError:
            shape = None
        return np.diag(self.flow.scale**-2.0) if shape is None else shape

    def _follow(self, strata: Strata, draws: NDArray[np.int64]) -> _Starts | None:
        """Draw so many starts of every stratum, and see where they lead; None out of time."""
        drawn = [strata.draw(k, int(count), self.generator) for k, count in enumerate(draws)]
        valid = np.concatenate([mask for _, mask in drawn])
        points = np.concatenate([x for x, _ in drawn])[valid]
        stratum = np.repeat(np.arange(strata.count), draws)[valid]
        known = np.concatenate([self.proved(points[i : i + CHUNK]) for i in _chunks(points)])
        fate = np.where(known, CONVERGED, UNDECIDED).astype(np.int8)
        left = np.zeros(len(points), dtype=bool)
        open_ = np.flatnonzero(~known)
        for i in _chunks(open_):
            rows = open_[i : i + CHUNK]
            fate[rows], left[rows] = follow(self.flow, points[rows], self._out_of_time)
            if self._out_of_time():
                return None
            self.done += len(rows)
            self.on_count(min(self.done, self.samples), self.samples)
        arrived = fate == CONVERGED
        return _Starts(points, stratum, arrived & ~left, arrived, fate == UNDECIDED, len(open_))

    def _out_of_time(self) -> bool:
        return self.clock.exhausted(0) is not None

    def _fitted(self, strata: Strata, first: _Starts, weights: Array) -> Strata:
        """Strata about the second moments of what converged inside D."""
        w = weights[first.staying]
        z = first.points[first.staying] - self.centre
        n = len(self.centre)
        if not len(w) or float(w.sum()) ** 2 < 5 * n * float((w**2).sum()):
            return strata
        moments = (z * w[:, None]).T @ z / w.sum()
        try:
            shape = np.linalg.inv(moments)
            return Strata.of(self.flow, self.centre, 0.5 * (shape + shape.T), CORE * float(w.sum()))
        except np.linalg.LinAlgError:
            return strata

    def _told(
        self, strata: Strata, drawn: NDArray[np.int64], found: list[_Starts], complete: bool
    ) -> OuterEstimate:
        return OuterEstimate(
            staying=self._estimate(strata, drawn, found, lambda s: s.staying),
            converging=self._estimate(strata, drawn, found, lambda s: s.converging),
            samples=sum(starts.simulated for starts in found),
            undecided=sum(int(starts.undecided.sum()) for starts in found),
            horizon=self.flow.horizon,
            method=METHOD,
            seconds=self.clock.elapsed,
            complete=complete,
        )

    def _estimate(
        self,
        strata: Strata,
        drawn: NDArray[np.int64],
        found: list[_Starts],
        which: Callable[[_Starts], Mask],
    ) -> Estimate:
        hits, doubtful, misses = (np.zeros_like(drawn) for _ in range(3))
        for starts in found:
            hits += starts.hits(which(starts), strata)
            doubtful += starts.hits(starts.undecided, strata)
            misses += starts.hits(~which(starts) & ~starts.undecided, strata)
        return estimated(strata.volumes, self.whole, hits, doubtful, misses, drawn)


def _spreads(strata: Strata, first: _Starts, weights: Array) -> Array:
    """How much each stratum adds to the relative error, by the pilot's draws."""
    index = strata.stratum(first.points)
    inside = np.bincount(index, weights, minlength=strata.count)
    counted = np.bincount(index, minlength=strata.count)
    out = np.zeros(strata.count)
    for which in (first.staying, first.converging):
        hits = np.bincount(index[which], weights[which], minlength=strata.count)
        seen = np.bincount(index[which], minlength=strata.count)
        # A share of 0 or 1 that a few draws show is not to be believed.
        share = np.where(inside > 0, hits / np.maximum(inside, 1e-300), 0.5)
        share = (share * counted + 0.5) / (counted + 1.0)
        spread = inside * np.sqrt(share * (1.0 - share))
        total = float(hits.sum())
        if total > 0:
            out = np.maximum(out, np.where(seen + counted > 0, spread / total, 0.0))
    return out


def _chunks(points: NDArray[np.generic]) -> range:
    return range(0, max(len(points), 1), CHUNK)
