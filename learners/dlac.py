"""DLAC: distributed Lyapunov actor-critic, Algorithm 1 of Yao, Han and Yin (2024).

ν controllers learn to hold one plant, each from its own states, its own reference, its own input
and its own cost. In a round of training

1. every controller draws its batch (the same samples), improves its critic (9) and works out mⁱ
   (12), how far its energy L falls short of falling by α₃ c;
2. they send their mⁱ, one number a sample, and receive m⁻ⁱ, the sum of the others' (13);
3. every controller adjusts its temperature e^β (17a) and its price e^λ (17b) by E[m⁻ⁱ + mⁱ] ≤ 0
   (14), and then its actor (16).

That is all they exchange (:mod:`learners.dlac_channel` counts it); in operation they exchange
nothing. A partition of one block is a centralised learner.

Where the paper is silent, or its hyperparameters do not train (``published()`` has them):

* the policy sees its scaled error and its scaled reference; its mean is anchored, so that a
  reference is a steady state of the closed loop, whatever the weights are: the steady input of each
  reference is known from the open-loop simulation that the references come from;
* environments explore with deviations from small to large, instead of with the policy's own, which
  is soon too small for the critics to see what an input does in a single period;
* squared errors of a critic count relative to L, which falls by four decades on the way;
* twin critics with the larger value, and a target that follows a thousand times as fast;
* a batch of episodes runs at once, and the critics learn while these run;
* rows of the buffers are samples of one time, and all controllers draw the same rows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from learners.dlac_channel import Channel, Traffic
from learners.dlac_partition import partition_of, partition_text
from learners.dlac_settings import Hyperparameters
from systems.errors import InputError
from systems.task import Task

if TYPE_CHECKING:
    from learners.actor_critic.policy import Policy
    from learners.actor_critic.record import Progress, Record
    from learners.dlac_controller import Controller

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DistributedActorCritic(Hyperparameters):
    """Settings of the learner; :meth:`train` runs it on a task, :meth:`fit` on a system.

    ``partition``: which controller has what, such as "theta,omega:u"; by default the task's, else
    one block. ``steps`` of the plant are taken in all, ``environments`` at once; after ``warm_up``
    periods, ``rounds`` of updates follow on every ``interval`` periods. The policy is evaluated
    ``evaluations`` times on the way.
    """

    partition: str | None = None
    seed: int = 0
    steps: int = 4_000_000
    environments: int = 100
    warm_up: int = 500
    interval: int = 4
    rounds: int = 1
    evaluations: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("steps", "environments", "warm_up", "interval", "rounds", "evaluations"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}")

    @classmethod
    def published(cls, **changes: Any) -> DistributedActorCritic:
        """Table 3 of the paper, with the reference concatenated to the state and nothing anchored.

        50 episodes of 500 steps at a time are followed by 1,000 rounds, from the 400th episode on.
        """
        printed: dict[str, Any] = {
            "batch": 256, "buffer": 4000, "discount": 0.95, "decrease": 0.5, "critics": 1,
            "learning_rate": 1e-4, "final_learning_rate": 1e-4, "multiplier_rate": 1e-4,
            "target_rate": 5e-6, "entropy": -1.0, "final_entropy": -1.0, "exploration": None,
            "anchored": False, "linear": False, "relative": None, "least_price": 1e-6,
            "steps": 4_000_000, "environments": 50, "warm_up": 4000, "interval": 500,
            "rounds": 1000,
        }  # fmt: skip
        return cls(**(printed | changes))

    def train(
        self,
        task: Task,
        *,
        progress: Progress | None = None,
        checkpoint: Path | None = None,
        resume: bool = False,
    ) -> TrainedControllers:
        """Run Algorithm 1. With ``checkpoint``, the training is written there at every evaluation;
        with ``resume`` it goes on from there, to the same result bit for bit.

        Raises InputError for a partition or a task that does not fit, or a checkpoint of something
        else.
        """
        task = self.task_with_partition(task)
        with _one_thread():
            training = Training(self, task, progress)
            if resume:
                if checkpoint is None:
                    raise InputError("give the checkpoint to resume from")
                training.load(checkpoint)
            return training.run(checkpoint)

    def task_with_partition(self, task: Task) -> Task:
        """The task with the partition in it. With several blocks the cost is the tracking cost: a
        running cost shows every controller the whole state."""
        partition = partition_of(task, self.partition)
        cost = task.cost if len(partition) == 1 else "tracking"
        return replace(task, partition=partition, cost=cost)

    def hyperparameters(self) -> Hyperparameters:
        """Those of a single controller."""
        return Hyperparameters(**{f.name: getattr(self, f.name) for f in fields(Hyperparameters)})


@dataclass(frozen=True, eq=False)
class TrainedControllers:
    """What a training leaves: the policy, the controllers with their critics, the record of figures
    and warnings, and what passed between the controllers."""

    task: Task
    policy: Policy
    controllers: tuple[Controller, ...]
    record: Record
    traffic: Traffic
    seconds: float


class Training:
    """One training. ``period`` is the number of periods that are over, in all environments."""

    def __init__(
        self, settings: DistributedActorCritic, task: Task, progress: Progress | None
    ) -> None:
        from learners.actor_critic.record import Record
        from learners.actor_critic.rollout import Rollout
        from learners.actor_critic.view import reference_arrays, view_of
        from learners.dlac_controller import Controller
        from learners.environments.batched import BatchedEnvironment

        self.settings, self.task = settings, task
        self.record = Record(progress)
        self.environment = BatchedEnvironment(task, settings.environments, seed=settings.seed)
        self.unit = _cost_unit(task, self.environment.states.numpy())
        views = [view_of(task, subsystem) for subsystem in task.partition]
        self.references, self.reference_inputs = reference_arrays(task)
        seeds = np.random.SeedSequence(settings.seed).generate_state(len(views) + 1)
        self.controllers = tuple(
            Controller(
                view,
                self.reference_inputs[:, list(view.inputs)],
                settings.hyperparameters(),
                settings.environments,
                own_seed=int(seeds[i + 1]),
                common_seed=int(seeds[0]),
                unit=self.unit,
            )
            for i, view in enumerate(views)
        )
        self.channel = Channel(len(views))
        encoders = [c.encoder for c in self.controllers]
        self.rollout = Rollout(self.environment, encoders, self.record, task.system)
        self.periods = -(-settings.steps // settings.environments)
        self.period = 0
        self.constraint = np.nan
        self.seconds = 0.0

    def run(self, checkpoint: Path | None = None) -> TrainedControllers:
        settings = self.settings
        pause = max(1, self.periods // settings.evaluations)
        while self.period < self.periods:
            began = time.perf_counter()
            self.collect()
            self.period += 1
            if self.period >= settings.warm_up and self.period % settings.interval == 0:
                for _ in range(settings.rounds):
                    self.round()
            self.seconds += time.perf_counter() - began
            self._tell()
            if self.period % pause == 0 or self.period == self.periods:
                self._evaluate()
                if checkpoint is not None:
                    self.save(checkpoint)
        return TrainedControllers(
            self.task, self.policy(), self.controllers, self.record, self.channel.traffic,
            self.seconds,
        )  # fmt: skip

    def collect(self) -> None:
        """One period of every environment. Each controller acts on, and keeps, its own part."""
        seen = self.rollout.see()
        actions = [c.explore(s) for c, s in zip(self.controllers, seen, strict=True)]
        for controller, own, transitions in zip(
            self.controllers, seen, self.rollout.step(seen, actions), strict=True
        ):
            controller.remember(own, transitions)

    def round(self) -> None:
        """Lines 8 to 20 of Algorithm 1."""
        share = self.period / self.periods
        ends = self.environment.exit_costs.tolist()
        for i, controller in enumerate(self.controllers):
            controller.draw(share)
            controller.learn_critic(ends[i if len(ends) > 1 else 0])
        for i, controller in enumerate(self.controllers):
            self.channel.send(i, controller.energy_change())
        for i, controller in enumerate(self.controllers):
            self.constraint = controller.learn_actor(self.channel.receive(i))

    def policy(self) -> Policy:
        """The mean actions, frozen: ν controllers side by side that need nothing of each other."""
        from learners.actor_critic.policy import Policy

        actors = tuple(c.frozen() for c in self.controllers)
        return Policy(self.task.system.name, actors, self.references, self.reference_inputs)

    def _figures(self) -> dict[str, float]:
        controllers = self.controllers
        figures = {
            "step": self.period * self.settings.environments,
            "steps": self.periods * self.settings.environments,
            "share": self.period / self.periods,
            "episode": self.rollout.episodes,
            "return": float(np.mean(self.rollout.returns)) if self.rollout.returns else np.nan,
            "critic_loss": float(np.mean([c.critic_loss for c in controllers])),
            "entropy": float(np.mean([c.entropy for c in controllers])),
            "multiplier": controllers[0].price.value,  # all are told the same sum
            "constraint": self.constraint * self.unit,
        }
        return figures

    def _tell(self) -> None:
        if self.record.progress is not None:
            self.record.tell(self._figures())

    def _evaluate(self) -> None:
        """A row of the record: figures of the training, of every controller, and of the policy."""
        from learners.dlac_evaluation import steady_errors

        own = {
            f"{name} {i + 1}": value
            for i, c in enumerate(self.controllers)
            for name, value in (
                ("critic_loss", c.critic_loss),
                ("entropy", c.entropy),
                ("temperature", c.temperature.value),
                ("multiplier", c.price.value),
            )
        }
        traffic = self.channel.traffic
        self.record.row(
            **self._figures(),
            **own,
            **steady_errors(self.task, self.policy()),
            messages=traffic.sent,
            floats=traffic.floats_sent,
            seconds=self.seconds,
        )

    # Checkpoints.

    def save(self, path: Path) -> None:
        """Write all that the further course depends on."""
        from learners.actor_critic.checkpoint import save_checkpoint

        rollout = self.rollout
        state = {
            "period": self.period,
            "constraint": self.constraint,
            "seconds": self.seconds,
            "controllers": [c.state() for c in self.controllers],
            "environment": self.environment.state_dict(),
            "rollout": [rollout.costs, rollout.lowest, rollout.highest],
            "episodes": [rollout.episodes, rollout.returns],
            "record": self.record.state(),
            "traffic": asdict(self.channel.traffic),
        }
        save_checkpoint(path, "dlac", self.task, self._saved_settings(), state)

    def load(self, path: Path) -> None:
        """Go on from what :meth:`save` wrote. Raises InputError, naming both, where it is of
        another version, system, task, partition or settings."""
        from learners.actor_critic.checkpoint import load_checkpoint

        state = load_checkpoint(path, "dlac", self.task, self._saved_settings())
        try:
            self._restore(state)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError):
            raise InputError(f"{path}: the training in it is damaged; train anew") from None

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.period, self.constraint = int(state["period"]), float(state["constraint"])
        self.seconds = float(state["seconds"])
        for controller, kept in zip(self.controllers, state["controllers"], strict=True):
            controller.restore(kept)
        self.environment.load_state_dict({k: v.numpy() for k, v in state["environment"].items()})
        rollout = self.rollout
        rollout.costs, rollout.lowest, rollout.highest = state["rollout"]
        rollout.episodes, rollout.returns = int(state["episodes"][0]), list(state["episodes"][1])
        self.record.restore(state["record"])
        self.channel.traffic = Traffic(**state["traffic"])

    def _saved_settings(self) -> dict[str, object]:
        return asdict(self.settings) | {
            "partition": partition_text(self.task.partition, self.task.system)
        }


def _cost_unit(task: Task, states: Array) -> float:
    """What costs are counted in. Tracking costs are scaled by the task already; a running cost is
    measured by its mean over the first states, which all controllers know from the task."""
    if task.cost == "tracking":
        return 1.0
    from systems.evaluate import function

    costs = function(task.system.state_cost, task.system.state)(states)[0]
    mean = float(np.mean(costs[np.isfinite(costs)]))
    return mean if mean > 0.0 else 1.0


@contextmanager
def _one_thread() -> Iterator[None]:
    """Small networks are slower on several threads, and differ in the last bits."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
