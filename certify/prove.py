"""From a system and a candidate to the largest region that can be proved."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

from certify.branch_and_bound import Progress, Search, reach_of, search
from certify.budget import Budget, Clock
from certify.candidate import Candidate
from certify.conditions import Condition
from certify.domain import with_best_domain
from certify.enclosure.engine import Engine
from certify.equilibrium import Answer, prove_zero
from certify.levels import (
    highest_violation,
    lower_level,
    lowest_violation,
    raise_level,
    slower_or_lower,
)
from certify.origin import (
    contraction_on_hull,
    ellipsoids,
    instability,
    largest_level_inside,
    linearisation,
    shrink_ellipsoid,
)
from certify.result import Requested, StabilityResult
from certify.stability import Ellipsoid, StabilityProblem
from certify.theorem import Claim, Constants, conclude
from certify.verdict import Counterexample, Proved, Refuted, Unknown, Verdict
from certify.volume import sublevel_paving
from systems.differentiate import NotDifferentiableError
from systems.dynamics import ControlAffineSystem
from systems.exact import short_fraction
from systems.threads import single_threaded_blas

OnProgress = Callable[[str, Progress], None]
"""Told the name of the condition under search and how far it is."""

CORE_SHARE = Fraction(15, 16)
"""The first ellipsoid tried has this share of the largest level that fits into the domain."""

CORE_TRIES = 4
"""So many ellipsoids, each with a quarter of the level before, are tried at most."""

CORE_BUDGET = 0.15
"""The share of the remaining time that one of them may take."""

LEVEL_BUDGET = 0.25
"""The share of the remaining time for the core's level, and for that of containment."""

BAND = Fraction(7, 8)
"""c1 is at most this share of c2, so that there is a band between them."""

BAND_TRIES = 4
"""So often the band is moved down, at most, when V increases somewhere in it."""


class _StopError(Exception):
    """Ends an attempt with a verdict that is not Proved."""

    def __init__(self, verdict: Refuted | Unknown) -> None:
        self.verdict = verdict


def prove_stability(
    system: ControlAffineSystem,
    candidate: Candidate,
    requested: Requested | None = None,
    *,
    budget: Budget | None = None,
    on_progress: OnProgress | None = None,
    seed: int = 0,
) -> StabilityResult:
    """Prove the claim on the largest region found, or on the one the constants state.

    Where neither level is given the statement may be made on a smaller box than the system's domain
    (``result.problem.domain``). Constants that ``requested`` fixes are proved or refuted as they
    stand; the others are chosen: the ellipsoid and core as large as the contraction allows, c2 as
    large as containment and decrease allow, lowered by one search as it meets violations. Raises
    ValueError where system and candidate do not fit.
    """
    requested = requested or Requested()
    problem = StabilityProblem(system, candidate)
    if requested.c1 is None and requested.c2 is None:
        problem = with_best_domain(problem, seed)
    attempt = _Attempt(
        problem,
        requested,
        (budget or Budget()).started(),
        on_progress,
        seed,
    )
    with single_threaded_blas():
        return attempt.run()


