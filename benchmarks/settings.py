"""What a run of the benchmarks was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """``quick``: few sizes, short time limits, one repeat. ``systems`` and ``most_neurons`` narrow
    the tables further; ``time_limit`` replaces the seconds of the searches that fill their time.
    """

    out: Path
    quick: bool = False
    systems: tuple[str, ...] = ()
    most_neurons: int | None = None
    time_limit: float | None = None
    say: Callable[[str], None] = lambda _: None

    @property
    def repeats(self) -> int:
        return 1 if self.quick else 3

    def among(self, names: Sequence[str]) -> list[str]:
        """The names that were asked for; all of them where none were."""
        return [n for n in names if not self.systems or n in self.systems]

    def sizes(self, full: Sequence[int], quick: Sequence[int]) -> list[int]:
        """The network sizes to run."""
        chosen = quick if self.quick else full
        return [m for m in chosen if self.most_neurons is None or m <= self.most_neurons]

    def seconds(self, full: float, quick: float) -> float:
        """The time limit of a search that fills its time."""
        if self.time_limit is not None:
            return self.time_limit
        return quick if self.quick else full
