"""The evidence of a branch and bound: how the region was split, and why each leaf was closed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SplitTree:
    """A forest of binary splits, one tree for each root box of the condition.

    Node i < ``roots`` is root i. For an inner node, ``axis[i]`` ≥ 0 is the coordinate that is cut
    at ``cut[i]``, ``child[i]`` is the node of the lower part, ``child[i] + 1`` that of the upper.
    For a leaf, ``axis[i]`` = −1 and ``reason[i]`` says why no point of its box satisfies all J
    constraints h_j ≥ 0 of the violation: j < J where h_j < 0 on the box, and J + i·J + j where
    h_j + weight[i] · h_i < 0 on it, with weight ≥ 0. A tree covers its root by construction; boxes
    are recomputed from the roots (rounded outwards to float64) and the cuts, never stored.
    """

    roots: int
    axis: NDArray[np.int8]
    cut: NDArray[np.float64]
    child: NDArray[np.int64]
    reason: NDArray[np.int16]
    weight: NDArray[np.float64]

    @property
    def leaves(self) -> int:
        return int((self.axis < 0).sum())

    @property
    def nodes(self) -> int:
        return len(self.axis)

    def boxes(
        self, root_lower: NDArray[np.float64], root_upper: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper ends of the box of every node, (nodes, n) each, from those of the roots.

        Parents precede their children, so one pass suffices.
        """
        n = root_lower.shape[1]
        lower, upper = np.empty((self.nodes, n)), np.empty((self.nodes, n))
        lower[: self.roots], upper[: self.roots] = root_lower, root_upper
        for i in np.flatnonzero(self.axis >= 0).tolist():
            a, c = int(self.axis[i]), int(self.child[i])
            lower[c], lower[c + 1], upper[c], upper[c + 1] = lower[i], lower[i], upper[i], upper[i]
            upper[c, a] = lower[c + 1, a] = self.cut[i]
        return lower, upper

    def check_covers(
        self, root_lower: NDArray[np.float64], root_upper: NDArray[np.float64]
    ) -> None:
        """ValueError unless the leaves cover the boxes of the roots, (roots, n), and lie in them.

        For trees that were not built by :class:`TreeBuilder` over these very boxes.
        """
        arrays = (self.axis, self.cut, self.child)
        whole = self.roots == len(root_lower) <= self.nodes
        if not whole or any(a.shape != (self.nodes,) for a in arrays):
            raise ValueError(f"the tree is not one over {len(root_lower)} regions")
        inner = np.flatnonzero(self.axis >= 0)
        axis, child = self.axis[inner].astype(np.int64), self.child[inner].astype(np.int64)
        born = np.sort(np.concatenate([child, child + 1]))
        if not np.array_equal(born, np.arange(self.roots, self.nodes)) or (child <= inner).any():
            raise ValueError("the tree's nodes are no forest")
        if (axis >= root_lower.shape[1]).any() or (self.axis < -1).any():
            raise ValueError("the tree cuts along an axis that there is not")
        lower, upper = self.boxes(root_lower, root_upper)
        low, high = lower[inner, axis], upper[inner, axis]
        if not ((low < self.cut[inner]) & (self.cut[inner] < high)).all():
            raise ValueError("a cut does not lie inside the box that it splits")


class TreeBuilder:
    """A split tree that grows as a search goes on."""

    def __init__(self, roots: int, start: SplitTree | None = None) -> None:
        """With ``start``, from that tree, its leaves open again. ValueError where roots differ."""
        if start is not None and start.roots != roots:
            raise ValueError(f"a tree over {start.roots} regions, not {roots}")
        self.roots = roots
        self.count = roots if start is None else start.nodes
        capacity = max(1024, 2 * self.count)
        self.axis = np.full(capacity, -2, dtype=np.int8)  # −2: still open
        self.cut = np.zeros(capacity)
        self.child = np.zeros(capacity, dtype=np.int64)
        self.reason = np.zeros(capacity, dtype=np.int16)
        self.weight = np.zeros(capacity)
        if start is not None:
            self.axis[: self.count] = np.where(start.axis < 0, -2, start.axis)
            self.cut[: self.count], self.child[: self.count] = start.cut, start.child

    def close(
        self, nodes: NDArray[np.int64], reason: NDArray[np.int64], weight: NDArray[np.float64]
    ) -> None:
        """Make leaves of open nodes."""
        self.axis[nodes] = -1
        self.reason[nodes] = reason
        self.weight[nodes] = weight

    def split(
        self, nodes: NDArray[np.int64], axis: NDArray[np.int64], cut: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Split open nodes; returns the number of each lower child (the upper is the next)."""
        self._reserve(2 * len(nodes))
        first = self.count + 2 * np.arange(len(nodes), dtype=np.int64)
        self.axis[nodes], self.cut[nodes], self.child[nodes] = axis, cut, first
        self.count += 2 * len(nodes)
        return first

    def finished(self) -> SplitTree:
        """The finished tree. Raises RuntimeError where a node is still open."""
        axis = self.axis[: self.count]
        if (axis == -2).any():
            raise RuntimeError("a split tree with open nodes is no evidence")
        c = self.count
        return SplitTree(
            self.roots,
            axis.copy(),
            self.cut[:c].copy(),
            self.child[:c].copy(),
            self.reason[:c].copy(),
            self.weight[:c].copy(),
        )

    def _reserve(self, more: int) -> None:
        needed = self.count + more
        capacity = len(self.axis)
        if needed <= capacity:
            return
        extra = max(needed, 2 * capacity) - capacity
        self.axis = np.concatenate([self.axis, np.full(extra, -2, dtype=np.int8)])
        self.cut = np.concatenate([self.cut, np.zeros(extra)])
        self.child = np.concatenate([self.child, np.zeros(extra, dtype=np.int64)])
        self.reason = np.concatenate([self.reason, np.zeros(extra, dtype=np.int16)])
        self.weight = np.concatenate([self.weight, np.zeros(extra)])
