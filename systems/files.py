"""Writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from os import PathLike
from pathlib import Path

from systems.errors import InputError


def write_atomically(path: str | PathLike[str], content: str | bytes) -> None:
    """Write a file (text as UTF-8) so that a reader finds the old content or the new, never half.

    The content goes to a temporary file in the same folder, is flushed to the disk, and then takes
    the old file's place. Raises InputError, one line, where that cannot be done (no such folder, no
    permission, disk full); the old file is then untouched and nothing is left behind.
    """
    given = Path(path)
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        target = Path(os.path.realpath(given))  # a link keeps pointing to the file it points to
        if target.exists() and not target.is_file():
            raise InputError(f"{given} cannot be written: it is no ordinary file; name another")
        temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.tmp")
        try:
            _write_flushed(temporary, data)
            os.replace(temporary, target)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        _flush_folder(target.parent)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{given} cannot be written: {reason}; nothing was changed") from None


def _write_flushed(path: Path, data: bytes) -> None:
    # 0o666 as for any new file: the user's umask decides, not ours.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Make the new name durable too, on file systems where a folder can be flushed."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
