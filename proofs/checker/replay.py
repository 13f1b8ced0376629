"""Replaying the evidence: every leaf of every tree, each bound rebuilt in ball arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from fractions import Fraction
from itertools import product
from math import comb
from typing import Any

from flint import arb, ctx, fmpq

from .algebra import Model, ball, monomials, plus, scaled, total
from .deep import Deep
from .document import Invalid, Unreadable, fields, real
from .exact import Exact
from .models import Box, Matrices, Register
from .series import Ball, Undefined
from .statement import CONVERGENCE, PRACTICAL, Condition, Constraint, Statement, need
from .trees import Leaf, Region, Tree, read_tree

PRECISION, FINE = 64, 160
"""Bits of the balls; the finer ones where the others have not sufficed."""

ORDERS = (1, 2, 3, 4, 6)
LADDERS = ((1,), (1, 2), (2,), (2, 3), (3,), (3, 4), (4,), (4, 6))
"""Orders of the models that are tried on a box, one after the other, before it is cut."""
DEEP_LADDERS = (*LADDERS, (0,), (0, 3))
"""Order 0 is a linear relaxation."""

Sides = Sequence[tuple[Fraction, Fraction]]
Chosen = Sequence[tuple[Constraint, Fraction]]

MAX_LEAVES = 5_000_000

MOST_COST = 40_000.0
"""So many terms of models a leaf may take, with the parts that it is cut into."""


class Replay:
    """One certificate: its statement, and the trees of its evidence."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.statement = Statement(document)
        self.trees: list[tuple[Condition, Tree]] = []
        for condition, data in self.statement.conditions(document["evidence"]):
            where, J = f"evidence.{condition.name}.tree", len(condition.constraints)
            self._add(condition, read_tree(data, where, len(condition.regions), J))
        self.volume: Fraction | None = None
        if document["volume"] is not None:
            volume = fields(document["volume"], "volume", "at_least", "unit", "tree")
            self.volume = Fraction(real(volume["at_least"], "volume.at_least"))
            inside = Constraint("node", self.statement.value, self.statement.c2, strict=True)
            domain = (self.statement.domain,)
            tree = read_tree(volume["tree"], "volume.tree", 1, 2)
            if any(reason > 1 for reason in tree.reasons):
                raise Unreadable("volume.tree.reasons: other than 0 and 1")
            self._add(Condition("volume", domain, (inside,)), tree)
        self.matrices = Matrices(self.statement.graph)
        self._fixed: dict[int, dict[int, Register]] = {}
        self._deep = Deep(self.statement)
        self._ladders = Ladders(len(self.statement.states) + len(self.statement.disturbances))

    def _add(self, condition: Condition, tree: Tree) -> None:
        self.trees.append((condition, tree))
        if self.leaves > MAX_LEAVES:
            raise Unreadable(f"more than {MAX_LEAVES:,} leaves in all")

    @property
    def leaves(self) -> int:
        return sum(len(tree.reasons) for _, tree in self.trees)

    def check_exact(self) -> None:
        """V(x*) = 0 and, where the theorem needs it, F(x*, w) = 0 or x* for all w ∈ W."""
        s = self.statement
        point = [(c, c) for c in s.centre]

        box = Box(s.graph, [*point, *s.disturbance], len(point), 1, self.matrices, {})

        def balls(node: int) -> list[Ball]:
            return [p[0] + box.monomials.range_of(p) for p in box.value(node)]

        centre = [fmpq(c.numerator, c.denominator) for c in s.centre]
        exact = Exact(s.graph, centre, len(s.disturbance), balls)
        roots = [(s.value, [Fraction(0)], "V(x*) = 0")]
        if s.theorem not in (PRACTICAL, CONVERGENCE):
            rest = s.centre if s.discrete else [Fraction(0)] * len(s.centre)
            roots.append((s.field, rest, "F(x*) = x*" if s.discrete else "F(x*) = 0"))
        for root, wanted, claim in roots:
            shifted = s.graph.affine(_identity(len(wanted)), [-v for v in wanted], root)
            try:
                balls(shifted)
                holds = not any(exact.value(shifted))
            except Undefined as reason:
                raise Invalid(f"equilibrium: {claim} is undefined ({reason})") from None
            need(holds, f"equilibrium: {claim} does not hold exactly, or cannot be shown")

    def check_leaves(self, share: int = 0, shares: int = 1,
                     on_leaf: Callable[[], None] = lambda: None) -> None:  # fmt: skip
        """Every ``shares``-th run of leaves. Raises Invalid with the first leaf that fails."""
        ctx.prec = PRECISION
        for condition, tree in self.trees:
            counted = Fraction(0)
            for leaf in tree.leaves(condition.regions):
                on_leaf()
                if condition.name == "volume":
                    if leaf.reason == 1:
                        continue
                    counted += _size(leaf, condition.regions[0])
                if (leaf.number >> 4) % shares == share and not self._closes(condition, leaf):
                    sides = " x ".join(f"[{a:.6g}, {b:.6g}]" for a, b in leaf.sides)
                    raise Invalid(
                        f"{condition.name}: leaf {leaf.number} on {sides} does not close for its "
                        f"reason {leaf.reason}"
                    )
            if condition.name == "volume":
                need(
                    counted >= (self.volume or 0),
                    "volume: the boxes inside have less than at_least",
                )

    def _closes(self, condition: Condition, leaf: Leaf) -> bool:
        """Whether the leaf's reason holds on its box, cut into parts where that is needed."""
        J, reason = len(condition.constraints), leaf.reason
        if condition.name == "volume" or reason < J:
            chosen = [(condition.constraints[reason], Fraction(1))]
        else:
            i, j = divmod(reason - J, J)
            weight = Fraction(leaf.weight)
            chosen = [(condition.constraints[j], Fraction(1)), (condition.constraints[i], weight)]
        region = condition.regions[leaf.region]
        sides = [_cut_off(s, r) for s, r in zip(leaf.sides, region, strict=True)]
        deep = self._deep.offers([constraint for constraint, _ in chosen])
        ladder, most = self._ladders.next((condition.name, reason < J and reason), deep)
        ctx.prec = PRECISION
        closed, cost = self._closes_in_parts(sides, chosen, ladder, most)
        self._ladders.learn(cost)
        for precision in (PRECISION, FINE):
            if closed is False:
                ctx.prec = precision
                closed, _ = self._closes_in_parts(
                    sides, chosen, (*ORDERS, 0) if deep else ORDERS, MOST_COST
                )
        return bool(closed)

    def _closes_in_parts(
        self, whole: Sides, chosen: Chosen, ladder: Sequence[int], most: float
    ) -> tuple[bool | None, float]:  # fmt: skip
        """Whether all parts close, None where a point refutes it; and the cost, in model terms,
        of which it spends ``most``."""
        pending, cost = [whole], 0.0
        while pending:
            sides = pending.pop()
            if any(a > b for a, b in sides):
                continue  # beyond the region, by the rounding of its ends
            shares = [
                (b - a) / (d - c) if c < d else 0
                for (a, b), (c, d) in zip(sides, whole, strict=True)
            ]
            least_cut = max(range(len(sides)), key=shares.__getitem__)
            axis: int | None = least_cut
            for order in ladder:
                cost += _cost(len(sides), (order,))
                axis = self._failing_axis(sides, chosen, order, least_cut)
                if axis is None:
                    break
            if axis is None:
                continue
            if shares[least_cut] > 4 * shares[axis]:
                axis = least_cut  # what is steep at the centre need not be all that matters
            low, high = sides[axis]
            middle = (low + high) / 2
            if low == high or self._is_refuted([((a + b) / 2,) * 2 for a, b in sides], chosen):
                return None, cost
            if cost > most:
                return False, cost
            for part in ((low, middle), (middle, high)):
                pending.append([*sides[:axis], part, *sides[axis + 1 :]])
        return True, cost

    def _sums(self, box: Box, chosen: Chosen) -> list[Model]:
        """Models of Σ weight · h, of which the largest counts."""
        parts = [self._excess(box, constraint) for constraint, _ in chosen]
        return [
            total(
                [
                    h if w == 1 else scaled(h, ball(w))
                    for h, (_, w) in zip(terms, chosen, strict=True)
                ]
            )
            for terms in product(*parts)
        ]

    def _failing_axis(self, sides: Sides, chosen: Chosen, order: int, default: int) -> int | None:
        """None where Σ weight · h < 0 on the box; else the axis along which to cut it."""
        strict = len(chosen) == 1 and chosen[0][0].strict
        wide = [i for i, (a, b) in enumerate(sides) if a < b]
        try:
            if order == 0:
                sums = self._deep.sums(sides, chosen)
            else:
                sums = self._sums(self._box(sides, order), chosen)
        except Undefined:
            return default
        bounds = [monomials(len(wide), order or 1).upper(h) for h in sums]
        if all(b <= 0 if strict else b < 0 for b in bounds):
            return None
        return _steepest(sums, wide) if any(len(h) > 1 for h in sums) else default

    def _is_refuted(self, point: Sides, chosen: Chosen) -> bool:
        """Whether Σ weight · h is certainly positive at a point."""
        try:
            return any(h[0] > 0 for h in self._sums(self._box(point, 1), chosen))
        except Undefined:
            return False

    def _box(self, sides: Sequence[tuple[Fraction, Fraction]], order: int) -> Box:
        s, state = self.statement, len(self.statement.states)
        if ctx.prec not in self._fixed:
            self._fixed[ctx.prec] = _constant_nodes(s, self.matrices)
        return Box(s.graph, sides, state, order, self.matrices, self._fixed[ctx.prec])

    def _excess(self, box: Box, constraint: Constraint) -> list[Model]:
        """Models of which the largest is h."""
        s = self.statement
        if constraint.kind == "node":
            outputs = box.value(constraint.node)
        elif constraint.kind == "disc":
            outputs = self._disc_ends(box)
        else:
            outputs = [self._rate(box)]
        level = ball(constraint.level)
        if constraint.at_least:
            return [[p[0] - level, *p[1:]] for p in outputs]
        assert len(outputs) == 1 and s
        return [[level - outputs[0][0], *(-c for c in outputs[0][1:])]]

    def _rate(self, box: Box) -> Model:
        """∇V·F or V(F) − V, plus alpha V."""
        s = self.statement
        (value,), field = box.value(s.value), box.value(s.field)
        if s.discrete:
            rate = plus(box.value(s.next_value)[0], value, -1)
        else:
            parts = zip(box.gradient(s.value), field, strict=True)
            rate = total([box.multiply(slope, f) for slope, f in parts])
        return rate if s.alpha is None else plus(rate, scaled(value, ball(s.alpha)))

    def _disc_ends(self, box: Box) -> list[Model]:
        """The right ends of Gershgorin's discs of R S Rᵀ."""
        s, n = self.statement, len(self.statement.states)
        jacobian = [box.gradient(s.field, i) for i in range(n)]
        P, R = s.P, s.R
        slopes = [[total([scaled(row[k], arb(R[i, k])) for k in range(n)]) for i in range(n)]
                  for row in jacobian]  # fmt: skip
        alpha = fmpq(0) if s.alpha is None else fmpq(s.alpha.numerator, s.alpha.denominator)
        shift = R * P * R.transpose() * (alpha - 1 if s.discrete else alpha)
        left = P if s.discrete else R * P
        found = [[total([scaled(slopes[k][j], arb(left[i, k])) for k in range(n)])
                  for j in range(n)] for i in range(n)]  # fmt: skip

        def entry(i: int, j: int) -> Model:
            if s.discrete:  # (DF Rᵀ)ᵀ P (DF Rᵀ)
                whole = total([box.multiply(slopes[k][i], found[k][j]) for k in range(n)])
            else:
                whole = plus(found[i][j], found[j][i])
            return plus(whole, [arb(shift[i, j])])

        ends = []
        for i in range(n):
            end = entry(i, i)
            for j in range(n):
                if j != i:
                    end = plus(end, box.magnitude(entry(i, j)))
            ends.append(end)
        return ends


