"""Writes a violation in scalars as formulas, in whatever form a tool wants them.

The walk, the sharing and the guards are here; a :class:`Target` makes the tool's own terms. What
is used twice and is not small is named, so that the size stays that of the graph.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Generic, TypeVar

from certify.scalar_form import Fresh, Node, Relation, ScalarForm, Test
from systems.box import Box

Term = TypeVar("Term")
Formula = TypeVar("Formula")

DEEPEST = 100
"""Terms nested deeper than this are named: parsers recurse."""


class Target(ABC, Generic[Term, Formula]):
    """How a tool's terms are made, and what may be written out again at each use."""

    largest_repeated: int
    """A term with at most so many nodes is written out again at each of its uses."""
    uses_twice: frozenset[str]
    """The kinds of node that mention each operand twice."""

    @abstractmethod
    def variable(self, name: str) -> Term:
        """Declare a real variable."""

    @abstractmethod
    def name(self, name: str, term: Term) -> Term:
        """A name that stands for the term."""

    @abstractmethod
    def number(self, value: Fraction) -> Term: ...

    @abstractmethod
    def sum(self, constant: Fraction, terms: Sequence[tuple[Fraction, Term]]) -> Term:
        """constant + Σ weight · term, of at least one term."""

    @abstractmethod
    def product(self, a: Term, b: Term) -> Term: ...

    @abstractmethod
    def quotient(self, a: Term, b: Term) -> Term: ...

    @abstractmethod
    def power(self, a: Term, exponent: int) -> Term: ...

    @abstractmethod
    def extreme(self, kind: str, a: Term, b: Term) -> Term:
        """The smaller ("min") or the larger ("max")."""

    @abstractmethod
    def function(self, name: str, a: Term) -> Term: ...

    @abstractmethod
    def compare(self, a: Term, relation: Relation, level: Fraction) -> Formula: ...

    @abstractmethod
    def equal(self, a: Term, b: Term) -> Formula: ...

    @abstractmethod
    def step(self, variable: Term, z: Term) -> Sequence[Formula]:
        """That the variable, in [0, 1], is the set-valued step at z."""

    @abstractmethod
    def truth(self, value: bool) -> Formula: ...

    @abstractmethod
    def all_of(self, formulas: Sequence[Formula]) -> Formula: ...

    @abstractmethod
    def any_of(self, formulas: Sequence[Formula]) -> Formula: ...

    @abstractmethod
    def demand(self, formula: Formula) -> None:
        """Assert it."""

    @abstractmethod
    def bounds(self, variable: Term, lower: Fraction, upper: Fraction | None) -> None:
        """Assert that a variable lies between; a lower bound alone may be a little too low."""


PI_BELOW = Fraction(31415926535897932384626433832795028841971, 10**40)
PI_ABOVE = PI_BELOW + Fraction(1, 10**40)


