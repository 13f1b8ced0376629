"""``stableproof region``: the certified volume, and the simulated one beside it."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import FAST, Run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that proved something. Nothing in it may be changed."""
    from cli.main import run

    folder = tmp_path_factory.mktemp("region") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("proofs.report._draw", lambda *_: ({}, []))
        assert run(["run", *FAST, "--out", str(folder)]) == 0
    return folder


def test_a_run_is_measured(stableproof: Run, finished: Path) -> None:
    before = {p.name: p.read_bytes() for p in finished.iterdir()}
    ended = stableproof("region", finished, "--samples", 400)
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert [line.split()[0] for line in lines[:5]] == [
        "system", "claim", "certified", "simulated", "simulated",
    ]  # fmt: skip
    assert "V(x) <= 0.029" in lines[1] and lines[1].endswith("proved")
    assert lines[-1].startswith("certified >= 0.4") and "simulated, not proved" in lines[-1]
    assert {p.name: p.read_bytes() for p in finished.iterdir()} == before


def test_json_has_both_figures(stableproof: Run, finished: Path) -> None:
    data = stableproof("region", finished, "--samples", 400, "--json").data
    certificate = json.loads((finished / "certificate.json").read_text())
    stated = float.fromhex(certificate["volume"]["at_least"])
    certified, simulated = data["certified"], data["simulated"]
    assert data["verdict"] == "proved" and "not checked again" in data["reason"]
    assert certified["at_least"] >= stated and certified["unit"] == "rad * rad/s"
    assert certified["share_of_domain"] == pytest.approx(certified["at_least"] / 4)
    assert simulated["proved"] is False and simulated["complete"] is True
    for estimate in (simulated["staying"], simulated["converging"]):
        assert (
            certified["at_least"] < estimate["low"] <= estimate["volume"] <= estimate["high"] <= 4
        )
        least = certified["at_least"] / estimate["high"]
        assert estimate["certified_share_at_least"] == pytest.approx(least)
    same = stableproof("region", finished / "certificate.json", "--samples", 400, "--json").data
    for found in (simulated, same["simulated"]):
        found.pop("seconds")
    assert same["simulated"] == simulated


def test_a_candidate_is_proved_first(stableproof: Run, motor: Path) -> None:
    """ẋ = x + u has V = (1 + √2) x²: an interval, in closed form."""
    asked = ("--c2", "0.6", "--samples", 100, "--json")
    ended = stableproof("region", motor / "motor.toml", motor / "motor.json", *asked)
    assert ended.code == 0, ended.err
    certified = ended.data["certified"]
    assert certified["how"] == "ellipsoid"
    assert certified["at_least"] == pytest.approx(2 * math.sqrt(0.6 / (1 + math.sqrt(2))))
    assert ended.data["simulated"]["staying"]["volume"] == 2.0
    assert ended.data["region"]["c2"] == 0.6


def test_where_nothing_is_proved_there_is_no_region(stableproof: Run, motor: Path) -> None:
    asked = ("region", motor / "motor.toml", motor / "motor.json", "--c2", "9")
    ended = stableproof(*asked)
    assert ended.code == 1 and ended.out.startswith("refuted: ")
    data = stableproof(*asked, "--json").data
    assert data["verdict"] == "refuted" and data["region"] is None and "simulated" not in data


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["nowhere"], "there is no nowhere; give the folder of a run"),
        (["{run}", "--c2", "0.01"], "--c2: the constants are those of"),
        (["{run}", "--rate", "1"], "--rate: the constants are those of"),
        (["{run}", "--claim", "practical-stability"], "--claim: the constants"),
        (["{trained}"], "holds no certificate.json: nothing was proved there"),
        (["{run}", "--picture"], "--picture needs --out"),
        (["{run}", "--out", "somewhere"], "--out is for --picture"),
        (["{run}", "--samples", "1"], "--samples"),
        (["{run}", "--horizon", "nan"], "no horizon"),
        (["{run}/candidate.json"], "is no usable certificate"),
        (["cartpole", "{run}"], "was made for 'pendulum'"),
    ],
)
def test_bad_input_is_told_in_a_line(
    refused: Callable[..., str],
    finished: Path,
    trained: Path,
    arguments: list[str],
    part: str,
) -> None:
    filled = [a.format(run=finished, trained=trained) for a in arguments]
    assert part in refused("region", *filled)


def test_a_picture_is_drawn_once(stableproof: Run, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ended = stableproof("region", finished, "--samples", 100, "--picture", "--out", out)
    assert ended.code == 0, ended.err
    assert str(out / "region.png") in ended.out
    assert (out / "region.png").read_bytes().startswith(b"\x89PNG")
    assert {p.name for p in out.iterdir()} == {"region.png", "run.json"}
    assert stableproof("show", out).code == 0
    again = stableproof("region", finished, "--samples", 100, "--picture", "--out", finished)
    assert again.code == 2 and "choose another folder" in again.err


@pytest.mark.parametrize("dimension", [1, 3])
def test_pictures_of_other_dimensions(dimension: int) -> None:
    from fractions import Fraction

    from cli.region_picture import RegionPicture
    from systems import expression as ex
    from systems.box import Box
    from tests.certify.regions import resting

    problem = resting(
        lambda x: ex.total(x**2),
        Box.symmetric([2] * dimension),
        field=lambda x: x * (ex.total(x**2) - 1),
    )
    drawing = RegionPicture(problem, Fraction(1, 4), 20.0, lambda: False)
    points = np.zeros((3, dimension))
    points[:, 0] = 0.4, 0.9, 1.1
    assert drawing.kinds(points).tolist() == [0, 1, 3]
    assert drawing.png().startswith(b"\x89PNG")
    late = RegionPicture(problem, Fraction(1, 4), 20.0, lambda: True)
    assert late.kinds(points).tolist() == [0, 4, 4]


def test_a_picture_shows_no_more_as_proved_than_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flat ellipse, V = x1² + 900 x2² ≤ 1/4, narrower than two cells of the simulated grid."""
    from fractions import Fraction

    from matplotlib.image import imread

    from cli.region_picture import RegionPicture
    from proofs import picture_style as style
    from systems import expression as ex
    from systems.box import Box
    from tests.certify.regions import resting

    problem = resting(
        lambda x: x[0] ** 2 + 900 * x[1] ** 2 + x[2] ** 2,
        Box.symmetric([1, 1, 1]),
        field=lambda x: x * (ex.total(x**2) - 4),
    )
    drawing = RegionPicture(problem, Fraction(1, 4), 20.0, lambda: False)
    figure = style.new_figure(4, 4)
    axes = figure.subplots()
    drawing._slice(axes, 0, 1)
    axes.set_position((0, 0, 1, 1))
    axes.set_axis_off()
    pixels = 255 * imread(io.BytesIO(style.png(figure)))[..., :3]
    blue = np.array([int(style.BLUE[i : i + 2], 16) for i in (1, 3, 5)])
    share = float((abs(pixels - blue).sum(-1) < 12).mean())
    assert 0 < share < 1.3 * math.pi * 0.5 * (0.5 / 30) / 4
