"""What the evaluation has found: evaluation.md with its figures, and the bars."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reactor_controllers import Entry, entries, record_file
from benchmarks.reactor_parts import PUBLISHED, Scale
from benchmarks.report import Bar, Report, Row
from benchmarks.reproduce_part import is_measured, markdown_table, why_not
from benchmarks.reproduce_run import Data

TRAINING_MINUTES = 30
CHEAPER = 1000
RIVALS = (("pi", "cost"), ("nmpc-15", "cost_of_few"), ("nmpc-40", "cost_of_few"))
"""Whose cost of the schedule is DLAC's bar, and over which seeds."""


class Found:
    """The rows of all parts, asked for by controller and case; the trainings' records."""

    def __init__(self, rows: Mapping[str, Sequence[Data]], scale: Scale, folder: Path) -> None:
        self.scale, self.folder, self._rows = scale, folder, rows
        self.records = {
            entry.key: json.loads(record_file(entry.key, folder).read_text(encoding="utf-8"))
            for entry in entries(folder)
            if entry.learner is not None and record_file(entry.key, folder).exists()
        }

    def row(self, part: str, key: str, **case: object) -> Data | None:
        """The row of a controller, also where it is not measured and says why."""
        for row in self._rows.get(part, ()):
            known = row["key"]
            if known["controller"] == key and all(known.get(k) == v for k, v in case.items()):
                return row
        return None

    def measured(self, part: str, key: str, **case: object) -> Data | None:
        row = self.row(part, key, **case)
        return row if is_measured(row) else None

    def trials(self, learner: str) -> list[Data]:
        return [r for r in self.records.values() if r["learner"] == learner]

    def chosen(self, learner: str) -> str | None:
        """The trial that tracks 11 references, without noise and with other starts, at the least
        cost after its training: chosen by nothing that is judged here."""
        trials = self.trials(learner)
        if not trials:
            return None
        best = min(trials, key=lambda r: r["evaluation"]["evaluation_cost"])
        return f"{learner}-{best['trial']}"

    def shown(self) -> list[Entry]:
        """The rows of the tables: the baselines, and of every learner the chosen trial."""
        kept = [self.chosen("lac") or "lac-0", self.chosen("dlac") or "dlac-0"]
        return [e for e in entries(self.folder) if e.learner is None or e.key in kept]


# Figures of one controller.


def _hours(found: Found, part: str, key: str, noise: str) -> list[np.ndarray[Any, Any] | None]:
    """Settling times for each published reference; infinite where it has not settled."""
    out: list[np.ndarray[Any, Any] | None] = []
    for number in PUBLISHED:
        row = found.measured(part, key, noise=noise, reference=number)
        hours = None if row is None else [np.inf if h is None else h for h in row["hours"]]
        out.append(None if hours is None else np.array(hours))
    return out


def _each(values: Sequence[Any], form: str = "{}") -> str:
    return " / ".join("–" if v is None else form.format(v) for v in values)


def _quantile(hours: np.ndarray[Any, Any] | None, q: float) -> str | None:
    """Of all starts; a start that has not settled is later than any that has."""
    if hours is None:
        return None
    value = float(np.quantile(hours, q, method="higher"))
    return f"{value:.2f}" if np.isfinite(value) else "never"


def _settled(hours: np.ndarray[Any, Any] | None, limit: float) -> str | None:
    return None if hours is None else f"{int((hours <= limit + 1e-9).sum())}"


def _late(hours: float | None) -> str:
    return "never" if hours is None else f"{hours:.2f}"


def _number(row: Data | None, key: str, form: str = "{:.1f}") -> str:
    value = None if row is None else row.get(key)
    return "–" if value is None else form.format(value)


# The tables.


