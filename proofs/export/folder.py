"""A folder of exported files, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from proofs.export.artifact import Artifact
from proofs.export.formats import FORMAT, FORMATS, INDEX
from systems.errors import InputError
from systems.json_data import read_json

_OURS = re.compile(rf"({'|'.join(FORMATS)})/[A-Za-z0-9_-]+(\.[a-z0-9]+)+")


def check_target(folder: Path, force: bool) -> None:
    """Raises InputError where the folder may not be written to. Nothing is changed."""
    try:
        if not str(folder).strip() or (folder.exists() and not folder.is_dir()):
            raise InputError(f"--out {folder} is no folder; name another")
        there = sorted(
            p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()
        )
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"the folder {folder} cannot be used: {_reason(error)}") from None
    if not there and not (folder.exists() and any(folder.iterdir())):
        return
    if not force:
        raise InputError(f"{folder} is not empty; choose another folder, or --force to export anew")
    if INDEX not in there:
        raise InputError(f"{folder} holds no export of ours; choose another folder")
    strange = [name for name in there if name not in {INDEX, *_indexed(folder)}]
    if strange:
        raise InputError(f"{folder / strange[0]} is of no export of ours; choose another folder")


def write_folder(folder: Path, artifacts: Sequence[Artifact], force: bool = False) -> None:
    """Write all files; a former export, with ``force``, is replaced as a whole.

    Everything goes to a new folder beside the wanted one, which then takes its name. Raises
    InputError, one line, where that cannot be done; what was there before is there then.
    """
    check_target(folder, force)
    target = Path(os.path.realpath(folder))
    new, old = (
        target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.tmp") for _ in range(2)
    )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        new.mkdir()
        for artifact in artifacts:
            path = new / artifact.path
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(artifact.content)
        if target.exists():
            os.rename(target, old)
        os.rename(new, target)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {_reason(error)}; it is as it was") from None
    finally:
        if old.exists() and not target.exists():
            with contextlib.suppress(OSError):
                os.rename(old, target)
        for left in (new, old) if target.exists() else (new,):
            shutil.rmtree(left, ignore_errors=True)


def _indexed(folder: Path) -> set[str]:
    """The names in a former export's index, such as we write."""
    data = read_json(folder / INDEX, "the index of an export")
    files = data.get("files") if isinstance(data, dict) and data.get("format") == FORMAT else None
    if not isinstance(files, list):
        raise InputError(f"{folder / INDEX} is no index of ours; choose another folder")
    names = [f.get("path") for f in files if isinstance(f, dict)]
    return {n for n in names if isinstance(n, str) and _OURS.fullmatch(n)}


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
