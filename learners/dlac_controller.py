"""One controller of DLAC: an actor, a Lyapunov critic, a replay buffer and two multipliers.

It is made of its own part of the plant (a :class:`View`) and of nothing else: it is told what its
own sensors see, what its own actuator did and what its own cost was, and once a round the sum of
the others' mʲ. No controller holds anything of another.

Time is common to all. Row k of every buffer is the same sample, and in a round all controllers look
at the same rows, since they draw them with generators of one seed: (13) and (14) add up what
belongs together. Everything else that is random is each controller's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from learners.actor_critic.checkpoint import (
    module_state,
    optimizer_state,
    restore_module,
    restore_optimizer,
)
from learners.actor_critic.encoding import Batch, Encoder, Seen
from learners.actor_critic.freeze import frozen
from learners.actor_critic.multiplier import Multiplier
from learners.actor_critic.networks import Actor, LyapunovCritic, copy_into, move_towards
from learners.actor_critic.policy import FrozenActor
from learners.actor_critic.replay import Replay
from learners.actor_critic.rollout import fields
from learners.actor_critic.view import View
from learners.dlac_settings import Hyperparameters

Array = NDArray[np.float64]


class Controller:
    """Of one view; ``steady_inputs`` (K, mⁱ) are those of its own inputs at the references.

    ``own_seed`` is this controller's, ``common_seed`` that of the clock by which all draw rows.
    Costs are counted in ``unit``, which is the same for all: what (13) adds up must be.
    """

    def __init__(
        self,
        view: View,
        steady_inputs: Array,
        settings: Hyperparameters,
        environments: int,
        own_seed: int,
        common_seed: int,
        unit: float = 1.0,
    ) -> None:
        self.view, self.settings, self.unit = view, settings, unit
        self.generator = torch.Generator().manual_seed(own_seed)
        self.clock = torch.Generator().manual_seed(common_seed)
        self.encoder = Encoder(view, _own_columns(view, steady_inputs))
        n, m = len(view.states), len(view.inputs)
        self.actor = Actor(
            n, m, settings.hidden, self.generator,
            tracks=view.tracks, anchored=settings.anchored, linear=settings.linear,
        )  # fmt: skip
        self.critic, self.target = (
            LyapunovCritic(
                n, m, settings.critic_hidden, self.generator,
                tracks=view.tracks, copies=settings.critics,
            )
            for _ in range(2)
        )  # fmt: skip
        copy_into(self.target, self.critic)
        self.target.requires_grad_(False)
        self.weights = [p for p in self.actor.parameters() if p.requires_grad]
        rate = settings.learning_rate
        self.actor_steps = torch.optim.Adam(self.weights, rate, fused=True)
        self.critic_steps = torch.optim.Adam(self.critic.parameters(), rate, fused=True)
        self.temperature = Multiplier(math.log(0.1), settings.multiplier_rate)  # e^β
        self.price = Multiplier(rate=settings.multiplier_rate)  # e^λ
        self.buffer: Replay | None = None
        self.spread = self._ladder(environments)
        self.calm = 1.0
        self.batch: Batch | None = None
        self.critic_loss = self.entropy = math.nan

    def _ladder(self, environments: int) -> torch.Tensor | None:
        """Which deviation each environment is explored with, (N, mⁱ), in an order of its own."""
        if self.settings.exploration is None:
            return None
        low, high = (math.log(v) for v in self.settings.exploration)
        steps = torch.linspace(low, high, environments).exp()
        columns = [
            steps[torch.randperm(environments, generator=self.generator)] for _ in self.view.inputs
        ]
        return torch.stack(columns, 1)

    # Acting. None of these needs anything but what this controller sees.

    @torch.no_grad()
    def explore(self, seen: Seen) -> torch.Tensor:
        """Actions in (−1, 1) to learn from, (N, mⁱ)."""
        if self.spread is None:
            return self.actor.sample(seen.error, seen.reference, seen.steady, self.generator)[0]
        mean, _ = self.actor(seen.error, seen.reference, seen.steady)
        noise = torch.randn(mean.shape, generator=self.generator)
        return torch.tanh(mean + self.calm * self.spread * noise)

    def frozen(self) -> FrozenActor:
        """The mean action, as it is now."""
        return frozen(self.actor, self.view)

    def remember(self, seen: Seen, transitions: Mapping[str, torch.Tensor]) -> None:
        """Keep transitions of this part of the plant."""
        if self.buffer is None:
            self.buffer = Replay(self.settings.buffer, fields(seen), self.clock)
        self.buffer.add(transitions)

    # Learning: one round of Algorithm 1 is draw, learn_critic, energy_change, learn_actor.

    def draw(self, share: float) -> None:
        """The batch of this round; ``share`` of the training is over."""
        assert self.buffer is not None
        chosen = self.buffer.draw(self.settings.batch)
        self.batch = self.encoder.unpack(self.buffer.take(chosen))
        first, last = self.settings.learning_rate, self.settings.final_learning_rate
        for steps in (self.actor_steps, self.critic_steps):
            steps.param_groups[0]["lr"] = first * (last / first) ** share
        self.calm = self.settings.final_exploration**share
        self.wanted = len(self.view.inputs) * (
            self.settings.entropy + share * (self.settings.final_entropy - self.settings.entropy)
        )

    def learn_critic(self, exit_cost: float) -> None:
        """(9): towards c + γ L(s′, a′), or the cost of an end where the plant has ended."""
        batch, settings = self._drawn(), self.settings
        now, then = batch.seen, batch.then
        with torch.no_grad():
            action, _ = self._sampled(then)
            after = self.target.pessimistic(then.error, action - then.rest, then.reference)
            after = torch.lerp(after, torch.full_like(after, exit_cost / self.unit), batch.ended)
            aim = batch.cost / self.unit + settings.discount * after
        value = self.critic(now.error, batch.action - now.rest, now.reference)
        errors = (value - aim).square()
        if settings.relative is not None:
            errors = errors / (settings.relative + aim)
        loss = errors.sum(0).mean()
        self.critic_loss = 0.5 * float(loss.detach()) / self.settings.critics
        self.critic_steps.zero_grad()
        (0.5 * loss).backward()
        self.critic_steps.step()
        move_towards(self.target, self.critic, settings.target_rate)

    def energy_change(self) -> Array:
        """mⁱ (12) of every sample: L(s′, f(s′, ε)) − L(s, a) + α₃ c, (B,). What others are told."""
        batch = self._drawn()
        now, then = batch.seen, batch.then
        self.action, self.log_density = self._sampled(then)
        self.critic.requires_grad_(False)
        self.next_value = self.critic.pessimistic(
            then.error, self.action - then.rest, then.reference
        )
        with torch.no_grad():
            value = self.critic.pessimistic(now.error, batch.action - now.rest, now.reference)
            change = self.next_value - value + self.settings.decrease * batch.cost / self.unit
        self.critic.requires_grad_(True)
        out: Array = change.double().numpy()
        self.change = out
        return out

    def learn_actor(self, others: Array) -> float:
        """(17a), (17b) and (16), given m⁻ⁱ (B,); E[m⁻ⁱ + mⁱ] (14) is returned."""
        self.entropy = -float(self.log_density.detach().mean())
        broken = float(np.mean(others + self.change))
        self.temperature.update(self.wanted - self.entropy)
        self.price.update(broken)
        self.price.logarithm = max(self.price.logarithm, math.log(self.settings.least_price))
        loss = (
            self.temperature.value * self.log_density + self.price.value * self.next_value
        ).mean()
        self.actor_steps.zero_grad()
        loss.backward()
        self.actor_steps.step()
        del self.action, self.log_density, self.next_value
        return broken

    def _sampled(self, seen: Seen) -> tuple[torch.Tensor, torch.Tensor]:
        return self.actor.sample(seen.error, seen.reference, seen.steady, self.generator)

    def _drawn(self) -> Batch:
        assert self.batch is not None
        return self.batch

    # What Theorem 1 is judged by.

    @torch.no_grad()
    def lyapunov(self, seen: Seen) -> Array:
        """Lⁱ(sⁱ) (10) of the policy that ships, Q at its mean action, (N,), in the costs' unit."""
        action = self.actor.act(seen.error, seen.reference, seen.steady)
        energy = self.critic.pessimistic(seen.error, action - seen.rest, seen.reference)
        out: Array = self.unit * energy.double().numpy()
        return out

    # Checkpoints.

    def state(self) -> dict[str, object]:
        """All of it, so that a resumed training goes on as if it had never stopped."""
        return {
            "generators": [self.generator.get_state(), self.clock.get_state()],
            "networks": [module_state(net) for net in (self.actor, self.critic, self.target)],
            "optimizers": [optimizer_state(o) for o in (self.actor_steps, self.critic_steps)],
            "multipliers": [self.temperature.state(), self.price.state()],
            "spread": self.spread,
            "figures": [self.critic_loss, self.entropy, self.calm],
            "fields": None if self.buffer is None else self.buffer.fields,
            "buffer": None if self.buffer is None else self.buffer.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Back to what :meth:`state` gave."""
        for generator, kept in zip((self.generator, self.clock), state["generators"], strict=True):
            generator.set_state(kept)
        for net, kept in zip(
            (self.actor, self.critic, self.target), state["networks"], strict=True
        ):
            restore_module(net, kept)
        for steps, kept in zip(
            (self.actor_steps, self.critic_steps), state["optimizers"], strict=True
        ):
            restore_optimizer(steps, kept)
        for multiplier, kept in zip(
            (self.temperature, self.price), state["multipliers"], strict=True
        ):
            multiplier.restore(kept)
        self.spread = state["spread"]
        self.critic_loss, self.entropy, self.calm = state["figures"]
        if state["buffer"] is not None:
            self.buffer = Replay(self.settings.buffer, state["fields"], self.clock)
            self.buffer.restore(state["buffer"])


def _own_columns(view: View, steady_inputs: Array) -> Array:
    """The controller's own steady inputs where its view looks for them; NaN in all others' places,
    which shows that nothing of theirs is used."""
    whole = np.full((len(steady_inputs), 1 + max(view.inputs)), np.nan)
    whole[:, list(view.inputs)] = steady_inputs
    return whole
