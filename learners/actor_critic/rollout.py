"""Collecting transitions from many environments at once.

What is stored of a transition is the true next state, before any restart, and whether the plant
left its physical meaning there (``ended``). A time limit is no end: learners bootstrap through it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch

from learners.actor_critic.encoding import Encoder, Seen
from learners.actor_critic.record import Record
from systems.dynamics import ControlAffineSystem
from systems.words import input_names

AT_LIMIT = 0.999
"""Of the half-range: an input beyond this sits at its limit."""
RETURNS = 100
"""Of so many episodes that reached their time limit, the last, the accumulated cost is kept."""


class Step(Protocol):
    """What an environment's step gives back, N rows each."""

    @property
    def states(self) -> torch.Tensor: ...
    @property
    def costs(self) -> torch.Tensor: ...
    @property
    def terminated(self) -> torch.Tensor: ...
    @property
    def truncated(self) -> torch.Tensor: ...
    @property
    def outside(self) -> Sequence[str]: ...


class Environment(Protocol):
    """Many episodes of a task in step, as :class:`learners.environments.BatchedEnvironment`."""

    @property
    def states(self) -> torch.Tensor: ...
    @property
    def references(self) -> torch.Tensor: ...
    @property
    def reference_inputs(self) -> torch.Tensor: ...
    @property
    def exit_costs(self) -> torch.Tensor: ...
    def reset(self) -> torch.Tensor: ...
    def step(self, inputs: torch.Tensor) -> Step: ...
    def restart(self, mask: torch.Tensor, states: torch.Tensor | None = None) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, saved: Mapping[str, Any]) -> None: ...


def fields(seen: Seen) -> dict[str, int]:
    """The fields of a stored transition, with their widths."""
    n, m = seen.error.shape[1], seen.steady.shape[1]
    tracked = {"reference": n, "steady": m} if seen.reference is not None else {}
    return {"error": n, "action": m, "cost": 1, "next_error": n, "ended": 1, **tracked}


class Starts:
    """Points (M, n) that episodes begin at, drawn with ``weights`` (M,)."""

    def __init__(
        self, points: torch.Tensor, weights: torch.Tensor, generator: torch.Generator
    ) -> None:
        self.points, self.weights, self.generator = points, weights, generator

    def draw(self, count: int) -> torch.Tensor:
        """``count`` of them."""
        chosen = torch.multinomial(self.weights, count, True, generator=self.generator)
        return self.points[chosen]

    def state(self) -> dict[str, torch.Tensor]:
        return {"points": self.points, "weights": self.weights}


