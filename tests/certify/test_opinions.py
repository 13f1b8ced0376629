"""What the answers of several backends amount to: never more than a sound one that was named."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest

from certify import Budget, Proved, Refuted, Requested, StabilityResult, Unknown, prove_stability
from certify.agreement import contradictions, joint
from certify.backends import Backend, Soundness, backend
from certify.backends.base import Lead, NoViolation, Open
from certify.conditions import Condition
from certify.definite import DECREASES, POSITIVE, about_ellipsoid
from certify.opinions import each_opinion, opinions, statement_of
from certify.settle import settled
from certify.theorem import conclude
from certify.verdict import Counterexample
from learners.lqr import lqr_candidate
from systems import system_from_text, zoo
from systems.box import Box
from tests.certify.fake_backends import Fake, believes, crashes, only, proves, refutes

TAYLOR = backend("taylor")
PLANT = system_from_text("motor", ["x"], ["u"], ["x + u"], domain=[(-1, 1)])


@pytest.fixture(scope="module")
def proved() -> StabilityResult:
    result = prove_stability(PLANT, lqr_candidate(PLANT))
    assert result.theorem is not None
    return result


@pytest.fixture(scope="module")
def refuted() -> StabilityResult:
    result = prove_stability(PLANT, lqr_candidate(PLANT), Requested(c2=Fraction(100)))
    assert isinstance(result.verdict, Refuted)
    return result


def opened(result: StabilityResult, *names: str, drop: bool = False) -> StabilityResult:
    """The same, had the time run out at these conditions."""
    kept = {n: s for n, s in result.searches.items() if not (drop and n in names)}
    reason = Unknown(f"{names[0]}: the time limit of 1 s ran out")
    searches = {n: replace(s, verdict=reason) if n in names else s for n, s in kept.items()}
    return replace(
        result, verdict=reason, theorem=None, constants=None, paving=None, searches=searches
    )


def heard(
    result: StabilityResult, *backends: Backend, agree: bool = False, seconds: float = 20.0
) -> StabilityResult:
    told = opinions(result, backends, Budget(seconds))
    final = settled(result, told, backends, agree)
    assert final.verdict == joint(result, told, backends, agree)
    return final


def reason(result: StabilityResult) -> str:
    assert isinstance(result.verdict, Unknown)
    assert result.theorem is None and result.paving is None
    return result.verdict.reason


def test_all_prove_and_the_theorem_stays(proved: StabilityResult) -> None:
    for agree in (False, True):
        final = heard(proved, TAYLOR, Fake(answering=proves), agree=agree)
        assert final.verdict == Proved() and final.theorem is not None
        assert final.searches == proved.searches
        n = len(proved.theorem.evidence) if proved.theorem else 0
        assert final.asked == (f"fake 1.0 (exact) proved {n} of {n} conditions",)


@pytest.mark.parametrize("soundness", [Soundness.EXACT, Soundness.DELTA_COMPLETE])
def test_a_sound_solver_alone_proves_on_trust(
    proved: StabilityResult, soundness: Soundness
) -> None:
    final = heard(proved, Fake(answering=proves, soundness=soundness))
    assert isinstance(final.verdict, Proved)
    assert "fake is right" in final.verdict.trust and len(final.verdict.trust) == 2
    assert final.theorem is None and final.constants == proved.constants
    assert final.paving is not None and final.paving.volume > 0


def test_what_is_not_float_sound_never_proves_alone(proved: StabilityResult) -> None:
    unsound = Fake(answering=proves, soundness=Soundness.NOT_FLOAT_SOUND)
    assert "that alone is no proof: fake is right" in reason(heard(proved, unsound))
    other = replace(unsound, name="other")
    assert "that alone is no proof" in reason(heard(proved, unsound, other, agree=True))


def test_what_is_not_float_sound_may_agree(proved: StabilityResult) -> None:
    unsound = Fake(answering=proves, soundness=Soundness.NOT_FLOAT_SOUND)
    assert heard(proved, unsound, TAYLOR, agree=True).theorem is not None


def test_a_rigorous_backend_must_show_evidence(proved: StabilityResult) -> None:
    boasting = Fake(answering=lambda *_: NoViolation(()), soundness=Soundness.RIGOROUS)
    assert "rests on nothing" in reason(heard(proved, boasting))


@pytest.mark.parametrize(
    ("fake", "why"),
    [
        (Fake(), "it gave up"),
        (Fake(answering=crashes), "failed: RuntimeError: the solver broke ?[31mdown"),
        (Fake(missing=("libfake.so",)), "not available: libfake.so"),
        (Fake(unsupported="it takes no tanh"), "it takes no tanh"),
        (Fake(answering=lambda *_: None), "NoneType, which is no answer"),  # type: ignore[arg-type, return-value]
    ],
)
def test_what_does_not_answer_loses_nothing_but_agreement(
    proved: StabilityResult, fake: Fake, why: str
) -> None:
    final = heard(proved, fake, TAYLOR)
    assert final.theorem is not None and why in final.asked[0]
    said = reason(heard(proved, TAYLOR, fake, agree=True))
    assert said.startswith("no agreement: fake on ") and why in said
    assert said.isprintable()
    assert why in reason(heard(proved, fake))


def test_a_reason_is_told_once_for_all_its_conditions(proved: StabilityResult) -> None:
    def slow(condition: Condition, _: Budget) -> Lead:
        return Open(f"{condition.name}: the time limit of 1 s ran out")

    (line,) = heard(proved, TAYLOR, Fake(answering=slow)).asked
    assert line.count("the time limit of 1 s ran out") == 1
    assert "proved 0 of 5 conditions; " in line and line.count("decrease") == 1
    said = reason(heard(proved, Fake(answering=slow)))
    assert said.endswith(": fake: the time limit of 1 s ran out") and said.count("decrease") <= 1


def test_a_refutation_of_what_was_proved_is_a_contradiction(proved: StabilityResult) -> None:
    fake = Fake(answering=only("decrease", refutes))
    for named, agree in [((TAYLOR, fake), False), ((fake, TAYLOR), True), ((fake,), False)]:
        final = heard(proved, *named, agree=agree)
        assert "contradiction: taylor proves decrease, and fake refutes it" in reason(final)
    told = opinions(proved, [fake], Budget(20.0))
    (clash,) = contradictions(proved, told)
    assert (clash.condition, clash.proof.backend) == ("decrease", "taylor")


def test_a_proof_of_what_was_refuted_is_a_contradiction(refuted: StabilityResult) -> None:
    fake = Fake(answering=believes)
    assert "contradiction: fake proves containment" in reason(heard(refuted, fake))
    assert "contradiction" in reason(heard(refuted, TAYLOR, fake, agree=True))


def test_a_claimed_proof_is_tried_on_points_first(refuted: StabilityResult) -> None:
    fake = Fake(answering=proves)
    final = heard(refuted, fake)
    assert final.verdict == refuted.verdict
    assert heard(refuted, TAYLOR, fake, agree=True).verdict == refuted.verdict


def test_our_refutation_stands_unless_agreement_is_asked_for(refuted: StabilityResult) -> None:
    assert heard(refuted, TAYLOR, Fake()).verdict == refuted.verdict
    said = reason(heard(refuted, TAYLOR, Fake(), agree=True))
    assert "taylor refutes containment, but fake on containment: it gave up" in said


def test_others_prove_what_our_search_left_open(proved: StabilityResult) -> None:
    open_ = opened(proved, "decrease")
    assert "decrease: the time limit of 1 s ran out; fake: it gave up" in reason(
        heard(open_, TAYLOR, Fake())
    )
    final = heard(open_, TAYLOR, Fake(answering=proves))
    assert isinstance(final.verdict, Proved) and "fake is right" in final.verdict.trust
    assert final.theorem is None and final.constants is not None
    assert final.constants.c2 == proved.searches["decrease"].condition.violation[1].level


def test_what_our_search_never_reached_is_asked_for(proved: StabilityResult) -> None:
    open_ = opened(proved, "containment", drop=True)
    assert set(statement_of(open_).conditions) >= {"decrease", "containment"}
    final = heard(open_, TAYLOR)
    assert final.verdict == Proved() and final.theorem is not None


def test_without_constants_nothing_is_concluded(proved: StabilityResult) -> None:
    open_ = opened(proved, "decrease", drop=True)
    assert statement_of(open_).constants is None
    assert "ran out" in reason(heard(open_, TAYLOR, Fake(answering=proves)))


def test_where_rest_fails_nobody_is_asked(proved: StabilityResult) -> None:
    ended = replace(opened(proved, "decrease"), searches={}, verdict=Unknown("equilibrium: ?"))
    assert opinions(ended, [Fake(answering=proves)], Budget()) == ()
    assert reason(heard(ended, Fake(answering=proves))) == "equilibrium: ?"


def test_a_point_against_constants_of_our_choice_is_no_refutation(
    proved: StabilityResult,
) -> None:
    fake = Fake(answering=only("containment", refutes))
    open_ = opened(proved, "containment")
    assert "for constants that the search chose" in reason(heard(open_, TAYLOR, fake))
    assert proved.constants is not None
    asked = replace(open_, requested=Requested(c2=proved.constants.c2))
    assert isinstance(heard(asked, TAYLOR, fake).verdict, Refuted)


def test_an_unsound_proof_with_a_tree_is_proved_anew(proved: StabilityResult) -> None:
    def with_tree(condition: Condition, _: Budget) -> Lead:
        verdict = proved.searches[condition.name].verdict
        assert isinstance(verdict, Proved)
        return NoViolation(("fake is right",), verdict.evidence)

    fake = Fake(answering=with_tree, soundness=Soundness.NOT_FLOAT_SOUND)
    final = heard(proved, fake)
    assert final.verdict == Proved() and final.theorem is not None
    assert final.theorem.evidence["decrease"] is not proved.searches["decrease"]


def test_an_unsound_proof_whose_tree_leads_to_a_counterexample_is_refuted(
    proved: StabilityResult, refuted: StabilityResult
) -> None:
    """The fake's own proof is without trust in no leaf: re-proving finds the point."""
    verdict = proved.searches["containment"].verdict
    assert isinstance(verdict, Proved)

    def with_tree(*_: object) -> Lead:
        return Proved(verdict.evidence, ("fake is right",))

    fake = Fake(answering=with_tree, soundness=Soundness.NOT_FLOAT_SOUND)
    told = opinions(refuted, [fake], Budget(20.0))
    answers = {o.condition: o for o in told}
    assert isinstance(answers["containment"].verdict, Refuted)
    assert "re-proving refutes it" in answers["containment"].answer.said


