"""Split trees as text: what a checker cannot work out for itself, and nothing else.

Nodes are taken in preorder, the trees of the forest one after the other, the lower part of a split
before the upper. Stored are, each packed, compressed (zlib) and in base64:

* ``shape``: one bit for every node, 1 for a split and 0 for a leaf, the first in the highest bit;
* ``axes``: one byte for every split;
* ``moved``, ``cuts``: of the splits whose cut is not low + 0.5 · (high − low) in float64, the
  number (uint32, counted from 0 among the splits) and the cut (float64);
* ``reasons``: uint16 for every leaf, as in :class:`certify.split_tree.SplitTree`;
* ``weights``: float64 for every leaf whose reason is at least J, the number of constraints.

All are little-endian. Roots are not stored: they are the condition's regions, rounded outwards.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from certify.split_tree import SplitTree
from systems.box import Box
from systems.errors import InputError
from systems.json_data import integer, object_of, text_of

Array = NDArray[np.float64]

MAX_SPLITS = 4_000_000
BLOCK = 8_192
"""Boxes that are held at once while a tree is unpacked."""
_KEYS = ("splits", "moved_count", "shape", "axes", "moved", "cuts", "reasons", "weights")


def encode_tree(tree: SplitTree, regions: Sequence[Box], constraints: int) -> dict[str, object]:
    """A tree over ``regions`` as JSON data, the same however its nodes are numbered.

    Raises InputError where it is larger than a reader takes.
    """
    if tree.nodes - tree.leaves > MAX_SPLITS:
        raise InputError(f"a split tree of {tree.leaves:,} leaves is too large to be stored")
    order = _preorder(tree)
    inner = order[tree.axis[order] >= 0]
    leaves = order[tree.axis[order] < 0]
    lower, upper = tree.boxes(*_ends(regions))
    axes = tree.axis[inner].astype(np.int64)
    middle = _middle(lower[inner, axes], upper[inner, axes])
    moved = np.flatnonzero(tree.cut[inner] != middle)
    reasons = tree.reason[leaves]
    weights = tree.weight[leaves][reasons >= constraints]
    return {
        "splits": len(inner),
        "moved_count": len(moved),
        "shape": _packed(np.packbits(tree.axis[order] >= 0)),
        "axes": _packed(axes.astype("u1")),
        "moved": _packed(moved.astype("<u4")),
        "cuts": _packed(tree.cut[inner][moved].astype("<f8")),
        "reasons": _packed(reasons.astype("<u2")),
        "weights": _packed(weights.astype("<f8")),
    }


def decode_tree(data: object, regions: Sequence[Box], constraints: int, where: str) -> SplitTree:
    """The tree that :func:`encode_tree` wrote, numbered in its own way.

    Raises InputError, beginning with ``where``, unless the data is exactly one forest over the
    regions with cuts inside the boxes and reasons that speak of the constraints.
    """
    table = object_of(data, where, _KEYS)
    roots, J = len(regions), constraints
    splits = integer(table["splits"], f"{where}.splits", 0, MAX_SPLITS)
    moved_count = integer(table["moved_count"], f"{where}.moved_count", 0, splits)

    def part(name: str, kind: str, count: int) -> NDArray[np.generic]:
        return _unpacked(table[name], np.dtype(kind), count, f"{where}.{name}")

    nodes = 2 * splits + roots
    bits = np.unpackbits(part("shape", "u1", (nodes + 7) // 8).astype(np.uint8))
    if bits[nodes:].any():
        raise InputError(f"{where}.shape: bits beyond the last node")
    axes = part("axes", "u1", splits).astype(np.int8)
    moved = part("moved", "<u4", moved_count).astype(np.int64)
    cuts = part("cuts", "<f8", moved_count).astype(np.float64)
    reasons = part("reasons", "<u2", splits + roots).astype(np.int16)
    if reasons.min() < 0 or reasons.max() >= J + J * J:
        raise InputError(f"{where}.reasons: a reason that speaks of no constraint")
    weighted = reasons >= J
    weights = part("weights", "<f8", int(weighted.sum())).astype(np.float64)
    if splits and not (axes.min() >= 0 and axes.max() < regions[0].dimension):
        raise InputError(f"{where}.axes: an axis that the regions do not have")
    if moved_count and not ((np.diff(moved) > 0).all() and moved[-1] < splits):
        raise InputError(f"{where}.moved: numbers of splits, each once and in order, are wanted")
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise InputError(f"{where}.weights: a weight is negative or not finite")
    node_of, child = _numbered(bits[:nodes], roots, where)
    is_split = bits[:nodes] == 1
    tree = SplitTree(
        roots,
        np.full(nodes, -1, dtype=np.int8),
        np.zeros(nodes),
        child,
        np.zeros(nodes, dtype=np.int16),
        np.zeros(nodes),
    )
    tree.axis[node_of[is_split]] = axes
    leaves = node_of[~is_split]
    tree.reason[leaves] = reasons
    tree.weight[leaves[weighted]] = weights
    given = np.full(nodes, np.nan)
    given[node_of[is_split][moved]] = cuts
    _cut(tree, regions, given, f"{where}.cuts")
    return tree


def _preorder(tree: SplitTree) -> NDArray[np.int64]:
    axis, child = tree.axis.tolist(), tree.child.tolist()
    pending, order = list(range(tree.roots - 1, -1, -1)), []
    while pending:
        node = pending.pop()
        order.append(node)
        if axis[node] >= 0:
            pending += (child[node] + 1, child[node])
    return np.array(order, dtype=np.int64)


def _numbered(
    bits: NDArray[np.uint8], roots: int, where: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Node numbers in preorder, and the number of each split's lower child.

    Roots come first, children in pairs, and parents before their children.
    """
    pending, node_of = list(range(roots - 1, -1, -1)), array("q")
    child, free = array("q", bytes(8 * len(bits))), roots
    for bit in bits.tobytes():  # lists of so many numbers would take several times the memory
        if not pending:
            break
        node = pending.pop()
        node_of.append(node)
        if bit and free + 2 <= len(bits):
            child[node] = free
            pending += (free + 1, free)
            free += 2
        elif bit:
            break
    if pending or len(node_of) != len(bits):
        raise InputError(f"{where}.shape: the bits are not {roots} whole trees")
    return np.array(node_of, dtype=np.int64), np.array(child, dtype=np.int64)


