"""Evidence made by hand: regular grids whose leaves get the reason that samples favour."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from systems.evaluate import evaluate
from systems.expression import Expression
from systems.tape import compile_tape

Array = NDArray[np.float64]
Sides = tuple[tuple[Fraction, Fraction], ...]
Reasons = tuple[list[int], list[float]]
WEIGHTS = (0.25, 0.5, 1.0, 2.0, 4.0, 16.0)


def grid_tree(
    regions: Sequence[Sides],
    constraints: Sequence[Expression],
    inputs: Sequence[Expression],
    grid: int,
    choose: Callable[[Array], Reasons] | None = None,
) -> dict[str, Any]:
    """Each region cut into ``grid`` parts (a power of 2) along every side that is not a point.

    ``choose`` makes reasons and weights of samples (leaf, sample, constraint).
    """
    bits, axes, boxes = "", list[int](), list[Sides]()
    for region in regions:
        wide = [i for i, (a, b) in enumerate(region) if a < b]
        pending = [(region, [i for i in wide for _ in range(grid.bit_length() - 1)])]
        while pending:
            sides, cuts = pending.pop()
            bits += "1" if cuts else "0"
            if not cuts:
                boxes.append(sides)
                continue
            axis, (low, high) = cuts[0], sides[cuts[0]]
            middle = Fraction(float(low) + 0.5 * (float(high) - float(low)))
            axes.append(axis)
            for part in ((middle, high), (low, middle)):
                pending.append(((*sides[:axis], part, *sides[axis + 1 :]), cuts[1:]))
    reasons, weights = (choose or least)(_samples(boxes, constraints, inputs))
    bits += "0" * (-len(bits) % 8)
    return {
        "splits": len(axes),
        "moved_count": 0,
        "shape": packed("B", [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]),
        "axes": packed("B", axes),
        "moved": packed("I", []),
        "cuts": packed("d", []),
        "reasons": packed("H", reasons),
        "weights": packed("d", weights),
    }


def _samples(
    boxes: Sequence[Sides], constraints: Sequence[Expression], inputs: Sequence[Expression]
) -> Array:
    """The constraints at corners and middles of the boxes; vast where they are not defined."""
    steps = np.array(list(product([0.0, 0.5, 1.0], repeat=len(boxes[0]))))
    low = np.array([[float(a) for a, _ in sides] for sides in boxes])
    high = np.array([[float(b) for _, b in sides] for sides in boxes])
    points = low[:, None] + (high - low)[:, None] * steps[None]
    tape = compile_tape(constraints, inputs)
    with np.errstate(all="ignore"):
        h = np.hstack(evaluate(tape, points.reshape(-1, points.shape[2])))
    return np.nan_to_num(h.reshape(len(boxes), len(steps), -1), nan=1e30, posinf=1e30, neginf=1e30)


def least(h: Array) -> Reasons:
    """The constraint that is least at its worst sample; where none is negative, a weighted pair."""
    J = h.shape[2]
    pairs = [
        (J + i * J + j, w, (h[:, :, j] + w * h[:, :, i]) / (1 + w))
        for i in range(J)
        for j in range(J)
        if i != j
        for w in WEIGHTS
    ]
    choices = [*((j, 0.0, h[:, :, j]) for j in range(J)), *pairs]
    worst = np.array([sums.max(axis=1) for _, _, sums in choices])
    worst[:J][worst[:J] < 0] -= 1e30
    best = [choices[k] for k in np.argmin(worst, axis=0)]
    return [reason for reason, _, _ in best], [w for reason, w, _ in best if reason >= J]


def inside(h: Array) -> Reasons:
    """For a volume: 0 where no sample of V − c2 is positive, else 1."""
    return [0 if worst <= 0 else 1 for worst in h[:, :, 0].max(axis=1)], []


def packed(kind: str, values: Sequence[float]) -> str:
    """Numbers as they stand in a certificate."""
    return base64.b64encode(zlib.compress(struct.pack(f"<{len(values)}{kind}", *values))).decode()


def unpacked(kind: str, text: str) -> list[Any]:
    raw = zlib.decompress(base64.b64decode(text))
    return list(struct.unpack(f"<{len(raw) // struct.calcsize(kind)}{kind}", raw))
