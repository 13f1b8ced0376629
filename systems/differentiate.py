"""Reverse accumulation: gradients are expressions like any other.

One pass from the output back to the variable, over whole vectors, so that the gradient of a
network is W₁ᵀ(s₁ ∘ W₂ᵀ(s₂ ∘ …)) and shares every activation with the network itself. Where a
function has a kink, the derivative is Clarke's: ``step`` encloses all of [0, 1] there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from systems import expression as ex
from systems.expression import Expression, Op


class NotDifferentiableError(ValueError):
    """A derivative was asked for that does not exist, not even as a bounded set."""


def gradient(scalar: Expression, wrt: Expression) -> Expression:
    """∇ of an expression of size 1 with respect to a variable of size n; size n.

    Raises ValueError where ``scalar`` is no scalar or ``wrt`` no variable.
    """
    if scalar.size != 1:
        raise ValueError(f"a gradient needs a scalar, not a vector of size {scalar.size}")
    return pullback(scalar, wrt, ex.constant(1))


def jacobian(vector: Expression, wrt: Expression) -> tuple[Expression, ...]:
    """The rows of the Jacobian: the gradient of every entry of ``vector``, each of size n."""
    return tuple(gradient(vector[i], wrt) for i in range(vector.size))


def directional(output: Expression, wrt: Expression, direction: Expression) -> Expression:
    """∂output/∂wrt · direction, of output's size, by forward accumulation.

    One pass gives one column of a Jacobian. For second derivatives of networks along constant
    directions this keeps every coefficient a constant vector, which reverse accumulation does not.
    """
    if wrt.op is not Op.VARIABLE or direction.size != wrt.size:
        raise ValueError("a direction has the size of the variable")
    tangent: dict[int, Expression] = {id(wrt): direction}
    for node in ex.topological([output]):
        if node is not wrt and any(id(a) in tangent for a in node.args):
            tangent[id(node)] = _push(node, [tangent.get(id(a)) for a in node.args])
    return tangent.get(id(output), ex.constant([0] * output.size))


def _push(node: Expression, tangents: list[Expression | None]) -> Expression:
    """The tangent of a node from those of its operands (None where an operand is constant)."""
    op, size = node.op, node.size
    first = tangents[0]
    if op in ex.UNARY or op is Op.POWER:
        assert first is not None
        return first * _derivative(node)
    if op is Op.AFFINE:
        assert first is not None
        return ex.affine(node.constants[0], first)
    if op is Op.SLICE:
        assert first is not None
        return first[list(node.integers)]
    if op is Op.STACK:
        return ex.stack(
            [
                ex.constant([0] * a.size) if t is None else t
                for a, t in zip(node.args, tangents, strict=True)
            ]
        )
    a, b = node.args
    da, db = (None if t is None else _spread(t, size) for t in tangents)
    match op:
        case Op.ADD:
            return _sum(da, db)
        case Op.SUB:
            return _sum(da, None if db is None else -db)
        case Op.MUL:
            return _sum(None if da is None else da * b, None if db is None else a * db)
        case Op.DIV:
            return _sum(None if da is None else da / b, None if db is None else -(node * db / b))
        case Op.MIN | Op.MAX:
            first_wins = ex.apply(Op.STEP, b - a if op is Op.MIN else a - b)
            return _sum(
                None if da is None else da * first_wins,
                None if db is None else db * (1 - first_wins),
            )
    raise TypeError(f"{op.value} has no derivative")


def _sum(a: Expression | None, b: Expression | None) -> Expression:
    """The sum of two tangents, of which one may be absent."""
    if a is None or b is None:
        present = a if b is None else b
        assert present is not None
        return present
    return a + b


def pullback(output: Expression, wrt: Expression, cotangent: Expression) -> Expression:
    """cotangentᵀ · ∂output/∂wrt, of size wrt.size."""
    if wrt.op is not Op.VARIABLE:
        raise ValueError("derivatives are taken with respect to a variable")
    order = ex.topological([output])
    depends = {id(wrt)}
    for node in order:
        if any(id(a) in depends for a in node.args):
            depends.add(id(node))
    adjoint: dict[int, Expression] = {id(output): cotangent}
    for node in reversed(order):
        bar = adjoint.get(id(node))
        if bar is None or id(node) not in depends or node is wrt:
            continue
        for argument, contribution in zip(node.args, _contributions(node, bar), strict=True):
            if id(argument) not in depends:
                continue
            term = _fitted(contribution(), argument.size)
            known = adjoint.get(id(argument))
            adjoint[id(argument)] = term if known is None else known + term
    return _fitted(adjoint.get(id(wrt), ex.constant([0] * wrt.size)), wrt.size)


Lazy = Callable[[], Expression]


def _contributions(node: Expression, bar: Expression) -> list[Lazy]:
    """For each operand, how its adjoint is made from the node's; built only where it is needed."""
    op = node.op
    if op in ex.UNARY or op is Op.POWER:
        return [lambda: _spread(bar, node.size) * _derivative(node)]
    if op is Op.AFFINE:
        weight = node.constants[0]
        return [lambda: ex.affine(weight.transposed(), _spread(bar, node.size))]
    if op is Op.STACK:
        return _stack_contributions(node, bar)
    if op is Op.SLICE:
        return [lambda: _scatter(node, bar)]
    a, b = node.args
    match op:
        case Op.ADD:
            return [lambda: bar, lambda: bar]
        case Op.SUB:
            return [lambda: bar, lambda: -bar]
        case Op.MUL:
            return [lambda: bar * b, lambda: bar * a]
        case Op.DIV:
            return [lambda: bar / b, lambda: -(bar * node / b)]
        case Op.MIN | Op.MAX:
            first = ex.apply(Op.STEP, b - a if op is Op.MIN else a - b)
            return [lambda: bar * first, lambda: bar * (1 - first)]
    raise TypeError(f"{op.value} has no derivative")


