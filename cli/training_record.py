"""What training told while it went on: residuals, losses and value functions, round by round;
of an actor-critic the costs of its episodes, and what its constraint and its entropy do."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from systems.errors import InputError

Array = NDArray[np.float64]
Value = Callable[[Array], Array]

SERIES = ("loss", "hjb_residual_max", "hjb_residual_rms", "ghjb_residual_max", "policy_change")
EPISODIC = ("return", "critic_loss", "entropy", "multiplier", "constraint")
"""Of an actor-critic: the mean accumulated cost of an episode, the critic's loss, the entropy of
the policy, the multiplier of the Lyapunov constraint, and E[L(s') - L(s) + alpha3 c]."""
COLUMNS = ("round", "iteration", "step", *SERIES, "unknowns", "box")
MORE_COLUMNS = ("episode", *EPISODIC)
"""Columns of a table that has anything to put there."""
MOST_STEPS = 4000
"""Optimiser steps that are kept; where there are more, every second one is let go."""
MOST_VALUES = 32
"""Value functions of one round that are kept, in the same way."""


@dataclass(frozen=True)
class Entry:
    """One entry of training: the end of an iteration, or a step within one (``step`` is not None).

    ``numbers`` may hold each of :data:`SERIES` and :data:`EPISODIC`, "unknowns", "box" and
    "episode".
    """

    round: int
    iteration: int
    step: int | None
    numbers: Mapping[str, float]

    @property
    def ends_iteration(self) -> bool:
        return self.step is None


@dataclass(frozen=True, eq=False)
class Learnt:
    """V as it was at the end of an iteration; of a finished candidate where that is None.

    ``box``: the fraction of the domain, about x*, on which it was learnt.
    """

    iteration: int | None
    value: Value
    box: float = 1.0
    seen: dict[object, Array] = field(default_factory=dict, repr=False)

    def on(self, key: object, points: Array) -> Array:
        """V at points (N, n), remembered by ``key``: (N,), NaN where V is not finite."""
        if key not in self.seen:
            with np.errstate(all="ignore"):
                found = np.asarray(self.value(points), dtype=np.float64).reshape(len(points))
            self.seen[key] = np.where(np.isfinite(found), found, np.nan)
        return self.seen[key]


@dataclass
class TrainingRecord:
    """A compact history of all rounds.

    ``learnt`` are value functions of the latest round that has any, since its learner last gave
    up and began anew on a smaller part of the domain. ``found`` are counterexamples
    with the round that found them, ``given`` (M, n) all points that training was given.
    """

    round: int = 1
    entries: list[Entry] = field(default_factory=list)
    learnt: list[Learnt] = field(default_factory=list)
    found: list[tuple[int, Sequence[float]]] = field(default_factory=list)
    given: Array | None = None
    _finished: bool = False

    def add(self, told: Mapping[str, object]) -> Entry:
        """An entry that a learner told; what is no number in it, but for V, is passed over."""
        if self._finished:
            self.round, self._finished = self.round + 1, False
        numbers = {k: v for k in COLUMNS[3:] if (v := _number(told.get(k))) is not None}
        for name in MORE_COLUMNS:  # a mean over no episode is no number yet
            found = _number(told.get(name))
            if found is not None and math.isfinite(found):
                numbers[name] = found
        value = told.get("value")
        ends = callable(value) or "policy_change" in numbers or _whole(told.get("step")) is None
        entry = Entry(
            self.round,
            _whole(told.get("iteration")) or self._next_iteration(),
            None if ends else _whole(told.get("step")),
            numbers,
        )
        self.entries.append(entry)
        if not ends:
            self._thin_steps()
        if callable(value):
            self._learn(Learnt(entry.iteration, value, numbers.get("box", 1.0)))
        return entry

    def finish_round(self, value: Value, box: float = 1.0) -> None:
        """The round's candidate is there; ``value`` is its V, learnt on a fraction of the domain.

        What comes next is the next round.
        """
        self._learn(Learnt(None, value, box))
        self._finished = True

    def _next_iteration(self) -> int:
        return 1 + sum(e.ends_iteration for e in self.entries if e.round == self.round)

    def _learn(self, found: Learnt) -> None:
        last = self.learnt[-1] if self.learnt else found
        if last.iteration is None or found.box < last.box:  # of the round before; or begun anew
            self.learnt.clear()
        self.learnt.append(found)
        if len(self.learnt) > MOST_VALUES:
            del self.learnt[1:-1:2]

    def _thin_steps(self) -> None:
        steps = [k for k, e in enumerate(self.entries) if not e.ends_iteration]
        if len(steps) > MOST_STEPS:
            gone = set(steps[:-1:2])
            self.entries = [e for k, e in enumerate(self.entries) if k not in gone]


def as_csv(entries: Iterable[Entry]) -> str:
    """A table with a line for every entry; what was not told is left empty."""
    out, entries = io.StringIO(), list(entries)
    more = [name for name in MORE_COLUMNS if any(name in e.numbers for e in entries)]
    columns = [*COLUMNS, *more]
    table = csv.writer(out, lineterminator="\n")
    table.writerow(columns)
    for e in entries:
        numbers = [e.numbers.get(name) for name in columns[3:]]
        row = [e.round, e.iteration, e.step, *numbers]
        table.writerow(["" if v is None else repr(v) for v in row])
    return out.getvalue()


def from_csv(text: str) -> list[Entry]:
    """What :func:`as_csv` wrote. Raises InputError where it did not."""
    try:
        head, *rows = csv.reader(io.StringIO(text))
        more = [name for name in MORE_COLUMNS if name in head]
        if head != [*COLUMNS, *more]:
            raise ValueError
        return [_entry(row, head[3:]) for row in rows]
    except (csv.Error, ValueError, OverflowError):
        raise InputError("is no table of training, or a damaged one") from None


def _entry(row: Sequence[str], names: Sequence[str]) -> Entry:
    first, iteration, step, *rest = row
    numbers = {k: float(v) for k, v in zip(names, rest, strict=True) if v}
    found = Entry(int(first), int(iteration), int(step) if step else None, numbers)
    if min(found.round, found.iteration) < 1:
        raise ValueError
    return found


def _number(value: object) -> float | None:
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        return None
    return float(value)


def _whole(value: object) -> int | None:
    """A number that counts something, from 1."""
    number = _number(value)
    return int(number) if number is not None and number >= 1 and number.is_integer() else None
