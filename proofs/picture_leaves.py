"""The leaf boxes of a search as pictures show them, and which of them a slice meets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from certify.branch_and_bound import Search
from certify.verdict import Proved
from proofs.figure_paving import OPPOSITE, TOGETHER

Array = NDArray[np.float64]

_SYMBOLS = {"dV/dt": r"$\dot V$", "V": "$V$", "V(F) - V": r"$\Delta V$"}


@dataclass(frozen=True, eq=False)
class Leaves:
    """The leaf boxes of a search (L, n), and for each the index of its reason in ``words``."""

    lower: Array
    upper: Array
    kind: NDArray[np.int64]
    words: tuple[str, ...]


def leaves_of(search: Search, level_names: Sequence[str]) -> Leaves | None:
    """The leaves of a proved search, by the reason that closed them; None without a tree.

    ``level_names`` are the names of the constraints' levels, such as "$c_1$".
    """
    if not isinstance(search.verdict, Proved) or search.verdict.evidence is None:
        return None
    tree, condition = search.verdict.evidence, search.condition
    ends = [r.outer() for r in condition.regions]
    lower, upper = tree.boxes(np.array([a for a, _ in ends]), np.array([b for _, b in ends]))
    rows = np.flatnonzero(tree.axis < 0)
    J = len(condition.violation)
    words = []
    for constraint, level in zip(condition.violation, level_names, strict=True):
        name = condition.outputs[constraint.output]
        sign = OPPOSITE[constraint.sense, constraint.strict]
        words.append(f"{_SYMBOLS.get(name, name)} {sign} {level}")
    kind = np.minimum(tree.reason[rows], J).astype(np.int64)
    return Leaves(lower[rows], upper[rows], kind, (*words, TOGETHER))


def in_slice(lower: Array, upper: Array, point: Array, i: int, j: int) -> NDArray[np.bool_]:
    """Which boxes the slice through ``point`` along coordinates i and j meets."""
    others = [k for k in range(len(point)) if k not in (i, j)]
    inside = (lower[:, others] <= point[others]) & (point[others] <= upper[:, others])
    return np.asarray(inside.all(axis=1))
