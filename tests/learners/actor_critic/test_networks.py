"""Actors and critics: what holds of them whatever their weights are."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="actor-critics are trained with torch")
networks = pytest.importorskip("learners.actor_critic.networks", reason="it needs torch")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shaken(network: torch.nn.Module, seed: int = 1) -> torch.nn.Module:
    """Other weights than it was made with."""
    noise = generator(seed)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(torch.randn(p.shape, generator=noise) * p.requires_grad)
    return network


@pytest.mark.parametrize(("tracks", "linear"), list(itertools.product([False, True], repeat=2)))
def test_an_anchored_actor_holds_the_steady_input_at_the_reference(
    tracks: bool, linear: bool
) -> None:
    actor = shaken(networks.Actor(3, 2, (8, 8), generator(), tracks=tracks, linear=linear))
    reference = torch.randn(5, 3, generator=generator(2)) if tracks else None
    steady = torch.randn(5, 2, generator=generator(3))
    at_rest = actor.act(torch.zeros(5, 3), reference, steady)
    assert torch.allclose(at_rest, torch.tanh(steady), rtol=0, atol=1e-5)
    elsewhere = actor.act(torch.ones(5, 3), reference, steady)
    assert not torch.allclose(elsewhere, at_rest, atol=1e-3)
    assert bool((actor.gain != 0).any()) == linear


def test_an_actor_that_is_not_anchored_is_free_at_the_reference() -> None:
    actor = shaken(networks.Actor(3, 2, (8,), generator(), anchored=False))
    at_rest = actor.act(torch.zeros(1, 3), None, torch.zeros(1, 2))
    assert bool((at_rest.abs() > 1e-3).all())


def test_log_densities_are_those_of_the_squashed_gaussian() -> None:
    """The density of a = tanh z at a given a, by numerical differentiation of its distribution."""
    actor = shaken(networks.Actor(1, 1, (4,), generator()))
    error = torch.full((4000, 1), 0.7)
    with torch.no_grad():
        action, log_density = actor.sample(error, None, torch.zeros(1, 1), generator(5))
        mean, log_std = (float(v[0, 0]) for v in actor(error[:1], None, torch.zeros(1, 1)))

    def distribution(a: float) -> float:
        z = (math.atanh(a) - mean) / math.exp(log_std)
        return 0.5 * (1.0 + math.erf(z / math.sqrt(2.0)))

    h = 1e-4
    inside = [k for k in range(4000) if abs(float(action[k, 0])) < 0.95][:50]
    assert len(inside) > 10
    for k in inside:
        a = float(action[k, 0])
        density = (distribution(a + h) - distribution(a - h)) / (2 * h)
        assert float(log_density[k]) == pytest.approx(math.log(density), abs=2e-2)
    assert bool((action.abs() <= 1.0).all()) and bool(torch.isfinite(log_density).all())


@pytest.mark.parametrize("form", ["norm", "square"])
@pytest.mark.parametrize("tracks", [False, True])
def test_critics_are_positive_and_least_at_the_reference(form: str, tracks: bool) -> None:
    critic = shaken(networks.LyapunovCritic(3, 2, (8, 8), generator(), tracks=tracks, form=form))
    error = torch.randn(200, 3, generator=generator(7)).requires_grad_()
    action = torch.randn(200, 2, generator=generator(8)).requires_grad_()
    reference = torch.randn(200, 3, generator=generator(9)) if tracks else None
    values = critic(error, action, reference)
    assert values.shape == (2, 200)
    rest = critic.log_rest.exp()
    assert bool((values > 0).all()) and bool((values - rest > 0).all())
    zero = torch.zeros(200, 3).requires_grad_(), torch.zeros(200, 2).requires_grad_()
    there = critic(*zero, reference)
    assert torch.allclose(there, rest.expand(2, 200), rtol=0, atol=1e-9)
    assert all(bool((g.abs() < 1e-4).all()) for g in torch.autograd.grad(there.sum(), zero))


def test_of_two_critics_of_costs_the_larger_counts() -> None:
    critic = shaken(networks.LyapunovCritic(2, 1, (8,), generator()))
    error, action = torch.randn(50, 2), torch.randn(50, 1)
    both, chosen = critic(error, action), critic.pessimistic(error, action)
    assert torch.equal(chosen, both.amax(0))
    assert bool((both[0] > both[1]).any()) and bool((both[0] < both[1]).any())


def test_one_critic_is_its_own_choice() -> None:
    critic = networks.LyapunovCritic(2, 1, (8,), generator(), copies=1)
    error, action = torch.randn(5, 2), torch.randn(5, 1)
    assert torch.equal(critic.pessimistic(error, action), critic(error, action)[0])


def test_targets_move_by_a_share() -> None:
    ours, theirs = (networks.LyapunovCritic(2, 1, (4,), generator(k)) for k in (1, 2))
    before = [p.detach().clone() for p in ours.parameters()]
    networks.move_towards(ours, theirs, 0.25)
    for old, new, goal in zip(before, ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(new, 0.75 * old + 0.25 * goal)
    networks.copy_into(ours, theirs)
    assert all(
        torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True)
    )


def test_the_same_generator_gives_the_same_weights() -> None:
    first, second = (networks.Actor(2, 1, (4,), generator(3)) for _ in range(2))
    other = networks.Actor(2, 1, (4,), generator(4))
    pairs = list(zip(first.parameters(), second.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(first.mean, other.mean)
    assert np.isfinite(first.mean.detach().numpy()).all()
