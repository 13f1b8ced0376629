"""ELM-PI against Algorithm 1 as printed, on the rows of the paper's Table 1.

    python -m benchmarks.elm [--quick] [--max-seconds S]

Each row runs the reference with the row's m and N, and the learner with a target: the paper's
error or the reference's measured one, whichever is smaller. Errors are maxima against V* at 2N
uniform points. Both programs run side by side in one process, from the same policy u = −2x: the LQR
policy u = −x stops stabilising at the faces of the box, and the reference often diverges from it
(the learner does not). Figures are medians over the seeds. The "turned" rows turn the plant's
coordinates, so that nothing decouples.
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from learners import ElmPolicyIteration
from learners.elm_reference import reference_policy_iteration
from systems import expression as ex
from systems import zoo
from systems.box import Box
from systems.dynamics import ControlAffineSystem
from systems.evaluate import function
from systems.expression import Expression

Array = NDArray[np.float64]
RESULTS = Path(__file__).parent / "results"
SHORT = 2.0
"""Reference runs of at most so many seconds are repeated with other seeds."""
SEEDS = 3
FIRST_GAIN = 2.0

TABLE_1 = (
    # n, m, N, the paper's error, the paper's seconds (Intel Gold 6148)
    (1, 50, 50, 1.54e-10, 0.03),
    (1, 100, 100, 1.14e-10, 0.08),
    (1, 200, 200, 1.25e-11, 0.21),
    (2, 50, 100, 1.26e-01, 0.07),
    (2, 100, 200, 8.75e-04, 0.18),
    (2, 200, 400, 8.37e-07, 0.52),
    (2, 400, 800, 1.79e-08, 1.81),
    (2, 800, 1600, 2.47e-09, 25.94),
    (2, 1600, 3200, 6.10e-10, 184.98),
    (3, 200, 600, 7.65e-02, 0.82),
    (3, 400, 1200, 7.66e-03, 2.62),
    (3, 800, 1600, 1.34e-04, 33.77),
    (3, 1600, 4800, 2.18e-06, 284.53),
    (3, 3200, 9600, 2.58e-07, 3593.61),
    (4, 800, 3200, 2.02e-01, 24.59),
    (4, 1600, 6400, 3.29e-02, 346.79),
    (4, 3200, 12800, 2.92e-03, 4771.60),
)
TURNED = (
    # n, m, N
    (2, 100, 200),
    (2, 200, 400),
    (2, 400, 800),
    (3, 400, 1200),
    (3, 800, 2400),
    (4, 800, 3200),
    (4, 1600, 6400),
)
QUICK_NEURONS = 400


@dataclass(frozen=True)
class Measured:
    """Medians over the seeds; ``seconds`` is all of it, ``solve_seconds`` without the parts that
    both programs share (compiling the system, the LQR policy) and without building expressions.
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


def turned_synthetic(n: int) -> tuple[ControlAffineSystem, Expression]:
    """The synthetic system in coordinates y with x = Ty, T orthogonal, and its V*.

    The box is shrunk so that x stays in the unit ball, where Table 1's box has its inner part.
    """
    turn = np.linalg.qr(np.random.default_rng(7).normal(size=(n, n)))[0]
    y = ex.variable("y", n)
    x = ex.affine(turn, y)
    unit = tuple(tuple(Fraction(int(i == j)) for j in range(n)) for i in range(n))
    system = ControlAffineSystem(
        name=f"synthetic-{n} turned",
        state=y,
        drift=ex.affine(np.ascontiguousarray(turn.T), x**3),
        input_columns=tuple(ex.constant(list(row)) for row in unit),
        domain=Box.symmetric([1.0 / np.sqrt(n)] * n),
        equilibrium=(Fraction(0),) * n,
        equilibrium_input=(Fraction(0),) * n,
        state_cost=ex.total(x**2 + 2 * x**4),
        input_cost=unit,
    )
    return system, ex.total(x**4 + x**2)


