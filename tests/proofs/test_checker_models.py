"""The checker's enclosures enclose: values, gradients and Taylor coefficients, point by point.

A model is compared as a function, not by its range: at a point of the box its polynomial has to
hold the value there, which other arithmetic knows to 192 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from flint import arb, arb_series, ctx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proofs.checker.series import Undefined, coefficients, last
from systems import expression as ex
from systems.differentiate import NotDifferentiableError, gradient
from systems.expression import Expression, Op
from tests.certify.graphs import graphs
from tests.proofs.checker_boxes import ORDERS, check, formulas, oracle
from tests.systems.graphs import kinked, random_graph, used


def deterministic(examples: int) -> settings:
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


UNARY: dict[str, Callable[[Expression], Expression]] = {
    "square": lambda z: z**2,
    "cube": lambda z: z**3,
    "power 6": lambda z: z**6,
    "power 7": lambda z: z**7,
    "reciprocal": lambda z: 1 / z,
    "pi times": lambda z: ex.pi() * z,
    "thirds": lambda z: "1/3" * z + ex.constant("-2/7"),
    "clip": lambda z: ex.clip(z, "-1/3", 1),
    "absolute": ex.absolute,
    "times itself": lambda z: z * z,
    "less itself": lambda z: z - z,
    "select": lambda z: ex.stack([z, z**2])[[1]],
} | {op.value: (lambda z, op=op: ex.apply(op, z)) for op in sorted(ex.UNARY, key=lambda o: o.value)}

BINARY: dict[str, Callable[[Expression, Expression], Expression]] = {
    "add": ex.add,
    "subtract": ex.subtract,
    "multiply": ex.multiply,
    "divide": ex.divide,
    "minimum": ex.minimum,
    "maximum": ex.maximum,
    "affine": lambda a, b: ex.affine([["2/3", -1.5]], ex.stack([a, b]), ["1/7"]),
}


def slopes_of(value: Expression, x: Expression) -> list[Expression]:
    """Its gradient, where it has one: not behind a step."""
    try:
        return [gradient(value, x)[i] for i in range(x.size)]
    except NotDifferentiableError:
        return []


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("n", [1, 2])
def test_functions_of_one_argument(name: str, n: int) -> None:
    generator = np.random.default_rng([n, len(name)])
    x = ex.variable("x", n)
    compared = 0
    for z in (x[0], ex.total(x * ex.constant(["3/2", "-1/3"][:n])) + 1, ex.dot(x, x) + "1/4"):
        y = UNARY[name](z)
        compared += check([y], slopes_of(y, x), [x], generator, boxes=10)
    assert compared > 50


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("n", [1, 3])
def test_functions_of_two_arguments(name: str, n: int) -> None:
    generator = np.random.default_rng([n, len(name)])
    x = ex.variable("x", n)
    smooth = ex.sin(x[0] * 2) + ex.dot(x, x) + 1
    other = ex.tanh(x[n - 1]) * 3 - 2 * x[0]
    compared = 0
    for y in (BINARY[name](smooth, other), BINARY[name](other, smooth)):
        compared += check([y], slopes_of(y, x), [x], generator, boxes=10)
    assert compared > 100


@deterministic(80)
@given(data=st.data(), n=st.integers(min_value=1, max_value=3), seed=st.integers(0, 10**6))
def test_random_formulas_and_their_gradients(data: st.DataObject, n: int, seed: int) -> None:
    x, y = data.draw(graphs(n, steps=True))
    check([y], slopes_of(y, x), [x], np.random.default_rng(seed))


def test_graphs_with_every_kind_of_node() -> None:
    """Random graphs of state and disturbance; only the state's derivatives are asked for."""
    compared = 0
    for seed in range(12):
        generator = np.random.default_rng(seed)
        x, w = ex.variable("x", 2), ex.variable("w", 1 + seed % 2)
        y = random_graph(generator, [x, w])
        y = y if seed % 3 else y + ex.tanh(kinked(x + w[0]))
        compared += check([y], slopes_of(y, x), [x, w], generator, boxes=5, points=2)
    assert compared > 100


def test_the_random_graphs_leave_no_operation_out() -> None:
    seen: set[Op] = set()
    for seed in range(12):
        x, w = ex.variable("x", 2), ex.variable("w", 1 + seed % 2)
        seen |= used(random_graph(np.random.default_rng(seed), [x, w])) | used(kinked(x + w[0]))
    named = {op for f in UNARY.values() for op in used(f(ex.variable("x", 1)))}
    assert seen | named == set(Op)


def layer(x: Expression, rows: int, generator: np.random.Generator, scale: float) -> Expression:
    weight = scale * generator.normal(size=(rows, x.size))
    weight[generator.random(rows) < 0.2] = 0.0
    return ex.affine(weight, x, generator.normal(size=rows))


ACTIVATIONS = [Op.TANH, Op.RELU, Op.SIGMOID, Op.SOFTPLUS, Op.SIN]


