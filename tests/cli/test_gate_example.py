"""The gate file in examples/ is a working one, and its committed baseline is accepted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import proofs.checker
from tests.cli.conftest import Run

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_the_example_passes_and_rechecks_its_baseline(stableproof: Run, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "gate", tmp_path / "gate", ignore=shutil.ignore_patterns("runs"))
    shutil.copy(EXAMPLES / "magnetic_levitation.toml", tmp_path)
    ended = stableproof("gate", tmp_path / "gate" / "stability.toml", "--json")
    assert ended.code == 0, ended.out
    origins = [c["origin"] for c in ended.data["claims"]]
    assert origins == ["baseline", "proved", "proved"]
    assert {c["status"] for c in ended.data["claims"]} == {"proved"}
    for found in ended.data["claims"]:
        assert proofs.checker.check_file(found["certificate"]).status == "valid"


@pytest.mark.parametrize("name", ["github-workflow.yml", "pre-commit-config.yaml"])
def test_the_ready_files_call_the_gate(name: str) -> None:
    text = (EXAMPLES / "gate" / name).read_text()
    assert "stableproof gate stability.toml" in text and "\t" not in text


def test_a_folder_named_proofs_where_the_gate_is_run_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checker starts processes of its own for so many leaves."""
    marker = tmp_path / "was-run"
    for name in ("proofs", "proofs/checker"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    outcome = proofs.checker.check_file(EXAMPLES / "gate" / "baselines" / "pendulum.json", jobs=2)
    assert outcome.status == "valid" and outcome.leaves > 400
    assert not marker.exists()
