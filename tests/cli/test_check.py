"""``stableproof check``: what it prints, how it ends, and that a disagreement is not overlooked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from certify.candidate_file import save_candidate
from learners.lqr import lqr_candidate
from proofs.certificate import certificate_of, save_certificate
from proofs.certificate_reader import hashes_of
from systems import zoo
from tests.cli.conftest import Run
from tests.proofs.results import proved


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate and its candidate."""
    out = tmp_path_factory.mktemp("checked")
    result = proved()
    save_certificate(certificate_of(result), out / "certificate.json")
    save_candidate(result.problem.candidate, out / "candidate.json", "pendulum")
    return out


@pytest.fixture
def forged(folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """The certificate with constants of the statement changed, and hashed again."""

    def write(**constants: str) -> Path:
        document: dict[str, Any] = json.loads((folder / "certificate.json").read_text())
        document["statement"]["constants"].update(constants)
        document["sha256"] = hashes_of(document)
        path = tmp_path / "forged.json"
        save_certificate(document, path)
        return path

    return write


def test_a_valid_certificate_is_told_and_counted(stableproof: Run, folder: Path) -> None:
    ended = stableproof("check", folder / "certificate.json")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[-1].startswith("valid: ")
    assert "leaves rechecked in ball arithmetic" in ended.out
    assert "asymptotic stability" in ended.out and "theta" in ended.out
    of_folder = stableproof("check", folder, "--jobs", 1, "--json")
    data = of_folder.data
    assert of_folder.code == 0 and data["status"] == "valid" and data["verdict"] == "proved"
    assert data["leaves"] > 0 and data["gaps"] == [] and data["simulation"] is None
    assert f"sha256 {data['claim_hash']}" in ended.out


def test_the_binding_is_required_where_it_is_asked_for(
    stableproof: Run, folder: Path, tmp_path: Path
) -> None:
    document = json.loads((folder / "certificate.json").read_text())
    claim = document["sha256"]["statement"]
    own = ("--system", "pendulum", "--candidate", folder / "candidate.json")
    assert stableproof("check", folder, *own, "--claim-hash", claim).code == 0
    other = stableproof("check", folder, "--claim-hash", "0" * 64)
    assert other.code == 1 and "0" * 64 in other.out.splitlines()[-1]
    system = zoo.system("pendulum-bounded-6")
    save_candidate(lqr_candidate(system), tmp_path / "other.json", system.name)
    foreign = ("--system", system.name, "--candidate", tmp_path / "other.json")
    ended = stableproof("check", folder, *foreign, "--json")
    assert ended.code == 1 and ended.data["status"] == "valid"
    assert ended.data["verdict"] == "unknown" and len(ended.data["gaps"]) >= 2


def test_a_simulation_agrees_with_a_true_claim(stableproof: Run, folder: Path) -> None:
    ended = stableproof("check", folder, "--against-simulation", 3, "--jobs", 1, "--json")
    assert ended.code == 0 and ended.err == ""
    simulation = ended.data["simulation"]
    assert simulation["converged"] == 3 and simulation["disagreement"] == 0
    assert len(simulation["trajectories"]) == 3
    words = stableproof("check", folder, "--against-simulation", 3, "--jobs", 1).out
    assert "3 starts: 3 converged, 0 undecided, 0 in disagreement" in words


def test_a_forged_claim_is_invalid(stableproof: Run, forged: Callable[..., Path]) -> None:
    ended = stableproof("check", forged(mu="10/1"), "--json")
    assert ended.code == 1 and ended.data["status"] == "invalid"
    assert ended.data["message"] and ended.data["verdict"] == "unknown"
    assert stableproof("check", forged(c2="1/1")).out.splitlines()[-1].startswith("invalid: ")


def test_a_disagreement_is_the_loudest_of_all(
    stableproof: Run, forged: Callable[..., Path]
) -> None:
    """V does not fall by 10 a second down to 10⁻⁶: every trajectory contradicts that."""
    path = forged(mu="10/1", core="1/1000000")
    ended = stableproof(
        "check", path, "--against-simulation", 4, "--seed", 7, "--jobs", 1, "--json"
    )
    assert ended.code == 1
    data = ended.data
    assert data["disagreement"] is True and data["verdict"] == "refuted"
    assert "DISAGREEMENT" in data["reason"]
    wrong = [t for t in data["simulation"]["trajectories"] if t["outcome"] == "disagreement"]
    frame = ended.err.splitlines()
    assert wrong and len(frame) > 10
    assert set(frame[0]) == {"#"} and frame[0] == frame[-1] and "DISAGREEMENT" in frame[1]
    assert all(line.startswith("#") and line.endswith("#") for line in frame)
    for entry in wrong[0]["start"]:
        assert repr(entry) in ended.err
    assert "--against-simulation 4 --seed 7" in ended.err
    told = stableproof("check", path, "--against-simulation", 4, "--seed", 7, "--jobs", 1)
    assert "in DISAGREEMENT" in told.out and told.code == 1 and told.err == ended.err


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"not JSON", b"[" * 100_000, b"\xff\xfe\x00"], ids=range(5)
)
def test_what_is_no_certificate_is_refused(
    refused: Callable[..., str], tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    assert str(path) in refused("check", path)


def test_wrong_usage_is_refused(refused: Callable[..., str], folder: Path, tmp_path: Path) -> None:
    assert "belong together" in refused("check", folder, "--system", "pendulum")
    assert "64 hexadecimal digits" in refused("check", folder, "--claim-hash", "abc")
    assert "cannot be read" in refused("check", tmp_path / "missing.json")
    assert "cannot be read" in refused("check", tmp_path)
    assert "--against-simulation" in refused("check", folder, "--against-simulation", "0")
    assert "--horizon" in refused("check", folder, "--horizon", "-1")
    for option in ("--horizon", "--seed"):
        told = refused("check", folder, option, "7")
        assert option in told and "--against-simulation" in told


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_without_a_writer_is_refused_at_once(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "certificate.json")
    assert "no ordinary file" in refused("check", tmp_path)
    assert "no ordinary file" in refused("check", os.devnull)


def test_the_verdict_is_the_last_word(stableproof: Run, forged: Callable[..., Path]) -> None:
    path = forged(c2="1/1")
    lines = stableproof("check", path, "--against-simulation", 2, "--jobs", 1).out.splitlines()
    assert lines[-1].startswith("invalid: ")
    assert any(line.startswith("simulated") for line in lines[:-1])


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals cannot be held back")
def test_workers_of_a_simulation_never_see_ctrl_c(folder: Path) -> None:
    """Ctrl-C reaches every process of a terminal, at any moment: also while a worker starts."""
    program = (
        "import sys\n"
        "import proofs.cross_examination as examination\n"
        "from cli.main import run\n"
        "inner = examination._examined\n"
        "def told(*arguments):\n"
        "    print('starting', flush=True)\n"
        "    for finding in inner(*arguments):\n"
        "        print('at work', flush=True)\n"
        "        yield finding\n"
        "examination._examined = told\n"
        "if __name__ == '__main__':\n"
        "    sys.exit(run(sys.argv[1:]))\n"
    )
    script = folder / "interrupted.py"
    script.write_text(program)
    arguments = ("check", folder, "--against-simulation", 400, "--jobs", 2)
    root = str(Path(__file__).resolve().parents[2])
    for ready in (False, True):
        running = subprocess.Popen(
            [sys.executable, str(script), *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": root},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            _await_workers(running, ready)
            os.killpg(running.pid, signal.SIGINT)
            _, told = running.communicate()
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait()
        assert (running.returncode, told) == (130, "interrupted\n")


def _await_workers(running: subprocess.Popen[str], ready: bool) -> None:
    """Until the workers are at work, or else just being started, which takes them longer."""
    assert running.stdout is not None
    assert running.stdout.readline() == "starting\n"
    if ready:
        assert running.stdout.readline() == "at work\n"
    else:
        time.sleep(0.15)


def test_the_checker_runs_without_numpy(folder: Path) -> None:
    """Nothing but Python and python-flint is imported by it."""
    program = (
        "import runpy, sys\n"
        "for name in ('numpy', 'scipy', 'click', 'numba', 'torch', 'systems', 'certify'):\n"
        "    sys.modules[name] = None\n"
        f"sys.argv = ['checker', '--jobs', '1', {str(folder / 'certificate.json')!r}]\n"
        "runpy.run_module('proofs.checker', run_name='__main__')\n"
    )
    root = Path(__file__).resolve().parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "valid: " in ended.stdout
