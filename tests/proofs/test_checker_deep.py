"""What the prover closes by its linear relaxations, the checker closes by its own."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from certify import Budget, Candidate, Claim, Requested, StabilityResult, prove_stability
from certify.enclosure.engine import LINEAR
from certify.verdict import Proved
from proofs.certificate import certificate_of
from proofs.checker.document import Invalid, read
from proofs.checker.replay import Replay
from systems import expression as ex
from systems.box import Box
from systems.dynamics import ControlAffineSystem
from tests.certify.test_relaxations import fitted
from tests.proofs.handmade import Document, encoded


def sink(n: int) -> ControlAffineSystem:
    """ẋ = sin(x)/5 − x."""
    x = ex.variable("x", n)
    return ControlAffineSystem(
        name="sink", state=x, drift=ex.sin(x) / 5 - x, input_columns=(),
        domain=Box.symmetric([1] * n), equilibrium=(Fraction(0),) * n, equilibrium_input=(),
        state_cost=ex.dot(x, x), input_cost=(), input_limits=None,
        state_names=tuple(f"x{i}" for i in range(n)), state_units=("m",) * n,
        input_names=(), input_units=(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def kinked() -> StabilityResult:
    """V a relu network 3-40-40-1 with a kink through nearly every box of its decrease."""
    system = sink(3)
    network = fitted(system.state, [40, 40], np.random.default_rng(2))
    value = network - ex.substitute(network, {system.state: ex.constant([0, 0, 0])})
    asked = Requested(
        Fraction(11, 20), Fraction(4, 5), Fraction(1, 1000), claim=Claim.PRACTICAL_STABILITY
    )
    return prove_stability(
        system, Candidate(system.state, value, None), asked, budget=Budget(seconds=120)
    )


def document_of(result: StabilityResult) -> Document:
    return read(encoded(certificate_of(result)))


def test_the_decrease_of_a_deep_relu_network(kinked: StabilityResult) -> None:
    assert isinstance(kinked.verdict, Proved), kinked.verdict
    assert kinked.searches["decrease"].order == LINEAR
    replay = Replay(document_of(kinked))
    for share in (1, 34):
        replay.check_leaves(share, 100)


@pytest.mark.parametrize("name", ["mu", "c2"])
def test_not_of_a_claim_that_goes_further(kinked: StabilityResult, name: str) -> None:
    """The same evidence for a rate, or a region, that is a little larger than is true."""
    document = document_of(kinked)
    document["statement"]["constants"][name] = {"mu": "3/2", "c2": "11/10"}[name]
    replay = Replay(document)
    with pytest.raises(Invalid, match=r"(decrease|containment): leaf"):
        for share in range(100):
            replay.check_leaves(share, 100)
