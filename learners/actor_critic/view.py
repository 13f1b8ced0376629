"""What one controller sees of a plant and what it moves: indices, scales, ranges.

A centralised learner has one view of everything, a distributed one a view for each subsystem.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.exact import exact, nearest_float
from systems.task import Subsystem, Task

Array = NDArray[np.float64]

MOST_SQUASHED = 0.999
"""Of the half-range: a steady input nearer to its limit than this is held at this distance, so that
tanh has a pre-image with room to control on both sides."""


@dataclass(frozen=True)
class View:
    """One controller's part of a plant.

    ``states`` and ``inputs`` index those of the whole plant. Local states are scaled as
    (s − ``centre``)/``scale``. Inputs range over [``low``, ``high``], exact rationals, so that the
    form of a squashed policy shows that it keeps within them. ``tracks``: there are several
    references, and the controller must be told which one.
    """

    name: str
    states: tuple[int, ...]
    inputs: tuple[int, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    low: tuple[Fraction, ...]
    high: tuple[Fraction, ...]
    tracks: bool

    def __post_init__(self) -> None:
        if not self.inputs:
            raise InputError(f"{self.name}: there is no input to control with")
        for i, (low, high) in enumerate(zip(self.low, self.high, strict=True)):
            if low >= high:
                raise InputError(
                    f"{self.name}: input {i + 1} has the empty range [{float(low)}, {float(high)}]"
                )
        if not all(math.isfinite(s) and s > 0.0 for s in self.scale):
            raise InputError(f"{self.name}: the scales of the states must be positive and finite")

    @property
    def middle(self) -> Array:
        """The middle of the inputs' range, (m,)."""
        return np.array(
            [nearest_float((a + b) / 2) for a, b in zip(self.low, self.high, strict=True)]
        )

    @property
    def half(self) -> Array:
        """Half the width of the inputs' range, (m,)."""
        return np.array(
            [nearest_float((b - a) / 2) for a, b in zip(self.low, self.high, strict=True)]
        )

    def squashed(self, inputs: Array) -> Array:
        """The plant's inputs (..., m of the plant) as this controller's actions in (−1, 1)."""
        out: Array = (inputs[..., list(self.inputs)] - self.middle) / self.half
        return out

    def before_squash(self, reference_inputs: Array) -> Array:
        """z with middle + half·tanh(z) = the steady inputs, (K, m of the plant) → (K, m).

        Exactly 0 where a steady input is the middle of its range; at most that of
        :data:`MOST_SQUASHED`. Raises InputError where one is at its limit or beyond: no squashed
        policy can hold the plant there.
        """
        share = self.squashed(reference_inputs)
        bad = np.argwhere(~(np.abs(share) < 1.0))
        if len(bad):
            k, j = (int(v) for v in bad[0])
            value = float(reference_inputs[k, self.inputs[j]])
            raise InputError(
                f"{self.name}: the steady input {value:.6g} of reference {k + 1} leaves no room in "
                f"the range [{float(self.low[j]):.6g}, {float(self.high[j]):.6g}] of input "
                f"{self.inputs[j] + 1}; widen the range or drop the reference"
            )
        return np.arctanh(np.clip(share, -MOST_SQUASHED, MOST_SQUASHED))


def whole(task: Task) -> View:
    """The view of a centralised controller: every state, every input."""
    system = task.system
    everything = Subsystem(
        system.name, tuple(range(system.state_dimension)), tuple(range(system.input_dimension))
    )
    return view_of(task, everything)


def view_of(task: Task, subsystem: Subsystem) -> View:
    """The view of one subsystem's controller.

    Raises InputError for a system that has no input, or one of infinite range.
    """
    system = task.system
    check_actions(task)
    ranges = [_range(system, j, task) for j in subsystem.inputs]
    several = task.references is not None and len(task.references.states) > 1
    return View(
        name=subsystem.name,
        states=subsystem.states,
        inputs=subsystem.inputs,
        centre=tuple(task.centre[i] for i in subsystem.states),
        scale=tuple(task.scale[i] for i in subsystem.states),
        low=tuple(low for low, _ in ranges),
        high=tuple(high for _, high in ranges),
        tracks=several,
    )


def check_actions(task: Task) -> None:
    """Raises InputError, one line, where a squashed actor cannot take the task's inputs."""
    system = task.system
    if not system.input_dimension:
        raise InputError(
            f"{system.name} has no inputs, so there is nothing for an actor-critic to learn; use "
            "--learner zubov for its region of attraction"
        )
    names = system.input_names or tuple(f"u{j + 1}" for j in range(system.input_dimension))
    for name, low, high in zip(names, task.action_low, task.action_high, strict=True):
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise InputError(
                f"{system.name}: the input {name} ranges over [{low:g}, {high:g}]; an actor-critic "
                "needs finite limits, the lower below the upper: give the task action_low and "
                "action_high, or the system input limits"
            )


def _range(system: ControlAffineSystem, j: int, task: Task) -> tuple[Fraction, Fraction]:
    """The task's range of an input; the system's exact limits where the task means those."""
    low, high = exact(task.action_low[j]), exact(task.action_high[j])
    if system.input_limits is None:
        return low, high
    lower, upper = system.input_limits.lower[j], system.input_limits.upper[j]
    return (
        lower if nearest_float(lower) == float(low) else max(low, lower),
        upper if nearest_float(upper) == float(high) else min(high, upper),
    )


def reference_arrays(task: Task) -> tuple[Array, Array]:
    """The states (K, n) and steady inputs (K, m) to be reached; the equilibrium's where none are
    given."""
    if task.references is not None:
        return task.references.states, task.references.inputs
    system = task.system
    return (
        np.array([[nearest_float(v) for v in system.equilibrium]]),
        np.array([[nearest_float(v) for v in system.equilibrium_input]]),
    )
