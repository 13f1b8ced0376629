"""The history of a training: what is kept of what learners tell, and its table."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cli import training_record
from cli.training_levels import Stage, common_levels, slice_of, states_that_matter
from cli.training_picture import positions
from cli.training_record import Learnt, TrainingRecord, as_csv, from_csv
from systems import zoo
from systems.errors import InputError


def square(x: np.ndarray) -> np.ndarray:
    return np.asarray((x**2).sum(axis=1))


def test_entries_are_counted_by_rounds_and_iterations() -> None:
    record = TrainingRecord()
    record.add({"hjb_residual_max": np.float64(0.5), "unknowns": 7, "value": square, "share": 0.5})
    record.add({"iteration": 2, "step": 3, "steps": 9, "loss": 1})
    record.add({"iteration": 2, "step": 9, "loss": math.nan, "policy_change": 0.1, "box": "all"})
    record.finish_round(square)
    record.add({"hjb_residual_max": True})
    rows = [(e.round, e.iteration, e.step) for e in record.entries]
    assert rows == [(1, 1, None), (1, 2, 3), (1, 2, None), (2, 1, None)]
    assert dict(record.entries[0].numbers) == {"hjb_residual_max": 0.5, "unknowns": 7.0}
    assert record.entries[3].numbers == {}
    assert [v.iteration for v in record.learnt] == [1, None]
    record.add({"value": square})
    assert [v.iteration for v in record.learnt] == [2]  # those of the round before are gone


def test_a_learner_that_begins_anew_on_a_smaller_part_is_shown_from_there() -> None:
    record = TrainingRecord()
    for box in (0.5, 1.0, 0.25, 0.3):
        record.add({"value": square, "box": box})
    assert [v.iteration for v in record.learnt] == [3, 4]
    record.finish_round(square, 0.3)
    assert [v.box for v in record.learnt] == [0.25, 0.3, 0.3]
    stage = Stage.of(zoo.system("pendulum"))
    found = slice_of(stage, record.learnt)
    assert found is not None and found.box == 0.3
    assert [line[-1] for line in found.lines] == [0.3, 0.3]


def test_the_table_is_read_back_exactly() -> None:
    record = TrainingRecord()
    record.add({"iteration": 1, "step": 2, "loss": 1 / 3})
    record.add(
        {"hjb_residual_max": math.inf, "hjb_residual_rms": math.nan, "policy_change": 1e-300}
    )
    text = as_csv(record.entries)
    assert text.splitlines()[1] == "1,1,2,0.3333333333333333,,,,,,"
    again = from_csv(text)
    assert as_csv(again) == text and again[0] == record.entries[0]


@pytest.mark.parametrize(
    "text",
    ["", "round,loss\n1,2\n", "{head}\n1,2\n", "{head}\n0,1,,,,,,,,\n", "{head}\n1,1,x,,,,,,,\n",
     "{head}\n1,1,,__import__,,,,,,\n", "\0"],
)  # fmt: skip
def test_a_damaged_table_is_refused(text: str) -> None:
    head = ",".join(training_record.COLUMNS)
    with pytest.raises(InputError, match="table of training"):
        from_csv(text.replace("{head}", head))


def test_a_long_training_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_record, "MOST_STEPS", 20)
    monkeypatch.setattr(training_record, "MOST_VALUES", 8)
    record = TrainingRecord()
    for k in range(1, 101):
        record.add({"iteration": k, "step": 1, "loss": 1.0})
        record.add({"iteration": k, "hjb_residual_max": 1.0, "value": square})
    steps = [e for e in record.entries if not e.ends_iteration]
    assert len(steps) <= 20 and steps[-1].iteration == 100
    assert sum(e.ends_iteration for e in record.entries) == 100
    kept = [v.iteration for v in record.learnt]
    assert len(kept) <= 8 and kept[0] == 1 and kept[-1] == 100


def test_steps_lie_between_iterations_and_rounds_follow_each_other() -> None:
    record = TrainingRecord()
    for step in (1, 3):
        record.add({"iteration": 1, "step": step, "loss": 1.0})
    record.add({"iteration": 1, "policy_change": 1.0})
    record.add({"iteration": 2, "policy_change": 1.0})
    record.finish_round(square)
    record.add({"iteration": 1, "policy_change": 1.0})
    where, along, starts = positions(record.entries)
    assert where.tolist() == [0.25, 0.75, 1.0, 2.0, 3.0]
    assert along == "iteration" and starts == [(1, 0.0), (2, 2.5)]


def test_steps_count_where_there_is_one_iteration() -> None:
    record = TrainingRecord()
    for step in (10, 20):
        record.add({"step": step, "loss": 1.0})
    where, along, _ = positions(record.entries)
    assert along == "optimiser step" and where.tolist() == [10.0, 20.0]


def test_v_is_shown_where_it_was_learnt_and_finite() -> None:
    stage = Stage.of(zoo.system("pendulum"))

    def partial(x: np.ndarray) -> np.ndarray:
        return np.where(x[:, 0] > 0.25, np.inf, square(x))

    found = slice_of(stage, [Learnt(1, partial, box=0.5), Learnt(2, square)])
    assert found is not None and found.states == (0, 1)
    a, b = np.meshgrid(*found.lines)
    known = np.isfinite(found.values[0])
    assert (known == ((np.maximum(abs(a), abs(b)) <= 0.5 * (1 + 1e-9)) & (a <= 0.25))).all()
    np.testing.assert_allclose(found.values[1], a**2 + b**2)
    assert slice_of(stage, [Learnt(1, lambda x: np.full(len(x), np.nan))]) is None
    assert slice_of(stage, []) is None


def test_the_slice_shows_states_that_matter() -> None:
    stage = Stage.of(zoo.system("cartpole"))
    assert stage.dimension == 4
    flat = Learnt(1, lambda x: 1e-6 * x[:, 0] ** 2 + x[:, 1] ** 2 + x[:, 3] ** 2)
    assert states_that_matter(stage, flat) == (1, 3)
    assert states_that_matter(stage, Learnt(1, lambda x: x[:, 2] ** 2)) == (0, 2)
    assert states_that_matter(stage, Learnt(1, lambda x: np.full(len(x), np.nan))) == (0, 1)


def test_levels_hold_the_largest_that_stays_inside() -> None:
    line = np.linspace(-1, 1, 41)
    a, b = np.meshgrid(line, line)
    levels = common_levels(a**2 + 4 * b**2)
    assert min(abs(v - 1.0) for v in levels) == 0.0
    assert levels == sorted(levels) and levels[0] > 0 and levels[-1] < 5
    assert common_levels(np.zeros((5, 5))) == [] == common_levels(np.full((5, 5), np.nan))
    assert len(common_levels(-(a**2) - b**2)) > 2  # no Lyapunov function, but to be seen
