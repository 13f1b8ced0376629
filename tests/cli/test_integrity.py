"""A finished run's folder: whole, self-contained, held by one command, mended where damaged."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import FAST, Run


def _shorten(path: Path) -> None:
    path.write_text(path.read_text()[:-20])


def _alter(path: Path) -> None:
    """Still a candidate or certificate by its form, but another one."""
    path.write_text(path.read_text() + "\n")


@pytest.mark.parametrize("name", ["candidate.json", "certificate.json", "report.md"])
@pytest.mark.parametrize("harm", [Path.unlink, _shorten, _alter])
def test_a_damaged_file_is_told_by_show_and_made_again_by_run(
    stableproof: Run, tmp_path: Path, name: str, harm: Callable[[Path], None]
) -> None:
    out = tmp_path / "out"
    assert stableproof("run", *FAST, "--out", out).code == 0
    certificate = json.loads((out / "certificate.json").read_text())
    harm(out / name)
    shown = stableproof("show", out)
    if name == "report.md" and harm is not Path.unlink:
        assert shown.code == 0  # a report may be edited
        return
    assert shown.code == 2 and shown.out == "" and name in shown.err
    assert len(shown.err.splitlines()) == 1
    again = stableproof("run", *FAST, "--out", out)
    assert again.code == 0 and name in again.err and "repeated" in again.err
    assert stableproof("show", out).code == 0
    made = json.loads((out / "certificate.json").read_text())
    assert made["statement"] == certificate["statement"]
    assert "holds this run already" in stableproof("run", *FAST, "--out", out).err


def test_only_a_lost_candidate_is_trained_again(
    stableproof: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert stableproof("run", *FAST, "--out", out).code == 0
    (out / "certificate.json").unlink()

    def fit(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("learners.elm_pi.ElmPolicyIteration.fit", fit)
    assert stableproof("run", *FAST, "--out", out).code == 0
    assert (out / "certificate.json").is_file()


def test_certify_and_train_mend_their_folders(
    stableproof: Run, tmp_path: Path, trained: Path
) -> None:
    for arguments, name in (
        (("certify", "pendulum", trained), "certificate.json"),
        (("train", "pendulum", "--neurons", "12"), "candidate.json"),
    ):
        out = tmp_path / name
        assert stableproof(*arguments, "--out", out).code == 0
        (out / name).unlink()
        again = stableproof(*arguments, "--out", out)
        assert again.code == 0 and "is missing" in again.err and (out / name).is_file()


def test_the_folder_keeps_the_systems_file(
    stableproof: Run, system_file: Callable[..., Path], tmp_path: Path
) -> None:
    source, out = system_file(), tmp_path / "out"
    assert stableproof("run", source, "--neurons", "10", "--out", out).code == 0
    assert (out / "system.toml").read_bytes() == source.read_bytes()
    assert "system.toml" in json.loads((out / "run.json").read_text())["files"]
    assert stableproof("certify", out / "system.toml", out).code == 0
    (out / "system.toml").write_text("other")
    assert "system.toml was changed" in stableproof("show", out).err


def test_ctrl_c_while_drawing_keeps_the_proof(
    stableproof: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("proofs.report._draw", interrupted)
        ended = stableproof("run", *FAST, "--out", out)
    assert ended.code == 130 and "the proof is finished and kept" in ended.err
    assert (out / "report.md").read_text().startswith("# pendulum")
    assert stableproof("show", out).code == 0

    def proved_again(*_: object, **__: object) -> None:
        raise AssertionError("proved again")

    monkeypatch.setattr("certify.attempt.search", proved_again)
    again = stableproof("run", *FAST, "--out", out)
    assert again.code == 0 and "lacks pictures" in again.err
    assert "proved: asymptotically stable" in again.out


def test_two_commands_cannot_have_one_folder(stableproof: Run, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl", reason="this system has no such locks")
    held = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        ended = stableproof("run", *FAST, "--out", tmp_path)
        assert ended.code == 2 and "in use by another stableproof" in ended.err
        assert list(tmp_path.iterdir()) == []
    finally:
        os.close(held)
    assert stableproof("train", "pendulum", "--neurons", "12", "--out", tmp_path).code == 0


def test_an_empty_name_and_a_folder_without_a_run(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    assert "--out: the name of the folder is empty" in refused("run", *FAST, "--out", "")
    assert f"{tmp_path} holds no run" in refused("show", tmp_path)
