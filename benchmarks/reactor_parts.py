"""The rows of the evaluation: what is run for every controller, and what is kept of it.

``stability``: random starts for each published reference, without noise and under σ_w1;
``robustness``: the same under σ_w2; ``spread``: 11 references over the whole set, without noise;
``schedule``: sref1, sref2, sref3 for 1.5 h each from s0, under both levels; ``compute``: the time
of a step. NMPC takes about 10 ms a step, so it gets the first few of the same starts and seeds, and
every other row tells what it costs on those alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.reactor_compute import compiled_microseconds, python_microseconds
from benchmarks.reactor_controllers import Entry, entries, is_trained, policy_file
from benchmarks.reactor_runs import (
    Course,
    Stretch,
    costs,
    follow,
    late_deviation,
    mean_settling_hours,
    overshoots,
    published,
    settling_hours,
    task_with,
)
from benchmarks.reproduce_run import Data, Task, rounded
from learners.baselines import PredictiveController, TrackingLqr
from systems import zoo
from systems.dynamics import linear_control
from systems.zoo.reactor_separator import SET_POINTS
from systems.zoo.reactor_task import references

Array = NDArray[np.float64]

PUBLISHED = (1, 2, 3)
SPREAD = 11
SHOWN_BAND, SHOWN_COURSE = 4, 2
"""Of the states of a course, one in so many is kept for pictures."""
STEP_SECONDS = 0.02
"""A guess of NMPC's."""


@dataclass(frozen=True)
class Scale:
    """How much is run: ``starts`` of a controller, ``few`` of a slow one, and ``seeds`` of the
    schedule. ``quick`` is a test of the harness, whose figures mean nothing."""

    starts: int = 100
    few: int = 5
    seeds: int = 20
    few_seeds: int = 5
    periods: int = 500
    dwell: int = 300
    loops: int = 200_000

    @classmethod
    def of(cls, quick: bool) -> Scale:
        return cls(6, 1, 2, 1, 60, 8, 1000) if quick else cls()


Case = dict[str, object]


@dataclass(frozen=True)
class Part:
    """``cases`` are the rows of one controller; ``work`` measures one of them."""

    name: str
    cases: Callable[[Scale, Entry], Iterator[Case]]
    work: Callable[[Entry, Case, Path], Data]

    def tasks(self, scale: Scale, folder: Path, keys: tuple[str, ...] = ()) -> list[Task]:
        """The rows of all controllers, or of those with these keys."""
        return [
            self._task(entry, case, folder)
            for entry in entries(folder)
            if not keys or entry.key in keys
            for case in self.cases(scale, entry)
        ]

    def _task(self, entry: Entry, case: Case, folder: Path) -> Task:
        named = {"controller": entry.key, "what": " ".join([entry.key, *_words(case)]), **case}
        file = policy_file(entry.key, folder)
        if file is not None and is_trained(
            entry.key, folder
        ):  # measured anew where it is trained anew
            named["policy"] = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
        steps = int(str(case["count"])) * int(str(case["periods"])) if entry.slow else 0
        return Task(
            self.name, named, 0.5 + STEP_SECONDS * steps, lambda: self.work(entry, case, folder)
        )


def _words(case: Case) -> list[str]:
    return [f"{k} {v}" for k, v in case.items() if k in ("reference", "noise")]


# One reference, random starts.


def _settling_cases(*noises: str) -> Callable[[Scale, Entry], Iterator[Case]]:
    def cases(scale: Scale, entry: Entry) -> Iterator[Case]:
        count = scale.few if entry.slow else scale.starts
        for noise in noises:
            for number in PUBLISHED:
                yield {
                    "noise": noise, "reference": number, "count": count, "few": scale.few,
                    "periods": scale.periods,
                }  # fmt: skip

    return cases


def _settle(entry: Entry, case: Case, folder: Path) -> Data:
    task = task_with(str(case["noise"]))
    controller = entry.make(task)
    stretch = published(int(str(case["reference"])), int(str(case["periods"])))
    count, few = int(str(case["count"])), int(str(case["few"]))
    course = follow(task, controller, [stretch], count)
    accumulated = costs(course, task)
    data = {
        "hours": rounded(settling_hours(course), 4),
        "mean_hours": mean_settling_hours(course),
        "cost": accumulated.mean(),
        "cost_of_few": accumulated[:few].mean(),
        "overshoots": rounded(overshoots(course), 4),
        "unphysical": course.unphysical,
        **late_deviation(course),
    }
    if isinstance(controller, PredictiveController):
        data["failures"] = controller.failures
    return data


def _spread_cases(scale: Scale, entry: Entry) -> Iterator[Case]:
    if not entry.slow:
        yield {
            "noise": "none", "count": scale.starts, "periods": scale.periods, "references": SPREAD
        }  # fmt: skip