def settling_table(found: Found, noise: str) -> list[str]:
    """Settled within 1 h and 2.5 h, median, 95th percentile, overshoot and cost."""
    lines, few = [], found.scale.few
    for entry in found.shown():
        first = found.row("stability", entry.key, noise=noise, reference=1)
        hours = _hours(found, "stability", entry.key, noise)
        if all(h is None for h in hours):
            lines.append([entry.name, why_not(first), *[""] * 7])
            continue
        rows = [found.measured("stability", entry.key, noise=noise, reference=k) for k in PUBLISHED]
        lines.append([
            entry.name,
            str(next(len(h) for h in hours if h is not None)),
            _each([_settled(h, 1.0) for h in hours]),
            _each([_settled(h, 2.5) for h in hours]),
            _each([_quantile(h, 0.5) for h in hours]),
            _each([_quantile(h, 0.95) for h in hours]),
            _each([r and float(np.median(r["overshoots"])) for r in rows], "{:.1f}"),
            _each([r and float(np.median(r["overshoots"][:few])) for r in rows], "{:.1f}"),
            _each([None if r is None else r["cost_of_few"] for r in rows], "{:.1f}"),
        ])  # fmt: skip
    return markdown_table(
        (
            "controller", "starts", "settled in 1 h", "in 2.5 h", "median, h", "95 %, h",
            "overshoot, K", f"of the first {few}", f"cost, first {few}",
        ),
        lines,
    )  # fmt: skip


def robustness_table(found: Found) -> list[str]:
    lines = []
    for entry in found.shown():
        rows = [found.measured("robustness", entry.key, reference=k) for k in PUBLISHED]
        if not any(rows):
            why = why_not(found.row("robustness", entry.key, reference=1))
            lines.append([entry.name, why, *[""] * 5])
            continue

        def of(key: str, form: str, rows: list[Data | None] = rows) -> str:
            return _each([None if r is None else r[key] for r in rows], form)

        counts = [r["key"]["count"] for r in rows if r is not None]
        enough = counts[0] == found.scale.starts  # the mean of a few is mostly noise
        means = [_late(r["mean_hours"]) if r is not None and enough else None for r in rows]
        lines.append([
            entry.name, str(counts[0]), _each(means), of("rms_temperature", "{:.2f}"),
            of("rms_fraction", "{:.4f}"), of("cost_of_few", "{:.1f}"), of("unphysical", "{}"),
        ])  # fmt: skip
    return markdown_table(
        (
            "controller", "starts", "mean trajectory settled, h", "rms in the last hour, K",
            "rms, fractions", f"cost, first {found.scale.few}", "states outside of [0, 1]",
        ),
        lines,
    )  # fmt: skip


def schedule_table(found: Found) -> list[str]:
    lines = []
    for entry in found.shown():
        rows = [found.measured("schedule", entry.key, noise=noise) for noise in ("w1", "w2")]
        if not any(rows):
            why = why_not(found.row("schedule", entry.key, noise="w1"))
            lines.append([entry.name, why, *[""] * 5])
            continue
        hours = [None] * 3 if rows[0] is None else [_late(h) for h in rows[0]["mean_hours"]]
        lines.append([
            entry.name,
            *(f"{r['cost']:.1f} ± {r['cost_deviation']:.1f} ({r['key']['count']})" if r else "–"
              for r in rows),
            *(_number(r, "cost_of_few", "{:.2f}") for r in rows),
            _each(hours),
            _each(rows[0]["overshoots"] if rows[0] else [None] * 3, "{:.1f}"),
        ])  # fmt: skip
    few = found.scale.few_seeds
    return markdown_table(
        (
            "controller", "cost, σ_w1 (seeds)", "cost, σ_w2 (seeds)",
            f"σ_w1, first {few}", f"σ_w2, first {few}",
            "settled after each change, σ_w1, h", "overshoot, σ_w1, K",
        ),
        lines,
    )  # fmt: skip


def compute_table(found: Found) -> list[str]:
    nmpc = _microseconds(found, "nmpc-15")
    lines = []
    for entry in found.shown():
        row = found.measured("compute", entry.key)
        python, compiled = _number(row, "microseconds", "{:.3g}"), "–"
        ratios = ["–", "–"]
        if row is not None:
            compiled = _number(row, "compiled_microseconds", "{:.3g}")
            if nmpc is not None:
                ratios = [
                    f"{nmpc / row[k]:,.0f}" if row[k] else "–"
                    for k in ("microseconds", "compiled_microseconds")
                ]
        lines.append([entry.name, python, ratios[0], compiled, ratios[1]])
    return markdown_table(
        (
            "controller", "a step from Python, µs", "NMPC 15 / it", "as exported C, µs",
            "NMPC 15 / it",
        ),
        lines,
    )  # fmt: skip


