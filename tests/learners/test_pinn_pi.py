"""PINN-PI against known optimal value functions, its promises, and what it does with bad input."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from learners import ElmPolicyIteration, PinnPolicyIteration, lqr
from learners.pinn_equations import Equations
from learners.pinn_iteration import PinnIteration
from learners.pinn_network import ACTIVATIONS, Network
from systems import expression as ex
from systems import zoo
from systems.box import Box
from systems.build import system_from_text
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.evaluate import function
from systems.linearize import linearize
from tests.learners.test_elm_pi import (
    at_equilibrium,
    hjb_residual,
    largest_error,
    shifted_pendulum,
)

Array = NDArray[np.float64]


@pytest.mark.parametrize(
    ("name", "neurons", "features"),
    [("synthetic-1", 30, "adapted"), ("synthetic-2", 50, "adapted"), ("synthetic-1", 20, "uniform"),
     ("synthetic-2", 40, "uniform")],
)  # fmt: skip
def test_it_converges_to_the_optimal_value(name: str, neurons: int, features: Any) -> None:
    candidate = PinnPolicyIteration(neurons=neurons, features=features).fit(zoo.system(name))
    assert largest_error(candidate, name) < 1e-4
    assert candidate.provenance["warnings"] == []


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_and_depth_learns(activation: Any) -> None:
    learner = PinnPolicyIteration(neurons=16, layers=2, activation=activation, iterations=6)
    assert largest_error(learner.fit(zoo.system("synthetic-1")), "synthetic-1") < 1e-3


@pytest.mark.parametrize("features", ["adapted", "uniform"])
@pytest.mark.parametrize("layers", [1, 2])
def test_expressions_are_the_network(
    features: Any, layers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[tuple[Network, Array]] = []
    original = PinnIteration.run

    def run(self: PinnIteration, theta: Array) -> Any:
        out = original(self, theta)
        assert out is not None
        kept.append((self.network, out.theta))
        return out

    monkeypatch.setattr(PinnIteration, "run", run)
    system = shifted_pendulum()
    learner = PinnPolicyIteration(neurons=12, layers=layers, features=features, iterations=5)
    candidate = learner.fit(system)
    [(network, theta)] = kept
    x = system.domain.sample(50, np.random.default_rng(0))
    star, half = np.array([0.25, 0.0]), np.array([0.75, 1.0])
    z = (x - star) / half
    assert candidate.control is not None
    V, k = function([candidate.value, candidate.control], candidate.state)(x)
    np.testing.assert_allclose(V[:, 0], network.values(theta, z), atol=1e-9)
    slope = (network.gradient(theta, z) / half)[:, 1]
    np.testing.assert_allclose(k[:, 0], 1 / 3 - slope / 6, atol=1e-9)


@pytest.mark.parametrize("layers", [1, 2])
def test_value_and_policy_are_exact_at_the_equilibrium(layers: int) -> None:
    system = shifted_pendulum()
    candidate = PinnPolicyIteration(neurons=12, layers=layers, iterations=5).fit(system)
    [V] = at_equilibrium(candidate.value, system)
    assert V.contains(0) and float(V.rad()) < 1e-12
    assert candidate.control is not None
    [k] = at_equilibrium(candidate.control, system)
    assert (3 * k).contains(1) and float(k.rad()) < 1e-12


def test_the_same_seed_gives_the_same_candidate() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (100, 2))
    values = [
        function([c.value], c.state)(x)[0]
        for seed in (3, 3, 4)
        for c in [PinnPolicyIteration(neurons=20, iterations=4, seed=seed).fit(zoo.pendulum())]
    ]
    np.testing.assert_array_equal(values[0], values[1])
    assert (values[0] != values[2]).any()


def test_it_is_better_than_extreme_learning_with_as_many_neurons() -> None:
    system = zoo.cartpole()
    ours = PinnPolicyIteration(neurons=30, iterations=6).fit(system)
    theirs = ElmPolicyIteration(neurons=30).fit(system)
    x = system.domain.sample(500, np.random.default_rng(1))
    rms = [np.sqrt(np.mean(hjb_residual(c, system, x) ** 2)) for c in (ours, theirs)]
    assert rms[0] < 0.2 * rms[1]
    there = {"held out": ours.provenance["hjb_residual_rms"]}
    assert there["held out"] == pytest.approx(rms[0], rel=2.0)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_the_other_optimisers_learn(optimizer: Any) -> None:
    steps = {"lbfgs": 150, "adam": 1500}[optimizer]
    learner = PinnPolicyIteration(
        neurons=16, optimizer=optimizer, steps=steps, iterations=5,
        initial_gain=np.array([[2.0]]),
    )  # fmt: skip
    assert largest_error(learner.fit(zoo.system("synthetic-1")), "synthetic-1") < 0.05


def test_a_known_first_policy_may_be_given_as_gain_or_expression() -> None:
    entry = zoo.entry("lorenz")
    assert entry.initial_gain is not None
    gain = np.array([[float(v) for v in row] for row in entry.initial_gain])
    system = entry.build()
    by_gain = PinnPolicyIteration(neurons=20, iterations=4, steps=20, initial_gain=gain).fit(system)
    assert by_gain.provenance["trained_fraction"] == 1.0
    policy = ex.affine(-gain, system.state)
    learner = PinnPolicyIteration(neurons=20, iterations=4, steps=20, initial_policy=policy)
    expressed = learner.fit(system)
    points = system.domain.sample(20, np.random.default_rng(0))
    V, W = (function([c.value], c.state)(points)[0] for c in (by_gain, expressed))
    np.testing.assert_allclose(V, W, rtol=1e-3)


def test_extra_points_are_fitted() -> None:
    system = zoo.system("synthetic-2")
    worst = np.array([[0.9, -0.9], [0.95, 0.9]])
    learner = PinnPolicyIteration(neurons=8, iterations=5, seed=1)
    plain = learner.fit(system)
    weighted = learner.fit(system, extra_points=worst, extra_weights=np.full(2, 1e4))
    before, after = (np.abs(hjb_residual(c, system, worst)).max() for c in (plain, weighted))
    assert after < 0.1 * before


def test_provenance_is_json_and_progress_is_told() -> None:
    seen: list[dict[str, Any]] = []
    learner = PinnPolicyIteration(neurons=12, iterations=4, steps=20)
    candidate = learner.fit(zoo.pendulum(), progress=lambda entry: seen.append(dict(entry)))
    provenance: Any = json.loads(json.dumps(dict(candidate.provenance), allow_nan=False))
    assert provenance["learner"] == "pinn-pi"
    assert provenance["settings"]["optimizer"] == "levenberg-marquardt"
    assert len(provenance["history"]) == provenance["iterations"]
    ends = [entry for entry in seen if "value" in entry]
    assert [e["iteration"] for e in ends] == [h["iteration"] for h in provenance["history"]]
    assert all(0.0 <= e["share"] <= 1.0 for e in seen)
    values = ends[-1]["value"](np.zeros((3, 2)))
    np.testing.assert_allclose(values, 0.0, atol=1e-12)


def test_the_local_gain_of_the_policy_is_that_of_lqr() -> None:
    system = zoo.pendulum()
    candidate = PinnPolicyIteration(neurons=30, iterations=6, origin_weight=10.0).fit(system)
    K, _ = lqr(system)
    h = 1e-5
    points = np.concatenate([h * np.eye(2), -h * np.eye(2)])
    assert candidate.control is not None
    k = function([candidate.control], candidate.state)(points)[0][:, 0]
    np.testing.assert_allclose((k[:2] - k[2:]) / (2 * h), -K[0], rtol=1e-3)


def uncontrolled() -> ControlAffineSystem:
    return system_from_text(
        "free", ["x", "y"], [], {"x": "-x + y", "y": "-y - x**3"}, domain=[[-1, 1], [-1, 1]]
    )


def test_an_uncontrolled_system_has_a_lyapunov_function() -> None:
    system = uncontrolled()
    candidate = PinnPolicyIteration(neurons=30, iterations=4).fit(system)
    assert candidate.control is None
    x = system.domain.sample(500, np.random.default_rng(1))
    assert np.abs(hjb_residual(candidate, system, x)).max() < 1e-2


# Bad input


def test_a_discrete_system_is_refused() -> None:
    system = replace(zoo.system("synthetic-1"), time="discrete")
    for call in (PinnPolicyIteration().fit, PinnPolicyIteration().check_for):
        with pytest.raises(InputError, match="continuous time only"):
            call(system)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"neurons": 0}, "neurons must be at least 1"),
        ({"layers": 0}, "layers must be at least 1"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"activation": "relu"}, 'activation must be one of "tanh"'),
        ({"features": "random"}, "features must be one of"),
        ({"optimizer": "sgd"}, "optimizer must be one of"),
        ({"origin_weight": float("nan")}, "origin_weight must be finite"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        PinnPolicyIteration(**settings)


def test_an_unstable_first_policy_is_refused() -> None:
    with pytest.raises(InputError, match="is unstable \\(eigenvalue"):
        PinnPolicyIteration(initial_gain=np.zeros((1, 2))).check_for(zoo.pendulum())


def test_a_network_too_large_for_its_optimiser_is_refused() -> None:
    with pytest.raises(InputError, match='use optimizer="lbfgs" or fewer'):
        PinnPolicyIteration(neurons=200, layers=2, features="uniform").check_for(zoo.pendulum())
    with pytest.raises(InputError, match=r"at \d+ points are too many .* use fewer neurons"):
        PinnPolicyIteration(neurons=100_000, optimizer="lbfgs").check_for(zoo.pendulum())


def test_extra_points_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="must be finite"):
        PinnPolicyIteration().fit(zoo.pendulum(), extra_points=np.array([[np.nan, 0.0]]))
    with pytest.raises(InputError, match="shape"):
        PinnPolicyIteration().fit(zoo.pendulum(), extra_points=np.zeros((2, 3)))


def test_too_few_points_are_told() -> None:
    learner = PinnPolicyIteration(neurons=20, collocation_points=10, iterations=2, steps=5)
    warnings: Any = learner.fit(zoo.system("synthetic-1")).provenance["warnings"]
    assert any("leave the least squares singular; use fewer neurons or more" in w for w in warnings)


def test_a_policy_that_loses_stability_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plants a policy, from the third iteration on, that is unstable at the equilibrium."""
    original = PinnIteration._unstable

    def unstable(self: PinnIteration, theta: Array) -> str | None:
        if len(self.history) >= 2:
            theta = theta.copy()
            theta[self.network.output] *= -1.0
        return original(self, theta)

    monkeypatch.setattr(PinnIteration, "_unstable", unstable)
    system = zoo.pendulum()
    candidate = PinnPolicyIteration(neurons=16, steps=10).fit(system)
    warnings: Any = candidate.provenance["warnings"]
    assert warnings[0].startswith(
        "iteration 3: the policy lost stability at the equilibrium (eigenvalue "
    )
    A, B = linearize(system)
    assert candidate.control is not None
    h = 1e-5
    points = np.concatenate([h * np.eye(2), -h * np.eye(2)])
    k = function([candidate.control], candidate.state)(points)[0]
    K = ((k[:2] - k[2:]) / (2 * h)).T
    assert np.linalg.eigvals(A + B @ K).real.max() < 0.0


