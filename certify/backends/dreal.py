"""dReal: interval constraint propagation, δ-complete.

"unsat" is meant exactly. "δ-sat" only says that a box holds points which satisfy the constraints
loosened by δ: our own search decides the box, and where it holds no violation dReal is asked again
with a smaller δ.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from certify.backends.base import (
    Availability,
    Backend,
    Lead,
    NoViolation,
    Open,
    Points,
    Soundness,
)
from certify.backends.child import solve_in_child
from certify.backends.dreal_executable import executable_version, solve_by_executable
from certify.backends.dreal_parts import Parts, find_parts
from certify.branch_and_bound import search
from certify.budget import Budget
from certify.conditions import Condition
from certify.scalar_form import scalar_form
from certify.smtlib import dreal_language, float_ends, variable_names
from certify.verdict import Refuted
from systems.box import Box
from systems.errors import UnsupportedExpression

FINEST_DELTA = 1e-9

SECONDS_IN_BOX, BOXES_IN_BOX = 5.0, 200_000
"""What our own search of one box may take; never more than a quarter of what is left."""


@dataclass(frozen=True)
class DReal(Backend):
    """The solver of Gao, Kong and Clarke (CADE 2013), with IBEX's intervals.

    Through its Python package where that loads, else the executable ``dreal`` on the PATH.
    """

    delta: float = 1e-3
    jobs: int = 1
    name: str = field(init=False, default="dreal")
    soundness: Soundness = field(init=False, default=Soundness.DELTA_COMPLETE)

    def __post_init__(self) -> None:
        if not FINEST_DELTA <= self.delta <= 1:
            raise ValueError(f"delta is {self.delta:g}; it has to lie between 1e-9 and 1")
        if self.jobs < 1:
            raise ValueError(f"jobs is {self.jobs}; it has to be at least 1")

    def availability(self) -> Availability:
        parts = find_parts()
        if parts.loads:
            return Availability(True, parts.version)
        if parts.executable is not None:
            return Availability(True, None)
        return Availability(False, parts.version, parts.missing_lines(), parts.install_lines())

    def explain_unsupported(self, condition: Condition) -> str | None:
        try:
            scalar_form(condition, variable_names(condition.tape), dreal_language(condition))
            for region in condition.regions:
                for lower, upper in zip(region.lower, region.upper, strict=True):
                    float_ends(lower, upper)
            for constraint in condition.violation:
                float_ends(constraint.level, constraint.level)
        except UnsupportedExpression as error:
            return str(error)
        return None

    def solve(self, condition: Condition, budget: Budget, seed: int) -> Lead:
        parts = find_parts()
        trust = _trust(parts)
        clock = budget.started()
        delta = self.delta
        while True:
            lead = self._once(condition, clock.remaining, delta, parts, trust)
            if not isinstance(lead, Points):
                return lead
            refuted = _searched(condition, lead, delta, clock.remaining, seed)
            if refuted is not None:
                return refuted
            finer = max(float(f"{delta / 10:.6g}"), FINEST_DELTA)
            if not len(lead.points) or finer == delta or clock.exhausted(0) is not None:
                return lead
            delta = finer

    def _once(
        self,
        condition: Condition,
        budget: Budget,
        delta: float,
        parts: Parts,
        trust: tuple[str, ...],
    ) -> NoViolation | Points | Open:
        if parts.loads:
            options = {"delta": delta, "jobs": self.jobs}
            return solve_in_child("dreal", condition, budget, options, trust=trust)
        if parts.executable is None:
            return Open("it is not here any more")
        return solve_by_executable(parts.executable, condition, budget, delta, self.jobs, trust)


def _trust(parts: Parts) -> tuple[str, ...]:
    if parts.loads:
        which = f"dReal {parts.version}"
    else:
        assert parts.executable is not None
        which = f"dReal {executable_version(parts.executable)}, the executable on the PATH"
    return (
        f"{which}, that no real numbers satisfy the negation it was given",
        "IBEX with filib++, the interval library in dReal, that its intervals enclose",
    )


def _searched(
    condition: Condition, lead: Points, delta: float, budget: Budget, seed: int
) -> Refuted | None:
    """A violation that our own search finds in dReal's box, which is taken a little larger."""
    rows = np.asarray(lead.points, dtype=np.float64)
    seconds = min(SECONDS_IN_BOX, budget.seconds / 4)
    if rows.shape != (3, condition.tape.dimension) or not np.isfinite(rows).all() or seconds <= 0:
        return None
    lower, upper = rows.min(axis=0), rows.max(axis=0)
    with np.errstate(over="ignore"):
        room = np.maximum(upper - lower, delta)
        around = _around(condition, (lower - room).tolist(), (upper + room).tolist())
    if around is None:
        return None
    verdict = search(around, Budget(seconds, BOXES_IN_BOX), seed=seed).verdict
    return verdict if isinstance(verdict, Refuted) else None


def _around(
    condition: Condition, lower: Sequence[float], upper: Sequence[float]
) -> Condition | None:
    """The condition on the parts of its regions that lie in a box; None where there is none."""
    if not all(map(math.isfinite, (*lower, *upper))):
        return None
    wanted = Box.of(zip(lower, upper, strict=True))
    regions = []
    for region in condition.regions:
        low = [max(a, b) for a, b in zip(region.lower, wanted.lower, strict=True)]
        high = [min(a, b) for a, b in zip(region.upper, wanted.upper, strict=True)]
        if all(a <= b for a, b in zip(low, high, strict=True)):
            regions.append(Box(tuple(low), tuple(high)))
    return replace(condition, regions=tuple(regions)) if regions else None