def test_questions_share_the_time_and_leave_what_they_do_not_need(
    proved: StabilityResult,
) -> None:
    shares: list[float] = []

    def noting(_: Condition, budget: Budget) -> Lead:
        shares.append(budget.seconds)
        return NoViolation(("fake is right",))

    backends: Sequence[Backend] = [Fake(answering=noting), Fake("other", answering=noting)]
    told = opinions(proved, backends, Budget(1000.0))
    assert len(told) == len(shares)
    assert shares[0] <= 1000.0 / len(shares)
    assert shares[-1] > 2 * shares[0]  # the first ones took next to nothing
    opinions(proved, [Fake(answering=noting)], Budget(0.0))
    assert shares[-1] == 0.0


def test_who_was_interrupted_does_not_agree(proved: StabilityResult) -> None:
    first, second = Fake(answering=proves), Fake("other", answering=proves)
    each = each_opinion(proved, [TAYLOR, first, second], Budget(20.0))
    told = [o for o in each if o.backend != "other"]
    verdict = joint(proved, told, [TAYLOR, first, second], True)
    assert isinstance(verdict, Unknown) and "other on" in verdict.reason
    assert joint(proved, told, [TAYLOR, first, second], False) == Proved()


def test_no_theorem_rests_on_trust(proved: StabilityResult) -> None:
    theorem = proved.theorem
    assert theorem is not None
    for name, search in theorem.evidence.items():
        assert isinstance(search.verdict, Proved)
        trusting = replace(search, verdict=replace(search.verdict, trust=("a solver is right",)))
        evidence = {**theorem.evidence, name: trusting}
        with pytest.raises(ValueError, match=f"{name}.* rests on a foreign solver"):
            conclude(theorem.claim, theorem.problem, theorem.constants, theorem.ellipsoid, evidence)


