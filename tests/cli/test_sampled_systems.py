"""``--sample-time``: the plant is sampled before anything is trained, proved or shown of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from certify.candidate_file import load_candidate, save_candidate
from cli.inputs import load_plant
from cli.sampling import KEYS, METHODS, sampling_of
from learners.lqr import lqr_candidate
from systems import zoo
from systems.sampled import METHODS as KNOWN
from systems.sampled import MOST_SUBSTEPS
from tests.cli.conftest import TOML, Run
from tests.cli.gates import GateFiles

LQR = ("--learner", "lqr", "--sample-time", "0.02")
NAME = "pendulum sampled every 0.02 by RK4"


@pytest.fixture(scope="module")
def proved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the sampled pendulum, proved."""
    from cli.main import run

    folder = tmp_path_factory.mktemp("sampled") / "run"
    assert run(["run", "pendulum", *LQR, "--out", str(folder)]) == 0
    return folder


def test_a_run_is_proved_and_its_certificate_is_valid(proved: Path, stableproof: Run) -> None:
    certificate = json.loads((proved / "certificate.json").read_text())
    assert certificate["statement"]["system"]["name"] == NAME
    assert certificate["statement"]["system"]["time"] == "discrete"
    ended = stableproof("check", proved)
    assert ended.code == 0 and "valid:" in ended.out and f"system       {NAME}" in ended.out


def test_a_sampled_run_tells_its_sampling(proved: Path, stableproof: Run) -> None:
    settings = json.loads((proved / "run.json").read_text())["settings"]
    assert [settings[key] for key in ("system", *KEYS)] == ["pendulum", "0.02", "rk4", 1]
    assert load_candidate(proved / "candidate.json")[1] == NAME
    report = (proved / "report.md").read_text()
    assert "sampled every 0.02 s, RK4, input held" in report and "theta' = omega" in report
    out = stableproof("show", proved).out
    assert "sample_time 0.02" in out and "sample_method rk4" in out


def test_its_report_is_written_anew(proved: Path, stableproof: Run) -> None:
    pytest.importorskip("plotly", reason="the extra 'report' is not installed")
    (proved / "report.md").unlink()
    assert stableproof("report", proved).code == 0
    assert "sampled every 0.02 s, RK4, input held" in (proved / "report.md").read_text()


def test_the_controller_is_exported_too(proved: Path, stableproof: Run, tmp_path: Path) -> None:
    ended = stableproof("export", proved, "--format", "c", "--out", tmp_path / "c", "--json")
    assert ended.code == 0 and list((tmp_path / "c" / "c").glob("*.c"))


def test_the_same_settings_go_on_and_others_do_not(proved: Path, stableproof: Run) -> None:
    again = stableproof("run", "pendulum", *LQR, "--out", proved)
    assert again.code == 0 and "holds this run already" in again.err
    for other in (("--sample-time", "0.04"), ("--substeps", "2"), ("--sample-method", "euler")):
        ended = stableproof("run", "pendulum", *LQR, *other, "--out", proved)
        assert ended.code == 2 and "holds a run of other settings" in ended.err
    plain = stableproof("run", "pendulum", "--learner", "lqr", "--out", proved)
    assert plain.code == 2 and "sample_method: rk4 there, none here" in plain.err


@pytest.mark.parametrize("command", ["certify", "simulate", "region"])
def test_a_candidate_of_one_sampling_is_none_of_another(
    proved: Path, stableproof: Run, command: str
) -> None:
    for more in ((), ("--sample-time", "0.04"), ("--sample-time", "0.02", "--substeps", "2")):
        ended = stableproof(command, "pendulum", proved, *more)
        assert ended.code == 2 and f"was made for '{NAME}', not for 'pendulum" in ended.err
        assert "give --sample-time, --sample-method and --substeps as when it was made" in ended.err
    known = stableproof(command, "pendulum", proved, "--sample-time", "0.02", "--json")
    assert known.code in (0, 3) and known.data["system"] == NAME


