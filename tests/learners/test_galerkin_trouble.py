"""What Galerkin's approximation says where it cannot be had, and what it falls back to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from certify import Budget, Candidate, Proved, prove_stability
from learners import GalerkinPolicyIteration, galerkin_iteration, lqr
from learners.galerkin_iteration import PolicyIteration
from systems import expression as ex
from systems import zoo
from systems.box import Box
from systems.build import system_from_text
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.evaluate import function

Array = NDArray[np.float64]


def warnings_of(candidate: Candidate) -> list[str]:
    lines = candidate.provenance["warnings"]
    assert isinstance(lines, list)
    return lines


def uncontrolled(text: dict[str, str], domain: list[list[object]]) -> ControlAffineSystem:
    return system_from_text("free", list(text), [], text, domain=domain)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"order": 1}, "order must be an integer from 2 to 12, not 1"),
        ({"order": 13}, "order must be an integer"),
        ({"order": 4.0}, "order must be an integer"),
        ({"iterations": 0}, "iterations must be at least 1"),
        ({"initial_gain": np.ones((1, 2)), "initial_policy": ex.constant(0)}, "not both"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line):
        GalerkinPolicyIteration(**settings)


@pytest.mark.parametrize(
    ("system", "settings", "line"),
    [
        (zoo.system("pendulum-discrete"), {}, "continuous time only"),
        (zoo.pendulum(), {"initial_gain": np.ones((1, 3))}, r"initial gain must have shape \(1, 2"),
        (zoo.pendulum(), {"initial_gain": np.zeros((1, 2))}, "is unstable .eigenvalue 2.8"),
        (zoo.pendulum(), {"initial_gain": np.array([[np.nan, 1]])}, "NaN"),
        (zoo.quadrotor_2d(), {"order": 8}, r"order 8 in 6 dimensions needs 1,\d+ basis functions, "
                                           r"whose tables take \S+ GB; at most 500"),
        (zoo.quadrotor_3d(), {"order": 6}, "order 6 in 9 dimensions needs"),
        (uncontrolled({"x": "x"}, [[-1, 1]]), {}, "eigenvalue"),
    ],
    ids=["discrete", "shape", "unstable", "nan", "quadrotor", "quadrotor-3d", "uncontrolled"],
)  # fmt: skip
def test_what_cannot_begin_is_refused_before_training(
    system: ControlAffineSystem, settings: dict[str, Any], line: str
) -> None:
    learner = GalerkinPolicyIteration(**settings)
    with pytest.raises(InputError, match=line):
        learner.check_for(system)
    with pytest.raises(InputError, match=line):
        learner.fit(system)


def test_limits_in_many_dimensions_are_refused() -> None:
    system = zoo.system("quadrotor-2d-bounded")
    with pytest.raises(InputError, match=r"do not factorise .*at most 4 states, not 6"):
        GalerkinPolicyIteration(order=2).check_for(system)
    with pytest.raises(InputError, match="at most 4 states, not 6"):
        GalerkinPolicyIteration(order=2).fit(system)


def test_dynamics_that_are_not_finite_are_refused() -> None:
    system = system_from_text(
        "hole", ["x", "y"], ["u"], {"x": "y", "y": "log(x + 0.5) - log(0.5 + 0*x) + u"},
        domain=[[-1, 1], [-1, 1]],
    )  # fmt: skip
    with pytest.raises(InputError, match=r"not finite somewhere along x|not a finite number"):
        GalerkinPolicyIteration().fit(system)


def test_a_singular_galerkin_matrix_says_what_to_change() -> None:
    system = uncontrolled({"x": "-x**3", "y": "0*x"}, [[-1, 1], [-1, 1]])
    with pytest.raises(InputError, match=r"matrix is singular.*lower order, another domain"):
        GalerkinPolicyIteration(order=2).fit(system)


def test_a_domain_that_is_not_forward_invariant_is_told() -> None:
    system = uncontrolled({"x": "-x + y", "y": "-y + x**2*y"}, [[-1, 2], [-2, 2]])
    candidate = GalerkinPolicyIteration().fit(system)
    lines = [line for line in warnings_of(candidate) if "not forward invariant" in line]
    [line] = lines
    assert line.endswith("of its boundary flows outwards; choose a smaller domain")


def test_a_policy_that_loses_stability_is_dropped_and_a_smaller_domain_leads_back() -> None:
    """LQR does not hold the corners of the synthetic box: the first V there is worthless."""
    candidate = GalerkinPolicyIteration(order=4).fit(zoo.synthetic(1))
    [line] = warnings_of(candidate)
    assert "iteration 1: the policy lost stability at the equilibrium (eigenvalue 7.75)" in line
    assert candidate.provenance["trained_fraction"] == 1.0


def test_the_last_good_iterate_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Iteration 3 is spoilt: what iteration 2 gave is the candidate."""
    solved = PolicyIteration._solved
    calls: list[int] = []

    def spoilt(self: PolicyIteration, A: Array, b: Array) -> Array | None:
        calls.append(1)
        c = solved(self, A, b)
        return c if c is None or len(calls) != 3 else -c

    monkeypatch.setattr(galerkin_iteration.PolicyIteration, "_solved", spoilt)
    seen: list[Mapping[str, object]] = []
    system = zoo.pendulum()
    candidate = GalerkinPolicyIteration(order=4).fit(system, progress=seen.append)
    [line] = warnings_of(candidate)
    assert line.startswith("iteration 3: the policy lost stability at the equilibrium (eigenvalue")
    assert "iteration 2 was kept" in line and "another order" in line
    assert candidate.provenance["kept_iteration"] == len(seen) == 2
    value, x = seen[-1]["value"], system.domain.sample(10, np.random.default_rng(0))
    assert callable(value)
    assert np.abs(value(x) - function(candidate.value, system.state)(x)[0][:, 0]).max() <= 1e-12


