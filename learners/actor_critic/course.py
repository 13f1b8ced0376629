"""The course of a training, whatever the algorithm: rates, rows, judging, the best policy kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from learners.actor_critic.checkpoint import module_state, restore_module
from learners.actor_critic.judge import Judgement, judge
from learners.actor_critic.policy import Policy
from learners.actor_critic.record import Record
from systems.errors import InputError
from systems.task import Task

Array = NDArray[np.float64]

ROWS = 50
"""Of the record, in a training."""
JUDGED_STARTS = 128
HELD_OUT = 7919
"""Added to the seed for the starts that policies are judged on."""


class Algorithm(Protocol):
    """What a course needs of an algorithm. ``networks`` are all that it trains; a policy is made
    of some of them."""

    updates: int

    @property
    def networks(self) -> Sequence[torch.nn.Module]: ...
    def begin(self) -> None:
        """Collect the first transitions."""

    def period(self, most: int) -> list[Mapping[str, float]]:
        """One period of the environments, then at most so many updates, with figures of each."""
        ...

    def figures(self) -> Mapping[str, float]:
        """What a row of the record says beside the means of the updates' figures."""
        ...

    def set_rate(self, factor: float) -> None:
        """Learning rates, of what they were at first."""

    def policy(self) -> Policy: ...
    def value_function(self) -> Callable[[Array], Array] | None:
        """L under the mean action as it is now, of states (N, n), where there is one reference."""
        ...

    def state(self) -> dict[str, Any]: ...
    def restore(self, state: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True)
class Plan:
    """One stage of a training: from ``since`` to ``until`` updates, policies judged ``judged``
    times, learning rates from ``first`` to ``last`` of what the settings say."""

    since: int
    until: int
    judged: int
    first: float
    last: float

    def rate(self, done: int) -> float:
        """The factor of the learning rates after so many updates."""
        share = (done - self.since) / max(1, self.until - self.since)
        return self.first + (self.last - self.first) * min(1.0, share)

    def passed(self, before: int, now: int, parts: int) -> bool:
        """Whether one of so many equal parts of the stage ended since ``before``."""
        every = max(1, (self.until - self.since) // parts)
        crossed = (before - self.since) // every != (now - self.since) // every
        return crossed or now >= self.until


@dataclass(frozen=True, eq=False)
class Best:
    """The best policy so far: how it was judged, at which update, and all weights then."""

    judgement: Judgement
    updates: int
    weights: list[list[torch.Tensor]]


class Course:
    """Runs an algorithm by a plan, then perhaps another. The same state leads to the same end, bit
    for bit."""

    def __init__(self, algorithm: Algorithm, task: Task, record: Record, seed: int) -> None:
        self.algorithm, self.task, self.record, self.seed = algorithm, task, record, seed
        self.best: Best | None = None
        self.sums: dict[str, tuple[float, int]] = {}
        self.seconds = 0.0
        self.diverged = False

    def run(self, plan: Plan, save: Callable[[Course], None] | None = None) -> None:
        """Go on until the plan is done; ``save`` is called after every judgement."""
        algorithm = self.algorithm
        if not algorithm.updates:
            algorithm.begin()
        while algorithm.updates < plan.until and not self.diverged:
            began, before = time.perf_counter(), algorithm.updates
            algorithm.set_rate(plan.rate(before))
            for figures in algorithm.period(plan.until - before):
                self._add(figures)
            self.seconds += time.perf_counter() - began
            self._check()
            if plan.passed(before, algorithm.updates, ROWS):
                self._write_row(plan)
            if plan.passed(before, algorithm.updates, plan.judged) and not self.diverged:
                self._judge(plan)
                if save is not None:
                    save(self)

    def _check(self) -> None:
        """Weights that are no numbers cannot recover."""
        weights = [p for network in self.algorithm.networks for p in network.parameters()]
        if not bool(torch.isfinite(torch.stack(torch._foreach_norm(weights))).all()):
            self.diverged = True
            self.record.warn(
                f"{self.task.system.name}: training diverged before update "
                f"{self.algorithm.updates}; the best policy until then is kept (a smaller learning "
                "rate may help)"
            )

    def _add(self, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            total, count = self.sums.get(name, (0.0, 0))
            self.sums[name] = (total + value, count + 1)

    def _write_row(self, plan: Plan) -> None:
        means = {name: total / count for name, (total, count) in self.sums.items()}
        self.sums.clear()
        self.record.row(**self._where(plan), **means, **self.algorithm.figures())

    def _where(self, plan: Plan) -> dict[str, float | int]:
        done = self.algorithm.updates
        share = (done - plan.since) / (plan.until - plan.since)
        return {"step": done, "steps": plan.until, "share": share}

    def _judge(self, plan: Plan) -> None:
        """Keep the policy if it is the best so far."""
        algorithm = self.algorithm
        found = judge(
            self.task,
            algorithm.policy(),
            starts=JUDGED_STARTS,
            seed=self.seed + HELD_OUT,
            periods=2 * self.task.episode_steps,
        )
        if self.best is None or found.better_than(self.best.judgement):
            weights = [module_state(network) for network in algorithm.networks]
            self.best = Best(found, algorithm.updates, weights)
        if self.record.progress is not None:
            told = {**self._where(plan), "value": algorithm.value_function()}
            self.record.tell(told, always=True)

    def take_best(self) -> Best:
        """Put the best policy's weights into the networks. Raises InputError where there is none.

        A warning says so where it does not settle from everywhere.
        """
        best, name = self.best, self.task.system.name
        if best is None:
            raise InputError(
                f"{name}: training diverged before its first policy was judged; a smaller learning "
                "rate may help"
            )
        for network, weights in zip(self.algorithm.networks, best.weights, strict=True):
            restore_module(network, weights)
        success = best.judgement.success
        if success < 1.0:
            self.record.warn(
                f"{name}: the policy steered {success:.0%} of {JUDGED_STARTS} held-out starts to "
                "the reference; more updates or a smaller share of the domain may help"
            )
        return best

    def state(self) -> dict[str, Any]:
        """All that the further course depends on, as a tree of arrays and plain data."""
        best = self.best
        return {
            "algorithm": self.algorithm.state(),
            "record": self.record.state(),
            "sums": {k: list(v) for k, v in self.sums.items()},
            "seconds": self.seconds,
            "best": None
            if best is None
            else {
                "costs": best.judgement.costs,
                "distances": best.judgement.distances,
                "updates": best.updates,
                "weights": best.weights,
            },
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Back to what :meth:`state` gave. Raises InputError where it does not fit."""
        try:
            self.algorithm.restore(state["algorithm"])
            self.record.restore(state["record"])
            self.sums = {k: (float(a), int(b)) for k, (a, b) in state["sums"].items()}
            self.seconds = float(state["seconds"])
            best = state["best"]
            if best is not None:
                judged = Judgement(np.asarray(best["costs"]), np.asarray(best["distances"]))
                self.best = Best(judged, int(best["updates"]), best["weights"])
        except (
            KeyError,
            TypeError,
            ValueError,
            RuntimeError,
            IndexError,
            AttributeError,
        ) as error:
            raise InputError(
                f"{self.task.system.name}: the state of the training that was kept is damaged "
                f"({type(error).__name__}); train anew"
            ) from None
