"""Witnesses of frozen policies: found where the policy stabilises, judged, and proved."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from certify import Budget, Proved, prove_stability
from certify.candidate import Candidate, anchored_control
from learners.frozen_loop import FrozenLoop
from learners.lqr import lqr, lqr_candidate, quadratic_value
from learners.witness import fit_witness
from learners.witness_choice import choose_witness
from learners.witness_judge import Samples, judge
from systems import expression as ex
from systems import zoo
from systems.dynamics import ControlAffineSystem, linear_control
from systems.errors import InputError
from systems.evaluate import function
from systems.expression import Expression
from systems.sampled import Sampling, sampled


def limited(system: ControlAffineSystem, most: str) -> Expression:
    """LQR, cut off at ± ``most``."""
    control = lqr_candidate(system).control
    assert control is not None
    end = Fraction(most)
    return ex.clip(control, ex.constant([-end]), ex.constant([end]))


def network(system: ControlAffineSystem) -> Expression:
    """Random tanh neurons fitted to LQR by least squares, u* at x* exactly."""
    gain = lqr(system)[0]
    generator = np.random.default_rng(3)
    low, high = system.domain.outer()
    W, b = generator.normal(size=(12, len(low))) / high, generator.uniform(-1.0, 1.0, 12)
    x = low + (high - low) * generator.random((400, len(low)))
    output = np.linalg.lstsq(np.tanh(x @ W.T + b) - np.tanh(b), -x @ gain.T, rcond=None)[0]
    network = ex.affine(output.T, ex.tanh(ex.affine(W, system.state, b)))
    return anchored_control(network, system.state, system.equilibrium, system.equilibrium_input)


def proved_volume(system: ControlAffineSystem, value: Expression, control: Expression) -> float:
    result = prove_stability(
        system, Candidate(system.state, value, control, {}), budget=Budget(60.0)
    )
    assert isinstance(result.verdict, Proved), result.verdict
    assert result.volume is not None
    return result.volume.at_least


@pytest.fixture(scope="module")
def pendulum() -> ControlAffineSystem:
    return sampled(zoo.pendulum(), Sampling(Fraction("0.02")))


@pytest.mark.parametrize("neurons", [0, 30])
@pytest.mark.parametrize("bounded", [False, True])
def test_a_witness_is_zero_at_the_equilibrium_and_falls_elsewhere(
    pendulum: ControlAffineSystem, neurons: int, bounded: bool
) -> None:
    control = network(pendulum)
    value = fit_witness(pendulum, control, neurons=neurons, bounded=bounded)
    here = ex.substitute(value, {pendulum.state: ex.constant(list(pendulum.equilibrium))})
    assert function(here, pendulum.state)(np.zeros((1, 2)))[0] == pytest.approx(0.0, abs=1e-12)
    found = judge(value, Samples.draw(FrozenLoop(pendulum, control), 5))
    assert found.share > 0.6


@pytest.mark.parametrize("name", ["pendulum-bounded-6", "van-der-pol-reversed-1"])
def test_in_continuous_time_a_witness_falls_along_the_flow(name: str) -> None:
    system = zoo.system(name)
    control = lqr_candidate(system).control
    loop = FrozenLoop(system, control)
    value = fit_witness(system, control, neurons=100)
    samples = Samples.draw(loop, 5)
    assert judge(value, samples).share > 0.3 * samples.attracted


def test_a_network_policy_is_proved_with_its_witness(pendulum: ControlAffineSystem) -> None:
    control = network(pendulum)
    found = choose_witness(FrozenLoop(pendulum, control))
    assert proved_volume(pendulum, found.value, control) > 2.5  # of the domain's 4


def test_a_fitted_form_has_more_than_the_linear_part_s() -> None:
    """Where the input saturates, the linear part's form falls on a small region only."""
    system = zoo.pendulum_discrete()
    control = limited(system, "0.3")
    loop = FrozenLoop(system, control)
    P = loop.cost_to_go / np.outer(loop.scale, loop.scale)
    found = choose_witness(loop)
    assert found.name.startswith("fitted form")
    assert found.share > 5 * judge(quadratic_value(P, system), Samples.draw(loop, 0)).share
    assert proved_volume(system, found.value, control) > 7.0  # of 16, of which 0.62 converge