@pytest.mark.parametrize("op", ACTIVATIONS, ids=lambda op: op.value)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_hidden_layers(op: Op, n: int) -> None:
    """Entries along lines: squares, products and quotients of them, layers upon them, two layers of
    one size, and mixtures with what is on other lines or on none."""
    generator = np.random.default_rng([n, ord(op.value[0])])
    x = ex.variable("x", n)
    compared = 0
    for scale in (0.02, 0.5, 3.0):
        small, large = layer(x, 9, generator, scale / 50), layer(x, 9, generator, scale)
        hidden = ex.apply(op, large)
        single = ex.tanh(x[0])
        formula = {
            "plain": hidden,
            "after a smaller layer of its size": hidden + ex.total(ex.apply(op, small)),
            "elementwise": ex.exp(-(hidden**2)) * hidden + hidden / (2 + ex.cos(large)) - large,
            "kinks": ex.minimum(hidden, large) + ex.maximum(ex.relu(large), hidden * 2),
            "other lines": hidden * ex.apply(op, small) + ex.maximum(hidden, small),
            "broadcast": hidden * single + single - hidden / (3 + single),
            "constants": hidden * ex.constant("2/3") + ex.constant([0.25] * 9) - "1/7",
            "cut up": ex.stack([hidden[[3, 3, 1]], large[[0]] * 2, x, hidden[list(range(2, 7))]]),
            "deep": ex.apply(op, layer(hidden, 8, generator, 0.5)),
            "wide again": ex.apply(op, layer(hidden, 11, generator, 0.3)),
        }
        for entries in formula.values():
            weight = generator.normal(size=(1, entries.size))
            y = ex.affine(weight, entries)
            compared += check([y, entries], slopes_of(y, x), [x], generator, boxes=1, points=3)
    assert compared > 1000


def test_the_layers_of_v_and_k_keep_their_own_radii() -> None:
    """Found in review: a layer was given the widths of another one of its size."""
    generator = np.random.default_rng(3)
    x = ex.variable("x", 1)
    for size in (5, 8, 20, 40):
        small = ex.affine(np.full((size, 1), 0.01), x, np.zeros(size))
        large = ex.affine(np.full((size, 1), 7.0), x, generator.normal(size=size))
        both = [ex.tanh(small), ex.tanh(large)]
        for _ in range(4):
            assert check(both, [], [x], generator, boxes=3)


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("exponent", [3, 4, 5])
def test_powers_of_what_has_been_cut_off(size: int, exponent: int) -> None:
    """Found in review: the square of a cubic has a rest, and that rest counts in the cube.

    Beyond its exponent a power has no remainder that could hide an error of this kind.
    """
    generator = np.random.default_rng([size, exponent])
    x = ex.variable("x", 2)
    z = ex.affine(generator.normal(size=(size, 2)), x)
    y = (z + z**2 + z**3 - z**4) ** exponent
    assert check([y], [], [x], generator, boxes=40, points=8, orders=(3, 4, 5, 6)) > 300


SERIES: dict[str, Callable[[arb_series], arb_series]] = {
    "exp": lambda s: s.exp(),
    "log": lambda s: s.log(),
    "sqrt": lambda s: s.sqrt(),
    "sin": lambda s: s.sin(),
    "cos": lambda s: s.cos(),
    "tan": lambda s: s.tan(),
    "tanh": lambda s: 1 - 2 / ((2 * s).exp() + 1),
    "sigmoid": lambda s: 1 / ((-s).exp() + 1),
    "softplus": lambda s: (s.exp() + 1).log(),
    "reciprocal": lambda s: 1 / s,
}


@pytest.mark.parametrize("op", [*SERIES, 2, 3, 4, 5, 8, 9])
def test_taylor_coefficients_on_balls_of_every_width(op: str | int) -> None:
    """Against flint's own power series at points of the ball."""
    generator = np.random.default_rng(7)
    m, compared = 7, 0
    for _ in range(150):
        centre = generator.normal() * 10.0 ** generator.integers(-2, 3)
        radius = float(generator.choice([0.0, 1e-18, 1e-7, 1e-3, 0.1, 1.0, abs(centre), 30.0]))
        c = arb(centre, radius)
        try:
            found = coefficients(op, c, m)
            ends = [last(op, c, k) for k in range(1, m + 1)]
        except Undefined:
            continue
        for t in (-1.0, 0.0, 1.0, *generator.uniform(-1, 1, 3)):
            with ctx.workprec(512):
                z = arb(centre) + arb(radius) * arb(float(t))
                s = arb_series([z, 1], prec=m + 1)
                known = SERIES[op](s) if isinstance(op, str) else s**op
                for k in range(m + 1):
                    assert found[k].overlaps(known[k]), (op, c, k, t, found[k], known[k])
                    assert k == 0 or ends[k - 1].overlaps(known[k]), (op, c, k, t)
                    compared += 1
    assert compared > 1000


