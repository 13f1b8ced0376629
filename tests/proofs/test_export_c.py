"""The C source compiles without a warning and computes what the tape computes."""

from __future__ import annotations

import math
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.candidate import Candidate
from learners.lqr import lqr_candidate
from proofs.export.artifact import ImpossibleError
from proofs.export.c_code import function_body, tables
from proofs.export.c_source import write_c
from proofs.export.functions import Function
from proofs.export.source import Source, source_of_candidate
from systems import expression as ex
from systems import zoo
from systems.evaluate import evaluate
from systems.expression import Expression, Op
from systems.tape import compile_tape
from tests.certify.graphs import graphs
from tests.proofs.exports import (
    TOLERANCE,
    Array,
    differences,
    functions,
    points_of,
    source_of,
)

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
MAIN = """
#include <stdio.h>
#include "controller.h"

int main(void)
{
    double x[STABLEPROOF_STATES], u[STABLEPROOF_INPUTS];
    for (;;) {
        for (int i = 0; i < STABLEPROOF_STATES; ++i) {
            if (scanf("%la", &x[i]) != 1) {
                return 0;
            }
        }
        stableproof_controller(x, u);
        for (int i = 0; i < STABLEPROOF_INPUTS; ++i) {
            printf("%a ", u[i]);
        }
        printf("%a\\n", stableproof_value(x));
    }
}
"""

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler (cc)")


