"""Training and proving for the gate, as ``run`` and ``certify`` do it, told line by line."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.gate.subject import Subject
from cli.outcome import counterexample_row, reason_of, word
from cli.progress import ProgressBars
from cli.transcript import proof_rows, row, training_row
from cli.warm_up import warm_up

if TYPE_CHECKING:
    from certify.candidate import Candidate
    from certify.result import StabilityResult
    from certify.verdict import Verdict

Tell = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Outcome:
    """The end of an attempt; ``rounds`` and ``counterexamples`` as in ``--json`` of ``run``."""

    result: StabilityResult
    conclusion: Verdict
    candidate: Candidate
    rounds: Sequence[Mapping[str, object]]
    counterexamples: Sequence[Mapping[str, object]]
    train_seconds: float
    prove_seconds: float

    @property
    def proved(self) -> bool:
        return word(self.conclusion) == "proved" and self.result.theorem is not None

    @property
    def reason(self) -> str:
        return reason_of(self.conclusion, self.result)

    @property
    def condition(self) -> str:
        """The condition that is broken, or open."""
        from learners.counterexamples import failed_condition

        name = "" if self.proved else failed_condition(self.result.verdict) or ""
        return name if name in self.result.searches or name == "equilibrium" else ""


def attempt(subject: Subject, tell: Tell) -> Outcome:
    """Prove the claim within its time budget. Raises InputError where a learner does."""
    warm_up()
    with ProgressBars() as bars:

        def telling(line: str) -> None:
            bars.clear()
            tell(line)

        if subject.candidate is not None:
            return _of_candidate(subject, subject.candidate, bars, telling)
        return _of_learner(subject, bars, telling)


def _of_candidate(
    subject: Subject, candidate: Candidate, bars: ProgressBars, tell: Tell
) -> Outcome:
    from certify import Budget, prove_stability

    started = time.perf_counter()
    result = prove_stability(
        subject.plant.system,
        candidate,
        subject.asked,
        budget=Budget(subject.seconds),
        on_progress=bars.proving,
        seed=subject.seed,
    )
    for line in proof_rows(result):
        tell(line)
    found = result.counterexample
    points = [] if found is None else [counterexample_row(found, result, 1)]
    seconds = time.perf_counter() - started
    return Outcome(result, result.verdict, candidate, [], points, 0.0, seconds)


def _of_learner(subject: Subject, bars: ProgressBars, tell: Tell) -> Outcome:
    from certify import Budget
    from learners.refine import refine

    rounds: dict[int, Mapping[str, object]] = {}
    points = []
    train = prove = 0.0
    last = None

    def trained(number: int, candidate: Candidate, elapsed: float) -> None:
        if number > 1:
            tell(f"round {number}")
        tell(training_row(candidate, elapsed))

    assert subject.learner is not None
    for last in refine(
        subject.plant.system,
        subject.learner,
        subject.asked,
        rounds=subject.rounds,
        budget=Budget(subject.seconds),
        on_progress=bars.proving,
        on_training=bars.training,
        on_trained=trained,
        seed=subject.seed,
    ):
        fresh = last.round not in rounds
        rounds[last.round] = last.as_row()
        if not fresh:
            continue  # the refit after this round failed: nothing new was proved
        train, prove = train + last.train_seconds, prove + last.prove_seconds
        found = last.result.counterexample
        if found is not None:
            points.append(counterexample_row(found, last.result, last.round))
        for line in proof_rows(last.result):
            tell(line)
        if last.next_repair is not None:
            tell(row("repair", last.next_step))
    assert last is not None and last.conclusion is not None
    return Outcome(
        last.result, last.conclusion, last.candidate, list(rounds.values()), points, train, prove
    )
