"""Linear relaxations: every line on its side, every closed box closed rightly, larger boxes closed.

That bounds hold the values of formulas is tested with those of Taylor models, as one more order, in
``test_enclosure_properties``.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from certify import Budget, Condition, Constraint, Proved, Refuted, search
from certify.balls import BallInterpreter
from certify.enclosure import lines, series, slopes
from certify.enclosure.engine import LINEAR, Engine, Levels
from certify.enclosure.relaxation import plane_intercepts
from systems import expression as ex
from systems.box import Box
from systems.differentiate import gradient
from systems.expression import Expression, Op
from systems.tape import compile_tape
from tests.certify.enclosures import boxes_around, points_in
from tests.certify.graphs import graphs
from tests.certify.test_enclosure_properties import deterministic, network, scattered

Array = NDArray[np.float64]

FUNCTIONS = {
    "sin": series.SIN, "cos": series.COS, "exp": series.EXP, "log": series.LOG,
    "sqrt": series.SQRT, "tanh": series.TANH, "sigmoid": series.SIGMOID,
    "softplus": series.SOFTPLUS, "reciprocal": series.RECIPROCAL, "square": lines.SQUARE,
    "relu": lines.RELU,
}  # fmt: skip


def exactly(name: str, z: arb) -> arb:
    """φ(z) with 192 bits."""
    with ctx.workprec(192):
        return _exactly(name, z)


def _exactly(name: str, z: arb) -> arb:
    match name:
        case "sigmoid":
            return 1 / (1 + (-z).exp())
        case "softplus":
            return (1 + z.exp()).log()
        case "reciprocal":
            return 1 / z
        case "square":
            return z * z
        case "relu":
            return z if z > 0 else arb(0)
    return getattr(z, name)()


def interval(name: str, generator: np.random.Generator) -> tuple[float, float]:
    """An interval of any width on which the function is defined."""
    width, centre = 10.0 ** generator.uniform(-7, 1.3), 3 * generator.normal()
    low, high = centre - width / 2, centre + width / 2
    if name in ("log", "sqrt", "reciprocal"):
        low = abs(low) + 10.0 ** generator.uniform(-6, 0)
        high = low + width
        if name == "reciprocal" and generator.random() < 0.5:
            low, high = -high, -low
    return low, max(high, low)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_lines_stay_on_their_side_whatever_the_slope(name: str) -> None:
    """Suggested slopes and silly ones, at the ends, inside, and where φ'(z) is the slope."""
    kind, generator = FUNCTIONS[name], np.random.default_rng(len(name))
    near = 0
    for _ in range(250):
        low, high = interval(name, generator)
        a, b = lines.value(kind, low), lines.value(kind, high)
        bend = slopes.curvature(kind, low, high)
        far = slopes.far_tangents(kind, low, high, bend)
        z = generator.uniform(low, high)
        suggested = [
            slopes.supporting(kind, low, high, a, b, z, bend, far[above], bool(above))
            for above in (0, 1)
        ]
        others = [generator.normal(), 50 * generator.normal(), 0.0, 1.0, 1e-9, 1e-300]
        for s in suggested + others:
            bottom, top = lines.intercepts(kind, s, low, high, a, b)
            points = [low, high, *np.linspace(low, high, 9)[1:-1], z]
            with ctx.workprec(192):
                gaps = [exactly(name, arb(v)) - arb(s) * arb(v) for v in points]
            assert all(g >= arb(bottom) and g <= arb(top) for g in gaps)
            near += float(min(g.mid() for g in gaps)) - bottom < 0.2 * (top - bottom) + 1e-9
    assert near > 1000  # the lines are close, too


@pytest.mark.parametrize("name", ["sin", "cos"])
@pytest.mark.parametrize("turns", [0, 200_000])
def test_the_trivial_lines_of_waves_hold_by_a_hair(name: str, turns: int) -> None:
    """Where sin z = ±1 and s z is lost beside it: 1 + |s z| rounds to 1. Found in review."""
    kind, middle = FUNCTIONS[name], 2 * np.pi * turns
    low, high = middle - 4.0, middle + 4.0
    a, b = lines.value(kind, low), lines.value(kind, high)
    peaks = [float(middle + k * np.pi / 2) for k in range(-2, 3)]
    for s in (1e-17, -1e-17, 3e-20, -3e-20, 1e-30, -1e-30, 1e-300, -1e-300):
        bottom, top = lines.intercepts(kind, s / (1 + turns), low, high, a, b)
        gaps = [exactly(name, arb(v)) - arb(s / (1 + turns)) * arb(v) for v in peaks]
        assert all(g >= arb(bottom) and g <= arb(top) for g in gaps)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_suggested_lines_touch(name: str) -> None:
    """Below at its best argument the line meets the convex envelope, hence φ for convex φ."""
    kind, generator = FUNCTIONS[name], np.random.default_rng(7)
    for _ in range(200):
        low, high = interval(name, generator)
        bend = slopes.curvature(kind, low, high)
        if bend == 0 or high - low > 4:
            continue
        a, b = lines.value(kind, low), lines.value(kind, high)
        z = generator.uniform(low, high)
        s = slopes.supporting(kind, low, high, a, b, z, bend, 0.0, bend < 0)
        t = lines.intercepts(kind, s, low, high, a, b)[bend < 0]
        value = lines.value(kind, z)
        assert abs(s * z + t - value) <= 1e-6 * (1 + abs(value) + abs(s * z))


