"""Galerkin's approximation against known solutions, and its promises about the candidate."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from certify import Budget, Candidate, Proved, Requested, prove_stability
from learners import GalerkinPolicyIteration, lqr
from systems import zoo
from systems.build import system_from_text
from systems.dynamics import ControlAffineSystem
from systems.evaluate import function

Array = NDArray[np.float64]


def values(candidate: Candidate, system: ControlAffineSystem, x: Array) -> Array:
    return function(candidate.on(system).value, system.state)(x)[0][:, 0]


def warnings_of(candidate: Candidate) -> list[str]:
    lines = candidate.provenance["warnings"]
    assert isinstance(lines, list)
    return lines


def linear_plant(n: int = 3) -> ControlAffineSystem:
    rng = np.random.default_rng(n)
    A, B = rng.normal(size=(n, n)), rng.normal(size=(n, 2))
    names = [f"x{i}" for i in range(n)]
    rows = {
        names[i]: "+".join(
            [f"({A[i, j]!r})*{names[j]}" for j in range(n)] + [f"({B[i, k]!r})*u{k}" for k in (0, 1)]
        ).replace("np.float64", "")
        for i in range(n)
    }  # fmt: skip
    return system_from_text("linear", names, ["u0", "u1"], rows, domain=[[-1, 2]] * n, R=[2, 1])


@pytest.mark.parametrize("order", [4, 6])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_synthetic_value_function_to_rounding(n: int, order: int) -> None:
    entry = zoo.ENTRIES[f"synthetic-{n}"]
    system = entry.build()
    candidate = GalerkinPolicyIteration(order=order).fit(system)
    x = system.domain.sample(500, np.random.default_rng(0))
    assert entry.optimal_value is not None
    wanted = function(entry.optimal_value(system.state), system.state)(x)[0][:, 0]
    assert np.abs(values(candidate, system, x) - wanted).max() <= 1e-13
    assert candidate.provenance["trained_fraction"] == 1.0


def test_order_two_on_a_linear_system_solves_the_riccati_equation() -> None:
    system = linear_plant()
    K, P = lqr(system)
    far = K + 0.1 * np.random.default_rng(1).normal(size=K.shape)
    candidate = GalerkinPolicyIteration(order=2, initial_gain=far).fit(system)
    x = system.domain.sample(100, np.random.default_rng(0))
    wanted = np.vecdot(x @ P, x)
    assert np.abs(values(candidate, system, x) - wanted).max() <= 1e-11 * np.abs(wanted).max()
    control = candidate.on(system).control
    assert control is not None
    u = function(control, system.state)(x)[0]
    assert np.abs(u + x @ K.T).max() <= 1e-11 * np.abs(u).max()


def test_iterates_on_a_linear_system_are_kleinmans() -> None:
    system = linear_plant()
    K, _ = lqr(system)
    K = 1.5 * K  # LQR has gain margin ½ … ∞ in every input
    from learners.lqr import linearise, policy_cost

    linear = linearise(system)
    seen: list[Mapping[str, object]] = []
    learner = GalerkinPolicyIteration(order=2, initial_gain=K)
    learner.fit(system, progress=seen.append)
    x = system.domain.sample(20, np.random.default_rng(0))
    assert len(seen) >= 4
    for entry in seen:
        P = policy_cost(linear, K)
        K = np.linalg.solve(linear.R, linear.B.T @ P)
        value = entry["value"]
        assert callable(value)
        wanted = np.vecdot(x @ P, x)
        assert np.abs(value(x) - wanted).max() <= 1e-10 * np.abs(wanted).max()


@pytest.mark.parametrize("order", [2, 4, 6, 8])
def test_pendulum_is_proved_with_the_papers_constants(order: int) -> None:
    system = zoo.pendulum()
    candidate = GalerkinPolicyIteration(order=order).fit(system)
    asked = Requested(Fraction("0.01"), Fraction("0.029"))
    result = prove_stability(system, candidate, asked, budget=Budget(60.0))
    assert isinstance(result.verdict, Proved)
