"""VNN-LIB properties with their models say no less than the violation of the condition."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import numpy as np
import onnxruntime
import pytest
from flint import arb, ctx
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from certify.balls import BallInterpreter
from certify.conditions import Condition, Constraint
from proofs.certificate import certificate_of
from proofs.export.condition_model import (
    PI_ABOVE,
    PI_BELOW,
    ConditionModel,
    InexactError,
    condition_model,
    exact_parts,
)
from proofs.export.names import commented
from proofs.export.numbers import decimal_above, decimal_below, is_short_decimal, rounded_up
from proofs.export.source import source_of_certificate
from proofs.export.vnnlib import property_text, write_vnnlib
from systems import expression as ex
from systems.box import Box
from systems.evaluate import evaluate
from systems.exact import ExactArray, exact
from systems.expression import Expression, Op
from systems.tape import compile_tape
from tests.certify.graphs import graphs
from tests.proofs import kinds, onnx_balls, vnnlib_reader

x2 = ex.variable("x", 2)


def condition(
    outputs: Sequence[Expression],
    violation: Sequence[Constraint],
    regions: Sequence[Box],
    x: Expression = x2,
) -> Condition:
    names = tuple(f"output {i}" for i in range(len(outputs)))
    tape = compile_tape(outputs, [x])
    return Condition("test", "it holds", tape, names, tuple(violation), tuple(regions))


def exported(c: Condition) -> tuple[ConditionModel, vnnlib_reader.Property]:
    model = condition_model(c)
    read = vnnlib_reader.read(property_text(c, model, ["where it comes from"]))
    assert read.outputs == model.outputs
    assert read.inputs == c.tape.dimension + sum(f.count for f in model.free)
    return model, read


def satisfied(c: Condition, point: Sequence[object], free: Sequence[object] = ()) -> bool:
    """Whether the file is satisfied at a point of the reals, with these further inputs."""
    model, read = exported(c)
    X = [exact(v) for v in (*point, *free)]
    return read.holds(X, onnx_balls.run(model.content, X))


def at_least(output: int, level: object, strict: bool = False) -> Constraint:
    return Constraint(output, "at least", exact(level), strict)


def at_most(output: int, level: object, strict: bool = False) -> Constraint:
    return Constraint(output, "at most", exact(level), strict)


UNIT = Box.symmetric([1, 1])


def test_regions_levels_and_relations() -> None:
    c = condition([x2[0] + x2[1]], [at_least(0, "1/2"), at_most(0, 1)], [UNIT])
    assert satisfied(c, ("1/2", "1/4")) and satisfied(c, ("1/4", "1/4"))
    assert not satisfied(c, ("1/4", "1/8")) and not satisfied(c, (1, "1/2"))
    assert not satisfied(c, (2, "-3/2")) and not satisfied(c, ("-3/2", 2))


def test_a_strict_violation_is_weakened() -> None:
    c = condition([x2[0]], [at_least(0, 0, strict=True)], [UNIT])
    assert satisfied(c, (0, 0)) and not satisfied(c, ("-1/1000000", 0))
    text = property_text(c, condition_model(c))
    assert "weakened" in text and "< " not in text.replace("only <= and", "")


def test_several_regions_are_a_disjunction() -> None:
    c = condition([x2[0]], [at_least(0, -5)], UNIT.faces())
    for axis, end in product((0, 1), (-1, 1)):
        point = [Fraction(1, 3), Fraction(1, 3)]
        point[axis] = Fraction(end)
        assert satisfied(c, point)
    assert not satisfied(c, (0, 0)) and not satisfied(c, (1, 2))


def test_numbers_that_are_no_decimals_are_rounded_outwards() -> None:
    third = Fraction(1, 3)
    c = condition([x2[0]], [at_least(0, third), at_most(0, third)], [Box.of([(third, third)] * 2)])
    assert satisfied(c, (third, third))
    assert not satisfied(c, (third + Fraction(1, 10**30), third))
    assert "no decimals" in property_text(c, condition_model(c))


@pytest.mark.parametrize(
    ("output", "undefined"),
    [
        (1 / x2[0], 0),
        (ex.log(x2[0]), 0),
        (ex.log(x2[0]), "-1/2"),
        (ex.sqrt(x2[0]), "-1/2"),
        (x2[1] / ex.sqrt(x2[0]), 0),
        (ex.sqrt(1 / x2[0]), 0),
        (ex.tanh(ex.tanh(1 / x2[0]) / 5), 0),
        (ex.stack([x2[1], 1 / x2[0]])[1], 0),
        (ex.constant(0)[0] * ex.log(x2[0]), 0),
    ],
    ids=repr,
)
def test_where_an_output_has_no_value_nothing_is_shown(output: Expression, undefined: str) -> None:
    """The violation asks for the impossible; only at the undefined point is nothing shown."""
    c = condition([output], [at_least(0, 10**6)], [UNIT])
    assert satisfied(c, (undefined, "1/2"))
    assert not satisfied(c, ("3/4", "1/2"))


def test_a_tangent_has_no_value_where_the_cosine_is_zero() -> None:
    x = ex.variable("x", 1)
    c = condition([ex.tan(x * ex.pi())], [at_least(0, 10**6)], [Box.symmetric([1])], x)
    model = condition_model(c)
    [[guard]] = model.guards
    assert guard.fails_where == "zero" and guard.outputs == (1,)
    Y = onnx_balls.run(model.content, [Fraction(1, 2), (PI_BELOW + PI_ABOVE) / 2])
    assert abs(float(Y[1])) < 1e-30  # cos(π/2)
    text = property_text(c, model)
    assert "(assert (or (and (>= Y_0 1000000.0)) (and (<= Y_1 0.0) (>= Y_1 0.0))))" in text


def test_an_undefined_output_does_not_hide_another_that_excludes_the_point() -> None:
    """V > c2 there: then it does not matter that the derivative has no value."""
    V, rate = x2[0] ** 2 + x2[1] ** 2, 1 / x2[0]
    c = condition([V, rate], [at_most(0, "1/4"), at_least(1, 0)], [UNIT])
    assert not satisfied(c, (0, 1)) and satisfied(c, (0, "1/4"))


@pytest.mark.parametrize("op", [Op.LOG, Op.SQRT])
def test_an_output_that_has_no_value_anywhere_shows_nothing(op: Op) -> None:
    nowhere = x2[0] + ex.apply(op, ex.constant(-2))
    assert satisfied(condition([nowhere], [at_least(0, 10**6)], [UNIT]), (0, 0))


def test_constant_divisors_need_no_guard() -> None:
    long = ex.constant([3] * 40)
    c = condition([ex.total(ex.stack([x2[0]] * 40) / long)], [at_least(0, 0)], [UNIT])
    assert condition_model(c).guards == ((),)


def test_a_step_takes_every_value_at_zero_and_only_there() -> None:
    x = ex.variable("x", 1)
    step = ex.apply(Op.STEP, x)
    c = condition([step], [at_least(0, "3/4"), at_most(0, "4/5")], [Box.symmetric([1])], x)
    assert satisfied(c, [0], ["0.77"]) and not satisfied(c, [0], ["1/2"])
    assert not satisfied(c, [0], [2])
    for point, free in product(["-1/2", "1/2"], [0, "0.77", 1]):
        assert not satisfied(c, [point], [free])


def test_pi_is_an_input_between_two_decimals() -> None:
    x = ex.variable("x", 1)
    tiny = Fraction(1, 10**50)
    c = condition([x - ex.pi()], [at_least(0, -tiny), at_most(0, tiny)], [Box.of([(3, 4)])], x)
    assert satisfied(c, [PI_BELOW], [PI_BELOW]) and not satisfied(c, [3], [3])
    with ctx.workprec(400):
        assert arb(PI_BELOW.numerator) / PI_BELOW.denominator < arb.pi()
        assert arb.pi() < arb(PI_ABOVE.numerator) / PI_ABOVE.denominator


@settings(max_examples=80, deadline=None)
@given(st.data(), st.integers(min_value=1, max_value=3))
def test_models_of_random_graphs_are_exact_over_the_reals(data: st.DataObject, n: int) -> None:
    """Far beyond float64: constants such as 1/3 are no floats, and yet exact in the model."""
    x, output = data.draw(graphs(n))
    c = condition([output], [at_least(0, 0)], [Box.symmetric([2] * n)], x)
    try:
        model = condition_model(c)
    except InexactError:  # powers of tiny constants
        reject()
    point = [data.draw(st.fractions(-2, 2, max_denominator=9)) for _ in range(n)]
    free = [(f.lower + f.upper) / 2 for f in model.free for _ in range(f.count)]
    found = onnx_balls.run(model.content, [*point, *free])[0]
    wanted = BallInterpreter(c.tape, 300).outputs(point, point)[0][0]
    with ctx.workprec(300):
        assert found.overlaps(wanted) or not wanted.is_finite() or not found.is_finite()
        if wanted.is_finite() and wanted.rad() < 1e-40 * max(1.0, abs(float(wanted.mid()))):
            assert abs(found - wanted).upper() < 1e-30 * max(1.0, abs(float(wanted.mid())))


numbers = st.one_of(
    st.fractions(), st.floats(allow_nan=False, allow_infinity=False).map(Fraction),
    st.builds(lambda p, q: Fraction(p, q), st.integers(-(10**40), 10**40), st.integers(1, 10**60)),
)  # fmt: skip


@given(numbers)
def test_decimals_are_on_their_side_and_near(value: Fraction) -> None:
    below, above = Fraction(decimal_below(value)), Fraction(decimal_above(value))
    assert below <= value <= above
    for text in (decimal_below(value), decimal_above(value)):
        assert text.isascii() and "e" not in text and text.lstrip("-").replace(".", "").isdigit()
    if is_short_decimal(value):
        assert below == value == above
    else:
        assert above - below <= abs(value) / 10**38


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_is_written_exactly(value: float) -> None:
    assert Fraction(decimal_below(Fraction(value))) == Fraction(value)
    assert float(decimal_above(Fraction(value))) == value


@given(numbers.map(abs))
def test_differences_are_rounded_up(value: Fraction) -> None:
    shown = Fraction(rounded_up(value))
    assert value <= shown <= value * Fraction(12, 10)


@given(st.lists(st.one_of(st.fractions(), st.floats(-1e9, 1e9).map(Fraction)), min_size=1))
def test_quotients_of_floats_are_exact(values: list[Fraction]) -> None:
    above, below = exact_parts(ExactArray.of(values))
    for k, value in enumerate(values):
        p = sum(Fraction(float(part[k])) for part in above)
        q = sum(Fraction(float(part[k])) for part in below)
        assert p / q == value


def test_constants_out_of_reach_are_refused() -> None:
    with pytest.raises(InexactError, match="short sums"):
        exact_parts(ExactArray.of([Fraction(1, 3**900) + 1]))


@pytest.mark.parametrize("kind", kinds.ALL)
def test_every_condition_of_every_theorem(kind: str) -> None:
    """Models pass onnx's checker; at random points the file agrees with the tape."""
    result = kinds.ALL[kind]()
    source = source_of_certificate(certificate_of(result))
    written = write_vnnlib(source)
    assert not written.left_out
    files = {a.path: a for a in written.artifacts}
    assert len(files) == 2 * len(source.conditions)
    for name, c in source.conditions.items():
        stem = f"vnnlib/{name.replace(' ', '-')}"
        artifact = files[f"{stem}.vnnlib"]
        text = artifact.content.decode("ascii")
        assert source.claim_hash and f"; SHA-256 of its statement: {source.claim_hash}" in text
        assert artifact.condition == name and c.claim in str(artifact.unsat)
        read = vnnlib_reader.read(text)
        session = onnxruntime.InferenceSession(
            files[f"{stem}.onnx"].content, providers=["CPUExecutionProvider"]
        )
        for region in c.regions:
            _agrees(c, region, read, session)