class Rollout:
    """Runs the environments for controllers with an encoder each; counts, and names what fails.

    In the first ``episode_steps`` periods, if given, the environments are begun anew one after the
    other, so that their episodes do not all end together. With ``starts``, every episode begins
    there.
    """

    def __init__(
        self,
        environment: Environment,
        encoders: Sequence[Encoder],
        record: Record,
        system: ControlAffineSystem,
        *,
        episode_steps: int = 0,
        starts: Starts | None = None,
    ) -> None:
        self.environment, self.encoders, self.record = environment, encoders, record
        self.episode_steps, self.starts = episode_steps, starts
        self.name, self.names = system.name, input_names(system)
        count, m = len(environment.states), len(self.names)
        self.periods = 0
        self.episodes = 0
        self.costs = torch.zeros(count, dtype=torch.float64)
        self.lowest = torch.ones(count, m)
        self.highest = -torch.ones(count, m)
        self.returns: list[float] = []
        if starts is not None:
            environment.restart(torch.ones(count, dtype=torch.bool), starts.draw(count))

    def see(self) -> list[Seen]:
        """What every controller sees now."""
        return self._seen(self.environment.states)

    def _seen(self, states: torch.Tensor) -> list[Seen]:
        environment = self.environment
        return [
            e(states, environment.references, environment.reference_inputs) for e in self.encoders
        ]

    def step(self, seen: list[Seen], actions: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        """One period with the controllers' actions (N, mⁱ) in (−1, 1): for each controller, its
        transitions, those that are finite; row k is the same sample for all.

        ``seen`` is what :meth:`see` gave. Episodes that ended are begun anew.
        """
        count = len(actions[0])
        inputs = torch.empty(count, len(self.names), dtype=torch.float64)
        together = torch.empty(count, len(self.names))
        for encoder, action in zip(self.encoders, actions, strict=True):
            columns = list(encoder.view.inputs)
            inputs[:, columns] = encoder.inputs(action)
            together[:, columns] = action
        step = self.environment.step(inputs)
        finite = self._finite(step)
        after = self._seen(step.states)
        out = []
        for k, (now, then, action) in enumerate(zip(seen, after, actions, strict=True)):
            row = {
                "error": now.error,
                "action": action,
                "cost": step.costs[:, k if step.costs.shape[1] > 1 else 0, None].float(),
                "next_error": then.error,
                "ended": step.terminated[:, None].float(),
            }
            if now.reference is not None:
                row |= {"reference": now.reference, "steady": now.steady}
            out.append(row if finite is None else {f: v[finite] for f, v in row.items()})
        self._count(step, together)
        self._begin_anew(step, finite)
        return out

    def _finite(self, step: Step) -> torch.Tensor | None:
        """Which rows hold numbers only; None where all do. Others are named and dropped."""
        costs = torch.isfinite(step.costs).all(1)
        states = torch.isfinite(step.states).all(1)
        if bool((costs & states).all()):
            return None
        for what, fine in (("the cost", costs), ("the observed state", states)):
            bad = int((~fine).sum())
            if bad:
                self.record.warn(
                    f"{self.name}: {what} was NaN or infinite; such transitions are dropped and "
                    "their episodes begun anew",
                    bad,
                )
        return costs & states

    def _count(self, step: Step, actions: torch.Tensor) -> None:
        """Costs of episodes, and what sits at its limit."""
        self.periods += 1
        self.costs += step.costs.sum(1).nan_to_num(0.0)
        torch.minimum(self.lowest, actions, out=self.lowest)
        torch.maximum(self.highest, actions, out=self.highest)
        for name in step.outside:
            self.record.warn(f"{self.name}: a state left its physical meaning: {name}")
        if not bool(step.truncated.any()):
            return
        self.returns = (self.returns + self.costs[step.truncated].tolist())[-RETURNS:]
        stuck = ((self.lowest > AT_LIMIT) | (self.highest < -AT_LIMIT)) & step.truncated[:, None]
        for j in stuck.nonzero()[:, 1].tolist():
            self.record.warn(
                f"{self.name}: the input {self.names[j]} sat at its limit for a whole episode"
            )

    def _begin_anew(self, step: Step, finite: torch.Tensor | None) -> None:
        ends = step.terminated | step.truncated
        if finite is not None:
            ends = ends | ~finite
        if self.periods <= self.episode_steps:  # spread over time
            count = len(ends)
            first, last = (
                (p * count) // self.episode_steps for p in (self.periods - 1, self.periods)
            )
            ends[first:last] = True
        several = int(ends.sum())
        if not several:
            return
        self.episodes += several
        self.costs[ends] = 0.0
        self.lowest[ends], self.highest[ends] = 1.0, -1.0
        self.environment.restart(ends, None if self.starts is None else self.starts.draw(several))

    def state(self) -> dict[str, object]:
        """All of it, for a checkpoint."""
        return {
            "environment": self.environment.state_dict(),
            "periods": self.periods,
            "episodes": self.episodes,
            "costs": self.costs.clone(),
            "lowest": self.lowest.clone(),
            "highest": self.highest.clone(),
            "returns": list(self.returns),
            "starts": None if self.starts is None else self.starts.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Back to what :meth:`state` gave."""
        kept = {k: np.asarray(v) for k, v in state["environment"].items()}
        self.environment.load_state_dict(kept)
        self.periods, self.episodes = int(state["periods"]), int(state["episodes"])
        self.returns = list(state["returns"])
        for ours, theirs in (
            (self.costs, state["costs"]),
            (self.lowest, state["lowest"]),
            (self.highest, state["highest"]),
        ):
            ours.copy_(theirs)
