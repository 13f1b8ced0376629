"""``gate``: every way a claim can end, what is left behind, and what a second run does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

import proofs.checker
from certify.candidate_file import load_candidate
from certify.stability import StabilityProblem
from cli.gate import decide
from cli.gate.certified import certified_by
from cli.gate.file import read_gate
from cli.gate.finding import Finding, Status
from cli.gate.subject import subject_of
from proofs.certificate import load_certificate
from systems import zoo
from systems.box import Box
from systems.evaluate import evaluate
from tests.cli.conftest import TOML, Run
from tests.cli.gates import GateFiles, forge

GOOD = "region = { c1 = 0.5, c2 = 2, mu = 0.01 }"
FALSE = "region = { c2 = 3 }"
"""V = 2.41 on the boundary of the domain."""
HURRIED = "region = { c2 = 2 }\ntime_budget = 1e-9"
EXPONENTIAL = 'theorem = "exponential-stability"'
MISSING = 'baseline = "none.json"'


def test_a_proved_claim_leaves_a_checked_certificate_and_all_reports(gate: GateFiles) -> None:
    gate.write(GOOD)
    ended = gate.run()
    assert ended.code == 0
    assert "gate passed: 1 claim: 1 proved" in ended.out
    assert "leaves rechecked in ball arithmetic (just proved)" in ended.out
    present = {str(p.relative_to(gate.out)) for p in gate.out.rglob("*") if p.is_file()}
    assert present == {
        "gate.json", "junit.xml", "results.sarif", "summary.md", "certificates/c1.json",
    }  # fmt: skip
    assert proofs.checker.check_file(gate.out / "certificates" / "c1.json").status == "valid"
    document: Any = load_certificate(gate.out / "certificates" / "c1.json")
    assert document["statement"]["constants"]["c2"] == "2/1"


def test_every_key_of_gate_json_is_documented(gate: GateFiles) -> None:
    """``gate --json`` is not the object of the other commands, which their guide says."""
    guide = Path(__file__).resolve().parents[2] / "docs"
    (entry,) = re.findall(r"^\| `gate\.json` \|(.*)", (guide / "gate.md").read_text(), re.MULTILINE)
    gate.write(GOOD)
    data = gate.data()
    top, _, each = entry.partition("of each of them")
    assert set(re.findall(r"`(\w+)`", top)) == set(data)
    assert set(re.findall(r"`(\w+)`", each)) == set(data["claims"][0])
    assert "`gate` is the exception" in (guide / "command-line.md").read_text()


def test_json_is_gate_json(gate: GateFiles) -> None:
    gate.write(GOOD)
    data = gate.data()
    assert data == json.loads((gate.out / "gate.json").read_text())
    assert data["status"] == "finished" and data["exit_code"] == 0
    (found,) = data["claims"]
    assert found["status"] == "proved" and found["origin"] == "proved"
    assert found["region"]["c2"] == 2 and found["region"]["exact"]["mu"] == "1/100"
    assert 0 < found["region"]["volume"] <= 2
    assert found["checker"]["valid"] and found["checker"]["leaves"] > 0
    assert found["theorem"] == "asymptotic stability" and found["line"] == 2
    assert Path(found["certificate"]).is_file() and found["words"]


def test_the_second_run_only_rechecks(gate: GateFiles, no_proving: Callable[[], None]) -> None:
    gate.write(GOOD)
    assert gate.one()["origin"] == "proved"
    no_proving()
    found = gate.one()
    assert found["status"] == "proved" and found["origin"] == "cache"
    assert found["checker"]["leaves"] > 0
    assert (gate.out / "certificates" / "c1.json").is_file()


@pytest.mark.parametrize(
    ("claims", "ends", "code"),
    [
        ([FALSE], ["refuted"], 1),
        ([HURRIED], ["unknown"], 3),
        ([MISSING], ["input error"], 2),
        ([HURRIED, GOOD], ["unknown", "proved"], 3),
        ([HURRIED, FALSE, GOOD], ["unknown", "refuted", "proved"], 1),
        ([MISSING, FALSE, HURRIED, GOOD], ["input error", "refuted", "unknown", "proved"], 2),
        ([GOOD + "\nminimum = { volume = 1.99 }"], ["too small"], 1),
        ([GOOD + "\nminimum = { c2 = 2.1 }"], ["too small"], 1),
        ([GOOD + "\nminimum = { volume = 1.5, c2 = 2 }"], ["proved"], 0),
    ],
)
def test_all_claims_are_run_and_the_worst_decides(
    gate: GateFiles, claims: list[str], ends: list[str], code: int
) -> None:
    gate.write(*claims)
    ended = gate.run("--json")
    assert ended.code == code == ended.data["exit_code"]
    assert [c["status"] for c in ended.data["claims"]] == ends
    for found in ended.data["claims"]:
        path = gate.out / "certificates" / f"{found['name']}.json"
        assert path.exists() == (found["status"] in ("proved", "too small"))
        assert found["message"]


def test_a_refuted_claim_tells_the_point(gate: GateFiles) -> None:
    gate.write(FALSE)
    found = gate.one()
    assert found["condition"] == "containment" and abs(found["counterexamples"][0]["point"][0]) == 1
    assert found["certificate"] is None and found["region"] is None
    told = gate.run()
    assert "refuted: containment: at (" in told.out and "gate FAILED" in told.out


@pytest.mark.parametrize(
    ("box", "end", "part"),
    [
        ("[-0.5, 0.5]", "proved", "c2 = 2"),
        ("[-0.95, 0.95]", "too small", "the box is not inside the certified region: at ("),
        ("[-2, 2]", "input error", "sticks out of the domain"),
        ("[0.1, 0.2]", "input error", "the equilibrium is not inside"),
    ],
)
def test_a_box_of_starts(gate: GateFiles, box: str, end: str, part: str) -> None:
    gate.write(f"region = {{ c2 = 2, box = {{ x = {box} }} }}")
    found = gate.one()
    assert found["status"] == end and part in found["message"]


def test_a_box_names_every_state(gate: GateFiles) -> None:
    gate.write("region = { box = { y = [-1, 1] } }")
    assert "give an interval for each state: x" in gate.one()["message"]


def test_without_a_prover_a_certificate_has_to_be_there(gate: GateFiles) -> None:
    only = '\nbackends = ["checker"]'
    gate.write(GOOD + only)
    found = gate.one()
    assert found["status"] == "unknown" and "no certificate covers it" in found["message"]
    gate.write(GOOD)
    assert gate.one()["status"] == "proved"
    gate.write(GOOD + only)
    assert gate.one()["status"] == "proved"


def test_names_with_path_separators_stay_in_the_folder(gate: GateFiles, tmp_path: Path) -> None:
    text = gate.write(GOOD).read_text()
    gate.write_text(
        text.replace('"c1"', '"../../evil"') + "\n" + text.replace('"c1"', '"/..//evil"')
    )
    ended = gate.run("--json")
    assert ended.code == 0
    names = {p.name for p in (gate.out / "certificates").iterdir()}
    assert names == {"evil.json", "evil-2.json"}
    assert not [p for p in tmp_path.rglob("*evil*") if p.parent != gate.out / "certificates"]


def test_a_bad_system_or_candidate_is_an_input_error_with_its_place(gate: GateFiles) -> None:
    gate.write(GOOD, GOOD)
    (gate.folder / "motor.json").write_text("{}")
    data = gate.data()
    assert data["exit_code"] == 2
    for found in data["claims"]:
        assert found["status"] == "input error"
        assert "stability.toml:" in found["message"] and "motor.json" in found["message"]


@pytest.mark.parametrize(
    ("old", "new", "line", "part"),
    [
        ('"motor.toml"', '"mtor.toml"', 4, "system: "),
        ('"motor.toml"', '"pole on a cart"', 4, "system: unknown system 'pole on a cart' (known: "),
        ('"motor.json"', '"none.json"', 5, "candidate: "),
        ('"motor.json"', '"none.json"', 5, "none.json: there is no such file"),
        (
            "minimum",
            "rate = 2\nminimum",
            6,
            "rate: only exponential stability and set-point convergence",
        ),
        ("minimum", f"{EXPONENTIAL}\nregion.mu = 2\nminimum", 7, "region mu: exponential stabil"),
        (
            'candidate = "motor.json"',
            'learner = {name = "elm-pi", initial_gain = "x"}',
            5,
            "learner",
        ),
        ('candidate = "motor.json"', 'networks = {value = "V.npz"}', 5, "networks: "),
    ],
)
def test_bad_input_is_told_with_the_line_of_its_key(
    gate: GateFiles, old: str, new: str, line: int, part: str
) -> None:
    text = gate.write("minimum = { volume = 1 }").read_text()
    assert text.count(old) == 1
    gate.write_text(text.replace(old, new))
    found = gate.one()
    assert found["status"] == "input error" and part in found["message"]
    assert f"stability.toml:{line}: " in found["message"]


def test_a_rate_that_discrete_time_cannot_have(gate: GateFiles) -> None:
    """The claim is judged together with its system, as by run."""
    toml = TOML.replace('"an unstable state"', '"an unstable state"\ntime = "discrete"')
    toml = toml.replace('x_dot = "x + u"', 'x_next = "1.1*x + u"')
    (gate.folder / "motor.toml").write_text(toml)
    gate.write(f"{EXPONENTIAL}\nrate = 1")
    found = gate.one()
    assert found["status"] == "input error"
    assert "stability.toml:7: rate: in discrete time" in found["message"]


def test_a_rate_that_is_too_high_is_the_reason_as_certify_tells_it(
    gate: GateFiles, stableproof: Run
) -> None:
    """What is left open is a sliver above c1; advice about it would lead nowhere."""
    shipped = Path(__file__).resolve().parents[2] / "examples" / "gate" / "pendulum.json"
    claim = f'[[claim]]\nname = "c1"\nsystem = "pendulum"\ncandidate = "{shipped}"\n'
    gate.write_text(f"{claim}{EXPONENTIAL}\nrate = 1000\n")
    found = gate.one()
    assert found["status"] == "unknown"
    told = re.search(r"dV/dt ≤ -1000 V; at \((.*?)\) V falls more slowly", found["message"])
    assert told and "Ask for a smaller rate" in found["message"]
    assert "weights" not in found["message"]
    problem = StabilityProblem(zoo.system("pendulum"), load_candidate(shipped)[0])
    decrease = problem.exponential_decrease(Fraction(1), Fraction(2), Fraction(1000))
    point = np.array([[float(v) for v in told[1].split(",")]])
    V, change = np.hstack(evaluate(decrease.tape, point))[0]
    assert V > 0 and change > 0  # V there, and dV/dt + 1000 V
    options = ("--claim", "exponential-stability", "--rate", "1000")
    ended = stableproof("certify", "pendulum", shipped, *options, "--json")
    assert ended.code == 3 and ended.data["reason"] == found["message"]


def test_a_claim_of_a_learner_keeps_its_candidate(
    gate: GateFiles, no_proving: Callable[[], None]
) -> None:
    text = gate.write(GOOD).read_text()
    gate.write_text(text.replace('candidate = "motor.json"', 'learner = "lqr"'))
    found = gate.one()
    assert found["status"] == "proved" and Path(found["candidate"]).is_file()
    no_proving()
    again = gate.one()
    assert again["origin"] == "cache" and Path(again["candidate"]).is_file()
    (cached,) = (gate.folder / ".stableproof-cache").glob("*.candidate.json")
    assert cached.read_bytes() == Path(found["candidate"]).read_bytes()


def test_networks_are_imported_and_proved(gate: GateFiles) -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    W, b = rng.uniform(-1, 1, (20, 1)), rng.uniform(-1, 1, 20)
    x = np.linspace(-1, 1, 101)[:, None]
    features = np.tanh(x @ W.T + b)
    for name, target in (("V", 2.414 * x[:, 0] ** 2), ("k", -2.414 * x[:, 0])):
        last = np.linalg.lstsq(features, target, rcond=1e-6)[0][None, :]
        layers = {"0.weight": W, "0.bias": b, "1.weight": last}
        np.savez(gate.folder / f"{name}.npz", allow_pickle=False, **layers)
    text = gate.write("region = { c2 = 2 }").read_text()
    networks = 'networks = { value = "V.npz", control = "k.npz", value_activation = "tanh" }'
    gate.write_text(text.replace('candidate = "motor.json"', networks))
    assert gate.one()["status"] == "proved"
    gate.write_text(text.replace('candidate = "motor.json"', networks.replace("V.npz", "W.npz")))
    found = gate.one()
    assert found["status"] == "input error" and "W.npz: there is no such file" in found["message"]


def test_a_bug_ends_its_claim_and_no_other(
    gate: GateFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.write(GOOD, "region = { c2 = 1 }")
    honest = decide.attempt

    def first_fails(subject: Any, tell: Any) -> Any:
        if subject.claim.name == "c1":
            raise ZeroDivisionError("by zero")
        return honest(subject, tell)

    monkeypatch.setattr(decide, "attempt", first_fails)
    ended = gate.run("--json")
    assert ended.code == 2 and "Traceback" not in ended.err
    first, second = ended.data["claims"]
    assert first["status"] == "internal error" and "ZeroDivisionError: by zero" in first["message"]
    assert second["status"] == "proved" and (gate.out / "junit.xml").exists()
    assert "Traceback" in gate.run("--debug").err


def test_results_of_a_former_run_are_gone_before_anything_is_proved(
    gate: GateFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.write(GOOD)
    assert gate.run().code == 0

    def interrupted(*_: object) -> NoReturn:
        assert not (gate.out / "junit.xml").exists()
        assert not (gate.out / "certificates" / "c1.json").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(decide, "subject_of", interrupted)
    assert gate.run().code == 130


def test_ctrl_c_keeps_what_is_finished(
    gate: GateFiles, monkeypatch: pytest.MonkeyPatch, no_proving: Callable[[], None]
) -> None:
    gate.write(GOOD, "region = { c2 = 1 }")
    honest = decide.attempt

    def second_is_interrupted(subject: Any, tell: Any) -> Any:
        if subject.claim.name == "c2":
            raise KeyboardInterrupt
        return honest(subject, tell)

    monkeypatch.setattr(decide, "attempt", second_is_interrupted)
    ended = gate.run()
    assert ended.code == 130
    assert "interrupted: 1 of 2 claims are finished" in ended.err
    record = json.loads((gate.out / "gate.json").read_text())
    assert record["status"] == "interrupted" and record["exit_code"] is None
    assert not (gate.out / "junit.xml").exists()
    monkeypatch.setattr(decide, "attempt", honest)
    first, second = gate.data()["claims"]
    assert (first["origin"], second["origin"]) == ("cache", "proved")


def test_somebody_elses_folder_is_left_alone(gate: GateFiles, refused: Callable[..., str]) -> None:
    file = gate.write(GOOD, head='out = "mine"')
    (gate.folder / "mine").mkdir()
    thesis = gate.folder / "mine" / "thesis.txt"
    thesis.write_text("mine")
    assert "is not empty and holds no results of a gate" in refused("gate", file)
    (gate.folder / "mine" / "gate.json").write_text(
        '{"format": "stableproof-gate", "files": ["../x"]}'
    )
    assert "no record of a gate of ours" in refused("gate", file)
    assert thesis.read_text() == "mine"
    gate.write(GOOD, head='out = "motor.toml"')
    assert "is a file, not a folder" in refused("gate", file)


def test_a_folder_in_use(gate: GateFiles, refused: Callable[..., str]) -> None:
    fcntl = pytest.importorskip("fcntl", reason="there are no such locks here")
    file = gate.write(GOOD)
    assert gate.run().code == 0
    with (gate.out / "gate.json").open():
        import os

        held = os.open(gate.out, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            assert "is in use by another stableproof command" in refused("gate", file)
        finally:
            os.close(held)


def test_a_cache_that_cannot_be_written_is_noted(gate: GateFiles) -> None:
    gate.write(GOOD, head='cache = "motor.toml/cache"')
    ended = gate.run()
    assert ended.code == 0 and "cannot be written" in ended.err


def test_what_the_checker_rejects_is_never_proved(
    gate: GateFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checker is made to refuse here: a prover that errs cannot be had."""
    gate.write(GOOD)
    honest = proofs.checker.check_file

    def refuse(*arguments: Any) -> Any:
        return replace(honest(*arguments), status="invalid", message="leaf 3 is open")

    monkeypatch.setattr(proofs.checker, "check_file", refuse)
    ended = gate.run()
    assert ended.code == 1
    assert "THE INDEPENDENT CHECKER REJECTS" in ended.out and "leaf 3 is open" in ended.out
    assert "THE INDEPENDENT CHECKER REJECTS" in ended.err and "\nproved: " not in ended.out
    names = [p.name for p in (gate.out / "certificates").iterdir()]
    assert names == ["c1.rejected.json"]
    assert not (gate.folder / ".stableproof-cache").exists()
    monkeypatch.setattr(proofs.checker, "check_file", honest)
    assert gate.one()["status"] == "proved"
    assert [p.name for p in (gate.out / "certificates").iterdir()] == ["c1.json"]


