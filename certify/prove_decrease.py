"""The decrease condition: the band from a to c2, and how fast V falls in it."""

from __future__ import annotations

from fractions import Fraction

from certify.attempt import Attempt, unknown
from certify.bands import Band, promising_band
from certify.branch_and_bound import Relax, Search
from certify.conditions import Condition
from certify.levels import (
    highest_violation,
    lowest_violation,
    narrower_or_slower,
    slower_or_lower,
    steady_or_lower,
)
from certify.prove_levels import ordered
from certify.theorem import Claim
from certify.verdict import Counterexample, Proved, Refuted, Unknown
from systems.exact import short_fraction

BAND = Fraction(7, 8)
"""c1 is at most this share of c2, so that there is a band between them."""

BAND_TRIES = 4
"""So often the band is moved down, at most, when V increases somewhere in it."""

CLOSER, WORTH = Fraction(1023, 1024), 1 + Fraction(1, 1000)
"""c2 begins at 127/128 of the lowest V at which sampling sees a violation; where that is proved, it
is tried closer, if it rises by more than a thousandth."""

AGAIN = 2.0
"""So many times the boxes and seconds of the first search may the second take."""

CLEARANCE = Fraction(17, 16)
"""A c1 that is found lies so far above the highest V at which sampling sees no decrease."""


def decrease(attempt: Attempt, c2: Fraction) -> tuple[Fraction, Fraction, Fraction | None]:
    """c1, the largest c2 (at most the given one), and μ, with which V decreases in the band.

    One search lowers c2, or a μ that was not asked for, whenever it meets a violation; where
    c2 would fall below a c1 that was not asked for, both start again lower. With a rate alpha there
    is no μ. Raises StopError where no band is found; Refuted with ``alpha`` chosen by us is left to
    the caller in ``attempt.searches``.
    """
    asked = attempt.requested
    disturbed = attempt.problem.system.disturbance is not None
    if disturbed and asked.claim is Claim.PRACTICAL_STABILITY and asked.c1 is None:
        return _wide_band(attempt, c2)
    for _ in range(BAND_TRIES):
        c1 = asked.c1 if asked.c1 is not None else default_c1(attempt, c2)
        bottom = c1 if attempt.core is None else min(c1, attempt.core)
        ordered(bottom, c2)
        if attempt.alpha is None:
            mu = asked.mu if asked.mu is not None else _default_mu(attempt, bottom, c2)
            condition = attempt.problem.decrease(bottom, c2, mu)
            relax = slower_or_lower(bottom, asked.mu is None, asked.c2 is None)
        else:
            condition = attempt.problem.exponential_decrease(bottom, c2, attempt.alpha)
            relax = steady_or_lower(bottom, attempt.alpha, asked.alpha is None, asked.c2 is None)
        slow: list[Counterexample] = []
        found = _search(attempt, condition, bottom, _noting(slow, relax))
        if not (isinstance(found.verdict, Refuted) and asked.c1 is None and asked.c2 is None):
            break
        outputs = found.verdict.counterexample.outputs
        value, change = Fraction(outputs[0][0]), Fraction(outputs[1][0])
        if attempt.alpha is not None and asked.alpha is None and change < attempt.alpha * value:
            break  # V falls there: a slower rate may do on this band
        c2 = short_fraction(min(value, c2) * Fraction(255, 256), down=True)
    speed_is_given = asked.mu is not None or asked.alpha is not None
    if isinstance(found.verdict, Refuted) and speed_is_given and asked.c2 is None:
        # The point breaks this band, which we chose; another band might have what was asked for.
        raise unknown(_no_band(attempt, found, found.verdict.counterexample, bottom))
    sliver = found.condition.violation[1].level * BAND < bottom
    if isinstance(found.verdict, Unknown) and speed_is_given and slow and sliver:
        # Nobody asked for what is open: c2 fell almost to c1, and why it did is the reason.
        raise unknown(_no_band(attempt, found, slow[-1], bottom))
    attempt.require(found)
    if asked.c2 is None:
        found = _higher(attempt, found, c2)
    levels = [c.level for c in found.condition.violation]
    return c1, levels[1], None if attempt.alpha is not None else -levels[2]


def _higher(attempt: Attempt, found: Search, ceiling: Fraction) -> Search:
    """The same with a c2 closer to where sampling sees V rise, if that is proved as quickly."""
    bottom, top, speed = (c.level for c in found.condition.violation)
    free = attempt.alpha is None and attempt.requested.mu is None
    still = Fraction(0) if free else speed
    lowest = lowest_violation(
        found.condition.with_levels([bottom, ceiling, still]), 1, attempt.seed
    )
    if lowest is not None:
        ceiling = min(ceiling, short_fraction(Fraction(lowest) * CLOSER, down=True))
    if ceiling < top * WORTH:
        return found
    remaining = attempt.clock.remaining.seconds
    share = min(1.0, AGAIN * found.seconds / remaining) if remaining > 0 else 0.0
    if free:
        speed = max(speed, -_default_mu(attempt, bottom, ceiling))
    condition = found.condition.with_levels([bottom, ceiling, speed])
    again = attempt.search(
        "decrease",
        condition,
        share,
        most_boxes=int(AGAIN * found.boxes) + 100,
        relax=slower_or_lower(top, free, True),
        frontier=1,
    )
    if isinstance(again.verdict, Proved):
        return again
    attempt.searches["decrease"] = found
    return found


