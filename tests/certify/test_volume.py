"""Volumes of sublevel sets: never above the truth, and with a tree that shows it."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from certify.budget import Budget
from certify.split_tree import SplitTree, TreeBuilder
from certify.volume import (
    INSIDE,
    NOT_COUNTED,
    Paving,
    sublevel_paving,
    volume_within,
    without_smallest,
)
from systems import expression as ex
from systems.box import Box
from systems.tape import compile_tape


def ball(dimension: int, region: Box, **options: object) -> Paving:
    """{|x|² ≤ 1} in the region."""
    x = ex.variable("x", dimension)
    tape = compile_tape([ex.total(x**2)], [x])
    return sublevel_paving(tape, Fraction(1), region, Budget(20), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("dimension", "volume", "tightness"), [(1, 2.0, 0.97), (2, math.pi, 0.97), (3, 4.18879, 0.7)]
)
def test_the_volume_of_a_ball_is_bounded_from_both_sides(
    dimension: int, volume: float, tightness: float
) -> None:
    found = ball(dimension, Box.symmetric([Fraction(13, 10)] * dimension))
    assert tightness * volume < found.volume <= volume <= found.at_most
    assert found.tree.leaves <= 8000


def test_boxes_are_cut_off_at_a_region_whose_ends_are_no_floats() -> None:
    """All of the region is inside; its outer float box is a little larger than it."""
    third = Fraction(1, 3)
    found = ball(2, Box.of([(-third, third), (0, Fraction(1, 10))]))
    true = Fraction(2, 3) * Fraction(1, 10)
    assert Fraction(found.volume) <= true
    assert Fraction(math.nextafter(found.volume, 1)) > true
    assert found.upper[:, 1].max() > Fraction(1, 10)


def test_the_tree_shows_what_is_counted() -> None:
    region = Box.symmetric([Fraction(7, 5), Fraction(6, 5)])
    found = ball(2, region, most_leaves=500)
    tree = found.tree
    assert 400 < tree.leaves <= 500
    low, high = (np.array([v]) for v in region.outer())
    lower, upper = tree.boxes(low, high)
    leaves = tree.axis < 0
    counted = leaves & (tree.reason == INSIDE)
    assert set(tree.reason[leaves]) == {INSIDE, NOT_COUNTED}
    farthest = np.maximum(np.abs(lower[counted]), np.abs(upper[counted]))
    assert ((farthest**2).sum(axis=1) <= 1).all()
    assert found.volume == volume_within(lower[counted], upper[counted], region)
    assert (upper[leaves] - lower[leaves]).prod(axis=1).sum() == pytest.approx(float(region.volume))


def test_nothing_is_counted_where_nothing_is_inside() -> None:
    found = ball(2, Box.of([(2, 3), (2, 3)]))
    assert found.volume == 0 == len(found.lower) and found.tree.nodes == 1
    assert found.tree.reason[0] == NOT_COUNTED


def test_a_region_that_cannot_be_split_ends_the_search() -> None:
    narrow = Box.of([(1 - Fraction(1, 2**53), 1 + Fraction(1, 2**52))])
    found = ball(1, narrow, most_boxes=10**9)
    assert 0 <= found.volume <= Fraction(1, 2**53) <= found.at_most


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 8), st.integers(1, 60))
def test_leaving_boxes_out_keeps_the_largest(seed: int, depth: int, most: int) -> None:
    tree = level_by_level(seed, depth)
    pruned = without_smallest(tree, most)
    before, after = counted(tree), counted(pruned)
    assert set(after) <= set(before) and pruned.leaves <= most
    if len(after) < len(before):
        dropped = [a for box, a in before.items() if box not in after]
        assert max(dropped) <= min(after.values(), default=math.inf)
    last = pruned.axis < 0
    merged = pruned.child[~last]
    both = last[merged] & last[merged + 1]
    reasons = pruned.reason[merged] + pruned.reason[merged + 1]
    assert not (both & (reasons == 2 * NOT_COUNTED)).any()
    if tree.leaves <= most:
        assert after == before


def level_by_level(seed: int, depth: int) -> SplitTree:
    """A random tree of the unit square, grown as a breadth-first search does."""
    generator = np.random.default_rng(seed)
    builder, nodes = TreeBuilder(1), np.array([0])
    low, high = np.zeros((1, 2)), np.ones((1, 2))

    def close(which: NDArray[np.int64]) -> None:
        builder.close(which, generator.integers(2, size=len(which)), np.zeros(len(which)))

    for level in range(depth):
        open_ = generator.random(len(nodes)) < 0.7
        close(nodes[~open_])
        nodes, low, high = nodes[open_], low[open_], high[open_]
        axis = np.full(len(nodes), level % 2)
        cut = 0.5 * (low + high)[:, level % 2]
        first = builder.split(nodes, axis, cut)
        below, above = high.copy(), low.copy()
        below[:, level % 2] = above[:, level % 2] = cut
        nodes = np.concatenate([first, first + 1])
        low, high = np.concatenate([low, above]), np.concatenate([below, high])
    close(nodes)
    return builder.finished()


def counted(tree: SplitTree) -> dict[tuple[float, ...], float]:
    """The boxes of reason 0 with their areas."""
    lower, upper = tree.boxes(np.zeros((1, 2)), np.ones((1, 2)))
    rows = np.flatnonzero((tree.axis < 0) & (tree.reason == INSIDE))
    return {
        (*lower[i].tolist(), *upper[i].tolist()): float((upper[i] - lower[i]).prod()) for i in rows
    }
