"""What proved conditions together imply, and nothing more.

A :class:`Theorem` can be built only from conditions that are all Proved, that speak of the same
closed loop, and whose constants fit each other; every side condition is checked again here, in
exact arithmetic, so that no search can claim more than it has shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from certify.branch_and_bound import Search
from certify.conditions import Condition
from certify.origin import exact_inverse, largest_level_inside
from certify.stability import Ellipsoid, StabilityProblem, is_positive_definite
from certify.verdict import Proved


class Claim(Enum):
    """What a certificate states."""

    ASYMPTOTIC_STABILITY = "asymptotic stability"
    ATTRACTION = "attraction"

    @property
    def words(self) -> str:
        """The theorem, for people."""
        if self is Claim.ASYMPTOTIC_STABILITY:
            return (
                "The equilibrium is asymptotically stable, and every solution that starts in the "
                "domain with V ≤ c2 stays there and converges to it."
            )
        return (
            "Every solution that starts in the domain with V ≤ c2 stays there, reaches {V ≤ c1} "
            "in finite time and never leaves it again. Nothing is claimed about convergence to "
            "the equilibrium itself."
        )


@dataclass(frozen=True)
class Constants:
    """The constants of a theorem, exact. ``c_q`` belongs to the ellipsoid, ``epsilon`` to the ball.

    ``core`` is the level up to which {V ≤ core} lies in the ellipsoid; core ≤ c1 may be smaller
    than c1, and the decrease then holds from core on.
    """

    c1: Fraction
    c2: Fraction
    mu: Fraction
    epsilon: Fraction | None = None
    core: Fraction | None = None
    c_q: Fraction | None = None


@dataclass(frozen=True, eq=False)
class Theorem:
    """A proved claim: the closed loop, the constants, and the evidence of every condition."""

    claim: Claim
    problem: StabilityProblem
    constants: Constants
    ellipsoid: Ellipsoid | None
    evidence: Mapping[str, Search]


def conclude(
    claim: Claim,
    problem: StabilityProblem,
    constants: Constants,
    ellipsoid: Ellipsoid | None,
    evidence: Mapping[str, Search],
    equilibrium_is_exact: bool,
) -> Theorem:
    """The theorem that the evidence supports.

    Raises ValueError naming the gap where it does not support the claim: a caller has then a bug,
    and no certificate.
    """
    k = constants
    bottom = k.c1 if k.core is None else min(k.core, k.c1)
    _require(equilibrium_is_exact, "F(x*) = 0 and V(x*) = 0 are not shown")
    _require(0 < bottom <= k.c1 < k.c2, "the levels are not 0 < c1 < c2")
    _require(k.mu > 0, "μ is not positive")
    _shows(evidence, "decrease", problem.decrease(bottom, k.c2, k.mu))
    _shows(evidence, "containment", problem.containment(k.c2))
    if k.epsilon is not None:
        _require(k.epsilon > 0, "ε is not positive")
        _shows(evidence, "small set", problem.small_set(k.c1, k.epsilon))
    if claim is Claim.ASYMPTOTIC_STABILITY:
        if ellipsoid is None or k.c_q is None or k.core is None:
            raise ValueError("no ellipsoid closes the origin")
        _require(is_positive_definite(ellipsoid.matrix), "P is not positive definite")
        _require(
            0 < k.c_q < largest_level_inside(problem, ellipsoid),
            "the ellipsoid is not inside the domain",
        )
        _shows(evidence, "core", problem.core(ellipsoid, k.core, k.c_q))
        _shows_contraction(evidence, problem, ellipsoid, k.c_q)
    else:
        _shows(evidence, "defined", problem.defined(bottom))
    return Theorem(claim, problem, constants, ellipsoid, evidence)


def _require(holds: bool, gap: str) -> None:
    if not holds:
        raise ValueError(gap)


def _shows(evidence: Mapping[str, Search], name: str, wanted: Condition) -> None:
    """The evidence proves exactly the wanted condition: tape, constraints and regions agree."""
    _require(name in evidence, f"the condition {name!r} was not examined")
    search = evidence[name]
    shown = _proved(search, name)
    _require(shown.tape.digest == wanted.tape.digest, f"{name!r} is about another closed loop")
    _require(shown.violation == wanted.violation, f"{name!r} was shown with other constants")
    _require(shown.regions == wanted.regions, f"{name!r} was shown on another region")


def _proved(search: Search, name: str) -> Condition:
    """The condition that a search has proved, with a tree for every region."""
    verdict = search.verdict
    if not isinstance(verdict, Proved):
        raise ValueError(f"the condition {name!r} is not proved")
    covered = verdict.evidence is not None and verdict.evidence.roots == len(
        search.condition.regions
    )
    _require(covered, f"the condition {name!r} has no evidence for all of its regions")
    return search.condition


def _shows_contraction(
    evidence: Mapping[str, Search],
    problem: StabilityProblem,
    ellipsoid: Ellipsoid,
    level: Fraction,
) -> None:
    """As _shows, on a region that may be any box around the ellipsoid."""
    wanted = problem.contraction(ellipsoid, level)
    name = "contraction"
    _require(name in evidence, f"the condition {name!r} was not examined")
    search = evidence[name]
    shown = _proved(search, name)
    _require(shown.tape.digest == wanted.tape.digest, f"{name!r} is about another closed loop")
    _require(shown.violation == wanted.violation, f"{name!r} was shown with other constants")
    inverse = exact_inverse(ellipsoid.matrix)
    covered = len(shown.regions) == 1 and all(
        c - low >= 0 and high - c >= 0 and min(c - low, high - c) ** 2 >= level * inverse[i][i]
        for i, (low, c, high) in enumerate(
            zip(
                shown.regions[0].lower,
                problem.system.equilibrium,
                shown.regions[0].upper,
                strict=True,
            )
        )
    )
    _require(covered, "the contraction was not shown on the whole ellipsoid")
