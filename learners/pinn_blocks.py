"""Blocks of states that nothing couples are trained one after the other.

Where the Hamiltonian is a sum over blocks of coordinates (:mod:`learners.elm_structure`), so are V
and the residual of every policy's equation. With all other coordinates at the equilibrium only one
block's residual is left: a problem in fewer dimensions, with fewer weights and points. Together the
blocks' answers are V; the whole domain's held-out points then judge it.
"""

from __future__ import annotations

from collections.abc import Callable
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
            progress=_share_of(whole.progress, k, len(blocks)),
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


def _share_of(progress: Progress | None, k: int, count: int) -> Progress | None:
    """The progress of one block as that of the whole."""
    if progress is None:
        return None

    def tell(entry: object) -> None:
        assert isinstance(entry, dict)
        share = entry.get("share")
        told = {**entry, "share": (k + share) / count} if isinstance(share, float) else entry
        progress({key: value for key, value in told.items() if key != "value"})

    return tell
