"""Collecting transitions from many environments at once.

What is stored of a transition is the true next state, before any restart, and whether the plant
left its physical meaning there (``ended``). A time limit is no end: learners bootstrap through it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch

from learners.actor_critic.encoding import Encoder, Seen
from learners.actor_critic.record import Record
from systems.dynamics import ControlAffineSystem
from systems.words import input_names

AT_LIMIT = 0.999
"""Of the half-range: an input beyond this sits at its limit."""


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
    """Many copies of a task, side by side."""

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
    def restart(self, mask: torch.Tensor) -> None: ...


def fields(seen: Seen) -> dict[str, int]:
    """The fields of a stored transition, with their widths."""
    n, m = seen.error.shape[1], seen.steady.shape[1]
    tracked = {"reference": n, "steady": m} if seen.reference is not None else {}
    return {"error": n, "action": m, "cost": 1, "next_error": n, "ended": 1, **tracked}


class Rollout:
    """Runs the environments for controllers with an encoder each; counts, and names what fails."""

    def __init__(
        self,
        environment: Environment,
        encoders: Sequence[Encoder],
        record: Record,
        system: ControlAffineSystem,
    ) -> None:
        self.environment, self.encoders, self.record = environment, encoders, record
        states = environment.reset()
        count, m = len(states), sum(len(e.view.inputs) for e in encoders)
        self.names = input_names(system)
        self.name = system.name
        self.costs = torch.zeros(count, dtype=torch.float64)
        self.lowest = torch.ones(count, m)
        self.highest = -torch.ones(count, m)
        self.returns: list[float] = []
        self.episodes = 0

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
        inputs = torch.empty(len(actions[0]), len(self.names), dtype=torch.float64)
        whole = torch.empty(len(actions[0]), len(self.names))
        for encoder, action in zip(self.encoders, actions, strict=True):
            columns = list(encoder.view.inputs)
            inputs[:, columns] = encoder.inputs(action)
            whole[:, columns] = action
        step = self.environment.step(inputs)
        good = self._finite(step)
        after = self._seen(step.states)
        out = []
        for k, (now, then, action) in enumerate(zip(seen, after, actions, strict=True)):
            cost = step.costs[:, k if step.costs.shape[1] > 1 else 0, None].float()
            row = {
                "error": now.error,
                "action": action,
                "cost": cost,
                "next_error": then.error,
                "ended": step.terminated[:, None].float(),
            }
            if now.reference is not None:
                row |= {"reference": now.reference, "steady": now.steady}
            out.append(row if good is None else {name: v[good] for name, v in row.items()})
        self._count(step, whole, good)
        return out

    def _finite(self, step: Step) -> torch.Tensor | None:
        """Which rows hold numbers only; None where all do. Others are named and dropped."""
        if bool(torch.isfinite(step.costs).all()) and bool(torch.isfinite(step.states).all()):
            return None
        costs = torch.isfinite(step.costs).all(1)
        states = torch.isfinite(step.states).all(1)
        for what, fine in (("the cost", costs), ("the observed state", states)):
            bad = int((~fine).sum())
            if bad:
                self.record.warn(
                    f"{self.name}: {what} was NaN or infinite; such transitions were dropped and "
                    "their episodes begun anew",
                    bad,
                )
        return costs & states

    def _count(self, step: Step, whole: torch.Tensor, good: torch.Tensor | None) -> None:
        """Costs of episodes, inputs at their limits, and new beginnings."""
        self.costs += step.costs.sum(1).nan_to_num(0.0)
        torch.minimum(self.lowest, whole, out=self.lowest)
        torch.maximum(self.highest, whole, out=self.highest)
        ends = step.terminated | step.truncated
        if good is not None:
            ends = ends | ~good
        for line in step.outside:
            self.record.warn(f"{self.name}: a state left its physical meaning: {line}")
        if not bool(ends.any()):
            return
        self.episodes += int(ends.sum())
        self.returns = (self.returns + self.costs[step.truncated].tolist())[-100:]
        stuck = (self.lowest > AT_LIMIT) | (self.highest < -AT_LIMIT)
        for row, j in (stuck & step.truncated[:, None]).nonzero().tolist():
            del row
            self.record.warn(
                f"{self.name}: the input {self.names[j]} sat at its limit throughout an episode"
            )
        self.costs[ends] = 0.0
        self.lowest[ends], self.highest[ends] = 1.0, -1.0
        self.environment.restart(ends)
