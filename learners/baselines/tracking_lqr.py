"""Discrete-time LQR about whatever reference is asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learners.environments.transition import next_state, plant
from learners.lqr import Linearisation, solve_riccati
from systems import expression as ex
from systems.differentiate import jacobian
from systems.evaluate import function
from systems.task import Task

Array = NDArray[np.float64]

INPUT_WEIGHT = 1e-2
"""What an input that is off by half its range costs, where a state that is off by its scale
costs 1."""


@dataclass(frozen=True, eq=False)
class Regulator:
    """u = u_ref − K (x − x_ref) with cost-to-go (x − x_ref)ᵀ P (x − x_ref): K (m, n), P (n, n)."""

    K: Array
    P: Array


class Regulators:
    """The regulators of a task's plant, each designed when its reference is first asked for.

    Cost of a period: the squared scaled deviations of the states, and ``input_weight`` times those
    of the inputs, in halves of their ranges.
    """

    def __init__(self, task: Task, *, input_weight: float = INPUT_WEIGHT) -> None:
        system = plant(task)
        control = ex.variable("u", system.input_dimension)
        after = next_state(system, control)
        slopes = [*jacobian(after, system.state), *jacobian(after, control)]
        self._slopes = function(slopes, system.state, control)
        self._name, self._dimension = system.name, system.state_dimension
        self.Q = np.diag(np.array(task.scale) ** -2.0)
        half = (np.array(task.action_high) - np.array(task.action_low)) / 2
        self.R = input_weight * np.diag(half**-2.0)
        self._known: dict[bytes, Regulator] = {}

    def at(self, reference: Array, reference_input: Array) -> Regulator:
        """For one reference (n,) and the input (m,) that holds the plant there."""
        key = reference.tobytes() + reference_input.tobytes()
        if key not in self._known:
            self._known[key] = self._design(np.concatenate([reference, reference_input]))
        return self._known[key]

    def _design(self, point: Array) -> Regulator:
        slopes = [row[0] for row in self._slopes(point[None])]
        A, B = np.array(slopes[: self._dimension]), np.array(slopes[self._dimension :])
        linear = Linearisation(A, B, self.Q, self.R, "discrete")
        return Regulator(*solve_riccati(linear, self._name))


class TrackingLqr:
    """u = u_ref − K (x − x_ref), with the gain of each reference."""

    name = "LQR"

    def __init__(self, task: Task, *, input_weight: float = INPUT_WEIGHT) -> None:
        self.regulators = Regulators(task, input_weight=input_weight)

    def reset(self, count: int) -> None:
        pass

    def act(self, states: Array, references: Array, reference_inputs: Array) -> Array:
        out = reference_inputs.copy()
        targets = np.hstack([references, reference_inputs])
        left = np.arange(len(targets))
        while left.size:
            same = (targets[left] == targets[left[0]]).all(axis=1)
            rows, left = left[same], left[~same]
            reference, held = references[rows[0]], reference_inputs[rows[0]]
            K = self.regulators.at(reference, held).K
            out[rows] -= (states[rows] - reference) @ K.T
        return out
