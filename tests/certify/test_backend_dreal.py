"""The dReal backend: what becomes of its answers, by a fake executable, a fake package, or it."""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from certify import Budget, Proved, Refuted, Unknown
from certify.backends import Answer, Soundness, backend
from certify.backends import dreal_parts as parts_module
from certify.backends.dreal import DReal
from certify.backends.dreal_parts import INSTALL_IBEX, Library, Parts, find_parts
from certify.conditions import Condition
from certify.smtlib import smtlib
from systems import expression as ex
from systems.box import Box
from tests.certify.scalar_checks import condition_of

BUDGET = Budget(seconds=60.0)
MISSING = "; ".join(DReal().availability().missing)
needs_dreal = pytest.mark.skipif(bool(MISSING), reason=f"dReal cannot be used: missing {MISSING}")


def true_condition() -> Condition:
    """x² + y² < 33 on [−4, 4]²."""
    x = ex.variable("x", 2)
    return condition_of([ex.total(x**2)], x, [(0, "at least", 33, False)])


def false_condition() -> Condition:
    """Violated only where |(x, y) − (3, 1)| < 1/1000: no short search finds that."""
    x = ex.variable("x", 2)
    distance = (x[0] - 3) ** 2 + (x[1] - 1) ** 2
    return condition_of([distance], x, [(0, "at most", "1/1000000", True)])


Install = Callable[[str], Path]


@pytest.fixture
def executable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a script on the PATH as dreal, and hides the package; gives the script's folder."""

    def install(body: str) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        script = folder / "dreal"
        head = (
            f"#!{sys.executable}\nimport os, sys, time\nHERE = {str(tmp_path)!r}\n"
            "if '--version' in sys.argv:\n    print('dReal v4.21.06.2 (Release Build)')\n"
            "    sys.exit()\n"
            "delta = float(sys.argv[sys.argv.index('--precision') + 1])\n"
            "text = sys.stdin.read()\n"
            "open(HERE + '/text', 'w').write(text)\n"
            "open(HERE + '/asked', 'a').write(repr(sys.argv[1:]) + '\\n')\n"
        )
        script.write_text(head + body)
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(folder), prepend=":")
        monkeypatch.setattr(parts_module, "_package_folder", lambda: None)
        return tmp_path

    return install


def box(x: str, y: str, delta: str = "0.001") -> str:
    """What dReal prints for a box."""
    return (
        f"print('delta-sat with delta = {delta}')\n"
        f"print('x_1 : {x}')\nprint('x_2 : {y}')\nprint('number!1 : [33, 33]')\n"
    )


def ask(condition: Condition, seconds: float = 60.0, **options: float) -> Answer:
    return DReal(**options).ask(condition, Budget(seconds=seconds))  # type: ignore[arg-type]


def reason(answer: Answer) -> str:
    assert isinstance(answer.verdict, Unknown), answer.verdict
    return answer.verdict.reason


