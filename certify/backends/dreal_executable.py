"""dReal as an executable on the PATH: SMT-LIB 2 in, its answer parsed."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from certify.backends.base import BackendError, NoViolation, Open, Points
from certify.backends.child import GRACE, MEMORY, run_child
from certify.budget import Budget, seconds_words
from certify.conditions import Condition
from certify.smtlib import smtlib, variable_names

_LIMITED = """
import os, sys
try:
    import resource
    most = int(sys.argv[1])
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
except ImportError:
    pass
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Limits the memory of what it turns into."""


def solve_by_executable(
    executable: str,
    condition: Condition,
    budget: Budget,
    delta: float,
    jobs: int,
    trust: tuple[str, ...],
) -> NoViolation | Points | Open:
    """What the executable says. Raises BackendError where it fails or says neither answer."""
    if budget.seconds <= 0:
        return Open("no time is left")
    script = smtlib(condition, dialect="dreal", precision=Fraction(delta))
    options = ["--in", "--format", "smt2", "--precision", f"{delta:.17g}", "--model"]
    options += ["--jobs", str(jobs)]
    out = run_child(
        [sys.executable, "-I", "-c", _LIMITED, str(MEMORY), executable, *options],
        script.encode(),
        budget.seconds,
    )
    if out is None:
        limit = seconds_words(budget.seconds)
        return Open(f"the time limit of {limit} ran out, and it was stopped")
    return read_answer(out.decode(errors="replace"), variable_names(condition.tape), trust)


def executable_version(executable: str) -> str:
    """What it says of its version."""
    try:
        out = run_child([executable, "--version"], b"", GRACE)
    except BackendError:
        return "of unknown version"
    words = (out or b"").decode(errors="replace").split()
    found = next((w for w in words if re.fullmatch(r"v?\d+(\.\d+)+", w)), None)
    return found.lstrip("v") if found else "of unknown version"


def read_answer(
    text: str, names: Sequence[str], trust: tuple[str, ...]
) -> NoViolation | Points | Open:
    """The answer: nothing, or a box as the rows centre, lower and upper corner.

    A box that lacks a variable has no rows. Raises BackendError for text that is no answer, or two.
    """
    lines = [line.strip() for line in text.splitlines()]
    verdicts = [s for s in lines if s in ("unsat", "unknown") or re.match(r"(delta-)?sat\b", s)]
    if len(verdicts) != 1:
        first = next((line for line in lines if line), "nothing")[:100]
        raise BackendError(f"said {first!r}, which is no answer")
    said = verdicts[0]
    if said == "unsat":
        return NoViolation(trust)
    if said == "unknown":
        return Open("it said unknown")
    sides = _sides(lines)
    if any(name not in sides for name in names):
        return Points(np.empty((0, len(names))), said)
    lower, upper = (np.array([sides[name][k] for name in names]) for k in (0, 1))
    with np.errstate(invalid="ignore", over="ignore"):
        centre = lower + 0.5 * (upper - lower)
    return Points(np.stack([centre, lower, upper]), said)


_SIDE = re.compile(r"(\S+)\s*:\s*\[\s*([^,\]\s]+)\s*,\s*([^,\]\s]+)\s*\]")


def _sides(lines: Sequence[str]) -> dict[str, tuple[float, float]]:
    """The intervals of the lines "x : [a, b]"; a number that is none becomes NaN."""
    out: dict[str, tuple[float, float]] = {}
    for line in lines:
        found = _SIDE.fullmatch(line)
        if found is not None:
            out.setdefault(found[1], (_number(found[2]), _number(found[3])))
    return out


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
