"""Sampled systems proved, certified, checked, read back; and gains that only held inputs betray."""

from __future__ import annotations

import copy
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest

from certify import Budget, Candidate, Claim, Requested, StabilityResult, prove_stability
from certify.verdict import Proved, Refuted
from learners.lqr import Linearisation, lqr_candidate, policy_cost
from proofs.binding import binding_gaps
from proofs.certificate import certificate_of, load_certificate, problem_of, save_certificate
from proofs.certificate_reader import hashes_of
from proofs.checker import check_bytes
from proofs.export.functions import functions_of
from proofs.report_source import result_of_certificate
from systems import expression as ex
from systems import zoo
from systems.dynamics import ClosedLoop, ControlAffineSystem, linear_control
from systems.errors import InputError
from systems.evaluate import function
from systems.linearize import linearize
from systems.sampled import Method, Sampling, sampled
from systems.words import equations
from tests.proofs.handmade import encoded

Document = dict[str, Any]
SAMPLING = Sampling(Fraction(1, 50))
KINDS: dict[str, tuple[str, Sampling, Claim]] = {
    "asymptotic": ("pendulum", SAMPLING, Claim.ASYMPTOTIC_STABILITY),
    "Euler": ("pendulum", Sampling(Fraction(1, 50), "euler", 2), Claim.ASYMPTOTIC_STABILITY),
    "saturated": ("pendulum-bounded-6", SAMPLING, Claim.ASYMPTOTIC_STABILITY),
    "disturbed": ("pendulum-disturbed", SAMPLING, Claim.PRACTICAL_STABILITY),
    "local": ("pendulum", SAMPLING, Claim.LOCAL_STABILITY),
    "uncontrolled": ("van-der-pol-reversed-1", Sampling(Fraction(1, 10)), Claim.LOCAL_STABILITY),
}


@cache
def proved(kind: str) -> StabilityResult:
    name, sampling, claim = KINDS[kind]
    system = sampled(zoo.system(name), sampling)
    result = prove_stability(
        system, lqr_candidate(system), Requested(claim=claim), budget=Budget(seconds=60)
    )
    assert isinstance(result.verdict, Proved), result.verdict
    return result


def document_of(kind: str) -> Document:
    return copy.deepcopy(certificate_of(proved(kind)))


def points(system: ControlAffineSystem) -> Any:
    x = system.domain.sample(40, np.random.default_rng(3))
    W = system.disturbance_range
    return x if W is None else np.hstack([x, W.sample(40, np.random.default_rng(4))])


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_is_valid_and_leads_back_to_the_loop(kind: str) -> None:
    document, problem = document_of(kind), proved(kind).problem
    outcome = check_bytes(encoded(document))
    assert outcome.status == "valid", outcome.message
    assert binding_gaps(document, problem.system, problem.candidate) == []
    back = problem_of(document)
    system = back.system
    assert (system.name, system.sampling) == (problem.system.name, problem.system.sampling)
    assert system.input_dimension == problem.system.input_dimension
    at = points(system)
    here = function(back.field, *back.variables)(at)[0]
    there = function(problem.field, *problem.variables)(at)[0]
    np.testing.assert_array_equal(here, there)
    assert isinstance(result_of_certificate(document).verdict, Proved)


def test_the_certified_loop_is_the_loop_of_held_inputs() -> None:
    """φ and k of the document, run by hand: k once a period, cut off at the limits."""
    document, system = document_of("saturated"), proved("saturated").problem.system
    back, limits = problem_of(document), system.input_limits
    assert limits is not None and back.candidate.control is not None
    x = points(system)
    u = function(back.candidate.control, back.candidate.state)(x)[0]
    low, high = limits.outer()
    assert (u >= low).all() and (u <= high).all()
    plain = zoo.system("pendulum-bounded-6")
    parts = function([plain.drift, *plain.input_columns], plain.state)

    def rate(at: Any) -> Any:
        drift, column = parts(at)
        return drift + column * u

    h = 0.02
    first = rate(x)
    second = rate(x + h / 2 * first)
    third = rate(x + h / 2 * second)
    fourth = rate(x + h * third)
    wanted = x + h / 6 * (first + 2 * second + 2 * third + fourth)
    found = function(back.field, back.state)(x)[0]
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


def test_a_controller_can_be_exported_from_the_certificate_alone() -> None:
    found, absent = functions_of(problem_of(document_of("asymptotic")))
    assert "controller" in {f.name for f in found} and not absent


def test_the_equation_is_told_as_it_was_written() -> None:
    system = problem_of(document_of("asymptotic")).system
    own = zoo.pendulum()
    names = ["theta", "omega"], ["u"]
    assert equations(system, *names) == equations(own, *names)


def rehashed(document: Document) -> Document:
    document["sha256"] = hashes_of(document)
    return document


def _other_period(note: Document) -> None:
    note["period"] = "1/25"


def _other_method(note: Document) -> None:
    note["method"] = "euler"


def _more_steps(note: Document) -> None:
    note["substeps"] = 100


def _swapped(note: Document) -> None:
    note["equation"]["outputs"].reverse()


def _of_another_size(note: Document) -> None:
    note["equation"]["outputs"].append(note["equation"]["outputs"][-1])


