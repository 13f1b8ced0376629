"""Algorithm 1 as printed, as a controller: what it does at the equilibrium, and in simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.reproduce_learners import first_policy
from certify.candidate import Candidate
from learners.elm_reference import ReferenceSolution, reference_policy_iteration
from learners.lqr import spectral_abscissa
from systems import expression as ex
from systems.differentiate import gradient, jacobian
from systems.dynamics import ControlAffineSystem
from systems.evaluate import function
from systems.threads import single_threaded_blas
from systems.zoo.entry import Entry

Array = NDArray[np.float64]


def printed(
    entry: Entry, system: ControlAffineSystem, neurons: int, seed: int, iterations: int = 10
) -> ReferenceSolution:
    """N = m n collocation points, as in the paper's tables."""
    gain = first_policy(entry, system).get("initial_gain")
    with single_threaded_blas():
        return reference_policy_iteration(
            system, neurons, neurons * system.state_dimension,
            seed=seed, iterations=iterations, initial_gain=gain,
        )  # fmt: skip


def printed_candidate(system: ControlAffineSystem, solution: ReferenceSolution) -> Candidate:
    """V = βᵀtanh(Wx + b) and its greedy policy, neither of them anchored at the equilibrium."""
    hidden = ex.tanh(ex.affine(solution.W, system.state, solution.b))
    value = ex.dot(ex.constant(solution.beta.tolist()), hidden)
    slope = gradient(value, system.state)
    effect = ex.stack([ex.dot(column, slope) for column in system.input_columns])
    control = ex.affine(-0.5 * np.linalg.inv(system.input_cost_array()), effect)
    return Candidate(system.state, value, control)


def at_equilibrium(system: ControlAffineSystem, candidate: Candidate) -> dict[str, Any]:
    """The largest real part of the closed loop's eigenvalues at x*, and |k(x*)|."""
    there = np.array([[float(v) for v in system.equilibrium]])
    closed = candidate.closed_loop(system)
    rows = function(list(jacobian(closed.field, system.state)), system.state)(there)
    assert candidate.control is not None
    offset = function(candidate.on(system).control, system.state)(there)[0]
    return {
        "eigenvalue": spectral_abscissa(np.array([row[0] for row in rows])),
        "input_at_equilibrium": float(np.abs(offset).max()),
    }
