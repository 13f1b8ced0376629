"""False certificates with all hashes right: each is rejected, for what makes it false."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from proofs.checker import check_bytes
from systems import expression as ex
from systems.expression import Expression
from tests.proofs.forgeries import (
    ASYMPTOTIC,
    CONSTANTS,
    DYNAMICS,
    EXPONENTIAL,
    FLOW,
    MAP,
    MEASURED,
    PRACTICAL,
    TRUE,
    inwards,
    shrunk,
    square,
)
from tests.proofs.handmade import Document, Made, document_of, encoded
from tests.proofs.handmade_trees import packed, unpacked


@pytest.mark.parametrize("name", TRUE)
def test_the_true_claims_are_valid(name: str) -> None:
    """Else the forgeries might be rejected for want of evidence."""
    outcome = check_bytes(encoded(document_of(TRUE[name])), 1)
    assert (outcome.status, outcome.message) == ("valid", "")


def rejected(made: Made, begins: str) -> None:
    outcome = check_bytes(encoded(document_of(made)), 1)
    assert outcome.status == "invalid" and outcome.message.startswith(begins), outcome.message


@pytest.mark.parametrize("name", DYNAMICS)
def test_false_claims_about_the_closed_loop(name: str) -> None:
    rejected(*DYNAMICS[name])


@pytest.mark.parametrize("name", CONSTANTS)
def test_false_constants_and_sets(name: str) -> None:
    rejected(*CONSTANTS[name])


def changed(made: Made, place: str, value: object) -> Document:
    """The document with another value at a place such as "statement/system/time"."""
    document = document_of(made)
    *path, key = place.split("/")
    table: Any = document
    for step in path:
        table = table[step]
    table[key] = value
    return document


@pytest.mark.parametrize("name", TRUE)
def test_no_condition_may_be_missing_or_double(name: str) -> None:
    document = document_of(TRUE[name])
    evidence = document["evidence"]
    for condition in evidence:
        fewer = {k: v for k, v in evidence.items() if k != condition}
        for change in (fewer, fewer | {condition.upper(): evidence[condition]}):
            outcome = check_bytes(encoded({**document, "evidence": change}), 1)
            assert outcome.status == "unreadable" and "evidence" in outcome.message
    for extra in ("equilibrium", "centre", "avoid 9", "decrease "):
        more = evidence | {extra: {"tree": evidence["decrease"]["tree"]}}
        assert check_bytes(encoded({**document, "evidence": more}), 1).status == "unreadable"


@pytest.mark.parametrize("name", TRUE)
def test_another_theorem_or_time_needs_other_evidence(name: str) -> None:
    made = TRUE[name]
    theorems = {ASYMPTOTIC, EXPONENTIAL, PRACTICAL} - {made.theorem}
    for theorem in [*theorems, "global asymptotic stability", ""]:
        outcome = check_bytes(encoded(changed(made, "statement/theorem", theorem)), 1)
        assert outcome.status != "valid"
    other = "discrete" if made.time == "continuous" else "continuous"
    for time in (other, "hybrid"):
        outcome = check_bytes(encoded(changed(made, "statement/system/time", time)), 1)
        assert outcome.status != "valid"


def test_the_other_time_is_wrong_even_with_its_evidence() -> None:
    """What contracts as a flow need not contract as a map, and the other way round."""

    def swirl(x: Expression, w: Expression | None) -> Expression:
        return ex.affine([["-1", "3"], ["-3", "-1"]], x)

    assert check_bytes(encoded(document_of(replace(FLOW, field=swirl))), 1).status == "valid"
    rejected(replace(MAP, field=swirl), "decrease")
    rejected(replace(FLOW, field=shrunk), "decrease")


def tree_of(document: Document, condition: str) -> Document:
    tree: Document = document["evidence"][condition]["tree"]
    return tree


@pytest.mark.parametrize("jobs", [1, 3])
def test_no_share_leaves_a_leaf_out(jobs: int) -> None:
    """One leaf of a thousand gives a reason that is false on it: wherever it is, it is found."""
    document = document_of(replace(FLOW, grid=32))
    tree = tree_of(document, "decrease")
    reasons = unpacked("H", tree["reasons"])
    assert len(reasons) == 1024
    places = [k for k, r in enumerate(reasons) if r == 2]
    chosen = [
        places[0],
        places[-1],
        *(next(k for k in places if k >> 4 == s) for s in (11, 12, 13)),
    ]
    for place in chosen if jobs == 1 else chosen[-2:]:
        wrong = [0 if k == place else r for k, r in enumerate(reasons)]
        tree["reasons"] = packed("H", wrong)
        outcome = check_bytes(encoded(document), jobs)
        assert outcome.status == "invalid" and f"leaf {place} " in outcome.message
    tree["reasons"] = packed("H", reasons)
    assert check_bytes(encoded(document), jobs).status == "valid"


def test_a_leaf_must_hold_for_its_own_reason() -> None:
    """Every single constraint of the decrease, on every leaf: only the fitting ones pass."""
    document = document_of(FLOW)
    tree = tree_of(document, "decrease")
    count = len(unpacked("H", tree["reasons"]))
    for reason in range(3):
        tree |= {"reasons": packed("H", [reason] * count), "weights": packed("d", [])}
        assert check_bytes(encoded(document), 1).status == "invalid"
    for reason in range(3, 12):
        for weight in (0.0, 5e-324, 1.0, 1e308):
            weights = packed("d", [weight] * count)
            tree |= {"reasons": packed("H", [reason] * count), "weights": weights}
            assert check_bytes(encoded(document), 1).status == "invalid"


def test_a_volume_counts_no_box_that_is_not_inside() -> None:
    """One box more, at the rim: the sum would be larger, but the box is not in {V ≤ c2}."""
    document = document_of(MEASURED)
    tree = document["volume"]["tree"]
    reasons = unpacked("H", tree["reasons"])
    rim = next(k for k, r in enumerate(reasons) if r == 1 and 0 in reasons[k - 1 : k + 2])
    reasons[rim] = 0
    tree["reasons"] = packed("H", reasons)
    outcome = check_bytes(encoded(document), 1)
    assert outcome.status == "invalid" and outcome.message.startswith(f"volume: leaf {rim} ")
    everything = [0] * len(reasons)
    tree["reasons"] = packed("H", everything)
    assert check_bytes(encoded(document), 1).status == "invalid"


def test_a_volume_is_cut_off_at_the_domain() -> None:
    """Its tree may begin a little outside D, at the next float64, but that does not count."""
    third = (("-1/3", "1/3"), ("-1/3", "1/3"))
    levels = {"c1": "1/20", "c2": "1/10", "mu": "1/20"}
    small = Made(PRACTICAL, "continuous", levels, square, inwards, domain=third, grid=16)
    assert check_bytes(encoded(document_of(replace(small, at_least=0.25))), 1).status == "valid"
    rejected(replace(small, at_least=0.3142), "volume: the boxes")


def test_every_disc_counts() -> None:
    """All leaves say that the discs are negative; one of the two is not."""
    alone = "P that is not contracted, as the second disc says alone"
    for name in ("P that is not contracted", alone):
        document = document_of(DYNAMICS[name][0])
        tree = tree_of(document, "contraction")
        count = len(unpacked("H", tree["reasons"]))
        tree |= {"reasons": packed("H", [1] * count), "weights": packed("d", [])}
        outcome = check_bytes(encoded(document), 1)
        assert outcome.status == "invalid" and outcome.message.startswith("contraction: leaf")
