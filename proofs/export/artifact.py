"""What a format writes: files, what each of them says, and what had to be left out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Artifact:
    """One file to write. ``path`` is relative and has slashes; ``what`` is told in the index.

    ``condition`` is the name of the condition that the file states, where it states one, and
    ``unsat`` then says what an answer "unsat" means.
    """

    path: str
    content: bytes
    what: str
    condition: str | None = None
    unsat: str | None = None


@dataclass(frozen=True)
class LeftOut:
    """Something that the format cannot hold, and why."""

    format: str
    what: str
    reason: str


@dataclass(frozen=True)
class Written:
    """All that a format gives."""

    artifacts: tuple[Artifact, ...]
    left_out: tuple[LeftOut, ...] = ()


class ImpossibleError(Exception):
    """The format can hold nothing of this source; the message says why, and what would help."""
