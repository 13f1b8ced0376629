"""Exponential stability: a rate that V and a quadratic form at the equilibrium both have."""

from __future__ import annotations

from fractions import Fraction

from certify.attempt import Attempt, StopError, unknown
from certify.bands import promising_rate
from certify.origin import instability, linearisation, rate_of
from certify.prove_decrease import decrease
from certify.prove_origin import close_origin, find_core
from certify.verdict import Refuted
from systems.differentiate import NotDifferentiableError
from systems.exact import short_fraction

SHARE = Fraction(15, 16)
"""The rate tried first, of the one that sampling and linearisation promise."""

RATE_TRIES = 8
"""So many rates are tried, at most, each lower than the one before."""


def exponential_decrease(attempt: Attempt, c2: Fraction) -> tuple[Fraction, Fraction]:
    """c1 and the largest c2 (at most the given one) for the rate asked for, or for one that is
    found; the rate, the ellipsoid and the core are kept in the attempt."""
    asked = attempt.requested.alpha
    attempt.alpha = asked or _first_rate(attempt, c2)
    for _ in range(RATE_TRIES):
        weak_spot = close_origin(attempt)
        if weak_spot is None:
            find_core(attempt)
        lower = attempt.alpha * Fraction(4, 5)
        try:
            if weak_spot is None or asked is not None:
                c1, top, _ = decrease(attempt, c2)
            if weak_spot is None:
                return c1, top
        except StopError as stop:
            verdict = stop.verdict
            if asked is not None or not isinstance(verdict, Refuted):
                raise
            lower = _rate_at(attempt, verdict)
        if asked is not None:
            break
        if lower <= 0:
            raise StopError(verdict)
        attempt.alpha = short_fraction(lower, down=True)
        attempt.ellipsoid = attempt.core = attempt.c_q = None
    raise unknown(weak_spot or "decrease: V decreases at none of the rates that were tried")


def _rate_at(attempt: Attempt, refuted: Refuted) -> Fraction:
    """A rate below that of V at the counterexample, and well below the one that failed."""
    assert attempt.alpha is not None
    value, excess = (Fraction(high) for _, high in refuted.counterexample.outputs)
    there = attempt.alpha - excess / value
    return min(there * Fraction(15, 16), attempt.alpha * Fraction(7, 8))


def _first_rate(attempt: Attempt, c2: Fraction) -> Fraction:
    """A share of what sampling sees of V, and of what the linearisation allows."""
    problem = attempt.problem
    try:
        matrix = linearisation(problem)
    except NotDifferentiableError:
        raise unknown(
            "origin: the closed loop is not Lipschitz, since ∇V jumps and the controller too"
        ) from None
    reason = instability(matrix, problem.is_discrete)
    if reason is not None:
        raise unknown(f"origin: {reason}")
    promised = promising_rate(problem, c2, attempt.seed)
    if promised is None:
        raise unknown("decrease: sampling finds no level up to which V decreases")
    most = min(promised, Fraction(rate_of(matrix, problem.is_discrete)))
    return short_fraction(most * SHARE, down=True)
