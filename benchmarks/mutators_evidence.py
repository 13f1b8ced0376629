"""Changes of the split trees, of the volume, and of what is beside the proof."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from benchmarks.mutators import Mutator, Subject, near_one, need
from benchmarks.packed_tree import (
    Forest,
    Leaf,
    Node,
    Split,
    array,
    pack,
    packed,
    preorder,
    unpack,
)
from systems.json_data import quotient


def _forest(change: Callable[[random.Random, Forest, int], str], volume: bool = False) -> Mutator:
    """Change the nodes of one tree: of some condition, or of the volume."""

    def mutate(s: Subject) -> str:
        name = "volume" if volume else s.random.choice(sorted(s.evidence))
        entry = s.document["volume"] if volume else s.evidence[name]
        need(entry)
        J = s.base.constraints[name]
        forest = unpack(entry["tree"], J)
        what = change(s.random, forest, J)
        entry["tree"] = pack(forest)
        return f"{name}: {what}"

    return mutate


def _leaves(forest: Forest) -> list[Leaf]:
    return [v for root in forest for v in preorder(root) if isinstance(v, Leaf)]


def _splits(forest: Forest) -> list[Split]:
    found = [v for root in forest for v in preorder(root) if isinstance(v, Split)]
    need(found)
    return found


def _replace(forest: Forest, old: Node, new: Node) -> None:
    for i, root in enumerate(forest):
        if root is old:
            forest[i] = new
        for v in preorder(root):
            if isinstance(v, Split):
                v.low = new if v.low is old else v.low
                v.high = new if v.high is old else v.high


def _reason(random: random.Random, forest: Forest, J: int) -> str:
    leaf = random.choice(_leaves(forest))
    old = leaf.reason
    leaf.reason = random.choice([r for r in range(J + J * J) if r != old] or [old + 1])
    leaf.weight = None if leaf.reason < J else random.choice([0.0, 1.0, leaf.weight or 0.1])
    return f"reason {old} -> {leaf.reason}"


def _reason_beyond(random: random.Random, forest: Forest, J: int) -> str:
    leaf = random.choice(_leaves(forest))
    leaf.reason, leaf.weight = J + J * J + random.randrange(3), 0.0
    return f"reason {leaf.reason}, of which there is no constraint"


def _weight(change: Callable[[random.Random, float], float]) -> Mutator:
    def mutate(random: random.Random, forest: Forest, J: int) -> str:
        weighted = [v for v in _leaves(forest) if v.weight is not None]
        need(weighted)
        leaf = random.choice(weighted)
        old, leaf.weight = leaf.weight, change(random, leaf.weight or 0.0)
        return f"weight {old} -> {leaf.weight}"

    return _forest(mutate)


def _missing(random: random.Random, forest: Forest, J: int) -> str:
    split = random.choice(_splits(forest))
    lower = random.random() < 0.5
    _replace(forest, split, split.high if lower else split.low)
    return f"the {'lower' if lower else 'upper'} part of a split is gone, the split with it"


def _cut_down(random: random.Random, forest: Forest, J: int) -> str:
    split = random.choice(_splits(forest))
    first = next(v for v in preorder(split) if isinstance(v, Leaf))
    _replace(forest, split, Leaf(first.reason, first.weight))
    return "a subtree is one leaf"


def _swapped(random: random.Random, forest: Forest, J: int) -> str:
    split = random.choice(_splits(forest))
    split.low, split.high = split.high, split.low
    return "the two parts of a split swapped"


def _subtrees_swapped(random: random.Random, forest: Forest, J: int) -> str:
    a, b = random.choice(_splits(forest)), random.choice(_splits(forest))
    need(not any(v is b for v in preorder(a)) and not any(v is a for v in preorder(b)))
    a.axis, b.axis, a.cut, b.cut = b.axis, a.axis, b.cut, a.cut
    a.low, b.low, a.high, b.high = b.low, a.low, b.high, a.high
    return "two subtrees swapped"


def _face_missing(s: Subject) -> str:
    entry = s.evidence["containment"]
    forest = unpack(entry["tree"], s.base.constraints["containment"])
    need(len(forest) > 1)
    i = s.random.randrange(len(forest))
    del forest[i]
    entry["tree"] = pack(forest)
    return f"nothing about face {i}"


def _cut(random: random.Random, forest: Forest, J: int) -> str:
    split = random.choice(_splits(forest))
    near = 0.0 if split.cut is None else split.cut
    moves = [math.nextafter(near, math.inf), near + 0.01, near - 0.1, 0.0, 1e300]
    split.cut = random.choice(moves)
    return f"a cut at {split.cut:.6g}"


def _axis(random: random.Random, forest: Forest, J: int) -> str:
    split = random.choice(_splits(forest))
    old, split.axis = split.axis, random.choice([a for a in range(4) if a != split.axis])
    return f"axis {old} -> {split.axis}"


def _split_more(random: random.Random, forest: Forest, J: int) -> str:
    leaf = random.choice(_leaves(forest))
    parts = [Leaf(leaf.reason, leaf.weight) for _ in range(2)]
    _replace(forest, leaf, Split(0, None, *parts))
    return "a leaf split in two"


def _array(s: Subject) -> str:
    name = s.random.choice(sorted(s.evidence))
    tree = s.evidence[name]["tree"]
    key = s.random.choice(["shape", "axes", "moved", "cuts", "reasons", "weights"])
    values = list(array(tree, key))
    values = values[:-1] if values and s.random.random() < 0.7 else [*values, 0]
    tree[key] = packed(key, values)
    return f"{name}.{key}: {len(values)} entries"


def _shape_bit(s: Subject) -> str:
    name = s.random.choice(sorted(s.evidence))
    tree = s.evidence[name]["tree"]
    values = list(array(tree, "shape"))
    k = s.random.randrange(8 * len(values))
    values[k // 8] ^= 1 << (k % 8)
    tree["shape"] = packed("shape", values)
    return f"{name}: one bit of the shape"


def _count(s: Subject) -> str:
    name = s.random.choice(sorted(s.evidence))
    tree, key = s.evidence[name]["tree"], s.random.choice(["splits", "moved_count"])
    tree[key] += s.random.choice([1, -1, 10**9])
    return f"{name}.{key}: {tree[key]}"


def _of_another_condition(s: Subject) -> str:
    a, b = s.random.sample(sorted(s.evidence), 2)
    s.evidence[a]["tree"] = s.evidence[b]["tree"]
    return f"the tree of {b} for {a}"


def _of_another_certificate(s: Subject) -> str:
    other = s.random.choice(s.others)
    shared = sorted(set(other.document["evidence"]) & set(s.evidence))
    name = s.random.choice(shared)
    s.evidence[name] = other.document["evidence"][name]
    return f"{name} of the certificate {other.name!r}"


def _condition_dropped(s: Subject) -> str:
    name = s.random.choice(sorted(s.evidence))
    del s.evidence[name]
    return f"no {name}"


def _condition_added(s: Subject) -> str:
    extra = {n: e for b in s.others for n, e in b.document["evidence"].items()}
    name = s.random.choice(sorted(set(extra) - set(s.evidence)))
    s.evidence[name] = extra[name]
    return f"{name} besides"


def _box(outwards: bool) -> Mutator:
    def mutate(s: Subject) -> str:
        need("contraction" in s.evidence)
        sides = s.evidence["contraction"]["box"]
        i, end = s.random.randrange(len(sides)), s.random.randrange(2)
        low, high = map(Fraction, sides[i])
        share = s.random.choice([Fraction(1, 2**60), Fraction(1, 1000), Fraction(1, 5)])
        move = share * (high - low) * (-1 if outwards == (end == 0) else 1)
        sides[i][end] = quotient(Fraction(sides[i][end]) + move)
        return f"end {end} of side {i + 1} moved by {float(move):.3g}"

    return mutate


def _at_least(raised: bool) -> Mutator:
    def mutate(s: Subject) -> str:
        need(s.document["volume"])
        old = float.fromhex(s.document["volume"]["at_least"])
        factor = s.random.choice([1 + 1e-12, 1.01, 2.0, 1e6, _near(s.random)])
        new = old * factor if raised else old / factor
        s.document["volume"]["at_least"] = new.hex()
        return f"at least {new:.6g}, not {old:.6g}"

    return mutate


def _volume_dropped(s: Subject) -> str:
    need(s.document["volume"])
    s.document["volume"] = None
    return "no volume"


def _volume_of_another(s: Subject) -> str:
    s.document["volume"] = s.random.choice(s.others).document["volume"]
    return "the volume of another certificate"


def _beside(s: Subject) -> str:
    part = s.random.choice(["annotations", "trust", "provenance"])
    entry: Any = s.document[part]
    key = s.random.choice(sorted(entry))
    entry[key] = s.random.choice(["anything", 7, None, []])
    return f"{part}.{key} is {entry[key]!r}"


def _counted(random: random.Random, forest: Forest, J: int) -> str:
    outer = [v for v in _leaves(forest) if v.reason == 1]
    need(outer)
    random.choice(outer).reason = 0
    return "a leaf outside is counted"


def _not_counted(random: random.Random, forest: Forest, J: int) -> str:
    random.choice([v for v in _leaves(forest) if v.reason == 0]).reason = 1
    return "a leaf inside is not counted"


def _any(random: random.Random, forest: Forest, J: int) -> str:
    return random.choice([_swapped, _missing, _axis, _cut])(random, forest, J)


def _near(random: random.Random) -> float:
    return float(near_one(random))


EVIDENCE: dict[str, Mutator] = {
    "a leaf's reason": _forest(_reason),
    "a leaf's reason, beyond": _forest(_reason_beyond),
    "a leaf's weight, last bit": _weight(lambda r, w: math.nextafter(w, r.choice([0.0, math.inf]))),
    "a leaf's weight, changed": _weight(lambda r, w: w * r.choice([0, 9.0, 1 / _near(r)])),
    "a leaf's weight, no weight": _weight(lambda r, w: r.choice([-w - 1, math.nan, math.inf])),
    "a subtree missing": _forest(_missing),
    "a subtree cut down to a leaf": _forest(_cut_down),
    "parts of a split swapped": _forest(_swapped),
    "two subtrees swapped": _forest(_subtrees_swapped),
    "a face missing": _face_missing,
    "a cut moved": _forest(_cut),
    "an axis changed": _forest(_axis),
    "a leaf split once more": _forest(_split_more),
    "a packed array, an entry more or less": _array,
    "a bit of a tree's shape": _shape_bit,
    "a tree's counts": _count,
    "tree of another condition": _of_another_condition,
    "evidence of another certificate": _of_another_certificate,
    "a condition dropped": _condition_dropped,
    "a condition added": _condition_added,
    "contraction box shrunk": _box(False),
    "contraction box enlarged": _box(True),
    "volume raised": _at_least(True),
    "volume lowered": _at_least(False),
    "volume dropped": _volume_dropped,
    "volume of another certificate": _volume_of_another,
    "volume, a leaf counted": _forest(_counted, volume=True),
    "volume, a leaf not counted": _forest(_not_counted, volume=True),
    "volume, its tree": _forest(_any, volume=True),
    "annotations, trust or provenance": _beside,
}  # fmt: skip
