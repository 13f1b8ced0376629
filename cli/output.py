"""What goes to standard output (the result) and to standard error (everything else)."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections.abc import Mapping

from cli.errors import OutputLostError


def say(line: str = "") -> None:
    """One line of the result."""
    _write(line + "\n")


def say_json(data: Mapping[str, object]) -> None:
    """The one object of ``--json``; numbers that are not finite become null."""
    _write(json.dumps(_finite(data), indent=2, allow_nan=False) + "\n")


def note(line: str) -> None:
    """One line beside the result: a hint, an error."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def survive_any_encoding() -> None:
    """A terminal that cannot show ≤ gets an escape, not a crash."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_stdout()  # whoever read it has enough, as head has; the exit code still counts
    except (OSError, ValueError) as error:
        _silence_stdout()
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputLostError(f"standard output cannot be written: {reason}") from None


def _silence_stdout() -> None:
    """Else Python would try to flush again at its end, and exit with a code of its own."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
