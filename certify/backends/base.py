"""What every backend has in common: it is asked, and what it answers is checked.

A subclass says what it is, what it needs, what it cannot take, and gives a :data:`Lead`; that a
lead becomes a verdict, and when it does not, is decided here and nowhere else.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from certify.branch_and_bound import engine_of
from certify.budget import Budget
from certify.conditions import Condition
from certify.falsify import confirm, falsify
from certify.split_tree import SplitTree
from certify.verdict import Counterexample, Proved, Refuted, Unknown, Verdict

Array = NDArray[np.float64]


class Soundness(Enum):
    """What a "proved" of the backend is worth; the value is the word in reports."""

    RIGOROUS = "rigorous"
    """Every bound holds in real arithmetic, and the evidence can be replayed."""
    EXACT = "exact"
    """A decision procedure over the reals; the solver has to be believed."""
    DELTA_COMPLETE = "delta-complete"
    """ "unsat" is meant exactly; the solver and its interval library have to be believed."""
    NOT_FLOAT_SOUND = "not float-sound"
    """Bounds computed without regard to rounding: never by itself a proof."""


@dataclass(frozen=True)
class Availability:
    """Whether a backend can be used here; where not, what is missing and what installs it.

    ``missing`` has a line for each thing that is missing, ``install`` the commands to run.
    """

    available: bool
    version: str | None = None
    missing: tuple[str, ...] = ()
    install: tuple[str, ...] = ()


@dataclass(frozen=True)
class NoViolation:
    """The solver says that no point of the regions violates the condition.

    ``evidence`` is its split tree, if it has one. ``trust``: what has to be believed, one line
    each; empty only where every leaf was closed by our own rigorous enclosures.
    """

    trust: tuple[str, ...]
    evidence: SplitTree | None = None
    said: str = "unsat"


@dataclass(frozen=True, eq=False)
class Points:
    """Points (N, n) at which the solver believes the condition violated, best first."""

    points: Array
    said: str = "sat"


@dataclass(frozen=True)
class Open:
    """The solver did not decide; ``reason`` says why, in words for the user."""

    reason: str


Lead = NoViolation | Points | Open | Verdict
"""What a subclass gives. A verdict is for a backend that uses our rigorous search itself."""


@dataclass(frozen=True)
class Answer:
    """A backend's verdict on a condition; ``said`` is the solver's own word for it."""

    backend: str
    verdict: Verdict
    said: str
    seconds: float
    version: str | None


class BackendError(Exception):
    """The solver failed: it died, hung, ran out of memory, or gave an answer that is none."""


@dataclass(frozen=True)
class Backend(ABC):
    """A solver that takes conditions. Frozen: options are fields, a run leaves nothing behind."""

    name: str = field(init=False, default="")
    soundness: Soundness = field(init=False, default=Soundness.NOT_FLOAT_SOUND)

    @abstractmethod
    def availability(self) -> Availability:
        """Whether it can be used here. Never raises, and imports nothing heavy."""

    @abstractmethod
    def explain_unsupported(self, condition: Condition) -> str | None:
        """Why it cannot take the condition (naming the operation), or None where it can."""

    @abstractmethod
    def solve(self, condition: Condition, budget: Budget, seed: int) -> Lead:
        """The solver's own answer. May raise BackendError; anything else raised is caught too."""

    def check(self, condition: Condition, budget: Budget, seed: int = 0) -> Verdict:
        """The verdict alone."""
        return self.ask(condition, budget, seed).verdict

    def ask(self, condition: Condition, budget: Budget, seed: int = 0) -> Answer:
        """Decide a condition. Only KeyboardInterrupt and the like escape."""
        started = time.perf_counter()
        found = self.availability()
        verdict, said = self._decide(condition, budget, seed, found)
        return Answer(self.name, verdict, said, time.perf_counter() - started, found.version)

    def _decide(
        self, condition: Condition, budget: Budget, seed: int, found: Availability
    ) -> tuple[Verdict, str]:
        if not found.available:
            return Unknown(f"{self.name}: not available: {'; '.join(found.missing)}"), ""
        try:
            reason = self.explain_unsupported(condition)
            if reason is not None:
                return Unknown(f"{self.name}: {reason}"), "unsupported"
            return self._judged(condition, self.solve(condition, budget, seed), seed)
        except BackendError as error:
            return Unknown(f"{self.name}: {error}"), "error"
        except MemoryError:
            return Unknown(f"{self.name}: ran out of memory"), "error"
        except Exception as error:  # whatever a foreign library raises is no answer
            return Unknown(f"{self.name}: failed: {_one_line(error)}"), "error"

    def _judged(self, condition: Condition, lead: Lead, seed: int) -> tuple[Verdict, str]:
        match lead:
            case Proved(evidence, trust):
                _check_trust(self.soundness, evidence, trust)
                return lead, "proved"
            case Refuted():
                return lead, "refuted"
            case Unknown(reason):
                return Unknown(f"{self.name}: {reason}"), "unknown"
            case NoViolation(trust, evidence, said):
                _check_trust(self.soundness, evidence, trust)
                found = falsify(condition, engine_of(condition), seed) if trust else None
                if found is not None:
                    return Refuted(found), f"{said}, but a point refutes it"
                return Proved(evidence, trust), said
            case Points(points, said):
                found, why = rechecked(condition, points)
                if found is None:
                    return Unknown(f"{self.name}: said {said}, but {why}"), said
                return Refuted(found), said
            case Open(reason):
                return Unknown(f"{self.name}: {reason}"), "unknown"
        raise BackendError(f"gave {type(lead).__name__}, which is no answer")


def _check_trust(soundness: Soundness, evidence: SplitTree | None, trust: tuple[str, ...]) -> None:
    """Only a rigorous backend with evidence may ask for no trust."""
    if not trust and (evidence is None or soundness is not Soundness.RIGOROUS):
        raise BackendError("claims a proof that rests on nothing")


def rechecked(
    condition: Condition, points: Sequence[Sequence[float]] | Array
) -> tuple[Counterexample | None, str]:
    """The first of the points that rigorously violates the condition, or why none does.

    A point outside all regions is moved into the nearest one, exactly, and is worth no more than
    what the enclosure there shows.
    """
    array = np.asarray(points, dtype=np.float64)
    n = condition.tape.dimension
    if array.size == 0:
        return None, "its model is empty"
    if array.ndim != 2 or array.shape[1] != n:
        return None, f"its model has other than {n} coordinates"
    finite = array[np.isfinite(array).all(axis=1)]
    if not len(finite):
        return None, "its model is not finite"
    found = confirm(condition, engine_of(condition), finite)
    if found is not None:
        return found, ""
    where = ", ".join(f"{v:.6g}" for v in finite[0])
    inside = any(r.contains(finite[0].tolist()) for r in condition.regions)
    outside = "" if inside else "outside the region, "
    return None, f"its point ({where}), {outside}does not violate the condition provably"


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {text[:300]}"
