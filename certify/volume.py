"""A rigorous lower bound of the volume of a sublevel set, and the split tree that shows it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from certify.budget import Budget
from certify.enclosure.engine import Engine
from certify.split_tree import SplitTree, TreeBuilder
from systems.box import Box
from systems.evaluate import evaluate
from systems.tape import Tape

Array = NDArray[np.float64]

INSIDE, NOT_COUNTED = 0, 1
"""The reasons of a paving's leaves: the box lies in the set, or nothing is said of it."""

CHUNK = 4096
"""Boxes whose sides are compared at once, so that a wide network stays small in memory."""

MOST_LEAVES = 8000
"""As many leaves as are worth a checker's time; two states need far fewer."""


@dataclass(frozen=True, eq=False)
class Paving:
    """Boxes inside {output ≤ level}, and bounds of the set's volume.

    ``lower``, ``upper`` (B, n) are boxes that lie in the set; ``volume`` is a lower bound of their
    volume within the region, and ``at_most`` an upper bound of the set's. ``tree`` covers the
    region; its leaves of reason 0 are the boxes, those of reason 1 are not counted.
    """

    lower: Array
    upper: Array
    volume: float
    at_most: float
    tree: SplitTree


def sublevel_paving(
    tape: Tape,
    level: Fraction,
    region: Box,
    budget: Budget,
    *,
    tolerance: float = 0.02,
    most_boxes: int = 200_000,
    most_leaves: int = MOST_LEAVES,
) -> Paving:
    """Pave {x in region : V(x) ≤ level}, V the first output of the tape.

    Stops when the undecided part is below ``tolerance`` of the region that was found, or when the
    budget or ``most_boxes`` runs out; then leaves out the smallest boxes until the tree has at most
    ``most_leaves`` leaves. The bounds are rigorous in any case.
    """
    low, high = (np.array([v]) for v in region.outer())
    root = low, high
    engine = Engine(tape, np.maximum(np.abs(low[0]), np.abs(high[0])))
    bound = _down(level)
    clock = budget.started()
    builder, nodes = TreeBuilder(1), np.array([0])
    inner, seen = 0.0, 0
    while len(nodes):
        lower, upper = engine.bound(low, high, 2)
        seen += len(nodes)
        inside = upper[:, 0] <= bound
        decided = inside | (lower[:, 0] > bound + abs(bound) * 1e-15)
        _close(builder, nodes[decided], np.where(inside[decided], INSIDE, NOT_COUNTED))
        inner += _volume(low[inside], high[inside])
        nodes, low, high = nodes[~decided], low[~decided], high[~decided]
        undecided = _volume(low, high)
        if undecided <= tolerance * inner or clock.exhausted(0) or seen > most_boxes:
            break
        rows, (axis, middle) = np.arange(len(low)), _cuts(tape, low, high)
        if not ((low[rows, axis] < middle) & (middle < high[rows, axis])).all():
            break  # no float lies between the ends
        nodes, low, high = _halved(builder, nodes, low, high, (axis, middle))
    _close(builder, nodes, np.full(len(nodes), NOT_COUNTED))
    # The float sums above carry fewer than 10⁶ roundings of 1.2e-16 each.
    at_most = (inner + _volume(low, high)) * (1 + 1e-9)
    tree = without_smallest(builder.finished(), most_leaves)
    lower, upper = tree.boxes(*root)
    counted = (tree.axis < 0) & (tree.reason == INSIDE)
    boxes = lower[counted], upper[counted]
    return Paving(*boxes, volume_within(*boxes, region), at_most, tree)


def volume_within(lower: Array, upper: Array, region: Box) -> float:
    """The volume of disjoint boxes (B, n), cut off at the region: exact, then rounded down."""
    total = Fraction(0)
    for low, high in zip(lower.tolist(), upper.tolist(), strict=True):
        total += math.prod(
            (
                max(min(Fraction(b), end) - max(Fraction(a), start), Fraction(0))
                for a, b, start, end in zip(low, high, region.lower, region.upper, strict=True)
            ),
            start=Fraction(1),
        )
    return max(_down(total), 0.0)


