"""How much a search may spend."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Budget:
    """Wall-clock seconds and boxes; whichever ends first ends the search with Unknown."""

    seconds: float = 60.0
    boxes: int = 50_000_000

    def started(self) -> Clock:
        return Clock(self)


@dataclass
class Clock:
    """A budget being spent."""

    budget: Budget
    start: float = field(default_factory=time.perf_counter)

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self.start

    @property
    def remaining(self) -> Budget:
        """What is left, as a budget of its own."""
        return Budget(max(self.budget.seconds - self.elapsed, 0.0), self.budget.boxes)

    def exhausted(self, boxes: int) -> str | None:
        """The reason to stop, if there is one."""
        if self.elapsed > self.budget.seconds:
            return f"the time limit of {seconds_words(self.budget.seconds)} ran out"
        if boxes > self.budget.boxes:
            return f"the limit of {self.budget.boxes} boxes ran out"
        return None


def seconds_words(value: float) -> str:
    """0.231 s, 19.7 s, 3600 s."""
    return f"{value:.3g} s" if value < 999.5 else f"{value:.0f} s"
