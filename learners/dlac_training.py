"""Algorithm 1 of DLAC, run: environments, controllers, the channel between them, checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from learners.actor_critic.checkpoint import load_checkpoint, save_checkpoint
from learners.actor_critic.policy import Policy
from learners.actor_critic.record import Progress, Record
from learners.actor_critic.rollout import Rollout, Starts
from learners.actor_critic.view import reference_arrays, view_of
from learners.dlac_channel import Channel, Traffic
from learners.dlac_controller import Controller
from learners.dlac_evaluation import steady_errors
from learners.dlac_partition import partition_text
from learners.environments.batched import BatchedEnvironment
from systems.errors import InputError
from systems.evaluate import function
from systems.task import Task

if TYPE_CHECKING:
    from learners.dlac import DistributedActorCritic

Array = NDArray[np.float64]

USUAL_STARTS = 1000
"""Of a task, so many are drawn for episodes to begin at, beside counterexamples."""


@dataclass(frozen=True, eq=False)
class TrainedControllers:
    """What a training leaves: the policy, the controllers with their critics, the record of figures
    and warnings, what passed between the controllers, and the training itself, to go on."""

    task: Task
    policy: Policy
    controllers: tuple[Controller, ...]
    record: Record
    traffic: Traffic
    seconds: float
    training: Training


class Training:
    """One training. ``period`` is the number of periods that are over, in all environments."""

    def __init__(
        self, settings: DistributedActorCritic, task: Task, progress: Progress | None
    ) -> None:
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
        self.rollout = Rollout(
            self.environment,
            encoders,
            self.record,
            task.system,
            episode_steps=task.episode_steps,
        )
        self.periods = -(-settings.steps // settings.environments)
        self.warm_up = min(settings.warm_up, self.periods // 10)
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
            if self.period >= self.warm_up and self.period % settings.interval == 0:
                for _ in range(settings.rounds):
                    self.round()
            self.seconds += time.perf_counter() - began
            self._tell()
            if (self.periods - self.period) % pause == 0:
                self._evaluate()
                if checkpoint is not None:
                    self.save(checkpoint)
        return TrainedControllers(
            self.task, self.policy(), self.controllers, self.record, self.channel.traffic,
            self.seconds, self,
        )  # fmt: skip

    def go_on(self, share: float, starts: Array | None) -> None:
        """Make the training longer by a share of its first length; half of the episodes that begin
        from now on begin at ``starts`` (M, n)."""
        first = -(-self.settings.steps // self.settings.environments)
        self.periods = self.period + math.ceil(share * first)
        if starts is None or not len(starts):
            return
        usual = BatchedEnvironment(self.task, USUAL_STARTS, seed=self.settings.seed + 1).states
        points = torch.cat([torch.from_numpy(starts), usual])
        weights = torch.cat([torch.full((len(part),), 1.0 / len(part)) for part in (starts, usual)])
        generator = torch.Generator().manual_seed(self.settings.seed + 2)
        self.rollout.starts = Starts(points, weights, generator)

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
        share = min(1.0, self.period * self.settings.environments / self.settings.steps)
        ends = self.environment.exit_costs.tolist()
        for i, controller in enumerate(self.controllers):
            controller.draw(share)
            controller.learn_critic(ends[i if len(ends) > 1 else 0])
        for i, controller in enumerate(self.controllers):
            message = controller.energy_change()
            if not np.isfinite(message).all():
                raise InputError(
                    f"{self.task.system.name}: training diverged after "
                    f"{self.channel.traffic.rounds} rounds, in {controller.view.name}; a smaller "
                    "learning rate may help"
                )
            self.channel.send(i, message)
        for i, controller in enumerate(self.controllers):
            self.constraint = controller.learn_actor(self.channel.receive(i))

    def policy(self) -> Policy:
        """The mean actions, frozen: ν controllers side by side that need nothing of each other."""
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
        state = {
            "period": self.period,
            "constraint": self.constraint,
            "seconds": self.seconds,
            "controllers": [c.state() for c in self.controllers],
            "rollout": self.rollout.state(),
            "record": self.record.state(),
            "traffic": asdict(self.channel.traffic),
        }
        save_checkpoint(path, "dlac", self.task, self._saved_settings(), state)

    def load(self, path: Path) -> None:
        """Go on from what :meth:`save` wrote. Raises InputError, naming both, where it is of
        another version, system, task, partition or settings."""
        state = load_checkpoint(
            path, "dlac", self.task, self._saved_settings(), free=("steps", "evaluations")
        )
        try:
            self._restore(state)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError):
            raise InputError(f"{path}: the training in it is damaged; train anew") from None

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.period, self.constraint = int(state["period"]), float(state["constraint"])
        self.seconds = float(state["seconds"])
        for controller, kept in zip(self.controllers, state["controllers"], strict=True):
            controller.restore(kept)
        self.rollout.restore(state["rollout"])
        self.record.restore(state["record"])
        self.channel.traffic = Traffic(**state["traffic"])

    def _saved_settings(self) -> dict[str, object]:
        return self.settings.settings() | {
            "partition": partition_text(self.task.partition, self.task.system)
        }


def _cost_unit(task: Task, states: Array) -> float:
    """What costs are counted in. Tracking costs are scaled by the task already; a running cost is
    measured by its mean over the first states, which all controllers know from the task."""
    if task.cost == "tracking":
        return 1.0
    costs = function(task.system.state_cost, task.system.state)(states)[0]
    mean = float(np.mean(costs[np.isfinite(costs)]))
    return mean if mean > 0.0 else 1.0
