"""Default tasks from the linearisation: period, range of actions, episodes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from learners.environments.episodes import Episodes
from learners.environments.tasks import task_for
from learners.lqr import lqr
from systems import zoo
from systems.build import system_from_text
from systems.errors import InputError
from systems.sampled import Sampling, sampled
from tests.learners.environments.plants import CONTROLLED


@pytest.mark.parametrize("name", CONTROLLED)
def test_every_controlled_system_has_a_task(name: str) -> None:
    system = zoo.system(name)
    task = task_for(system)
    assert task.system is system and task.episode_steps >= 200
    if task.sampling is None:
        assert system.time == "discrete"
    else:
        digits = str(float(task.sampling.period)).replace(".", "").strip("0")
        assert task.sampling.method == "rk4" and digits in {"1", "2", "5"}


@pytest.mark.parametrize("name", ["pendulum", "lorenz", "cartpole", "quadrotor-3d"])
def test_lqr_settles_from_everywhere_within_a_default_episode(name: str) -> None:
    """So there is something to be learned: the range, the room and the time are enough."""
    system = zoo.system(name)
    task = task_for(system)
    star = np.array([float(v) for v in system.equilibrium])
    K, _ = lqr(system)
    episodes = Episodes(task, 100, seed=1)
    for _ in range(task.episode_steps):
        inputs = np.clip(-(episodes.states - star) @ K.T, task.action_low, task.action_high)
        done = episodes.step(inputs)
        assert not done.terminated.any()
    assert done.truncated.all()
    assert (np.abs(episodes.states - star) / task.scale).max() < 0.05


def test_a_default_range_is_twice_what_lqr_asks_for() -> None:
    system = zoo.pendulum()
    K, _ = lqr(system)
    asked = 2 * np.abs(K).sum()  # the domain is [−1, 1]²
    task = task_for(system)
    assert task.action_high[0] == -task.action_low[0]
    assert asked <= task.action_high[0] <= 1.1 * asked
    half = task_for(system, share="1/2")
    assert half.action_high[0] == pytest.approx(task.action_high[0] / 2, rel=0.1)


def test_what_is_given_holds() -> None:
    sampling = Sampling(Fraction(1, 30), "euler", 2)
    task = task_for(
        zoo.pendulum(),
        sampling=sampling,
        episode_steps=7,
        action_range=(["-1.5"], [2]),
        share="0.5",
    )
    assert task.sampling == sampling and task.episode_steps == 7
    assert task.action_low == (-1.5,) and task.action_high == (2.0,)
    assert float(task.starts.upper[0]) == 0.5


def test_what_is_given_holds_for_the_zoos_own_tasks_too() -> None:
    own = task_for(zoo.bilinear())
    assert own.action_high == (5.0,) and float(own.sampling.period) == 0.05  # type: ignore[union-attr]
    task = task_for(
        zoo.bilinear(), sample_time="0.1", episode_steps=9, action_range=([-2], [3]), share="1/2"
    )
    assert float(task.sampling.period) == 0.1 and task.episode_steps == 9  # type: ignore[union-attr]
    assert (task.action_low, task.action_high) == ((-2.0,), (3.0,))
    assert float(task.starts.upper[0]) == 0.5


def test_a_sampled_zoo_system_keeps_its_task() -> None:
    task = task_for(sampled(zoo.bilinear(), Sampling(Fraction(1, 20))))
    assert task.sampling is None and task.action_high == (5.0,)


def test_without_lqr_the_range_has_to_be_given() -> None:
    system = replace(zoo.bilinear(), name="mine")
    with pytest.raises(InputError, match="mine: the linearisation does not move"):
        task_for(system)
    with pytest.raises(InputError, match="has no LQR to choose a range by; give the range"):
        task_for(system, sample_time="0.1")
    assert task_for(system, sample_time="0.1", action_range=([-1], [1])).episode_steps == 250


def test_a_users_system_of_a_zoo_systems_name_is_not_taken_for_it() -> None:
    for name in ("reactor-separator-1", "bilinear"):
        mine = system_from_text(name, ["z"], ["u"], {"z": "u - z"}, domain=[[-1, 1]])
        task = task_for(mine)
        assert task.references is None and task.action_high != (5.0,)
