"""Where only an ellipsoid is proved: what is told of it, and whose V it is that c2 belongs to."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from certify import Claim
from certify.candidate import Candidate
from certify.candidate_file import load_candidate, save_candidate
from cli.inputs import load_plant
from systems import expression as ex
from systems.evaluate import function
from tests.certify.claims import plant
from tests.cli.conftest import Run

MATTERS = "need not be the candidate's"


@pytest.fixture
def useless(motor: Path, tmp_path: Path) -> Path:
    """A controller for motor.toml that stabilises it, u = -2 x, with V = -x^2 / 1000."""
    plant = load_plant(str(motor / "motor.toml"))
    x = plant.system.state
    path = tmp_path / "useless.json"
    value = ex.multiply("-1/1000", ex.total(x**2))
    save_candidate(Candidate(x, value, -2 * x), path, plant.system.name)
    return path


def test_the_ellipsoid_is_a_claim_of_its_own(
    stableproof: Run, motor: Path, useless: Path, tmp_path: Path
) -> None:
    """Asked for more, but only local stability is proved: exit code 0, and every word says so."""
    out = tmp_path / "out"
    command = ("certify", motor / "motor.toml", useless, "--time-limit", "10", "--out", out)
    ended = stableproof(*command, "--json")
    told = ended.data
    assert ended.code == 0 and told["verdict"] == "proved"
    assert told["claim"] == "local stability" and told["no_larger_region"]
    assert MATTERS in told["reason"]
    region = told["region"]
    assert region["mu"] is None and region["c1"] == region["c2"] == region["core"] < region["c_q"]
    [[p]] = region["ellipsoid"]
    assert p * 0.99 < region["c2"] < p  # {p x² ≤ c2} reaches nearly to the end of [-1, 1]
    report = (out / "report.md").read_text()
    assert "motor: local stability" in report and "which need not be that of" in report
    assert "function $V$ of the candidate" not in report
    assert "A larger region was looked for first" in report
    assert "| c2 |" in report and "| c1 |" not in report  # there is no band between two levels
    again = stableproof(*command)
    assert "V of the ellipsoid, converges" in again.out and "first region" in again.out
    certificate = json.loads((out / "certificate.json").read_text())
    assert certificate["statement"]["theorem"] == "local stability"
    checked = stableproof(
        "check", out, "--system", motor / "motor.toml", "--candidate", useless, "--json"
    )
    assert checked.code == 0


@pytest.mark.parametrize(
    "options", [("--claim", "exponential-stability"), ("--c2", "1/2"), ("--mu", "1/100")]
)
def test_whoever_asked_for_more_gets_no_less(
    stableproof: Run, motor: Path, useless: Path, options: tuple[str, ...]
) -> None:
    command = ("certify", motor / "motor.toml", useless, "--time-limit", "5", "--json")
    told = stableproof(*command, *options).data
    assert told["verdict"] != "proved" and told["region"] is None


def values_of(file: Path) -> Any:
    candidate = load_candidate(file)[0]
    points = np.linspace(-1, 1, 9)[:, None]
    return function(candidate.value, candidate.state)(points)[0][:, 0]


def test_the_candidate_of_a_run_has_the_V_that_is_proved(
    stableproof: Run, motor: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = ("run", motor / "motor.toml", "--learner", "lqr", "--claim", "local-stability")
    told = stableproof(*command, "--out", out, "--json").data
    assert told["verdict"] == "proved"
    [[p]] = told["region"]["ellipsoid"]
    assert np.allclose(values_of(out / "candidate.json"), p * np.linspace(-1, 1, 9) ** 2)
    assert stableproof(*command, "--out", out).code == 0  # finished, and its files are whole


def test_after_ctrl_c_the_candidate_is_still_the_trained_one(
    stableproof: Run, motor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted while the ellipsoid is looked for: what is resumed is what was trained."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    command = ("run", motor / "motor.toml", "--learner", "lqr", "--out", out)
    with monkeypatch.context() as patch:
        patch.setattr("cli.loop.is_wanted", lambda *_: True)  # whatever was proved
        patch.setattr("cli.loop.first_region", interrupted)
        assert stableproof(*command).code == 130
    assert np.allclose(values_of(out / "candidate.json"), values_of(motor / "motor.json"))
    told = stableproof(*command, "--json").data
    assert told["verdict"] == "proved" and told["claim"] == "asymptotic stability"
    assert np.allclose(values_of(out / "candidate.json"), values_of(motor / "motor.json"))


def test_ctrl_c_in_a_comparison_keeps_the_proof(
    stableproof: Run, motor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    monkeypatch.setattr("cli.loop.beside_lqr", interrupted)
    ended = stableproof("run", motor / "motor.toml", "--out", out)
    assert ended.code == 0 and "the proof is kept" in ended.err and "LQR  " not in ended.out
    assert stableproof("check", out / "certificate.json").code == 0


def test_ctrl_c_while_the_ellipsoid_is_looked_for(
    stableproof: Run, motor: Path, useless: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    command = ("certify", motor / "motor.toml", useless, "--time-limit", "5")
    folder = ("--out", tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr("cli.first_region.first_region", interrupted)
        ended = stableproof(*command, *folder)
        assert ended.code == 130 and "proved" not in ended.out
        assert len(ended.err.splitlines()) == 1
    assert stableproof(*command, *folder).code == 0


def test_the_words_of_a_condition_name_what_is_bounded(stableproof: Run) -> None:
    """It is the ellipsoid that misses what is unsafe, not {V ≤ c2}."""
    options = ("--learner", "lqr", "--claim", "local-stability")
    ended = stableproof("run", "double-integrator-unsafe", *options)
    assert ended.code == 0 and "meets nothing unsafe" in ended.out
    lines = [line for line in ended.out.splitlines() if line.startswith("avoid")]
    assert lines and all(" q > " in line and "V >" not in line for line in lines)


@pytest.mark.parametrize("command", ["certify", "run"])
def test_what_the_search_has_shown_of_the_origin_is_the_least_there_is(
    stableproof: Run, motor: Path, useless: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Without a single try of its own, the fallback still has the ellipsoid that closed the
    origin before the search ended open."""
    monkeypatch.setattr("certify.prove_local.MOST_TRIES", 0)
    proposal = load_candidate(useless)[0]
    monkeypatch.setattr(import_module("learners.lqr"), "lqr_candidate", lambda *_: proposal)
    what = (useless,) if command == "certify" else ("--learner", "lqr")
    options = ("--time-limit", "5", "--json")
    told = stableproof(command, motor / "motor.toml", *what, *options).data
    assert told["verdict"] == "proved" and told["claim"] == "local stability"


def test_the_size_of_an_origin() -> None:
    from cli.first_region import origin_size

    loop = plant(["-x1 + x1**3", "-x2"], domain=[(-2, 2)] * 2)
    small, large = (
        loop.prove(Claim.ASYMPTOTIC_STABILITY, c1=c1, c2="1/4") for c1 in ("1/1000", "1/10")
    )
    assert origin_size(small) < origin_size(large)
    nothing = loop.prove(Claim.PRACTICAL_STABILITY)
    assert origin_size(nothing) == -np.inf
