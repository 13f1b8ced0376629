"""Order 0: constraints bounded by linear relaxations, for what is deep.

In models of a composition of layers the remainders of the layers add up, and on a large box they
are most of the bound; a relaxation of the whole composition loses less. A single layer is better
served by models, so nothing is offered for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from itertools import product

from flint import arb, ctx

from .algebra import ZERO, Model, ball, plus
from .derivatives import Formula
from .graph import UNARY, Graph
from .models import Matrices
from .relaxation import Register, Relaxation
from .series import Undefined
from .statement import Constraint, Statement
from .turning import turn

LAYERS = 2
"""So many layers of functions, one behind the other, are deep."""

TURNS, PROMISING = 2, 0.25
"""How often planes are turned; and what share of its range a sum may exceed 0 by for that."""

Terms = tuple[list[tuple[int, int, arb]], arb]
"""Σ factor · entry of node, as (node, entry, factor), and a constant."""


class Deep:
    """The formulas of a statement, V̇ among them, and how they are bounded on a box."""

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self._layers = layers(statement.graph)
        self._fixed: dict[int, dict[int, Register]] = {}

    def offers(self, constraints: Sequence[Constraint]) -> bool:
        """Whether relaxations can bound these constraints and are worth trying."""
        roots = [k for c in constraints for k in self._roots(c)]
        if any(c.kind == "disc" for c in constraints) or not any(
            self._layers[k] >= LAYERS for k in roots
        ):
            return False
        return self._rate is not None or all(c.kind == "node" for c in constraints)

    def sums(self, sides: Sequence[tuple[Fraction, Fraction]],
             chosen: Sequence[tuple[Constraint, Fraction]]) -> list[Model]:  # fmt: skip
        """Models of order 1, of which the largest is nowhere below Σ weight · h on the box. Raises
        Undefined."""
        s, formula = self.statement, self._formula
        nodes = formula.graph
        if ctx.prec not in self._fixed:
            self._fixed[ctx.prec] = self._constants()
        box = Relaxation(nodes, sides, len(s.states), self._matrices, self._fixed[ctx.prec])
        parts = [self._terms(c, ball(weight)) for c, weight in chosen]
        roots = [formula.at[k] for c, _ in chosen for k in self._roots(c)]
        box.forward([*roots, *(i for part in parts for terms, _ in part for i, _, _ in terms)])
        out = []
        for choice in product(*parts):
            terms = [term for terms, _ in choice for term in terms]
            out.append(_bound(box, terms, sum((level for _, level in choice), ZERO)))
        return out

    def _roots(self, constraint: Constraint) -> list[int]:
        """The nodes of the statement that have to be defined for the constraint to be."""
        s = self.statement
        if constraint.kind == "node":
            return [constraint.node]
        return [s.value, s.field, s.next_value] if s.discrete else [s.value, s.field]

    def _terms(self, c: Constraint, weight: arb) -> list[Terms]:
        """weight · h for each entry of the output; the largest counts."""
        s, at = self.statement, self._formula.at
        sign = weight if c.at_least else -weight
        level = -sign * ball(c.level)
        if c.kind == "node":
            size = s.graph.nodes[c.node].size
            assert c.at_least or size == 1
            return [([(at[c.node], k, sign)], level) for k in range(size)]
        assert c.kind == "rate" and self._rate is not None
        terms = [(self._rate, 0, sign)]
        if s.discrete:
            terms.append((at[s.value], 0, -sign))
        if s.alpha is not None:
            terms.append((at[s.value], 0, sign * ball(s.alpha)))
        return [(terms, level)]

    @cached_property
    def _formula(self) -> Formula:
        """All nodes of the statement: which are asked for is known only from the evidence."""
        return Formula(self.statement.graph, range(len(self.statement.graph.nodes)))

    @cached_property
    def _matrices(self) -> Matrices:
        return Matrices(self._formula.graph)

    @cached_property
    def _rate(self) -> int | None:
        """∇V·F, or V(F); None where there is no formula for it."""
        s, formula = self.statement, self._formula
        if s.discrete:
            return formula.at[s.next_value]
        try:
            return formula.product_sum(formula.gradient(formula.at[s.value]), formula.at[s.field])
        except Undefined:
            return None

    def _constants(self) -> dict[int, Register]:
        """The registers of the nodes that depend on no input, made once for a precision."""
        _ = self._rate  # enters its nodes, if it has not
        graph, varying = self._formula.graph, set[int]()
        for i, node in enumerate(graph.nodes):
            if node.op == "variable" or varying.intersection(node.args):
                varying.add(i)
        empty = Relaxation(graph, [], 0, self._matrices, {})
        for i in range(len(graph.nodes)):
            if i not in varying:
                try:
                    empty.forward([i])
                except Undefined:
                    continue
        return empty.registers


def _bound(box: Relaxation, terms: Sequence[tuple[int, int, arb]], level: arb) -> Model:
    """A linear function nowhere below Σ factor · entry + level, by planes that are turned where
    that promises to bring it below 0; or a number that is below 0 already."""

    def reach(p: Model) -> arb:
        return (p[0] + sum(map(abs, p[1:]), ZERO)).upper()

    whole = level + box.range_of(terms)
    if whole < 0:
        return [whole]
    last = best = plus(box.upper(terms), [level])
    for _ in range(TURNS):
        if not 0 <= reach(best) < PROMISING * (reach(best) - whole.lower()):
            break
        turn(box, last)
        last = plus(box.upper(terms), [level])
        best = min(last, best, key=reach)
    return best


def layers(graph: Graph) -> list[int]:
    """For each node, how many layers (functions of vectors, entry by entry) it is behind, those
    that depend on no input left out."""
    found: list[int] = []
    varying: list[bool] = []
    for node in graph.nodes:
        varying.append(node.op == "variable" or any(varying[k] for k in node.args))
        below = max((found[k] for k in node.args), default=0)
        found.append(below + (node.op in UNARY and node.size > 1 and varying[-1]))
    return found
