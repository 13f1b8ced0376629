"""Certificates with one thing changed: what the checker accepts is harmless, and that is shown.

The whole mutation test is ``python -m benchmarks mutations``; this is a sample of it.
"""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.certificate_bases import Base, bases
from benchmarks.documents import encoded
from benchmarks.mutation_oracle import judge
from benchmarks.mutation_run import KINDS, Tried, run_mutants
from benchmarks.mutations import score
from proofs.checker import check_bytes
from proofs.statement import sha256_of

NAMES = {
    "asymptotic stability, continuous",
    "exponential stability, discrete",
    "practical stability under a disturbance",
    "LQR, one state",
}
SEED = 1


@pytest.fixture(scope="module")
def subjects() -> list[Base]:
    found = list(bases(lambda name: name in NAMES))
    assert {base.name for base in found} == NAMES
    return found


@pytest.fixture(scope="module")
def tried(subjects: list[Base]) -> list[Tried]:
    return list(run_mutants(subjects, 2, SEED))


def test_unchanged_they_are_valid(subjects: list[Base]) -> None:
    for base in subjects:
        found = check_bytes(encoded(base.document), 1)
        assert (found.status, found.message) == ("valid", ""), base.name
        assert found.claim_hash == base.document["sha256"]["statement"]


def test_no_change_escapes(tried: list[Tried]) -> None:
    wrong = [(t.outcome, t.mutant.kind, t.mutant.what, t.reason) for t in tried if t.harmful]
    assert wrong == []
    assert len(tried) > 250 and score(tried) == 100.0


def test_every_kind_of_change_is_tried(tried: list[Tried]) -> None:
    assert {t.mutant.kind for t in tried} == set(KINDS)


def test_old_hashes_reject_every_change(tried: list[Tried]) -> None:
    old = [t for t in tried if not t.mutant.rehashed]
    assert all(t.rejected for t in old) and len(old) == len(tried) // 2


def test_another_claim_has_another_hash(tried: list[Tried]) -> None:
    """Whoever has pinned a claim's hash is not deceived by a true claim nearby."""
    others = [t for t in tried if t.outcome == "another claim"]
    assert len(others) > 10
    for t in others:
        assert t.claim_hash == sha256_of(t.mutant.document["statement"])
        assert t.claim_hash != t.mutant.base.document["sha256"]["statement"]


def test_the_oracle_would_catch_a_checker_that_believes_everything(tried: list[Tried]) -> None:
    """Else a score of 100 % says nothing: what the checker found invalid is put to the oracle."""
    refused = [t.mutant for t in tried if t.mutant.rehashed and t.outcome.startswith("invalid")]
    believed = Counter(judge(m, sha256_of(m.document["statement"])).kind for m in refused)
    assert believed["escape"] > 0.8 * len(refused) > 30, believed
