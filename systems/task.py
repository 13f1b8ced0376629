"""What a controller is trained for on a system, beside its equations: starts, references, cost.

A task is data. Environments (:mod:`learners.environments`) are made of it, and the learners of
actor-critics take what they must know of a plant from it: scales, ranges of inputs, subsystems.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from systems import expression as ex
from systems.box import Box
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.exact import exact, nearest_float
from systems.expression import Expression
from systems.sampled import Sampling
from systems.words import input_names, state_names

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Subsystem:
    """A part of a plant with a controller of its own: indices of its states and of its inputs."""

    name: str
    states: tuple[int, ...]
    inputs: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class References:
    """K states to be reached, (K, n), and the inputs that hold the plant there, (K, m)."""

    states: Array
    inputs: Array


@dataclass(frozen=True)
class Noise:
    """Gaussian noise, cut off at ±``bound``, added to the state's derivative (in discrete time to
    the next state) and drawn anew in every period. (n,) each, in the states' units (per time)."""

    sigma: tuple[float, ...]
    bound: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class PhysicalLimit:
    """What must be so for a state to mean anything: ``margin``, a scalar of the state, is ≥ 0."""

    name: str
    margin: Expression


@dataclass(frozen=True, eq=False)
class Task:
    """One control task.

    ``sampling`` is None where the system itself is discrete. Episodes begin uniformly in ``starts``
    and are cut off (truncated, never terminated) after ``episode_steps`` periods. States are scaled
    as (x − centre)/scale for networks and for the tracking cost. Inputs range over
    [``action_low``, ``action_high``]. ``cost``: "tracking", the squared scaled distance from the
    reference, summed over a subsystem's states; or "running", the system's own Q(x) plus
    (u − u*)ᵀR(u − u*), that of a period where it is sampled, in which every controller sees the
    whole. With ``references``, Q is taken about the reference and u* is the input that holds it;
    without, there is one, the equilibrium. ``partition`` covers every state and every input once.

    Raises InputError where these do not fit together.
    """

    system: ControlAffineSystem
    sampling: Sampling | None
    episode_steps: int
    starts: Box
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    cost: Literal["tracking", "running"] = "running"
    references: References | None = None
    partition: tuple[Subsystem, ...] = ()
    noise: Noise | None = None
    physical: tuple[PhysicalLimit, ...] = ()

    def __post_init__(self) -> None:
        _check(self)


EPISODE_STEPS = 250
"""Periods of a default episode."""
ROOM = 10
"""A default task lets states go this many times as far from the equilibrium as the domain does."""

ActionRange = tuple[Sequence[object], Sequence[object]]
"""Lower and upper ends, m numbers each."""


def default_task(
    system: ControlAffineSystem,
    *,
    sample_time: object = None,
    sampling: Sampling | None = None,
    episode_steps: int | None = None,
    action_range: ActionRange | None = None,
    share: object = 1,
) -> Task:
    """The task of bringing a system to its equilibrium at its own running cost.

    A continuous system is sampled every ``sample_time`` by one Runge-Kutta step, or as ``sampling``
    says. Episodes of ``episode_steps`` periods (:data:`EPISODE_STEPS`) begin anywhere in ``share``
    of the domain, scaled about the equilibrium, which is also the centre of the states' scaling;
    the scale is how far the domain reaches from it. Inputs range over ``action_range``, within the
    input limits, which are the default. A state further away than :data:`ROOM` times the scale is
    outside of what the task is about, and ends the episode.

    Raises InputError where the system has no inputs, where a continuous one is given no period, and
    where the inputs have neither limits nor a range.
    """
    if not system.input_dimension:
        raise InputError(f"{system.name} has no inputs: there is nothing to be learned")
    part = share_of(share)
    star, box = system.equilibrium, system.domain
    scale = [max(b - c, c - a) for a, b, c in zip(box.lower, box.upper, star, strict=True)]
    low, high = action_range_of(system, action_range)
    return Task(
        system=system,
        sampling=sampling_of(system, sample_time, sampling),
        episode_steps=EPISODE_STEPS if episode_steps is None else episode_steps,
        starts=Box.of(
            (c + part * (a - c), c + part * (b - c))
            for a, b, c in zip(box.lower, box.upper, star, strict=True)
        ),
        centre=tuple(nearest_float(v) for v in star),
        scale=tuple(nearest_float(v) for v in scale),
        action_low=low,
        action_high=high,
        physical=tuple(
            _room(name, system.state[i], c, ROOM * r)
            for i, (name, c, r) in enumerate(zip(state_names(system), star, scale, strict=True))
        ),
    )


def _room(name: str, state: Expression, centre: Fraction, reach: Fraction) -> PhysicalLimit:
    """|state − centre| ≤ reach."""
    from_there = f"{name} - {float(centre):g}" if centre else name
    margin = reach - ex.absolute(state - centre)
    return PhysicalLimit(f"|{from_there}| <= {float(reach):g}", margin)


def share_of(given: object) -> Fraction:
    """A share in (0, 1]. Raises InputError for anything else."""
    part = _number(given, "the share of the domain in which episodes begin")
    if not 0 < part <= 1:
        raise InputError(f"episodes begin in a share of the domain in (0, 1], not {float(part):g}")
    return part


