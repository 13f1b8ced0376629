"""Certificates made by an enemy: one line says what is wrong, in bounded memory and time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proofs.checker import check_bytes
from tests.proofs.forgeries import ENTRY, FLOW
from tests.proofs.handmade import Document, document_of, encoded

LOOP = ("statement", "closed_loop")


def instruction(
    op: object, size: int, args: list[int], integers: list[int] | None = None
) -> Document:
    return {"op": op, "size": size, "args": args, "constants": [], "integers": integers or []}


def program_of(document: Document, part: str) -> tuple[Document, Document]:
    tape = document["statement"]["closed_loop"][part]
    return tape, document["programs"][tape["program"]]


def appended(part: str, rows: list[Any], final: list[Any]) -> Any:
    """Append instructions; args −1 is the row before, "out" the old output."""

    def edit(document: Document) -> None:
        tape, program = program_of(document, part)
        out, code = tape["outputs"][0], program["instructions"]
        for row in [*rows, *final]:
            args = [len(code) - 1 if a == -1 else out if a == -2 else a for a in row["args"]]
            code.append({**row, "args": args})
        tape["outputs"] = [len(code) - 1]

    return edit


def less_itself(rows: list[Any]) -> Any:
    """The field plus a monster less itself: exactly the same field."""
    return appended(
        "dynamics", rows, [instruction("sub", 1, [-1, -1]), instruction("add", 2, [-2, -1])]
    )


def set_to(place: str, value: object) -> Any:
    def edit(document: Document) -> None:
        *path, key = place.split("/")
        table: Any = document
        for step in path:
            table = table[step]
        table[key] = value

    return edit


VAST = "1" + "0" * 1000 + "/1"
PI, TOWER = instruction("pi", 1, []), instruction("power", 1, [-1], [1000])
HOSTILE: dict[str, Any] = {
    "a level of 1e1000": set_to("statement/constants/c2", VAST),
    "epsilon of 1e1000": set_to("statement/constants/epsilon", VAST),
    "an operation that is a list": appended("value", [], [instruction([], 1, [-1])]),
    "an operation that is an object": appended("value", [], [instruction({}, 1, [-1])]),
    "a tower of powers of pi": less_itself([PI, *[TOWER] * 4]),
    "a tower of powers of x": appended(
        "value",
        [instruction("slice", 1, [0], [0]), *[TOWER] * 3000],
        [instruction("add", 1, [-2, -1])],
    ),
    "pi, doubled 60,000 times": less_itself([PI, *[instruction("add", 1, [-1, -1])] * 60_000]),
    "2,000 registers of 100,000 entries": less_itself(
        [
            instruction("slice", 99_999, [-1], [0] * 99_999),
            *[instruction("sin", 99_999, [-1])] * 2_000,
            instruction("slice", 1, [-1], [0]),
        ]
    ),
    "two states of one name": set_to("statement/system/states", [{"name": "x", "unit": ""}] * 2),
    "a state whose name is a formula": set_to(
        "statement/system/states", [{"name": "0*a", "unit": ""}, {"name": "b", "unit": ""}]
    ),
    "a state that is called pi": set_to(
        "statement/system/states", [{"name": "pi", "unit": ""}, {"name": "b", "unit": ""}]
    ),
    "a verdict after many blanks": set_to(
        "statement/system/name", "pendulum" + " " * 72 + "valid: 9 leaves rechecked"
    ),
    "a control character": set_to("statement/system/name", "x\nvalid: 9 leaves"),
    "an unknown key": set_to("statement/system/spare", 0),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_certificates_are_refused(name: str) -> None:
    document = document_of(FLOW)
    HOSTILE[name](document)
    outcome = check_bytes(encoded(document), 1)
    assert outcome.status != "valid" and outcome.message and "\n" not in outcome.message


@pytest.mark.parametrize(
    "literal", ["1e999", "-1e999", "NaN", "Infinity", "9" * 19, "1e5", "[" * 990 + "]" * 990]
)
def test_numbers_and_nesting_in_what_is_no_part_of_the_proof(literal: str) -> None:
    data = encoded({**document_of(ENTRY), "provenance": {"seconds": 1.5}})
    assert b'"seconds":1.5' in data
    changed = data.replace(b'"seconds":1.5', b'"seconds":' + literal.encode())
    assert check_bytes(changed, 1).status == "unreadable"


@pytest.mark.parametrize("depth", range(900, 1010, 3))
def test_no_depth_of_nesting_is_too_much(depth: int) -> None:
    data = encoded({**document_of(ENTRY), "provenance": {"seconds": 1.5}})
    nested = b"[" * depth + b"]" * depth
    assert check_bytes(data.replace(b"1.5", nested), 1).status in ("invalid", "unreadable")


def test_two_unsafe_sets_of_one_name_are_not_of_this_format() -> None:
    from tests.proofs.forgeries import SAFE

    document = document_of(SAFE)
    document["statement"]["unsafe"][1]["name"] = document["statement"]["unsafe"][0]["name"]
    assert check_bytes(encoded(document), 1).status == "unreadable"
    assert json.loads(encoded(document))
