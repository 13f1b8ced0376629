"""A part of the reproduction: one table or figure, its rows, and how it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.reproduce_measure import Limits
from benchmarks.reproduce_run import DONE, NOT_THERE, Data, Task


@dataclass(frozen=True)
class Scale:
    """How much is measured. ``quick`` is a test of the harness: few rows, one run each."""

    quick: bool = False
    runs: int = 3
    starts: int = 50
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def of(cls, quick: bool) -> Scale:
        return cls(True, 1, 3, Limits(budget=2.0, repeats=1)) if quick else cls()

    @property
    def key(self) -> dict[str, object]:
        """For a row's key."""
        return {"runs": self.runs, "budget": self.limits.budget}


@dataclass(frozen=True)
class Part:
    """``write`` makes Markdown of the rows that are there, and draws pictures into the folder."""

    name: str
    title: str
    tasks: Callable[[Scale], list[Task]]
    write: Callable[[list[Data], Path], list[str]]


def markdown_table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as Markdown."""
    rule = "|" + " --- |" * len(columns)
    return ["", _line(columns), rule, *(_line(cells) for cells in lines), ""]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


def is_measured(row: Data | None) -> bool:
    return row is not None and row["status"] == DONE and not row.get("refused")


def why_not(row: Data | None) -> str:
    """What a table shows where there is no figure."""
    if row is None:
        return "not run"
    return "not there" if row["status"] == NOT_THERE else f"none: {row['reason']}"


def find(rows: Sequence[Data], **wanted: object) -> Data | None:
    """The row whose key has these settings."""
    return next((r for r in rows if all(r["key"].get(k) == v for k, v in wanted.items())), None)


def picture(out: Path, name: str, figure: Any, caption: str) -> list[str]:
    """Save a figure; the lines that show it."""
    from proofs.picture_style import png

    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.png").write_bytes(png(figure))
    return ["", f"![{name}]({name}.png)", "", caption, ""]
