"""reproduction.md: every table and figure of the reproduction, with how it was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.reproduce_paper import SOURCE
from benchmarks.reproduce_part import Part, Scale
from benchmarks.reproduce_run import DONE, Rows

INTRODUCTION = [
    "# The paper's tables and figures, ours beside theirs",
    "",
    f"The paper is {SOURCE}: Meng, Zhou, Mukherjee, Fitzsimmons, Song and Liu, “Physics-Informed "
    "Neural Network Policy Iteration”. What is called the paper's is taken from "
    "there, and is of other networks on other machines. Ours are measured by",
    "",
    "```",
    "make reproduce",
    "```",
    "",
    "which is `python -m benchmarks.reproduce`; names of parts after it run those parts alone, and "
    "`--resume` goes on where a run was cut off. Every row is kept in `rows/` with all its "
    "settings. Seeds are 0, 1 and 2 unless stated, seconds are medians of three runs, and a row "
    "that could not be had says why.",
]


def write_report(
    parts: Sequence[Part], scale: Scale, rows: Rows, out: Path, conditions: Mapping[str, object]
) -> Path:
    """Write it, and the pictures, from the rows that are there."""
    out.mkdir(parents=True, exist_ok=True)
    lines = list(INTRODUCTION)
    if scale.quick:
        lines += ["", "**A quick run, to try the harness: few rows, one run each.**"]
    for part in parts:
        tasks = part.tasks(scale)
        found = rows.of(tasks)
        done = sum(row["status"] == DONE for row in found)
        lines += ["", f"## {part.title}", ""]
        if done < len({t.identity for t in tasks}):
            lines += [f"{done} of {len({t.identity for t in tasks})} rows are there.", ""]
        lines += part.write(found, out) if found else ["Not run yet."]
    lines += ["", "Last run: " + "; ".join(f"{k} {v}" for k, v in conditions.items()) + "."]
    path = out / "reproduction.md"
    path.write_text("\n".join(_without_double_gaps(lines)) + "\n", encoding="utf-8")
    return path


def _without_double_gaps(lines: Sequence[str]) -> list[str]:
    return [text for i, text in enumerate(lines) if text or i == 0 or lines[i - 1]]
