"""Local stability: what is proved is never larger than the truth, and does not rest on V."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from certify import (
    Budget,
    Candidate,
    Claim,
    Proved,
    Refuted,
    Requested,
    StabilityResult,
    Unknown,
    prove_stability,
    search,
)
from certify.origin import contraction_on_hull
from certify.stability import StabilityProblem
from certify.theorem import Theorem, conclude
from systems import expression as ex
from systems.expression import Expression
from tests.certify.claims import LOCAL, Plant, assert_simulations_agree, plant, theorem_of

CUBIC = ["-x1 + x1**3"]
"""Starts beyond |x| = 1 run away; the slope is negative where 3x² < 1."""


def reach(theorem: Theorem) -> float:
    """How far the region goes along a single state."""
    assert theorem.ellipsoid is not None
    return float(theorem.constants.c2 / Fraction(theorem.ellipsoid.matrix[0, 0])) ** 0.5


def test_the_ellipsoid_ends_where_the_slope_does() -> None:
    theorem = theorem_of(plant(CUBIC, domain=[(-2, 2)]).prove(LOCAL))
    assert 0.9 * 3**-0.5 < reach(theorem) < 3**-0.5
    assert list(theorem.evidence) == ["core", "contraction"]
    assert_simulations_agree(theorem)


@pytest.mark.parametrize("hair", [Fraction(1, 10**6), Fraction(-1, 10**6)], ids=["too far", "near"])
def test_a_hair_beyond_it_is_refuted(hair: Fraction) -> None:
    theorem = theorem_of(plant(CUBIC, domain=[(-2, 2)]).prove(LOCAL))
    assert theorem.ellipsoid is not None
    level = Fraction(theorem.ellipsoid.matrix[0, 0]) / 3 * (1 + hair)
    found = search(
        contraction_on_hull(theorem.problem, theorem.ellipsoid, level), Budget(seconds=60)
    )
    assert isinstance(found.verdict, Refuted if hair > 0 else Proved)


@pytest.mark.parametrize(
    "value",
    [
        lambda x: -ex.total(x**2),
        lambda x: ex.total(x**2) + 1,
        lambda x: ex.total(ex.absolute(x)),
        lambda x: ex.total(x) * 0,
    ],
    ids=["negative", "not 0 at rest", "a kink", "zero"],
)
def test_the_candidates_value_does_not_matter(value: object) -> None:
    loop = replace(plant(CUBIC, domain=[(-2, 2)]), value=None)
    given = Plant(loop.system, value(loop.system.state))  # type: ignore[operator]
    theorem = theorem_of(given.prove(LOCAL))
    assert 0.9 * 3**-0.5 < reach(theorem) < 3**-0.5


def test_another_value_in_the_theorem_has_to_lie_in_the_ellipsoid() -> None:
    """The evidence of V = q says nothing of a V that is small far away."""
    theorem = theorem_of(plant(CUBIC, domain=[(-2, 2)]).prove(LOCAL))

    def flat(x: Expression) -> Expression:
        return ex.total(x**2) * Fraction(1, 1000)

    other = replace(theorem.problem.candidate, value=flat(theorem.problem.state))
    problem = StabilityProblem(theorem.problem.system, other)
    with pytest.raises(ValueError, match="another closed loop"):
        conclude(LOCAL, problem, theorem.constants, theorem.ellipsoid, theorem.evidence)
    assert theorem.ellipsoid is not None and theorem.constants.c_q is not None
    wide = problem.core(theorem.ellipsoid, theorem.constants.c2, theorem.constants.c_q)
    assert isinstance(search(wide, Budget(seconds=20)).verdict, Refuted)


def unproved(result: StabilityResult) -> Refuted | Unknown:
    assert result.theorem is None and isinstance(result.verdict, Refuted | Unknown)
    return result.verdict


def test_what_is_no_equilibrium_is_refuted() -> None:
    loop = plant(["-x1"])
    moved = replace(loop.system, drift=loop.system.drift + ex.constant(["1e-30"]))
    assert isinstance(unproved(Plant(moved, loop.value).prove(LOCAL)), Refuted)
    pushed = plant(["-x1 + w1"], w=[("-1/100", "1/100")])
    assert isinstance(unproved(pushed.prove(LOCAL)), Refuted)


@pytest.mark.parametrize(
    ("equations", "discrete"),
    [
        (["x1"], False),
        (["-x1**3"], False),
        (["x2", "-x1"], False),
        (["2*x1"], True),
        (["x1"], True),
    ],
    ids=["unstable", "marginal", "centre", "unstable, discrete", "marginal, discrete"],
)
def test_what_does_not_contract_is_not_proved(equations: list[str], discrete: bool) -> None:
    verdict = unproved(plant(equations, discrete=discrete).prove(LOCAL, 10.0))
    assert isinstance(verdict, Unknown) and "eigenvalue" in verdict.reason


def test_a_disturbance_that_may_destabilise_is_not_proved() -> None:
    result = plant(["-x1 + 2*w1*x1"], w=[("-1", "1")]).prove(LOCAL, 10.0)
    assert isinstance(unproved(result), Unknown)
    assert theorem_of(plant(["-x1 + 2*w1*x1"], w=[("-0.49", "0.49")]).prove(LOCAL, 20.0))


def test_the_ellipsoid_misses_what_is_unsafe() -> None:
    """Solutions stay in the ellipsoid, not in {V ≤ c2}: it is the ellipsoid that must miss it."""
    loop = plant(["-x1", "-x2"], unsafe={"wall": "x1 >= 1/4"})
    theorem = theorem_of(loop.prove(LOCAL))
    assert 0.9 / 4 < reach(theorem) < 1 / 4
    avoided = theorem.evidence["avoid 1"].condition
    assert avoided.violation[0].level == theorem.constants.c_q


def test_constants_are_refused() -> None:
    with pytest.raises(ValueError, match="finds its ellipsoid itself and takes no c2"):
        plant(CUBIC).prove(LOCAL, c2="1/2")


@pytest.mark.parametrize("power", [-150, -30, 150])
def test_a_domain_of_any_size_ends_in_a_verdict(power: int) -> None:
    """Shapes are rounded to short floats, which do not reach so far."""
    half = Fraction(10) ** power
    result = plant(["-x1", "-x2 + x1"], domain=[(-half, half)] * 2).prove(LOCAL, 5.0)
    if result.theorem is not None:
        assert 0 < reach(result.theorem) < float(half)


def asymptotic(equations: list[str]) -> tuple[Plant, StabilityResult]:
    loop = plant(equations, domain=[(-2, 2)])
    return loop, loop.prove(Claim.ASYMPTOTIC_STABILITY)


def local(loop: Plant, known: StabilityResult) -> StabilityResult:
    """Local stability of the loop; with the ellipsoid of another result tried first."""
    candidate = Candidate(loop.system.state, loop.value, None)
    asked = Requested(claim=LOCAL)
    return prove_stability(loop.system, candidate, asked, budget=Budget(20.0), known=known)


def test_an_ellipsoid_that_was_shown_before_is_where_the_search_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It only grows from there, even where no other level is tried."""
    loop, known = asymptotic(CUBIC)
    before = known.searches["contraction"].condition.violation[0].level
    grown = theorem_of(local(loop, known)).constants.c_q
    assert grown is not None and grown >= before
    monkeypatch.setattr("certify.prove_local.MOST_TRIES", 0)
    same = theorem_of(local(loop, known))
    assert same.constants.c_q == before and same.ellipsoid is known.ellipsoid
    assert_simulations_agree(same)


@pytest.mark.parametrize("with_tree", [True, False])
def test_an_ellipsoid_that_was_shown_before_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, with_tree: bool
) -> None:
    """Called proved up to |x|² = 2, where the slope is positive, by another loop's tree."""
    loop, known = asymptotic(CUBIC)
    found, ellipsoid = known.searches["contraction"], known.ellipsoid
    assert ellipsoid is not None
    level = 2 * Fraction(ellipsoid.matrix[0, 0])
    condition = contraction_on_hull(known.problem, ellipsoid, level)
    stable = asymptotic(["-x1"])[1].searches["contraction"].verdict
    verdict = stable if with_tree else Proved()
    forged = replace(
        known, searches={"contraction": replace(found, condition=condition, verdict=verdict)}
    )
    assert reach(theorem_of(local(loop, forged))) < 3**-0.5
    monkeypatch.setattr("certify.prove_local.MOST_TRIES", 0)
    assert isinstance(unproved(local(loop, forged)), Unknown)