def without_smallest(tree: SplitTree, most_leaves: int) -> SplitTree:
    """The tree of one root with at most so many leaves, some of the smallest no longer counted.

    Splits below which nothing is counted become one leaf. Nodes must be numbered level by level,
    as a breadth-first search does, so that a box with a higher number is no larger.
    """
    splits = tree.axis >= 0
    counted = ~splits & (tree.reason == INSIDE)
    parent = np.zeros(tree.nodes, dtype=np.int64)
    rows = np.flatnonzero(splits)
    parent[tree.child[rows]] = parent[tree.child[rows] + 1] = rows
    first = _first_counted(parent, counted)
    worth = np.sort(first[splits & (first < tree.nodes)])
    end = tree.nodes if len(worth) < most_leaves else int(worth[most_leaves - 1])
    split = splits & (first < end)
    kept = split[parent]
    kept[0] = True
    number = np.cumsum(kept) - 1
    reason = np.where(counted & (first < end), INSIDE, NOT_COUNTED).astype(np.int16)
    return SplitTree(
        1,
        np.where(split, tree.axis, -1)[kept].astype(np.int8),
        np.where(split, tree.cut, 0.0)[kept],
        np.where(split, number[tree.child], 0)[kept],
        np.where(split, 0, reason)[kept].astype(np.int16),
        np.zeros(int(kept.sum())),
    )


def _first_counted(parent: NDArray[np.int64], counted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The first box counted below each node: a split is worth keeping iff that box is kept."""
    nodes = len(parent)
    first = np.where(counted, np.arange(nodes), nodes).tolist()
    for node, above in zip(range(nodes - 1, 0, -1), parent[:0:-1].tolist(), strict=True):
        first[above] = min(first[above], first[node])
    return np.array(first)


def _down(value: Fraction) -> float:
    nearest = float(value)
    return nearest if Fraction(nearest) <= value else math.nextafter(nearest, -math.inf)


def _volume(low: Array, high: Array) -> float:
    return float((high - low).prod(axis=1).sum()) if len(low) else 0.0


def _close(builder: TreeBuilder, nodes: NDArray[np.int64], reason: NDArray[np.int64]) -> None:
    builder.close(nodes, reason, np.zeros(len(nodes)))


def _cuts(tape: Tape, low: Array, high: Array) -> tuple[NDArray[np.int64], Array]:
    """Axis and middle of the side of each box along which V varies most.

    In plain floats, for any choice is sound; where states have different scales this closes many
    more boxes than halving the widest side does.
    """
    parts = range(0, len(low), CHUNK)
    variation = np.concatenate(
        [_variation(tape, low[k : k + CHUNK], high[k : k + CHUNK]) for k in parts]
    )
    width = (high - low) / (high - low).max(axis=1, keepdims=True)
    # Where V varies alike, or cannot be evaluated, the widest side.
    scale = np.maximum(variation.max(axis=1, keepdims=True), np.finfo(float).tiny)
    axis = (variation / scale + 1e-3 * width).argmax(axis=1)
    rows = np.arange(len(low))
    return axis, low[rows, axis] + 0.5 * (high[rows, axis] - low[rows, axis])


def _variation(tape: Tape, low: Array, high: Array) -> Array:
    """How much V rises or bends from end to end through the middle, along each axis; (B, n)."""
    middle = low + 0.5 * (high - low)
    out = np.empty_like(low)
    with np.errstate(all="ignore"):
        centre = evaluate(tape, middle)[0][:, 0]
        for axis in range(low.shape[1]):
            below, above = middle.copy(), middle.copy()
            below[:, axis], above[:, axis] = low[:, axis], high[:, axis]
            a, b = (evaluate(tape, x)[0][:, 0] for x in (below, above))
            out[:, axis] = np.abs(b - a) + np.abs(a + b - 2 * centre)
    return np.where(np.isfinite(out), out, 0.0)


def _halved(
    builder: TreeBuilder,
    nodes: NDArray[np.int64],
    low: Array,
    high: Array,
    cuts: tuple[NDArray[np.int64], Array],
) -> tuple[NDArray[np.int64], Array, Array]:
    """Each box in two."""
    rows, (axis, middle) = np.arange(len(low)), cuts
    first = builder.split(nodes, axis, middle)
    left_high, right_low = high.copy(), low.copy()
    left_high[rows, axis] = middle
    right_low[rows, axis] = middle
    return (
        np.concatenate([first, first + 1]),
        np.concatenate([low, right_low]),
        np.concatenate([left_high, high]),
    )
