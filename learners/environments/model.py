"""A task compiled: what the kernel needs to step its episodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learners.environments import kernel
from learners.environments.program import Program, compile_program
from learners.environments.transition import Transition, transition
from systems.task import Noise, References, Task

Array = NDArray[np.float64]

FAR = 1000.0
"""A state that ended its episode and is further off than so many times its scale is not handed out:
no network could take it."""
EXIT_SHARE = 100.0
"""The exit cost is this many times the largest cost found at starts: staying there for ever, at a
discount of 0.99."""


@dataclass(frozen=True, eq=False)
class Model:
    """A task compiled: the program of its transition, and the numbers that go with it.

    ``limits`` (2, m), ``disturbance`` (2, p) and ``starts`` (2, n) have rows low and high,
    ``noise`` (2, n or 0) sigma and bound. ``targets`` (K, n + m) are the references with their
    inputs. A state further than ``far`` (n,) from ``centre`` is far off.
    """

    program: Program
    margins: Program
    costs: int
    limits: Array
    noise: Array
    disturbance: Array
    targets: Array
    exit_costs: Array
    starts: Array
    centre: Array
    far: Array

    @staticmethod
    def of(task: Task, noise: Noise | None) -> Model:
        system = task.system
        noisy = noise is not None and any(noise.sigma)
        made = transition(task, noisy=noisy)
        targets = _targets(task)
        free = np.array([[-np.inf], [np.inf]]) * np.ones(system.input_dimension)
        limits, box = system.input_limits, system.disturbance_range
        return Model(
            program=compile_program([made.next_state, *made.costs, *made.margins], made.inputs),
            margins=compile_program([p.margin for p in task.physical], [system.state]),
            costs=len(made.costs),
            limits=free if limits is None else _floats(limits.lower, limits.upper),
            noise=_floats(noise.sigma, noise.bound) if noise and noisy else np.empty((2, 0)),
            disturbance=np.empty((2, 0)) if box is None else _floats(box.lower, box.upper),
            targets=targets,
            exit_costs=_exit_costs(task, made, targets),
            starts=_floats(task.starts.lower, task.starts.upper),
            centre=np.array(task.centre),
            far=FAR * np.array(task.scale),
        )


def _exit_costs(task: Task, made: Transition, targets: Array) -> Array:
    """EXIT_SHARE times the largest finite cost among random starts, at the reference's inputs."""
    generator = np.random.default_rng(0)
    count, n = 256, task.system.state_dimension
    x = task.starts.sample(count, generator)
    target = targets[generator.integers(len(targets), size=count)]
    between = sum(v.size for v in made.inputs[2:-2])
    points = np.hstack([x, target[:, n:], np.zeros((count, between)), target])
    values = evaluate(compile_program(made.costs, made.inputs), points)
    largest = np.where(np.isfinite(values), values, 0.0).max(axis=0)
    return np.asarray(EXIT_SHARE * largest)


def evaluate(program: Program, points: Array) -> Array:
    """The program's outputs side by side, at points (N, inputs)."""
    out = np.empty((len(points), len(program.outputs)))
    kernel.evaluate(
        program.code, program.numbers, program.registers, program.outputs,
        np.ascontiguousarray(points), out,
    )  # fmt: skip
    return out


def _targets(task: Task) -> Array:
    known = task.references
    if known is None:
        star, held = task.system.equilibrium, task.system.equilibrium_input
        known = References(_floats(star), _floats(held))
    return np.concatenate([known.states, known.inputs], axis=1).astype(np.float64)


def _floats(*rows: tuple[object, ...]) -> Array:
    return np.array([[float(v) for v in row] for row in rows])  # type: ignore[arg-type]
