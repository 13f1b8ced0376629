"""Bars on standard error: on a terminal, after a while, and gone before lines are printed."""

from __future__ import annotations

import io
import sys
import time

import pytest

from cli import progress
from cli.output import say
from cli.progress import ProgressBars, waiting


class Terminal(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


def terminal_for(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """No fixture: pytest replaces standard error once more before the test itself begins."""
    made = Terminal()
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setattr(progress, "PATIENCE", 0.02)
    monkeypatch.setenv("TERM", "xterm")
    return made


def _until(terminal: Terminal, text: str) -> bool:
    for _ in range(500):
        if text in terminal.getvalue():
            return True
        time.sleep(0.01)
    return False


def test_silence_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_for(monkeypatch)
    with ProgressBars() as bars:
        assert _until(terminal, "working")
        bars.clear()
        assert bars._bars is None
        bars.training({"unknowns": 7})
        time.sleep(0.03)
        bars.training({"unknowns": 8})
        assert _until(terminal, "8 unknowns")
    assert bars._bars is None and bars._timer is None


def test_drawing_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_for(monkeypatch)
    with waiting("report"):
        assert _until(terminal, "report")


def test_nothing_is_shown_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    told = io.StringIO()
    monkeypatch.setattr(sys, "stderr", told)
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    with ProgressBars() as bars, waiting("report"):
        bars.training({"unknowns": 7})
        bars.training({"unknowns": 8})
    assert told.getvalue() == "" and bars._timer is None


def test_a_result_told_under_a_bar_goes_to_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output may be a file while standard error is a terminal."""
    terminal, told = terminal_for(monkeypatch), io.StringIO()
    monkeypatch.setattr(sys, "stdout", told)
    with ProgressBars():
        assert _until(terminal, "working")
        say("the result")
    assert told.getvalue() == "the result\n" and "the result" not in terminal.getvalue()
