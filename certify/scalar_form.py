"""A condition's violation in scalars: what the writers of solvers' formulas have in common.

Vectors are taken apart entry by entry, constants are folded in rationals, zero weights vanish, and
equal subexpressions are one node, so that nothing is ever expanded to a tree. Every node is total:
a partial operation (a quotient, a root, a logarithm) becomes a fresh variable with the relation
that defines it, and what makes an output undefined is listed beside the constraint on it. A solver
that drops points outside a function's domain can then drop nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from certify.conditions import Condition
from systems.box import Box
from systems.errors import UnsupportedExpression
from systems.expression import Op

Relation = Literal["=", "<", "<=", ">", ">="]

MOST_BITS = 1 << 14
"""Of a folded rational, numerator and denominator together."""


@dataclass(frozen=True)
class Node:
    """One scalar; ``args`` are earlier nodes.

    ``kind``: "number" (``number``), "variable" (``name``), "sum" (number + Σ weights · args),
    "product" (of two), "quotient", "power" (``exponent``), "min", "max", or a function's name.
    """

    kind: str
    args: tuple[int, ...] = ()
    number: Fraction = Fraction(0)
    weights: tuple[Fraction, ...] = ()
    exponent: int = 1
    name: str = ""


@dataclass(frozen=True)
class Test:
    """node ⋈ 0."""

    node: int
    relation: Relation

    __test__ = False  # no class of tests


@dataclass(frozen=True)
class Fresh:
    """A variable that the formula adds, and what defines it unless ``unless`` holds.

    "quotient" v · args[1] = args[0]; "root" v ≥ 0 and v² = args[0]; "logarithm" exp v = args[0];
    "step" v in [0, 1], 1 where args[0] > 0 and 0 where it is < 0; "pi" the number.
    """

    variable: int
    kind: Literal["quotient", "root", "logarithm", "step", "pi"]
    args: tuple[int, ...] = ()
    unless: Test | None = None


@dataclass(frozen=True)
class Constrained:
    """node ⋈ level, or one of the tests: the output is undefined then."""

    node: int
    relation: Relation
    level: Fraction
    undefined: tuple[Test, ...]


@dataclass(frozen=True)
class ScalarForm:
    """The point ``names`` lies in one of the regions and every constraint holds there."""

    names: tuple[str, ...]
    nodes: tuple[Node, ...]
    fresh: tuple[Fresh, ...]
    constraints: tuple[Constrained, ...]
    regions: tuple[Box, ...]


@dataclass(frozen=True)
class Language:
    """What a tool takes: ``functions`` by themselves; the rest is written in terms of these.

    ``defined`` says of (operation, register, entry) that the operation is defined on all of the
    regions, so that it may be written as it is.
    """

    functions: frozenset[Op]
    defined: Callable[[Op, int, int], bool] = lambda _op, _register, _entry: False


Entry = tuple[int, frozenset[Test]]
"""A node, and the tests one of which holds wherever it is undefined."""


def scalar_form(condition: Condition, names: Sequence[str], language: Language) -> ScalarForm:
    """The violation of a condition over the scalar variables ``names``."""
    builder = _Builder(condition, names, language)
    outputs = [c.output for c in condition.violation]
    entries = builder.run(outputs)
    constraints = []
    for c, (node, undefined) in zip(condition.violation, entries, strict=True):
        relation: Relation = ">=" if c.sense == "at least" else "<="
        if c.strict:
            relation = ">" if c.sense == "at least" else "<"
        tests = tuple(sorted(undefined, key=lambda t: (t.node, t.relation)))
        constraints.append(Constrained(node, relation, c.level, tests))
    return ScalarForm(
        tuple(names),
        tuple(builder.nodes),
        tuple(builder.fresh),
        tuple(constraints),
        condition.regions,
    )


class Nodes:
    """Nodes so far, each kept once, with the foldings that are exact."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._index: dict[Node, int] = {}

    def add(self, node: Node) -> int:
        known = self._index.get(node)
        if known is None:
            known = self._index[node] = len(self.nodes)
            self.nodes.append(node)
        return known

    def number(self, value: Fraction | int) -> int:
        """Raises UnsupportedExpression for one that folding has made too long."""
        rational = Fraction(value)
        if _bits(rational) > MOST_BITS:
            raise UnsupportedExpression("a constant", "the writer", f"it has over {MOST_BITS} bits")
        return self.add(Node("number", number=rational))

    def value(self, node: int) -> Fraction | None:
        """The rational that a node is, else None."""
        found = self.nodes[node]
        return found.number if found.kind == "number" else None

    def sum(self, terms: Sequence[tuple[Fraction, int]], constant: Fraction) -> int:
        """constant + Σ weight · node; equal nodes are added up."""
        weights: dict[int, Fraction] = {}
        for weight, node in terms:
            value = self.value(node)
            if value is not None:
                constant += weight * value
            elif weight:
                weights[node] = weights.get(node, Fraction(0)) + weight
        kept = {k: w for k, w in weights.items() if w}
        if not kept:
            return self.number(constant)
        if not constant and list(kept.values()) == [1]:
            return next(iter(kept))
        return self.add(Node("sum", tuple(kept), constant, tuple(kept.values())))

    def product(self, a: int, b: int) -> int:
        p, q = self.value(a), self.value(b)
        if p is not None:
            return self.sum([(p, b)], Fraction(0))
        if q is not None:
            return self.sum([(q, a)], Fraction(0))
        return self.power(a, 2) if a == b else self.add(Node("product", (min(a, b), max(a, b))))

    def power(self, a: int, exponent: int) -> int:
        value = self.value(a)
        if value is not None and _bits(value) * exponent < MOST_BITS:
            return self.number(value**exponent)
        return self.add(Node("power", (a,), exponent=exponent))

    def quotient(self, a: int, b: int) -> int:
        """a / b where b is not 0 anywhere."""
        p, q = self.value(a), self.value(b)
        if q:
            return self.sum([(1 / q, a)], Fraction(0))
        return a if p == 0 else self.add(Node("quotient", (a, b)))

    def extreme(self, kind: Literal["min", "max"], a: int, b: int) -> int:
        p, q = self.value(a), self.value(b)
        if p is not None and q is not None:
            return self.number(min(p, q) if kind == "min" else max(p, q))
        return a if a == b else self.add(Node(kind, (min(a, b), max(a, b))))

    def function(self, op: Op, a: int) -> int:
        return self.add(Node(op.value, (a,)))


