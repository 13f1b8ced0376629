"""Steps a second: gymnasium's loop against the batched environment, for every controlled system.

A step is one period with a random input, and a restart where the episode ended, in both loops.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.report import Bar, Report, Row
from benchmarks.settings import Settings
from systems import zoo
from systems.task import Task

BATCHES = (1, 256, 4096)
COMPARED = 256
BAR_RATIO = 50.0
BAR_REACTOR = 3e5
REACTOR = "reactor-separator"
COLUMNS = (
    "system", "n", "m", "period", "gymnasium.make", "environment itself",
    *(f"batch {b}" for b in BATCHES), f"batch {COMPARED} / environment itself",
)  # fmt: skip
NOTES = (
    "Steps a second, medians of the repeats, one thread. Both sides run the same compiled step: "
    "one Runge-Kutta step a period, costs, limits, noise where the task has any.",
    "gymnasium: a loop of step, and reset where an episode ended, with actions drawn beforehand; "
    "through gymnasium.make with its default wrappers, and on the environment itself, which is "
    "the faster. The ratio is to the faster.",
    "batched: torch tensors in and out, inputs drawn beforehand, episodes that ended restarted.",
)
INPUTS = 64
"""Random inputs drawn beforehand; a loop goes round and round them."""


@dataclass(frozen=True)
class Loop:
    """``run`` makes ``steps`` environment steps in one go."""

    run: Callable[[], None]
    steps: int


def run(settings: Settings) -> Iterator[Report]:
    """One table; a row for every controlled system of the zoo."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        names = settings.among([n for n in zoo.names() if zoo.system(n).input_dimension])
        rows = []
        for name in names:
            settings.say(f"environments: {name}")
            rows.append(_row(name, settings))
    finally:
        torch.set_num_threads(threads)
    title = "Environment steps a second: one at a time and in batches"
    yield Report("environments", title, NOTES, COLUMNS, rows)


def _row(name: str, settings: Settings) -> Row:
    from learners.environments import task_for

    task = task_for(zoo.system(name))
    loops = [
        _gymnasium_loop(name, task, wrapped=True),
        _gymnasium_loop(name, task, wrapped=False),
        *(_batched_loop(task, batch) for batch in BATCHES),
    ]
    seconds = 0.05 if settings.quick else 0.3
    made, itself, *batched = _rates(loops, settings.repeats, seconds)
    ratio = batched[BATCHES.index(COMPARED)] / itself
    bars = [Bar(f"batch {COMPARED} / environment itself", BAR_RATIO, ratio, "", at_least=True)]
    if name.startswith(REACTOR):
        rate = batched[BATCHES.index(COMPARED)]
        bars.append(Bar(f"batch {COMPARED}", BAR_REACTOR, rate, "steps/s", at_least=True))
    n, m = task.system.state_dimension, task.system.input_dimension
    period = "a step" if task.sampling is None else f"{float(task.sampling.period):g}"
    cells = (
        name, str(n), str(m), period,
        *(f"{rate:.3g}" for rate in (made, itself, *batched)), f"{ratio:.0f}",
    )  # fmt: skip
    data = {
        "system": name, "states": n, "inputs": m, "period": period, "gymnasium_make": made,
        "gymnasium_itself": itself, "batched": dict(zip(map(str, BATCHES), batched, strict=True)),
        "ratio": ratio,
    }  # fmt: skip
    return Row(cells, data, bars)


def _rates(loops: list[Loop], repeats: int, seconds: float) -> list[float]:
    """Median steps a second of each loop; the loops take turns, so that a busy moment of the
    machine does not fall on one of them alone."""
    measured: list[list[float]] = [[] for _ in loops]
    for loop in loops:
        loop.run()  # compile and load
    for _ in range(repeats):
        for loop, rates in zip(loops, measured, strict=True):
            steps, began = 0, time.perf_counter()
            while (took := time.perf_counter() - began) < seconds:
                loop.run()
                steps += loop.steps
            rates.append(steps / took)
    return [statistics.median(rates) for rates in measured]


def _gymnasium_loop(name: str, task: Task, *, wrapped: bool) -> Loop:
    import gymnasium

    from learners.environments import make_environment, register

    if wrapped:
        register()
        environment = gymnasium.make(f"stableproof/{name}-v0")
    else:
        environment = make_environment(task)
    environment.reset(seed=0)
    environment.action_space.seed(0)
    actions = [environment.action_space.sample() for _ in range(INPUTS)]

    def run() -> None:
        for action in actions:
            _, _, terminated, truncated, _ = environment.step(action)
            if terminated or truncated:
                environment.reset()

    return Loop(run, INPUTS)


def _batched_loop(task: Task, batch: int) -> Loop:
    import torch

    from learners.environments import BatchedEnvironment

    environment = BatchedEnvironment(task, batch, seed=0)
    low, high = np.array(task.action_low), np.array(task.action_high)
    drawn = np.random.default_rng(0).random((INPUTS, batch, len(low)))
    inputs = list(torch.from_numpy(low + (high - low) * drawn))

    def run() -> None:
        for u in inputs:
            step = environment.step(u)
            environment.restart(step.terminated | step.truncated)

    return Loop(run, INPUTS * batch)