def test_check_knows_the_system_by_its_sampling(proved: Path, stableproof: Run) -> None:
    named = ("--system", "pendulum", "--candidate", proved)
    assert stableproof("check", proved, *named, "--sample-time", "0.02").code == 0
    other = stableproof("check", proved, *named)
    assert other.code == 2 and "was made for" in other.err


def test_a_continuous_design_can_be_proved_as_it_is_sampled(
    stableproof: Run, tmp_path: Path
) -> None:
    """The other way round than above: the sampling is asked for expressly, and proved of."""
    path = tmp_path / "candidate.json"
    save_candidate(lqr_candidate(zoo.pendulum()), path, "pendulum")
    fast = stableproof("certify", "pendulum", path, "--sample-time", "0.02", "--json")
    assert fast.code == 0 and fast.data["system"] == NAME
    slow = stableproof("certify", "pendulum", path, "--sample-time", "0.1", "--time-limit", "5")
    assert slow.code == 1 and "refuted" in slow.out  # held for 0.1 s, this gain is unstable


def test_a_system_is_told_with_its_sampling(stableproof: Run) -> None:
    args = ("systems", "pendulum", "--sample-time", "1/30", "--sample-method", "euler")
    out = stableproof(*args).out
    assert "sampling           every 1/30 s, Euler, input held" in out
    assert "theta' = omega" in out and "(theta**2 + omega**2)/30" in out
    told = stableproof(*args, "--json").data["system"]
    assert told["sampling"] == {
        "sample_time": "1/30",
        "sample_method": "euler",
        "substeps": 1,
        "words": "sampled every 1/30 s, Euler, input held",
    }
    assert stableproof("systems", "pendulum", "--json").data["system"]["sampling"] is None


def test_a_file_may_sample_its_system_itself(stableproof: Run, tmp_path: Path) -> None:
    file = tmp_path / "motor.toml"
    file.write_text(f"{TOML}\n[sampling]\nperiod = 0.1\n", encoding="utf-8")
    folder = tmp_path / "run"
    assert stableproof("run", file, "--learner", "lqr", "--out", folder).code == 0
    settings = json.loads((folder / "run.json").read_text())["settings"]
    assert settings["system"] == "motor sampled every 0.1 by RK4" and KEYS[0] not in settings
    assert stableproof("check", folder).code == 0
    twice = stableproof("run", file, *LQR)
    assert twice.code == 2 and "is a discrete system already" in twice.err


