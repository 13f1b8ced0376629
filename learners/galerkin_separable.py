"""Expressions as sums of products of functions of one variable each.

Over a box the integral of such a product is a product of one-dimensional integrals. Every factor is
represented by its values at quadrature nodes of its axis, so that nothing is manipulated
symbolically: products, sums and functions of one variable act on arrays. sin and cos of sums expand
by the addition theorems, exp of a sum is a product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from systems import expression as ex
from systems.expression import Expression, Op

Array = NDArray[np.float64]

MOST_TERMS = 400
"""Sums of more products than this are not worth it."""


class NotSeparableError(ValueError):
    """An expression that is no sum of products of functions of one variable, as far as is seen."""


@dataclass(frozen=True, eq=False)
class Term:
    """A number times functions of one variable: ``factors`` maps an axis to values at its nodes."""

    number: float
    factors: dict[int, Array] = field(default_factory=dict)

    def times(self, other: Term) -> Term:
        """The product."""
        factors = dict(self.factors)
        for axis, values in other.factors.items():
            factors[axis] = factors[axis] * values if axis in factors else values
        return Term(self.number * other.number, factors)


Terms = tuple[Term, ...]
"""Their sum."""


def expand(
    outputs: Sequence[Expression], state: Expression, nodes: Sequence[Array]
) -> list[list[Terms]]:
    """Every entry of every output as a sum of products; ``nodes`` are those of each axis.

    Raises :class:`NotSeparableError` with the operation that is in the way. Values that are not
    finite are passed on.
    """
    known: dict[int, list[Terms]] = {}
    with np.errstate(all="ignore"):
        for node in ex.topological(outputs):
            known[id(node)] = _entries(node, [known[id(a)] for a in node.args], state, nodes)
    return [known[id(output)] for output in outputs]


def _entries(
    node: Expression, args: list[list[Terms]], state: Expression, nodes: Sequence[Array]
) -> list[Terms]:
    match node.op:
        case Op.VARIABLE:
            if node is not state:
                raise NotSeparableError(f"the variable {node.name!r} is not the state")
            return [(Term(1.0, {d: nodes[d]}),) for d in range(node.size)]
        case Op.CONSTANT:
            return [number(v) for v in node.constants[0].values.tolist()]
        case Op.PI:
            return [number(np.pi)]
        case Op.AFFINE:
            return _affine(node, args[0])
        case Op.STACK:
            return [entry for part in args for entry in part]
        case Op.SLICE:
            return [args[0][i] for i in node.integers]
        case Op.POWER:
            return [_power(a, node.integers[0]) for a in args[0]]
        case op if op in ex.UNARY:
            return [_function(op, a) for a in args[0]]
        case op:
            a, b = ([p[i % len(p)] for i in range(node.size)] for p in args)
            return [_BINARY[op](p, q) for p, q in zip(a, b, strict=True)]


def number(value: float) -> Terms:
    """A constant."""
    return (Term(float(value)),) if value else ()


def _affine(node: Expression, entries: list[Terms]) -> list[Terms]:
    weight, bias = (c.values for c in node.constants)
    out = []
    for row, offset in zip(weight.tolist(), bias.tolist(), strict=True):
        parts = [scaled(entry, w) for w, entry in zip(row, entries, strict=True) if w]
        out.append(total([*parts, number(offset)]))
    return out


def scaled(a: Terms, by: float) -> Terms:
    """by · a."""
    return tuple(Term(by * t.number, t.factors) for t in a) if by else ()


def total(parts: Sequence[Terms]) -> Terms:
    """The sum, with like terms collected."""
    terms = [t for part in parts for t in part if t.number]
    if len(terms) > MOST_TERMS**2:
        raise NotSeparableError("too many products")
    for pick in (min, max):  # terms that differ in their first factor only, then in their last
        terms = _collected(terms, pick)
    if len(terms) > 1 and len(_axes(terms)) == 1:  # a function of one variable is one term
        return _of_one(tuple(terms), lambda v: v)
    if len(terms) > MOST_TERMS:
        raise NotSeparableError(f"it is a sum of more than {MOST_TERMS} products")
    return tuple(terms)


def _collected(terms: list[Term], pick: Callable[[dict[int, Array]], int]) -> list[Term]:
    groups: dict[tuple[int, object], list[Term]] = {}
    for term in terms:
        axis = pick(term.factors) if term.factors else -1
        rest = tuple((d, v.tobytes()) for d, v in sorted(term.factors.items()) if d != axis)
        groups.setdefault((axis, rest), []).append(term)
    out = []
    for (axis, _), group in groups.items():
        first = group[0]
        if len(group) == 1:
            out.append(first)
        elif axis < 0:
            out.append(Term(sum(t.number for t in group)))
        else:
            values = sum((t.number * t.factors[axis] for t in group), np.zeros(1))
            if values.any():
                out.append(Term(1.0, {**first.factors, axis: values}))
    return [t for t in out if t.number]


def product(a: Terms, b: Terms) -> Terms:
    """a · b."""
    if len(a) * len(b) > MOST_TERMS**2:
        raise NotSeparableError("too many products")
    return total([tuple(p.times(q) for p in a for q in b)])


def _power(a: Terms, exponent: int) -> Terms:
    out = a
    for _ in range(exponent - 1):
        out = product(out, a)
    return out


def _quotient(a: Terms, b: Terms) -> Terms:
    axes = _axes(b)
    if len(axes) <= 1:
        inverse = _of_one(b, lambda v: 1.0 / v)
    elif len(b) == 1:
        term = b[0]
        inverse = (Term(1.0 / term.number, {d: 1.0 / v for d, v in term.factors.items()}),)
    else:
        raise NotSeparableError("a quotient by a sum of functions of several variables")
    return product(a, inverse)


def _axes(a: Sequence[Term]) -> set[int]:
    return {d for t in a for d in t.factors}


def _of_one(a: Terms, function: Callable[[Array], Array]) -> Terms:
    """A function of a sum of products in which at most one variable occurs."""
    constant = sum(t.number for t in a if not t.factors)
    axes = _axes(a)
    if not axes:
        return (Term(float(function(np.array([constant]))[0])),)
    axis = axes.pop()
    values = constant + sum(t.number * t.factors[axis] for t in a if t.factors)
    return (Term(1.0, {axis: function(np.asarray(values))}),)


def _function(op: Op, a: Terms) -> Terms:
    if len(_axes(a)) <= 1:
        return _of_one(a, _ELEMENTARY[op])
    if op in (Op.SIN, Op.COS, Op.EXP) and all(len(t.factors) <= 1 for t in a):
        parts = _by_axis(a)
        if op is Op.EXP:
            out = number(1.0)
            for part in parts:
                out = product(out, _of_one(part, np.exp))
            return out
        sine, cosine = _sine_and_cosine(parts)
        return sine if op is Op.SIN else cosine
    raise NotSeparableError(f"{op.value} of a function of several variables")


def _by_axis(a: Terms) -> list[Terms]:
    """A sum of functions of one variable each, those of the same variable together."""
    groups: dict[int, list[Term]] = {}
    for term in a:
        groups.setdefault(min(term.factors, default=-1), []).append(term)
    return [tuple(group) for group in groups.values()]


def _sine_and_cosine(parts: list[Terms]) -> tuple[Terms, Terms]:
    """Of the sum of the parts, by the addition theorems."""
    sine, cosine = _of_one(parts[0], np.sin), _of_one(parts[0], np.cos)
    for part in parts[1:]:
        s, c = _of_one(part, np.sin), _of_one(part, np.cos)
        sine, cosine = (
            total([product(sine, c), product(cosine, s)]),
            total([product(cosine, c), scaled(product(sine, s), -1.0)]),
        )
    return sine, cosine


def _extreme(pick: Callable[[Array, Array], Array], a: Terms, b: Terms) -> Terms:
    """Of min(a, b) or max(a, b) in one variable."""
    axes = _axes(a) | _axes(b)
    if len(axes) > 1:
        raise NotSeparableError("min or max of functions of several variables")
    if not axes:
        zero = np.zeros(1)
    else:
        axis = next(iter(axes))
        zero = 0.0 * next(t.factors[axis] for t in (*a, *b) if axis in t.factors)
    p, q = (zero + sum(_values(t, zero) for t in part) for part in (a, b))
    values = pick(p, q)
    return (Term(1.0, {axes.pop(): values}),) if axes else number(float(values[0]))


def _values(term: Term, zero: Array) -> Array:
    return term.number * next(iter(term.factors.values()), zero + 1.0)


_BINARY: dict[Op, Callable[[Terms, Terms], Terms]] = {
    Op.ADD: lambda a, b: total([a, b]),
    Op.SUB: lambda a, b: total([a, scaled(b, -1.0)]),
    Op.MUL: product,
    Op.DIV: _quotient,
    Op.MIN: lambda a, b: _extreme(np.minimum, a, b),
    Op.MAX: lambda a, b: _extreme(np.maximum, a, b),
}


def _sigmoid(z: Array) -> Array:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * z))


_ELEMENTARY: dict[Op, Callable[[Array], Array]] = {
    Op.SIN: np.sin,
    Op.COS: np.cos,
    Op.TAN: np.tan,
    Op.EXP: np.exp,
    Op.LOG: np.log,
    Op.SQRT: np.sqrt,
    Op.TANH: np.tanh,
    Op.SIGMOID: _sigmoid,
    Op.SOFTPLUS: lambda z: np.asarray(np.logaddexp(0.0, z)),
    Op.RELU: lambda z: np.asarray(np.maximum(z, 0.0)),
    Op.STEP: lambda z: np.asarray(np.heaviside(z, 0.5)),
}
