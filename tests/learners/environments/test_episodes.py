"""Episodes: the certificate's own next state, noise, costs, ends, references, names of troubles."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from learners.environments.episodes import Episodes
from learners.environments.tasks import task_for
from systems import expression as ex
from systems import zoo
from systems.box import Box
from systems.errors import InputError
from systems.evaluate import function
from systems.sampled import Sampling, sampled
from systems.task import Noise, PhysicalLimit, Task, default_task
from tests.learners.environments.plants import CONTROLLED, exploding, pendulum_task, still_task

Array = NDArray[np.float64]


def random_inputs(task: Task, count: int, seed: int = 0) -> Array:
    low, high = np.array(task.action_low), np.array(task.action_high)
    return low + (high - low) * np.random.default_rng(seed).random((count, len(low)))


def course(episodes: Episodes, inputs: Array, steps: int) -> Array:
    """The states after each step, restarting what ended; (steps, N, n)."""
    out = []
    for _ in range(steps):
        done = episodes.step(inputs[: episodes.batch])
        out.append(done.states)
        episodes.restart(done.terminated | done.truncated)
    return np.array(out)


# The next state.


@pytest.mark.parametrize("name", CONTROLLED)
def test_the_next_state_is_the_one_that_certificates_speak_of(name: str) -> None:
    task = replace(task_for(zoo.system(name)), noise=None)
    episodes = Episodes(task, 200, seed=1)
    x, u = episodes.states, random_inputs(task, 200)
    after = episodes.step(u).states
    plant = task.system if task.sampling is None else sampled(task.system, task.sampling)
    control, w = ex.variable("u", u.shape[1]), plant.disturbance
    held = [] if w is None else [w]
    if w is not None:  # drawn within its range: any x⁺ is that of some w, and the extremes bound it
        return _disturbed(task, x, u, after)
    proved = function(plant.vector_field(control), plant.state, control, *held)
    expected = proved(np.hstack([x, u]))[0]
    size = np.maximum(np.abs(expected), np.abs(x))
    assert (np.abs(after - expected) <= 8 * np.spacing(size)).all()


def _disturbed(task: Task, x: Array, u: Array, after: Array) -> None:
    """The pendulum's disturbing torque acts as an input does, so that w can be told from x⁺."""
    assert task.system.name == "pendulum-disturbed" and task.sampling is not None
    plant = sampled(task.system, task.sampling)
    control, w = ex.variable("u", 1), plant.disturbance
    assert w is not None
    proved = function(plant.vector_field(control), plant.state, control, w)
    ends = [proved(np.hstack([x, u, np.full((200, 1), v)]))[0] for v in (-0.01, 0.01)]
    assert ((ends[0] <= after) & (after <= ends[1])).all()
    share = ((after - ends[0]) / (ends[1] - ends[0]))[:, 1]
    assert share.min() < 0.05 and share.max() > 0.95 and abs(share.mean() - 0.5) < 0.1


def test_sampled_beforehand_or_by_the_task_is_the_same() -> None:
    sampling = Sampling(Fraction(1, 50), "euler", 3)
    plain = task_for(zoo.pendulum(), sampling=sampling, action_range=([-2], [2]))
    before = task_for(sampled(zoo.pendulum(), sampling), action_range=([-2], [2]))
    noise = Noise((0.1, 0.2), (1.0, 1.0))
    u = random_inputs(plain, 70)
    one, other = (Episodes(t, 70, seed=3, noise=noise) for t in (plain, before))
    a, b = one.step(u), other.step(u)
    assert np.array_equal(a.states, b.states) and np.array_equal(a.costs, b.costs)


def test_inputs_are_cut_off_at_the_actuators_limits_and_nowhere_else() -> None:
    task = still_task()
    episodes = Episodes(task, 2)
    x = episodes.states
    after = episodes.step(np.array([[5.0, -7.0], [0.5, 1.5]])).states
    assert np.allclose(after - x, 0.1 * np.array([[1.0, -2.0], [0.5, 1.5]]), atol=1e-14)
    task = pendulum_task()
    free, far = Episodes(task, 1), 10.0 * task.action_high[0]
    step = sampled(task.system, Sampling(Fraction(1, 50))).vector_field(ex.constant(far))
    expected = function(step, task.system.state)(free.states)[0]
    assert np.allclose(free.step(np.array([[far]])).states, expected, rtol=1e-14)


