"""Zubov learning: what it recovers, what can be proved of it, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from certify import Budget, Candidate, Proved, prove_stability
from learners import ZubovLearning
from learners.refine import refine
from systems import expression as ex
from systems import zoo
from systems.build import system_from_text
from systems.dynamics import ControlAffineSystem
from systems.evaluate import function

Array = NDArray[np.float64]

SMALL = ZubovLearning(neurons=40, iterations=15)


def cubic() -> ControlAffineSystem:
    """ẋ = −x + x³, beside a stable coordinate: the region is |x| < 1."""
    return system_from_text(
        "cubic", ["x", "y"], [], {"x": "-x + x**3", "y": "-y"}, domain=[(-2, 2), (-1, 1)]
    )


def damped_pendulum() -> ControlAffineSystem:
    return system_from_text(
        "damped-pendulum",
        ["theta", "omega"],
        [],
        {"theta": "omega", "omega": "-sin(theta) - omega/2"},
        domain=[(-4, 4), (-4, 4)],
    )


def linear(domain: str = "1") -> ControlAffineSystem:
    return system_from_text(
        "linear",
        ["x", "y"],
        [],
        {"x": "-x + 2*y", "y": "-2*y - x"},
        domain=[(f"-{domain}", domain)] * 2,
    )


def values(candidate: Candidate, x: Array) -> Array:
    return function(candidate.value, candidate.state)(x)[0][:, 0]


def slopes(system: ControlAffineSystem, candidate: Candidate, x: Array) -> Array:
    """∇W·F by central differences along the closed loop's field, independent of the learner."""
    F = function(candidate.closed_loop(system).field, system.state)(x)[0]
    h = 1e-6
    out: Array = (values(candidate, x + h * F) - values(candidate, x - h * F)) / (2 * h)
    return out


def proved_volume(system: ControlAffineSystem, candidate: Candidate) -> float:
    result = prove_stability(system, candidate, budget=Budget(60.0))
    assert isinstance(result.verdict, Proved), result.verdict
    assert result.paving is not None
    return result.paving.volume


def test_zubovs_equation_is_solved_for_a_linear_system() -> None:
    """−log(1 − W)/α is ∫ψ dt by another integrator, and near x* the Lyapunov equation's zᵀPz."""
    system = linear()
    candidate = ZubovLearning(neurons=160, enlarge=False).fit(system)
    alpha, q = (candidate.provenance[k] for k in ("alpha", "speed"))
    assert isinstance(alpha, float)
    assert isinstance(q, float)
    A, z = np.array([[-1.0, 2.0], [-1.0, -2.0]]), np.random.default_rng(1).normal(size=(20, 2))
    unit = z / np.linalg.norm(z, axis=1)[:, None]

    def rate(_: float, y: Array) -> list[float]:
        v = A @ y[:2]
        return [*v, y[:2] @ y[:2] / (1 + v @ v / q**2)]

    for radius in (0.2, 0.5):
        V = -np.log1p(-values(candidate, radius * unit)) / alpha
        ends = [solve_ivp(rate, (0, 20), [*x, 0], rtol=1e-8, atol=1e-12) for x in radius * unit]
        assert np.allclose(V, [e.y[2, -1] for e in ends], rtol=0.005)
    left = np.kron(A.T, np.eye(2)) + np.kron(np.eye(2), A.T)
    P = np.linalg.solve(left, -np.eye(2).ravel()).reshape(2, 2)
    near = 0.02 * unit
    V = values(candidate, near) / alpha
    assert np.allclose(V, np.vecdot(near @ P, near), rtol=0.005)
    rms = candidate.provenance["zubov_residual_rms"]
    assert isinstance(rms, float)
    assert rms < 0.005


def test_w_rises_from_zero_to_one_at_the_regions_boundary() -> None:
    system = cubic()
    candidate = SMALL.fit(system)
    assert values(candidate, np.zeros((1, 2)))[0] == 0.0
    x = np.random.default_rng(3).uniform([-0.97, -0.9], [0.97, 0.9], (2000, 2))
    x = x[np.abs(x).max(axis=1) > 0.05]
    W = values(candidate, x)
    assert (W > 0).all()
    assert (W < 1.02).all()
    assert (slopes(system, candidate, x) < 0).mean() > 0.99
    y = np.linspace(-0.8, 0.8, 41)
    for side in (-1.0, 1.0):
        at_boundary = values(candidate, np.column_stack([np.full(41, side), y]))
        assert np.abs(at_boundary - 1.0).max() < 0.05
        beyond = values(candidate, np.column_stack([np.full(41, 1.5 * side), y]))
        assert beyond.min() > 1.0


def test_a_cubics_region_is_proved_nearly_whole() -> None:
    """Of |x| < 1, |y| < 1: corners, where two pieces of the boundary meet, cost most."""
    assert proved_volume(cubic(), SMALL.fit(cubic())) > 0.85 * 4.0


def test_a_damped_pendulums_region_is_proved() -> None:
    """Bounded by the saddle's stable manifold and by the domain."""
    candidate = ZubovLearning(neurons=60).fit(damped_pendulum())
    share = candidate.provenance["region_share"]
    assert isinstance(share, float)
    assert proved_volume(damped_pendulum(), candidate) > 0.9 * share * 64.0


