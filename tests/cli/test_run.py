"""``run``: what it prints, what it leaves in its folder, and how it is resumed."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from certify import prove_stability
from certify.candidate_file import load_candidate
from cli.main import run
from proofs.certificate import load_certificate
from systems import zoo
from tests.cli.conftest import FAST, Run

REPAIRED = ("pendulum", "--neurons", "6", "--c1", "0.01", "--c2", "0.029", "--mu", "1e-4")
"""Refuted in its first round, proved in its second."""
IMPOSSIBLE = ("pendulum", "--neurons", "12", "--c2", "0.05", "--time-limit", "30")
"""No V reaches that level on the whole boundary."""


def test_a_proved_run_leaves_candidate_certificate_and_record(
    stableproof: Run, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "run"
    ended = stableproof("run", *FAST, "--out", out)
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0].startswith("training     ELM-PI, 12 neurons")
    verdict = next(line for line in lines if line.startswith("proved: "))
    assert "every start with V(x) <= 0.029 converges (region volume >= 0." in verdict
    assert f"certificate  {out / 'certificate.json'}" in lines
    assert f"report       {out / 'report.md'}" in lines
    document: Any = load_certificate(out / "certificate.json")
    assert document["statement"]["constants"]["c2"] == "29/1000"
    candidate, name = load_candidate(out / "candidate.json")
    assert name == "pendulum"
    again = prove_stability(zoo.system("pendulum"), candidate)
    assert again.theorem is not None
    record = json.loads((out / "run.json").read_text())
    assert record["status"] == "finished"
    present = {p.name for p in out.iterdir()}
    assert present == {"run.json", *record["files"]}


def test_the_columns_are_aligned(stableproof: Run) -> None:
    ended = stableproof("run", *FAST)
    rows = [line for line in ended.out.splitlines() if " box" in line or "exactly" in line]
    assert len(rows) == 6
    assert len({line.index("  proved") for line in rows}) == 1
    assert all(line[12] == " " and line[13] != " " for line in rows)


def test_json_is_one_object_with_what_the_transcript_says(stableproof: Run, tmp_path: Path) -> None:
    ended = stableproof("run", *REPAIRED, "--json", "--out", tmp_path / "out")
    assert ended.code == 0
    data = ended.data
    assert data["verdict"] == "proved" and "asymptotically stable" in data["reason"]
    assert [c["name"] for c in data["conditions"]] == [
        "equilibrium", "contraction", "core", "containment", "decrease", "small set",
    ]  # fmt: skip
    assert {c["verdict"] for c in data["conditions"]} == {"proved"}
    assert all(c["boxes"] >= 0 and c["seconds"] >= 0 for c in data["conditions"])
    region = data["region"]
    assert Fraction(region["exact"]["c2"]) == Fraction("0.029")
    assert 0 < region["volume"] <= region["volume_at_most"] < 4
    assert [r["verdict"] for r in data["rounds"]] == ["refuted", "proved"]
    (found,) = data["counterexamples"]
    low, high = found["values"]["V"]
    assert found["condition"] == "containment" and found["round"] == 1 and low <= high <= 0.029
    assert 1.0 in map(abs, found["point"])
    assert data["boxes"] == sum(r["boxes"] for r in data["rounds"]) > 0
    assert data["seconds"]["train"] > 0 and data["seconds"]["prove"] > 0
    assert Path(data["certificate"]).is_file()


def test_without_out_nothing_is_written(
    stableproof: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = stableproof("run", *FAST, "--json").data
    assert data["verdict"] == "proved" and data["certificate"] is None
    assert list(tmp_path.iterdir()) == []


def test_a_refuted_run_is_code_1_with_the_point_and_no_certificate(
    stableproof: Run, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ended = stableproof("run", *IMPOSSIBLE, "--json", "--out", out)
    data = ended.data
    assert ended.code == 1 and data["verdict"] == "refuted"
    assert data["region"] is None and data["certificate"] is None
    assert data["conditions"][-1]["name"] == "containment"
    assert data["conditions"][-1]["verdict"] == "refuted"
    assert data["conditions"][-1]["point"] == data["counterexamples"][-1]["point"]
    assert not (out / "certificate.json").exists()
    told = stableproof("run", *IMPOSSIBLE)
    assert told.code == 1 and "refuted: containment: at (" in told.out


def test_an_unknown_run_is_code_3_with_a_reason(stableproof: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ended = stableproof("run", *FAST, "--time-limit", "1e-9", "--json", "--out", out)
    assert ended.code == 3
    assert ended.data["verdict"] == "unknown" and "time limit" in ended.data["reason"]
    assert ended.data["region"] is None and not (out / "certificate.json").exists()


def test_the_report_tells_the_loops_last_word(stableproof: Run, tmp_path: Path) -> None:
    """Not that of its last round, which refuted a candidate; the loop ran out of rounds."""
    out = tmp_path / "out"
    ended = stableproof("run", *IMPOSSIBLE, "--rounds", "2", "--json", "--out", out)
    assert ended.code == 3 and "limit of 2 rounds" in ended.data["reason"]
    assert "**Unknown.**" in (out / "report.md").read_text()


def test_a_claim_of_practical_stability_says_what_it_does_not_claim(stableproof: Run) -> None:
    ended = stableproof("run", *FAST, "--claim", "practical-stability")
    assert ended.code == 0
    assert "nothing is claimed about the equilibrium itself" in ended.out
    assert "asymptotically" not in ended.out


def test_the_baseline(stableproof: Run) -> None:
    ended = stableproof("run", "pendulum", "--learner", "lqr", "--json")
    assert ended.code == 0
    assert [r["round"] for r in ended.data["rounds"]] == [1]


def test_a_relu_network_from_a_given_policy(stableproof: Run) -> None:
    ended = stableproof(
        "run", "bilinear", "--activation", "relu", "--neurons", "4", "--initial-policy",
        "-3*abs(x)", "--claim", "practical-stability", "--mu", "1e-5", "--json",
    )  # fmt: skip
    assert ended.code == 0 and ended.data["claim"] == "practical stability"


def test_the_zoo_supplies_a_first_policy_where_lqr_has_none(stableproof: Run) -> None:
    ended = stableproof("run", "bilinear", "--claim", "practical-stability", "--json")
    assert ended.code == 0 and ended.data["verdict"] == "proved"
    (told,) = ended.err.splitlines()
    assert "--activation relu" in told and '--initial-policy "-3*abs(x)"' in told
    ended = stableproof("run", "bilinear", "--json")
    assert ended.code == 3 and '"practical stability"' in ended.data["reason"]


def test_options_that_a_learner_ignores_are_told(stableproof: Run) -> None:
    ended = stableproof("train", "pendulum", "--learner", "lqr", "--neurons", "20")
    assert ended.code == 0 and "--neurons is ignored" in ended.err
    assert stableproof("train", "pendulum", "--learner", "lqr").err == ""


def test_a_users_file_is_as_good_as_the_zoo(
    stableproof: Run, system_file: Callable[..., Path], tmp_path: Path
) -> None:
    data = stableproof("run", system_file(), "--neurons", "10", "--json").data
    assert data["verdict"] == "proved" and data["system"] == "motor"


def test_the_same_command_finds_its_finished_run_again(stableproof: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = stableproof("run", *FAST, "--out", out)
    written = {p.name: p.read_bytes() for p in out.iterdir()}
    again = stableproof("run", *FAST, "--out", out)
    assert (again.code, again.out) == (first.code, first.out)
    assert "already" in again.err and "--force" in again.err
    assert {p.name: p.read_bytes() for p in out.iterdir()} == written
    assert stableproof("run", *FAST, "--out", out, "--json").data["verdict"] == "proved"


def test_other_settings_are_refused_and_told(refused: Callable[..., str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(["run", *FAST, "--out", str(out)]) == 0
    message = refused("run", *FAST, "--seed", "1", "--out", out)
    assert "seed: 0 there, 1 here" in message and "--force" in message
    message = refused("train", "pendulum", "--out", out)
    assert "holds a run of 'run', not of 'train'" in message


def test_a_changed_system_file_is_another_run(
    refused: Callable[..., str], system_file: Callable[..., Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run(["run", str(system_file()), "--neurons", "10", "--out", str(out)]) == 0
    changed = system_file(("x + u", "2*x + u"))
    assert "the system file has changed since" in refused(
        "run", changed, "--neurons", "10", "--out", out
    )


def test_force_overwrites_our_files_and_no_others(stableproof: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert stableproof("run", *FAST, "--out", out).code == 0
    (out / "thesis.md").write_text("mine")
    ended = stableproof("run", *IMPOSSIBLE, "--out", out, "--force")
    assert ended.code == 1
    assert (out / "thesis.md").read_text() == "mine"
    assert not (out / "certificate.json").exists()  # of the former run


def test_force_never_takes_a_strangers_file(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "candidate.json").write_text("mine")
    message = refused("run", *FAST, "--out", tmp_path, "--force")
    assert "candidate.json was not written by a run of ours" in message
    assert (tmp_path / "candidate.json").read_text() == "mine"


def stop_at(monkeypatch: pytest.MonkeyPatch, condition: str, occurrence: int) -> None:
    """Ctrl-C at the n-th search for a condition."""
    from certify import attempt

    search, seen = attempt.search, [0]

    def interrupted(wanted: Any, *arguments: Any, **options: Any) -> Any:
        if wanted.name == condition:
            seen[0] += 1
            if seen[0] == occurrence:
                raise KeyboardInterrupt
        return search(wanted, *arguments, **options)

    monkeypatch.setattr(attempt, "search", interrupted)


@pytest.mark.parametrize("round_number", [1, 2])
def test_an_interrupted_run_goes_on_without_training_again(
    stableproof: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, round_number: int
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        stop_at(patch, "containment", round_number)
        ended = stableproof("run", *REPAIRED, "--out", out)
    assert ended.code == 130
    assert ended.err == "interrupted; the same command goes on where this one stopped\n"
    assert not (out / "certificate.json").exists()
    shown = stableproof("show", out)
    assert shown.code == 0 and "not finished" in shown.out
    stored = (out / "candidate.json").read_bytes()

    from learners.elm_pi import ElmPolicyIteration

    fits = []
    fit = ElmPolicyIteration.fit

    def counted(self: Any, *arguments: Any, **options: Any) -> Any:
        fits.append(self.neurons)
        return fit(self, *arguments, **options)

    monkeypatch.setattr(ElmPolicyIteration, "fit", counted)
    resumed = stableproof("run", *REPAIRED, "--out", out)
    assert resumed.code == 0 and f"resuming {out} at round {round_number}" in resumed.err
    assert len(fits) == 2 - round_number
    whole = stableproof("run", *REPAIRED, "--out", tmp_path / "whole")
    assert _without_seconds(resumed.out) == _without_seconds(whole.out)
    if round_number == 2:
        assert (out / "candidate.json").read_bytes() == stored


@pytest.mark.parametrize("round_number", [1, 2])
def test_a_candidate_lost_between_is_trained_again(
    stableproof: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, round_number: int
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        stop_at(patch, "containment", round_number)
        assert stableproof("run", *REPAIRED, "--out", out).code == 130
    (out / "candidate.json").unlink()
    resumed = stableproof("run", *REPAIRED, "--out", out)
    assert resumed.code == 0 and "trained again" in resumed.err
    whole = stableproof("run", *REPAIRED, "--out", tmp_path / "whole")
    assert _without_seconds(resumed.out) == _without_seconds(whole.out)


def _without_seconds(text: str) -> list[str]:
    """The transcript without timings and paths."""
    lines = [line for line in text.splitlines() if ".json" not in line and ".md" not in line]
    return [" ".join(w for w in line.split() if w != "s" and not _number(w)) for line in lines]


def _number(word: str) -> bool:
    return word.replace(".", "").isdigit()


def test_a_run_stopped_in_its_report_proves_again_and_finishes(
    stableproof: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("proofs.certificate.save_certificate", interrupted)
        assert stableproof("run", *FAST, "--out", out).code == 130
    ended = stableproof("run", *FAST, "--out", out)
    assert ended.code == 0 and (out / "certificate.json").is_file()


@pytest.mark.parametrize(
    "damage",
    [
        {"loop": {}},
        {"loop": {"repair": {}, "train_seconds": None}},
        {"loop": 3},
        {"files": ["../../etc/passwd.json"]},
        {"files": [3]},
        {"settings": None},
        {"status": "finished"},
    ],
)
def test_a_damaged_record_is_told(
    stableproof: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: dict[str, Any],
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        stop_at(patch, "containment", 1)
        assert stableproof("run", *FAST, "--out", out).code == 130
    path = out / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **damage}))
    ended = stableproof("run", *FAST, "--out", out)
    assert ended.code == 2 and ended.out == ""
    assert "damaged" in ended.err and len(ended.err.splitlines()) == 1


def test_pieces_of_a_killed_write_do_not_matter(stableproof: Run, tmp_path: Path) -> None:
    (tmp_path / f".run.json.{'0a' * 6}.tmp").write_text('{"form')
    assert stableproof("run", *FAST, "--out", tmp_path).code == 0


def test_a_cold_cache_is_announced_once(stableproof: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    monkeypatch.setattr("cli.warm_up.kernels_are_compiled", lambda: False)
    monkeypatch.setattr("cli.warm_up._prove_something_small", lambda: compiled.append("once"))
    ended = stableproof("run", *FAST, "--json")
    assert ended.err == "compiling the enclosure kernels, once (about half a minute)\n"
    assert compiled == ["once"] and ended.data["verdict"] == "proved"
