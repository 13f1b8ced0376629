"""What the command line knows of actor-critics: their sampling, their settings, their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.output import note
from systems.errors import InputError

if TYPE_CHECKING:
    from cli.inputs import Plant
    from cli.learners import LearnerEntry
    from cli.run_folder import RunFolder
    from systems.task import Task

CHECKPOINT = "checkpoint.npz"
"""In the folder of --out: the state of the training."""
WIDEST, DEEPEST = 4096, 8


def sampled_by_task(plant: Plant, entry: LearnerEntry) -> Plant:
    """The plant in discrete time: as it is, or sampled as its task says, which a note tells.

    Other learners' plants stay as they are. Raises InputError where there is no task to be had.
    """
    if not entry.episodic or plant.system.time == "discrete":
        return plant
    from learners.environments.tasks import task_for
    from systems.sampled import sampled
    from systems.words import time_unit

    sampling = task_for(plant.system).sampling
    if sampling is None:
        raise InputError(f"{plant.system.name}: say how it is sampled, with --sample-time")
    note(
        f"{plant.system.name}: {sampling.describe(time_unit(plant.system))}, as {entry.name} is "
        "trained in discrete time; --sample-time chooses another period"
    )
    return replace(plant, system=sampled(plant.system, sampling), sampling=sampling)


def settings_of(made: type, options: Mapping[str, Any], plant: Plant) -> dict[str, Any]:
    """The settings of the class ``made`` that the options stand for. Raises InputError."""
    out: dict[str, Any] = {"seed": options["seed"]}
    if options["hidden"] is not None:
        out["hidden"] = widths(options["hidden"])
    if options["partition"] is not None:
        out["partition"] = options["partition"]
    if options["episodes"] is not None:
        from learners.environments.tasks import task_for

        out |= _length(made, options["episodes"], task_for(plant.system))
    if options["checkpoint"] is not None and not Path(options["checkpoint"]).is_file():
        raise InputError(
            f"--checkpoint {options['checkpoint']}: there is no such file; a train or run with "
            f"--out DIR leaves DIR/{CHECKPOINT}"
        )
    return out


def _length(made: type, episodes: int, task: Task) -> dict[str, int]:
    """As many periods of the plant as these episodes have, in the learner's own unit."""
    steps = episodes * task.episode_steps
    known: dict[str, Any] = {f.name: f.default for f in fields(made)}
    if "steps" in known:
        return {"steps": steps}
    return {"updates": -(-steps // known["environments"]) * known["updates_per_period"]}


def widths(text: str) -> tuple[int, ...]:
    """Of hidden layers: "32,32". Raises InputError."""
    parts = text.split(",")
    try:
        found = tuple(int(p) for p in parts)
    except ValueError:
        found = ()
    if not 1 <= len(found) <= DEEPEST or not all(1 <= w <= WIDEST for w in found):
        raise InputError(
            f"--hidden {text}: give the widths of 1 to {DEEPEST} layers, each from 1 to {WIDEST}, "
            "such as 32,32"
        )
    return found


def check_installed(entry: LearnerEntry) -> None:
    """Raises InputError, with the command that installs it, where torch is missing."""
    if entry.episodic and find_spec("torch") is None:
        raise InputError(
            f"the learner {entry.name} needs torch, which is not installed; "
            'pip install "stableproof[train]" brings it, or take another learner '
            "(--learner elm-pi)"
        )


def keep_state(learner: Any, options: Mapping[str, Any], folder: RunFolder | None) -> None:
    """Tell an actor-critic where its training is kept, and what it begins with."""
    keep_in = getattr(learner, "keep_in", None)
    if keep_in is None:
        return
    file = None
    if folder is not None:
        folder.announce(CHECKPOINT)
        file = folder.path / CHECKPOINT
    keep_in(file, None if options["checkpoint"] is None else Path(options["checkpoint"]))
