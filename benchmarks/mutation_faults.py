"""What is certainly wrong with a certificate: found by points, never by the checker's own means.

Everything here goes by the prover's side of the house: its reader, its conditions, numpy for
candidates, and balls at one exact point to confirm. A fault is a proof; no fault is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from flint import arb
from numpy.typing import NDArray

from benchmarks.certificate_bases import counted_volume
from benchmarks.documents import Document
from certify.balls import BallInterpreter, exact_ball
from certify.branch_and_bound import engine_of
from certify.conditions import Condition, Constraint
from certify.ellipsoid import exact_inverse
from certify.falsify import falsify, violations_at
from certify.fixed_point import centre_verdict, equilibrium_verdict
from certify.split_tree import SplitTree
from certify.stability import StabilityProblem
from certify.tree_code import decode_tree
from certify.verdict import Refuted
from proofs.certificate import conditions_of, problem_of
from proofs.certificate_reader import statement_from
from proofs.statement import box_data
from proofs.statement_reader import Statement
from systems.box import Box

Array = NDArray[np.float64]

SHARES = 6
"""Random points of a leaf that are tried, besides its corners and its middle."""
CONFIRMED = 12
"""Candidates, at most, that are tried in balls."""


@dataclass(frozen=True)
class LeafOf:
    """A leaf of a tree: its box, and h_j + weight·h_i of its reason; i is None where j suffices."""

    lower: tuple[float, ...]
    upper: tuple[float, ...]
    j: int
    i: int | None
    weight: float


class Examination:
    """A well-formed proof, rebuilt. Raises InputError where the prover's side refuses it.

    Annotations play no part: nothing follows from them, whatever they say.
    """

    def __init__(self, document: Document) -> None:
        self.statement: Statement = statement_from(document)
        self.document = {**document, "annotations": _no_annotations(self.statement)}
        self.problem: StabilityProblem = problem_of(self.document)
        self.conditions = conditions_of(self.document)
        self.volume = self._volume()

    def _volume(self) -> tuple[Condition, SplitTree] | None:
        """V > c2 as a violation on D, and the volume's tree."""
        if self.document["volume"] is None:
            return None
        c2 = self.statement.constants["c2"]
        assert c2 is not None
        tape, D = self.statement.value, self.statement.domain
        above = Constraint(0, "at least", c2, strict=True)
        # The second constraint, as in the format, is for leaves that are not counted.
        condition = Condition("volume", "V <= c2", tape, ("V",), (above, above), (D,))
        return condition, decode_tree(self.document["volume"]["tree"], [D], 2, "volume.tree")

    def fault(self, names: Sequence[str] | None = None) -> str | None:
        """What is wrong for certain, in words; of the conditions ``names`` only, if given."""
        return next(self._faults(names), None)

    def _faults(self, names: Sequence[str] | None) -> Iterator[str]:
        yield from self._exact_faults()
        for name, (condition, tree) in self.conditions.items():
            if names is None or name in names:
                found = void_leaf(condition, leaves_of(condition, tree))
                if found:
                    yield f"the evidence is void: {found}"
        if self.volume is not None and (names is None or "volume" in names):
            yield from self._volume_faults()
        if names is None:
            for condition, _ in self.conditions.values():
                counterexample = falsify(condition, engine_of(condition))
                if counterexample is not None:
                    yield f"the claim is false: {condition.name} fails at {counterexample.point}"

    def _exact_faults(self) -> Iterator[str]:
        whole = self.statement.has_origin
        verdict = (equilibrium_verdict if whole else centre_verdict)(self.problem)
        if isinstance(verdict, Refuted):
            yield "the claim is false: x* is no equilibrium, or V(x*) is not 0"
        if "contraction" in self.conditions:
            assert self.statement.ellipsoid is not None
            c_q = self.statement.constants["c_q"]
            assert c_q is not None
            inverse = exact_inverse(self.statement.ellipsoid[0])
            region = self.conditions["contraction"][0].regions[0]
            for i, c in enumerate(self.statement.equilibrium):
                gap = min(c - region.lower[i], region.upper[i] - c)
                if gap < 0 or gap**2 < c_q * inverse[i][i]:
                    yield f"the evidence is void: the contraction's box cuts off axis {i + 1}"

    def _volume_faults(self) -> Iterator[str]:
        assert self.volume is not None
        condition, tree = self.volume
        counted = [v for v in leaves_of(condition, tree) if v.j == 0 and v.i is None]
        domain, total = condition.regions[0], Fraction(0)
        for leaf in counted:
            total += counted_volume(list(zip(leaf.lower, leaf.upper, strict=True)), domain)
        if total < Fraction(float.fromhex(self.document["volume"]["at_least"])):
            yield "the evidence is void: the volume's boxes have less"
        found = void_leaf(condition, counted)
        if found:
            yield f"the evidence is void: {found}"


