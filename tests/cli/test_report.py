"""``stableproof report``: the report of a finished run, written once more from its files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from proofs.report import _draw
from proofs.report_words import rounded_down
from tests.cli.conftest import FAST, Run

DRAW = _draw
"""As it is before the fixture of this folder takes it away."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that proved something. Nothing in it may be changed."""
    from cli.main import run

    folder = tmp_path_factory.mktemp("report") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("proofs.report._draw", lambda *_: ({}, []))
        assert run(["run", *FAST, "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def parts(report: str) -> dict[str, list[str]]:
    """The lines of every section."""
    sections = report.split("\n## ")
    assert len(sections) > 8
    return {s.splitlines()[0]: [line for line in s.splitlines() if line] for s in sections}


def test_a_run_is_reported_as_it_was(
    stableproof: Run, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (copy / "report.md").read_text()
    (copy / "report.md").unlink()
    monkeypatch.setattr("proofs.report._draw", DRAW)
    ended = stableproof("report", copy)
    assert ended.code == 0, ended.err
    assert ended.out.split() == ["report", str(copy / "report.md"), "page",
                                 str(copy / "report.html")]  # fmt: skip
    after = (copy / "report.md").read_text().splitlines()
    pictures = [line for line in after if line.startswith("!")]
    assert len(pictures) == 4
    captions = [line for line in after if line.startswith("*") and line[1] != "*"]
    assert len(captions) == 4
    drawn = {*pictures, *captions}
    told = "\n".join(line for line in after if line not in drawn)
    assert parts(told) == parts(before)
    page = (copy / "report.html").read_text()
    assert "<strong>Proved</strong> asymptotic stability" in page
    assert "stableproof check certificate.json" in page
    record = json.loads((copy / "run.json").read_text())
    assert {"report.md", "report.html", "region.png"} <= set(record["files"])
    assert {p.name for p in copy.iterdir()} == {"run.json", *record["files"]}
    assert stableproof("show", copy).code == 0


def test_json_names_what_was_written_and_decides_nothing(stableproof: Run, copy: Path) -> None:
    data = stableproof("report", copy, "--json").data
    assert data["verdict"] == "unknown" and data["region"] is None
    assert data["report"] == str(copy / "report.md") and data["page"] == str(copy / "report.html")


def test_a_refuted_candidate_is_reported(stableproof: Run, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = ("--c1", "0.01", "--c2", "0.029", "--mu", "10", "--out", out)
    assert stableproof("certify", "pendulum", finished, *asked).code == 1
    before = (out / "report.md").read_text()
    (out / "report.md").unlink()
    assert stableproof("report", out).code == 0
    assert (out / "report.md").read_text() == before
    assert "**Refuted.**" in before and "## The counterexample" in before


def test_a_certificate_outlives_its_candidate(
    stableproof: Run, finished: Path, tmp_path: Path
) -> None:
    candidate = shutil.copy(finished / "candidate.json", tmp_path / "candidate.json")
    out = tmp_path / "out"
    asked = ("--c1", "0.01", "--c2", "0.029", "--mu", "1e-4", "--out", out)
    assert stableproof("certify", "pendulum", candidate, *asked).code == 0
    Path(candidate).unlink()
    assert stableproof("report", out).code == 0
    assert "**Proved.**" in (out / "report.md").read_text()


def test_without_its_candidate_a_refutation_cannot_be_reported(
    stableproof: Run, refused: Callable[..., str], finished: Path, tmp_path: Path
) -> None:
    candidate = shutil.copy(finished / "candidate.json", tmp_path / "candidate.json")
    out = tmp_path / "out"
    asked = ("--c1", "0.01", "--c2", "0.029", "--mu", "10", "--out", out)
    assert stableproof("certify", "pendulum", candidate, *asked).code == 1
    Path(candidate).unlink()
    assert "gone or changed" in refused("report", out)


def test_folders_without_a_finished_proof_are_refused(
    refused: Callable[..., str], trained: Path, copy: Path, tmp_path: Path
) -> None:
    assert "there is no run.json" in refused("report", tmp_path / "nowhere")
    assert "'train', which proves nothing" in refused("report", trained)
    record = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**record, "status": "started"}))
    assert "not finished" in refused("report", copy)


def test_damaged_files_are_refused(refused: Callable[..., str], copy: Path) -> None:
    text = (copy / "certificate.json").read_text()
    assert "29/1000" in text
    (copy / "certificate.json").write_text(text.replace("29/1000", "28/1000"))
    assert "certificate.json" in refused("report", copy)
    (copy / "certificate.json").write_text(text)
    (copy / "candidate.json").unlink()
    assert "candidate.json is missing" in refused("report", copy)


def test_missing_libraries_are_named(
    refused: Callable[..., str], copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "plotly" else 1)
    assert "needs plotly; pip install 'stableproof[report]'" in refused("report", copy)


def test_a_page_that_was_written_later_is_told_from_then_on(
    stableproof: Run, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "page  " not in stableproof("show", copy).out
    monkeypatch.setattr("proofs.report._draw", DRAW)
    assert stableproof("report", copy).code == 0
    rows = [r for r in stableproof("show", copy).out.splitlines() if r.startswith("page ")]
    assert len(rows) == 1 and rows[0].endswith(str(copy / "report.html"))
    assert stableproof("report", copy).code == 0
    assert stableproof("show", copy).out.count("\npage ") == 1


def test_what_stands_beside_the_region_is_reported(stableproof: Run, tmp_path: Path) -> None:
    """In the run's own report, and in the one that is written anew."""
    out = tmp_path / "out"
    options = ("--learner", "galerkin", "--order", "4", "--out", out, "--json")
    told = stableproof("run", "lorenz", *options).data
    for _ in range(2):
        region = "\n".join(parts((out / "report.md").read_text())["The proved region"])
        assert "An ellipsoid of its own shape is larger" in region
        assert "LQR's own gain" in region
        assert f"of which ours has {told['region']['volume'] / told['lqr']['volume']:.3g}" in region
        for other in ("region", "larger_ellipsoid", "lqr"):
            assert rounded_down(told[other]["volume"]) in region
        (out / "report.md").unlink()
        assert stableproof("report", out).code == 0
