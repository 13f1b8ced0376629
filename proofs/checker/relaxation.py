"""Linear relaxations: linear functions above and below the nodes of a formula on one box.

As in CROWN (Zhang et al., Efficient Neural Network Robustness Certification with General Activation
Functions, NeurIPS 2018): every operation that works entry by entry lies between two planes in its
operands, and an output is bounded by putting planes in for nodes, from the output down to the box;
which of the two depends on the sign of the factor that the node has come to have. Slopes are chosen
in floats, as any are sound (see ``lines``); all else is in balls.

A linear function is a model of order 1: coefficients [constant, h₁, …, hₙ], h ∈ [−1, 1]ⁿ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise

from flint import arb, arb_mat

from .algebra import ONE, ZERO, Model, ball, plus, scaled
from .graph import Graph, Node
from .lines import lines, slopes, value
from .models import Matrices
from .series import Ball, Undefined

Plane = tuple[tuple[Ball, ...], Ball]
"""A slope for each operand, and the constant."""
Planes = tuple[Plane, Plane]
"""Below and above; one and the same where the operation is linear."""
Ends = tuple[Ball, Ball]
MEAN = arb(0.5)


@dataclass
class Register:
    """The entries of a node between linear functions, between the exact numbers ``ends``, and
    between planes in the node's operands. ``low is high`` where both are the entries themselves."""

    low: list[Model]
    high: list[Model]
    ends: list[Ends]
    planes: Sequence[Planes] = ()

    @property
    def is_exact(self) -> bool:
        return self.low is self.high

    @property
    def is_constant(self) -> bool:
        return self.is_exact and all(len(p) == 1 for p in self.low)

    def taken(self, indices: Sequence[int]) -> Register:
        """Some of the entries."""
        low = [self.low[k] for k in indices]
        high = low if self.is_exact else [self.high[k] for k in indices]
        return Register(low, high, [self.ends[k] for k in indices])

    def spread(self, size: int) -> Register:
        """A single entry repeated."""
        return self if len(self.low) == size else self.taken([0] * size)


