"""Theorem 1's conditions as statistics: the bounds hold as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from learners.dlac_statistics import (
    gelman_rubin,
    hoeffding_bound,
    mean_decrease,
    ratio_bounds,
    student_bound,
    violation_probability,
)


def trajectories(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """C halves in every step, up to a common factor of each trajectory; L = 2 C."""
    C = np.exp(rng.normal(size=(count, 1))) * 0.5 ** np.arange(11)
    return 2.0 * C, C[:, :-1]


def test_the_mean_decrease_is_that_of_the_trajectories() -> None:
    L, C = trajectories(np.random.default_rng(0), 200)
    # L(s') − L(s) = −C(s) exactly.
    assert mean_decrease(L, C, 1.0).mean == pytest.approx(0.0, abs=1e-12)
    assert mean_decrease(L, C, 0.5).holds
    assert not mean_decrease(L, C, 1.5).holds


def test_the_upper_bound_covers_the_expectation_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = [student_bound(rng.normal(size=8), confidence=0.9).upper >= 0.0 for _ in range(2000)]
    assert binom.cdf(sum(covered), 2000, 0.9) > 1e-4
    assert binom.sf(sum(covered), 2000, 0.9) > 1e-4  # nor needlessly often


def test_many_dependent_samples_of_few_trajectories_give_no_narrow_bound() -> None:
    """Each trajectory has an offset of its own; a thousand samples of it tell nothing more."""
    rng = np.random.default_rng(2)
    offsets = rng.normal(size=(5, 1))
    C = np.broadcast_to(offsets, (5, 1000))
    L = np.zeros((5, 1001))
    bound = mean_decrease(L, C, 1.0)
    assert bound.count == 5
    assert bound.upper - bound.mean > 0.5 * np.std(offsets)


def test_hoeffding_is_wider_than_student_and_holds_on_its_range_only() -> None:
    x = np.random.default_rng(3).uniform(-1.0, 1.0, 100)
    assert hoeffding_bound(x, -1.0, 1.0).upper > student_bound(x).upper
    with pytest.raises(ValueError, match="do not all lie"):
        hoeffding_bound(x, -0.1, 0.1)


@pytest.mark.parametrize(("violations", "count"), [(0, 50), (3, 50), (49, 50)])
def test_clopper_pearson_inverts_the_binomial(violations: int, count: int) -> None:
    p = violation_probability(violations, count, confidence=0.95)
    assert binom.cdf(violations, count, p) == pytest.approx(0.05)


def test_all_violated_says_nothing() -> None:
    assert violation_probability(4, 4) == 1.0


def test_ratio_bounds_are_tested_on_other_trajectories() -> None:
    C = np.ones((20, 3))
    L = np.full((20, 3), 2.0)
    L[0, 0], L[1, 1] = 1.0, 3.0  # fitted
    L[15, 2] = 4.0  # held out
    bounds = ratio_bounds(L, C, least_cost=0.0)
    assert (bounds.lower, bounds.upper) == (1.0, 3.0)
    assert (bounds.fitted, bounds.count, bounds.violations) == (10, 10, 1)
    assert bounds.probability == violation_probability(1, 10)


def test_where_there_is_no_cost_the_ratio_does_not_count() -> None:
    L, C = np.ones((4, 2)), np.ones((4, 2))
    L[:, 1], C[:, 1] = 0.5, 0.0
    assert ratio_bounds(L, C, least_cost=1e-6).violations == 0
    with pytest.raises(ValueError, match="no sample has a cost above"):
        ratio_bounds(L, np.zeros((4, 2)), least_cost=1e-6)


def autoregressive(
    rng: np.random.Generator, starts: np.ndarray, factor: float, steps: int
) -> np.ndarray:
    x = np.empty((len(starts), steps, 1))
    now = starts
    for t in range(steps):
        now = factor * now + rng.normal(size=len(starts))
        x[:, t, 0] = now
    return x


def test_chains_of_one_ergodic_process_agree_and_those_of_two_do_not() -> None:
    rng = np.random.default_rng(4)
    starts = np.array([-50.0, 0.0, 50.0, 100.0])
    mixed = autoregressive(rng, starts, 0.5, 2000)
    assert gelman_rubin(mixed[:, 100:]).consistent
    assert not gelman_rubin(mixed[:, :20]).consistent  # the starts are still to be seen
    mixed[0] += 5.0  # a second attractor
    assert not gelman_rubin(mixed[:, 100:]).consistent


def test_a_drift_common_to_all_chains_is_seen() -> None:
    rng = np.random.default_rng(5)
    drift = np.linspace(0.0, 10.0, 500)[None, :, None] + rng.normal(size=(4, 500, 1))
    assert not gelman_rubin(drift).consistent


def test_coordinates_at_rest() -> None:
    still = np.zeros((3, 10, 2))
    assert gelman_rubin(still).largest == 1.0
    still[1, :, 1] = 1.0
    assert gelman_rubin(still).largest == np.inf
    assert gelman_rubin(still, resolution=0.5).largest == np.inf
    still[1, :, 1] = 1e-9  # where rounding left it
    assert gelman_rubin(still).largest == np.inf
    assert gelman_rubin(still, resolution=1e-6).largest == 1.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: student_bound([1.0]),
        lambda: student_bound([1.0, np.nan]),
        lambda: student_bound([1.0, 2.0], confidence=1.0),
        lambda: violation_probability(3, 2),
        lambda: mean_decrease(np.zeros((2, 3)), np.zeros((2, 3)), 0.5),
        lambda: ratio_bounds(np.ones((2, 3)), -np.ones((2, 3)), least_cost=0.1),
        lambda: gelman_rubin(np.zeros((1, 10, 1))),
    ],
)
def test_what_makes_no_sense_is_refused(call: object) -> None:
    with pytest.raises(ValueError):
        call()  # type: ignore[operator]
