"""Trees of foreign provers, closed anew: nothing of them is believed but where they cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from certify import Budget, Condition, Constraint, Proved, Refuted, Unknown, search
from certify.reprove import reprove
from certify.split_tree import SplitTree, TreeBuilder
from systems import expression as ex
from systems.box import Box
from tests.certify.planted import breaks
from tests.certify.test_branch_and_bound import (
    bowl,
    condition,
    holds_in_balls,
    leaves,
)

ENOUGH = Budget(3600.0)  # compiling the kernels takes a minute, once


def cut(regions: Sequence[Box], rounds: int, *, share: float = 0.5) -> SplitTree:
    """Every box cut along its axes in turn, whatever the condition; every leaf's reason is 0."""
    ends = [r.outer() for r in regions]
    lower, upper = np.array([a for a, _ in ends]), np.array([b for _, b in ends])
    tree, nodes = TreeBuilder(len(ends)), np.arange(len(ends))
    for k in range(rounds):
        axis = np.full(len(nodes), k % lower.shape[1])
        rows = np.arange(len(nodes))
        at = lower[rows, axis] + share * (upper[rows, axis] - lower[rows, axis])
        first = tree.split(nodes, axis, at)
        nodes = np.concatenate([first, first + 1])
        lower, upper = np.concatenate([lower, lower]), np.concatenate([upper, upper])
        upper[rows, axis] = lower[len(rows) + rows, axis] = at
    tree.close(nodes, np.zeros(len(nodes), dtype=np.int64), np.zeros(len(nodes)))
    return tree.finished()


@pytest.mark.parametrize("rounds", [0, 1, 5])
def test_leaves_are_closed_by_our_own_enclosures(rounds: int) -> None:
    true = bowl(2)
    foreign = cut(true.regions, rounds, share=0.375)
    found = reprove(true, foreign, ENOUGH)
    assert isinstance(found.verdict, Proved) and found.verdict.trust == ()
    tree = found.verdict.evidence
    assert tree is not None and tree.nodes >= foreign.nodes
    inner = foreign.axis >= 0
    assert (tree.cut[: foreign.nodes][inner] == foreign.cut[inner]).all()
    judged = list(leaves(found))
    assert len({reason for reason, *_ in judged}) >= 2  # ours, not those of the foreign tree
    for reason, weight, low, high in judged[:: max(1, len(judged) // 12)]:
        assert holds_in_balls(found, reason, weight, low, high)


def test_a_tree_of_a_false_condition_is_refuted() -> None:
    false = bowl(2, twist=4.0)
    found = reprove(false, cut(false.regions, 6), ENOUGH)
    assert isinstance(found.verdict, Refuted)
    assert breaks(false, found.verdict.counterexample.point)


def no_margin() -> Condition:
    x = ex.variable("x", 1)
    return condition(
        [ex.sin(x[0]) ** 2 + ex.cos(x[0]) ** 2], x,
        [Constraint(0, "at least", Fraction(1), strict=True)], [Box.symmetric([1])],
    )  # fmt: skip


def test_a_leaf_that_cannot_be_closed_is_unknown() -> None:
    tight = no_margin()
    found = reprove(tight, cut(tight.regions, 3), Budget(3600.0, 2000))
    assert isinstance(found.verdict, Unknown)


def test_a_budget_that_is_spent_is_unknown() -> None:
    true = bowl(2)
    found = reprove(true, cut(true.regions, 2), Budget(0.0))
    assert isinstance(found.verdict, Unknown) and "ran out" in found.verdict.reason


def edited(tree: SplitTree, name: str, node: int, value: float) -> SplitTree:
    array = getattr(tree, name).copy()
    array[node] = value
    return replace(tree, **{name: array})


BROKEN: dict[str, Callable[[SplitTree], SplitTree]] = {
    "a cut outside its box": lambda t: edited(t, "cut", 0, 5.0),
    "a cut on the side": lambda t: edited(t, "cut", 0, -0.9),
    "a cut that is no number": lambda t: edited(t, "cut", 1, np.nan),
    "an axis too many": lambda t: edited(t, "axis", 0, 2),
    "an open node": lambda t: edited(t, "axis", t.nodes - 1, -2),
    "a leaf with children": lambda t: edited(t, "axis", t.nodes - 1, 0),
    "a split that is called a leaf": lambda t: edited(t, "axis", 0, -1),
    "a child twice": lambda t: edited(t, "child", 1, int(t.child[2])),
    "a child beyond the end": lambda t: edited(t, "child", 2, t.nodes),
    "a circle": lambda t: edited(t, "child", 1, 0),
    "more roots than regions": lambda t: replace(t, roots=2),
    "arrays of different lengths": lambda t: replace(t, cut=t.cut[:-1]),
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_is_no_forest_over_the_regions_is_refused(how: str) -> None:
    true = bowl(2)
    with pytest.raises(ValueError, match="tested: "):
        reprove(true, BROKEN[how](cut(true.regions, 3)), ENOUGH)


def test_a_tree_that_leaves_out_a_half_proves_nothing() -> None:
    """Its two halves are the same one, by a child that is a copy of the other: found in review."""
    false = bowl(1, twist=4.0)
    tree = cut(false.regions, 2)
    for skewed in (edited(tree, "child", 2, int(tree.child[1])), edited(tree, "child", 0, 3)):
        with pytest.raises(ValueError, match="no forest"):
            search(false, ENOUGH, start=skewed)


def test_a_tree_over_other_regions_is_refused() -> None:
    true = bowl(2)
    elsewhere = [Box.of([(2, 3), (2, 3)])]
    with pytest.raises(ValueError, match="does not lie inside the box"):
        reprove(true, cut(elsewhere, 1), ENOUGH)
