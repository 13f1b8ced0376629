"""Quotients of Z3's real terms, multiplied out: Z3's own division, which is total, is not used."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

Term = Any
"""A real or truth-valued term of Z3, whose package carries no types."""

Number = Fraction | Term
"""A rational stays one for as long as possible."""

Powers = tuple[tuple[int, int], ...]
"""(number of a factor, its power ≥ 1), by increasing number."""

Need = tuple[bool, int]
"""A divisor (True) or a radicand (False), by its number among these."""

_RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt, "==": operator.eq,
}  # fmt: skip
_MIRRORED = {">=": "<=", ">": "<", "<=": ">=", "<": ">", "==": "=="}


@dataclass(frozen=True)
class Quotient:
    """over / Π factorᵖ, where no divisor in ``needs`` is 0 and no radicand negative.

    There no factor is 0; elsewhere the quotient stands for nothing.
    """

    over: Number
    under: Powers = ()
    needs: frozenset[Need] = frozenset()


class Quotients:
    """Arithmetic on quotients, and the factors that divide them."""

    def __init__(self) -> None:
        import z3

        self.z3 = z3
        self._factors: list[Term] = []
        self._numbers: dict[int, int] = {}

    def real(self, value: Number) -> Term:
        """A rational as a term; a term as it is."""
        if isinstance(value, Fraction):
            return self.z3.RealVal(f"{value.numerator}/{value.denominator}")
        return value

    def sum(self, values: Sequence[Number]) -> Number:
        constant = sum((v for v in values if isinstance(v, Fraction)), Fraction(0))
        terms = [v for v in values if not isinstance(v, Fraction)]
        if not terms:
            return constant
        if constant:
            terms.append(self.real(constant))
        return terms[0] if len(terms) == 1 else self.z3.Sum(terms)

    def product(self, *values: Number) -> Number:
        constant, terms = Fraction(1), []
        for v in values:
            if isinstance(v, Fraction):
                constant *= v
            else:
                terms.append(v)
        if not constant or not terms:
            return constant
        if constant != 1:
            terms.insert(0, self.real(constant))
        return terms[0] if len(terms) == 1 else self.z3.Product(terms)

    def divisor(self, under: Powers, *, for_sign: bool = False) -> Number:
        """The product of the factors; ``for_sign``: something of the same sign, where none is 0."""
        powers = [(f, 1 if for_sign else p) for f, p in under if not for_sign or p % 2]
        return self.product(*(_power(self._factors[f], p) for f, p in powers))

    def over_common(self, quotients: Sequence[Quotient]) -> tuple[list[Number], Powers]:
        """Numerators over the least common divisor, and that divisor."""
        most: dict[int, int] = {}
        for q in quotients:
            for f, p in q.under:
                most[f] = max(p, most.get(f, 0))
        overs = []
        for q in quotients:
            own = dict(q.under)
            lacking = tuple((f, p - own.get(f, 0)) for f, p in most.items() if p > own.get(f, 0))
            overs.append(self.product(q.over, self.divisor(lacking)))
        return overs, tuple(sorted(most.items()))

    def combination(self, weights: Sequence[Fraction], quotients: Sequence[Quotient]) -> Quotient:
        """Σ weight · quotient. A weight 0 drops a term, but not what it needs."""
        needs = frozenset[Need]().union(*(q.needs for q in quotients))
        used = [(w, q) for w, q in zip(weights, quotients, strict=True) if w]
        overs, under = self.over_common([q for _, q in used])
        terms = [self.product(w, over) for (w, _), over in zip(used, overs, strict=True)]
        return Quotient(self.sum(terms), under, needs)

    def multiply(self, a: Quotient, b: Quotient) -> Quotient:
        over = self.product(a.over, b.over)
        return Quotient(over, _joined(a.under, b.under), a.needs | b.needs)

    def power(self, a: Quotient, exponent: int) -> Quotient:
        under = tuple((f, p * exponent) for f, p in a.under)
        return Quotient(_power(a.over, exponent), under, a.needs)

    def divide(self, a: Quotient, b: Quotient) -> Quotient:
        """a / b, where b ≠ 0, which the caller adds to what is needed."""
        over = self.product(a.over, self.divisor(b.under))
        under, needs = a.under, a.needs | b.needs
        if isinstance(b.over, Fraction):
            return Quotient(self.product(over, 1 / b.over if b.over else b.over), under, needs)
        return Quotient(over, _joined(under, ((self._factor(b.over), 1),)), needs)

    def either(self, condition: Term, a: Quotient, b: Quotient) -> Quotient:
        """a where the condition holds, else b."""
        (x, y), under = self.over_common([a, b])
        return Quotient(self.z3.If(condition, self.real(x), self.real(y)), under, a.needs | b.needs)

    def compare(self, q: Quotient, relation: str, level: Fraction = Fraction(0)) -> Term:
        """Whether q relates to a level, where q is defined."""
        rest = self.sum([q.over, self.product(-level, self.divisor(q.under))])
        sign = self.divisor(q.under, for_sign=True)
        there = self._related(rest, relation)
        if isinstance(sign, Fraction) or relation == "==":
            return there
        mirrored = self._related(rest, _MIRRORED[relation])
        return self.z3.Or(self.z3.And(sign > 0, there), self.z3.And(sign < 0, mirrored))

    def _related(self, value: Number, relation: str) -> Term:
        if isinstance(value, Fraction):
            return self.z3.BoolVal(_RELATIONS[relation](value, 0))
        return _RELATIONS[relation](value, self.z3.RealVal(0))

    def _factor(self, term: Term) -> int:
        """The number of a term that divides. Kept alive here, a term's id is its own."""
        number = self._numbers.setdefault(term.get_id(), len(self._factors))
        if number == len(self._factors):
            self._factors.append(term)
        return number


def _power(value: Number, exponent: int) -> Number:
    return value if exponent == 1 else value**exponent


def _joined(a: Powers, b: Powers) -> Powers:
    powers = dict(a)
    for f, p in b:
        powers[f] = powers.get(f, 0) + p
    return tuple(sorted(powers.items()))