def measure_reference(
    system: ControlAffineSystem, optimal: Expression, m: int, points: int
) -> Measured:
    """Algorithm 1 as printed, over the seeds; one seed where it takes long."""
    runs, errors = [], []
    for seed in range(SEEDS):
        run = reference_policy_iteration(
            system, m, points, seed=seed, initial_gain=_first_gain(system)
        )
        x, V = _test_points(system, optimal, points, seed)
        runs.append(run)
        errors.append(float(np.abs(run.value(x) - V).max()))
        if run.seconds > SHORT:
            break
    return Measured(
        m,
        statistics.median(errors),
        max(errors),
        statistics.median(r.seconds for r in runs),
        statistics.median(r.solve_seconds for r in runs),
        statistics.median(r.sum_beta_w for r in runs),
    )


def measure_learner(
    system: ControlAffineSystem, optimal: Expression, m: int, points: int, target: float
) -> Measured:
    """The learner with at most m neurons, told only what residual is wanted."""
    learner_runs, errors = [], []
    for seed in range(SEEDS):
        learner = ElmPolicyIteration(
            neurons=m,
            seed=seed,
            target_residual=target,
            initial_gain=_first_gain(system),
            regularization=float(np.clip(1e-4 * target, 1e-15, 1e-6)),
        )
        began = time.perf_counter()
        candidate = learner.fit(system)
        seconds = time.perf_counter() - began
        x, V = _test_points(system, optimal, points, seed)
        found = function(candidate.value, candidate.state)(x)[0][:, 0]
        errors.append(float(np.abs(found - V).max()))
        learner_runs.append((seconds, candidate.provenance))
    return Measured(
        int(statistics.median(_number(p["neurons"]) for _, p in learner_runs)),
        statistics.median(errors),
        max(errors),
        statistics.median(s for s, _ in learner_runs),
        statistics.median(_number(p["solve_seconds"]) for _, p in learner_runs),
        statistics.median(_number(p["sum_beta_w"]) for _, p in learner_runs),
    )


def _first_gain(system: ControlAffineSystem) -> Array:
    return FIRST_GAIN * np.eye(system.state_dimension)


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)


def _test_points(
    system: ControlAffineSystem, optimal: Expression, points: int, seed: int
) -> tuple[Array, Array]:
    x = system.domain.sample(2 * points, np.random.default_rng([seed, 99]))
    return x, function(optimal, system.state)(x)[0][:, 0]


def estimated_seconds(m: int, points: int, known: list[Row]) -> float:
    """From the largest reference run so far, by the cost N m² of ten factorisations."""
    runs = [(r.points * r.neurons**2, r.reference.seconds) for r in known if r.reference]
    if not runs:
        return 0.0
    work, seconds = max(runs)
    return seconds * points * m**2 / work


def run_row(
    system: ControlAffineSystem,
    optimal: Expression,
    case: tuple[int, int, float | None, float | None],
    known: list[Row],
    max_seconds: float,
) -> Row:
    """Measure one row; the reference is left out where it would take more than max_seconds."""
    m, points, paper_error, paper_seconds = case
    expected = estimated_seconds(m, points, known)
    reference, reason = None, ""
    if expected <= max_seconds:
        reference = measure_reference(system, optimal, m, points)
    else:
        reason = f"not run: about {expected:.0f} s expected, limit {max_seconds:.0f} s"
    errors = [paper_error, reference.error if reference else None]
    target = min(e for e in errors if e is not None)
    ours = measure_learner(system, optimal, m, points, target)
    return Row(system.name, m, points, paper_error, paper_seconds, reference, reason, target, ours)


