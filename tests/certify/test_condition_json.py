"""Conditions as JSON: exact there and back, and one clear message for what is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.condition_json import condition_from_json, condition_to_json
from certify.conditions import Condition, Constraint
from systems.box import Box
from systems.errors import InputError
from systems.tape import compile_tape
from tests.certify.graphs import graphs
from tests.certify.statements import ALL

rationals = st.one_of(
    st.fractions(), st.floats(allow_nan=False, allow_infinity=False).map(Fraction)
)
words = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=20)


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    """Any tape, levels and regions, of width 0 too."""
    n = draw(st.integers(1, 3))
    x, output = draw(graphs(n, steps=True))
    outputs = [output, x[0], output][: draw(st.integers(1, 3))]
    ends = st.lists(rationals, min_size=2, max_size=2).map(sorted)
    constraints = st.builds(
        Constraint,
        st.integers(0, len(outputs) - 1),
        st.sampled_from(["at least", "at most"]),
        rationals,
        st.booleans(),
    )
    return Condition(
        draw(words),
        draw(words),
        compile_tape(outputs, [x]),
        tuple(draw(words) for _ in outputs),
        tuple(draw(st.lists(constraints, min_size=1, max_size=4))),
        tuple(
            Box.of(sides)
            for sides in draw(
                st.lists(st.lists(ends, min_size=n, max_size=n), min_size=1, max_size=3)
            )
        ),
    )


def there_and_back(condition: Condition) -> Condition:
    return condition_from_json(json.loads(json.dumps(condition_to_json(condition))))


def assert_same(a: Condition, b: Condition) -> None:
    assert a.tape.digest == b.tape.digest
    assert replace(a, tape=b.tape).__dict__ == b.__dict__


@given(conditions())
@settings(max_examples=60)
def test_there_and_back_is_exact(condition: Condition) -> None:
    assert_same(there_and_back(condition), condition)


def test_every_statement_of_the_table_survives() -> None:
    for s in ALL:
        assert_same(there_and_back(s.condition), s.condition)


SAMPLE = next(s.condition for s in ALL if s.name == "van-der-pol")

values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9),
        st.sampled_from(["1/0", "2/4", "-0/1", "0x1p0", "nan", "inf", "1/3", "at least", "9" * 5000,
                         10**400, -1, 2**63, "\n", "\x1b[2J", "１/３"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=6,
)  # fmt: skip


def places(data: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to every value of a document."""
    yield path
    if isinstance(data, dict):
        for key, value in data.items():
            yield from places(value, (*path, key))
    elif isinstance(data, list):
        for i, value in enumerate(data):
            yield from places(value, (*path, i))


PAIR = next(i for i, step in enumerate(SAMPLE.tape.instructions) if step.size == 2)
PLACES = list(places(condition_to_json(SAMPLE)))


def changed(path: tuple[str | int, ...], value: object, how: str) -> object:
    """The sample's JSON with one value replaced, removed or added."""
    document: Any = condition_to_json(SAMPLE)
    if not path:
        return value
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    if how == "replace":
        parent[path[-1]] = value
    elif how == "remove":
        del parent[path[-1]]
    elif isinstance(parent, list):
        parent.insert(int(path[-1]), value)
    else:
        parent["another"] = value
    return document


@given(st.sampled_from(PLACES), values, st.sampled_from(["replace", "remove", "add"]))
@settings(max_examples=600)
def test_a_damaged_document_is_refused_or_means_what_it_says(
    path: tuple[str | int, ...], value: object, how: str
) -> None:
    document = changed(path, value, how)
    try:
        condition = condition_from_json(document)
    except InputError as error:
        message = str(error)
        assert message.startswith("condition") and "\n" not in message and len(message) < 300
    else:
        assert condition_to_json(condition) == document


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ((), [], "condition: an object is wanted"),
        (("violation",), [], "a condition needs constraints and a region"),
        (("regions",), [], "a condition needs constraints and a region"),
        (("outputs",), ["a", "b", "c"], "every output of the tape needs a name"),
        (("regions", 0), [["0/1", "1/1"]], "condition.regions[0]: 2 intervals are wanted, not 1"),
        (("regions", 0, 0), ["1/1", "0/1"], "interval 0 is empty"),
        (("regions", 0, 0), ["0/1"], "a lower and an upper end are wanted"),
        (("regions", 0, 0, 0), 0.5, "no quotient in lowest terms"),
        (("regions", 0, 0, 0), "1/0", "no quotient in lowest terms"),
        (("violation", 0, "level"), "2/4", "condition.violation[0].level: '2/4' is no quotient"),
        (("violation", 0, "output"), 7, "condition.violation[0].output: 7 is not in 0…1"),
        (("violation", 0, "output"), True, "an integer is wanted"),
        (("violation", 0, "sense"), ">=", '"at least" or "at most" is wanted'),
        (("violation", 0, "sense"), [], '"at least" or "at most" is wanted'),
        (("violation", 0, "strict"), 1, "true or false is wanted"),
        (("tape", "outputs"), [999], "condition.tape.outputs"),
        (("tape", "outputs", 0), PAIR, "an output of the tape is no scalar"),
        (("name",), "\x1b[31m", "characters that cannot be printed"),
        (("claim",), "x" * 2000, "at most 1000 allowed"),
    ],
)
def test_messages_name_the_place(path: tuple[str | int, ...], value: object, words: str) -> None:
    with pytest.raises(InputError) as caught:
        condition_from_json(changed(path, value, "replace"))
    assert words in str(caught.value)
