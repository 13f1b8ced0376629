"""What a gate file asks for, read and checked: claims, and where the results go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

Interval = tuple[Fraction, Fraction]


@dataclass(frozen=True)
class Places:
    """Where the keys of one claim stand, as the beginning of a message."""

    file: Path
    line: int
    lines: Mapping[tuple[str, ...], int]

    def __call__(self, *keys: str) -> str:
        """Such as "stability.toml:14: region c2"."""
        found = next(
            (self.lines[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in self.lines),
            self.line,
        )
        return f"{self.file}:{found}: {' '.join(keys)}".rstrip(" :")


@dataclass(frozen=True, eq=False)
class GateClaim:
    """One ``[[claim]]``. ``slug`` is its name as part of a file name, unique in the gate file.

    ``kind`` says whose candidate it is: that of a file, of networks, or a learner's; ``source`` is
    the file where there is one. ``options`` are those of ``stableproof run``, ``networks`` those of
    ``stableproof import``, paths resolved.
    """

    name: str
    slug: str
    system: str
    kind: Literal["candidate", "networks", "learner"]
    source: str
    options: Mapping[str, Any]
    networks: Mapping[str, Any]
    box: Mapping[str, Interval] | None
    least_volume: Fraction | None
    least_c2: Fraction | None
    backends: tuple[str, ...]
    baseline: Path | None
    shrink_tolerance: Fraction
    places: Places

    @property
    def line(self) -> int:
        return self.places.line


@dataclass(frozen=True, eq=False)
class Gate:
    """A gate file: its claims, in order, the folders it writes to, processes of the checker."""

    file: Path
    out: Path
    cache: Path
    jobs: int | None
    claims: tuple[GateClaim, ...]
