"""``backends``, ``--backend`` and ``--agree``: who is asked, what is told, and what is left."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import certify.backends
from certify.backends import Soundness, backend, names
from certify.backends.base import Lead, NoViolation
from cli.bug_report import KEYS
from cli.main import run
from proofs.certificate import load_certificate
from tests.certify.fake_backends import Fake, believes, crashes, only, proves, refutes
from tests.cli.conftest import Run
from tests.cli.gates import GateFiles

Register = Callable[..., None]


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Register:
    """A backend of that name that answers so."""

    def add(answering: Any = proves, name: str = "fake", **more: Any) -> None:
        made = partial(Fake, name, answering=answering, **more)
        monkeypatch.setitem(certify.backends._MADE_BY, name, made)

    return add


@pytest.fixture
def motors(motor: Path) -> tuple[str, str]:
    return str(motor / "motor.toml"), str(motor / "motor.json")


Motors = tuple[str, str]


def asked(arguments: Motors, *more: object) -> tuple[object, ...]:
    return ("certify", *arguments, *more)


# ---- the list ------------------------------------------------------------------------------------


def test_the_list_names_every_backend_with_what_is_missing(
    stableproof: Run, register: Register
) -> None:
    register(missing=("libfake.so is not there",))
    register(name="fake:fast", soundness=Soundness.NOT_FLOAT_SOUND)
    data = stableproof("backends", "--json").data
    known = {e["name"]: e for e in data["backends"]}
    flat = {n for e in data["backends"] for n in (e["name"], *(v["name"] for v in e["variants"]))}
    assert flat == set(names())
    fake = known["fake"]
    assert (fake["available"], fake["version"], fake["soundness"]) == (False, None, "exact")
    assert fake["missing"] == ["libfake.so is not there"] and fake["install"] == ["install fake"]
    assert [v["name"] for v in fake["variants"]] == ["fake:fast"]
    assert known["taylor"]["available"] and known["taylor"]["soundness"] == "rigorous"
    ended = stableproof("backends")
    assert ended.code == 0 and ended.err == ""
    for words in ("libfake.so is not there", "install fake", "not float-sound", "taylor"):
        assert words in ended.out


def test_long_names_keep_the_columns(stableproof: Run, motors: Motors, register: Register) -> None:
    register(name="fake:with-long-name")
    for ended in (
        stableproof(*asked(motors, "--backend", "taylor", "--backend", "fake:with-long-name")),
        stableproof("backends"),
    ):
        words = {"proved", "available"}
        columns = {
            text.rindex(w) for text in ended.out.splitlines() for w in words
            if text[:1] not in ("", " ") and f"  {w}" in text
        }  # fmt: skip
        assert len(columns) == 1, ended.out


def test_a_run_without_certificate_says_what_to_do(
    motors: Motors, register: Register, stableproof: Run, refused: Callable[..., str],
    tmp_path: Path,
) -> None:  # fmt: skip
    register()
    out = tmp_path / "out"
    assert stableproof(*asked(motors, "--backend", "fake", "--out", out)).code == 0
    assert "there is none; a run leaves one only where every condition" in refused("check", out)
    assert "the same command with --force repeats both" in refused("report", out)


def test_the_list_imports_no_solver() -> None:
    import subprocess
    import sys

    program = (
        "import sys; from cli.main import run; run(['backends']);"
        "print([m for m in ('torch', 'z3', 'dreal', 'auto_LiRPA') if m in sys.modules])"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


# ---- what cannot be asked for --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--backend", "nosuch"], "--backend: there is no backend 'nosuch' (known: taylor, lirpa"),
        (["--backend", "Z3"], "--backend: there is no backend 'Z3' (did you mean 'z3'?)"),
        (["--backend", "taylor", "--backend", "taylor"], "'taylor' is named twice"),
        (["--agree"], "--agree: agreement needs two backends"),
        (["--backend", "taylor", "--agree"], "--agree: agreement needs two backends"),
    ],
)
@pytest.mark.parametrize("command", ["run", "certify"])
def test_what_makes_no_panel_is_one_line(
    refused: Callable[..., str], motors: Motors, command: str, options: list[str], part: str
) -> None:
    arguments = motors if command == "certify" else motors[:1]
    assert part in refused(command, *arguments, *options)


# ---- what is told and left -----------------------------------------------------------------------


def test_the_default_is_told_as_ever(stableproof: Run, motors: Motors) -> None:
    plain, named = (stableproof(*asked(motors, *more)) for more in ((), ("--backend", "taylor")))
    assert plain.code == named.code == 0
    assert [x.split("  ")[0] for x in plain.out.splitlines()] == [
        x.split("  ")[0] for x in named.out.splitlines()
    ]
    data = stableproof(*asked(motors, "--json")).data
    (own,) = data["backends"]
    assert own["name"] == "taylor" and own["soundness"] == "rigorous" and data["trust"] == []
    told = [c["name"] for c in own["conditions"]]
    assert told == [c["name"] for c in data["conditions"] if c["name"] != "equilibrium"]
    assert all(c["verdict"] == "proved" and c["evidence"] for c in own["conditions"])


def test_agreement_leaves_a_certificate(
    stableproof: Run, motors: Motors, register: Register, tmp_path: Path
) -> None:
    register()
    out = tmp_path / "out"
    options = ("--backend", "taylor", "--backend", "fake", "--agree", "--out", out)
    ended = stableproof(*asked(motors, *options))
    assert ended.code == 0
    assert any(x.startswith("fake         proves 5 of 5") for x in ended.out.splitlines())
    document: Any = load_certificate(out / "certificate.json")
    assert document["provenance"]["run"]["asked"] == ["fake 1.0 (exact) proved 5 of 5 conditions"]
    assert "fake 1.0 (exact) proved 5 of 5 conditions" in (out / "report.md").read_text()
    again = stableproof(*asked(motors, *options))
    assert again.out == ended.out and "holds this proof already" in again.err
    other = stableproof(*asked(motors, "--out", out))
    assert other.code == 2 and "other settings (agree: True there, none here)" in other.err


def test_a_proof_on_trust_names_it_and_leaves_no_certificate(
    stableproof: Run, motors: Motors, register: Register, tmp_path: Path
) -> None:
    register()
    out = tmp_path / "out"
    ended = stableproof(*asked(motors, "--backend", "fake", "--out", out))
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert "trust        fake is right" in lines
    hint = "no certificate: fake leaves no evidence that can be replayed; add --backend taylor"
    assert hint in lines and not (out / "certificate.json").exists()
    assert sum("proposed" in line for line in lines) == 5
    record = json.loads((out / "run.json").read_text())["outcome"]
    assert record["verdict"] == "proved" and "fake is right" in record["trust"]
    assert record["region"]["c2"] > 0 and record["region"]["volume"] > 0
    text = (out / "report.md").read_text()
    assert "**Proved, given what the section on trust names.**" in text
    assert "- fake is right" in text and "proofs.checker" not in text
    told = stableproof("report", out)
    assert told.code == 2 and "a solver's word leaves no certificate" in told.err


@pytest.mark.parametrize(
    "more",
    [
        {"answering": crashes},
        {"answering": lambda *_: None},
        {"missing": ("libfake.so",)},
        {"unsupported": "it takes nothing"},
    ],
)
def test_what_fails_is_noted_and_the_proof_is_kept(
    stableproof: Run, motors: Motors, register: Register, tmp_path: Path, more: dict[str, Any]
) -> None:
    register(**more)
    out = tmp_path / "out"
    pair = ("--backend", "taylor", "--backend", "fake")
    ended = stableproof(*asked(motors, *pair, "--json", "--out", out))
    assert ended.code == 0 and (out / "certificate.json").exists()
    fake = ended.data["backends"][1]
    assert {c["verdict"] for c in fake["conditions"]} == {"unknown"}
    assert all(c["reason"] for c in fake["conditions"])
    strict = stableproof(*asked(motors, *pair, "--agree"))
    assert strict.code == 3 and "\nunknown: no agreement: fake on " in strict.out


def test_a_contradiction_leaves_a_bug_report_and_no_certificate(
    stableproof: Run, motors: Motors, register: Register, tmp_path: Path
) -> None:
    register(only("decrease", refutes))
    pair = ("--backend", "taylor", "--backend", "fake")
    out = tmp_path / "out"
    ended = stableproof(*asked(motors, *pair, "--json", "--out", out))
    assert ended.code == 3 and ended.data["reason"].startswith("contradiction: taylor proves")
    assert ended.data["certificate"] is None and not (out / "certificate.json").exists()
    file = out / "contradiction.json"
    assert ended.data["bug_report"] == str(file)
    report = json.loads(file.read_text())
    assert set(report) == set(KEYS)
    assert report["reproduce"] == "stableproof backends --reproduce contradiction.json"
    (clash,) = report["contradictions"]
    assert clash["condition"]["name"] == "decrease"
    assert [a["verdict"] for a in clash["answers"]] == ["proved", "refuted"]
    told = stableproof("backends", "--reproduce", file)
    assert told.code == 3 and "1 of 1 contradictions are still there" in told.out
    register(proves)
    healed = stableproof("backends", "--reproduce", file, "--json")
    assert healed.code == 0 and healed.data["contradictions"] == 0
    assert [a["verdict"] for a in healed.data["answers"]] == ["proved", "proved"]
    unkept = stableproof(*asked(motors, *pair))
    register(only("decrease", refutes))
    unkept = stableproof(*asked(motors, *pair))
    assert unkept.code == 3 and "--out DIR writes all that reproduces it" in unkept.out


def test_a_contradiction_against_our_refutation(
    stableproof: Run, motors: Motors, register: Register
) -> None:
    register(believes)
    ended = stableproof(*asked(motors, "--c2", "100", "--backend", "taylor", "--backend", "fake"))
    assert ended.code == 3 and "contradiction: fake proves containment" in ended.out
    alone = stableproof(*asked(motors, "--c2", "100"))
    assert alone.code == 1


def test_ctrl_c_keeps_what_is_decided(
    stableproof: Run, motors: Motors, register: Register, tmp_path: Path
) -> None:
    def stopped(*_: object) -> Lead:
        raise KeyboardInterrupt

    register(only("core", stopped))
    out = tmp_path / "out"
    pair = ("--backend", "taylor", "--backend", "fake")
    ended = stableproof(*asked(motors, *pair, "--out", out))
    assert ended.code == 130 and "what was decided is told and kept" in ended.err
    assert (out / "certificate.json").exists() and "\nproved: " in ended.out
    assert ended.err.rstrip().endswith("fake was asked about 2 of 5 conditions")
    line = next(text for text in ended.out.splitlines() if text.startswith("fake "))
    assert "proves 2 of 5 conditions, exact" in line and "unknown" in line
    assert "contraction, core, small set: not asked: interrupted" in ended.out
    told = stableproof(*asked(motors, *pair, "--out", out, "--json"))
    assert told.code == 0 and "fake was asked about 2 of 5 conditions" in told.err
    assert "2 of 5" in told.data["interrupted"] and "--force repeats it" in told.err
    undecided = stableproof(*asked(motors, *pair, "--agree", "--out", tmp_path / "other"))
    assert undecided.code == 130 and undecided.out == ""
    register()
    resumed = stableproof(*asked(motors, *pair, "--agree", "--out", tmp_path / "other"))
    assert resumed.code == 0


# ---- run -----------------------------------------------------------------------------------------


def test_a_run_asks_about_its_last_round(
    stableproof: Run, system_file: Callable[..., Path], register: Register, tmp_path: Path
) -> None:
    register()
    learner = ("run", system_file(), "--learner", "lqr")
    pair = ("--backend", "taylor", "--backend", "fake", "--agree")
    out = tmp_path / "out"
    ended = stableproof(*learner, *pair, "--json", "--out", out)
    assert ended.code == 0 and (out / "certificate.json").exists()
    assert [b["name"] for b in ended.data["backends"]] == ["taylor", "fake"]
    record = json.loads((out / "run.json").read_text())
    assert record["settings"]["backends"] == "taylor, fake" and record["settings"]["agree"]
    told = stableproof("show", out)
    assert "backends taylor, fake" in told.out
    register(crashes)
    strict = stableproof(*learner, *pair)
    assert strict.code == 3 and "unknown: no agreement: fake on " in strict.out
    trusting = stableproof(*learner, "--backend", "fake")
    assert trusting.code == 3 and "proposed" in trusting.out


# ---- bug reports are untrusted -------------------------------------------------------------------


def _report(stableproof: Run, motors: Motors, register: Register, out: Path) -> Any:
    register(only("decrease", refutes))
    stableproof(*asked(motors, "--backend", "taylor", "--backend", "fake", "--out", out))
    return json.loads((out / "contradiction.json").read_text())


@pytest.mark.parametrize(
    ("path", "value", "part"),
    [
        (("format",), "other", "is no bug report"),
        (("version",), 2, "version"),
        (("seconds",), 1e9, "seconds"),
        (("seconds",), True, "seconds"),
        (("seed",), -1, "seed"),
        (("contradictions",), {}, "contradictions"),
        (("contradictions", 0, "answers"), [], "two answers are wanted"),
        (("contradictions", 0, "answers", 0, "backend"), "nosuch", "there is no backend"),
        (("contradictions", 0, "answers", 0, "backend"), "\x1b[31m", "cannot be printed"),
        (("contradictions", 0, "answers", 0), 7, "an object is wanted"),
        (("contradictions", 0, "answers", 0, "verdict"), "maybe", "proved or refuted"),
        (("contradictions", 0, "condition", "tape"), {}, "tape"),
        (("contradictions", 0, "condition", "outputs"), [], "violation[0].output: 0 is not in"),
        (("more",), 1, "unknown key 'more'"),
    ],
)
def test_a_damaged_bug_report_is_one_line(
    stableproof: Run,
    refused: Callable[..., str],
    motors: Motors,
    register: Register,
    tmp_path: Path,
    path: tuple[Any, ...],
    value: object,
    part: str,
) -> None:
    data = _report(stableproof, motors, register, tmp_path / "out")
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    file = tmp_path / "damaged.json"
    file.write_text(json.dumps(data))
    assert part in refused("backends", "--reproduce", file)


def test_no_bug_report_is_one_line(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[" * 10_000)
    for name in ("x.json", "absent.json", "."):
        refused("backends", "--reproduce", tmp_path / name)
    assert "--reproduce only" in refused("backends", "--time-limit", "5")


# ---- the gate ------------------------------------------------------------------------------------

GATE = 'region = { c2 = 2 }\nbackends = ["taylor", "fake", "checker"]'


def test_the_gate_asks_everybody_who_is_named(gate: GateFiles, register: Register) -> None:
    register()
    gate.write(GATE)
    found = gate.one()
    assert found["status"] == "proved" and found["backends"][0]["name"] == "fake"
    assert {c["verdict"] for c in found["backends"][0]["conditions"]} == {"proved"}
    register(only("decrease", crashes))
    found = gate.one()  # the certificate is in the cache, and that is not enough
    assert (found["status"], found["exit_code"]) == ("unknown", 3)
    assert found["message"].startswith("no agreement: fake on decrease: failed")
    assert found["condition"] == "decrease" and found["certificate"] is not None
    gate.write(GATE.replace('"fake", ', ""))
    assert gate.one()["status"] == "proved"


def test_the_gate_lets_nobody_prove_without_evidence(gate: GateFiles, register: Register) -> None:
    register()
    gate.write('region = { c2 = 2 }\nbackends = ["fake"]')
    found = gate.one()
    assert found["status"] == "unknown" and "no certificate covers it" in found["message"]


def test_a_contradiction_in_the_gate(gate: GateFiles, register: Register, stableproof: Run) -> None:
    register(only("decrease", refutes))
    gate.write(GATE)
    found = gate.one()
    assert found["status"] == "unknown" and "contradiction: taylor proves" in found["message"]
    assert found["certificate"] is None
    left = {p.name for p in (gate.out / "certificates").iterdir()}
    assert left == {"c1.contradiction.json"}
    file = gate.out / "certificates" / "c1.contradiction.json"
    assert stableproof("backends", "--reproduce", file).code == 3
    register()
    assert gate.one()["status"] == "proved"
    assert not file.exists()


# ---- z3 itself -----------------------------------------------------------------------------------


def _has(name: str) -> bool:
    return name in names() and backend(name).availability().available


@pytest.mark.skipif(not _has("z3"), reason="the backend z3 cannot be used here")
def test_z3_agrees_on_a_polynomial_system(motors: Motors, stableproof: Run) -> None:
    ended = stableproof(*asked(motors, "--backend", "taylor", "--backend", "z3", "--agree"))
    assert ended.code == 0, ended.out
    alone = stableproof(*asked(motors, "--backend", "z3", "--json"))
    assert alone.code == 0 and alone.data["trust"] and alone.data["certificate"] is None
    wrong = stableproof(*asked(motors, "--backend", "z3", "--backend", "taylor", "--c2", "100"))
    assert wrong.code == 1


def test_the_fakes_register_like_any_other(register: Register) -> None:
    register(lambda *_: NoViolation(("fake is right",)), name="odd")
    assert backend("odd").name == "odd" and run(["backends", "--json"]) == 0