def _no_annotations(statement: Statement) -> Document:
    return {
        "description": "",
        "parameters": {},
        "input_limits": None,
        "equilibrium_input": ["0/1"] * len(statement.inputs),
        "domain": box_data(statement.domain),
    }


def leaves_of(condition: Condition, tree: SplitTree) -> list[LeafOf]:
    """All leaves of a tree over the condition's regions."""
    ends, J = [r.outer() for r in condition.regions], len(condition.violation)
    lower, upper = tree.boxes(np.array([a for a, _ in ends]), np.array([b for _, b in ends]))
    out = []
    for k in np.flatnonzero(tree.axis < 0).tolist():
        reason = int(tree.reason[k])
        i, j = (None, reason) if reason < J else divmod(reason - J, J)
        low, high = tuple(lower[k].tolist()), tuple(upper[k].tolist())
        out.append(LeafOf(low, high, j, i, 0.0 if i is None else float(tree.weight[k])))
    return out


def void_leaf(condition: Condition, leaves: Sequence[LeafOf]) -> str | None:
    """A point of a leaf, confirmed in balls, at which the leaf's reason is not true."""
    if not leaves:
        return None
    points = _points(leaves)
    h = violations_at(condition, points.reshape(-1, points.shape[2]))
    h = h.reshape(*points.shape[:2], -1)
    rows = np.arange(len(leaves))
    first = h[rows, :, [v.j for v in leaves]]
    second = h[rows, :, [v.j if v.i is None else v.i for v in leaves]]
    with np.errstate(all="ignore"):
        value = first + np.array([v.weight for v in leaves])[:, None] * second
    size = np.abs(np.where(np.isfinite(h), h, 0.0)).max() * 1e-9
    value = np.where(np.isfinite(value), value, -math.inf)
    likely = np.argwhere(value >= -size)
    likely = likely[np.argsort(-value[tuple(likely.T)])][:CONFIRMED]
    interpreter = BallInterpreter(condition.tape, 128) if len(likely) else None
    for k, p in likely.tolist():
        assert interpreter is not None
        at = _exact_point(condition, leaves[k], points[k, p].tolist())
        if at is not None and _is_void(condition, interpreter, leaves[k], at):
            where = ", ".join(f"{float(v):.6g}" for v in at)
            return f"{condition.name}: the reason of the leaf at ({where}) does not hold there"
    return None


def _points(leaves: Sequence[LeafOf]) -> Array:
    """(leaves, points, n): corners, the middle, and random points of every leaf."""
    low, high = np.array([v.lower for v in leaves]), np.array([v.upper for v in leaves])
    n = low.shape[1]
    generator = np.random.default_rng(0)
    corners = [[(c >> i) & 1 for i in range(n)] for c in range(2 ** min(n, 4))]
    shares = np.vstack([np.array(corners), np.full((1, n), 0.5), generator.random((SHARES, n))])
    return np.asarray(low[:, None] + shares[None] * (high - low)[:, None])


def _exact_point(
    condition: Condition, leaf: LeafOf, point: Sequence[float]
) -> tuple[Fraction, ...] | None:
    """The point, moved into the leaf and into a region; None where they do not meet."""
    for region in condition.regions:
        out = []
        for v, a, b, low, high in zip(
            point, leaf.lower, leaf.upper, region.lower, region.upper, strict=True
        ):
            least, most = max(Fraction(a), low), min(Fraction(b), high)
            if least > most:
                break
            out.append(min(max(Fraction(v), least), most))
        else:
            return tuple(out)
    return None


def _is_void(
    condition: Condition, balls: BallInterpreter, leaf: LeafOf, at: Sequence[Fraction]
) -> bool:
    outputs = [part[0] for part in balls.outputs(at, at)]

    def h(j: int) -> arb:
        c = condition.violation[j]
        return c.sign * (outputs[c.output] - exact_ball(c.level))

    value = h(leaf.j)
    if leaf.i is None:
        strict = condition.violation[leaf.j].strict
        return bool(value > 0) if strict else bool(value >= 0)
    return bool(value + leaf.weight * h(leaf.i) >= 0)


def box_of(leaf: LeafOf, region: Box) -> Box | None:
    """The leaf's box, cut off at the region; None where nothing is left."""
    low = [max(Fraction(a), b) for a, b in zip(leaf.lower, region.lower, strict=True)]
    high = [min(Fraction(a), b) for a, b in zip(leaf.upper, region.upper, strict=True)]
    if any(a > b for a, b in zip(low, high, strict=True)):
        return None
    return Box(tuple(low), tuple(high))
