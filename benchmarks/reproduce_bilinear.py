"""Figure 7: the bilinear system's V after 10 iterations beside V* = 2|x|."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reproduce_learners import Controller
from benchmarks.reproduce_paper import BILINEAR_ERROR, SOURCE
from benchmarks.reproduce_part import Part, Scale, is_measured, markdown_table, picture
from benchmarks.reproduce_run import Data, Task, rounded
from systems import zoo
from systems.evaluate import function

SIZES = (3, 50)
POINTS = 401


def tasks(scale: Scale) -> list[Task]:
    """A row for each size."""
    return [
        Task("figure-7", {"system": "bilinear", **Controller("elm-pi", m).key}, 0.5,
             partial(measure, m))
        for m in SIZES
    ]  # fmt: skip


def measure(size: int) -> Data:
    """V of seed 0 and its error on a grid with 0 in it; the worst error of three seeds."""
    entry = zoo.entry("bilinear")
    system = entry.build()
    assert entry.optimal_value is not None
    x = np.linspace(-1.0, 1.0, POINTS)
    curves, errors = [], []
    for seed in range(3):
        candidate = Controller("elm-pi", size).fit(entry, system, seed)
        wanted = entry.optimal_value(system.state)
        found, true = function([candidate.on(system).value, wanted], system.state)(x[:, None])
        curves.append(found[:, 0])
        errors.append(np.abs(found - true)[:, 0])
    return {
        "x": rounded(x), "value": rounded(curves[0], 17), "errors": rounded(errors[0], 3),
        "worst_error": float(np.max(errors)),
    }  # fmt: skip


def write(rows: list[Data], out: Path) -> list[str]:
    """The picture, and the worst error of three seeds."""
    shown = [r for r in rows if is_measured(r)]
    if not shown:
        return ["", "Not run yet.", ""]
    lines = [
        (str(r["key"]["size"]), f"{BILINEAR_ERROR:.0e}", f"{r['worst_error']:.1e}") for r in shown
    ]
    columns = ("m", "paper: error, m ≥ 3", "**ours: error, worst of three seeds**")
    return [
        *picture(out, "figure-7", _figure(shown), CAPTION), *markdown_table(columns, lines)
    ]  # fmt: skip


def _figure(rows: list[Data]) -> Any:
    from proofs import picture_style as style

    with style.styled():
        figure = style.new_figure(9.5, 3.6)
        left, right = figure.subplots(1, 2)
        x = np.array(rows[0]["x"])
        left.plot(x, 2 * np.abs(x), color=style.GREY, lw=4.0, label="V* = 2|x|")
        for row, colour in zip(rows, (style.BLUE, style.ORANGE), strict=False):
            words = f"ELM-PI, relu, m = {row['key']['size']}"
            left.plot(x, row["value"], color=colour, lw=1.4, label=words)
            right.semilogy(x, np.maximum(row["errors"], 1e-18), color=colour, lw=1.0)
        left.set(xlabel="x", ylabel="V", title="After 10 iterations")
        right.set(xlabel="x", ylabel="|V − V*|", title="Error (0 is drawn at 1e-18)")
        right.set_ylim(5e-19, 1e-13)
        for axes in (left, right):
            axes.grid(True)
        style.legend_below(figure, left, 3)
    return figure


CAPTION = (
    "**Figure 7.** ẋ = xu: V by ELM-PI with relu features and no bias beside V\\* = 2|x|, which is "
    f"not differentiable at 0. The paper ({SOURCE}, appendix F.3.1) shows V after 10 iterations "
    "and states an error of 1e-16 for m ≥ 3."
)

PART = Part("figure-7", "Figure 7: the bilinear system", tasks, write)
