"""Z3 on a condition, region after region: first as open sets, then exactly.

Over open sets Z3 needs no algebraic numbers, and is faster a hundredfold. So each region is asked
about three times: is the negation, widened a little, empty (then it is empty)? Is there a point
that violates the condition by a margin (then rounding will not hide it)? And only where neither
decides, the negation itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from certify.backends.z3_quotients import Term
from certify.backends.z3_translation import Slack, Translation
from certify.conditions import Condition
from systems.box import Box
from systems.evaluate import evaluate

SLACKS = (Fraction(1, 2**20), Fraction(1, 2**44))
"""By what share of an output's spread the negation is widened."""

MARGINS = (Fraction(1, 2**6), Fraction(1, 2**20), Fraction(1, 2**40), Fraction(0))
"""By what share of it a counterexample should violate; the largest that any does is best."""

SHARE = 0.3
"""The part of the time that is left which one question may take; the last may take all."""

DIGITS = 30
"""Decimals to which an algebraic number of a model is approximated."""


@dataclass(frozen=True)
class Nowhere:
    """No point of any region violates the condition."""


@dataclass(frozen=True)
class Somewhere:
    """Z3's model: a point, exact unless a coordinate is an irrational algebraic number.

    ``certain``: all outputs are defined there, and all constraints hold by a margin or just so;
    else an output may be undefined, or a step has been chosen at its kink.
    """

    point: tuple[Fraction, ...]
    certain: bool


@dataclass(frozen=True)
class Undecided:
    reason: str


Outcome = Nowhere | Somewhere | Undecided


def decide(condition: Condition, seconds: float) -> Outcome:
    """Whether any point of the regions violates the condition, in this process.

    The limit is Z3's own, which it may overstep. Raises UnsupportedError where the condition is
    none for Z3.
    """
    end = time.monotonic() + seconds
    open_reason: str | None = None
    for k, region in enumerate(condition.regions):
        left = (end - time.monotonic()) / (len(condition.regions) - k)
        found = _Region(condition, region, left).decide()
        if isinstance(found, Somewhere):
            return found
        if isinstance(found, Undecided):
            open_reason = open_reason or found.reason
    return Nowhere() if open_reason is None else Undecided(open_reason)


class _Region:
    """The questions about one region, and the time that they may take."""

    def __init__(self, condition: Condition, region: Box, seconds: float) -> None:
        import z3

        self.z3 = z3
        self.end = time.monotonic() + seconds
        self.scales = _scales(condition, region)
        widths = [w for w in region.widths if w]
        self.width = _power_of_two(float(min([Fraction(1), *widths])))
        self.translation = Translation(condition, region)

    def decide(self) -> Outcome:
        for slack in SLACKS:
            constraints = tuple(slack * s for s in self.scales)
            widened = self.translation.widened(Slack(constraints, slack * self.width))
            answer, _ = self._ask(widened, SHARE)
            if answer == "unsat":
                return Nowhere()
            if answer != "sat":
                break
        for margin in MARGINS:
            terms = self.translation.violation([margin * s for s in self.scales])
            answer, model = self._ask(terms, SHARE)
            if answer == "sat":
                return Somewhere(self._point(model), certain=True)
        answer, model = self._ask(self.translation.negation(), 1.0)
        if answer == "unsat":
            return Nowhere()
        if answer == "sat":
            return Somewhere(self._point(model), certain=False)
        return Undecided(answer)

    def _ask(self, terms: Sequence[Term], share: float) -> tuple[str, Any]:
        """("sat", model), ("unsat", None), or (why neither, None)."""
        left = share * (self.end - time.monotonic())
        if left <= 0:
            return "the time limit ran out", None
        solver = self.z3.Solver()
        solver.set("timeout", max(1, math.ceil(left * 1000)))
        solver.add(*terms)
        answer = solver.check()
        if answer == self.z3.sat:
            return "sat", solver.model()
        if answer == self.z3.unsat:
            return "unsat", None
        reason = solver.reason_unknown()
        timed_out = reason in ("timeout", "canceled", "interrupted from keyboard")
        return "the time limit ran out" if timed_out else f"said unknown: {reason}", None

    def _point(self, model: Any) -> tuple[Fraction, ...]:
        n = self.translation.region.dimension
        return tuple(
            self.translation.fixed[k]
            if k in self.translation.fixed
            else self._rational(model.eval(self.translation.variables[k], model_completion=True))
            for k in range(n)
        )

    def _rational(self, value: Any) -> Fraction:
        if self.z3.is_algebraic_value(value):
            value = value.approx(DIGITS)
        if not self.z3.is_rational_value(value):
            raise ValueError(f"a model holds {str(value)[:60]!r}, which is no number")
        return Fraction(value.numerator_as_long(), value.denominator_as_long())


def _scales(condition: Condition, region: Box) -> list[Fraction]:
    """For each constraint the usual distance of its output from the level, a power of two."""
    try:
        points = region.sample(256, np.random.default_rng(0))
    except OverflowError:  # a region beyond the floats
        return [Fraction(1)] * len(condition.violation)
    outputs = np.hstack(evaluate(condition.tape, points))
    scales = []
    for c in condition.violation:
        try:
            level = float(c.level)
        except OverflowError:
            level = math.inf
        known = np.abs(outputs[:, c.output] - level)
        known = known[np.isfinite(known)]
        scales.append(_power_of_two(float(np.median(known)) if len(known) else 1.0))
    return scales


def _power_of_two(value: float) -> Fraction:
    """Next to a positive number; 1 for what is none."""
    if not (math.isfinite(value) and value > 0):
        return Fraction(1)
    return Fraction(2) ** math.frexp(value)[1]
