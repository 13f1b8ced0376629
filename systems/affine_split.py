"""From a whole right-hand side F(x, u) to f(x) and the columns of g(x).

F is taken apart along its structure rather than differentiated: what does not depend on u goes to
f as it was written, and where u sits inside something that is not affine, the message can say in
what.
"""

from __future__ import annotations

from dataclasses import dataclass

from systems import expression as ex
from systems.errors import InputError
from systems.expression import Expression, Op


@dataclass(frozen=True)
class _Affine:
    """drift + Σ columns[j] u_j; ``drift`` is None where it is 0."""

    drift: Expression | None
    columns: dict[int, Expression]


def split_affine(
    scalar: Expression, inputs: Expression | None
) -> tuple[Expression, dict[int, Expression]]:
    """f and {j: g_j} with scalar = f + Σ_j g_j u_j, for a scalar expression of x and u.

    ``inputs`` is the variable u (None without inputs). Columns that vanish are left out.
    Raises InputError where the expression is not affine in u, and says where u stands.
    """
    parts: dict[int, _Affine] = {}
    for node in ex.topological([scalar]):
        parts[id(node)] = _split(node, inputs, [parts[id(a)] for a in node.args])
    whole = parts[id(scalar)]
    return (ex.constant(0) if whole.drift is None else whole.drift), whole.columns


def _split(node: Expression, inputs: Expression | None, args: list[_Affine]) -> _Affine:
    if node is inputs:
        # A vector u is only ever reached through the slice that takes one entry.
        return _Affine(None, {j: ex.constant(1) for j in range(node.size)})
    if not any(a.columns for a in args):
        return _Affine(node, {})
    match node.op:
        case Op.SLICE if node.args[0] is inputs:
            return _Affine(None, {node.integers[0]: ex.constant(1)})
        case Op.ADD:
            return _sum(args[0], args[1])
        case Op.SUB:
            return _sum(args[0], _times(args[1], ex.constant(-1)))
        case Op.MUL if not args[1].columns:
            return _times(args[0], node.args[1])
        case Op.MUL if not args[0].columns:
            return _times(args[1], node.args[0])
        case Op.DIV if not args[1].columns:
            return _over(args[0], node.args[1])
    raise InputError(f"not affine in the inputs: {_PLACES.get(node.op, _inside(node.op))}")


def _sum(a: _Affine, b: _Affine) -> _Affine:
    columns = dict(a.columns)
    for j, column in b.columns.items():
        columns[j] = columns[j] + column if j in columns else column
    if a.drift is None or b.drift is None:
        return _Affine(a.drift or b.drift, columns)
    return _Affine(a.drift + b.drift, columns)


def _times(a: _Affine, factor: Expression) -> _Affine:
    drift = None if a.drift is None else factor * a.drift
    return _Affine(drift, {j: factor * c for j, c in a.columns.items()})


def _over(a: _Affine, divisor: Expression) -> _Affine:
    drift = None if a.drift is None else a.drift / divisor
    return _Affine(drift, {j: c / divisor for j, c in a.columns.items()})


def _inside(op: Op) -> str:
    return f"an input stands inside {op.value}(…); write the equation as f(x) + g(x)*u"


_PLACES = {
    Op.MUL: "two terms with inputs are multiplied; write the equation as f(x) + g(x)*u",
    Op.DIV: "an input stands in a denominator; write the equation as f(x) + g(x)*u",
    Op.POWER: "an input stands inside a power; write the equation as f(x) + g(x)*u",
    Op.MIN: "an input stands inside min or clip; state limits as input limits instead",
    Op.MAX: "an input stands inside max, abs or clip; state limits as input limits instead",
}