def _derivative(node: Expression) -> Expression:
    """φ'(z) for a unary node φ(z), written with the node itself where that saves work."""
    z = node.args[0]
    match node.op:
        case Op.SIN:
            return ex.cos(z)
        case Op.COS:
            return -ex.sin(z)
        case Op.TAN:
            return 1 + node**2
        case Op.EXP:
            return node
        case Op.LOG:
            return 1 / z
        case Op.SQRT:
            return ex.constant("1/2") / node
        case Op.TANH:
            return 1 - node**2
        case Op.SIGMOID:
            return node * (1 - node)
        case Op.SOFTPLUS:
            return ex.sigmoid(z)
        case Op.RELU:
            return ex.apply(Op.STEP, z)
        case Op.STEP:
            raise NotDifferentiableError(
                "a step has no derivative: relu, min, max and abs differentiate once"
            )
        case Op.POWER:
            return node.integers[0] * z ** (node.integers[0] - 1)
    raise TypeError(f"{node.op.value} is not a function of one argument")


def _stack_contributions(node: Expression, bar: Expression) -> list[Lazy]:
    out: list[Lazy] = []
    start = 0
    for part in node.args:
        indices = range(start, start + part.size)
        out.append(lambda indices=indices: _spread(bar, node.size)[list(indices)])  # type: ignore[misc]
        start += part.size
    return out


def _scatter(node: Expression, bar: Expression) -> Expression:
    rows = node.args[0].size
    selection = np.zeros((rows, node.size))
    selection[list(node.integers), range(node.size)] = 1.0
    return ex.affine(selection, _spread(bar, node.size))


def _spread(bar: Expression, size: int) -> Expression:
    """Broadcast to ``size`` entries, explicitly."""
    return bar if bar.size == size else ex.affine(np.ones((size, 1)), bar)


def _fitted(term: Expression, size: int) -> Expression:
    """Undo broadcasting: an operand of size 1 collects the sum of its uses."""
    if term.size == size:
        return term
    return ex.total(term) if size == 1 else _spread(term, size)
