"""A theorem is concluded from matching evidence, and from nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from certify import Budget, Claim, Constants, Proved, Requested, Search, StabilityResult, Unknown
from certify.branch_and_bound import search
from certify.ellipsoid import Ellipsoid, is_positive_definite
from certify.origin import largest_level_inside
from certify.stability import StabilityProblem
from certify.theorem import Theorem, conclude
from systems import expression as ex
from systems.box import Box
from tests.certify.planted import loop, square, state, turning


@pytest.fixture(scope="module")
def result() -> StabilityResult:
    x = state(2)
    asked = Requested(Fraction(1, 16), Fraction(1, 2), Fraction(1, 128), Fraction(1, 3))
    found = loop(x, square(x), drift=turning(x)).prove(asked, seconds=300)
    assert isinstance(found.verdict, Proved)
    return found


def again(result: StabilityResult, **changed: object) -> Theorem:
    """Conclude from the result's own evidence, with some of it changed."""
    assert result.constants is not None
    arguments: dict[str, object] = {
        "claim": Claim.ASYMPTOTIC_STABILITY,
        "problem": result.problem,
        "constants": result.constants,
        "ellipsoid": result.ellipsoid,
        "evidence": dict(result.searches),
    }
    return conclude(**(arguments | changed))  # type: ignore[arg-type]


def test_the_evidence_as_it_was_found_supports_the_claim(result: StabilityResult) -> None:
    assert again(result).constants == result.constants


def test_practical_stability_needs_to_know_that_the_loop_has_no_pole_inside(
    result: StabilityResult,
) -> None:
    assert result.constants is not None
    k = replace(result.constants, core=None, c_q=None)
    weaker = {
        "claim": Claim.PRACTICAL_STABILITY,
        "constants": k,
        "ellipsoid": None,
        "evidence": {
            **result.searches,
            "decrease": search(result.problem.decrease(k.c1, k.c2, k.mu), Budget(seconds=10)),
        },
    }
    with pytest.raises(ValueError, match=r"defined.*not examined"):
        again(result, **weaker)
    found = search(result.problem.defined(k.c1), Budget(seconds=10))
    theorem = again(result, **(weaker | {"evidence": {**weaker["evidence"], "defined": found}}))
    assert theorem.claim is Claim.PRACTICAL_STABILITY
    assert sorted(theorem.evidence) == ["containment", "decrease", "defined", "small set"]
    with pytest.raises(ValueError, match="no ellipsoid, core"):
        again(result, claim=Claim.PRACTICAL_STABILITY)