class Writer(Generic[Term, Formula]):
    """One walk over a form: variables and bounds, definitions, then the constraints."""

    def __init__(self, form: ScalarForm, target: Target[Term, Formula]) -> None:
        self.form, self.target = form, target
        self.needed = _needed(form)
        self.uses = self._count_uses()
        self.terms: dict[int, Term] = {}
        self.size: dict[int, int] = {}
        self.depth: dict[int, int] = {}

    def write(self) -> None:
        states = self._region()
        fresh = {f.variable: f for f in self.form.fresh}
        named = 0
        for index, node in enumerate(self.form.nodes):
            if node.kind == "variable" and node.name in states:
                self._keep(index, states[node.name], (), leaf=True)
            elif index not in self.needed:
                continue
            elif node.kind == "variable":
                self._keep(index, self.target.variable(node.name), (), leaf=True)
                self._define(fresh[index])
            else:
                self._keep(index, self._term(node), node.args, leaf=node.kind == "number")
                if self._is_named(index, node):
                    named += 1
                    term = self.target.name(f"term!{named}", self.terms[index])
                    self._keep(index, term, (), leaf=True)
        self._constrain()

    def _constrain(self) -> None:
        """The constraints come last, one assertion each, after whatever they declare."""
        formulas = [
            self._unless(c.undefined, self._compare(c.node, c.relation, c.level))
            for c in self.form.constraints
        ]
        for formula in formulas:
            self.target.demand(formula)

    def _keep(self, index: int, term: Term, args: Sequence[int], *, leaf: bool) -> None:
        self.terms[index] = term
        self.size[index] = 1 if leaf else 1 + sum(self.size[a] for a in args)
        self.depth[index] = 0 if leaf else 1 + max(self.depth[a] for a in args)

    def _is_named(self, index: int, node: Node) -> bool:
        if node.kind == "number":
            return False
        shared = self.uses[index] > 1 and self.size[index] > self.target.largest_repeated
        return shared or self.depth[index] > DEEPEST

    def _count_uses(self) -> Counter[int]:
        uses: Counter[int] = Counter()
        twice = self.target.uses_twice
        for index in self.needed:
            node = self.form.nodes[index]
            for a in node.args:
                uses[a] += 2 if node.kind in twice else 1
        for f in self.form.fresh:
            if f.variable in self.needed:
                uses.update(f.args * 2 if f.kind == "step" else f.args)
                uses.update([f.unless.node] if f.unless else [])
        for c in self.form.constraints:
            uses.update([c.node, *(t.node for t in c.undefined)])
        return uses

    def _region(self) -> dict[str, Term]:
        """The states, and where they lie."""
        regions, target = self.form.regions, self.target
        states = {name: target.variable(name) for name in self.form.names}
        for axis, state in enumerate(states.values()):
            lower = min(r.lower[axis] for r in regions)
            upper = max(r.upper[axis] for r in regions)
            target.bounds(state, lower, upper)
        if len(regions) > 1:
            target.demand(target.any_of([self._inside(r, states.values()) for r in regions]))
        return states

    def _inside(self, region: Box, states: Iterable[Term]) -> Formula:
        compare = self.target.compare
        sides = zip(states, region.lower, region.upper, strict=True)
        return self.target.all_of(
            [f for x, a, b in sides for f in (compare(x, ">=", a), compare(x, "<=", b))]
        )

    def _term(self, node: Node) -> Term:
        a = [self.terms[k] for k in node.args]
        match node.kind:
            case "number":
                return self.target.number(node.number)
            case "sum":
                return self.target.sum(node.number, list(zip(node.weights, a, strict=True)))
            case "product":
                return self.target.product(a[0], a[1])
            case "quotient":
                return self.target.quotient(a[0], a[1])
            case "power":
                return self.target.power(a[0], node.exponent)
            case "min" | "max":
                return self.target.extreme(node.kind, a[0], a[1])
            case function:
                return self.target.function(function, a[0])

    def _define(self, f: Fresh) -> None:
        target = self.target
        v, a = self.terms[f.variable], [self.terms[k] for k in f.args]
        tests = () if f.unless is None else (f.unless,)
        match f.kind:
            case "quotient":
                target.demand(self._unless(tests, target.equal(target.product(v, a[1]), a[0])))
            case "root":
                target.bounds(v, Fraction(0), None)
                target.demand(self._unless(tests, target.equal(target.power(v, 2), a[0])))
            case "logarithm":
                target.demand(self._unless(tests, target.equal(target.function("exp", v), a[0])))
            case "step":
                target.bounds(v, Fraction(0), Fraction(1))
                for formula in target.step(v, a[0]):
                    target.demand(formula)
            case "pi":
                target.bounds(v, PI_BELOW, PI_ABOVE)

    def _unless(self, tests: Sequence[Test], holds: Formula) -> Formula:
        """The formula, or one of the tests."""
        if not tests:
            return holds
        excuses = [self._compare(t.node, t.relation, Fraction(0)) for t in tests]
        return self.target.any_of([*excuses, holds])

    def _compare(self, node: int, relation: Relation, level: Fraction) -> Formula:
        found = self.form.nodes[node]
        if found.kind == "number":
            return self.target.truth(holds(found.number, relation, level))
        return self.target.compare(self.terms[node], relation, level)


def holds(a: Fraction, relation: Relation, b: Fraction) -> bool:
    match relation:
        case "=":
            return a == b
        case "<":
            return a < b
        case "<=":
            return a <= b
        case ">":
            return a > b
        case ">=":
            return a >= b


def _needed(form: ScalarForm) -> frozenset[int]:
    """The nodes that the constraints, and what defines them, depend on."""
    fresh = {f.variable: f for f in form.fresh}
    pending = [c.node for c in form.constraints]
    pending += [t.node for c in form.constraints for t in c.undefined]
    seen: set[int] = set()
    while pending:
        index = pending.pop()
        if index in seen:
            continue
        seen.add(index)
        pending.extend(form.nodes[index].args)
        f = fresh.get(index)
        if f is not None:
            pending.extend(f.args)
            pending.extend([f.unless.node] if f.unless else [])
    return frozenset(seen)
