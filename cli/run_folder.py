"""The folder of ``--out``: the only place that is written to, and what makes a run resumable.

``run.json`` holds the settings, what is finished, and the names of the files that are ours. It is
always written before the file it announces, and every file whole or not at all, so that a run may
be stopped at any moment: the same command with the same folder goes on.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.integrity import CANDIDATE, CERTIFICATE, damage, digest
from cli.lock import hold
from cli.version import version
from systems.errors import InputError
from systems.files import write_atomically
from systems.json_data import plain, read_json

RUN = "run.json"
SYSTEM = "system.toml"
FORMAT = "stableproof-run"
CHECKED = (CANDIDATE, CERTIFICATE, SYSTEM)
"""Files whose hashes run.json records."""
CONTENTS = {
    "system_sha256": "system file",
    "candidate_sha256": "candidate",
    "value_sha256": "value network",
    "control_sha256": "control network",
}
"""Settings that identify the content of a file."""
OURS = {
    "candidate.json", "certificate.json", "report.md", "report.html", "trajectories.csv",
    "region.png", "paving.png", "trajectories.png", "training.png", "training.csv",
    "system.toml", "contradiction.json", "checkpoint.npz",
}  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,80}\.(json|md|html|png|csv|toml|npz)")
_TEMPORARY = re.compile(r"\.[A-Za-z0-9_.-]+\.[0-9a-f]{12}\.tmp")


@dataclass
class RunFolder:
    """One folder, held by one command with its settings. ``data`` is what run.json says.

    ``made`` is whether this command made the folder itself.
    """

    path: Path
    data: dict[str, Any] = field(default_factory=dict)
    made: bool = False

    @staticmethod
    def open(
        path: str | Path,
        command: str,
        settings: Mapping[str, object],
        *,
        force: bool,
        system: bytes | None = None,
    ) -> RunFolder:
        """A new folder, or the one of an interrupted or finished run of the same settings.

        ``system``, the content of the system's file, is kept in it as ``system.toml``. The folder
        is held until the command ends. Raises InputError where the folder cannot be used, or
        another command holds it; nothing in it was changed then.
        """
        if not str(path):
            raise InputError("--out: the name of the folder is empty; name a folder")
        folder = Path(path)
        made = not folder.exists()
        present = _prepared(folder)
        hold(folder)
        held = RunFolder._opened(folder, present, command, settings, force)
        held.made = made
        if system is not None and not (folder / SYSTEM).exists():
            held.write(SYSTEM, lambda target: write_atomically(target, system))
        return held

    @staticmethod
    def _opened(
        folder: Path, present: set[str], command: str, settings: Mapping[str, object], force: bool
    ) -> RunFolder:
        stated = {"command": command, "settings": plain(settings)}
        former = read_run(folder) if RUN in present else None
        if former is not None and not force:
            _same(folder, former, stated)
            return RunFolder(folder, former)
        if present and not force:
            raise InputError(
                f"{folder} is not empty and holds no run of ours; choose another folder"
            )
        if former is None:
            _refuse_strangers(folder, present)
        owned = set() if former is None else {RUN, *former["files"]}
        fresh = {
            "format": FORMAT,
            "version": version(),
            **stated,
            "status": "started",
            "files": sorted(owned - {RUN}),
        }
        made = RunFolder(folder, fresh)
        made.save()
        for name in owned - {RUN}:
            (folder / name).unlink(missing_ok=True)
        made.save(files=[])
        return made

    @property
    def outcome(self) -> dict[str, Any] | None:
        """What a finished run found; None while there is something left to do."""
        return self.data.get("outcome") if self.data["status"] == "finished" else None

    def save(self, **changes: object) -> None:
        """Write run.json. Raises InputError where it cannot be written."""
        self.data = {**self.data, **changes}
        text = json.dumps(plain(self.data), indent=1, allow_nan=False)
        write_atomically(self.path / RUN, text + "\n")

    def write(self, name: str, writer: Callable[[Path], object]) -> Path:
        """Write one file by ``writer``, announced in run.json before."""
        target = self.path / name
        self.announce(name)
        writer(target)
        if name in CHECKED:
            self.save(sha256={**self.data.get("sha256", {}), name: digest(target)})
        return target

    def repair(self) -> str | None:
        """Put a finished run back to where its damaged files can be made again.

        Returns what was wrong, or None where everything is as it was.
        """
        wrong = damage(self.path, self.data)
        if not wrong:
            return None
        lost = {k: v for k, v in self.data.items() if k != "outcome"}
        if CANDIDATE in wrong:
            lost.pop("loop", None)
        self.data = {**lost, "status": "started"}
        self.save()
        return "; ".join(wrong.values())

    @contextlib.contextmanager
    def unless_refused(self) -> Iterator[None]:
        """Bad input that comes to light before anything is made gives the folder back."""
        try:
            yield
        except InputError:
            made = {n for n in self.data["files"] if (self.path / n).exists()}
            if self.data["status"] == "started" and made <= {SYSTEM}:
                self._give_back()
            raise

    def _give_back(self) -> None:
        with contextlib.suppress(OSError):
            (self.path / SYSTEM).unlink(missing_ok=True)
            (self.path / RUN).unlink(missing_ok=True)
            if self.made:
                self.path.rmdir()

    def announce(self, *names: str) -> None:
        """Files with these names are about to be written. Raises InputError for a stranger's."""
        for name in names:
            if name not in self.data["files"] and (self.path / name).exists():
                raise InputError(
                    f"{self.path / name} was not written by this run; choose another folder"
                )
        new = [n for n in names if n not in self.data["files"]]
        if new:
            self.save(files=[*self.data["files"], *new])


