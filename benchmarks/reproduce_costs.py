"""Figures 5 and 6: accumulated cost and closed-loop trajectories on four systems."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reproduce_learners import NAMES
from benchmarks.reproduce_measure import CURVE_STEP, common_cost
from benchmarks.reproduce_paper import FIGURE_5_COSTS, SOURCE
from benchmarks.reproduce_part import Part, Scale, find, is_measured, markdown_table, picture
from benchmarks.reproduce_run import Data, Task
from benchmarks.reproduce_systems import COMPARED, LEARNERS, cost_over
from benchmarks.reproduce_systems import tasks as all_tasks
from systems import zoo

LINES = {"lqr": (0, (1, 1.2)), "elm-pi": "-", "pinn-pi": (0, (5, 2)), "galerkin": (0, (2, 3))}
WIDTHS = {"lqr": 3.2, "elm-pi": 1.6, "pinn-pi": 1.8, "galerkin": 1.8}


LEAST_SHARE = 1e-8
TRAJECTORIES_SHOWN = 4


def tasks(scale: Scale) -> list[Task]:
    """The rows of the table of every system that the two figures need."""
    return [t for t in all_tasks(scale) if t.key["system"] in COMPARED]


def colours() -> dict[str, str]:
    from proofs import picture_style as style

    return {"lqr": style.GREY, "elm-pi": style.BLUE, "pinn-pi": style.ORANGE,
            "galerkin": style.GREEN}  # fmt: skip


def write_costs(rows: list[Data], out: Path) -> list[str]:
    """Figure 5 and its end values as a table."""
    shown = [s for s in COMPARED if _curves(rows, s)]
    if not shown:
        return ["", "Not run yet.", ""]
    lines = [(s, *_ends(_curves(rows, s)), f"≈ {FIGURE_5_COSTS[s]:g}") for s in shown]
    columns = ("system", *(NAMES[learner] for learner in LEARNERS), "paper: PINN-PI")
    return [
        *picture(out, "figure-5", _cost_figure(rows, shown), COST_CAPTION),
        *markdown_table(columns, lines),
    ]


def _ends(curves: dict[str, Data]) -> Iterator[str]:
    common = common_cost(list(curves.values()))
    for learner in LEARNERS:
        row = curves.get(learner)
        if row is None:
            yield "–"
            continue
        lost = f"; {row['diverged']} of {row['starts']} diverge" if row["diverged"] else ""
        yield cost_over(row, common) + lost


def _curves(rows: list[Data], system: str) -> dict[str, Data]:
    found = {learner: find(rows, system=system, learner=learner) for learner in LEARNERS}
    return {
        k: r for k, r in found.items() if r is not None and is_measured(r) and r["mean_cost_curve"]
    }


def _cost_figure(rows: list[Data], shown: list[str]) -> Any:
    from proofs.picture_style import legend_below, new_figure, styled

    with styled():
        figure = new_figure(3.1 * len(shown), 4.8)
        row_of_axes, bars = figure.subplots(2, len(shown), squeeze=False, height_ratios=(2, 1))
        for axes, below, system in zip(row_of_axes, bars, shown, strict=True):
            curves = _curves(rows, system)
            common = common_cost(list(curves.values()))
            axes.set_title(system)
            if not common.any():
                axes.text(0.5, 0.5, "no start in common", ha="center", transform=axes.transAxes)
                continue
            for learner, row in curves.items():
                axes.plot(*_mean_curve(row, common), color=colours()[learner],
                          ls=LINES[learner], lw=WIDTHS[learner], label=NAMES[learner])  # fmt: skip
            axes.set_xlabel("time [s]")
            axes.set_ylim(bottom=0)
            axes.grid(True)
            _excess(below, curves, common)
        row_of_axes[0].set_ylabel("mean accumulated cost")
        legend_below(figure, row_of_axes, len(LEARNERS))
    return figure


def _excess(axes: Any, curves: dict[str, Data], common: Any) -> None:
    """How far each controller's cost after 10 s lies above the best one's, as bars."""
    ends = {k: float(np.mean(np.array(r["costs"])[common])) for k, r in curves.items()}
    best = min(ends.values())
    shares = [max(end / best - 1.0, LEAST_SHARE) for end in ends.values()]
    names = [NAMES[learner] for learner in ends]
    axes.barh(names, shares, color=[colours()[learner] for learner in ends])
    axes.set(xscale="log", xlim=(LEAST_SHARE, max(1.0, 2 * max(shares))), xlabel="above the best")
    axes.invert_yaxis()
    axes.grid(True, axis="x")


def _mean_curve(row: Data, common: Any) -> tuple[list[float], Any]:
    """Times, and the cost averaged over the starts from which no controller diverges."""
    curves = np.array(row["cost_curves"], dtype=np.float64)  # None becomes NaN
    return row["times"][::CURVE_STEP], curves[common].mean(axis=0)


def write_trajectories(rows: list[Data], out: Path) -> list[str]:
    """Figure 6."""
    shown = [s for s in COMPARED if _curves(rows, s)]
    if not shown:
        return ["", "Not run yet.", ""]
    return picture(out, "figure-6", _trajectory_figure(rows, shown), TRAJECTORY_CAPTION)


def _trajectory_figure(rows: list[Data], shown: list[str]) -> Any:
    from proofs.picture_style import new_figure, styled

    with styled():
        figure = new_figure(12.0, 2.3 * len(shown))
        grid = figure.subplots(len(shown), len(LEARNERS), squeeze=False, sharey="row", sharex=True)
        for line, system in zip(grid, shown, strict=True):
            curves = _curves(rows, system)
            for axes, learner in zip(line, LEARNERS, strict=True):
                _trajectories(axes, system, learner, curves.get(learner))
            furthest = 1.1 * max(_furthest(row) for row in curves.values())
            line[0].set_ylim(-furthest, furthest)
            line[0].set_ylabel("states")
        for axes in grid[-1]:
            axes.set_xlabel("time [s]")
    return figure


def _furthest(row: Data) -> float:
    """Of the trajectories that do not diverge; the others leave the picture."""
    paths = np.array(row["trajectories"], dtype=np.float64)[:TRAJECTORIES_SHOWN]
    whole = np.array([cost is not None for cost in row["costs"]])[: len(paths)]
    return float(np.abs(paths[whole]).max(initial=0.0))


def _trajectories(axes: Any, system: str, learner: str, row: Data | None) -> None:
    from proofs import picture_style as style

    axes.set_title(f"{system}, {NAMES[learner]}", fontsize=9.5)
    axes.axhline(0.0, color=style.GREY, lw=0.6)
    axes.set_xlim(0, 5)
    if row is None:
        axes.text(0.5, 0.5, "no controller", ha="center", va="center", transform=axes.transAxes)
        return
    palette = (style.BLUE, style.ORANGE, style.GREEN, style.RED, style.SKY, style.PURPLE,
               style.YELLOW, style.INK, style.GREY)  # fmt: skip
    names = zoo.entry(system).build().state_names
    if row["diverged"]:
        lost = f"{row['diverged']} of {row['starts']} starts diverge"
        axes.text(0.97, 0.05, lost, ha="right", transform=axes.transAxes, fontsize=8.5)
    for path in row["trajectories"][:TRAJECTORIES_SHOWN]:
        for i, _ in enumerate(names):
            values = [float("nan") if x[i] is None else x[i] for x in path]
            axes.plot(row["times"][: len(values)], values, color=palette[i % len(palette)], lw=0.8)


COST_CAPTION = (
    "**Figure 5.** Accumulated cost, averaged over the common starts of the table of every system "
    "(those from which none of the four diverges), and how far it lies above the best after 10 s. "
    f"The paper ({SOURCE}, appendix F) shows the same axes for PINN-PI, PPO, HJBPPO and CT-MBRL, "
    "of which only PINN-PI stabilises the last three; its initial states are not published, so its "
    "end values, read off the picture, cannot be compared in size. LQR of the linearisation stands "
    "beside: on the small domains of the last three a nonlinear controller has little to gain. The "
    "controllers were trained on the domain only, and a trajectory may leave it."
)
TRAJECTORY_CAPTION = (
    "**Figure 6.** All states of the closed loop from the first four of the common starts, five of "
    f"the ten seconds, one colour for each state. The paper ({SOURCE}, appendix F) shows such "
    "trajectories for PINN-PI alone, from other initial states."
)

COSTS = Part("figure-5", "Figure 5: accumulated cost", tasks, write_costs)
TRAJECTORIES = Part("figure-6", "Figure 6: trajectories", tasks, write_trajectories)
