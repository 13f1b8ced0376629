"""Theorem 1 looked at on held-out trajectories of the policy that ships: statistics, no proof."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from learners.actor_critic.running import one_thread
from learners.dlac_statistics import (
    Ergodicity,
    MeanBound,
    RatioBounds,
    gelman_rubin,
    mean_decrease,
    ratio_bounds,
)
from learners.dlac_training import TrainedControllers
from learners.environments.batched import BatchedEnvironment

Array = NDArray[np.float64]

LEAST_COST = 1e-3
"""Below this, (5a) compares a learned L with what noise alone costs."""
LONGER = 4
"""Chains are so many times as long as episodes, and their first half is not counted."""
AT_REST = 1e-6
"""Of the states' scale: chains that all stay so near to each other have come to the same rest."""
HELD_OUT = 104_729
"""Added to a seed: trajectories that no training has seen."""


@dataclass(frozen=True)
class TheoremOne:
    """The conditions of Theorem 1, each with its confidence.

    ``ratios``: (5a) for every controller. ``decrease``: (5c) with ``alpha`` for α₃; ``largest`` is
    the largest α₃ whose bound holds at the same confidence, 0 where none does. ``ergodicity``: R̂ of
    scaled states in the last half of chains at one reference.
    """

    ratios: tuple[RatioBounds, ...]
    alpha: float
    decrease: MeanBound
    largest: float
    ergodicity: Ergodicity
    trajectories: int
    steps: int

    @property
    def alpha_1(self) -> float:
        """α₁: the smallest ratio Lⁱ/cⁱ of all controllers."""
        return min(r.lower for r in self.ratios)

    @property
    def alpha_2(self) -> float:
        """α₂: the largest."""
        return max(r.upper for r in self.ratios)


def theorem_one(
    trained: TrainedControllers,
    *,
    trajectories: int = 200,
    steps: int | None = None,
    chains: int = 20,
    confidence: float = 0.95,
    seed: int = 0,
) -> TheoremOne:
    """Run ``trajectories`` episodes of the task with the mean actions, with its starts, references
    and noise; L(s) is Q at the mean action (10). Chains go on at the task's first reference, from
    starts dispersed over its box. An episode has ``steps`` periods, by default the task's.

    Each bound holds with ``confidence`` by itself, not all of them together.
    """
    steps = trained.task.episode_steps if steps is None else steps
    alpha = trained.controllers[0].settings.decrease
    with one_thread():
        L, C = _energies(trained, trajectories, steps, seed + HELD_OUT)
        ergodicity = _chains(trained, chains, LONGER * steps, seed + HELD_OUT + 1)
    # Which costs count is read off the trajectories that α₁ and α₂ are, not off the others.
    unit = float(C[:, : trajectories // 2].mean()) or 1.0
    ratios = tuple(
        ratio_bounds(energy[:, :-1], cost, least_cost=LEAST_COST * unit, confidence=confidence)
        for energy, cost in zip(L, C, strict=True)
    )
    total, costs = L.sum(axis=0), C.sum(axis=0)
    decrease = mean_decrease(total, costs, alpha, confidence=confidence)
    return TheoremOne(
        ratios, alpha, decrease, _largest(total, costs, confidence), ergodicity, trajectories, steps
    )


def _largest(L: Array, C: Array, confidence: float) -> float:
    """The largest α₃ in [0, 10] whose upper bound is at most 0.

    The bound is convex in α₃: where it is at most 0 at 0 and here, it is so in between, and this
    holds with the confidence of a single bound.
    """
    if not mean_decrease(L, C, 0.0, confidence=confidence).holds:
        return 0.0
    low, high = 0.0, 10.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        if mean_decrease(L, C, middle, confidence=confidence).holds:
            low = middle
        else:
            high = middle
    return low


def _energies(
    trained: TrainedControllers, count: int, steps: int, seed: int
) -> tuple[Array, Array]:
    """Lⁱ (ν, M, T + 1) and cⁱ (ν, M, T) along M episodes of T periods."""
    environment = BatchedEnvironment(trained.task, count, seed=seed)
    controllers = trained.controllers
    L = np.empty((len(controllers), count, steps + 1))
    C = np.empty((len(controllers), count, steps))
    for period in range(steps + 1):
        states, references = environment.states, environment.references
        held = environment.reference_inputs
        for i, controller in enumerate(controllers):
            L[i, :, period] = controller.lyapunov(controller.encoder(states, references, held))
        if period == steps:
            break
        inputs = trained.policy.act(states.numpy(), references.numpy(), held.numpy())
        step = environment.step(torch.from_numpy(inputs))
        C[:, :, period] = step.costs.numpy().T
    return L, C


def _chains(trained: TrainedControllers, count: int, steps: int, seed: int) -> Ergodicity:
    """R̂ of the last half of chains that all track one reference, from dispersed starts."""
    task = trained.task
    if task.references is not None:
        first = replace(
            task.references, states=task.references.states[:1], inputs=task.references.inputs[:1]
        )
        environment = BatchedEnvironment(replace(task, references=first), count, seed=seed)
    else:
        environment = BatchedEnvironment(task, count, seed=seed)
    scale = np.array(task.scale)
    chains = np.empty((count, steps, len(scale)))
    for period in range(steps):
        references, held = environment.references.numpy(), environment.reference_inputs.numpy()
        inputs = trained.policy.act(environment.states.numpy(), references, held)
        chains[:, period] = environment.step(torch.from_numpy(inputs)).states.numpy() / scale
    return gelman_rubin(chains[:, steps // 2 :], resolution=AT_REST)
