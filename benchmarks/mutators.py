"""What a mutation is: one thing of a certificate changed, in place."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from benchmarks.certificate_bases import Base
from benchmarks.documents import Document, encoded, rehashed
from systems.json_data import canonical_json, quotient


@dataclass(frozen=True)
class Subject:
    """A certificate under change: ``document`` is a copy of the base's."""

    base: Base
    document: Document
    random: random.Random
    others: Sequence[Base]

    @property
    def statement(self) -> Any:
        return self.document["statement"]

    @property
    def evidence(self) -> Any:
        return self.document["evidence"]


class NotApplicableError(Exception):
    """The certificate has nothing of the kind."""


Mutator = Callable[[Subject], str]
"""Changes one thing and says what; raises NotApplicableError."""


@dataclass(frozen=True)
class Mutant:
    """A changed certificate; ``rehashed`` tells whether its hashes are those of its content."""

    kind: str
    what: str
    base: Base
    document: Document
    rehashed: bool

    @property
    def data(self) -> bytes:
        return encoded(self.document)


def mutants(
    kinds: Mapping[str, Mutator], subjects: Sequence[Base], count: int, seed: int
) -> Iterator[Mutant]:
    """For every kind ``count`` different changes, or as many as there are, each as two mutants.

    One has the hashes as they were, the other its own. The same ones for the same seed.
    """
    for kind, mutate in kinds.items():
        generator = random.Random(f"{seed} {kind}")
        seen: set[str] = set()
        for attempt in range(6 * count):
            base = subjects[attempt % len(subjects)]
            changed = _change(kind, mutate, base, subjects, generator)
            if changed is None or canonical_json(changed[1].document) in seen:
                continue
            seen.add(canonical_json(changed[1].document))
            yield from changed
            if len(seen) == count:
                break


def _change(
    kind: str, mutate: Mutator, base: Base, all_: Sequence[Base], generator: random.Random
) -> tuple[Mutant, Mutant] | None:
    document = json.loads(canonical_json(base.document))
    others = [other for other in all_ if other is not base]
    try:
        what = mutate(Subject(base, document, generator, others))
    except NotApplicableError:
        return None
    own = rehashed(document)
    if own == base.document:
        return None
    return Mutant(kind, what, base, document, False), Mutant(kind, what, base, own, True)


def need(holds: object) -> None:
    """Raises NotApplicableError where something is missing."""
    if not holds:
        raise NotApplicableError


def spelled(value: Fraction) -> str:
    """An entry of a program's constant: a hexadecimal float where one equals it."""
    try:
        nearest = value.numerator / value.denominator
    except OverflowError:
        return quotient(value)
    return nearest.hex() if Fraction(nearest) == value else quotient(value)


def number_of(text: str) -> Fraction:
    """The number that an entry stands for."""
    return Fraction(text) if "/" in text else Fraction(float.fromhex(text))


def last_bit(value: Fraction, up: bool) -> Fraction:
    """The next float64, or for a quotient that is none, one numerator more or less."""
    nearest = value.numerator / value.denominator
    if Fraction(nearest) == value:
        return Fraction(math.nextafter(nearest, math.inf if up else -math.inf))
    return Fraction(value.numerator + (1 if up else -1), value.denominator)


def near_one(generator: random.Random) -> Fraction:
    """A factor above 1, of every order of magnitude: some come close to what is just still true."""
    return 1 + Fraction(2.0 ** generator.uniform(-24, 1))
