"""The loop of learning and proving: what goes back to the learner, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from certify import Budget, Candidate, Claim, Proved, Refuted, Requested, Unknown, prove_stability
from learners.counterexamples import find_failure, spread, with_neighbourhoods
from learners.elm_pi import ElmPolicyIteration
from learners.refine import Attempt, refine, rounds_table
from learners.repair import FIRST_WEIGHT, Repair
from systems import ControlAffineSystem, InputError, system_from_text, zoo
from systems import expression as ex
from systems.evaluate import function

BAND = Requested(c1=Fraction(1, 100), c2=Fraction(4, 5), mu=Fraction(1, 10000))


def integrator() -> ControlAffineSystem:
    """ẋ = u on [−1, 1]."""
    return system_from_text("integrator", ["x"], ["u"], ["u"], domain=[("-1", "1")])


def plane() -> ControlAffineSystem:
    """ẋ = u, ẏ = −y on a box that is not centred at the equilibrium."""
    return system_from_text(
        "plane", ["x", "y"], ["u"], ["u", "-y"], domain=[("-1", "2"), ("-2", "1")]
    )


def good(system: ControlAffineSystem) -> Candidate:
    x = system.state
    return Candidate(x, ex.total(x**2), -1 * x[0])


def pushes_out(system: ControlAffineSystem) -> Candidate:
    """V = |x|² and a control with ẋ = 3x − 2 for x ≥ 1/2: V increases from x = 2/3 on."""
    x = system.state
    return Candidate(x, ex.total(x**2), 4 * ex.relu(x[0] - Fraction(1, 2)) - x[0])


@dataclass
class Scripted:
    """Gives its candidates one after the other (the last again and again); keeps what it got."""

    candidates: list[Any]
    calls: list[tuple[Any, Any]] = field(default_factory=list)

    def fit(
        self,
        system: ControlAffineSystem,
        *,
        extra_points: Any = None,
        extra_weights: Any = None,
        progress: Any = None,
    ) -> Candidate:
        made = self.candidates[min(len(self.calls), len(self.candidates) - 1)]
        self.calls.append((extra_points, extra_weights))
        if isinstance(made, Exception):
            raise made
        candidate: Candidate = made(system)
        return candidate


@dataclass(frozen=True)
class Growing:
    """Fails while it has fewer neurons than needed."""

    neurons: int
    needed: int
    bad: Any = pushes_out

    def fit(self, system: ControlAffineSystem, **_: Any) -> Candidate:
        made: Candidate = (good if self.neurons >= self.needed else self.bad)(system)
        return made


def run(learner: Any, system: ControlAffineSystem, **options: Any) -> list[Attempt]:
    options.setdefault("budget", Budget(60))
    return list(refine(system, learner, options.pop("requested", BAND), **options))


def test_a_refuted_controller_is_repaired_by_its_counterexamples() -> None:
    learner = Scripted([pushes_out, good])
    first, second = run(learner, integrator())
    assert isinstance(first.verdict, Refuted) and first.conclusion is None
    assert isinstance(second.conclusion, Proved) and second.result.theorem is not None
    assert learner.calls[0] == (None, None)
    points, weights = learner.calls[1]
    found = first.verdict.counterexample.point
    assert (points == found).all(axis=1).any()
    assert points.shape == (9 * len(first.counterexamples), 1) and weights.shape == (len(points),)
    assert (np.abs(points) <= 1.0).all()
    assert weights.sum() == pytest.approx(FIRST_WEIGHT * len(first.counterexamples))


def test_every_counterexample_handed_on_violates_the_condition() -> None:
    system = integrator()
    attempt = next(refine(system, Scripted([pushes_out]), BAND))
    x = attempt.counterexamples[:, 0]
    assert len(x) > 3
    # V̇ = 2x(3x − 2) > −μ on 0.01 ≤ x² ≤ 0.8
    assert (2 * x * (3 * x - 2) > -1e-4).all() and (x**2 <= 0.8).all() and (x > 0.5).all()


def test_violations_on_the_boundary_stay_on_it() -> None:
    system = plane()
    asked = Requested(c2=Fraction(2))  # V = 1 at (−1, 0) and at (0, 1)
    attempt = next(refine(system, Scripted([good]), asked))
    assert attempt.result.counterexample is not None
    assert attempt.result.counterexample.condition == "containment"
    low, high = system.domain.outer()
    on_a_face = (attempt.counterexamples == low) | (attempt.counterexamples == high)
    assert on_a_face.any(axis=1).all()
    assert ((attempt.counterexamples**2).sum(axis=1) <= 2.0).all()


def test_neighbourhoods_keep_to_the_domain_and_share_the_weight() -> None:
    system = plane()
    points = np.array([[-1.0, 1.0], [2.0, -2.0], [0.5, 0.0]])
    around, weights = with_neighbourhoods(points, np.array([9.0, 18.0, 9.0]), system.domain, 3)
    low, high = system.domain.outer()
    assert around.shape == (27, 2) and ((low <= around) & (around <= high)).all()
    assert weights.sum() == pytest.approx(36.0)
    distance = np.abs(around[:, None] - points).max(axis=2).min(axis=1)
    assert distance.max() <= 0.5 * 0.03 * 3.0 and distance.max() > 0.01


def test_spread_takes_the_first_and_then_the_farthest() -> None:
    points = np.array([[0.0], [0.1], [1.0], [0.5], [0.5]])
    assert spread(points, np.ones(1), 3).ravel().tolist() == [0.0, 1.0, 0.5]
    assert len(spread(np.zeros((9, 2)), np.ones(2), 4)) == 1


def test_the_round_limit_ends_with_unknown_and_the_last_point() -> None:
    attempts = run(Scripted([pushes_out]), integrator(), rounds=2)
    assert [a.round for a in attempts] == [1, 2]
    verdict = attempts[-1].conclusion
    assert isinstance(verdict, Unknown)
    assert "limit of 2 rounds" in verdict.reason and '"decrease"' in verdict.reason


def test_one_round_is_a_proof_attempt_and_may_refute() -> None:
    (attempt,) = run(Scripted([pushes_out]), integrator(), rounds=1)
    assert isinstance(attempt.conclusion, Refuted) and attempt.next_repair is None


def test_the_budget_ends_with_unknown() -> None:
    attempts = run(Scripted([pushes_out]), integrator(), budget=Budget(0.0))
    assert len(attempts) == 1
    verdict = attempts[0].conclusion
    assert isinstance(verdict, Unknown) and "time limit of 0 s ran out in round 1" in verdict.reason


def test_no_training_begins_that_cannot_end_in_time() -> None:
    slow = [
        a
        for a in refine(
            zoo.pendulum(),
            ElmPolicyIteration(neurons=20),
            Requested(c2=Fraction(1)),
            budget=Budget(30.0),
            trained=(ElmPolicyIteration(neurons=20).fit(zoo.pendulum()), 1000.0),
        )
    ]
    assert len(slow) == 1 and isinstance(slow[0].conclusion, Unknown)
    assert "too short to train once more (1e+03 s)" in slow[0].conclusion.reason


def test_a_persisting_violation_weighs_more_and_the_network_grows() -> None:
    attempts = run(Growing(4, needed=16), integrator())
    assert [a.neurons for a in attempts] == [4, 4, 8, 16]
    assert isinstance(attempts[-1].conclusion, Proved)
    first, second = attempts[0].next_repair, attempts[1].next_repair
    assert first is not None and second is not None
    assert set(first.weights) == {FIRST_WEIGHT} and second.weights.max() > FIRST_WEIGHT
    assert "4 -> 8 neurons" in attempts[1].next_step and "raised" in attempts[1].next_step
    assert len(attempts[1].counterexamples) > len(attempts[0].counterexamples)


def test_the_loop_gives_up_where_nothing_helps() -> None:
    attempts = run(Growing(4, needed=10**9), integrator(), rounds=50)
    verdict = attempts[-1].conclusion
    assert isinstance(verdict, Unknown) and "no progress" in verdict.reason
    assert len(attempts) == 4


def test_an_impossible_level_is_refuted_after_two_rounds_without_progress() -> None:
    attempts = run(Growing(4, needed=1), plane(), requested=Requested(c2=Fraction(2)))
    verdict = attempts[-1].conclusion
    assert isinstance(verdict, Refuted) and verdict.counterexample.condition == "containment"
    assert len(attempts) == 3


def test_a_candidate_off_the_equilibrium_is_refuted_at_once() -> None:
    def shifted(system: ControlAffineSystem) -> Candidate:
        return Candidate(system.state, system.state**2, Fraction(1, 7) - system.state)

    attempts = run(Scripted([shifted]), integrator())
    verdict = attempts[-1].conclusion
    assert len(attempts) == 1
    assert isinstance(verdict, Refuted) and verdict.counterexample.condition == "equilibrium"


def test_an_unstable_linearisation_asks_for_more_neurons_at_once() -> None:
    def unstable(system: ControlAffineSystem) -> Candidate:
        return Candidate(system.state, system.state**2, 1 * system.state)

    attempts = run(Growing(4, 8, unstable), integrator(), requested=Requested())
    assert attempts[0].result.ellipsoid is None
    assert "4 -> 8 neurons" in attempts[0].next_step
    assert isinstance(attempts[-1].conclusion, Proved) and len(attempts) == 2


def test_where_V_is_not_positive_the_points_are_sampled() -> None:
    def negative(system: ControlAffineSystem) -> Candidate:
        x = system.state
        return Candidate(x, x**2 * (Fraction(1, 4) - x[0] ** 2), -1 * x[0])

    asked = Requested(c1=Fraction(1, 100), claim=Claim.PRACTICAL_STABILITY)
    attempts = run(Scripted([negative, good]), integrator(), requested=asked)
    assert isinstance(attempts[0].verdict, Unknown)
    x = attempts[0].counterexamples
    assert set(x.ravel()) == {-1.0, 1.0}  # the boundary, on which V = −3/4
    assert isinstance(attempts[-1].conclusion, Proved)


def test_a_first_fit_that_fails_is_the_users_to_mend() -> None:
    with pytest.raises(InputError, match="give an initial policy"):
        run(Scripted([InputError("give an initial policy")]), integrator())


def test_a_later_fit_that_fails_ends_with_unknown_and_keeps_the_rounds() -> None:
    attempts = run(Scripted([pushes_out, InputError("it diverged")]), integrator())
    assert [a.round for a in attempts] == [1, 1] and attempts[0].conclusion is None
    verdict = attempts[-1].conclusion
    assert isinstance(verdict, Unknown)
    assert verdict.reason == "round 2: the refit failed: it diverged"
    assert len(rounds_table(attempts)) == 1


def test_the_table_of_rounds_is_plain_data() -> None:
    rows = json.loads(json.dumps(rounds_table(run(Scripted([pushes_out, good]), integrator()))))
    assert [row["verdict"] for row in rows] == ["refuted", "proved"]
    assert rows[0]["condition"] == "decrease" and rows[1]["boxes"] > 0
    assert rows[0]["counterexamples"] == rows[1]["counterexamples"] > 0


def test_a_loop_resumed_from_json_goes_on_as_if_never_stopped() -> None:
    system = zoo.system("synthetic-2")
    asked = Requested(Fraction(1, 100), Fraction("1.99"), Fraction(1, 10000), Fraction("0.11"))
    learner = ElmPolicyIteration(neurons=4)
    whole = list(refine(system, learner, asked, budget=Budget(60), seed=5))
    assert len(whole) > 2
    stored = whole[1].next_repair
    assert stored is not None
    resumed = Repair.from_json(json.loads(json.dumps(stored.as_json())), 2)
    rest = list(refine(system, learner, asked, budget=Budget(60), seed=5, resume=resumed))
    assert [a.round for a in rest] == [a.round for a in whole[2:]]
    assert [a.neurons for a in rest] == [a.neurons for a in whole[2:]]
    x = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    last, again = (a[-1].candidate.on(system) for a in (whole, rest))
    V, V_again = (function(c.value, system.state)(x)[0] for c in (last, again))
    np.testing.assert_array_equal(V, V_again)


def test_a_trained_candidate_is_not_trained_again() -> None:
    learner = Scripted([InputError("must not be called")])
    system = integrator()
    attempts = run(learner, system, trained=(good(system), 1.25))
    assert isinstance(attempts[-1].conclusion, Proved) and learner.calls == []
    assert attempts[0].train_seconds == 1.25


def test_every_candidate_is_announced_before_its_proof() -> None:
    heard: list[str] = []
    run(
        Scripted([pushes_out, good]),
        integrator(),
        on_trained=lambda number, *_: heard.append(f"trained {number}"),
        on_progress=lambda name, _: heard.append(name),
    )
    assert heard[0] == "trained 1" and heard.count("trained 2") == 1
    assert "decrease" in heard[heard.index("trained 2") :]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("points", [[0.5, 0.5]]),
        ("points", [["a"]]),
        ("weights", [1.0, 2.0]),
        ("weights", [float("nan")]),
        ("round", 0),
        ("round", "1"),
        ("neurons", 2.5),
        ("severity", float("inf")),
        ("stage", None),
    ],
)
def test_a_damaged_state_is_refused(name: str, value: object) -> None:
    state: Mapping[str, object] = Repair(np.array([[0.5]]), np.array([10.0])).as_json()
    assert Repair.from_json(state, 1).points.tolist() == [[0.5]]
    with pytest.raises(InputError, match="damaged"):
        Repair.from_json({**state, name: value}, 1)
    with pytest.raises(InputError, match="damaged"):
        Repair.from_json([], 1)


@pytest.mark.parametrize("neurons", [2, 6])
def test_a_small_network_for_the_pendulum_is_repaired_until_proved(neurons: int) -> None:
    """Its claim is false at first; the paper's c1, c2 hold in the end."""
    asked = Requested(Fraction(1, 100), Fraction("0.029"), Fraction(1, 10000))
    attempts = run(ElmPolicyIteration(neurons=neurons), zoo.system("pendulum"), requested=asked)
    assert isinstance(attempts[0].verdict, Refuted)
    assert isinstance(attempts[-1].conclusion, Proved)
    theorem = attempts[-1].result.theorem
    assert theorem is not None and theorem.claim is Claim.ASYMPTOTIC_STABILITY
    assert theorem.constants.c2 == Fraction("0.029")


def test_failures_are_named_by_what_failed() -> None:
    system = integrator()
    result = prove_stability(system, pushes_out(system), BAND)
    assert find_failure(result, 0).condition == "decrease"
    again, once = find_failure(result, 0), find_failure(result, 0)
    np.testing.assert_array_equal(again.points, once.points)


def test_fewer_than_one_round_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1"):
        run(Scripted([good]), integrator(), rounds=0)
