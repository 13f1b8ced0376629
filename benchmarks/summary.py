"""All bars on one page: results/summary.md, from the results that are there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.report import Bar


def write_summary(folder: Path) -> Counter[str]:
    """summary.md of every NAME.json in the folder; returns how many bars are met and missed."""
    lines = [
        "# Bars",
        "",
        "Made by `python -m benchmarks` from the results in this folder.",
        "",
        "| table | met | missed | measured |",
        "| --- | --- | --- | --- |",
    ]
    total: Counter[str] = Counter()
    missed: list[str] = []
    for path, data in _results(folder):
        count: Counter[str] = Counter()
        for row in data["rows"]:
            for bar in row["bars"]:
                count["met" if bar["met"] else "missed"] += 1
                if not bar["met"]:
                    missed.append(f"- {path.stem}: {_row_words(row)}: {_bar_words(bar)}")
        total += count
        measured = data["measured"]
        lines.append(
            f"| [{data['title']}]({path.stem}.md) | {count['met']} | {count['missed']} "
            f"| {measured['on']}, `{measured['with']}`, load before {measured['load before']} |"
        )
    lines += ["", "## Missed", "", *(missed or ["None."])]
    (folder / "summary.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return total


def _results(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(folder.glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(data, dict) and "measured" in data:
            yield path, data


def _row_words(row: dict[str, Any]) -> str:
    """What tells a row from the others of its table."""
    parts = [
        str(row[k]) for k in ("system", "features", "learner", "what", "command") if row.get(k)
    ]
    neurons = row.get("neurons")
    return ", ".join([*parts, *([f"m = {neurons}"] if neurons else [])])


def _bar_words(bar: dict[str, Any]) -> str:
    fields = ("what", "limit", "measured", "unit", "at_least", "reason")
    return Bar(**{name: bar[name] for name in fields}).words
