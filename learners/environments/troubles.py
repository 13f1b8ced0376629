"""What went wrong in episodes: counted, and the first of each kind told in a line."""

from __future__ import annotations

from collections import Counter

MOST_LINES = 20


class Troubles:
    """``counts`` says how often each kind was met; :meth:`lines` tells the first of each."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def add(self, kind: str, line: str, count: int = 1) -> None:
        """``count`` more of a kind; the line is kept where it is the kind's first."""
        self.counts[kind] += count
        if len(self._first) < MOST_LINES:
            self._first.setdefault(kind, line)

    def lines(self) -> list[str]:
        """One line for each of the first MOST_LINES kinds: its first case, and how often it was
        met."""
        return [
            f"{line} (met {self.counts[kind]} time{'s' if self.counts[kind] > 1 else ''})"
            for kind, line in self._first.items()
        ]
