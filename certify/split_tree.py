"""The evidence of a branch and bound: how the region was split, and why each leaf was closed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SplitTree:
    """A forest of binary splits, one tree for each root box of the condition.

    Node i < number of roots is root i. For an inner node, ``axis[i]`` ≥ 0 is the coordinate that
    is cut at ``cut[i]``, and ``child[i]`` is the node of the lower part, ``child[i] + 1`` that of
    the upper. For a leaf, ``axis[i]`` = −1 and ``reason[i]`` is the index of the constraint that
    cannot be satisfied on its box. A tree covers its root by construction; boxes are recomputed
    from the roots and the cuts, never stored.
    """

    roots: int
    axis: NDArray[np.int8]
    cut: NDArray[np.float64]
    child: NDArray[np.int64]
    reason: NDArray[np.int8]

    @property
    def leaves(self) -> int:
        return int((self.axis < 0).sum())

    @property
    def nodes(self) -> int:
        return len(self.axis)
