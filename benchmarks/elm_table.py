"""The rows of benchmarks.elm as tables: on the terminal, as JSON, as Markdown."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.table import Table


@dataclass(frozen=True)
class Measured:
    """Medians over the seeds; ``seconds`` is all of it, ``solve_seconds`` without the parts that
    both programs share (compiling the system, the first policy) and without building expressions.
    """

    neurons: int
    error: float
    worst_error: float
    seconds: float
    solve_seconds: float
    sum_beta_w: float


@dataclass(frozen=True)
class Row:
    """One line of the table; ``reference`` is None where it was not run, with the reason."""

    system: str
    neurons: int
    points: int
    paper_error: float | None
    paper_seconds: float | None
    reference: Measured | None
    not_run: str
    target: float
    ours: Measured

    @property
    def ratio(self) -> float | None:
        return None if self.reference is None else self.reference.seconds / self.ours.seconds

    @property
    def solve_ratio(self) -> float | None:
        if self.reference is None:
            return None
        return self.reference.solve_seconds / self.ours.solve_seconds


def tables(rows: list[Row]) -> Table:
    """The rows as a rich table."""
    table = Table(title="ELM-PI: time to reach each error of Table 1 (medians of 3 seeds)")
    headers = (
        "system", "m", "paper error", "paper s", "reference error", "solve s", "in all s",
        "Σ|β||w|", "target", "reference reaches it: solve s", "our error", "solve s", "in all s",
        "neurons", "Σ|β||w|", "solve ×", "to target ×", "in all ×",
    )  # fmt: skip
    for header in headers:
        table.add_column(header, justify="left" if header == "system" else "right")
    for row in rows:
        table.add_row(*cells(row, rows))
    return table


def quickest(row: Row, rows: list[Row]) -> Measured | None:
    """The reference's quickest run that reaches the row's target, of all sizes that were run."""
    same = [r.reference for r in rows if r.system == row.system and r.reference is not None]
    enough = [r for r in same if r.error <= row.target]
    return min(enough, key=lambda r: r.solve_seconds) if enough else None


def to_target_ratio(row: Row, rows: list[Row]) -> float | None:
    """Seconds of solving of :func:`quickest` over the learner's; None where it never gets there."""
    reaching = quickest(row, rows)
    return None if reaching is None else reaching.solve_seconds / row.ours.solve_seconds


def cells(row: Row, rows: list[Row]) -> list[str]:
    reference, ours, reaching = row.reference, row.ours, quickest(row, rows)
    shown = "–" if row.paper_error is None else f"{row.paper_error:.2e}"
    seconds = "–" if row.paper_seconds is None else f"{row.paper_seconds:.2f}"
    theirs = ["not run", "–", "–", "–"]
    if reference is not None:
        theirs = [f"{reference.error:.1e}", f"{reference.solve_seconds:.4f}",
                  f"{reference.seconds:.4f}", f"{reference.sum_beta_w:.1e}"]  # fmt: skip
    reached = "never"
    if reaching is not None:
        reached = f"{reaching.solve_seconds:.4f} (m = {reaching.neurons})"
    missed = "" if ours.error <= row.target else " (missed)"
    times = (row.solve_ratio, to_target_ratio(row, rows), row.ratio)
    ratios = ["–" if r is None else f"{r:.1f}" for r in times]
    return [
        row.system, str(row.neurons), shown, seconds, *theirs, f"{row.target:.1e}", reached,
        f"{ours.error:.1e}{missed}", f"{ours.solve_seconds:.4f}", f"{ours.seconds:.4f}",
        str(ours.neurons), f"{ours.sum_beta_w:.1e}", *ratios,
    ]  # fmt: skip


def write_results(rows: list[Row], folder: Path) -> None:
    """elm.json and elm.md."""
    folder.mkdir(parents=True, exist_ok=True)
    data = {
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "rows": [
            {
                **asdict(r),
                "ratio": r.ratio,
                "solve_ratio": r.solve_ratio,
                "to_target_ratio": to_target_ratio(r, rows),
            }
            for r in rows
        ],
    }
    (folder / "elm.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    (folder / "elm.md").write_text(_markdown(rows), encoding="utf-8")


def _markdown(rows: list[Row]) -> str:
    table = tables(rows)
    lines = [
        "# ELM-PI against Algorithm 1 as printed",
        "",
        "Reference: `numpy.linalg.lstsq`, 10 iterations, W, b ~ U[−1, 1], fixed uniform collocation"
        " points; both start from the policy u = −2x. Target: the smaller of the paper's error and"
        " the reference's. Solve ×: the reference's seconds of solving with the row's m, whether or"
        " not it reaches the target, over ours. To target ×: the same for the quickest reference of"
        " any m run here that does reach it. In all ×: with compiling the system, which both do,"
        " and with building the expressions of V and k, which only the learner does.",
        "",
        "| " + " | ".join(str(c.header) for c in table.columns) + " |",
        "|" + " --- |" * len(table.columns),
    ]
    lines += ["| " + " | ".join(cells(row, rows)) + " |" for row in rows]
    lines += [f"\n{r.system}, m = {r.neurons}: reference {r.not_run}." for r in rows if r.not_run]
    return "\n".join(lines) + "\n"
