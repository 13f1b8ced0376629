"""Commands run in this process, with what they print."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from cli.main import run
from systems.json_data import canonical_json
from tests.cli.gates import GateFiles

FAST = ("pendulum", "--neurons", "12", "--c1", "0.01", "--c2", "0.029", "--mu", "1e-4")
"""A run that is proved in its first round."""

TOML = """\
[system]
name = "motor"
description = "an unstable state"

[states]
x = "rad"

[inputs]
u = "V"

[dynamics]
x_dot = "x + u"

[domain]
x = [-1, 1]

[cost]
Q = "x**2"
R = 1
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> dict[str, Any]:
        """Standard output as its one JSON object."""
        loaded = json.loads(self.out, parse_constant=_refuse)
        assert isinstance(loaded, dict)
        return loaded


def _refuse(text: str) -> None:
    raise AssertionError(f"{text} is no JSON")


Run = Callable[..., Ended]


@pytest.fixture(autouse=True)
def _without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes seconds: only the tests of whole processes do it."""
    monkeypatch.setattr("proofs.report._draw", lambda *_: ({}, []))
    monkeypatch.setattr("cli.training_picture.training_picture", lambda *_: None)
    monkeypatch.setattr("cli.training_events.open_events", lambda *_, **__: None)


_found_valid: set[str] = set()
"""Certificates that need not be checked once more, by the hashes of their proofs."""


@pytest.fixture(autouse=True)
def _every_certificate_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the prover emits in any test here, the independent checker finds valid."""
    import proofs.certificate
    from proofs.checker import check_bytes

    emit = proofs.certificate.certificate_of

    def checked(*arguments: Any) -> dict[str, object]:
        document = emit(*arguments)
        hashes: Any = document["sha256"]
        proof = ":".join(hashes[part] for part in ("statement", "evidence", "volume"))
        if proof not in _found_valid:
            found = check_bytes((canonical_json(document) + "\n").encode("ascii"), 1)
            assert (found.status, found.message) == ("valid", "")
            _found_valid.add(proof)
        return document

    monkeypatch.setattr(proofs.certificate, "certificate_of", checked)


@pytest.fixture
def stableproof(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process."""

    def call(*arguments: object) -> Ended:
        capfd.readouterr()
        code = run([str(a) for a in arguments])
        captured = capfd.readouterr()
        return Ended(code, captured.out, captured.err)

    return call


@pytest.fixture
def refused(stableproof: Run) -> Callable[..., str]:
    """Run a command line that must end with code 2 and one line; returns the line."""

    def call(*arguments: object) -> str:
        ended = stableproof(*arguments)
        assert ended.code == 2, (ended.code, ended.err)
        assert ended.out == ""
        lines = ended.err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("error: "), ended.err
        assert "unexpected" not in lines[0]
        return lines[0]

    return call


@pytest.fixture
def system_file(tmp_path: Path) -> Callable[..., Path]:
    """A small system file, with replacements."""

    def write(*replacements: tuple[str, str]) -> Path:
        text = TOML
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "motor.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a trained candidate for the pendulum."""
    folder = tmp_path_factory.mktemp("cli") / "trained"
    assert run(["train", "pendulum", "--neurons", "12", "--out", str(folder), "--json"]) == 0
    return folder


@pytest.fixture(scope="session")
def motor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a system, motor.toml, and its LQR as a candidate, motor.json."""
    folder = tmp_path_factory.mktemp("gate")
    (folder / "motor.toml").write_text(TOML)
    out = folder / "run"
    arguments = ["train", str(folder / "motor.toml"), "--learner", "lqr", "--out", str(out)]
    assert run([*arguments, "--json"]) == 0
    (out / "candidate.json").rename(folder / "motor.json")
    shutil.rmtree(out)
    return folder


@pytest.fixture
def gate(motor: Path, tmp_path: Path, stableproof: Run) -> GateFiles:
    """A folder of one's own with these two files, to write gate files in."""
    folder = tmp_path / "gate"
    shutil.copytree(motor, folder)
    return GateFiles(folder, stableproof)


@pytest.fixture
def no_proving(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Once called, a proof anew by the gate fails the test."""

    def refuse(*_: object) -> NoReturn:
        raise AssertionError("the claim was proved anew")

    return lambda: monkeypatch.setattr("cli.gate.decide.attempt", refuse)
