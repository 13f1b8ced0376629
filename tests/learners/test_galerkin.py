"""Galerkin's approximation against known solutions, and its promises about the candidate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from certify import Budget, Candidate, Proved, Requested, prove_stability
from certify.backends.z3 import Z3
from learners import GalerkinPolicyIteration, galerkin_training, lqr
from learners.elm_structure import unstructured
from learners.lqr import linearise, policy_cost
from systems import expression as ex
from systems import zoo
from systems.build import system_from_text
from systems.differentiate import gradient
from systems.dynamics import ControlAffineSystem
from systems.evaluate import function
from systems.tape import compile_tape

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
            [f"({A[i, j]:.17g})*{names[j]}" for j in range(n)]
            + [f"({B[i, k]:.17g})*u{k}" for k in (0, 1)]
        )
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


@pytest.mark.parametrize("order", [2, 4])
def test_lorenz_is_proved(order: int) -> None:
    system = zoo.lorenz()
    candidate = GalerkinPolicyIteration(order=order).fit(system)
    assert isinstance(prove_stability(system, candidate, budget=Budget(60.0)).verdict, Proved)


def test_value_and_slope_vanish_exactly_off_the_origin() -> None:
    system = system_from_text(
        "moved", ["x", "y"], ["u"], {"x": "y", "y": "sin(x - 0.1) + u"},
        domain=[[-1, 1], [-2, 1]], equilibrium={"x": "0.1", "y": 0},
    )  # fmt: skip
    candidate = GalerkinPolicyIteration(order=4).fit(system)
    there = {system.state: ex.constant(list(system.equilibrium))}
    assert candidate.control is not None
    for node in (candidate.value, gradient(candidate.value, system.state), candidate.control):
        entries = ex.rational_values(ex.substitute(node, there))
        assert entries is not None and not any(entries)
    assert isinstance(prove_stability(system, candidate, budget=Budget(60.0)).verdict, Proved)


def test_the_same_settings_give_the_same_candidate_and_the_residual_is_the_candidates_own() -> None:
    system = zoo.pendulum()
    learner = GalerkinPolicyIteration(order=6)
    first, second = learner.fit(system), learner.fit(system)
    digests = [
        compile_tape([c.value, c.control], [system.state]).digest
        for c in (first, second)
        if c.control is not None
    ]
    assert len(digests) == 2 and digests[0] == digests[1]
    assert first.control is not None
    x = system.domain.sample(2000, np.random.default_rng(0))
    slope = gradient(first.value, system.state)
    loop = ex.dot(slope, system.vector_field(first.control))
    residual = function(loop + system.state_cost + 2 * first.control**2, system.state)(x)[0]
    stated = first.provenance["hjb_residual_max"]
    assert isinstance(stated, float)
    assert 0.3 * stated <= np.abs(residual).max() <= 1.2 * stated


def test_provenance_and_progress() -> None:
    seen: list[Mapping[str, object]] = []
    candidate = GalerkinPolicyIteration(order=4).fit(zoo.pendulum(), progress=seen.append)
    provenance = candidate.provenance
    json.dumps(provenance, allow_nan=False)
    assert provenance["learner"] == "galerkin"
    assert provenance["settings"] == {"order": 4, "iterations": 10, "initial": "lqr"}
    assert provenance["integrals"] == "tables"
    assert provenance["warnings"] == []
    history = provenance["history"]
    assert isinstance(history, list) and len(history) == len(seen) == provenance["iterations"]
    assert [entry["iteration"] for entry in history] == list(range(1, len(history) + 1))
    assert "value" not in history[0]
    assert [{k: v for k, v in entry.items() if k != "value"} for entry in seen] == history
    value, x = seen[-1]["value"], np.array([[0.3, -0.2], [0.0, 0.0]])
    assert callable(value)
    assert np.abs(value(x) - values(candidate, zoo.pendulum(), x)).max() <= 1e-12


def test_symmetries_change_nothing_but_the_number_of_unknowns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    system = zoo.lorenz()
    reduced = GalerkinPolicyIteration(order=4).fit(system)
    monkeypatch.setattr(
        galerkin_training, "detect_structure", lambda plant, policy, **_: unstructured(3)
    )
    whole = GalerkinPolicyIteration(order=4).fit(system)
    assert (reduced.provenance["unknowns"], whole.provenance["unknowns"]) == (17, 31)
    x = system.domain.sample(100, np.random.default_rng(0))
    V = values(whole, system, x)
    assert np.abs(values(reduced, system, x) - V).max() <= 1e-12 * V.max()


@pytest.mark.skipif(not Z3().availability().available, reason="z3-solver is not installed")
def test_z3_takes_and_proves_a_synthetic_candidate() -> None:
    system = zoo.synthetic(2)
    candidate = GalerkinPolicyIteration(order=4).fit(system)
    result = prove_stability(system, candidate, budget=Budget(60.0))
    assert isinstance(result.verdict, Proved)
    z3 = Z3()
    for search in result.searches.values():
        assert z3.explain_unsupported(search.condition) is None
    found = z3.check(result.searches["decrease"].condition, Budget(60.0))
    assert isinstance(found.verdict if hasattr(found, "verdict") else found, Proved)