def tables(rows: list[Row]) -> Table:
    """The rows as a rich table."""
    table = Table(title="ELM-PI: time to reach each error of Table 1 (medians of 3 seeds)")
    headers = (
        "system", "m", "paper error", "paper s", "reference error", "s", "Σ|β||w|",
        "target", "reference reaches it in s", "our error", "s", "neurons", "Σ|β||w|",
        "ratio", "of solving",
    )  # fmt: skip
    for header in headers:
        table.add_column(header, justify="left" if header == "system" else "right")
    for row in rows:
        table.add_row(*_cells(row, rows))
    return table


def reached(row: Row, rows: list[Row]) -> str:
    """How long the reference takes to reach the row's target, with the smallest m that does."""
    same = [r for r in rows if r.system == row.system and r.reference is not None]
    enough = [r.reference for r in same if r.reference and r.reference.error <= row.target]
    if not enough:
        return "never"
    quickest = min(enough, key=lambda r: r.seconds)
    return f"{quickest.seconds:.4f} (m = {quickest.neurons})"


def _cells(row: Row, rows: list[Row]) -> list[str]:
    reference, ours = row.reference, row.ours
    shown = "–" if row.paper_error is None else f"{row.paper_error:.2e}"
    seconds = "–" if row.paper_seconds is None else f"{row.paper_seconds:.2f}"
    theirs = ["not run", "–", "–"]
    if reference is not None:
        weights = f"{reference.sum_beta_w:.1e}"
        theirs = [f"{reference.error:.1e}", f"{reference.seconds:.4f}", weights]
    missed = "" if ours.error <= row.target else " (missed)"
    ratios = ["–" if r is None else f"{r:.1f}×" for r in (row.ratio, row.solve_ratio)]
    return [
        row.system, str(row.neurons), shown, seconds, *theirs, f"{row.target:.1e}",
        reached(row, rows), f"{ours.error:.1e}{missed}", f"{ours.seconds:.4f}", str(ours.neurons),
        f"{ours.sum_beta_w:.1e}", *ratios,
    ]  # fmt: skip


def write_results(rows: list[Row], folder: Path) -> None:
    """elm.json and elm.md."""
    folder.mkdir(parents=True, exist_ok=True)
    data = {
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "rows": [{**asdict(r), "ratio": r.ratio, "solve_ratio": r.solve_ratio} for r in rows],
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
        " the reference's. Ratio: all of the reference's time with the row's m, whether or not it"
        " reaches the target, to all of ours, system compilation and building of the expressions"
        " included; of solving: without those.",
        "",
        "| " + " | ".join(str(c.header) for c in table.columns) + " |",
        "|" + " --- |" * len(table.columns),
    ]
    lines += ["| " + " | ".join(_cells(row, rows)) + " |" for row in rows]
    lines += [f"\n{r.system}, m = {r.neurons}: reference {r.not_run}." for r in rows if r.not_run]
    return "\n".join(lines) + "\n"


@click.command(help=__doc__)
@click.option("--quick", is_flag=True, help=f"Only rows with m up to {QUICK_NEURONS}.")
@click.option("--max-seconds", default=3600.0, show_default=True,
              help="Leave out reference runs that would take longer.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=False)
def main(quick: bool, max_seconds: float, out: Path) -> None:
    """Run the table."""
    largest = QUICK_NEURONS if quick else 10**9
    console = Console(width=200)
    rows: list[Row] = []
    for n, m, points, error, seconds in TABLE_1:
        if m > largest:
            continue
        entry = zoo.ENTRIES[f"synthetic-{n}"]
        system = entry.build()
        assert entry.optimal_value is not None
        optimal = entry.optimal_value(system.state)
        rows.append(run_row(system, optimal, (m, points, error, seconds), rows, max_seconds))
        console.print(" ".join(_cells(rows[-1], rows)), style="dim")
    for n, m, points in TURNED:
        if m <= largest:
            system, optimal = turned_synthetic(n)
            rows.append(run_row(system, optimal, (m, points, None, None), rows, max_seconds))
            console.print(" ".join(_cells(rows[-1], rows)), style="dim")
    console.print(tables(rows))
    write_results(rows, out)


if __name__ == "__main__":
    main()
