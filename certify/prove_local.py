"""Claims that one ellipsoid carries: local stability and set-point convergence.

One bound on the whole ellipsoid decides (:mod:`certify.origin`), with next to no branching, so that
this is the region to be had in many dimensions, where no search covers the space between two levels
of V. The Lyapunov function is the quadratic form itself; of the candidate, only the controller is
needed.

Set-point convergence takes no exact equilibrium. Where S = P DF + DFᵀP + alpha P ≺ 0 on the whole
ellipsoid {q ≤ c_q}, with d = x − x* and r = F(x*), q̇ < 2 |d|_P |r|_P − alpha |d|²_P, which is
negative as soon as q ≥ c1 > 4 |r|²_P / alpha²: the ellipsoids between c1 and c_q are entered and
never left. Two solutions in them approach each other at the rate alpha, since they are convex; so
there is exactly one equilibrium, and it lies in {q ≤ c1} (contraction in a constant metric:
Demidovich; Lohmiller and Slotine, 1998). In discrete time DFᵀ P DF ≺ (1 − alpha) P gives
|F(x) − x*|_P < √(1 − alpha) |d|_P + |F(x*) − x*|_P, and √(1 − alpha) ≤ 1 − alpha/2: the same bound,
and Banach's fixed point.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain

import numpy as np

from certify.attempt import LEVEL_BUDGET, Attempt, StopError, unknown
from certify.ellipsoid import Ellipsoid, half_widths, quadratic
from certify.fixed_point import equilibrium_verdict
from certify.levels import highest_violation, lower_level, lowest_violation
from certify.origin import (
    Form,
    centre_point,
    contraction_on_hull,
    ellipsoids,
    instability,
    largest_level_inside,
    linearisation,
    rate_of,
)
from certify.shape import best_weight
from certify.split_tree import SplitTree
from certify.stability import StabilityProblem
from certify.theorem import Claim, Constants
from certify.verdict import Proved, Unknown, Verdict
from systems import expression as ex
from systems.box import Box
from systems.differentiate import NotDifferentiableError
from systems.evaluate import function
from systems.exact import short_fraction
from systems.expression import Expression
from systems.words import state_names

FIRST_SHARE = Fraction(255, 256)
"""The first ellipsoid tried has this share of the largest level that fits into the domain."""

MOST_TRIES = 14
"""So many levels are tried of one shape, at most."""

STEP = 4
"""From one level to the next, until one is proved and one is not."""

CLOSE = Fraction(7, 8)
"""A level that was proved and one that was not are close enough."""

TRY_BUDGET = 0.08
"""The share of the remaining time for one of them."""

KNOWN_BUDGET = 0.4
"""The same for one that was proved before; it has to be searched through a second time after it."""

LOOKING = 0.5
"""The share of the time for looking; the rest is for showing what was found."""

SHAPE_BUDGET = 0.15
"""The share of the time for choosing a shape by sampling."""

FEW_BOXES = 7
"""Until one is proved: the largest that takes next to no branching is the one to begin with."""

WORTH = 1.02
"""Another shape is worth proving where its ellipsoid has so many times the volume."""

RATE_SHARE = 0.25
"""Where no rate was asked for, this share of the linearisation's: a slower one shows more."""

SLACK, FLOOR = 2, Fraction(1, 2**100)
"""c1 begins at so many times what floats say it must be, and at this share of c_q at least."""

RAISE, MOST_RAISES = 16, 25
"""What is not shown of c1 may be shown of a larger one: rounding is all that stands between."""

AVOID_TRIES, AVOID_STEP, AVOID_BUDGET, MANY_BOXES = 12, Fraction(3, 4), 0.05, 1000
"""So many ellipsoids are tried, each with this share of the level before, with so much time and so
many boxes for each unsafe set."""

ROOM = Fraction(65, 64)
"""The statement's box is so much wider than the ellipsoid."""

CORE_SHARE = 1 - Fraction(1, 2**20)
"""c2 lies so far below c_q: {V ≤ c2} must lie in the open ellipsoid, and V is q."""


