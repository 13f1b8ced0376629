"""Solvers' processes that die, hang, leave others behind or talk nonsense: Unknown, and no harm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from certify import Budget, Proved, Refuted
from certify.backends import Answer, child
from certify.backends.base import BackendError
from certify.backends.child import run_child, solve_in_child, worker_command
from certify.conditions import Condition
from tests.certify import hostile_task
from tests.certify.hostile import FALSE, TRUE, TRUST, Hostile, assert_others_still_work, unknown

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def others_still_work() -> Iterator[None]:
    yield
    assert_others_still_work()


def misbehaving(
    deed: str, condition: Condition = FALSE, seconds: float = 60.0, **how: object
) -> Answer:
    """The answer of a backend whose child does that."""
    hostile = Hostile(
        lambda c, b: solve_in_child("hostile", c, b, {"do": deed}, trust=TRUST, **how)  # type: ignore[arg-type]
    )
    return hostile.ask(condition, Budget(seconds))


@pytest.fixture
def hostile_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "worker_command", hostile_task.command)


@pytest.mark.usefixtures("hostile_worker")
@pytest.mark.parametrize(
    ("deed", "words"),
    [
        ("abort", "died of SIGABRT"),
        ("kill itself", "died of SIGKILL"),
        ("leave a grandchild", "left a process behind"),
        ("use all memory", "ran out of memory"),
        ("noise", "made noise"),
        ("huge answer", "more than 16 MB"),
        ("raise", "with ?[31m colour"),
        ("none", "an answer that is none"),
        ("no JSON", "TypeError"),
        ("not a form", "an answer that is none"),
        ("a form and more", "an answer that is none"),
        ("not true", "an answer that is none"),
        ("points of text", "an answer that is none"),
        ("points of numbers", "an answer that is none"),
        ("ragged points", "an answer that is none"),
        ("words for a number", "not finite"),
        ("half a point", "an answer that is none"),
        ("no points", "its model is empty"),
        ("a point of nothing", "its model is empty"),
        ("two lines", "one two?[2J"),
        ("a tree of nothing", "a split tree that is none"),
    ],
)
def test_a_child_that_misbehaves(deed: str, words: str) -> None:
    assert words in unknown(misbehaving(deed))


@pytest.mark.usefixtures("hostile_worker")
def test_a_child_that_behaves() -> None:
    """The same way gives verdicts where the answers are worth it."""
    assert isinstance(misbehaving("the point").verdict, Refuted)
    assert isinstance(misbehaving("no violation", TRUE).verdict, Proved)
    refuted = misbehaving("no violation")
    assert isinstance(refuted.verdict, Refuted) and "refutes it" in refuted.said


@pytest.mark.usefixtures("hostile_worker")
def test_a_child_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "GRACE", 2.0)
    reason = unknown(misbehaving("hang", seconds=1.0))
    assert "the time limit of 1 s ran out, and it was stopped" in reason
    assert "no time is left" in unknown(misbehaving("hang", seconds=0.0))


@pytest.mark.usefixtures("hostile_worker")
def test_a_grandchild_that_escapes_holds_nobody_up() -> None:
    """It has left the process group and keeps the pipes open; its number is in the answer."""
    reason = unknown(misbehaving("leave a grandchild of its own group"))
    left = int(reason.split("process ")[1].split()[0])
    os.kill(left, signal.SIGKILL)


@pytest.mark.usefixtures("hostile_worker")
def test_the_limit_of_memory_can_be_chosen() -> None:
    assert "ran out of memory" in unknown(misbehaving("use all memory", memory=1 << 28))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print('unsat')", "an answer that is none"),
        ("print('{\"no_violation\": tr', end='')", "an answer that is none"),
        ("print('[' * 10**6)", "an answer that is none"),
        ("print('9' * 10**6)", "an answer that is none"),
        ("print('NaN')", "an answer that is none"),
        ("import os; os.write(1, bytes(range(256)))", "an answer that is none"),
        ("pass", "an answer that is none"),
        ("import os\nwhile True: os.write(1, b'x' * 65536)", "more than 16 MB"),
        ("import sys; sys.stdin.close(); sys.exit('will not read')", "will not read"),
        ("import sys; sys.exit(3)", "ended with code 3"),
        ("import sys; sys.stderr.buffer.write(b'\\xff\\x1b[2J'); sys.exit(3)", "code 3"),
    ],
)
def test_output_that_is_none(code: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "worker_command", lambda _: [sys.executable, "-c", code])
    assert words in unknown(misbehaving("nothing"))


@pytest.mark.parametrize("command", ["/nowhere/solver", str(ROOT), "solver\0"])
def test_a_command_that_cannot_be_started(command: str) -> None:
    with pytest.raises(BackendError, match="could not be started"):
        run_child([command], b"", 5.0)


def test_every_process_of_the_group_is_ended(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "import subprocess, sys\n"
        f"left = subprocess.Popen([sys.executable, '-c', {hostile_task.SLEEP!r}])\n"
        f"open({str(note)!r}, 'w').write(str(left.pid))\n"
    )
    assert run_child([sys.executable, "-c", code], b"", 300.0) == b""
    assert has_ended(int(note.read_text()))


def has_ended(process: int) -> bool:
    """Waits a while: the system may take a moment to reap it."""
    for _ in range(200):
        try:
            os.kill(process, 0)
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True  # ended, and waiting for whoever adopted it
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


def test_ctrl_c_ends_the_child_and_goes_on(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    sleeper = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    parent = subprocess.Popen(
        [
            sys.executable, "-c",
            "import sys\nfrom certify.backends.child import run_child\n"
            f"run_child([sys.executable, '-c', {sleeper!r}], b'', 300.0)",
        ],
        cwd=ROOT, stderr=subprocess.PIPE,
    )  # fmt: skip
    while not (note.exists() and note.read_text()):
        assert parent.poll() is None
        time.sleep(0.05)
    parent.send_signal(signal.SIGINT)
    _, words = parent.communicate()
    assert parent.returncode and b"KeyboardInterrupt" in words
    assert has_ended(int(note.read_text()))


def test_a_child_whose_parent_was_killed_does_not_work_forever() -> None:
    limited = "from certify.backends.worker import limit_processor_time\nlimit_processor_time(1)\n"
    with pytest.raises(BackendError, match="SIGXCPU"):
        run_child([sys.executable, "-c", f"{limited}while True: pass"], b"", 300.0)


@pytest.mark.parametrize("where", ["the working directory", "PYTHONPATH"])
def test_a_folder_named_certify_is_not_executed(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("certify", "systems", "flint"):
        (tmp_path / package).mkdir()
        text = f"open({str(tmp_path / 'executed')!r}, 'w').close()\n"
        (tmp_path / package / "__init__.py").write_text(text)
    if where == "PYTHONPATH":
        (tmp_path / "flint" / "__init__.py").unlink()  # of that, the user's path comes first
        (tmp_path / "flint").rmdir()
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    else:
        monkeypatch.chdir(tmp_path)
    with pytest.raises(BackendError, match="KeyError: 'no such task'"):
        run_child(worker_command("no such task"), child_input(), 300.0)
    assert not (tmp_path / "executed").exists()


def child_input() -> bytes:
    return b'{"condition": {}, "options": {}, "memory": 1000000000}'