def read_run(folder: Path) -> dict[str, Any]:
    """What a folder's run.json says. Raises InputError where it is none of ours, or damaged."""
    data = read_json(folder / RUN, "the record of a run")
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InputError(f"{folder / RUN} is no record of a run of ours; choose another folder")
    wanted = {"command": str, "settings": dict, "status": str, "files": list}
    for key, kind in wanted.items():
        if not isinstance(data.get(key), kind):
            raise InputError(
                f"{folder / RUN} is damaged: {key!r} is missing; choose another folder"
            )
    if not all(isinstance(n, str) and _NAME.fullmatch(n) for n in data["files"]):
        raise InputError(f"{folder / RUN} is damaged: it names files that are none of ours")
    if data["status"] == "finished" and not isinstance(data.get("outcome"), dict):
        raise InputError(f"{folder / RUN} is damaged: a finished run without an outcome")
    return data


def _prepared(folder: Path) -> set[str]:
    """Make the folder where it is missing; returns the names in it, but for left-over pieces."""
    try:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file, not a folder; choose another --out")
        folder.mkdir(parents=True, exist_ok=True)
        return {p.name for p in folder.iterdir() if not _TEMPORARY.fullmatch(p.name)}
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"the folder {folder} cannot be used: {reason}") from None


def _refuse_strangers(folder: Path, present: set[str]) -> None:
    """Raises InputError where a file of somebody else's bears a name of ours."""
    for name in sorted(present & OURS):
        raise InputError(f"{folder / name} was not written by a run of ours; choose another folder")


def _same(folder: Path, former: Mapping[str, Any], stated: Mapping[str, Any]) -> None:
    """Raises InputError where the folder's run is another one."""
    hint = "choose another folder, or --force to overwrite that run"
    if former["command"] != stated["command"]:
        raise InputError(
            f"{folder} holds a run of '{former['command']}', not of '{stated['command']}'; {hint}"
        )
    there, here = former["settings"], stated["settings"]
    for key, what in CONTENTS.items():
        if there.get("system") == here.get("system") and there.get(key) != here.get(key):
            raise InputError(f"{folder}: the {what} has changed since its run; {hint}")
    for key in sorted({*there, *here}):
        if there.get(key) != here.get(key):
            raise InputError(
                f"{folder} holds a run of other settings ({key}: {_short(there.get(key))} there, "
                f"{_short(here.get(key))} here); {hint}"
            )


def _short(value: object) -> str:
    return "none" if value is None else str(value)[:40]
