"""The tables and figures of arXiv 2402.10119, ours beside theirs, and a table of every system.

    python -m benchmarks.reproduce [NAMES...] [--quick] [--resume] [--out FOLDER]

Everything goes to FOLDER: reproduction.md shows all of it, rows/*.jsonl hold every row with its
settings, written as it is measured. A run that is cut off leaves what it has; --resume goes on
from there. Do not run anything else meanwhile. --quick tries the harness, in two minutes, and its
figures mean nothing; it writes to runs/reproduction-quick.
"""

from __future__ import annotations

import time
from pathlib import Path

import click
from rich.console import Console

from benchmarks import (
    reproduce_bilinear,
    reproduce_costs,
    reproduce_lorenz,
    reproduce_pendulum,
    reproduce_systems,
    reproduce_table1,
    reproduce_table2,
    reproduce_table3,
)
from benchmarks.measure import warm_up
from benchmarks.report import RESULTS, ROOT, conditions_of_measurement
from benchmarks.reproduce_part import Part, Scale
from benchmarks.reproduce_report import write_report
from benchmarks.reproduce_run import Rows, minutes, run_tasks

PARTS: dict[str, Part] = {
    part.name: part
    for part in (
        reproduce_table1.PART,
        reproduce_table2.PART,
        reproduce_table3.PART,
        reproduce_systems.PART,
        reproduce_pendulum.COSTS,
        reproduce_pendulum.LEVELS,
        reproduce_pendulum.ITERATIONS_PART,
        reproduce_costs.COSTS,
        reproduce_costs.TRAJECTORIES,
        reproduce_bilinear.PART,
        reproduce_lorenz.PART,
    )
}
DEFAULT, QUICK = RESULTS / "reproduction", ROOT / "runs" / "reproduction-quick"


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice(list(PARTS)))
@click.option("--quick", is_flag=True, help="Few rows, one run each: a test of the harness.")
@click.option("--resume", is_flag=True, help="Leave out rows that are there already.")
@click.option("--out", type=click.Path(path_type=Path), help="Where results are written.")
def main(names: tuple[str, ...], quick: bool, resume: bool, out: Path | None) -> None:
    """Run and write."""
    folder = out or (QUICK if quick else DEFAULT)
    scale = Scale.of(quick)
    screen = Console(width=200, highlight=False, markup=False)
    words = ["python -m benchmarks.reproduce", *names, *(["--quick"] if quick else [])]
    conditions = conditions_of_measurement(" ".join(words))
    began = time.perf_counter()
    try:
        _run([PARTS[name] for name in names or PARTS], scale, folder, resume, screen)
    finally:  # also where the run is cut off
        conditions["took"] = minutes(time.perf_counter() - began)
        write_report(list(PARTS.values()), scale, Rows(folder), folder, conditions)
        screen.print(f"written: {folder / 'reproduction.md'}")


def _run(parts: list[Part], scale: Scale, folder: Path, resume: bool, screen: Console) -> None:
    rows = Rows(folder)
    wanted = [task for part in parts for task in part.tasks(scale)]
    known = [task for part in PARTS.values() for task in part.tasks(scale)]
    if not resume:
        again = {task.identity for task in wanted}
        known = [task for task in known if task.identity not in again]
    for store in {task.store for task in wanted}:
        rows.keep_only(store, known)
    screen.print(f"kernels compiled or loaded in {warm_up():.1f} s")
    run_tasks(wanted, rows, screen.print)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.reproduce")