def test_the_reversed_van_der_pol_oscillator() -> None:
    """Its region is within the limit cycle, of area 13.7222; LyZNet verified 95.64 % of it."""
    system = zoo.system("van-der-pol-reversed-1")
    volume = proved_volume(system, ZubovLearning(neurons=60).fit(system))
    assert 0.96 * 13.7222 < volume < 13.7222


def test_a_controlled_system_keeps_its_policy() -> None:
    """LQR by default, or the gain, or the expression; V is learned for the loop that it closes."""
    system = zoo.system("pendulum")
    by_lqr = SMALL.fit(system)
    assert by_lqr.control is not None
    assert proved_volume(system, by_lqr) > 1.0
    gain = np.array([[20.0, 5.0]])
    by_gain = replace(SMALL, initial_gain=gain).fit(system)
    policy = ex.affine(-gain, system.state)
    by_expression = replace(SMALL, initial_policy=policy).fit(system)
    x = np.array([[0.3, -0.2], [-0.5, 0.9]])
    for candidate in (by_gain, by_expression):
        assert candidate.control is not None
        u = function(candidate.control, system.state)(x)[0]
        assert np.allclose(u, -x @ gain.T)
    assert np.allclose(values(by_gain, x), values(by_expression, x), rtol=1e-6)
    assert by_gain.provenance["settings"]["initial"] == gain.tolist()  # type: ignore[index]


@pytest.mark.parametrize("activation", ["sigmoid", "softplus", "sin"])
def test_other_activations_are_learned_as_they_are_written(activation: str) -> None:
    """The candidate's expression has the slopes that the fit saw, and so decreases."""
    system = linear()
    candidate = replace(SMALL, activation=activation).fit(system)  # type: ignore[arg-type]
    x = np.random.default_rng(5).uniform(-0.6, 0.6, (500, 2))
    assert (slopes(system, candidate, x[np.abs(x).max(axis=1) > 0.05]) < 0).all()
    assert proved_volume(system, candidate) > 1.5


def test_one_state_and_three() -> None:
    one = system_from_text("one", ["x"], [], {"x": "-x + x**3"}, domain=[("-1.5", "1.5")])
    assert proved_volume(one, SMALL.fit(one)) > 1.95
    three = system_from_text(
        "three", ["x", "y", "z"], [], {"x": "-x + y*z", "y": "-y", "z": "-z"}, domain=[(-1, 1)] * 3
    )
    assert proved_volume(three, ZubovLearning(neurons=100).fit(three)) > 1.0


def test_the_same_seed_gives_the_same_candidate() -> None:
    system = damped_pendulum()
    x = np.random.default_rng(0).uniform(-2, 2, (50, 2))
    first, again, other = (replace(SMALL, seed=s).fit(system) for s in (4, 4, 5))
    assert np.array_equal(values(first, x), values(again, x))
    assert first.provenance["history"] == again.provenance["history"]
    assert not np.array_equal(values(first, x), values(other, x))


def test_extra_points_count() -> None:
    """A heavy point outside of the region lifts W there; one inside makes it fall faster there."""
    system = zoo.system("van-der-pol-reversed-3")
    few = ZubovLearning(neurons=12, iterations=30)
    plain = few.fit(system)
    beyond = np.random.default_rng(0).uniform([-2.6, -5.8], [2.6, 5.8], (4000, 2))
    beyond = beyond[(np.abs(beyond) > [2.05, 5.1]).any(axis=1)]
    lowest = beyond[[np.argmin(values(plain, beyond))]]
    assert values(plain, lowest)[0] < 1.0
    lifted = few.fit(system, extra_points=lowest, extra_weights=np.array([1e4]))
    assert values(lifted, lowest)[0] > values(plain, lowest)[0]
    inner = np.random.default_rng(0).uniform([-1.5, -1.5], [1.5, 1.5], (400, 2))
    rising = inner[slopes(system, plain, inner) >= 0.0]
    assert len(rising)
    mended = few.fit(system, extra_points=rising, extra_weights=np.full(len(rising), 1e3))
    before, after = (np.maximum(slopes(system, c, rising), 0).sum() for c in (plain, mended))
    assert after < before


def test_the_loop_takes_it() -> None:
    attempts = list(refine(cubic(), SMALL, rounds=3, budget=Budget(60.0)))
    assert isinstance(attempts[-1].conclusion, Proved)


def test_progress_and_provenance_are_as_every_learners() -> None:
    system = zoo.system("van-der-pol-reversed-1")
    heard: list[dict[str, object]] = []
    candidate = SMALL.fit(system, progress=lambda entry: heard.append(dict(entry)))
    record = candidate.provenance
    json.dumps(record, allow_nan=False)
    assert record["learner"] == "zubov"
    assert record["iterations"] == len(heard) == len(record["history"])  # type: ignore[arg-type]
    losses = [entry["loss"] for entry in heard]
    assert losses == sorted(losses, reverse=True)  # type: ignore[type-var]
    last = heard[-1].pop("value")
    x = np.array([[0.5, 0.5], [1.0, -1.0]])
    assert np.allclose(last(x), values(candidate, x), rtol=1e-6)  # type: ignore[operator]
    assert "value" not in record["history"][-1]  # type: ignore[index]
    assert record["promised_share"] > 0.9  # type: ignore[operator]
