"""A tape as the few operations of linear-relaxation libraries: affine maps, products, functions.

Everything affine is folded into one matrix and vector between two non-linear nodes; the other
operations are spelt out in those that the libraries bound well:

    max(a, b) = b + relu(a − b)            min(a, b) = a − relu(a − b)
    softplus(a) = log(1 + exp(a))          sqrt(a) = exp(log(a) / 2)
    1 / a = s exp(−log(s a)), s the sign of a, or a exp(−log(a²)) where it has both
    tan(a) = sin(a) / cos(a)               powers are products

An argument of a logarithm must be shown to be positive wherever a bound is used: then the spelling
has the same domain as the original, but for sqrt at 0. Numbers are the nearest floats: bounds of
the graph are not bounds of the tape to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from certify.backends.lirpa_affine import Affine, stacked
from certify.enclosure.folding import Constants
from systems.evaluate import evaluate
from systems.expression import Op
from systems.tape import Instruction, Tape

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Node:
    """A node of the graph. ``op``: VARIABLE (the input), AFFINE, MUL, or a function of one node."""

    op: Op
    size: int
    args: tuple[int, ...] = ()
    map: Affine | None = None


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in order of evaluation; node 0 is the input, the last one the outputs (J,)."""

    nodes: tuple[Node, ...]

    def values(self, points: Array) -> tuple[Array, Array]:
        """The outputs at points (N, n), and the sizes of the terms they are made of: (N, J) each.

        A size is Σ |W_k| |a_k| + |b| of the last map; NaN where something is undefined.
        """
        known: list[Array] = []
        sizes = np.empty((len(points), 0))
        with np.errstate(all="ignore"):
            for node in self.nodes:
                args = [known[a] for a in node.args]
                if node.map is not None:
                    value = np.broadcast_to(node.map.bias, (len(points), node.size))
                    sizes = np.abs(value)
                    for k, w in node.map.parts.items():
                        value = value + known[k] @ w.T
                        sizes = sizes + np.abs(known[k]) @ np.abs(w).T
                elif node.op is Op.VARIABLE:
                    value = points
                elif node.op is Op.MUL:
                    value = args[0] * args[1]
                else:
                    value = _FUNCTIONS[node.op](args[0])
                known.append(value)
        return known[-1], sizes


_FUNCTIONS: dict[Op, Callable[[Array], Array]] = {
    Op.SIN: np.sin,
    Op.COS: np.cos,
    Op.EXP: np.exp,
    Op.LOG: np.log,
    Op.TANH: np.tanh,
    Op.SIGMOID: lambda z: 0.5 + 0.5 * np.tanh(0.5 * z),
    Op.RELU: lambda z: np.maximum(z, 0.0),
}

NOT_A_NUMBER = 1e-12
"""A constant must be known to this, relatively: that of a step at 0 is not."""


def graph_of(tape: Tape, outputs: Sequence[int], signs: Array, points: Array) -> Graph:
    """The graph of the scalar outputs numbered ``outputs``, each times its sign (J,), stacked.

    ``points`` (N, n) are samples of the region, from which the signs of divisors are guessed.
    Raises ValueError where the tape has a step, or a constant that is undefined.
    """
    return _Builder(tape, points).graph([tape.outputs[j] for j in outputs], signs)


