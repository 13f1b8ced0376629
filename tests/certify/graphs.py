"""Random expression graphs for property tests: every operation, over one variable vector."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import strategies as st

from systems import expression as ex
from systems.expression import Expression, Op

rationals = st.fractions(min_value=-4, max_value=4, max_denominator=64)
floats = st.floats(min_value=-4, max_value=4, allow_nan=False, allow_subnormal=False)
numbers = st.one_of(rationals, floats.map(Fraction))

TOTAL_UNARY = sorted(ex.UNARY - {Op.TAN, Op.LOG, Op.SQRT, Op.EXP, Op.STEP}, key=lambda op: op.value)
PARTIAL_UNARY = [Op.TAN, Op.LOG, Op.SQRT]


@st.composite
def graphs(
    draw: st.DrawFn, dimension: int, *, steps: bool = False
) -> tuple[Expression, Expression]:
    """(variable, scalar expression of it) with a handful of random nodes."""
    x = ex.variable("x", dimension)
    nodes: list[Expression] = [x, ex.constant(draw(numbers))]
    for _ in range(draw(st.integers(min_value=2, max_value=7))):
        nodes.append(_next(draw, nodes, steps))
    return x, ex.total(ex.stack(nodes[2:]))


def _next(draw: st.DrawFn, nodes: list[Expression], steps: bool) -> Expression:
    pick = st.sampled_from(nodes)
    a = draw(pick)
    kind = draw(st.sampled_from(["total", "partial", "binary", "affine", "power", "select", "exp"]))
    match kind:
        case "total":
            return ex.apply(draw(st.sampled_from([*TOTAL_UNARY, *([Op.STEP] * steps)])), a)
        case "partial":
            return ex.apply(draw(st.sampled_from(PARTIAL_UNARY)), a)
        case "exp":
            return ex.exp(ex.tanh(a) * draw(numbers))
        case "power":
            return ex.tanh(a) ** draw(st.integers(min_value=2, max_value=5))
        case "select":
            return a[draw(st.integers(min_value=0, max_value=a.size - 1))]
        case "affine":
            rows = draw(st.integers(min_value=1, max_value=3))
            weight = [[draw(numbers) for _ in range(a.size)] for _ in range(rows)]
            return ex.affine(weight, a, [draw(numbers) for _ in range(rows)])
    b = draw(pick)
    if a.size != b.size and 1 not in (a.size, b.size):
        b = b[0]
    build = draw(st.sampled_from([ex.add, ex.subtract, ex.multiply, ex.minimum, ex.maximum]))
    if draw(st.booleans()):
        return build(a, b)
    return ex.divide(a, 1 + b**2)
