"""The folder of results: ours from the first moment, and never with results of a former run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.gate.claim import Gate
from cli.lock import hold
from cli.version import version
from systems.errors import InputError
from systems.files import write_atomically
from systems.json_data import plain, read_json

RECORD, FORMAT = "gate.json", "stableproof-gate"
JUNIT, SARIF, SUMMARY = "junit.xml", "results.sarif", "summary.md"
CERTIFICATES, CANDIDATES = "certificates", "candidates"
_NAME = re.compile(
    r"junit\.xml|results\.sarif|summary\.md"
    r"|(certificates|candidates)/[A-Za-z0-9_-]{1,80}(\.rejected|\.unchecked|\.contradiction)?\.json"
)


@dataclass(frozen=True)
class GateFolder:
    """The folder ``out`` of a gate file, held until the command ends."""

    path: Path
    files: tuple[str, ...]

    @staticmethod
    def open(gate: Gate) -> GateFolder:
        """Take the folder, and take away what a former run left in it.

        Whatever happens then, nothing old can be taken for a result of this run. Raises InputError
        where the folder cannot be used, or holds files that are not ours.
        """
        path = gate.out
        try:
            if path.exists() and not path.is_dir():
                raise InputError(f"{path} is a file, not a folder; choose another 'out'")
            path.mkdir(parents=True, exist_ok=True)
            hold(path)
            former = _former_files(path)
            folder = GateFolder(path, _names(gate))
            folder.save(status="running", gate=str(gate.file), claims=[])
            for name in former:
                (path / name).unlink(missing_ok=True)
            for name in (CERTIFICATES, CANDIDATES):
                (path / name).mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f"the folder {path} cannot be used: {error.strerror}") from None
        return folder

    def save(self, **content: object) -> Mapping[str, Any]:
        """Write gate.json, and return what it says. Raises InputError."""
        present = [n for n in self.files if content["status"] == "running" or self._has(n)]
        record = {"format": FORMAT, "version": version(), **content, "files": present}
        text = json.dumps(plain(record), indent=1, allow_nan=False)
        write_atomically(self.path / RECORD, text + "\n")
        return record

    def _has(self, name: str) -> bool:
        return (self.path / name).exists()


def _names(gate: Gate) -> tuple[str, ...]:
    """Every name that a run of this gate may write to."""
    certificates = [
        f"{CERTIFICATES}/{c.slug}{end}.json"
        for c in gate.claims
        for end in ("", ".rejected", ".unchecked", ".contradiction")
    ]
    candidates = [f"{CANDIDATES}/{c.slug}.json" for c in gate.claims if c.kind == "learner"]
    return (JUNIT, SARIF, SUMMARY, *certificates, *candidates)


def _former_files(path: Path) -> Sequence[str]:
    """The files of a former run. Raises InputError where the folder is somebody else's."""
    if not (path / RECORD).exists():
        if any(p.name[:1] != "." for p in path.iterdir()):
            raise InputError(
                f"{path} is not empty and holds no results of a gate; choose another 'out'"
            )
        return ()
    data = read_json(path / RECORD, "the record of a gate")
    files = data.get("files") if isinstance(data, dict) and data.get("format") == FORMAT else None
    if not isinstance(files, list) or not all(
        isinstance(n, str) and _NAME.fullmatch(n) for n in files
    ):
        raise InputError(f"{path / RECORD} is no record of a gate of ours; choose another 'out'")
    return files
