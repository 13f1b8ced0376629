"""Cross-examination: true claims converge, and planted false claims are caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Literal

import numpy as np
import pytest
from flint import ctx

from certify import Candidate
from certify.balls import enclose_point
from certify.ellipsoid import Ellipsoid
from certify.stability import StabilityProblem
from certify.theorem import Claim, Constants, Theorem
from proofs.cross_examination import cross_examine
from proofs.examined import Examined, examined_of
from proofs.witness import Finding, Witness
from systems import expression as ex
from systems.box import Box
from systems.dynamics import ControlAffineSystem, UnsafeSet
from systems.errors import InputError
from systems.expression import Expression
from tests.certify.planted import square
from tests.proofs.results import proved

LEVELS = Constants(c1=Fraction(1, 100), c2=Fraction(1), mu=Fraction(1, 1000))
"""Of a practical claim."""


def claimed(
    build: Callable[..., Expression],
    constants: Constants = LEVELS,
    *,
    n: int = 1,
    value: Callable[[Expression], Expression] = square,
    half_width: object = 2,
    time: Literal["continuous", "discrete"] = "continuous",
    ellipsoid: bool = False,
    disturbance: Box | None = None,
    unsafe: Callable[[Expression], Expression] | None = None,
) -> Theorem:
    """A theorem that nobody has proved, about ẋ or x⁺ = build(x, w)."""
    x = ex.variable("x", n)
    w = None if disturbance is None else ex.variable("w", disturbance.dimension)
    system = ControlAffineSystem(
        name="planted",
        state=x,
        drift=build(x) if w is None else build(x, w),
        input_columns=(),
        domain=Box.symmetric([half_width] * n),
        equilibrium=(Fraction(0),) * n,
        equilibrium_input=(),
        state_cost=square(x),
        input_cost=(),
        time=time,
        disturbance=w,
        disturbance_range=disturbance,
        unsafe=() if unsafe is None else (UnsafeSet("pit", (unsafe(x),)),),
    )
    problem = StabilityProblem(system, Candidate(x, value(x), None))
    claim = Claim.ASYMPTOTIC_STABILITY if ellipsoid else Claim.PRACTICAL_STABILITY
    shape = Ellipsoid(np.eye(n), np.eye(n)) if ellipsoid else None
    return Theorem(claim, problem, constants, shape, {})


def disagreements(theorem: Theorem, count: int = 12) -> list[Finding]:
    return cross_examine(theorem, count, jobs=1).of("disagreement")


def test_a_proved_claim_converges_from_everywhere() -> None:
    theorem = proved().theorem
    assert theorem is not None
    found = cross_examine(theorem, 8, seed=3, jobs=1)
    assert len(found.of("converged")) == 8 and found.remarks == ()
    value, c2 = theorem.problem.value_tape, theorem.constants.c2
    for t in found.findings:
        assert enclose_point(value, t.start, 200)[0][0] <= float(c2)
        assert theorem.problem.domain.contains(t.start)
        assert t.value[1] < t.value_at_start[0] or not t.steps
    close = [t for t in found.findings if t.value_at_start[0] > 0.9 * float(c2)]
    assert len(close) >= 4


def test_the_same_seed_finds_the_same_however_many_share_the_work() -> None:
    theorem = claimed(lambda x: -x)
    with ctx.workprec(160):  # as a replay of a certificate may have left it
        alone = cross_examine(theorem, 6, seed=5, jobs=1)
    shared = cross_examine(theorem, 6, seed=5, jobs=2)
    assert alone == shared
    assert cross_examine(theorem, 6, seed=6, jobs=1) != alone


def test_a_solution_that_runs_away_is_found() -> None:
    """ẋ = x³ − x does not converge from |x| > 1, whatever is claimed of V ≤ 2."""
    theorem = claimed(lambda x: x**3 - x, replace(LEVELS, c2=Fraction(2)))
    found = disagreements(theorem)
    assert found and all(abs(t.start[0]) > 1 for t in found)
    assert all(t.time > 0 and t.value[0] > t.value_at_start[1] for t in found)
    true = claimed(lambda x: x**3 - x, replace(LEVELS, c2=Fraction(4, 5)))
    assert len(cross_examine(true, 8, jobs=1).of("converged")) == 8


def test_a_rate_that_is_too_fast_is_found() -> None:
    """V = x² falls at the rate 2x² ≥ 0.02 under ẋ = −x, and not at 0.5 everywhere."""
    assert disagreements(claimed(lambda x: -x, replace(LEVELS, mu=Fraction(1, 2))))
    assert not disagreements(claimed(lambda x: -x, replace(LEVELS, mu=Fraction(1, 50))))


def test_an_exponential_rate_is_held_against_the_trajectory() -> None:
    """V = x² falls as e^(−2t)."""
    origin = replace(LEVELS, mu=None, core=Fraction(1, 100), c_q=Fraction(1, 50))
    for alpha, holds in ((Fraction(2), True), (Fraction(41, 20), False)):
        theorem = claimed(lambda x: -x, replace(origin, alpha=alpha), ellipsoid=True)
        assert bool(disagreements(theorem)) is not holds


def test_leaving_the_domain_is_found() -> None:
    """ẋ₁ = x₂ is not seen by V = x₂², and leaves D on the right."""
    theorem = claimed(lambda x: ex.stack([x[1], -x[1]]), n=2, value=lambda x: x[1] * x[1])
    found = disagreements(
        claimed(lambda x: ex.stack([1 + 0 * x[0], -x[1]]), n=2, value=lambda x: x[1] * x[1]), 12
    )
    assert any("outside the domain" in t.reason for t in found)
    assert not any("V is at least" in t.reason for t in disagreements(theorem))


def test_an_ellipsoid_that_is_left_is_found() -> None:
    """q grows at first along ẋ = (−x₁ + 9 x₂, −x₂), though everything converges."""
    constants = replace(LEVELS, core=Fraction(1, 100), c_q=Fraction(1, 4), c2=Fraction(1, 5))
    theorem = claimed(
        lambda x: ex.stack([-x[0] + 9 * x[1], -x[1]]),
        constants,
        n=2,
        ellipsoid=True,
        value=lambda x: x[0] * x[0] + 200 * x[1] * x[1],
    )
    assert any("q is at least" in t.reason for t in disagreements(theorem, 24))


def test_an_unsafe_set_on_the_way_is_found() -> None:
    theorem = claimed(lambda x: -x, unsafe=lambda x: "1/25" - (x - "1/2") ** 2)
    found = disagreements(theorem)
    assert found and all("'pit'" in t.reason and t.start[0] > 0 for t in found)
    assert not disagreements(claimed(lambda x: -x, unsafe=lambda x: x - "3/2"))


def test_an_unsafe_set_that_starts_lie_in_is_found() -> None:
    """The first set is left before a step ends; in the second, nothing need be followed."""
    fast = claimed(lambda x: -1000 * x, unsafe=lambda x: ex.absolute(x[0]) - Fraction(9, 10))
    inner = claimed(lambda x: -1 * x, unsafe=lambda x: Fraction(1, 200) - x[0] ** 2)
    for theorem, start in ((fast, 0.95), (inner, 0.01)):
        found = Witness(examined_of(theorem)).examine((start,))
        assert found.outcome == "disagreement" and found.steps == 0
        assert "meets the unsafe set" in found.reason


def test_a_small_set_that_is_left_again_is_found() -> None:
    """From |x| < 1/20 a step leads to V > c1, from elsewhere to V < c1: not only entry counts."""

    def leaps(x: Expression) -> Expression:
        return ex.relu(Fraction(1, 2) - 10 * ex.absolute(x)) + x * Fraction(1, 100)

    told = cross_examine(claimed(leaps, time="discrete"), 20, jobs=1).of("disagreement")
    assert len(told) == 20 and any(t.steps > 1 for t in told)
    quiet = claimed(lambda x: x * Fraction(1, 100), time="discrete")
    assert len(cross_examine(quiet, 20, jobs=1).of("converged")) == 20


def test_maps_are_examined_too() -> None:
    contraction = replace(LEVELS, mu=Fraction(1, 200))
    assert not disagreements(claimed(lambda x: x * "1/2", contraction, time="discrete"))
    too_fast = replace(LEVELS, mu=Fraction(1, 2))
    assert disagreements(claimed(lambda x: x * "1/2", too_fast, time="discrete"))
    expanding = claimed(lambda x: x * "-11/10", time="discrete")
    assert disagreements(expanding)


def test_a_disturbance_that_was_forgotten_is_found() -> None:
    """ẋ = −x + w with |w| ≤ 1/2 does not reach |x| ≤ 1/10; with |w| ≤ 1/20 it does."""
    field = lambda x, w: w - x  # noqa: E731
    wide, narrow = Box.symmetric(["1/2"]), Box.symmetric(["1/20"])
    assert disagreements(claimed(field, disturbance=wide))
    found = cross_examine(claimed(field, disturbance=narrow), 8, jobs=1)
    assert len(found.of("converged")) == 8
    assert len({t.disturbance for t in found.findings}) > 2
    assert all(narrow.contains(t.disturbance) for t in found.findings)
    assert any("only disturbances that stay constant" in r for r in found.remarks)


def test_what_is_not_decided_says_why() -> None:
    found = cross_examine(claimed(lambda x: -x), 6, horizon=0.125, jobs=1)
    undecided = found.of("undecided")
    assert undecided and all("horizon" in t.reason and t.time == 0.125 for t in undecided)
    sliding = claimed(lambda x: 1 - 2 * ex.apply(ex.Op.STEP, x + "1/2"), value=lambda x: x * x)
    told = cross_examine(sliding, 4, jobs=1)
    assert told.of("converged") == [] or told.remarks
    assert any("Filippov" in r for r in told.remarks)


def test_a_claim_survives_the_way_to_another_process() -> None:
    theorem = proved().theorem
    assert theorem is not None
    there = Examined.from_json(examined_of(theorem).to_json())
    here = examined_of(theorem)
    assert there.to_json() == here.to_json()
    start = (0.0625, 0.03125)
    assert Witness(there).examine(start) == Witness(here).examine(start)


def test_a_region_without_points_is_refused() -> None:
    theorem = claimed(lambda x: -x, value=lambda x: square(x) + 2)
    with pytest.raises(InputError, match="nothing to simulate"):
        cross_examine(theorem, 4, jobs=1)
    with pytest.raises(ValueError, match="nothing to examine"):
        cross_examine(theorem, 0)


def test_a_document_says_what_its_theorem_says() -> None:
    from proofs.certificate import certificate_of

    result = proved()
    assert result.theorem is not None
    by_theorem = cross_examine(result.theorem, 4, seed=1, jobs=1)
    by_document = cross_examine(certificate_of(result), 4, seed=1, jobs=1)
    assert [t.start for t in by_theorem.findings] == [t.start for t in by_document.findings]
    assert len(by_document.of("converged")) == 4
