"""ELM-PI against Algorithm 1 as printed, on the rows of the paper's Table 1.

    python -m benchmarks.elm [--quick] [--max-seconds S]

Each row runs the reference with the row's m and N, and the learner with a target: the paper's
error or the reference's measured one, whichever is smaller. Errors are maxima against V* at 2N
uniform points. Both programs run side by side in one process, from the same policy u = −2x: the LQR
policy u = −x stops stabilising at the faces of the box, and the reference often diverges from it
(the learner does not). The "turned" rows turn the plant's coordinates, so that nothing decouples.

Figures are medians over the seeds; the seconds of one seed are the least of five runs where a run
is short, since a millisecond is easily disturbed. Two pairs of seconds are compared: of solving,
which leaves out what both do (compiling the system, checking the first policy) but keeps what only
one does (finding the structure, the Riccati equation); and in all, where the learner also builds
the expressions of V and k, and the reference nothing but its arrays. Both use one BLAS thread
(--threads), for on a machine with other work a second one makes either of them wait at random.
"""

from __future__ import annotations

import statistics
import time
from fractions import Fraction
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from threadpoolctl import threadpool_limits

from benchmarks.elm_table import Measured, Row, cells, tables, write_results
from certify.candidate import Candidate
from learners import ElmPolicyIteration
from learners.elm_reference import ReferenceSolution, reference_policy_iteration
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
REPEATED, REPEATS = 0.1, 5
"""Runs of at most so many seconds are timed so many times, and the least counts."""
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
        run, seconds, solve_seconds = _reference_run(system, m, points, seed)
        x, V = _test_points(system, optimal, points, seed)
        runs.append((run, seconds, solve_seconds))
        errors.append(float(np.abs(run.value(x) - V).max()))
        if seconds > SHORT:
            break
    return Measured(
        m,
        statistics.median(errors),
        max(errors),
        statistics.median(r[1] for r in runs),
        statistics.median(r[2] for r in runs),
        statistics.median(r[0].sum_beta_w for r in runs),
    )


def _reference_run(
    system: ControlAffineSystem, m: int, points: int, seed: int
) -> tuple[ReferenceSolution, float, float]:
    """One solution with the least seconds, in all and of solving."""

    def once() -> ReferenceSolution:
        gain = _first_gain(system)
        return reference_policy_iteration(system, m, points, seed=seed, initial_gain=gain)

    run = once()
    runs = [run, *(once() for _ in range(REPEATS - 1) if run.seconds <= REPEATED)]
    return run, min(r.seconds for r in runs), min(r.solve_seconds for r in runs)


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
        candidate, seconds, solve_seconds = _learner_run(learner, system)
        x, V = _test_points(system, optimal, points, seed)
        found = function(candidate.value, candidate.state)(x)[0][:, 0]
        errors.append(float(np.abs(found - V).max()))
        learner_runs.append((seconds, solve_seconds, candidate.provenance))
    return Measured(
        int(statistics.median(_number(p["neurons"]) for _, _, p in learner_runs)),
        statistics.median(errors),
        max(errors),
        statistics.median(s for s, _, _ in learner_runs),
        statistics.median(s for _, s, _ in learner_runs),
        statistics.median(_number(p["sum_beta_w"]) for _, _, p in learner_runs),
    )


def _learner_run(
    learner: ElmPolicyIteration, system: ControlAffineSystem
) -> tuple[Candidate, float, float]:
    """One candidate with the least seconds, in all and of solving."""
    timed: list[tuple[float, float]] = []
    candidate: Candidate | None = None
    while not timed or (timed[0][0] <= REPEATED and len(timed) < REPEATS):
        began = time.perf_counter()
        candidate = learner.fit(system)
        timed.append((time.perf_counter() - began, _number(candidate.provenance["solve_seconds"])))
    assert candidate is not None
    return candidate, min(t[0] for t in timed), min(t[1] for t in timed)


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


@click.command(help=__doc__)
@click.option("--quick", is_flag=True, help=f"Only rows with m up to {QUICK_NEURONS}.")
@click.option("--max-seconds", default=3600.0, show_default=True,
              help="Leave out reference runs that would take longer.")  # fmt: skip
@click.option("--threads", default=1, show_default=True, help="BLAS threads, of both programs.")
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=False)
def main(quick: bool, max_seconds: float, threads: int, out: Path) -> None:
    """Run the table."""
    console = Console(width=200)
    with threadpool_limits(threads, user_api="blas"):
        rows = run_rows(QUICK_NEURONS if quick else 10**9, max_seconds, console)
    console.print(tables(rows))
    write_results(rows, out)


def run_rows(largest: int, max_seconds: float, console: Console) -> list[Row]:
    """All rows with at most ``largest`` neurons."""
    rows: list[Row] = []
    for n, m, points, error, seconds in TABLE_1:
        if m > largest:
            continue
        entry = zoo.ENTRIES[f"synthetic-{n}"]
        system = entry.build()
        assert entry.optimal_value is not None
        optimal = entry.optimal_value(system.state)
        rows.append(run_row(system, optimal, (m, points, error, seconds), rows, max_seconds))
        console.print(" ".join(cells(rows[-1], rows)), style="dim")
    for n, m, points in TURNED:  # without the reference such a row has no target
        if m <= largest and estimated_seconds(m, points, rows) <= max_seconds:
            system, optimal = turned_synthetic(n)
            rows.append(run_row(system, optimal, (m, points, None, None), rows, max_seconds))
            console.print(" ".join(cells(rows[-1], rows)), style="dim")
    return rows


if __name__ == "__main__":
    main()
