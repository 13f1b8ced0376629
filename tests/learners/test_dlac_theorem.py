"""Theorem 1 as it is looked at after a training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="DLAC needs torch: pip install 'stableproof[train]'")

from learners.dlac import DistributedActorCritic
from learners.dlac_theorem import theorem_one
from learners.dlac_training import TrainedControllers
from learners.environments import task_for
from systems.build import system_from_text
from systems.task import Noise, Task

LEARNER = DistributedActorCritic(
    partition="p:v;q:w", hidden=(8,), critic_hidden=(12,), batch=64, environments=16,
    steps=16 * 300, interval=1, evaluations=1,
)  # fmt: skip


def task(rate: str) -> Task:
    """Two coupled states; at a positive rate they grow without control."""
    system = system_from_text(
        "pair",
        ["p", "q"],
        ["v", "w"],
        {"p": f"{rate}*p + q/5 + v", "q": f"p/5 + {rate}*q + w"},
        domain=[[-1, 1]] * 2,
        input_limits={"v": [-2, 2], "w": [-2, 2]},
    )
    made = task_for(system, sample_time="0.1", episode_steps=60)
    return replace(made, noise=Noise((0.01, 0.01), (0.05, 0.05)))


def untrained(rate: str) -> TrainedControllers:
    return replace(LEARNER, steps=16).train(task(rate))


def test_a_trained_pair_meets_the_conditions_at_samples() -> None:
    found = theorem_one(LEARNER.train(task("-1/2")), trajectories=60, chains=10, steps=150)
    assert len(found.ratios) == 2
    assert 0.0 < found.alpha_1 < found.alpha_2 < np.inf
    assert all(0.0 < r.probability < 1.0 and r.count == 30 for r in found.ratios)
    assert found.largest > 0.0
    assert found.decrease.holds == (found.largest >= found.alpha)
    assert found.ergodicity.consistent


def test_an_unstable_loop_meets_neither_decrease_nor_ergodicity() -> None:
    found = theorem_one(untrained("1/4"), trajectories=60, chains=6)
    assert found.largest == 0.0 and not found.decrease.holds
    assert not found.ergodicity.consistent


def test_chains_without_noise_that_all_come_to_rest_agree() -> None:
    trained = untrained("-1/2")
    quiet = replace(trained, task=replace(trained.task, noise=None))
    assert theorem_one(quiet, trajectories=10, chains=6, steps=300).ergodicity.consistent


def test_the_same_seed_looks_at_the_same_trajectories() -> None:
    trained = untrained("-1/2")
    first, again, other = (
        theorem_one(trained, trajectories=10, chains=3, seed=s) for s in (0, 0, 1)
    )
    assert first == again and first.decrease != other.decrease