def test_where_a_function_is_undefined_there_is_no_line() -> None:
    for kind, low, high in [
        (series.LOG, 0.0, 1.0), (series.LOG, -1.0, 1.0), (series.SQRT, -1e-9, 1.0),
        (series.RECIPROCAL, -1.0, 1.0), (series.RECIPROCAL, 0.0, 1.0),
        (series.TANH, -np.inf, 1.0), (series.TANH, np.nan, 1.0), (series.EXP, 0.0, 1e4),
    ]:  # fmt: skip
        assert lines.intercepts(kind, 0.5, low, high, 0.0, 0.0) == (-np.inf, np.inf)
    assert lines.intercepts(series.TANH, np.nan, -1.0, 1.0, -0.76, 0.76) == (-np.inf, np.inf)


def test_planes_hold_whatever_the_slopes() -> None:
    generator = np.random.default_rng(3)
    for _ in range(2000):
        (lx, ux), (ly, uy) = np.sort(
            generator.normal(size=(2, 2)) * 10.0 ** generator.integers(-9, 9)
        )
        a, b = generator.normal(size=2) * 10.0 ** generator.integers(-9, 9)
        bottom, top = plane_intercepts(a, b, lx, ux, ly, uy)
        for x, y in [(lx, ly), (lx, uy), (ux, ly), (ux, uy), (generator.uniform(lx, ux), ly)]:
            x, y, p, q = (Fraction(float(v)) for v in (x, y, a, b))
            assert Fraction(bottom) <= x * y - p * x - q * y <= Fraction(top)


