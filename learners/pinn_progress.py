"""What a training run tells whoever watches it, while it trains."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Progress = Callable[[Mapping[str, object]], None]

PAUSE = 0.2
"""Seconds between two messages about the optimiser's steps, at least."""


class Reporter:
    """Calls ``progress`` after every policy iteration, and now and then within one."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress = progress
        self.iteration, self.iterations, self.done, self.steps = 1, 1, 1, 1
        self._last = time.perf_counter()

    def begin(self, iteration: int, done: int, iterations: int) -> None:
        """Iteration ``iteration`` of the run begins, on the whole domain the ``done``-th."""
        self.iteration, self.done, self.iterations = iteration, max(1, done), iterations

    def tick(self, step: int, loss: float) -> None:
        """After a step of the optimiser."""
        if self.progress is None or time.perf_counter() - self._last < PAUSE:
            return
        self._last = time.perf_counter()
        self.progress(
            {
                "iteration": self.iteration,
                "iterations": self.iteration - self.done + self.iterations,
                "step": step,
                "steps": self.steps,
                "loss": loss,
                "share": (self.done - 1 + min(1.0, step / self.steps)) / self.iterations,
            }
        )

    def end(self, entry: Mapping[str, object], value: Callable[[Array], Array]) -> None:
        """After a policy iteration, with its entry in the history and V as a function."""
        if self.progress is not None:
            self._last = time.perf_counter()
            more = {"iterations": self.iteration - self.done + self.iterations, "value": value}
            self.progress({**entry, "share": self.done / self.iterations, **more})
