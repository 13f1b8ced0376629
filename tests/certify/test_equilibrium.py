"""Exact zeros are found, near zeros are not taken for zeros."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from certify.balls import enclose_point
from certify.candidate import anchored_control, anchored_value
from certify.equilibrium import Answer, ZeroTest, prove_zero
from systems import expression as ex
from systems.box import Box
from systems.differentiate import gradient
from systems.dynamics import ClosedLoop, ControlAffineSystem
from systems.expression import Expression, Op
from systems.tape import compile_tape
from tests.certify.graphs import graphs, numbers

ZERO, NONZERO, UNDECIDED = Answer.ZERO, Answer.NONZERO, Answer.UNDECIDED
TINY = Fraction(1, 10**30)


def answers(
    outputs: Expression | list[Expression], x: Expression, point: list[object]
) -> list[Answer]:
    nodes = [outputs] if isinstance(outputs, Expression) else outputs
    tests = prove_zero(compile_tape(nodes, [x]), [Fraction(v) for v in point])  # type: ignore[arg-type]
    return [t.answer for entries in tests for t in entries]


def network(
    x: Expression, widths: list[int], op: Op, seed: int, outputs: int = 1, scale: float = 1.0
) -> Expression:
    generator = np.random.default_rng(seed)
    layer = x
    for width in widths:
        weight = generator.uniform(-1, 1, (width, layer.size))
        layer = ex.apply(op, ex.affine(weight, layer, generator.uniform(-1, 1, width)))
    return ex.affine(scale * generator.normal(size=(outputs, layer.size)), layer)


def plant(equilibrium: list[str]) -> ControlAffineSystem:
    """Two masses, three states, one input entering through cos: f(x*) + g(x*) u* = 0 exactly."""
    x = ex.variable("x", 3)
    y = x - ex.constant(equilibrium)
    return ControlAffineSystem(
        name="plant",
        state=x,
        drift=ex.stack([y[1], ex.sin(y[0]) - y[1] / 10 - "3/10", y[0] * y[1] - y[2] ** 3]),
        input_columns=(ex.stack([0, ex.cos(y[0]), 0]),),
        domain=Box.of([(Fraction(e) - 1, Fraction(e) + 1) for e in equilibrium]),
        equilibrium=tuple(Fraction(e) for e in equilibrium),
        equilibrium_input=(Fraction(3, 10),),
        state_cost=ex.dot(y, y),
        input_cost=((Fraction(2),),),
    )


@pytest.mark.parametrize("op", [Op.TANH, Op.SIGMOID, Op.SOFTPLUS, Op.SIN])
@pytest.mark.parametrize("widths", [[30], [12, 9], [6, 5, 4]], ids=str)
@pytest.mark.parametrize("equilibrium", [["0", "0", "0"], ["1/10", "-2/3", "0"]], ids=["0", "x*"])
def test_anchored_candidates_are_exact_equilibria(
    op: Op, widths: list[int], equilibrium: list[str]
) -> None:
    system = plant(equilibrium)
    x, at = system.state, system.equilibrium
    V = anchored_value(network(x, widths, op, seed=1, scale=1e6), x, at)
    slope = gradient(V, x)
    # the improved policy, k = u* − ½ R⁻¹ gᵀ ∇V
    improved = ex.constant(["3/10"]) - system.input_matrix_transposed_times(slope) / 4
    trained = anchored_control(network(x, widths, op, seed=2), x, at, system.equilibrium_input)
    for control in (improved, trained, system.saturated(trained)):
        field = ClosedLoop(system, control).field
        claims = [V, slope, control - ex.constant(["3/10"]), field, ex.dot(slope, field)]
        assert set(answers(claims, x, list(at))) == {ZERO}


@pytest.mark.parametrize("widths", [[30], [6, 5]], ids=str)
def test_planted_offsets_are_seen(widths: list[int]) -> None:
    system = plant(["0", "0", "0"])
    x = system.state
    N = network(x, widths, Op.TANH, seed=3)
    V = anchored_value(N, x, system.equilibrium)
    claims = [V, gradient(V, x), anchored_control(N, x, system.equilibrium, (Fraction(0),))]
    for k in range(3):
        point = [TINY * (i == k) for i in range(3)]
        found = answers(claims[1:], x, point)
        assert ZERO not in found
        assert NONZERO in found
    assert answers([c + TINY for c in claims], x, [0, 0, 0]) == [NONZERO] * 5
    assert answers(V * (1 + TINY) - V + TINY * N, x, [0, 0, 0]) == [NONZERO]
    # N(x*) rounded to a float, as a careless shift would have it
    rounded = float(enclose_point(compile_tape([N], [x]), [0, 0, 0])[0][0].mid())
    assert answers(N - rounded, x, [0, 0, 0]) == [NONZERO]


@given(data=st.data(), dimension=st.integers(min_value=1, max_value=2))
def test_any_graph_cancels_itself_and_nothing_else(data: st.DataObject, dimension: int) -> None:
    x, y = data.draw(graphs(dimension))
    point = [data.draw(numbers) for _ in range(dimension)]
    try:
        twin = ex.substitute(y, {x: ex.constant(point)})
    except ZeroDivisionError:
        return
    value = enclose_point(compile_tape([y], [x]), point, precision=600)[0][0]
    (plain,) = answers(y, x, list(point))
    assert plain is not ZERO or (value.is_finite() and value.contains(0))
    assert plain is not NONZERO or not value.contains(0)
    if value.is_finite():
        assert answers([y - twin, 3 * twin - y * 3], x, list(point)) == [ZERO, ZERO]
        assert answers([y - twin + TINY], x, list(point)) == [NONZERO]
    else:
        assert ZERO not in answers([y - twin, 0 * y], x, list(point))


x1 = ex.variable("x", 1)


@pytest.mark.parametrize(
    ("expression", "point", "expected"),
    [
        (ex.sin(x1), 0, ZERO),
        (ex.cos(x1) - 1, 0, ZERO),
        (ex.tanh(x1) + ex.tan(x1) + ex.exp(x1) - 1 + ex.log(1 + x1), 0, ZERO),
        (ex.sigmoid(x1) - "1/2", 0, ZERO),
        (ex.sqrt(x1) - "3/7", "9/49", ZERO),
        (ex.sqrt(x1) ** 3 - 2 * ex.sqrt(x1), 2, ZERO),
        (ex.sqrt(x1) - 1, 1 + TINY, NONZERO),
        (ex.sin(x1 * ex.pi()) + ex.cos(2 * x1 * ex.pi() - ex.pi()) + 1, 3, ZERO),
        (ex.cos(x1 * ex.pi()), "1/2", ZERO),
        (ex.sin(x1 * ex.pi()), "1/3", NONZERO),
        (ex.tanh(x1 - 5) + ex.tanh(5 - x1), "1/3", ZERO),
        (ex.sigmoid(x1) + ex.sigmoid(-x1) - 1, "7/3", ZERO),
        (ex.softplus(x1) - ex.softplus(-x1) - x1, "7/3", ZERO),
        (ex.cos(x1) - ex.cos(-x1), "7/3", ZERO),
        (ex.relu(ex.sin(x1)) - ex.sin(x1), 1, ZERO),
        (ex.relu(ex.sin(x1)), 4, ZERO),
        (ex.maximum(x1, 0.25) + ex.minimum(x1, 0.25) - x1 - 0.25, "1/4", ZERO),
        (ex.absolute(ex.sin(x1)) - ex.sin(x1), 1, ZERO),
        (ex.clip(x1 + ex.tanh(x1), -1, 1) - 1, 3, ZERO),
        (ex.sin(x1) / ex.sin(x1) - 1, 1, ZERO),
        (ex.sin(x1) / ex.exp(x1) - ex.sin(x1) * (2 / ex.exp(x1)) / 2, 1, ZERO),
        (x1 * "1/10" * 10 - x1, 7, ZERO),
        (x1 * 0.1 * 10 - x1, 7, NONZERO),
        (x1 / (x1 - 1), 0, ZERO),
        (x1 * ex.apply(Op.STEP, x1), 0, ZERO),
        # undefined, or a set of values: never decided
        (x1 / x1, 0, UNDECIDED),
        (0 * (1 / x1), 0, UNDECIDED),
        (x1 * ex.log(x1), 0, UNDECIDED),
        (ex.sqrt(x1) - ex.sqrt(x1), -1, UNDECIDED),
        (ex.apply(Op.STEP, x1) - ex.apply(Op.STEP, 2 * x1), 0, UNDECIDED),
        (ex.apply(Op.STEP, x1) - ex.apply(Op.STEP, x1), 0, UNDECIDED),
        # true, but beyond these rules
        (ex.sin(x1) ** 2 + ex.cos(x1) ** 2 - 1, 1, UNDECIDED),
    ],
)
def test_known_cases(expression: Expression, point: object, expected: Answer) -> None:
    assert answers(expression, x1, [point]) == [expected]


def test_a_relu_network_at_its_kink() -> None:
    """V(0) = 0 holds whatever the slope is; the gradient there is a set, and not decided."""
    x = ex.variable("x", 1)
    V = anchored_value(ex.affine([[2, 2]], ex.relu(ex.affine([[1], [-1]], x))), x, (Fraction(0),))
    slope = gradient(V, x)
    assert answers([V, slope, slope * x], x, [0]) == [ZERO, UNDECIDED, ZERO]


def test_wide_shallow_networks() -> None:
    x = ex.variable("x", 6)
    V = anchored_value(network(x, [6400], Op.TANH, seed=5), x, (Fraction(0),) * 6)
    assert set(answers([V, gradient(V, x)], x, [0] * 6)) == {ZERO}


def test_enclosures_come_with_the_answer() -> None:
    x = ex.variable("x", 2)
    tape = compile_tape([x[0] - ex.sin(x[0])], [x])
    (test,) = prove_zero(tape, [Fraction(1), Fraction(0)])[0]
    assert test.answer is NONZERO
    assert test.lower <= 1 - np.sin(1) <= test.upper
    assert test.upper - test.lower < 1e-15
    assert prove_zero(tape, [Fraction(0), 7])[0] == [ZeroTest(ZERO, 0.0, 0.0)]
    with pytest.raises(ValueError, match="takes 2 inputs"):
        prove_zero(tape, [0])
