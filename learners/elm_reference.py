"""Algorithm 1 as printed: the yardstick that :mod:`learners.elm_pi` is measured against.

Meng et al., "Physics-Informed Neural Network Policy Iteration" (arXiv 2402.10119), Algorithm 1
with (9)-(14): V(x) = βᵀtanh(Wx + b) with W, b ~ U[−1, 1], one fixed set of uniform collocation
points, a row for V(0) = 0, `numpy.linalg.lstsq`, a fixed number of iterations. Written for
clarity and at the usual speed of numpy; it has none of the learner's refinements, by design.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learners.elm_start import first_policy
from learners.numeric import Plant
from systems.dynamics import ControlAffineSystem

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ReferenceSolution:
    """V(x) = βᵀtanh(Wx + b): W (neurons, n), b and beta (neurons,). ``solve_seconds`` leaves out
    compiling the system and the first policy, ``seconds`` does not.
    """

    W: Array
    b: Array
    beta: Array
    solve_seconds: float
    seconds: float

    def value(self, x: Array) -> Array:
        """V at points (N, n), shape (N,)."""
        out: Array = np.tanh(x @ self.W.T + self.b) @ self.beta
        return out

    @property
    def sum_beta_w(self) -> float:
        """Σ|β||w|."""
        return float(np.abs(self.beta) @ np.linalg.norm(self.W, axis=1))


def reference_policy_iteration(
    system: ControlAffineSystem,
    neurons: int,
    collocation_points: int,
    *,
    iterations: int = 10,
    boundary_weight: float = 1.0,
    seed: int = 0,
    initial_gain: Array | None = None,
) -> ReferenceSolution:
    """ELM-PI as printed; ``boundary_weight`` is λ_b of (14).

    The first policy is u = u* − K(x − x*) with ``initial_gain`` for K, by default LQR's. Raises
    :class:`systems.errors.InputError` where it is unstable or there is none.
    """
    began = time.perf_counter()
    plant = Plant(system)
    policy = first_policy(plant, initial_gain, None).policy
    plant.sample(plant.x_star[None])  # compiles the tape
    ready = time.perf_counter()
    generator = np.random.default_rng(seed)
    W = generator.uniform(-1.0, 1.0, (neurons, system.state_dimension))
    b = generator.uniform(-1.0, 1.0, neurons)
    samples = plant.sample(system.domain.sample(collocation_points, generator))
    slope = 1.0 - np.tanh(samples.x @ W.T + b) ** 2
    at_origin = np.tanh(W @ plant.x_star + b)
    scale = 1.0 / np.sqrt(collocation_points)
    u = policy(samples.x)
    beta = np.zeros(neurons)
    for _ in range(iterations):
        rows = slope * (samples.velocity(u) @ W.T)
        A = np.vstack([scale * rows, np.sqrt(boundary_weight) * at_origin])
        r = np.append(-scale * plant.running_cost(samples, u), 0.0)
        beta = np.linalg.lstsq(A, r, rcond=None)[0]
        u = plant.greedy(samples, (slope * beta) @ W)
    done = time.perf_counter()
    return ReferenceSolution(W, b, beta, done - ready, done - began)
