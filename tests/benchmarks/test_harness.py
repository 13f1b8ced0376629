"""The benchmark harness runs on tiny selections and leaves its files; no figure is judged here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.backend_cases import Case
from benchmarks.backends import case_row, contradicts, measured
from benchmarks.elm_bars import row_of
from benchmarks.report import Bar, Report, Row
from benchmarks.settings import Settings
from benchmarks.summary import write_summary
from certify import Proved, Unknown
from certify.backends import Answer
from tests.certify.fake_backends import Fake, proves
from tests.certify.statements import ALL

FALSE_STATEMENT = next(s for s in ALL if s.name == "square-below-a-half")


def bench(out: Path, *arguments: str) -> str:
    found = CliRunner().invoke(main, [*arguments, "--quick", "--out", str(out)])
    assert found.exit_code == 0, found.output
    return found.output


def read(out: Path, name: str) -> dict[str, Any]:
    found = json.loads((out / f"{name}.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def test_proofs_and_single_systems(tmp_path: Path) -> None:
    bench(
        tmp_path, "proofs", "single_systems",
        "--system", "synthetic-1", "--system", "bilinear", "--most-neurons", "60",
    )  # fmt: skip
    proofs = read(tmp_path, "proofs")
    assert [(r["system"], r["features"], r["neurons"]) for r in proofs["rows"]] == [
        ("synthetic-1", "adapted", 50),
        ("synthetic-1", "uniform", 50),
    ]
    for row in proofs["rows"]:
        assert row["conditions_1_to_3"]["verdict"] == "proved"
        assert set(row["conditions_1_to_3"]["conditions"]) == {
            "decrease", "containment", "defined", "small set"
        }  # fmt: skip
        assert {"core", "contraction"} < set(row["with_origin"]["conditions"])
        assert row["with_origin"]["constants"]["c2"] == "199/100"
    measured = proofs["measured"]
    assert {"on", "with", "processor", "cores", "python", "numba", "took"} <= set(measured)
    assert measured["with"].startswith("python -m benchmarks proofs single_systems --quick")
    (bilinear,) = read(tmp_path, "single_systems")["rows"]
    assert bilinear["claim"] == "practical stability" and bilinear["value_error"] < 1e-14
    assert "| synthetic-1 |" in (tmp_path / "proofs.md").read_text(encoding="utf-8")
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "[ELM-PI, the paper's constants](proofs.md)" in summary


def test_the_deep_candidate_is_proved_on_more_than_the_published_volume(tmp_path: Path) -> None:
    bench(tmp_path, "deep")
    rows = read(tmp_path, "deep")["rows"]
    assert [row["verdict"] for row in rows] == ["proved"] * 3
    assert all(row["volume"] > 57.6 for row in rows)


def test_backends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.backends.names", lambda: ("taylor", "lirpa"))
    bench(tmp_path, "backends", "--system", "synthetic-1", "--time-limit", "2")
    rows = read(tmp_path, "backends")["rows"]
    parts = [row["part"] for row in rows]
    assert parts == ["start", *["table of statements"] * 5, "Table 2", *["polynomial"] * 2]
    for row in rows:
        assert set(row["backends"]) == {"taylor", "lirpa"}
        assert all(bar["met"] for bar in row["bars"])
    by_taylor = [row["backends"]["taylor"] for row in rows]
    assert by_taylor[0]["verdict"] == "proved" and by_taylor[0]["seconds"] > 0
    for found in by_taylor[1:6]:
        assert found["decided"] <= found["asked"] == len(found["answers"]) > 0
    assert sum(found["decided"] for found in by_taylor[1:6]) > 0
    assert by_taylor[6]["verdict"] in ("proved", "refuted")
    text = (tmp_path / "backends.md").read_text(encoding="utf-8")
    assert "| Table 2 | synthetic-1, m = 5 | " in text


def test_a_backend_that_is_missing_contradicts_nobody() -> None:
    condition = ALL[0].condition
    absent, wrong = Fake("absent", missing=("libx.so (the X library)",)), Fake(answering=proves)
    assert measured(absent, [condition], Settings(Path())).cell == "libx.so missing"
    case = Case("part", "name", [FALSE_STATEMENT.condition], truth=False)
    refusing = Fake("other", unsupported="the operation sin")
    row = case_row(case, [absent, wrong, refusing], Settings(Path()))
    assert row.cells[2:5] == ("libx.so missing", row.cells[3], "unsupported: sin")
    assert row.cells[3].startswith("refuted ")  # the search for a counterexample found one


def test_a_wrong_verdict_is_seen() -> None:
    true = next(s for s in ALL if s.name == "pi-true-by-a-hair")
    for statement, verdict, wrong in (
        (true, Proved(), False),
        (true, Unknown("?"), False),
        (FALSE_STATEMENT, Proved(), True),
        (FALSE_STATEMENT, Proved(None, ("a solver",)), True),
        (next(s for s in ALL if s.truth is None), Proved(), True),
    ):
        assert contradicts(statement, Answer("b", verdict, "", 0.0, None)) is wrong


def test_the_checker(tmp_path: Path) -> None:
    bench(tmp_path, "checker", "--system", "pendulum")
    (row,) = read(tmp_path, "checker")["rows"]
    assert row["status"] == "valid" and row["proof"]["verdict"] == "proved"
    assert 0 < row["condition_leaves"] < row["leaves"]
    assert row["leaves_per_second"] == pytest.approx(row["leaves"] / row["check_seconds"])
    assert 0 < row["compressed_bytes"] < row["bytes"]


def test_dimensions_and_growth(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the picture needs the extra 'report'")
    small = ("--system", "synthetic-3", "--most-neurons", "40", "--time-limit", "0.5")
    bench(tmp_path, "dimensions", "growth", *small)
    rows = read(tmp_path, "dimensions")["rows"]
    assert {r["system"] for r in rows} == {"synthetic-3", "synthetic-3 turned"}
    assert all(r["neurons"] == 40 for r in rows)
    growth = read(tmp_path, "growth")["rows"]
    assert {r["axis"] for r in growth} == {"n", "K"}
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")
    assert "](growth.png)" in (tmp_path / "growth.md").read_text(encoding="utf-8")


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    found = CliRunner().invoke(main, ["prof", "--out", str(tmp_path)])
    assert found.exit_code == 2 and all(name in found.output for name in BENCHMARKS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("bar", "met"),
    [
        (Bar("t", 0.1, 0.1), True),
        (Bar("t", 0.1, 0.11), False),
        (Bar("t", 0.1, None, reason="unknown"), False),
        (Bar("ratio", 5, 5.0, at_least=True), True),
        (Bar("ratio", 5, 4.9, at_least=True), False),
        (Bar.claim("proved", True), True),
        (Bar.claim("proved", False), False),
    ],
)
def test_bars_are_judged_from_the_figure(bar: Bar, met: bool) -> None:
    assert bar.met is met
    assert bar.words.count("met" if met else "missed") == 1


def test_the_summary_lists_what_is_missed(tmp_path: Path) -> None:
    rows = [
        Row(("a",), {"system": "a"}, [Bar("seconds", 0.1, 0.05)]),
        Row(("b",), {"system": "b"}, [Bar("seconds", 0.1, None, reason="unknown: too hard")]),
    ]
    report = Report("table", "A table", ["how"], ["system"], rows)
    report.write(tmp_path, {"on": "today", "with": "by hand", "load before": "0.0"})
    (tmp_path / "other.json").write_text("{}", encoding="utf-8")
    count = write_summary(tmp_path)
    assert (count["met"], count["missed"]) == (1, 1)
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "- table: b: seconds ≤ 0.1 s: missed (unknown: too hard)" in text


def test_a_ratio_counts_only_where_the_error_is_reached() -> None:
    reference = {"seconds": 1.0, "error": 1e-3}
    row = {
        "system": "synthetic-2", "neurons": 50, "paper_error": 1e-2, "target": 1e-3,
        "reference": reference, "ours": {"seconds": 0.1, "error": 1e-4}, "not_run": "",
        "ratio": 10.0, "solve_ratio": 4.0, "to_target_ratio": None,
    }  # fmt: skip
    assert [bar.met for bar in row_of(row).bars] == [True, False]
    missed = {**row, "ours": {"seconds": 0.1, "error": 1e-2}}
    assert [bar.met for bar in row_of(missed).bars] == [False, False]
