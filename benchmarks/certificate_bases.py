"""The certificates that are changed by the mutation test and the fuzzing: small, of every kind."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from benchmarks.documents import Document, rehashed
from benchmarks.packed_tree import Leaf, Node, Split, pack, unpack
from certify import Budget, StabilityResult, prove_stability
from learners import ElmPolicyIteration
from learners.lqr import lqr_candidate
from proofs.certificate import certificate_of
from proofs.certificate_reader import constraints_of, statement_from
from proofs.statement_reader import Statement
from systems import zoo
from systems.box import Box
from systems.json_data import canonical_json

VOLUME_DEPTH = 7
"""Splits, at most, above a leaf of the volume's tree: the rest of the paving is cut away."""


@dataclass(frozen=True)
class Base:
    """One certificate, as it is before anything is changed."""

    name: str
    document: Document

    @cached_property
    def statement(self) -> Statement:
        return statement_from(self.document)

    @cached_property
    def constraints(self) -> Mapping[str, int]:
        """J of every condition that has a tree, and of the volume."""
        return {**constraints_of(self.statement), "volume": 2}


def bases(names: Callable[[str], bool] = lambda _: True) -> Iterator[Base]:
    """Every kind of theorem, then networks, a saturation, and one state; proved afresh."""
    # The tests' table of kinds, one for every theorem: only a check-out has it, as it has this.
    from tests.proofs import kinds

    makers: dict[str, Callable[[], StabilityResult]] = {
        **kinds.ALL,
        "LQR, pendulum": lambda: _lqr("pendulum"),
        "LQR, one state": lambda: _lqr("synthetic-1"),
        "ELM-PI, 6 neurons": lambda: _network(6),
    }
    for name, prove in makers.items():
        if names(name):
            yield base_of(name, prove())


def base_of(name: str, result: StabilityResult) -> Base:
    """The certificate of a proved result, with a volume of few leaves."""
    document = json.loads(canonical_json(certificate_of(result, {"seed": 0})))
    _prune_volume(document, statement_from(document).domain)
    return Base(name, rehashed(document))


def _lqr(name: str) -> StabilityResult:
    system = zoo.system(name)
    return prove_stability(system, lqr_candidate(system), budget=Budget(60))


def _network(neurons: int) -> StabilityResult:
    system = zoo.pendulum()
    learner = ElmPolicyIteration(neurons=neurons, seed=0)
    return prove_stability(system, learner.fit(system), budget=Budget(60))


def _prune_volume(document: Document, domain: Box) -> None:
    """Keep only what lies high up in the tree; the volume is then that of fewer boxes."""
    volume = document["volume"]
    assert volume is not None
    total = Fraction(0)

    def pruned(node: Node, sides: list[tuple[float, float]], depth: int) -> Node:
        nonlocal total
        if isinstance(node, Leaf):
            total += counted_volume(sides, domain) if node.reason == 0 else 0
            return node
        if depth == VOLUME_DEPTH:
            return Leaf(1)
        low, high = halves(node, sides)
        return Split(node.axis, node.cut, pruned(node.low, low, depth + 1),
                     pruned(node.high, high, depth + 1))  # fmt: skip

    [root] = unpack(volume["tree"], 2)
    volume["tree"] = pack([pruned(root, list(zip(*domain.outer(), strict=True)), 0)])
    assert total > 0, "nothing is left of the volume"
    volume["at_least"] = math.nextafter(float(total), 0.0).hex()


def halves(
    node: Split, sides: list[tuple[float, float]]
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """The boxes below and above a split's cut."""
    low, high = sides[node.axis]
    cut = low + 0.5 * (high - low) if node.cut is None else node.cut
    below, above = list(sides), list(sides)
    below[node.axis], above[node.axis] = (low, cut), (cut, high)
    return below, above


def counted_volume(sides: list[tuple[float, float]], domain: Box) -> Fraction:
    """The exact volume of a box, cut off at the domain."""
    out = Fraction(1)
    for (a, b), low, high in zip(sides, domain.lower, domain.upper, strict=True):
        out *= max(min(Fraction(b), high) - max(Fraction(a), low), Fraction(0))
    return out
