"""Run the benchmarks: all of them, or those that are named.

    python -m benchmarks [NAMES...] [--quick] [--out FOLDER]

Tables go to the terminal, and with machine, versions, date and command to FOLDER
(benchmarks/results/) as NAME.json and NAME.md; summary.md there lists every bar. Bars are judged
from the figures just measured. Do not run anything else meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from rich.console import Console

from benchmarks import (
    backends,
    checker,
    commands,
    deep,
    dimensions,
    elm_bars,
    environments,
    fuzz_checker,
    galerkin,
    growth,
    lac,
    mutations,
    pinn,
    proofs,
    single_systems,
    zubov,
)
from benchmarks.measure import warm_up
from benchmarks.report import RESULTS, Report, conditions_of_measurement
from benchmarks.settings import Settings
from benchmarks.summary import write_summary

BENCHMARKS: dict[str, Callable[[Settings], Iterator[Report]]] = {
    "proofs": proofs.run,
    "backends": backends.run,
    "deep": deep.run,
    "single_systems": single_systems.run,
    "commands": commands.run,
    "dimensions": dimensions.run,
    "growth": growth.run,
    "elm": elm_bars.run,
    "pinn": pinn.run,
    "zubov": zubov.run,
    "galerkin": galerkin.run,
    "environments": environments.run,
    "lac": lac.run,
    "checker": checker.run,
    "mutations": mutations.run,
    "fuzz_checker": fuzz_checker.run,
}


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHMARKS)))
@click.option("--quick", is_flag=True, help="Few sizes, one repeat, short time limits.")
@click.option("--system", "systems", multiple=True, help="Only rows about this system; repeatable.")
@click.option("--most-neurons", type=click.IntRange(min=1), help="Only networks up to this size.")
@click.option("--time-limit", type=click.FloatRange(min=0.1),
              help="Seconds for every search that fills its time.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=False,
              help="Where results are written.")  # fmt: skip
@click.pass_context
def main(
    context: click.Context,
    names: tuple[str, ...],
    quick: bool,
    systems: tuple[str, ...],
    most_neurons: int | None,
    time_limit: float | None,
    out: Path,
) -> None:
    """Run and write."""
    screen = Console(width=230)
    command = " ".join(["python -m benchmarks", *_given(context)])
    settings = Settings(
        out, quick, systems, most_neurons, time_limit,
        lambda line: screen.print(line, style="dim", markup=False, highlight=False),
    )  # fmt: skip
    screen.print(f"kernels compiled or loaded in {warm_up():.1f} s")
    for name in names or tuple(BENCHMARKS):
        conditions = conditions_of_measurement(command)
        began = time.perf_counter()
        for report in BENCHMARKS[name](settings):
            seconds = time.perf_counter() - began
            report.write(out, {**conditions, "took": f"{seconds:.0f} s"})
            screen.print(report.table())
    count = write_summary(out)
    screen.print(f"bars in {out}: {count['met']} met, {count['missed']} missed (summary.md)")


def _given(context: click.Context) -> list[str]:
    """The command's words, without where the results go."""
    words = list(context.params["names"])
    if context.params["quick"]:
        words.append("--quick")
    for system in context.params["systems"]:
        words += ["--system", system]
    for option in ("most_neurons", "time_limit"):
        if context.params[option] is not None:
            words += [f"--{option.replace('_', '-')}", str(context.params[option])]
    return words


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
