"""Figures 3 to 8 of the DLAC paper, from our own rows and records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.reactor_runs import PERIOD
from benchmarks.reproduce_run import Data
from systems.zoo.reactor_separator import STATES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

EPISODE = 500
SPECIES = ("A", "B")
VESSELS = ("first reactor", "second reactor", "separator")


def convergence(trials: Sequence[Data]) -> Figure:
    """Figure 3: costs of the training episodes, and the critics' losses."""
    from proofs.picture_style import BLUE, GREEN, RED, SKY

    figure, left, right = _two_panels("Accumulated cost of an episode", "Critic loss")
    _band(left, trials, "return", "cost", BLUE)
    for key, shade in zip(_keys(trials, "critic_loss "), (SKY, GREEN, RED), strict=False):
        _band(right, trials, key, f"critic {key.split()[-1]}", shade)
    if right.get_legend_handles_labels()[0]:  # none where the training ended before an update
        right.legend()
    return figure


def tracking_errors(trials: Sequence[Data]) -> Figure:
    """Figure 4: the largest steady-state errors of 11 references, without noise."""
    from proofs.picture_style import BLUE

    figure, left, right = _two_panels(
        "Largest error of a temperature  [K]", "Largest error of a mass fraction"
    )
    _band(left, trials, "error[K]", "temperatures", BLUE)
    _band(right, trials, "error", "mass fractions", BLUE)
    return figure


def _two_panels(left: str, right: str) -> tuple[Figure, Axes, Axes]:
    from proofs.picture_style import new_figure

    figure = new_figure(10.0, 3.9)
    panels = figure.subplots(1, 2)
    for axes, title in zip(panels, (left, right), strict=True):
        axes.set_title(title)
        axes.set_xlabel("episodes")
        axes.set_yscale("log")
        axes.grid(True)
    return figure, panels[0], panels[1]


def _keys(trials: Sequence[Data], start: str) -> list[str]:
    keys = [k for row in trials[0]["rows"][-1:] for k in row if k.startswith(start)]
    return sorted(keys)


def _band(axes: Axes, trials: Sequence[Data], key: str, name: str, colour: str) -> None:
    """The mean of the trials, geometrically since the axis is logarithmic, and all of their range,
    on the episodes that all have."""
    curves = []
    for trial in trials:
        points = [(r["step"] / EPISODE, r[key]) for r in trial["rows"] if r.get(key)]
        if points:
            curves.append(np.array(points, dtype=np.float64).T)
    if not curves:
        return
    grid = curves[0][0][curves[0][0] <= min(x[-1] for x, _ in curves)]
    logs = np.array([np.interp(grid, x, np.log(y)) for x, y in curves])
    axes.plot(grid, np.exp(logs.mean(axis=0)), color=colour, label=name)
    axes.fill_between(
        grid, np.exp(logs.min(axis=0)), np.exp(logs.max(axis=0)), color=colour, alpha=0.2, lw=0
    )


def bands(row: Data, title: str) -> Figure:
    """Figures 5 and 6: the mean of trajectories from random starts and one deviation about it."""
    from proofs.picture_style import legend_below

    figure, panels = _nine_panels(title)
    mean, deviation = np.array(row["mean"]), np.array(row["deviation"])
    hours = PERIOD * row["every"] * np.arange(mean.shape[1])
    for i, axes in enumerate(panels):
        _mean_and_band(axes, hours, mean[i], deviation[i], row["target"][i])
        axes.set_xlim(0, hours[-1])
        late = hours >= 0.6 * hours[-1]
        reach = (np.abs(mean[i] - row["target"][i]) + deviation[i])[late].max()
        inset = _inset(axes, row["target"][i], 1.5 * max(float(reach), 1e-9))
        _mean_and_band(inset, hours, mean[i], deviation[i], row["target"][i])
        inset.set_xlim(0.6 * hours[-1], hours[-1])
    legend_below(figure, panels, 3)
    return figure


def _mean_and_band(axes: Axes, hours: Array, mean: Array, deviation: Array, target: float) -> None:
    from proofs.picture_style import BLUE, RED

    low, high = mean - deviation, mean + deviation
    axes.fill_between(
        hours, low, high, color=BLUE, alpha=0.25, lw=0, label="one standard deviation"
    )
    axes.plot(hours, mean, color=BLUE, label="mean of the trajectories")
    axes.axhline(target, color=RED, lw=1.2, label="reference")


def _inset(axes: Axes, target: float, reach: float) -> Axes:
    """For the end of the course, magnified; in the half of the panel that has no reference."""
    low, high = axes.get_ylim()
    above = target < (low + high) / 2
    if above:
        axes.set_ylim(low, high + 0.25 * (high - low))
    else:
        axes.set_ylim(low - 0.25 * (high - low), high)
    inset = axes.inset_axes((0.52, 0.62 if above else 0.1, 0.45, 0.3))
    inset.set_ylim(target - reach, target + reach)
    inset.tick_params(labelsize=7)
    inset.ticklabel_format(axis="y", useOffset=False)
    return inset


def schedule(rows: Sequence[tuple[str, str, Data]], title: str) -> Figure:
    """Figures 7 and 8: (name, colour, row) of several controllers on the same seed."""
    from proofs.picture_style import INK, legend_below

    figure, panels = _nine_panels(title)
    for name, colour, row in rows:
        states = np.array(row["states"])
        hours = PERIOD * row["every"] * np.arange(states.shape[1])
        for axes, course in zip(panels, states, strict=True):
            axes.plot(hours, course, color=colour, lw=1.4, label=name)
    targets = np.array(rows[0][2]["targets"])
    ends = PERIOD * rows[0][2]["key"]["dwell"] * np.arange(len(targets) + 1)
    for i, axes in enumerate(panels):
        axes.step(
            ends, np.append(targets[:, i], targets[-1, i]), where="post", color=INK, lw=1.1,
            ls="--", label="reference",
        )  # fmt: skip
        axes.set_xlim(0, ends[-1])
    legend_below(figure, panels, len(rows) + 1)
    return figure


def _nine_panels(title: str) -> tuple[Figure, list[Axes]]:
    """One panel for each state, one column for each vessel."""
    from proofs.picture_style import new_figure

    figure = new_figure(12.0, 8.0)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    grid: Any = figure.subplots(3, 3, sharex=True)
    panels = []
    for i, name in enumerate(STATES):
        axes = grid[i % 3, i // 3]
        letter, number = name[:-1], name[-1]
        written = f"$T_{number}$  [K]" if letter == "T" else f"$x_{{{letter[1]}{number}}}$"
        axes.set_ylabel(written)
        if i % 3 == 0:
            axes.set_title(VESSELS[i // 3])
        if i % 3 == 2:
            axes.set_xlabel("hours")
        axes.grid(True)
        panels.append(axes)
    return figure, panels
