"""Split trees as the checker reads them: whatever it takes covers the regions, leaf beside leaf."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certify.tree_code import encode_tree
from proofs.checker.document import Unreadable
from proofs.checker.trees import MAX_SPLITS, Leaf, below, read_tree
from systems.box import Box
from tests.proofs.test_tree_code import CONSTRAINTS, grown, leaf_table

Regions = list[list[tuple[Fraction, Fraction]]]
KINDS = {"shape": "B", "axes": "B", "moved": "I", "cuts": "d", "reasons": "H", "weights": "d"}


def deterministic(examples: int) -> settings:
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def sides_of(regions: list[Box]) -> Regions:
    return [list(zip(r.lower, r.upper, strict=True)) for r in regions]


def leaves_of(data: object, regions: Regions) -> list[Leaf]:
    return list(read_tree(data, "tree", len(regions), CONSTRAINTS).leaves(regions))


def assert_partition(leaves: list[Leaf], regions: Regions) -> None:
    """The leaves of a region are as large as it is together, and no two overlap inside."""
    for k, region in enumerate(regions):
        mine = [leaf for leaf in leaves if leaf.region == k]
        outer = [(Fraction(below(a)), -Fraction(below(-b))) for a, b in region]
        assert all(
            low <= a and b <= high for (low, high), (a, b) in zip(outer, region, strict=True)
        )
        total = sum(volume(leaf.sides) for leaf in mine)
        assert total == math.prod((high - low for low, high in outer), start=Fraction(1))
        for i, leaf in enumerate(mine):
            for other in mine[:i]:
                pairs = zip(leaf.sides, other.sides, strict=True)
                assert any(a[1] <= b[0] or b[1] <= a[0] for a, b in pairs)


def volume(sides: tuple[tuple[float, float], ...]) -> Fraction:
    return math.prod((Fraction(b) - Fraction(a) for a, b in sides), start=Fraction(1))


shapes = st.tuples(
    st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 3), st.integers(0, 25)
)  # fmt: skip


@deterministic(60)
@given(shape=shapes)
def test_every_leaf_of_a_random_tree(shape: tuple[int, int, int, int]) -> None:
    """Box, reason and weight are those that the prover has, in the order of the file."""
    tree, regions = grown(*shape)
    leaves = leaves_of(encode_tree(tree, regions, CONSTRAINTS), sides_of(regions))
    assert [leaf.number for leaf in leaves] == list(range(len(leaves)))
    rows = sorted(
        (*(a for a, _ in leaf.sides), *(b for _, b in leaf.sides), leaf.reason, leaf.weight)
        for leaf in leaves
    )
    assert rows == leaf_table(tree, regions)
    assert_partition(leaves, sides_of(regions))


def unpacked(data: dict[str, Any], name: str) -> list[Any]:
    raw = zlib.decompress(base64.b64decode(data[name]))
    return list(struct.unpack(f"<{len(raw) // struct.calcsize(KINDS[name])}{KINDS[name]}", raw))


def packed(name: str, values: list[Any]) -> str:
    raw = struct.pack(f"<{len(values)}{KINDS[name]}", *values)
    return base64.b64encode(zlib.compress(raw)).decode()


def entries(name: str) -> st.SearchStrategy[Any]:
    most = {"B": 255, "H": 20, "I": 40}
    if KINDS[name] == "d":
        return st.floats(width=64) | st.sampled_from([0.0, -0.0, 5e-324, 1e308, math.inf])
    return st.integers(0, most[KINDS[name]]) | st.integers(0, 3)


@deterministic(400)
@given(shape=shapes, data=st.data())
def test_whatever_is_read_covers_the_regions(
    shape: tuple[int, int, int, int], data: st.DataObject
) -> None:
    """Entries changed, put in, taken out: either it is refused or every point is in a leaf."""
    tree, regions = grown(*shape)
    table: dict[str, Any] = dict(encode_tree(tree, regions, CONSTRAINTS))
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from([*KINDS, "splits", "moved_count"]))
        if name in ("splits", "moved_count"):
            table[name] = max(0, table[name] + data.draw(st.integers(-2, 2)))
            continue
        values = unpacked(table, name)
        place = data.draw(st.integers(0, len(values)))
        change = data.draw(st.sampled_from(["change", "insert", "remove", "swap"]))
        if change == "insert":
            values.insert(place, data.draw(entries(name)))
        elif change == "remove":
            del values[place : place + 1]
        elif change == "swap" and values:
            other = data.draw(st.integers(0, len(values) - 1))
            place %= len(values)
            values[place], values[other] = values[other], values[place]
        elif values:
            values[place % len(values)] = data.draw(entries(name))
        table[name] = packed(name, values)
    sides = sides_of(regions)
    try:
        leaves = leaves_of(table, sides)
    except Unreadable as error:
        assert "\n" not in str(error)
        return
    assert_partition(leaves, sides)
    J = CONSTRAINTS
    for leaf in leaves:
        assert 0 <= leaf.reason < J + J * J and 0 <= leaf.weight < math.inf
        assert leaf.reason >= J or leaf.weight == 0.0


@deterministic(300)
@given(
    value=st.fractions()
    | st.floats(-1e300, 1e300).map(Fraction)
    | st.builds(lambda a, k: a * Fraction(10) ** k, st.fractions(), st.integers(-340, 250))
)
def test_ends_are_rounded_downwards_to_the_next_float64(value: Fraction) -> None:
    found = below(value)
    assert Fraction(found) <= value < Fraction(math.nextafter(found, math.inf))


SQUARE: Regions = [[(Fraction(0), Fraction(1)), (Fraction(0), Fraction(1))]]
ONE_SPLIT: dict[str, Any] = {
    "splits": 1, "moved_count": 0, "shape": packed("shape", [0b10000000]),
    "axes": packed("axes", [1]), "moved": packed("moved", []), "cuts": packed("cuts", []),
    "reasons": packed("reasons", [0, 1]), "weights": packed("weights", []),
}  # fmt: skip


def test_the_plain_tree_that_is_then_broken() -> None:
    low, high = leaves_of(ONE_SPLIT, SQUARE)
    assert low.sides == ((0.0, 1.0), (0.0, 0.5)) and high.sides == ((0.0, 1.0), (0.5, 1.0))
    assert (low.reason, high.reason) == (0, 1)


def moved(cut: float) -> dict[str, Any]:
    return {"moved_count": 1, "moved": packed("moved", [0]), "cuts": packed("cuts", [cut])}


def weighed(weight: float) -> dict[str, Any]:
    return {"reasons": packed("reasons", [0, 4]), "weights": packed("weights", [weight])}


BROKEN: dict[str, dict[str, Any]] = {
    "a leaf first": {"shape": packed("shape", [0b01000000])},
    "no leaf is left for the upper part": {"shape": packed("shape", [0b11000000])},
    "a bit beyond the last node": {"shape": packed("shape", [0b10010000])},
    "a byte beyond": {"shape": packed("shape", [0b10000000, 0])},
    "an axis that is not there": {"axes": packed("axes", [2])},
    "another axis that is not there": {"axes": packed("axes", [255])},
    "two axes": {"axes": packed("axes", [1, 1])},
    "a cut at the lower end": moved(0.0),
    "a cut at minus 0": moved(-0.0),
    "a cut at the upper end": moved(1.0),
    "a cut outside": moved(1.5),
    "an infinite cut": moved(math.inf),
    "a cut that is no number": moved(math.nan),
    "a cut of no split": {**moved(0.25), "moved": packed("moved", [1])},
    "a cut that is not counted": {**moved(0.25), "moved_count": 0},
    "a cut twice": {
        "moved_count": 2,
        "moved": packed("moved", [0, 0]),
        "cuts": packed("cuts", [0.25, 0.75]),
    },
    "a leaf short": {"reasons": packed("reasons", [0])},
    "a leaf more": {"reasons": packed("reasons", [0, 1, 2])},
    "a reason of no constraint": {**weighed(1.0), "reasons": packed("reasons", [0, 12])},
    "a weight short": {"reasons": packed("reasons", [0, 4])},
    "a weight more": {"weights": packed("weights", [1.0])},
    "a negative weight": weighed(-1.0),
    "an infinite weight": weighed(math.inf),
    "a weight that is no number": weighed(math.nan),
    "negative splits": {"splits": -1},
    "splits that are true": {"splits": True},
    "splits in text": {"splits": "1"},
    "too many splits": {"splits": MAX_SPLITS + 1},
    "no text": {"axes": 7},
    "other than base64": {"axes": "*"},
    "not ASCII": {"axes": "\u0661"},
    "not compressed": {"axes": base64.b64encode(b"\x01").decode()},
    "cut off": {"axes": base64.b64encode(zlib.compress(b"\x01")[:-1]).decode()},
    "followed by more": {"axes": base64.b64encode(zlib.compress(b"\x01") + b"\x00").decode()},
    "followed by another": {"axes": base64.b64encode(zlib.compress(b"\x01") * 2).decode()},
    "another key": {"spare": 0},
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_trees_are_refused(name: str) -> None:
    with pytest.raises(Unreadable):
        leaves_of({**ONE_SPLIT, **BROKEN[name]}, SQUARE)


@pytest.mark.parametrize("key", ONE_SPLIT)
def test_a_key_short_is_refused(key: str) -> None:
    with pytest.raises(Unreadable):
        leaves_of({k: v for k, v in ONE_SPLIT.items() if k != key}, SQUARE)


def test_a_forest_has_a_tree_for_every_region() -> None:
    """One tree fewer or more than regions is not a forest over them."""
    for roots in (1, 3):
        reasons = packed("reasons", [0] * (1 + roots))
        tree = read_tree({**ONE_SPLIT, "reasons": reasons}, "tree", roots, CONSTRAINTS)
        with pytest.raises(Unreadable):
            list(tree.leaves(SQUARE * 2))


def test_a_flood_is_not_unpacked() -> None:
    """A few thousand bytes that would become four gigabytes."""
    flood = zlib.compress(b"\0" * 2**22, 9)
    engine = zlib.compressobj(9)
    packed_flood = b"".join([engine.compress(b"\0" * 2**20) for _ in range(64)] + [engine.flush()])
    for text in (flood, packed_flood):
        with pytest.raises(Unreadable):
            leaves_of({**ONE_SPLIT, "axes": base64.b64encode(text).decode()}, SQUARE)


@pytest.mark.parametrize(
    "region",
    [
        [(Fraction(1, 3), Fraction(1, 3))],
        [(Fraction(1, 3), Fraction(1, 3) + Fraction(1, 10**30))],
        [(Fraction(0), Fraction(1, 2**1075))],
        [(Fraction(-(10**300)), Fraction(10**300))],
        [(Fraction(-1, 10**400), Fraction(1, 10**400))],
    ],
)
def test_thin_and_vast_regions_lie_in_their_leaf(region: list[tuple[Fraction, Fraction]]) -> None:
    whole = {
        "splits": 0,
        "shape": packed("shape", [0]),
        "axes": packed("axes", []),
        "reasons": packed("reasons", [0]),
    }
    (leaf,) = leaves_of({**ONE_SPLIT, **whole}, [region])
    ((a, b),) = leaf.sides
    assert Fraction(a) <= region[0][0] <= region[0][1] <= Fraction(b)
