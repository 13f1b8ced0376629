"""The pictures of a system with one state: graphs and strips instead of a plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from certify.verdict import Proved
from proofs import picture_style as style
from proofs.picture_data import Scene
from proofs.picture_leaves import Leaves, in_slice
from proofs.picture_parts import REASON_COLOURS, level_lines, open_sides

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]


def line_picture(scene: Scene) -> bytes:
    """One state: V and V̇ over the domain."""
    (low,), (high,) = scene.domain
    x = np.linspace(low, high, 1601)
    V, rate = scene.V(x[:, None]), scene.rate(x[:, None])
    change = r"$\Delta V$" if scene.discrete else r"$\dot V$"
    figure = style.new_figure(7.6, 5.6)
    top, bottom = figure.subplots(2, 1, sharex=True)
    for axes, values, name, colour in (
        (top, V, "$V$", style.BLUE),
        (bottom, rate, change, style.PURPLE),
    ):
        axes.axhline(0.0, color=style.GREY, linewidth=0.8)
        axes.plot(x, values, color=colour, linewidth=2.0, label=name)
        axes.set_ylabel(name)
        if scene.c2 is not None and isinstance(scene.result.verdict, Proved):
            axes.fill_between(
                x, 0, 1, where=(scene.c2 >= V) & scene.stated(x), color=style.SKY, alpha=0.22,
                linewidth=0, transform=axes.get_xaxis_transform(), label="proved region",
            )  # fmt: skip
        found = scene.result.counterexample
        if found is not None:
            axes.axvline(found.point[0], color=style.RED, label="counterexample")
        open_sides(axes)
    level_lines(top, scene)
    bottom.set_xlim(low, high)
    bottom.set_xlabel(style.label(scene.names[0], scene.units[0]))
    top.set_title("The Lyapunov function and its change along solutions")
    style.legend_below(figure, top, columns=3)
    return style.png(figure)


def line_paving(scene: Scene, leaves: Leaves | None) -> bytes:
    """One state: the intervals of both pavings as strips."""
    (low,), (high,) = scene.domain
    figure = style.new_figure(7.6, 2.6)
    axes = figure.subplots()
    strips: list[str] = []
    if scene.result.paving is not None and len(scene.result.paving.lower):
        paving = scene.result.paving
        _draw_strip(axes, paving.lower, paving.upper, len(strips), style.SKY, None)
        strips.append(r"inside $\{V \leq c_2\}$")
    if leaves is not None:
        met = in_slice(leaves.lower, leaves.upper, scene.centre, 0, 0)
        for kind, word in enumerate(leaves.words):
            chosen = met & (leaves.kind == kind)
            colour = REASON_COLOURS[kind % len(REASON_COLOURS)]
            _draw_strip(axes, leaves.lower[chosen], leaves.upper[chosen], len(strips), colour, word)
        strips.append("decrease")
    axes.set_yticks(range(len(strips)), strips)
    axes.set_ylim(-0.6, len(strips) - 0.4)
    axes.set_xlim(low, high)
    axes.set_xlabel(style.label(scene.names[0], scene.units[0]))
    open_sides(axes)
    style.legend_below(figure, axes, columns=2)
    return style.png(figure)


def _draw_strip(
    axes: Axes, lower: Array, upper: Array, row: int, colour: str, name: str | None
) -> None:
    if len(lower):
        spans = list(zip(lower[:, 0].tolist(), (upper - lower)[:, 0].tolist(), strict=True))
        axes.broken_barh(
            spans, (row - 0.35, 0.7), facecolors=colour, edgecolors="white", linewidth=0.6,
            label=name,
        )  # fmt: skip
