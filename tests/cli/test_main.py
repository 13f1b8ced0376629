"""The group of commands: lazily imported, errors in one line, never 0 on an error."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import click
import pytest

from cli import main as main_module
from cli.main import COMMANDS, cli
from tests.cli.conftest import Run

HEAVY = {"numpy", "numba", "scipy", "sympy", "matplotlib", "torch", "rich", "pydantic", "flint"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(stableproof: Run, name: str) -> None:
    ended = stableproof(name, "--help")
    assert ended.code == 0 and ended.err == ""
    assert ended.out.startswith(f"Usage: stableproof {name}")
    assert "--json" in ended.out


def test_the_help_lists_the_commands_with_their_purpose(stableproof: Run) -> None:
    ended = stableproof("--help")
    assert ended.code == 0
    for name, (_, words) in COMMANDS.items():
        assert f"  {name} " in ended.out and words in ended.out


@pytest.mark.parametrize("module", [m for m, _ in COMMANDS.values()])
def test_a_commands_module_imports_nothing_heavy(module: str) -> None:
    import subprocess

    program = f"import sys, {module}; print('\\n'.join(sys.modules))"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, check=True, capture_output=True, text=True
    )
    assert not HEAVY & set(done.stdout.split())


def test_the_short_help_is_the_commands_own_subject() -> None:
    for name, (module, _) in COMMANDS.items():
        command = importlib.import_module(module).command
        assert isinstance(command, click.Command) and command.name == name


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["rum"], "did you mean 'run'?"),
        (["xyzzy"], "there are systems, train"),
        (["--frobnicate"], "--frobnicate"),
        (["run"], "Missing argument 'SYSTEM'"),
        (["certify", "pendulum"], "Missing argument 'CANDIDATE'"),
        (["run", "pendulum", "--learner", "ppo"], "'ppo'"),
        (["run", "pendulum", "--rounds", "0"], "0 is not in the range"),
        (["run", "pendulum", "--neurons", "many"], "'many'"),
        (["run", "pendulum", "--nuerons", "5"], "--nuerons"),
    ],
)
def test_a_usage_error_is_one_line_and_code_2(
    stableproof: Run, arguments: list[str], part: str
) -> None:
    ended = stableproof(*arguments)
    assert ended.code == 2 and ended.out == ""
    assert len(ended.err.splitlines()) == 1 and part in ended.err


def test_an_unexpected_error_is_one_line_with_a_hint(
    stableproof: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("no\nsuch key")

    monkeypatch.setattr("systems.zoo.names", broken)
    ended = stableproof("systems")
    assert ended.code == 2 and ended.out == ""
    assert len(ended.err.splitlines()) == 1
    assert "unexpected KeyError" in ended.err and "--debug" in ended.err
    told = stableproof("systems", "--debug")
    assert told.code == 2 and "Traceback" in told.err and "broken" in told.err


def test_ctrl_c_anywhere_is_130(stableproof: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("systems.zoo.names", interrupted)
    ended = stableproof("systems")
    assert (ended.code, ended.out, ended.err) == (130, "", "interrupted\n")


def test_the_version_is_told(stableproof: Run) -> None:
    ended = stableproof("--version")
    assert ended.code == 0 and ended.out.startswith("stableproof ")


def test_no_arguments_show_the_help_and_are_no_success(stableproof: Run) -> None:
    for arguments in ([], ["--debug"]):
        ended = stableproof(*arguments)
        assert ended.code == 2 and ended.out == ""
        lines = ended.err.splitlines()
        assert lines[0].startswith("Usage: stableproof ") and len(lines) > 10
        assert lines[-1] == "error: no command was given"


def test_main_leaves_with_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["stableproof", "rum"])
    with pytest.raises(SystemExit) as left:
        main_module.main()
    assert left.value.code == 2
    assert cli.name == "cli"
