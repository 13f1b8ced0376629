"""The example of a user's own system runs, from its file to a simulation."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np

from systems import read_system

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "own_system.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_the_levitated_ball_comes_to_rest() -> None:
    result = run()
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("magnetic-levitation: ")
    assert len(lines) == 6
    for line in lines[1:]:
        end = line.split(" to ")[1].split("],")[0].strip("[").split()
        np.testing.assert_allclose([float(v) for v in end], [0.02, 0.0], atol=1e-5)


def test_the_file_says_what_the_comments_say() -> None:
    system = read_system(ROOT / "examples" / "magnetic_levitation.toml")
    assert system.parameters["w0"] == Fraction(981, 1000)
    assert system.state_units == ("m", "m/s")
    assert system.parameter_units["k"] == "N m^2/A^2"
    assert system.input_limits is not None and system.input_limits.upper == (9,)


def test_a_wrong_file_ends_with_one_line(tmp_path: Path) -> None:
    text = (ROOT / "examples" / "magnetic_levitation.toml").read_text()
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(text.replace("w/z**2", "w/z^2"))
    result = run(str(wrong))
    assert result.returncode == 1 and result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "'^' is not a power here" in result.stderr
