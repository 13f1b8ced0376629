"""The library's bounds against ball arithmetic, for every operation and method that is not refused.

auto_LiRPA gets many of these wrong when it is asked in the obvious way: quotients, square roots,
saturated sigmoids, relus whose argument another function shares, batches with an undefined box.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from certify import Condition, Constraint
from certify.backends import backend
from certify.backends.lirpa import METHODS, refused
from certify.backends.lirpa_bounds import Bounds
from certify.backends.lirpa_graph import Graph, graph_of
from certify.backends.lirpa_tester import margins
from certify.balls import BallInterpreter
from systems import expression as ex
from systems.box import Box
from systems.evaluate import evaluate
from systems.expression import Expression, Op
from systems.tape import Tape, compile_tape
from tests.certify.enclosures import outside, points_in
from tests.certify.graphs import graphs

FOUND = backend("lirpa:crown").availability()
pytestmark = pytest.mark.skipif(
    not FOUND.available, reason=f"auto_LiRPA cannot be used: {'; '.join(FOUND.missing)}"
)
VERSION = FOUND.version or ""
REACH = 3.0
Array = NDArray[np.float64]
x = ex.variable("x", 2)
mixed = x[0] + x[1] * "1/2"
positive = x * x + "1/8"

EXPRESSIONS: dict[str, tuple[set[Op], Callable[[], Expression]]] = {
    "affine": ({Op.AFFINE, Op.ADD, Op.SUB, Op.SLICE, Op.STACK}, lambda: ex.affine(
        [[1, -2], ["1/3", 0]], ex.stack([x[1], x[0] - mixed]), ["1/7", 0])),
    "pi": ({Op.PI}, lambda: x * ex.pi() - ex.pi()),
    "product": ({Op.MUL}, lambda: x * mixed),
    "square": ({Op.MUL, Op.POWER}, lambda: x * x + mixed**2),
    "cube": ({Op.POWER}, lambda: x**3),
    "fifth power": ({Op.POWER}, lambda: (x - 1) ** 5),
    "quotient": ({Op.DIV}, lambda: mixed / (x + 4)),
    "quotient by a negative": ({Op.DIV}, lambda: x / (mixed - 6)),
    "quotient by a square": ({Op.DIV}, lambda: mixed / positive),
    "quotient by both signs": ({Op.DIV}, lambda: mixed / x),
    "sin": ({Op.SIN}, lambda: ex.sin(3 * x)),
    "cos": ({Op.COS}, lambda: ex.cos(x * mixed)),
    "tan": ({Op.TAN}, lambda: ex.tan(x)),
    "exp": ({Op.EXP}, lambda: ex.exp(2 * x - mixed)),
    "log": ({Op.LOG}, lambda: ex.log(x + 2)),
    "sqrt": ({Op.SQRT}, lambda: ex.sqrt(positive - mixed)),
    "tanh": ({Op.TANH}, lambda: ex.tanh(4 * x)),
    "steep tanh": ({Op.TANH}, lambda: ex.tanh(300 * x) - mixed * "1/5"),
    "sigmoid": ({Op.SIGMOID}, lambda: ex.sigmoid(5 * x)),
    "steep sigmoid": ({Op.SIGMOID}, lambda: ex.sigmoid(300 * x) - mixed * "1/5"),
    "softplus": ({Op.SOFTPLUS}, lambda: ex.softplus(6 * x)),
    "relu": ({Op.RELU}, lambda: ex.relu(x + mixed)),
    "relu beside tanh": ({Op.RELU}, lambda: ex.tanh(ex.relu(x)) - ex.relu(ex.tanh(x))),
    "min and max": ({Op.MIN, Op.MAX}, lambda: ex.minimum(x, mixed) - 2 * ex.maximum(x, 1)),
    "network": (set(), lambda: ex.tanh(2 * ex.tanh(3 * ex.tanh(2 * x + mixed))) * mixed),
    "mixture": (set(), lambda: ex.exp(ex.tanh(x) - mixed) / (1 + ex.sigmoid(x) ** 2)),
    "cancellation": (set(), lambda: ex.tanh(x) * 10**6 - x * 10**6),
}  # fmt: skip


def both_sides(tape: Tape, points: Array) -> Graph:
    """Every output and its negative, so that upper bounds are bounds on both sides."""
    J = len(tape.outputs)
    signs = np.repeat([1.0, -1.0], J)
    return graph_of(tape, [*range(J), *range(J)], signs, points)


def scalars(expression: Expression, inputs: Expression = x) -> Tape:
    return compile_tape(list(expression), [inputs])


def is_refused(tape: Tape, method: str) -> bool:
    violation = tuple(Constraint(j, "at least", Fraction(0)) for j in range(len(tape.outputs)))
    names = tuple(f"y{j}" for j in range(len(violation)))
    region = Box.symmetric([3] * tape.dimension)
    condition = Condition("tested", "", tape, names, violation, (region,))
    return refused(condition, method, VERSION) is not None


def boxes(count: int, seed: int, n: int = 2) -> tuple[Array, Array]:
    """Narrow, wide and flat ones."""
    generator = np.random.default_rng(seed)
    centre = generator.uniform(-REACH, REACH, (count, n))
    half = 10.0 ** generator.uniform(-9, 0.5, (count, n))
    half[generator.random((count, n)) < 0.1] = 0.0
    return np.maximum(centre - half, -REACH), np.minimum(centre + half, REACH)


def check(tape: Tape, method: str, low: Array, high: Array) -> tuple[int, int]:
    """Assert that upper bounds of outputs and negatives hold; (boxes with bounds, without)."""
    graph = both_sides(tape, np.concatenate([low, high]))
    _, above, largest = Bounds(graph, method, VERSION)(low, high)
    oracle = BallInterpreter(tape, 160)
    J = len(tape.outputs)
    inside = points_in(low, high, 24, np.random.default_rng(1))
    values = np.hstack(evaluate(tape, inside.reshape(-1, low.shape[1])))
    values = np.concatenate([values, -values], axis=1).reshape(*inside.shape[:2], 2 * J)
    _, terms = graph.values(low + 0.5 * (high - low))
    slack = margins(terms, above, np.zeros(2 * J), largest)
    bounded = np.isfinite(above)
    for b, j in np.argwhere(bounded).tolist():
        of_box = values[b, :, j]
        assert np.isfinite(of_box).all(), "bounded where it is undefined"
        point = inside[b, int(of_box.argmax())].tolist()
        value = oracle.outputs(point, point)[j % J][0]
        limit = float(above[b, j] + slack[b, j])
        assert not outside(value if j < J else -value, -np.inf, limit), (method, point, limit)
    return int(bounded.all(axis=1).sum()), int((~bounded.all(axis=1)).sum())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_bounds_hold_the_values(name: str, method: str) -> None:
    tape = scalars(EXPRESSIONS[name][1]())
    if is_refused(tape, method):
        assert EXPRESSIONS[name][0] & {Op.SIN, Op.COS, Op.TAN}
        return
    few = method == "alpha-crown"
    bounded, _ = check(tape, method, *boxes(60 if few else 200, 7))
    assert bounded >= 15


@pytest.mark.parametrize("method", ["crown-ibp", "crown"])
@pytest.mark.parametrize("function", [ex.tanh, ex.sigmoid])
def test_bounds_hold_far_beyond_saturation(
    function: Callable[[Expression], Expression], method: str
) -> None:
    """The library's chord from −500 to here, carried on to −900, cuts the function."""
    tape = scalars(ex.stack([function(300 * x[0]) - x[0] * "1/5", function(100 * x[1]) - x[1]]))
    ends = -(10.0 ** np.linspace(-3.5, -1.5, 12))
    check(tape, method, np.full((12, 2), -REACH), np.column_stack([ends, ends]))


