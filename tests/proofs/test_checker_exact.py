"""What vanishes at a point in real arithmetic, and what only nearly does."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from flint import arb, fmpq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certify.balls import enclose_box
from proofs.checker.exact import Exact
from proofs.checker.series import Undefined
from systems import expression as ex
from systems.expression import Expression, Op
from systems.tape import compile_tape
from tests.certify.graphs import graphs
from tests.proofs.checker_boxes import formulas

POINT = [Fraction(1, 3), Fraction(-2)]
GUSTS = [(Fraction(-1, 2), Fraction(2)), (Fraction(1), Fraction(3))]


def vanishes(
    build: Callable[[Expression, Expression], Expression], point: list[Fraction] = POINT
) -> bool:
    """Whether the formula of state and disturbance is shown to be 0, for every disturbance."""
    x, w = ex.variable("x", len(point)), ex.variable("w", len(GUSTS))
    known = formulas([build(x, w)], [x, w])

    def balls(node: int) -> list[arb]:
        box = known.box([*((c, c) for c in point), *GUSTS], 1)
        return [p[0] + box.monomials.range_of(p) for p in box.value(node)]

    balls(known.nodes[0])  # as the checker does, or Undefined
    centre = [fmpq(c.numerator, c.denominator) for c in point]
    return not any(Exact(known.graph, centre, len(GUSTS), balls).value(known.nodes[0]))


VANISHING: dict[str, Callable[[Expression, Expression], Expression]] = {
    "a number": lambda x, w: x[0] * 3 - 1,
    "networks, less their value there": lambda x, w: (
        ex.tanh(ex.affine([["1/7", 0.3], [2, "1/9"]], x, ["1/3", 0.7]))
        - ex.tanh(ex.affine([["1/7", 0.3], [2, "1/9"]], ex.constant(["1/3", -2]), ["1/3", 0.7]))
    ),
    "odd functions": lambda x, w: ex.sin(x[0]) + ex.sin(-1 * x[0]) + ex.tan(x[1]) + ex.tan(2),
    "even functions": lambda x, w: ex.cos(x[1]) - ex.cos(2),
    "sines of pi": lambda x, w: ex.sin(ex.pi() * x[1]) + ex.cos(ex.pi() * (x[0] * 9)) + 1,
    "quarter turns": lambda x, w: ex.sin(ex.pi() * "3/2") + ex.sin(ex.pi() / 2),
    "functions at 0": lambda x, w: (
        ex.exp(x[0] - "1/3") - 2 * ex.sigmoid(x[1] + 2) + ex.log(x[0] * 3) + ex.sqrt(x[1] + 2)
    ),
    "roots of squares": lambda x, w: ex.sqrt(x[0] ** 2) - "1/3",
    "quotients": lambda x, w: (2 * ex.exp(x[0])) / (3 * ex.exp(x[0])) - "2/3",
    "products in either order": lambda x, w: (
        ex.exp(x[0]) * ex.sin(x[1]) - ex.sin(-2) * ex.exp("1/3")
    ),
    "binomials": lambda x, w: (
        (ex.exp(x[0]) + ex.pi()) ** 2
        - ex.exp(x[0]) ** 2
        - ex.pi() ** 2
        - 2 * ex.pi() * ex.exp("1/3")
    ),
    "0 times a disturbance": lambda x, w: (x[1] + 2) * w[0] * ex.sin(w[1]),
    "disturbances that cancel": lambda x, w: (w[0] + x[1]) ** 2 - w[0] ** 2 + 4 * w[0] - 4,
    "relu of one sign": lambda x, w: ex.relu(x[1]) + ex.relu(w[1]) - w[1] + ex.relu(x[0]) - "1/3",
    "relu of either sign, less itself": lambda x, w: ex.relu(w[0]) * 2 - ex.relu(w[0]) * 2,
    "the larger": lambda x, w: ex.maximum(ex.exp(x[0]), x[1]) - ex.exp("1/3"),
    "the smaller": lambda x, w: ex.minimum(ex.exp(x[0]), x[1]) + 2,
    "equal operands": lambda x, w: ex.maximum(ex.exp(x[0]), ex.exp("1/3")) - ex.exp("1/3"),
    "a step beside its jump": lambda x, w: ex.apply(Op.STEP, x[0]) - 1 + ex.apply(Op.STEP, x[1]),
    "0 times a jump": lambda x, w: ex.apply(Op.STEP, x[1] + 2) * (x[1] + 2),
}  # fmt: skip

TINY = Fraction(1, 10**30)
STAYING: dict[str, Callable[[Expression, Expression], Expression]] = {
    "1e-30": lambda x, w: x[0] - ex.constant(Fraction(1, 3) + TINY),
    "1e-30 in a sine": lambda x, w: ex.sin(x[0]) - ex.sin(ex.constant("1/3") + TINY),
    "a float beside a third": lambda x, w: x[0] - 1 / 3,
    "a weight's last bit": lambda x, w: (
        ex.tanh(ex.affine([[0.3, 0.0]], x)) - ex.tanh(ex.affine([[0.30000000000000004, 0.0]], x))
    ),
    "a square of 1e-30": lambda x, w: (x[0] - ex.constant(Fraction(1, 3) + TINY)) ** 2,
    "pi, nearly": lambda x, w: ex.pi() - ex.constant("3.14159265358979323846264338327950288"),
    "the sine of a near pi": lambda x, w: ex.sin(ex.constant(3.141592653589793)) * x[0],
    "a disturbance": lambda x, w: w[0],
    "a disturbance times 1e-30": lambda x, w: x[0] - "1/3" + w[0] * TINY,
    "its square": lambda x, w: w[0] ** 2,
    "one of them less the other": lambda x, w: w[0] - w[1],
    "0 where w is 1 or 2 only": lambda x, w: (w[1] - 1) * (w[1] - 2) * w[0],
    "relu of either sign": lambda x, w: ex.relu(w[0]) - w[0],
    "relu of one sign and the other": lambda x, w: ex.relu(w[0]) - ex.relu(-1 * w[0]),
    "the larger of two that cross": lambda x, w: ex.maximum(w[0], w[1]) - w[1],
    "a jump": lambda x, w: ex.apply(Op.STEP, x[1] + 2),
    "a jump, less 1/2": lambda x, w: ex.apply(Op.STEP, x[1] + 2) - "1/2",
    "two jumps": lambda x, w: ex.apply(Op.STEP, x[1] + 2) - ex.apply(Op.STEP, x[0] - "1/3"),
    "a jump in a disturbance": lambda x, w: ex.apply(Op.STEP, w[0]) - 1,
    "even is not odd": lambda x, w: ex.cos(x[1]) + ex.cos(2),
    "odd is not even": lambda x, w: ex.sin(x[1]) - ex.sin(2),
    "eighth turns": lambda x, w: ex.sin(ex.pi() / 4) - 1,
    "cosine of 0": lambda x, w: ex.cos(x[1] + 2),
    "softplus of 0": lambda x, w: ex.softplus(x[1] + 2),
    "another base": lambda x, w: ex.exp(x[0]) - ex.exp(x[0] * 2),
    "another function": lambda x, w: ex.tanh(x[0]) - ex.sin(x[0]),
}  # fmt: skip


@pytest.mark.parametrize("name", VANISHING)
def test_what_vanishes_is_shown_to(name: str) -> None:
    assert vanishes(VANISHING[name])


@pytest.mark.parametrize("name", STAYING)
def test_what_does_not_vanish_is_never_shown_to(name: str) -> None:
    assert not vanishes(STAYING[name])


@pytest.mark.parametrize(
    "build",
    [
        lambda x, w: (x[1] + 2) / (x[1] + 2) - 1,
        lambda x, w: (x[1] + 2) / w[0],
        lambda x, w: (x[1] + 2) * ex.log(w[0]),
        lambda x, w: ex.sqrt(w[0]) - ex.sqrt(w[0]),
        lambda x, w: ex.relu(x[1]) * ex.log(x[1]),
        lambda x, w: ex.affine([[0, 1]], ex.stack([ex.log(x[1] + 2), x[1] + 2])),
        lambda x, w: (x[1] + 2) * ex.tan(w[0]),
    ],
)
def test_what_is_undefined_for_some_disturbance_does_not_vanish(
    build: Callable[[Expression, Expression], Expression],
) -> None:
    with pytest.raises(Undefined):
        vanishes(build)


@settings(
    max_examples=150,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_forms_agree_with_balls(data: st.DataObject) -> None:
    """A random formula less its own value is 0; with something added, it is not.

    Whatever is shown to vanish does so in the prover's balls with 128 bits.
    """
    x, y = data.draw(graphs(2, steps=True))
    point = [data.draw(st.fractions(-3, 3, max_denominator=12)) for _ in range(2)]
    there = {x: ex.constant(point)}
    try:
        value = ex.substitute(y, there)
    except (ZeroDivisionError, ValueError):
        return

    def on(root: Expression) -> Callable[[Expression, Expression], Expression]:
        return lambda state, _: ex.substitute(root, {x: state})

    try:
        shown = vanishes(on(y), point)
        assert not vanishes(on(y - value + Fraction(1, 10**25)), point)
        if Op.STEP not in {node.op for node in ex.topological([y])}:
            assert vanishes(on(y - value), point)
    except Undefined:
        return
    ((known,),) = enclose_box(compile_tape([y], [x]), point, point)
    assert not shown or known.contains(0)