class TestExecutable:
    def test_unsat_is_a_proof_that_rests_on_dreal(self, executable: Install) -> None:
        folder = executable("print('unsat')\nprint('(error \"model is not available\")')")
        answer = ask(true_condition(), delta=0.01, jobs=2)
        assert isinstance(answer.verdict, Proved)
        assert answer.verdict.evidence is None
        assert "dReal 4.21.06.2" in answer.verdict.trust[0]
        assert "IBEX" in answer.verdict.trust[1]
        assert answer.said == "unsat"
        asked = (folder / "asked").read_text()
        assert "'--jobs', '2'" in asked
        assert "'--precision', '0.01'" in asked
        text = (folder / "text").read_text()
        assert text.count("(assert") == smtlib(true_condition(), dialect="dreal").count("(assert")

    def test_unsat_of_a_plainly_false_condition_is_refuted(self, executable: Install) -> None:
        executable("print('unsat')")
        x = ex.variable("x", 2)
        answer = ask(condition_of([ex.total(x**2)], x, [(0, "at least", 3, False)]))
        assert isinstance(answer.verdict, Refuted)

    def test_a_box_with_a_violation_is_searched(self, executable: Install) -> None:
        executable(box("[2.99, 3.02]", "[0.99, 1.03]"))  # its centre violates nothing
        answer = ask(false_condition())
        assert isinstance(answer.verdict, Refuted)
        x, y = answer.verdict.counterexample.point
        assert (x - 3) ** 2 + (y - 1) ** 2 < 1e-6

    def test_a_spurious_box_is_asked_for_again_with_a_smaller_delta(
        self, executable: Install
    ) -> None:
        body = box("[3.9, 4]", "[3.9, 4]").replace("\n", "\n    ")
        folder = executable(f"if delta > 5e-6:\n    {body}\nelse:\n    print('unsat')")
        assert isinstance(ask(true_condition()).verdict, Proved)
        asked = (folder / "asked").read_text()
        assert len(asked.splitlines()) == 4

    def test_boxes_that_stay_spurious_are_unknown(self, executable: Install) -> None:
        folder = executable(box("[3.9, 4]", "[3.9, 4]", "1e-09"))
        answer = ask(true_condition())
        assert "does not violate the condition provably" in reason(answer)
        assert answer.said == "delta-sat with delta = 1e-09"
        assert len((folder / "asked").read_text().splitlines()) == 7

    @pytest.mark.parametrize(
        ("sides", "words"),
        [
            (("[100, 101]", "[7, 8]"), "outside the region"),
            (("[nan, nan]", "[0, 1]"), "not finite"),
            (("[what, 1]", "[0, 1]"), "does not violate"),
            (("[-inf, inf]", "[0, 1]"), "not finite"),
            (("[ empty ]", "[ empty ]"), "empty"),
            (("[1, 0]", "[0, 1]"), "does not violate"),
            (("[-1.7e308, 1.7e308]", "[0, 1]"), "does not violate"),
        ],
    )
    def test_boxes_that_are_none(
        self, executable: Install, sides: tuple[str, str], words: str
    ) -> None:
        executable(box(*sides))
        assert words in reason(ask(true_condition(), delta=1e-8))

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ("print('delta-sat with delta = 0.001')", "empty"),
            ("print('Segmentation fault')", "no answer"),
            ("pass", "no answer"),
            ("print('unsat')\nprint('delta-sat with delta = 1')", "no answer"),
            ("print('unsat')\nprint('unsat')", "no answer"),
            ("print('unsatisfied')", "no answer"),
            ("print('unknown')", "unknown"),
            ("print('unsat')\nsys.stdout.flush()\nos.abort()", "SIGABRT"),
            ("print('unsat')\nsys.exit(3)", "code 3"),
            ("print('std::bad_alloc', file=sys.stderr)\nsys.exit(1)", "memory"),
            ("sys.stdout.buffer.write(b'\\xff\\xfe unsat')", "no answer"),
        ],
    )
    def test_answers_that_are_none(self, executable: Install, body: str, words: str) -> None:
        executable(body)
        assert words in reason(ask(true_condition()))

    def test_a_hanging_solver_is_stopped(self, executable: Install) -> None:
        executable("print('unsat')\nsys.stdout.flush()\ntime.sleep(1000)")
        assert "stopped" in reason(ask(true_condition(), seconds=1.0))

    def test_memory_is_limited(self, executable: Install) -> None:
        executable("a = bytearray(1 << 36)\nprint('unsat')")
        assert "memory" in reason(ask(true_condition()))

    def test_no_time(self, executable: Install) -> None:
        executable("print('unsat')")
        assert "no time" in reason(ask(true_condition(), seconds=0.0))

    def test_availability_without_a_version(self, executable: Install) -> None:
        executable("print('unsat')")
        found = DReal().availability()
        assert found.available
        assert found.missing == ()


class TestPackage:
    """Through the worker, with a package named dreal that is the stand-in."""

    @pytest.fixture
    def package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
        def install(body: str) -> None:
            folder = tmp_path / "dreal"
            folder.mkdir()
            head = "from tests.certify import fake_dreal\nfrom tests.certify.fake_dreal import *\n"
            module = "globals().update(vars(fake_dreal.module(answer)))\n"
            (folder / "__init__.py").write_text(f"{head}{body}\n{module}")
            monkeypatch.setenv("PYTHONPATH", str(tmp_path))
            monkeypatch.syspath_prepend(str(tmp_path))

        return install

    def test_unsat(self, package: Callable[[str], None]) -> None:
        package("answer = None")
        answer = ask(true_condition())
        assert isinstance(answer.verdict, Proved)
        assert answer.verdict.trust[0].startswith("dReal ")

    def test_a_box(self, package: Callable[[str], None]) -> None:
        package("answer = {'x_1': Interval(2.99, 3.02), 'x_2': Interval(0.99, 1.03)}")
        assert isinstance(ask(false_condition()).verdict, Refuted)

    def test_a_package_that_does_not_load(self, package: Callable[[str], None]) -> None:
        package("raise ImportError('libibex.so: cannot open shared object file')")
        assert "libibex.so: cannot open" in reason(ask(true_condition()))

    def test_a_package_that_kills_its_process(self, package: Callable[[str], None]) -> None:
        package("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)")
        assert "SIGSEGV" in reason(ask(true_condition()))