@deterministic(60)
@given(data=st.data(), n=st.integers(min_value=1, max_value=3), seed=st.integers(0, 10**6))
def test_closed_boxes_are_closed_rightly(data: st.DataObject, n: int, seed: int) -> None:
    """No point of a closed box satisfies what its reason says that none does."""
    generator = np.random.default_rng(seed)
    x, y = data.draw(graphs(n, steps=True))
    slope = gradient(ex.tanh(ex.dot(x, x)), x)
    tape = compile_tape([y, ex.dot(slope, x)], [x])
    try:
        engine = Engine(tape, np.full(n, 1e9))
    except ValueError:
        return
    low, high = scattered(n, 24, generator)
    where = points_in(low, high, 12, generator)
    oracle = BallInterpreter(tape, 192)
    centres = [oracle.outputs(p, p) for p in (0.5 * (low + high)).tolist()]
    for output, sense in ((0, "at least"), (0, "at most"), (1, "at least")):
        mid = float(centres[len(low) // 2][output][0].mid())
        level = Fraction(mid) if np.isfinite(mid) else Fraction(1)
        violation = (
            Constraint(output, sense, level, strict=bool(seed % 2)),
            Constraint(1 - output, "at least", Fraction(1, 10)),
        )
        tested = engine.test(low, high, LINEAR, Levels.of(violation), np.ones(n))
        for b in np.flatnonzero(tested.reason >= 0).tolist():
            for point in where[b].tolist():
                values = oracle.outputs(point, point)
                h = [c.sign * (values[c.output][0] - arb(c.level.numerator) / c.level.denominator)
                     for c in violation]  # fmt: skip
                reason, w = int(tested.reason[b]), arb(float(tested.weight[b]))
                if reason < 2:
                    assert h[reason] <= 0 if violation[reason].strict else h[reason] < 0
                else:
                    i, j = divmod(reason - 2, 2)
                    assert h[j] + w * h[i] < 0


def condition(
    x: Expression, formulas: list[Expression], violation: list[Constraint], half: object = 1
) -> Condition:
    tape = compile_tape(formulas, [x])
    names = tuple(f"y{i}" for i in range(len(formulas)))
    box = Box.symmetric([half] * x.size)
    return Condition("planted", "planted", tape, names, tuple(violation), (box,))


@pytest.mark.parametrize("op", [Op.TANH, Op.RELU, Op.SIGMOID], ids=lambda o: o.value)
@pytest.mark.parametrize("hair", [1e-3, 1e-6])
def test_deep_networks_by_a_hair(op: Op, hair: float) -> None:
    """That N stays a hair below its greatest value is refuted, that it stays below a hair more is
    proved."""
    generator = np.random.default_rng(11)
    x = ex.variable("x", 2)
    deep = network(x, [6, 6], op, generator, 0.6)
    top = float(greatest(deep, x))
    above = condition(x, [deep], [Constraint(0, "at least", Fraction(top + hair))])
    below = condition(x, [deep], [Constraint(0, "at least", Fraction(top - hair))])
    assert isinstance(search(above, Budget(60), order=LINEAR).verdict, Proved)
    assert isinstance(search(below, Budget(60), order=LINEAR).verdict, Refuted)


def greatest(value: Expression, x: Expression) -> float:
    """The greatest value on [−1, 1]², by a grid that is refined about the best point."""
    from systems.evaluate import function

    f = function(value, x)
    centre, reach = np.zeros(2), 1.0
    for _ in range(12):
        axes = [np.clip(np.linspace(c - reach, c + reach, 201), -1, 1) for c in centre]
        grid = np.stack(np.meshgrid(*axes), -1).reshape(-1, 2)
        values = f(grid)[0][:, 0]
        centre, reach = grid[int(values.argmax())], reach * 0.05
    return float(values.max())


@pytest.mark.parametrize("op", [Op.TANH, Op.RELU], ids=lambda o: o.value)
def test_relaxations_bound_deep_networks_more_closely_on_large_boxes(op: Op) -> None:
    generator = np.random.default_rng(5)
    x = ex.variable("x", 2)
    value = network(x, [20, 20], op, generator, 0.4)
    tape = compile_tape([value], [x])
    engine = Engine(tape, np.full(2, 4.0))
    low, high = boxes_around(generator.uniform(-1, 1, (200, 2)), np.full(200, 1.0))
    width = {}
    for order in (LINEAR, 1, 2, 3):
        a, b = engine.bound(low, high, order)
        width[order] = float(np.median(b - a))
    assert all(width[LINEAR] < 0.8 * width[order] for order in (1, 2, 3)), width


def test_relaxations_are_offered_for_deep_tapes_only() -> None:
    generator = np.random.default_rng(5)
    x = ex.variable("x", 3)
    deep = network(x, [20, 20, 20], Op.RELU, generator, 0.5)
    shallow = network(x, [20], Op.TANH, generator, 0.5)
    assert LINEAR in Engine(compile_tape([deep**2], [x]), np.ones(3)).orders
    assert LINEAR not in Engine(compile_tape([shallow], [x]), np.ones(3)).orders


def fitted(x: Expression, widths: list[int], generator: np.random.Generator) -> Expression:
    """A relu network with random hidden layers, its output weights fitted to |x|² on [−1, 1]ⁿ."""
    from systems.evaluate import function

    hidden = x
    for width in widths:
        weight = 1.4 * generator.normal(size=(width, hidden.size)) / np.sqrt(hidden.size)
        hidden = ex.relu(ex.affine(weight, hidden, 0.5 * generator.normal(size=width)))
    points = generator.uniform(-1, 1, (4000, x.size))
    features = np.hstack([function(hidden, x)(points)[0], np.ones((len(points), 1))])
    ridge = 0.1 * np.eye(features.shape[1])
    target = np.concatenate([(points**2).sum(axis=1), np.zeros(len(ridge))])
    beta = np.linalg.lstsq(np.vstack([features, ridge]), target, rcond=None)[0]
    return ex.affine(beta[None, :-1], hidden, beta[-1:])


def test_a_search_takes_relaxations_where_they_close_more_for_their_cost() -> None:
    """The decrease of a deep relu network: Taylor models cannot close what a kink runs through."""
    x = ex.variable("x", 3)
    value = fitted(x, [40, 40], np.random.default_rng(2))
    change = ex.dot(gradient(value, x), ex.sin(x) / 5 - x)
    claim = condition(
        x,
        [value, ex.dot(x, x), change],
        [
            Constraint(0, "at most", Fraction(8, 10)),
            Constraint(1, "at least", Fraction(3, 10)),
            Constraint(2, "at least", Fraction(1, 10)),
        ],
    )
    budget = Budget(120, 30_000)
    chosen = search(claim, budget)
    assert isinstance(chosen.verdict, Proved) and chosen.order == LINEAR
    assert not isinstance(search(claim, budget, order=2).verdict, Proved)


def test_what_depends_on_something_undefined_is_not_closed() -> None:
    """Also by a multiplier of 0, or through a bounded function."""
    x = ex.variable("x", 1)
    for formula in (
        ex.tanh(ex.log(x)) * 0 - 1, ex.affine([[0.0, -1.0]], ex.stack([1 / x, 1 + x * x])),
        ex.minimum(-1 + 0 * x, ex.sqrt(x)), ex.sigmoid(1 / x) - 3,
    ):  # fmt: skip
        claim = condition(x, [formula], [Constraint(0, "at least", Fraction(100))])
        verdict = search(claim, Budget(1, 3000), order=LINEAR).verdict
        assert not isinstance(verdict, Proved), verdict
