"""Whether the files that a run left are still there, and whole."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from systems.errors import InputError

CANDIDATE, CERTIFICATE = "candidate.json", "certificate.json"


def damage(folder: Path, data: Mapping[str, Any]) -> dict[str, str]:
    """Name → what is wrong with it, of every file that run.json names and that is not as it was.

    Candidates and certificates are loaded, their hashes checked, and their contents compared with
    what run.json recorded; of reports and pictures it is enough that they are there.
    """
    found = {}
    for name in data["files"]:
        if name.endswith((".png", ".html")) and data.get("pictures") == "missing":
            continue  # Ctrl-C while they were drawn
        wrong = _wrong(folder / name, name, data.get("sha256"))
        if wrong is not None:
            found[name] = wrong
    return found


def digest(path: Path) -> str:
    """The SHA-256 of a file's content. Raises InputError where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def _wrong(path: Path, name: str, recorded: object) -> str | None:
    if not path.is_file():
        return f"{path} is missing"
    try:
        if name == CANDIDATE:
            from certify.candidate_file import load_candidate

            load_candidate(path)
        elif name == CERTIFICATE:
            from proofs.certificate import load_certificate

            load_certificate(path)
        known = recorded.get(name) if isinstance(recorded, Mapping) else None
        if known is not None and digest(path) != known:
            return f"{path} was changed after the run"
    except InputError as error:
        return str(error)
    return None
