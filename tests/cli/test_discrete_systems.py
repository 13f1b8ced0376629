"""``systems``, ``train`` and ``simulate`` with discrete time, disturbances and unsafe sets."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from certify.candidate_file import save_candidate
from learners.lqr import lqr_candidate
from systems import zoo
from systems.errors import InputError
from tests.cli.conftest import Run

CART = Path(__file__).resolve().parents[2] / "examples" / "sampled_cart.toml"


def saved(folder: Path, name: str) -> Path:
    path = folder / "candidate.json"
    save_candidate(lqr_candidate(zoo.system(name)), path, name)
    return path


def test_everything_that_a_system_says_is_shown(stableproof: Run) -> None:
    out = stableproof("systems", CART).out
    assert "v_next = v + 0.2*wind + 0.2*u" in out
    assert "wind [N]" in out and "[-0.05, 0.05]" in out
    assert "hard landing: p - 1 >= 0 and v - 1 >= 0" in out
    assert "(with the disturbances at the centre of their ranges)" in out
    data = stableproof("systems", CART, "--json").data["system"]
    assert data["time"] == "discrete"
    assert data["disturbances"] == [{"name": "wind", "unit": "N"}]
    assert data["unsafe"]["wall"] == ["p - 1.5 >= 0"]
    assert data["rests_under_disturbances"] is False


def test_a_system_without_these_shows_nothing_of_them(stableproof: Run) -> None:
    out = stableproof("systems", "pendulum").out
    assert "disturbance" not in out and "unsafe" not in out
    assert "(whatever the disturbances are)" in stableproof("systems", "van-der-pol-uncertain").out


def test_lqr_is_trained_on_the_example_and_elm_pi_refuses(stableproof: Run, tmp_path: Path) -> None:
    ended = stableproof("train", CART, "--learner", "lqr", "--out", tmp_path / "lqr", "--json")
    assert ended.code == 0 and Path(ended.data["candidate"]).is_file()
    refused = stableproof("train", CART, "--out", tmp_path / "elm")
    assert refused.code == 2 and len(refused.err.strip().splitlines()) == 1
    assert "for a discrete system use LQR (--learner lqr)" in refused.err


def test_a_discrete_simulation_counts_steps(stableproof: Run, tmp_path: Path) -> None:
    path = saved(tmp_path, "pendulum-discrete")
    out = tmp_path / "simulated"
    ended = stableproof(
        "simulate", "pendulum-discrete", path, "--start", "0.1,0", "--out", out, "--json"
    )
    assert ended.code == 0 and ended.data["trajectories"][0]["time"] == 100
    lines = (out / "trajectories.csv").read_text().splitlines()
    assert lines[0] == "trajectory,step,theta,omega,u,cost" and len(lines) == 102
    table = np.array([[float(v) for v in line.split(",")] for line in lines[1:]])
    np.testing.assert_array_equal(table[:, 1], np.arange(101))
    np.testing.assert_allclose(table[1:, 2], table[:-1, 2] + 0.02 * table[:-1, 3], rtol=1e-12)
    told = stableproof("simulate", "pendulum-discrete", path, "--horizon", "0.5")
    assert told.code == 2 and "the horizon is a number of steps" in told.err


def test_a_picture_of_steps(stableproof: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra 'report' is not installed")
    path = saved(tmp_path, "pendulum-discrete")
    ended = stableproof(
        "simulate", "pendulum-discrete", path, "--picture", "--out", tmp_path / "simulated"
    )
    assert ended.code == 0
    assert (tmp_path / "simulated" / "trajectories.png").read_bytes().startswith(b"\x89PNG")


def test_a_constant_disturbance_moves_the_end(stableproof: Run, tmp_path: Path) -> None:
    """At rest, u = -w: the angle is w over the gain that closes the loop, less gravity's."""
    path = saved(tmp_path, "pendulum-disturbed")
    command = ("simulate", "pendulum-disturbed", path, "--start", "0,0", "--horizon", "20")
    still = stableproof(*command, "--json").data["trajectories"][0]
    assert still["end"] == [0, 0]
    pushed = stableproof(*command, "--disturbance", "0.01", "--json").data["trajectories"][0]
    theta, omega = pushed["end"]
    gain = lqr_candidate(zoo.pendulum_disturbed()).provenance["gain"]
    assert isinstance(gain, list)
    assert abs(omega) < 1e-6
    # m g l sin(theta) + u + w = 0
    assert 0.49 * np.sin(theta) - gain[0][0] * theta + 0.01 == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("pendulum-disturbed", "0.02", "the disturbance w = 0.02 is outside its range"),
        ("pendulum-disturbed", "0,0", "--disturbance: give a number for each of w, 2 given"),
        ("pendulum-disturbed", "a", "--disturbance: "),
        ("pendulum-discrete", "0", "--disturbance: pendulum-discrete has no disturbances"),
    ],
)
def test_disturbances_that_make_no_sense(
    stableproof: Run, tmp_path: Path, name: str, given: str, message: str
) -> None:
    ended = stableproof("simulate", name, saved(tmp_path, name), "--disturbance", given)
    assert ended.code == 2 and message in ended.err
    assert len(ended.err.strip().splitlines()) == 1


def test_a_learner_that_does_not_fit_takes_no_folder(stableproof: Run, tmp_path: Path) -> None:
    """Following the advice, with the same folder, must work; and no former run is lost to it."""
    out = tmp_path / "out"
    for command in ("train", "run"):
        assert stableproof(command, CART, "--out", out).code == 2
        assert not out.exists()
    good = ("train", CART, "--learner", "lqr", "--out", out)
    assert stableproof(*good).code == 0
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    assert stableproof("run", CART, "--out", out, "--force").code == 2
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


@pytest.mark.parametrize("command", ["train", "run"])
def test_bad_input_found_in_training_gives_the_folder_back(
    stableproof: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    def refusing(*_: object, **__: object) -> NoReturn:
        raise InputError("this cannot be learned")

    there = tmp_path / "there"
    there.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr("cli.learner_options.Baseline.fit", refusing)
        for out in (tmp_path / "new", there):
            ended = stableproof(command, CART, "--learner", "lqr", "--out", out)
            assert (ended.code, ended.err) == (2, "error: this cannot be learned\n")
    assert not (tmp_path / "new").exists() and list(there.iterdir()) == []
    again = ("train", CART, "--learner", "lqr", "--seed", 3, "--out", there)
    assert stableproof(*again).code == 0
