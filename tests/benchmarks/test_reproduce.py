"""The reproduction's harness: it writes, resumes, and survives what is missing. No figure is judged
here but the paper's, which must be the paper's."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import reproduce, reproduce_measure, reproduce_paper
from benchmarks.reproduce_part import Part, Scale, markdown_table
from benchmarks.reproduce_run import (
    DONE,
    FAILED,
    NOT_THERE,
    Data,
    Rows,
    Task,
    measured,
    plain,
    remaining_seconds,
    run_tasks,
)
from benchmarks.reproduce_systems import cost_over
from certify import Candidate
from systems import zoo
from systems.build import system_from_text
from systems.errors import InputError

PNG = b"\x89PNG"


@pytest.fixture(autouse=True)
def short_trajectories(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second instead of ten: the harness does not care."""
    monkeypatch.setattr(reproduce_measure, "HORIZON", 0.5)
    monkeypatch.setattr(reproduce, "warm_up", lambda: 0.0)


def run(out: Path, *arguments: str) -> str:
    found = CliRunner().invoke(reproduce.main, [*arguments, "--quick", "--out", str(out)])
    assert found.exit_code == 0, found.output
    return found.output


def rows_of(out: Path, store: str) -> list[dict[str, Any]]:
    lines = (out / "rows" / f"{store}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def absent(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


def test_tables_and_figures_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="the pictures need the extra 'report'")
    absent(monkeypatch, "learners.pinn_pi", "learners.galerkin")
    monkeypatch.setattr("benchmarks.reproduce_systems.QUICK", ("pendulum",))
    parts = [name for name in reproduce.PARTS if name != "lorenz"]
    run(tmp_path, *parts)
    text = (tmp_path / "reproduction.md").read_text(encoding="utf-8")
    assert all(part.title in text for part in reproduce.PARTS.values())
    assert "not there" in text and "Measured" not in text and "Last run: on " in text
    for name in ("figure-2", "figure-3", "figure-4", "figure-5", "figure-6", "figure-7"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(PNG)
        assert f"]({name}.png)" in text
    systems = {row["key"]["learner"]: row for row in rows_of(tmp_path, "systems")}
    assert [systems[k]["status"] for k in ("lqr", "elm-pi", "pinn-pi", "galerkin")] == [
        DONE, DONE, NOT_THERE, NOT_THERE
    ]  # fmt: skip
    for learner in ("lqr", "elm-pi"):
        row = systems[learner]
        assert row["starts"] == 3 and row["mean_cost"] > 0 and row["proof"]["verdict"] == "proved"
        assert row["proof"]["constants"]["c2"].count("/") == 1 and row["proof"]["volume"] > 0
    assert "| 1 | 50 | 1.54e-10 | 0.03 | " in text and " | 2.45e-03 | 236.69 | not there |" in text


def test_lorenz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="the pictures need the extra 'report'")
    monkeypatch.setattr("benchmarks.reproduce_lorenz.STARTS", 2)
    run(tmp_path, "lorenz")
    assert all((tmp_path / f"figure-{i}.png").read_bytes().startswith(PNG) for i in (8, 9))
    first, ours, printed = rows_of(tmp_path, "lorenz")
    assert first["eigenvalue"] == pytest.approx(-8 / 3) and ours["input_at_equilibrium"] == 0
    assert printed["input_at_equilibrium"] > 1e-6  # Algorithm 1 does not anchor k at 0


def test_a_run_goes_on_where_it_was_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent(monkeypatch, "learners.pinn_pi")
    run(tmp_path, "table-2")
    path = tmp_path / "rows" / "table-2.jsonl"
    before = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([before[0], before[1][:40]]), encoding="utf-8")  # cut in a line
    output = run(tmp_path, "table-2", "--resume")
    after = path.read_text(encoding="utf-8").splitlines()
    assert after[0] == before[0] and len(after) == 3 == len(before)
    assert "[2/2]" in output  # one was there; the cut one and the missing learner are tried again
    assert json.loads(after[1])["key"] == json.loads(before[1])["key"]
    run(tmp_path, "table-2")
    again = path.read_text(encoding="utf-8").splitlines()
    assert len(again) == 3 and again[0] != before[0]  # measured anew