def test_where_no_policy_is_stable_the_first_one_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PinnIteration, "_unstable", lambda self, theta: "1.5")
    system = zoo.pendulum()
    candidate = PinnPolicyIteration(neurons=10, steps=5).fit(system)
    warnings: Any = candidate.provenance["warnings"]
    assert candidate.provenance["trained_fraction"] == 0.0
    assert "this is the first policy with the quadratic cost" in warnings[-1]
    K, _ = lqr(system)
    x = system.domain.sample(5, np.random.default_rng(0))
    assert candidate.control is not None
    k = function([candidate.control], candidate.state)(x)[0]
    np.testing.assert_allclose(k, -x @ K.T)


@pytest.mark.parametrize("optimizer", ["levenberg-marquardt", "lbfgs", "adam"])
def test_a_loss_that_is_not_a_number_ends_at_the_last_good_weights(
    optimizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plants NaN in the loss and its gradient, after 30 evaluations."""
    calls = [0]
    gradient, loss = Equations.loss_and_gradient, Equations.loss

    def spoiled(self: Equations, theta: Array) -> tuple[float, Array]:
        calls[0] += 1
        value, slope = gradient(self, theta)
        return (value, slope) if calls[0] <= 30 else (float("nan"), slope)

    def spoiled_loss(self: Equations, theta: Array) -> float:
        calls[0] += 1
        return loss(self, theta) if calls[0] <= 30 else float("nan")

    monkeypatch.setattr(Equations, "loss_and_gradient", spoiled)
    monkeypatch.setattr(Equations, "loss", spoiled_loss)
    learner = PinnPolicyIteration(
        neurons=16, optimizer=optimizer, steps=12, initial_gain=np.array([[2.0]])
    )
    candidate = learner.fit(zoo.system("synthetic-1"))
    warnings: Any = candidate.provenance["warnings"]
    assert any("the loss was NaN or infinite at step" in w for w in warnings)
    V = function([candidate.value], candidate.state)(np.array([[0.5]]))[0]
    assert np.isfinite(V).all()


def test_a_domain_beyond_control_is_left_out_and_told() -> None:
    """|u| ≤ 1/2 cannot hold ẋ = x + u back beyond |x| = 1/2."""
    system = replace(
        system_from_text("weak", ["x"], ["u"], {"x": "x + u"}, domain=[[-1, 1]]),
        input_limits=Box.of([("-1/2", "1/2")]),
    )
    candidate = PinnPolicyIteration(neurons=16, iterations=4, steps=20).fit(system)
    fraction: Any = candidate.provenance["trained_fraction"]
    warnings: Any = candidate.provenance["warnings"]
    assert 0.0 < fraction < 0.55
    assert any("not forward invariant: under the first policy 100 % of its boun" in w
               for w in warnings)  # fmt: skip
    assert any("it was trained on the" in w for w in warnings)


def test_a_part_as_small_as_the_first_policy_holds_is_found() -> None:
    """|u| ≤ 1/20 cannot hold ẋ = x + u back beyond |x| = 1/20."""
    system = replace(
        system_from_text("weaker", ["x"], ["u"], {"x": "x + u"}, domain=[[-1, 1]]),
        input_limits=Box.of([("-1/20", "1/20")]),
    )
    candidate = PinnPolicyIteration(neurons=16, iterations=4, steps=20).fit(system)
    fraction: Any = candidate.provenance["trained_fraction"]
    assert 0.0 < fraction < 0.055
    warnings: Any = candidate.provenance["warnings"]
    assert any("it was trained on the" in w for w in warnings)


def test_v_is_told_while_the_last_block_is_learned() -> None:
    system = zoo.synthetic(2)
    told: list[dict[str, Any]] = []
    candidate = PinnPolicyIteration(neurons=24, iterations=4, steps=20).fit(
        system, progress=lambda entry: told.append(dict(entry))
    )
    values = [entry["value"] for entry in told if "value" in entry]
    assert values and "value" not in told[0]
    x = system.domain.sample(20, np.random.default_rng(0))
    V = function([candidate.value], candidate.state)(x)[0][:, 0]
    assert min(np.abs(value(x) - V).max() for value in values) < 1e-10
    assert all(a["share"] <= b["share"] for a, b in pairwise(told))


def test_equations_undefined_on_the_domain_are_told() -> None:
    system = system_from_text("root", ["x"], ["u"], {"x": "1 - sqrt(1 - x) + u"}, domain=[[-1, 2]])
    with pytest.raises(InputError, match="is not a finite number at x ="):
        PinnPolicyIteration(neurons=10).fit(system)