class Relaxation:
    """One box, and the linear bounds on it of a formula's nodes.

    ``sides`` are the (lower, upper) ends of x and w, ``state`` says how many are x; ``fixed`` are
    the registers of nodes that depend on neither.
    """

    def __init__(self, graph: Graph, sides: Sequence[tuple[Fraction, Fraction]], state: int,
                 matrices: Matrices, fixed: dict[int, Register]) -> None:  # fmt: skip
        self.graph, self.matrices = graph, matrices
        wide = [i for i, (a, b) in enumerate(sides) if a < b]
        point: list[Model] = []
        for i, (a, b) in enumerate(sides):
            radii = [ball((b - a) / 2) if k == i else ZERO for k in wide]
            point.append([ball((a + b) / 2), *radii] if a < b else [ball(a)])
        self.inputs = [point[:state], point[state:]]
        self.registers = dict(fixed)
        self.rows: dict[int, list[Ball]] = {}
        """The factors that the last ``upper`` found for the entries of nodes."""

    def forward(self, roots: Iterable[int]) -> None:
        """Bound all nodes that the roots depend on. Raises Undefined."""
        for i in self.graph.needed(roots):
            if i not in self.registers:
                self.registers[i] = self._forward(self.graph.nodes[i])

    def _forward(self, node: Node) -> Register:
        op, a = node.op, [self.registers[k] for k in node.args]
        if op == "variable":
            return _bounded(self.inputs[node.integers[0]])
        if op == "constant":
            entries = self.matrices.constant(node.constants[0], node.size).entries()
            return _bounded([[c] for c in entries])
        if op == "pi":
            return _bounded([[arb.pi()]])
        if op == "affine":
            return self._affine(node, a[0])
        if op == "stack":
            low, high = [p for r in a for p in r.low], [p for r in a for p in r.high]
            exact = all(r.is_exact for r in a)
            return Register(low, low if exact else high, [e for r in a for e in r.ends])
        if op == "slice":
            return a[0].taken(node.integers)
        a = [r.spread(node.size) for r in a]
        if len(a) == 1 and a[0].is_constant:
            function = node.integers[0] if op == "power" else op
            return _bounded([[value(function, p[0])] for p in a[0].low])
        planes, ranges = _planes(node, a)
        low = [_put(below, a, k, 1) for k, (below, _) in enumerate(planes)]
        if all(r.is_exact for r in a) and all(below is above for below, above in planes):
            return _bounded(low)
        high = [_put(above, a, k, -1) for k, (_, above) in enumerate(planes)]
        return _bounded(low, high, ranges, planes)

    def _affine(self, node: Node, a: Register) -> Register:
        """W a + b. The functions furthest out are W (low + high)/2 + b, less and plus
        |W| (high − low)/2."""
        weight, bias = (self.matrices.constant(c, node.size) for c in node.constants)
        size, low = self.matrices.absolute(node.constants[0], node.size), _matrix(a.low)
        if a.is_exact:
            return _bounded(_shifted(weight * low, bias))
        high = _matrix(a.high)
        means = _shifted(weight * ((low + high) * MEAN), bias)
        gaps: list[Model] = (size * ((high - low) * MEAN)).tolist()
        pairs = list(zip(means, gaps, strict=True))
        whole = arb_mat(len(a.ends), 1, [x.union(y) for x, y in a.ends])
        return _bounded([plus(m, g, -1) for m, g in pairs], [plus(m, g) for m, g in pairs],
                        (weight * whole + bias).entries())  # fmt: skip

    def upper(self, terms: Iterable[tuple[int, int, Ball]]) -> Model:
        """A linear function that Σ factor · entry of node exceeds nowhere on the box; the terms are
        (node, entry, factor), of nodes that ``forward`` has bounded."""
        factors: dict[int, list[Ball]] = {}

        def add(node: int, row: list[Ball]) -> None:
            factors[node] = plus(factors[node], row) if node in factors else row

        for i, entry, factor in terms:
            add(i, [factor if k == entry else ZERO for k in range(self.graph.nodes[i].size)])
        out: Model = [ZERO]
        self.rows = {}
        for i in reversed(self.graph.needed(list(factors))):
            if i in factors:
                register, row = self.registers[i], factors.pop(i)
                self.rows[i] = row
                if register.is_exact:
                    out = plus(out, (arb_mat([row]) * _matrix(register.low)).entries())
                else:
                    out[0] = out[0] + self._down(i, row, add)
        return out

    def _down(self, i: int, row: list[Ball], add: Callable[[int, list[Ball]], None]) -> Ball:
        """Put in for a node what it is made of: hands factors on to the operands, and returns the
        constant."""
        node, register = self.graph.nodes[i], self.registers[i]
        if node.op == "affine":
            weight, bias = (self.matrices.constant(c, node.size) for c in node.constants)
            add(node.args[0], (arb_mat([row]) * weight).entries())
            return (arb_mat([row]) * bias)[0, 0]
        sizes = [self.graph.nodes[k].size for k in node.args]
        if node.op == "stack":
            for arg, (start, end) in zip(node.args, pairwise(accumulate(sizes, initial=0)),
                                         strict=True):  # fmt: skip
                add(arg, row[start:end])
            return ZERO
        if node.op == "slice":
            out = [ZERO] * sizes[0]
            for k, factor in zip(node.integers, row, strict=True):
                out[k] = out[k] + factor
            add(node.args[0], out)
            return ZERO
        constant, columns = ZERO, []
        for factor, (below, above), (a, b) in zip(row, register.planes, register.ends, strict=True):
            if factor >= 0 or factor <= 0 or below is above:
                slopes_, t = above if factor >= 0 else below
                columns.append([factor * s for s in slopes_])
                constant = constant + factor * t
            else:  # rounding has hidden the sign
                columns.append([ZERO] * len(sizes))
                constant = constant + factor * a.union(b)
        for arg, size, *part in zip(node.args, sizes, *columns, strict=True):
            add(arg, part if size == node.size else [sum(part, ZERO)])
        return constant

    def range_of(self, terms: Iterable[tuple[int, int, Ball]]) -> Ball:
        """The range of a sum by the ends of its entries alone."""
        ends = ((self.registers[i].ends[k], factor) for i, k, factor in terms)
        return sum((factor * low.union(high) for (low, high), factor in ends), ZERO)


