"""Streams of random numbers, one for every row: a row's draws do not depend on how many there are.

Noise and starts have streams of their own, so that the k-th start of a row is the same whatever
happened in the episodes before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learners.environments import kernel

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Streams:
    """The state of every row's generator, (N,) uint64; drawing changes it."""

    state: NDArray[np.uint64]

    @staticmethod
    def seeded(seed: int, purpose: int, rows: int) -> Streams:
        """Streams for ``rows`` rows; those of fewer rows are the first of these."""
        sequence = np.random.SeedSequence(seed, spawn_key=(purpose,))
        return Streams(sequence.generate_state(rows, np.uint64).astype(np.uint64))

    def uniform(self, rows: Indices, low: Array, high: Array) -> Array:
        """For each of ``rows``, a point of the box [low, high]; (len(rows), k)."""
        out = np.empty((len(rows), len(low)))
        kernel.draw_uniform(self.state, rows, low, high, out)
        return out
