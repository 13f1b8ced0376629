"""Batched branch and bound: prove a condition, or find a point that breaks it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from certify.budget import Budget, Clock
from certify.conditions import Condition, Constraint
from certify.enclosure.engine import Engine, Levels, Tested
from certify.falsify import confirm, falsify
from certify.open_boxes import Boxes, OpenBoxes
from certify.split_tree import SplitTree, TreeBuilder
from certify.verdict import Counterexample, Proved, Refuted, Unknown, Verdict
from systems.box import Box
from systems.exact import short_fraction

Array = NDArray[np.float64]

BATCH = 4096
"""Boxes a round: enough to keep the cores busy, few enough to notice a budget's end."""

FINEST = 2.0**-40
"""A box this small, relative to its region, that is still open is beyond the arithmetic."""

CHOICE_INTERVAL = 2048
"""After so many boxes the order is chosen anew."""


class Tester(Protocol):
    """What closes boxes: the engine itself, or bounds of another kind."""

    @property
    def orders(self) -> tuple[int, ...]:
        """The ways of bounding that are worth trying."""

    def cost(self, order: int) -> float:
        """What testing one box costs, in arbitrary units."""

    def test(self, lower: Array, upper: Array, order: int, levels: Levels, scale: Array) -> Tested:
        """Try to close every box; lower, upper (B, n) as floats, meant exactly."""


HOPELESS = 0.15
"""Where no order closes more than this share of the boxes, there is little to choose by yet."""

Relax = Callable[[Condition, Counterexample], Condition | None]
"""Given a rigorous counterexample, a weaker condition to go on with (levels only), or None."""


@dataclass(frozen=True)
class Progress:
    """What a search tells about itself while it runs: boxes seen and open, volume settled."""

    boxes: int
    open: int
    settled: float


@dataclass(frozen=True)
class Search:
    """The result of a search: verdict, the condition it is about, and what it took."""

    verdict: Verdict
    condition: Condition
    boxes: int
    seconds: float
    order: int

    def restated(self, condition: Condition) -> Search:
        """The same evidence for a weaker condition: what is closed for more is closed for less.

        Raises ValueError where a point could violate the new condition but not the old one.
        """
        if not _is_weaker(condition, self.condition):
            raise ValueError(f"{condition.name}: the evidence is for weaker conditions only")
        return replace(self, condition=condition)


def search(
    condition: Condition,
    budget: Budget,
    *,
    engine: Engine | None = None,
    order: int | None = None,
    relax: Relax | None = None,
    frontier: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    seed: int = 0,
    tester: Tester | None = None,
    start: SplitTree | None = None,
) -> Search:
    """Decide a condition by splitting its regions until every box is closed.

    ``relax`` may weaken the condition's levels when a counterexample is found, so that one search
    finds the largest provable level: what was closed stays closed. ``frontier`` is the number of
    an "at most" constraint whose level may be lowered when the budget ends: boxes then leave by
    their value, lowest first, and what is below the lowest open box is proved. ``order`` fixes the
    Taylor order, which is else chosen from the cost of a box and the share of boxes that close.
    ``tester`` closes boxes in the engine's stead, which still confirms counterexamples; the
    evidence is then worth what the tester is. With ``start`` the search begins with the leaves of
    that tree over the condition's regions, all of them open.
    Raises ValueError where engine, frontier, start or a relaxation do not fit the condition.
    """
    started = time.perf_counter()
    run = _Run(
        condition,
        budget,
        engine or engine_of(condition),
        order,
        relax,
        frontier,
        on_progress,
        tester,
        start,
    )
    verdict = run.decide(seed)
    return Search(verdict, run.condition, run.boxes, time.perf_counter() - started, run.order)


def engine_of(condition: Condition) -> Engine:
    """The engine for a condition's tape on its regions."""
    return Engine(condition.tape, reach_of(condition.regions))


def reach_of(regions: Sequence[Box]) -> Array:
    """The least r with |x| ≤ r on all the regions, (n,), rounded up."""
    ends = [np.maximum(np.abs(a), np.abs(b)) for a, b in (r.outer() for r in regions)]
    return np.asarray(np.max(ends, axis=0))


def _check_fit(condition: Condition, engine: Engine, frontier: int | None) -> None:
    """The engine bounds this condition's outputs, on all of its regions; levels fall, not rise."""
    same = engine.tape is condition.tape or engine.tape.digest == condition.tape.digest
    if not same or not (reach_of(condition.regions) <= engine.reach).all():
        raise ValueError(f"{condition.name}: the engine is for other outputs or a smaller region")
    if frontier is not None and condition.violation[frontier].sense != "at most":
        raise ValueError(f'{condition.name}: only the level of an "at most" constraint may fall')


def _check_start(condition: Condition, start: SplitTree, lower: Array, upper: Array) -> None:
    """Nothing of a given tree is believed but where it cuts: what it leaves out stays unproved."""
    try:
        start.check_covers(lower, upper)
    except ValueError as error:
        raise ValueError(f"{condition.name}: {error}") from None


