"""Tables of measured figures beside their bars: on the terminal, as JSON, as Markdown."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"
LIBRARIES = ("stableproof", "numpy", "scipy", "numba", "python-flint", "torch")

YES_OR_NO = "yes or no"


@dataclass(frozen=True)
class Bar:
    """What a figure has to reach: ``measured`` ≤ ``limit`` (≥ where ``at_least``).

    ``measured`` is None where there is no figure: the bar is then missed, and ``reason`` says why.
    """

    what: str
    limit: float
    measured: float | None
    unit: str = "s"
    at_least: bool = False
    reason: str = ""

    @classmethod
    def claim(cls, what: str, holds: bool) -> Bar:
        """A bar without a figure."""
        return cls(what, 1.0, float(holds), YES_OR_NO, at_least=True)

    @property
    def met(self) -> bool:
        if self.measured is None:
            return False
        if self.at_least:
            return self.measured >= self.limit
        return self.measured <= self.limit

    @property
    def words(self) -> str:
        state = "met" if self.met else "missed"
        if self.unit == YES_OR_NO:
            return f"{self.what}: {state}"
        unit = f" {self.unit}" if self.unit else ""
        limit = f"{'≥' if self.at_least else '≤'} {self.limit:g}{unit}"
        if self.measured is None:
            return f"{self.what} {limit}: {state} ({self.reason or 'no figure'})"
        return f"{self.what} {self.measured:.3g}{unit}, {limit}: {state}"


@dataclass(frozen=True)
class Row:
    """One line: cells for people in the order of the report's columns, data for programs."""

    cells: Sequence[str]
    data: Mapping[str, object]
    bars: Sequence[Bar] = ()


@dataclass(frozen=True)
class Report:
    """One table. ``name`` is its file's; ``notes`` say what was measured, and how."""

    name: str
    title: str
    notes: Sequence[str]
    columns: Sequence[str]
    rows: Sequence[Row]
    pictures: Sequence[str] = field(default=())

    @property
    def bars(self) -> Iterator[Bar]:
        for row in self.rows:
            yield from row.bars

    def table(self) -> Table:
        """For the terminal."""
        table = Table(title=self.title, caption="\n".join(self.notes), caption_justify="left")
        for i, column in enumerate((*self.columns, "bar")):
            table.add_column(column, justify="left" if i in (0, len(self.columns)) else "right")
        for row in self.rows:
            style = "yellow" if any(not bar.met for bar in row.bars) else None
            table.add_row(*row.cells, "\n".join(bar.words for bar in row.bars), style=style)
        return table

    def markdown(self, conditions: Mapping[str, object]) -> str:
        """For the reader of the repository."""
        lines = [f"# {self.title}", ""]
        lines += [f"- {note}" for note in self.notes]
        lines += ["", "| " + " | ".join((*self.columns, "bar")) + " |"]
        lines += ["|" + " --- |" * (len(self.columns) + 1)]
        for row in self.rows:
            cells = (*row.cells, "<br>".join(bar.words for bar in row.bars))
            lines.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
        lines += [f"\n![{self.title}]({picture})" for picture in self.pictures]
        lines += ["", "Measured: " + "; ".join(f"{k} {v}" for k, v in conditions.items()) + "."]
        return "\n".join(lines) + "\n"

    def write(self, folder: Path, conditions: Mapping[str, object]) -> None:
        """NAME.json and NAME.md in the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        data = {
            "title": self.title,
            "measured": conditions,
            "notes": list(self.notes),
            "rows": [{**row.data, "bars": [_bar_data(b) for b in row.bars]} for row in self.rows],
        }
        text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False, default=str)
        (folder / f"{self.name}.json").write_text(text + "\n", encoding="utf-8")
        (folder / f"{self.name}.md").write_text(self.markdown(conditions), encoding="utf-8")


def _bar_data(bar: Bar) -> dict[str, object]:
    return {
        "what": bar.what,
        "limit": bar.limit,
        "unit": bar.unit,
        "at_least": bar.at_least,
        "measured": bar.measured,
        "met": bar.met,
        "reason": bar.reason,
    }


def conditions_of_measurement(command: str) -> dict[str, object]:
    """When, where and with what: the processor, its load before the run, versions, the commit."""
    return {
        "on": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "with": command,
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "load before": _load(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: installed for name in LIBRARIES if (installed := _version(name))},
        "commit": _commit(),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.processor() or "unknown"


def _load() -> str:
    try:
        return f"{os.getloadavg()[0]:.1f}"
    except OSError:
        return "unknown"


def _commit() -> str:
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
        )
    except OSError:
        return "unknown"
    return found.stdout.strip() or "unknown"
