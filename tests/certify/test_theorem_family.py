"""Every theorem of the family is concluded from all of its evidence, and from nothing less."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest

from certify import Claim, Constants, Proved, Search, StabilityResult, Unknown
from certify.stability import StabilityProblem
from certify.theorem import Theorem, conclude, required_conditions
from systems import expression as ex
from systems.box import Box
from systems.exact import exact_words
from systems.expression import Expression
from tests.certify.claims import (
    ASYMPTOTIC,
    CONVERGENCE,
    EXPONENTIAL,
    LOCAL,
    PRACTICAL,
    Plant,
    plant,
    theorem_of,
)

KINDS = [(claim, discrete) for claim in Claim for discrete in (False, True)]
NAMES = {
    (ASYMPTOTIC, False): ["decrease", "containment", "core", "contraction"],
    (ASYMPTOTIC, True): ["decrease", "containment", "core", "contraction", "trap"],
    (EXPONENTIAL, False): ["decrease", "containment", "core", "contraction"],
    (EXPONENTIAL, True): ["decrease", "containment", "core", "contraction", "trap"],
    (PRACTICAL, False): ["decrease", "containment", "defined"],
    (PRACTICAL, True): ["decrease", "containment", "trap"],
    (LOCAL, False): ["core", "contraction"],
    (LOCAL, True): ["core", "contraction"],
    (CONVERGENCE, False): ["core", "contraction", "rest"],
    (CONVERGENCE, True): ["core", "contraction", "rest"],
}
AVOID = ["avoid 1", "avoid 2"]
UNSAFE = {"wall": "x1 >= 3/4", "corner": ["x1 <= -2/3", "x2 >= 2/3"]}


def loop(discrete: bool, w: str = "1/8", **changed: object) -> Plant:
    """A spiral whose speed a disturbance changes, and two unsafe sets."""
    factor = 0.5 if discrete else 1
    equations = [f"-{factor}*x1*(1 + w1) + {factor}*x2", f"-{factor}*x2*(1 + w1) - {factor}*x1"]
    if discrete:
        equations = [f"x{i + 1} + {e}" for i, e in enumerate(equations)]
    options = {"unsafe": UNSAFE, "w": [(f"-{w}", w)]} | changed
    return plant(equations, discrete=discrete, **options)  # type: ignore[arg-type]


_results: dict[tuple[Claim, bool], StabilityResult] = {}


def _name(kind: tuple[Claim, bool]) -> str:
    return f"{kind[0].value}, {'discrete' if kind[1] else 'continuous'}"


def _result(claim: Claim, discrete: bool) -> StabilityResult:
    if (claim, discrete) not in _results:
        speed = {"alpha": "1/10"} if claim is EXPONENTIAL else {"mu": "1/128"}
        levels = {"c1": "1/16", "c2": "1/2", "epsilon": "2/5", **speed} if claim.has_band else {}
        found = loop(discrete).prove(claim, 300.0, **levels)
        theorem_of(found)
        _results[claim, discrete] = found
    return _results[claim, discrete]


@pytest.fixture(params=KINDS, ids=_name)
def result(request: pytest.FixtureRequest) -> StabilityResult:
    return _result(*request.param)


@pytest.fixture(params=[k for k in KINDS if k[0].has_band], ids=_name)
def banded(request: pytest.FixtureRequest) -> StabilityResult:
    return _result(*request.param)


@pytest.fixture(params=[k for k in KINDS if k[0] is CONVERGENCE], ids=_name)
def convergence(request: pytest.FixtureRequest) -> StabilityResult:
    return _result(*request.param)


@pytest.fixture(params=[k for k in KINDS if k[0] is LOCAL], ids=_name)
def local(request: pytest.FixtureRequest) -> StabilityResult:
    return _result(*request.param)


def again(result: StabilityResult, **changed: object) -> Theorem:
    """Conclude from the theorem's own evidence, with some of it changed."""
    theorem = theorem_of(result)
    arguments: dict[str, object] = {
        "claim": theorem.claim,
        "problem": theorem.problem,
        "constants": theorem.constants,
        "ellipsoid": theorem.ellipsoid,
        "evidence": dict(theorem.evidence),
    }
    return conclude(**(arguments | changed))  # type: ignore[arg-type]


