"""The gradient of a node as nodes of a graph, by reverse accumulation.

Models are differentiated on each box (``models``); a backward linear relaxation instead needs ∇V as
a formula, so that V̇ is one function of x and w. To keep the rules few, the formula is first entered
into a graph of its own with fewer operations: x/y as x · (1/y), x · x as a power, min and max by
relu, sigmoid by tanh, cos by sin. Two are added: ``reciprocal``, and ``tanh'``, which is 1 − tanh².
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate, pairwise

from flint import fmpq

from .graph import MAX_ENTRIES, Graph, Node
from .series import Undefined


class Formula:
    """A copy of some nodes of a graph, with fewer operations; ``at`` says where each has gone."""

    def __init__(self, source: Graph, roots: Iterable[int]) -> None:
        self.graph = Graph()
        self._entries = 0
        self.at: dict[int, int] = {}
        for i in source.needed({0, *roots}):  # node 0 is x, here and there
            node = source.nodes[i]
            self.at[i] = self._entered(node, [self.at[k] for k in node.args])

    def _entered(self, node: Node, args: list[int]) -> int:
        match node.op:
            case "mul":
                return self._mul(*args)
            case "div":
                return self._mul(args[0], self._unary("reciprocal", args[1]))
            case "min":  # a − relu(a − b)
                return self._add("sub", args[0], self._excess(*args))
            case "max":  # b + relu(a − b)
                return self._add("add", args[1], self._excess(*args))
            case "sigmoid":
                return self._sigmoid(args[0])
            case "cos":  # sin(z + π/2)
                return self._unary("sin", self._quarter_turn(args[0]))
        return self.graph.add(
            node.op, node.size, *args, constants=node.constants, integers=node.integers
        )

    def _excess(self, a: int, b: int) -> int:
        return self._unary("relu", self._add("sub", a, b))

    def _sigmoid(self, z: int) -> int:
        half = self._constant(fmpq(1, 2))
        tanh = self._unary("tanh", self._mul(half, z))  # (1 + tanh(z/2))/2
        return self._add("add", half, self._mul(half, tanh))

    def _quarter_turn(self, z: int) -> int:
        return self._add("add", z, self._times(fmpq(1, 2), self.graph.add("pi", 1)))

    def product_sum(self, a: int, b: int) -> int:
        """aᵀb."""
        return self._total(self._mul(a, b))

    def gradient(self, root: int) -> int:
        """The node ∂root/∂x for a node of size 1; at a kink the slope is any of step's values,
        Clarke's. Raises Undefined where there is no rule."""
        g = self.graph
        adjoint, nodes, varying = {root: self._constant(1)}, g.needed([root]), {0}
        for i in nodes:
            if varying.intersection(g.nodes[i].args):
                varying.add(i)
        for i in reversed(nodes):
            if i in adjoint and i in varying and i != 0:
                for arg, part in zip(g.nodes[i].args, self._backward(i, adjoint[i]), strict=True):
                    known = adjoint.get(arg)
                    adjoint[arg] = part if known is None else self._add("add", known, part)
        return adjoint.get(0, self._constant(0, g.nodes[0].size))

    def _backward(self, i: int, adjoint: int) -> list[int]:
        """For each operand, adjoint times the derivative by it."""
        node, op = self.graph.nodes[i], self.graph.nodes[i].op
        sizes = [self.graph.nodes[k].size for k in node.args]
        if op == "affine":
            weight, width = node.constants[0], sizes[0]
            self._count(len(weight))
            return [self._matrix([weight[k::width] for k in range(width)], adjoint)]
        if op == "stack":
            ends = pairwise(accumulate(sizes, initial=0))
            return [self.graph.add("slice", e - s, adjoint, integers=range(s, e)) for s, e in ends]
        if op == "slice":
            self._count(sizes[0] * node.size)
            rows = [tuple(fmpq(k == j) for k in node.integers) for j in range(sizes[0])]
            return [self._matrix(rows, adjoint)]
        if op in ("add", "sub"):
            minus = adjoint if op == "add" else self._mul(self._constant(-1), adjoint)
            parts = [adjoint, minus]
        elif op == "mul":
            parts = [self._mul(adjoint, node.args[1]), self._mul(adjoint, node.args[0])]
        else:
            parts = [self._mul(adjoint, self._slope(i, node.args[0]))]
        return [p if size == self.graph.nodes[p].size else self._total(p)
                for p, size in zip(parts, sizes, strict=True)]  # fmt: skip

    def _slope(self, i: int, z: int) -> int:
        """φ'(z) for the node i = φ(z)."""
        op, times = self.graph.nodes[i].op, self._times
        if op == "power":
            (n,) = self.graph.nodes[i].integers
            return times(n, z if n == 2 else self._power(z, n - 1))
        if op == "tan":
            return self._add("add", self._constant(1), self._power(i, 2))
        if op == "softplus":  # its slope is the sigmoid
            return self._sigmoid(z)
        if op == "sqrt":
            return times(fmpq(1, 2), self._unary("reciprocal", i))
        if op == "reciprocal":
            return times(-1, self._power(i, 2))
        if op == "sin":
            return self._unary("sin", self._quarter_turn(z))
        if op == "exp":
            return i
        if op not in _SLOPES:
            raise Undefined(f"the slope of a {op}")
        return self._unary(_SLOPES[op], z)

    def _size(self, *args: int) -> int:
        return max(self.graph.nodes[a].size for a in args)

    def _add(self, op: str, a: int, b: int) -> int:
        return self.graph.add(op, self._size(a, b), a, b)

    def _mul(self, a: int, b: int) -> int:
        return self._power(a, 2) if a == b else self.graph.add("mul", self._size(a, b), a, b)

    def _times(self, factor: fmpq | int, a: int) -> int:
        return self._mul(self._constant(factor), a)

    def _power(self, a: int, exponent: int) -> int:
        return self.graph.add("power", self._size(a), a, integers=(exponent,))

    def _unary(self, op: str, a: int) -> int:
        return self.graph.add(op, self._size(a), a)

    def _constant(self, value: fmpq | int, size: int = 1) -> int:
        return self.graph.add("constant", size, constants=[(fmpq(value),) * size])

    def _count(self, entries: int) -> None:
        self._entries += entries
        if self._entries > MAX_ENTRIES:
            raise Undefined("a gradient with matrices beyond all bounds")

    def _total(self, a: int) -> int:
        return self._matrix([(fmpq(1),) * self._size(a)], a)

    def _matrix(self, rows: list[tuple[fmpq, ...]], a: int) -> int:
        """M a, for a matrix by its rows."""
        flat = tuple(v for row in rows for v in row)
        zeros = (fmpq(0),) * len(rows)
        return self.graph.add("affine", len(rows), a, constants=(flat, zeros))


_SLOPES = {"tanh": "tanh'", "relu": "step", "log": "reciprocal"}
