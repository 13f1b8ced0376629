"""The evaluation of DLAC on the reactor-separator (section 5.3 of its paper), with baselines.

    python -m benchmarks.reactor [PARTS...] [--controller KEY] [--quick] [--resume] [--out FOLDER]

Tables and figures go to FOLDER (benchmarks/results/reactor/) as evaluation.md, the bars beside it
as reactor.md and reactor.json. Rows are kept as they are measured: --resume leaves out those that
are there, and measures a policy anew when it was trained anew. Policies come from
``python -m benchmarks.reactor_train``; a row whose policy is missing says so. About ten minutes,
nearly all of them NMPC's. --quick tries the harness in a minute, and its figures mean nothing.
"""

from __future__ import annotations

import time
from pathlib import Path

import click
from rich.console import Console

from benchmarks.reactor_controllers import FOLDER, entries
from benchmarks.reactor_page import write_page
from benchmarks.reactor_parts import PARTS, Part, Scale
from benchmarks.reactor_report import Found, bars_report
from benchmarks.report import RESULTS, ROOT, conditions_of_measurement
from benchmarks.reproduce_run import Rows, minutes, run_tasks
from benchmarks.summary import write_summary

QUICK = ROOT / "runs" / "reactor-quick"


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice(list(PARTS)))
@click.option("--controller", "controllers", multiple=True,
              help="Only rows of this controller, such as lqr or dlac-0; repeatable.")  # fmt: skip
@click.option("--quick", is_flag=True, help="Few starts, short courses: a test of the harness.")
@click.option("--resume", is_flag=True, help="Leave out rows that are there already.")
@click.option("--out", type=click.Path(path_type=Path), help="Where results are written.")
def main(
    names: tuple[str, ...],
    controllers: tuple[str, ...],
    quick: bool,
    resume: bool,
    out: Path | None,
) -> None:
    """Run and write."""
    folder = out or (QUICK if quick else FOLDER)
    scale = Scale.of(quick)
    screen = Console(width=160, highlight=False, markup=False)
    words = ["python -m benchmarks.reactor", *names, *(["--quick"] if quick else [])]
    words += [f"--controller {key}" for key in controllers]
    unknown = set(controllers) - {entry.key for entry in entries(folder)}
    if unknown:
        raise click.BadParameter(f"there is no controller {', '.join(sorted(unknown))}")
    conditions = conditions_of_measurement(" ".join(words))
    began = time.perf_counter()
    try:
        _run([PARTS[n] for n in names or PARTS], controllers, scale, folder, resume, screen)
    finally:  # also where the run is cut off
        conditions["took"] = minutes(time.perf_counter() - began)
        found = _found(scale, folder)
        write_page(found, conditions)
        report = bars_report(found)
        beside = RESULTS if folder == FOLDER else folder
        report.write(beside, conditions)
        if beside == RESULTS:
            write_summary(RESULTS)
        screen.print(report.table())
        screen.print(f"written: {folder / 'evaluation.md'}")


def _run(
    parts: list[Part],
    controllers: tuple[str, ...],
    scale: Scale,
    folder: Path,
    resume: bool,
    screen: Console,
) -> None:
    rows = Rows(folder)
    wanted = [task for part in parts for task in part.tasks(scale, folder, controllers)]
    known = [task for part in PARTS.values() for task in part.tasks(scale, folder)]
    if not resume:
        again = {task.identity for task in wanted}
        known = [task for task in known if task.identity not in again]
    for store in {task.store for task in wanted}:
        rows.keep_only(store, known)
    run_tasks(wanted, rows, screen.print)


def _found(scale: Scale, folder: Path) -> Found:
    rows = Rows(folder)
    return Found({p.name: rows.of(p.tasks(scale, folder)) for p in PARTS.values()}, scale, folder)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.reactor")