@pytest.mark.parametrize(
    "lie", [_other_period, _other_method, _more_steps, _swapped, _of_another_size]
)
def test_an_annotation_that_does_not_fit_is_not_believed(lie: Any) -> None:
    """φ stands: the loop is the same, though without its inputs."""
    document = document_of("asymptotic")
    lie(document["annotations"]["sampling"])
    rehashed(document)
    assert check_bytes(encoded(document)).status == "valid"
    back, own = problem_of(document), proved("asymptotic").problem
    assert back.system.sampling is None and back.system.input_dimension == 0
    x = points(own.system)
    here, there = (function(p.field, p.state)(x)[0] for p in (back, own))
    np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("period", "-1/50", r"annotations\.sampling\.period: a positive number"),
        ("period", 0.02, r"annotations\.sampling\.period"),
        ("method", "heun", r"annotations\.sampling\.method: rk4 or euler is wanted"),
        ("substeps", 0, r"annotations\.sampling\.substeps"),
        ("substeps", 10**9, r"annotations\.sampling\.substeps"),
        ("equation", {}, r"annotations\.sampling\.equation"),
    ],
)
def test_a_malformed_annotation_is_told(
    key: str, value: object, message: str, tmp_path: Any
) -> None:
    document = document_of("asymptotic")
    document["annotations"]["sampling"][key] = value
    save_certificate(rehashed(document), tmp_path / "certificate.json")
    with pytest.raises(InputError, match=message):
        load_certificate(tmp_path / "certificate.json")


def test_another_sampling_is_another_system() -> None:
    document = document_of("asymptotic")
    own = proved("asymptotic").problem
    methods: tuple[tuple[Fraction, Method, int], ...] = (
        (Fraction(1, 25), "rk4", 1),
        (Fraction(1, 50), "euler", 1),
        (Fraction(1, 50), "rk4", 2),
    )
    for period, method, substeps in methods:
        other = sampled(zoo.pendulum(), Sampling(period, method, substeps))
        gaps = binding_gaps(document, other, own.candidate)
        assert any("the system's name" in gap for gap in gaps)
        assert "the dynamics are others" in gaps
    assert binding_gaps(document, zoo.pendulum(), own.candidate)


def with_gain(system: ControlAffineSystem, gain: list[list[float]]) -> Candidate:
    """The linear policy, with LQR's quadratic V, or its own where it has one."""
    A, B = linearize(system)
    K, n = np.array(gain), system.state_dimension
    linear = Linearisation(A, B, np.eye(n), np.eye(system.input_dimension), system.time)
    stable = max(abs(np.linalg.eigvals(A - B @ K))) < 1
    P = policy_cost(linear, K) if stable else np.eye(n)
    x = system.state
    return Candidate(x, ex.dot(x, ex.affine(P, x)), linear_control(gain, system))


CLAIMS = [Claim.ASYMPTOTIC_STABILITY, Claim.LOCAL_STABILITY, Claim.PRACTICAL_STABILITY]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda c: c.value)
@pytest.mark.parametrize("gain", [[[-2.0, -0.2]], [[0.0, 0.0]], [[300.0, 300.0]]], ids=str)
def test_an_unstable_gain_is_never_proved(gain: list[list[float]], claim: Claim) -> None:
    system = sampled(zoo.pendulum(), SAMPLING)
    result = prove_stability(
        system, with_gain(system, gain), Requested(claim=claim), budget=Budget(seconds=2)
    )
    assert not isinstance(result.verdict, Proved)
    assert result.theorem is None


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda c: c.value)
def test_what_only_an_input_that_is_not_held_would_stabilise_is_not_proved(claim: Claim) -> None:
    """Stable in continuous time, and as the Runge-Kutta step of the closed loop, where k acts at
    every stage; held for 0.06 s the same gain drives the pendulum away."""
    plain, sampling, gain = zoo.pendulum(), Sampling(Fraction(3, 50)), [[3.0, 1.0]]
    held = sampled(plain, sampling)
    k = linear_control(gain, plain)
    K = np.array(gain)
    A, B = linearize(held)
    assert max(abs(np.linalg.eigvals(A - B @ K))) > 1.3
    not_held = function(sampling.next_state(plain.vector_field(k), plain.state), plain.state)
    slope = not_held(1e-6 * np.eye(2))[0].T / 1e-6
    assert max(abs(np.linalg.eigvals(slope))) < 0.9
    assert np.linalg.eigvals(linearize(plain)[0] - linearize(plain)[1] @ K).real.max() < 0
    P = np.linalg.inv(np.array([[1.0, -1.0], [-1.0, 20.0]]))
    shapes = [lqr_candidate(plain).value, ex.dot(plain.state, ex.affine(P, plain.state))]
    for value in shapes:
        asked = Requested(claim=claim)
        result = prove_stability(
            held, Candidate(plain.state, value, k), asked, budget=Budget(seconds=2)
        )
        assert not isinstance(result.verdict, Proved)
        x = np.array([[1e-3, 1e-3]])
        loop = function(ClosedLoop(held, k).field, held.state)
        for _ in range(60):
            x = loop(x)[0]
        assert np.abs(x).max() > 0.05


def test_a_rate_that_is_too_fast_is_refuted() -> None:
    result = proved("asymptotic")
    assert result.constants is not None
    asked = Requested(c1=result.constants.c1, c2=result.constants.c2, mu=Fraction(1))
    problem = result.problem
    found = prove_stability(problem.system, problem.candidate, asked, budget=Budget(seconds=20))
    assert isinstance(found.verdict, Refuted)
