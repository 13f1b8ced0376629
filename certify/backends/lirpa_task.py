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
from certify.verdict import Proved, Refuted, Unknown

STARTED = time.perf_counter()
ENDING = 1.5
"""Seconds of the parent's grace that are kept for ending."""


def task(condition: Condition, options: Mapping[str, object]) -> Answer:
    """``options``: "seconds", "boxes", "method", "version" of the library, and "seed"."""
    seconds, boxes, seed = options["seconds"], options["boxes"], options["seed"]
    assert isinstance(seconds, float | int) and isinstance(boxes, int) and isinstance(seed, int)
    outputs = [c.output for c in condition.violation]
    signs = np.array([float(c.sign) for c in condition.violation])
    graph = graph_of(condition.tape, outputs, signs, samples(condition))
    bounds = Bounds(graph, str(options["method"]), str(options["version"]))
    engine = engine_of(condition)
    left = min(seconds, seconds + GRACE - ENDING - (time.perf_counter() - STARTED))
    budget = Budget(left, boxes)
    tester = BoundsTester(graph, bounds, budget.started())
    match search(condition, budget, engine=engine, tester=tester, seed=seed).verdict:
        case Proved(evidence) if evidence is not None:
            return no_violation("every box closed", evidence, condition)
        case Refuted(counterexample):
            return points([counterexample.point], "a point confirmed")
        case Unknown(reason):
            return open_(reason)
    return open_("no verdict")


def samples(condition: Condition) -> NDArray[np.float64]:
    """Points of every region, (N, n), always the same."""
    generator = np.random.default_rng(0)
    each = max(1024 // len(condition.regions), 4)
    parts = [np.vstack([r.sample(each, generator), *r.outer()]) for r in condition.regions]
    return np.concatenate(parts)
