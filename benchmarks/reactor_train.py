"""Train the controllers of the reactor-separator that the evaluation compares.

    python -m benchmarks.reactor_train [dlac|lac] [--trial K]... [--resume] [--out FOLDER]

Every trial has its own seed, and leaves policies/LEARNER-K.npz and, beside it, what its training
recorded: LEARNER-K.json. A training goes on from its checkpoint with --resume. One thread each; two
trials at a time fit two cores.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from benchmarks.reactor_controllers import FOLDER, TITLES, TRIALS, policy_file, record_file
from benchmarks.reactor_theorem import theorem_data
from benchmarks.report import ROOT, conditions_of_measurement
from benchmarks.reproduce_run import Data, minutes, plain
from systems import zoo
from systems.task import Task
from systems.zoo.reactor_task import reactor_task

if TYPE_CHECKING:
    from learners.actor_critic.policy import Policy
    from learners.actor_critic.record import Progress
    from learners.dlac import DistributedActorCritic

EVALUATIONS = 40
"""Rows of DLAC's record."""
DLAC_SETTINGS: dict[str, Any] = {"interval": 8}
"""DLAC's, where they are not its defaults: a round of updates every 8 periods, 5,000 in all."""
LAC_SETTINGS: dict[str, Any] = {
    "updates": 24_000,
    "environments": 100,
    "entropy": -3.0,
    "relative": 0.05,
}
"""The centralised learner's, where they are not its defaults."""
CHECKPOINTS = ROOT / "runs" / "reactor"
PAUSE = 30.0
"""Seconds between two lines on the terminal."""


@click.command(help=__doc__)
@click.argument("learner", type=click.Choice(list(TITLES)), default="dlac")
@click.option("--trial", "trials", type=click.IntRange(0, TRIALS - 1), multiple=True,
              help="Which of the trials; all of them where none is named.")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), help="Fewer steps: a test of the harness.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint, where there is one.")
@click.option("--out", type=click.Path(path_type=Path), default=FOLDER, show_default=False,
              help="Where the policies go.")  # fmt: skip
def main(learner: str, trials: tuple[int, ...], steps: int | None, resume: bool, out: Path) -> None:
    """Train and write."""
    screen = Console(width=160, highlight=False, markup=False)
    for trial in trials or range(TRIALS):
        key = f"{learner}-{trial}"
        screen.print(f"{key} …")
        began = time.perf_counter()
        written = train(learner, trial, screen, out=out, steps=steps, resume=resume)
        screen.print(f"{written} after {minutes(time.perf_counter() - began)}")


def train(
    learner: str,
    trial: int,
    screen: Console,
    *,
    out: Path = FOLDER,
    steps: int | None = None,
    resume: bool = False,
) -> Path:
    """Train one trial; the policy's file."""
    from learners.dlac_evaluation import steady_errors

    key = f"{learner}-{trial}"
    conditions = conditions_of_measurement(f"python -m benchmarks.reactor_train {key}")
    task = reactor_task(zoo.reactor_separator())
    checkpoint = CHECKPOINTS / f"{key}.npz"
    going_on = resume and checkpoint.exists()
    trainer = {"dlac": _dlac, "lac": _lac, "printed": _printed}[learner]
    policy, found = trainer(task, trial, steps, checkpoint, going_on, _Watch(screen))
    path = policy_file(key, out)
    assert path is not None
    policy.save(path)
    record = {
        "learner": learner,
        "trial": trial,
        "measured": conditions,
        "evaluation": steady_errors(task, policy),
        **found,
    }
    text = json.dumps(plain(record), allow_nan=False)
    record_file(key, out).write_text(text.replace(', {"', ',\n{"') + "\n", encoding="utf-8")
    return path


def _dlac(
    task: Task, trial: int, steps: int | None, checkpoint: Path, going_on: bool, watch: Progress
) -> tuple[Policy, Data]:
    from learners.dlac import DistributedActorCritic

    return _distributed(
        DistributedActorCritic(seed=trial, evaluations=EVALUATIONS, **DLAC_SETTINGS),
        task, steps, checkpoint, going_on, watch,
    )  # fmt: skip


def _printed(
    task: Task, trial: int, steps: int | None, checkpoint: Path, going_on: bool, watch: Progress
) -> tuple[Policy, Data]:
    """With the paper's Table 3; a whole trial has 150,000 rounds, and takes about half an hour."""
    from learners.dlac import DistributedActorCritic

    settings = DistributedActorCritic.published(seed=trial, evaluations=EVALUATIONS)
    return _distributed(settings, task, steps, checkpoint, going_on, watch)


def _distributed(
    settings: DistributedActorCritic,
    task: Task,
    steps: int | None,
    checkpoint: Path,
    going_on: bool,
    watch: Progress,
) -> tuple[Policy, Data]:
    if steps is not None:
        settings = replace(settings, steps=steps)
    trained = settings.train(task, progress=watch, checkpoint=checkpoint, resume=going_on)
    return trained.policy, {
        "settings": settings.settings(),
        "seconds": trained.seconds,
        "warnings": trained.record.warnings,
        "traffic": asdict(trained.traffic),
        "theorem_1": theorem_data(trained),
        "rows": trained.record.rows,
    }


def _lac(
    task: Task, trial: int, steps: int | None, checkpoint: Path, going_on: bool, watch: Progress
) -> tuple[Policy, Data]:
    from learners.lac import LyapunovActorCritic

    settings = LyapunovActorCritic(seed=trial, **LAC_SETTINGS)
    if steps is not None:
        each = settings.environments / settings.updates_per_period
        settings = replace(settings, updates=max(settings.judged, int(steps / each)))
    resume = checkpoint if going_on else None
    trained = settings.train(task, progress=watch, checkpoint=checkpoint, resume=resume)
    found = trained.figures
    return trained.policy, {
        "settings": settings.settings(),
        "seconds": found["seconds"],
        "warnings": found["warnings"],
        "rows": found["history"],
    }


class _Watch:
    """A line now and then."""

    def __init__(self, screen: Console) -> None:
        self._screen, self._last = screen, time.perf_counter()

    def __call__(self, figures: Mapping[str, object]) -> None:
        now = time.perf_counter()
        if now - self._last < PAUSE:
            return
        self._last = now
        shown = ("step", "return", "evaluation_cost", "error[K]", "multiplier", "constraint")
        words = [f"{k} {v:.4g}" for k in shown if isinstance(v := figures.get(k), int | float)]
        self._screen.print("    " + ", ".join(words))


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.reactor_train")
