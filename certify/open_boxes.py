"""The boxes a search has still to look at: newest first, or lowest value first."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BUCKETS = 128


@dataclass(frozen=True, eq=False)
class Boxes:
    """Open boxes: their tree nodes, ends (B, n), and a lower bound of the value that ranks them."""

    nodes: NDArray[np.int64]
    lower: Array
    upper: Array
    value: Array

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, chosen: slice | NDArray[np.bool_]) -> Boxes:
        return Boxes(
            self.nodes[chosen],
            self.lower[chosen],
            self.upper[chosen],
            self.value[chosen],
        )

    @staticmethod
    def joined(parts: list[Boxes]) -> Boxes:
        if len(parts) == 1:
            return parts[0]
        return Boxes(
            np.concatenate([p.nodes for p in parts]),
            np.concatenate([p.lower for p in parts]),
            np.concatenate([p.upper for p in parts]),
            np.concatenate([p.value for p in parts]),
        )


@dataclass
class OpenBoxes:
    """A pool: newest first, or with a ``ceiling`` by value, in buckets from 0 up to it."""

    ceiling: float | None = None
    count: int = 0
    _buckets: dict[int, list[Boxes]] = field(default_factory=dict)

    def push(self, boxes: Boxes) -> None:
        if not len(boxes):
            return
        self.count += len(boxes)
        if self.ceiling is None:
            self._buckets.setdefault(0, []).append(boxes)
            return
        share = np.nan_to_num(boxes.value / self.ceiling, nan=0.0, posinf=1.0, neginf=0.0)
        bucket = (np.clip(share, 0.0, 1.0) * BUCKETS).astype(int)
        for b in np.unique(bucket).tolist():
            self._buckets.setdefault(b, []).append(boxes[bucket == b])

    def take(self, most: int) -> Boxes:
        """Remove and return up to ``most`` boxes of the lowest bucket, the newest of them."""
        b = min(self._buckets)
        parts, taken = [], 0
        pile = self._buckets[b]
        while pile and taken < most:
            boxes = pile.pop()
            room = most - taken
            if len(boxes) > room:
                pile.append(boxes[room:])
                boxes = boxes[:room]
            parts.append(boxes)
            taken += len(boxes)
        if not pile:
            del self._buckets[b]
        self.count -= taken
        return Boxes.joined(parts)

    def take_all(self) -> Boxes:
        """Remove and return every box."""
        parts = [boxes for pile in self._buckets.values() for boxes in pile]
        self._buckets.clear()
        self.count = 0
        return Boxes.joined(parts)
