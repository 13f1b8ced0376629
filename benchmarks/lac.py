"""LAC: do trained policies steer every start to the equilibrium, at what cost, after how long?

The cost is compared with that of the discrete LQR of the same sampled system, cut off at the same
range of inputs, from the same starts.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Bar, Report, Row
from benchmarks.settings import Settings
from learners.lac import LyapunovActorCritic
from learners.lqr import lqr
from systems import zoo
from systems.sampled import sampled
from systems.task import Task

Array = NDArray[np.float64]

SEEDS = (0, 1, 2)
STARTS = 256
FRESH = 104_729
"""The seed of the starts: none of those that policies were judged on while they were trained."""
BAR_SECONDS = 600.0
PRINTED: dict[str, Any] = {"relative": None, "least_multiplier": 1e-6}
"""The losses as they were printed: absolute errors, and a price of L that may vanish."""
COLUMNS = (
    "system", "episodes begin in", "period", "losses", "seeds", "reach x*, % of 256", "cost / LQR",
    "training", "updates a second", "environment steps",
)  # fmt: skip
NOTES = (
    "The frozen mean action from 256 fresh random starts, for two episodes. A start reaches x* "
    "where each state ends within 1 % of how far the domain reaches. One figure a seed.",
    "cost / LQR: the costs accumulated by all starts, by those of the discrete LQR from the same "
    "starts; a dash where some start was lost by either.",
    "losses as printed: squared errors of L as they are, and a multiplier of the constraint that "
    "may go to 0. Relative: errors relative to L, and the actor always minimises L too.",
    "training: wall-clock seconds on one thread, judging of policies included; medians.",
)


@dataclass(frozen=True)
class Case:
    """A system, how its episodes begin, and settings that differ from the defaults."""

    system: str
    share: str = "1"
    period: str | None = None
    printed: bool = False

    def task(self) -> Task:
        from learners.environments import task_for

        system = zoo.system(self.system)
        return task_for(system, share=self.share, sample_time=self.period)


CASES = (
    Case("pendulum"),
    Case("pendulum", printed=True),
    Case("pendulum-bounded-6"),
    Case("cartpole"),
    Case("cartpole", printed=True),
    Case("cartpole-bounded", "0.1", "0.02"),
)


@dataclass(frozen=True, eq=False)
class Run:
    """One seed."""

    success: float
    ratio: float
    seconds: float
    rate: float
    figures: Mapping[str, object]


class _Lqr:
    """u = u* − K(x − x*), cut off at the task's range."""

    def __init__(self, task: Task) -> None:
        system = task.system if task.sampling is None else sampled(task.system, task.sampling)
        self.gain = lqr(system)[0]
        self.low, self.high = np.array(task.action_low), np.array(task.action_high)

    def act(self, states: Array, references: Array, reference_inputs: Array) -> Array:
        u = reference_inputs - (states - references) @ self.gain.T
        return np.clip(u, self.low, self.high)


def run(settings: Settings) -> Iterator[Report]:
    """The table, one report."""
    wanted = settings.among(list(dict.fromkeys(case.system for case in CASES)))
    rows = []
    for case in CASES:
        if case.system in wanted:
            rows.append(row(case, settings))
            settings.say("  ".join(rows[-1].cells))
    yield Report(
        "lac", "LAC: policies trained on the systems that are proved", NOTES, COLUMNS, rows
    )


def row(case: Case, settings: Settings) -> Row:
    """All seeds of one case."""
    seeds = SEEDS[: settings.repeats]
    learner = LyapunovActorCritic(**(PRINTED if case.printed else {}))
    if settings.quick:
        learner = replace(learner, updates=2000, judged=2)
    task = case.task()
    runs = [one(task, replace(learner, seed=seed)) for seed in seeds]
    seconds, rate = (statistics.median(getattr(r, k) for r in runs) for k in ("seconds", "rate"))
    bars = []
    if not case.printed:
        bars = [
            Bar.claim("every start reaches x*, every seed", all(r.success == 1.0 for r in runs)),
            Bar("training", BAR_SECONDS, max(r.seconds for r in runs)),
        ]
    box = ", ".join(f"±{float(v):g}" for v in task.starts.upper)
    period = "" if task.sampling is None else f"{float(task.sampling.period):g}"
    cells = (
        case.system, box, period, "as printed" if case.printed else "relative",
        ", ".join(map(str, seeds)),
        ", ".join(f"{100 * r.success:.1f}" for r in runs),
        ", ".join("–" if not np.isfinite(r.ratio) else f"{r.ratio:.3f}" for r in runs),
        f"{seconds:.0f} s", f"{rate:.0f}", str(runs[0].figures["environment_steps"]),
    )  # fmt: skip
    data = {
        "system": case.system, "share": case.share, "period": period, "printed": case.printed,
        "runs": [
            {
                "seed": seed, "success": r.success,
                "cost_ratio": r.ratio if np.isfinite(r.ratio) else None, "seconds": r.seconds,
                "updates_per_second": r.rate, "best_update": r.figures["best_update"],
                "warnings": r.figures["warnings"], "settings": r.figures["settings"],
            }
            for seed, r in zip(seeds, runs, strict=True)
        ],
    }  # fmt: skip
    return Row(cells, data, bars)


def one(task: Task, learner: LyapunovActorCritic) -> Run:
    """Train, and measure on fresh starts."""
    from learners.actor_critic.judge import judge

    began = time.perf_counter()
    trained = learner.train(task)
    seconds = time.perf_counter() - began
    periods = 2 * task.episode_steps
    found, best = (
        judge(task, policy, starts=STARTS, seed=FRESH, periods=periods)
        for policy in (trained.policy, _Lqr(task))
    )
    figures = trained.figures
    updates, solving = figures["updates"], figures["solve_seconds"]
    assert isinstance(updates, int) and isinstance(solving, float)
    ratio = found.mean_cost / best.mean_cost if np.isfinite(best.mean_cost) else np.nan
    return Run(found.success, ratio, seconds, updates / solving, figures)