# Noise.


def test_noise_has_the_deviation_and_the_bound_that_it_should() -> None:
    sigma, bound, h = 0.5, 1.2, 0.1
    episodes = Episodes(still_task(sigma, bound), 4000, seed=5)
    drawn = []
    for _ in range(10):
        x = episodes.states
        drawn.append((episodes.step(np.zeros((4000, 2))).states - x) / h)
    noise = np.array(drawn)
    assert np.abs(noise).max() <= bound * (1 + 1e-12) and np.abs(noise).max() >= bound * (1 - 1e-12)
    cut = np.clip(sigma * np.random.default_rng(0).standard_normal(10**6), -bound, bound)
    count = noise.size
    assert abs(noise.mean()) < 5 * cut.std() / np.sqrt(count)
    assert abs(noise.var() - cut.var()) < 5 * np.sqrt(2 / count) * cut.var()
    assert abs((np.abs(noise) > sigma).mean() - 0.3173) < 5 * np.sqrt(0.22 / count)
    flat = noise.reshape(10, -1)
    between = np.corrcoef(np.vstack([flat[0], flat[1], np.roll(flat[0], 1)]))
    assert np.abs(between - np.eye(3)).max() < 5 / np.sqrt(flat.shape[1])
    components = np.corrcoef(noise.reshape(-1, 2).T)[0, 1]
    assert abs(components) < 5 / np.sqrt(count / 2)


def test_noise_is_held_and_added_to_the_derivative() -> None:
    """With σ far above the bound, the noise is ±bound, and x⁺ is one of four known points."""
    task = pendulum_task(noise=Noise((1e12, 1e12), (0.3, 0.7)))
    episodes = Episodes(task, 400, seed=2)
    x = episodes.states
    after = episodes.step(np.zeros((400, 1))).states
    w, state = ex.variable("w", 2), task.system.state
    assert task.sampling is not None
    step = task.sampling.next_state(task.system.vector_field(ex.constant(0)) + w, state)
    corners = [(a, b) for a in (-0.3, 0.3) for b in (-0.7, 0.7)]
    points = [function(step, state, w)(np.hstack([x, np.tile(c, (400, 1))]))[0] for c in corners]
    distance = np.abs(np.array(points) - after).max(axis=2)
    assert distance.min(axis=0).max() < 1e-14
    assert np.bincount(distance.argmin(axis=0), minlength=4).min() > 60


def test_in_discrete_time_noise_is_added_to_the_next_state() -> None:
    task = task_for(zoo.pendulum_discrete())
    quiet, noisy = (
        Episodes(task, 300, seed=4, noise=n) for n in (None, Noise((1e12, 0.0), (0.25, 0.0)))
    )
    u = random_inputs(task, 300)
    added = noisy.step(u).states - quiet.step(u).states
    assert np.allclose(np.abs(added[:, 0]), 0.25, atol=1e-12) and not added[:, 1].any()


def test_no_noise_is_no_noise() -> None:
    episodes = Episodes(still_task(), 50)
    x = episodes.states
    assert np.array_equal(episodes.step(np.zeros((50, 2))).states, x)


# Seeds.


def test_a_row_is_the_same_in_every_batch() -> None:
    task = replace(pendulum_task(noise=Noise((0.3, 0.3), (1.0, 1.0))), episode_steps=7)
    u = random_inputs(task, 130)
    many = course(Episodes(task, 130, seed=9), u, 30)
    for count in (1, 64, 129):
        assert np.array_equal(course(Episodes(task, count, seed=9), u, 30), many[:, :count])
    assert not np.array_equal(course(Episodes(task, 5, seed=10), u, 30), many[:, :5])


