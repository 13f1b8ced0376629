"""A reader of VNN-LIB 1.0, as the verification competitions use it, and what a property says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from flint import arb, ctx

Term = str | list["Term"]
_TOKEN = re.compile(r"[()]|[^\s()]+")
_NUMBER = re.compile(r"-?[0-9]+\.[0-9]+")
_VARIABLE = re.compile(r"([XY])_([0-9]+)")


@dataclass(frozen=True)
class Property:
    """The declared counts, and the assertions: each a disjunction of conjunctions of bounds."""

    inputs: int
    outputs: int
    assertions: tuple[tuple[tuple[tuple[str, int, str, Fraction], ...], ...], ...]

    def inputs_of(
        self, case: Sequence[tuple[str, int, str, Fraction]]
    ) -> dict[int, list[Fraction]]:
        return {i: [v for k, j, _, v in case if k == "X" and j == i] for _, i, _, _ in case}

    def holds(self, X: Sequence[Fraction], Y: Sequence[arb]) -> bool:
        """Whether the point satisfies every assertion. Bounds of Y that are open are mistakes."""
        return all(
            any(all(_holds(bound, X, Y) for bound in case) for case in cases)
            for cases in self.assertions
        )


def _holds(bound: tuple[str, int, str, Fraction], X: Sequence[Fraction], Y: Sequence[arb]) -> bool:
    which, index, relation, number = bound
    if which == "X":
        return X[index] >= number if relation == ">=" else X[index] <= number
    value = Y[index]
    if not value.is_finite():
        return False  # without a value no relation holds; a guard has to speak
    with ctx.workprec(400):
        level = arb(number.numerator) / number.denominator
        yes, no = value >= level, value < level
        if relation == "<=":
            yes, no = value <= level, value > level
    assert yes or no, f"{value} {relation} {level} is not decided"
    return bool(yes)


def read(text: str) -> Property:
    text.encode("ascii")
    tokens = _TOKEN.findall(re.sub(r";.*", "", text))
    counts = {"X": 0, "Y": 0}
    assertions = []
    while tokens:
        term = _term(tokens)
        match term:
            case ["declare-const", str(name), "Real"]:
                variable = _VARIABLE.fullmatch(name)
                assert variable is not None and int(variable[2]) == counts[variable[1]]
                counts[variable[1]] += 1
            case ["assert", ["or", *cases]]:
                assertions.append(tuple(_case(c) for c in cases))
            case ["assert", bound]:
                assertions.append(((_bound(bound),),))
            case _:
                raise AssertionError(f"unknown statement {term}")
    return Property(counts["X"], counts["Y"], tuple(assertions))


def _case(term: Term) -> tuple[tuple[str, int, str, Fraction], ...]:
    assert isinstance(term, list) and term[0] == "and"
    return tuple(_bound(t) for t in term[1:])


def _bound(term: Term) -> tuple[str, int, str, Fraction]:
    match term:
        case ["<=" | ">=" as relation, str(name), str(number)]:
            variable = _VARIABLE.fullmatch(name)
            assert variable is not None and _NUMBER.fullmatch(number)
            return variable[1], int(variable[2]), relation, Fraction(number)
    raise AssertionError(f"unknown bound {term}")


def _term(tokens: list[str]) -> Term:
    token = tokens.pop(0)
    if token != "(":
        assert token != ")"
        return token
    out: list[Term] = []
    while tokens[0] != ")":
        out.append(_term(tokens))
    tokens.pop(0)
    return out