def test_a_ball_around_0_has_all_its_powers() -> None:
    """Found in review: the square of [−1, 1] was 1."""
    for low, high in ((-1, 1), (-3, 2), (-1, 5), (0, 1)):
        ball = arb(low).union(arb(high))
        for exponent in (2, 4, 6):
            (found,) = coefficients(exponent, ball, 0)
            assert found.contains(0) and found.contains(arb(max(-low, high)) ** exponent)


@pytest.mark.parametrize(
    "build",
    [
        lambda x: ex.tanh(1 / x),
        lambda x: ex.sin(ex.log(x)),
        lambda x: ex.sigmoid(ex.sqrt(x - 1)),
        lambda x: ex.apply(Op.STEP, ex.log(x)),
        lambda x: ex.relu(-1 / x),
        lambda x: ex.clip(ex.tan(x), -1, 1),
        lambda x: ex.apply(Op.STEP, x - 50) * ex.log(x),
        lambda x: ex.log(x) * ex.apply(Op.STEP, x - 50),
        lambda x: ex.relu(x - 50) / x,
        lambda x: ex.affine([[0.0, 1.0]], ex.stack([ex.log(x), x])),
        lambda x: ex.minimum(ex.log(x), 3 + 0 * x),
        lambda x: (x - x) / x,
        lambda x: (x - x) * ex.tan(x),
    ],
)
@pytest.mark.parametrize("order", ORDERS)
def test_what_is_undefined_somewhere_has_no_model(
    build: Callable[[Expression], Expression], order: int
) -> None:
    """A bound says that there is a value everywhere on the box; 0 times nothing is nothing."""
    x = ex.variable("x", 1)
    known = formulas([build(x)], [x])
    for low, high in ((-2, 2), (-40, 40)):
        with pytest.raises(Undefined):
            known.box([(Fraction(low), Fraction(high))], order).value(known.nodes[0])


def test_slopes_that_do_not_exist() -> None:
    """The square root at 0, and whatever stands behind a step where it jumps."""
    x = ex.variable("x", 1)
    for y in (ex.sqrt(x), ex.apply(Op.STEP, x) * x, ex.relu(ex.apply(Op.STEP, x) - "1/2")):
        known = formulas([y], [x])
        box = known.box([(Fraction(0), Fraction(1))], 2)
        if y.op is not Op.SQRT:
            box.value(known.nodes[0])
        with pytest.raises(Undefined):
            box.gradient(known.nodes[0])


@pytest.mark.parametrize("order", ORDERS)
def test_all_slopes_of_a_kink_are_enclosed(order: int) -> None:
    """Clarke's Jacobian: the slopes on both sides, also where the box only touches the kink."""
    x = ex.variable("x", 2)
    y = ex.relu(x[0]) * 3 - 2 * ex.maximum(x[0], x[1]) + ex.absolute(x[1]) * x[0]
    known, exact = formulas([y], [x]), oracle(slopes_of(y, x), [x])
    tiny = Fraction(1, 10**30)
    places = [(0, 0), (1, 0), (0, 2), (0.5, 0.5), (-3, -3)]
    for kink in [[Fraction(v) for v in place] for place in places]:
        for left, right in ((0, 0), (1, 0), (0, 1), (1, 1)):
            sides = [(v - left, v + right) for v in kink]
            found = known.box(sides, order).gradient(known.nodes[0])
            for a in (-tiny, tiny):
                for b in (-2 * tiny, 2 * tiny):
                    beside = [kink[0] + a, kink[1] + b]
                    for model, (slope,) in zip(found, exact.outputs(beside, beside), strict=True):
                        whole = model[0] + sum((arb(0, 1) * c for c in model[1:]), arb(0))
                        assert (whole + arb(0, 1e-25)).contains(slope)


def test_degenerate_and_denormal_sides() -> None:
    x = ex.variable("x", 2)
    y = ex.affine([[1.0] * 9], ex.tanh(layer(x, 9, np.random.default_rng(0), 1.0))) * x[0]
    known, exact = formulas([y], [x]), oracle([y], [x])
    least, vast = Fraction(5e-324), Fraction(10) ** 300
    for sides in (
        [(Fraction(1, 3), Fraction(1, 3))] * 2,
        [(Fraction(0), least), (-least, least)],
        [(Fraction(1, 3), Fraction(1, 3) + least), (Fraction(1), Fraction(1))],
        [(vast, vast + 1), (-vast, vast)],
    ):
        for order in ORDERS:
            (model,) = known.box(sides, order).value(known.nodes[0])
            for point in ([a for a, _ in sides], [b for _, b in sides]):
                ((value,),) = exact.outputs(point, point)
                reach = sum((arb(0, 1) * c for c in model[1:]), arb(0))
                assert (model[0] + reach).overlaps(value)
