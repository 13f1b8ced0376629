"""The rows of the comparison: every controller by name, made for a task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import RESULTS
from benchmarks.reproduce_run import NotThereError
from learners.baselines import (
    Controller,
    LoopPair,
    OpenLoop,
    PredictiveController,
    ProportionalIntegral,
    TrackingLqr,
    TrainedPolicy,
)
from systems.task import Task
from systems.zoo.reactor_task import PUBLISHED_INPUTS, references

Array = NDArray[np.float64]

FOLDER = RESULTS / "reactor"
"""Where results are, and in ``policies`` what :mod:`benchmarks.reactor_train` has trained."""
TRIALS = 5
HORIZONS = (15, 40)
PAIRS = tuple(LoopPair(3 * i + 2, i) for i in range(3))
"""Each vessel's heat input holds its own temperature."""


@dataclass
class PublishedOpenLoop:
    """The inputs that Table 2 prints for sref1 to sref3, which are not their steady inputs."""

    name: str = "open loop, as published"
    _inputs: dict[bytes, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = references().states[: len(PUBLISHED_INPUTS)]
        rows = zip(known, PUBLISHED_INPUTS, strict=True)
        self._inputs = {state.tobytes(): inputs for state, inputs in rows}

    def reset(self, count: int) -> None:
        pass

    def act(self, states: Array, references: Array, reference_inputs: Array) -> Array:
        try:
            return np.array([self._inputs[row.tobytes()] for row in references])
        except KeyError:
            raise NotThereError("no inputs are published for this reference") from None


@dataclass(frozen=True)
class Entry:
    """A controller: ``key`` in the rows, ``name`` in tables. A ``slow`` one runs on few seeds.
    ``learner`` and ``trial`` say how it was trained, if it was."""

    key: str
    name: str
    make: Callable[[Task], Controller]
    slow: bool = False
    learner: str | None = None
    trial: int = 0


def policy_file(key: str, folder: Path = FOLDER) -> Path | None:
    """Where the policy of a trained controller is; None for another one."""
    return folder / "policies" / f"{key}.npz" if key.partition("-")[0] in TITLES else None


def is_trained(key: str, folder: Path = FOLDER) -> bool:
    path = policy_file(key, folder)
    return path is not None and path.exists()


def record_file(key: str, folder: Path = FOLDER) -> Path:
    """What its training left behind."""
    return folder / "policies" / f"{key}.json"


def trained(learner: str, trial: int, folder: Path = FOLDER) -> TrainedPolicy:
    """A trained policy. Raises NotThereError, with the command that trains it."""
    path = policy_file(f"{learner}-{trial}", folder)
    if path is None or not is_trained(f"{learner}-{trial}", folder):
        raise NotThereError(
            f"not trained: python -m benchmarks.reactor_train {learner} --trial {trial}"
        )
    from learners.actor_critic.policy import Policy

    return TrainedPolicy(f"{TITLES[learner]}, trial {trial}", Policy.load(path).act)


TITLES = {"lac": "LAC, centralised", "dlac": "DLAC", "printed": "DLAC, as printed"}

BASELINES = (
    Entry("open-loop", "open loop, exact inputs", lambda _: OpenLoop()),
    Entry("published", "open loop, as published", lambda _: PublishedOpenLoop()),
    Entry("pi", "three PI loops", lambda task: ProportionalIntegral(task, PAIRS)),
    Entry("lqr", "LQR", TrackingLqr),
    *(
        Entry(
            f"nmpc-{horizon}",
            f"NMPC, horizon {horizon}",
            partial(PredictiveController, horizon=horizon),
            slow=True,
        )
        for horizon in HORIZONS
    ),
)


def entries(folder: Path = FOLDER) -> list[Entry]:
    """All rows: the baselines, then every trial of LAC and of DLAC that is trained; where none is,
    the first, which then says so."""

    def learned(learner: str, trial: int) -> Entry:
        name = f"{TITLES[learner]}, trial {trial}"
        make = partial(_trained, learner, trial, folder)
        return Entry(f"{learner}-{trial}", name, make, learner=learner, trial=trial)

    every = [learned(name, k) for name in TITLES for k in range(TRIALS)]
    there = [e for e in every if is_trained(e.key, folder)]
    known = {e.learner for e in there}
    return [
        *BASELINES,
        *(e for e in every if e in there or (e.learner not in known and not e.trial)),
    ]


def _trained(learner: str, trial: int, folder: Path, task: Task) -> Controller:
    return trained(learner, trial, folder)
