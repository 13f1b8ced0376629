"""Every certificate that the prover emits is valid: of every theorem, of the zoo, of networks.

The tests of the command line check theirs, too; see tests/cli/conftest.py.
"""

from __future__ import annotations

import json

import pytest

from benchmarks.documents import encoded
from certify import Budget, StabilityResult, prove_stability
from certify.candidate import Candidate
from learners import ElmPolicyIteration
from learners.lqr import lqr_candidate
from proofs.certificate import certificate_of
from proofs.checker import check_bytes
from systems import zoo
from systems.dynamics import ControlAffineSystem
from systems.json_data import canonical_json
from tests.proofs import kinds, results

ZOO = (
    "synthetic-1", "synthetic-2", "synthetic-3", "pendulum", "van-der-pol-reversed-1",
    "van-der-pol-reversed-3", "pendulum-bounded-6", "pendulum-bounded-0.75", "path-tracking-0.84",
    "path-tracking-0.5", "pendulum-discrete", "van-der-pol-uncertain", "double-integrator-unsafe",
)  # fmt: skip
"""Those that LQR's V and k prove, and whose certificate is checked in about a second."""


def emitted(result: StabilityResult) -> bytes:
    return encoded(json.loads(canonical_json(certificate_of(result))))


def assert_valid(result: StabilityResult) -> None:
    found = check_bytes(emitted(result), 1)
    assert (found.status, found.message) == ("valid", "")
    trees = [s.verdict.evidence for s in result.searches.values()]  # type: ignore[union-attr]
    assert found.leaves >= sum(tree.leaves for tree in trees if tree is not None) > 0


def prove(system: ControlAffineSystem, candidate: Candidate) -> StabilityResult:
    return prove_stability(system, candidate, budget=Budget(60))


@pytest.mark.parametrize("kind", kinds.ALL)
def test_of_every_theorem(kind: str) -> None:
    assert_valid(kinds.ALL[kind]())


@pytest.mark.parametrize("make", [results.proved_attraction, results.proved_on_a_part])
def test_with_a_constant_or_a_box_of_ones_own(make: object) -> None:
    assert callable(make)
    assert_valid(make())


@pytest.mark.parametrize("name", ZOO)
def test_of_lqr_for_the_zoo(name: str) -> None:
    system = zoo.system(name)
    assert_valid(prove(system, lqr_candidate(system)))


@pytest.mark.parametrize("neurons", [4, 12])
def test_of_networks(neurons: int) -> None:
    system = zoo.pendulum()
    learner = ElmPolicyIteration(neurons=neurons, seed=0)
    assert_valid(prove(system, learner.fit(system)))


def test_by_several_processes_as_by_one() -> None:
    data = emitted(results.proved())
    one, two = check_bytes(data, 1), check_bytes(data, 2)
    assert one.leaves >= 400, "the work is too little to be shared"
    assert (one.status, one.leaves, one.claim_hash) == (two.status, two.leaves, two.claim_hash)
    assert one.status == "valid"
