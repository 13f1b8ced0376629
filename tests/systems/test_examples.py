"""The example of a user's own system runs, from its file to a certificate."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

from systems import read_system

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "own_system.py"
FILE = ROOT / "examples" / "magnetic_levitation.toml"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_the_levitated_ball_is_trained_proved_and_certified(tmp_path: Path) -> None:
    from proofs.certificate import load_certificate

    certificate = tmp_path / "ball.json"
    result = run(str(FILE), str(certificate))
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("magnetic-levitation: ")
    assert lines[-2].startswith("  proved for every start with V(x) <= ")
    statement: Any = load_certificate(certificate)["statement"]
    assert statement["system"]["name"] == "magnetic-levitation"


def test_the_file_says_what_the_comments_say() -> None:
    system = read_system(FILE)
    assert system.parameters["w0"] == Fraction(981, 1000)
    assert system.state_units == ("m", "m/s")
    assert system.parameter_units["k"] == "N m^2/A^2"
    assert system.input_limits is not None and system.input_limits.upper == (9,)


def test_a_wrong_file_ends_with_one_line(tmp_path: Path) -> None:
    text = FILE.read_text()
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(text.replace("w/z**2", "w/z^2"))
    result = run(str(wrong))
    assert result.returncode == 2 and result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "'^' is not a power here" in result.stderr