def sampling_of(
    system: ControlAffineSystem, sample_time: object, sampling: Sampling | None
) -> Sampling | None:
    """How a system is sampled: as ``sampling`` says, or by one Runge-Kutta step a ``sample_time``;
    None for a discrete one. Raises InputError for none or both, or what is no period."""
    if sample_time is not None and sampling is not None:
        raise InputError("give the sampling or the sampling period, not both")
    if system.time == "discrete":
        if sample_time is not None or sampling is not None:
            raise InputError(f"{system.name} is discrete already: it takes no sampling period")
        return None
    if sampling is not None:
        return sampling
    if sample_time is None:
        raise InputError(f"{system.name} is continuous: give a sampling period")
    period = _number(sample_time, "the sampling period")
    if period <= 0:
        raise InputError(f"the sampling period must be positive, not {sample_time}")
    return Sampling(period)


def action_range_of(
    system: ControlAffineSystem, given: ActionRange | None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Lower and upper ends of the actions, as floats: those ``given``, within the input limits,
    or these. Raises InputError where there is neither, or for what is no range."""
    limits, names = system.input_limits, input_names(system)
    if given is None:
        if limits is None:
            raise InputError(
                f"{system.name}: the inputs have no limits; give the range of actions to learn in"
            )
        given = limits.lower, limits.upper
    if len(given) != 2 or any(len(end) != len(names) for end in given):
        raise InputError(
            f"{system.name}: the range of actions needs {len(names)} lower and upper ends"
        )
    low, high = (tuple(_number(v, "an end of the range of actions") for v in e) for e in given)
    if limits is not None:
        low = tuple(max(a, b) for a, b in zip(low, limits.lower, strict=True))
        high = tuple(min(a, b) for a, b in zip(high, limits.upper, strict=True))
    return tuple(nearest_float(v) for v in low), tuple(nearest_float(v) for v in high)


def _number(value: object, what: str) -> Fraction:
    try:
        return exact(value)
    except ValueError as trouble:
        raise InputError(f"{what}: {trouble}") from None


def _check(task: Task) -> None:
    """Raise InputError for the first thing that does not fit."""
    system = task.system
    n, m, name = system.state_dimension, system.input_dimension, f"the task of {system.name}"
    for what, values, wanted in (
        ("centre", task.centre, n),
        ("scale", task.scale, n),
        ("action_low", task.action_low, m),
        ("action_high", task.action_high, m),
    ):
        if len(values) != wanted:
            raise InputError(f"{name}: {what} needs {wanted} numbers, not {len(values)}")
        if not np.isfinite(values).all():
            raise InputError(f"{name}: {what} must be finite numbers")
    if task.starts.dimension != n:
        raise InputError(f"{name}: starts need {n} intervals, not {task.starts.dimension}")
    if min(task.scale) <= 0:
        raise InputError(f"{name}: the scale of every state must be positive")
    for j, (low, high) in enumerate(zip(task.action_low, task.action_high, strict=True)):
        if not low < high:
            raise InputError(
                f"{name}: the range of the input {input_names(system)[j]} is empty: "
                f"[{low:g}, {high:g}]"
            )
    if task.episode_steps < 1:
        raise InputError(f"{name}: an episode has at least one step, not {task.episode_steps}")
    if (task.sampling is None) != (system.time == "discrete"):
        wanting = "has no sampling" if task.sampling is None else "samples what is discrete already"
        raise InputError(f"{name} {wanting}")
    if any(p.margin.size != 1 for p in task.physical):
        raise InputError(f"{name}: the margin of a physical limit is one number")
    _check_references(task, name)
    _check_partition(task, name)
    _check_noise(task, name)


def _check_references(task: Task, name: str) -> None:
    known = task.references
    if known is None:
        return
    n, m = task.system.state_dimension, task.system.input_dimension
    count = len(known.states)
    if not count or known.states.shape != (count, n) or known.inputs.shape != (count, m):
        raise InputError(
            f"{name}: references of shapes {known.states.shape} and {known.inputs.shape} where "
            f"(K, {n}) and (K, {m}) are wanted, with K of at least 1"
        )
    if not (np.isfinite(known.states).all() and np.isfinite(known.inputs).all()):
        raise InputError(f"{name}: references must be finite numbers")


def _check_partition(task: Task, name: str) -> None:
    if not task.partition:
        return
    for what, count, used in (
        ("state", task.system.state_dimension, [i for p in task.partition for i in p.states]),
        ("input", task.system.input_dimension, [j for p in task.partition for j in p.inputs]),
    ):
        if sorted(used) != list(range(count)):
            raise InputError(
                f"{name}: the partition must have each of the {count} {what}s in one subsystem, "
                f"but it has {sorted(used)}"
            )


def _check_noise(task: Task, name: str) -> None:
    if task.noise is not None:
        check_noise(task.noise, task.system.state_dimension, name)


def check_noise(noise: Noise, states: int, name: str) -> None:
    """Raise InputError, in the name of ``name``, where noise does not fit that many states."""
    for what, values in (("sigma", noise.sigma), ("bound", noise.bound)):
        if len(values) != states:
            raise InputError(
                f"{name}: the noise's {what} needs {states} numbers, not {len(values)}"
            )
        if not np.isfinite(values).all() or min(values) < 0:
            raise InputError(f"{name}: the noise's {what} must be finite and not negative")
