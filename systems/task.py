"""What a controller is trained for on a system, beside its equations: starts, references, cost.

A task is data. Environments (:mod:`learners.environments`) are made of it, and the learners of
actor-critics take what they must know of a plant from it: scales, ranges of inputs, subsystems.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from systems.box import Box
from systems.dynamics import ControlAffineSystem
from systems.expression import Expression
from systems.sampled import Sampling

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
    (u − u*)ᵀR(u − u*), in which every controller sees the whole. Without ``references`` there is
    one, the equilibrium. ``partition`` covers every state and every input once.
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
