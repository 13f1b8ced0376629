"""Whole processes: how long the command line takes from the shell's point of view."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.report import ROOT, Bar, Report, Row
from benchmarks.settings import Settings
from certify.candidate_file import save_candidate
from learners import ElmPolicyIteration
from systems import zoo

REPEATS = 5
COLUMNS = ("command", "exit code", "median", "fastest", "slowest")
NOTES = (
    f"Whole processes, median of {REPEATS}, after one run that is not counted (it compiles the "
    "kernels, where they are not, and fills the caches of files).",
    "The candidate: pendulum, ELM-PI, m = 50, seed 0; the paper's c1 = 0.01 and c2 = 0.029.",
)


def run(settings: Settings) -> Iterator[Report]:
    """The table, one report."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "candidate.json"
        system = zoo.system("pendulum")
        save_candidate(ElmPolicyIteration(neurons=50, seed=0).fit(system), path, "pendulum")
        fixed = ("--c1", "0.01", "--c2", "0.029")
        for words, arguments, limit in (
            ("certify --help", ("certify", "--help"), 0.5),
            (
                "certify pendulum CANDIDATE --c1 0.01 --c2 0.029 --json",
                ("certify", "pendulum", str(path), *fixed, "--json"),
                1.5,
            ),
        ):
            rows.append(measure(words, arguments, limit))
            settings.say("  ".join(rows[-1].cells))
    yield Report("commands", "The command line, whole process", NOTES, COLUMNS, rows)


def program() -> list[str]:
    """The console script of this environment, or the module where it is not installed."""
    script = Path(sys.executable).with_name("stableproof")
    return [str(script)] if script.exists() else [sys.executable, "-m", "cli.main"]


def measure(words: str, arguments: Sequence[str], limit: float) -> Row:
    """Run one command several times."""
    seconds, codes, complaint = [], set(), ""
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        done = subprocess.run(
            [*program(), *arguments], cwd=ROOT, capture_output=True, text=True, timeout=600
        )
        seconds.append(time.perf_counter() - began)
        codes.add(done.returncode)
        complaint = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""
    counted = seconds[1:]
    succeeded = codes == {0}
    median = statistics.median(counted)
    reason = f"exit codes {sorted(codes)}: {complaint}"
    bar = Bar("whole process", limit, median if succeeded else None, reason=reason)
    cells = (
        f"stableproof {words}", ", ".join(map(str, sorted(codes))),
        f"{median:.2f} s", f"{min(counted):.2f} s", f"{max(counted):.2f} s",
    )  # fmt: skip
    data = {"command": words, "exit_codes": sorted(codes), "seconds": counted, "median": median}
    return Row(cells, data, [bar])
