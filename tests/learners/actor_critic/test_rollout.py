"""Rollouts: true next states, ends apart from time limits, bad numbers dropped and named."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from learners.actor_critic.record import Record
from learners.actor_critic.view import reference_arrays, view_of, whole
from systems.exact import exact
from systems.task import PhysicalLimit, Subsystem, Task
from tests.learners.actor_critic.tasks import first_order_task, two_tanks_task

torch = pytest.importorskip("torch", reason="environments hand out torch tensors")
rollouts = pytest.importorskip("learners.actor_critic.rollout", reason="it needs torch")
encoding = pytest.importorskip("learners.actor_critic.encoding", reason="it needs torch")
batched = pytest.importorskip("learners.environments.batched", reason="it needs torch")


def rollout_of(task: Task, count: int = 6, **options: Any) -> rollouts.Rollout:
    encoder = encoding.Encoder(whole(task), reference_arrays(task)[1])
    environment = batched.BatchedEnvironment(task, count, seed=1)
    return rollouts.Rollout(environment, [encoder], Record(), task.system, **options)


def stepped(rollout: rollouts.Rollout, action: float) -> dict[str, torch.Tensor]:
    seen = rollout.see()
    count, m = len(seen[0].error), seen[0].steady.shape[1]
    [transitions] = rollout.step(seen, [torch.full((count, m), action)])
    return transitions


def test_a_time_limit_is_no_end_and_the_true_next_state_is_kept() -> None:
    rollout = rollout_of(first_order_task(episode_steps=3))
    for k in range(1, 8):
        before = rollout.environment.states.clone()
        transitions = stepped(rollout, 0.1)
        assert not transitions["ended"].any()
        assert torch.equal(transitions["error"], before.float())
        # ẋ = x + u over 0.1: the next state is near, also where the episode was begun anew.
        expected = before * np.exp(0.1) + 0.2 * (np.exp(0.1) - 1)
        assert torch.allclose(transitions["next_error"].double(), expected, atol=1e-5)
        moved = (rollout.environment.states - transitions["next_error"]).abs() > 1e-6
        assert bool(moved.all()) == (k % 3 == 0)


def test_leaving_the_physical_meaning_is_an_end_and_is_named() -> None:
    task = first_order_task()
    limit = PhysicalLimit("x <= 1.05", exact("1.05") - task.system.state[0])
    rollout = rollout_of(dataclasses.replace(task, physical=(limit,)))
    ended = torch.cat([stepped(rollout, 0.9)["ended"] for _ in range(8)])
    assert bool(ended.any()) and not bool(ended.all())
    [line] = rollout.record.warnings
    assert line.startswith("first-order: a state left its physical meaning: x <= 1.05")


class Faulty:
    """An environment whose cost, or observed state, is NaN in some rows."""

    def __init__(self, inner: Any, costs: bool) -> None:
        self.inner, self.costs = inner, costs

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def step(self, inputs: torch.Tensor) -> Any:
        step = self.inner.step(inputs)
        broken = (step.costs if self.costs else step.states).clone()
        broken[1::3] = torch.nan if self.costs else torch.inf
        return dataclasses.replace(step, **{"costs" if self.costs else "states": broken})


@pytest.mark.parametrize("costs", [True, False])
def test_what_is_no_number_is_dropped_named_and_begun_anew(costs: bool) -> None:
    rollout = rollout_of(first_order_task())
    rollout.environment = Faulty(rollout.environment, costs)
    for _ in range(3):
        before = rollout.environment.states.clone()
        transitions = stepped(rollout, 0.0)
        kept = torch.tensor([True, False, True] * 2)
        assert torch.equal(transitions["error"], before[kept].float())
        assert all(bool(torch.isfinite(v).all()) for v in transitions.values())
        after = rollout.environment.states
        assert bool((after.abs() <= 1.0)[~kept].all())  # new starts
    what = "the cost" if costs else "the observed state"
    assert rollout.record.warnings == [
        f"first-order: {what} was NaN or infinite; such transitions are dropped and their "
        "episodes begun anew (6 times)"
    ]


def test_an_input_at_its_limit_for_a_whole_episode_is_named() -> None:
    rollout = rollout_of(first_order_task(episode_steps=4))
    for _ in range(4):
        stepped(rollout, 1.0)
    words = "first-order: the input u sat at its limit for a whole episode"
    assert rollout.record.warnings == [f"{words} (6 times)"]
    for action in (1.0, 1.0, -1.0, 1.0, 0.0, 1.0, 1.0, 1.0):  # to and fro is no sitting
        stepped(rollout, action)
    assert rollout.record.warnings == [f"{words} (6 times)"]


def test_costs_of_whole_episodes_are_counted() -> None:
    rollout = rollout_of(first_order_task(episode_steps=3), 2)
    total = sum(stepped(rollout, 0.2)["cost"].double() for _ in range(3))
    assert rollout.returns == pytest.approx(total[:, 0].tolist(), rel=1e-6)


def test_beginnings_are_spread_over_the_first_episode() -> None:
    rollout = rollout_of(first_order_task(episode_steps=6), 6, episode_steps=6)
    ends = []
    for _ in range(14):
        before = rollout.episodes
        stepped(rollout, 0.0)
        ends.append(rollout.episodes - before)
    assert ends[:5] == [1] * 5 and ends[6:] == [1] * 8


def test_episodes_begin_where_they_are_told() -> None:
    points = torch.tensor([[0.25], [0.5], [0.75]], dtype=torch.float64)
    weights = torch.tensor([1.0, 0.0, 3.0], dtype=torch.float64)
    starts = rollouts.Starts(points, weights, torch.Generator().manual_seed(0))
    rollout = rollout_of(first_order_task(episode_steps=1), 400, starts=starts)
    states = rollout.environment.states[:, 0]
    assert set(states.tolist()) == {0.25, 0.75}
    assert 0.6 < float((states == 0.75).double().mean()) < 0.9
    stepped(rollout, 0.0)
    assert set(rollout.environment.states[:, 0].tolist()) == {0.25, 0.75}


def test_rows_of_all_controllers_belong_together() -> None:
    task = dataclasses.replace(
        two_tanks_task(), partition=(Subsystem("a", (0,), (0,)), Subsystem("b", (1,), (1,)))
    )
    inputs = reference_arrays(task)[1]
    encoders = [encoding.Encoder(view_of(task, part), inputs) for part in task.partition]
    environment = batched.BatchedEnvironment(task, 5, seed=2)
    rollout = rollouts.Rollout(environment, encoders, Record(), task.system)
    states, references = environment.states, environment.references
    seen = rollout.see()
    actions = [torch.tanh(s.steady) for s in seen]
    rows = rollout.step(seen, actions)
    for i, scale in enumerate((0.7, 1.3)):
        error = (states - references)[:, i] / scale
        assert torch.allclose(rows[i]["error"][:, 0].double(), error, atol=1e-6)
        assert torch.allclose(rows[i]["cost"][:, 0].double(), error**2, atol=1e-5)
        held = encoders[i].inputs(actions[i])[:, 0]
        assert torch.allclose(held, environment.reference_inputs[:, i], atol=1e-5)


def test_it_goes_on_where_it_was() -> None:
    one, other = (rollout_of(first_order_task(episode_steps=5)) for _ in range(2))
    for k in range(7):
        stepped(one, 0.1 * k)
    other.restore(one.state())
    for k in range(7):
        first, second = stepped(one, -0.1 * k), stepped(other, -0.1 * k)
        assert all(torch.equal(first[name], second[name]) for name in first)
    assert one.returns == other.returns and one.episodes == other.episodes
