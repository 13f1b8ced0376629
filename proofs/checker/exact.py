"""Does a node vanish at the equilibrium in real arithmetic?

No enclosure can tell 0 from its neighbours. Here every entry is a *form*: a polynomial with
rational coefficients in atoms, real numbers such as tanh(3/7), π, or a disturbance, each named by
what it is the function of.
Equal forms are equal reals, so N(x*) − N(x*) cancels whatever N is; nothing else is
ever concluded. That all nodes are defined there, the caller shows with balls.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

from flint import arb, fmpq

from .graph import Graph, Node
from .series import Undefined

Form = dict[tuple[int, ...], fmpq]
"""Sorted atoms of a product → coefficient, never 0. The empty form is 0."""

LARGEST = 64
"""Products with more terms than this become an atom of their two factors."""

LONGEST, HIGHEST = 50_000, 1000
"""Bits of a coefficient; atoms of a product."""

ODD, EVEN = {"sin", "tan", "tanh"}, {"cos"}
AT_ZERO: dict[str, int | fmpq] = {
    "sin": 0, "tan": 0, "tanh": 0, "cos": 1, "exp": 1, "sigmoid": fmpq(1, 2), "sqrt": 0,
}  # fmt: skip
TURNS = {"sin": (0, 1, 0, -1), "cos": (1, 0, -1, 0)}


class Exact:
    """The forms of a graph's nodes at a point; ``balls(i)`` encloses node i there."""

    def __init__(self, graph: Graph, point: Sequence[fmpq], disturbances: int,
                 balls: Callable[[int], list[arb]]) -> None:  # fmt: skip
        self.graph, self.balls = graph, balls
        self._atoms: dict[Hashable, int] = {}
        self.inputs = [
            [number(v) for v in point], [self.atom("w", i) for i in range(disturbances)]
        ]  # fmt: skip
        self.forms: dict[int, list[Form]] = {}

    def value(self, root: int) -> list[Form]:
        for i in self.graph.needed([root]):
            if i not in self.forms:
                node = self.graph.nodes[i]
                found = self._node(node, [self.forms[a] for a in node.args])
                self.forms[i] = [bounded(form) for form in found]
        return self.forms[root]

    def atom(self, *key: Hashable) -> Form:
        return {(self._atoms.setdefault(key, len(self._atoms)),): fmpq(1)}

    def _node(self, node: Node, a: list[list[Form]]) -> list[Form]:
        op = node.op
        if op == "variable":
            return self.inputs[node.integers[0]]
        if op == "constant":
            return [number(v) for v in node.constants[0]]
        if op == "pi":
            return [self.atom("pi")]
        if op == "affine":
            weight, bias = node.constants
            used, width = [k for k, form in enumerate(a[0]) if form], len(a[0])
            return [
                combination([(weight[r * width + k], a[0][k]) for k in used], bias[r])
                for r in range(node.size)
            ]
        if op == "stack":
            return [form for part in a for form in part]
        if op == "slice":
            return [a[0][k] for k in node.integers]
        parts = [part if len(part) == node.size else part * node.size for part in a]
        signs = self._signs(node)
        if len(parts) == 1:
            exponent = node.integers[0] if op == "power" else 0
            return [self._unary(op, p, s, exponent) for p, s in zip(parts[0], signs, strict=True)]
        return [self._binary(op, p, q, s) for p, q, s in zip(*parts, signs, strict=True)]

    def _signs(self, node: Node) -> list[int]:
        """The sign of each operand entry, or of the difference of two, where balls show it."""
        known = [self.balls(a) for a in node.args]
        left, *right = (part if len(part) == node.size else part * node.size for part in known)
        values = [x - y for x, y in zip(left, right[0], strict=True)] if right else left
        return [1 if v > 0 else -1 if v < 0 else 0 for v in values]

    def _binary(self, op: str, p: Form, q: Form, sign: int) -> Form:
        if op in ("add", "sub"):
            return difference(p, q, 1 if op == "add" else -1)
        if op == "mul":
            return self.product(p, q)
        if op == "div":  # q is not 0: balls have shown it
            known = rational(q)
            if known is not None:
                return combination([(1 / known, p)], fmpq(0))
            if not p:
                return {}
            (a, x), (b, y) = primitive(p), primitive(q)
            if a == b:
                return number(x / y)
            inverse = self.atom("inverse", self._label(b))
            return self.product(p, combination([(1 / y, inverse)], fmpq(0)))
        excess = self._relu(difference(p, q, -1), sign)
        return difference(q, excess, 1) if op == "max" else difference(p, excess, -1)

    def _unary(self, op: str, p: Form, sign: int, exponent: int) -> Form:
        known = rational(p)
        if op == "power":
            out = p
            for _ in range(exponent - 1):
                out = self.product(out, p)
            return out
        if op == "relu":
            return self._relu(p, sign)
        if op == "step":  # at 0 some number of [0, 1], equal to no other
            sign = sign if known is None else (known > 0) - (known < 0)
            return self.atom("slope", len(self._atoms)) if not sign else number(int(sign > 0))
        if known == 0 and op in AT_ZERO:
            return number(AT_ZERO[op])
        if op == "log" and known == 1:
            return {}
        if op == "sqrt" and known is not None and known.p.is_square() and known.q.is_square():
            return number(fmpq(known.p.isqrt(), known.q.isqrt()))
        pi = next(iter(self.atom("pi")))
        if op in TURNS and set(p) == {pi} and (2 * p[pi]).q == 1:
            return number(TURNS[op][int((2 * p[pi]).p) % 4])
        if op in ODD | EVEN and primitive(p)[1] < 0:
            mirrored = self.atom(op, frozenset(combination([(fmpq(-1), p)], fmpq(0)).items()))
            return combination([(fmpq(1 if op in EVEN else -1), mirrored)], fmpq(0))
        return self.atom(op, frozenset(p.items()))

    def _relu(self, p: Form, sign: int) -> Form:
        known = rational(p)
        if known is not None:
            return number(max(known, fmpq(0)))
        return p if sign > 0 else {} if sign < 0 else self.atom("relu", frozenset(p.items()))

    def product(self, p: Form, q: Form) -> Form:
        if not p or not q:
            return {}
        if len(p) * len(q) > LARGEST and rational(p) is None and rational(q) is None:
            (a, x), (b, y) = primitive(p), primitive(q)
            pair = self.atom("product", *sorted((self._label(a), self._label(b))))
            return combination([(x * y, pair)], fmpq(0))
        if max(map(len, p)) + max(map(len, q)) > HIGHEST:
            raise Undefined("powers too high to be exact")
        out: Form = {}
        for m, c in p.items():
            accumulate(out, ((tuple(sorted(m + n)), d) for n, d in q.items()), c)
        return bounded(out)

    def _label(self, p: Form) -> int:
        return self._atoms.setdefault(frozenset(p.items()), len(self._atoms))


