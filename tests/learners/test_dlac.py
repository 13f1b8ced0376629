"""DLAC: it learns, each controller from its own part alone, and the same seed gives the same."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="DLAC needs torch: pip install 'stableproof[train]'")

import torch

from learners.actor_critic.policy import Policy
from learners.dlac import DistributedActorCritic
from learners.dlac_controller import Controller
from learners.dlac_evaluation import steady_errors
from learners.dlac_training import Training
from learners.environments import task_for
from systems import zoo
from systems.build import system_from_text
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.evaluate import function
from systems.task import References, Subsystem, Task

TINY = DistributedActorCritic(
    hidden=(6,), critic_hidden=(8,), batch=16, buffer=400, environments=8, steps=480, warm_up=10,
    interval=5, evaluations=3,
)  # fmt: skip
"""60 periods, 11 rounds."""


def pair(coupling: str = "0.3") -> ControlAffineSystem:
    """Two coupled unstable states, each with an input of its own."""
    return system_from_text(
        "pair",
        ["p", "q"],
        ["v", "w"],
        {"p": f"p/5 + {coupling}*q + v", "q": f"{coupling}*p + q/5 + w"},
        domain=[[-1, 1]] * 2,
        input_limits={"v": [-2, 2], "w": [-2, 2]},
    )


def pair_task(episode_steps: int = 40) -> Task:
    return task_for(pair(), sample_time="0.05", episode_steps=episode_steps)


def chain_task() -> Task:
    """Three subsystems in a ring, one state and one input each, and forty references."""
    system = system_from_text(
        "ring",
        ["p", "q", "r"],
        ["u", "v", "w"],
        {"p": "q/4 - p + u", "q": "r/4 - q + v", "r": "p/4 - r + w"},
        domain=[[-2, 2]] * 3,
        input_limits={"u": [-3, 3], "v": [-3, 3], "w": [-3, 3]},
    )
    states = np.random.default_rng(0).uniform(-1.0, 1.0, (40, 3))
    inputs = states - 0.25 * np.roll(states, -1, axis=1)
    return replace(
        task_for(system, sample_time="0.1", episode_steps=40),
        references=References(states, inputs),
        partition=tuple(Subsystem(f"part {i}", (i,), (i,)) for i in range(3)),
        cost="tracking",
    )


def reactor_task() -> Task:
    return task_for(zoo.system("reactor-separator-1"))


def weights(controller: Controller) -> list[torch.Tensor]:
    nets = (controller.actor, controller.critic, controller.target)
    return [p.detach().clone() for net in nets for p in net.parameters()]


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


# Learning.


def test_two_controllers_learn_to_hold_a_plant_that_neither_sees_whole() -> None:
    learner = DistributedActorCritic(
        partition="p:v;q:w", hidden=(16,), critic_hidden=(16,), batch=128, environments=32,
        steps=32 * 600, warm_up=20, interval=2, entropy=-1.0, multiplier_rate=3e-3, evaluations=2,
    )  # fmt: skip
    task = learner.task_with_partition(pair_task())
    untrained = steady_errors(task, Training(learner, task, None).policy())
    trained = learner.train(task)
    first, last = trained.record.rows
    assert (first["step"], last["step"]) == (9_600, 19_200)
    assert last["evaluation_cost"] < 0.25 * untrained["evaluation_cost"]
    assert untrained["error"] > 1.0 and last["error"] < 0.1


def test_training_lowers_the_cost_of_tracking_the_reactors_references() -> None:
    learner = replace(TINY, environments=40, steps=40 * 300, batch=128, warm_up=60, interval=2)
    task = learner.task_with_partition(reactor_task())
    open_loop = steady_errors(task, Training(learner, task, None).policy())
    rows = learner.train(task).record.rows
    assert rows[-1]["evaluation_cost"] < 0.8 * open_loop["evaluation_cost"]
    assert rows[-1]["error[K]"] < 0.5 * open_loop["error[K]"]


def test_the_candidate_is_the_policy_at_the_systems_own_set_point() -> None:
    system = zoo.system("reactor-separator-2")
    candidate = TINY.fit(system)
    assert candidate.control is not None
    assert candidate.provenance["learner"] == "dlac"
    at = np.array([[float(v) for v in system.equilibrium]])
    u = function(candidate.control, system.state)(at)[0][0]
    assert u == pytest.approx([float(v) for v in system.equilibrium_input], rel=1e-9)


def test_fitting_again_with_counterexamples_goes_on_where_the_policy_is_at_fault() -> None:
    learner = replace(TINY, partition="p:v;q:w", steps=160)
    system = pair()
    first = learner.fit(system)
    again = learner.fit(system, extra_points=np.array([[0.9, 0.9]]))
    periods = [len(c.provenance["trainings"]) for c in (first, again)]  # type: ignore[arg-type]
    assert periods == [1, 2]  # so short a training stabilises nothing


# Each from its own part alone.


def filled(task: Task, learner: DistributedActorCritic) -> Training:
    training = Training(learner, learner.task_with_partition(task), None)
    for _ in range(12):
        training.collect()
        training.period += 1
    return training


def test_nothing_of_the_others_but_their_messages_changes_a_controllers_update() -> None:
    """The others' buffers, networks and multipliers are all different; what the first controller
    is told is the same, and so is what becomes of it."""
    usual, other = (filled(chain_task(), TINY) for _ in range(2))
    for controller in other.controllers[1:]:
        assert controller.buffer is not None
        controller.buffer.rows += 0.1
        controller.price.logarithm = 3.0
        with torch.no_grad():
            for p in [*controller.actor.parameters(), *controller.critic.parameters()]:
                p.add_(0.05)
    for _ in range(3):
        told: list[np.ndarray] = []
        for training in (usual, other):
            for i, controller in enumerate(training.controllers):
                controller.draw(0.5)
                controller.learn_critic(1.0)
                training.channel.send(i, controller.energy_change())
            told.append(training.channel.receive(0))
            for i in (1, 2):
                training.controllers[i].learn_actor(training.channel.receive(i))
        assert not np.array_equal(told[0], told[1])  # the others do differ
        for training in (usual, other):
            training.controllers[0].learn_actor(told[0])
        assert same(weights(usual.controllers[0]), weights(other.controllers[0]))
    assert not same(weights(usual.controllers[1]), weights(other.controllers[1]))


def test_the_message_does_matter() -> None:
    usual, other = (filled(chain_task(), TINY) for _ in range(2))
    for training, message in ((usual, -10.0), (other, 10.0)):
        controller = training.controllers[0]
        for _ in range(2):
            controller.draw(0.5)
            controller.learn_critic(1.0)
            controller.energy_change()
            controller.learn_actor(np.full(TINY.batch, message))
    assert usual.controllers[0].price.value < other.controllers[0].price.value


def tensors(node: object, seen: set[int]) -> Iterator[torch.Tensor]:
    """All tensors that can be reached from an object through its attributes and containers."""
    if id(node) in seen or isinstance(node, type):
        return
    seen.add(id(node))
    if isinstance(node, torch.Tensor):
        yield node
        return
    inner: list[Any] = list(vars(node).values()) if hasattr(node, "__dict__") else []
    if isinstance(node, dict):
        inner += [*node.keys(), *node.values()]
    elif isinstance(node, list | tuple | set):
        inner += list(node)
    for part in inner:
        yield from tensors(part, seen)


def test_no_controller_can_reach_anything_of_another() -> None:
    training = filled(chain_task(), TINY)
    training.round()
    held = [
        {t.untyped_storage().data_ptr() for t in tensors(c, set()) if t.numel()}
        for c in training.controllers
    ]
    assert all(len(h) > 20 for h in held)
    for i, mine in enumerate(held):
        for theirs in held[i + 1 :]:
            assert not mine & theirs
    for controller in training.controllers:
        assert controller.buffer is not None
        # Error, action, cost, next error, end, reference, steady input: of one state, one input.
        assert controller.buffer.rows.shape[1] == 7


def test_all_controllers_look_at_the_same_samples() -> None:
    training = filled(chain_task(), TINY)
    for row, controller in enumerate(training.controllers):
        assert controller.buffer is not None
        controller.buffer.rows[:] = torch.arange(len(controller.buffer.rows))[:, None] * 1.0
        controller.draw(0.0)
        assert row or controller.batch is not None
    costs = [c.batch.cost for c in training.controllers if c.batch is not None]
    assert len(costs) == 3 and torch.equal(costs[0], costs[1]) and torch.equal(costs[0], costs[2])


def test_what_passes_is_one_number_a_sample_and_operation_needs_nothing() -> None:
    trained = TINY.train(chain_task())
    rounds = trained.traffic.rounds
    assert rounds == 11
    assert trained.traffic.sent == trained.traffic.received == 3 * rounds
    assert trained.traffic.floats_sent == trained.traffic.floats_received == 48 * rounds
    assert trained.record.rows[-1]["floats"] == 48 * rounds
    policy = trained.policy
    x = trained.task.references.states[:5] + 0.1  # type: ignore[union-attr]
    r, u = trained.task.references.states[5:10], trained.task.references.inputs[5:10]  # type: ignore[union-attr]
    before = policy.act(x, r, u)
    for i in range(3):  # whatever the others see and are to reach, controller i does the same
        x2, r2 = x + 7.0, r - 5.0
        x2[:, i], r2[:, i] = x[:, i], r[:, i]
        u2 = np.zeros_like(u)
        u2[:, i] = u[:, i]
        assert np.array_equal(policy.act(x2, r2, u2)[:, i], before[:, i])


# The same result again.


def test_the_same_seed_gives_the_same_bit_for_bit_and_another_does_not() -> None:
    first, again = (TINY.train(chain_task()) for _ in range(2))
    other = replace(TINY, seed=1).train(chain_task())
    for a, b, c in zip(first.controllers, again.controllers, other.controllers, strict=True):
        assert same(weights(a), weights(b)) and not same(weights(a), weights(c))
    assert [without_time(r) for r in first.record.rows] == [
        without_time(r) for r in again.record.rows
    ]


def without_time(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k != "seconds"}


def test_a_training_resumed_from_its_checkpoint_ends_the_same(tmp_path: Path) -> None:
    whole = TINY.train(chain_task())
    task = TINY.task_with_partition(chain_task())
    interrupted = Training(TINY, task, None)
    interrupted.periods = 37  # as if it had been stopped here
    interrupted.run()
    interrupted.periods = 60
    interrupted.save(tmp_path / "training.npz")
    resumed = TINY.train(chain_task(), checkpoint=tmp_path / "training.npz", resume=True)
    for a, b in zip(whole.controllers, resumed.controllers, strict=True):
        assert same(weights(a), weights(b))
        assert a.price.state() == b.price.state()
    assert whole.traffic == resumed.traffic
    whole.policy.save(tmp_path / "a.npz")
    x = task.references.states[:3] + 0.2  # type: ignore[union-attr]
    r, u = task.references.states[:3], task.references.inputs[:3]  # type: ignore[union-attr]
    loaded = Policy.load(tmp_path / "a.npz")
    assert np.array_equal(loaded.act(x, r, u), resumed.policy.act(x, r, u))


@pytest.mark.parametrize(
    ("changed", "task", "message"),
    [
        (TINY, lambda: task_for(zoo.system("pendulum")), "of the system ring"),
        (replace(TINY, seed=3), chain_task, "seed = 0, not 3"),
        (
            replace(TINY, partition="p,q,r:u,v,w"),
            chain_task,
            "task on ring",
        ),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(
    changed: DistributedActorCritic, task: Any, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "training.npz"
    Training(TINY, TINY.task_with_partition(chain_task()), None).save(path)
    with pytest.raises(InputError, match=message):
        changed.train(task(), checkpoint=path, resume=True)


# Trouble.


def test_nan_in_costs_is_named_and_training_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    task = TINY.task_with_partition(chain_task())
    training = Training(TINY, task, None)
    genuine = training.environment.step

    def broken(inputs: torch.Tensor) -> Any:
        step = genuine(inputs)
        step.costs[2, 1] = math.nan
        return step

    monkeypatch.setattr(training.environment, "step", broken)
    trained = training.run()
    assert any("cost was NaN or infinite" in line for line in trained.record.warnings)
    assert all(bool(torch.isfinite(w).all()) for c in trained.controllers for w in weights(c))
    rows = {c.buffer.size for c in trained.controllers if c.buffer is not None}
    assert rows == {400}  # and still in step


def test_a_training_that_diverges_is_named() -> None:
    training = filled(chain_task(), TINY)
    with torch.no_grad():
        training.controllers[1].critic.skip.fill_(math.inf)
    with pytest.raises(InputError, match="ring: training diverged after 0 rounds, in part 1"):
        training.run()


def test_inputs_at_their_limits_for_a_whole_episode_are_named() -> None:
    learner = replace(TINY, partition="p:v;q:w", exploration=None)
    training = Training(learner, learner.task_with_partition(pair_task(10)), None)
    with torch.no_grad():
        training.controllers[1].actor.gain.fill_(1e4)
    trained = training.run()
    assert any("the input w sat at its limit" in line for line in trained.record.warnings)


def test_an_episode_that_leaves_physical_meaning_is_named() -> None:
    trained = replace(TINY, partition="p:v;q:w", steps=8 * 200).train(
        task_for(pair("2"), sample_time="0.05", episode_steps=200)
    )
    assert any("left its physical meaning" in line for line in trained.record.warnings)


def test_a_reference_whose_steady_input_is_no_input_is_refused() -> None:
    task = chain_task()
    assert task.references is not None
    inputs = task.references.inputs.copy()
    inputs[4, 1] = 3.5
    wrong = replace(task, references=References(task.references.states, inputs))
    with pytest.raises(InputError, match="of reference 5 leaves no room"):
        TINY.train(wrong)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps must be at least 1"),
        ({"discount": 1.5}, r"discount must be in \(0, 1\]"),
        ({"critics": 3}, "critics must be 1 or 2"),
        ({"exploration": (0.0, 1.0)}, "exploration must be"),
        ({"hidden": ()}, "hidden must be widths"),
        ({"learning_rate": math.nan}, "learning_rate must be positive"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        DistributedActorCritic(**settings)


@pytest.mark.parametrize(
    ("partition", "system", "message"),
    [
        ("theta:u", zoo.system("pendulum"), "no block has the state 'omega'"),
        (None, zoo.system("van-der-pol-reversed-1"), "no inputs"),
    ],
)
def test_an_unfit_system_is_refused_before_training(
    partition: str | None, system: ControlAffineSystem, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        replace(TINY, partition=partition).check_for(system)


def test_any_partition_of_a_zoo_system_will_do() -> None:
    learner = replace(TINY, partition="x,vx,theta:u2;y,vy,omega:u1", steps=8 * 20, evaluations=1)
    trained = learner.train(task_for(zoo.system("quadrotor-2d")))
    assert trained.task.cost == "tracking"
    assert [c.view.states for c in trained.controllers] == [(0, 3, 2), (1, 4, 5)]
    assert trained.traffic.rounds > 0


def test_the_published_hyperparameters_are_table_3() -> None:
    printed = DistributedActorCritic.published()
    assert (printed.batch, printed.buffer, printed.target_rate) == (256, 4000, 5e-6)
    assert printed.steps == 8000 * 500 and printed.rounds == 1000
    assert printed.interval * printed.environments == 50 * 500  # every 50 episodes
    assert printed.warm_up * printed.environments == 400 * 500  # from the 400th