@dataclass
class _Attempt:
    problem: StabilityProblem
    requested: Requested
    clock: Clock
    on_progress: OnProgress | None
    seed: int
    searches: dict[str, Search] = field(default_factory=dict)
    ellipsoid: Ellipsoid | None = None
    c_q: Fraction | None = None
    core: Fraction | None = None
    ball: Fraction | None = None
    engines: dict[int, Engine] = field(default_factory=dict)

    def run(self) -> StabilityResult:
        started = time.perf_counter()
        theorem, constants, paving = None, None, None
        try:
            self._equilibrium()
            constants = self._constants()
            theorem = conclude(
                self.requested.claim,
                self.problem,
                constants,
                self.ellipsoid,
                self.searches,
                equilibrium_is_exact=True,
            )
            verdict: Verdict = Proved()
        except _StopError as stop:
            verdict = stop.verdict
        seconds = time.perf_counter() - started
        if theorem is not None:
            paving = sublevel_paving(
                self.problem.asking(0),
                theorem.constants.c2,
                self.problem.domain,
                Budget(max(2.0, 0.1 * seconds)),
            )
        return StabilityResult(
            self.problem,
            self.requested,
            verdict,
            theorem,
            constants,
            self.ellipsoid,
            self.searches,
            paving,
            seconds,
        )

    def _equilibrium(self) -> None:
        """F(x*) = 0 and V(x*) = 0, exactly."""
        system = self.problem.system
        field_test, value_test = prove_zero(self.problem.equilibrium_tape, list(system.equilibrium))
        names = [f"F_{i + 1}(x*)" for i in range(len(field_test))] + ["V(x*)"]
        for name, test in zip(names, [*field_test, *value_test], strict=True):
            low, high = test.lower, test.upper
            if test.answer is Answer.NONZERO:
                point = tuple(float(v) for v in system.equilibrium)
                raise _StopError(Refuted(Counterexample("equilibrium", point, ((low, high),))))
            if test.answer is Answer.UNDECIDED:
                raise _StopError(
                    Unknown(
                        f"equilibrium: {name} lies in [{low:.3g}, {high:.3g}], but that it is 0 in "
                        "real arithmetic could not be shown; anchor V and k at the equilibrium"
                    )
                )

    def _constants(self) -> Constants:
        asked = self.requested
        weak_spot = None
        if asked.claim is Claim.ASYMPTOTIC_STABILITY:
            weak_spot = self._close_origin()
        if weak_spot is None and asked.claim is Claim.ASYMPTOTIC_STABILITY:
            self._find_core(asked.c1)
        c2 = self._contain(asked.c2)
        if asked.epsilon is not None and asked.c1 is None:
            self._find_ball(asked.epsilon)
        c1, c2, mu = self._decrease(c2)
        if weak_spot is not None:
            raise _StopError(
                Unknown(f'{weak_spot}; the weaker claim "attraction" says nothing about x* itself')
            )
        self._ordered(c1, c2)
        if asked.claim is Claim.ATTRACTION:
            self._require(self._search("defined", self.problem.defined(c1)))
        epsilon = self._small_set(c1, asked.epsilon)
        searched = self.searches["containment"]
        self.searches["containment"] = searched.restated(self.problem.containment(c2))
        return Constants(c1, c2, mu, epsilon, self.core, self.c_q)

    def _default_c1(self, c2: Fraction) -> Fraction:
        """The core, where it leaves a band below c2; without one, a hundredth of c2.

        Lower where {V ≤ c1} has to lie inside a ball that was asked for.
        """
        if self.core is None:
            c1 = short_fraction(c2 / 100, down=True)
        else:
            c1 = min(self.core, short_fraction(c2 * BAND, down=True))
        return c1 if self.ball is None else min(c1, self.ball)

    def _find_ball(self, epsilon: Fraction) -> None:
        """The largest level whose sublevel set is inside the ball of radius ε."""
        start = self.problem.small_set(Fraction(10**12), epsilon)
        lowest = lowest_violation(start, 0, self.seed)
        if lowest is None or lowest <= 0:
            raise _StopError(Unknown("small set: V is not positive outside the ball of radius ε"))
        level = short_fraction(Fraction(lowest) * Fraction(127, 128), down=True)
        found = self._require(
            self._search(
                "small set",
                self.problem.small_set(level, epsilon),
                LEVEL_BUDGET,
                relax=lower_level(0, Fraction(0)),
                frontier=0,
            )
        )
        self.ball = found.condition.violation[0].level

    def _default_mu(self, bottom: Fraction, c2: Fraction) -> Fraction:
        """Half of the slowest decrease that sampling meets in the band, at most bottom / 100."""
        most = bottom / 100
        slowest = highest_violation(self.problem.decrease(bottom, c2, most), 2, self.seed)
        if slowest is not None and slowest < 0:
            most = min(most, Fraction(-slowest) / 2)
        return short_fraction(most, down=True)

    def _search(
        self, name: str, condition: Condition, share: float = 1.0, **options: object
    ) -> Search:
        def report(progress: Progress) -> None:
            if self.on_progress is not None:
                self.on_progress(name, progress)

        remaining = self.clock.remaining
        budget = Budget(remaining.seconds * share, remaining.boxes)
        found = search(
            condition,
            budget,
            engine=self._engine(condition),
            on_progress=report,
            seed=self.seed,
            **options,  # type: ignore[arg-type]
        )
        self.searches[name] = found
        return found

    def _engine(self, condition: Condition) -> Engine:
        """One engine a program, so that its constants and models are prepared once."""
        program = id(condition.tape.instructions)
        if program not in self.engines:
            self.engines[program] = Engine(
                condition.tape, reach_of((self.problem.domain, *condition.regions))
            )
        return self.engines[program].asking(condition.tape)

    def _require(self, found: Search) -> Search:
        if isinstance(found.verdict, Refuted | Unknown):
            raise _StopError(found.verdict)
        return found

    def _close_origin(self) -> str | None:
        """Find the ellipsoid; or say why there is none (a refutation may still be found)."""
        try:
            matrix = linearisation(self.problem)
        except NotDifferentiableError:
            return "origin: the closed loop is not Lipschitz, since ∇V jumps and the controller too"
        reason = instability(matrix)
        if reason is not None:
            return f"origin: {reason}"
        reason = "origin: no quadratic form decreases along the linearisation"
        for ellipsoid in ellipsoids(self.problem, matrix):
            level = self._first_core_level(ellipsoid)
            for _ in range(CORE_TRIES):
                found = self._search(
                    "contraction",
                    contraction_on_hull(self.problem, ellipsoid, level),
                    CORE_BUDGET,
                    relax=shrink_ellipsoid,
                    frontier=0,
                )
                if isinstance(found.verdict, Proved):
                    self.ellipsoid = ellipsoid
                    self.c_q = found.condition.violation[0].level
                    return None
                if isinstance(found.verdict, Refuted):
                    break
                reason = f"origin: {found.verdict.reason}"
                level = short_fraction(level / 4, down=True)
        return reason

    def _first_core_level(self, ellipsoid: Ellipsoid) -> Fraction:
        """As much as fits into the domain, or what a given c1 needs where that is less."""
        most = largest_level_inside(self.problem, ellipsoid) * CORE_SHARE
        if self.requested.c1 is not None:
            needed = highest_violation(
                self.problem.core(ellipsoid, self.requested.c1, most), 1, self.seed
            )
            if needed is not None and needed > 0:
                most = min(most, 2 * Fraction(needed))
        return short_fraction(most, down=True)

    def _find_core(self, c1: Fraction | None) -> None:
        """The largest level (at most a given c1) whose sublevel set is in the ellipsoid."""
        assert self.ellipsoid is not None and self.c_q is not None
        guess = c1
        if guess is None:
            start = self.problem.core(self.ellipsoid, Fraction(10**12), self.c_q)
            lowest = lowest_violation(start, 0, self.seed)
            if lowest is None or lowest <= 0:
                raise _StopError(
                    Unknown("core: V is not positive outside the ellipsoid at the origin")
                )
            guess = short_fraction(Fraction(lowest) * Fraction(127, 128), down=True)
        found = self._require(
            self._search(
                "core",
                self.problem.core(self.ellipsoid, guess, self.c_q),
                LEVEL_BUDGET,
                relax=lower_level(0, Fraction(0)),
                frontier=0,
            )
        )
        self.core = found.condition.violation[0].level

    def _contain(self, c2: Fraction | None) -> Fraction:
        if c2 is not None:
            self._require(self._search("containment", self.problem.containment(c2)))
            return c2
        lowest = lowest_violation(self.problem.containment(Fraction(10**12)), 0, self.seed)
        if lowest is None or lowest <= 0:
            raise _StopError(
                Unknown("containment: V is not positive on the boundary of the domain")
            )
        level = short_fraction(Fraction(lowest) * Fraction(1023, 1024), down=True)
        found = self._require(
            self._search(
                "containment",
                self.problem.containment(level),
                LEVEL_BUDGET,
                relax=lower_level(0, Fraction(0)),
                frontier=0,
            )
        )
        return found.condition.violation[0].level

    def _ordered(self, c1: Fraction, c2: Fraction) -> None:
        if c1 >= c2:
            raise _StopError(
                Unknown(
                    f"levels: c1 = {float(c1):.4g} is not below the largest c2 that could be "
                    f"found, {float(c2):.4g}"
                )
            )

    def _decrease(self, c2: Fraction) -> tuple[Fraction, Fraction, Fraction]:
        """c1, the largest c2 (at most the given one) and μ with which V decreases in the band.

        One search lowers c2, or a μ that was not asked for, whenever it meets a violation; where
        c2 would fall below a c1 that was not asked for, both start again lower.
        """
        asked = self.requested
        for _ in range(BAND_TRIES):
            c1 = asked.c1 if asked.c1 is not None else self._default_c1(c2)
            bottom = c1 if self.core is None else min(c1, self.core)
            self._ordered(bottom, c2)
            mu = asked.mu if asked.mu is not None else self._default_mu(bottom, c2)
            condition = self.problem.decrease(bottom, c2, mu)
            if asked.c2 is None:
                condition = self._guessed(condition, bottom)
            found = self._search(
                "decrease",
                condition,
                relax=slower_or_lower(bottom, asked.mu is None, asked.c2 is None),
                frontier=1 if asked.c2 is None else None,
            )
            if not (isinstance(found.verdict, Refuted) and asked.c1 is None and asked.c2 is None):
                break
            value = Fraction(found.verdict.counterexample.outputs[0][0])
            c2 = short_fraction(min(value, c2) * Fraction(255, 256), down=True)
        if isinstance(found.verdict, Refuted) and asked.mu is not None and asked.c2 is None:
            # The point breaks this band, which we chose; another band might have the μ asked for.
            raise _StopError(Unknown(_no_band(found, bottom, asked.mu)))
        self._require(found)
        levels = [c.level for c in found.condition.violation]
        return c1, levels[1], -levels[2]

    def _guessed(self, condition: Condition, floor: Fraction) -> Condition:
        """The decrease condition with c2 lowered to what sampling does not refute."""
        lowest = lowest_violation(condition, 1, self.seed)
        levels = [c.level for c in condition.violation]
        if lowest is not None and lowest < levels[1]:
            guess = short_fraction(Fraction(max(lowest, 0.0)) * Fraction(127, 128), down=True)
            if guess > floor:
                levels[1] = guess
        return condition.with_levels(levels)

    def _small_set(self, c1: Fraction, epsilon: Fraction | None) -> Fraction | None:
        if epsilon is not None and self.ball is not None:
            shown = self.searches["small set"]
            self.searches["small set"] = shown.restated(self.problem.small_set(c1, epsilon))
            return epsilon
        if epsilon is not None:
            self._require(self._search("small set", self.problem.small_set(c1, epsilon)))
            return epsilon
        domain = self.problem.domain
        ceiling = sum((w * w for w in domain.widths), Fraction(0))
        highest = highest_violation(self.problem.small_set(c1, max(domain.widths)), 1, self.seed)
        if highest is None or highest <= 0:
            return None
        guess = short_fraction(Fraction(highest) * Fraction(33, 32), down=False)
        condition = self.problem.small_set(c1, Fraction(1)).with_levels([c1, guess])
        found = self._search("small set", condition, relax=raise_level(1, ceiling))
        if not isinstance(found.verdict, Proved):
            del self.searches["small set"]  # ε was not asked for: nothing is claimed about it
            return None
        squared = found.condition.violation[1].level
        radius = short_fraction(Fraction(float(squared) ** 0.5), down=False)
        while radius * radius < squared:
            radius = radius * (1 + Fraction(1, 2**40))
        self.searches["small set"] = found.restated(self.problem.small_set(c1, radius))
        return radius


def _no_band(found: Search, bottom: Fraction, mu: Fraction) -> str:
    """Why no level was found above which V decreases as fast as asked."""
    assert isinstance(found.verdict, Refuted)
    where = ", ".join(f"{v:.6g}" for v in found.verdict.counterexample.point)
    return (
        f"decrease: no band was found above c1 = {float(bottom):.4g} on which dV/dt ≤ "
        f"-{float(mu):.4g}; at ({where}) V falls more slowly. Ask for a smaller μ, or for c1 and c2"
    )
