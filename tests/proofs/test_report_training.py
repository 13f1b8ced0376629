"""A picture of training that was drawn while it went on, in the report and on its page."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from proofs.picture_style import new_figure, png
from proofs.report import write_report
from tests.proofs import results

HISTORY = [{"hjb_residual_max": 0.1 / 4**k, "unknowns": 25} for k in range(5)]


@pytest.mark.parametrize("live", [True, False])
def test_the_live_picture_takes_the_place_of_the_residuals(tmp_path: Path, live: bool) -> None:
    for library in ("matplotlib", "jinja2", "plotly"):
        pytest.importorskip(library, reason="the extra 'report' is not installed")
    picture = png(new_figure(1.0, 1.0))
    write_report(
        tmp_path, results.proved("synthetic-1"), history=HISTORY,
        training_picture=picture if live else None,
    )  # fmt: skip
    told, page = ((tmp_path / name).read_text() for name in ("report.md", "report.html"))
    image = base64.b64encode(picture).decode("ascii")
    assert ((tmp_path / "training.png").read_bytes() == picture) == live
    assert ("V by iteration, with the counterexamples of all rounds](training.png)" in told) == live
    assert ("no figure of training enters the proof.*" in told.replace("\n", " ")) is True
    assert page.count(image) == int(live)
    assert (f'<img class="always" src="data:image/png;base64,{image}" alt="' in page) == live
    assert ("from light (early) to dark (late)" in page) == live