BAD = {
    "a discrete system": (
        ("pendulum-discrete", *LQR),
        "pendulum-discrete is a discrete system already; only a continuous one can be sampled",
    ),
    "a method without a period": (
        ("pendulum", "--sample-method", "euler"),
        "--sample-method is for a sampled system: give --sample-time too",
    ),
    "steps without a period": (
        ("pendulum", "--substeps", "2"),
        "--substeps is for a sampled system: give --sample-time too",
    ),
    "a negative period": (("pendulum", "--sample-time", "-1"), "-1 is not positive"),
    "no number": (("pendulum", "--sample-time", "soon"), "write a decimal such as"),
    "too many steps": (("pendulum", *LQR, "--substeps", "101"), "1<=x<=100"),
    "a learner of continuous time": (
        ("pendulum", "--learner", "elm-pi", "--sample-time", "0.02"),
        f"{NAME}: ELM-PI learns in continuous time only",
    ),
    "another such": (
        ("pendulum", "--learner", "zubov", "--sample-time", "0.02"),
        f"{NAME}: Zubov learning is for continuous time only",
    ),
    "a third": (
        ("pendulum", "--learner", "galerkin", "--sample-time", "0.02"),
        f"{NAME}: ",
    ),
    "a period too long to name": (
        ("pendulum", "--learner", "lqr", "--sample-time", "0." + "3" * 250),
        "write the sampling period with fewer digits",
    ),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("command", ["train", "run"])
def test_what_makes_no_sense_is_told_in_one_line(stableproof: Run, name: str, command: str) -> None:
    arguments, message = BAD[name]
    ended = stableproof(command, *arguments)
    assert ended.code == 2 and message in ended.err
    assert len(ended.err.strip().splitlines()) == 1


def test_sampling_options_without_what_they_are_for(proved: Path, stableproof: Run) -> None:
    idle = stableproof("check", proved, "--sample-time", "0.02")
    assert idle.code == 2 and "--sample-time is for --system" in idle.err
    recorded = stableproof("region", proved, "--sample-time", "0.02")
    assert recorded.code == 2 and "--sample-time: the sampling is that of" in recorded.err


@pytest.mark.parametrize(
    ("key", "value"),
    [("sample_time", "0"), ("sample_time", 0.02), ("sample_method", "heun"), ("substeps", "1")],
)
def test_a_damaged_record_is_told(proved: Path, stableproof: Run, key: str, value: object) -> None:
    record = json.loads((proved / "run.json").read_text())
    damaged = {**record, "settings": {**record["settings"], key: value}}
    (proved / "run.json").write_text(json.dumps(damaged))
    try:
        ended = stableproof("report", proved)
    finally:
        (proved / "run.json").write_text(json.dumps(record))
    assert ended.code == 2 and "the record of the run is damaged: sample_time" in ended.err


def test_the_options_know_what_systems_know() -> None:
    assert METHODS == KNOWN and MOST_SUBSTEPS == 100
    assert sampling_of({}) is None
    assert load_plant("pendulum").settings() == {"system": "pendulum"}


GATE = """\
[[claim]]
name = "held"
system = "motor.toml"
learner = "lqr"
"""


def test_a_gate_may_claim_something_of_a_sampled_system(gate: GateFiles) -> None:
    """And what is certified of one sampling is nothing for another."""
    names = set()
    for more in ("", "sample_time = 0.1\n", 'sample_time = "1/5"\nsubsteps = 2\n'):
        gate.write_text(GATE + more)
        claim = gate.one()
        assert claim["status"] == "proved" and claim["origin"] == "proved"
        certificate = json.loads((gate.out / claim["certificate"]).read_text())
        names.add(certificate["statement"]["system"]["name"])
    assert gate.one()["origin"] == "cache"
    sampled = {"motor sampled every 0.1 by RK4", "motor sampled every 0.2 by RK4 in 2 steps"}
    assert names == {"motor", *sampled}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sample_time = 0", "sample_time: give a positive number"),
        ('sample_time = 0.1\nsample_method = "heun"', "sample_method: "),
        ("sample_time = 0.1\nsubsteps = 1.5", "substeps: give a number of steps"),
        ("sample_time = 0.1\nsubsteps = 101", "substeps: "),
        ("substeps = 2", "substeps: --substeps is for a sampled system"),
    ],
)
def test_a_wrong_sampling_is_told_with_its_place(gate: GateFiles, line: str, message: str) -> None:
    gate.write_text(f"{GATE}{line}\n")
    ended = gate.run()
    told = ended.err or ended.out
    assert ended.code == 2 and message in told and "stability.toml:" in told


def test_a_set_point_of_a_file_is_told_and_claimed_as_such(
    stableproof: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tank.toml").write_text(TANK, encoding="utf-8")
    told = stableproof("systems", "tank.toml").out
    assert "set point          0.693147\n" in told and "set point input    0\n" in told
    assert "domain             [0.5, 0.9]" in told and "a = 1/3 1/h" in told
    ran = stableproof("run", "tank.toml", "--learner", "lqr", "--out", "out")
    assert ran.code == 0 and "--claim set-point-convergence" in ran.err
    assert ran.out.startswith("system       tank, sampled every 0.01 h, RK4, input held")
    assert "proved: set-point convergence" in ran.out and " a step" in ran.out
    asked = stableproof("certify", "tank.toml", "out", "--claim", "asymptotic-stability")
    assert asked.code == 1 and "--claim set-point-convergence" in asked.out


TANK = """
[system]
name = "tank"
[states]
x = ""
[inputs]
u = ""
[parameters]
a = { value = "1/3", unit = "1/h" }
[dynamics]
x_dot = "a*(2 - exp(x)) + u"
[domain]
x = [0.5, 0.9]
[set_point]
x = 0.693147
[cost]
Q = [1]
R = 1
[sampling]
period = 0.01
"""