@dataclass(frozen=True, eq=False)
class _Region:
    ellipsoid: Ellipsoid
    level: Fraction
    tree: SplitTree | None = None

    @property
    def size(self) -> float:
        """The logarithm of the volume, but for a constant."""
        n = len(self.ellipsoid.matrix)
        _, logarithm = np.linalg.slogdet(self.ellipsoid.matrix)
        return 0.5 * (n * math.log(float(self.level)) - float(logarithm))


def constants_on_ellipsoid(attempt: Attempt) -> Constants:
    """The largest ellipsoid found; V of the attempt's problem becomes its quadratic form.

    Raises StopError where there is none.
    """
    converges = attempt.requested.claim is Claim.SET_POINT_CONVERGENCE
    if not converges:
        _show_rest(attempt)
    best = _largest(attempt)
    attempt.problem = _with_value(
        attempt.problem, quadratic(best.ellipsoid, attempt.problem.displacement)
    )
    attempt.ellipsoid, attempt.c_q = best.ellipsoid, best.level
    attempt.searches.clear()
    if converges:
        _avoid_nearby(attempt)
    else:
        _avoid(attempt)
    level = short_fraction(attempt.c_q * CORE_SHARE, down=True)
    found = attempt.require(
        attempt.search(
            "core",
            attempt.problem.core(best.ellipsoid, level, attempt.c_q, attempt.alpha),
            relax=lower_level(0, Fraction(0)),
        )
    )
    attempt.core = found.condition.violation[0].level
    c1 = _rest(attempt, best.ellipsoid) if converges else attempt.core
    _contract_again(attempt, best)
    return Constants(c1, attempt.core, core=attempt.core, c_q=attempt.c_q, alpha=attempt.alpha)


def _contract_again(attempt: Attempt, best: _Region) -> None:
    """The same function, in a program with another V: its tree is searched through once more.

    Where unsafe sets have lowered c_q, what was closed for the larger ellipsoid is closed for the
    smaller one; but on its own hull that may take fewer boxes.
    """
    assert attempt.c_q is not None
    own = contraction_on_hull(attempt.problem, best.ellipsoid, attempt.c_q, attempt.alpha)
    if attempt.c_q == best.level:
        attempt.require(attempt.search("contraction", own, start=best.tree))
        return
    found = attempt.search("contraction", own, most_boxes=FEW_BOXES)
    if isinstance(found.verdict, Proved):
        return
    whole = contraction_on_hull(attempt.problem, best.ellipsoid, best.level, attempt.alpha)
    lowered = whole.with_levels([attempt.c_q, whole.violation[1].level])
    attempt.engines.clear()  # they were made for the statement's box; this hull sticks out of it
    attempt.require(attempt.search("contraction", lowered, start=best.tree))


def _rest(attempt: Attempt, ellipsoid: Ellipsoid) -> Fraction:
    """c1, small: F(x*, w) is short enough for everything to end in {q ≤ c1}."""
    problem, c_q, alpha = attempt.problem, attempt.c_q, attempt.alpha
    assert c_q is not None and alpha is not None
    length = highest_violation(problem.rest(ellipsoid, Fraction(1), alpha), 0, attempt.seed)
    needed = Fraction(0) if length is None else SLACK * 4 * Fraction(length) / alpha**2
    c1 = max(short_fraction(needed, down=False), short_fraction(FLOOR * c_q, down=False))
    for _ in range(MOST_RAISES):
        if c1 >= c_q:
            break
        found = attempt.search("rest", problem.rest(ellipsoid, c1, alpha))
        if isinstance(found.verdict, Proved):
            return c1
        c1 *= RAISE
    raise unknown(
        "rest: the closed loop does not come to rest near enough to the set point for the "
        f"ellipsoid that was found ({_fastest(attempt)}); correct the steady inputs, or claim "
        "practical stability"
    )


def _fastest(attempt: Attempt) -> str:
    """Which state moves farthest at x*, measured by how far the ellipsoid reaches; in words."""
    problem, ellipsoid = attempt.problem, attempt.ellipsoid
    assert ellipsoid is not None and attempt.c_q is not None
    point = centre_point(problem)
    moved = function(problem.field, *problem.variables)(point)[0][0]
    if problem.is_discrete:
        moved = moved - point[0, : len(moved)]
    reach = np.array([float(d) for d in half_widths(ellipsoid, attempt.c_q)])
    i = int(np.argmax(np.abs(moved) / reach))
    units = problem.system.state_units
    unit = f" {units[i]}" if units and units[i] else ""
    a_time = "a step" if problem.is_discrete else "a unit of time"
    return (
        f"at the set point {state_names(problem.system)[i]} moves by {moved[i]:.3g}{unit} {a_time}"
    )


