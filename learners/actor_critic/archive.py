"""Files of arrays and a JSON header: one ``.npz`` without pickle, written whole or not at all."""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from systems.errors import InputError

AnyArray = NDArray[Any]

HEADER = "header"
_DAMAGE = (
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,
    MemoryError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)


def write_archive(
    path: Path, kind: str, version: int, header: Mapping[str, object], arrays: Mapping[str, Any]
) -> None:
    """Write ``arrays`` (numbers only) and the header; whoever reads meanwhile sees the old file.

    Raises InputError where the file cannot be written.
    """
    text = json.dumps({"format": kind, "version": version, **header}, allow_nan=True)
    members = {name: np.asarray(array) for name, array in arrays.items()}
    if HEADER in members or any(a.dtype.kind not in "fiub" for a in members.values()):
        raise ValueError("arrays of numbers only, none of them called header")
    buffer = io.BytesIO()
    np.savez(buffer, **{HEADER: np.frombuffer(text.encode(), dtype=np.uint8)}, **members)  # type: ignore[arg-type]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(buffer.getvalue())
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None


def read_archive(path: Path, kind: str, version: int) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    """The header and the arrays of a file of this kind and version.

    Raises InputError, one line, where there is no such file, where it is something else, damaged
    or truncated, or of another version (both are named).
    """
    damaged = InputError(f"{path}: is no {kind} file, or is damaged; make it anew")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    try:
        archive = np.load(io.BytesIO(data), allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise damaged
        with archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(bytes(arrays.pop(HEADER)).decode())
    except InputError:
        raise
    except (*_DAMAGE, RecursionError):
        raise damaged from None
    if not isinstance(header, dict) or header.get("format") != kind:
        raise damaged
    if any(not isinstance(a, np.ndarray) or a.dtype.kind not in "fiub" for a in arrays.values()):
        raise damaged
    if header.get("version") != version:
        raise InputError(
            f"{path}: is of {kind} format version {header.get('version')!r}, this program reads "
            f"version {version}; make it anew, or use the release that wrote it"
        )
    return header, arrays
