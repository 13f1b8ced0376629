"""What the pictures show, computed: values on slices, starting points, trajectories.

Ordinary floating point, for the eye; nothing here proves anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from certify.origin import centre_point, linearisation
from certify.result import StabilityResult
from proofs.picture_leaves import in_slice
from proofs.report_claim import centre_word
from proofs.statement import names_of, one_line
from systems.evaluate import function
from systems.expression import Expression
from systems.simulate import simulate
from systems.words import time_unit

Array = NDArray[np.float64]

CHUNK = 4096
"""Points at once, so that a wide network's hidden layer stays small in memory."""


SAMPLES = 400
"""Times at which a solution is drawn."""


@dataclass(frozen=True, eq=False)
class Paths:
    """Solutions on one grid of times: ``times`` (T,), ``states`` (N, T, n), NaN after an end.

    Disturbances are at the centre of their ranges. In discrete time the times are steps.
    """

    times: Array
    states: Array


@dataclass(frozen=True, eq=False)
class Scene:
    """A result seen as functions of the state."""

    result: StabilityResult

    @property
    def dimension(self) -> int:
        return self.result.problem.system.state_dimension

    @cached_property
    def names(self) -> list[str]:
        system = self.result.problem.system
        return [one_line(n) for n in names_of(system.state_names, "x", self.dimension)]

    @cached_property
    def units(self) -> list[str]:
        units = self.result.problem.system.state_units or ("",) * self.dimension
        return [one_line(u) for u in units]

    @property
    def discrete(self) -> bool:
        return self.result.problem.is_discrete

    @property
    def time_unit(self) -> str:
        """The unit of time, where other units tell it: rad and rad/s."""
        return time_unit(self.result.problem.system)

    @property
    def centre_word(self) -> str:
        """What x* is called."""
        return centre_word(self.result)

    @cached_property
    def equilibrium(self) -> Array:
        return np.array([float(v) for v in self.result.problem.system.equilibrium])

    @cached_property
    def domain(self) -> tuple[Array, Array]:
        return self.result.problem.system.domain.outer()

    @cached_property
    def statement_domain(self) -> tuple[Array, Array]:
        """D of the statement, which may be smaller than the system's domain."""
        return self.result.problem.domain.outer()

    @cached_property
    def V(self) -> Callable[[Array], Array]:
        """(N, n) → (N,)."""
        inner = self._compiled(self.result.problem.value)
        return lambda x: inner(x)[:, 0]

    @cached_property
    def rate(self) -> Callable[[Array], Array]:
        """V̇, or V(F) − V in discrete time: (N, n) → (N,)."""
        inner = self._compiled(self.result.problem.derivative)
        return lambda x: inner(x)[:, 0]

    @cached_property
    def field(self) -> Callable[[Array], Array]:
        """F: (N, n) → (N, n)."""
        return self._compiled(self.result.problem.field)

    def motion(self, x: Array) -> Array:
        """Where states go: F, or the step F − x in discrete time. (N, n) → (N, n)."""
        return self.field(x) - x if self.discrete else self.field(x)

    @cached_property
    def centre(self) -> Array:
        """x*, and the disturbances at the centre of their ranges, (n + p,)."""
        return np.asarray(centre_point(self.result.problem)[0])

    def _compiled(self, root: Expression) -> Callable[[Array], Array]:
        """An expression as a function of the state, with disturbances as in ``centre``."""
        run = function(root, *self.result.problem.variables)
        w = self.centre[self.dimension :]

        def part(x: Array) -> Array:
            return run(np.hstack([x, np.tile(w, (len(x), 1))]))[0]

        return lambda x: np.concatenate([part(x[k : k + CHUNK]) for k in range(0, len(x), CHUNK)])

    @property
    def c1(self) -> float | None:
        """The lower level; None where the theorem has but one, as local stability has."""
        k = self.result.constants
        asked = self.result.requested.c1 if k is None else k.c1
        if not self.result.requested.claim.has_band:
            return None
        return None if asked is None else float(asked)

    @property
    def c2(self) -> float | None:
        """The level found, or the one asked for where nothing was found."""
        k = self.result.constants
        asked = self.result.requested.c2 if k is None else k.c2
        return None if asked is None else float(asked)

    @property
    def ellipsoid_level(self) -> float | None:
        k = self.result.constants
        found = k is not None and self.result.ellipsoid is not None
        return float(k.c_q) if found and k is not None and k.c_q is not None else None

    def stated(self, x: Array) -> NDArray[np.bool_]:
        """Which of the numbers x (N,) lie in D, for one state."""
        low, high = self.statement_domain
        return np.asarray((low[0] <= x) & (x <= high[0]))

    def close_up(self, i: int, j: int) -> tuple[Array, Array]:
        """A box around the region's slice along coordinates i and j, with a margin, or the domain
        where the region is large or unknown.
        """
        low, high = (end.copy() for end in self.domain)
        paving = self.result.paving
        if paving is None or not len(paving.lower):
            return low, high
        met = in_slice(paving.lower, paving.upper, self.equilibrium, i, j)
        if met.any():
            a, b = paving.lower[met].min(axis=0), paving.upper[met].max(axis=0)
            margin = 0.35 * (b - a)
            near = (b - a) < 0.5 * (high - low)
            low = np.where(near, np.maximum(low, a - margin), low)
            high = np.where(near, np.minimum(high, b + margin), high)
        return low, high

    def slice_points(
        self, i: int, j: int, count: int, low: Array, high: Array
    ) -> tuple[Array, Array, Array]:
        """Grid lines along coordinates i and j (count,), and the points (count², n) of the slice
        through the equilibrium between ``low`` and ``high``; the first coordinate runs fastest.
        """
        a, b = (np.linspace(low[k], high[k], count) for k in (i, j))
        points = np.tile(self.equilibrium, (count * count, 1))
        points[:, i], points[:, j] = np.tile(a, count), np.repeat(b, count)
        return a, b, points

    def starts(self, count: int) -> Array:
        """Points just inside the boundary of {V ≤ c2}, or of the domain where there is no c2."""
        if self.dimension != 2:
            return self._edge(np.random.default_rng(0).normal(size=(count, self.dimension)))
        angle = 2 * np.pi * np.arange(360) / 360
        edge = self._edge(np.stack([np.cos(angle), np.sin(angle)], axis=1))
        if len(edge) < count:
            return edge
        # Evenly spaced along the boundary as the picture shows it.
        low, high = self.domain
        steps = np.diff(edge, axis=0, append=edge[:1]) / (high - low)
        length = np.concatenate([[0.0], np.cumsum(np.hypot(*steps.T))])
        wanted = length[-1] * (np.arange(count) + 0.5) / count
        return np.asarray(edge[np.searchsorted(length, wanted) - 1])

    def _edge(self, directions: Array) -> Array:
        """Where rays from the equilibrium leave the region; (at most as many, n)."""
        low, high = self.statement_domain
        scale = np.minimum(high - self.equilibrium, self.equilibrium - low)
        directions = directions / np.abs(directions).max(axis=1, keepdims=True) * scale
        fractions = np.linspace(0.005, 0.97, 120)
        level = np.inf if self.c2 is None else 0.98 * self.c2
        rays = self.equilibrium + fractions[None, :, None] * directions[:, None, :]
        values = self.V(rays.reshape(-1, self.dimension)).reshape(rays.shape[:2])
        inside = np.logical_and.accumulate(values <= level, axis=1)
        last = inside.sum(axis=1) - 1
        rows = np.flatnonzero(last >= 0)
        return np.asarray(rays[rows, last[rows]])

    @cached_property
    def trajectories(self) -> Paths | None:
        """Solutions from :meth:`starts` over several times the slowest time constant."""
        starts = self.starts(12)
        if not len(starts):
            return None
        eigenvalues = np.linalg.eigvals(linearisation(self.result.problem))
        if self.discrete:
            return self._one_by_one(
                starts, _steps(float(np.abs(eigenvalues).max())), 20 * _size(self.domain)
            )
        slowest = float(eigenvalues.real.max())
        horizon = min(8.0 / -slowest, 200.0) if slowest < -1e-3 else 20.0
        blow_up = 20 * _size(self.domain)
        return self._together(starts, horizon, blow_up) or self._one_by_one(
            starts, horizon, blow_up
        )

    def _together(self, starts: Array, horizon: float, blow_up: float) -> Paths | None:
        """All solutions as one system, which is much faster; None where one of them breaks off."""
        from scipy.integrate import solve_ivp

        def rate(_: float, flat: Array) -> Array:
            return self.field(flat.reshape(starts.shape)).ravel()

        def margin(_: float, flat: Array) -> float:
            return float(blow_up - np.abs(flat).max())

        margin.terminal = True  # type: ignore[attr-defined]
        if not np.isfinite(rate(0.0, starts.ravel())).all():
            return None
        times = horizon * np.linspace(0.0, 1.0, SAMPLES) ** 2  # most of them where much happens
        with np.errstate(all="ignore"):
            solution = solve_ivp(
                rate, (0.0, horizon), starts.ravel(), method="DOP853", t_eval=times, events=margin,
                rtol=1e-6, atol=1e-9,
            )  # fmt: skip
        if solution.status != 0:
            return None
        states = solution.y.T.reshape(len(times), *starts.shape).swapaxes(0, 1)
        return Paths(times, states)

    def _one_by_one(self, starts: Array, horizon: float, blow_up: float) -> Paths:
        problem = self.result.problem
        found = simulate(
            problem.candidate.closed_loop(problem.system), starts, horizon, samples=SAMPLES,
            blow_up=blow_up, relative_tolerance=1e-6, absolute_tolerance=1e-9,
        )  # fmt: skip
        return Paths(found.times, found.states)


def _steps(largest: float) -> float:
    """So many steps bring a linear system near its equilibrium; some, where they never do.

    ``largest`` is the largest absolute value of its eigenvalues.
    """
    if not 0 < largest < 0.999:
        return 40.0 if largest >= 1 else 10.0
    return float(np.clip(np.ceil(8.0 / -np.log(largest)), 10, 400))


def _size(box: tuple[Array, Array]) -> float:
    return float(np.abs(box).max())