def test_a_run_that_is_stopped_leaves_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop() -> Data:
        raise KeyboardInterrupt

    tasks = [Task("s", {"a": 1}, 1.0, lambda: {"x": 1}), Task("s", {"a": 2}, 1.0, stop)]
    part = Part("p", "The part", lambda _: tasks, lambda rows, _: [f"rows: {len(rows)}"])
    monkeypatch.setattr(reproduce, "PARTS", {"p": part})
    found = CliRunner().invoke(reproduce.main, ["--out", str(tmp_path)])
    assert found.exit_code != 0
    text = (tmp_path / "reproduction.md").read_text(encoding="utf-8")
    assert "1 of 2 rows are there." in text and "rows: 1" in text


def raising(error: Exception) -> Callable[[], Data]:
    def work() -> Data:
        raise error

    return work


def test_one_broken_row_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    works: list[Callable[[], Data]] = [
        raising(ZeroDivisionError("oh")),
        raising(InputError("no LQR gain")),
        lambda: {"figure": np.float64("nan"), "list": np.arange(2), "flag": np.bool_(True)},
    ]
    tasks = [Task("s", {"i": i}, 1.0, work) for i, work in enumerate(works)]
    rows, said = Rows(tmp_path), list[str]()
    run_tasks(tasks, rows, said.append)
    broken, refused, good = Rows(tmp_path).of(tasks)
    assert broken["status"] == FAILED and broken["reason"] == "ZeroDivisionError: oh"
    assert refused["status"] == DONE and refused["refused"] and refused["reason"] == "no LQR gain"
    assert (good["figure"], good["list"], good["flag"]) == (None, [0, 1], True)
    assert [rows.has(task) for task in tasks] == [False, True, True]
    assert len(said) == 6 and said[-1].endswith("about 0 s left")