def _bounded(low: list[Model], high: list[Model] | None = None, ranges: Sequence[Ball] = (),
             planes: Sequence[Planes] = ()) -> Register:  # fmt: skip
    """A register whose ends are those of the linear functions, or of the ranges if nearer."""
    ends = []
    for k, (p, q) in enumerate(zip(low, high or low, strict=True)):
        a = (p[0] - sum(map(abs, p[1:]), ZERO)).lower()
        b = (q[0] + sum(map(abs, q[1:]), ZERO)).upper()
        if ranges:
            a, b = a.max(ranges[k].lower()), b.min(ranges[k].upper())
        if not (a.is_finite() and b.is_finite()):
            raise Undefined("a number beyond all bounds")
        if a > b:
            raise AssertionError("a lower bound is above an upper bound")
        ends.append((a, b))
    return Register(low, high or low, ends, planes)


def _matrix(models: list[Model]) -> arb_mat:
    width = max(map(len, models))
    return arb_mat([p + [ZERO] * (width - len(p)) for p in models])


def _shifted(matrix: arb_mat, bias: arb_mat) -> list[Model]:
    return [[row[0] + b, *row[1:]] for row, b in zip(matrix.tolist(), bias.entries(), strict=True)]


def _put(plane: Plane, a: Sequence[Register], k: int, sign: int) -> Model:
    """A plane with the operands' linear functions in it, those that make it least (sign 1), or
    greatest (−1)."""
    out = [plane[1]]
    for s, r in zip(plane[0], a, strict=True):
        if r.is_exact or s >= 0 or s <= 0:
            out = plus(out, scaled(r.low[k] if (s >= 0) == (sign > 0) else r.high[k], s))
        else:
            out[0] = out[0] + s * r.ends[k][0].union(r.ends[k][1])
    return out


def _planes(node: Node, a: Sequence[Register]) -> tuple[list[Planes], list[Ball]]:
    """For each entry of an operation that works entry by entry: the planes, and its range."""
    if len(a) == 1:
        function = node.integers[0] if node.op == "power" else node.op
        found = [_lines(function, ends) for ends in a[0].ends]
        return [planes for planes, _ in found], [whole for _, whole in found]
    x, y = ([low.union(high) for low, high in r.ends] for r in a)
    if node.op != "mul":
        plane = (ONE, ONE if node.op == "add" else -ONE), ZERO
        return [(plane, plane)] * node.size, [
            p + plane[0][1] * q for p, q in zip(x, y, strict=True)
        ]
    ranges = [p * q for p, q in zip(x, y, strict=True)]
    for i, factors in enumerate(a):
        if factors.is_constant:
            rows = [(ZERO, p[0]) if i == 0 else (p[0], ZERO) for p in factors.low]
            return [(plane, plane) for plane in ((row, ZERO) for row in rows)], ranges
    return [product_planes(p, q) for p, q in zip(a[0].ends, a[1].ends, strict=True)], ranges


def _lines(function: str | int, ends: Ends) -> tuple[Planes, Ball]:
    low, high = map(float, ends)
    chosen = slopes(function, low, high, (low + high) / 2)
    (s, t), (u, v), whole = lines(function, *ends, *chosen)
    return (((s,), t), ((u,), v)), whole


def product_planes(x: Ends, y: Ends, weight: Ball = MEAN) -> Planes:
    """McCormick's planes for x y, each the mean of two with a weight in [0, 1]: below, those that
    touch at both lower ends and at both upper ends; above, at the other two corners."""

    def mean(p: Ends, q: Ends) -> Plane:  # q₁ x + q₀ y − q₀ q₁ touches at q
        rest = 1 - weight
        both = weight * p[1] + rest * q[1], weight * p[0] + rest * q[0]
        return both, -(weight * p[0] * p[1] + rest * q[0] * q[1])

    return mean((x[0], y[0]), (x[1], y[1])), mean((x[0], y[1]), (x[1], y[0]))
