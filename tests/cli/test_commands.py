"""The commands beside ``run``: systems, train, certify, simulate, show, import."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from certify.candidate_file import load_candidate, save_candidate
from cli.main import run
from cli.warm_up import _prove_something_small, kernels_are_compiled
from learners.lqr import lqr_candidate
from systems import zoo
from tests.cli.conftest import Run

KEYS = {
    "verdict", "reason", "conditions", "region", "counterexamples", "seconds", "boxes", "rounds",
    "candidate", "certificate", "report",
}  # fmt: skip


def test_the_zoo_is_listed_with_one_line_each(stableproof: Run) -> None:
    lines = stableproof("systems").out.splitlines()
    assert [line.split()[0] for line in lines] == zoo.names()
    assert all(len(line.split()) > 2 for line in lines)
    data = stableproof("systems", "--json").data
    assert [s["name"] for s in data["systems"]] == zoo.names() and data.keys() >= KEYS


@pytest.mark.parametrize("name", zoo.names())
def test_every_system_is_told_in_detail(stableproof: Run, name: str) -> None:
    data = stableproof("systems", name, "--json").data["system"]
    system = zoo.system(name)
    assert [s["name"] for s in data["states"]] == list(system.state_names)
    ends = [[Fraction(v) for v in side] for side in data["domain"]]
    assert [tuple(e) for e in ends] == list(
        zip(system.domain.lower, system.domain.upper, strict=True)
    )
    assert stableproof("systems", name).out.startswith(f"{name}: ")


def test_training_leaves_a_candidate_and_promises_nothing(stableproof: Run, tmp_path: Path) -> None:
    ended = stableproof("train", "pendulum", "--neurons", "12", "--json", "--out", tmp_path)
    data = ended.data
    assert ended.code == 0 and data.keys() >= KEYS
    assert data["verdict"] == "unknown" and "trained only" in data["reason"]
    assert data["training"]["neurons"] == 12
    candidate, name = load_candidate(data["candidate"])
    assert name == "pendulum" and candidate.control is not None
    again = stableproof("train", "pendulum", "--neurons", "12", "--json", "--out", tmp_path)
    assert again.code == 0 and "already" in again.err
    assert again.data["candidate"] == data["candidate"]


def test_a_folder_and_its_candidate_file_are_the_same(stableproof: Run, trained: Path) -> None:
    by_folder = stableproof("certify", "pendulum", trained, "--json").data
    by_file = stableproof("certify", "pendulum", trained / "candidate.json", "--json").data
    assert by_folder["region"] == by_file["region"] is not None
    assert by_folder["boxes"] == by_file["boxes"]


def test_certify_leaves_a_certificate_and_finds_it_again(
    stableproof: Run, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "proof"
    ended = stableproof("certify", "pendulum", trained, "--json", "--out", out)
    assert ended.code == 0 and ended.data.keys() >= KEYS
    assert Path(ended.data["certificate"]).is_file()
    again = stableproof("certify", "pendulum", trained, "--json", "--out", out)
    assert again.code == 0 and again.data["region"] == ended.data["region"]
    assert "already" in again.err


def test_certify_refutes_with_the_point(stableproof: Run, trained: Path) -> None:
    ended = stableproof("certify", "pendulum", trained, "--c2", "0.05", "--json")
    assert ended.code == 1 and ended.data["verdict"] == "refuted"
    (found,) = ended.data["counterexamples"]
    assert found["condition"] == "containment" and found["values"]["V"][1] <= 0.05
    told = stableproof("certify", "pendulum", trained, "--c2", "0.05")
    assert told.code == 1 and told.out.splitlines()[-1].startswith("refuted: containment: at (")


def test_certify_is_unknown_where_time_runs_out(stableproof: Run, trained: Path) -> None:
    ended = stableproof("certify", "pendulum", trained, "--time-limit", "1e-9", "--json")
    assert ended.code == 3 and ended.data["verdict"] == "unknown" and ended.data["reason"]


def test_a_candidate_off_the_equilibrium_is_refuted_there(stableproof: Run, tmp_path: Path) -> None:
    from certify import Candidate

    system = zoo.system("pendulum")
    good = lqr_candidate(system)
    assert good.control is not None
    bad = Candidate(good.state, good.value, good.control + Fraction(1, 9))
    path = tmp_path / "bad.json"
    save_candidate(bad, path, "pendulum")
    ended = stableproof("certify", "pendulum", path, "--json")
    assert ended.code == 1
    (row,) = ended.data["conditions"]
    assert row["name"] == "equilibrium" and row["verdict"] == "refuted"
    told = stableproof("certify", "pendulum", path)
    assert told.code == 1 and "does not vanish at the equilibrium" in told.out


def test_simulation_comes_to_rest(stableproof: Run, trained: Path) -> None:
    data = stableproof("simulate", "pendulum", trained, "--level", "0.02", "--json").data
    assert data.keys() >= KEYS and data["verdict"] == "unknown"
    assert len(data["trajectories"]) == 5
    for row in data["trajectories"]:
        assert row["V_start"] <= 0.02 and row["completed"]
        np.testing.assert_allclose(row["end"], [0, 0], atol=1e-4)


def test_given_starts_are_told_in_a_table(stableproof: Run, trained: Path) -> None:
    ended = stableproof("simulate", "pendulum", trained, "--start", "0.1,-0.2", "--start", "0,0")
    lines = ended.out.splitlines()
    assert len(lines) == 3 and lines[0].split()[:2] == ["start", "end"]
    assert lines[1].startswith("(0.1, -0.2)") and lines[2].startswith("(0, 0)")


def test_trajectories_as_csv_and_picture(stableproof: Run, trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra 'report' is not installed")
    ended = stableproof(
        "simulate", "pendulum", trained, "--start", "0.1,0", "--samples", "11", "--picture",
        "--out", tmp_path, "--json",
    )  # fmt: skip
    assert ended.code == 0
    lines = (tmp_path / "trajectories.csv").read_text().splitlines()
    assert lines[0] == "trajectory,time,theta,omega,u,cost" and len(lines) == 12
    table = np.array([[float(v) for v in line.split(",")] for line in lines[1:]])
    np.testing.assert_allclose(table[:, 1], np.linspace(0, 10, 11))
    np.testing.assert_allclose(table[0, 2:4], [0.1, 0.0])
    assert (tmp_path / "trajectories.png").read_bytes().startswith(b"\x89PNG")


def test_a_trajectory_that_leaves_is_said_to(stableproof: Run, tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    save_candidate(lqr_candidate(zoo.system("synthetic-1")), path, "synthetic-1")
    ended = stableproof("simulate", "synthetic-1", path, "--start", "1000")
    assert ended.code == 0 and "left or stuck" in ended.out
    data = stableproof("simulate", "synthetic-1", path, "--start", "1000", "--json").data
    assert data["trajectories"][0]["cost"] is None and not data["trajectories"][0]["completed"]


def test_show_tells_candidates_runs_and_certificates(
    stableproof: Run, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "proof"
    assert run(["certify", "pendulum", str(trained), "--out", str(out)]) == 0
    candidate = stableproof("show", trained / "candidate.json")
    assert candidate.code == 0 and "2 states, 1 inputs" in candidate.out
    folder = stableproof("show", out)
    assert folder.code == 0 and "proved: asymptotically stable" in folder.out
    certificate = stableproof("show", out / "certificate.json")
    assert certificate.code == 0 and "not checked again" in certificate.out
    for path in (trained, trained / "candidate.json", out, out / "certificate.json"):
        assert stableproof("show", path, "--json").data.keys() >= KEYS
    assert stableproof("show", out / "certificate.json", "--json").data["verdict"] == "proved"
    assert stableproof("show", trained, "--json").data["verdict"] == "unknown"


def test_networks_from_elsewhere_are_imported_and_proved(
    stableproof: Run, system_file: Callable[..., Path], tmp_path: Path
) -> None:
    plant = system_file()
    V, k, out = tmp_path / "V.npz", tmp_path / "k.npz", tmp_path / "imported"
    # V = 1 − sigmoid-free bump: tanh(x + 1) − tanh(x − 1) falls away from 0, so its negative grows.
    np.savez(V, **{"0.weight": [[1.0], [1.0]], "0.bias": [1.0, -1.0], "1.weight": [[-1.0, 1.0]]})  # type: ignore[arg-type]
    np.savez(k, **{"only.weight": [[-3.0]]})  # type: ignore[arg-type]
    ended = stableproof("import", plant, "--value", V, "--control", k, "--out", out, "--json")
    assert ended.code == 0 and ended.data.keys() >= KEYS
    proved = stableproof("certify", plant, out, "--json")
    assert proved.code == 0, proved.data["reason"]
    assert proved.data["system"] == "motor"
    record = json.loads((out / "run.json").read_text())
    assert record["settings"].keys() >= {"value_sha256", "control_sha256", "system_sha256"}


def test_importing_as_is_tells_which_value_is_off(
    stableproof: Run, system_file: Callable[..., Path], tmp_path: Path
) -> None:
    plant, V, k = system_file(), tmp_path / "V.npz", tmp_path / "k.npz"
    np.savez(V, **{"only.weight": [[1.0]], "only.bias": [0.25]})  # type: ignore[arg-type]
    np.savez(k, **{"only.weight": [[-3.0]]})  # type: ignore[arg-type]
    out = tmp_path / "out"
    arguments = ("import", plant, "--value", V, "--control", k, "--as-is", "--out", out)
    ended = stableproof(*arguments)
    (told,) = ended.err.splitlines()
    assert ended.code == 0
    assert told.startswith("V(x*) = 0.25, not 0: ") and "--as-is" in told
    refuted = stableproof("certify", plant, out)
    assert refuted.code == 1 and "import without --as-is" in refuted.out


def test_warming_up_compiles_what_proofs_need() -> None:
    _prove_something_small()
    assert kernels_are_compiled()


def test_every_command_has_the_documented_keys(
    stableproof: Run, trained: Path, tmp_path: Path
) -> None:
    run_folder = tmp_path / "run"
    commands = (
        ("systems",),
        ("systems", "pendulum"),
        ("train", "pendulum", "--neurons", "12"),
        ("certify", "pendulum", trained, "--out", run_folder),
        ("simulate", "pendulum", trained, "--out", tmp_path / "simulated"),
        ("show", trained),
        ("show", trained / "candidate.json"),
        ("show", run_folder),
        ("show", run_folder / "certificate.json"),
        ("show", tmp_path / "simulated"),
    )
    for command in commands:
        ended = stableproof(*command, "--json")
        assert ended.code == 0 and set(ended.data) >= KEYS, command
        for condition in ended.data["conditions"]:
            assert {"name", "claim", "verdict", "boxes", "seconds", "point"} <= set(condition)
    assert "written" in stableproof("show", tmp_path / "simulated").out


def test_a_system_without_a_description(stableproof: Run, system_file: Callable[..., Path]) -> None:
    path = system_file(('description = "an unstable state"\n', ""))
    assert stableproof("systems", path).out.splitlines()[0] == "motor"


def test_a_proof_is_told_before_its_report_is_drawn(
    stableproof: Run, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cli.evidence.leave_evidence", interrupted)
    command = ("certify", "pendulum", trained, "--c2", "0.01", "--out", tmp_path / "out")
    ended = stableproof(*command)
    assert ended.code == 130 and "proved: " in ended.out
    assert stableproof(*command, "--json").out == ""
