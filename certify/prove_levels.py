"""The levels c1 and c2: containment, unsafe sets, the ball of radius ε, the trap."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from certify.attempt import LEVEL_BUDGET, Attempt, unknown
from certify.conditions import Condition
from certify.levels import (
    highest_violation,
    lower_level,
    lowest_violation,
    raise_level,
    sampled_points,
)
from certify.verdict import Proved, Refuted
from systems.evaluate import evaluate
from systems.exact import short_fraction

HUGE = Fraction(10**12)
"""A level to start from where sampling is to say how large it may be."""

TRAP_TRIES = 6
"""So often c1 is raised, at most, when a step leaves {V ≤ c1}."""


def contain(attempt: Attempt, asked: Fraction | None) -> Fraction:
    """The c2 asked for, or the largest found, whose sublevel set solutions do not leave through
    the boundary of D, and which misses every unsafe set."""
    problem = attempt.problem
    c2 = _highest_level(
        attempt,
        problem.containment(asked or HUGE),
        asked,
        None,
        "containment: V is not positive "
        + ("where F leaves the domain" if problem.is_discrete else "on the boundary of the domain"),
    )
    for number, unsafe in enumerate(problem.system.unsafe, 1):
        c2 = _highest_level(
            attempt,
            problem.avoid(number, asked or HUGE),
            asked,
            c2,
            f"avoid {number}: V is not positive on the unsafe set {unsafe.name}",
        )
    return c2


def _highest_level(
    attempt: Attempt,
    condition: Condition,
    asked: Fraction | None,
    ceiling: Fraction | None,
    gap: str,
) -> Fraction:
    """The level asked for, or the highest (up to ``ceiling``) for which the condition, whose first
    constraint is V ≤ level, can be proved. ``gap`` says what is wrong where there is none."""
    if asked is not None:
        attempt.require(attempt.search(condition.name, condition))
        return asked
    lowest = lowest_violation(condition, 0, attempt.seed)
    if lowest is None:  # nothing found that breaks it: V is as high as it gets
        guess = ceiling or _top(attempt, condition)
    elif lowest <= 0:
        raise unknown(gap)
    else:
        guess = short_fraction(Fraction(lowest) * Fraction(1023, 1024), down=True)
    if ceiling is not None:
        guess = min(guess, ceiling)
    levels = [guess, *(c.level for c in condition.violation[1:])]
    found = attempt.require(
        attempt.search(
            condition.name,
            condition.with_levels(levels),
            LEVEL_BUDGET,
            relax=lower_level(0, Fraction(0)),
            frontier=0,
        )
    )
    return found.condition.violation[0].level


def _top(attempt: Attempt, condition: Condition) -> Fraction:
    """The highest V that sampling meets in the domain."""
    points = sampled_points(condition, 1024, attempt.seed)
    V = evaluate(condition.tape, points)[0][:, 0]
    V = V[np.isfinite(V)]
    if not len(V) or V.max() <= 0:
        raise unknown(f"{condition.name}: V is not positive in the domain")
    return short_fraction(Fraction(float(V.max())), down=True)


def restate_for(attempt: Attempt, c2: Fraction) -> None:
    """Let containment and the unsafe sets speak of the final c2."""
    problem = attempt.problem
    attempt.restate(problem.containment(c2))
    for number in range(1, len(problem.system.unsafe) + 1):
        attempt.restate(problem.avoid(number, c2))


def find_ball(attempt: Attempt, epsilon: Fraction) -> None:
    """The largest level whose sublevel set is inside the ball of radius ε."""
    start = attempt.problem.small_set(HUGE, epsilon)
    lowest = lowest_violation(start, 0, attempt.seed)
    if lowest is None or lowest <= 0:
        raise unknown("small set: V is not positive outside the ball of radius ε")
    level = short_fraction(Fraction(lowest) * Fraction(127, 128), down=True)
    found = attempt.require(
        attempt.search(
            "small set",
            attempt.problem.small_set(level, epsilon),
            LEVEL_BUDGET,
            relax=lower_level(0, Fraction(0)),
            frontier=0,
        )
    )
    attempt.ball = found.condition.violation[0].level


def small_set(attempt: Attempt, c1: Fraction, epsilon: Fraction | None) -> Fraction | None:
    """ε as asked for, or the least that is found; None where none is."""
    problem = attempt.problem
    if epsilon is not None and attempt.ball is not None:
        attempt.restate(problem.small_set(c1, epsilon))
        return epsilon
    if epsilon is not None:
        attempt.require(attempt.search("small set", problem.small_set(c1, epsilon)))
        return epsilon
    domain = problem.domain
    ceiling = sum((w * w for w in domain.widths), Fraction(0))
    highest = highest_violation(problem.small_set(c1, max(domain.widths)), 1, attempt.seed)
    if highest is None or highest <= 0:
        return None
    guess = short_fraction(Fraction(highest) * Fraction(33, 32), down=False)
    condition = problem.small_set(c1, Fraction(1)).with_levels([c1, guess])
    found = attempt.search("small set", condition, relax=raise_level(1, ceiling))
    if not isinstance(found.verdict, Proved):
        del attempt.searches["small set"]  # ε was not asked for: nothing is claimed about it
        return None
    squared = found.condition.violation[1].level
    radius = short_fraction(Fraction(float(squared) ** 0.5), down=False)
    while radius * radius < squared:
        radius = radius * (1 + Fraction(1, 2**40))
    attempt.restate(problem.small_set(c1, radius))
    return radius


def trap(attempt: Attempt, c1: Fraction, c2: Fraction) -> Fraction:
    """The c1 asked for, or the least from ``c1`` on that is found to trap, in discrete time."""
    problem, free = attempt.problem, attempt.requested.c1 is None
    ceiling = c2 if attempt.ball is None else min(c2, attempt.ball)
    for _ in range(TRAP_TRIES):
        highest = highest_violation(problem.trap(c1), 1, attempt.seed)
        if free and highest is not None and highest > c1:
            c1 = _raised(Fraction(highest), ceiling)
            continue
        found = attempt.search("trap", problem.trap(c1))
        if not (free and isinstance(found.verdict, Refuted)):
            attempt.require(found)
            return c1
        c1 = _raised(Fraction(found.verdict.counterexample.outputs[1][1]), ceiling)
    raise unknown("trap: no level c1 was found whose sublevel set no step leaves")


def _raised(value: Fraction, ceiling: Fraction) -> Fraction:
    level = short_fraction(value * Fraction(33, 32), down=False)
    if level >= ceiling:
        raise unknown(
            f"trap: a step leaves every sublevel set that was tried, up to V = {float(value):.4g}"
        )
    return level


def ordered(c1: Fraction, c2: Fraction) -> None:
    """Raises StopError where c1 is not below c2."""
    if c1 >= c2:
        raise unknown(
            f"levels: c1 = {float(c1):.4g} is not below the largest c2 that could be "
            f"found, {float(c2):.4g}"
        )
