"""What went wrong in episodes: counted, and the first of each kind told in a line."""

from __future__ import annotations

from collections import Counter

MOST_LINES = 20


class Troubles:
    """``counts`` says how often each kind was met; ``lines`` tells the first of them."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first: dict[str, str] = {}

    def add(self, kind: str, line: str) -> None:
        """One more of a kind; the line is kept where it is the kind's first."""
        self.counts[kind] += 1
        if len(self.first) < MOST_LINES:
            self.first.setdefault(kind, line)

    def lines(self) -> list[str]:
        """One line for each kind: its first case, and how often it was met."""
        return [
            f"{line} (met {self.counts[kind]} time{'s' if self.counts[kind] > 1 else ''})"
            for kind, line in self.first.items()
        ]
