"""The references of the reactor-separator: steady states found by simulating it open loop.

    python -m benchmarks.reactor_references

Constant inputs are drawn uniformly within their limits, in whole kJ/h. From s0 the plant is
simulated until it rests, Newton's method adds the last digits, and the state is kept where xA1 lies
within the range of the published references. Those three come first; 1,375 are written in all.
What has not come to rest after :data:`HOURS` (inputs near the fold at which the reaction goes out)
is left out.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from systems import expression as ex
from systems import zoo
from systems.differentiate import jacobian
from systems.dynamics import ControlAffineSystem
from systems.evaluate import function
from systems.zoo import reactor_task
from systems.zoo.reactor_separator import INPUT_HIGH, INPUT_LOW, INPUTS, SET_POINTS, STATES

Array = NDArray[np.float64]

COUNT, SEED = 1375, 0
BATCH = 200
HOURS, STEPS_PER_HOUR = 20, 200
NEAR = 1e-4
"""Newton's first correction is at most this (relative) where the simulation has come to rest."""
DIGITS = (10, 10, 8)
"""Decimals of xA, xB and T in the file."""
FILE = Path(reactor_task.__file__).with_name(reactor_task.REFERENCES_FILE)


def main() -> None:
    rows = list(published())
    low, high = (f(p.states[0] for p in SET_POINTS[1:]) for f in (min, max))
    generator = np.random.default_rng(SEED)
    while len(rows) < COUNT:
        inputs = draw(generator)
        states, settled = steady_states(inputs)
        kept = settled & (states[:, 0] >= float(low)) & (states[:, 0] <= float(high))
        rows += [written(x, u) for x, u in zip(states[kept], inputs[kept], strict=True)]
        print(f"{min(len(rows), COUNT)} of {COUNT}", file=sys.stderr)
    with FILE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*STATES, *INPUTS])
        writer.writerows(rows[:COUNT])


def published() -> Iterator[list[str]]:
    for point in SET_POINTS[1:]:
        yield [f"{float(v):.15g}" for v in (*point.states, *point.inputs)]


def draw(generator: np.random.Generator) -> Array:
    """Inputs of :data:`BATCH` steady states, whole kJ/h, (BATCH, 3)."""
    low, high = ([float(v) for v in ends] for ends in (INPUT_LOW, INPUT_HIGH))
    return np.round(generator.uniform(low, high, (BATCH, len(INPUTS))))


def steady_states(inputs: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Where the plant rests under constant inputs (N, 3) when it starts in s0: states (N, 9), and
    whether they are stable steady states that the simulation has come close to, (N,)."""
    plant = zoo.reactor_separator()
    rates, slopes = _rates(plant), _slopes(plant)
    start = np.array([float(v) for v in SET_POINTS[0].states])
    x = _simulated(rates, np.tile(start, (len(inputs), 1)), inputs)
    near = np.ones(len(x), dtype=bool)
    for step in range(8):
        change = np.linalg.solve(slopes(x, inputs), -rates(x, inputs)[..., None])[..., 0]
        if step == 0:
            near = (np.abs(change) <= NEAR * np.abs(x)).all(axis=1)
        x = np.where(near[:, None], x + change, x)
    stable = np.linalg.eigvals(slopes(x, inputs)).real.max(axis=1) < 0
    return x, near & stable


def written(state: Array, inputs: Array) -> list[str]:
    states = [f"{v:.{DIGITS[i % 3]}f}" for i, v in enumerate(state)]
    return [*states, *(f"{v:.0f}" for v in inputs)]


Field = Callable[[Array, Array], Array]


def _rates(plant: ControlAffineSystem) -> Field:
    """(states (N, 9), inputs (N, 3)) → rates (N, 9)."""
    u = ex.variable("u", plant.input_dimension)
    compiled = function(plant.vector_field(u), plant.state, u)
    return lambda x, inputs: compiled(np.hstack([x, inputs]))[0]


def _slopes(plant: ControlAffineSystem) -> Field:
    """(states (N, 9), inputs (N, 3)) → Jacobian matrices (N, 9, 9); inputs enter additively."""
    compiled = function(jacobian(plant.drift, plant.state), plant.state)
    return lambda x, _: np.stack(compiled(x), axis=1)


def _simulated(rates: Field, x: Array, u: Array) -> Array:
    h = 1 / STEPS_PER_HOUR
    for _ in range(HOURS * STEPS_PER_HOUR):
        first = rates(x, u)
        second = rates(x + h / 2 * first, u)
        third = rates(x + h / 2 * second, u)
        x = x + h / 6 * (first + 2 * second + 2 * third + rates(x + h * third, u))
    return x


if __name__ == "__main__":
    main()
