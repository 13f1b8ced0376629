"""The table of statements: its truths are checked first, then every backend against them."""

from __future__ import annotations

import math
import multiprocessing
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import product

import pytest

from certify import Budget, Counterexample, Proved, Refuted, Unknown
from certify.backends import Answer, Soundness, backend, child, names
from tests.certify import warm_children
from tests.certify.statement import KINDS, TAGS, Statement
from tests.certify.statements import ALL
from tests.certify.truth import Judge

BUDGET, PATIENT = Budget(seconds=3.0, boxes=10_000), Budget(seconds=60.0, boxes=10_000)
SHORT = Budget(seconds=1.5, boxes=1000)
"""Seconds limit what need not be decided; what has to be is given the time it takes."""

BOXES, SAMPLES = 4000, 10_000
"""For checking a true statement: by subdivision, and by samples."""


def decided_by_enclosures(s: Statement) -> bool:
    return s.robust


def decided_by_algebra(s: Statement) -> bool:
    """Exactly, so that margins do not matter; but a counterexample has to survive rounding."""
    algebraic = s.kind in ("polynomial", "rational", "kinked")
    return algebraic and (s.truth is True or s.robust) and "guarded" not in s.tags


EASY = ("square-below-two", "square-below-a-half", "empty-conjunction", "exponential-below-three")


def decided_by_all(s: Statement) -> bool:
    return s.name in EASY


def decided_by_the_slowest(s: Statement) -> bool:
    return s.name in ("square-below-a-half", "tent-with-margin")


MUST_DECIDE: dict[str, Callable[[Statement], bool]] = {
    "taylor": decided_by_enclosures,
    "z3": decided_by_algebra,
    "lirpa:alpha-crown": decided_by_the_slowest,
}
"""What a backend is there for: it has to decide all of these; others at least the easy ones."""

CROSS_CHECKS = tuple(n for n in names() if backend(n).soundness is Soundness.NOT_FLOAT_SOUND)
STEP, STEP_OF_SLOWEST = 8, 24
"""Cross-checks, which prove nothing by themselves, are asked every so many statements."""


def asked(name: str) -> list[Statement]:
    """All statements, or one share of them; STABLEPROOF_EXPLORE=1 asks everybody everything."""
    if name not in CROSS_CHECKS or os.environ.get("STABLEPROOF_EXPLORE"):
        return list(ALL)
    step = STEP_OF_SLOWEST if name == "lirpa:alpha-crown" else STEP
    first, must = CROSS_CHECKS.index(name) * STEP // len(CROSS_CHECKS), must_decide(name)
    return [s for i, s in enumerate(ALL) if i % step == first or must(s)]


def must_decide(name: str) -> Callable[[Statement], bool]:
    return MUST_DECIDE.get(name, decided_by_all)


def test_the_table_is_as_wide_as_it_says() -> None:
    assert len(ALL) >= 80
    assert len({s.name for s in ALL}) == len(ALL)
    for truth in (True, False, None):
        assert sum(s.truth is truth for s in ALL) >= 20
    for kind in KINDS:
        assert {s.truth for s in ALL if s.kind == kind} >= {True, False}
    for tag in TAGS:
        assert sum(tag in s.tags for s in ALL) >= 2
    assert {s.condition.tape.dimension for s in ALL} == {1, 2, 3, 4}


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_says_the_truth(kind: str) -> None:
    mistaken = [
        f"{s.name}: {why}" for s in ALL if s.kind == kind for why in mistakes(s, Judge(s.condition))
    ]
    assert not mistaken, "\n".join(mistaken)


