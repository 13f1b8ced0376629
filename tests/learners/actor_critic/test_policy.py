"""The frozen policy: what ships is what is proved."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from certify.equilibrium import Answer, prove_zero
from learners.actor_critic.policy import FrozenActor, Policy
from learners.actor_critic.view import View, reference_arrays, view_of, whole
from systems import zoo
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.evaluate import function
from systems.limits import lies_within
from systems.tape import compile_tape
from systems.task import Subsystem, Task
from tests.learners.actor_critic.tasks import first_order, first_order_task, two_tanks_task

Array = NDArray[np.float64]


def actor_of(view: View, seed: int = 0, *, anchored: bool = True) -> FrozenActor:
    """Random weights, large enough that the policy is far from linear."""
    g = np.random.default_rng(seed)
    n, m = len(view.states), len(view.inputs)
    sizes = [n * (2 if view.tracks else 1), 6, 5]
    layers = tuple((g.normal(size=(b, a)), g.normal(size=b)) for a, b in itertools.pairwise(sizes))
    return FrozenActor(
        view, layers, g.normal(size=(m, 5)), g.normal(size=(m, n)), g.normal(size=m), anchored
    )


def policy_of(task: Task, *, anchored: bool = True) -> Policy:
    return Policy(
        task.system.name, (actor_of(whole(task), anchored=anchored),), *reference_arrays(task)
    )


def split_policy(task: Task) -> Policy:
    """A controller for each tank, the second first."""
    parts = (Subsystem("b", (1,), (1,)), Subsystem("a", (0,), (0,)))
    actors = tuple(actor_of(view_of(task, part), seed) for seed, part in enumerate(parts))
    return Policy(task.system.name, actors, *reference_arrays(task))


@pytest.mark.parametrize("anchored", [True, False])
def test_the_expression_is_the_policy(anchored: bool) -> None:
    task = first_order_task()
    policy = policy_of(task, anchored=anchored)
    control = policy.expression(task.system)
    x = np.random.default_rng(1).uniform(-3, 3, (500, 1))
    np.testing.assert_allclose(
        function(control, task.system.state)(x)[0], policy.act(x), rtol=0, atol=1e-14
    )
    assert np.ptp(policy.act(x)) > 1.0


@pytest.mark.parametrize("make", [policy_of, split_policy])
@pytest.mark.parametrize("k", [0, 1, 2])
def test_so_it_is_with_several_references_and_controllers(make: object, k: int) -> None:
    task = two_tanks_task()
    policy = make(task)  # type: ignore[operator]
    states, inputs = reference_arrays(task)
    control = policy.expression(task.system, states[k].tolist())
    x = np.random.default_rng(k).uniform(0, 4, (300, 2))
    u = policy.act(x, np.broadcast_to(states[k], x.shape))
    np.testing.assert_allclose(function(control, task.system.state)(x)[0], u, rtol=0, atol=1e-13)
    at_rest = policy.act(states, states)
    np.testing.assert_allclose(at_rest, inputs, rtol=0, atol=1e-14)


def test_controllers_see_their_own_states_only() -> None:
    task = two_tanks_task()
    policy = split_policy(task)
    references = np.broadcast_to(task.references.states[1], (2, 2))  # type: ignore[union-attr]
    u = policy.act(np.array([[1.0, 2.0], [1.0, 3.0]]), references)
    assert u[0, 0] == u[1, 0] and u[0, 1] != u[1, 1]


@pytest.mark.parametrize("make", [policy_of, split_policy])
def test_its_form_keeps_it_within_the_limits(make: object) -> None:
    task = two_tanks_task()
    control = make(task).expression(task.system, [1.5, 1.25])  # type: ignore[operator]
    assert task.system.input_limits is not None
    assert lies_within(control, task.system.input_limits)
    assert task.system.saturated(control) is control


def test_limits_that_no_float_holds_are_kept_too() -> None:
    system = first_order((Fraction(-1, 3), Fraction(7, 10)))
    task = first_order_task(system=system, action_low=(-1 / 3,), action_high=(0.7,))
    assert system.input_limits is not None
    assert lies_within(policy_of(task).expression(system), system.input_limits)


def test_the_equilibrium_is_exact_where_the_range_is_symmetric() -> None:
    """k(x*) = u*, in real arithmetic, whatever the weights are."""
    for name in ("pendulum-bounded-6", "cartpole-bounded"):
        system = zoo.system(name)
        n, limits = system.state_dimension, system.input_limits
        assert limits is not None
        task = Task(
            system, first_order_task().sampling, 10, system.domain, (0.0,) * n, (1.0,) * n,
            tuple(float(v) for v in limits.lower), tuple(float(v) for v in limits.upper),
        )  # fmt: skip
        field = system.vector_field(policy_of(task).expression(system))
        tests = prove_zero(compile_tape([field], [system.state]), list(system.equilibrium))
        assert all(test.answer is Answer.ZERO for test in tests[0]), name


def test_a_reference_outside_the_set_is_named() -> None:
    policy = policy_of(two_tanks_task())
    with pytest.raises(InputError, match=r"the reference \(1.1, 1\) is outside the set") as caught:
        policy.act(np.ones((1, 2)), np.array([[1.1, 1.0]]))
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="knows 3 references; say which"):
        policy.act(np.ones((1, 2)))
    steady = np.array([[1.1, 0.9]])
    u = policy.act(np.array([[1.1, 1.0]]), np.array([[1.1, 1.0]]), steady)
    np.testing.assert_allclose(u, steady, rtol=0, atol=1e-14)


def test_a_steady_input_at_its_limit_is_refused() -> None:
    policy = policy_of(two_tanks_task())
    with pytest.raises(InputError, match=r"steady input 3 of reference 1 leaves no room in"):
        policy.act(np.ones((1, 2)), np.array([[3.0, 1.0]]), np.array([[3.0, -1.0]]))


def test_another_plant_is_refused() -> None:
    with pytest.raises(InputError, match="pendulum has 2 states and 1 inputs, the policy of first"):
        policy_of(first_order_task()).expression(zoo.pendulum())


def uncontrolled() -> ControlAffineSystem:
    return zoo.system("van-der-pol-reversed-1")


def test_action_spaces_that_cannot_be_learned_are_refused_in_a_line() -> None:
    endless = first_order_task(system=first_order(None))
    object.__setattr__(endless, "action_high", (np.inf,))
    nothing = first_order_task()
    object.__setattr__(nothing, "system", uncontrolled())
    for task, words in (
        (
            endless,
            r"first-order: the input u ranges over \[-2, inf\]; an actor-critic needs finite",
        ),
        (nothing, "van-der-pol-reversed-1 has no inputs"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            whole(task)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [policy_of, split_policy])
def test_it_is_read_as_it_was_written(make: object, tmp_path: Path) -> None:
    policy = make(two_tanks_task())  # type: ignore[operator]
    path = tmp_path / "policy.npz"
    policy.save(path)
    read = Policy.load(path)
    x = np.random.default_rng(0).uniform(0, 4, (50, 2))
    references = np.broadcast_to(policy.reference_states[2], x.shape)
    assert np.array_equal(read.act(x, references), policy.act(x, references))
    assert read.actors[0].view == policy.actors[0].view


def test_damaged_files_are_refused_in_a_line(tmp_path: Path) -> None:
    policy = policy_of(first_order_task())
    path = tmp_path / "policy.npz"
    policy.save(path)
    data = path.read_bytes()
    for cut in (0, 10, len(data) // 2, len(data) - 3):
        path.write_bytes(data[:cut])
        with pytest.raises(
            InputError, match=r"policy.npz: is no stableproof-policy file"
        ) as caught:
            Policy.load(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"none.npz: cannot be read: No such file"):
        Policy.load(tmp_path / "none.npz")


def test_weights_of_other_shapes_or_no_numbers_are_refused(tmp_path: Path) -> None:
    policy = policy_of(first_order_task())
    [actor] = policy.actors
    path = tmp_path / "policy.npz"
    for name, wrong in (
        ("gain", np.zeros((1, 2))),
        ("mean", np.full((1, 5), np.nan)),
        ("offset", np.zeros(1, dtype=np.float32)),
    ):
        changed = {**vars(actor), name: wrong}
        Policy(policy.name, (FrozenActor(**changed),), *reference_arrays(first_order_task())).save(
            path
        )
        with pytest.raises(InputError, match="the policy in it is damaged"):
            Policy.load(path)
