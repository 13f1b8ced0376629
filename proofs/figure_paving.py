"""The boxes of a search as a figure shows them: why each is closed, and with how much to spare."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from certify.branch_and_bound import Search, engine_of
from certify.conditions import Condition
from certify.enclosure.engine import Engine, Levels
from certify.split_tree import SplitTree
from certify.verdict import Proved

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

MOST_BOXES = 5_000
"""More than that are drawn merged: neighbours share one box."""

MOST_MARGINS = 20_000
"""Of a search with more leaves, margins are bounded only where a box stands for one leaf."""

LADDER = tuple(2.0**-k for k in range(-2, 15))
"""Margins that are tried on leaves closed by two constraints together, largest first."""

SEVERAL = "several reasons"
TOGETHER = "two constraints exclude each other"
OPPOSITE = {
    ("at least", False): "<", ("at least", True): "≤",
    ("at most", False): ">", ("at most", True): "≥",
}  # fmt: skip
_LEVELS = {
    "decrease": ("a", "c2", "−μ"),
    "containment": ("c2", "0"),
    "defined": ("a", "2⁴⁰⁰"),
    "trap": ("c1", "c1"),
    "core": ("core", "c_q"),
    "contraction": ("c_q", "0"),
    "small set": ("c1", "ε²"),
    "rest": ("alpha² c1/4",),
}
_NAMES = {
    "dV/dt": "V̇",
    "V(F) - V": "ΔV",
    "dV/dt + alpha V": "V̇ + alpha·V",
    "V(F) - V + alpha V": "ΔV + alpha·V",
    "|x - x*|^2": "|x − x*|²",
    "|F|^2": "|F|²",
    "|F|_P^2": "Fᵀ P F",
    "|F - x*|_P^2": "(F − x*)ᵀ P (F − x*)",
}


@dataclass(frozen=True, eq=False)
class PavedCondition:
    """Boxes that cover a condition's regions, (B, d) with d coordinates of state and disturbance.

    ``kind`` (B,) indexes ``reasons``. ``margin`` (B,) is a lower bound of the share of its own size
    by which the level that closes the box could be weakened with the box still closed (all levels,
    where two close it together): a constraint V ≤ 0.04 closed by V ≥ 0.05 has the margin 0.25.
    A level of 0 is measured by the others. NaN where no margin was bounded; the least, where a box
    is merged of several. ``merged`` (B,) counts the leaves that a box stands for, ``leaves`` is
    their number in all. ``tally`` has, for every reason that occurs, its words, its leaves and
    their smallest margin (None where not all were bounded).
    """

    name: str
    claim: str
    reasons: tuple[str, ...]
    lower: Array
    upper: Array
    kind: Indices
    margin: Array
    merged: Indices
    leaves: int
    tally: tuple[tuple[str, int, float | None], ...]

    @property
    def thinned(self) -> bool:
        return len(self.lower) < self.leaves


def paved_condition(search: Search, centre: Array, most: int = MOST_BOXES) -> PavedCondition | None:
    """The boxes of a proved search, at most ``most`` of them; None without a tree or a volume.

    Near the slices through ``centre``, (d,), they are merged last.
    """
    verdict, condition = search.verdict, search.condition
    if not isinstance(verdict, Proved) or verdict.evidence is None:
        return None
    if any(a == b for r in condition.regions for a, b in zip(r.lower, r.upper, strict=True)):
        return None  # faces have no inside to colour
    tree = verdict.evidence
    ends = [r.outer() for r in condition.regions]
    lower, upper = tree.boxes(np.array([a for a, _ in ends]), np.array([b for _, b in ends]))
    reasons = (*_words(condition), TOGETHER, SEVERAL)
    kind, count = _merged(tree, len(condition.violation), len(reasons) - 1)
    shown = np.array(_selected(tree, count * _weights(lower, upper, centre), most), dtype=np.int64)
    margin = np.full(tree.nodes, np.nan)
    is_leaf = tree.axis < 0
    wanted = np.flatnonzero(is_leaf) if tree.leaves <= MOST_MARGINS else shown[is_leaf[shown]]
    margin[wanted] = margins(search, lower[wanted], upper[wanted], tree.reason[wanted])
    tally = _tally(reasons, kind[is_leaf], margin[is_leaf])
    if tree.leaves <= MOST_MARGINS:
        margin = _least_below(tree, margin)
    return PavedCondition(
        condition.name, condition.claim, reasons, lower[shown], upper[shown], kind[shown],
        margin[shown], count[shown], tree.leaves, tally,
    )  # fmt: skip


def _tally(
    reasons: tuple[str, ...], kind: Indices, margin: Array
) -> tuple[tuple[str, int, float | None], ...]:
    """Over all leaves: the words of a reason, its leaves, and their smallest margin."""
    out = []
    for k, word in enumerate(reasons):
        known = margin[kind == k]
        if len(known):
            out.append((word, len(known), None if np.isnan(known).any() else float(known.min())))
    return tuple(out)


def margins(
    search: Search, lower: Array, upper: Array, reason: NDArray[np.int16] | Indices
) -> Array:
    """For every box (B, d) closed for that reason, a lower bound of its margin; NaN if none is.

    The bounds are those of the engine that the search used, computed once more.
    """
    condition = search.condition
    if not len(lower):
        return np.empty(0)
    try:
        engine = engine_of(condition)
    except ValueError:
        return np.full(len(lower), np.nan)
    levels, unit = Levels.of(condition.violation), _units(condition)
    widths = (upper - lower).max(axis=0)
    out = np.full(len(lower), np.nan)
    orders = [search.order, *(k for k in engine.orders if k != search.order)]
    for order in orders:
        open_ = np.flatnonzero(np.isnan(out))
        if len(open_):
            part = lower[open_], upper[open_], reason[open_].astype(np.int64)
            out[open_] = _at_order(engine, *part, order, levels, unit, widths)
    return out


def _at_order(
    engine: Engine, lower: Array, upper: Array, reason: Indices, order: int, levels: Levels,
    unit: Array, widths: Array,
) -> Array:  # fmt: skip
    """As :func:`margins`, with Taylor models of one order; NaN where they do not close the box."""
    found, J = engine.test(lower, upper, order, levels, widths), len(levels.sign)
    single = reason < J
    alone = -(found.upper / unit)[np.arange(len(lower)), np.where(single, reason, 0)]
    closed = np.where(single, alone >= 0, found.reason >= 0)
    out = np.where(closed, np.where(single, alone, 0.0), np.nan)
    pending = np.flatnonzero(closed & ~single)
    for share in LADDER:
        if not len(pending):
            break
        easier = replace(levels, level=levels.level - share * unit)
        closed = engine.test(lower[pending], upper[pending], order, easier, widths).reason >= 0
        out[pending[closed]] = share
        pending = pending[~closed]
    return np.asarray(out)


def _units(condition: Condition) -> Array:
    """What margins are measured by: the size of each level, or of the others where one is 0."""
    sizes = np.array([abs(float(c.level)) for c in condition.violation])
    # R scales the linearisation of the contraction to −I, so that its discs are of size 1.
    other = 1.0 if condition.name == "contraction" else float(sizes.max()) or 1.0
    return np.where(sizes > 0, sizes, other)


def _words(condition: Condition) -> list[str]:
    """For every constraint, why no point of a box satisfies it: "V < a"."""
    named = _LEVELS.get(condition.name, ())
    words = []
    for i, c in enumerate(condition.violation):
        level = named[i] if len(named) == len(condition.violation) else f"{float(c.level):.5g}"
        level = level if c.level else "0"
        name = condition.outputs[c.output]
        words.append(f"{_NAMES.get(name, name)} {OPPOSITE[c.sense, c.strict]} {level}")
    return words


def _generations(tree: SplitTree) -> list[Indices]:
    """The inner nodes, by their depth."""
    out, nodes = [], np.arange(tree.roots)
    while len(nodes):
        inner = nodes[tree.axis[nodes] >= 0]
        out.append(inner)
        child = tree.child[inner]
        nodes = np.concatenate([child, child + 1])
    return out


def _merged(tree: SplitTree, J: int, several: int) -> tuple[Indices, Indices]:
    """For every node, the reason that all leaves below it share, and their number."""
    kind = np.minimum(tree.reason, J).astype(np.int64)
    count = np.ones(tree.nodes, dtype=np.int64)
    for inner in reversed(_generations(tree)):
        a, b = tree.child[inner], tree.child[inner] + 1
        count[inner] = count[a] + count[b]
        kind[inner] = np.where(kind[a] == kind[b], kind[a], several)
    return kind, count


def _least_below(tree: SplitTree, margin: Array) -> Array:
    """The smallest margin of the leaves below every node; NaN where one is not known."""
    out = margin.copy()
    for inner in reversed(_generations(tree)):
        out[inner] = np.minimum(out[tree.child[inner]], out[tree.child[inner] + 1])
    return out


SLICED = 1000
"""So many leaves elsewhere weigh as much as one that a slice through the centre meets."""


def _weights(lower: Array, upper: Array, centre: Array) -> Indices:
    """How much the leaves below every node matter: more where slices of the figures pass."""
    # A centre that lies between two boxes belongs to the upper one, as in the figures.
    beside = ((centre < lower) | (upper <= centre)).sum(axis=1)
    return np.where(beside <= 2, SLICED, 1)


def _selected(tree: SplitTree, worth: Indices, most: int) -> list[int]:
    """Nodes that cover the regions, at most ``most`` beyond the roots: the worthiest are split."""
    heap = [(-int(worth[i]), i) for i in range(tree.roots)]
    heapq.heapify(heap)
    done: list[int] = []
    while heap and len(heap) + len(done) < most:
        _, node = heapq.heappop(heap)
        if tree.axis[node] < 0:
            done.append(node)
            continue
        child = int(tree.child[node])
        for part in (child, child + 1):
            heapq.heappush(heap, (-int(worth[part]), part))
    return sorted([*done, *(node for _, node in heap)])