class _Builder:
    def __init__(self, tape: Tape, points: Array) -> None:
        self.tape, self.points = tape, points
        self.constants = Constants(tape)
        self.nodes = [Node(Op.VARIABLE, tape.dimension)]
        self.forms: dict[int, Affine] = {}
        self.made: dict[int, int] = {}
        self.reciprocals: dict[int, Affine] = {}
        self.known: dict[object, int] = {}

    def graph(self, registers: Sequence[int], signs: Array) -> Graph:
        needed = self.tape.with_outputs(registers).needed
        for r, instruction in enumerate(self.tape.instructions):
            if r in needed:
                self.forms[r] = (
                    self._form(r, instruction) if self.tape.varying[r] else self._constant(r)
                )
        whole = stacked([self.forms[r] for r in registers]).times(signs)
        if not whole.parts:  # a graph of a library has to depend on its input
            whole = Affine({0: np.zeros((whole.size, self.tape.dimension))}, whole.bias)
        self.nodes.append(Node(Op.AFFINE, whole.size, tuple(whole.parts), whole))
        return Graph(tuple(self.nodes))

    def _constant(self, register: int) -> Affine:
        middle, radius = self.constants[register]
        if not (np.isfinite(middle).all() and (radius <= NOT_A_NUMBER * (1 + abs(middle))).all()):
            raise ValueError("a constant is undefined")
        return Affine({}, np.asarray(middle, dtype=np.float64))

    def _form(self, register: int, i: Instruction) -> Affine:
        a = [self.forms[k] for k in i.args]
        match i.op:
            case Op.VARIABLE:
                rows = range(i.integers[0], i.integers[0] + i.size)
                return self._of(0).rows(rows)
            case Op.AFFINE:
                weight, bias = (self.tape.constants[k].values for k in i.constants)
                return a[0].mapped(weight, bias)
            case Op.ADD:
                return a[0].plus(a[1])
            case Op.SUB:
                return a[0].plus(a[1], -1.0)
            case Op.STACK:
                return stacked(a)
            case Op.SLICE:
                return a[0].rows(i.integers)
            case Op.MIN | Op.MAX:
                gap = self._apply(Op.RELU, self._node(a[0].plus(a[1], -1.0)))
                return a[1].plus(gap) if i.op is Op.MAX else a[0].plus(gap, -1.0)
            case Op.MUL:
                return self._product(*i.args)
            case Op.POWER:
                return self._power(i.args[0], i.integers[0])
            case Op.DIV:
                return self._times(a[0], self._reciprocal(i.args[1], a[1]))
            case Op.TAN:
                inner = self._register(i.args[0])
                sine, cosine = self._apply(Op.SIN, inner), self._apply(Op.COS, inner)
                return self._times(sine, self._inverse(cosine, _cosines(self._samples(i.args[0]))))
            case Op.SQRT:
                logarithm = self._apply(Op.LOG, self._register(i.args[0]))
                return self._exp(logarithm, np.full(i.size, 0.5))
            case Op.SOFTPLUS:
                above = self._apply(Op.EXP, self._register(i.args[0]))
                return self._apply(Op.LOG, self._node(above.plus(Affine({}, np.ones(1)))))
            case op if op in _FUNCTIONS:
                return self._apply(op, self._register(i.args[0]))
        raise ValueError(f"the operation {i.op.value} (register {register}) is not supported")

    def _product(self, x: int, y: int) -> Affine:
        if x == y:
            return self._power(x, 2)
        return self._times(self.forms[x], self.forms[y], (x, y))

    def _times(
        self, a: Affine, b: Affine, registers: tuple[int | None, int | None] = (None, None)
    ) -> Affine:
        size = max(a.size, b.size)
        for p, q in ((a, b), (b, a)):
            if not p.parts:
                return q.times(p.spread(size).bias)
        if a.size == b.size:
            x, y = (
                self._node(f) if r is None else self._register(r)
                for f, r in zip((a, b), registers, strict=True)
            )
        else:
            x, y = self._node(a.spread(size)), self._node(b.spread(size))
        return self._append(Node(Op.MUL, size, (x, y)))

    def _power(self, register: int, exponent: int) -> Affine:
        base = self._register(register)
        result: Affine | None = None
        square, left = base, exponent
        while left:
            if left % 2:
                result = (
                    self._of(square)
                    if result is None
                    else self._append(
                        Node(Op.MUL, self.nodes[square].size, (self._node(result), square))
                    )
                )
            left //= 2
            if left:
                squared = Node(Op.MUL, self.nodes[square].size, (square, square))
                square = self._node(self._append(squared))
        assert result is not None
        return result

    def _reciprocal(self, register: int, divisor: Affine) -> Affine:
        if not divisor.parts:
            if not divisor.bias.all():
                raise ValueError("a constant divisor is 0")
            return Affine({}, 1.0 / divisor.bias)
        if register not in self.reciprocals:
            self.reciprocals[register] = self._inverse(divisor, self._samples(register))
        return self.reciprocals[register]

    def _inverse(self, divisor: Affine, samples: Array) -> Affine:
        sign = np.where(
            (samples > 0).all(axis=0), 1.0, np.where((samples < 0).all(axis=0), -1.0, 0)
        )
        if sign.all():
            logarithm = self._apply(Op.LOG, self._node(divisor.times(sign)))
            return self._exp(logarithm, np.full(divisor.size, -1.0)).times(sign)
        node = self._node(divisor)
        square = self._node(self._append(Node(Op.MUL, divisor.size, (node, node))))
        below = self._exp(self._apply(Op.LOG, square), np.full(divisor.size, -1.0))
        return self._append(Node(Op.MUL, divisor.size, (node, self._node(below))))

    def _exp(self, logarithm: Affine, factor: Array) -> Affine:
        return self._apply(Op.EXP, self._node(logarithm.times(factor)))

    def _samples(self, register: int) -> Array:
        return evaluate(self.tape.with_outputs([register]), self.points)[0]

    def _apply(self, op: Op, node: int) -> Affine:
        return self._append(Node(op, self.nodes[node].size, (node,)))

    def _append(self, node: Node) -> Affine:
        """The node, or the same one that is there already."""
        return self._of(self._numbered(node, (node.op, *node.args)))

    def _numbered(self, node: Node, content: object) -> int:
        if content not in self.known:
            self.known[content] = len(self.nodes)
            self.nodes.append(node)
        return self.known[content]

    def _of(self, node: int) -> Affine:
        size = self.nodes[node].size
        return Affine({node: np.eye(size)}, np.zeros(size))

    def _register(self, register: int) -> int:
        """The node that holds a register, made once."""
        if register not in self.made:
            self.made[register] = self._node(self.forms[register])
        return self.made[register]

    def _node(self, form: Affine) -> int:
        """A node that holds the form: one that is there, where it is just that one."""
        if len(form.parts) == 1 and not form.bias.any():
            ((k, w),) = form.parts.items()
            if w.shape[0] == w.shape[1] and np.array_equal(w, np.eye(len(w))):
                return k
        content = (
            tuple((k, w.shape, w.tobytes()) for k, w in form.parts.items()),
            form.bias.tobytes(),
        )
        return self._numbered(Node(Op.AFFINE, form.size, tuple(form.parts), form), content)


def _cosines(samples: Array) -> Array:
    return np.asarray(np.cos(samples))