def test_proofs_of_conditions_that_do_not_imply_the_claim_are_none(
    proved: StabilityResult,
) -> None:
    """The contraction may be stated on any box, but only on one that holds the ellipsoid."""
    open_ = opened(proved, "decrease")
    stated = open_.searches["contraction"].condition
    region = stated.regions[0]
    low, high = (tuple(v / 2 for v in ends) for ends in (region.lower, region.upper))
    small = Box(low, high)
    short = replace(open_.searches["contraction"], condition=replace(stated, regions=(small,)))
    result = replace(open_, searches={**open_.searches, "contraction": short})
    said = reason(heard(result, Fake(answering=proves)))
    assert said == "the contraction was not shown on the whole ellipsoid"


def test_a_condition_searched_with_other_levels_is_stated_anew(proved: StabilityResult) -> None:
    open_ = opened(proved, "decrease")
    search = open_.searches["containment"]
    lower = search.condition.with_levels([search.condition.violation[0].level / 2])
    result = replace(
        open_, searches={**open_.searches, "containment": replace(search, condition=lower)}
    )
    statement = statement_of(result)
    assert statement.constants is not None
    (constraint,) = statement.conditions["containment"].violation
    assert constraint.level == statement.constants.c2 > lower.violation[0].level


@pytest.mark.parametrize(("share", "refuted"), [(0.0, False), (0.99, True)])
def test_a_point_below_c1_is_no_refutation(
    proved: StabilityResult, share: float, refuted: bool
) -> None:
    """From the core to c1 the decrease is needed by us, and was not asked for."""
    k = proved.constants
    assert k is not None
    asked = Requested(c1=(k.bottom + k.c2) / 2, c2=k.c2, mu=k.mu)
    value = share * float(k.c2)

    def refuting(condition: Condition, _: Budget) -> Lead:
        return Refuted(Counterexample(condition.name, (0.5,), ((value, value), (1.0, 1.0))))

    fake = Fake(answering=only("decrease", refuting))
    final = heard(replace(opened(proved, "decrease"), requested=asked), fake)
    assert isinstance(final.verdict, Refuted) if refuted else "chose" in reason(final)