def test_the_checkers_statement_has_to_be_the_proved_one(
    gate: GateFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.write(GOOD)
    honest = proofs.checker.check_file
    monkeypatch.setattr(
        proofs.checker, "check_file", lambda *a: replace(honest(*a), claim_hash="0" * 64)
    )
    found = gate.one()
    assert found["status"] == "rejected" and "another statement" in found["message"]


def test_a_cached_certificate_with_one_byte_changed_is_not_used(gate: GateFiles) -> None:
    gate.write(GOOD)
    gate.one()
    path = gate.cached
    path.write_text(path.read_text().replace('"1/100"', '"1/101"', 1))
    ended = gate.run("--json")
    assert ended.code == 0 and ended.data["claims"][0]["origin"] == "proved"
    assert "it is not used" in ended.err
    path.write_text("")
    assert gate.one()["origin"] == "proved"
    assert gate.one()["origin"] == "cache"


def test_a_forged_certificate_in_the_cache_is_rejected_loudly(gate: GateFiles) -> None:
    gate.write("")  # any c2 will do
    gate.one()

    def larger(document: Any) -> None:
        document["statement"]["constants"]["c2"] = "23/10"
        document["statement"]["domain"] = [["-19/20", "19/20"]]

    forge(gate.cached, larger)
    ended = gate.run()
    assert ended.code == 1
    assert "THE INDEPENDENT CHECKER REJECTS" in ended.out and "who put it there?" in ended.err
    assert not (gate.out / "certificates" / "c1.json").exists()


def test_another_systems_certificate_in_the_cache_is_not_used(gate: GateFiles) -> None:
    """A valid one, put under this claim's key: of other dynamics, or of another claim."""
    gate.write(GOOD)
    gate.one()
    forged = gate.cached.read_bytes()
    gate.cached.unlink()
    toml = gate.folder / "motor.toml"
    toml.write_text(TOML.replace('x_dot = "x + u"', 'x_dot = "1.01*x + u"'))
    gate.one()
    gate.cached.write_bytes(forged)
    ended = gate.run("--json")
    assert ended.data["claims"][0]["origin"] == "proved" and "is of no use" in ended.err
    toml.write_text(TOML)
    key = gate.cached.name
    gate.cached.unlink()
    gate.write("region = { c2 = 1 }")
    gate.one()
    gate.cached.write_bytes(forged)
    ended = gate.run("--json")
    assert ended.data["claims"][0]["origin"] == "proved" and "it has c2 = 2, not 1" in ended.err
    assert gate.cached.name != key


def test_a_changed_system_is_proved_anew(gate: GateFiles) -> None:
    gate.write(GOOD)
    gate.one()
    toml = gate.folder / "motor.toml"
    toml.write_text(TOML.replace('x_dot = "x + u"', 'x_dot = "1.01*x + u"'))
    assert gate.one()["origin"] == "proved"
    toml.write_text(TOML.replace('x_dot = "x + u"', 'x_dot = "5*x + u"'))
    found = gate.one()
    assert found["status"] in ("refuted", "unknown") and found["certificate"] is None


def test_a_region_is_told_with_its_box_and_rounded_to_the_safe_side(gate: GateFiles) -> None:
    gate.write("region = { c2 = 2 }")
    assert gate.run().code == 0
    (claim,) = read_gate(gate.folder / "stability.toml").claims
    known = certified_by(load_certificate(gate.cached))
    subject = subject_of(claim)
    assert decide._proved_words(
        Finding(claim, Status.PROVED, "", certified=known), subject
    ).startswith("asymptotic stability on {V <= c2}, c2 = 2, volume >= ")
    part = replace(known, domain=Box.of([("-1/2", "1/2")]), volume=Fraction(2, 3))
    words = decide._proved_words(Finding(claim, Status.PROVED, "", certified=part), subject)
    assert "{x in [-0.5, 0.5]: V <= c2}" in words and "volume >= 0.666666 " in words
