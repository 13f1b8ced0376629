"""The report's pictures: the proved region, how it was proved, trajectories, and training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from certify.verdict import Proved
from proofs import picture_style as style
from proofs.picture_data import Scene
from proofs.picture_leaves import in_slice
from proofs.picture_parts import (
    decrease_leaves,
    draw_boxes,
    draw_domain,
    draw_field,
    draw_leaves,
    draw_levels,
    draw_marks,
    draw_paths,
    frame,
    level_lines,
    open_sides,
)
from proofs.pictures_one_state import line_paving, line_picture
from proofs.statement import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

MOST_SLICES = 6


def region_picture(scene: Scene) -> bytes:
    """V = c1 and V = c2, the ellipsoid, the vector field, trajectories, the counterexample."""
    if scene.dimension == 1:
        return line_picture(scene)
    figure, panels = _panels(scene)
    paths = scene.trajectories if scene.dimension == 2 else None
    for axes, (i, j), close in panels:
        draw_levels(axes, scene, i, j, close=close)
        draw_field(axes, scene, i, j, close=close)
        if paths is not None:
            draw_paths(axes, paths)
        draw_domain(axes, scene, i, j)
        draw_marks(axes, scene, i, j)
        frame(axes, scene, i, j, close=close)
    if scene.dimension == 2:
        panels[0][0].set_title(_headline(scene))
        if len(panels) == 2:
            panels[1][0].set_title("close-up")
    else:
        figure.suptitle(
            f"{_headline(scene)}: slices through the {scene.centre_word}", weight="bold"
        )
    style.legend_below(figure, panels[0][0], columns=2 if len(panels) == 1 else 4)
    return style.png(figure)


def _headline(scene: Scene) -> str:
    name = one_line(scene.result.problem.system.name).replace("$", r"\$")
    if isinstance(scene.result.verdict, Proved):
        return f"{name}: proved region of attraction"
    return f"{name}: {'refuted' if scene.result.counterexample else 'not decided'}"


def paving_picture(scene: Scene) -> bytes | None:
    """The boxes inside {V ≤ c2}, and those of the decrease search; None where there are none."""
    leaves = decrease_leaves(scene)
    paving = scene.result.paving
    if paving is not None and not len(paving.lower):
        paving = None
    if leaves is None and paving is None:
        return None
    if scene.dimension == 1:
        return line_paving(scene, leaves)
    pairs = _pairs(scene)[: MOST_SLICES // 2]
    columns = int(paving is not None) + int(leaves is not None)
    figure = style.new_figure(0.6 + 4.4 * columns, 1.1 + 4.45 * len(pairs))
    grid = figure.subplots(len(pairs), columns, squeeze=False)
    for row, (i, j) in zip(grid, pairs, strict=True):
        panels = list(row)
        if paving is not None:
            axes = panels.pop(0)
            frame(axes, scene, i, j, close=True)
            met = in_slice(paving.lower, paving.upper, scene.equilibrium, i, j)
            draw_boxes(axes, paving.lower[met], paving.upper[met], i, j, style.SKY)
            draw_levels(axes, scene, i, j, close=True, only_c2=True)
            draw_domain(axes, scene, i, j)
            axes.set_title(r"Leaves inside $\{V \leq c_2\}$")
        if leaves is not None:
            axes = panels.pop(0)
            frame(axes, scene, i, j, close=True)
            draw_leaves(axes, scene, leaves, i, j)
            axes.set_title("Decrease: why each leaf is closed")
    style.legend_below(figure, grid.ravel(), columns=2 if columns > 1 else 1)
    return style.png(figure)


def trajectory_picture(scene: Scene) -> bytes | None:
    """States over time, and V along them on a logarithmic scale; None where nothing starts."""
    paths = scene.trajectories
    if paths is None:
        return None
    n = scene.dimension
    shown = min(n, 4)
    figure = style.new_figure(8.6, 1.75 * shown + 2.8)
    grid = figure.subplots(shown + 1, 1, sharex=True, height_ratios=[1.0] * shown + [1.6])
    for k in range(shown):
        axes = grid[k]
        axes.axhline(scene.equilibrium[k], color=style.GREY, linewidth=0.8)
        axes.plot(paths.times, paths.states[:, :, k].T, color=style.BLUE, linewidth=1.1, alpha=0.7)
        axes.set_ylabel(style.label(scene.names[k], scene.units[k]))
        axes.yaxis.set_label_coords(-0.09, 0.5)  # aligned, without measuring every tick for it
        open_sides(axes)
    axes = grid[-1]
    values = np.stack([scene.V(x) for x in paths.states])
    positive = np.where(values > 0, values, np.nan)
    axes.plot(paths.times, positive.T, color=style.BLUE, linewidth=1.1, alpha=0.7)
    level_lines(axes, scene)
    axes.set_yscale("log")
    axes.minorticks_off()
    if scene.c2 is not None:
        axes.set_ylim(scene.c2 * 1e-7, scene.c2 * 4)
    axes.set_ylabel("$V$ along the solution")
    axes.set_xlabel("step" if scene.discrete else style.label("time", scene.time_unit))
    axes.set_xlim(0.0, float(paths.times[-1]))
    axes.yaxis.set_label_coords(-0.09, 0.5)
    open_sides(axes)
    grid[0].set_title(
        "Simulated solutions from the edge of the region"
        if scene.c2 is not None
        else "Simulated solutions from the edge of the domain"
    )
    return style.png(figure)


def training_picture(series: Mapping[str, Sequence[float]]) -> bytes | None:
    """Residuals by iteration on a logarithmic scale; None where there is nothing to draw."""
    drawn = {k: np.asarray(v, dtype=np.float64) for k, v in series.items() if len(v)}
    drawn = {k: np.where(v > 0, v, np.nan) for k, v in drawn.items() if (v > 0).any()}
    if not drawn:
        return None
    from matplotlib.ticker import MaxNLocator

    figure = style.new_figure(7.4, 3.8)
    axes = figure.subplots()
    looks = zip((style.BLUE, style.RED, style.GREEN, style.PURPLE), "os^D", strict=True)
    for (name, values), (colour, marker) in zip(drawn.items(), looks, strict=False):
        axes.plot(
            np.arange(1, len(values) + 1), values, color=colour, marker=marker, markersize=5,
            linewidth=1.6, label=_series_name(name),
        )  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlabel("iteration")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title("Training: residual of the Hamilton-Jacobi-Bellman equation")
    axes.grid(True, axis="y")
    open_sides(axes)
    style.legend_below(figure, axes, columns=min(len(drawn), 3))
    return style.png(figure)


def _series_name(name: str) -> str:
    words = {"hjb": "HJB", "ghjb": "GHJB", "max": "(max)", "rms": "(rms)"}
    return " ".join(words.get(w, w) for w in name.split("_"))


def _pairs(scene: Scene) -> list[tuple[int, int]]:
    return list(combinations(range(scene.dimension), 2))[:MOST_SLICES]


def _panels(scene: Scene) -> tuple[Figure, list[tuple[Axes, tuple[int, int], bool]]]:
    """One panel for each pair of coordinates, near the region; two states: the whole domain, and
    the region near by where it is much smaller. The last entry says whether it is near.
    """
    pairs = _pairs(scene)
    if len(pairs) == 1:
        near, whole = scene.close_up(0, 1), scene.domain
        if all(np.array_equal(a, b) for a, b in zip(near, whole, strict=True)):
            figure = style.new_figure(6.4, 7.0)
            return figure, [(figure.subplots(), pairs[0], False)]
        figure = style.new_figure(10.4, 5.9)
        left, right = figure.subplots(1, 2)
        return figure, [(left, pairs[0], False), (right, pairs[0], True)]
    columns = 3
    rows = -(-len(pairs) // columns)
    figure = style.new_figure(3.7 * columns, 3.6 * rows + 1.1)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(pairs) :]:
        axes.set_axis_off()
    return figure, [(axes, pair, True) for axes, pair in zip(grid, pairs, strict=False)]
