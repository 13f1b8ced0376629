"""Split trees: every leaf's box, recomputed from the region and the cuts."""

from __future__ import annotations

import base64
import binascii
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from .document import Unreadable, fields, integer

Region = Sequence[tuple[Fraction, Fraction]]
MAX_SPLITS = 4_000_001


@dataclass(frozen=True)
class Leaf:
    """``number`` counts from 0; ``sides`` are float64 ends, meant exactly."""

    number: int
    region: int
    sides: tuple[tuple[float, float], ...]
    reason: int
    weight: float


@dataclass(frozen=True)
class Tree:
    """``shape`` has a bit for each node in preorder; see docs/certificate-format.md."""

    nodes: int
    shape: bytes
    axes: bytes
    cuts: dict[int, float]
    reasons: tuple[int, ...]
    weights: tuple[float, ...]
    constraints: int

    def leaves(self, regions: Sequence[Region]) -> Iterator[Leaf]:
        """The leaves in order. Raises Unreadable where the tree is not a forest over the regions:
        only then is every point of them in a leaf."""
        node = split = leaf = weight = 0
        for i, region in enumerate(regions):
            open_ = [tuple((below(a), -below(-b)) for a, b in region)]
            while open_:
                sides = open_.pop()
                if node >= self.nodes:
                    raise Unreadable("a split tree ends too early")
                inner = self.shape[node >> 3] >> (7 - (node & 7)) & 1
                node += 1
                if not inner:
                    reason = self.reasons[leaf]
                    heavy = reason >= self.constraints
                    yield Leaf(leaf, i, sides, reason, self.weights[weight] if heavy else 0.0)
                    leaf, weight = leaf + 1, weight + heavy
                    continue
                axis = self.axes[split]
                if axis >= len(sides):
                    raise Unreadable(f"split {split} is along axis {axis}, which does not exist")
                low, high = sides[axis]
                cut = self.cuts.get(split, low + 0.5 * (high - low))
                if not low < cut < high:
                    raise Unreadable(f"split {split} cuts at {cut}, outside its box")
                split += 1
                open_.append((*sides[:axis], (cut, high), *sides[axis + 1 :]))
                open_.append((*sides[:axis], (low, cut), *sides[axis + 1 :]))
        if node != self.nodes:
            raise Unreadable("a split tree has nodes beyond its regions")


def read_tree(data: Any, where: str, roots: int, constraints: int) -> Tree:
    """The arrays, unpacked and of the right lengths."""
    names = ("shape", "axes", "moved", "cuts", "reasons", "weights")
    table = fields(data, where, "splits", "moved_count", *names)
    splits = integer(table["splits"], f"{where}.splits", MAX_SPLITS)
    moves = integer(table["moved_count"], f"{where}.moved_count", splits + 1)
    nodes, leaves = 2 * splits + roots, splits + roots

    def part(name: str, kind: str, count: int) -> Any:
        return _unpacked(table[name], f"{where}.{name}", kind, count)

    shape = bytes(part("shape", "B", (nodes + 7) // 8))
    if int.from_bytes(shape).bit_count() != splits or shape[-1] & ((1 << (-nodes % 8)) - 1):
        raise Unreadable(f"{where}.shape: other than {splits} splits")
    moved, cuts = part("moved", "I", moves), part("cuts", "d", moves)
    if any(a >= b for a, b in pairwise((*moved, splits))):
        raise Unreadable(f"{where}.moved: not the numbers of splits, in order")
    reasons = part("reasons", "H", leaves)
    heavy = sum(r >= constraints for r in reasons)
    weights = part("weights", "d", heavy)
    most = constraints * (constraints + 1)
    if any(r >= most for r in reasons):
        raise Unreadable(f"{where}.reasons: a leaf names a constraint that is not there")
    if any(not 0 <= w < math.inf for w in weights) or not all(map(math.isfinite, cuts)):
        raise Unreadable(f"{where}: a weight or cut is no finite number, or negative")
    axes = bytes(part("axes", "B", splits))
    return Tree(nodes, shape, axes, dict(zip(moved, cuts, strict=True)), reasons, weights,
                constraints)  # fmt: skip


def _unpacked(data: Any, where: str, kind: str, count: int) -> Any:
    size = count * struct.calcsize("<" + kind)
    try:
        packed = base64.b64decode(data.encode("ascii"), validate=True)
        expander = zlib.decompressobj()
        raw = expander.decompress(packed, size + 1)
    except (AttributeError, ValueError, binascii.Error, zlib.error):
        raise Unreadable(f"{where}: not an array in base64 and zlib") from None
    if len(raw) != size or not expander.eof or expander.unused_data:
        raise Unreadable(f"{where}: other than {count} entries")
    return struct.unpack(f"<{count}{kind}", raw)


def below(value: Fraction) -> float:
    """The largest float64 at most the value, or one a little lower."""
    nearest = value.numerator / value.denominator
    return nearest if Fraction(nearest) <= value else math.nextafter(nearest, -math.inf)