class Ladders:
    """Which orders to try before a box is cut: whatever has cost least on the leaves before.

    It decides how fast a leaf closes, never whether; and it is the same from run to run.
    """

    def __init__(self, dimension: int) -> None:
        self._hopes = [_cost(dimension, ladder) for ladder in DEEP_LADDERS]
        self._costs: dict[Hashable, list[float]] = {}
        self._turn = 0

    def next(self, kind: Hashable, deep: bool) -> tuple[Sequence[int], float]:
        """The cheapest ladder for leaves of this kind, now and then another that is not hopeless;
        and what may be spent on it."""
        offered = len(DEEP_LADDERS if deep else LADDERS)
        costs = self._current = self._costs.setdefault((kind, deep), self._hopes[:offered])
        self._turn += 1
        order = sorted(range(offered), key=costs.__getitem__)
        best = costs[order[0]]
        hopeful = [i for i in order if costs[i] <= 3 * best]
        explored = self._turn // 16 % len(hopeful) if self._turn % 16 == 0 else 0
        self._chosen = hopeful[explored]
        return DEEP_LADDERS[self._chosen], 8 * best

    def learn(self, cost: float) -> None:
        self._current[self._chosen] = (self._current[self._chosen] + cost) / 2


def _cost(n: int, orders: Sequence[int]) -> float:
    """What trying these orders costs, in terms of models."""
    return float(sum(3 + comb(n + k, k) if k else 3 * (10 + n) for k in orders))