def test_reset_with_a_seed_is_a_new_beginning() -> None:
    task = still_task(0.5, 2.0)
    u = random_inputs(task, 8)
    first, used = Episodes(task, 8, seed=1), Episodes(task, 8, seed=2)
    course(used, u, 13)
    used.reset(1)
    assert np.array_equal(course(first, u, 60), course(used, u, 60))
    x = first.states
    assert not np.array_equal(first.reset(), x)


def test_starts_do_not_depend_on_what_happened_before() -> None:
    task = still_task(0.5, 2.0)
    one, other = (Episodes(task, 3, seed=7) for _ in range(2))
    course(other, random_inputs(task, 3), 11)
    everywhere = np.ones(3, np.bool_)
    one.restart(everywhere)
    other.restart(everywhere)
    assert np.array_equal(one.states, other.states)
    assert np.array_equal(one.reference_indices, other.reference_indices)


def test_a_saved_course_goes_on_as_it_would_have() -> None:
    task = still_task(0.5, 2.0)
    u = random_inputs(task, 6)
    episodes = Episodes(task, 6, seed=3)
    course(episodes, u, 20)
    saved = episodes.state_dict()
    expected = course(episodes, u, 60)
    fresh = Episodes(task, 6, seed=99)
    fresh.load_state_dict(saved)
    assert np.array_equal(course(fresh, u, 60), expected)
    with pytest.raises(InputError, match="saved episodes' states do not fit 5 episodes of still"):
        Episodes(task, 5).load_state_dict(saved)


# Ends.


def test_a_time_limit_truncates_and_never_terminates() -> None:
    task = still_task(episode_steps=4)
    episodes = Episodes(task, 3)
    for k in range(1, 5):
        done = episodes.step(np.zeros((3, 2)))
        assert not done.terminated.any() and (done.truncated == (k == 4)).all()
    episodes.restart(np.array([True, False, False]))
    assert episodes.steps.tolist() == [0, 4, 4] and episodes.episode.tolist() == [1, 0, 0]
    assert episodes.step(np.zeros((3, 2))).truncated.tolist() == [False, True, True]


def test_leaving_the_physical_meaning_terminates_and_is_named() -> None:
    task = still_task()
    episodes = Episodes(task, 2)
    episodes.restart(np.ones(2, np.bool_), np.array([[0.0, -3.9], [0.0, 0.0]]))
    done = episodes.step(np.array([[0.0, -2.0], [0.0, -2.0]]))
    assert done.terminated.tolist() == [True, False] and not done.truncated.any()
    assert done.outside == ("y >= -4",)
    assert np.allclose(done.states[0], [0.0, -4.1])  # the true next state
    expected = "still: row 0, episode 1, step 1: y >= -4 does not hold (met 1 time)"
    assert episodes.troubles.lines() == [expected]


def test_on_the_last_step_leaving_is_still_a_termination() -> None:
    episodes = Episodes(still_task(episode_steps=1), 1)
    episodes.restart(np.ones(1, np.bool_), np.array([[0.0, -3.9]]))
    done = episodes.step(np.array([[0.0, -2.0]]))
    assert done.terminated.all() and not done.truncated.any()


def test_what_is_not_finite_is_named_counted_and_never_handed_out() -> None:
    task = replace(default_task(exploding(), sample_time=1), physical=())
    episodes = Episodes(task, 3)
    starts = np.array([[7.5], [0.0], [7.9]])
    episodes.restart(np.ones(3, np.bool_), starts)
    done = episodes.step(np.zeros((3, 1)))
    assert done.terminated.tolist() == [True, False, True]
    assert np.array_equal(done.states, starts) and np.isfinite(done.costs).all()
    assert done.outside == ("x is not finite",)
    assert episodes.troubles.counts == {"x is not finite": 2}
    assert episodes.troubles.lines() == [
        "exploding: row 0, episode 1, step 1: x is not finite (met 2 times)"
    ]
    episodes.restart(done.terminated)
    assert np.isfinite(episodes.step(np.zeros((3, 1))).states).all()


