"""Backends that are missing, raise, lie or talk nonsense: Unknown with one line, and no harm."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from certify import Budget, Counterexample, Proved, Refuted, Unknown
from certify.backends import Availability, Soundness
from certify.backends.base import BackendError, NoViolation, Open, Points
from certify.split_tree import SplitTree
from tests.certify.hostile import (
    FALSE,
    PLANE,
    TRUE,
    TRUST,
    Hostile,
    assert_others_still_work,
    unknown,
)


@pytest.fixture(autouse=True)
def others_still_work() -> Iterator[None]:
    yield
    assert_others_still_work()


def raising(error: BaseException) -> Callable[..., object]:
    def deed(*_: object) -> object:
        raise error

    return deed


class SpeechlessError(Exception):
    """Cannot even say what it is."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (BackendError("hung up"), "hung up"),
        (BackendError("two\nlines"), "two lines"),
        (MemoryError(), "ran out of memory"),
        (RuntimeError("a\nb\x1b[31m"), "failed: RuntimeError: a b?[31m"),
        (RuntimeError("x" * 10**6), "failed: RuntimeError: xxx"),
        (RecursionError(), "failed: RecursionError: no message"),
        (SystemExit(0), "failed: SystemExit: 0"),
        (ImportError("libibex.so: cannot open shared object file"), "libibex.so"),
        (SpeechlessError(), "SpeechlessError: no message"),
        (AssertionError(), "AssertionError"),
        (StopIteration(), "StopIteration"),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, BaseException) else "",
)
def test_whatever_is_raised_is_unknown(error: BaseException, words: str) -> None:
    for hostile in (
        Hostile(raising(error)),
        Hostile(raising(AssertionError()), found=raising(error)),
        Hostile(raising(AssertionError()), refusal=raising(error)),
    ):
        assert words in unknown(hostile.ask(TRUE, Budget(5.0)))


def test_ctrl_c_is_not_caught() -> None:
    with pytest.raises(KeyboardInterrupt):
        Hostile(raising(KeyboardInterrupt())).ask(TRUE, Budget(5.0))


@pytest.mark.parametrize(
    "missing", ["the package solver", "solver 4.13 or later: 0.1 is installed", "a\nb"]
)
def test_what_is_missing_is_named(missing: str) -> None:
    hostile = Hostile(
        raising(AssertionError()), found=lambda: Availability(False, "0.1", (missing, "libx.so"))
    )
    answer = hostile.ask(TRUE, Budget(5.0))
    assert f"not available: {' '.join(missing.split())}; libx.so" in unknown(answer)
    assert answer.version == "0.1"


def test_of_much_that_is_missing_the_first_is_named() -> None:
    many = tuple(f"lib{k}.so" for k in range(8))
    hostile = Hostile(raising(AssertionError()), found=lambda: Availability(False, None, many))
    reason = unknown(hostile.ask(TRUE, Budget(5.0)))
    assert "lib0.so; lib1.so; and 6 more (stableproof backends tells" in reason


def test_what_is_unsupported_is_named() -> None:
    hostile = Hostile(raising(AssertionError()), refusal=lambda: "the operation sin")
    assert "the operation sin" in unknown(hostile.ask(TRUE, Budget(5.0)))


SOMEWHERE = Counterexample("claim", (0.9,), ((0.81, 0.81),))
TREE = SplitTree(1, *(np.zeros(1, dtype=int) for _ in range(5)))


@pytest.mark.parametrize(
    "lead",
    [
        None, True, "unsat", {"no_violation": True}, 0.5, (), NoViolation, object(),
        NoViolation(()),
        NoViolation((), TREE),
        NoViolation(None, TREE),  # type: ignore[arg-type]
        NoViolation(TRUST, "a tree"),  # type: ignore[arg-type]
        Proved(), Proved(TREE),
        Points(np.empty((0, 1))), Points(np.empty((0, 0))), Points([]),  # type: ignore[arg-type]
        Points(np.array([0.75])), Points(np.array([[0.75, 0.75]])), Points(np.zeros((1, 1, 1))),
        Points(np.array([["a"]])),
        Points([[0.75], [0.75, 1.0]]),  # type: ignore[arg-type]
        Points(np.array([[np.nan]])), Points(np.array([[np.inf]])), Points(np.array([[-np.inf]])),
        Points(np.array([[0.5]])), Points(np.full((10**6, 1), 0.5)),
        Points(np.array([[0.5]]), "δ-sat\nwith\x1b[31m colour"),
        Open("no time is left"), Open("two\nlines"), Open(None),  # type: ignore[arg-type]
        Unknown("two\nlines"),
    ],
    ids=lambda lead: type(lead).__name__,
)  # fmt: skip
def test_what_is_no_answer_is_unknown(lead: object) -> None:
    """None of these shows that x² ≥ 1/2 at some |x| ≤ 1, nor that it is so nowhere."""
    unknown(Hostile(lambda *_: lead).ask(FALSE, Budget(5.0)))


@pytest.mark.parametrize("lead", [NoViolation(TRUST), Proved(None, TRUST), Proved(TREE, TRUST)])
def test_a_false_proof_is_refuted(lead: object) -> None:
    answer = Hostile(lambda *_: lead).ask(FALSE, Budget(5.0))
    assert isinstance(answer.verdict, Refuted) and "refutes it" in answer.said


def test_a_proof_names_what_it_rests_on() -> None:
    answer = Hostile(lambda *_: NoViolation(TRUST)).ask(TRUE, Budget(5.0))
    assert isinstance(answer.verdict, Proved) and answer.verdict.trust == TRUST


@pytest.mark.parametrize(
    "soundness", [s for s in Soundness if s is not Soundness.RIGOROUS], ids=str
)
def test_only_rigorous_evidence_needs_no_trust(soundness: Soundness) -> None:
    for lead in (Proved(TREE), NoViolation((), TREE)):
        hostile = Hostile(lambda *_, lead=lead: lead, rated=soundness)
        assert "rests on nothing" in unknown(hostile.ask(TRUE, Budget(5.0)))


def test_a_refutation_is_checked() -> None:
    refuted = Hostile(lambda *_: Refuted(SOMEWHERE))
    assert isinstance(refuted.ask(FALSE, Budget(5.0)).verdict, Refuted)
    assert "does not violate" in unknown(refuted.ask(TRUE, Budget(5.0)))
    assert "other than 2 coordinates" in unknown(refuted.ask(PLANE, Budget(5.0)))


def test_a_point_outside_is_moved_inside_and_checked() -> None:
    for far in (1e308, -3.0, 1.0 + 2**-52):
        hostile = Hostile(lambda *_, far=far: Points(np.array([[far]])))
        verdict = hostile.ask(FALSE, Budget(5.0)).verdict
        assert isinstance(verdict, Refuted) and abs(verdict.counterexample.point[0]) == 1.0
        assert "outside the region" in unknown(hostile.ask(TRUE, Budget(5.0)))


def test_one_good_point_among_bad_ones() -> None:
    points = Points(np.array([[np.nan], [0.0], [np.inf], [0.875]]))
    verdict = Hostile(lambda *_: points).ask(FALSE, Budget(5.0)).verdict
    assert isinstance(verdict, Refuted) and verdict.counterexample.point == (0.875,)