def _show_rest(attempt: Attempt) -> None:
    """F(x*, w) = 0 for all w; of the candidate's V, whatever it is, nothing is asked."""
    problem = attempt.problem
    verdict = equilibrium_verdict(_with_value(problem, ex.total(problem.displacement**2)))
    if verdict is not None:
        raise StopError(verdict)


def _with_value(problem: StabilityProblem, value: Expression) -> StabilityProblem:
    """The same closed loop with another V."""
    candidate = replace(problem.candidate.on(problem.system), value=value)
    return StabilityProblem(problem.system, candidate, problem.chosen_domain)


def _largest(attempt: Attempt) -> _Region:
    problem = attempt.problem
    try:
        matrix = linearisation(problem)
    except NotDifferentiableError:
        raise unknown("origin: the closed loop is not Lipschitz at the equilibrium") from None
    reason = instability(matrix, problem.is_discrete)
    if reason is not None:
        raise unknown(f"origin: {reason}")
    if attempt.requested.claim is Claim.SET_POINT_CONVERGENCE and attempt.alpha is None:
        fastest = Fraction(RATE_SHARE * rate_of(matrix, problem.is_discrete))
        attempt.alpha = short_fraction(fastest, down=True)
    best = _known(attempt)
    form = Form.of(problem, matrix, attempt.alpha)
    widths = np.array([float(1 / w) ** 2 for w in problem.domain.widths])
    chosen = best_weight(problem, form, attempt.seed, attempt.clock, SHAPE_BUDGET)
    shapes = ellipsoids(problem, matrix, attempt.alpha, weights=[chosen, widths])
    for ellipsoid in shapes if best is None else chain([best.ellipsoid], shapes):
        for region in _growing(attempt, ellipsoid, best):
            best = region
    if best is None:
        raise unknown(
            "origin: no ellipsoid was found on which a quadratic form decreases; "
            "the controller may bend too sharply near the equilibrium, or the time was too short"
        )
    return best


def _known(attempt: Attempt) -> _Region | None:
    """The ellipsoid that a search for a larger region left, shown anew for this problem."""
    if attempt.known is None or attempt.alpha is not None:
        return None
    ellipsoid, level, before = attempt.known
    if level >= largest_level_inside(attempt.problem, ellipsoid):
        return None
    again, verdict = contraction_on_hull(attempt.problem, ellipsoid, level), before.verdict
    same = again.regions == before.condition.regions
    tree = verdict.evidence if same and isinstance(verdict, Proved) else None
    return _shown(attempt, _Region(ellipsoid, level, tree), None, KNOWN_BUDGET)


def _growing(attempt: Attempt, ellipsoid: Ellipsoid, best: _Region | None) -> Iterator[_Region]:
    """Proved ellipsoids of that shape, each larger than the last one and than ``best``.

    The first is the largest of a few that takes next to no branching; then branching enlarges it.
    Where ``best`` has this shape, it is enlarged.
    """
    whole = largest_level_inside(attempt.problem, ellipsoid) * FIRST_SHARE
    level = top = short_fraction(whole, down=True)
    proved, failed = Fraction(0), STEP * top
    if best is not None and best.ellipsoid is ellipsoid:
        proved, level = best.level, short_fraction(_higher(best.level, top, failed), down=True)
    for _ in range(MOST_TRIES):
        region = _Region(ellipsoid, level)
        worth = best is None or region.size > best.size + math.log(WORTH)
        if not worth or attempt.clock.elapsed > LOOKING * attempt.clock.budget.seconds:
            return
        found = _shown(attempt, region, None if proved else FEW_BOXES)
        if found is not None:
            proved, best = level, found
            yield found
        elif proved:  # what fails without branching may still be proved with it
            failed = level
        if proved > min(top, failed) * CLOSE:
            return
        higher = _higher(proved, top, failed) if proved else level / STEP
        level = short_fraction(higher, down=True)