def test_a_state_that_is_far_off_is_not_handed_out() -> None:
    task = default_task(exploding(), sampling=Sampling(Fraction(1), "euler"))
    episodes = Episodes(task, 1)
    episodes.restart(np.ones(1, np.bool_), np.array([[9.5]]))
    done = episodes.step(np.zeros((1, 1)))
    assert done.terminated.all() and done.states.tolist() == [[9.5]]
    assert done.outside == ("x is 1000 times its scale",)


def test_a_cost_that_is_not_finite_ends_the_episode() -> None:
    system = exploding()
    cost = ex.exp(100 * system.state[0])
    task = replace(default_task(replace(system, state_cost=cost), sample_time="0.001"), physical=())
    task = replace(task, starts=Box.of([[0, 1]]))
    episodes = Episodes(task, 2)
    episodes.restart(np.ones(2, np.bool_), np.array([[0.0], [7.2]]))
    done = episodes.step(np.zeros((2, 1)))
    assert done.terminated.tolist() == [False, True] and done.outside == ("the cost is not finite",)
    assert done.costs[1] == episodes.exit_costs and np.isfinite(done.costs).all()


def test_inputs_at_their_limits_for_a_whole_episode_are_named() -> None:
    episodes = Episodes(still_task(episode_steps=3), 2)
    for k in range(3):
        episodes.step(np.array([[1.0, 2.0], [1.0 if k else 0.5, -2.0]]))
    assert episodes.troubles.counts == {
        "u was at its limits all the time": 1,
        "v was at its limits all the time": 2,
    }


# Starts.


def test_starts_fill_the_box_and_have_a_physical_meaning() -> None:
    task = still_task(starts=Box.of([[-5, 5], [-5, 5]]))
    x = Episodes(task, 3000, seed=1).states
    assert (x[:, 1] >= -4).all() and x[:, 1].min() < -3.9 and x[:, 1].max() > 4.9
    assert x[:, 0].min() < -4.9 and abs(x[:, 0].mean()) < 0.3


def test_a_box_without_physical_starts_is_refused() -> None:
    with pytest.raises(InputError, match=r"none is physical \(y >= -4\); choose another box"):
        Episodes(still_task(starts=Box.of([[0, 1], [-6, -5]])), 2)


def test_given_starts_are_checked() -> None:
    episodes = Episodes(still_task(), 2)
    one = np.array([True, False])
    with pytest.raises(InputError, match="start 0 of still is not physical: y >= -4"):
        episodes.restart(one, np.array([[0.0, -4.5]]))
    with pytest.raises(InputError, match=r"starts of shape \(2, 2\) where \(1, 2\) is wanted"):
        episodes.restart(one, np.zeros((2, 2)))
    with pytest.raises(InputError, match="starts must be finite"):
        episodes.restart(one, np.array([[np.nan, 0.0]]))


# Costs and references.


def test_tracking_costs_are_the_subsystems_own() -> None:
    task = still_task()
    episodes = Episodes(task, 100, seed=8)
    x, r = episodes.states, episodes.references
    costs = episodes.step(np.zeros((100, 2))).costs
    assert np.allclose(costs, ((x - r) / np.array([2.0, 4.0])) ** 2, rtol=1e-14)
    assert set(episodes.reference_indices.tolist()) == {0, 1, 2}
    known = task.references
    assert known is not None
    assert np.array_equal(r, known.states[episodes.reference_indices])
    assert np.array_equal(episodes.reference_inputs, known.inputs[episodes.reference_indices])


@pytest.mark.parametrize("discrete", [False, True])
def test_a_running_cost_is_that_of_a_period(discrete: bool) -> None:
    task = task_for(zoo.pendulum_discrete()) if discrete else pendulum_task()
    episodes = Episodes(task, 50)
    x, u = episodes.states, random_inputs(task, 50)
    per_second = (x**2).sum(axis=1) + 2 * u[:, 0] ** 2
    period = 1.0 if discrete else 0.02
    costs = episodes.step(u).costs
    assert costs.shape == (50, 1) and np.allclose(costs[:, 0], period * per_second, rtol=1e-13)


