"""The elementary functions of the enclosure kernels against ball arithmetic, at all scales."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numba
import numpy as np
import pytest
from flint import arb, arb_series, ctx
from numpy.typing import NDArray

import certify.enclosure
from certify.enclosure import series
from certify.enclosure.compiled import NO_KERNELS
from certify.enclosure.kernel import tables
from certify.enclosure.monomials import monomials
from certify.enclosure.rounding import ULPS

Array = NDArray[np.float64]

BALLS: dict[int, Callable[[arb], arb]] = {
    series.SIN: arb.sin,
    series.COS: arb.cos,
    series.EXP: arb.exp,
    series.LOG: arb.log,
    series.SQRT: arb.sqrt,
    series.TANH: arb.tanh,
    series.SIGMOID: lambda z: z.exp() / (1 + z.exp()) if z < 0 else 1 / (1 + (-z).exp()),
    series.SOFTPLUS: lambda z: z.exp().log1p() if z < 0 else z + (-z).exp().log1p(),
    series.RECIPROCAL: lambda z: 1 / z,
}

EXPANSIONS: dict[int, Callable[[arb_series], arb_series]] = {
    series.SIN: lambda z: z.sin(),
    series.COS: lambda z: z.cos(),
    series.EXP: lambda z: z.exp(),
    series.LOG: lambda z: z.log(),
    series.SQRT: lambda z: z.sqrt(),
    series.TANH: lambda z: 1 - 2 / ((2 * z).exp() + 1),
    series.SIGMOID: lambda z: 1 / (1 + (-z).exp()),
    series.SOFTPLUS: lambda z: (1 + z.exp()).log(),
    series.RECIPROCAL: lambda z: 1 / z,
}

NAMES = {
    series.SIN: "sin", series.COS: "cos", series.EXP: "exp", series.LOG: "log",
    series.SQRT: "sqrt", series.TANH: "tanh", series.SIGMOID: "sigmoid",
    series.SOFTPLUS: "softplus", series.RECIPROCAL: "reciprocal",
}  # fmt: skip

every_function = pytest.mark.parametrize("kind", sorted(NAMES), ids=NAMES.get)


@pytest.fixture(autouse=True)
def long_expansions() -> Iterator[None]:
    """flint cuts power series at a global length."""
    before = ctx.cap
    ctx.cap = series.MAX_ORDER + 3
    yield
    ctx.cap = before


def lies_in(value: arb, low: float, high: float) -> bool:
    """Whether a narrow ball does not lie outside [low, high] for certain."""
    below = math.isfinite(low) and value < arb(low)
    above = math.isfinite(high) and value > arb(high)
    return not (below or above)


def in_domain(kind: int, z: float) -> bool:
    return not (
        (kind == series.LOG and z <= 0)
        or (kind == series.SQRT and z < 0)
        or (kind == series.RECIPROCAL and z == 0)
    )


def special_points() -> Array:
    """Where implementations change branch, overflow, underflow, or lose digits."""
    quarter = [k * math.pi / 2 for k in (*range(-40, 41), 10**3, 10**6 + 1, 6 * 10**7 + 3)]
    around = [
        0.0, 5e-324, 1e-320, 2.3e-308, 1e-300, 1e-160, 1e-20, 1e-8, 2.0**-28, 0.3465, 0.5, 0.5493,
        0.625, 1.0, 2.0**0.5, 2.0, math.e, 9.0, 18.7, 19.06, 20.0, 22.0, 36.7, 37.0, 44.0, 350.0,
        354.9, 700.0, 709.78, 709.783, 745.13, 745.2, 1e3, 1e8, 99999999.9, 1e9, 1e15, 1e22, 1e100,
        1e300, 1.7e308,
    ]  # fmt: skip
    values = np.array([*quarter, *around, *(-v for v in around)])
    steps = [values]
    for direction in (-np.inf, np.inf):
        near = values
        for _ in range(3):
            near = np.nextafter(near, direction)
            steps.append(near)
    return np.unique(np.concatenate(steps))


def scattered_points(count: int, seed: int) -> Array:
    """Half of them log-uniform over all magnitudes, the others where the functions are curved."""
    generator = np.random.default_rng(seed)
    sign = generator.choice([-1.0, 1.0], count // 2)
    everywhere = sign * 10.0 ** generator.uniform(-320, 308, count // 2)
    curved = generator.choice([1.0, 5.0, 30.0, 700.0, 1e4, 1e8], count - count // 2)
    return np.concatenate([everywhere, curved * generator.uniform(-1, 1, count - count // 2)])


def exact_values(function: Callable[[arb], arb], points: Iterable[float]) -> tuple[Array, Array]:
    """(h, l) with |f − (h + l)| far below a unit in the last place of h; NaN beyond float64."""
    heads, tails = [], []
    with ctx.workprec(180):
        for z in points:
            value = function(arb(z))
            head = float(value) if value.is_finite() else math.nan
            finite = math.isfinite(head)
            heads.append(head if finite else math.nan)
            tails.append(float(value - arb(head)) if finite else math.nan)
    return np.array(heads), np.array(tails)


@numba.njit
def _library(kind: int, z: np.ndarray, out: np.ndarray) -> None:
    """The same calls as the kernels make."""
    for i in range(len(z)):
        if kind == series.SIN:
            out[i] = math.sin(z[i])
        elif kind == series.COS:
            out[i] = math.cos(z[i])
        elif kind == series.EXP:
            out[i] = math.exp(z[i])
        elif kind == series.LOG:
            out[i] = math.log(z[i])
        elif kind == series.TANH:
            out[i] = math.tanh(z[i])
        elif kind == series.SOFTPLUS:
            out[i] = math.log1p(z[i])


@numba.njit
def _ranges(kind: int, z: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    for i in range(len(z)):
        low[i], high[i] = series.plain_range(kind, z[i], z[i])


def worst_error(computed: Array, head: Array, tail: Array) -> float:
    """The largest error in units in the last place, denormal results apart."""
    known = np.isfinite(head) & (np.abs(head) >= 2.3e-308)
    assert known.sum() > 10_000
    error = np.abs((computed[known] - head[known]) - tail[known])
    return float((error / np.spacing(np.abs(head[known]))).max())


LIBRARY = {
    series.SIN: (arb.sin, np.sin, 1e8),
    series.COS: (arb.cos, np.cos, 1e8),
    series.EXP: (arb.exp, np.exp, 745.0),
    series.LOG: (arb.log, np.log, math.inf),
    series.TANH: (arb.tanh, np.tanh, math.inf),
    series.SOFTPLUS: (lambda z: z.log1p(), np.log1p, math.inf),
}


@pytest.mark.parametrize("kind", sorted(LIBRARY), ids={**NAMES, series.SOFTPLUS: "log1p"}.get)
def test_library_functions_keep_the_stated_error(kind: int) -> None:
    function, vectorised, reach = LIBRARY[kind]
    points = np.concatenate([scattered_points(100_000, 10 + kind), special_points()])
    points = points[np.abs(points) <= reach]
    if kind in (series.LOG, series.SOFTPLUS):
        points = np.abs(points[points != 0])
    head, tail = exact_values(function, points.tolist())
    compiled = np.empty(len(points))
    _library(kind, points, compiled)
    # Half of the stated error is kept in reserve for libraries of other machines.
    assert worst_error(compiled, head, tail) <= ULPS / 2
    with np.errstate(all="ignore"):
        assert worst_error(vectorised(points), head, tail) <= ULPS / 2


@every_function
def test_values_at_points_are_enclosed(kind: int) -> None:
    points = np.concatenate([scattered_points(25_000, kind), special_points()])
    points = points[[in_domain(kind, z) for z in points.tolist()]]
    head, tail = exact_values(BALLS[kind], points.tolist())
    low, high = np.empty(len(points)), np.empty(len(points))
    _ranges(kind, points, low, high)
    known = np.isfinite(head)
    assert known.sum() > 10_000
    # (low − head) is exact or far from 0, so that this is the exact comparison with head + tail.
    assert ((low - head) <= tail)[known].all()
    assert ((high - head) >= tail)[known].all()
    beyond = np.isnan(head) & (np.abs(points) > 1)
    assert not np.isfinite(high - low)[beyond].any()  # overflow is never bounded
    inner = known & (np.abs(points) < 1e8)
    # Next to an extremum of sin and cos the extremum itself is taken.
    room = 1e-10 if kind in (series.SIN, series.COS) else 1e-299
    assert ((high - low)[inner] <= 1e-13 * np.abs(head[inner]) + room).all()


def intervals(kind: int, count: int) -> list[tuple[float, float]]:
    """Intervals of all positions and widths, degenerate ones among them, inside the domain."""
    generator = np.random.default_rng(100 + kind)
    out: list[tuple[float, float]] = []
    centres = np.concatenate([scattered_points(count, 200 + kind), special_points()])
    for c in centres.tolist():
        if not abs(c) < 1e200:
            continue
        width = float(generator.choice([0.0, 5e-324, 1e-12, 1e-3, 0.3, 2.0, 7.0, 1e3, 1e6]))
        if generator.random() < 0.3:
            width *= abs(c)
        low, high = c - width * float(generator.random()), c + width
        if kind in (series.LOG, series.SQRT) and low <= 0:
            low = abs(c) or 5e-324
            high = low + width
        if kind == series.RECIPROCAL and low <= 0 <= high:
            low, high = (high or 1.0, high + width + 1.0) if c > 0 else (low - width - 1.0, -1e-9)
        if low <= high:
            out.append((low, high))
    return out


def inside(low: float, high: float) -> list[float]:
    """Both ends, the middle, and the extrema of sin and cos."""
    points = {low, high, low + 0.5 * (high - low), low + 0.123 * (high - low)}
    first = math.ceil(low / (math.pi / 2)) if abs(low) < 1e9 else 0
    points |= {k * math.pi / 2 for k in range(first, first + 5)}
    return sorted(z for z in points if low <= z <= high)


@every_function
def test_ranges_hold_every_value(kind: int) -> None:
    with ctx.workprec(160):
        for low, high in intervals(kind, 900):
            a, b = series.plain_range(kind, low, high)
            assert not (a > b)
            for z in inside(low, high):
                value = BALLS[kind](arb(z))
                assert lies_in(value, a, b), (NAMES[kind], low, high, z)


@every_function
def test_ranges_are_tight(kind: int) -> None:
    """No range is wider than the values on it ask for (extrema of sin and cos included)."""
    generator = np.random.default_rng(kind)
    for _ in range(200):
        low = float(generator.uniform(0.01, 20) if kind in (series.LOG, series.SQRT,
                    series.RECIPROCAL) else generator.uniform(-20, 20))  # fmt: skip
        high = low + float(generator.choice([0.0, 1e-6, 0.1, 1.0, 4.0]))
        a, b = series.plain_range(kind, low, high)
        grid = np.linspace(low, high, 513)
        values = np.array([float(BALLS[kind](arb(z))) for z in grid.tolist()])
        slack = 1e-4 * (high - low) + 1e-5 * np.abs(values).max() * (high > low)
        scale = 1e-12 * max(1.0, np.abs(values).max())
        curvature = (high - low) ** 2 * 1e-5
        assert a >= values.min() - slack - scale - curvature
        assert b <= values.max() + slack + scale + curvature


@every_function
@pytest.mark.parametrize("order", [0, 1, 2, 5, series.MAX_ORDER + 1])
def test_coefficients_are_enclosed_at_points_and_over_ranges(kind: int, order: int) -> None:
    low, high = np.empty(order + 2), np.empty(order + 2)
    finite = 0
    with ctx.workprec(320):
        for lo, hi in intervals(kind, 120):
            if max(abs(lo), abs(hi)) > 1e15:
                continue
            low[:], high[:] = np.nan, np.nan
            series.coefficients(kind, lo, hi, order, low, high)
            assert np.isnan(low[order + 1])  # nothing is written beyond what is asked
            for z in {lo, lo + 0.5 * (hi - lo), hi}:
                if not (lo <= z <= hi) or (kind == series.SQRT and z <= 0):
                    continue
                expansion = EXPANSIONS[kind](arb_series([arb(z), arb(1)], order + 1))
                for k in range(order + 1):
                    value = expansion[k]
                    if value.is_finite():
                        assert lies_in(value, low[k], high[k]), (NAMES[kind], lo, hi, z, k)
            finite += bool(np.isfinite(high[: order + 1] - low[: order + 1]).all())
    assert finite > 100


@every_function
def test_coefficients_at_a_point_are_sharp(kind: int) -> None:
    order = 10
    low, high = np.empty(order + 1), np.empty(order + 1)
    for z in np.random.default_rng(kind).uniform(0.5, 3.0, 50).tolist():
        series.coefficients(kind, z, z, order, low, high)
        expansion = EXPANSIONS[kind](arb_series([arb(z), arb(1)], order + 1))
        for k in range(order + 1):
            scale = max(1.0, abs(float(expansion[k])))
            assert high[k] - low[k] <= 1e-10 * scale


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        (series.LOG, -1.0, 1.0),
        (series.LOG, 0.0, 1.0),
        (series.LOG, -2.0, -1.0),
        (series.SQRT, -1e-300, 1.0),
        (series.RECIPROCAL, -1.0, 1.0),
        (series.RECIPROCAL, 0.0, 1.0),
        (series.RECIPROCAL, -1.0, -0.0),
        (series.EXP, 0.0, 800.0),
        *((k, math.nan, 1.0) for k in NAMES),
        *((k, 0.5, math.nan) for k in NAMES),
        *((k, 2.0, 1.0) for k in NAMES),
        *((k, -math.inf, math.inf) for k in NAMES),
        *((k, 1.0, math.inf) for k in NAMES),
    ],
)
def test_what_is_not_defined_is_not_bounded(kind: int, low: float, high: float) -> None:
    a, b = series.plain_range(kind, low, high)
    assert not math.isfinite(b - a)
    lows, highs = np.zeros(6), np.zeros(6)
    series.coefficients(kind, low, high, 5, lows, highs)
    assert not np.isfinite(highs - lows).any()


def test_a_root_has_no_slope_at_zero() -> None:
    lows, highs = np.zeros(4), np.zeros(4)
    series.coefficients(series.SQRT, 0.0, 1.0, 3, lows, highs)
    assert lows[0] <= 0.0 and 1.0 <= highs[0] < 1.01
    assert not np.isfinite(highs[1:] - lows[1:]).any()


def test_caps_bound_every_derivative_of_tanh() -> None:
    grid = np.concatenate([np.linspace(-6, 6, 4001), [0.658478948, 0.0]])
    sup = np.zeros(series.MAX_ORDER + 2)
    with ctx.workprec(160):
        for z in grid.tolist():
            expansion = EXPANSIONS[series.TANH](arb_series([arb(z), arb(1)], len(sup)))
            sup = np.maximum(sup, [abs(float(expansion[k])) for k in range(len(sup))])
    assert (sup <= series.TANH_CAPS).all()
    assert (1.1 * sup + 0.02 >= series.TANH_CAPS).all()


def test_orders_beyond_the_tables_are_refused() -> None:
    assert tables(monomials(1, series.MAX_ORDER)).K == series.MAX_ORDER
    with pytest.raises(ValueError, match="order 13"):
        tables(monomials(1, series.MAX_ORDER + 1))


def test_the_cache_stamp_covers_every_file_with_a_kernel() -> None:
    folder = Path(certify.enclosure.__file__).parent
    for name in NO_KERNELS:
        text = (folder / name).read_text()
        assert "@jit" not in text and "@numba" not in text and "njit" not in text
