"""The batched torch environment: the same episodes, as tensors."""

from __future__ import annotations

import numpy as np
import pytest

from learners.environments.episodes import Episodes
from systems.errors import InputError
from systems.task import Noise
from tests.learners.environments.plants import pendulum_task, still_task

torch = pytest.importorskip("torch", reason="the batched environment hands out torch tensors")
batched = pytest.importorskip("learners.environments.batched", reason="it needs torch")


def test_it_is_the_episodes_in_tensors() -> None:
    task = still_task(0.5, 2.0, episode_steps=5)
    environment, plain = batched.BatchedEnvironment(task, 70, seed=4), Episodes(task, 70, seed=4)
    u = torch.rand(70, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for _ in range(12):
        step, expected = environment.step(u), plain.step(u.numpy())
        for name in ("states", "costs", "terminated", "truncated"):
            assert np.array_equal(getattr(step, name).numpy(), getattr(expected, name)), name
        assert step.outside == expected.outside
        ended = step.terminated | step.truncated
        environment.restart(ended)
        plain.restart(ended.numpy())
        assert np.array_equal(environment.states.numpy(), plain.states)
        assert np.array_equal(environment.references.numpy(), plain.references)
        assert np.array_equal(environment.reference_inputs.numpy(), plain.reference_inputs)
        assert np.array_equal(environment.reference_indices.numpy(), plain.reference_indices)
    assert environment.troubles.counts == plain.troubles.counts


def test_shapes_and_kinds() -> None:
    environment = batched.BatchedEnvironment(still_task(), 4)
    step = environment.step(torch.zeros(4, 2, dtype=torch.float64, requires_grad=True))
    assert step.states.shape == (4, 2) and step.costs.shape == (4, 2)
    assert step.states.dtype == step.costs.dtype == torch.float64
    assert step.terminated.dtype == step.truncated.dtype == torch.bool
    assert environment.exit_costs.shape == (2,) and environment.reset().shape == (4, 2)


def test_single_precision_is_only_on_the_outside() -> None:
    task = pendulum_task()
    double = batched.BatchedEnvironment(task, 3, seed=1)
    single = batched.BatchedEnvironment(task, 3, seed=1, dtype=torch.float32)
    u = torch.full((3, 1), 0.5)
    for _ in range(20):
        a, b = double.step(u.double()), single.step(u)
        assert b.states.dtype == b.costs.dtype == single.states.dtype == torch.float32
        assert torch.equal(a.states.float(), b.states)


def test_noise_takes_the_place_of_the_tasks() -> None:
    task = still_task()
    quiet = batched.BatchedEnvironment(task, 2)
    loud = batched.BatchedEnvironment(task, 2, noise=Noise((1.0, 1.0), (3.0, 3.0)))
    u = torch.zeros(2, 2, dtype=torch.float64)
    assert torch.equal(quiet.step(u).states, quiet.states)
    before = loud.states
    assert not torch.equal(loud.step(u).states, before)


def test_starts_and_references_can_be_given() -> None:
    environment = batched.BatchedEnvironment(still_task(), 3)
    start = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    environment.restart(torch.tensor([False, True, False]), start)
    assert environment.states[1].tolist() == [1.0, 2.0]
    environment.follow(start.expand(3, 2), torch.zeros(3, 2, dtype=torch.float64))
    assert environment.references.tolist() == [[1.0, 2.0]] * 3
    environment.track(torch.tensor([0, 1, 2]))
    assert environment.references[2].tolist() == [2.0, 3.0]


def test_a_saved_environment_goes_on_as_it_would_have() -> None:
    task = still_task(0.5, 2.0)
    u = torch.zeros(5, 2, dtype=torch.float64)
    one, other = (batched.BatchedEnvironment(task, 5, seed=s) for s in (1, 2))
    one.step(u)
    other.load_state_dict(one.state_dict())
    for _ in range(5):
        assert torch.equal(one.step(u).states, other.step(u).states)


def test_inputs_that_are_no_numbers_are_refused() -> None:
    environment = batched.BatchedEnvironment(still_task(), 2)
    with pytest.raises(InputError, match="row 0 has the input u = nan"):
        environment.step(torch.full((2, 2), float("nan")))
