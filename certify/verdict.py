"""What a search may answer: proved, refuted, or unknown with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from certify.split_tree import SplitTree


class _Verdict:
    """Verdicts are matched, never tested for truth: an Unknown is not a "no"."""

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict has no truth value: match on Proved, Refuted and Unknown")


@dataclass(frozen=True)
class Counterexample:
    """A point that breaks a condition, and enclosures of the outputs there that show it.

    ``point`` are the float64 coordinates nearest to the point (which is rational, on a face at 1/5
    say); ``outputs`` are rigorous (lower, upper) bounds, at the point itself, of every output of
    the condition's tape.
    """

    condition: str
    point: tuple[float, ...]
    outputs: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Proved(_Verdict):
    """The condition holds on its whole region. ``evidence`` is the split tree that covers it.

    ``trust``: what has to be believed besides, one line each; empty where the evidence can be
    replayed by the checker. Only such a proof makes a theorem.
    """

    evidence: SplitTree | None = None
    trust: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refuted(_Verdict):
    """The condition is false, rigorously, at the counterexample."""

    counterexample: Counterexample


@dataclass(frozen=True)
class Unknown(_Verdict):
    """Neither shown; ``reason`` says why, in words for the user."""

    reason: str


Verdict = Proved | Refuted | Unknown