def test_the_critic_is_taken_where_it_is_good_and_else_told_why_not(
    pendulum: ControlAffineSystem,
) -> None:
    control = lqr_candidate(pendulum).control
    loop = FrozenLoop(pendulum, control)
    good = lqr_candidate(pendulum).value
    assert choose_witness(loop, critic=lambda: good).name == "critic"
    bad = quadratic_value(np.diag([1.0, 50.0]), pendulum)
    found = choose_witness(loop, critic=lambda: bad)
    assert found.name != "critic"
    [warning] = found.warnings()
    assert "V(F) - V >= 0 at" in warning and "of 4,096 sampled points" in warning


def test_a_critic_that_cannot_be_made_is_no_reason_to_stop(pendulum: ControlAffineSystem) -> None:
    def critic() -> Expression:
        raise InputError("no critic")

    found = choose_witness(FrozenLoop(pendulum, lqr_candidate(pendulum).control), critic=critic)
    assert found.share > 0.8
    assert found.tried[0] == {"name": "critic", "share": 0.0, "words": "no critic"}


def test_a_policy_that_does_not_stabilise_is_never_proved(pendulum: ControlAffineSystem) -> None:
    """Half of the gain that gravity asks for, and none at all."""
    for gain in ([[0.2, 0.1]], [[0.0, 0.0]]):
        control = linear_control(gain, pendulum)
        loop = FrozenLoop(pendulum, control)
        assert not loop.is_stable
        assert not loop.converges(np.array([[0.1, 0.0]])).any()
        found = choose_witness(loop)
        assert not found.stable
        assert "does not stabilise" in str(found.tried[-1]["words"])
        result = prove_stability(
            pendulum, Candidate(pendulum.state, found.value, control, {}), budget=Budget(5.0)
        )
        assert not isinstance(result.verdict, Proved)
        with pytest.raises(InputError, match="eigenvalue has modulus"):
            fit_witness(pendulum, control)


def test_the_policy_is_at_fault_where_its_trajectories_do_not_converge() -> None:
    """±0.3 N m hold the pendulum near the top only; from farther away it falls."""
    system = zoo.pendulum_discrete()
    loop = FrozenLoop(system, limited(system, "0.3"))
    starts = np.array([[0.1, 0.0], [0.9, 3.5], [-0.05, 0.2], [-1.0, -4.0]])
    assert loop.converges(starts).tolist() == [True, False, True, False]
    costs = loop.costs(starts)
    assert np.isfinite(costs).tolist() == [True, False, True, False]


def test_counterexamples_cut_the_region_and_weigh_in_the_fit(
    pendulum: ControlAffineSystem,
) -> None:
    control = network(pendulum)
    loop = FrozenLoop(pendulum, control)
    value = quadratic_value(np.diag([1.0, 1.0]), pendulum)
    samples = Samples.draw(loop, 0)
    before = judge(value, samples)
    near = np.array([[1e-3, 1e-3]])  # |z|² rises there: the velocity takes θ along
    assert judge(value, samples.joined(near)).level <= 2e-6 < before.level or before.share < 1e-3
    plain = fit_witness(pendulum, control, neurons=10)
    pulled = fit_witness(
        pendulum, control, neurons=10, points=np.array([[0.5, -0.3]]), weights=np.array([1e4])
    )
    x = np.array([[0.5, -0.3]])
    assert function(plain, pendulum.state)(x)[0] != function(pulled, pendulum.state)(x)[0]


def test_no_counterexamples_are_no_trouble() -> None:
    system = zoo.cartpole()
    loop = FrozenLoop(system, lqr_candidate(system).control)
    nothing = np.empty((0, 4))
    assert loop.at(nothing).shape == (0, 4) and not len(loop.converges(nothing))
    assert not len(Samples.draw(loop, 0, 64).joined(nothing).x) - 64


def test_the_same_seed_gives_the_same_witness(pendulum: ControlAffineSystem) -> None:
    control = network(pendulum)
    x = Samples.draw(FrozenLoop(pendulum, control), 1).x
    first, second = (
        function(fit_witness(pendulum, control, neurons=20, seed=4), pendulum.state)(x)[0]
        for _ in range(2)
    )
    assert np.array_equal(first, second)


@pytest.mark.parametrize("weights", [None, np.array([1.0, np.nan])])
def test_points_that_do_not_fit_are_refused(
    pendulum: ControlAffineSystem, weights: np.ndarray | None
) -> None:
    points = np.zeros((2, 3 if weights is None else 2))
    with pytest.raises(InputError):
        fit_witness(pendulum, network(pendulum), points=points, weights=weights)
