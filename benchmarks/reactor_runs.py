"""Simulations of the reactor-separator under a controller, and what is measured on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from learners.baselines import Controller
from learners.environments.episodes import Episodes
from systems import zoo
from systems.task import Noise, Task
from systems.zoo.reactor_separator import SET_POINTS
from systems.zoo.reactor_task import NOISE, STRONG_NOISE, reactor_task

Array = NDArray[np.float64]

PERIOD = 0.005
"""h."""
TOLERANCE = np.array([0.01, 0.01, 1.0] * 3)
"""A state has settled that from then on stays within 0.01 (mass fractions) and 1 K."""
TEMPERATURES = [2, 5, 8]
SEED = 2024

NOISES: dict[str, Noise | None] = {"none": None, "w1": NOISE, "w2": STRONG_NOISE}


@dataclass(frozen=True, eq=False)
class Stretch:
    """A reference (n,), the input that holds it (m,), and for how many periods it is asked for."""

    state: Array
    input: Array
    periods: int


@dataclass(frozen=True, eq=False)
class Course:
    """N trajectories of T periods: ``states`` (N, T + 1, n), ``inputs`` (N, T, m), the references
    of the periods (T, n), and how many states were outside of what is physical."""

    states: Array
    inputs: Array
    references: Array
    unphysical: int


def task_with(noise: str) -> Task:
    """The reactor's task under "none", "w1" or "w2"."""
    return replace(reactor_task(zoo.reactor_separator()), noise=NOISES[noise])


def published(number: int, periods: int) -> Stretch:
    """One of the published references, 1 to 3."""
    point = SET_POINTS[number]
    state, held = (np.array([float(v) for v in row]) for row in (point.states, point.inputs))
    return Stretch(state, held, periods)


def follow(
    task: Task,
    controller: Controller,
    stretches: Sequence[Stretch],
    count: int,
    *,
    seed: int = SEED,
    start: Array | None = None,
) -> Course:
    """``count`` trajectories, from random starts of the task or all from ``start`` (n,).

    Starts and noise of a trajectory depend on the seed and its number alone: every controller meets
    the same, and the first of many are the same as few.
    """
    episodes = Episodes(task, count, seed=seed)
    if start is not None:
        episodes.restart(np.ones(count, np.bool_), np.tile(start, (count, 1)))
    controller.reset(count)
    states, inputs, references = [episodes.states], [], []
    unphysical = 0
    for stretch in stretches:
        episodes.follow(*(np.tile(v, (count, 1)) for v in (stretch.state, stretch.input)))
        for _ in range(stretch.periods):
            given = controller.act(episodes.states, episodes.references, episodes.reference_inputs)
            out = episodes.step(given)
            unphysical += int(out.terminated.sum())
            states.append(out.states)
            inputs.append(np.clip(given, task.action_low, task.action_high))
            references.append(stretch.state)
    return Course(
        np.stack(states, axis=1), np.stack(inputs, axis=1), np.array(references),
        unphysical,
    )  # fmt: skip


def deviations(course: Course) -> Array:
    """x − x_ref at the beginning and at the end of every period, (N, T + 1, n)."""
    references = np.vstack([course.references[:1], course.references])
    out: Array = course.states - references
    return out


def settling_hours(course: Course) -> Array:
    """When each trajectory has settled for good, in h; infinite where it has not. (N,)"""
    return _settled_from(deviations(course))


def mean_settling_hours(course: Course) -> float:
    """When the mean of all trajectories has settled for good: under strong noise no single one
    stays within the tolerance, whatever the controller."""
    return float(_settled_from(deviations(course).mean(axis=0, keepdims=True))[0])


def _settled_from(error: Array) -> Array:
    outside = (np.abs(error) > TOLERANCE).any(axis=2)
    periods = outside.shape[1]
    last = np.where(outside.any(axis=1), periods - np.argmax(outside[:, ::-1], axis=1), 0)
    return np.where(last < periods, last * PERIOD, np.inf)


def costs(course: Course, task: Task) -> Array:
    """Accumulated tracking cost of each trajectory: squared deviations, fractions times two and
    temperatures over 20 K, of the states that the periods end in. (N,)"""
    error = deviations(course)[:, 1:] / np.array(task.scale)
    out: Array = (error**2).sum(axis=(1, 2))
    return out


def overshoots(course: Course) -> Array:
    """How far any temperature of a trajectory went past its reference, K. (N,)"""
    error = deviations(course)[:, :, TEMPERATURES]
    side = np.sign(error[:, :1])
    out: Array = np.maximum(-side * error, 0.0).max(axis=(1, 2))
    return out


def late_deviation(course: Course, periods: int = 200) -> dict[str, float]:
    """Root mean square of the deviations in the last hour, of temperatures (K) and fractions."""
    late = deviations(course)[:, -periods:] ** 2
    fractions = [i for i in range(late.shape[2]) if i not in TEMPERATURES]
    return {
        "rms_temperature": float(np.sqrt(late[:, :, TEMPERATURES].mean())),
        "rms_fraction": float(np.sqrt(late[:, :, fractions].mean())),
    }
