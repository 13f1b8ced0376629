"""The learner against Algorithm 1 as printed, beside its bar; the table itself is elm.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks import elm
from benchmarks.report import Bar, Report, Row
from benchmarks.settings import Settings

RATIO = 5.0
COLUMNS = ("system", "m", "target error", "reference", "ours", "our error", "in all", "solving",
           "to target")  # fmt: skip
NOTES = (
    "From elm.json, one run, side by side; elm.md has the whole table and says how it is measured.",
    "Target: the smaller of the paper's error and the reference's. In all: the reference's time "
    "with the row's m, whether or not it reaches the target, over ours; solving: the same without "
    "compiling the system and building expressions; to target: solving, against the quickest "
    "reference of any m that reaches it. Where our error misses the target the bar is missed. The "
    "turned systems are not in the paper's table and have no bar.",
)


def run(settings: Settings) -> Iterator[Report]:
    """Run benchmarks.elm, then put its ratios beside the bar."""
    limit = settings.seconds(3600.0, 60.0)
    arguments = ["--out", str(settings.out), "--max-seconds", str(limit)]
    if settings.quick:
        arguments.append("--quick")
    elm.main.main(args=arguments, standalone_mode=False)
    data = json.loads((settings.out / "elm.json").read_text(encoding="utf-8"))
    rows = [row_of(row) for row in data["rows"]]
    yield Report("elm_bars", "ELM-PI against Algorithm 1 as printed", NOTES, COLUMNS, rows)


def row_of(row: Mapping[str, Any]) -> Row:
    """One row of elm.json beside the bar."""
    ours, reference = row["ours"], row["reference"]
    reached = ours["error"] <= row["target"]
    reason = row["not_run"] or f"our error {ours['error']:.1e} misses the target"
    ratios = {"in all": row["ratio"], "solving": row["solve_ratio"]}
    bars = [
        Bar(what, RATIO, ratio if reached else None, unit="×", at_least=True, reason=reason)
        for what, ratio in ratios.items()
        if row["paper_error"] is not None
    ]
    shown = (*ratios.values(), row["to_target_ratio"])
    cells = (
        row["system"], str(row["neurons"]), f"{row['target']:.1e}",
        "not run" if reference is None else f"{reference['seconds']:.4f} s",
        f"{ours['seconds']:.4f} s", f"{ours['error']:.1e}",
        *("–" if r is None else f"{r:.1f}×" for r in shown),
    )  # fmt: skip
    return Row(cells, row, bars)
