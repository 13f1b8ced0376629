"""False certificates of set-point convergence: the checker rejects each, and our reader too."""

from __future__ import annotations

from pathlib import Path

import pytest

from proofs.certificate_reader import load_certificate
from proofs.checker import check_bytes
from proofs.report_claim import plainly
from proofs.report_source import result_of_certificate
from systems.errors import InputError
from tests.proofs import forgeries, forgeries_local
from tests.proofs.forgeries_convergence import CONVERGENCE, FALSE, TRUE
from tests.proofs.handmade import Document, Made, document_of, encoded


@pytest.mark.parametrize("name", TRUE)
def test_the_true_claims_are_valid(name: str) -> None:
    """Else the forgeries might be rejected for want of evidence."""
    outcome = check_bytes(encoded(document_of(TRUE[name])), 1)
    assert (outcome.status, outcome.message) == ("valid", "")
    words = " ".join(outcome.words)
    assert "set-point convergence, in " in words and "and comes into {q <= c1 =" in words
    assert ("the one equilibrium" in words) == (not TRUE[name].gusts)
    assert ("under the same disturbance" in words) == bool(TRUE[name].gusts)
    assert "asymptotically stable" not in words


@pytest.mark.parametrize("name", FALSE)
def test_the_false_claims_are_invalid(name: str) -> None:
    made, begins = FALSE[name]
    outcome = check_bytes(encoded(document_of(made)), 1)
    assert outcome.status == "invalid" and outcome.message.startswith(begins), outcome.message


@pytest.mark.parametrize("name", TRUE)
def test_no_condition_may_be_missing_or_belong_to_another_theorem(name: str) -> None:
    document = document_of(TRUE[name])
    evidence = document["evidence"]
    more = [evidence | {extra: evidence["core"]} for extra in ("decrease", "trap", "avoid 9")]
    for change in [{k: v for k, v in evidence.items() if k != c} for c in evidence] + more:
        outcome = check_bytes(encoded({**document, "evidence": change}), 1)
        assert outcome.status == "unreadable" and "evidence" in outcome.message


@pytest.mark.parametrize("name", TRUE)
def test_another_theorem_needs_other_evidence(name: str) -> None:
    document = document_of(TRUE[name])
    for theorem in (
        forgeries.ASYMPTOTIC, forgeries.EXPONENTIAL, forgeries.PRACTICAL, forgeries_local.LOCAL,
    ):  # fmt: skip
        document["statement"]["theorem"] = theorem
        assert check_bytes(encoded(document), 1).status != "valid"


def test_no_other_theorem_passes_for_it() -> None:
    for made in (forgeries.TRUE["exponential"], forgeries_local.TRUE["local"]):
        document = document_of(made)
        document["statement"]["theorem"] = CONVERGENCE
        assert check_bytes(encoded(document), 1).status != "valid"


def read(made: Made, tmp_path: Path) -> Document:
    document = document_of(made)
    notes = {"description": "", "parameters": {}, "input_limits": None, "equilibrium_input": []}
    document["annotations"] = notes | {"domain": document["statement"]["domain"]}
    (tmp_path / "certificate.json").write_bytes(encoded(document))
    return load_certificate(tmp_path / "certificate.json")


@pytest.mark.parametrize("name", TRUE)
def test_our_own_reader_reads_the_true_ones(name: str, tmp_path: Path) -> None:
    result = result_of_certificate(read(TRUE[name], tmp_path))
    assert result.theorem is not None and result.theorem.claim.value == CONVERGENCE
    assert ("one equilibrium" in plainly(result)) == (not TRUE[name].gusts)


EXACT = [
    name
    for name, (_, begins) in FALSE.items()
    if begins not in ("contraction", "core", "avoid 1", "rest", "contraction: the box")
]
"""What is wrong without a tree: our own reader does not judge trees, but all the rest."""


@pytest.mark.parametrize("name", EXACT)
def test_our_own_reader_refuses_what_needs_no_tree_to_be_false(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        result_of_certificate(read(FALSE[name][0], tmp_path))
