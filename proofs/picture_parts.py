"""What pictures are drawn from: levels, vector field, solutions, boxes, on given axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from certify.verdict import Proved
from proofs import picture_style as style
from proofs.picture_data import Paths, Scene
from proofs.picture_leaves import Leaves, in_slice, leaves_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

REASON_COLOURS = (style.YELLOW, "#D3D9E0", style.SKY, style.PURPLE, style.ORANGE)


def frame(axes: Axes, scene: Scene, i: int, j: int, *, close: bool = False) -> None:
    """The whole domain, or the neighbourhood of the region if ``close``."""
    low, high = view(scene, i, j, close)
    axes.set_xlim(low[i], high[i])
    axes.set_ylim(low[j], high[j])
    axes.set_box_aspect(1)
    axes.locator_params(nbins=6)
    axes.set_xlabel(style.label(scene.names[i], scene.units[i]))
    axes.set_ylabel(style.label(scene.names[j], scene.units[j]))


def view(scene: Scene, i: int, j: int, close: bool) -> tuple[Array, Array]:
    return scene.close_up(i, j) if close else scene.domain


def draw_levels(
    axes: Axes, scene: Scene, i: int, j: int, *, close: bool, only_c2: bool = False
) -> None:
    low, high = view(scene, i, j, close)
    if scene.c2 is not None:  # what is said of levels is said inside the statement's domain
        within = scene.statement_domain
        low, high = np.maximum(low, within[0]), np.minimum(high, within[1])
    a, b, points = scene.slice_points(i, j, 201, low, high)
    V = scene.V(points).reshape(len(b), len(a))
    if scene.c2 is None:
        least, most = np.nanmin(V), np.nanmax(V)
        if np.isfinite(least) and least < most:
            levels = np.linspace(least, most, 12)[1:-1]
            axes.contour(
                a, b, V, levels=levels, colors=style.SKY, linewidths=0.8, linestyles="solid"
            )
            axes.plot([], [], color=style.SKY, linewidth=0.8, label="levels of $V$")
        return
    proved = isinstance(scene.result.verdict, Proved)
    if proved and not only_c2:
        axes.contourf(a, b, V, levels=[-np.inf, scene.c2], colors=[style.SKY], alpha=0.22)
    name = "$V = c_2$: edge of the proved region" if proved else "$V = c_2$ (not proved)"
    draw_contour(axes, a, b, V, scene.c2, style.BLUE, "-", 2.4, name)
    if only_c2:
        return
    if scene.c1 is not None:
        draw_contour(axes, a, b, V, scene.c1, style.RED, "--", 1.6, "$V = c_1$")
    ellipsoid, level = scene.result.ellipsoid, scene.ellipsoid_level
    if ellipsoid is not None and level is not None:
        d = points - scene.equilibrium
        q = ((d @ ellipsoid.matrix) * d).sum(axis=1).reshape(len(b), len(a))
        draw_contour(axes, a, b, q, level, style.GREEN, ":", 1.8, "ellipsoid $q = c_q$")


def draw_contour(
    axes: Axes, a: Array, b: Array, values: Array, level: float,
    colour: str, line: str, width: float, name: str,
) -> None:  # fmt: skip
    if np.nanmin(values) < level < np.nanmax(values):
        axes.contour(
            a, b, values, levels=[level], colors=colour, linestyles=line, linewidths=width, zorder=4
        )
        axes.plot([], [], color=colour, linestyle=line, linewidth=width, label=name)


def draw_field(axes: Axes, scene: Scene, i: int, j: int, *, close: bool) -> None:
    a, b, points = scene.slice_points(i, j, 25, *view(scene, i, j, close))
    F = scene.motion(points)
    u, v = (F[:, k].reshape(len(b), len(a)) for k in (i, j))
    if not (np.isfinite(u).all() and np.isfinite(v).all()) or not (u.any() or v.any()):
        return
    axes.streamplot(
        a, b, u, v, color="#B4BCC6", linewidth=0.7, density=0.7, arrowsize=0.8, zorder=2,
        broken_streamlines=True,
    )  # fmt: skip
    name = "direction of steps" if scene.discrete else "vector field"
    name = name if scene.dimension == 2 else f"{name} in the slice"
    axes.plot([], [], color="#B4BCC6", linewidth=1.0, label=name)


def draw_paths(axes: Axes, paths: Paths) -> None:
    for k, states in enumerate(paths.states):
        axes.plot(
            states[:, 0], states[:, 1], color=style.INK, linewidth=1.0, alpha=0.85, zorder=5,
            label="simulated solutions" if k == 0 else None,
        )  # fmt: skip
    starts = paths.states[:, 0]
    axes.plot(
        starts[:, 0], starts[:, 1], "o", color="white", markeredgecolor=style.INK, markersize=4,
        markeredgewidth=1.0, zorder=6,
    )  # fmt: skip


def draw_marks(axes: Axes, scene: Scene, i: int, j: int) -> None:
    x = scene.equilibrium
    axes.plot(
        x[i], x[j], "o", color=style.INK, markersize=6, markeredgecolor="white", zorder=8,
        label=scene.centre_word, linestyle="none",
    )  # fmt: skip
    found = scene.result.counterexample
    if found is not None:
        axes.plot(
            found.point[i], found.point[j], "X", color=style.RED, markersize=13,
            markeredgecolor="white", markeredgewidth=1.2, zorder=9, clip_on=False,
            label="counterexample" if scene.dimension == 2 else "counterexample, projected",
            linestyle="none",
        )  # fmt: skip


def draw_domain(axes: Axes, scene: Scene, i: int, j: int) -> None:
    """The statement's domain, where it is not the whole one."""
    from matplotlib.patches import Rectangle

    (low, high), whole = scene.statement_domain, scene.domain
    if np.array_equal(low, whole[0]) and np.array_equal(high, whole[1]):
        return
    axes.add_patch(
        Rectangle(
            (low[i], low[j]), high[i] - low[i], high[j] - low[j], fill=False, linestyle="-.",
            edgecolor=style.INK, linewidth=1.0, zorder=3, label="domain $D$ of the statement",
        )
    )  # fmt: skip