def test_every_operation_is_tested_or_refused() -> None:
    tested = set().union(*(ops for ops, _ in EXPRESSIONS.values()))
    assert set(Op) - tested == {Op.VARIABLE, Op.CONSTANT, Op.STEP}
    assert is_refused(scalars(ex.apply(Op.STEP, x)), "ibp")


@pytest.mark.parametrize("method", METHODS)
def test_an_undefined_box_has_no_bounds_and_spoils_no_other(method: str) -> None:
    tape = scalars(ex.stack([x[0] / x[1], ex.sqrt(x[0]), ex.log(x[1]) * ex.softplus(300 * x[0])]))
    count = 12 if method == "alpha-crown" else 60
    low, high = boxes(count, 3)
    bounded, without = check(tape, method, low, high)
    assert bounded >= 2 and without >= 4
    bounds = Bounds(both_sides(tape, np.concatenate([low, high])), method, VERSION)
    together = bounds(low, high)[1]
    for b in range(0, count, 5):
        alone = bounds(low[b : b + 1], high[b : b + 1])[1][0]
        np.testing.assert_allclose(together[b], alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", ["ibp", "crown-ibp", "crown"])
@given(data=st.data())
@settings(max_examples=12)
def test_bounds_of_random_graphs_hold_the_values(method: str, data: st.DataObject) -> None:
    variable, expression = data.draw(graphs(2))
    tape = compile_tape([expression], [variable])
    low, high = boxes(24, data.draw(st.integers(0, 2**16)))
    if is_refused(tape, method):
        return
    try:
        check(tape, method, low, high)
    except ValueError as error:  # a constant such as log(0): then there is nothing to bound
        assert "constant" in str(error)


@given(data=st.data())
@settings(max_examples=60)
def test_the_graph_has_the_values_of_the_tape(data: st.DataObject) -> None:
    variable, expression = data.draw(graphs(2))
    tape = compile_tape([expression], [variable])
    points = np.random.default_rng(data.draw(st.integers(0, 2**16))).uniform(-3, 3, (40, 2))
    try:
        graph = graph_of(tape, [0], np.array([-1.0]), points)
    except ValueError as error:
        assert "constant" in str(error)
        return
    values, terms = graph.values(points)
    (wanted,) = evaluate(tape, points)
    known = np.isfinite(values) & np.isfinite(wanted) & (terms < 1e6)
    np.testing.assert_allclose(-values[known], wanted[known], rtol=1e-6, atol=1e-6)


def test_a_graph_refuses_a_step_and_an_undefined_constant() -> None:
    points = np.zeros((1, 2))
    with pytest.raises(ValueError, match="step"):
        graph_of(scalars(ex.apply(Op.STEP, x)), [0], np.ones(1), points)
    with pytest.raises(ValueError, match="a constant is undefined"):
        graph_of(scalars(x + ex.log(ex.constant(-1))), [0], np.ones(1), points)


def test_equal_operations_become_one_node() -> None:
    tape = scalars(ex.stack([ex.tanh(x[0]) ** 2, ex.tanh(x[0]) * ex.tanh(x[0] * 1)]))
    graph = both_sides(tape, np.zeros((1, 2)))
    assert sum(n.op is Op.TANH for n in graph.nodes) == 1
    assert sum(n.op is Op.MUL for n in graph.nodes) == 1


def test_settings_of_the_process_come_back() -> None:
    import torch

    before = torch.get_default_dtype(), torch.get_num_threads()
    Bounds(both_sides(scalars(ex.tanh(x)), np.zeros((1, 2))), "crown", VERSION)(*boxes(3, 0))
    assert (torch.get_default_dtype(), torch.get_num_threads()) == before


@pytest.mark.parametrize("function", [ex.log, ex.tanh])
def test_a_library_that_drops_a_function_is_not_used(
    function: Callable[[Expression], Expression], monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = both_sides(scalars(function(x + 4)), np.zeros((1, 2)))
    monkeypatch.setattr(Bounds, "_after", lambda self, *kinds: [])
    with pytest.raises(ValueError, match="the library dropped a"):
        Bounds(graph, "ibp", VERSION)