def test_where_nothing_is_found_the_first_policy_is_the_candidate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        galerkin_iteration.PolicyIteration, "_badness", lambda *_: "V became negative (-1)"
    )
    system = zoo.pendulum()
    candidate = GalerkinPolicyIteration(order=4).fit(system)
    K, P = lqr(system)
    x = system.domain.sample(10, np.random.default_rng(0))
    assert candidate.control is not None
    V, u = function([candidate.value, candidate.control], system.state)(x)
    assert np.abs(V[:, 0] - np.vecdot(x @ P, x)).max() <= 1e-12
    assert np.abs(u + x @ K.T).max() <= 1e-12
    assert "no iteration gave a positive V" in warnings_of(candidate)[-1]
    assert candidate.provenance["trained_fraction"] == 0.0


def test_a_diverging_residual_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(galerkin_iteration, "DIVERGED", 1e-6)
    candidate = GalerkinPolicyIteration(order=4).fit(zoo.pendulum())
    assert any(
        line.startswith("iteration 2: the HJB residual grew from")
        and "iteration 1 was kept" in line
        for line in warnings_of(candidate)
    )


def test_uncontrolled_systems_take_one_evaluation() -> None:
    """ẋ = −x + xy, ẏ = −y: the residual of Lyapunov's equation falls as the order grows."""
    system = uncontrolled({"x": "-x + x*y", "y": "-y"}, [["-1/2", "1/2"], ["-1/2", "1/2"]])
    residuals = []
    for order in (2, 4, 6):
        candidate = GalerkinPolicyIteration(order=order).fit(system)
        assert candidate.provenance["iterations"] == 1 and candidate.control is None
        residual = candidate.provenance["hjb_residual_rms"]
        assert isinstance(residual, float)
        residuals.append(residual)
    assert residuals[1] < 0.3 * residuals[0] and residuals[2] < 0.3 * residuals[1]
    assert isinstance(prove_stability(system, candidate, budget=Budget(60.0)).verdict, Proved)


def test_input_limits_are_taken_by_quadrature() -> None:
    """Limits that never bind change nothing; those that do, the policy."""
    free = replace(zoo.pendulum(), domain=Box.symmetric(["1/2", "1/2"]))
    wide = replace(free, input_limits=Box.symmetric([100]))
    narrow = replace(free, input_limits=Box.symmetric(["0.6"]))
    learner = GalerkinPolicyIteration(order=4)
    exact, same, clipped = (learner.fit(s) for s in (free, wide, narrow))
    assert same.provenance["integrals"] == "quadrature"
    x = free.domain.sample(100, np.random.default_rng(0))
    V = [function(c.on(free).value, free.state)(x)[0] for c in (exact, same, clipped)]
    assert np.abs(V[0] - V[1]).max() <= 1e-12
    assert np.abs(V[0] - V[2]).max() > 1e-6
    assert clipped.control is not None
    u = function(clipped.on(free).control or clipped.control, free.state)(x)[0]
    assert np.abs(u).max() <= 0.6


def test_extra_points_are_ignored_with_a_warning() -> None:
    system, points = zoo.pendulum(), np.zeros((2, 2))
    candidate = GalerkinPolicyIteration(order=2).fit(
        system, extra_points=points, extra_weights=np.ones(2)
    )
    assert "extra points (counterexamples) change nothing" in warnings_of(candidate)[0]
    none = GalerkinPolicyIteration(order=2).fit(system, extra_points=np.empty((0, 2)))
    assert warnings_of(none) == []


def test_a_kinked_policy_and_a_cost_without_a_linearisation() -> None:
    """ẋ = xu: the linearisation decides nothing; the policy is that of 2|x| off the kink."""
    system = zoo.bilinear()
    learner = GalerkinPolicyIteration(order=8, initial_policy=-3 * ex.absolute(system.state))
    candidate = learner.fit(system)
    x = np.linspace(0.4, 0.8, 20)[:, None]
    assert candidate.control is not None
    u = function(candidate.control, system.state)(x)[0]
    assert np.abs(u + x).max() <= 0.05
    assert candidate.provenance["integrals"] == "tables"
