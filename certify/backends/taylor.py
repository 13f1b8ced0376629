"""The package's own branch and bound as a backend: rigorous, with evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

from certify.backends.base import Availability, Backend, Lead, Soundness
from certify.branch_and_bound import engine_of, search
from certify.budget import Budget
from certify.conditions import Condition


@dataclass(frozen=True)
class Taylor(Backend):
    """Taylor models, and linear relaxations where those close more for their cost."""

    name: str = field(init=False, default="taylor")
    soundness: Soundness = field(init=False, default=Soundness.RIGOROUS)

    def availability(self) -> Availability:
        return Availability(True, own_version())

    def explain_unsupported(self, condition: Condition) -> str | None:
        try:
            engine_of(condition)
        except ValueError as error:
            return str(error)
        return None

    def solve(self, condition: Condition, budget: Budget, seed: int) -> Lead:
        return search(condition, budget, seed=seed).verdict


def own_version() -> str | None:
    """This package's version, None where it runs from a folder without being installed."""
    try:
        return version("stableproof")
    except PackageNotFoundError:
        return None
