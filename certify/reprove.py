"""A proof that rests on foreign bounds, proved anew by our own enclosures."""

from __future__ import annotations

import numpy as np

from certify.branch_and_bound import Search, search
from certify.budget import Budget
from certify.conditions import Condition
from certify.split_tree import SplitTree


def reprove(condition: Condition, tree: SplitTree, budget: Budget, *, seed: int = 0) -> Search:
    """Close the leaves of a tree over the condition's regions by rigorous enclosures.

    Nothing of the tree is believed but where it cuts; leaves are split further where that is
    needed. The verdict is Proved with a tree of its own and no trust, Refuted, or Unknown where a
    leaf could not be closed. Raises ValueError where the tree is not one forest over the regions
    with cuts inside the boxes.
    """
    _check_covers(condition, tree)
    return search(condition, budget, start=tree, seed=seed)


def _check_covers(condition: Condition, tree: SplitTree) -> None:
    """The leaves' boxes cover the regions, and lie in them."""
    nodes, roots = tree.nodes, len(condition.regions)
    arrays = (tree.axis, tree.cut, tree.child)
    if tree.roots != roots or any(a.shape != (nodes,) for a in arrays) or nodes < roots:
        raise ValueError(f"{condition.name}: the tree is not one over {roots} regions")
    inner = np.flatnonzero(tree.axis >= 0)
    axis, child = tree.axis[inner].astype(np.int64), tree.child[inner].astype(np.int64)
    born = np.sort(np.concatenate([child, child + 1]))
    if not np.array_equal(born, np.arange(roots, nodes)) or not (child > inner).all():
        raise ValueError(f"{condition.name}: the tree's nodes are no forest")
    if (axis >= condition.tape.dimension).any() or (tree.axis < -1).any():
        raise ValueError(f"{condition.name}: the tree cuts along an axis that there is not")
    ends = [r.outer() for r in condition.regions]
    lower, upper = tree.boxes(np.array([a for a, _ in ends]), np.array([b for _, b in ends]))
    low, high = lower[inner, axis], upper[inner, axis]
    if not ((low < tree.cut[inner]) & (tree.cut[inner] < high)).all():
        raise ValueError(f"{condition.name}: a cut does not lie inside the box that it splits")
