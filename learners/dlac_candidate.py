"""A candidate for a plant of many states: the frozen policy and a quadratic V."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from certify.candidate import Candidate
from learners.extra_points import checked_points
from learners.frozen_loop import FrozenLoop
from learners.lqr import quadratic_value
from learners.policy_rounds import Kept, Train, policy_of_round
from systems.dynamics import ControlAffineSystem

Array = NDArray[np.float64]


def propose_quadratic(
    system: ControlAffineSystem,
    train: Train,
    kept: Kept,
    *,
    seed: int = 0,
    extra_points: Array | None = None,
    extra_weights: Array | None = None,
) -> Candidate:
    """As :func:`learners.policy_rounds.propose`, but V is the cost to go of the closed loop's
    linear part, by its Lyapunov equation.

    In so many states no other V gets through a proof, and looking for one takes minutes. Where the
    policy does not stabilise x*, V is |z|² in the domain's half-widths and a warning says so.
    """
    began = time.perf_counter()
    points, _ = checked_points(system, extra_points, extra_weights)
    policy = policy_of_round(system, train, kept, points, seed)
    loop = FrozenLoop(system, policy.control)
    provenance = {
        **policy.provenance,
        "trainings": [dict(t) for t in kept.trainings],
        "seconds": time.perf_counter() - began,
    }
    P = np.diag(loop.scale**-2.0)
    if loop.is_stable:
        P = loop.cost_to_go / np.outer(loop.scale, loop.scale)
    else:
        before = provenance.get("warnings")
        provenance["warnings"] = [
            *(before if isinstance(before, list) else []),
            f"{system.name}: the policy does not stabilise the set point: {loop.instability()}; "
            "more steps may help",
        ]
    return Candidate(system.state, quadratic_value(P, system), policy.control, provenance)
