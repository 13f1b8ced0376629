"""``stableproof export``: files for other tools, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from proofs.certificate import conditions_of, load_certificate
from tests.cli.conftest import FAST, Run

FORMATS = {"onnx", "vnnlib", "torch", "c", "smt2"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that proved something. Nothing in it may be changed."""
    folder = tmp_path_factory.mktemp("export") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("proofs.report._draw", lambda *_: ({}, []))
        assert run(["run", *FAST, "--out", str(folder)]) == 0
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def index(folder: Path) -> Any:
    return json.loads((folder / "export.json").read_text())


def test_all_formats_of_a_proved_run(stableproof: Run, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "files"
    ended = stableproof("export", finished, "--out", out)
    assert ended.code == 0 and ended.err == ""
    document = load_certificate(finished / "certificate.json")
    conditions, claim = conditions_of(document), document["sha256"]["statement"]  # type: ignore[index]
    found, told = files(out), index(out)
    assert {name.partition("/")[0] for name in found} == {*FORMATS, "export.json"}
    assert {f["path"] for f in told["files"]} == found.keys() - {"export.json"}
    for f in told["files"]:
        assert hashlib.sha256(found[f["path"]]).hexdigest() == f["sha256"]
        assert len(found[f["path"]]) == f["bytes"]
    assert told["claim_hash"] == claim and told["theorem"] == "asymptotic stability"
    assert {k: Fraction(v) for k, v in told["constants"].items()}["c2"] == Fraction(29, 1000)
    assert told["left_out"] == []
    for name in ("smt2", "vnnlib"):
        stated = {f["condition"] for f in told["files"] if f["path"].startswith(name)}
        assert stated == set(conditions)
    for name, content in found.items():
        if name != "export.json" and name != "torch/weights.json":
            assert str(claim).encode() in content, f"{name} does not say where it comes from"
    assert "real arithmetic" in told["arithmetic"]["onnx, torch, c"]
    assert set(os.listdir(tmp_path)) == {"files"}


def test_unsat_is_explained_where_it_means_something(
    stableproof: Run, finished: Path, tmp_path: Path
) -> None:
    assert stableproof("export", finished, "--out", tmp_path / "out").code == 0
    for f in index(tmp_path / "out")["files"]:
        states = f["path"].endswith((".smt2", ".vnnlib"))
        assert (f["unsat"] is not None) == states
        assert not states or "unsat" in f["unsat"]


def test_some_formats_of_a_certificate_file(
    stableproof: Run, finished: Path, tmp_path: Path
) -> None:
    asked = ("--format", "c", "--format", "onnx", "--format", "c")
    ended = stableproof(
        "export", finished / "certificate.json", *asked, "--out", tmp_path / "a" / "b", "--json"
    )
    assert ended.code == 0
    assert {f["path"].partition("/")[0] for f in ended.data["files"]} == {"c", "onnx"}
    assert ended.data["verdict"] == "unknown" and ended.data["out"] == str(tmp_path / "a" / "b")
    written = index(tmp_path / "a" / "b")
    assert ended.data["files"] == written["files"]


def test_a_folder_with_nothing_but_a_certificate(
    stableproof: Run, finished: Path, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    shutil.copy(finished / "certificate.json", tmp_path / "run")
    assert (
        stableproof("export", tmp_path / "run", "--format", "c", "--out", tmp_path / "o").code == 0
    )


def test_a_candidate_without_certificate(stableproof: Run, trained: Path, tmp_path: Path) -> None:
    ended = stableproof("export", trained, "--out", tmp_path / "out", "--json")
    assert ended.code == 0
    data = ended.data
    assert data["claim_hash"] is None and data["theorem"] is None
    assert {f["path"].partition("/")[0] for f in data["files"]} == {"onnx", "torch", "c"}
    left = {(x["format"], x["what"]) for x in data["left_out"]}
    assert left == {("smt2", "everything"), ("vnnlib", "everything")}
    assert b"nothing is proved of this candidate" in files(tmp_path / "out")["c/controller.h"]


def test_a_refuted_run_of_ones_own_system(
    stableproof: Run, system_file: Callable[..., Path], tmp_path: Path
) -> None:
    run_folder = tmp_path / "run"
    asked = ("--learner", "lqr", "--c1", "0.1", "--c2", "99", "--mu", "1e-4", "--out", run_folder)
    assert stableproof("run", system_file(), *asked).code == 1
    (tmp_path / "motor.toml").unlink()
    ended = stableproof("export", run_folder, "--out", tmp_path / "out")
    assert ended.code == 0 and "motor, nothing is proved of it" in ended.out
    certified = tmp_path / "certified"
    asked = ("--c1", "0.1", "--c2", "99", "--mu", "1e-4", "--out", certified)
    assert stableproof("certify", run_folder / "system.toml", run_folder, *asked).code == 1
    assert stableproof("export", certified, "--out", tmp_path / "out2").code == 0
    assert files(tmp_path / "out") == files(tmp_path / "out2")


def test_an_uncontrolled_system_has_no_controller(
    stableproof: Run, refused: Callable[..., str], tmp_path: Path
) -> None:
    name = "van-der-pol-reversed-1"
    assert stableproof("train", name, "--learner", "lqr", "--out", tmp_path / "run").code == 0
    asked = ("export", tmp_path / "run", "--out", tmp_path / "out")
    assert "has no inputs" in refused(*asked, "--format", "c")
    assert not (tmp_path / "out").exists()
    assert stableproof(*asked).code == 0
    assert "onnx/V.onnx" in files(tmp_path / "out")
    assert "onnx/controller.onnx" not in files(tmp_path / "out")


def test_conditions_need_a_certificate(
    refused: Callable[..., str], trained: Path, tmp_path: Path
) -> None:
    for name in ("smt2", "vnnlib"):
        line = refused("export", trained, "--format", name, "--out", tmp_path / "out")
        assert f"--format {name}: there is no certificate" in line
    assert list(tmp_path.iterdir()) == []


def test_onnx_may_be_missing(
    stableproof: Run,
    refused: Callable[..., str],
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("proofs.export.onnx_model.find_spec", lambda _: None)
    for name in ("onnx", "vnnlib"):
        line = refused("export", finished, "--format", name, "--out", tmp_path / "out")
        assert "onnx is missing; pip install 'stableproof[onnx]'" in line
    ended = stableproof("export", finished, "--out", tmp_path / "out", "--json")
    assert ended.code == 0
    assert {f["path"].partition("/")[0] for f in ended.data["files"]} == {"torch", "c", "smt2"}
    assert {x["format"] for x in ended.data["left_out"]} == {"onnx", "vnnlib"}


def test_bad_arguments(refused: Callable[..., str], finished: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out")
    assert "'pdf' is not one of" in refused("export", finished, "--format", "pdf", *out)
    assert "Missing option '--out'" in refused("export", finished)
    assert "no such folder" in refused("export", tmp_path / "nowhere", *out)
    (tmp_path / "empty").mkdir()
    assert "holds no run" in refused("export", tmp_path / "empty", *out)
    text = tmp_path / "text.json"
    text.write_text("{}")
    assert "no usable certificate" in refused("export", text, *out)
    candidate = finished / "candidate.json"
    assert "give the folder of its run instead" in refused("export", candidate, *out)
    assert "is no folder" in refused("export", finished, "--out", text)
    assert "cannot be written" in refused("export", finished, "--out", text / "below")
    assert not (tmp_path / "out").exists()


def test_damaged_runs_are_refused(
    refused: Callable[..., str], finished: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(finished, tmp_path / "run"))
    (copy / "certificate.json").write_text("{}")
    assert "certificate.json" in refused("export", copy, "--out", tmp_path / "out")
    (copy / "certificate.json").unlink()
    assert "is missing" in refused("export", copy, "--out", tmp_path / "out")


def test_an_interrupted_proof_is_no_run_yet(
    stableproof: Run, refused: Callable[..., str], finished: Path, tmp_path: Path
) -> None:
    out = tmp_path / "proof"
    assert stableproof("certify", "pendulum", finished, "--out", out).code == 0
    record = json.loads((out / "run.json").read_text())
    del record["outcome"]
    (out / "run.json").write_text(json.dumps({**record, "status": "started", "files": []}))
    (out / "certificate.json").unlink()
    said = refused("export", out, "--out", tmp_path / "files")
    assert "the proof is not finished; the same command goes on with it" in said


def test_only_a_former_export_is_replaced_and_only_when_forced(
    stableproof: Run, refused: Callable[..., str], finished: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    asked = ("export", finished, "--format", "c", "--out", out)
    assert stableproof(*asked).code == 0
    before = files(out)
    assert "is not empty" in refused(*asked)
    assert files(out) == before
    assert stableproof("export", finished, "--format", "torch", "--out", out, "--force").code == 0
    assert set(files(out)) == {"export.json", "torch/module.py", "torch/weights.json"}
    (out / "torch" / "mine.txt").write_text("precious")
    assert "mine.txt is of no export of ours" in refused(*asked, "--force")

    assert (out / "torch" / "mine.txt").read_text() == "precious"
    assert os.listdir(tmp_path) == ["out"]


def test_the_smt_lib_files_are_unsat_to_z3(
    stableproof: Run, system_file: Callable[..., Path], tmp_path: Path
) -> None:
    """A linear loop with a quadratic V: polynomial statements, which Z3 decides exactly."""
    z3 = pytest.importorskip("z3", reason="z3-solver, an extra, is not installed")
    levels = ("--c1", "0.1", "--c2", "0.2", "--mu", "1e-4")
    proof = ("run", system_file(), "--learner", "lqr", *levels, "--out", tmp_path / "run")
    assert stableproof(*proof).code == 0
    asked = ("export", tmp_path / "run", "--format", "smt2", "--out", tmp_path / "out")
    assert stableproof(*asked).code == 0
    scripts = sorted((tmp_path / "out" / "smt2").glob("*.standard.smt2"))
    assert len(scripts) >= 4
    for script in scripts:
        solver = z3.Solver()
        solver.from_string(script.read_text())
        assert solver.check() == z3.unsat, script.name


def test_an_index_of_strangers_frees_no_file(
    refused: Callable[..., str], finished: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "letter.txt").write_text("precious")
    asked = ("export", finished, "--format", "c", "--out", out, "--force")
    assert "holds no export of ours" in refused(*asked)
    forged = {"format": "stableproof-export", "files": [{"path": "letter.txt"}]}
    for content in (forged, {**forged, "files": 3}, {}, []):
        (out / "export.json").write_text(json.dumps(content))
        refused(*asked)
    assert (out / "letter.txt").read_text() == "precious"


def test_what_fails_leaves_nothing(
    refused: Callable[..., str],
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    out = tmp_path / "out"
    asked = ("export", finished, "--format", "torch", "--out", out)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        assert "No space left on device" in refused(*asked)
    assert list(tmp_path.iterdir()) == []
    assert run([str(a) for a in asked]) == 0
    before = files(out)
    with monkeypatch.context() as patch:
        rename, calls = os.rename, []

        def second_fails(a: Any, b: Any) -> None:
            calls.append(a)
            if len(calls) == 2:
                raise OSError(28, "No space left on device")
            rename(a, b)

        patch.setattr("proofs.export.folder.os.rename", second_fails)
        assert "No space left on device" in refused(*asked, "--force")
    assert files(out) == before and os.listdir(tmp_path) == ["out"]
