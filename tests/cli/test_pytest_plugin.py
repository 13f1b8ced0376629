"""The pytest plugin, in test runs of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import proofs.checker
from certify import Requested
from cli.gate.assertion import KEYWORDS, prove_for_test
from systems.errors import InputError

pytest_plugins = ("pytester",)

ROOT = Path(__file__).resolve().parents[2]
Inner = Callable[..., pytest.RunResult]


@pytest.fixture
def inner(pytester: pytest.Pytester, motor: Path, monkeypatch: pytest.MonkeyPatch) -> Inner:
    """Run a test module, its content given, in a process and a folder of its own."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("motor.toml", "motor.json"):
        (pytester.path / name).write_bytes((motor / name).read_bytes())

    def call(body: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(body)
        return pytester.runpytest_subprocess("-p", "cli.pytest_plugin", "-W", "error", *options)

    return call


def test_proved_refuted_unknown_and_too_small(inner: Inner) -> None:
    result = inner("""
        import pytest
        from fractions import Fraction

        GIVEN = ("motor.toml", "motor.json")

        def test_largest(assert_proved):
            proof = assert_proved(*GIVEN)
            assert proof.c2 > 2 and proof.volume > 1.8 and proof.certificate.is_file()

        def test_level(assert_proved):
            assert assert_proved(*GIVEN, 2).c2 == 2
            assert assert_proved(*GIVEN, 0.029).c2 == Fraction(29, 1000)

        def test_box(assert_proved):
            assert_proved(*GIVEN, {"x": (-0.5, 0.5)}, minimum_volume=1)

        def test_requested(assert_proved):
            from certify import Requested
            assert assert_proved(*GIVEN, Requested(c2=Fraction(1))).c2 == 1

        def test_practical(assert_proved):
            assert_proved(*GIVEN, 2, theorem="practical-stability", c1=0.5, mu=0.01)

        def test_objects(assert_proved):
            from certify.candidate_file import load_candidate
            from systems import read_system
            assert_proved(read_system("motor.toml"), load_candidate("motor.json")[0], 1)

        def test_refuted(assert_proved):
            assert_proved(*GIVEN, 3)

        def test_unknown(assert_proved):
            assert_proved(*GIVEN, 2, time_budget=1e-9)

        def test_outside(assert_proved):
            assert_proved(*GIVEN, {"x": (-1, 1)})

        def test_small(assert_proved):
            assert_proved(*GIVEN, 1, minimum_volume=1.9)
        """)
    result.assert_outcomes(passed=6, failed=4)
    result.stdout.fnmatch_lines_random(
        [
            "*Failed: refuted: containment: at (*) V = *against: V > c2 on *",
            "*Failed: unknown: *time limit of * s ran out*",
            "*Failed: too small: the box is not inside the certified region: at (*",
            "*Failed: too small: volume >= *, less than the 1.9 wanted*",
        ]
    )
    result.stdout.no_fnmatch_line("*assertion.py*Error*")


@pytest.mark.parametrize(
    ("given", "claim", "part"),
    [
        (("motr.toml", "motor.json"), {}, "there is no such file"),
        (("motor.toml", "none.json"), {}, "there is no such file"),
        (("motor.toml", "motor.json", {"y": (0, 1)}), {}, "for each state: x"),
        (("motor.toml", "motor.json", {"x": (1, 0)}), {}, "is empty"),
        (("motor.toml", "motor.json", {"x": 3}), {}, "region: "),
        (("motor.toml", "motor.json", "much"), {}, "'much' is not a number"),
        (("motor.toml", "motor.json", -1), {}, "c2: give a positive number, not -1"),
        (("motor.toml", "motor.json"), {"c3": 1}, "takes no 'c3'"),
        (("motor.toml", "motor.json"), {"alpha": 1}, "takes no 'alpha'; there are theorem, rate, "),
        (("motor.toml", "motor.json"), {"theorem": "good"}, "'good' is none of asymptotic-stab"),
        (("motor.toml", "motor.json"), {"theorem": ""}, "'' is none of asymptotic-stability, "),
        (("motor.toml", "motor.json"), {"theorem": 3}, "'3' is none of"),
        (("motor.toml", "motor.json"), {"rate": 0}, "rate: give a positive number, not 0"),
        (
            ("motor.toml", "motor.json"),
            {"rate": 1},
            "only exponential stability and set-point convergence have a rate",
        ),
        (("motor.toml", "motor.json"), {"time_budget": "long"}, "time_budget: 'long' is not a n"),
        (("motor.toml", "motor.json"), {"time_budget": -1}, "time_budget: give a positive number"),
        (("motor.toml", "motor.json"), {"time_budget": "1e-400"}, "time_budget: give a positive"),
        (("motor.toml", "motor.json"), {"seed": "first"}, "seed: give an integer from 0 on"),
        (("motor.toml", "motor.json"), {"seed": -1}, "seed: give an integer from 0 on"),
        ((None, "motor.json"), {}, "system: give a name, a file or a system, not None"),
        (("motor.toml", 3), {}, "candidate: give a file or a candidate, not a value of type int"),
        (("motor.toml", "motor.json", "0.1"), {"c2": 2}, "two values for c2"),
        (("motor.toml", "motor.json", Requested()), {"theorem": "exponential-stability"}, "as its"),
        (("motor.toml", "motor.json", Requested()), {"c1": 1}, "constants in Requested"),
        (
            ("motor.toml", "motor.json"),
            {"minimum_volume": 0},
            "minimum_volume: give a positive number",
        ),
        (("motor.toml", "motor.json"), {"minimum_volume": "nan"}, "minimum_volume: 'nan'"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    given: tuple[Any, ...],
    claim: dict[str, Any],
    part: str,
    motor: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(motor)
    system, candidate, region = (*given, None)[:3]
    with pytest.raises(InputError) as caught:
        prove_for_test(system, candidate, region, tmp_path / "c.json", **claim)
    assert part in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "c.json").exists()


def test_a_rate_that_discrete_time_cannot_have_is_told(
    motor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (motor / "motor.toml").read_text()
    discrete = text.replace('"an unstable state"', '"an unstable state"\ntime = "discrete"')
    discrete = discrete.replace('x_dot = "x + u"', 'x_next = "1.1*x + u"')
    (tmp_path / "motor.toml").write_text(discrete)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="the rate must be below 1, not 2"):
        prove_for_test(
            "motor.toml", motor / "motor.json", None, tmp_path / "c.json",
            theorem="exponential-stability", rate=2,
        )  # fmt: skip


def test_the_keywords_are_the_documented_ones() -> None:
    import inspect
    import re

    import cli.pytest_plugin as plugin

    guide = (ROOT / "docs" / "gate.md").read_text()
    (listed,) = re.findall(r"`claim` may have (.*?)\.", guide, re.DOTALL)
    named = inspect.getsource(plugin).partition("``claim`` are")[2].partition("as in a gate")[0]
    assert set(re.findall(r"`(\w+)`", listed)) == set(KEYWORDS)
    assert set(re.findall(r"``(\w+)``", named)) == set(KEYWORDS)


def test_bad_input_fails_the_test_in_one_line(inner: Inner) -> None:
    result = inner("""
        def test_keyword(assert_proved):
            assert_proved("motor.toml", "motor.json", alpa=1)

        def test_file(assert_proved):
            assert_proved("motor.toml", "none.json")
        """)
    result.assert_outcomes(failed=2)
    names = "theorem, rate, c1, c2, mu, epsilon, minimum_volume, time_budget, seed"
    told = [line for line in result.outlines if line.startswith("E ")]
    assert (
        told[0] == f"E       Failed: input error: assert_proved takes no 'alpa'; there are {names}"
    )
    assert told[1].startswith("E       Failed: input error: none.json")
    assert len(told) == 2
    for internal in ("*assertion.py*", "*pytest_plugin.py*", "*InputError*"):
        result.stdout.no_fnmatch_line(internal)


def test_certificates_are_kept_where_asked(inner: Inner, pytester: pytest.Pytester) -> None:
    result = inner(
        """
        import pytest

        @pytest.mark.parametrize("name", ["../a", "b/c"])
        def test_twice(assert_proved, name):
            assert_proved("motor.toml", "motor.json", 1)
            assert_proved("motor.toml", "motor.json", 2)
        """,
        "--stableproof-certificates",
        "kept/here",
    )
    result.assert_outcomes(passed=2)
    kept = sorted((pytester.path / "kept" / "here").iterdir())
    assert len(kept) == 4
    assert all(proofs.checker.check_file(path).status == "valid" for path in kept)
    assert not list(pytester.path.glob("*.json.*"))


def test_a_rejected_certificate_fails_the_test(inner: Inner) -> None:
    """The checker is made to refuse: a prover that errs cannot be had."""
    result = inner("""
        import dataclasses
        import proofs.checker

        def test_rejected(assert_proved, monkeypatch, tmp_path):
            honest = proofs.checker.check_file
            def refuse(*given):
                return dataclasses.replace(honest(*given), status="invalid", message="no")
            monkeypatch.setattr(proofs.checker, "check_file", refuse)
            assert_proved("motor.toml", "motor.json")
        """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Failed: rejected by the independent checker: no*"])


def test_the_fixture_is_listed_and_a_run_without_it_imports_nothing(inner: Inner) -> None:
    result = inner(
        """
        import sys

        def test_nothing_of_ours_is_loaded():
            ours = ("systems", "certify", "learners", "proofs", "numpy", "click")
            assert not [m for m in sys.modules if m.partition(".")[0] in ours]
        """
    )
    result.assert_outcomes(passed=1)
    result = inner("", "--fixtures", "-q")
    result.stdout.fnmatch_lines(["*assert_proved*", "*prove it, or fail the test*"])


def test_the_entry_point_names_the_plugin() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"stableproof": "cli.pytest_plugin"}
    program = "import cli.pytest_plugin as p; assert p.assert_proved and p.pytest_addoption"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
