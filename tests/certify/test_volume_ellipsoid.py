"""Volumes of ellipsoids: never above the truth, and only of what is an ellipsoid inside D."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from flint import arb, ctx, fmpq
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.budget import Budget
from certify.ellipsoid_volume import (
    ellipsoid_volume,
    exact_quadratic,
    half_widths,
    level_inside,
)
from certify.inner_ellipsoid import inner_ellipsoid
from certify.region_volume import region_volume
from certify.volume import sublevel_paving
from learners.lqr import lqr_candidate
from systems import expression as ex
from systems import zoo
from systems.box import Box
from systems.evaluate import function
from systems.expression import Expression
from systems.quadratic import quadratic_form
from systems.tape import compile_tape
from tests.certify.regions import resting, sampled_volume

Rows = list[list[Fraction]]


@st.composite
def definite(draw: st.DrawFn, most: int = 6) -> Rows:
    """L Lᵀ of a random L with rational entries, some of them of very different size."""
    n = draw(st.integers(1, most))
    entries = st.fractions(-3, 3, max_denominator=50)
    scales = [Fraction(10) ** draw(st.integers(-9, 9)) for _ in range(n)]
    L = [
        [
            scales[i] * (draw(entries) if j < i else 1 + abs(draw(entries)) if j == i else 0)
            for j in range(n)
        ]
        for i in range(n)
    ]
    return [
        [sum((L[i][k] * L[j][k] for k in range(n)), Fraction(0)) for j in range(n)]
        for i in range(n)
    ]


def determinant(matrix: Rows) -> Fraction:
    """By expansion along the first row."""
    if len(matrix) == 1:
        return matrix[0][0]
    return sum(
        (
            (-1) ** j * v * determinant([row[:j] + row[j + 1 :] for row in matrix[1:]])
            for j, v in enumerate(matrix[0])
        ),
        Fraction(0),
    )


def unit_ball(n: int) -> arb:
    """By the recursion V(n) = 2 π V(n − 2) / n."""
    return arb(1) if n == 0 else arb(2) if n == 1 else unit_ball(n - 2) * 2 * arb.pi() / n


@settings(max_examples=80, deadline=None)
@given(definite(), st.fractions(Fraction(1, 10**6), 10**6))
def test_the_volume_is_the_true_one_rounded_down(matrix: Rows, level: Fraction) -> None:
    n = len(matrix)
    found = ellipsoid_volume(matrix, level)
    with ctx.workprec(400):
        squared = level**n / determinant(matrix)
        true = unit_ball(n) * arb(fmpq(squared.numerator, squared.denominator)).sqrt()
        assert not arb(found) > true
        two_up = math.nextafter(math.nextafter(found, math.inf), math.inf)
        assert arb(two_up) > true  # where the volume is a float itself, the bound is below it


@pytest.mark.parametrize(
    ("matrix", "level", "volume"),
    [
        ([[4.0]], 9, 3.0),
        ([[1.0, 0.0], [0.0, 4.0]], 1, math.pi / 2),
        ([[2.0, 1.0], [1.0, 2.0]], 3, math.pi * math.sqrt(3)),
        (np.eye(3).tolist(), 4, 4 / 3 * math.pi * 8),
        (np.eye(9).tolist(), 1, 32 * math.pi**4 / 945),
    ],
)
def test_known_volumes(matrix: list[list[float]], level: int, volume: float) -> None:
    found = ellipsoid_volume(matrix, level)
    assert found == pytest.approx(volume, rel=1e-14) and found <= volume * (1 + 1e-15)


def test_an_ill_conditioned_matrix_keeps_every_digit() -> None:
    """det = 2⁻⁵³ (2 − 2⁻⁵³), which floats lose half of; and a Hilbert matrix of seven states."""
    almost = 1 - 2.0**-53
    found = ellipsoid_volume([[1.0, almost], [almost, 1.0]], 1)
    true = math.pi / math.sqrt(2.0**-53 * 2)
    assert found == pytest.approx(true, rel=1e-14)
    hilbert = [[Fraction(1, i + j + 1) for j in range(7)] for i in range(7)]
    with ctx.workprec(300):
        inverse = 1 / determinant(hilbert)
        true_volume = float((unit_ball(7) * arb(fmpq(inverse.numerator, 1)).sqrt()).lower())
    assert ellipsoid_volume(hilbert, 1) == pytest.approx(true_volume, rel=1e-15)


def test_beyond_floats_the_bound_stays_one() -> None:
    assert ellipsoid_volume([[Fraction(1, 10**700)]], 1) == math.nextafter(math.inf, 0)
    assert ellipsoid_volume([[Fraction(10**700)]], 1) == 0.0
    assert ellipsoid_volume([[1.0]], 0) == 0.0


@pytest.mark.parametrize(
    ("matrix", "level", "complaint"),
    [
        ([[1.0, 2.0], [2.0, 1.0]], 1, "positive definite"),
        ([[1.0, 1.0], [1.0, 1.0]], 1, "positive definite"),
        ([[0.0]], 1, "positive definite"),
        ([[1.0, 0.1], [0.2, 1.0]], 1, "symmetric"),
        ([[1.0, 0.0]], 1, "square"),
        ([], 1, "square"),
        ([[1.0]], -1, "negative"),
        ([[math.nan]], 1, "finite"),
    ],
)
def test_what_is_no_ellipsoid_is_refused(
    matrix: list[list[float]], level: int, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        ellipsoid_volume(matrix, level)


@settings(max_examples=60, deadline=None)
@given(definite(4), st.data())
def test_the_hull_holds_the_ellipsoid_and_touches_the_domain(
    matrix: Rows, data: st.DataObject
) -> None:
    """The point of {q ≤ r} farthest along axis i is √r P⁻¹eᵢ / √(P⁻¹)ᵢᵢ."""
    n = len(matrix)
    sides = data.draw(st.lists(st.fractions(Fraction(1, 9), 9), min_size=n, max_size=n))
    centre = data.draw(st.lists(st.fractions(-9, 9), min_size=n, max_size=n))
    domain = Box.of([(c - s, c + 2 * s) for c, s in zip(centre, sides, strict=True)])
    level = level_inside(matrix, centre, domain)
    whole = determinant(matrix)
    squares = []
    for i in range(n):
        minor = [row[:i] + row[i + 1 :] for k, row in enumerate(matrix) if k != i]
        squares.append(level * (determinant(minor) if minor else Fraction(1)) / whole)
    assert all(v <= s**2 for v, s in zip(squares, sides, strict=True))
    assert any(v == s**2 for v, s in zip(squares, sides, strict=True))
    for half, v in zip(half_widths(matrix, level), squares, strict=True):
        assert v <= half**2 <= v * (1 + Fraction(1, 10**9))


def recognised(
    value: Expression, x: Expression, centre: list[Fraction] | None = None
) -> Rows | None:
    found = exact_quadratic(compile_tape([value], [x]), centre or [Fraction(0)] * x.size)
    return None if found is None else [list(row) for row in found]


@settings(max_examples=60, deadline=None)
@given(definite(4), st.data())
def test_quadratic_forms_are_recognised_exactly(matrix: Rows, data: st.DataObject) -> None:
    n = len(matrix)
    centre = data.draw(st.lists(st.fractions(-2, 2), min_size=n, max_size=n))
    x = ex.variable("x", n)
    form = quadratic_form(matrix, x, centre)
    assert recognised(form, x, centre) == matrix
    written = ex.constant(0)
    z = [x[i] - centre[i] for i in range(n)]
    for i in range(n):
        for j in range(n):
            written = written + ex.multiply(matrix[i][j], z[i] if i <= j else z[j]) * z[max(i, j)]
    assert recognised(written, x, centre) == matrix
    moved = [c + Fraction(1, 10**30) for c in centre]
    assert recognised(form, x, moved) is None


def test_an_lqr_value_is_recognised_with_its_very_entries() -> None:
    system = zoo.cartpole()
    candidate = lqr_candidate(system)
    P = np.array(candidate.provenance["cost_matrix"])
    found = recognised(candidate.on(system).value, system.state, list(system.equilibrium))
    assert found is not None
    assert [[float(v) for v in row] for row in found] == P.tolist()
    assert all(Fraction(float(v)) == v for row in found for v in row)


TINY = Fraction(1, 10**200)


@pytest.mark.parametrize(
    "extra",
    [
        lambda x: TINY * x[0] ** 4,
        lambda x: TINY * x[0] ** 3,
        lambda x: TINY * x[0],
        lambda x: ex.constant(TINY),
        lambda x: TINY * ex.sin(x[0]),
        lambda x: TINY * ex.relu(x[1]) ** 2,
        lambda x: x[0] ** 3 - x[0] ** 3,
        lambda x: TINY * x[0] ** 2 * x[1] / x[1],
        lambda x: ex.log(x[0]) - ex.log(x[0]),
        lambda x: TINY * ex.maximum(x[0], 0) * x[0],
        lambda x: (x[0] * x[1]) ** 2 * TINY,
        lambda x: ex.pi() * x[0] ** 2,
    ],
)
def test_what_is_only_nearly_a_quadratic_form_is_none(extra: object) -> None:
    x = ex.variable("x", 2)
    q = ex.total(x**2)
    assert recognised(q, x) is not None
    assert recognised(q + extra(x), x) is None  # type: ignore[operator]


def test_an_ellipsoid_that_sticks_out_does_not_count_whole() -> None:
    """The disc of radius 2 in a strip of width 2: only the disc of radius 1 keeps its shape."""
    problem = resting(lambda x: ex.total(x**2), Box.symmetric([1, 3]))
    found = region_volume(problem, Fraction(4))
    assert found is not None and found.how == "inner ellipsoid" and found.level == 1
    assert found.at_least <= math.pi <= sampled_volume(problem, Fraction(4))
    paving = sublevel_paving(problem.value_tape, Fraction(4), problem.domain, Budget(5))
    better = region_volume(problem, Fraction(4), paving=paving)
    assert better is not None and better.how == "paving"
    assert math.pi < better.at_least < 7.66
    whole = region_volume(problem, Fraction(1, 2), paving=paving)
    assert whole is not None and whole.how == "ellipsoid"
    assert whole.at_least == pytest.approx(math.pi / 2, rel=1e-14)


def test_the_share_of_a_box() -> None:
    problem = resting(lambda x: ex.total(x**2), Box.symmetric([1, 1]))
    found = region_volume(problem, Fraction(1))
    assert found is not None
    assert found.share_of(problem.domain) == pytest.approx(math.pi / 4)


@pytest.mark.parametrize(("dimension", "share"), [(2, 0.8), (4, 0.7)])
def test_an_inner_ellipsoid_lies_inside_and_is_large(dimension: int, share: float) -> None:
    """The set is lopsided, so that no ellipsoid about x* fills it."""

    def value(x: Expression) -> Expression:
        weights = [1 + i for i in range(dimension)]
        return ex.total(ex.constant(weights) * x**2) + 2 * x[0] ** 4 + x[1] ** 3

    problem = resting(value, Box.symmetric([1] * dimension))
    c2 = Fraction(1, 2)
    found = inner_ellipsoid(problem, c2, Budget(20))
    assert found is not None
    true = sampled_volume(problem, c2)
    assert share * true < found.volume < 1.02 * true
    _check_inside(problem, found.matrix, found.level, c2)


def _check_inside(problem: object, matrix: object, level: Fraction, c2: Fraction) -> None:
    """Points of the ellipsoid, most of them near its boundary, have V ≤ c2."""
    P = np.array([[float(v) for v in row] for row in matrix])  # type: ignore[attr-defined]
    generator = np.random.default_rng(3)
    z = generator.standard_normal((20_000, len(P)))
    radii = generator.random((20_000, 1)) ** 0.1 * (1 - 1e-9)
    z *= radii / np.linalg.norm(z, axis=1, keepdims=True)
    points = np.linalg.solve(np.linalg.cholesky(P).T, z.T).T * float(level) ** 0.5
    values = function(problem.value, problem.state)(points)[0]  # type: ignore[attr-defined]
    assert (values <= float(c2)).all()


def test_a_hole_that_no_ray_meets_is_found_by_the_proof() -> None:
    """V rises above c2 on a disc of radius 0.01 around (0.5, 0.3)."""

    def value(x: Expression) -> Expression:
        hole = ex.total((x - ex.constant([Fraction(1, 2), Fraction(3, 10)])) ** 2)
        return ex.total(x**2) + 4 * ex.apply(ex.Op.EXP, -10_000 * hole)

    problem = resting(value, Box.symmetric([2, 2]))
    found = inner_ellipsoid(problem, Fraction(1), Budget(20))
    assert found is not None and found.volume > 0.3
    (a, b), (_, c) = ([float(v) for v in row] for row in found.matrix)
    assert a * 0.25 + 2 * b * 0.15 + c * 0.09 > float(found.level)
    _check_inside(problem, found.matrix, found.level, Fraction(1))


def test_where_v_is_not_defined_nothing_is_inside() -> None:
    """log(1.1 − x) ends the set at x = 1.1, though V is small up to there."""

    def value(x: Expression) -> Expression:
        return ex.total(x**2) + Fraction(1, 10**9) * ex.apply(ex.Op.LOG, Fraction(11, 10) - x[0])

    problem = resting(value, Box.symmetric([2, 2]))
    found = inner_ellipsoid(problem, Fraction(2), Budget(10))
    assert found is not None
    assert half_widths(found.matrix, found.level)[0] < 1.1


@pytest.mark.parametrize(
    "value", [lambda x: ex.total(x**2) + 2, lambda x: -ex.total(x**2) + 2, lambda x: ex.log(x[0])]
)
def test_where_there_is_no_set_there_is_no_bound(value: object) -> None:
    problem = resting(value, Box.symmetric([1, 1]))  # type: ignore[arg-type]
    assert region_volume(problem, Fraction(1, 2), budget=Budget(2)) is None


def test_a_search_that_finds_no_time_gives_no_bound() -> None:
    problem = resting(lambda x: ex.total(x**2) + x[0] ** 4, Box.symmetric([1] * 3))
    assert inner_ellipsoid(problem, Fraction(1, 2), Budget(0.0)) is None
