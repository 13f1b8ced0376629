"""The equilibrium, the ellipsoid that closes it, and the level whose sublevel set lies inside."""

from __future__ import annotations

from fractions import Fraction

from certify.attempt import LEVEL_BUDGET, Attempt, StopError, unknown
from certify.ellipsoid import Ellipsoid
from certify.fixed_point import centre_verdict, equilibrium_verdict
from certify.levels import highest_violation, lower_level, lowest_violation
from certify.origin import (
    contraction_on_hull,
    ellipsoids,
    instability,
    largest_level_inside,
    linearisation,
    shrink_ellipsoid,
)
from certify.verdict import Proved, Refuted
from systems.differentiate import NotDifferentiableError
from systems.exact import short_fraction

CORE_SHARE = Fraction(15, 16)
"""The first ellipsoid tried has this share of the largest level that fits into the domain."""

CORE_TRIES = 4
"""So many ellipsoids, each with a quarter of the level before, are tried at most."""

CORE_BUDGET = 0.15
"""The share of the remaining time that one of them may take."""

RATE_TRIES, RATE_BUDGET = 2, 0.04
"""The same where the rate was chosen by us: a lower one will be tried after it."""


def show_equilibrium(attempt: Attempt) -> None:
    """V(x*) = 0 exactly and, unless the claim is practical stability, F(x*, w) = 0 for all w."""
    examine = equilibrium_verdict if attempt.requested.claim.closes_origin else centre_verdict
    verdict = examine(attempt.problem)
    if verdict is not None:
        raise StopError(verdict)


def close_origin(attempt: Attempt) -> str | None:
    """Find the ellipsoid; or say why there is none (a refutation may still be found)."""
    problem = attempt.problem
    try:
        matrix = linearisation(problem)
    except NotDifferentiableError:
        return "origin: the closed loop is not Lipschitz, since ∇V jumps and the controller too"
    reason = instability(matrix, problem.is_discrete)
    if reason is not None:
        return f"origin: {reason}"
    reason = "origin: no quadratic form decreases along the linearisation"
    if attempt.alpha is not None:
        reason += f" at the rate alpha = {float(attempt.alpha):.4g}"
    chosen = attempt.alpha is not None and attempt.requested.alpha is None
    tries, share = (RATE_TRIES, RATE_BUDGET) if chosen else (CORE_TRIES, CORE_BUDGET)
    for ellipsoid in ellipsoids(problem, matrix, attempt.alpha):
        level = _first_core_level(attempt, ellipsoid)
        for _ in range(tries):
            found = attempt.search(
                "contraction",
                contraction_on_hull(problem, ellipsoid, level, attempt.alpha),
                share,
                relax=shrink_ellipsoid,
                frontier=0,
            )
            if isinstance(found.verdict, Proved):
                attempt.ellipsoid = ellipsoid
                attempt.c_q = found.condition.violation[0].level
                return None
            if isinstance(found.verdict, Refuted):
                break
            reason = f"origin: {found.verdict.reason}"
            level = short_fraction(level / 4, down=True)
    return reason


def _first_core_level(attempt: Attempt, ellipsoid: Ellipsoid) -> Fraction:
    """As much as fits into the domain, or what a given c1 needs where that is less."""
    most = largest_level_inside(attempt.problem, ellipsoid) * CORE_SHARE
    asked = attempt.requested.c1
    if asked is not None:
        condition = attempt.problem.core(ellipsoid, asked, most, attempt.alpha)
        needed = highest_violation(condition, 1, attempt.seed)
        if needed is not None and needed > 0:
            most = min(most, 2 * Fraction(needed))
    return short_fraction(most, down=True)


def find_core(attempt: Attempt) -> None:
    """The largest level (at most a given c1) whose sublevel set is in the ellipsoid."""
    problem, ellipsoid, c_q = attempt.problem, attempt.ellipsoid, attempt.c_q
    assert ellipsoid is not None and c_q is not None
    guess = attempt.requested.c1
    if guess is None:
        start = problem.core(ellipsoid, Fraction(10**12), c_q, attempt.alpha)
        lowest = lowest_violation(start, 0, attempt.seed)
        if lowest is None or lowest <= 0:
            raise unknown("core: V is not positive outside the ellipsoid at the origin")
        guess = short_fraction(Fraction(lowest) * Fraction(127, 128), down=True)
    found = attempt.require(
        attempt.search(
            "core",
            problem.core(ellipsoid, guess, c_q, attempt.alpha),
            LEVEL_BUDGET,
            relax=lower_level(0, Fraction(0)),
            frontier=0,
        )
    )
    attempt.core = found.condition.violation[0].level
