"""The simulated region of attraction: known regions, honest intervals, the same seed the same."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from certify.budget import Budget
from certify.outer_estimate import OuterEstimate, flow_of, outer_estimate, proved_region
from certify.outer_estimate_follow import CONVERGED, DIVERGED, UNDECIDED, follow
from certify.outer_estimate_strata import Strata, estimated, interval
from certify.region_volume import region_volume
from certify.stability import StabilityProblem
from learners.lqr import lqr_candidate
from systems import expression as ex
from systems import zoo
from systems.box import Box
from systems.simulate import simulate
from tests.certify.regions import resting

BALLS = {1: 2.0, 2: math.pi, 3: 4.18879, 6: 5.16771, 9: 3.29851}


def bistable(dimension: int, half: int = 2) -> StabilityProblem:
    """ẋ = −x (1 − |x|²): the unit ball converges to 0, all else goes to infinity."""
    return resting(
        lambda x: ex.total(x**2),
        Box.symmetric([half] * dimension),
        field=lambda x: x * (ex.total(x**2) - 1),
    )


@pytest.mark.parametrize("dimension", BALLS)
def test_a_ball_is_measured_in_one_to_nine_states(dimension: int) -> None:
    """With nine states it fills 1.3e-5 of the box."""
    problem, c2, true = bistable(dimension), Fraction(1, 4), BALLS[dimension]
    found = outer_estimate(problem, c2, samples=3000, seed=1)
    assert found.complete and found.undecided == 0 and 0 < found.samples < 6000
    for estimate in (found.staying, found.converging):
        assert estimate.low <= true <= estimate.high
        assert estimate.high - estimate.low < 0.25 * true
        assert estimate.beyond < 0.02 * float(problem.domain.volume)
    certified = region_volume(problem, c2)
    assert certified is not None and certified.at_least < found.staying.low
    share, least = found.staying.proved_share(certified.at_least)
    assert least < share == pytest.approx(0.5**dimension, rel=0.15)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Of 2,000 intervals for sums of binomials; beyond them what they say of what was not seen."""
    generator = np.random.default_rng(0)
    volumes = 2.0 ** np.arange(-6, 1)
    inside = 0
    for _ in range(2000):
        shares = np.sort(generator.random(7) ** 3)[::-1] * (np.arange(7) < 5)
        drawn = generator.integers(20, 400, 7)
        hits = generator.binomial(drawn, shares)
        _, low, high, beyond = interval(volumes, hits, np.zeros(7, dtype=np.int64), drawn)
        inside += low <= float((volumes * shares).sum()) <= high + beyond
    assert inside >= 1880  # 95 % is 1,900, and 20 less two standard deviations


def test_a_region_that_fills_the_box_is_known_closely() -> None:
    problem = resting(lambda x: ex.total(x**2), Box.symmetric([1] * 3))
    found = outer_estimate(problem, Fraction(1, 100), samples=1000)
    for estimate in (found.staying, found.converging):
        assert estimate.volume == estimate.high == 8.0
        assert 7.8 < estimate.low < 8.0


def test_leaving_the_box_is_told_apart_from_not_converging() -> None:
    """A slow spiral: every start converges, those whose circle sticks out of the box leave it."""

    def field(x: ex.Expression) -> ex.Expression:
        return ex.affine([[Fraction(-1, 10), 5], [-5, Fraction(-1, 10)]], x)

    problem = resting(lambda x: ex.total(x**2), Box.symmetric([1, 1]), field=field)
    found = outer_estimate(problem, Fraction(1, 100), samples=3000)
    assert found.converging.volume == 4.0
    points = problem.domain.sample(6000, np.random.default_rng(5))
    t = np.linspace(0.0, 1.5, 200)
    angle = np.arctan2(points[:, 1], points[:, 0])[:, None] - 5 * t
    radius = np.linalg.norm(points, axis=1)[:, None] * np.exp(-0.1 * t)
    stays = (np.maximum(abs(np.cos(angle)), abs(np.sin(angle))) * radius <= 1.0 + 1e-9).all(axis=1)
    true = 4.0 * float(stays.mean())
    assert found.staying.low - 0.03 < true < found.staying.high + 0.03
    assert true < 3.9


def test_a_map_is_iterated() -> None:
    problem = resting(
        lambda x: ex.total(x**2), Box.symmetric([2, 2]), field=lambda x: x**3, time="discrete"
    )
    found = outer_estimate(problem, Fraction(1, 4), samples=2000)
    assert found.undecided == 0 and found.horizon >= 100
    assert found.converging.low <= 4.0 <= found.converging.high
    assert found.converging.high - found.converging.low < 0.4


def test_the_same_seed_gives_the_same_figures() -> None:
    def figures(found: OuterEstimate) -> tuple[object, ...]:
        return found.staying, found.converging, found.samples, found.undecided

    problem = bistable(2)
    first, second, other = (
        outer_estimate(problem, Fraction(1, 4), samples=400, seed=seed) for seed in (3, 3, 4)
    )
    assert figures(first) == figures(second) != figures(other)


def test_out_of_time_nothing_is_known() -> None:
    found = outer_estimate(bistable(2), Fraction(1, 4), samples=400, budget=Budget(0.0))
    assert not found.complete and found.samples == 0
    assert (found.staying.volume, found.staying.low, found.staying.high) == (0.0, 0.0, 16.0)