def _agrees(
    c: Condition,
    region: Box,
    read: vnnlib_reader.Property,
    session: onnxruntime.InferenceSession,
) -> None:
    points = np.clip(region.sample(30, np.random.default_rng(0)), *region.outer())
    free = np.full((len(points), read.inputs - c.tape.dimension), 0.5)  # of steps, if any
    X = np.hstack([points, free])
    Y = session.run(None, {"X": X})[0]
    expected = evaluate(c.tape, points)
    assert Y.shape[1] == read.outputs
    for k, values in enumerate(expected):
        assert np.allclose(Y[:, k], values[:, 0], rtol=1e-10, atol=1e-12)
    for point, y in zip(X.tolist(), Y.tolist(), strict=True):
        violated = all(
            y[k.output] >= k.level if k.sense == "at least" else y[k.output] <= k.level
            for k in c.violation
        )
        assert read.holds([Fraction(v) for v in point], [arb(v) for v in y]) == violated


def test_comments_cannot_end_before_their_line() -> None:
    """Names come from files of strangers."""
    text = commented(
        ["a\n(assert false)", "b ??/", "c \\", "V̇ ≤ −μ", "m/s²\u202e", "x" * 9999], ";"
    )
    lines = text.splitlines()
    assert len(lines) == 6 and all(line.startswith("; ") and line.isascii() for line in lines)
    assert "dV/dt <= -mu" in text and "m/s^2" in text
    assert not any(c in text for c in "\\?\t\r")
