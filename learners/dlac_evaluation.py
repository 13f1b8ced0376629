"""How well a policy tracks, as Figures 3 and 4 of the DLAC paper ask during training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from learners.actor_critic.policy import Policy
from learners.actor_critic.view import reference_arrays
from learners.environments.batched import BatchedEnvironment
from systems.task import Task

Array = NDArray[np.float64]

REFERENCES = 11
TAIL = 0.1
"""The share of an episode, at its end, that counts as steady."""
SEED = 11


def spread_references(task: Task, count: int = REFERENCES) -> NDArray[np.intp]:
    """The numbers of ``count`` references spread over the set, in the order of the first state."""
    states, _ = reference_arrays(task)
    order = np.argsort(states[:, 0], kind="stable")
    places = np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(np.intp)
    return np.asarray(order[places])


def steady_errors(task: Task, policy: Policy, count: int = REFERENCES) -> dict[str, float]:
    """The largest deviation in the last tenth of an undisturbed episode, over ``count`` references:
    one entry for each unit that states are measured in, "error[K]" (without a unit, "error").

    The reactor's are the paper's two: of temperatures in K, of mass fractions. "evaluation_cost" is
    the mean accumulated cost of these episodes.
    """
    chosen = spread_references(task, count)
    states, inputs = reference_arrays(task)
    targets, held = states[chosen], inputs[chosen]
    environment = BatchedEnvironment(replace(task, noise=None), len(chosen), seed=SEED)
    environment.follow(torch.from_numpy(targets), torch.from_numpy(held))
    worst = np.zeros(task.system.state_dimension)
    costs = 0.0
    tail = task.episode_steps - max(1, int(TAIL * task.episode_steps))
    for period in range(task.episode_steps):
        action = policy.act(environment.states.numpy(), targets, held)
        step = environment.step(torch.from_numpy(action))
        costs += float(step.costs.sum()) / len(chosen)
        if period >= tail:
            worst = np.maximum(worst, np.abs(step.states.numpy() - targets).max(axis=0))
    units = task.system.state_units or ("",) * len(worst)
    out = {"evaluation_cost": costs}
    for unit in dict.fromkeys(units):
        name = f"error[{unit}]" if unit else "error"
        out[name] = float(max(w for w, u in zip(worst, units, strict=True) if u == unit))
    return out
