"""How far a region reaches, and how far from the set point all ends, as people are told."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache
from math import sqrt

from certify import Budget, Candidate, Claim, Requested, StabilityResult, prove_stability
from certify.stability import StabilityProblem
from cli.beside_lqr import beside_lqr
from cli.outcome import region
from cli.progress import ProgressBars
from cli.transcript import proof_rows
from learners.lqr import lqr_candidate
from proofs.certificate import certificate_of
from proofs.report_source import result_of_certificate
from systems import expression as ex
from systems import zoo
from tests.certify.claims import CONVERGENCE, LOCAL, plant


@cache
def proved(claim: Claim, disturbed: bool = False) -> StabilityResult:
    equations = ["-x1 + x1**3/4 + w1" if disturbed else "-x1 + x1**3/4", "-2*x2 + x1/10"]
    result = plant(equations, w=[("-1/20", "1/20")] if disturbed else ()).prove(claim)
    assert result.theorem is not None
    return result


def reach_of(result: StabilityResult) -> object:
    found = region(result)
    assert found is not None
    return found["reach"]


def test_the_reach_is_that_of_the_region_and_rounded_down() -> None:
    for claim in (CONVERGENCE, LOCAL):
        result = proved(claim)
        assert result.constants is not None and result.ellipsoid is not None
        (a, b), (_, d) = result.ellipsoid.matrix.tolist()
        first = sqrt(float(result.constants.c2) * d / (a * d - b * b))
        reach = reach_of(result)
        assert isinstance(reach, list) and first * 0.999 <= reach[0] <= first
        assert reach_of(result_of_certificate(certificate_of(result))) == reach


def test_no_reach_is_told_of_another_function_than_the_ellipsoids() -> None:
    """Its level c2 is none of q: 100 q would seem to reach ten times as far as it does."""
    for claim in (CONVERGENCE, LOCAL):
        result = proved(claim)
        system = result.problem.system
        steep = Candidate(system.state, ex.multiply(100, result.problem.value), None)
        problem = StabilityProblem(system, steep, result.problem.chosen_domain)
        assert reach_of(replace(result, problem=problem)) is None


def test_with_disturbances_the_offset_is_not_that_of_an_equilibrium() -> None:
    for disturbed, words in ((False, "the equilibrium, from"), (True, "in the end all, from")):
        [line] = [r for r in proof_rows(proved(CONVERGENCE, disturbed)) if r.startswith("offset")]
        assert words in line


def test_the_bound_at_the_set_point_is_not_told_smaller_than_it_is_proved() -> None:
    result = proved(CONVERGENCE, True)
    [line] = [r for r in proof_rows(result) if r.startswith("rest")]
    told = Fraction(line.split("< ")[1].split(" at")[0])
    assert told >= result.searches["rest"].condition.violation[0].level


def test_lqr_beside_is_held_to_its_own_limits() -> None:
    """The sets where another controller's inputs reach their limits are not LQR's."""
    system = zoo.system("pendulum-bounded-6")
    lqr = lqr_candidate(system)
    assert lqr.control is not None
    ours = Candidate(lqr.state, lqr.value, ex.multiply(Fraction(3, 2), lqr.control))
    asked = Requested(claim=CONVERGENCE)
    result = prove_stability(system, ours, asked, budget=Budget(20.0))
    beside = beside_lqr(result, 0, ProgressBars())
    own = prove_stability(system, lqr, asked, budget=Budget(20.0))
    assert beside is not None and own.theorem is not None
    assert beside.c2 == str(own.theorem.constants.c2)
