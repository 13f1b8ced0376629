"""One attempt at a theorem: what has been shown and found so far, and the searches it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

from certify.branch_and_bound import Progress, Search, reach_of, search
from certify.budget import Budget, Clock
from certify.conditions import Condition
from certify.ellipsoid import Ellipsoid
from certify.enclosure.engine import Engine
from certify.result import Requested
from certify.stability import StabilityProblem
from certify.verdict import Refuted, Unknown

OnProgress = Callable[[str, Progress], None]
"""Told the name of the condition under search and how far it is."""

LEVEL_BUDGET = 0.25
"""The share of the remaining time for one level: the core's, that of containment, and so on."""


class StopError(Exception):
    """Ends an attempt with a verdict that is not Proved."""

    def __init__(self, verdict: Refuted | Unknown) -> None:
        self.verdict = verdict


@dataclass
class Attempt:
    """The searches so far by condition, and the constants that they have found.

    ``ball`` is the largest level whose sublevel set lies in the ball of a radius asked for,
    ``known`` an ellipsoid to try first, its level, and the search that once showed its contraction.
    """

    problem: StabilityProblem
    requested: Requested
    clock: Clock
    on_progress: OnProgress | None
    seed: int
    searches: dict[str, Search] = field(default_factory=dict)
    alpha: Fraction | None = None
    ellipsoid: Ellipsoid | None = None
    c_q: Fraction | None = None
    core: Fraction | None = None
    ball: Fraction | None = None
    known: tuple[Ellipsoid, Fraction, Search] | None = None
    engines: dict[int, Engine] = field(default_factory=dict)

    def search(
        self,
        name: str,
        condition: Condition,
        share: float = 1.0,
        *,
        most_boxes: int | None = None,
        **options: object,
    ) -> Search:
        """Search, within a share of the remaining time, and keep the result under the name."""

        def report(progress: Progress) -> None:
            if self.on_progress is not None:
                self.on_progress(name, progress)

        remaining = self.clock.remaining
        found = search(
            condition,
            Budget(remaining.seconds * share, most_boxes or remaining.boxes),
            engine=self._engine(condition),
            on_progress=report,
            seed=self.seed,
            **options,  # type: ignore[arg-type]
        )
        self.searches[name] = found
        return found

    def require(self, found: Search) -> Search:
        """The search, if it proved its condition. Raises StopError with its verdict if not."""
        if isinstance(found.verdict, Refuted | Unknown):
            raise StopError(found.verdict)
        return found

    def restate(self, condition: Condition) -> None:
        """Let the evidence under the condition's name stand for this weaker condition."""
        self.searches[condition.name] = self.searches[condition.name].restated(condition)

    def _engine(self, condition: Condition) -> Engine:
        """One engine a program, so that its constants and models are prepared once."""
        program = id(condition.tape.instructions)
        if program not in self.engines:
            self.engines[program] = Engine(
                condition.tape, reach_of((self.problem.region, *condition.regions))
            )
        return self.engines[program].asking(condition.tape)


def unknown(reason: str) -> StopError:
    """The end of an attempt without a decision."""
    return StopError(Unknown(reason))
