"""Where level sets are drawn while a system is trained: its domain, a slice, common levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cli.training_record import Learnt
from proofs.statement import names_of, one_line
from systems.dynamics import ControlAffineSystem

Array = NDArray[np.float64]

GRID = 101
LINE = 401
MATTERS = 0.01
"""A state matters where V rises along it by more than this fraction of its largest rise."""
MOST_SHOWN = 6
RINGS = 6


@dataclass(frozen=True, eq=False)
class Stage:
    """What a picture needs to know of a system: names, units, the domain (n,) and x* (n,)."""

    title: str
    names: Sequence[str]
    units: Sequence[str]
    low: Array
    high: Array
    centre: Array

    @staticmethod
    def of(system: ControlAffineSystem) -> Stage:
        n = system.state_dimension
        low, high = system.domain.outer()
        return Stage(
            one_line(system.name),
            [one_line(name) for name in names_of(system.state_names, "x", n)],
            [one_line(unit) for unit in system.state_units or ("",) * n],
            low,
            high,
            np.array([float(v) for v in system.equilibrium]),
        )

    @property
    def dimension(self) -> int:
        return len(self.centre)


@dataclass(frozen=True, eq=False)
class Slice:
    """Values on a grid through x* along one or two states: ``values`` (K, rows, columns).

    One row for one state. ``lines`` are the grid's coordinates along each of ``states``; they
    reach over ``box``, a fraction of the domain, where all of V was learnt.
    """

    states: tuple[int, ...]
    lines: tuple[Array, ...]
    shown: Sequence[Learnt]
    values: Array
    box: float


def slice_of(stage: Stage, learnt: Sequence[Learnt]) -> Slice | None:
    """The value functions worth showing, on their slice; None where none has a finite value."""
    shown = spread(learnt)
    if not shown:
        return None
    states = (0,) if stage.dimension == 1 else states_that_matter(stage, shown[-1])
    box = min(1.0, max(v.box for v in shown))
    low, high = (stage.centre + box * (end - stage.centre) for end in (stage.low, stage.high))
    count = LINE if len(states) == 1 else GRID
    lines = tuple(np.linspace(low[k], high[k], count) for k in states)
    grids = np.meshgrid(*lines)
    points = np.tile(stage.centre, (grids[0].size, 1))
    for k, grid in zip(states, grids, strict=True):
        points[:, k] = grid.ravel()
    away = np.abs(points - stage.centre) / np.where(
        points < stage.centre, stage.centre - stage.low, stage.high - stage.centre
    ).clip(1e-300)
    share = away.max(axis=1)
    values = [
        np.where(share <= v.box * (1 + 1e-9), v.on((states, box), points), np.nan) for v in shown
    ]
    shape = (len(shown), -1, len(lines[0]))
    table = np.stack(values).reshape(shape)
    return Slice(states, lines, shown, table, box) if np.isfinite(table).any() else None


def spread(learnt: Sequence[Learnt]) -> list[Learnt]:
    """The first, the last, and some between."""
    if len(learnt) <= MOST_SHOWN:
        return list(learnt)
    chosen = np.linspace(0, len(learnt) - 1, MOST_SHOWN).round().astype(int)
    return [learnt[k] for k in chosen]


def states_that_matter(stage: Stage, last: Learnt) -> tuple[int, int]:
    """The first two states along whose axes V rises at all."""
    if stage.dimension == 2:
        return 0, 1
    n, share = stage.dimension, min(last.box, 1.0)
    points = np.tile(stage.centre, (2 * n, 1))
    for k in range(n):
        points[2 * k, k] += share * (stage.low[k] - stage.centre[k])
        points[2 * k + 1, k] += share * (stage.high[k] - stage.centre[k])
    rises = np.nan_to_num(np.abs(last.on("axes", points))).reshape(n, 2).max(axis=1)
    some = [k for k in range(n) if rises[k] > MATTERS * rises.max()]
    first, second, *_ = [*some, *(k for k in range(n) if k not in some)]
    return min(first, second), max(first, second)


def common_levels(values: Array) -> list[float]:
    """Levels for all contours (rows, columns), from those of the last V; none where V is flat.

    Their roots are evenly spaced: so are the rings of a quadratic V. The largest level whose set
    stays inside is one of them.
    """
    known = np.isfinite(values)
    if not known.any():
        return []
    low, high = float(values[known].min()), float(values[known].max())
    if not low < high:
        return []
    base = max(low, 0.0) if high > 0 else low
    rings = {base + (high - base) * (k / RINGS) ** 2 for k in range(1, RINGS)}
    inside = known.copy()
    inside[[0, -1], :] = inside[:, [0, -1]] = False
    for shifted in (known[:-2, 1:-1], known[2:, 1:-1], known[1:-1, :-2], known[1:-1, 2:]):
        inside[1:-1, 1:-1] &= shifted
    closed = float(values[known & ~inside].min())
    return sorted(rings | ({closed} if base < closed < high else set()))
