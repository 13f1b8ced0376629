"""Split trees of certificates as nodes that can be changed, after the format's page alone."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KINDS = {"shape": "B", "axes": "B", "moved": "I", "cuts": "d", "reasons": "H", "weights": "d"}


@dataclass
class Leaf:
    """``weight`` is there where the reason speaks of two constraints."""

    reason: int
    weight: float | None = None


@dataclass
class Split:
    """``cut`` is None where the box is cut at low + 0.5·(high − low)."""

    axis: int
    cut: float | None
    low: Node
    high: Node


Node = Leaf | Split
Forest = list[Node]


def unpack(tree: Mapping[str, Any], constraints: int) -> Forest:
    """The forest of a well-formed tree; ``constraints`` is J."""
    bits = "".join(f"{byte:08b}" for byte in array(tree, "shape"))
    shape = iter(bits[: 2 * tree["splits"] + roots_of(tree)])
    axes, reasons, weights = (iter(array(tree, k)) for k in ("axes", "reasons", "weights"))
    cuts = dict(zip(array(tree, "moved"), array(tree, "cuts"), strict=True))
    count = 0

    def node() -> Node:
        nonlocal count
        if next(shape) == "1":
            count += 1
            return Split(next(axes), cuts.get(count - 1), node(), node())
        reason = next(reasons)
        return Leaf(reason, next(weights) if reason >= constraints else None)

    return [node() for _ in range(roots_of(tree))]


def pack(forest: Sequence[Node]) -> dict[str, object]:
    """The forest in a certificate's spelling."""
    nodes = [node for root in forest for node in preorder(root)]
    bits = "".join("1" if isinstance(node, Split) else "0" for node in nodes)
    bits += "0" * (-len(bits) % 8)
    splits = [node for node in nodes if isinstance(node, Split)]
    leaves = [node for node in nodes if isinstance(node, Leaf)]
    moved = [i for i, split in enumerate(splits) if split.cut is not None]
    return {
        "splits": len(splits),
        "moved_count": len(moved),
        "shape": packed("shape", [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]),
        "axes": packed("axes", [split.axis for split in splits]),
        "moved": packed("moved", moved),
        "cuts": packed("cuts", [split.cut for split in splits if split.cut is not None]),
        "reasons": packed("reasons", [leaf.reason for leaf in leaves]),
        "weights": packed("weights", [v.weight for v in leaves if v.weight is not None]),
    }


def preorder(node: Node) -> Iterator[Node]:
    """The node and all below it, the lower part of a split first."""
    pending = [node]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, Split):
            pending += (node.high, node.low)


def roots_of(tree: Mapping[str, Any]) -> int:
    """The number of trees in the forest."""
    return len(array(tree, "reasons")) - int(tree["splits"])


def array(tree: Mapping[str, Any], name: str) -> tuple[Any, ...]:
    """One of a tree's packed arrays."""
    raw = zlib.decompress(base64.b64decode(tree[name]))
    kind = KINDS[name]
    return struct.unpack(f"<{len(raw) // struct.calcsize('<' + kind)}{kind}", raw)


def packed(name: str, values: Sequence[Any]) -> str:
    """An array as the text that stands for it."""
    return pack_bytes(struct.pack(f"<{len(values)}{KINDS[name]}", *values))


def pack_bytes(raw: bytes) -> str:
    """Compressed, in base64."""
    return base64.b64encode(zlib.compress(raw, 9)).decode("ascii")
