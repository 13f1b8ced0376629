"""The models of a graph's nodes on one box, and their gradients, in ball arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import prod
from operator import mul

from flint import arb, arb_mat, ctx, fmpq

from .algebra import (
    HALF,
    ONE,
    ZERO,
    Algebra,
    Line,
    Model,
    ball,
    monomials,
    plus,
    scaled,
    total,
)
from .graph import Graph, Node, Numbers
from .series import Ball, Undefined, coefficients, last


@dataclass
class Register:
    """The models of a node's entries: over the box, or where ``lines`` are given each over its own
    line, the row of the affine node ``base``."""

    models: list[Model]
    lines: list[Line] | None = None
    base: int = -1

    @property
    def is_constant(self) -> bool:
        return all(len(p) == 1 for p in self.models)


class Matrices:
    """Matrices of balls that depend on the graph alone, each made once for a precision."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._made: dict[tuple[object, ...], arb_mat] = {}

    def constant(self, entries: Numbers, rows: int, transposed: bool = False) -> arb_mat:
        def make() -> arb_mat:
            made = arb_mat(rows, len(entries) // rows, [arb(v) for v in entries])
            return made.transpose() if transposed else made

        return self._once((id(entries), transposed), make)

    def absolute(self, entries: Numbers, rows: int) -> arb_mat:
        """The absolute values of a weight's entries; kept under the id of the weight itself, as
        that of a passing tuple would come to name another."""

        def make() -> arb_mat:
            return arb_mat(rows, len(entries) // rows, [arb(abs(v)) for v in entries])

        return self._once((id(entries), "absolute"), make)

    def _once(self, key: tuple[object, ...], make: Callable[[], arb_mat]) -> arb_mat:
        key = (*key, ctx.prec)
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def directions(self, base: int, wide: tuple[int, ...], order: int) -> arb_mat:
        """For each row w of the affine node, the coefficients of (Σ wᵢ hᵢ)^|α| by monomial α."""

        def make() -> arb_mat:
            node = self.graph.nodes[base]
            width = len(node.constants[0]) // node.size
            table = monomials(len(wide), order).coefficients
            rows = []
            for r in range(node.size):
                w = [node.constants[0][r * width + i] if i < width else fmpq(0) for i in wide]
                rows.append([arb(prod((w[v] for v in m), start=count)) for m, count in table])
            return arb_mat(rows)

        return self._once(("directions", base, wide, order), make)

    def weighted(self, entries: Numbers, rows: int, transposed: bool, row: int,
                 base: int, wide: tuple[int, ...], order: int, degree: int) -> arb_mat:  # fmt: skip
        """The directions of one degree, each row of them times an entry of one row of a matrix."""

        def make() -> arb_mat:
            whole = self.constant(entries, rows, transposed)
            w = self.directions(base, wide, order)
            first = monomials(len(wide), order).first
            columns = range(first[degree], first[degree + 1])
            return arb_mat([[whole[row, i] * w[i, k] for k in columns] for i in range(w.nrows())])

        return self._once((id(entries), transposed, row, base, wide, order, degree), make)


class Box:
    """One box, and the models on it of the graph's nodes, made when they are asked for.

    ``sides`` are the (lower, upper) ends of x and w; ``state``: how many of them are x.
    """

    def __init__(self, graph: Graph, sides: Sequence[tuple[Fraction, Fraction]], state: int,
                 order: int, matrices: Matrices, fixed: dict[int, Register]) -> None:  # fmt: skip
        self.graph, self.matrices, self.order = graph, matrices, order
        self.wide = tuple(i for i, (a, b) in enumerate(sides) if a < b)
        self.monomials = monomials(len(self.wide), order)
        self.multiply = self.monomials.multiply
        radii = [ball((sides[i][1] - sides[i][0]) / 2) for i in self.wide]
        point = []
        for i, (a, b) in enumerate(sides):
            slopes = [r if k == i else ZERO for k, r in zip(self.wide, radii, strict=True)]
            point.append([ball((a + b) / 2), *slopes] if a < b else [ball(a)])
        self.inputs = [point[:state], point[state:]]
        self._radii = radii
        self.registers: dict[int, Register] = dict(fixed)
        self._powers: dict[tuple[int, int], list[tuple[Model, Ball]]] = {}

    def value(self, root: int) -> list[Model]:
        """The models of a node's entries over the box. Raises Undefined."""
        return self._over_box(self._register(root)).models

    def _register(self, root: int) -> Register:
        if root not in self.registers:
            for i in self.graph.needed([root]):
                if i not in self.registers:
                    self.registers[i] = self._forward(i)
        return self.registers[root]

    @cached_property
    def _scales(self) -> list[Ball]:
        """r^α for every monomial α."""
        return [prod((self._radii[v] for v in m), start=ONE)
                for m, _ in self.monomials.coefficients]  # fmt: skip

    def _over_box(self, register: Register) -> Register:
        """The same with models over the box instead of lines."""
        if register.lines is None:
            return register
        w = self.matrices.directions(register.base, self.wide, self.order).tolist()
        degree, models = self.monomials.degree, []
        for p, row in zip(register.models, w, strict=True):
            width = self.monomials.first[len(p)]
            models.append([
                p[0] if not d else p[d] if p[d] is ZERO else p[d] * c * r
                for d, c, r in zip(degree[:width], row, self._scales, strict=False)
            ])  # fmt: skip
        return Register(models)

    def _forward(self, i: int) -> Register:
        node = self.graph.nodes[i]
        a = [self.registers[k] for k in node.args]
        op = node.op
        if op == "affine":
            return self._layer(i, a[0])
        if op == "variable":
            return Register(self.inputs[node.integers[0]])
        if op == "constant":
            return Register([[c] for c in self._vector(node.constants[0])])
        if op == "pi":
            return Register([[arb.pi()]])
        if op == "stack":
            return Register([p for part in a for p in self._over_box(part).models])
        if op == "slice":
            models = self._over_box(a[0]).models
            return Register([models[k] for k in node.integers])
        a, lines, base = self._aligned(a, node.size)
        algebras: Sequence[Algebra] = lines or [self.monomials] * node.size
        if len(a) == 1:
            models = [
                self._unary(g, (i, k), node, p)
                for k, (g, p) in enumerate(zip(algebras, a[0].models, strict=True))
            ]
        else:
            columns = zip(algebras, a[0].models, a[1].models, strict=True)
            models = [self._binary(g, op, p, q) for g, p, q in columns]
        return Register(models, lines, base)

    def _vector(self, entries: Numbers) -> list[Ball]:
        return self.matrices.constant(entries, len(entries)).entries()

    def _layer(self, i: int, a: Register) -> Register:
        """W a + b; of x itself, each entry on its own line."""
        node = self.graph.nodes[i]
        weight, bias = node.constants
        if node.args[0] == 0 and self.wide and node.size > 2 * len(self.wide):
            matrix = self.matrices.constant(weight, node.size)
            n = len(self.inputs[0])
            centre = (matrix * arb_mat(n, 1, [p[0] for p in a.models])).entries()
            radii = [ZERO] * n
            for v, r in zip(self.wide, self._radii, strict=True):
                if v < n:
                    radii[v] = r
            size = self.matrices.absolute(weight, node.size)
            reach = (size * arb_mat(n, 1, radii)).entries()
            lines = [Line(r, self.order) for r in reach]
            shifted = zip(centre, self._vector(bias), strict=True)
            return Register([[c + b, ONE] for c, b in shifted], lines, i)
        out = self._times(weight, node.size, False, a)
        return Register([[p[0] + b, *p[1:]] for p, b in zip(out, self._vector(bias), strict=True)])

    def _times(self, entries: Numbers, rows: int, transposed: bool, a: Register) -> list[Model]:
        """A matrix times a vector of models, as matrices of balls."""
        matrix = self.matrices.constant(entries, rows, transposed)
        if a.lines is None or matrix.nrows() > 2 * len(self.wide) + 2:
            models = self._over_box(a).models
            width = max(map(len, models))
            flat = [c for p in models for c in _padded(p, width)]
            out = (matrix * arb_mat(len(models), width, flat)).entries()
            return [out[k : k + width] for k in range(0, len(out), width)]
        width = max(map(len, a.models))
        columns = [arb_mat(1, len(a.models), [p[d] if d < len(p) else ZERO for p in a.models])
                   for d in range(width)]  # fmt: skip
        found = []
        for row in range(matrix.nrows()):
            model: Model = []
            for d, column in enumerate(columns):
                weights = self.matrices.weighted(
                    entries, rows, transposed, row, a.base, self.wide, self.order, d
                )
                model += (column * weights).entries()
            found.append([c * r for c, r in zip(model, self._scales, strict=False)])
        return found

    def _aligned(
        self, a: Sequence[Register], size: int
    ) -> tuple[list[Register], list[Line] | None, int]:
        """Operands of one size, over the same lines where all vary along the same, else the box."""
        varying = [part for part in a if not part.is_constant]
        bases = {part.base for part in varying}
        on_lines = len(bases) == 1 and all(len(part.models) == size for part in varying)
        lines = varying[0].lines if on_lines else None
        if lines is None:
            a = [self._over_box(part) if not part.is_constant else part for part in a]
        spread = [part if len(part.models) == size else Register(part.models * size) for part in a]
        return spread, lines, varying[0].base if lines else -1

    def _binary(self, g: Algebra, op: str, p: Model, q: Model) -> Model:
        if op == "mul":
            return g.multiply(p, q)
        if op == "div":
            return g.multiply(p, self._reciprocal(g, q))
        if op in ("add", "sub"):
            return plus(p, q, 1 if op == "add" else -1)
        excess = self._relu(g, plus(p, q, -1))  # max(p, q) = q + relu(p − q)
        return plus(q, excess) if op == "max" else plus(p, excess, -1)

    def _reciprocal(self, g: Algebra, p: Model) -> Model:
        if len(p) == 1:
            return coefficients("reciprocal", p[0], 0)
        a = coefficients("reciprocal", p[0], self.order)
        beyond = last("reciprocal", p[0] + g.range_of(p), self.order + 1)
        return self._combined(g, self._powers_of(g, p), a, beyond)

    def _unary(
        self, g: Algebra, key: tuple[int, int], node: Node, p: Model, slope: int = 0
    ) -> Model:
        """φ(p), or with ``slope`` φ'(p); the powers of p's varying part are kept under the key."""
        if node.op == "relu":
            return self._step(g, p) if slope else self._relu(g, p)
        if node.op == "step":
            return self._jump(g, p) if slope else self._step(g, p)
        op = node.integers[0] if node.op == "power" else node.op
        m = (0 if len(p) == 1 else self.order) + slope
        a = coefficients(op, p[0], m)
        if len(p) == 1:
            return [a[slope]]
        beyond = last(op, p[0] + g.range_of(p), m + 1)
        if slope:
            a, beyond = [c * k for k, c in enumerate(a[1:], 1)], beyond * (m + 1)
        if isinstance(g, Line) and len(p) == 2 and p[1] is ONE:  # the line's own variable
            a[0] = a[0] + beyond * g.ranges[self.order + 1]
            return a
        if key not in self._powers:
            self._powers[key] = self._powers_of(g, p)
        return self._combined(g, self._powers[key], a, beyond)

    def _powers_of(self, g: Algebra, p: Model) -> list[tuple[Model, Ball]]:
        """s, s², …, s^K for s = p without its constant: terms of degree k on, and the rest."""
        s = [ZERO, *p[1:]]
        size, out = g.range_of(p), [(s, ZERO)]
        for _ in range(self.order - 1):
            power, rest = out[-1]
            product, beyond = g.product(power, s)
            out.append((product, beyond if rest is ZERO else beyond + rest * size))
        return out

    def _combined(
        self, g: Algebra, powers: list[tuple[Model, Ball]], a: list[Ball], beyond: Ball
    ) -> Model:
        """a₀ + a₁ s + … + a_K s^K + beyond · s^(K+1)."""
        width = max(len(q) for q, _ in powers)
        terms, factors = [_padded(q, width) for q, _ in powers], a[1:]
        s = coefficients(self.order + 1, g.range_of(terms[0]), 0)[0]
        out = [a[0] + beyond * s]
        for factor, (_, rest) in zip(factors, powers, strict=True):
            if rest is not ZERO:
                out[0] = out[0] + factor * rest
        for i in range(1, width):
            column = [q[i] for q in terms[: g.degree[i]]]
            products = map(mul, factors, column)
            out.append(sum(products, next(products)))
        return out

    def _sign(self, g: Algebra, p: Model, strict: bool = False) -> int:
        """1 or −1 where the model is ≥ 0 or ≤ 0 (where strict, > 0 or < 0) all over, else 0."""
        for sign, q in ((-1, p), (1, scaled(p, -ONE))):
            bound = g.upper(q)
            if bound < 0 or (bound <= 0 and not strict):
                return sign
        return 0

    def _relu(self, g: Algebra, p: Model) -> Model:
        """Where p changes sign: a chord over its range [lo, hi], plus what it leaves out."""
        sign = self._sign(g, p)
        if sign:
            return p if sign > 0 else [ZERO]
        whole = p[0] + g.range_of(p)
        low, high = whole.lower(), whole.upper()
        slope = (high / (high - low)).mid()  # relu(z) − slope z is largest at one of the ends
        if not 0 <= slope <= 1:
            raise Undefined("relu of an unbounded argument")
        gap = (-slope * low).max((1 - slope) * high)
        out = scaled(p, slope)
        return [out[0] + gap.upper() * HALF, *out[1:]]

    def magnitude(self, p: Model) -> Model:
        """|p|; where p changes sign, between 0 and the larger end of its range."""
        sign = self._sign(self.monomials, p)
        if sign:
            return p if sign > 0 else scaled(p, -ONE)
        return [abs(p[0] + self.monomials.range_of(p)).upper() * HALF]

    def _step(self, g: Algebra, p: Model) -> Model:
        sign = self._sign(g, p, strict=True)
        return [HALF] if sign == 0 else [ONE if sign > 0 else ZERO]

    def _jump(self, g: Algebra, p: Model) -> Model:
        if self._sign(g, p, strict=True):
            return [ZERO]
        raise Undefined("the slope of a step")

    def gradient(self, root: int, entry: int = 0) -> list[Model]:
        """∂(entry of the node)/∂x, by reverse accumulation; Clarke's at kinks. Raises Undefined."""
        seed = [[ZERO] for _ in self.value(root)]
        seed[entry] = [ONE]
        adjoint: dict[int, Register] = {root: Register(seed)}
        for i in reversed(self.graph.needed([root])):
            node = self.graph.nodes[i]
            if i in adjoint and node.args:
                for arg, part in zip(node.args, self._backward(i, adjoint[i]), strict=True):
                    known = adjoint.get(arg)
                    adjoint[arg] = part if known is None else self._sum(known, part)
        none = Register([[ZERO]] * len(self.inputs[0]))
        return self._over_box(adjoint.get(0, none)).models  # node 0 is x

    def _sum(self, a: Register, b: Register) -> Register:
        (p, q), lines, base = self._aligned([a, b], len(a.models))
        return Register([plus(x, y) for x, y in zip(p.models, q.models, strict=True)], lines, base)

    def _backward(self, i: int, adjoint: Register) -> list[Register]:
        """For each operand, adjoint times the derivative by it."""
        node = self.graph.nodes[i]
        op, sizes = node.op, [self.graph.nodes[k].size for k in node.args]
        if op == "affine":
            return [Register(self._times(node.constants[0], node.size, True, adjoint))]
        if op == "stack":
            models = self._over_box(adjoint).models
            ends = [sum(sizes[:k]) for k in range(len(sizes) + 1)]
            return [Register(models[s:e]) for s, e in pairwise(ends)]
        if op == "slice":
            out: list[Model] = [[ZERO] for _ in range(sizes[0])]
            for k, p in zip(node.integers, self._over_box(adjoint).models, strict=True):
                out[k] = plus(out[k], p)
            return [Register(out)]
        operands = [self.registers[k] for k in node.args]
        if len(operands) == 1:
            kept = self._aligned(operands, node.size)[1]  # the algebra of the forward sweep
            g: Sequence[Algebra] = kept or [self.monomials] * node.size
            columns = enumerate(zip(g, operands[0].models, strict=True))
            slopes = [self._unary(g_k, (i, k), node, p, slope=1) for k, (g_k, p) in columns]
            return [self._product(Register(slopes, kept, operands[0].base), adjoint)]
        aligned, lines, base = self._aligned(operands, node.size)
        algebras: Sequence[Algebra] = lines or [self.monomials] * node.size
        pairs = [self._slopes(g_k, op, p, q) for g_k, p, q in
                 zip(algebras, aligned[0].models, aligned[1].models, strict=True)]  # fmt: skip
        found = []
        for k, size in enumerate(sizes):
            part = self._product(Register([pair[k] for pair in pairs], lines, base), adjoint)
            if size != node.size:
                part = Register([total(self._over_box(part).models)])
            found.append(part)
        return found

    def _product(self, a: Register, b: Register) -> Register:
        (p, q), lines, base = self._aligned([a, b], len(a.models))
        algebras: Sequence[Algebra] = lines or [self.monomials] * len(a.models)
        columns = zip(algebras, p.models, q.models, strict=True)
        return Register([g.multiply(x, y) for g, x, y in columns], lines, base)

    def _slopes(self, g: Algebra, op: str, p: Model, q: Model) -> tuple[Model, Model]:
        """The derivatives of a binary operation by its two operands."""
        if op == "mul":
            return q, p
        if op == "div":
            inverse = self._reciprocal(g, q)
            quotient = g.multiply(p, inverse)
            return inverse, scaled(g.multiply(quotient, inverse), -ONE)
        if op in ("add", "sub"):
            return [ONE], [ONE if op == "add" else -ONE]
        first = self._step(g, plus(p, q, -1))
        second = plus([ONE], first, -1)
        return (first, second) if op == "max" else (second, first)


def _padded(p: Model, width: int) -> Model:
    return p if len(p) == width else p + [ZERO] * (width - len(p))
