"""How a command ends other than by its result."""

from __future__ import annotations

PROVED, REFUTED, USAGE, UNKNOWN, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes. Commands that decide nothing end with 0 when they did what was asked."""

CODES = {"proved": PROVED, "refuted": REFUTED, "unknown": UNKNOWN}


class StoppedByUserError(Exception):
    """Ctrl-C; the message says what was kept. Exit code 130."""


class OutputLostError(Exception):
    """Standard output cannot take what it should. Exit code 2."""
