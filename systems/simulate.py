"""Ordinary simulation of closed loops, for pictures and comparisons. Not for proofs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from systems.dynamics import ClosedLoop, ControlAffineSystem
from systems.errors import InputError
from systems.evaluate import function
from systems.iterate import iterate
from systems.words import disturbance_names

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Simulation:
    """N trajectories on one grid of T times.

    ``times`` (T,) in the system's unit of time, or steps in discrete time; ``states`` (N, T, n),
    ``inputs`` (N, T, m), ``costs`` (N, T): the running cost accumulated so far. ``end_times`` (N,)
    is how far each trajectory came, and ``completed`` (N,) whether that was the horizon; after its
    end, a trajectory is NaN. It ends early where it leaves the blow-up bound or cannot be
    integrated.
    """

    times: Array
    states: Array
    inputs: Array
    costs: Array
    end_times: Array
    completed: NDArray[np.bool_]

    @property
    def total_costs(self) -> Array:
        """The cost at the end of each trajectory; infinite where it did not complete. (N,)"""
        return np.asarray(np.where(self.completed, self.costs[:, -1], np.inf))


Disturbance = ArrayLike | Callable[[float], ArrayLike]
"""Constant values of w, (p,), or a function that gives them at each time."""


def simulate(
    closed_loop: ClosedLoop,
    initial_states: ArrayLike,
    horizon: float,
    *,
    samples: int = 201,
    blow_up: float = 1e6,
    relative_tolerance: float = 1e-9,
    absolute_tolerance: float = 1e-12,
    disturbance: Disturbance | None = None,
) -> Simulation:
    """Follow ẋ = f(x) + g(x) k(x) from each of ``initial_states``, of shape (N, n) or (n,).

    DOP853 with the given tolerances, ``samples`` times from 0 to ``horizon``. A trajectory stops
    where a coordinate leaves ±``blow_up``. The cost is ∫ Q(x) + (u - u*)ᵀ R (u - u*) dt.

    In discrete time x⁺ = f(x) + g(x) k(x) is iterated, exactly as floats go, for as many steps as
    fit into ``horizon``; at most ``samples`` of them are kept, and the cost is a sum over all.

    ``disturbance`` is w, inside its range at all times; by default the centre of the range.

    Raises InputError where shapes, the horizon, the starting points or w make no sense.
    """
    system = closed_loop.system
    n = system.state_dimension
    starts = np.atleast_2d(np.asarray(initial_states, dtype=np.float64))
    if starts.ndim != 2 or starts.shape[1] != n:
        raise InputError(f"initial states of shape {starts.shape} do not fit {n} states")
    if not np.isfinite(starts).all() or np.abs(starts).max(initial=0.0) >= blow_up:
        raise InputError(f"initial states must be finite and inside ±{blow_up:g}")
    if not (np.isfinite(horizon) and horizon > 0) or samples < 2:
        raise InputError("the horizon must be positive and finite, with at least 2 samples")
    acting = _disturbance(system, disturbance)
    rate = _augmented(closed_loop, acting)
    if system.time == "discrete":
        times, paths, ends = iterate(rate, starts, horizon, samples, blow_up)
    else:
        times = np.linspace(0.0, horizon, samples)
        tolerances = (relative_tolerance, absolute_tolerance)
        runs = [_integrate(rate, start, times, blow_up, tolerances) for start in starts]
        paths = np.array([path for path, _ in runs]).reshape(len(starts), samples, n + 1)
        ends = np.array([end for _, end in runs])
    return Simulation(
        times=times,
        states=paths[:, :, :n],
        inputs=_inputs(closed_loop, paths[:, :, :n]),
        costs=paths[:, :, n],
        end_times=ends,
        completed=np.asarray(ends >= times[-1]),
    )


def _disturbance(
    system: ControlAffineSystem, given: Disturbance | None
) -> Callable[[float], Array]:
    """w as a function of time with values of shape (p,), checked at every time."""
    box = system.disturbance_range
    if box is None:
        if given is not None:
            raise InputError(f"{system.name} has no disturbances")
        return lambda _: np.empty(0)
    low, high = box.outer()

    def at(time: float) -> Array:
        w = given(time) if callable(given) else given
        values = np.asarray(w, dtype=np.float64)
        if values.shape != low.shape:
            raise InputError(
                f"{system.name}: a disturbance of shape {values.shape} where {len(low)} values are "
                "wanted"
            )
        outside = np.flatnonzero(~((low <= values) & (values <= high)))
        if outside.size:
            i = int(outside[0])
            raise InputError(
                f"{system.name}: the disturbance {disturbance_names(system)[i]} = {values[i]:.6g} "
                f"is outside its range [{low[i]:.6g}, {high[i]:.6g}]"
            )
        return values

    if callable(given):
        return at
    given = [float(v) for v in box.centre] if given is None else given
    constant = at(0.0)
    return lambda _: constant


def _augmented(
    closed_loop: ClosedLoop, disturbance: Callable[[float], Array]
) -> Callable[[float, Array], Array]:
    """F and the running cost at (x, accumulated cost), of shape (n + 1,) or (N, n + 1)."""
    system = closed_loop.system
    outputs = [closed_loop.field, system.state_cost]
    controlled = closed_loop.control is not None and bool(system.input_columns)
    if controlled and closed_loop.control is not None:
        outputs.append(closed_loop.control)
    compiled = function(outputs, *system.variables)
    R = system.input_cost_array()
    u_star = np.array([float(v) for v in system.equilibrium_input])

    def rate(time: float, augmented: Array) -> Array:
        x = np.atleast_2d(augmented)[:, :-1]
        w = np.broadcast_to(disturbance(time), (len(x), system.disturbance_dimension))
        values = compiled(np.hstack([x, w]))
        cost = values[1][:, 0]
        if controlled:
            v = values[2] - u_star
            cost = cost + np.vecdot(v @ R, v)
        return np.column_stack([values[0], cost]).reshape(augmented.shape)

    return rate


def _integrate(
    rate: Callable[[float, Array], Array],
    start: Array,
    times: Array,
    blow_up: float,
    tolerances: tuple[float, float],
) -> tuple[Array, float]:
    """States and cost at ``times`` (NaN after the end), and how far the trajectory came."""
    from scipy.integrate import solve_ivp

    def margin(_: float, augmented: Array) -> float:
        return float(blow_up - np.abs(augmented[:-1]).max())

    margin.terminal = True  # type: ignore[attr-defined]
    path = np.full((len(times), start.size + 1), np.nan)
    path[0] = np.append(start, 0.0)
    if not np.isfinite(rate(0.0, path[0])).all():
        return path, 0.0
    with np.errstate(all="ignore"):
        solution = solve_ivp(
            rate,
            (0.0, float(times[-1])),
            path[0],
            method="DOP853",
            t_eval=times,
            events=margin,
            rtol=tolerances[0],
            atol=tolerances[1],
        )
    reached = len(solution.t)
    path[:reached] = solution.y.T
    if solution.status == 0:
        return path, float(times[-1])
    stopped = solution.t_events[0] if solution.t_events is not None else []
    if len(stopped):
        return path, float(stopped[0])
    return path, float(solution.t[-1]) if reached else 0.0


def _inputs(closed_loop: ClosedLoop, states: Array) -> Array:
    system = closed_loop.system
    count, samples, n = states.shape
    if closed_loop.control is None or not system.input_columns:
        return np.zeros((count, samples, 0))
    flat = function(closed_loop.control, system.state)(states.reshape(-1, n))[0]
    flat[np.isnan(states.reshape(-1, n)).any(axis=1)] = np.nan
    return flat.reshape(count, samples, system.input_dimension)