def trials_table(found: Found) -> list[str]:
    """Every trial of the learners: how it ended, and how it does."""
    lines = []
    for entry in entries(found.folder):
        record = found.records.get(entry.key)
        if entry.learner is None or record is None:
            continue
        hours = _hours(found, "stability", entry.key, "none")
        spread = found.measured("spread", entry.key)
        late = None if spread is None else np.array(
            [np.inf if h is None else h for h in spread["hours"]]
        )  # fmt: skip
        costs = [found.measured("schedule", entry.key, noise=n) for n in ("w1", "w2")]
        errors = record["evaluation"]
        lines.append([
            entry.name + (" (chosen)" if entry.key == found.chosen(entry.learner) else ""),
            f"{record['seconds'] / 60:.1f}",
            f"{errors['evaluation_cost']:.2f}",
            f"{errors['error[K]']:.2g}", f"{errors['error']:.2g}",
            _each([_settled(h, 1.0) for h in hours]),
            _each([_quantile(h, 0.5) for h in hours]),
            "–" if late is None else f"{int((late <= 1.0).sum())} of {len(late)}",
            *(_number(r, "cost", "{:.2f}") for r in costs),
        ])  # fmt: skip
    if not lines:
        return ["", "Nothing is trained yet: `python -m benchmarks.reactor_train dlac`."]
    return markdown_table(
        (
            "trial", "training, min", "cost on 11 references", "worst error, K",
            "worst error, fraction", "settled in 1 h", "median, h", "of 11 references' starts",
            "schedule, σ_w1", "σ_w2",
        ),
        lines,
    )  # fmt: skip


def _microseconds(found: Found, key: str, which: str = "microseconds") -> float | None:
    row = found.measured("compute", key)
    return None if row is None else row[which]


# The bars.


def bars(found: Found) -> Iterator[Row]:
    """DLAC's, of the chosen trial; where it is not trained they are missed, and say so."""
    key = found.chosen("dlac")
    name = key or "dlac"
    reason = "" if key else "not trained"
    for noise, said in (("none", "without noise"), ("w1", "under σ_w1")):
        hours = _hours(found, "stability", name, noise)
        counts = [None if h is None else float((h <= 1.0 + 1e-9).sum()) for h in hours]
        known = [c for c in counts if c is not None]
        worst = min(known) if len(known) == len(PUBLISHED) else None
        yield _bar_row(
            f"settles within 1 h from all starts, {said}",
            _each(counts, "{:.0f}"),
            Bar("starts settled, worst reference", found.scale.starts, worst, "", True, reason),
        )
    for noise in ("w1", "w2"):
        own = found.measured("schedule", name, noise=noise)
        for other, field in RIVALS:
            rival = found.measured("schedule", other, noise=noise)
            if rival is None:
                continue
            yield _bar_row(
                f"cost of the schedule against {other}, σ_{noise}",
                _number(own, field, "{:.2f}"),
                Bar("cost", rival[field], None if own is None else own[field], "", reason=reason),
            )  # fmt: skip
    rival = _microseconds(found, "nmpc-15")
    for which, said in (("microseconds", "called from Python"),
                        ("compiled_microseconds", "as exported C")):  # fmt: skip
        mine = _microseconds(found, name, which)
        if rival is not None:
            ratio = None if not mine else rival / mine
            yield _bar_row(
                f"a step against NMPC's (horizon 15), {said}",
                "–" if ratio is None else f"{ratio:,.0f} times cheaper",
                Bar("times cheaper", CHEAPER, ratio, "", True, reason),
            )
    seconds = [r["seconds"] for r in found.trials("dlac")]
    longest = max(seconds) / 60 if seconds else None
    yield _bar_row(
        "training of one trial", "–" if longest is None else f"{longest:.1f} min",
        Bar("longest of the trials", TRAINING_MINUTES, longest, "min", reason=reason),
    )  # fmt: skip


def _bar_row(what: str, measured: str, bar: Bar) -> Row:
    return Row((what, measured), {"what": what}, (bar,))


def bars_report(found: Found) -> Report:
    return Report(
        "reactor", "The reactor-separator: DLAC's bars", NOTES, ("what", "DLAC, chosen trial"),
        list(bars(found)),
    )  # fmt: skip


NOTES = (
    "From `python -m benchmarks.reactor`; tables of every controller, and figures 3 to 8: "
    "[reactor/evaluation.md](reactor/evaluation.md).",
    "The chosen trial is the one of five that tracks 11 references at the least cost after its "
    "training, on starts that are not used here.",
)
