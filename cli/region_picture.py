"""The proved region inside the simulated one, as a picture: the states, or slices through x*."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from certify.outer_estimate import flow_of, proved_region
from certify.outer_estimate_follow import CONVERGED, DIVERGED, follow
from systems.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from certify.outer_estimate_follow import Flow
    from certify.stability import StabilityProblem

Array = NDArray[np.float64]
Grid = tuple[Array, Array, Array]

MOST_SLICES = 6
POINTS = {1: 801, 2: 121}
SLICE_POINTS = 61
"""Starts along an axis of a picture."""
OUTLINE_POINTS = 301
"""Points along an axis for the proved region, which needs no simulation."""


class RegionPicture:
    """Starts on grids, each simulated until it has entered the proved region or is lost."""

    def __init__(
        self,
        problem: StabilityProblem,
        c2: Fraction,
        horizon: float,
        out_of_time: Callable[[], bool],
    ) -> None:
        self.problem = problem
        self.flow: Flow = flow_of(problem, c2, horizon)
        self.inside = proved_region(problem, c2)
        self.out_of_time = out_of_time
        self.centre = np.array([float(v) for v in problem.system.equilibrium])
        self.names = problem.system.state_names or tuple(
            f"x{i + 1}" for i in range(len(self.centre))
        )
        self.units = problem.system.state_units or ("",) * len(self.centre)

    def png(self) -> bytes:
        """The picture as a PNG file. Raises InputError where matplotlib is missing."""
        try:
            from proofs import picture_style as style

            with style.styled():
                return self._drawn()
        except ImportError:
            raise InputError(
                "--picture needs matplotlib: pip install 'stableproof[report]'"
            ) from None

    def _drawn(self) -> bytes:
        from proofs import picture_style as style

        n = len(self.centre)
        pairs = list(combinations(range(n), 2))[:MOST_SLICES] or [(0, 0)]
        columns = min(len(pairs), 3)
        rows = -(-len(pairs) // columns)
        figure = style.new_figure(
            max(0.8 + 4.2 * columns, 6.8), 1.1 + (4.3 if n > 1 else 2.4) * rows
        )
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, pair in zip(panels, pairs, strict=False):
            self._line(axes) if n == 1 else self._slice(axes, *pair)
        for axes in panels[len(pairs) :]:
            axes.set_visible(False)
        figure.suptitle(
            self.problem.system.name.replace("$", r"\$")
            + ("" if n <= 2 else ": slices through the equilibrium"),
            weight="bold",
        )
        style.legend_below(figure, panels[0], columns=2)
        return style.png(figure)

    def kinds(self, points: Array) -> NDArray[np.int64]:
        """0 proved, 1 converges without leaving D, 2 converges, 3 does not, 4 undecided; (N,)."""
        fate, left = follow(self.flow, points, self.out_of_time)
        kinds = np.where(left, 2, 1)
        kinds = np.where(fate == CONVERGED, kinds, np.where(fate == DIVERGED, 3, 4))
        with np.errstate(all="ignore"):
            return np.asarray(np.where(self.inside(points), 0, kinds))

    def _slice(self, axes: Axes, i: int, j: int) -> None:
        from proofs import picture_style as style

        a, b, points = self._grid(i, j, POINTS.get(len(self.centre), SLICE_POINTS))
        # A cell whose middle is proved need not be proved: only the finer grid below shows what is.
        kinds = np.maximum(self.kinds(points), 1).reshape(len(b), len(a))
        self._colours(axes, (a, b, kinds.astype(np.float64)))
        a, b, points = self._grid(i, j, OUTLINE_POINTS)
        proved = self.inside(points).reshape(len(b), len(a)).astype(np.float64)
        if proved.any():
            axes.contourf(a, b, proved, levels=[0.5, 1.5], colors=[style.BLUE])
        axes.set_xlabel(style.label(self.names[i], self.units[i]))
        axes.set_ylabel(style.label(self.names[j], self.units[j]))
        axes.plot(*self.centre[[i, j]], "+", color=style.INK)
        axes.set_box_aspect(1)
        axes.locator_params(nbins=6)

    def _grid(self, i: int, j: int, count: int) -> tuple[Array, Array, Array]:
        """The middles of count² cells of the slice: two axes, and the points (count², n)."""
        shares = (np.arange(count) + 0.5) / count
        width = self.flow.high - self.flow.low
        a, b = (self.flow.low[k] + shares * width[k] for k in (i, j))
        points = np.tile(self.centre, (count * count, 1))
        points[:, i], points[:, j] = (v.ravel() for v in np.meshgrid(a, b))
        return a, b, points

    def _line(self, axes: Axes) -> None:
        from proofs import picture_style as style

        a = np.linspace(self.flow.low[0], self.flow.high[0], POINTS[1])
        kinds = self.kinds(a[:, None]).astype(np.float64)
        self._colours(axes, (a, np.array([0.0, 1.0]), np.tile(kinds, (2, 1))))
        axes.set_xlabel(style.label(self.names[0], self.units[0]))
        axes.set_yticks([])

    def _colours(self, axes: Axes, grid: Grid) -> None:
        from matplotlib.colors import ListedColormap

        from proofs import picture_style as style

        colours = [style.BLUE, style.SKY, style.YELLOW, "white", style.GREY]
        words = [
            "proved: V ≤ c2",
            "simulated: converges inside D",
            "simulated: converges, but leaves D",
            "simulated: does not converge",
            "undecided",
        ]
        axes.pcolormesh(*grid, cmap=ListedColormap(colours), vmin=-0.5, vmax=4.5, shading="nearest")
        for colour, word in zip(colours, words, strict=True):
            axes.plot([], [], "s", color=colour, markeredgecolor=style.GREY, label=word)
