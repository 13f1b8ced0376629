"""A certificate speaks of one system and one candidate, and tells where others differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from certify import Candidate
from proofs.binding import binding_gaps
from proofs.certificate import certificate_of
from systems import expression as ex
from systems import zoo
from systems.box import Box
from systems.dynamics import ControlAffineSystem, UnsafeSet
from tests.proofs import results


def own() -> tuple[dict[str, object], ControlAffineSystem, Candidate]:
    problem = results.proved().problem
    return certificate_of(results.proved()), problem.system, problem.candidate


def test_a_certificate_speaks_of_the_system_and_candidate_it_was_made_for() -> None:
    assert binding_gaps(*own()) == []


def test_they_are_known_again_from_their_sources() -> None:
    """The zoo's system anew, and the candidate written in a variable of its own."""
    document, system, candidate = own()
    x = ex.variable("state", 2)
    other = Candidate(
        x,
        ex.substitute(candidate.value, {candidate.state: x}),
        None
        if candidate.control is None
        else ex.substitute(candidate.control, {candidate.state: x}),
    )
    assert zoo.pendulum() is not system
    assert binding_gaps(document, zoo.pendulum(), other) == []


def test_a_certificate_on_a_part_of_the_domain_speaks_of_the_system() -> None:
    result = results.proved_on_a_part()
    problem = result.problem
    assert binding_gaps(certificate_of(result), problem.system, problem.candidate) == []


def _other_value(system: ControlAffineSystem, candidate: Candidate) -> Any:
    last_bit = ex.multiply(np.nextafter(1.0, 2.0), candidate.value)
    return system, Candidate(candidate.state, last_bit, candidate.control)


def _other_control(system: ControlAffineSystem, candidate: Candidate) -> Any:
    assert candidate.control is not None
    control = candidate.control + ex.constant([0.0]) + candidate.control
    return system, Candidate(candidate.state, candidate.value, control)


def _limits(system: ControlAffineSystem, candidate: Candidate) -> Any:
    return replace(system, input_limits=Box.of([(-1, 1)])), candidate


def _disturbed(system: ControlAffineSystem, candidate: Candidate) -> Any:
    w = ex.variable("w", 1)
    disturbed = replace(
        system,
        drift=system.drift + ex.stack([ex.constant(0), w[0]]),
        disturbance=w,
        disturbance_range=Box.of([("-1/10", "1/10")]),
        disturbance_names=("wind",),
        disturbance_units=("N",),
    )
    return disturbed, candidate


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_other_value, ["V is another function"]),
        (_other_control, ["the controller is another function"]),
        (_limits, ["the controller is another function"]),
        (
            _disturbed,
            [
                "the disturbances: none in the certificate, wind [N] in -1/10, 1/10 here",
                "the dynamics are others",
            ],
        ),
        (
            lambda s, c: (replace(s, drift=2 * s.drift), c),
            ["the dynamics are others"],
        ),
        (
            lambda s, c: (replace(s, name="swing", state_units=("deg", "rad/s")), c),
            [
                "the system's name: pendulum in the certificate, swing here",
                "the states: theta [rad], omega [rad/s] in the certificate, "
                "theta [deg], omega [rad/s] here",
            ],
        ),
        (
            lambda s, c: (replace(s, time="discrete"), c),
            ["time: continuous in the certificate, discrete here"],
        ),
        (
            lambda s, c: (replace(s, equilibrium=(Fraction(1, 9), Fraction(0))), c),
            ["the equilibrium: 0/1, 0/1 in the certificate, 1/9, 0/1 here"],
        ),
        (
            lambda s, c: (replace(s, domain=s.domain.scaled("0.9")), c),
            ["the domain of the certificate is no part of the system's"],
        ),
        (
            lambda s, c: (replace(s, unsafe=(UnsafeSet("wall", (s.state[0] - 1,)),)), c),
            ["the unsafe sets: none in the certificate, wall here"],
        ),
    ],
    ids=lambda value: value[-1][:40] if isinstance(value, list) else "",
)
def test_every_difference_is_told(
    change: Callable[[ControlAffineSystem, Candidate], tuple[ControlAffineSystem, Candidate]],
    told: list[str],
) -> None:
    document, system, candidate = own()
    assert binding_gaps(document, *change(system, candidate)) == told


def test_another_number_of_states_is_told_without_a_crash() -> None:
    document, _, candidate = own()
    gaps = binding_gaps(document, zoo.system("lorenz"), candidate)
    assert any("the candidate does not fit the system" in gap for gap in gaps)
    assert all("\n" not in gap and len(gap) < 400 for gap in gaps)


def test_what_is_only_annotated_makes_no_difference() -> None:
    document, system, candidate = own()
    other = replace(system, description="another", parameters={}, domain=system.domain.scaled(2))
    assert binding_gaps(document, other, candidate) == []
