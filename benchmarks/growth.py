"""How the time of a proof grows with the dimension n, the neurons m and the Taylor order K."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.elm import turned_synthetic
from benchmarks.measure import Timed, milliseconds, requested_of, timed
from benchmarks.report import Report, Row
from benchmarks.settings import Settings
from certify import Budget, Claim, Proved, Requested, search
from certify.branch_and_bound import engine_of
from certify.stability import StabilityProblem
from learners import ElmPolicyIteration
from systems import zoo

PICTURE = "growth.png"
COLUMNS = ("series", "n", "m", "K", "verdict", "seconds", "of them searching", "boxes")
NOTES = (
    "With n: m = 400, all five conditions; synthetic with the paper's constants and features "
    "adapted to it, and the turned system, where nothing decouples, with constants searched for.",
    "With m: all five conditions, the paper's constants, features adapted to the plant.",
    "With K: the decrease condition alone, the paper's constants, the paper's uniform features, "
    "the order fixed (else it is the engine's choice).",
    "One run each; what was not proved in the time limit is left out of the picture.",
)
BY_DIMENSION_NEURONS = 400


@dataclass(frozen=True)
class Point:
    """One measurement; ``order`` is None where the engine chose it."""

    axis: str
    series: str
    n: int
    neurons: int
    order: int | None
    verdict: str
    seconds: float
    search_seconds: float
    boxes: int

    @property
    def x(self) -> int:
        return {"n": self.n, "m": self.neurons, "K": self.order or 0}[self.axis]

    def row(self) -> Row:
        cells = (
            self.series, str(self.n), str(self.neurons), str(self.order or "chosen"), self.verdict,
            milliseconds(self.seconds), milliseconds(self.search_seconds), str(self.boxes),
        )  # fmt: skip
        return Row(cells, asdict(self))


def run(settings: Settings) -> Iterator[Report]:
    """The table and the picture."""
    points = []
    for point in _points(settings):
        points.append(point)
        settings.say("  ".join(point.row().cells))
    pictures = []
    settings.out.mkdir(parents=True, exist_ok=True)
    if draw(points, settings.out / PICTURE):
        pictures.append(PICTURE)
    else:
        settings.say("no picture: matplotlib is missing (pip install 'stableproof[report]')")
    yield Report(
        "growth", "Growth of the time with n, m and K", NOTES, COLUMNS,
        [p.row() for p in points], pictures,
    )  # fmt: skip


def _points(settings: Settings) -> Iterator[Point]:
    limit = settings.seconds(120.0, 10.0)
    m = min(BY_DIMENSION_NEURONS, settings.most_neurons or BY_DIMENSION_NEURONS)
    for n in (1, 2, 3, 4) if settings.quick else (1, 2, 3, 4, 5, 6):
        yield _whole("n", f"synthetic, m = {m}", n, m, limit)
        if n > 1:
            yield _whole("n", f"turned, m = {m}", n, m, limit, turned=True)
    for n in (2, 3):
        for m in settings.sizes((50, 100, 200, 400, 800, 1600, 3200, 6400), (50, 200, 800)):
            yield _whole("m", f"synthetic, n = {n}", n, m, limit)
    for n, m in ((2, 400), (3, 800)):
        m = min(m, settings.most_neurons or m)
        yield from _by_order(n, m, limit)


def _whole(axis: str, series: str, n: int, m: int, limit: float, turned: bool = False) -> Point:
    entry = zoo.entry(f"synthetic-{n}")
    system = turned_synthetic(n)[0] if turned else entry.build()
    candidate = ElmPolicyIteration(neurons=m, seed=0).fit(system)
    asked = Requested() if turned else requested_of(entry.verification, Claim.ASYMPTOTIC_STABILITY)
    found: Timed = timed(system, candidate, asked, limit, 1)
    return Point(
        axis, series, n, m, None, found.verdict, found.seconds, found.search_seconds,
        found.result.boxes,
    )  # fmt: skip


def _by_order(n: int, m: int, limit: float) -> Iterator[Point]:
    entry = zoo.entry(f"synthetic-{n}")
    system = entry.build()
    candidate = ElmPolicyIteration(neurons=m, features="uniform", seed=0).fit(system)
    k = entry.verification
    assert k.c1 is not None and k.c2 is not None and k.mu is not None
    condition = StabilityProblem(system, candidate).decrease(k.c1, k.c2, k.mu)
    engine = engine_of(condition)
    for order in engine.orders:
        search(condition, Budget(limit, boxes=1), engine=engine, order=order)  # prepares the order
        began = time.perf_counter()
        found = search(condition, Budget(limit), engine=engine, order=order)
        seconds = time.perf_counter() - began
        verdict = type(found.verdict).__name__.lower()
        series = f"decrease, n = {n}, m = {m}"
        yield Point("K", series, n, m, order, verdict, seconds, found.seconds, found.boxes)


def draw(points: list[Point], path: Path) -> bool:
    """The picture; False where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return False
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    axes: Any = figure.subplots(1, 3)
    names = {"n": "dimension n", "m": "neurons m", "K": "Taylor order K"}
    for ax, (axis, label) in zip(axes, names.items(), strict=True):
        here = [p for p in points if p.axis == axis and p.verdict == Proved.__name__.lower()]
        for series in dict.fromkeys(p.series for p in here):
            mine = [p for p in here if p.series == series]
            ax.plot([p.x for p in mine], [p.seconds for p in mine], marker="o", label=series)
        ax.set_xlabel(label)
        if axis != "m":
            ax.set_xticks(sorted({p.x for p in here}))
        ax.set_yscale("log")
        if axis == "m":
            ax.set_xscale("log", base=2)
        ax.grid(True, which="major", alpha=0.3)
        if here:
            ax.legend(fontsize=8)
    axes[0].set_ylabel("seconds to the proof")
    figure.savefig(path, dpi=130)
    return True
