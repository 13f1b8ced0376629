"""Whether a changed certificate may be accepted: an oracle that shares nothing with the checker.

An accepted mutant is harmless only if it is shown to be: the claim is the same and every changed
leaf is proved again by the prover's search; or the claim is another one, named by another hash, its
conditions are proved anew from scratch, and validated simulations do not contradict it.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from benchmarks.documents import canonical
from benchmarks.mutation_faults import Examination, LeafOf, box_of, leaves_of
from benchmarks.mutators import Mutant
from certify import Budget
from certify.branch_and_bound import search
from certify.conditions import Condition, Constraint
from certify.fixed_point import centre_verdict, equilibrium_verdict
from certify.split_tree import SplitTree
from certify.verdict import Proved, Refuted
from proofs.cross_examination import cross_examine
from proofs.statement import sha256_of
from systems import expression as ex
from systems.box import Box
from systems.errors import InputError
from systems.expression import Expression
from systems.tape import compile_tape
from systems.tape_json import expressions_of

Kind = Literal["beside the proof", "same claim", "another claim", "open", "escape"]

SECONDS = 20.0
"""For every search."""
STARTS = 2
"""Simulated starts of a claim that is another one."""


@dataclass(frozen=True)
class Judgement:
    """``open``: neither a fault was found nor could it be shown that there is none."""

    kind: Kind
    reason: str


def judge(mutant: Mutant, claim_hash: str | None) -> Judgement:
    """An accepted mutant, whose claim the checker says has this hash."""
    original, document = mutant.base.document, mutant.document
    if claim_hash != sha256_of(document["statement"]):
        return Judgement("escape", "the hash told is not that of the statement")
    same = claim_hash == original["sha256"]["statement"]
    proof = ("statement", "programs", "evidence", "volume")
    if all(document[part] == original[part] for part in proof):
        return Judgement("beside the proof", "nothing of the proof is changed")
    try:
        examined = Examination(document)
    except InputError as error:
        return Judgement("escape", f"the prover's side refuses it: {error}")
    return _same_claim(mutant, examined) if same else _another_claim(mutant, examined)


def fault(mutant: Mutant) -> str | None:
    """What is certainly wrong with a mutant, as the prover's side sees it; None is no promise."""
    try:
        return Examination(mutant.document).fault()
    except InputError as error:
        return str(error)


def _same_claim(mutant: Mutant, examined: Examination) -> Judgement:
    original = Examination(mutant.base.document)
    changed = {n for n, e in mutant.document["evidence"].items()
               if e != mutant.base.document["evidence"][n]}  # fmt: skip
    if mutant.document["volume"] != mutant.base.document["volume"]:
        changed.add("volume")
    found = examined.fault(sorted(changed))
    if found is not None:
        return Judgement("escape", found)
    count = 0
    for name in sorted(changed):
        pair, before = _tree(examined, name), _tree(original, name)
        if pair is None:
            continue  # no volume is claimed any more
        condition, leaves = pair[0], leaves_of(*pair)
        known = set() if before is None else set(leaves_of(*before))
        new = [v for v in leaves if v not in known]
        if name == "volume":
            new = [v for v in new if v.j == 0]
        open_ = _unproved(condition, new)
        if open_ is not None:
            return open_
        count += len(new)
    return Judgement("same claim", f"its {count} new leaves are proved again" if count else
                     "no leaf is new")  # fmt: skip


def _tree(examined: Examination, name: str) -> tuple[Condition, SplitTree] | None:
    return examined.volume if name == "volume" else examined.conditions[name]


def _another_claim(mutant: Mutant, examined: Examination) -> Judgement:
    found = examined.fault()
    if found is not None:
        return Judgement("escape", found)
    exact = equilibrium_verdict if examined.statement.has_origin else centre_verdict
    if exact(examined.problem) is not None:
        return Judgement("open", "the prover cannot show the equilibrium")
    for name, (condition, _) in _scaled(examined).conditions.items():
        verdict = search(condition, Budget(SECONDS)).verdict
        if isinstance(verdict, Refuted):
            at = verdict.counterexample.point
            return Judgement("escape", f"the claim is false: {name} at {at}")
        if not isinstance(verdict, Proved):
            return Judgement("open", f"{name} is not proved anew: {verdict.reason}")
    if examined.volume is not None:
        condition, _ = examined.volume
        counted = [v for v in leaves_of(*examined.volume) if v.j == 0]
        open_ = _unproved(condition, counted)
        if open_ is not None:
            return open_
    seen = cross_examine(mutant.document, STARTS, 0, None, 1)
    for finding in seen.of("disagreement"):
        return Judgement("escape", f"a simulation contradicts it: {finding.reason}")
    return Judgement("another claim", "its conditions are proved anew")


def _scaled(examined: Examination) -> Examination:
    """With R times a power of two: what R S Rᵀ ≺ 0 says stays the same, but floats hold it."""
    ellipsoid = examined.statement.ellipsoid
    largest = 0.0 if ellipsoid is None else float(np.abs(ellipsoid[1]).max())
    if ellipsoid is None or largest == 0.0 or 2.0**-100 < largest < 2.0**100:
        return examined
    document = json.loads(canonical(examined.document))
    smaller = np.ldexp(ellipsoid[1], -math.frexp(largest)[1])
    document["statement"]["ellipsoid"]["R"] = [[v.hex() for v in row] for row in smaller.tolist()]
    return Examination(document)


def _unproved(condition: Condition, leaves: Sequence[LeafOf]) -> Judgement | None:
    """What is wrong, or open, with leaves whose reasons are proved anew; None where all are."""
    groups: dict[tuple[int, int | None, float], list[Box]] = defaultdict(list)
    for leaf in leaves:
        groups[leaf.j, leaf.i, leaf.weight] += _boxes(leaf, condition.regions)
    variables, outputs = expressions_of(condition.tape)
    for (j, i, weight), boxes in groups.items():
        value = _excess(condition, outputs, j)
        if i is not None:
            value = value + ex.multiply(Fraction(weight), _excess(condition, outputs, i))
        strict = i is None and condition.violation[j].strict
        tape = compile_tape([value], variables)
        above = Constraint(0, "at least", Fraction(0), strict)
        alone = Condition(condition.name, "a leaf's reason", tape, ("h",), (above,), tuple(boxes))
        verdict = search(alone, Budget(SECONDS)).verdict
        if isinstance(verdict, Refuted):
            at = verdict.counterexample.point
            return Judgement("escape", f"the evidence is void: {condition.name} at {at}")
        if not isinstance(verdict, Proved):
            return Judgement("open", f"{condition.name}: a leaf is not proved again")
    return None


def _boxes(leaf: LeafOf, regions: Iterable[Box]) -> list[Box]:
    return [box for region in regions if (box := box_of(leaf, region)) is not None]


def _excess(condition: Condition, outputs: Sequence[Expression], j: int) -> Expression:
    """h_j."""
    c = condition.violation[j]
    return ex.multiply(c.sign, outputs[c.output] - ex.constant(c.level))
