"""What the tests of all writers check: a claim's difference and truth at a point are the tape's."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

from flint import arb, ctx, fmpq

from certify.balls import enclose_point
from certify.conditions import Condition, Constraint
from systems.box import Box
from systems.expression import Expression
from systems.tape import compile_tape
from tests.certify.smtlib_reader import Evaluation, Tree

BOX = Box.of([(-4, 4), (-4, 4)])
Violation = Sequence[tuple[int, Literal["at least", "at most"], object, bool]]


def condition_of(
    outputs: Sequence[Expression],
    x: Expression,
    violation: Violation,
    regions: Sequence[Box] = (BOX,),
    claim: str = "a claim",
) -> Condition:
    return Condition(
        "statement",
        claim,
        compile_tape(outputs, [x]),
        tuple(f"y{i}" for i in range(len(outputs))),
        tuple(
            Constraint(o, sense, Fraction(v), strict)  # type: ignore[arg-type]
            for o, sense, v, strict in violation
        ),
        tuple(regions),
    )


def check_claim(
    condition: Condition, evaluation: Evaluation, claim: Tree, point: Sequence[Fraction]
) -> None:
    """``claim`` is the first constraint's assertion, ``evaluation`` the script's at a point."""
    constraint = condition.violation[0]
    (truth,) = enclose_point(condition.tape, point, 256)[constraint.output]
    excused = evaluation.excused(claim)
    if not truth.is_finite():
        # undefined, or so close to it that balls cannot tell: never excluded
        assert evaluation.truth(claim) is not False
        return
    assert excused is not True
    if excused is None:
        return
    with ctx.workprec(256):
        level = constraint.level
        difference = truth - arb(fmpq(level.numerator, level.denominator))
        holds = bool(constraint.sign * difference > 0)
        if isinstance(claim, str) or (claim[0] == "or" and isinstance(claim[-1], str)):
            zero = difference == 0 and not constraint.strict
            assert evaluation.truth(claim) is (zero or holds)  # a rational, compared at once
            return
        found = evaluation.difference(claim)
        # a bare variable is compared doubled in dReal's dialect
        assert difference.overlaps(found) or difference.overlaps(found / 2)
        if not difference.contains(0):
            assert evaluation.truth(claim) in (holds, None)
