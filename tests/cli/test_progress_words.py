"""The time that is left: an honest estimate, or nothing. On a clock of its own, with no waiting."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from cli import progress
from cli.progress import ProgressBars
from cli.progress_words import Remaining, training_words
from tests.cli.test_progress import terminal_for


def after(steps: list[tuple[float, float]]) -> Remaining:
    left = Remaining()
    for now, share in steps:
        left.tell(now, share)
    return left


def test_steady_work_is_told_after_some_seconds_only() -> None:
    left = Remaining()
    for k in range(1, 1000):
        now = 100.0 + 0.1 * k
        left.tell(now, k / 1000)
        if k < 50:
            assert left.words(now) == ""
        elif k > 55:
            told = left.seconds(now)
            assert told is not None and abs(told - (200.0 - now)) < 0.11
    assert left.words(now) == "about 1 s left"


def test_work_that_slows_down_is_estimated_from_what_happens_late() -> None:
    """1 − exp(−t/30): by the mean rate alone, the estimate would be far too short."""
    left = after([(0.5 * k, 1 - math.exp(-0.5 * k / 30)) for k in range(40)])
    told = left.seconds(19.5)
    mean_rate = 19.5 * math.exp(-19.5 / 30) / (1 - math.exp(-19.5 / 30))
    assert told is not None and told > 1.1 * mean_rate


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [(0.0, 0.0), (60.0, 0.01)],  # too little is done
        [(0.0, 0.0), (1.0, 0.5)],  # too early
        [(0.0, 0.0), (1.0, 0.9), (30.0, 0.9), (60.0, 0.9)],  # it stands still
        [(0.0, 0.0), (1.0, 0.9), (30.0, 0.9), (60.0, 0.9001)],  # nearly
        [(0.0, 0.0), (10.0, 0.5), (20.0, 0.1)],  # it began anew
        [(0.0, 0.0), (10.0, 1.0)],  # done
    ],
)
def test_nothing_is_said_rather_than_nonsense(steps: list[tuple[float, float]]) -> None:
    left = after(steps)
    assert left.words(steps[-1][0] if steps else 7.0) == ""


def test_between_entries_it_counts_down_and_never_below_zero() -> None:
    left = after([(10.0 * k, k / 10) for k in range(8)])
    assert left.words(70.0) == "about 30 s left" and left.words(80.0) == "about 20 s left"
    assert left.words(95.0) == "about 5 s left" and left.words(101.0) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (9.2, "9 s"), (11.0, "10 s"), (31.0, "30 s"), (58.0, "1 min"), (170.0, "3 min"),
     (3600.0, "1.0 h"), (9000.0, "2.5 h")],
)  # fmt: skip
def test_figures_are_as_coarse_as_they_are_uncertain(seconds: float, words: str) -> None:
    left = after([(k * seconds, 0.5 * k / 100) for k in range(0, 101, 5)])
    left._smooth = seconds
    assert left.words(100 * seconds) == f"about {words} left"


def test_many_entries_cost_little() -> None:
    left = after([(0.01 * k, k / 1e6) for k in range(100_000)])
    assert len(left.told) <= 401 and left.words(1000.0) != ""


def test_words_of_training() -> None:
    told = {"iteration": 3, "iterations": 10, "step": 40, "steps": 400, "unknowns": 100.0}
    assert training_words({**told, "hjb_residual_max": 0.01, "loss": 0.5}) == (
        "iteration 3/10, step 40/400, 100 unknowns, HJB residual 1.0e-02"
    )
    assert training_words({"iteration": 3, "loss": 0.5}) == "iteration 3, loss 5.0e-01"
    assert training_words({"iteration": "three", "unknowns": None}) == ""


def test_a_bar_shows_the_share_and_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_for(monkeypatch)
    monkeypatch.setenv("COLUMNS", "160")
    now = [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    with ProgressBars() as bars:
        for k in range(51):
            now[0] = float(k)
            bars.training({"iteration": k, "iterations": 100, "share": k / 100})
        bars._bars.refresh()  # type: ignore[union-attr]
        shown = terminal.getvalue()
        assert "iteration 50/100" in shown and "about 50 s left" in shown
        assert bars._bars is not None and bars._bars.tasks[-1].percentage == 50.0
        now[0] += 1
        bars.training({"iteration": 51})  # the share is not known any more
        assert [t.total for t in bars._bars.tasks] == [None]
        now[0] += 1
        bars.training({"iteration": 52, "share": math.nan})
        assert [t.total for t in bars._bars.tasks] == [None]
        now[0] += 1
        bars.training({"iteration": 53, "share": 0.75})
        assert [(t.total, t.completed) for t in bars._bars.tasks] == [(1.0, 0.75)]
