"""The loop: learn, prove, put counterexamples back among the collocation points, and again.

Counterexample-guided synthesis of Lyapunov functions in the manner of Chang, Roohi and Gao
("Neural Lyapunov Control", 2019), with two differences: a proof's single counterexample is widened
to many by sampling, and what to change is decided by the reason of the failure
(:mod:`learners.repair`).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from certify.budget import Budget, Clock
from certify.candidate import Candidate
from certify.prove import OnProgress, prove_stability
from certify.result import Requested, StabilityResult
from certify.verdict import Counterexample, Proved, Refuted, Unknown, Verdict
from learners.counterexamples import Failure, failed_condition, find_failure, with_neighbourhoods
from learners.repair import EXACT_CONDITIONS, Repair, fails_by_level, next_repair
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError

Array = NDArray[np.float64]
OnTraining = Callable[[Mapping[str, object]], None]


class Learner(Protocol):
    """What the loop needs of a learner. One that is a dataclass with ``neurons`` can also grow.

    One with ``weak_points(system, candidate, seed)`` is asked for points (M, n) to go on from where
    a proof failed without showing any.
    """

    def fit(
        self,
        system: ControlAffineSystem,
        *,
        extra_points: Array | None = None,
        extra_weights: Array | None = None,
        progress: OnTraining | None = None,
    ) -> Candidate:
        """A candidate for the system, with the extra points (M, n) of weights (M,) in the fit."""
        ...


@dataclass(frozen=True, eq=False)
class Attempt:
    """One round: what was learnt, whether it could be proved, and what follows from that.

    ``counterexamples`` (M, n) are all points found so far, this round's included.
    ``conclusion`` is None while the loop goes on, else its verdict: Proved; Refuted where one
    round was asked for, or where the constants asked for were refuted and retraining did not
    help; Unknown with a reason where a limit ended it. ``next_repair`` is what the next
    round starts from, and ``next_step`` says it in words. The seconds are of this round.
    """

    round: int
    candidate: Candidate
    result: StabilityResult
    counterexamples: Array
    neurons: int | None
    train_seconds: float
    prove_seconds: float
    next_step: str
    next_repair: Repair | None
    conclusion: Verdict | None

    @property
    def verdict(self) -> Verdict:
        """Of this round's proof."""
        return self.result.verdict

    def as_row(self) -> dict[str, object]:
        """The attempt as a line of the table of rounds, plain JSON data."""
        found = self.result.counterexample
        return {
            "round": self.round,
            "neurons": self.neurons,
            "verdict": type(self.verdict).__name__.lower(),
            "condition": failed_condition(self.verdict),
            "reason": self.verdict.reason if isinstance(self.verdict, Unknown) else "",
            "counterexample": None if found is None else list(found.point),
            "counterexamples": len(self.counterexamples),
            "boxes": self.result.boxes,
            "train_seconds": self.train_seconds,
            "prove_seconds": self.prove_seconds,
            "next_step": self.next_step,
        }


def rounds_table(attempts: Sequence[Attempt]) -> list[dict[str, object]]:
    """The table of rounds: one row for each, the last word on a round counts."""
    return list({a.round: a.as_row() for a in attempts}.values())


def refine(
    system: ControlAffineSystem,
    learner: Learner,
    requested: Requested | None = None,
    *,
    rounds: int = 10,
    budget: Budget | None = None,
    on_progress: OnProgress | None = None,
    on_training: OnTraining | None = None,
    on_trained: Callable[[int, Candidate, float], None] | None = None,
    seed: int = 0,
    resume: Repair | None = None,
    trained: tuple[Candidate, float] | None = None,
    count_training: bool = True,
) -> Iterator[Attempt]:
    """Learn and prove until it holds, or until ``rounds`` or ``budget`` (training included) end.

    Where ``count_training`` is False the budget is for the proofs alone: a training of minutes
    would leave none of it. Yields every round; the last has a ``conclusion``. ``on_trained`` hears
    of every candidate (round, candidate, seconds) before its proof begins. ``resume`` continues
    with the repair a former run was about to make, ``trained`` with a candidate (and its training's
    seconds) that was not yet proved. Raises InputError where the first fit does; where a later one
    does, the last round is yielded once more, with the conclusion Unknown.
    """
    if rounds < 1:
        raise InputError(f"rounds must be at least 1, not {rounds}")
    loop = _Loop(system, learner, requested or Requested(), rounds, seed, count_training)
    clock = (budget or Budget()).started()
    repair = resume or Repair.none(system.state_dimension)
    last: Attempt | None = None
    while True:
        if trained is None:
            begun = time.perf_counter()
            try:
                trained = loop.fit(repair, on_training)
            except InputError as error:
                if last is None:
                    raise
                reason = f"round {repair.round}: the refit failed: {error}"
                yield dataclasses.replace(last, conclusion=Unknown(reason))
                return
            if not count_training:
                clock.start += time.perf_counter() - begun
            if on_trained is not None:
                on_trained(repair.round, *trained)
        last = loop.prove(repair, *trained, clock, on_progress)
        yield last
        if last.conclusion is not None or last.next_repair is None:
            return
        repair, trained = last.next_repair, None