def _is_weaker(new: Condition, old: Condition) -> bool:
    """Whether every point that violates the new condition violates the old one."""
    return (
        new.tape.instructions is old.tape.instructions
        and new.tape.outputs == old.tape.outputs
        and new.regions == old.regions
        and len(new.violation) == len(old.violation)
        and all(
            (a.output, a.sense, a.strict) == (b.output, b.sense, b.strict)
            and a.sign * (a.level - b.level) >= 0
            for a, b in zip(new.violation, old.violation, strict=True)
        )
    )


class _Run:
    """One search: the open boxes, the tree, and the levels as they stand."""

    def __init__(
        self,
        condition: Condition,
        budget: Budget,
        engine: Engine,
        order: int | None,
        relax: Relax | None,
        frontier: int | None,
        on_progress: Callable[[Progress], None] | None,
        tester: Tester | None,
        start: SplitTree | None,
    ) -> None:
        _check_fit(condition, engine, frontier)
        self.condition, self.engine, self.relax = condition, engine, relax
        self.frontier, self.on_progress = frontier, on_progress
        self.clock: Clock = budget.started()
        self.tester: Tester = tester or engine
        self.fixed_order = order
        self.order = self.tester.orders[0] if order is None else order
        self.boxes = 0
        self.levels = Levels.of(condition.violation)
        ends = [r.outer() for r in condition.regions]
        self.lower = np.array([a for a, _ in ends])
        self.upper = np.array([b for _, b in ends])
        self.scale = (self.upper - self.lower).max(axis=0)
        if start is not None:
            _check_start(condition, start, self.lower, self.upper)
        self.tree = TreeBuilder(len(ends), start)
        ceiling = None if frontier is None else float(condition.violation[frontier].level)
        self.open = OpenBoxes(ceiling)
        self.open.push(self._first_boxes(start))
        self.settled = 0.0
        self.next_choice = 0

    def _first_boxes(self, start: SplitTree | None) -> Boxes:
        """The regions, or the leaves of a tree over them."""
        if start is None:
            nodes, lower, upper = np.arange(len(self.lower)), self.lower, self.upper
        else:
            nodes = np.flatnonzero(start.axis < 0)
            lower, upper = (ends[nodes] for ends in start.boxes(self.lower, self.upper))
        return Boxes(nodes, lower, upper, np.full(len(nodes), -np.inf))

    def decide(self, seed: int) -> Verdict:
        found = self._weaken(falsify(self.condition, self.engine, seed))
        while found is None and self.open.count:
            reason = self.clock.exhausted(self.boxes)
            if reason is not None:
                return self._retreat(reason)
            found = self._round(self.open.take(BATCH))
            if self.on_progress is not None:
                self.on_progress(Progress(self.boxes, self.open.count, self.settled))
        return Proved(self.tree.finished()) if found is None else found

    def _retreat(self, reason: str) -> Verdict:
        """At the end of the budget: what lies below every open box is proved, if that is wanted."""
        count = self.open.count
        unknown = Unknown(f"{self.condition.name}: {reason} with {count} boxes open")
        if self.frontier is None:
            return unknown
        rest = self.open.take_all()
        lowest = float(rest.value.min())
        if not np.isfinite(lowest) or lowest <= 0:
            return unknown
        levels = [c.level for c in self.condition.violation]
        below = short_fraction(Fraction(lowest) * (1 - Fraction(1, 2**20)), down=True)
        if any(
            c.output == self._ranked.output and c.sense == "at least" and below <= c.level
            for c in self.condition.violation
        ):
            return unknown  # nothing is left of the band
        levels[self.frontier] = min(below, levels[self.frontier])
        self.condition = self.condition.with_levels(levels)
        self.tree.close(rest.nodes, np.full(count, self.frontier, dtype=np.int64), np.zeros(count))
        return Proved(self.tree.finished())

    @property
    def _ranked(self) -> Constraint:
        assert self.frontier is not None
        return self.condition.violation[self.frontier]

    def _round(self, boxes: Boxes) -> Verdict | None:
        nodes, lower, upper = boxes.nodes, boxes.lower, boxes.upper
        self._choose_order(lower, upper)
        tested = self.tester.test(lower, upper, self.order, self.levels, self.scale)
        self.boxes += len(nodes)
        closed = tested.reason >= 0
        self.tree.close(nodes[closed], tested.reason[closed], tested.weight[closed])
        self.settled += self._share(lower[closed], upper[closed])
        rest = ~closed
        if not rest.any():
            return None
        nodes, lower, upper = nodes[rest], lower[rest], upper[rest]
        # Before a relaxation changes the levels that the bounds refer to.
        value = np.maximum(boxes.value[rest], self._value(tested.upper[rest]))
        found = self._weaken(self._violated(tested.middle[rest], lower, upper))
        if found is not None:
            return found
        return self._split(Boxes(nodes, lower, upper, value), tested.axis[rest])

    def _value(self, upper: Array) -> Array:
        """Lower bounds of the ranked output on boxes, from upper bounds of the constraints."""
        if self.frontier is None:
            return np.full(len(upper), -np.inf)
        # h = −output − (−level) ≤ upper, so output ≥ level − upper; twice outwards for rounding.
        value = -self.levels.level[self.frontier] - upper[:, self.frontier]
        slack = 1e-12 * (np.abs(value) + abs(self.levels.level[self.frontier]))
        return np.where(np.isfinite(value), value - slack, -np.inf)

    def _share(self, lower: Array, upper: Array) -> float:
        """The share of the regions' volume in these boxes (an axis of width 0 counts as 1)."""
        whole = np.where(self.scale > 0, self.scale, 1.0)
        widths = np.where(self.scale > 0, (upper - lower) / whole, 1.0)
        return float(widths.prod(axis=1).sum()) / self.tree.roots

    def _violated(self, middle: Array, lower: Array, upper: Array) -> Counterexample | None:
        """A box centre that breaks the condition, confirmed rigorously."""
        likely = np.flatnonzero((middle >= 0).all(axis=1))
        if not len(likely):
            return None
        likely = likely[np.argsort(-middle[likely].min(axis=1))][:8]
        points = lower[likely] + 0.5 * (upper[likely] - lower[likely])
        return confirm(self.condition, self.engine, points)

    def _weaken(self, found: Counterexample | None) -> Verdict | None:
        """Refuted, unless the condition may be relaxed to exclude the counterexample."""
        if found is None:
            return None
        weaker = None if self.relax is None else self.relax(self.condition, found)
        if weaker is None:
            return Refuted(found)
        if not _is_weaker(weaker, self.condition):
            raise ValueError(f"{weaker.name}: what was closed holds for weaker conditions only")
        self.condition = weaker
        self.levels = Levels.of(weaker.violation)
        return None

    def _split(self, boxes: Boxes, axis: NDArray[np.int64]) -> Verdict | None:
        nodes, lower, upper = boxes.nodes, boxes.lower, boxes.upper
        rows = np.arange(len(nodes))
        low, high = lower[rows, axis], upper[rows, axis]
        cut = low + 0.5 * (high - low)
        stuck = (axis < 0) | ~((low < cut) & (cut < high))
        stuck |= (high - low) <= FINEST * self.scale[axis]
        if stuck.any():
            self.open.push(boxes)
            return self._retreat(self._undecided(lower[stuck][0], upper[stuck][0]))
        first = self.tree.split(nodes, axis, cut)
        lower_right, upper_left = lower.copy(), upper.copy()
        lower_right[rows, axis] = cut
        upper_left[rows, axis] = cut
        self.open.push(
            Boxes(
                np.concatenate([first, first + 1]),
                np.concatenate([lower, lower_right]),
                np.concatenate([upper_left, upper]),
                np.concatenate([boxes.value, boxes.value]),
            )
        )
        return None

    def _undecided(self, lower: Array, upper: Array) -> str:
        """Why a box that cannot be split further is open: what is known there, and how closely."""
        order = self.order if self.tester is self.engine else self.engine.orders[0]
        low, high = self.engine.bound(lower[None], upper[None], order)
        used = sorted({c.output for c in self.condition.violation})
        where = ", ".join(f"{v:.6g}" for v in 0.5 * (lower + upper))
        names = self.condition.outputs
        for j in used:
            if not np.isfinite([low[0, j], high[0, j]]).all():
                return f"{self.condition.name}: {names[j]} could not be bounded at ({where})"
        known = ", ".join(
            f"{names[j]} = {(low[0, j] + high[0, j]) / 2:.6g} ± {(high[0, j] - low[0, j]) / 2:.1g}"
            for j in used
        )
        return (
            f"undecided at ({where}), where rounding leaves {known}; "
            "smaller weights or other constants give a wider margin"
        )

    def _choose_order(self, lower: Array, upper: Array) -> None:
        """Every so often, take the order that promises to close these boxes with the least work."""
        if self.fixed_order is not None or len(lower) < 64 or self.boxes < self.next_choice:
            return
        sample = np.linspace(0, len(lower) - 1, 48).astype(int)
        best, most = np.inf, 0.0
        for order in self.tester.orders:
            tested = self.tester.test(lower[sample], upper[sample], order, self.levels, self.scale)
            share = max(float((tested.reason >= 0).mean()), 0.25 / len(sample))
            price = _price(self.tester.cost(order), share)
            most = max(most, share)
            # A bound of first order gains less by the next split than the others do.
            if price < best and (order > 1 or share > HOPELESS):
                best, self.order = price, order
        # Where hardly a box closes yet, there is little to choose by: again with smaller boxes.
        self.next_choice = self.boxes + (4 * len(lower) if most < HOPELESS else CHOICE_INTERVAL)


def _price(cost: float, share: float) -> float:
    """The work to close a box and its children, where a share closes at each generation.

    c (1 + 2 (1 − p) + …) = c / (2 p − 1). For p near 1/2 and below, the share has to grow from
    generation to generation, and a rough guess stands in.
    """
    guess = 2.0 * cost / share
    return min(guess, cost / (2.0 * share - 1.0)) if share > 0.5 else guess
