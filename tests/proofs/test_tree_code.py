"""Split trees as text: every tree comes back, and damaged text is told."""

from __future__ import annotations

import base64
import zlib
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.split_tree import SplitTree, TreeBuilder
from certify.tree_code import decode_tree, encode_tree
from systems.box import Box
from systems.errors import InputError

CONSTRAINTS = 3


def grown(seed: int, roots: int, dimension: int, splits: int) -> tuple[SplitTree, list[Box]]:
    """A random tree, split in random order, some cuts off the middle, every leaf closed."""
    generator = np.random.default_rng(seed)
    regions = [
        Box.of([(Fraction(-1 - k, 3), Fraction(int(generator.integers(1, 9)), 7))] * dimension)
        for k in range(roots)
    ]
    builder = TreeBuilder(roots)
    open_ = {k: tuple(np.array(end) for end in region.outer()) for k, region in enumerate(regions)}
    for _ in range(splits):
        node = int(generator.choice(list(open_)))
        low, high = open_.pop(node)
        axis = int(generator.integers(dimension))
        cut = low[axis] + 0.5 * (high[axis] - low[axis])
        if generator.random() < 0.3:
            cut = low[axis] + generator.random() * (high[axis] - low[axis])
        first = int(builder.split(np.array([node]), np.array([axis]), np.array([cut]))[0])
        above, below = high.copy(), low.copy()
        above[axis] = below[axis] = cut
        open_[first], open_[first + 1] = (low, above), (below, high)
    leaves = np.array(sorted(open_))
    J = CONSTRAINTS
    pairs = [J + i * J + j for i in range(J) for j in range(J) if i != j]
    reasons = generator.choice([*range(J), *pairs], size=len(leaves))
    weights = np.where(reasons >= J, generator.random(len(leaves)) * 1e3, 0.0)
    builder.close(leaves, reasons, weights)
    return builder.finished(), regions


def leaf_table(tree: SplitTree, regions: list[Box]) -> list[tuple[object, ...]]:
    """Every leaf's box, reason and weight, sorted: the tree without its numbering."""
    ends = [r.outer() for r in regions]
    lower, upper = tree.boxes(np.array([a for a, _ in ends]), np.array([b for _, b in ends]))
    rows = np.flatnonzero(tree.axis < 0)
    return sorted(
        (*lower[i].tolist(), *upper[i].tolist(), int(tree.reason[i]), float(tree.weight[i]))
        for i in rows
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(1, 4), st.integers(0, 60))
def test_every_tree_comes_back(seed: int, roots: int, dimension: int, splits: int) -> None:
    tree, regions = grown(seed, roots, dimension, splits)
    data = encode_tree(tree, regions, CONSTRAINTS)
    again = decode_tree(data, regions, CONSTRAINTS, "tree")
    assert again.roots == tree.roots and again.nodes == tree.nodes
    assert leaf_table(again, regions) == leaf_table(tree, regions)
    assert encode_tree(again, regions, CONSTRAINTS) == data


def test_middle_cuts_cost_nothing() -> None:
    builder = TreeBuilder(1)
    box = Box.of([("-0.1", "0.3")])
    low, high = (float(v[0]) for v in box.outer())
    builder.split(np.array([0]), np.array([0]), np.array([low + 0.5 * (high - low)]))
    builder.close(np.array([1, 2]), np.array([0, 1]), np.zeros(2))
    data = encode_tree(builder.finished(), [box], 2)
    assert data["moved_count"] == 0
    assert decode_tree(data, [box], 2, "tree").cut[0] == low + 0.5 * (high - low)


def test_a_hundred_thousand_leaves_stay_small() -> None:
    """Random cuts of axes and reasons, half of the leaves with a weight: below 5 MB."""
    generator = np.random.default_rng(0)
    builder = TreeBuilder(1)
    level = np.array([0])
    low, high = np.full((1, 3), -1.0), np.full((1, 3), 1.0)
    for _ in range(17):
        axes = generator.integers(3, size=len(level))
        rows = np.arange(len(level))
        cut = low[rows, axes] + 0.5 * (high[rows, axes] - low[rows, axes])
        first = builder.split(level, axes, cut)
        above, below = high.copy(), low.copy()
        above[rows, axes] = below[rows, axes] = cut
        level = np.concatenate([first, first + 1])
        low, high = np.concatenate([low, below]), np.concatenate([above, high])
    reasons = generator.integers(3, size=len(level)) * 2
    builder.close(level, reasons, np.where(reasons >= 3, generator.random(len(level)), 0.0))
    data = encode_tree(builder.finished(), [Box.symmetric([1, 1, 1])], 3)
    assert len(level) == 131072
    assert sum(len(str(v)) for v in data.values()) < 2_000_000


def _repacked(raw: bytes) -> str:
    return base64.b64encode(zlib.compress(raw)).decode()


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("shape", "????", "damaged"),
        ("shape", _repacked(b"\xff" * 100), "length"),
        ("shape", _repacked(b"\x00\x00"), "whole trees"),
        ("shape", _repacked(b"\xff\xff"), "whole trees|beyond"),
        ("axes", _repacked(b"\x09" * 5), "axis"),
        ("axes", _repacked(b"\x00" * 4), "length"),
        ("moved", _repacked(b"\xff" * 4), "numbers of splits"),
        ("cuts", _repacked(np.array([7.0]).tobytes()), "inside the box"),
        ("reasons", _repacked(np.full(6, 12, dtype="<u2").tobytes()), "no constraint"),
        ("reasons", _repacked(np.full(6, 65535, dtype="<u2").tobytes()), "no constraint"),
        ("weights", _repacked(np.array([-1.0]).tobytes()), "negative"),
        ("weights", _repacked(np.array([np.nan]).tobytes()), "not finite"),
        ("splits", 10**9, "not in"),
        ("splits", True, "integer"),
        ("moved_count", -1, "not in"),
        ("weights", None, "text"),
    ],
)
def test_damage_is_told_with_its_place(key: str, value: object, told: str) -> None:
    box = Box.symmetric([1, 1])
    builder = TreeBuilder(1)
    node = np.array([0])
    for k in range(5):
        cut = np.array([0.25 if k == 0 else -1 + 1.25 * 0.5**k])
        node = builder.split(node, np.array([0]), cut)[:1]
    leaves = np.array([node[0], *range(2, 11, 2)])
    reasons = np.array([3 + 1, 0, 0, 1, 1, 2])
    builder.close(leaves, reasons, np.array([0.5, 0, 0, 0, 0, 0]))
    data = encode_tree(builder.finished(), [box], 3)
    assert data["moved_count"] == 1
    decode_tree(data, [box], 3, "tree")
    with pytest.raises(InputError, match=rf"^tree\.{key}.*({told})"):
        decode_tree({**data, key: value}, [box], 3, "tree")


def test_a_missing_or_strange_part_is_told() -> None:
    tree, regions = grown(1, 2, 2, 5)
    data = encode_tree(tree, regions, CONSTRAINTS)
    with pytest.raises(InputError, match="'cuts' is missing"):
        decode_tree({k: v for k, v in data.items() if k != "cuts"}, regions, 3, "tree")
    with pytest.raises(InputError, match="unknown key 'boxes'"):
        decode_tree({**data, "boxes": []}, regions, 3, "tree")
    with pytest.raises(InputError, match=r"whole trees|length"):
        decode_tree(data, regions[:1], 3, "tree")
