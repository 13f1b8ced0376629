"""The other optimisers of PINN-PI: L-BFGS, and Adam, the paper's."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from learners.pinn_equations import Equations
from learners.pinn_marquardt import Descended, Tick, levenberg_marquardt

Array = NDArray[np.float64]
Optimizer = Literal["levenberg-marquardt", "lbfgs", "adam"]
OPTIMIZERS: tuple[Optimizer, ...] = ("levenberg-marquardt", "lbfgs", "adam")

MEMORY = 30
"""Pairs of steps and gradients that L-BFGS keeps."""
LEARNING_RATE, FIRST_DECAY, SECOND_DECAY, LEAST_ROOT = 1e-3, 0.9, 0.999, 1e-8
"""Adam's usual constants (Kingma and Ba, 2015)."""


def descend(
    optimizer: Optimizer,
    equations: Equations,
    theta: Array,
    steps: int,
    tick: Tick,
    damping: float,
) -> Descended:
    """The least loss that an optimiser finds from ``theta`` in at most ``steps`` steps."""
    if optimizer == "lbfgs":
        return lbfgs(equations, theta, steps, tick)
    if optimizer == "adam":
        return adam(equations, theta, steps, tick)
    return levenberg_marquardt(equations, theta, steps, tick, damping)


class _NotFiniteError(Exception):
    pass


def lbfgs(equations: Equations, theta: Array, steps: int, tick: Tick) -> Descended:
    """Limited-memory quasi-Newton, scipy's."""
    best = Descended(theta, equations.loss(theta), 0)
    if not math.isfinite(best.loss):
        return Descended(theta, best.loss, 0, finite=False)
    done = 0

    def function(x: Array) -> tuple[float, Array]:
        nonlocal best
        loss, gradient = equations.loss_and_gradient(x)
        if not (math.isfinite(loss) and np.isfinite(gradient).all()):
            raise _NotFiniteError
        if loss < best.loss:
            best = Descended(x.copy(), loss, done)
        return loss, gradient

    def after(_: Array) -> None:
        nonlocal done
        done += 1
        tick(done, best.loss)

    options = {"maxiter": steps, "maxfun": 4 * steps, "maxcor": MEMORY, "ftol": 0.0, "gtol": 0.0}
    try:
        minimize(function, theta, jac=True, method="L-BFGS-B", callback=after, options=options)
    except _NotFiniteError:
        return Descended(best.theta, best.loss, done, finite=False)
    return Descended(best.theta, best.loss, done)


def adam(equations: Equations, theta: Array, steps: int, tick: Tick) -> Descended:
    """Adam on all collocation points at once, as in the paper."""
    first, second = np.zeros_like(theta), np.zeros_like(theta)
    best = Descended(theta, math.inf, 0)
    for step in range(1, steps + 2):
        loss, gradient = equations.loss_and_gradient(theta)
        if not (math.isfinite(loss) and np.isfinite(gradient).all()):
            return Descended(best.theta, best.loss, step - 1, finite=False)
        if loss < best.loss:
            best = Descended(theta, loss, step - 1)
        if step > steps:
            break
        if step > 1:
            tick(step - 1, loss)
        first = FIRST_DECAY * first + (1.0 - FIRST_DECAY) * gradient
        second = SECOND_DECAY * second + (1.0 - SECOND_DECAY) * gradient**2
        root = np.sqrt(second / (1.0 - SECOND_DECAY**step)) + LEAST_ROOT
        theta = theta - LEARNING_RATE / (1.0 - FIRST_DECAY**step) * first / root
    return Descended(best.theta, best.loss, steps)
