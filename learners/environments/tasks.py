"""The task of a system: the zoo's, or a default one made from its linearisation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from learners.lqr import Linearisation, linearise, solve_riccati
from systems import zoo
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.sampled import Sampling, unsampled
from systems.task import (
    EPISODE_STEPS,
    ActionRange,
    Task,
    action_range_of,
    default_task,
    sampling_of,
    share_of,
)
from systems.words import input_names, state_names

Array = NDArray[np.float64]

PERIODS = 3.0
"""A default period is at most 1/PERIODS of the shortest time constant of the linearisation, with
and without LQR: a Runge-Kutta step of the fastest mode is then off by less than 4e-5."""
TIME_CONSTANTS = 8.0
"""So many of LQR's longest time constant make a default episode."""
FEWEST_STEPS, MOST_STEPS = 200, 1000
FREEDOM = 2
"""An input without limits ranges over so many times what LQR asks for."""


def task_for(
    system: ControlAffineSystem,
    *,
    sample_time: object = None,
    sampling: Sampling | None = None,
    episode_steps: int | None = None,
    action_range: ActionRange | None = None,
    share: object = 1,
) -> Task:
    """The zoo's task of a system of that name, or :func:`systems.task.default_task` with what it
    leaves open filled in from the linearisation.

    The period is then 1/PERIODS of the shortest time constant, rounded down to 1, 2 or 5 times a
    power of ten. An input without limits ranges over FREEDOM times what LQR asks for in the starts'
    corners, rounded up to two digits. Whatever is given here holds, for zoo systems too.

    Raises InputError where the system has no inputs, or where there is no LQR to go by.
    """
    known = _zoo_task(system)
    if known is not None:
        task = known(system)
        if sample_time is not None or sampling is not None:
            task = replace(task, sampling=sampling_of(system, sample_time, sampling))
        if episode_steps is not None:
            task = replace(task, episode_steps=episode_steps)
        if action_range is not None:
            low, high = action_range_of(system, action_range)
            task = replace(task, action_low=low, action_high=high)
        return task if share == 1 else replace(task, starts=task.starts.scaled(share_of(share)))
    guide = _Guide.of(system)
    if system.time == "continuous" and sampling is None and sample_time is None:
        sample_time = guide.period()
    if system.input_limits is None and action_range is None and system.input_dimension:
        action_range = guide.action_range(share)
    task = default_task(
        system,
        sample_time=sample_time,
        sampling=sampling,
        episode_steps=episode_steps,
        action_range=action_range,
        share=share,
    )
    if episode_steps is None:
        task = replace(task, episode_steps=guide.episode_steps(task))
    return task


def _zoo_task(system: ControlAffineSystem) -> Callable[[ControlAffineSystem], Task] | None:
    """The zoo's task for a system of this name and these states and inputs; None without one."""
    entry = zoo.ENTRIES.get(unsampled(system).name)
    if entry is None or entry.task is None:
        return None
    own = entry.build()
    same = state_names(own) == state_names(system) and input_names(own) == input_names(system)
    return entry.task if same else None


@dataclass(frozen=True, eq=False)
class _Guide:
    """The linearisation of a system and LQR's gain K (m, n); None where there is no LQR."""

    system: ControlAffineSystem
    linear: Linearisation
    K: Array | None

    @staticmethod
    def of(system: ControlAffineSystem) -> _Guide:
        linear = linearise(system)
        try:
            return _Guide(system, linear, solve_riccati(linear, system.name)[0])
        except InputError:
            return _Guide(system, linear, None)

    @property
    def _eigenvalues(self) -> NDArray[np.complex128]:
        """Of the linearisation, with LQR where there is one, and without."""
        open_loop = np.linalg.eigvals(self.linear.A)
        if self.K is None:
            return np.asarray(open_loop, dtype=np.complex128)
        closed = np.linalg.eigvals(self.linear.closed_loop(self.K))
        return np.concatenate([closed, open_loop]).astype(np.complex128)

    def period(self) -> Fraction:
        radius = float(np.abs(self._eigenvalues).max())
        if not radius > 0:
            raise InputError(
                f"{self.system.name}: the linearisation does not move, so that it suggests no "
                "sampling period; give one"
            )
        return _readable(1.0 / (PERIODS * radius))

    def action_range(self, share: object) -> ActionRange:
        if self.K is None:
            raise InputError(
                f"{self.system.name}: the inputs have no limits, and the linearisation has no LQR "
                "to choose a range by; give the range of actions to learn in"
            )
        star = np.array([float(v) for v in self.system.equilibrium])
        low, high = self.system.domain.outer()
        reach = np.abs(self.K) @ np.maximum(high - star, star - low) * float(share_of(share))
        ends = [_two_digits(FREEDOM * float(v)) for v in reach]
        held = self.system.equilibrium_input
        return (
            [u - v for u, v in zip(held, ends, strict=True)],
            [u + v for u, v in zip(held, ends, strict=True)],
        )

    def episode_steps(self, task: Task) -> int:
        """TIME_CONSTANTS of LQR's slowest mode in periods, to two digits."""
        if self.K is None:
            return EPISODE_STEPS
        closed = np.linalg.eigvals(self.linear.closed_loop(self.K))
        if self.linear.time == "discrete":
            slowest = -math.log(min(max(float(np.abs(closed).max()), 1e-9), 1.0 - 1e-9))
        else:
            assert task.sampling is not None
            slowest = float(-closed.real.max() * task.sampling.period)
        steps = _two_digits(TIME_CONSTANTS / slowest) if slowest > 0 else Fraction(MOST_STEPS)
        return int(min(max(math.ceil(steps), FEWEST_STEPS), MOST_STEPS))


def _readable(value: float) -> Fraction:
    """1, 2 or 5 times a power of ten, at most ``value``."""
    power = Fraction(10) ** math.floor(math.log10(value))
    return max(k * power for k in (Fraction(1, 2), 1, 2, 5) if k * power <= value)


def _two_digits(value: float) -> Fraction:
    """A positive number rounded up to two digits; 1 for 0."""
    if value <= 0:
        return Fraction(1)
    power = Fraction(10) ** (math.floor(math.log10(value)) - 1)
    return math.ceil(Fraction(value) / power) * power