def test_the_conditions_are_those_of_the_format(result: StabilityResult) -> None:
    theorem = theorem_of(result)
    last = ["small set", *AVOID] if theorem.claim.has_band else AVOID
    wanted = [*NAMES[theorem.claim, theorem.problem.is_discrete], *last]
    needed = required_conditions(
        theorem.claim, theorem.problem, theorem.constants, theorem.ellipsoid
    )
    assert list(needed) == list(theorem.evidence) == wanted
    assert again(result).words == theorem.words
    extra = {**theorem.evidence, "more": theorem.evidence["avoid 1"]}
    assert list(again(result, evidence=extra).evidence) == wanted


def test_every_condition_is_needed(result: StabilityResult) -> None:
    evidence = theorem_of(result).evidence
    for name, search in evidence.items():
        without = {k: v for k, v in evidence.items() if k != name}
        with pytest.raises(ValueError, match=f"{name}.*not examined"):
            again(result, evidence=without)
        undecided = {**evidence, name: replace(search, verdict=Unknown("time"))}
        with pytest.raises(ValueError, match=f"{name}.*not proved"):
            again(result, evidence=undecided)
        bare = {**evidence, name: replace(search, verdict=Proved())}
        with pytest.raises(ValueError, match=f"{name}.*no evidence"):
            again(result, evidence=bare)


def with_condition(result: StabilityResult, name: str, **changes: object) -> dict[str, Search]:
    evidence = dict(theorem_of(result).evidence)
    shown = evidence[name]
    condition = replace(shown.condition, **changes)  # type: ignore[arg-type]
    return {**evidence, name: replace(shown, condition=condition)}


def test_every_condition_is_about_these_levels_and_all_states_and_disturbances(
    result: StabilityResult,
) -> None:
    for name, search in theorem_of(result).evidence.items():
        shown = search.condition
        for k, constraint in enumerate(shown.violation):
            for off in (Fraction(1, 10**40), -Fraction(1, 10**40)):
                levels = [c.level for c in shown.violation]
                levels[k] = constraint.level + off
                tampered = shown.with_levels(levels).violation
                with pytest.raises(ValueError, match=f"{name}.*other constants"):
                    again(result, evidence=with_condition(result, name, violation=tampered))
        loose = replace(shown.violation[-1], strict=not shown.violation[-1].strict)
        for other in ((*shown.violation[:-1], loose), shown.violation[:-1], shown.violation[::-1]):
            if other != shown.violation and other:
                with pytest.raises(ValueError, match=f"{name}.*other constants"):
                    again(result, evidence=with_condition(result, name, violation=other))
        for axis in range(3):
            smaller = tuple(_cut(region, axis) for region in shown.regions)
            with pytest.raises(ValueError, match=r"region|whole ellipsoid|every disturbance"):
                again(result, evidence=with_condition(result, name, regions=smaller))
        twice = (*shown.regions, *shown.regions)
        with pytest.raises(ValueError, match=r"no evidence|region|one box"):
            again(result, evidence=with_condition(result, name, regions=twice))


def _cut(region: Box, axis: int) -> Box:
    """The box without a little at its upper end (the ellipsoid's hull is a little too wide)."""
    share = Fraction(999, 1000)
    upper = list(region.upper)
    upper[axis] = region.lower[axis] + share * (region.upper[axis] - region.lower[axis])
    if region.upper[axis] == region.lower[axis]:
        upper[axis] = region.lower[axis] + Fraction(1, 1000)
    return Box(region.lower, tuple(upper))


