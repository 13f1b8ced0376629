"""What a controller of the reactor-separator is trained for: to track any of 1,375 references.

Yao, Han and Yin (2024), Tables 1 to 3: a period of 0.005 h, episodes of 500 periods, states scaled
for networks and for the cost, one subsystem a vessel. What the paper leaves open is decided here:

* starts are drawn uniformly from [0.8, 1.2]·s0, each state on its own; where mass fractions sum to
  more than 1 (1.5 % of the draws), the start has no physical meaning and is drawn again;
* noise is held over a period, as the input is, and drawn anew for the next one;
* fractions are scaled as (x − 1/2)/(1/2), into [−1, 1], temperatures as (T − mean)/20 K with the
  mean over the references, whose spread is 20 K. The cost divides deviations by the same numbers.
"""

from __future__ import annotations

import csv
from fractions import Fraction
from functools import cache, partial
from importlib.resources import files

import numpy as np

from systems import expression as ex
from systems.box import Box
from systems.dynamics import ControlAffineSystem
from systems.sampled import Sampling
from systems.task import Noise, PhysicalLimit, References, Subsystem, Task
from systems.zoo.entry import Entry
from systems.zoo.reactor_separator import (
    COST_SCALE,
    INPUT_HIGH,
    INPUT_LOW,
    INPUTS,
    NAME,
    RESIDUAL,
    SET_POINTS,
    STATES,
    reactor_separator,
)

SAMPLING = Sampling(Fraction(1, 200))
"""0.005 h, one Runge-Kutta step."""
EPISODE_STEPS = 500
START_RANGE = (Fraction(4, 5), Fraction(6, 5))
"""Starts are at least and at most this times s0."""

NOISE = Noise((0.01, 0.01, 0.5) * 3, (5.0,) * 9)
"""σ_w1: 1/h and K/h."""
STRONG_NOISE = Noise((1.0, 1.0, 50.0) * 3, (500.0,) * 9)
"""σ_w2, a hundred times as much."""

PARTITION = tuple(
    Subsystem(name, (3 * i, 3 * i + 1, 3 * i + 2), (i,))
    for i, name in enumerate(("reactor 1", "reactor 2", "separator"))
)

COLDEST, HOTTEST = Fraction("273.15"), Fraction(1000)
"""K; outside, the plant's equations mean nothing."""

PUBLISHED_INPUTS = (
    (3.982e6, 1.114e6, 1.059e6),
    (2.062e6, 9.247e5, 3.823e6),
    (3.829e6, 4.129e5, 4.044e6),
)
"""What Table 2 prints for sref1 to sref3, kJ/h. Not the steady inputs: for comparison only."""

REFERENCES_FILE = "reactor_references.csv"
"""Written by ``python -m benchmarks.reactor_references``."""


@cache
def references() -> References:
    """The 1,375 references, read-only; the first three are sref1, sref2 and sref3."""
    text = files("systems.zoo").joinpath(REFERENCES_FILE).read_text(encoding="utf-8")
    header, *rows = csv.reader(text.splitlines())
    assert header == [*STATES, *INPUTS]
    table = np.array([[float(v) for v in row] for row in rows])
    table.setflags(write=False)
    return References(table[:, : len(STATES)], table[:, len(STATES) :])


def reactor_task(system: ControlAffineSystem) -> Task:
    """The task; the same for all set points, since the references are."""
    known = references()
    temperatures = known.states.mean(axis=0)
    start = SET_POINTS[0].states
    low, high = START_RANGE
    return Task(
        system=system,
        sampling=None if system.time == "discrete" else SAMPLING,
        episode_steps=EPISODE_STEPS,
        starts=Box.of([(low * v, high * v) for v in start]),
        centre=tuple(float(temperatures[i]) if i % 3 == 2 else 0.5 for i in range(9)),
        scale=tuple(float(v) for v in COST_SCALE * 3),
        action_low=tuple(float(v) for v in INPUT_LOW),
        action_high=tuple(float(v) for v in INPUT_HIGH),
        cost="tracking",
        references=known,
        partition=PARTITION,
        noise=NOISE,
        physical=physical_limits(system.state),
    )


def physical_limits(x: ex.Expression) -> tuple[PhysicalLimit, ...]:
    """What must hold of a state: mass fractions within [0, 1], temperatures above freezing and
    below 1,000 K."""
    limits = []
    for v in range(3):
        xA, xB, T = (x[3 * v + i] for i in range(3))
        a, b, t = STATES[3 * v : 3 * v + 3]
        limits += [
            PhysicalLimit(f"{a} >= 0", xA),
            PhysicalLimit(f"{b} >= 0", xB),
            PhysicalLimit(f"{a} + {b} <= 1", 1 - xA - xB),
            PhysicalLimit(f"{t} >= {float(COLDEST):g} K", T - COLDEST),
            PhysicalLimit(f"{t} <= {float(HOTTEST):g} K", HOTTEST - T),
        ]
    return tuple(limits)


ENTRIES = [
    Entry(
        f"{NAME}-{k}",
        f"two reactors and a separator about {f'sref{k}' if k else 's0'}, 9 states, 3 inputs",
        partial(reactor_separator, k),
        task=reactor_task,
        set_point=RESIDUAL,
    )
    for k in range(len(SET_POINTS))
]
