"""Nonlinear model predictive control: direct multiple shooting with CasADi and IPOPT.

In every period the inputs of the next ``horizon`` periods are found that minimise the tracking
cost of the states they lead to, a small cost of the inputs and, after the horizon, the LQR's
cost-to-go; the first of them is applied. The plant's step is the task's own expression. Each
problem starts from the last one's solution, moved on by a period.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learners.baselines.casadi_program import casadi_outputs, load_casadi
from learners.baselines.tracking_lqr import INPUT_WEIGHT, Regulators
from learners.environments.transition import next_state, plant
from systems import expression as ex
from systems.tape import compile_tape
from systems.task import Task

Array = NDArray[np.float64]

MOST_ITERATIONS = 100
TOLERANCE = 1e-6
OPTIONS = {
    "expand": True,
    "print_time": False,
    "ipopt.print_level": 0,
    "ipopt.sb": "yes",
    "ipopt.max_iter": MOST_ITERATIONS,
    "ipopt.tol": TOLERANCE,
    "ipopt.warm_start_init_point": "yes",
    "ipopt.mu_init": 1e-3,
}


@dataclass
class _Memory:
    """The last solution of one copy of the plant: what IPOPT starts from."""

    point: Array
    multipliers: Array
    bounds: Array


class PredictiveController:
    """NMPC with a horizon in periods. ``failures`` counts problems that IPOPT did not solve; there
    the input is the one it ended with.

    States are scaled as the task says, inputs by half their range about the middle of it. Raises
    InputError, with the command that installs it, where casadi is missing.
    """

    def __init__(self, task: Task, *, horizon: int, input_weight: float = INPUT_WEIGHT) -> None:
        self.name = f"NMPC, horizon {horizon}"
        self.horizon = horizon
        self._regulators = Regulators(task, input_weight=input_weight)
        low, high = np.array(task.action_low), np.array(task.action_high)
        self._centre, self._scale = np.array(task.centre), np.array(task.scale)
        self._middle, self._half = (low + high) / 2, (high - low) / 2
        self._solver = self._built(task, input_weight)
        n, m = len(self._scale), len(self._half)
        free = np.full(horizon * n, np.inf)
        ones = np.ones(horizon * m)
        self._lower, self._upper = np.append(-free, -ones), np.append(free, ones)
        self.reset(1)

    def reset(self, count: int) -> None:
        self.failures = 0
        self._memories: list[_Memory | None] = [None] * count

    def act(self, states: Array, references: Array, reference_inputs: Array) -> Array:
        rows = zip(states, references, reference_inputs, strict=True)
        return np.array([self._solved(i, *row) for i, row in enumerate(rows)])

    def _solved(self, i: int, state: Array, reference: Array, held: Array) -> Array:
        n, m, N = len(self._scale), len(self._half), self.horizon
        P = self._regulators.at(reference, held).P * np.outer(self._scale, self._scale)
        x, r = ((v - self._centre) / self._scale for v in (state, reference))
        u = (held - self._middle) / self._half
        memory = self._memories[i] or self._first(x, u)
        solution = self._solver(
            x0=memory.point,
            lam_g0=memory.multipliers,
            lam_x0=memory.bounds,
            lbx=self._lower,
            ubx=self._upper,
            lbg=0.0,
            ubg=0.0,
            p=np.concatenate([x, r, u, P.ravel()]),
        )
        self.failures += not self._solver.stats()["success"]
        point, g, b = (np.asarray(solution[k]).ravel() for k in ("x", "lam_g", "lam_x"))
        if not np.isfinite(point).all():
            self._memories[i] = None
            return held
        self._memories[i] = _Memory(_moved_on(point, N, n, m), _later(g, n), _moved_on(b, N, n, m))
        out: Array = self._middle + self._half * np.clip(point[N * n : N * n + m], -1, 1)
        return out

    def _first(self, x: Array, u: Array) -> _Memory:
        n, m, N = len(x), len(u), self.horizon
        guess = np.append(np.tile(x, N), np.tile(u, N))
        return _Memory(guess, np.zeros(N * n), np.zeros(N * (n + m)))

    def _built(self, task: Task, input_weight: float) -> Any:
        casadi = load_casadi()
        system = plant(task)
        n, m, N = system.state_dimension, system.input_dimension, self.horizon
        control = ex.variable("u", m)
        tape = compile_tape([next_state(system, control)], [system.state, control])
        z, v = casadi.SX.sym("z", n), casadi.SX.sym("v", m)
        physical = [self._centre + self._scale * z, self._middle + self._half * v]
        (after,) = casadi_outputs(tape, physical)
        step = casadi.Function("step", [z, v], [(after - self._centre) / self._scale])
        X, U = casadi.MX.sym("X", n, N), casadi.MX.sym("U", m, N)
        p = casadi.MX.sym("p", 2 * n + m + n * n)
        x, r, u, flat = casadi.vertsplit(p, [0, n, 2 * n, 2 * n + m, 2 * n + m + n * n])
        P = casadi.reshape(flat, n, n)
        before = casadi.horzcat(x, X[:, :-1]) if N > 1 else x
        gaps = X - step.map(N)(before, U)
        inputs = casadi.sumsqr(U - casadi.repmat(u, 1, N))
        errors, last = X[:, :-1] - casadi.repmat(r, 1, N - 1), X[:, -1] - r
        problem = {
            "x": casadi.veccat(X, U),
            "p": p,
            "f": casadi.sumsqr(errors) + input_weight * inputs + casadi.mtimes([last.T, P, last]),
            "g": casadi.vec(gaps),
        }
        return casadi.nlpsol("nmpc", "ipopt", problem, OPTIONS)


def _moved_on(flat: Array, N: int, n: int, m: int) -> Array:
    """States and inputs a period later, the last ones twice."""
    return np.append(_later(flat[: N * n], n), _later(flat[N * n :], m))


def _later(flat: Array, size: int) -> Array:
    return np.append(flat[size:], flat[-size:])