class _Builder(Nodes):
    """Reads a tape, register by register, only the entries that are asked for."""

    def __init__(self, condition: Condition, names: Sequence[str], language: Language) -> None:
        super().__init__()
        self.tape, self.language = condition.tape, language
        self.fresh: list[Fresh] = []
        self._steps: dict[int, int] = {}
        self._partial: dict[tuple[object, ...], Entry] = {}
        self._rationals: dict[int, list[Fraction]] = {}
        self.variables = [self.add(Node("variable", name=name)) for name in names]

    def run(self, outputs: Sequence[int]) -> list[Entry]:
        roots = [self.tape.outputs[o] for o in outputs]
        wanted = self._wanted(roots)
        known: dict[int, dict[int, Entry]] = {}
        for register, entries in sorted(wanted.items()):
            known[register] = {k: self._entry(register, k, known) for k in sorted(entries)}
        return [known[r][0] for r in roots]

    def _wanted(self, roots: Sequence[int]) -> dict[int, set[int]]:
        """The entries of every register that the roots depend on."""
        wanted: dict[int, set[int]] = {r: {0} for r in roots}
        for register in range(len(self.tape.instructions) - 1, -1, -1):
            entries = wanted.get(register)
            if entries is None:
                continue
            for k in entries:
                for r, e in self._operands(register, k):
                    wanted.setdefault(r, set()).add(e)
                if self.tape.instructions[register].op is Op.AFFINE:
                    break  # every row has the same operands
        return wanted

    def _operands(self, register: int, k: int) -> list[tuple[int, int]]:
        """(register, entry) of everything that entry k of a register is made from."""
        i = self.tape.instructions[register]
        sizes = [self.tape.instructions[a].size for a in i.args]
        match i.op:
            case Op.VARIABLE | Op.CONSTANT | Op.PI:
                return []
            case Op.AFFINE:
                return [(i.args[0], e) for e in range(sizes[0])]
            case Op.STACK:
                for a, size in zip(i.args, sizes, strict=True):
                    if k < size:
                        return [(a, k)]
                    k -= size
                raise IndexError(k)
            case Op.SLICE:
                return [(i.args[0], i.integers[k])]
            case _:
                return [(a, k if s > 1 else 0) for a, s in zip(i.args, sizes, strict=True)]

    def _entry(self, register: int, k: int, known: dict[int, dict[int, Entry]]) -> Entry:
        i = self.tape.instructions[register]
        operands = [known[r][e] for r, e in self._operands(register, k)]
        undefined = frozenset[Test]().union(*(u for _, u in operands))
        a = [node for node, _ in operands]
        match i.op:
            case Op.VARIABLE:
                node = self.variables[i.integers[0] + k]
            case Op.CONSTANT:
                node = self.number(self._constant(i.constants[0])[k])
            case Op.PI:
                node = self._pi()
            case Op.AFFINE:
                weights, bias = (self._constant(c) for c in i.constants)
                row = weights[k * len(a) : (k + 1) * len(a)]
                node = self.sum(list(zip(row, a, strict=True)), bias[k])
            case Op.ADD | Op.SUB:
                sign = Fraction(1 if i.op is Op.ADD else -1)
                node = self.sum([(Fraction(1), a[0]), (sign, a[1])], Fraction(0))
            case Op.MUL:
                node = self.product(a[0], a[1])
            case Op.POWER:
                node = self._power(a[0], i.integers[0])
            case Op.MIN | Op.MAX:
                node = self.extreme("min" if i.op is Op.MIN else "max", a[0], a[1])
            case Op.STACK | Op.SLICE:
                node = a[0]
            case Op.DIV | Op.LOG | Op.SQRT | Op.TAN:
                node, more = self._partially(i.op, a, self.language.defined(i.op, register, k))
                undefined |= more
            case op:
                node = self._function(op, a[0])
        return node, undefined

    def _constant(self, index: int) -> list[Fraction]:
        if index not in self._rationals:
            self._rationals[index] = self.tape.constants[index].rationals()
        return self._rationals[index]

    def _power(self, a: int, exponent: int) -> int:
        """By squaring, where the language has no powers."""
        if Op.POWER in self.language.functions or exponent <= 3:
            return self.power(a, exponent)
        half = self._power(a, exponent // 2)
        square = self.power(half, 2)
        return self.product(square, a) if exponent % 2 else square

    def _function(self, op: Op, z: int) -> int:
        """A total function."""
        one = self.number(1)
        match op:
            case Op.RELU:
                return self.extreme("max", z, self.number(0))
            case Op.STEP:
                return self._step(z)
            case Op.SIGMOID:
                return self.quotient(one, self._one_plus_exp(Fraction(-1), z))
            case Op.SOFTPLUS:
                inner = self._one_plus_exp(Fraction(1), z)
                if Op.LOG in self.language.functions:
                    return self.function(Op.LOG, inner)
                return self._defined_by("logarithm", (inner,), None)
            case Op.TANH if op not in self.language.functions:
                tail = self.quotient(self.number(2), self._one_plus_exp(Fraction(2), z))
                return self.sum([(Fraction(-1), tail)], Fraction(1))
            case _:
                return self.function(op, z)

    def _one_plus_exp(self, weight: Fraction, z: int) -> int:
        grown = self.function(Op.EXP, self.sum([(weight, z)], Fraction(0)))
        return self.sum([(Fraction(1), grown)], Fraction(1))

    def _partially(self, op: Op, a: Sequence[int], defined: bool) -> Entry:
        """A partial operation: as it is where it is defined everywhere, else by its relation."""
        key = (op, tuple(a), defined)
        if key not in self._partial:
            self._partial[key] = self._make_partial(op, a, defined)
        return self._partial[key]

    def _make_partial(self, op: Op, a: Sequence[int], defined: bool) -> Entry:
        nothing = frozenset[Test]()
        if op is Op.DIV and self.value(a[1]):
            return self.quotient(a[0], a[1]), nothing
        if defined and (op is Op.DIV or op in self.language.functions):
            return (self.quotient(a[0], a[1]) if op is Op.DIV else self.function(op, a[0])), nothing
        if op is Op.TAN:
            parts = [self.function(Op.SIN, a[0]), self.function(Op.COS, a[0])]
            return self._partially(Op.DIV, parts, defined)
        if op is Op.DIV:
            test = None if defined else Test(a[1], "=")
            node = self._defined_by("quotient", tuple(a), test)
        elif op is Op.LOG:
            test = None if defined else Test(a[0], "<=")
            node = self._defined_by("logarithm", tuple(a), test)
        else:
            test = None if defined else Test(a[0], "<")
            node = self._defined_by("root", tuple(a), test)
        return node, frozenset() if test is None else frozenset({test})

    def _step(self, z: int) -> int:
        value = self.value(z)
        if value:
            return self.number(1 if value > 0 else 0)
        if z not in self._steps:
            self._steps[z] = self._defined_by("step", (z,), None)
        return self._steps[z]

    def _pi(self) -> int:
        for fresh in self.fresh:
            if fresh.kind == "pi":
                return fresh.variable
        return self._defined_by("pi", (), None)

    def _defined_by(
        self,
        kind: Literal["quotient", "root", "logarithm", "step", "pi"],
        args: tuple[int, ...],
        unless: Test | None,
    ) -> int:
        # "!" is in no state's name
        variable = self.add(Node("variable", name=f"{kind}!{len(self.fresh)}"))
        self.fresh.append(Fresh(variable, kind, args, unless))
        return variable


def _bits(value: Fraction) -> int:
    return value.numerator.bit_length() + value.denominator.bit_length()