class TestAvailability:
    def test_what_is_missing_and_what_installs_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "linux")
        libraries = (
            Library("libibex.so", "IBEX"),
            Library("libClp.so.1", "coin-or CLP", "coinor-libclp1"),
            Library("libnlopt.so.0", "NLopt", "libnlopt0"),
        )
        parts = Parts("4.21.6.2", libraries, None)
        assert parts.missing_lines() == (
            "libibex.so (IBEX)",
            "libClp.so.1 (coin-or CLP)",
            "libnlopt.so.0 (NLopt)",
        )
        assert parts.install_lines() == (
            "sudo apt-get install coinor-libclp1 libnlopt0",
            INSTALL_IBEX,
        )
        assert not parts.loads

    def test_no_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(parts_module, "_package_folder", lambda: None)
        monkeypatch.setenv("PATH", "/nowhere")
        found = DReal().availability()
        assert not found.available
        assert found.missing[0].startswith("the package dreal")
        assert found.install[0] == "pip install 'stableproof[dreal]'"
        answer = DReal().ask(true_condition(), BUDGET)
        assert "not available: the package dreal" in reason(answer)

    def test_macos(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "darwin")
        parts = Parts("4", (Library("libibex.dylib", "IBEX"),), None)
        assert parts.install_lines() == ("brew tap dreal/dreal && brew install dreal",)

    def test_libraries_are_found_where_the_loader_looks(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "_dreal_py.so").touch()
        (tmp_path / "libibex.so").touch()
        monkeypatch.setattr(parts_module, "_loader_cache", lambda: b"\0libnlopt.so.0\0")
        monkeypatch.setattr(
            parts_module,
            "LINUX",
            (
                Library("libibex.so", ""),
                Library("libnlopt.so.0", ""),
                Library("libnone.so", ""),
            ),
        )
        monkeypatch.setattr(sys, "platform", "linux")
        assert [x.file for x in parts_module._missing(tmp_path)] == ["libnone.so"]

    def test_asking_imports_nothing(self) -> None:
        find_parts()
        assert "dreal" not in sys.modules

    def test_it_is_registered(self) -> None:
        assert isinstance(backend("dreal"), DReal)
        assert backend("dreal").soundness is Soundness.DELTA_COMPLETE

    @pytest.mark.parametrize("options", [{"delta": 0.0}, {"delta": 2.0}, {"jobs": 0}])
    def test_options_are_checked(self, options: dict[str, float]) -> None:
        with pytest.raises(ValueError, match="has to"):
            DReal(**options)  # type: ignore[arg-type]


def test_what_it_cannot_take() -> None:
    x = ex.variable("x", 2)
    region = Box.of([(0, 10**400), (0, 1)])
    condition = condition_of([x[0]], x, [(0, "at least", 0, False)], [region])
    assert "dReal cannot take a constant" in str(DReal().explain_unsupported(condition))
    condition = condition_of([x[0]], x, [(0, "at least", 10**400, False)])
    assert "dReal cannot take a constant" in str(DReal().explain_unsupported(condition))


@needs_dreal
class TestTheRealOne:
    def test_a_true_condition(self) -> None:
        assert isinstance(ask(true_condition()).verdict, Proved)

    def test_a_false_condition(self) -> None:
        assert isinstance(ask(false_condition()).verdict, Refuted)

    def test_constants_are_not_folded_in_rounded_arithmetic(self) -> None:
        """0.1 x + 0.2 x ≥ 0.3 at x = 1, exactly; in float64 the sum is another number."""
        x = ex.variable("x", 1)
        y = "0.1" * x + "0.2" * x
        condition = condition_of([y], x, [(0, "at least", "0.3", False)], [Box.of([(1, 1)])])
        assert not isinstance(ask(condition).verdict, Proved)

    def test_an_undefined_point_is_not_dropped(self) -> None:
        x = ex.variable("x", 2)
        condition = condition_of([ex.sqrt(x[0])], x, [(0, "at least", 3, False)])
        assert not isinstance(ask(condition, seconds=10.0).verdict, Proved)
