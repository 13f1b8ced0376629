"""LAC: the Lyapunov actor-critic, trained on the very system that is proved.

Off-policy maximum-entropy actor-critic on costs c ≥ 0, after Han, Zhang, Wang and Pan,
"Actor-Critic Reinforcement Learning for Control with Stability Guarantee" (2020). A Lyapunov critic
L(s, a) ≥ 0 learns c + γ L(s', a'); the actor f(s, ε) minimises log π with a multiplier e^β, so that
its entropy is at least a target, subject to E[L(s', f(s', ε)) − L(s, a) + α₃ c] ≤ 0 with a
multiplier e^λ. One update is :meth:`Lac.update`. What differs from the algorithm as printed,
or is silent there:

* a time limit is no end: targets bootstrap through it. Where the plant leaves its physical meaning
  the episode does end, and counts as if its last cost went on for ever: costs are not negative, so
  a learner that took nothing to follow would learn to leave;
* multipliers are not clipped to 1, which would void the constraint; the constraint's is at least
  ``least_multiplier``, so that the actor goes on minimising L where the constraint holds: at
  e^λ = 0 it would forget the task, and where the constraint is broken again it learns it anew;
* of two critics the larger value is taken, which for costs is the pessimistic one;
* log π is taken at s', of the action that L(s', f(s', ε)) has, not of another one at s;
* errors count relative to L: all expectations weigh a transition by (L(s, a) + ``relative``)⁻². The
  costs of one unstable plant span many powers of ten, and squared errors of the largest drown the
  rest. The weight depends on s and a alone, so what critics converge to does not change;
* costs are divided by their median in the first periods, times 1/(1 − γ): L is about 1;
* actor and critic are anchored at the reference (:mod:`learners.actor_critic.networks`);
* learning rates fall linearly, and the policy that is kept is the one that steered most of some
  held-out starts to the reference, at the least cost.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from certify.candidate import Candidate
from learners.actor_critic.record import Progress, Record
from learners.actor_critic.running import one_thread, require_torch
from learners.actor_critic.view import reference_arrays, whole
from learners.dlac_candidate import propose_quadratic
from learners.lac_settings import LacSettings
from learners.policy_rounds import Kept, TrainedPolicy, Wanted, propose, weak_points
from learners.witness_choice import MOST_STATES
from systems.dynamics import ControlAffineSystem
from systems.expression import Expression
from systems.task import Task

if TYPE_CHECKING:
    import torch

    from learners.actor_critic.encoding import Batch
    from learners.actor_critic.judge import Judgement
    from learners.actor_critic.networks import LyapunovCritic
    from learners.actor_critic.policy import Policy

Array = NDArray[np.float64]

LEARNER = "lac"
FOCUS_SHARE = 0.25
"""Of a batch, where there are counterexamples: transitions that begin at or soon after one."""
FOCUS_STEPS, FOCUS_CAPACITY = 20, 20_000
FURTHER_RATE = 0.3
"""Of the learning rates, when a further training begins."""
FIRST_TEMPERATURE = 0.1
TINY = 1e-12


@dataclass(frozen=True)
class LyapunovActorCritic(LacSettings):
    """The learner: :meth:`fit` runs it on a system, :meth:`train` on a task."""

    _first: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    _kept: Kept = field(default_factory=Kept, init=False, compare=False, repr=False)

    def fit(
        self,
        system: ControlAffineSystem,
        *,
        extra_points: Array | None = None,
        extra_weights: Array | None = None,
        progress: Progress | None = None,
    ) -> Candidate:
        """Train on a system, in the task that :func:`learners.environments.task_for` makes of it.

        The control is the frozen mean action; V is the critic under it, anchored at x*, or what
        falls on more of the domain (:mod:`learners.policy_rounds`); in many states it is a
        quadratic form (:mod:`learners.dlac_candidate`). Of ``extra_points`` (M, n),
        counterexamples of ``extra_weights`` (M,), those that the policy is to blame for make the
        first training go on for a share ``further``, every time for one more: episodes begin there,
        and their transitions are in every batch. The first training is kept, so that this is all it
        takes; the result is the same where it has to be done again. Raises InputError as
        :meth:`check_for`.
        """
        task, kept = self._task(system), self._kept

        def train(wanted: Wanted) -> TrainedPolicy:
            if wanted.starts is None:
                trained = self.train(
                    task, progress=progress, checkpoint=kept.file, resume=kept.resume
                )
            else:
                extra = wanted.starts, np.ones(len(wanted.starts))
                trained = self.train(
                    task, extra=extra, further=wanted.time * self.further, progress=progress
                )
            control = trained.policy.expression(
                system, system.equilibrium, system.equilibrium_input
            )
            return TrainedPolicy(control, lambda: trained.value(system), None, trained.figures)

        make = propose_quadratic if system.state_dimension > MOST_STATES else propose
        return make(
            system, train, kept, seed=self.seed,
            extra_points=extra_points, extra_weights=extra_weights,
        )  # fmt: skip

    def keep_in(self, file: Path | None, start: Path | None = None) -> None:
        """Where a first training is kept while it goes on, and taken up again; ``start`` is the
        file of another one, to begin with."""
        self._kept.file, self._kept.start = file, start

    def weak_points(self, system: ControlAffineSystem, candidate: Candidate, seed: int) -> Array:
        """States (M, n) to go on from where a proof failed without showing any."""
        return weak_points(system, candidate, seed)

    def check_for(self, system: ControlAffineSystem) -> None:
        """Raises InputError where :meth:`fit` could not begin: no torch, no inputs, no task."""
        self._task(system)

    def _task(self, system: ControlAffineSystem) -> Task:
        from learners.environments.tasks import task_for

        require_torch("LAC")
        task = task_for(system, share=self.starts)
        whole(task).before_squash(reference_arrays(task)[1])
        return task

    def train(
        self,
        task: Task,
        *,
        extra: tuple[Array, Array] | None = None,
        further: float | None = None,
        progress: Progress | None = None,
        checkpoint: Path | str | None = None,
        resume: Path | str | None = None,
    ) -> Trained:
        """Train on a task; a partition in it is taken for one whole.

        ``extra``: points (M, n) and weights (M,), as for :meth:`fit`, for which the training goes
        on for the share ``further``, by default the setting. ``checkpoint``: a file that the state
        goes to whenever policies are judged; ``resume``: such a file, to go on from.
        Raises InputError where the task has no inputs or an infinite range, or where the checkpoint
        is not of these settings on this task.
        """
        require_torch("LAC")
        whole(task)
        from learners.actor_critic.checkpoint import fingerprint, load_checkpoint, save_checkpoint
        from learners.actor_critic.course import Course, Plan

        task = dataclasses.replace(task, partition=())  # one controller sees the whole
        began, key = time.perf_counter(), fingerprint(task)
        record = Record(progress)

        def save(course: Course) -> None:
            if checkpoint is not None:
                save_checkpoint(checkpoint, LEARNER, task, self.settings(), course.state())

        with one_thread():
            lac = Lac(self, task, record)
            course = Course(lac, task, record, self.seed)
            kept = None if extra is None else self._first.get(key)
            if resume is not None:
                free = ("updates", "further")
                kept = load_checkpoint(resume, LEARNER, task, self.settings(), free=free)
            if kept is not None:
                course.restore(kept)
            if lac.focus is None:
                course.run(Plan(0, self.updates, self.judged, 1.0, self.final_rate), save)
                self._first[key] = course.state()
            if lac.focus is None and extra is not None and len(extra[0]):
                lac.focus_on(*extra)
                course.best = None
            if lac.focus is not None:
                share = self.further if further is None else further
                until = self.updates + math.ceil(share * self.updates)
                judged = math.ceil(share * self.judged)
                rates = (FURTHER_RATE, FURTHER_RATE * self.final_rate)
                course.run(Plan(self.updates, until, judged, *rates), save)
            best = course.take_best()
        lac.warn_of_bounds()
        figures: dict[str, object] = {
            "learner": LEARNER,
            "seed": self.seed,
            "settings": json.loads(json.dumps(self.settings())),
            "history": record.rows,
            "warnings": record.warnings,
            "updates": lac.updates,
            "environment_steps": self.environments * lac.rollout.periods,
            "best_update": best.updates,
            "success": best.judgement.success,
            "solve_seconds": course.seconds,
            "seconds": time.perf_counter() - began,
        }
        return Trained(task, lac.policy(), lac.critic, best.judgement, figures)


@dataclass(frozen=True, eq=False)
class Trained:
    """What a training ends with: the frozen policy, the critic, and what is known of them.

    ``judgement`` is of held-out starts; ``figures`` is plain JSON data.
    """

    task: Task
    policy: Policy
    critic: LyapunovCritic
    judgement: Judgement
    figures: dict[str, object]

    def value(self, system: ControlAffineSystem) -> Expression:
        """V(x) = L(x, μ(x)) of the system's state, anchored at its equilibrium."""
        from learners.actor_critic.critic_value import critic_value

        [actor] = self.policy.actors
        steady = np.array([[float(v) for v in system.equilibrium_input]])
        return critic_value(self.critic, actor, system, actor.view.before_squash(steady)[0])

    def candidate(self, system: ControlAffineSystem) -> Candidate:
        """The policy and V as expressions of the system's state.

        Raises InputError where the policy was trained for several references.
        """
        control = self.policy.expression(system)
        return Candidate(system.state, self.value(system), control, self.figures)


