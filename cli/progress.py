"""Progress bars on standard error, for what takes longer than a second, on a terminal only."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from cli.progress_words import Remaining, training_words

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from certify.branch_and_bound import Progress

PATIENCE = 1.0
"""Seconds before a bar appears; rich is not even imported before."""
PAUSE = 0.1
"""Seconds between two updates of a bar."""


class ProgressBars:
    """One bar for what is going on at the moment; a context manager that leaves nothing behind."""

    def __init__(self) -> None:
        self.wanted = sys.stderr.isatty()
        self._bars: Bars | None = None
        self._task: TaskID | None = None
        self._stage = ""
        self._since = time.perf_counter()
        self._updated = 0.0
        self._left = Remaining()
        self._within = False
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> ProgressBars:
        self._within = True
        self._wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._within = False
        self.clear()

    def clear(self) -> None:
        """Take the bar away, before lines are printed."""
        with self._lock:
            self._take_away()
        self._wait()

    def _take_away(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._bars is not None:
            self._bars.stop()
        self._bars, self._task, self._stage, self._timer = None, None, "", None

    def _wait(self) -> None:
        """Not everything tells how far it is: a bar appears anyway, after a while of silence."""
        if self.wanted and self._within:
            self._timer = threading.Timer(PATIENCE, self._silence)
            self._timer.daemon = True
            self._timer.start()

    def _silence(self) -> None:
        with self._lock:
            if self._timer is threading.current_thread() and self._bars is None:
                self._bars = _new_bars()
                self._bars.start()
                self._bars.add_task(self._stage or "working", total=None, words="")

    def proving(self, name: str, progress: Progress) -> None:
        """A search tells how far it is."""
        words = f"{progress.boxes:,} boxes, {progress.open:,} open"
        self._show(name, words, progress.settled)

    def training(self, entry: Mapping[str, object]) -> None:
        """A learner tells of one iteration, or of a step within it."""
        share = entry.get("share")
        known = float(share) if isinstance(share, int | float) and 0 <= share <= 1 else None
        self._show("training", training_words(entry), known)

    def counting(self, stage: str, what: str, done: int, whole: int) -> None:
        """Something goes on piece by piece."""
        self._show(stage, f"{done:,} of {whole:,} {what}", done / max(whole, 1))

    def _show(self, stage: str, words: str, share: float | None) -> None:
        now = time.perf_counter()
        if stage != self._stage:
            self.clear()
            self._stage, self._since = stage, now
            self._left = Remaining()
        if share is not None:
            self._left.tell(now, share)
        if not self.wanted or now - self._since < PATIENCE or now - self._updated < PAUSE:
            return
        self._updated = now
        with self._lock:
            if self._bars is not None and self._task is None:  # the one for silence
                self._bars.stop()
                self._bars = None
            if self._bars is None:
                self._bars = _new_bars()
                self._bars.start()
            if self._task is not None and self._bars.tasks[-1].total != _total(share):
                self._bars.remove_task(self._task)  # rich cannot forget a total
                self._task = None
            if self._task is None:
                self._task = self._bars.add_task(
                    stage, total=_total(share), words="", left=self._left
                )
            self._bars.update(self._task, completed=share, words=words)


def _total(share: float | None) -> float | None:
    return None if share is None else 1.0


@contextmanager
def waiting(stage: str) -> Iterator[None]:
    """A bar that moves while something goes on that cannot tell how far it is."""
    if not sys.stderr.isatty():
        yield
        return
    bars = _new_bars()
    bars.add_task(stage, total=None, words="")
    with bars:
        yield


def _new_bars() -> Bars:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.text import Text

    class TimeLeft(ProgressColumn):
        """What is left by our own estimate, which also says nothing where it knows nothing."""

        def render(self, task: Task) -> Text:
            left = task.fields.get("left")
            return Text("" if left is None else left.words(time.perf_counter()))

    return Progress(
        TextColumn("{task.description:<11}"),
        BarColumn(),
        TextColumn("{task.fields[words]}"),
        TimeElapsedColumn(),
        TimeLeft(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # else a result that is told meanwhile would go to standard error
    )