def bounded(form: Form) -> Form:
    if any(max(c.p.bit_length(), c.q.bit_length()) > LONGEST for c in form.values()):
        raise Undefined("numbers too long to be exact")
    return form


def number(value: int | fmpq) -> Form:
    return {(): fmpq(value)} if value else {}


def rational(p: Form) -> fmpq | None:
    """The number that a form without atoms is."""
    return p.get((), fmpq(0)) if set(p) <= {()} else None


def combination(terms: Iterable[tuple[fmpq, Form]], constant: fmpq) -> Form:
    out = number(constant)
    for factor, form in terms:
        if factor:
            accumulate(out, form.items(), factor)
    return out


def difference(p: Form, q: Form, sign: int) -> Form:
    return combination([(fmpq(1), p), (fmpq(sign), q)], fmpq(0))


def accumulate(out: Form, terms: Iterable[tuple[tuple[int, ...], fmpq]], factor: fmpq) -> None:
    """out += factor · terms, in place."""
    for m, c in terms:
        new = out.get(m, 0) + factor * c
        if new:
            out[m] = new
        else:
            del out[m]


def primitive(p: Form) -> tuple[Form, fmpq]:
    """A nonzero form as (itself with leading coefficient 1, that coefficient)."""
    lead = p[min(p)]
    return {m: c / lead for m, c in p.items()}, lead
