"""Blocks of states that nothing couples are trained one after the other.

Where the Hamiltonian is a sum over blocks of coordinates (:mod:`learners.elm_structure`), so are V
and the residual of every policy's equation. With all other coordinates at the equilibrium only one
block's residual is left: a problem in fewer dimensions, with fewer weights and points. Together the
blocks' answers are V; the whole domain's held-out points then judge it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from learners.pinn_iteration import PinnIteration, PinnSettings
from learners.pinn_network import Network
from learners.pinn_progress import Progress, Reporter
from learners.pinn_training import PinnTraining, Trained

Array = NDArray[np.float64]
Blocks = tuple[tuple[int, ...], ...]


def trained_by_blocks(
    whole: PinnTraining, blocks: Blocks, settings_for: Callable[[Network, int], PinnSettings]
) -> Trained | None:
    """A Lyapunov function on the whole domain, block by block; None where that does not succeed.

    ``settings_for`` gives the settings of a block's network of so many states. Nothing of a
    failure is left in the training's history and warnings.
    """
    theta, history, warnings = whole.theta, list(whole.history), list(whole.warnings)
    for k, block in enumerate(blocks):
        rows = _looking_at(whole.network, block)
        if not len(rows):
            return None
        network = whole.network.part(rows)
        training = replace(
            whole,
            settings=settings_for(network, len(block)),
            network=network,
            theta=whole.network.part_of(theta, rows),
            extra=_in_block(whole, block),
            progress=_told(whole, theta, rows, k, len(blocks)),
            axes=block,
            history=history,
            warnings=warnings,
        )
        found = training.run()
        if found is None or not found.solution.is_lyapunov or found.plant is not whole.plant:
            return None
        theta = whole.network.with_part(theta, rows, found.solution.theta)
    judge = PinnIteration(
        whole.settings, whole.plant, whole.start, whole.network, whole.extra, history, warnings,
        Reporter(None),
    )  # fmt: skip
    with np.errstate(all="ignore"):
        solution = judge.measured(theta, 1.0, judge.held_out[:0])
    if not solution.is_lyapunov:
        return None
    whole.history[:], whole.warnings[:] = history, warnings
    return Trained(solution, whole.plant)


def _looking_at(network: Network, block: tuple[int, ...]) -> NDArray[np.intp]:
    """The neurons of the first layer that look at the block; others of a layer stand beside."""
    sees = (network.signs != 0.0).any(axis=0)
    return np.flatnonzero(sees[:, list(block)].any(axis=1))


def _in_block(whole: PinnTraining, block: tuple[int, ...]) -> tuple[Array, Array]:
    """The extra points with all other coordinates at the equilibrium."""
    points, roots = whole.extra
    moved = np.tile(whole.plant.x_star, (len(points), 1))
    moved[:, list(block)] = points[:, list(block)]
    return moved, roots


def _told(
    whole: PinnTraining, theta: Array, rows: NDArray[np.intp], k: int, count: int
) -> Progress | None:
    """The progress of block k as that of the whole; V is told while the last block is learned.

    Before, there is no V of the whole.
    """
    progress = whole.progress
    if progress is None:
        return None
    others = theta.copy()
    others[whole.network.output][rows] = 0.0
    star, h = whole.plant.x_star, whole.plant.half_widths

    def tell(entry: Mapping[str, object]) -> None:
        told = dict(entry)
        share, value = told.get("share"), told.pop("value", None)
        if isinstance(share, float):
            told["share"] = (k + share) / count
        if callable(value) and k == count - 1:
            told["value"] = lambda x: whole.network.values(others, (x - star) / h) + value(x)
        progress(told)

    return tell
