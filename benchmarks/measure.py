"""How proofs are timed: the same statement several times, medians, nothing else running."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

from certify import (
    Budget,
    Candidate,
    Claim,
    Proved,
    Refuted,
    Requested,
    StabilityResult,
    Unknown,
    prove_stability,
)
from systems import zoo
from systems.dynamics import ControlAffineSystem

PAPER_CONDITIONS = ("decrease", "containment", "small set")


@dataclass(frozen=True, eq=False)
class Timed:
    """Medians over equal runs. ``seconds`` is the whole decision: statement, equilibrium, searches.

    ``searches`` are the seconds of each condition's search; ``call`` is ``seconds`` and the paving
    that measures the region's volume afterwards. ``result`` is the last run's.
    """

    result: StabilityResult
    seconds: float
    call: float
    searches: Mapping[str, float]

    @property
    def verdict(self) -> str:
        return type(self.result.verdict).__name__.lower()

    @property
    def decided(self) -> bool:
        return isinstance(self.result.verdict, Proved | Refuted)

    @property
    def search_seconds(self) -> float:
        return sum(self.searches.values())

    @property
    def reason(self) -> str:
        """Why it is not proved, in a few words."""
        verdict = self.result.verdict
        if isinstance(verdict, Refuted):
            found = verdict.counterexample
            where = ", ".join(f"{v:.4g}" for v in found.point)
            return f"{found.condition} fails at ({where})"
        return verdict.reason if isinstance(verdict, Unknown) else ""

    def data(self) -> dict[str, object]:
        """Plain JSON data."""
        constants = self.result.constants
        paving = self.result.paving
        found = self.result.counterexample
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "counterexample": None if found is None else list(found.point),
            "seconds": self.seconds,
            "search_seconds": self.search_seconds,
            "call_seconds": self.call,
            "conditions": {
                name: {
                    "seconds": self.searches[name],
                    "boxes": search.boxes,
                    "order": search.order,
                    "verdict": type(search.verdict).__name__.lower(),
                }
                for name, search in self.result.searches.items()
            },
            "constants": None
            if constants is None
            else {
                name: None if value is None else str(value)
                for name, value in vars(constants).items()
            },
            "volume": None if paving is None else paving.volume,
        }


def timed(
    system: ControlAffineSystem,
    candidate: Candidate,
    requested: Requested,
    budget: float,
    repeats: int,
) -> Timed:
    """Prove the same thing ``repeats`` times."""
    results, calls = [], []
    for _ in range(repeats):
        began = time.perf_counter()
        results.append(prove_stability(system, candidate, requested, budget=Budget(budget)))
        calls.append(time.perf_counter() - began)
    names = results[-1].searches
    return Timed(
        results[-1],
        statistics.median(r.seconds for r in results),
        statistics.median(calls),
        {
            name: statistics.median(r.searches[name].seconds for r in results if name in r.searches)
            for name in names
        },
    )


def requested_of(
    constants: zoo.VerificationConstants, claim: Claim, *, free_level: bool = False
) -> Requested:
    """A paper's constants as a request; c2 is searched for where ``free_level``."""
    c2 = None if free_level else constants.c2
    return Requested(constants.c1, c2, constants.mu, constants.epsilon, claim)


def warm_up() -> float:
    """Compile, or load, every kernel that the benchmarks use; returns the seconds it took."""
    from learners import ElmPolicyIteration

    began = time.perf_counter()
    for name in ("synthetic-1", "pendulum", "synthetic-3"):
        system = zoo.system(name)
        candidate = ElmPolicyIteration(neurons=30).fit(system)
        prove_stability(system, candidate, budget=Budget(20.0))
    return time.perf_counter() - began


def milliseconds(seconds: float) -> str:
    """For a table: three significant digits, in ms below a second."""
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
