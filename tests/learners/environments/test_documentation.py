"""The examples of docs/environments.md run, and print what a reader expects."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent.parent
PAGE = (ROOT / "docs" / "environments.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_examples_run(tmp_path: Path) -> None:
    for library in ("torch", "gymnasium"):
        pytest.importorskip(library, reason="the examples use both environments")
    assert len(BLOCKS) == 2
    program = tmp_path / "examples.py"
    program.write_text("\n".join([*BLOCKS, "print(mine.task.action_low, environment.spec.id)"]))
    told = subprocess.run(
        [sys.executable, str(program)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True,
        text=True,
    ).stdout.splitlines()  # fmt: skip
    cost, troubles = told[0].split(" ", 1)
    assert 0.5 < float(cost) < 5 and troubles == "[]"
    assert told[1] == "(0.0,) stableproof/cartpole-v0"