class Lac:
    """The algorithm: everything that changes in a training, and how it changes."""

    def __init__(self, settings: LacSettings, task: Task, record: Record) -> None:
        import torch

        from learners.actor_critic.encoding import Encoder
        from learners.actor_critic.multiplier import Multiplier
        from learners.actor_critic.networks import Actor, LyapunovCritic, copy_into
        from learners.actor_critic.replay import Replay
        from learners.actor_critic.rollout import Rollout, fields
        from learners.environments.batched import BatchedEnvironment

        self.settings, self.task, self.record = settings, task, record
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.view = whole(task)
        self.references, self.reference_inputs = reference_arrays(task)
        self.encoder = Encoder(self.view, self.reference_inputs)
        n, m, tracks = len(self.view.states), len(self.view.inputs), self.view.tracks
        self.actor = Actor(
            n, m, settings.hidden, self.generator,
            tracks=tracks, anchored=settings.anchored, linear=settings.linear,
        )  # fmt: skip
        self.critic, self.target = (
            LyapunovCritic(
                n, m, settings.critic_hidden, self.generator,
                tracks=tracks, copies=settings.critics, form=settings.critic_form,
            )
            for _ in range(2)
        )  # fmt: skip
        copy_into(self.target, self.critic)
        self.actor_weights = [p for p in self.actor.parameters() if p.requires_grad]
        self.critic_weights = list(self.critic.parameters())
        rate = settings.learning_rate
        self.actor_optimizer = torch.optim.Adam(self.actor_weights, lr=rate, fused=True)
        self.critic_optimizer = torch.optim.Adam(self.critic_weights, lr=rate, fused=True)
        rate, least = settings.multiplier_rate, settings.least_multiplier
        self.lagrange = Multiplier(rate=rate, least=least)
        self.temperature = Multiplier(math.log(FIRST_TEMPERATURE), rate=rate)
        environment = BatchedEnvironment(task, settings.environments, seed=settings.seed)
        self.rollout = Rollout(
            environment, [self.encoder], record, task.system, episode_steps=task.episode_steps
        )
        widths = fields(self.rollout.see()[0])
        self.replay = Replay(settings.capacity, widths, self.generator)
        self.near = Replay(FOCUS_CAPACITY, widths, self.generator)
        self.focus: Rollout | None = None
        self.cost_unit = 1.0
        self.updates = 0

    @property
    def networks(self) -> tuple[torch.nn.Module, ...]:
        return self.actor, self.critic, self.target

    def begin(self) -> None:
        """Collect the first transitions, and take the unit of costs from them."""
        for _ in range(self.settings.warm_up):
            self.collect()
        typical = float(self.replay.column("cost").median())
        self.cost_unit = max(typical, TINY) / (1.0 - self.settings.discount)

    def period(self, most: int) -> list[Mapping[str, float]]:
        """One period of the environments, and the updates that follow it."""
        self.collect()
        count = min(self.settings.updates_per_period, most)
        return [self.update(self.batch()) for _ in range(count)]

    def collect(self) -> None:
        """One period of all environments, with the stochastic policy."""
        import torch

        for rollout in (self.rollout, self.focus):
            if rollout is None:
                continue
            [seen] = rollout.see()
            with torch.no_grad():
                action, _ = self.actor.sample(
                    seen.error, seen.reference, seen.steady, self.generator
                )
            [transitions] = rollout.step([seen], [action])
            self.replay.add(transitions)
            if rollout is self.focus:
                self.near.add(transitions)

    def batch(self) -> Batch:
        """Transitions drawn uniformly; with counterexamples, a share of them from nearby."""
        import torch

        count = self.settings.batch
        if not self.near.size:
            return self.encoder.unpack(self.replay.sample(count))
        few = max(1, int(FOCUS_SHARE * count))
        usual, near = self.replay.sample(max(1, count - few)), self.near.sample(few)
        return self.encoder.unpack({k: torch.cat([usual[k], near[k]]) for k in usual})

    def update(self, batch: Batch) -> dict[str, float]:
        """One step of critic, actor, multipliers and target, from a batch of transitions."""
        import torch

        from learners.actor_critic.networks import move_towards

        s = self.settings
        seen, then, ends = batch.seen, batch.then, batch.ended > 0.0
        cost = batch.cost / self.cost_unit
        for_ever = cost / (1.0 - s.discount)  # c + γc + γ²c + …, where the episode ended

        # f(s', ε), for the critic's target, for the constraint and for the actor.
        following, log_density = self.actor.sample(
            then.error, then.reference, then.steady, self.generator
        )
        with torch.no_grad():
            after = self.target.pessimistic(
                then.error, following.detach() - then.rest, then.reference
            )
            target = torch.where(ends, for_ever, cost + s.discount * after)

        # L(s, a), of every critic, and L(s', f(s', ε)), the larger.
        now = self.critic(seen.error, batch.action - seen.rest, seen.reference)
        later = self.critic.pessimistic(then.error, following - then.rest, then.reference)
        level = now.detach().amax(0)
        weight = 1.0 if s.relative is None else (level + s.relative) ** -2
        critic_loss = (weight * (now - target).square()).mean()

        # E[L(s', f(s', ε)) − L(s, a) + α₃ c] ≤ 0
        next_level = torch.where(ends, for_ever, later.detach())
        constraint = float((weight * (next_level - level + s.alpha3 * cost)).mean())
        price, temperature = self.lagrange.value, self.temperature.value
        objective = torch.where(ends, 0.0, temperature * log_density + price * weight * later)
        actor_loss = objective.mean() / (price + temperature)  # the unit is free

        # All gradients first: a fused step changes weights that a graph still needs, unnoticed.
        of_critic = torch.autograd.grad(critic_loss, self.critic_weights, retain_graph=True)
        of_actor = torch.autograd.grad(actor_loss, self.actor_weights)
        _step(self.critic_optimizer, self.critic_weights, of_critic)
        _step(self.actor_optimizer, self.actor_weights, of_actor)
        move_towards(self.target, self.critic, s.soft_update)

        entropy = -float(log_density.detach().mean())
        self.lagrange.update(constraint)
        self.temperature.update(s.entropy * following.shape[1] - entropy)
        self.updates += 1
        return {
            "critic_loss": float(critic_loss.detach()),
            "constraint": constraint,
            "entropy": entropy,
        }

    def focus_on(self, points: Array, weights: Array) -> None:
        """From now on, more episodes: short ones that begin at ``points`` (M, n), drawn with
        ``weights`` (M,)."""
        import torch

        from learners.actor_critic.rollout import Rollout, Starts
        from learners.environments.batched import BatchedEnvironment

        s, task = self.settings, self.task
        starts = Starts(torch.from_numpy(points), torch.from_numpy(weights), self.generator)
        short = dataclasses.replace(task, episode_steps=min(FOCUS_STEPS, task.episode_steps))
        environment = BatchedEnvironment(short, s.environments, seed=s.seed + 1)
        self.focus = Rollout(environment, [self.encoder], self.record, task.system, starts=starts)

    def figures(self) -> dict[str, float]:
        """For a row of the record."""
        returns = self.rollout.returns
        return {
            "episode": self.rollout.episodes,
            "multiplier": self.lagrange.value,
            "temperature": self.temperature.value,
            **({"return": sum(returns) / len(returns)} if returns else {}),
        }

    def warn_of_bounds(self) -> None:
        """Say whether the constraint's multiplier was ever held back."""
        if self.lagrange.at_bound:
            self.record.warn(
                f"{self.task.system.name}: the multiplier of the constraint was at its upper bound "
                f"{self.lagrange.most:g}, which is there against overflow",
                self.lagrange.at_bound,
            )

    def set_rate(self, factor: float) -> None:
        for optimizer in (self.actor_optimizer, self.critic_optimizer):
            optimizer.param_groups[0]["lr"] = self.settings.learning_rate * factor

    def policy(self) -> Policy:
        """The mean action as it is now, frozen."""
        from learners.actor_critic.freeze import frozen
        from learners.actor_critic.policy import Policy

        actors = (frozen(self.actor, self.view),)
        return Policy(self.task.system.name, actors, self.references, self.reference_inputs)

    def value_function(self) -> Callable[[Array], Array] | None:
        """L under the mean action as it is now, of states (N, n), where there is one reference."""
        import torch

        if self.view.tracks:
            return None
        actor, critic = copy.deepcopy(self.actor), copy.deepcopy(self.critic)
        reference, inputs = (torch.from_numpy(a) for a in (self.references, self.reference_inputs))

        def value(states: Array) -> Array:
            x = torch.from_numpy(np.array(states, dtype=np.float64))
            seen = self.encoder(x, reference.expand(len(x), -1), inputs.expand(len(x), -1))
            with torch.no_grad():
                action = actor.act(seen.error, seen.reference, seen.steady)
                L = critic(seen.error, action - seen.rest, seen.reference)[0]
                out: Array = (L - critic.log_rest[0].exp()).double().numpy()
            return out

        return value

    def state(self) -> dict[str, Any]:
        """All that the further course depends on, as a tree of arrays and plain data."""
        from learners.actor_critic.checkpoint import module_state, optimizer_state

        return {
            "networks": [module_state(network) for network in self.networks],
            "actor_optimizer": optimizer_state(self.actor_optimizer),
            "critic_optimizer": optimizer_state(self.critic_optimizer),
            "lagrange": self.lagrange.state(),
            "temperature": self.temperature.state(),
            "replay": self.replay.state(),
            "near": self.near.state(),
            "rollout": self.rollout.state(),
            "focus": None if self.focus is None else self.focus.state(),
            "cost_unit": self.cost_unit,
            "updates": self.updates,
            "generator": self.generator.get_state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Back to what :meth:`state` gave; errors of all kinds where it does not fit."""
        from learners.actor_critic.checkpoint import restore_module, restore_optimizer

        for network, weights in zip(self.networks, state["networks"], strict=True):
            restore_module(network, weights)
        restore_optimizer(self.actor_optimizer, state["actor_optimizer"])
        restore_optimizer(self.critic_optimizer, state["critic_optimizer"])
        self.lagrange.restore(state["lagrange"])
        self.temperature.restore(state["temperature"])
        self.replay.restore(state["replay"])
        self.near.restore(state["near"])
        self.rollout.restore(state["rollout"])
        if state["focus"] is not None:
            starts = state["focus"]["starts"]
            self.focus_on(np.asarray(starts["points"]), np.asarray(starts["weights"]))
            assert self.focus is not None
            self.focus.restore(state["focus"])
        self.cost_unit, self.updates = float(state["cost_unit"]), int(state["updates"])
        self.generator.set_state(state["generator"])


def _step(
    optimizer: torch.optim.Optimizer,
    weights: Sequence[torch.Tensor],
    gradients: Sequence[torch.Tensor],
) -> None:
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = gradient
    optimizer.step()