def _cut(tree: SplitTree, regions: Sequence[Box], given: Array, where: str) -> None:
    """Fill in the cuts: those given, and else the middles of the boxes.

    Level by level, but never with more than ``BLOCK`` boxes at once.
    """
    pending = [(np.arange(tree.roots), *_ends(regions))]
    while pending:
        nodes, lower, upper = pending.pop()
        inner = tree.axis[nodes] >= 0
        nodes, lower, upper = nodes[inner], lower[inner], upper[inner]
        if not len(nodes):
            continue
        axes, rows = tree.axis[nodes].astype(np.int64), np.arange(len(nodes))
        low, high = lower[rows, axes], upper[rows, axes]
        cut = np.where(np.isnan(given[nodes]), _middle(low, high), given[nodes])
        if not ((low < cut) & (cut < high)).all():
            raise InputError(f"{where}: a cut does not lie inside the box that it splits")
        tree.cut[nodes] = cut
        left_upper, right_lower = upper.copy(), lower.copy()
        left_upper[rows, axes] = cut
        right_lower[rows, axes] = cut
        first = tree.child[nodes]
        parts = [(first, lower, left_upper), (first + 1, right_lower, upper)]
        if 2 * len(nodes) > BLOCK:
            pending += parts
        else:
            below, above = parts
            pending.append(
                (
                    np.concatenate([below[0], above[0]]),
                    np.concatenate([below[1], above[1]]),
                    np.concatenate([below[2], above[2]]),
                )
            )


def _middle(low: Array, high: Array) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):  # no cut lies inside a box so vast
        return np.asarray(low + 0.5 * (high - low))


def _ends(regions: Sequence[Box]) -> tuple[Array, Array]:
    ends = [r.outer() for r in regions]
    return np.array([a for a, _ in ends]), np.array([b for _, b in ends])


def _packed(array: NDArray[np.generic]) -> str:
    return base64.b64encode(zlib.compress(array.tobytes(), 9)).decode("ascii")


def _unpacked(
    data: object, kind: np.dtype[np.generic], count: int, where: str
) -> NDArray[np.generic]:
    text = text_of(data, where, 200_000_000)
    wanted = count * kind.itemsize
    try:
        unpacker = zlib.decompressobj()
        # At most one byte more than is wanted: a compressed bomb stays small.
        raw = unpacker.decompress(base64.b64decode(text, validate=True), wanted + 1)
    except (ValueError, binascii.Error, zlib.error):
        raise InputError(f"{where}: the packed data is damaged") from None
    if len(raw) != wanted or not unpacker.eof or unpacker.unused_data:
        raise InputError(f"{where}: packed data of another length than the {wanted} bytes wanted")
    return np.frombuffer(raw, dtype=kind)