def test_a_limit_cycle_is_undecided_and_counts_for_the_upper_end() -> None:
    """ṙ = −r (1 − r²)(4 − r²), with θ̇ = 1: beyond r = 1 all solutions tend to the circle r = 2."""

    def field(x: ex.Expression) -> ex.Expression:
        r2 = ex.total(x**2)
        turn = ex.affine([[0, 1], [-1, 0]], x)
        return turn - x * ((1 - r2) * (4 - r2))

    problem = resting(lambda x: ex.total(x**2), Box.symmetric([2, 2]), field=field)
    found = outer_estimate(problem, Fraction(1, 4), samples=400, horizon=20.0)
    assert found.undecided > 50
    assert found.converging.low <= math.pi <= found.converging.volume * 1.1
    assert found.converging.high > 14.0


def test_points_at_which_nothing_is_defined_do_not_converge() -> None:
    """ẋ = −x + 0·√(1 − x): to the right of 1 there is no solution."""

    def field(x: ex.Expression) -> ex.Expression:
        return -x + Fraction(1, 10**9) * ex.apply(ex.Op.SQRT, 1 - x)

    problem = resting(lambda x: ex.total(x**2), Box.symmetric([2]), field=field)
    fate, _ = follow(flow_of(problem, Fraction(1, 4)), np.array([[-1.9], [0.9], [1.1], [0.1]]))
    assert fate.tolist() == [CONVERGED, CONVERGED, UNDECIDED, CONVERGED]


def test_trajectories_leave_or_arrive() -> None:
    flow = flow_of(bistable(2), Fraction(1, 4))
    starts = np.array([[0.99, 0.0], [1.01, 0.0], [0.1, 0.1], [1.9, 1.9], [2.5, 0.0]])
    fate, left = follow(flow, starts)
    assert fate.tolist() == [CONVERGED, DIVERGED, CONVERGED, DIVERGED, DIVERGED]
    assert left.tolist() == [False, True, False, True, True]


def test_the_proved_region_is_that_of_the_statements_box() -> None:
    """V is small far outside the smaller box, where nothing was proved."""
    whole = bistable(2)
    problem = StabilityProblem(whole.system, whole.candidate, Box.symmetric([1, Fraction(1, 4)]))
    inside = proved_region(problem, Fraction(1, 4))
    points = np.array([[0.0, 0.2], [0.0, 0.3], [0.5, 0.0], [0.51, 0.0]])
    assert inside(points).tolist() == [True, False, True, False]


def test_strata_fill_the_box_and_draw_what_they_say() -> None:
    flow = flow_of(bistable(3), Fraction(1, 4))
    shape = np.array([[3.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 1.0]])
    strata = Strata.of(flow, np.zeros(3), shape)
    generator = np.random.default_rng(0)
    volume = 0.0
    for k in range(strata.count):
        x, valid = strata.draw(k, 20_000, generator)
        assert flow.within(x[valid]).all()
        assert (strata.stratum(x[valid]) == k).all()
        volume += strata.volumes[k] * float(valid.mean())
    assert volume == pytest.approx(64.0, rel=0.02)


def test_one_stratum_has_the_clopper_pearson_interval() -> None:
    """8 of 10: 0.4439 to 0.9748, as tables have it."""
    one = np.array([1.0])
    volume, low, high, beyond = interval(one, np.array([8]), np.array([0]), np.array([10]))
    assert (volume, beyond) == (0.8, 0.0)
    assert low == pytest.approx(0.44390, abs=1e-4) and high == pytest.approx(0.97479, abs=1e-4)
    none = estimated(one, 1.0, np.array([0]), np.array([0]), np.array([50]), np.array([50]))
    assert (none.volume, none.low, none.high) == (0.0, 0.0, 0.0)
    assert none.beyond == pytest.approx(math.log(20) / 50)
    nothing = np.array([0])
    assert estimated(one, 1.0, nothing, nothing, nothing, nothing).high == 1.0


@pytest.mark.parametrize(("samples", "horizon"), [(0, None), (10, 0.0), (10, math.nan)])
def test_what_makes_no_sense_is_refused(samples: int, horizon: float | None) -> None:
    with pytest.raises(ValueError, match="positive"):
        outer_estimate(bistable(1), Fraction(1, 4), samples=samples, horizon=horizon)


def test_many_at_once_end_as_each_alone_does() -> None:
    """The cartpole under LQR: most starts leave the box on the way, all converge."""
    system = zoo.cartpole()
    problem = StabilityProblem(system, lqr_candidate(system))
    starts = system.domain.sample(30, np.random.default_rng(7))
    fate, left = follow(flow_of(problem, Fraction(3, 100)), starts)
    alone = simulate(
        problem.candidate.closed_loop(system), starts, 4.0, samples=401,
        relative_tolerance=1e-7, absolute_tolerance=1e-9,
    )  # fmt: skip
    low, high = system.domain.outer()
    inside = ((low <= alone.states) & (alone.states <= high)).all(axis=(1, 2))
    assert (fate == CONVERGED).all() and 0 < inside.sum() < 15
    assert (left == ~inside).all()