def draw_boxes(axes: Axes, lower: Array, upper: Array, i: int, j: int, colour: str) -> None:
    """Rectangles; the axes' limits must be set."""
    from matplotlib.collections import PolyCollection

    if not len(lower):
        return
    (x0, y0), (x1, y1) = ((end[:, i], end[:, j]) for end in (lower, upper))
    corners = np.stack(
        [np.stack(c, axis=1) for c in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))], axis=1
    )
    # White edges show the boxes; around tiny boxes, edges would be all there is to see, and where
    # there are many, they take their time.
    left, right = axes.get_xlim()
    below, above = axes.get_ylim()
    side = np.sqrt((x1 - x0) * (y1 - y0) / ((right - left) * (above - below)))
    for chosen, edge in ((side > 0.012, "white"), (side <= 0.012, colour)):
        if chosen.any():
            width = float(np.clip(25.0 * np.median(side[chosen]), 0.1, 0.6))
            boxes = PolyCollection(
                list(corners[chosen]), facecolors=colour, edgecolors=edge, linewidths=width
            )
            axes.add_collection(boxes)


def decrease_leaves(scene: Scene) -> Leaves | None:
    search = scene.result.searches.get("decrease")
    constants = scene.result.constants
    if search is None or constants is None:
        return None
    bottom = search.condition.violation[0].level
    first = "$c_1$" if bottom == constants.c1 else "core"
    last = r"$-\mu$" if search.condition.violation[2].level else "0"
    return leaves_of(search, [first, "$c_2$", last])


def draw_leaves(axes: Axes, scene: Scene, leaves: Leaves, i: int, j: int) -> None:
    met = in_slice(leaves.lower, leaves.upper, scene.centre, i, j)
    for kind, word in enumerate(leaves.words):
        chosen = met & (leaves.kind == kind)
        colour = REASON_COLOURS[kind % len(REASON_COLOURS)]
        if chosen.any():
            axes.plot([], [], "s", color=colour, markersize=9, label=word)
        draw_boxes(axes, leaves.lower[chosen], leaves.upper[chosen], i, j, colour)
    draw_levels(axes, scene, i, j, close=True, only_c2=True)
    draw_domain(axes, scene, i, j)


def level_lines(axes: Axes, scene: Scene) -> None:
    """Horizontal lines at c1 and c2, named at the right end."""
    for level, name, colour in (
        (scene.c2, "$c_2$", style.BLUE),
        (scene.c1, "$c_1$", style.RED),
    ):
        if level is not None:
            axes.axhline(level, color=colour, linestyle="--", linewidth=1.2)
            above = name == "$c_2$"
            axes.annotate(
                name, (1.0, level), xycoords=("axes fraction", "data"),
                xytext=(4, 5 if above else -5), textcoords="offset points", color=colour,
                va="center", annotation_clip=False,
            )  # fmt: skip


def open_sides(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
