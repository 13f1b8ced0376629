"""One picture of training: residuals, the policy's change, and V's level sets by iteration; of an
actor-critic, the costs of its episodes and what its constraint does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cli.training_levels import Slice, Stage, common_levels, slice_of
from cli.training_record import Entry, Learnt, TrainingRecord
from proofs import picture_style as style
from proofs.picture_parts import open_sides

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

LIGHT, DARK = "#A9D4F0", "#002B47"
LOOKS = {
    "loss": ("loss", style.ORANGE, "^"),
    "hjb_residual_max": ("HJB residual (max)", style.BLUE, "o"),
    "hjb_residual_rms": ("HJB residual (rms)", style.GREEN, "s"),
    "policy_change": ("change of the policy", style.PURPLE, "D"),
    "return": ("mean cost of an episode", style.BLUE, "o"),
    "critic_loss": ("loss of the critic", style.ORANGE, "^"),
    "multiplier": ("multiplier of the constraint", style.PURPLE, "D"),
    "entropy": ("entropy", style.GREEN, "s"),
    "constraint": ("constraint", style.RED, "v"),
}
PANELS = (
    ("loss", "hjb_residual_max", "hjb_residual_rms"),
    ("policy_change",),
    ("return", "critic_loss"),
    ("multiplier",),
    ("entropy", "constraint"),
)
"""What shares a scale."""
SIGNED = ("entropy", "constraint")
"""What may be negative, and is shown on a plain scale."""
WIDEST, NARROWEST = 4.5, 1.0
MOST_MARKED = 60
"""Iterations that still get a marker each."""
SMALLEST = 1e-100
"""Nothing smaller is drawn, nor what is larger than its inverse."""
MARGIN = 0.06
"""Around the domain, of its widths."""
SMALL = 8.5


def training_picture(record: TrainingRecord, stage: Stage) -> bytes | None:
    """The picture as PNG; None where there is nothing to draw. Needs matplotlib."""
    there = [k for k in LOOKS if any(_told(e, k) for e in record.entries)]
    panels = [names for panel in PANELS if (names := [k for k in panel if k in there])]
    if not panels:
        return None
    with style.styled():
        return _drawn(record, stage, panels)


def _told(entry: Entry, name: str) -> bool:
    """Whether there is a number that its scale can show."""
    if name in SIGNED:
        return abs(entry.numbers.get(name, np.inf)) < 1 / SMALLEST
    return SMALLEST < entry.numbers.get(name, 0.0) < 1 / SMALLEST


def _drawn(record: TrainingRecord, stage: Stage, panels: list[list[str]]) -> bytes:
    values = slice_of(stage, record.learnt)
    high = (4.8, 6.0, 7.6)[min(len(panels), 3) - 1]
    figure = style.new_figure(6.2 if values is None else 11.6, high)
    name = stage.title.replace("$", r"\$")
    figure.suptitle(f"{name}: training", weight="bold")
    left: Any = figure
    if values is not None:
        halves: Any = figure.subfigures(1, 2, width_ratios=[1.1, 1.0])
        left, right = halves
        draw = _curves if stage.dimension == 1 else _levels
        draw(right.subplots(), stage, record, values)
        style.legend_below(right, right.axes, columns=3)
    heights = [1.6, *(1.0 for _ in panels[1:])]
    grid = left.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    where, along, starts = positions(record.entries)
    for axes, names in zip(grid, panels, strict=True):
        _series(axes, record.entries, where, names)
        _rounds(axes, starts, named=axes is grid[0])
        axes.set_title(_title(names))
        if axes is not grid[0] and len(names) > 1:
            axes.legend(fontsize=SMALL, loc="best")
    grid[-1].set_xlabel(along)
    style.legend_below(left, grid[0], columns=3)
    return style.png(figure)


TITLES = {
    "policy_change": "Change of the policy",
    "return": "Mean accumulated cost of an episode, and the critic's loss",
    "critic_loss": "Loss of the critic",
    "multiplier": "Multiplier of the Lyapunov constraint",
    "entropy": r"Entropy, and the constraint $E[\Delta L + \alpha_3 c] \leq 0$",
    "constraint": r"The constraint $E[\Delta L + \alpha_3 c] \leq 0$",
}
"""Of a panel, by its first curve."""


def _title(names: Sequence[str]) -> str:
    if names[0] in TITLES:
        return TITLES[names[0]]
    if "loss" not in names:
        return "Residual of the Hamilton-Jacobi-Bellman equation"
    return "Loss" if len(names) == 1 else "Loss, and residual of the HJB equation"


def positions(entries: Sequence[Entry]) -> tuple[Array, str, list[tuple[int, float]]]:
    """Where each entry stands on one axis for all rounds, what that axis counts, and where each
    round begins. Steps lie between the iterations; where there is one iteration only, they count.
    """
    episodic = any("episode" in e.numbers for e in entries)
    by_step = all(e.iteration == 1 for e in entries) and not all(e.ends_iteration for e in entries)
    last: dict[tuple[int, int], int] = {}
    for e in entries:
        key = e.round, e.iteration
        last[key] = max(last.get(key, 0), e.step or 0)
    out, starts, offset, furthest, episode = [], [], 0.0, 0.0, 0.0
    previous: int | None = None
    for e in entries:
        if e.round != previous:
            offset, previous, episode = furthest, e.round, 0.0
            starts.append((e.round, offset + 0.5 if e.ends_iteration else offset))
        most = last[e.round, e.iteration] + 1
        if episodic:
            at = episode = e.numbers.get("episode", episode)
        elif by_step:
            at = float(most if e.step is None else e.step)
        else:
            at = float(e.iteration) if e.step is None else e.iteration - 1 + e.step / most
        out.append(offset + at)
        furthest = max(furthest, out[-1])
    if episodic:
        return np.array(out), "episode", starts
    return np.array(out), "optimiser step" if by_step else "iteration", starts


def _series(axes: Axes, entries: Sequence[Entry], where: Array, names: Sequence[str]) -> None:
    from matplotlib.ticker import MaxNLocator

    for name in names:
        words, colour, marker = LOOKS[name]
        marked = sum(e.ends_iteration for e in entries if _told(e, name)) <= MOST_MARKED
        for number in dict.fromkeys(e.round for e in entries):
            rows = [k for k, e in enumerate(entries) if e.round == number and name in e.numbers]
            y = [entries[k].numbers[name] if _told(entries[k], name) else np.nan for k in rows]
            axes.plot(where[rows], y, color=colour, linewidth=1.5)
            ends = [entries[k].ends_iteration and marked for k in rows]
            axes.plot(where[rows][ends], np.array(y)[ends], marker, color=colour, markersize=4.5)
        axes.plot(
            [], [], color=colour, marker=marker if marked else None, markersize=4.5, linewidth=1.5,
            label=words,
        )  # fmt: skip
    if names[0] in SIGNED:
        axes.axhline(0.0, color=style.GREY, linewidth=0.9, zorder=1)
    else:
        _logarithmic(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(True, axis="y")
    open_sides(axes)


def _logarithmic(axes: Axes) -> None:
    """A scale that has some labels even where all values are of one size."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    axes.set_yscale("log")
    axes.minorticks_off()
    low, high = axes.get_ylim()
    if 0 < high < 3 * low:  # a multiplier that hardly moves: 1, 2, 5 would label one line, or none
        axes.set_yscale("linear")
    elif low > 0 and high < 50 * low:
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axes.minorticks_off()


