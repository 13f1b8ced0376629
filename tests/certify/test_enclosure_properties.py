"""x ∈ box ⇒ F(x) ∈ enclosure(F, box): for every operation, and for whole formulas.

Float values at about a million points are compared with the bounds; every one that is not inside,
and thousands that are, are decided in ball arithmetic with 192 bits.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from certify.balls import BallInterpreter
from certify.enclosure.engine import LINEAR, Engine
from systems import expression as ex
from systems.differentiate import gradient
from systems.evaluate import evaluate
from systems.expression import Expression, Op
from systems.tape import compile_tape
from tests.certify.enclosures import boxes_around, check, outside
from tests.certify.graphs import graphs

Array = NDArray[np.float64]
ORDERS = (LINEAR, 1, 2, 3, 4, 5, 6)
WIDTHS = np.array([0.0, 5e-324, 1e-12, 1e-6, 1e-3, 0.03, 0.2, 0.7, 2.0, 8.0, 1e3, 1e6])


def deterministic(examples: int) -> settings:
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def scattered(
    n: int, count: int, generator: np.random.Generator, spread: float = 2.0
) -> tuple[Array, Array]:
    """Boxes of every width in turn, some with sides that differ by orders of magnitude."""
    centres = spread * generator.uniform(-1, 1, (count, n))
    centres[::7] = np.round(centres[::7])  # kinks at round numbers lie on ends and centres
    widths = np.resize(WIDTHS, count)[:, None] * np.ones((1, n))
    widths[1::3] *= 10.0 ** generator.uniform(-4, 0, (len(widths[1::3]), n))
    widths[2::5, 0] = 0.0
    return boxes_around(centres, widths)


UNARY = {
    "square": lambda z: z**2,
    "cube": lambda z: z**3,
    "power 7": lambda z: z**7,
    "reciprocal": lambda z: 1 / z,
    "3/7 over": lambda z: ex.constant("3/7") / z,
    "minus": lambda z: -z,
    "thirds": lambda z: "1/3" * z + ex.constant("-2/7"),
    "pi times": lambda z: ex.pi() * z,
    "over pi": lambda z: z / ex.pi(),
    "from pi": lambda z: ex.pi() - z,
    "absolute": ex.absolute,
    "clip": lambda z: ex.clip(z, "-1/3", 1),
    "select": lambda z: ex.stack([z, z**2])[[1]],
    "less itself": lambda z: z - z,
    "times itself": lambda z: z * z,
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


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("n", [1, 2])
def test_functions_of_one_argument(name: str, n: int) -> None:
    generator = np.random.default_rng([n, len(name)])
    x = ex.variable("x", n)
    arguments = [x[0], ex.total(x * ex.constant(["3/2", "-1/3"][:n])) + 1, ex.dot(x, x) + "1/4"]
    for argument in arguments:
        tape = compile_tape([UNARY[name](argument)], [x])
        seen = check(tape, *scattered(n, 24, generator), ORDERS, generator)
        assert seen.finite > 10


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_functions_of_two_arguments(name: str, n: int) -> None:
    generator = np.random.default_rng([n, len(name)])
    x = ex.variable("x", n)
    smooth = ex.sin(x[0] * 2) + ex.dot(x, x) + 1
    other = ex.tanh(x[n - 1]) * 3 - 2 * x[0]
    tape = compile_tape([BINARY[name](smooth, other), BINARY[name](other, smooth)], [x])
    seen = check(tape, *scattered(n, 24, generator), ORDERS, generator)
    assert seen.finite > 30


@pytest.mark.parametrize("op", [ex.add, ex.subtract, ex.multiply, ex.divide, ex.minimum])
def test_operands_of_one_entry_are_broadcast(op: Callable[..., Expression]) -> None:
    generator = np.random.default_rng(5)
    x = ex.variable("x", 2)
    wide, narrow = ex.stack([x, ex.cos(x[0])]), ex.exp(ex.tanh(x[1]))
    fixed, single = ex.constant(["1/3", 2, -0.7]), ex.constant("22/7")
    outputs = [
        ex.dot(op(wide, narrow), fixed),
        ex.dot(op(fixed, narrow), wide),
        ex.total(op(wide, single)),
        ex.total(op(single, 2 + ex.sin(wide))),
        ex.total(op(fixed, 2 + ex.sin(narrow))),
    ]
    check(compile_tape(outputs, [x]), *scattered(2, 36, generator), ORDERS, generator)


@deterministic(60)
@given(data=st.data(), n=st.integers(min_value=1, max_value=4), seed=st.integers(0, 10**6))
def test_random_formulas(data: st.DataObject, n: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    x, y = data.draw(graphs(n, steps=True))
    orders = ORDERS if n < 4 else (LINEAR, 1, 3, 5)
    check(compile_tape([y], [x]), *scattered(n, 24, generator), orders, generator, points=100)


@deterministic(40)
@given(data=st.data(), n=st.integers(min_value=1, max_value=3), seed=st.integers(0, 10**6))
def test_gradients_of_random_formulas(data: st.DataObject, n: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    x, y = data.draw(graphs(n))
    slope = gradient(y, x)
    tape = compile_tape([y, *slope, ex.dot(slope, x)], [x])
    check(tape, *scattered(n, 16, generator), (LINEAR, 1, 2, 4), generator, points=80)


def network(
    x: Expression, widths: list[int], op: Op, generator: np.random.Generator, scale: float
) -> Expression:
    """A random network with the given hidden widths and one output."""
    z = x
    for width in widths:
        weight = scale * generator.normal(size=(width, z.size))
        z = ex.apply(op, ex.affine(weight, z, generator.normal(size=width)))
    return ex.affine(generator.normal(size=(1, z.size)), z, generator.normal(size=1))


@pytest.mark.parametrize("op", [Op.TANH, Op.RELU, Op.SIGMOID, Op.SOFTPLUS], ids=lambda o: o.value)
@pytest.mark.parametrize(("n", "widths"), [(1, [3]), (2, [8]), (2, [6, 5]), (3, [4, 4]), (4, [5])])
def test_closed_loops_of_networks(op: Op, n: int, widths: list[int]) -> None:
    """V, V̇ and k for random networks, saturated controls, and dynamics with constants like 3/20."""
    generator = np.random.default_rng([n, len(widths), sum(map(ord, op.value))])
    x = ex.variable("x", n)
    for scale in (0.3, 2.0, 30.0):
        value = network(x, widths, op, generator, scale)
        control = ex.clip(network(x, [3], op, generator, scale), -1, "7/10")
        field = ex.stack([*(x[i] for i in range(1, n)), ex.sin(x[0]) * "3/20" + control])
        tape = compile_tape([value, ex.dot(gradient(value, x), field), control], [x])
        orders = ORDERS if n < 3 else (LINEAR, 1, 2, 4)
        seen = check(tape, *scattered(n, 24, generator), orders, generator, points=200)
        assert seen.finite == 24 * len(orders)


def test_every_element_of_a_set_valued_step_is_enclosed() -> None:
    """At a kink the bounds hold the slopes from both sides, also where a box only touches it."""
    x = ex.variable("x", 2)
    formula = ex.relu(x[0]) * 3 - 2 * ex.maximum(x[0], x[1]) + ex.absolute(x[1]) * x[0]
    tape = compile_tape(list(gradient(formula, x)), [x])
    engine = Engine(tape, np.array([10.0, 10.0]))
    kinks = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [0.5, 0.5], [-3.0, -3.0]])
    generator = np.random.default_rng(1)
    for step in (1e-9, 1e-15):
        for kink in kinks:
            around = kink + step * generator.uniform(-1, 1, (64, 2))
            slopes = np.hstack(evaluate(tape, around))
            assert len(np.unique(np.round(slopes), axis=0)) > 1
            for low, high in ((kink, kink), (kink - 1, kink), (kink, kink + 1)):
                for order in ORDERS:
                    a, b = engine.bound(low[None], high[None], order)
                    assert (a - 10 * step <= slopes).all() and (slopes <= b + 10 * step).all()
                    assert (b - a < 20).all()


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
        lambda x: ex.affine([[0.0, 1.0]], ex.stack([ex.log(x), x])),
        lambda x: ex.minimum(ex.log(x), 3 + 0 * x),
        lambda x: ex.exp(1000 * x) * 1e300 - ex.exp(1000 * x) * 1e300,
    ],
)
def test_what_is_undefined_somewhere_is_not_bounded(build: Callable[..., Expression]) -> None:
    """Bounds of a formula promise that it has a value everywhere on the box."""
    x = ex.variable("x", 1)
    tape = compile_tape([build(x)], [x])
    engine = Engine(tape, np.array([40.0]))
    low, high = np.array([[-2.0], [-40.0], [-1e-3]]), np.array([[2.0], [40.0], [1e-3]])
    for order in ORDERS:
        a, b = engine.bound(low, high, order)
        assert not np.isfinite(b - a)[:2].any()


def test_numbers_at_the_edge_of_float64() -> None:
    """Huge and denormal weights, boxes out to 1e6 and beyond, constants that are no floats."""
    generator = np.random.default_rng(8)
    x = ex.variable("x", 2)
    for weight, gain, width in [
        (1e8, 1e8, 1e-8), (1e-8, 1e8, 1e6), (1e150, 1e150, 1.0), (1e-160, 1e300, 1e150),
        (5e-324, 1.0, 1.0), (1.0, 5e-324, 1.0), (1e300, 1e-300, 1e6), (1e-310, 1e308, 1e12),
    ]:  # fmt: skip
        W = weight * generator.uniform(-1, 1, (4, 2))
        z = ex.affine(W, x, generator.uniform(-1, 1, 4))
        beta = gain * generator.uniform(-1, 1, (1, 4))
        for op in (Op.TANH, Op.RELU, Op.SIGMOID):
            value = ex.affine(beta, ex.apply(op, z))
            tape = compile_tape([value, *gradient(value, x)], [x])
            low, high = boxes_around(
                width * generator.uniform(-1, 1, (12, 2)),
                width * np.resize([0.0, 1e-12, 0.1, 1.0], 12),
            )
            check(tape, low, high, (LINEAR, 1, 2, 5), generator, points=20)


BIG = 1e8 + 0.1
CANCELLING: dict[str, Callable[[Expression], Expression]] = {
    "sums": lambda x: (x + (x**2 + 1e16)) - (x**2 + 1e16),
    "differences": lambda x: ((x**2 + 1e16) - x) - (x**2 + 1e16),
    "constants": lambda x: (x + 1e16) - 1e16,
    "constants of the other sign": lambda x: 1e16 - (1e16 - x),
    "products": lambda x: (x + BIG) * (x + 3 * BIG) - x**2 - 4 * BIG * x - 3 * BIG * BIG,
    "squares": lambda x: (x + BIG) ** 2 - x * (x + 2 * BIG),
    "scales": lambda x: (x + BIG) * 0.7 - (x * 0.7 + BIG * 0.7),
    "affine maps": lambda x: ex.affine([[1.0, -1.0, 1e16]], ex.stack([x + 1e16, x + 1e16, x])),
    "rationals": lambda x: ex.affine([["1/3"]], x + 3e16) - ex.affine([["1/3"]], x) - 1e16,
    "relus": lambda x: ex.relu(x + BIG * BIG) - ex.relu(-x - BIG * BIG) - BIG * BIG,
    "compositions": lambda x: ex.exp(x + 36) * ex.exp(-x - 36) * 1e3,
    "sines": lambda x: (ex.sin(x) ** 2 + ex.cos(x) ** 2 - 1) * 1e16,
    "roots": lambda x: ex.sqrt((x + BIG) ** 2) - BIG,
    "quotients": lambda x: ((x + BIG) / (x + 3) * (x + 3) - BIG) * 1e6,
}


@pytest.mark.parametrize("name", CANCELLING)
def test_what_rounding_loses_is_in_the_remainder(name: str) -> None:
    """Formulas whose value is small beside their terms, so that nothing but rounding is left."""
    generator = np.random.default_rng(len(name))
    x = ex.variable("x", 1)
    tape = compile_tape([CANCELLING[name](x)], [x])
    centres = generator.uniform(-2, 2, (400, 1))
    low, high = boxes_around(centres, np.resize([0.0, 1e-15, 1e-12, 1e-3], 400))
    check(tape, low, high, (LINEAR, 1, 2, 3), generator, points=2, exact=5)


def in_a_row(step: Callable[[Expression, float], Expression]) -> Callable[..., Expression]:
    """Four hundred steps, by 0.7 and 1/0.7 in turn: the roundings walk at random."""

    def build(a: Expression, b: Expression) -> Expression:
        for k in range(400):
            a = step(a, 1 / 0.7 if k % 2 else 0.7)
        return a

    return build


SINGLE: dict[str, tuple[Callable[[Expression, Expression], Expression], float]] = {
    "sum": (lambda a, b: a + b, 1.0),
    "difference": (lambda a, b: a - b, 1.0),
    "product": (lambda a, b: a * b, 1e8),
    "square": (lambda a, b: a**2, 1e8),
    "scale": (lambda a, b: a * 0.7, 1e16),
    "third": (lambda a, b: a * ex.constant("1/3"), 1e16),
    "shift": (lambda a, b: a + 0.7, 1e16),
    "affine map": (lambda a, b: ex.affine([[0.7, 0.3]], ex.stack([a, b])), 1e16),
    "relu": (lambda a, b: ex.relu(a * 1.1), 1e16),
    # The subtraction's own bound covers a few roundings before it; these are many.
    "power": (lambda a, b: a**200, 1.0),
    "scales": (in_a_row(lambda a, c: a * c), 1.0),
    "affine maps": (in_a_row(lambda a, c: ex.affine([[c]], a)), 1.0),
    "sums": (in_a_row(lambda a, c: (a + a * c) - a * c), 1.0),
}


@pytest.mark.parametrize("name", SINGLE)
def test_the_rounding_of_operations_alone(name: str) -> None:
    """f(a, b) − c at floats with c = fl(f(a, b)): what is left is rounding, and nothing else."""
    generator = np.random.default_rng(len(name))
    operation, size = SINGLE[name]
    x = ex.variable("x", 3)
    tape = compile_tape([operation(x[0], x[1])], [x])
    points = size * generator.uniform(0.98, 1.02, (600, 3))
    points[:, 1] *= 1e-15 if name in ("sum", "difference") else 1.0
    points[:, 2] = evaluate(tape, points)[0][:, 0]
    rest = compile_tape([operation(x[0], x[1]) - x[2]], [x])
    for order in (LINEAR, 1, 2):
        engine = Engine(rest, np.abs(points).max(axis=0))
        low, high = engine.bound(points, points, order)
        oracle = BallInterpreter(rest, 192)
        lost = 0
        for k, point in enumerate(points.tolist()):
            value = oracle.outputs(point, point)[0][0]
            assert not outside(value, low[k, 0], high[k, 0])
            lost += not value.contains(0)
        assert lost > 300


def test_a_weight_whose_square_underflows() -> None:
    """Found in review: the coefficient β w² of a derivative, lost where w² is no float."""
    x = ex.variable("x", 1)
    value = ex.affine([[1e180]], ex.tanh(ex.affine([[1e-163]], x, [0.5])))
    tape = compile_tape(list(gradient(value, x)), [x])
    for order in (LINEAR, 1, 2):
        check(
            tape, np.array([[0.0]]), np.array([[1e150]]), (order,), np.random.default_rng(0),
            exact=20,
        )  # fmt: skip


def test_outside_is_decided_by_the_whole_ball() -> None:
    from flint import arb

    assert outside(arb(1), 1.5, 2.0) and outside(arb(3), 1.5, 2.0)
    assert not outside(arb(1), 1.0, 1.0) and not outside(arb(1), -np.inf, np.inf)
    assert outside(arb.nan(), 0.0, 1.0) and not outside(arb.nan(), -np.inf, np.inf)