CONDITIONS = ["decrease", "containment", "small set", "core", "contraction"]


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_is_needed(result: StabilityResult, name: str) -> None:
    searches = dict(result.searches)
    without = {k: v for k, v in searches.items() if k != name}
    with pytest.raises(ValueError, match=f"{name}.*not examined"):
        again(result, evidence=without)
    undecided = searches | {name: replace(searches[name], verdict=Unknown("time"))}
    with pytest.raises(ValueError, match=f"{name}.*not proved"):
        again(result, evidence=undecided)


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_is_about_this_loop_and_these_levels(
    result: StabilityResult, name: str
) -> None:
    searches = dict(result.searches)
    shown = searches[name].condition

    def with_condition(changed: object) -> dict[str, Search]:
        return searches | {name: replace(searches[name], condition=changed)}  # type: ignore[arg-type]

    x = state(2)
    other = StabilityProblem(
        loop(x, square(x), drift=turning(x) * "999/1000").system, result.problem.candidate
    )
    assert result.constants is not None and result.ellipsoid is not None
    assert result.constants.core is not None and result.constants.c_q is not None
    theirs = {
        "decrease": lambda p: p.decrease(*[abs(c.level) for c in shown.violation]),
        "containment": lambda p: p.containment(shown.violation[0].level),
        "small set": lambda p: p.small_set(shown.violation[0].level, result.constants.epsilon),
        "core": lambda p: p.core(result.ellipsoid, result.constants.core, result.constants.c_q),
        "contraction": lambda p: p.contraction(result.ellipsoid, result.constants.c_q),
    }[name](other)
    assert theirs.tape.digest != shown.tape.digest or name in ("core",)
    if theirs.tape.digest != shown.tape.digest:
        with pytest.raises(ValueError, match=f"{name}.*another closed loop"):
            again(result, evidence=with_condition(replace(theirs, regions=shown.regions)))
    for k, constraint in enumerate(shown.violation):
        for factor in (Fraction(99, 100), 1 + Fraction(1, 10**40)):
            levels = [c.level for c in shown.violation]
            levels[k] = constraint.level * factor if constraint.level else Fraction(1, 10**40)
            with pytest.raises(ValueError, match=f"{name}.*other constants"):
                again(result, evidence=with_condition(shown.with_levels(levels)))
    loose = replace(shown.violation[-1], strict=not shown.violation[-1].strict)
    tampered = replace(shown, violation=(*shown.violation[:-1], loose))
    with pytest.raises(ValueError, match=f"{name}.*other constants"):
        again(result, evidence=with_condition(tampered))
    smaller = replace(shown, regions=tuple(r.scaled("1/10") for r in shown.regions))
    fewer = replace(shown, regions=shown.regions[:-1] or (Box.symmetric(["1/100", 1]),))
    for part in (smaller, fewer):
        with pytest.raises(ValueError, match=r"region|whole ellipsoid"):
            again(result, evidence=with_condition(part))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda k: replace(k, c1=k.c2), "c1 < c2"),
        (lambda k: replace(k, c1=k.c2 * 2), "c1 < c2"),
        (lambda k: replace(k, c1=Fraction(0)), "c1 < c2"),
        (lambda k: replace(k, c1=Fraction(-1)), "c1 < c2"),
        (lambda k: replace(k, core=Fraction(0)), "c1 < c2"),
        (lambda k: replace(k, core=-k.c1), "c1 < c2"),
        (lambda k: replace(k, mu=None), "μ does not belong"),
        (lambda k: replace(k, alpha=Fraction(1, 10)), "alpha does not belong"),
        (lambda k: replace(k, mu=Fraction(0)), "positive"),
        (lambda k: replace(k, mu=-k.mu), "positive"),
        (lambda k: replace(k, epsilon=Fraction(0)), "positive"),
        (lambda k: replace(k, epsilon=-k.epsilon), "positive"),
        (lambda k: replace(k, c2=k.c2 * 2), "other constants"),
        (lambda k: replace(k, mu=k.mu * 2), "other constants"),
        (lambda k: replace(k, epsilon=k.epsilon / 2), "other constants"),
        (lambda k: replace(k, core=k.core / 2), "other constants"),
        (lambda k: replace(k, core=None), "origin|other constants"),
        (lambda k: replace(k, c_q=None), "origin"),
        (lambda k: replace(k, c_q=Fraction(0)), "inside the domain"),
        (lambda k: replace(k, c_q=Fraction(10**6)), "inside the domain"),
        (lambda k: replace(k, c_q=k.c_q / 2), "other constants"),
    ],
)
def test_constants_that_do_not_fit_are_refused(
    result: StabilityResult, change: Callable[[Constants], Constants], message: str
) -> None:
    assert result.constants is not None
    with pytest.raises(ValueError, match=message):
        again(result, constants=change(result.constants))


def test_the_equilibrium_must_be_exact(result: StabilityResult) -> None:
    """The theorem shows it once more, whatever was found out before."""
    x, nudge = state(2), Fraction(1, 10**30)
    for other in (
        loop(x, square(x), drift=turning(x) + ex.constant([0, nudge])),
        loop(x, square(x) + nudge, drift=turning(x)),
    ):
        problem = StabilityProblem(other.system, other.candidate)
        with pytest.raises(ValueError, match="not shown to be an equilibrium"):
            again(result, problem=problem)


@pytest.mark.parametrize(
    "matrix",
    [
        [[1.0, 0.0], [0.0, -1.0]],
        [[1.0, 0.0], [0.0, 0.0]],
        [[1.0, 1.0], [1.0, 1.0]],
        [[1.0, 1.0], [1.0, float(np.nextafter(1.0, 0.0))]],
        [[-1.0, 0.0], [0.0, -1.0]],
        [[1.0, 0.5], [0.25, 1.0]],
        [[1.0, 1e-30], [0.0, 1.0]],
    ],
)
def test_quadratics_that_are_not_positive_definite_are_refused(
    result: StabilityResult, matrix: list[list[float]]
) -> None:
    assert not is_positive_definite(np.array(matrix))
    with pytest.raises(ValueError, match="not positive definite"):
        again(result, ellipsoid=Ellipsoid(np.array(matrix), np.eye(2)))


def test_positive_definiteness_is_decided_to_the_last_bit() -> None:
    assert is_positive_definite(np.array([[1.0, 1.0], [1.0, float(np.nextafter(1.0, 2.0))]]))
    assert is_positive_definite(np.array([[5e-324]]))
    hilbert = np.array([[1.0 / (i + j + 1) for j in range(6)] for i in range(6)])
    assert is_positive_definite(np.round(hilbert * 2**30) / 2**30 + np.eye(6) * 2**-20)


