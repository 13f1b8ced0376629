"""Decentralised proportional-integral control: each loop sees one state and moves one input.

Tuned by the SIMC rules (Skogestad, "Simple analytic rules for model reduction and PID controller
tuning", 2003) for a plant that, in the time that matters, integrates what the input adds:
x' ≈ b u. With τc, the closed loop's time constant, K = 1/(b τc) and the integral time is 4 τc.
The integral stands still where the input is at a limit and the error would push it further.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learners.environments.transition import plant
from systems.errors import InputError
from systems.evaluate import function
from systems.sampled import unsampled
from systems.task import Task

Array = NDArray[np.float64]

PERIODS = 2
"""The closed loop's time constant, in sampling periods."""


@dataclass(frozen=True)
class LoopPair:
    """One loop: the index of the state that is measured, and of the input that is moved."""

    state: int
    input: int


class ProportionalIntegral:
    """u_j = u_ref,j + K_j (e_i + 1/τ_i ∫ e_i dt) with e_i = x_ref,i − x_i, for each pair (i, j).

    Raises InputError where the task is not a sampled one, or a pair's input does not move its
    state.
    """

    name = "PI loops"

    def __init__(self, task: Task, pairs: Sequence[LoopPair], *, periods: float = PERIODS) -> None:
        discrete = plant(task)
        if discrete.sampling is None:
            raise InputError(f"{discrete.name} has no sampling period: PI loops need one")
        system = unsampled(discrete)
        at = np.array([[float(v) for v in system.equilibrium]])
        columns = function(list(system.input_columns), system.state)(at)
        self._states = [p.state for p in pairs]
        self._inputs = [p.input for p in pairs]
        effects = np.array([columns[p.input][0, p.state] for p in pairs])
        if not effects.all():
            raise InputError(f"{system.name}: an input of the PI loops does not move its state")
        period = float(discrete.sampling.period)
        self.gains: Array = 1 / (effects * periods * period)
        self.integral_time = 4 * periods * period
        self._period = period
        self._low = np.array(task.action_low)[self._inputs]
        self._high = np.array(task.action_high)[self._inputs]
        self.reset(1)

    def reset(self, count: int) -> None:
        self._integral: Array = np.zeros((count, len(self._inputs)))

    def act(self, states: Array, references: Array, reference_inputs: Array) -> Array:
        error = (references - states)[:, self._states]
        steady = reference_inputs[:, self._inputs]
        wanted = steady + self.gains * (error + self._integral)
        given = np.clip(wanted, self._low, self._high)
        pushes_further = self.gains * error * (wanted - given) > 0
        self._integral += np.where(pushes_further, 0.0, error * self._period / self.integral_time)
        out = reference_inputs.copy()
        out[:, self._inputs] = given
        return out
