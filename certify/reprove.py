"""A proof that rests on foreign bounds, proved anew by our own enclosures."""

from __future__ import annotations

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
    return search(condition, budget, start=tree, seed=seed)
