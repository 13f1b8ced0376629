"""What proved conditions together imply, and nothing more.

A :class:`Theorem` can be built only from conditions that are all Proved, that speak of the same
closed loop, and whose constants fit each other; every side condition is checked again here, in
exact arithmetic, so that no search can claim more than it has shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from certify.branch_and_bound import Search
from certify.claim import Claim, Constants
from certify.conditions import Condition
from certify.ellipsoid import Ellipsoid, exact_inverse, is_positive_definite
from certify.fixed_point import centre_verdict, equilibrium_verdict
from certify.origin import largest_level_inside
from certify.stability import StabilityProblem
from certify.verdict import Proved
from certify.wording import conclusion_words

__all__ = [
    "Claim",
    "Constants",
    "Theorem",
    "check_constants",
    "check_statement",
    "conclude",
    "required_conditions",
]


@dataclass(frozen=True, eq=False)
class Theorem:
    """A proved claim: the closed loop, the constants, and the evidence of every condition."""

    claim: Claim
    problem: StabilityProblem
    constants: Constants
    ellipsoid: Ellipsoid | None
    evidence: Mapping[str, Search]

    @property
    def words(self) -> str:
        """All that follows, in words, with the constants."""
        return conclusion_words(self.claim, self.problem, self.constants, self.ellipsoid)


def required_conditions(
    claim: Claim,
    problem: StabilityProblem,
    constants: Constants,
    ellipsoid: Ellipsoid | None,
) -> dict[str, Condition]:
    """All conditions that the theorem needs a split tree for, by name, in order.

    ``docs/certificate-format.md`` lists them; :func:`conclude` accepts no theorem without every one
    of them, and a certificate holds their evidence. "contraction" is stated on D × W: its evidence
    may have been found on any other box of states that holds the ellipsoid, × W. Raises
    ValueError, naming the gap, where the constants or the ellipsoid do not fit the claim.
    """
    check_constants(claim, problem, constants, ellipsoid)
    k = constants
    if not claim.has_band:
        assert ellipsoid is not None
        return _local_conditions(problem, k, ellipsoid)
    if k.alpha is None:
        assert k.mu is not None
        decrease = problem.decrease(k.bottom, k.c2, k.mu)
    else:
        decrease = problem.exponential_decrease(k.bottom, k.c2, k.alpha)
    out = [decrease, problem.containment(k.c2)]
    if claim.has_ellipsoid:
        assert ellipsoid is not None and k.core is not None and k.c_q is not None
        out.append(problem.core(ellipsoid, k.core, k.c_q, k.alpha))
        out.append(problem.contraction(ellipsoid, k.c_q, k.alpha))
    elif not problem.is_discrete:
        out.append(problem.defined(k.bottom))
    if problem.is_discrete:
        out.append(problem.trap(k.c1))
    if k.epsilon is not None:
        out.append(problem.small_set(k.c1, k.epsilon))
    out += [problem.avoid(i + 1, k.c2) for i in range(len(problem.system.unsafe))]
    return {condition.name: condition for condition in out}


def _local_conditions(
    problem: StabilityProblem, constants: Constants, ellipsoid: Ellipsoid
) -> dict[str, Condition]:
    """{V ≤ c2} lies in the ellipsoid, on which the flow contracts; solutions stay in it, and so it
    is the ellipsoid that must miss what is unsafe."""
    k = constants
    assert k.core is not None and k.c_q is not None
    out = [problem.core(ellipsoid, k.core, k.c_q, k.alpha)]
    out.append(problem.contraction(ellipsoid, k.c_q, k.alpha))
    if k.alpha is not None:
        out.append(problem.rest(ellipsoid, k.c1, k.alpha))
    sets = range(1, len(problem.system.unsafe) + 1)
    out += [problem.ellipsoid_avoids(i, ellipsoid, k.c_q) for i in sets]
    return {condition.name: condition for condition in out}


def check_constants(
    claim: Claim,
    problem: StabilityProblem,
    constants: Constants,
    ellipsoid: Ellipsoid | None,
) -> None:
    """The side conditions that need no search, in exact arithmetic. Raises ValueError."""
    k = constants
    _require((k.alpha is not None) == claim.has_rate, f"alpha does not belong to {claim.value}")
    _require(
        (k.mu is not None) == (claim.has_band and not claim.has_rate),
        f"μ does not belong to {claim.value}",
    )
    if not claim.has_band:
        _check_levels_on_ellipsoid(claim, k)
    else:
        _require(0 < k.bottom <= k.c1 < k.c2, "the levels are not 0 < c1 < c2")
    _require(k.mu is None or k.mu > 0, "μ is not positive")
    _require(k.alpha is None or k.alpha > 0, "alpha is not positive")
    _require(
        k.alpha is None or not problem.is_discrete or k.alpha < 1,
        "in discrete time alpha must be below 1",
    )
    _require(k.epsilon is None or k.epsilon > 0, "ε is not positive")
    if not claim.has_ellipsoid:
        unused = ellipsoid is None and k.core is None and k.c_q is None
        _require(unused, "practical stability has no ellipsoid, core or c_q")
        return
    if ellipsoid is None or k.c_q is None or k.core is None:
        raise ValueError("no ellipsoid closes the origin")
    _require(is_positive_definite(ellipsoid.matrix), "P is not positive definite")
    _require(
        0 < k.c_q < largest_level_inside(problem, ellipsoid),
        "the ellipsoid is not inside the domain",
    )


def _check_levels_on_ellipsoid(claim: Claim, constants: Constants) -> None:
    k = constants
    _require(k.epsilon is None, f"ε does not belong to {claim.value}")
    if claim is Claim.LOCAL_STABILITY:
        _require(0 < k.c2 == k.c1 == k.core, "local stability has one level: c1 = c2 = core > 0")
        return
    _require(k.core is not None and 0 < k.c2 == k.core, "set-point convergence needs c2 = core > 0")
    # Both ellipsoids are of q, so that this makes one lie inside the other.
    _require(
        k.c_q is not None and 0 < k.c1 < k.c_q, "the ellipsoid q ≤ c1 is not inside that of c_q"
    )


def conclude(
    claim: Claim,
    problem: StabilityProblem,
    constants: Constants,
    ellipsoid: Ellipsoid | None,
    evidence: Mapping[str, Search],
) -> Theorem:
    """The theorem that the evidence supports.

    The theorem keeps the evidence that the claim needs, and no other. Raises ValueError naming the
    gap where it does not support the claim: a caller has then a bug, and no certificate.
    """
    wanted = required_conditions(claim, problem, constants, ellipsoid)
    for name in wanted:
        _require(name in evidence, f"the condition {name!r} was not examined")
        _check_proved(evidence[name], name)
    stated = {name: evidence[name].condition for name in wanted}
    check_statement(claim, problem, constants, ellipsoid, stated)
    kept = {name: evidence[name] for name in wanted}
    return Theorem(claim, problem, constants, ellipsoid, kept)


def check_statement(
    claim: Claim,
    problem: StabilityProblem,
    constants: Constants,
    ellipsoid: Ellipsoid | None,
    stated: Mapping[str, Condition],
) -> None:
    """That these conditions, if they all hold, imply the claim. Raises ValueError naming the gap.

    That x* is an equilibrium for every disturbance, and V(x*) = 0, needs no evidence: it is shown
    here, once more.
    """
    wanted = required_conditions(claim, problem, constants, ellipsoid)
    if claim.closes_origin:
        _require(equilibrium_verdict(problem) is None, "x* is not shown to be an equilibrium")
    _require(centre_verdict(problem) is None, "V(x*) = 0 is not shown")
    for name, condition in wanted.items():
        _require(name in stated, f"the condition {name!r} was not examined")
        _check_same_but_for_regions(stated[name], name, condition)
        if name == "contraction":
            assert ellipsoid is not None and constants.c_q is not None
            _check_covers(stated[name], problem, ellipsoid, constants.c_q)
        else:
            same = stated[name].regions == condition.regions
            _require(same, f"{name!r} was shown on another region")


def _require(holds: bool, gap: str) -> None:
    if not holds:
        raise ValueError(gap)


def _check_same_but_for_regions(shown: Condition, name: str, wanted: Condition) -> None:
    """Tape and constraints are those wanted."""
    _require(shown.tape.digest == wanted.tape.digest, f"{name!r} is about another closed loop")
    _require(shown.violation == wanted.violation, f"{name!r} was shown with other constants")


def _check_proved(search: Search, name: str) -> None:
    """The search has proved its condition, with a tree for every region."""
    verdict = search.verdict
    if not isinstance(verdict, Proved):
        raise ValueError(f"the condition {name!r} is not proved")
    covered = verdict.evidence is not None and verdict.evidence.roots == len(
        search.condition.regions
    )
    _require(covered, f"the condition {name!r} has no evidence for all of its regions")
    _require(not verdict.trust, f"the proof of {name!r} rests on a foreign solver")


def _check_covers(
    shown: Condition, problem: StabilityProblem, ellipsoid: Ellipsoid, level: Fraction
) -> None:
    """The contraction is stated on a region that may be any box around the ellipsoid, × W."""
    _require(len(shown.regions) == 1, "the contraction was not shown on one box")
    region, n = shown.regions[0], problem.system.state_dimension
    W = problem.system.disturbance_range
    disturbances = ((), ()) if W is None else (W.lower, W.upper)
    _require(
        (region.lower[n:], region.upper[n:]) == disturbances,
        "the contraction was not shown for every disturbance",
    )
    inverse = exact_inverse(ellipsoid.matrix)
    star = problem.system.equilibrium
    covered = all(
        c - low >= 0 and high - c >= 0 and min(c - low, high - c) ** 2 >= level * inverse[i][i]
        for i, (low, c, high) in enumerate(
            zip(region.lower[:n], star, region.upper[:n], strict=True)
        )
    )
    _require(covered, "the contraction was not shown on the whole ellipsoid")