def _noting(met: list[Counterexample], relax: Relax) -> Relax:
    """The same, with every counterexample that it is asked about kept."""

    def noted(condition: Condition, found: Counterexample) -> Condition | None:
        met.append(found)
        return relax(condition, found)

    return noted


def _search(attempt: Attempt, condition: Condition, bottom: Fraction, relax: Relax) -> Search:
    free = attempt.requested.c2 is None
    if free:
        condition = _guessed(attempt, condition, bottom)
    return attempt.search("decrease", condition, relax=relax, frontier=1 if free else None)


def default_c1(attempt: Attempt, c2: Fraction) -> Fraction:
    """The core, where it leaves a band below c2; without one, a hundredth of c2.

    Lower where {V ≤ c1} has to lie inside a ball that was asked for.
    """
    if attempt.core is None:
        c1 = short_fraction(c2 / 100, down=True)
    else:
        c1 = min(attempt.core, short_fraction(c2 * BAND, down=True))
    return c1 if attempt.ball is None else min(c1, attempt.ball)


def _default_mu(attempt: Attempt, bottom: Fraction, c2: Fraction) -> Fraction:
    """Half of the slowest decrease that sampling meets in the band, at most bottom / 100."""
    most = bottom / 100
    slowest = highest_violation(attempt.problem.decrease(bottom, c2, most), 2, attempt.seed)
    if slowest is not None and slowest < 0:
        most = min(most, Fraction(-slowest) / 2)
    return short_fraction(most, down=True)


def _guessed(attempt: Attempt, condition: Condition, floor: Fraction) -> Condition:
    """The decrease condition with c2 lowered to what sampling does not refute."""
    lowest = lowest_violation(condition, 1, attempt.seed)
    levels = [c.level for c in condition.violation]
    if lowest is not None and lowest < levels[1]:
        guess = short_fraction(Fraction(max(lowest, 0.0)) * Fraction(127, 128), down=True)
        if guess > floor:
            levels[1] = guess
    return condition.with_levels(levels)


def _wide_band(attempt: Attempt, c2: Fraction) -> tuple[Fraction, Fraction, Fraction]:
    """Practical stability under disturbances, with a c1 of our choice: the band is found.

    Where a disturbance does not vanish at the equilibrium, V grows near it, and c1 has to rise
    above that; far from it V may grow too, and c2 has to fall below that.
    """
    asked, problem = attempt.requested, attempt.problem
    band = _first_band(attempt, c2)
    c1 = band.bottom
    if attempt.ball is not None and c1 > attempt.ball:
        raise unknown(
            f"small set: V decreases only above V = {float(c1):.4g}, and {{V ≤ c1}} would have to "
            f"be {{V ≤ {float(attempt.ball):.4g}}} to fit into the ball; ask for a larger ε"
        )
    ceiling = c2 if asked.c2 is not None else band.top
    ordered(c1, ceiling)
    mu = asked.mu if asked.mu is not None else _default_mu(attempt, c1, ceiling)
    found = attempt.search(
        "decrease",
        problem.decrease(c1, ceiling, mu),
        relax=narrower_or_slower(
            mu / 64 if asked.mu is None else mu,
            raises_to=attempt.ball,
            lowers=asked.c2 is None,
        ),
        frontier=1 if asked.c2 is None else None,
    )
    if isinstance(found.verdict, Refuted) and (asked.mu is not None or band.bad_below):
        at = found.verdict.counterexample
        raise unknown(_no_band(attempt, found, at, found.condition.violation[0].level))
    attempt.require(found)
    levels = [c.level for c in found.condition.violation]
    return levels[0], levels[1], -levels[2]


def _first_band(attempt: Attempt, c2: Fraction) -> Band:
    """Where sampling sees V decrease; from a hundredth of c2 on where it does so from 0 on."""
    band = promising_band(attempt.problem, c2, attempt.seed)
    bottom = short_fraction(c2 / 100, down=True)
    if band.bad_below:
        middle = (band.bottom + band.top) / 2
        condition = attempt.problem.decrease(bottom, middle, bottom).with_levels(
            [Fraction(0), middle, Fraction(0)]
        )
        highest = highest_violation(condition, 0, attempt.seed)
        low = max(band.bottom, Fraction(highest or 0.0))
        risen = short_fraction(low * CLEARANCE, down=False)
        bottom = max(risen, short_fraction(c2 / 10**4, down=True))
    if attempt.ball is not None and not (band.bad_below and bottom > attempt.ball):
        bottom = min(bottom, attempt.ball)
    return Band(bottom, short_fraction(band.top, down=True), band.bad_below)


def _no_band(attempt: Attempt, found: Search, at: Counterexample, bottom: Fraction) -> str:
    """Why no level was found above which V decreases as fast as asked."""
    where = ", ".join(f"{v:.6g}" for v in at.point)
    problem = attempt.problem
    band = f"decrease: no band was found above c1 = {float(bottom):.4g} on which "
    if attempt.alpha is not None:
        return (
            f"{band}{problem.change_name} ≤ -{float(attempt.alpha):.4g} V; at ({where}) V falls "
            "more slowly. Ask for a smaller rate, or for c1 and c2"
        )
    mu = -found.condition.violation[2].level
    if attempt.requested.mu is not None:
        return (
            f"{band}{problem.change_name} ≤ -{float(mu):.4g}; at ({where}) V falls more slowly. "
            "Ask for a smaller μ, or for c1 and c2"
        )
    return f"{band}V decreases; at ({where}) it does not"
