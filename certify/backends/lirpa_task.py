"""The child's side of the LiRPA backend: a search that the library's bounds drive."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from certify.backends.child import GRACE
from certify.backends.lirpa_bounds import Bounds
from certify.backends.lirpa_graph import graph_of
from certify.backends.lirpa_tester import BoundsTester
from certify.backends.worker import Answer, no_violation, open_, points
from certify.branch_and_bound import engine_of, search
from certify.budget import Budget
from certify.conditions import Condition
from certify.split_tree import SplitTree, TreeBuilder
from certify.verdict import Proved, Refuted, Unknown

FIRST = 64
"""Boxes to begin with where bounding one costs nearly as much as bounding many."""

KEPT = 2.0
"""Seconds of the parent's grace that are kept for starting and ending."""


def task(condition: Condition, options: Mapping[str, object]) -> Answer:
    """``options``: "seconds", "boxes", "method", "version" of the library, and "seed"."""
    seconds, boxes, seed = options["seconds"], options["boxes"], options["seed"]
    started = time.perf_counter()
    assert isinstance(seconds, float | int) and isinstance(boxes, int) and isinstance(seed, int)
    outputs = [c.output for c in condition.violation]
    signs = np.array([float(c.sign) for c in condition.violation])
    graph = graph_of(condition.tape, outputs, signs, samples(condition))
    bounds = Bounds(graph, str(options["method"]), str(options["version"]))
    engine = engine_of(condition)
    left = min(seconds, seconds + GRACE - KEPT - (time.perf_counter() - started))
    budget = Budget(left, boxes)
    tester = BoundsTester(graph, bounds, budget.started())
    start = grid(condition, 1 if options["method"] == "ibp" else FIRST)
    found = search(condition, budget, engine=engine, tester=tester, seed=seed, start=start)
    match found.verdict:
        case Proved(evidence) if evidence is not None:
            return no_violation("every box closed", evidence, condition)
        case Refuted(counterexample):
            return points([counterexample.point], "a point confirmed")
        case Unknown(reason):
            return open_(reason)
    return open_("no verdict")


def grid(condition: Condition, count: int) -> SplitTree:
    """The regions, halved along their relatively widest sides until there are ``count`` boxes."""
    ends = [r.outer() for r in condition.regions]
    lower, upper = np.array([a for a, _ in ends]), np.array([b for _, b in ends])
    widest = (upper - lower).max(axis=0)
    scale = np.where(widest > 0, widest, 1.0)
    tree, nodes = TreeBuilder(len(ends)), np.arange(len(ends))
    while len(nodes) < count:
        axis, rows = ((upper - lower) / scale).argmax(axis=1), np.arange(len(nodes))
        low, high = lower[rows, axis], upper[rows, axis]
        cut = low + 0.5 * (high - low)
        if not ((low < cut) & (cut < high)).all():
            break  # a point
        first = tree.split(nodes, axis, cut)
        lower, upper = np.concatenate([lower, lower]), np.concatenate([upper, upper])
        upper[rows, axis] = lower[len(nodes) + rows, axis] = cut
        nodes = np.concatenate([first, first + 1])
    tree.close(nodes, np.zeros(len(nodes), dtype=np.int64), np.zeros(len(nodes)))
    return tree.finished()


def samples(condition: Condition) -> NDArray[np.float64]:
    """Points of every region, (N, n), always the same."""
    generator = np.random.default_rng(0)
    each = max(1024 // len(condition.regions), 4)
    parts = [np.vstack([r.sample(each, generator), *r.outer()]) for r in condition.regions]
    return np.concatenate(parts)
