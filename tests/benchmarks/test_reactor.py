"""The evaluation on the reactor-separator: its measures, its baselines' figures, its harness."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import reactor, reactor_train
from benchmarks.reactor_compute import compiled_microseconds, visited_states
from benchmarks.reactor_controllers import (
    BASELINES,
    TITLES,
    PublishedOpenLoop,
    entries,
    policy_file,
    trained,
)
from benchmarks.reactor_parts import spread_references
from benchmarks.reactor_runs import (
    Course,
    costs,
    follow,
    late_deviation,
    mean_settling_hours,
    overshoots,
    published,
    settling_hours,
    task_with,
)
from benchmarks.reproduce_run import NotThereError
from learners.baselines import OpenLoop, TrackingLqr
from systems import expression as ex
from systems import zoo
from systems.zoo.reactor_separator import SET_POINTS

S0 = np.array([float(v) for v in SET_POINTS[0].states])
PNG = b"\x89PNG"


def made(*deviations: object) -> Course:
    """Trajectories of which only T1 deviates, by so many K at the beginning and after periods."""
    T1 = np.array(deviations, dtype=np.float64)
    states = np.zeros((*T1.shape, 9))
    states[:, :, 2] = T1
    periods = T1.shape[1] - 1
    return Course(states + 300.0, np.zeros((len(T1), periods, 3)), np.full((periods, 9), 300.0), 0)


def test_settled_is_what_stays_within_the_tolerance() -> None:
    course = made([9, 0.5, 3, 0.9, 0.2], [0.9, 0.1, 0, 0, 0], [5, 4, 3, 2, 1.1])
    np.testing.assert_allclose(settling_hours(course), [3 * 0.005, 0.0, np.inf])
    # The mean over the trajectories: 4.97, 1.53, 2, 0.97, 0.43.
    assert mean_settling_hours(course) == pytest.approx(3 * 0.005)


def test_costs_count_the_states_that_periods_end_in() -> None:
    task = task_with("none")
    np.testing.assert_allclose(costs(made([40, 20, 10, 0]), task), [1 + 0.25])


def test_overshoot_is_beyond_the_reference_from_where_it_began() -> None:
    course = made([8, 2, -3, -1], [-8, -9, -1, 0], [-5, 4, 6, 0])
    np.testing.assert_allclose(overshoots(course), [3, 0, 6])
    late = late_deviation(made([50, 3, 3, 3]), periods=3)
    assert late == {"rms_temperature": pytest.approx(3**0.5), "rms_fraction": 0.0}


def test_all_controllers_meet_the_same_starts_and_the_same_noise() -> None:
    task = task_with("w2")
    many = follow(task, OpenLoop(), [published(2, 5)], 4)
    few = follow(task, OpenLoop(), [published(2, 5)], 2)
    np.testing.assert_array_equal(many.states[:2], few.states)
    quiet = follow(task_with("none"), OpenLoop(), [published(2, 5)], 4)
    lqr = follow(task, TrackingLqr(task), [published(2, 1)], 4)
    np.testing.assert_array_equal(many.states[:, 0], lqr.states[:, 0])
    first = many.states[:, 1] - quiet.states[:, 1]
    assert np.abs(first).max() > 0.05
    unnoised = follow(task_with("none"), TrackingLqr(task), [published(2, 1)], 4)
    # At sref2 the inputs only shift temperatures, so the noise shows in the fractions unchanged.
    moved = lqr.states[:, 1] - unnoised.states[:, 1]
    np.testing.assert_allclose(moved[:, [0, 3, 6]], first[:, [0, 3, 6]], atol=2e-3)


SCHEDULE = {"open-loop": 1395, "published": 1631, "pi": 288, "lqr": 289}
MEDIANS = {
    "open-loop": (np.inf, 1.29, 0.87),
    "pi": (0.56, 0.37, 0.39),
    "lqr": (0.57, 0.35, 0.32),
}


@pytest.mark.parametrize("key", SCHEDULE)
def test_the_baselines_cost_what_is_known_of_them(key: str) -> None:
    """Sum over sref1, sref2, sref3, 1.5 h each, from s0, under σ_w1."""
    task = task_with("w1")
    controller = next(e for e in BASELINES if e.key == key).make(task)
    course = follow(task, controller, [published(k, 300) for k in (1, 2, 3)], 3, start=S0)
    assert costs(course, task).mean() == pytest.approx(SCHEDULE[key], rel=0.01)


@pytest.mark.parametrize("key", MEDIANS)
def test_the_baselines_settle_as_is_known_of_them(key: str) -> None:
    task = task_with("none")
    controller = next(e for e in BASELINES if e.key == key).make(task)
    medians = [
        np.median(settling_hours(follow(task, controller, [published(k, 500)], 100)))
        for k in (1, 2, 3)
    ]
    np.testing.assert_allclose(medians, MEDIANS[key], atol=0.06)


def test_published_inputs_are_known_for_three_references_only() -> None:
    controller = PublishedOpenLoop()
    target = published(3, 1)
    given = controller.act(S0[None], target.state[None], target.input[None])
    np.testing.assert_array_equal(given, [[3.829e6, 4.129e5, 4.044e6]])
    (other,) = spread_references(3, 1)[1:2]
    with pytest.raises(NotThereError, match="no inputs are published"):
        controller.act(S0[None], other.state[None], other.input[None])


def test_the_exported_control_law_is_timed() -> None:
    system = zoo.reactor_separator()
    control = ex.constant(list(system.equilibrium_input)) + system.state[[2, 5, 8]]
    found = compiled_microseconds(system, control, 1000)
    if found is None:
        pytest.skip("there is no C compiler (cc)")
    assert 0 < found < 1e4
    assert visited_states(40).shape == (40, 9)


def evaluated(out: Path, *arguments: str) -> str:
    ended = CliRunner().invoke(reactor.main, [*arguments, "--quick", "--out", str(out)])
    assert ended.exit_code == 0, ended.output
    return ended.output


def test_what_is_not_trained_says_so_and_a_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib", reason="the pictures need the extra 'report'")
    some = ("--controller", "pi", "--controller", "published", "--controller", "dlac-0")
    output = evaluated(tmp_path, *some)
    page = (tmp_path / "evaluation.md").read_text(encoding="utf-8")
    assert "not there" in page and "not run" in page and "| three PI loops | 6 |" in page
    assert "not trained: python -m benchmarks.reactor_train dlac --trial 0" in output
    assert all((tmp_path / f"figure-{k}.png").read_bytes().startswith(PNG) for k in (7, 8))
    bars = json.loads((tmp_path / "reactor.json").read_text(encoding="utf-8"))["rows"]
    assert not any(bar["met"] for row in bars for bar in row["bars"])
    monkeypatch.setattr("benchmarks.reactor_page.find_spec", lambda _: None)
    again = evaluated(tmp_path, *some, "--resume")
    page = (tmp_path / "evaluation.md").read_text(encoding="utf-8")
    assert "figure-7" not in page and "Pictures are left out" in page
    assert "pi" not in [line.split()[2] for line in again.splitlines() if line.startswith("[")]
    ended = CliRunner().invoke(reactor.main, ["--controller", "mpc", "--out", str(tmp_path)])
    assert ended.exit_code == 2 and "there is no controller mpc" in ended.output


def test_the_printed_hyperparameters_can_be_trained_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="training needs torch")
    monkeypatch.setattr(reactor_train, "CHECKPOINTS", tmp_path / "checkpoints")
    arguments = ["printed", "--trial", "0", "--steps", "100", "--out", str(tmp_path)]
    ended = CliRunner().invoke(reactor_train.main, arguments, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    record = json.loads((tmp_path / "policies" / "printed-0.json").read_text(encoding="utf-8"))
    assert record["settings"]["target_rate"] == 5e-6 and not record["settings"]["anchored"]
    assert [e.name for e in entries(tmp_path) if e.learner == "printed"] == [
        "DLAC, as printed, trial 0"
    ]


@pytest.mark.parametrize("learner", ["lac", "dlac"])
def test_a_training_leaves_what_the_evaluation_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, learner: str
) -> None:
    pytest.importorskip("torch", reason="training needs torch")
    pytest.importorskip("matplotlib", reason="the pictures need the extra 'report'")
    monkeypatch.setattr(reactor_train, "CHECKPOINTS", tmp_path / "checkpoints")
    arguments = [learner, "--trial", "1", "--steps", "500", "--out", str(tmp_path)]
    ended = CliRunner().invoke(reactor_train.main, arguments, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    key = f"{learner}-1"
    assert [e.key for e in entries(tmp_path) if e.learner == learner] == [key]
    file = policy_file(key, tmp_path)
    assert file is not None and file.exists()
    target = published(1, 1)
    policy = trained(learner, 1, tmp_path)
    held = policy.act(target.state[None], target.state[None], target.input[None])
    np.testing.assert_allclose(held, target.input[None], rtol=1e-9)
    if learner == "lac":
        monkeypatch.setattr("benchmarks.reactor_page.find_spec", lambda _: None)
    evaluated(tmp_path, "stability", "bands", "schedule", "--controller", key)
    page = (tmp_path / "evaluation.md").read_text(encoding="utf-8")
    assert f"{TITLES[learner]}, trial 1 (chosen)" in page
    drawn = [k for k in range(3, 9) if (tmp_path / f"figure-{k}.png").exists()]
    assert drawn == ([3, 4, 5, 6, 7, 8] if learner == "dlac" else [])
