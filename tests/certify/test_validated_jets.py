"""Series of balls against derivatives taken symbolically and evaluated at the point."""

from __future__ import annotations

import math

import pytest
from flint import arb
from hypothesis import given
from hypothesis import strategies as st

from certify.balls import enclose_point
from certify.validated.field import VectorField
from certify.validated.jets import Jets, KinkError, working_precision
from systems import expression as ex
from systems.differentiate import NotDifferentiableError, directional
from systems.expression import Expression
from systems.tape import compile_tape
from tests.certify.graphs import graphs

TERMS = 4
sixteenths = st.integers(-32, 32).map(lambda k: k / 16)


def along(scalar: Expression, x: Expression, path: list[list[float]]) -> list[arb] | None:
    """The scalar's Taylor coefficients along a polynomial path, by repeated differentiation."""
    t = ex.variable("t", 1)
    entries = []
    for row in path:
        total: Expression = ex.constant(row[0])
        for k, c in enumerate(row[1:], 1):
            total = total + ex.multiply(c, ex.power(t, k))
        entries.append(total)
    g = ex.substitute(scalar, {x: ex.stack(entries)})
    out = []
    for k in range(TERMS):
        ball = enclose_point(compile_tape([g], [t]), [0.0], 200)[0][0]
        out.append(ball / math.factorial(k))
        try:
            g = directional(g, t, ex.constant(1))
        except NotDifferentiableError:
            return None
    return out


@given(st.data())
def test_series_are_those_of_the_derivatives(data: st.DataObject) -> None:
    """Over a box around the path's start: every coefficient of the point's series is inside."""
    x, scalar = data.draw(graphs(2))
    path = [[data.draw(sixteenths) for _ in range(3)] for _ in range(2)]
    radius = data.draw(st.sampled_from([0.0, 2.0**-20, 2.0**-4]))
    with working_precision():
        boxes = [[arb(row[0], radius), *(arb(c) for c in row[1:])] for row in path]
        try:
            [[series]] = Jets(compile_tape([scalar], [x])).series(boxes, TERMS)
        except KinkError:
            return
    expected = along(scalar, x, path)
    if expected is None:
        return
    for enclosure, true in zip(series, expected, strict=True):
        if enclosure.is_finite() and true.is_finite():
            assert enclosure.overlaps(true)


@given(st.data())
def test_ranges_at_length_one_hold_every_point(data: st.DataObject) -> None:
    """Kinks and steps included."""
    x, scalar = data.draw(graphs(2, steps=True))
    centre = [data.draw(sixteenths) for _ in range(2)]
    offset = [data.draw(st.integers(-4, 4)) / 64 for _ in range(2)]
    tape = compile_tape([scalar], [x])
    with working_precision():
        [[[enclosure]]] = Jets(tape).series([[arb(c, 0.0625)] for c in centre], 1)
    point = [c + o for c, o in zip(centre, offset, strict=True)]
    true = enclose_point(tape, point, 200)[0][0]
    if enclosure.is_finite() and true.is_finite():
        assert enclosure.overlaps(true)


@pytest.mark.parametrize("build", [ex.relu, ex.absolute, lambda x: ex.minimum(x, x * 2)])
def test_a_kink_has_no_series(build: object) -> None:
    x = ex.variable("x", 1)
    jets = Jets(compile_tape([build(x)], [x]))  # type: ignore[operator]
    with working_precision():
        with pytest.raises(KinkError):
            jets.series([[arb(0, 0.25), arb(1)]], 3)
        with pytest.raises(KinkError):
            jets.series([[arb(0), arb(0), arb(1)]], 3)
        [[series]] = jets.series([[arb(1), arb(1)]], 3)
        assert series == [1, 1, 0]  # all of these are the identity near 1


def test_where_a_function_is_not_defined_nothing_is_finite() -> None:
    x = ex.variable("x", 1)
    for node in (ex.log(x), ex.sqrt(x), ex.divide(1, x)):
        with working_precision():
            [[series]] = Jets(compile_tape([node], [x])).series([[arb(0, 1), arb(1)]], 3)
        assert not any(c.is_finite() for c in series)
    with working_precision():
        [[series]] = Jets(compile_tape([ex.tan(x)], [x])).series([[arb(1.5, 0.25), arb(1)]], 3)
    assert not any(c.is_finite() for c in series)


def test_constants_are_known_to_every_order() -> None:
    """A constant map of constants must not cut the series that it is multiplied with."""
    x = ex.variable("x", 1)
    weight = ex.affine([["1/3"]], ex.pi(), [1])
    with working_precision():
        [[series]] = Jets(compile_tape([x * weight], [x])).series([[arb(1), arb(2), arb(3)]], 3)
        for k, c in enumerate(series):
            assert c.overlaps((k + 1) * (arb.pi() / 3 + 1)) and c > 2


@given(st.data())
def test_solutions_over_a_box_hold_those_of_its_points(data: st.DataObject) -> None:
    """The coefficients of ẋ = (x₂, sin x₁ − x₂ tanh x₁), and the derivative by the start."""
    x = ex.variable("x", 2)
    field = VectorField.of(ex.stack([x[1], ex.sin(x[0]) - x[1] * ex.tanh(x[0])]), x)
    centre = [data.draw(sixteenths) for _ in range(2)]
    offset = [data.draw(st.integers(-8, 8)) / 256 for _ in range(2)]
    with working_precision():
        middle = [arb(c) for c in centre]
        box = [arb(c, 0.03125) for c in centre]
        bundle = field.bundle(box, middle, 9)
        point = [arb(c + o) for c, o in zip(centre, offset, strict=True)]
        exact = field.series(point, 9)
        for wide, thin in zip(bundle.terms, exact, strict=True):
            assert all(a.overlaps(b) for a, b in zip(wide, thin, strict=True))
        # c_k(x) − c_k(m) is the derivative, at points of the box, times x − m.
        for k in range(10):
            for i in range(2):
                change = sum(
                    (bundle.derivative[k][i, j] * arb(offset[j]) for j in range(2)), arb(0)
                )
                assert change.overlaps(exact[i][k] - bundle.centre[i][k])


def test_series_obey_the_differential_equation() -> None:
    """(k + 1) x_{k+1} is the k-th coefficient of F(x(t)): checked on the whole series."""
    x = ex.variable("x", 2)
    F = ex.stack([x[1], -ex.sin(x[0]) - ex.tanh(x[1]) + ex.exp(-x[0] * x[0])])
    field = VectorField.of(F, x)
    with working_precision():
        terms = field.series([arb(0.75), arb(-0.5)], 20)
        [rate] = Jets(compile_tape([F], [x])).series(terms, 20)
        for s, f in zip(terms, rate, strict=True):
            for k in range(20):
                assert (s[k + 1] * (k + 1)).overlaps(f[k])
                assert s[k + 1].rad() < 1e-9