@dataclass(frozen=True, eq=False)
class _Loop:
    system: ControlAffineSystem
    learner: Learner
    requested: Requested
    rounds: int
    seed: int
    count_training: bool = True

    @property
    def first_size(self) -> int | None:
        size = getattr(self.learner, "neurons", None)
        return size if isinstance(size, int) and dataclasses.is_dataclass(self.learner) else None

    def fit(self, repair: Repair, on_training: OnTraining | None) -> tuple[Candidate, float]:
        """A candidate and the seconds its training took."""
        started = time.perf_counter()
        learner: Any = self.learner
        if repair.neurons not in (None, self.first_size):
            learner = dataclasses.replace(learner, neurons=repair.neurons)
        points, weights = None, None
        if len(repair.points):
            points, weights = with_neighbourhoods(
                repair.points, repair.weights, self.system.domain, self.seed
            )
        candidate: Candidate = learner.fit(
            self.system, extra_points=points, extra_weights=weights, progress=on_training
        )
        return candidate, time.perf_counter() - started

    def prove(
        self,
        repair: Repair,
        candidate: Candidate,
        train_seconds: float,
        clock: Clock,
        on_progress: OnProgress | None,
    ) -> Attempt:
        result = prove_stability(
            self.system,
            candidate,
            self.requested,
            budget=clock.remaining,
            on_progress=on_progress,
            seed=self.seed,
        )
        size = repair.neurons or self.first_size
        following: Repair | None = None
        points = repair.points
        conclusion: Verdict | None = Proved()
        if not isinstance(result.verdict, Proved):
            failure = self._failure(result, candidate, self.seed + repair.round)
            following = next_repair(repair, failure, self.system.domain, size, self.first_size)
            points = _joined(points, failure.points)
            conclusion = self._conclusion(repair, result, failure, following, clock, train_seconds)
        if conclusion is not None:
            following = None
        return Attempt(
            repair.round,
            candidate,
            result,
            points,
            size,
            train_seconds,
            result.seconds,
            "" if following is None else following.words,
            following,
            conclusion,
        )

    def _failure(self, result: StabilityResult, candidate: Candidate, seed: int) -> Failure:
        """What failed, and where; the learner may know where, if the proof does not."""
        failure = find_failure(result, seed)
        weak_points = getattr(self.learner, "weak_points", None)
        if len(failure.points) or weak_points is None:
            return failure
        return dataclasses.replace(failure, points=weak_points(self.system, candidate, seed))

    def _conclusion(
        self,
        repair: Repair,
        result: StabilityResult,
        failure: Failure,
        following: Repair | None,
        clock: Clock,
        train_seconds: float,
    ) -> Verdict | None:
        """The loop's verdict after a proof that failed; None where another round may help."""
        verdict = result.verdict
        if self.rounds == 1:
            return verdict
        out_of_time = clock.exhausted(0)
        if out_of_time is not None:
            left = failed_condition(verdict)
            return Unknown(f'{out_of_time} in round {repair.round}, with "{left}" not proved')
        tail = _tail(verdict)
        if following is None:
            final = failure.condition in EXACT_CONDITIONS or fails_by_level(failure.condition)
            if isinstance(verdict, Refuted) and final:
                return verdict
            return Unknown(f"no progress after {repair.round} rounds; {tail}")
        rest = clock.remaining.seconds
        if (
            self.count_training and train_seconds > rest
        ):  # and a repair seldom makes the training shorter
            return Unknown(
                f"{rest:.3g} s are left after round {repair.round}, too short to train once more "
                f"({train_seconds:.3g} s); {tail}"
            )
        if repair.round >= self.rounds:
            return Unknown(f"the limit of {self.rounds} rounds ran out; {tail}")
        return None


def _tail(verdict: Verdict) -> str:
    """What the last round left open, in words."""
    if isinstance(verdict, Refuted):
        return f"the last candidate is {describe(verdict.counterexample)}"
    return f"last open: {verdict.reason}" if isinstance(verdict, Unknown) else ""


def describe(found: Counterexample) -> str:
    """A counterexample in words: the condition it breaks, and where."""
    where = ", ".join(f"{v:.6g}" for v in found.point)
    return f'refuted in "{found.condition}" at ({where})'


def _joined(old: Array, new: Array) -> Array:
    fresh = [x for x in new if not (old == x).all(axis=1).any()]
    return np.concatenate([old, np.array(fresh).reshape(-1, old.shape[1])])