def _higher(proved: Fraction, top: Fraction, failed: Fraction) -> Fraction:
    """The level to try after one that was proved."""
    return min(top, STEP * proved, (proved + failed) / 2)


def _shown(
    attempt: Attempt, region: _Region, most_boxes: int | None, share: float = TRY_BUDGET
) -> _Region | None:
    condition = contraction_on_hull(attempt.problem, region.ellipsoid, region.level, attempt.alpha)
    found = attempt.search(
        "contraction", condition, share, most_boxes=most_boxes, start=region.tree
    )
    if not isinstance(found.verdict, Proved):
        return None
    return replace(region, tree=found.verdict.evidence)


def _avoid_nearby(attempt: Attempt) -> None:
    """As :func:`_avoid`, in many dimensions: on a box around the ellipsoid alone, which becomes the
    statement's domain, and for smaller ellipsoids until next to no branching shows it."""
    problem, ellipsoid = attempt.problem, attempt.ellipsoid
    assert ellipsoid is not None and attempt.c_q is not None
    for _ in range(AVOID_TRIES if problem.system.unsafe else 0):
        attempt.problem = replace(problem, chosen_domain=_around(problem, ellipsoid, attempt.c_q))
        attempt.engines.clear()
        verdicts = []
        for number in range(1, len(problem.system.unsafe) + 1):
            condition = attempt.problem.ellipsoid_avoids(number, ellipsoid, attempt.c_q)
            found = attempt.search(condition.name, condition, AVOID_BUDGET, most_boxes=MANY_BOXES)
            verdicts.append(found.verdict)
            if not isinstance(found.verdict, Proved):
                break
        if all(isinstance(v, Proved) for v in verdicts):
            return
        attempt.c_q = short_fraction(attempt.c_q * AVOID_STEP, down=True)
    if problem.system.unsafe:
        raise unknown(f"avoid {number}: {_why_met(verdicts[-1], problem, number)}")


def _why_met(verdict: Verdict, problem: StabilityProblem, number: int) -> str:
    name = problem.system.unsafe[number - 1].name
    if isinstance(verdict, Unknown):
        return verdict.reason
    return f"the ellipsoids that were tried all meet the unsafe set {name!r}"


def _around(problem: StabilityProblem, ellipsoid: Ellipsoid, level: Fraction) -> Box:
    """A box with short ends around {q ≤ level}, inside the domain."""
    system, sides = problem.system, []
    for centre, half, low, high in zip(
        system.equilibrium,
        half_widths(ellipsoid, level),
        problem.domain.lower,
        problem.domain.upper,
        strict=True,
    ):
        room = half * ROOM
        grid = Fraction(10) ** (math.floor(math.log10(float(room))) - 2)
        below, above = (centre - room) // grid * grid, -(-(centre + room) // grid) * grid
        sides.append((max(low, below), min(high, above)))
    return Box.of(sides)


def _avoid(attempt: Attempt) -> None:
    """Lower c_q until the ellipsoid misses every unsafe set."""
    problem, ellipsoid = attempt.problem, attempt.ellipsoid
    assert ellipsoid is not None and attempt.c_q is not None
    for number, unsafe in enumerate(problem.system.unsafe, 1):
        condition = problem.ellipsoid_avoids(number, ellipsoid, attempt.c_q)
        lowest = lowest_violation(condition, 0, attempt.seed)
        if lowest is not None and lowest <= 0:
            raise unknown(f"avoid {number}: the equilibrium lies in the unsafe set {unsafe.name}")
        if lowest is not None and lowest < attempt.c_q:
            guess = short_fraction(Fraction(lowest) * Fraction(1023, 1024), down=True)
            condition = problem.ellipsoid_avoids(number, ellipsoid, guess)
        relax = lower_level(0, Fraction(0))
        found = attempt.search(condition.name, condition, LEVEL_BUDGET, relax=relax, frontier=0)
        attempt.c_q = attempt.require(found).condition.violation[0].level
    for number in range(1, len(problem.system.unsafe) + 1):
        attempt.restate(problem.ellipsoid_avoids(number, ellipsoid, attempt.c_q))
