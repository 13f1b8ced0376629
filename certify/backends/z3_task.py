"""The child's side of the Z3 backend."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

from certify.backends.worker import Answer, no_violation, open_, points
from certify.backends.z3_solving import Nowhere, Somewhere, decide
from certify.conditions import Condition

MOST_CANDIDATES = 81
"""Floats around a point that is none."""


def task(condition: Condition, options: Mapping[str, object]) -> Answer:
    """Options: "seconds", and "megabytes", which Z3 itself may use."""
    import z3

    seconds, megabytes = options["seconds"], options["megabytes"]
    assert isinstance(seconds, int | float) and isinstance(megabytes, int)
    z3.set_param("memory_max_size", megabytes)
    outcome = decide(condition, seconds)
    if isinstance(outcome, Nowhere):
        return no_violation()
    if isinstance(outcome, Somewhere):
        where = "" if outcome.certain else " (where an output is undefined, at a kink, or just so)"
        return points(candidates(outcome.point), f"sat{where}")
    return open_(outcome.reason)


def candidates(point: Sequence[Fraction]) -> list[list[float]]:
    """The nearest floats, and where the point is not exactly these, those next to them."""
    nearest = [_nearest(v) for v in point]
    sides = [
        [x] if not math.isfinite(x) or Fraction(x) == v else _around(x)
        for x, v in zip(nearest, point, strict=True)
    ]
    return [list(p) for p in itertools.islice(itertools.product(*sides), MOST_CANDIDATES)]


def _around(x: float) -> list[float]:
    return [x, math.nextafter(x, -math.inf), math.nextafter(x, math.inf)]


def _nearest(value: Fraction) -> float:
    try:
        return value.numerator / value.denominator
    except OverflowError:
        return math.inf if value > 0 else -math.inf
