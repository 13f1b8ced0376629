"""From policy to proof, round by round: what is refitted, what is trained on, and when."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from certify import Budget, Candidate, Proved, Unknown
from learners.frozen_loop import FrozenLoop
from learners.lqr import lqr, quadratic_value
from learners.policy_rounds import SHARE, Kept, TrainedPolicy, Wanted, propose, weak_points
from learners.refine import Attempt, refine
from systems import expression as ex
from systems import zoo
from systems.dynamics import ControlAffineSystem, linear_control
from systems.errors import InputError
from systems.sampled import Sampling, sampled


@pytest.fixture(scope="module")
def pendulum() -> ControlAffineSystem:
    return sampled(zoo.pendulum(), Sampling(Fraction("0.02")))


@dataclass(frozen=True)
class Scripted:
    """An actor-critic whose trainings end in LQR with these shares of its gain, in turn."""

    gains: tuple[float, ...]
    limit: str | None = None
    asked: list[Wanted] = field(default_factory=list, compare=False)
    kept: Kept = field(default_factory=Kept, compare=False)

    def fit(
        self,
        system: ControlAffineSystem,
        *,
        extra_points: Any = None,
        extra_weights: Any = None,
        progress: Any = None,
    ) -> Candidate:
        def train(wanted: Wanted) -> TrainedPolicy:
            self.asked.append(wanted)
            number = len(self.asked)
            gain = self.gains[min(number, len(self.gains)) - 1] * lqr(system)[0]
            control = linear_control(gain, system)
            if self.limit is not None:
                end = Fraction(self.limit)
                control = ex.clip(control, ex.constant([-end]), ex.constant([end]))
            return TrainedPolicy(control, None, number, {"learner": "scripted", "warnings": []})

        return propose(
            system,
            train,
            self.kept,
            neurons=25,
            extra_points=extra_points,
            extra_weights=extra_weights,
        )

    def weak_points(self, system: ControlAffineSystem, candidate: Candidate, seed: int) -> Any:
        return weak_points(system, candidate, seed)


def run(learner: Any, system: ControlAffineSystem, **options: Any) -> list[Attempt]:
    return list(refine(system, learner, budget=Budget(30.0), count_training=False, **options))


def test_a_good_policy_is_trained_once_and_proved(pendulum: ControlAffineSystem) -> None:
    learner = Scripted((1.0,))
    [attempt] = run(learner, pendulum)
    assert isinstance(attempt.conclusion, Proved)
    [wanted] = learner.asked
    assert wanted.former is None and wanted.starts is None and wanted.share == 1.0
    witness = attempt.candidate.provenance["witness"]
    assert isinstance(witness, dict) and witness["name"] == "quadratic form"
    assert 0.8 < witness["sampled_share"] <= witness["attracted_share"] <= 1.0


def test_a_policy_that_does_not_stabilise_is_trained_further_from_where_it_stopped(
    pendulum: ControlAffineSystem,
) -> None:
    learner = Scripted((0.05, 1.0))
    first, second = run(learner, pendulum)
    assert not isinstance(first.verdict, Proved)
    assert isinstance(second.conclusion, Proved)
    again = learner.asked[1]
    assert again.former == 1 and again.share == SHARE and again.time == 1
    assert again.starts is not None and pendulum.domain.contains(again.starts[0].tolist())
    why = second.candidate.provenance["trainings"]
    assert isinstance(why, list) and "does not stabilise" in why[1]["why"]
    assert "does not stabilise the equilibrium" in str(first.candidate.provenance["warnings"])


def test_a_learned_policy_that_is_at_fault_is_trained_until_it_is_proved(
    pendulum: ControlAffineSystem,
) -> None:
    """So few updates that the first policy lets the pendulum fall."""
    pytest.importorskip("torch", reason="LAC is trained with torch")
    from learners.lac import LyapunovActorCritic

    learner = LyapunovActorCritic(
        updates=32, judged=1, further=1.0, environments=16, batch=64, learning_rate=2e-3
    )
    attempts = run(learner, pendulum, rounds=6)
    assert isinstance(attempts[-1].conclusion, Proved)
    trainings = attempts[-1].candidate.provenance["trainings"]
    assert isinstance(trainings, list) and len(trainings) > 1
    assert "does not" in trainings[1]["why"]


def test_a_policy_that_never_stabilises_is_given_up_and_never_proved(
    pendulum: ControlAffineSystem,
) -> None:
    learner = Scripted((0.05,))
    attempts = run(learner, pendulum, rounds=8)
    assert isinstance(attempts[-1].conclusion, Unknown)
    assert not any(isinstance(a.verdict, Proved) for a in attempts)
    assert 2 <= len(learner.asked) <= 6


def test_counterexamples_that_converge_change_v_and_not_the_policy() -> None:
    system = zoo.pendulum_discrete()
    learner = Scripted((1.0,), limit="0.3")
    first = learner.fit(system)
    points = np.array([[0.2, 0.4], [-0.2, -0.4]])
    second = learner.fit(system, extra_points=points, extra_weights=np.array([1e3, 1e3]))
    assert len(learner.asked) == 1
    assert second.control is first.control
    assert second.provenance["trainings"] == first.provenance["trainings"]
    third = learner.fit(system, extra_points=np.array([[0.2, 0.4], [0.95, 3.8]]))
    assert len(learner.asked) == 2 and third.control is not first.control
    assert learner.asked[1].starts is not None
    assert learner.asked[1].starts.tolist() == [[0.95, 3.8]]


def test_without_points_a_training_begins_anew(pendulum: ControlAffineSystem) -> None:
    learner = Scripted((1.0,))
    learner.fit(pendulum)
    learner.fit(pendulum)
    assert [w.former for w in learner.asked] == [None, None]


def test_after_an_interruption_the_first_training_is_made_again(
    pendulum: ControlAffineSystem,
) -> None:
    asked: list[Wanted] = []

    def train(wanted: Wanted) -> TrainedPolicy:
        asked.append(wanted)
        control = linear_control(lqr(pendulum)[0], pendulum)
        return TrainedPolicy(control, None, "state", {"warnings": []})

    propose(pendulum, train, Kept(), extra_points=np.array([[0.1, 0.1]]))
    [wanted] = asked  # the policy converges from there: only V is fitted
    assert wanted.former is None and wanted.share == 1.0


def test_a_training_is_taken_up_from_its_own_file_rather_than_another(tmp_path: Path) -> None:
    own, other = tmp_path / "own.npz", tmp_path / "other.npz"
    kept = Kept(own, other)
    assert kept.resume == other
    own.touch()
    assert kept.resume == own and Kept().resume is None


def test_bad_points_are_refused_before_anything_is_trained(pendulum: ControlAffineSystem) -> None:
    learner = Scripted((1.0,))
    with pytest.raises(InputError, match="extra_points"):
        learner.fit(pendulum, extra_points=np.zeros((1, 3)))
    assert not learner.asked


def test_training_counts_against_the_budget_only_where_asked(
    pendulum: ControlAffineSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training that takes a day, by a clock that training sets forward."""
    ahead, real = [0.0], time.perf_counter
    monkeypatch.setattr(time, "perf_counter", lambda: real() + ahead[0])
    left: list[float] = []

    class EnoughError(Exception):
        pass

    def proving(*_: object, budget: Budget, **__: object) -> None:
        left.append(budget.seconds)
        raise EnoughError

    monkeypatch.setattr(sys.modules["learners.refine"], "prove_stability", proving)

    class Slow:
        def fit(self, system: ControlAffineSystem, **_: Any) -> Candidate:
            ahead[0] += 86400.0
            control = linear_control(lqr(system)[0], system)
            return Candidate(system.state, quadratic_value(lqr(system)[1], system), control, {})

    for counted in (True, False):
        ahead[0] = 0.0
        with pytest.raises(EnoughError):
            list(refine(pendulum, Slow(), budget=Budget(3600.0), count_training=counted))
    assert left[0] == 0.0 < left[1]


def test_weak_points_are_there_only_where_the_equilibrium_is_not_stable(
    pendulum: ControlAffineSystem,
) -> None:
    good = linear_control(lqr(pendulum)[0], pendulum)
    value = quadratic_value(np.eye(2), pendulum)
    assert not len(weak_points(pendulum, Candidate(pendulum.state, value, good, {}), 0))
    bad = linear_control(0.05 * lqr(pendulum)[0], pendulum)
    found = weak_points(pendulum, Candidate(pendulum.state, value, bad, {}), 0)
    assert len(found) and FrozenLoop(pendulum, bad).inside(found).all()