def test_what_a_learner_lacks_is_not_called_its_absence(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.reproduce_learners import Controller

    entry = zoo.entry("pendulum")
    fit = partial(Controller("galerkin", 2).fit, entry, entry.build(), 0)
    absent(monkeypatch, "learners.galerkin")
    row = measured(Task("s", {}, 1.0, lambda: {"c": fit()}))
    assert row["status"] == NOT_THERE and row["reason"] == "Galerkin is not there"
    monkeypatch.setattr(
        "benchmarks.reproduce_learners._galerkin", raising(ModuleNotFoundError("x", name="x"))
    )
    assert measured(Task("s", {}, 1.0, lambda: {"c": fit()}))["status"] == FAILED


def test_rows_that_nothing_asks_for_are_forgotten(tmp_path: Path) -> None:
    old, new = (Task("s", {"budget": b}, 1.0, lambda: {}) for b in (1, 2))
    other = Task("s-2", {"budget": 1}, 1.0, lambda: {})
    rows = Rows(tmp_path)
    run_tasks([old, new, other, old], rows, lambda _: None)
    rows.keep_only("s", [new, other])
    assert [Rows(tmp_path).has(t) for t in (old, new, other)] == [False, True, True]


def test_divergence_is_counted_and_not_averaged_away(monkeypatch: pytest.MonkeyPatch) -> None:
    system = zoo.pendulum()
    theta, omega = system.state[0], system.state[1]
    # Pushes away from where theta > 0, and holds where it is not.
    pushing = Candidate(system.state, theta**2 + omega**2, 400 * theta)
    starts = np.array([[0.0, 0.0], [0.5, 0.5]])
    monkeypatch.setattr(reproduce_measure, "HORIZON", 3.0)
    found = reproduce_measure.cost_data(system, reproduce_measure.follow(system, pushing, starts))
    assert (found["starts"], found["diverged"], found["mean_cost"]) == (2, 1, 0.0)
    assert "1 of 2 diverge" in reproduce_measure.cost_words(found)
    nothing = reproduce_measure.cost_data(
        system, reproduce_measure.follow(system, pushing, starts[1:])
    )
    assert reproduce_measure.cost_words(nothing) == "all 1 diverge"
    assert nothing["furthest_end"] is None and found["furthest_end"] == 0.0


def test_what_comes_to_rest_outside_the_domain_diverges(monkeypatch: pytest.MonkeyPatch) -> None:
    system = system_from_text("one state", ["x"], ["u"], {"x": "u"}, domain=[[-1, 1]])
    x = system.state
    elsewhere = Candidate(x, x[0] ** 2, x * (3 * x[0] - x[0] ** 2 - Fraction(1, 2)))
    monkeypatch.setattr(reproduce_measure, "HORIZON", 60.0)
    found = reproduce_measure.cost_data(
        system, reproduce_measure.follow(system, elsewhere, np.array([[0.1], [0.9]]))
    )
    assert (found["diverged"], found["costs"][1]) == (1, None)  # type: ignore[index]
    assert found["costs"][0] == pytest.approx(found["mean_cost"])  # type: ignore[index]
    assert found["costs"][0] > 0.0  # type: ignore[index]


def test_means_are_over_the_starts_that_all_controllers_bring_home() -> None:
    rows: list[Data] = [
        {"costs": [1.0, 2.0, 9.0], "diverged": 0, "starts": 3},
        {"costs": [3.0, 4.0, None], "diverged": 1, "starts": 3},
        {"costs": [None, None, None], "diverged": 3, "starts": 3},
    ]
    common = reproduce_measure.common_cost(rows)
    assert common.tolist() == [True, True, False]
    assert [cost_over(row, common) for row in rows] == ["1.5 (of 2)", "3.5 (of 2)", "–"]
    assert cost_over(rows[0], reproduce_measure.common_cost(rows[:1])) == "4"


def test_the_residual_of_the_optimal_value_is_zero() -> None:
    entry = zoo.entry("synthetic-2")
    system = entry.build()
    assert entry.optimal_value is not None
    exact = Candidate(system.state, entry.optimal_value(system.state), None)
    assert reproduce_measure.hjb_residual(system, exact)["hjb_residual_max"] < 1e-13
    wrong = Candidate(system.state, 2 * entry.optimal_value(system.state), None)
    assert reproduce_measure.hjb_residual(system, wrong)["hjb_residual_max"] > 1.0


def test_every_controller_gets_the_same_starts() -> None:
    system = zoo.quadrotor_2d()
    starts = reproduce_measure.common_starts(system, 50)
    assert np.array_equal(starts, reproduce_measure.common_starts(system, 50))
    assert np.abs(starts).max() <= 0.9 * 0.2 and len(starts) == 50


def test_the_papers_numbers() -> None:
    rows = {(r.n, r.m): r for r in reproduce_paper.TABLE_1}
    assert len(rows) == 29
    assert rows[2, 1600].elm_error == 6.10e-10 and rows[2, 1600].pinn_seconds == 953.37
    assert rows[6, 6400].elm_seconds == 63403.53 and rows[6, 6400].pinn_error == 0.138
    assert rows[12, 800].elm_error is None and rows[12, 800].pinn_seconds == 4426.54
    assert reproduce_paper.TABLE_2[2, 400] == ("time-out", "6.10")
    assert reproduce_paper.TABLE_3_PENDULUM["galerkin"][8] == 212.42
    assert reproduce_paper.LORENZ_SECONDS["elm-pi"][800] == 46.84
    assert reproduce_paper.FIGURE_5_COSTS["cartpole"] == 152


def test_the_whole_run_has_every_row_of_the_paper() -> None:
    known = [task for part in reproduce.PARTS.values() for task in part.tasks(Scale.of(False))]
    identities = {task.identity for task in known}
    shared = [t for t in known if t.store in ("systems", "table-3")]
    assert len(identities) < len(known)  # figures share rows with the tables
    assert {t.key["learner"] for t in shared} == {"lqr", "elm-pi", "pinn-pi", "galerkin"}
    adapted = {
        (t.key["system"], t.key["size"])
        for t in known
        if t.store == "table-1" and t.key["learner"] == "elm-pi" and t.key["features"] == "adapted"
    }
    assert adapted == {(f"synthetic-{r.n}", r.m) for r in reproduce_paper.TABLE_1}


def test_small_parts() -> None:
    assert markdown_table(["|k(0)|"], [["a|b"]])[1:4] == ["| \\|k(0)\\| |", "| --- |", "| a\\|b |"]
    assert remaining_seconds(60.0, 0.0, 60.0) == pytest.approx(180.0)
    assert remaining_seconds(600.0, 600.0, 700.0) == pytest.approx(100.0)
    assert plain({1: (float("inf"), np.int64(3), None, 2.5)}) == {"1": [None, 3, None, 2.5]}