def test_with_references_a_running_cost_is_about_them() -> None:
    task = still_task(cost="running", partition=())
    episodes = Episodes(task, 40)
    x, u = episodes.states, random_inputs(task, 40)
    e, v = x - episodes.references, u - episodes.reference_inputs
    expected = 0.1 * ((e**2).sum(axis=1) + (v**2).sum(axis=1))
    assert np.allclose(episodes.step(u).costs[:, 0], expected, rtol=1e-13)


def test_every_subsystem_sees_the_whole_of_a_running_cost() -> None:
    episodes = Episodes(still_task(cost="running"), 4)
    costs = episodes.step(np.zeros((4, 2))).costs
    assert costs.shape == (4, 2) and np.array_equal(costs[:, 0], costs[:, 1])


def test_other_references_can_be_followed() -> None:
    episodes = Episodes(still_task(), 3)
    episodes.follow(np.array([[7.0, 8.0]]), np.array([[0.5, 0.6]]), np.array([False, True, False]))
    assert episodes.references[1].tolist() == [7.0, 8.0]
    assert episodes.reference_inputs[1].tolist() == [0.5, 0.6]
    assert episodes.reference_indices[1] == -1 and episodes.reference_indices[0] >= 0
    episodes.track(np.array([2, 1, 0]))
    assert episodes.references[0].tolist() == [2.0, 3.0]
    with pytest.raises(InputError, match="no reference 3; the task has those from 0 to 2"):
        episodes.track(np.array([0, 3, 0]))
    with pytest.raises(InputError, match="references must be finite"):
        episodes.follow(np.full((3, 2), np.nan), np.zeros((3, 2)))


def test_leaving_costs_more_than_staying() -> None:
    task = still_task()
    episodes = Episodes(task, 500)
    assert (episodes.exit_costs > 20 * episodes.step(np.zeros((500, 2))).costs.max(axis=0)).all()


# What is refused, and what is kept.


def test_inputs_that_are_no_numbers_are_refused_by_name() -> None:
    episodes = Episodes(still_task(), 3)
    u = np.zeros((3, 2))
    u[2, 1] = np.nan
    with pytest.raises(InputError, match="row 2 has the input v = nan"):
        episodes.step(u)
    u[2] = np.inf, -np.inf
    with pytest.raises(InputError, match="row 2 has the input u = inf"):
        episodes.step(u)
    with pytest.raises(InputError, match=r"shape \(3, 1\) where \(3, 2\)"):
        episodes.step(np.zeros((3, 1)))


def test_what_cannot_be_run_is_refused() -> None:
    with pytest.raises(InputError, match="at least one episode"):
        Episodes(still_task(), 0)
    with pytest.raises(InputError, match="noise's sigma needs 2 numbers"):
        Episodes(still_task(), 1, noise=Noise((1.0,), (1.0,)))


def test_arrays_that_were_handed_out_stay_as_they_are() -> None:
    episodes = Episodes(still_task(0.5, 2.0, episode_steps=2), 5)
    kept = [episodes.states, episodes.references]
    copies = [a.copy() for a in kept]
    for _ in range(5):
        done = episodes.step(np.zeros((5, 2)))
        kept += [done.states, done.costs]
        copies += [done.states.copy(), done.costs.copy()]
        episodes.restart(done.truncated)
    for array, copy in zip(kept, copies, strict=True):
        assert np.array_equal(array, copy)


def test_limits_of_two_states_are_both_named() -> None:
    task = still_task()
    x = task.system.state
    both = (PhysicalLimit("x >= -1", x[0] + 1), PhysicalLimit("y >= -1", x[1] + 1))
    episodes = Episodes(replace(task, physical=both), 1)
    episodes.restart(np.ones(1, np.bool_), np.array([[-0.95, -0.95]]))
    assert episodes.step(np.array([[-1.0, -2.0]])).outside == ("x >= -1", "y >= -1")
