"""One command at a time in a folder of ``--out``."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import click

from systems.errors import InputError


def hold(folder: Path) -> None:
    """Hold a folder until the command ends. Raises InputError where another command holds it.

    The lock is the system's own, on the folder itself: it leaves no file, and ends with its
    process, however that ends. Where there are no such locks, nothing is held.
    """
    try:
        import fcntl
    except ImportError:
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # a folder that may be written but not read: the files will tell
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise InputError(
            f"{folder} is in use by another stableproof command; wait for it, or choose another "
            "folder"
        ) from None
    except OSError:
        pass  # a file system without locks
    _close_at_end(descriptor)


def _close_at_end(descriptor: int) -> None:
    context = click.get_current_context(silent=True)

    def close() -> None:
        with contextlib.suppress(OSError):
            os.close(descriptor)

    if context is not None:
        context.call_on_close(close)