def _rounds(axes: Axes, starts: Sequence[tuple[int, float]], named: bool) -> None:
    for number, at in starts if len(starts) > 1 else ():
        axes.axvline(at, color=style.GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        if named:
            axes.annotate(
                f"round {number}", (at, 1.0), xycoords=("data", "axes fraction"), xytext=(4, -2),
                textcoords="offset points", fontsize=SMALL, color=style.INK, va="top",
            )  # fmt: skip


def _levels(axes: Axes, stage: Stage, record: TrainingRecord, values: Slice) -> None:
    """Contours of every V at the levels of the last, from light to dark."""
    i, j = values.states
    levels = common_levels(values.values[-1])
    for found, V, colour, width in _looks(values):
        if any(np.nanmin(V) < level < np.nanmax(V) for level in levels):
            axes.contour(
                *values.lines, V, levels=levels, colors=[colour], linewidths=width,
                linestyles="solid",
            )  # fmt: skip
            axes.plot([], [], color=colour, linewidth=width, label=_words(found))
    _frame(axes, values)
    _points(axes, stage, record, i, j)
    axes.set_box_aspect(1)
    axes.locator_params(nbins=6)
    axes.set_xlabel(style.label(stage.names[i], stage.units[i]))
    axes.set_ylabel(style.label(stage.names[j], stage.units[j]))
    where = "" if stage.dimension == 2 else ", in the slice through $x^*$"
    axes.set_title(f"Level sets of $V${where}")


def _looks(values: Slice) -> list[tuple[Learnt, Array, Any, float]]:
    """Every V that is finite somewhere, with its colour and its line's width.

    Early lines are light and wide, so that they are seen behind late ones that they agree with.
    """
    from matplotlib.colors import LinearSegmentedColormap

    count = len(values.shown)
    ramp = LinearSegmentedColormap.from_list("", [LIGHT, style.BLUE, DARK])
    shares = np.linspace(0.0, 1.0, count) if count > 1 else np.ones(1)
    return [
        (found, V, ramp(share), WIDEST + (NARROWEST - WIDEST) * share)
        for found, V, share in zip(values.shown, values.values, shares, strict=True)
        if np.isfinite(V).any()
    ]


def _words(found: Learnt) -> str:
    return "candidate" if found.iteration is None else f"iteration {found.iteration}"


def _frame(axes: Axes, values: Slice) -> None:
    """The domain, or the part of it where V was learnt, and a margin."""
    from matplotlib.patches import Rectangle

    (a, c), (b, d) = (line[[0, -1]] for line in values.lines)
    axes.add_patch(
        Rectangle(
            (a, b), c - a, d - b, fill=False, linestyle="-.", edgecolor=style.GREY, linewidth=1.0,
            label="domain" if values.box == 1.0 else f"{values.box:.3g}-fold domain",
        )
    )  # fmt: skip
    axes.set_xlim(a - MARGIN * (c - a), c + MARGIN * (c - a))
    axes.set_ylim(b - MARGIN * (d - b), d + MARGIN * (d - b))


def _points(axes: Axes, stage: Stage, record: TrainingRecord, i: int, j: int) -> None:
    """x*, the points that training was given, and the counterexamples with their rounds."""
    from matplotlib.patheffects import withStroke

    axes.plot(
        stage.centre[i], stage.centre[j], "o", color=style.INK, markersize=5,
        markeredgecolor="white", zorder=6,
    )  # fmt: skip
    if record.given is not None and len(record.given):
        axes.plot(
            record.given[:, i], record.given[:, j], ".", color=style.ORANGE, markersize=5, zorder=7,
            label="points added to training", linestyle="none",
        )  # fmt: skip
    projected = "" if stage.dimension == 2 else ", projected"
    for k, (number, point) in enumerate(record.found):
        axes.plot(
            point[i], point[j], "X", color=style.RED, markersize=10, markeredgecolor="white",
            markeredgewidth=1.0, zorder=8, linestyle="none",
            label=f"counterexample{projected}" if k == 0 else None,
        )  # fmt: skip
        axes.annotate(
            f"{number}", (point[i], point[j]), xytext=(6, 4), textcoords="offset points",
            fontsize=SMALL, color=style.RED, weight="bold", zorder=9,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )  # fmt: skip


def _curves(axes: Axes, stage: Stage, record: TrainingRecord, values: Slice) -> None:
    """One state: V itself, from light to dark."""
    (x,) = values.lines
    for found, V, colour, width in _looks(values):
        axes.plot(x, V[0], color=colour, linewidth=width, label=_words(found))
    axes.axhline(0.0, color=style.GREY, linewidth=0.8, zorder=1)
    for k, (number, point) in enumerate(record.found):
        axes.axvline(
            point[0], color=style.RED, linewidth=1.2, label="counterexample" if k == 0 else None
        )
        axes.annotate(
            f"{number}", (point[0], 1.0), xycoords=("data", "axes fraction"), xytext=(4, -10),
            textcoords="offset points", fontsize=SMALL, color=style.RED, weight="bold",
        )  # fmt: skip
    axes.set_xlim(x[0], x[-1])
    axes.set_xlabel(style.label(stage.names[0], stage.units[0]))
    axes.set_title("$V$ by iteration")
    open_sides(axes)