def _spread(entry: Entry, case: Case, folder: Path) -> Data:
    """Pooled over the references: for controllers that follow any."""
    task = task_with("none")
    controller = entry.make(task)
    hours, over, accumulated = [], [], []
    for stretch in spread_references(SPREAD, int(str(case["periods"]))):
        course = follow(task, controller, [stretch], int(str(case["count"])))
        hours.append(settling_hours(course))
        over.append(overshoots(course))
        accumulated.append(costs(course, task).mean())
    return {
        "hours": rounded(np.concatenate(hours), 4),
        "overshoots": rounded(np.concatenate(over), 4),
        "cost": float(np.mean(accumulated)),
    }


def spread_references(count: int, periods: int) -> list[Stretch]:
    """References at equal ranks of xA1 in the set, from the least to the largest."""
    known = references()
    order = np.argsort(known.states[:, 0], kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, count).round().astype(int)]
    return [Stretch(known.states[i], known.inputs[i], periods) for i in chosen]


# Figures 5 and 6: one more reference, chosen at random, and the mean trajectory.


def _band_cases(scale: Scale, entry: Entry) -> Iterator[Case]:
    if entry.learner is None:
        return
    number = int(np.random.default_rng(0).integers(3, len(references().states)))
    for noise in ("w1", "w2"):
        yield {
            "noise": noise, "reference": number, "count": scale.starts, "periods": scale.periods
        }  # fmt: skip


def _band(entry: Entry, case: Case, folder: Path) -> Data:
    known, number = references(), int(str(case["reference"]))
    task = task_with(str(case["noise"]))
    stretch = Stretch(known.states[number], known.inputs[number], int(str(case["periods"])))
    course = follow(task, entry.make(task), [stretch], int(str(case["count"])))
    return {
        "target": stretch.state,
        "every": SHOWN_BAND,
        "mean": rounded(course.states.mean(axis=0)[::SHOWN_BAND].T, 8),
        "deviation": rounded(course.states.std(axis=0)[::SHOWN_BAND].T, 4),
        "mean_hours": mean_settling_hours(course),
    }


# Several references one after the other.


def _schedule_cases(scale: Scale, entry: Entry) -> Iterator[Case]:
    count = scale.few_seeds if entry.slow else scale.seeds
    for noise in ("w1", "w2"):
        yield {
            "noise": noise, "count": count, "few": scale.few_seeds, "dwell": scale.dwell,
            "periods": scale.dwell * len(PUBLISHED),
        }  # fmt: skip


def _schedule(entry: Entry, case: Case, folder: Path) -> Data:
    task = task_with(str(case["noise"]))
    controller = entry.make(task)
    stretches = [published(k, int(str(case["dwell"]))) for k in PUBLISHED]
    start = np.array([float(v) for v in SET_POINTS[0].states])
    course = follow(task, controller, stretches, int(str(case["count"])), start=start)
    accumulated = costs(course, task)
    parts = _parted(course, int(str(case["dwell"])))
    data = {
        "cost": accumulated.mean(),
        "cost_deviation": accumulated.std(),
        "cost_of_few": accumulated[: int(str(case["few"]))].mean(),
        "mean_hours": [mean_settling_hours(part) for part in parts],
        "overshoots": [float(np.median(overshoots(part))) for part in parts],
        "unphysical": course.unphysical,
        "every": SHOWN_COURSE,
        "states": rounded(course.states[0, ::SHOWN_COURSE].T, 5),
        "targets": [stretch.state for stretch in stretches],
    }
    if isinstance(controller, PredictiveController):
        data["failures"] = controller.failures
    return data


def _parted(course: Course, dwell: int) -> list[Course]:
    """The course of every reference by itself."""
    ends = range(dwell, course.inputs.shape[1] + 1, dwell)
    return [
        Course(
            course.states[:, e - dwell : e + 1], course.inputs[:, e - dwell : e],
            course.references[e - dwell : e], 0,
        )
        for e in ends
    ]  # fmt: skip


# The time of a step.


def _compute_cases(scale: Scale, entry: Entry) -> Iterator[Case]:
    yield {"count": 1, "periods": 300, "loops": scale.loops}


def _compute(entry: Entry, case: Case, folder: Path) -> Data:
    task = task_with("w1")
    controller = entry.make(task)
    compiled = None
    system, at = zoo.reactor_separator(2), published(2, 1)
    if entry.learner is not None:
        from learners.actor_critic.policy import Policy

        file = policy_file(entry.key, folder)
        assert file is not None
        control = Policy.load(file).expression(system, at.state.tolist(), at.input.tolist())
        compiled = compiled_microseconds(system, control, int(str(case["loops"])))
    elif isinstance(controller, TrackingLqr):
        regulator = controller.regulators.at(at.state, at.input)
        control = system.saturated(linear_control(regulator.K, system))
        compiled = compiled_microseconds(system, control, int(str(case["loops"])))
    return {
        "microseconds": python_microseconds(controller),
        "compiled_microseconds": compiled,
    }


PARTS: dict[str, Part] = {
    part.name: part
    for part in (
        Part("stability", _settling_cases("none", "w1"), _settle),
        Part("robustness", _settling_cases("w2"), _settle),
        Part("spread", _spread_cases, _spread),
        Part("bands", _band_cases, _band),
        Part("schedule", _schedule_cases, _schedule),
        Part("compute", _compute_cases, _compute),
    )
}