def compiled(source: Source, folder: Path, *flags: str) -> Path:
    for artifact in write_c(source).artifacts:
        path = folder / artifact.path
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(artifact.content)
    (folder / "c" / "main.c").write_text(MAIN)
    sources = ["controller.c"] if "-DSTABLEPROOF_SELF_TEST" in flags else ["controller.c", "main.c"]
    done = subprocess.run(
        [str(COMPILER), *STRICT, *flags, *sources, "-o", "program", "-lm"],
        cwd=folder / "c", capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "c" / "program"


def run(program: Path, points: Array) -> Array:
    """u and V at points (N, n): (N, m + 1)."""
    lines = "\n".join(" ".join(v.hex() for v in p) for p in points.tolist())
    done = subprocess.run([str(program)], input=lines, capture_output=True, text=True, check=True)
    return np.array([[float.fromhex(v) for v in row.split()] for row in done.stdout.splitlines()])


def both(source: Source) -> tuple[Function, Function]:
    found = {f.name: f for f in functions(source)}
    return found["controller"], found["V"]


CONTROLLED = [name for name in zoo.names() if zoo.system(name).input_dimension]


@needs_compiler
@pytest.mark.parametrize("name", CONTROLLED)
def test_every_controlled_system(name: str, tmp_path: Path) -> None:
    for kind in ("lqr", "elm"):
        source = source_of(name, kind)
        if source is None:
            continue
        folder = tmp_path / kind
        folder.mkdir()
        control, value = both(source)
        points = points_of(source, value.tape)
        found = run(compiled(source, folder), points)
        expected = np.hstack([evaluate(f.tape, points)[0] for f in (control, value)])
        scale = np.maximum(1, np.abs(expected).max(axis=0))
        assert found.shape == expected.shape
        assert (np.abs(found - expected) <= TOLERANCE * scale).all()
        assert (differences(control.tape, points[:5], found[:5, :-1]) <= TOLERANCE).all()
        assert (differences(value.tape, points[:5], found[:5, -1:]) <= TOLERANCE).all()


def candidate(value: Expression, control: Expression, state: Expression) -> Source:
    system = zoo.pendulum()
    renamed = {state: system.state}
    return source_of_candidate(
        system,
        Candidate(system.state, ex.substitute(value, renamed), ex.substitute(control, renamed)),
    )


@needs_compiler
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_random_graphs(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    state, output = data.draw(graphs(2, steps=True))
    source = candidate(output, ex.sin(state[0]), state)
    points = np.random.default_rng(0).uniform(-2, 2, (5, 2))
    found = run(compiled(source, tmp_path_factory.mktemp("c")), points)
    _, value = both(source)
    assert (differences(value.tape, points, found[:, -1:]) <= TOLERANCE).all()


@needs_compiler
def test_every_operation_and_nan(tmp_path: Path) -> None:
    """One function at a time, so that no NaN hides behind another's."""
    x = ex.variable("x", 2)
    outputs = [
        *(ex.apply(op, x[0]) for op in sorted(ex.UNARY, key=lambda o: o.value)),
        ex.minimum(x[0], x[1]), ex.minimum(x[1], x[0]), ex.maximum(x[0], 1), ex.maximum(1, x[0]),
        x[0] ** 2, x[0] ** 7, x[1] / x[0], x[0] * ex.pi(), ex.total(ex.stack([x[0], 1, x])),
    ]  # fmt: skip
    points = np.array([[0.3, -2.0], [2.0, 0.5], [-0.7, 0.1], [-40.0, 1.0], [np.nan, 1.0]])
    for k, output in enumerate(outputs):
        folder = tmp_path / str(k)
        folder.mkdir()
        source = candidate(ex.total(x**2), output, x)
        control, _ = both(source)
        found, expected = run(compiled(source, folder), points), evaluate(control.tape, points)[0]
        assert np.allclose(found[:, :1], expected, rtol=1e-12, atol=0, equal_nan=True), output
        assert np.isnan(found[-1, 0]), output


@needs_compiler
def test_the_self_test_passes_and_can_fail(tmp_path: Path) -> None:
    source = source_of("pendulum-bounded-6", "elm")
    assert source is not None
    program = compiled(source, tmp_path, "-DSTABLEPROOF_SELF_TEST", "-O2")
    done = subprocess.run([str(program)], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("all values agree")
    text = (tmp_path / "c" / "controller.c").read_text()
    for old, new in (("tanh(", "sin("), ("double sum = 0.0", "double sum = 0.0 / 0.0")):
        assert old in text
        (tmp_path / "c" / "controller.c").write_text(text.replace(old, new))
        subprocess.run(
            [str(COMPILER), "-DSTABLEPROOF_SELF_TEST", "controller.c", "-o", "wrong", "-lm"],
            cwd=tmp_path / "c", check=True, capture_output=True,
        )  # fmt: skip
        done = subprocess.run([str(tmp_path / "c" / "wrong")], capture_output=True, text=True)
        assert done.returncode == 1 and done.stdout.startswith("WRONG")


@needs_compiler
def test_the_actuators_limits_are_in_it(tmp_path: Path) -> None:
    source = source_of("pendulum-bounded-6", "lqr")
    assert source is not None
    limits = source.problem.system.input_limits
    assert limits is not None
    found = run(compiled(source, tmp_path), np.array([[100.0, 100.0], [-100.0, -100.0]]))
    assert sorted(found[:, 0].tolist()) == [float(limits.lower[0]), float(limits.upper[0])]
    header = (tmp_path / "c" / "controller.h").read_text()
    assert f"[{limits.lower[0]}, {limits.upper[0]}]" in header


@needs_compiler
def test_names_of_strangers_are_comments_only(tmp_path: Path) -> None:
    """A backslash or a trigraph at the end of a comment would swallow the next line."""
    system = replace(
        zoo.pendulum(),
        name="*/ }\n#error",
        state_names=("a\\", "b ??/"),
        state_units=("²", "é\u202e"),
    )
    compiled(source_of_candidate(system, lqr_candidate(system)), tmp_path)


def test_constants_are_exact_and_the_others_are_told() -> None:
    x = ex.variable("x", 2)
    source = candidate(ex.total(x**2), ex.multiply("1/3", x[0]) + ex.constant(0.1), x)
    text = write_c(source).artifacts[1].content.decode("ascii")
    assert (0.1).hex() in text and (1 / 3).hex() in text
    assert (
        "controller: 1 constants are no float64: the nearest stands for each, within 19e-18" in text
    )
    assert "V: Every constant is exactly its float64." in text


def test_without_inputs_there_is_no_controller() -> None:
    source = source_of("van-der-pol-reversed-1", "elm")
    assert source is not None
    with pytest.raises(ImpossibleError, match="has no inputs"):
        write_c(source)


def test_what_does_not_depend_on_the_state_is_not_computed() -> None:
    """tanh(2) is a table, and x comes in where it is needed; a step at 0 has no single value."""
    x = ex.variable("x", 2)
    tape = compile_tape([ex.tanh(x) - ex.tanh(ex.constant([2, 3]))], [x])
    body, named = function_body(tape, "u"), tables(tape, "u")
    assert body.count("tanh(") == 1 and math.tanh(2.0).hex() in named
    kink = compile_tape([x[0] * ex.apply(Op.STEP, ex.constant(0))], [x])
    assert "sp_step" in function_body(kink, "u")
