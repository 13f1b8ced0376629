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
from certify.falsify import confirm, confirm_exactly, falsify
from certify.split_tree import SplitTree
from certify.verdict import Counterexample, Proved, Refuted, Unknown, Verdict

Array = NDArray[np.float64]

MOST_POINTS, FEW_POINTS, MOST_WORDS = 100, 4, 1000
"""Points of an answer that are looked at, those that are in exact arithmetic, and characters of its
text that are shown."""

MOST_MISSING = 2
"""Missing things that the reason of an answer names."""


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
    decides_polynomials: bool = field(init=False, default=False)
    """Whether it is also asked about what is decided in rational arithmetic here."""

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
        """Decide a condition. Only KeyboardInterrupt escapes."""
        started = time.perf_counter()
        version = None
        try:
            found = self.availability()
            version = found.version
            verdict, said = self._decide(condition, budget, seed, found)
        except BackendError as error:
            verdict, said = self._unknown(str(error)), "error"
        except MemoryError:
            verdict, said = self._unknown("ran out of memory"), "error"
        except (Exception, SystemExit) as error:  # what a foreign library raises is no answer
            verdict, said = self._unknown(f"failed: {_described(error)}"), "error"
        return Answer(self.name, verdict, one_line(said), time.perf_counter() - started, version)

    def _decide(
        self, condition: Condition, budget: Budget, seed: int, found: Availability
    ) -> tuple[Verdict, str]:
        if not found.available:
            return self._unknown(_not_available(found.missing)), ""
        reason = self.explain_unsupported(condition)
        if reason is not None:
            return self._unknown(reason), "unsupported"
        return self._judged(condition, self.solve(condition, budget, seed), seed)

    def _unknown(self, reason: str) -> Unknown:
        return Unknown(f"{self.name}: {one_line(reason)}")

    def _judged(self, condition: Condition, lead: Lead, seed: int) -> tuple[Verdict, str]:
        match lead:
            case Proved(evidence, trust):
                return self._judged(condition, NoViolation(trust, evidence, "proved"), seed)
            case Refuted(counterexample):
                if self.soundness is Soundness.RIGOROUS:
                    return lead, "refuted"
                points = np.array([counterexample.point])
                return self._judged(condition, Points(points, "refuted"), seed)
            case Unknown(reason):
                return self._unknown(reason), "unknown"
            case NoViolation(trust, evidence, said):
                _check_trust(self.soundness, evidence, trust)
                found = falsify(condition, engine_of(condition), seed) if trust else None
                if found is not None:
                    return Refuted(found), f"{said}, but a point refutes it"
                return Proved(evidence, trust), said
            case Points(points, said):
                found, why = rechecked(condition, points)
                if found is None:
                    return self._unknown(f"said {said}, but {why}"), said
                return Refuted(found), said
            case Open(reason):
                return self._unknown(reason), "unknown"
        raise BackendError(f"gave {type(lead).__name__}, which is no answer")


def _not_available(missing: Sequence[str]) -> str:
    """What is missing, the first of it where there is much, and where all of it is told."""
    more = f"; and {len(missing) - MOST_MISSING} more" if len(missing) > MOST_MISSING else ""
    told = "; ".join(missing[:MOST_MISSING])
    return f"not available: {told}{more} (stableproof backends tells what brings it)"


def _check_trust(soundness: Soundness, evidence: SplitTree | None, trust: tuple[str, ...]) -> None:
    """Only a rigorous backend with evidence may ask for no trust."""
    if evidence is not None and not isinstance(evidence, SplitTree):
        raise BackendError("gives evidence that is none")
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
    found = confirm(condition, engine_of(condition), finite[:MOST_POINTS])
    found = found or confirm_exactly(condition, finite[:FEW_POINTS])
    if found is not None:
        return found, ""
    where = ", ".join(f"{v:.6g}" for v in finite[0])
    inside = any(r.contains(finite[0].tolist()) for r in condition.regions)
    outside = "" if inside else "outside the region, "
    return None, f"its point ({where}), {outside}does not violate the condition provably"


def one_line(text: str) -> str:
    """A foreign text in one printable line of moderate length."""
    words = " ".join(text[:10_000].split())
    shown = "".join(c if c.isprintable() else "?" for c in words)
    return shown if len(shown) <= MOST_WORDS else f"{shown[:MOST_WORDS]}…"


def _described(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # an exception's own text is foreign too
        text = ""
    return f"{type(error).__name__}: {text.strip() or 'no message'}"
