"""Numbers in words: bounds stay bounds, and JSON stays JSON."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.output import say_json
from cli.progress import ProgressBars
from cli.transcript import _floor, decimal, row, seconds


@given(st.fractions(min_value=Fraction(1, 10**9), max_value=10**9))
def test_a_cut_decimal_is_never_larger(value: Fraction) -> None:
    shown = Fraction(decimal(value))
    assert shown <= value and shown > value * (1 - Fraction(1, 10**5))


@pytest.mark.parametrize("text", ["0.029", "1.99", "0.0001", "3", "0.02761", "25"])
def test_short_decimals_stay_as_written(text: str) -> None:
    assert Fraction(decimal(Fraction(text))) == Fraction(text)
    assert decimal(Fraction(text)) == text


def test_a_volume_is_rounded_down() -> None:
    assert _floor(0.45269) == "0.4526"
    assert float(_floor(2155.99)) <= 2155.99


def test_a_long_label_keeps_its_distance() -> None:
    assert row("a rather long label", "text").startswith("a rather long label text")
    assert row("x", "text", "proved", "0.1 s").endswith("proved    0.1 s")
    assert row("x", "text") == "x            text"
    assert seconds(0.031) == "0.03 s" and seconds(12.4) == "12 s"


def test_numbers_that_are_no_json_become_null(capsys: pytest.CaptureFixture[str]) -> None:
    say_json({"a": [math.inf, {"b": math.nan}], "c": (1.5, None), "d": "x"})
    assert json.loads(capsys.readouterr().out) == {
        "a": [None, {"b": None}], "c": [1.5, None], "d": "x",
    }  # fmt: skip


def test_bars_appear_only_on_a_terminal_and_after_a_second(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from certify.branch_and_bound import Progress

    clock = [0.0]
    monkeypatch.setattr("cli.progress.time.perf_counter", lambda: clock[0])
    for terminal, waiting, wanted in ((False, 5.0, False), (True, 0.5, False), (True, 5.0, True)):
        monkeypatch.setattr("sys.stderr.isatty", lambda t=terminal: t)
        with ProgressBars() as bars:
            bars.proving("decrease", Progress(10, 5, 0.2))
            clock[0] += waiting
            bars.proving("decrease", Progress(2000, 7, 0.4))
            assert (bars._bars is not None) is wanted
            bars.training({"unknowns": 50, "hjb_residual_max": 1e-3})
            assert bars._bars is None  # another stage begins its own second
        assert capsys.readouterr().out == ""
