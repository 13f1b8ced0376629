"""What the README shows is true: its system file is read, its Python runs, its pictures exist."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

from cli.gate.file import read_gate
from systems import read_system

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def test_the_system_file_is_a_system(tmp_path: Path) -> None:
    block, _ = _blocks("toml")
    file = tmp_path / "my_system.toml"
    file.write_text(block, encoding="utf-8")
    system = read_system(file)
    assert system.state_dimension == 2
    assert system.input_dimension == 1


def test_the_gate_file_is_a_gate_file(tmp_path: Path) -> None:
    _, block = _blocks("toml")
    folder = shutil.copytree(ROOT / "examples" / "gate", tmp_path / "gate")
    (folder / "stability.toml").write_text(block, encoding="utf-8")
    (claim,) = read_gate(folder / "stability.toml").claims
    assert claim.name == "pendulum"


def test_the_python_runs_and_proves(tmp_path: Path) -> None:
    (block,) = _blocks("python")
    script = tmp_path / "readme.py"
    script.write_text(block, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=True,
    )
    level, volume = done.stdout.split()
    assert Fraction(level) > Fraction("0.029")
    assert float(volume) > 0.44


def test_links_and_pictures_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target
    for folder in ("docs/system-files.md", "docs/command-line.md", "benchmarks/README.md"):
        assert folder in README
        assert (ROOT / folder).exists(), folder
