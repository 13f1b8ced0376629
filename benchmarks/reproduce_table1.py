"""Table 1: the synthetic system in 1 to 12 dimensions, errors against V* and seconds."""

from __future__ import annotations

import statistics
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.elm import measure_learner
from benchmarks.reproduce_learners import Controller, train
from benchmarks.reproduce_measure import number, seconds_words
from benchmarks.reproduce_paper import SOURCE, TABLE_1
from benchmarks.reproduce_part import Part, Scale, find, is_measured, markdown_table, why_not
from benchmarks.reproduce_run import Data, Task
from certify.candidate import Candidate
from systems import zoo
from systems.evaluate import function
from systems.zoo.entry import Entry

STORE = "table-1"
WANTED_RESIDUAL = 1e-8
"""ELM-PI with adapted features stops adding neurons at this HJB residual, or at the paper's error
where that is smaller."""
UNIFORM_UP_TO = 800
UNIFORM_DIMENSIONS = 4
"""The paper's own features, W, b ~ U[−1, 1], where they take seconds."""
PINN_NEURONS = {n: max(50, 25 * n) for n in range(1, 13)}
"""PINN-PI runs once for a dimension: the paper's error hardly depends on m."""
QUICK = {(1, 50), (2, 50)}
PINN_SECONDS = {n: 1.0 + n for n in range(1, 13)}


def tasks(scale: Scale) -> list[Task]:
    """One row for every m of ELM-PI, of either kind of features; one of PINN-PI a dimension."""
    out = []
    chosen = [row for row in TABLE_1 if not scale.quick or (row.n, row.m) in QUICK]
    for row in chosen:
        target = min(WANTED_RESIDUAL, row.elm_error or WANTED_RESIDUAL)
        points = min(row.points, 10_000 * row.n)
        key = {"system": f"synthetic-{row.n}", "learner": "elm-pi", "size": row.m}
        work = partial(adapted, row.n, row.m, points, target)
        out.append(Task(STORE, {**key, "features": "adapted", "target": target}, 3.0, work))
        if row.m <= UNIFORM_UP_TO and row.n <= UNIFORM_DIMENSIONS:
            uniform = Controller("elm-pi", row.m, "uniform")
            work = partial(accuracy, uniform, row.n, scale.runs)
            out.append(Task(STORE, {**key, **uniform.key, "runs": scale.runs}, 3.0, work))
    for n in sorted({row.n for row in chosen}):
        size, iterations = (10, 3) if scale.quick else (PINN_NEURONS[n], 10)
        pinn = Controller("pinn-pi", size, iterations=iterations)
        work = partial(accuracy, pinn, n, scale.runs)
        key = {"system": f"synthetic-{n}", **pinn.key, "runs": scale.runs}
        out.append(Task(STORE, key, PINN_SECONDS[n] * scale.runs, work))
    return out


def adapted(n: int, m: int, points: int, target: float) -> Data:
    """Medians over three seeds; errors at 2N points."""
    entry = zoo.entry(f"synthetic-{n}")
    system = entry.build()
    assert entry.optimal_value is not None
    found = measure_learner(system, entry.optimal_value(system.state), m, points, target)
    return {
        "error": found.error, "worst_error": found.worst_error, "training_seconds": found.seconds,
        "neurons": found.neurons,
    }  # fmt: skip


def accuracy(controller: Controller, n: int, runs: int) -> Data:
    """The largest error at 2N uniform points, N = m n, of each seed; medians."""
    entry = zoo.entry(f"synthetic-{n}")
    system = entry.build()
    training = train(entry, system, controller, runs)
    points = 2 * controller.size * n
    errors = [_error(entry, c, points, seed) for seed, c in enumerate(training.candidates)]
    return {
        **training.data(), "error": statistics.median(errors), "worst_error": max(errors),
        "errors": errors, "neurons": controller.size,
    }  # fmt: skip


def _error(entry: Entry, candidate: Candidate, points: int, seed: int) -> float:
    system = entry.build()
    assert entry.optimal_value is not None
    x = system.domain.sample(points, np.random.default_rng([seed, 99]))
    wanted = entry.optimal_value(system.state)
    found, true = function([candidate.on(system).value, wanted], system.state)(x)
    return float(np.abs(found - true).max())


COLUMNS = (
    "n", "m", "paper: ELM-PI error", "s", "**ours: ELM-PI error**", "s", "neurons used",
    "ours, uniform features: error", "s", "paper: PINN-PI error", "s", "**ours: PINN-PI error**",
    "s", "neurons", "runs",
)  # fmt: skip


def write(rows: list[Data], out: Path) -> list[str]:
    """Ours beside theirs, in the order of the paper's rows."""
    lines = []
    for paper in TABLE_1:
        name = f"synthetic-{paper.n}"
        ours = find(rows, system=name, size=paper.m, features="adapted", learner="elm-pi")
        plain = find(rows, system=name, size=paper.m, features="uniform", learner="elm-pi")
        pinn = find(rows, system=name, learner="pinn-pi")
        first = not lines or lines[-1][0] != str(paper.n)
        if ours is None and pinn is None:
            continue
        lines.append((
            str(paper.n), str(paper.m),
            number(paper.elm_error), number(paper.elm_seconds, "g"), *_cells(ours, "neurons"),
            *(_cells(plain) if plain else ("–", "–")),
            number(paper.pinn_error), number(paper.pinn_seconds, "g"),
            *(_cells(pinn, "neurons", "runs") if first else ("″",) * 4),
        ))  # fmt: skip
    return [*NOTES, *markdown_table(COLUMNS, lines)]


def _cells(row: Data | None, *more: str) -> tuple[str, ...]:
    if row is None or not is_measured(row):
        return why_not(row), "–", *("–" for _ in more)
    error = f"{row['error']:.2e}"
    if row["worst_error"] > 10 * row["error"]:
        error += f" (worst seed {row['worst_error']:.1e})"
    return error, seconds_words(row["training_seconds"]), *(str(row[name]) for name in more)


NOTES = [
    "The largest error against V\\* = Σ(xᵢ⁴ + xᵢ²) at 2N uniform test points, and seconds for all "
    "of the training; medians over the seeds 0, 1, 2, with the worst seed where it is ten times "
    f"worse. Published figures: {SOURCE}, Table 1 (ELM-PI on an Intel Gold 6148, PINN-PI on a "
    "V100).",
    "",
    "Our ELM-PI may use up to m neurons and is told to stop at an HJB residual of "
    f"{WANTED_RESIDUAL:g} (or the paper's error where that is smaller); it finds out that the "
    "plant decouples, which the paper's features, W, b ~ U[−1, 1], cannot: ours with those are "
    f"beside it, up to n = {UNIFORM_DIMENSIONS}, m = {UNIFORM_UP_TO}. PINN-PI has one size for "
    "each n; it trains the states one after the other, since they decouple. ELM-PI with adapted "
    "features starts from u = −2x, the others from LQR.",
]

PART = Part("table-1", "Table 1: the synthetic system, n = 1 … 12", tasks, write)
