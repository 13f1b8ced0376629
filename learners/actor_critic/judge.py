"""How good a frozen policy is: whether it steers fresh starts to the reference, and at what cost.

An estimate from samples, for choosing among policies and for tables; never a proof.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from learners.environments.batched import BatchedEnvironment
from systems.task import Task

Array = NDArray[np.float64]

SETTLED = 0.01
"""Of the states' scale: how near to its reference a start has to end."""


class Acts(Protocol):
    """A policy, or anything else that controls."""

    def act(self, states: Array, references: Array, reference_inputs: Array) -> Array: ...


@dataclass(frozen=True, eq=False)
class Judgement:
    """Of N starts: ``costs`` (N,) accumulated, infinite where the plant left its physical meaning;
    ``distances`` (N,) from the reference at the end, largest scaled component."""

    costs: Array
    distances: Array

    @property
    def success(self) -> float:
        """The share of starts that ended within :data:`SETTLED`."""
        return float((self.distances <= SETTLED).mean())

    @property
    def mean_cost(self) -> float:
        return float(self.costs.mean())

    def better_than(self, other: Judgement | None) -> bool:
        """More starts settled; where as many did, at less cost."""
        if other is None or self.success != other.success:
            return other is None or self.success > other.success
        return float(np.median(self.costs)) < float(np.median(other.costs))


def judge(task: Task, policy: Acts, *, starts: int, seed: int, periods: int) -> Judgement:
    """Run the policy without noise from ``starts`` random starts of the task."""
    environment = BatchedEnvironment(
        replace(task, noise=None, episode_steps=periods), starts, seed=seed
    )
    scale = np.array(task.scale)
    costs, alive = np.zeros(starts), np.ones(starts, dtype=np.bool_)
    references, steady = environment.references.numpy(), environment.reference_inputs.numpy()
    for _ in range(periods):
        inputs = policy.act(environment.states.numpy(), references, steady)
        step = environment.step(torch.from_numpy(np.ascontiguousarray(inputs)))
        costs += step.costs.numpy().sum(axis=1)
        alive &= ~step.terminated.numpy()
    distances = np.abs((environment.states.numpy() - references) / scale).max(axis=1)
    costs[~alive], distances[~alive] = np.inf, np.inf
    return Judgement(costs, distances)
