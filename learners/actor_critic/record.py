"""What a training leaves behind: rows of figures, warnings, and word to whoever watches."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping

Progress = Callable[[Mapping[str, object]], None]

PAUSE = 0.2
"""Seconds between two messages of progress, at least."""


class Record:
    """Rows of floats by name, plain JSON data; a figure that is no number becomes None.

    Warnings are kept once each, with how often they came.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self.progress = progress
        self.rows: list[dict[str, float | int | None]] = []
        self._warnings: Counter[str] = Counter()
        self._last = -math.inf

    def row(self, **figures: float | int) -> None:
        """Keep a row, and tell it with its keys."""
        kept = {k: _plain(v) for k, v in figures.items()}
        self.rows.append(kept)
        self.tell(kept)

    def tell(self, figures: Mapping[str, object], *, always: bool = False) -> None:
        """Call ``progress``, at most every :data:`PAUSE` seconds unless ``always``."""
        if self.progress is None:
            return
        now = time.perf_counter()
        if always or now - self._last >= PAUSE:
            self._last = now
            self.progress(dict(figures))

    def warn(self, line: str, times: int = 1) -> None:
        """Keep a warning: one line that says what, and where."""
        self._warnings[line] += times

    @property
    def warnings(self) -> list[str]:
        """Every warning once, with its count where there were several."""
        return [
            line if times == 1 else f"{line} ({times} times)"
            for line, times in self._warnings.items()
        ]

    def state(self) -> dict[str, object]:
        """All of it as plain JSON data, for a checkpoint."""
        return {"rows": list(self.rows), "warnings": list(self._warnings.items())}

    def restore(self, state: Mapping[str, object]) -> None:
        """Back to what :meth:`state` gave."""
        rows, warnings = state["rows"], state["warnings"]
        if not isinstance(rows, list) or not isinstance(warnings, list):
            raise TypeError("rows and warnings are lists")
        self.rows = list(rows)
        self._warnings = Counter({str(line): int(times) for line, times in warnings})


def _plain(value: float | int) -> float | int | None:
    return value if isinstance(value, int) or math.isfinite(value) else None