def _constant_nodes(s: Statement, matrices: Matrices) -> dict[int, Register]:
    """The models of the nodes that depend on no input, made once."""
    varying: set[int] = set()
    for i, node in enumerate(s.graph.nodes):
        if node.op == "variable" or varying.intersection(node.args):
            varying.add(i)
    empty = Box(s.graph, [], 0, 1, matrices, {})
    for i in range(len(s.graph.nodes)):
        if i not in varying:
            try:
                empty.value(i)
            except Undefined:
                continue
    return empty.registers


def _steepest(sums: Sequence[Model], wide: Sequence[int]) -> int:
    """The axis that the worst sum depends on most, to first order."""
    worst = max(sums, key=lambda h: float(h[0].upper()))
    slopes = [float(abs(c).upper()) for c in worst[1 : len(wide) + 1]]
    slopes += [0.0] * (len(wide) - len(slopes))
    return wide[max(range(len(wide)), key=slopes.__getitem__)]


def _cut_off(
    side: tuple[float, float], region: tuple[Fraction, Fraction]
) -> tuple[Fraction, Fraction]:
    return max(Fraction(side[0]), region[0]), min(Fraction(side[1]), region[1])


def _size(leaf: Leaf, region: Region) -> Fraction:
    out = Fraction(1)
    for side, ends in zip(leaf.sides, region, strict=True):
        low, high = _cut_off(side, ends)
        out *= max(high - low, Fraction(0))
    return out


def _identity(n: int) -> list[list[int]]:
    return [[int(i == j) for j in range(n)] for i in range(n)]