def test_evidence_of_another_problem_is_refused(result: StabilityResult) -> None:
    theorem = theorem_of(result)
    discrete = theorem.problem.is_discrete
    others = {
        "a larger range": loop(discrete, w="129/1000"),
        "a smaller range": loop(discrete, w="124/1000"),
        "no disturbance": plant(
            ["x1/2 + x2/2" if discrete else "-x1 + x2", "x2/2 - x1/2" if discrete else "-x2 - x1"],
            discrete=discrete,
            unsafe=UNSAFE,
        ),
        "another unsafe set": loop(discrete, unsafe={**UNSAFE, "third": "x2 >= 0.99"}),
        "a larger unsafe set": loop(discrete, unsafe={**UNSAFE, "wall": "x1 >= 0.74"}),
        "a set of fewer constraints": loop(discrete, unsafe={**UNSAFE, "corner": "x2 >= 2/3"}),
        "a larger domain": loop(discrete, domain=[(-1, 1), (-1, "1.001")]),
        "another V": loop(discrete, value=lambda x: ex.dot(x, x) * Fraction(1001, 1000)),
        "other time": loop(not discrete),
    }
    for other in others.values():
        problem = StabilityProblem(
            other.system, replace(theorem.problem.candidate, state=other.system.state,
                                  value=other.value)
        )  # fmt: skip
        gap = r"another closed loop|another region|examined|every disturbance"
        with pytest.raises(ValueError, match=gap):
            again(result, problem=problem)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda k: replace(k, c1=k.c2), "c1 < c2"),
        (lambda k: replace(k, c1=Fraction(0)), "c1 < c2"),
        (lambda k: replace(k, epsilon=Fraction(0)), "positive"),
        (lambda k: replace(k, epsilon=k.epsilon / 2), "small set.*other constants"),
        (lambda k: replace(k, c2=k.c2 * 2), "other constants"),
        (lambda k: replace(k, c1=k.c1 * 2), "other constants"),
    ],
)
def test_constants_that_do_not_fit(
    banded: StabilityResult, change: Callable[[Constants], Constants], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        again(banded, constants=change(theorem_of(banded).constants))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda k: replace(k, c1=k.c2 / 2), "one level"),
        (lambda k: replace(k, core=k.c2 / 2), "one level"),
        (lambda k: replace(k, c2=k.c2 * 2), "one level"),
        (lambda k: replace(k, core=None), "one level"),
        (lambda k: replace(k, c1=k.c2 * 2, c2=k.c2 * 2, core=k.c2 * 2), "core.*other constants"),
        (lambda k: replace(k, c1=-k.c2, c2=-k.c2, core=-k.c2), "one level"),
        (lambda k: replace(k, mu=Fraction(1)), "μ does not belong"),
        (lambda k: replace(k, alpha=Fraction(1, 100)), "alpha does not belong"),
        (lambda k: replace(k, epsilon=Fraction(2)), "ε does not belong"),
        (lambda k: replace(k, c_q=k.c_q * Fraction(1001, 1000)), "other constants|inside"),
        (lambda k: replace(k, c_q=k.c_q * 10**6), "not inside the domain"),
        (lambda k: replace(k, c_q=None), "no ellipsoid"),
    ],
)
def test_constants_that_do_not_fit_an_ellipsoid(
    local: StabilityResult, change: Callable[[Constants], Constants], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        again(local, constants=change(theorem_of(local).constants))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda k: replace(k, core=k.c2 / 2), "c2 = core"),
        (lambda k: replace(k, c2=k.c2 * 2), "c2 = core"),
        (lambda k: replace(k, core=None), "c2 = core"),
        (lambda k: replace(k, c2=-k.c2, core=-k.c2), "c2 = core"),
        (lambda k: replace(k, c2=k.c2 * 2, core=k.c2 * 2), "core.*other constants"),
        (lambda k: replace(k, c1=k.c_q), "not inside that of c_q"),
        (lambda k: replace(k, c1=Fraction(0)), "not inside that of c_q"),
        (lambda k: replace(k, c1=k.c1 / 2), "rest.*other constants"),
        (lambda k: replace(k, c1=k.c1 * 2), "rest.*other constants"),
        (lambda k: replace(k, mu=Fraction(1)), "μ does not belong"),
        (lambda k: replace(k, alpha=None), "alpha does not belong"),
        (lambda k: replace(k, alpha=Fraction(0)), "positive"),
        (lambda k: replace(k, alpha=k.alpha * Fraction(1001, 1000)), "another closed loop"),
        (lambda k: replace(k, alpha=k.alpha * Fraction(999, 1000)), "another closed loop"),
        (lambda k: replace(k, epsilon=Fraction(2)), "ε does not belong"),
        (lambda k: replace(k, c_q=k.c_q * Fraction(1001, 1000)), "other constants|inside"),
        (lambda k: replace(k, c_q=k.c_q * 10**6), "not inside the domain"),
        (lambda k: replace(k, c_q=None), "not inside that of c_q"),
    ],
)
def test_constants_that_do_not_fit_a_convergence(
    convergence: StabilityResult, change: Callable[[Constants], Constants], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        again(convergence, constants=change(theorem_of(convergence).constants))


def test_speeds_that_do_not_fit(banded: StabilityResult) -> None:
    result, theorem = banded, theorem_of(banded)
    k = theorem.constants
    if k.alpha is None:
        assert k.mu is not None
        refused = [
            ({"mu": None}, "μ does not belong"),
            ({"alpha": Fraction(1, 10)}, "alpha does not belong"),
            ({"mu": Fraction(0)}, "positive"),
            ({"mu": k.mu * 2}, "decrease.*other constants"),
        ]
    else:
        refused = [
            ({"alpha": None}, "alpha does not belong"),
            ({"mu": Fraction(1, 128)}, "μ does not belong"),
            ({"alpha": Fraction(0)}, "positive"),
            ({"alpha": -k.alpha}, "positive"),
            ({"alpha": k.alpha + Fraction(1, 10**30)}, "another closed loop"),
        ]
        for alpha in (Fraction(1), Fraction(2)):
            below = "below 1" if theorem.problem.is_discrete else "another closed loop"
            refused.append(({"alpha": alpha}, below))
    for changes, message in refused:
        with pytest.raises(ValueError, match=message):
            again(result, constants=replace(k, **changes))  # type: ignore[arg-type]


def test_no_claim_passes_for_another(result: StabilityResult) -> None:
    for claim in Claim:
        if claim is not theorem_of(result).claim:
            with pytest.raises(ValueError, match=r"belong|ellipsoid|not examined|level|core"):
                again(result, claim=claim)


def test_an_equilibrium_that_moves_concludes_nothing(result: StabilityResult) -> None:
    theorem = theorem_of(result)
    if not theorem.claim.closes_origin:
        return
    system = theorem.problem.system
    assert system.disturbance is not None
    drift = system.drift + ex.constant(["1e-30", 0]) * system.disturbance[0]
    moved = StabilityProblem(replace(system, drift=drift), theorem.problem.candidate)
    with pytest.raises(ValueError, match="not shown to be an equilibrium"):
        again(result, problem=moved)


def test_the_words_say_all_that_follows_and_round_to_the_safe_side(
    result: StabilityResult,
) -> None:
    theorem = theorem_of(result)
    words, discrete = theorem.words, theorem.problem.is_discrete
    if theorem.claim.has_band:
        assert "stays there" in words and "never leaves it" in words
    else:  # V may rise: it is the ellipsoid that no solution leaves
        assert "stays in the ellipsoid q" in words and "stays there" not in words
    assert "for every" in words and "disturbance" in words
    centre = theorem.claim.centre
    assert "wall, corner" in words
    assert (f"0.4 of the {centre}." in words) == theorem.claim.has_band
    if theorem.claim in (ASYMPTOTIC, PRACTICAL):  # (1/2 − 1/16) · 128 = 56
        assert ("56 steps (a crude" if discrete else "at most 56 units of time (a crude") in words
        k = theorem.constants
        slower = replace(theorem, constants=replace(k, mu=k.mu * Fraction(9, 10)))
        assert ("63 steps" if discrete else "at most 62.23 ") in slower.words  # 62.22…
    assert ("asymptotically" in words) == (theorem.claim in (ASYMPTOTIC, LOCAL))
    assert ("exponentially" in words) == (theorem.claim in (EXPONENTIAL, LOCAL))
    assert ("Nothing is claimed" in words) == (theorem.claim is PRACTICAL)


def test_the_words_name_a_box_that_is_smaller_than_the_domain() -> None:
    """V is 0 at 1/2 too, from where solutions run away: "the domain" would say too much."""

    def two_wells(x: Expression) -> Expression:
        return ex.total(x**2 * (x - Fraction(1, 2)) ** 2)

    theorem = theorem_of(plant(["-10*x1*(2/5 - x1)"], value=two_wells).prove(ASYMPTOTIC))
    low, high = theorem.problem.domain.lower[0], theorem.problem.domain.upper[0]
    assert -1 < low < high < Fraction(2, 5)
    assert (
        f"starts in the part [{exact_words(low)}, {exact_words(high)}] of the domain with V"
        in theorem.words
    )


def test_a_value_that_depends_on_the_disturbance_is_no_candidate() -> None:
    moving = loop(False)
    w = moving.system.disturbance
    assert w is not None
    state = moving.system.state
    with pytest.raises(ValueError, match="state"):
        Plant(moving.system, ex.dot(state, state) * (1 + w[0] ** 2)).prove(PRACTICAL)


def test_constants_that_contradict_the_claim_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="leave mu out"):
        loop(False).prove(EXPONENTIAL, mu="1/100")
    for claim in (ASYMPTOTIC, PRACTICAL):
        with pytest.raises(ValueError, match="only exponential stability"):
            loop(False).prove(claim, alpha="1/100")
    with pytest.raises(ValueError, match="below 1"):
        loop(True).prove(EXPONENTIAL, alpha=1)
