"""Whole processes: exit codes, clean output, signals, full and closed outputs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import FAST

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "cli.main")


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def process(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        check=False,
        text=True,
        env=environment(),
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


def test_proved_is_0_and_nothing_else_goes_to_standard_output(tmp_path: Path) -> None:
    done = process("run", *FAST, "--json", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["verdict"] == "proved"
    report = Path(data["report"]).read_text()
    assert report.startswith("# pendulum: asymptotic stability\n\n**Proved.**")
    assert "stableproof run pendulum --neurons 12" in report and "--json" not in report
    certified = process("certify", "pendulum", tmp_path / "out", "--c2", "0.05", "--json")
    assert certified.returncode == 1 and json.loads(certified.stdout)["verdict"] == "refuted"


def test_the_report_has_pictures_and_the_record_names_them(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra 'report' is not installed")
    out = tmp_path / "out"
    assert process("run", *FAST, "--out", out).returncode == 0
    record = json.loads((out / "run.json").read_text())
    assert {"region.png", "report.md", "certificate.json"} <= set(record["files"])
    assert {"training.png", "training.csv"} <= set(record["files"])
    present = {p.name for p in out.iterdir()} - {"tensorboard"}  # where that is installed
    assert present == {"run.json", *record["files"]}


def test_unknown_is_3_and_usage_is_2() -> None:
    done = process("run", *FAST, "--time-limit", "1e-9", "--json")
    assert done.returncode == 3 and json.loads(done.stdout)["verdict"] == "unknown"
    done = process("run", "pendulm")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: unknown system 'pendulm' (did you mean 'pendulum'?)\n"


def test_standard_output_on_a_full_disk_is_2_and_told() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "w") as full:
        done = process("run", *FAST, "--json", stdout=full)
        assert done.returncode == 2
        assert done.stderr == "error: standard output cannot be written: No space left on device\n"
        assert process("systems", "--help", stdout=full).returncode == 2


def test_a_closed_pipe_is_no_refutation() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        done = process("systems", stdout=closed)
    assert (done.returncode, done.stderr) == (0, "")
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        done = process("run", *FAST, stdout=closed)
    assert (done.returncode, done.stderr) == (0, "")  # the verdict: proved
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        done = process("run", *FAST[:1], "--c2", "0.05", "--rounds", "1", stdout=closed)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_narrow_encoding_does_not_break_the_output() -> None:
    done = subprocess.run(
        [*COMMAND, "run", *FAST[:1], "--c2", "0.05", "--rounds", "1"],
        check=False,
        capture_output=True,
        env=environment(PYTHONIOENCODING="ascii"),
    )
    assert done.returncode == 1, done.stderr
    assert b"refuted: containment" in done.stdout and done.stderr == b""


def test_ctrl_c_in_a_long_proof_leaves_a_resumable_run(tmp_path: Path) -> None:
    out = tmp_path / "out"
    # Five states and many neurons: the proof goes on until it is stopped.
    arguments = ("run", "synthetic-5", "--neurons", "400", "--time-limit", "500", "--out", out)
    running = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not _is_trained(out) and running.poll() is None:
            time.sleep(0.05)
        assert running.poll() is None, running.communicate()
        running.send_signal(signal.SIGINT)
        _, told = running.communicate()
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 130, told
    assert told.splitlines()[-1] == "interrupted; the same command goes on where this one stopped"
    assert "Traceback" not in told
    names = sorted(p.name for p in out.iterdir())
    assert names == ["candidate.json", "run.json", "training.csv"]
    shown = process("show", out, "--json")
    assert shown.returncode == 0 and "not finished" in json.loads(shown.stdout)["reason"]


def _is_trained(out: Path) -> bool:
    try:
        return bool(json.loads((out / "run.json").read_text())["loop"]["train_seconds"])
    except (OSError, ValueError, KeyError):
        return False