def mistakes(s: Statement, judge: Judge) -> Iterator[str]:
    """What is wrong with the truth that a statement claims for itself."""
    assert (s.point is None) is (s.between is not None or s.truth is True)
    if s.truth is False:
        if s.point is not None and not judge.violates(s.point):
            yield "its point does not violate it"
        if s.between is not None and not judge.changes_sign(*s.between):
            yield "no violation lies between its points"
        return
    if s.truth is None:
        if s.point is not None and not judge.is_undefined(s.point):
            yield "all is defined at its point"
        if s.between is not None and not judge.has_a_tangent_pole(*s.between):
            yield "all is defined between its points"
    elif s.robust and "identity" not in s.tags and not judge.closes(BOXES):
        yield "subdivision does not prove it"
    for point in judge.violated_samples(SAMPLES, seed=0)[:1]:
        yield f"it is violated at {point}"


@pytest.mark.parametrize("name", names())
def test_no_backend_contradicts_the_truth(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = backend(name)
    found = chosen.availability()
    if not found.available:
        pytest.skip(f"{name} is not available: {'; '.join(found.missing)}")
    if "forkserver" in multiprocessing.get_all_start_methods():
        monkeypatch.setattr(child, "run_child", warm_children.run_child)
    budget = SHORT if name in CROSS_CHECKS else BUDGET
    failures = []
    for s in asked(name):
        must = must_decide(name)(s)
        answer = chosen.ask(s.condition, budget, seed=0)
        if must and isinstance(answer.verdict, Unknown):
            answer = chosen.ask(s.condition, PATIENT, seed=0)
        failures += [f"{s.name}: {why}" for why in faults(s, answer, must)]
    assert not failures, "\n".join(failures)


def faults(s: Statement, answer: Answer, must_decide: bool) -> Iterator[str]:
    """What is wrong with an answer to a statement."""
    match answer.verdict:
        case Proved(_, trust):
            if s.truth is not True:
                yield f"proved ({answer.said}, trusting {trust}), but: {s.why}"
        case Refuted(found):
            if s.truth is not True and s.truth is not False:
                yield f"refuted at {found.point}, but: {s.why}"
            elif s.truth:
                yield f"refuted at {found.point}, but it holds: {s.why}"
            elif not any(Judge(s.condition).violates(p) for p in nearby(s, found.point)):
                yield f"{found.point} does not violate it"
        case Unknown(reason):
            if not reason.startswith(f"{answer.backend}: ") or "\n" in reason:
                yield f"its reason is not one line that names it: {reason!r}"
            if must_decide:
                yield f"undecided: {reason}"


def nearby(s: Statement, point: tuple[float, ...]) -> Iterator[tuple[Fraction, ...]]:
    """Rational points of the regions to which the floats of a counterexample may be nearest."""
    for region in s.condition.regions:
        sides = []
        for low, v, high in zip(region.lower, point, region.upper, strict=True):
            around = (v, math.nextafter(v, math.inf), math.nextafter(v, -math.inf))
            sides.append([min(max(Fraction(u), low), high) for u in around])
        for candidate in product(*sides):
            if all(float(u) == v for u, v in zip(candidate, point, strict=True)):
                yield candidate


def test_that_faults_are_seen() -> None:
    """The judge of backends itself: each wrong answer is one."""
    by_name = {s.name: s for s in ALL}
    true, false = by_name["square-below-two"], by_name["square-below-a-half"]
    undefined, corner = by_name["pole-inside"], by_name["three-twentieths-strict"]

    def seen(s: Statement, verdict: Proved | Refuted | Unknown) -> bool:
        return bool(list(faults(s, Answer("b", verdict, "", 0.0, None), must_decide=True)))

    def refuted(s: Statement, *point: float) -> Refuted:
        return Refuted(Counterexample(s.name, point, ((0.0, 0.0),)))

    assert seen(false, Proved()) and seen(undefined, Proved()) and not seen(true, Proved())
    assert seen(true, refuted(true, 0.5)) and seen(undefined, refuted(undefined, 0.5))
    assert seen(false, refuted(false, 0.5)) and not seen(false, refuted(false, 0.75))
    assert seen(false, refuted(false, 2.0)) and not seen(corner, refuted(corner, 0.15))
    assert seen(true, Unknown("b: out of time"))
