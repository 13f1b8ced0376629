"""Rows that are measured one by one and kept at once, so that a run can be cut off and go on.

A :class:`Task` is one row. Rows of one table are lines of one file, FOLDER/rows/STORE.jsonl, each
with the settings it was measured with as its key. A run with ``resume`` leaves out what is there.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from systems.errors import InputError

Data = dict[str, Any]
DONE, NOT_THERE, FAILED = "done", "not there", "failed"
WORDS_OF_REASON = 300


class NotThereError(Exception):
    """A learner, or an optional library, is not installed here."""


@dataclass(frozen=True)
class Task:
    """One row: ``key`` holds every setting, as JSON data, ``expected`` a guess of its seconds."""

    store: str
    key: Mapping[str, object]
    expected: float
    work: Callable[[], Data]

    @property
    def identity(self) -> str:
        return identity(self.store, self.key)

    @property
    def words(self) -> str:
        """The row's name on the terminal."""
        named = [str(self.key[k]) for k in ("system", "learner", "size", "what") if k in self.key]
        return " ".join([self.store, *named])


def identity(store: str, key: Mapping[str, object]) -> str:
    """The same text for the same settings."""
    return json.dumps([store, plain(key)], sort_keys=True)


class Rows:
    """The rows of a folder. Each has "key", "status", "reason", "seconds" and the work's data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "rows"
        self._rows: dict[str, Data] = {}
        for path in sorted(self.folder.glob("*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                row = _row_of(line)
                if row is not None:
                    self._rows[identity(path.stem, row["key"])] = row

    def of(self, tasks: Iterable[Task]) -> list[Data]:
        """The rows that are there, in the tasks' order."""
        known = (self._rows.get(task.identity) for task in tasks)
        return [row for row in known if row is not None]

    def has(self, task: Task) -> bool:
        """Whether the row is measured; what was not there, or failed, is tried again."""
        row = self._rows.get(task.identity)
        return row is not None and row["status"] == DONE

    def keep_only(self, store: str, tasks: Sequence[Task]) -> None:
        """Forget rows of the store that none of the tasks asks for, and lines that were cut off."""
        kept = self.of(t for t in tasks if t.store == store)
        stored = json.dumps(store)
        self._rows = {k: v for k, v in self._rows.items() if not k.startswith(f"[{stored},")}
        path = self.folder / f"{store}.jsonl"
        path.unlink(missing_ok=True)
        for row in kept:
            self.add(store, row)

    def add(self, store: str, row: Data) -> None:
        """Append one line."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(row, ensure_ascii=False, allow_nan=False)
        with (self.folder / f"{store}.jsonl").open("a", encoding="utf-8") as file:
            file.write(text + "\n")
        self._rows[identity(store, row["key"])] = row


def _row_of(line: str) -> Data | None:
    """A line's row; None where a run was cut off in the middle of it."""
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        return None
    good = isinstance(row, dict) and isinstance(row.get("key"), dict) and "status" in row
    return row if good else None


def measured(task: Task) -> Data:
    """The task's row. A row that cannot be had says why, and the others go on."""
    began = time.perf_counter()
    status, reason, data = DONE, "", Data()
    try:
        data = task.work()
    except NotThereError as error:
        status, reason = NOT_THERE, str(error)
    except InputError as error:  # the learner has no answer for this system: that is a result
        reason = str(error)
        data = {"refused": True}
    except Exception as error:  # one broken row must not take a long run with it
        status, reason = FAILED, f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - began
    return plain(
        {
            "key": task.key, "status": status, "reason": reason[:WORDS_OF_REASON],
            "seconds": round(seconds, 3), **data,
        }
    )  # fmt: skip


def run_tasks(tasks: Sequence[Task], rows: Rows, say: Callable[[str], None]) -> None:
    """Measure what is not there yet, each task once, telling how far it is."""
    wanted = [t for t in {t.identity: t for t in tasks}.values() if not rows.has(t)]
    whole = sum(t.expected for t in wanted)
    began, done = time.perf_counter(), 0.0
    for number, task in enumerate(wanted, 1):
        say(f"[{number}/{len(wanted)}] {task.words} …")
        row = measured(task)
        rows.add(task.store, row)
        done += task.expected
        elapsed = time.perf_counter() - began
        left = remaining_seconds(elapsed, done, whole)
        what = row["status"] if row["status"] != DONE else "done"
        why = f": {row['reason']}" if row["reason"] else ""
        say(f"    {what} in {row['seconds']:.1f} s{why}; about {minutes(left)} left")


def remaining_seconds(elapsed: float, done: float, whole: float) -> float:
    """From the guesses, corrected by how wrong they have been so far; the first few count "
    "little."""
    pace = (elapsed + 30.0) / (done + 30.0)
    return max(whole - done, 0.0) * pace


def minutes(seconds: float) -> str:
    """For the terminal."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def plain(value: Any) -> Any:
    """As JSON data: lists for arrays, None for what is not finite."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)


def without(data: Mapping[str, object], *names: str) -> Data:
    """Some of it left out."""
    return {k: v for k, v in data.items() if k not in names}


def rounded(values: Any, digits: int = 6) -> Any:
    """Curves as short JSON data: so many significant digits."""
    array = np.asarray(values, dtype=np.float64)
    text = [float(f"{v:.{digits}g}") for v in array.ravel()]
    return plain(np.array(text).reshape(array.shape))