def test_another_ellipsoid_has_other_evidence(result: StabilityResult) -> None:
    assert result.ellipsoid is not None
    wider = Ellipsoid(result.ellipsoid.matrix * 0.5, result.ellipsoid.scaling)
    scaled = Ellipsoid(result.ellipsoid.matrix, result.ellipsoid.scaling * 2)
    for ellipsoid in (wider, scaled):
        with pytest.raises(ValueError, match="another closed loop"):
            again(result, ellipsoid=ellipsoid)
    with pytest.raises(ValueError, match="no ellipsoid"):
        again(result, ellipsoid=None)


def test_an_ellipsoid_that_touches_the_boundary_is_outside(result: StabilityResult) -> None:
    assert result.ellipsoid is not None and result.constants is not None
    touching = largest_level_inside(result.problem, result.ellipsoid)
    with pytest.raises(ValueError, match="inside the domain"):
        again(result, constants=replace(result.constants, c_q=touching))


@pytest.mark.parametrize("scaling", [np.zeros((2, 2)), np.diag([1.0, 0.0]), np.ones((2, 2))])
def test_a_singular_scaling_proves_no_contraction(
    result: StabilityResult, scaling: np.ndarray
) -> None:
    """Gershgorin's discs of R S Rᵀ say nothing of S where R is singular; then they reach 0."""
    ellipsoid = Ellipsoid(np.eye(2), scaling)
    found = search(result.problem.contraction(ellipsoid, Fraction(1, 100)), Budget(2.0, 20_000))
    assert not isinstance(found.verdict, Proved)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_contraction_is_decided_by_the_symmetric_part(n: int) -> None:
    """For ẋ = A x the claim is PA + AᵀP ≺ 0: compared with eigenvalues, for random P and R."""
    generator = np.random.default_rng(n)
    x = state(n)
    proved = 0
    for _ in range(40):
        A = generator.normal(size=(n, n)) - 1.2 * np.eye(n)
        half = generator.normal(size=(n, n))
        P = (half @ half.T + 0.1 * np.eye(n)).astype(np.float32).astype(np.float64)
        P = (P + P.T) / 2
        symmetric = P @ A + A.T @ P
        R = generator.normal(size=(n, n))
        if generator.random() < 0.5:  # coordinates in which the discs are nearly points
            R = np.linalg.eigh(symmetric)[1].T
        problem = StabilityProblem(
            loop(x, square(x), drift=ex.affine(A, x)).system, loop(x, square(x), drift=x).candidate
        )
        found = search(problem.contraction(Ellipsoid(P, R), Fraction(1, 100)), Budget(5.0, 5000))
        worst = float(np.linalg.eigvalsh(symmetric)[-1])
        if isinstance(found.verdict, Proved):
            proved += 1
            assert worst < 0
    assert proved > 0


def test_contraction_covers_both_sides_of_a_kink() -> None:
    """ẋ = −x + slope·|x|: contracting iff |slope| < 1, though the kink is at the equilibrium."""
    x = state(1)
    for slope, holds in (("9/10", True), ("-9/10", True), ("11/10", False), ("-11/10", False)):
        field = -x + ex.absolute(x) * slope
        problem = StabilityProblem(
            loop(x, square(x), drift=field).system, loop(x, square(x), drift=field).candidate
        )
        ellipsoid = Ellipsoid(np.eye(1), np.eye(1))
        found = search(problem.contraction(ellipsoid, Fraction(1, 4)), Budget(5.0))
        assert isinstance(found.verdict, Proved) == holds


def test_a_verdict_without_a_tree_for_every_region_proves_nothing(
    result: StabilityResult,
) -> None:
    bare = replace(result.searches["decrease"], verdict=Proved())
    with pytest.raises(ValueError, match="no evidence"):
        again(result, evidence={**result.searches, "decrease": bare})


def test_evidence_is_restated_for_weaker_conditions_only(result: StabilityResult) -> None:
    assert result.constants is not None
    c2, shown = result.constants.c2, result.searches["containment"]
    lower = result.problem.containment(c2 / 2)
    assert shown.restated(lower).condition is lower
    with pytest.raises(ValueError, match="weaker"):
        shown.restated(result.problem.containment(c2 * 2))
    with pytest.raises(ValueError, match="weaker"):
        shown.restated(result.problem.decrease(c2 / 4, c2 / 2, result.constants.mu))
