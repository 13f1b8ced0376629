"""The oracle of the other tests, itself tested against mpmath, numpy and its own definition."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from flint import arb, fmpq
from hypothesis import given
from hypothesis import strategies as st

from certify.balls import (
    BallInterpreter,
    constant_registers,
    enclose_box,
    enclose_point,
    to_float_interval,
)
from systems import expression as ex
from systems.evaluate import evaluate
from systems.expression import Op
from systems.tape import compile_tape
from tests.certify.graphs import graphs, numbers


def contains(ball: arb, number: Fraction, slack: Fraction = Fraction(0)) -> bool:
    """Whether the number lies in the ball, decided in rationals; ``slack`` widens the ball."""
    middle, radius = (
        Fraction(int(man)) * Fraction(2) ** int(exp)
        for man, exp in (ball.mid().man_exp(), ball.rad().man_exp())
    )
    return abs(number - middle) <= radius + slack


def rational(value: mpmath.mpf) -> Fraction:
    sign, man, exp, _ = value._mpf_
    return (-1) ** sign * Fraction(int(man)) * Fraction(2) ** int(exp)


units = st.fractions(min_value=0, max_value=1, max_denominator=1000)


def _value(expression: ex.Expression, x: ex.Expression, *point: object) -> arb:
    tape = compile_tape([expression], [x])
    return enclose_point(tape, [Fraction(p) for p in point])[0][0]


def _range(op: Op, low: object, high: object) -> arb:
    x = ex.variable("x", 1)
    tape = compile_tape([ex.apply(op, x)], [x])
    return enclose_box(tape, [Fraction(low)], [Fraction(high)])[0][0]


REFERENCE = {
    Op.SIN: mpmath.sin,
    Op.COS: mpmath.cos,
    Op.TAN: mpmath.tan,
    Op.EXP: mpmath.exp,
    Op.LOG: mpmath.log,
    Op.SQRT: mpmath.sqrt,
    Op.TANH: mpmath.tanh,
    Op.SIGMOID: lambda z: 1 / (1 + mpmath.exp(-z)),
    Op.SOFTPLUS: lambda z: mpmath.log1p(mpmath.exp(z)),
    Op.RELU: lambda z: max(z, mpmath.mpf(0)),
    Op.STEP: lambda z: mpmath.mpf(z > 0),
}


@pytest.mark.parametrize("op", sorted(ex.UNARY, key=lambda op: op.value))
@given(z=st.floats(min_value=-700, max_value=700))
def test_functions_agree_with_mpmath(op: Op, z: float) -> None:
    if (op is Op.LOG and z <= 0) or (op is Op.SQRT and z < 0) or (op is Op.STEP and z == 0):
        z = 1.0 - z
    with mpmath.workdps(420):
        truth = rational(mpmath.mpf(REFERENCE[op](mpmath.mpf(z))))
    ball = _range(op, z, z)
    assert contains(ball, truth, (1 + abs(truth)) / Fraction(10) ** 90)  # mpmath's own rounding
    assert float(ball.rad()) <= 1e-30 * max(1.0, abs(float(ball.mid())))


@pytest.mark.parametrize("op", sorted(ex.UNARY, key=lambda op: op.value))
@given(ends=st.lists(numbers, min_size=2, max_size=2), scale=st.sampled_from([1, 100]), t=units)
def test_function_ranges_are_sound_and_tight(
    op: Op, ends: list[Fraction], scale: int, t: Fraction
) -> None:
    low, high = sorted(scale * e for e in ends)
    ball = _range(op, low, high)
    inner = low + t * (high - low)
    # The value's own ball is tiny but no point: it may end above 1, where cos's range does not.
    assert not ball.is_finite() or ball.overlaps(_range(op, inner, inner))
    if op in {Op.LOG, Op.SQRT, Op.TAN} or not ball.is_finite():
        return
    grid = np.linspace(float(low), float(high), 2001)
    x = ex.variable("x", 1)
    values = evaluate(compile_tape([ex.apply(op, x)], [x]), grid[:, None])[0]
    lo, hi = to_float_interval(ball)
    width = float(high - low)
    slack = (1e-8 + (width / 2000) ** 2 / 2) * max(1.0, abs(lo), abs(hi)) + 1e-8 * width
    if op is Op.STEP:
        near = width * 1e-8  # a ball is a billionth wider than its interval
        assert (lo, hi) in {(0, 0), (0, 1), (1, 1)}
        assert lo == (low > 0) or 0 < low < near
        assert hi == (high >= 0) or -near < high < 0
        return
    if op is Op.EXP:
        slack += 1e-8 * abs(hi)
    assert lo >= values.min() - slack
    assert hi <= values.max() + slack


@given(data=st.data(), dimension=st.integers(min_value=1, max_value=3))
def test_points_lie_in_the_enclosure_of_their_box(data: st.DataObject, dimension: int) -> None:
    x, y = data.draw(graphs(dimension, steps=True))
    tape = compile_tape([y], [x])
    sides = [sorted(data.draw(st.lists(numbers, min_size=2, max_size=2))) for _ in range(dimension)]
    lower, upper = [s[0] for s in sides], [s[1] for s in sides]
    whole = enclose_box(tape, lower, upper)[0][0]
    point = [a + data.draw(units) * (b - a) for a, b in sides]
    value = enclose_point(tape, point, precision=192)[0][0]
    if whole.is_finite():
        assert value.is_finite()
        assert whole.overlaps(value)
        if value.rad() < arb((1, -150)):
            assert whole.contains(value)


@given(data=st.data(), dimension=st.integers(min_value=1, max_value=3))
def test_numpy_values_agree(data: st.DataObject, dimension: int) -> None:
    x, y = data.draw(graphs(dimension))
    tape = compile_tape([y], [x])
    point = np.array([data.draw(st.floats(-4, 4, allow_subnormal=False)) for _ in range(dimension)])
    # A cloud of float neighbours stands for the rounding of the float evaluation.
    around = [np.nextafter(point, s * np.inf) for s in (-1, 1)]
    balls = [enclose_point(tape, p.tolist())[0][0] for p in (point, *around)]
    value = float(evaluate(tape, point)[0][0, 0])
    if not all(b.is_finite() for b in balls) or not np.isfinite(value):
        return  # floats overflow, or underflow to a pole, where the reals do not
    centre = float(balls[0].mid())
    spread = max(abs(float(b.mid()) - centre) for b in balls)
    if spread > 1e-9 * (1 + abs(centre)):
        return  # a pole or a kink nearby: floats may land anywhere
    assert value == pytest.approx(centre, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("op", "low", "high", "expected"),
    [
        (Op.TANH, -100, 100, (-1, 1)),
        (Op.TANH, "-17/10", "23/10", (math.tanh(-1.7), math.tanh(2.3))),
        (Op.SIGMOID, -1000, 1000, (0, 1)),
        (Op.SIN, 1, 2, (math.sin(1), 1)),
        (Op.SIN, 0, 6, (-1, 1)),
        (Op.SIN, 4, 5, (-1, math.sin(4))),
        (Op.COS, -1, 2, (math.cos(2), 1)),
        (Op.COS, 3, 4, (-1, math.cos(4))),
        (Op.TAN, -1, 1, (math.tan(-1), math.tan(1))),
        (Op.SQRT, 0, 4, (0, 2)),
        (Op.RELU, -1, 3, (0, 3)),
        (Op.RELU, -3, -1, (0, 0)),
        (Op.STEP, 0, 1, (0, 1)),
        (Op.STEP, 0, 0, (0, 1)),
        (Op.STEP, "1/1000", 1, (1, 1)),
        (Op.SOFTPLUS, -40, 800, (0, 800)),
        (Op.EXP, -10, 2, (math.exp(-10), math.exp(2))),
    ],
)
def test_wide_ranges(op: Op, low: object, high: object, expected: tuple[float, float]) -> None:
    lo, hi = to_float_interval(_range(op, low, high))
    assert lo <= expected[0] + 1e-15
    assert hi >= expected[1] - 1e-15
    assert (lo, hi) == pytest.approx(expected, rel=1e-8, abs=1e-6)


@pytest.mark.parametrize(
    ("op", "low", "high"),
    [(Op.TAN, 1, 2), (Op.TAN, 0, 10), (Op.LOG, 0, 1), (Op.LOG, -2, -1), (Op.SQRT, -1, 1)],
)
def test_outside_the_domain_the_ball_is_not_finite(op: Op, low: int, high: int) -> None:
    ball = _range(op, low, high)
    assert not ball.is_finite()
    assert to_float_interval(ball) == (-math.inf, math.inf)


def test_what_is_undefined_stays_undefined() -> None:
    x = ex.variable("x", 1)
    for broken in (1 / x, ex.log(x), ex.sqrt(x - 1), ex.tan(x) / (x * x)):
        for use in (ex.tanh(broken), ex.sin(broken), 0 * broken, ex.minimum(broken, 1), broken**2):
            assert not _value(use, x, 0).is_finite()
        assert not _value(ex.affine([[0]], broken, [1]), x, 0).is_finite()


def test_even_powers_and_squares_do_not_dip_below_zero() -> None:
    x = ex.variable("x", 1)
    tape = compile_tape([x**2, x * x, x**3], [x])
    even, square, odd = (b[0] for b in enclose_box(tape, [Fraction(-1, 10)], [Fraction(3, 10)]))
    for ball in (even, square):
        assert to_float_interval(ball) == pytest.approx((0, 0.09), rel=1e-8)
        assert to_float_interval(ball)[0] >= 0
    assert to_float_interval(odd) == pytest.approx((-0.001, 0.027), rel=1e-7)


def test_constants_are_exact() -> None:
    x = ex.variable("x", 1)
    tenth = compile_tape([ex.constant("1/10") * 10 - 1 + 0 * x, ex.constant(0.1) * 10 - 1], [x])
    rational, dyadic = (b[0] for b in enclose_point(tenth, [0]))
    assert rational.contains(0)
    assert contains(dyadic, Fraction(0.1) * 10 - 1)
    assert not dyadic.contains(0)
    weight = np.array([[2.0**-1074, 1e308]])
    value = _value(ex.affine(weight, ex.stack([x, x])), x, 1)
    assert contains(value, Fraction(2.0**-1074) + Fraction(1e308))
    assert not contains(value, Fraction(2.0**-1074) + Fraction(1.0001e308))


def test_constant_registers_are_those_that_do_not_vary() -> None:
    x = ex.variable("x", 2)
    anchor = ex.tanh(ex.affine([[1, 2]], ex.constant(["1/3", "1/7"])))
    tape = compile_tape([ex.total(x) * anchor + ex.pi()], [x])
    fixed = constant_registers(tape, precision=200)
    assert set(fixed) == {i for i, varies in enumerate(tape.varying) if not varies}
    (register,) = (i for i, s in enumerate(tape.instructions) if s.op is Op.TANH)
    with mpmath.workdps(100):
        truth = rational(mpmath.tanh(mpmath.mpf(13) / 21))
    assert contains(fixed[register][0], truth, Fraction(1, 10**95))
    assert float(fixed[register][0].rad()) < 1e-55


def test_the_interpreter_leaves_its_constants_alone() -> None:
    x = ex.variable("x", 1)
    interpreter = BallInterpreter(compile_tape([ex.sin(x) + ex.pi()], [x]))
    first = interpreter.outputs([0.5], [0.5])[0][0]
    interpreter.outputs([-3.0], [3.0])
    again = interpreter.outputs([0.5], [0.5])[0][0]
    assert first.mid() == again.mid()
    assert first.rad() == again.rad()


@given(value=st.fractions(), scale=st.sampled_from([0, -1080, -1060, 1020, 1100]), r=st.booleans())
def test_float_intervals_are_outward(value: Fraction, scale: int, r: bool) -> None:
    value *= Fraction(2) ** scale
    ball = arb(fmpq(value.numerator, value.denominator))
    if r:
        ball += arb(0, (1, 0))
    lo, hi = to_float_interval(ball)
    assert lo <= value - r and value + r <= hi
    if not r:
        assert hi <= math.nextafter(math.nextafter(lo, math.inf), math.inf)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_points_that_are_none_are_refused(bad: float) -> None:
    x = ex.variable("x", 1)
    tape = compile_tape([x], [x])
    with pytest.raises(ValueError, match="not a finite number"):
        enclose_point(tape, [bad])
    with pytest.raises(ValueError, match="takes 1 inputs"):
        enclose_point(tape, [0, 0])
    with pytest.raises(ValueError, match="empty"):
        enclose_box(tape, [1], [0])
