"""Backends that answer as they are told to, to test what is made of their answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from certify.backends.base import Availability, Backend, Lead, NoViolation, Open, Soundness
from certify.budget import Budget
from certify.conditions import Condition
from certify.verdict import Counterexample, Proved, Refuted, Verdict

Answering = Callable[[Condition, Budget], Lead]


@dataclass(frozen=True)
class Fake(Backend):
    """``answering`` is its solver; it is there unless something is ``missing``."""

    name: str = "fake"
    soundness: Soundness = Soundness.EXACT
    decides_polynomials: bool = False
    answering: Answering = field(default=lambda *_: Open("it gave up"))
    missing: tuple[str, ...] = ()
    unsupported: str | None = None

    def availability(self) -> Availability:
        if self.missing:
            return Availability(False, None, self.missing, ("install fake",))
        return Availability(True, "1.0")

    def explain_unsupported(self, condition: Condition) -> str | None:
        return self.unsupported

    def solve(self, condition: Condition, budget: Budget, seed: int) -> Lead:
        return self.answering(condition, budget)

    def _judged(self, condition: Condition, lead: Lead, seed: int) -> tuple[Verdict, str]:
        """A verdict stands as it is: what if the base class were fooled, or wrong itself?"""
        if isinstance(lead, Proved | Refuted):
            return lead, type(lead).__name__.lower()
        return super()._judged(condition, lead, seed)


def proves(*_: object) -> Lead:
    return NoViolation(("fake is right",))


def believes(*_: object) -> Lead:
    """A proof that no search for counterexamples was made against."""
    return Proved(trust=("fake is right",))


def refutes(condition: Condition, _: Budget) -> Lead:
    """A point that is claimed to be confirmed."""
    point = tuple(float(v) for v in condition.regions[0].lower)
    outputs = tuple((0.0, 0.0) for _ in condition.outputs)
    return Refuted(Counterexample(condition.name, point, outputs))


def crashes(*_: object) -> Lead:
    raise RuntimeError("the solver\nbroke \x1b[31mdown")


def only(name: str, answering: Answering, otherwise: Answering = proves) -> Answering:
    """One answer for the condition of that name, another for all others."""

    def answer(condition: Condition, budget: Budget) -> Lead:
        return (answering if condition.name == name else otherwise)(condition, budget)

    return answer
