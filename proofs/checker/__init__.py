"""An independent checker of certificates: it shares no code with the prover.

It needs Python and python-flint (Arb's balls) only. From the file it takes the statement and, as
hints, how to cut the region; the theorem's conditions, derivatives and bounds are all its own, so a
wrong hint can only make it say "invalid". Read in this order: ``statement`` (what is claimed and
which conditions it takes), ``replay`` (how a leaf is closed), ``algebra``, ``models`` and
``series`` (the enclosures), ``deep``, ``relaxation``, ``turning``, ``lines`` and ``derivatives``
(those of deep networks), ``exact`` (the equilibrium), and ``document``, ``graph``, ``trees`` (the
file).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from typing import Literal

from flint import ctx

from .document import MAX_BYTES, Invalid, Unreadable, read
from .parallel import check_all
from .replay import Replay
from .words import describe

__all__ = ["Outcome", "check_bytes", "check_file"]


@dataclass(frozen=True)
class Outcome:
    """``message`` is the first thing that failed; ``words`` the statement, as it was checked."""

    status: Literal["valid", "invalid", "unreadable"]
    message: str
    words: list[str]
    leaves: int
    seconds: float
    claim_hash: str | None


def check_file(
    path: str | PathLike[str],
    jobs: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Check a certificate file with ``jobs`` processes, by default one for each core.

    ``on_progress`` is told the leaves done and the leaves in all.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        return Outcome("unreadable", reason, [], 0, 0.0, None)
    return check_bytes(data, jobs, on_progress)


def check_bytes(
    data: bytes,
    jobs: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """The same for the content of a file."""
    started = time.perf_counter()
    words: list[str] = []
    precision = ctx.prec
    leaves, claim = 0, None

    def outcome(status: Literal["valid", "invalid", "unreadable"], message: str = "") -> Outcome:
        seconds = time.perf_counter() - started
        return Outcome(status, message, words, leaves, seconds, claim)

    try:
        document = read(data)
        claim = document["sha256"]["statement"]
        replay = Replay(document)
        leaves, words = replay.leaves, describe(replay.statement, replay.volume)
        replay.check_exact()
        check_all(replay, data, jobs, on_progress)
    except Unreadable as error:
        return outcome("unreadable", str(error))
    except Invalid as error:
        return outcome("invalid", str(error))
    except Exception as error:  # whatever it is, nothing has been shown
        return outcome("unreadable", f"{type(error).__name__} in the checker; nothing is decided")
    finally:
        ctx.prec = precision
    return outcome("valid")
