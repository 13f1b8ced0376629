"""From a system and a candidate to the largest region that can be proved."""

from __future__ import annotations

import time
from fractions import Fraction

from certify.attempt import Attempt, OnProgress, StopError, unknown
from certify.branch_and_bound import Search
from certify.budget import Budget
from certify.candidate import Candidate
from certify.domain import with_best_domain
from certify.ellipsoid import Ellipsoid
from certify.free_inputs import with_free_inputs
from certify.prove_decrease import decrease
from certify.prove_levels import contain, find_ball, ordered, restate_for, small_set, trap
from certify.prove_local import constants_on_ellipsoid
from certify.prove_origin import close_origin, find_core, show_equilibrium
from certify.prove_rate import exponential_decrease
from certify.region_volume import region_volume
from certify.result import Requested, StabilityResult
from certify.stability import StabilityProblem
from certify.theorem import Claim, Constants, Theorem, conclude
from certify.verdict import Proved, Verdict
from certify.volume import sublevel_paving
from systems.dynamics import ControlAffineSystem
from systems.threads import single_threaded_blas

__all__ = ["OnProgress", "prove_stability"]


def prove_stability(
    system: ControlAffineSystem,
    candidate: Candidate,
    requested: Requested | None = None,
    *,
    budget: Budget | None = None,
    on_progress: OnProgress | None = None,
    seed: int = 0,
    known: StabilityResult | None = None,
) -> StabilityResult:
    """Prove the claim on the largest region found, or on the one the constants state.

    Where neither level is given the statement may be made on a smaller box than the system's domain
    (``result.problem.domain``). Constants that ``requested`` fixes are proved or refuted as they
    stand; the others are chosen: the ellipsoid and core as large as the contraction allows, c2 as
    large as containment, unsafe sets and decrease allow, lowered by one search as it meets
    violations; the rate alpha for a large region that converges fast; c1 of practical stability as
    low as V decreases from. Of local stability and of set-point convergence, V is the quadratic
    form of the ellipsoid that is found, whatever the candidate's was; of the latter, inputs at
    their limits become unsafe sets (:mod:`certify.free_inputs`). The ellipsoid that closes the
    origin of ``known``, a former result for this candidate, is tried first.
    Raises ValueError where system, candidate and constants do not fit.
    """
    requested = requested or Requested()
    requested.check_for(system)
    if requested.claim is Claim.SET_POINT_CONVERGENCE:
        system = with_free_inputs(system, candidate)
    problem = StabilityProblem(system, candidate)
    if requested.claim.has_band and requested.c1 is None and requested.c2 is None:
        problem = with_best_domain(problem, seed, requested.claim)
    attempt = Attempt(
        problem,
        requested,
        (budget or Budget()).started(),
        on_progress,
        seed,
        alpha=requested.alpha,
        known=None if known is None else _origin_of(known),
    )
    with single_threaded_blas():
        return _run(attempt)


def _origin_of(known: StabilityResult) -> tuple[Ellipsoid, Fraction, Search] | None:
    """The ellipsoid that closes its origin, the level, and the search that shows it."""
    found = known.searches.get("contraction")
    if known.ellipsoid is None or found is None or not isinstance(found.verdict, Proved):
        return None
    return known.ellipsoid, found.condition.violation[0].level, found


def _run(attempt: Attempt) -> StabilityResult:
    started = time.perf_counter()
    theorem, constants, paving, volume = None, None, None, None
    try:
        if attempt.requested.claim.has_band:
            show_equilibrium(attempt)
        constants = _constants(attempt)
        theorem = _concluded(attempt, constants)
        verdict: Verdict = Proved()
    except StopError as stop:
        verdict = stop.verdict
    seconds = time.perf_counter() - started
    problem = attempt.problem
    if theorem is not None:
        paving = sublevel_paving(
            problem.value_tape,
            theorem.constants.c2,
            problem.domain,
            Budget(max(2.0 if problem.state.size <= 4 else 0.5, 0.1 * seconds)),
        )
        volume = region_volume(
            problem,
            theorem.constants.c2,
            paving=paving,
            budget=Budget(max(3.0, 0.1 * seconds)),
            seed=attempt.seed,
        )
    return StabilityResult(
        problem,
        attempt.requested,
        verdict,
        theorem,
        constants,
        attempt.ellipsoid,
        attempt.searches,
        paving,
        seconds,
        volume=volume,
    )


def _concluded(attempt: Attempt, constants: Constants) -> Theorem:
    return conclude(
        attempt.requested.claim,
        attempt.problem,
        constants,
        attempt.ellipsoid,
        attempt.searches,
    )


def _constants(attempt: Attempt) -> Constants:
    """All constants, each with the search that shows it. Raises StopError where one is missing."""
    asked, problem = attempt.requested, attempt.problem
    if not asked.claim.has_band:
        return constants_on_ellipsoid(attempt)
    weak_spot = None
    if asked.claim is Claim.EXPONENTIAL_STABILITY:
        c2 = contain(attempt, asked.c2)
        _fit_ball(attempt)
        c1, c2 = exponential_decrease(attempt, c2)
        mu = None
    else:
        if asked.claim.closes_origin:
            weak_spot = close_origin(attempt)
            if weak_spot is None:
                find_core(attempt)
        c2 = contain(attempt, asked.c2)
        _fit_ball(attempt)
        c1, c2, mu = decrease(attempt, c2)
    if weak_spot is not None:
        raise unknown(
            f'{weak_spot}; the weaker claim "practical stability" says nothing about x* itself'
        )
    ordered(c1, c2)
    if problem.is_discrete:
        c1 = trap(attempt, c1, c2)
    elif not asked.claim.closes_origin:
        attempt.require(attempt.search("defined", problem.defined(c1)))
    epsilon = small_set(attempt, c1, asked.epsilon)
    restate_for(attempt, c2)
    constants = Constants(c1, c2, mu, epsilon, attempt.core, attempt.c_q, attempt.alpha)
    _restate_decrease(attempt, constants)
    return constants


def _fit_ball(attempt: Attempt) -> None:
    """Where ε is asked for and c1 is not, c1 has to fit."""
    asked = attempt.requested
    if asked.epsilon is not None and asked.c1 is None:
        find_ball(attempt, asked.epsilon)


def _restate_decrease(attempt: Attempt, constants: Constants) -> None:
    """A trap may have raised c1, and with it a."""
    k, shown = constants, attempt.searches["decrease"].condition
    if shown.violation[0].level < k.bottom:
        levels = [k.bottom, *(c.level for c in shown.violation[1:])]
        attempt.restate(shown.with_levels(levels))