def test_what_is_decided_exactly_here_is_put_to_z3_too(proved: StabilityResult) -> None:
    """P > 0 and A'P + PA < 0, beside the five conditions; refuting them is a contradiction."""
    asked = Fake(answering=only(POSITIVE, refutes), decides_polynomials=True)
    told = opinions(proved, (asked, TAYLOR), Budget(20.0))
    assert {o.condition for o in told if o.aside is not None} == {POSITIVE, DECREASES}
    (clash,) = contradictions(proved, told)
    assert clash.condition == POSITIVE and clash.refutation.aside is not None
    final = settled(proved, told, (asked, TAYLOR), False)
    assert reason(final).startswith(f"contradiction: taylor proves {POSITIVE}")
    assert final.theorem is None
    agreed = heard(proved, Fake(answering=proves, decides_polynomials=True), TAYLOR, agree=True)
    assert agreed.theorem is not None and "proved 7 of 7 conditions" in agreed.asked[0]


@pytest.mark.parametrize("name", ["double-integrator", "pendulum"])
def test_matrices_of_an_ellipsoid_are_definite(name: str) -> None:
    """By our search, and of matrices that are not, by no one."""
    plant = zoo.system(name)
    result = prove_stability(plant, lqr_candidate(plant))
    assert result.ellipsoid is not None
    stated = about_ellipsoid(result.problem, result.ellipsoid)
    assert [c.name for c in stated] == [POSITIVE, DECREASES]
    assert all(isinstance(TAYLOR.check(c, Budget(20.0)), Proved) for c in stated)
    turned = replace(result.ellipsoid, matrix=-result.ellipsoid.matrix)
    for condition in about_ellipsoid(result.problem, turned):
        assert isinstance(TAYLOR.check(condition, Budget(20.0)), Refuted)


def test_what_ran_out_of_its_share_is_asked_again_if_time_is_left(proved: StabilityResult) -> None:
    given: list[float] = []

    def slow(_: Condition, budget: Budget) -> Lead:
        given.append(budget.seconds)
        if len(given) > 1:
            return proves()
        time.sleep(budget.seconds)
        return Open("the time ran out")

    told = opinions(proved, (Fake(answering=only("decrease", slow)),), Budget(4.0))
    assert all(isinstance(o.verdict, Proved) for o in told) and len(told) == 5
    first, second = given
    assert second >= 1.5 * first
