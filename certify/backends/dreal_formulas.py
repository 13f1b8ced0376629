"""A violation as formulas of dReal's Python interface.

dReal adds up and multiplies constants in rounded float64 arithmetic before any interval sees them,
so no two of them may ever meet: every number other than 0 and 1 is a variable of its own, between
the float64 numbers around it (or equal to it, where it is one). What is proved for all values of
those is proved for the numbers. The same holds for the functions: exp(1) would be folded.

The module ``dreal`` is a parameter: tests give another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from certify.conditions import Condition
from certify.scalar_form import Relation, scalar_form
from certify.scalar_writer import Target, Writer
from certify.smtlib import dreal_language, float_ends, variable_names


@dataclass(frozen=True)
class Term:
    """dReal's expression; ``literal`` is set for 0 and ±1, ``bare`` for a variable."""

    expression: Any
    literal: int | None = None
    bare: bool = False


@dataclass(frozen=True)
class Statement:
    """One formula, and the states' variables in order."""

    formula: Any
    states: tuple[Any, ...]


def statement(condition: Condition, dreal: Any) -> Statement:
    """The negation of a condition. Raises UnsupportedExpression for numbers beyond float64."""
    names = variable_names(condition.tape)
    target = _Formulas(dreal)
    Writer(scalar_form(condition, names, dreal_language(condition)), target).write()
    return Statement(
        _balanced(target.demands, lambda a, b: dreal.And(a, b)),
        tuple(target.variables[name] for name in names),
    )


def _balanced(formulas: Sequence[Any], join: Callable[[Any, Any], Any]) -> Any:
    """All of them, in order; each joining copies, so that a long chain would be quadratic."""
    if len(formulas) == 1:
        return formulas[0]
    half = len(formulas) // 2
    return join(_balanced(formulas[:half], join), _balanced(formulas[half:], join))


class _Formulas(Target[Term, Any]):
    """Comparisons are never of a bare variable with a literal, unless they are demanded as bounds.

    dReal turns x < c into x ≤ the float64 below c, which real numbers between escape, and x ≥ c
    likewise where it is negated; x + x < 2c it leaves to its intervals.
    """

    largest_repeated = 40
    uses_twice = frozenset[str]()

    def __init__(self, dreal: Any) -> None:
        self.dreal = dreal
        self.demands: list[Any] = []
        self.variables: dict[str, Any] = {}
        self._numbers: dict[Fraction, Term] = {}

    def variable(self, name: str) -> Term:
        self.variables[name] = self.dreal.Variable(name)
        return Term(self.dreal.Expression(self.variables[name]), bare=True)

    def name(self, name: str, term: Term) -> Term:
        named = self.variable(name)
        self.demand(self.equal(named, term))
        return named

    def number(self, value: Fraction) -> Term:
        if value in (-1, 0, 1):
            return Term(self.dreal.Expression(float(value)), int(value))
        if value < 0:
            return Term(-self._constant(-value).expression)
        return self._constant(value)

    def _constant(self, value: Fraction) -> Term:
        known = self._numbers.get(value)
        if known is None:
            known = self._numbers[value] = self.variable(f"number!{len(self._numbers) + 1}")
            low, high = float_ends(value, value)
            if low == high:
                self.demand(known.expression == low)
            else:
                self.demand(known.expression >= low)
                self.demand(known.expression <= high)
        return known

    def _unfolded(self, a: Term) -> Any:
        """Never a literal, of which a function would be folded."""
        if a.literal is None:
            return a.expression
        named = self._constant(Fraction(abs(a.literal))).expression
        return -named if a.literal < 0 else named

    def sum(self, constant: Fraction, terms: Sequence[tuple[Fraction, Term]]) -> Term:
        parts = [self.number(constant).expression] if constant else []
        for weight, term in terms:
            if weight == 1:
                parts.append(term.expression)
            elif weight == -1:
                parts.append(-term.expression)
            else:
                parts.append(self.number(weight).expression * term.expression)
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return Term(total)

    def product(self, a: Term, b: Term) -> Term:
        return Term(a.expression * b.expression)

    def quotient(self, a: Term, b: Term) -> Term:
        return Term(a.expression / b.expression)

    def power(self, a: Term, exponent: int) -> Term:
        return Term(self.dreal.pow(self._unfolded(a), self.dreal.Expression(float(exponent))))

    def extreme(self, kind: str, a: Term, b: Term) -> Term:
        choose = self.dreal.Min if kind == "min" else self.dreal.Max
        return Term(choose(a.expression, b.expression))

    def function(self, name: str, a: Term) -> Term:
        return Term(getattr(self.dreal, name)(self._unfolded(a)))

    def compare(self, a: Term, relation: Relation, level: Fraction) -> Any:
        left, right = a.expression, self.number(level).expression
        if a.bare and level in (-1, 0, 1):
            left, right = left + left, self.dreal.Expression(float(2 * level))
        match relation:
            case "=":
                return left == right
            case "<":
                return left < right
            case "<=":
                return left <= right
            case ">":
                return left > right
            case ">=":
                return left >= right

    def equal(self, a: Term, b: Term) -> Any:
        return a.expression == b.expression

    def step(self, variable: Term, z: Term) -> Sequence[Any]:
        # as products, for which no case has to be split
        one, zero = self.dreal.Expression(1.0), self.dreal.Expression(0.0)
        return (
            z.expression * (one - variable.expression) <= zero,
            z.expression * variable.expression >= zero,
        )

    def truth(self, value: bool) -> Any:
        return self.dreal.Formula.TRUE() if value else self.dreal.Formula.FALSE()

    def all_of(self, formulas: Sequence[Any]) -> Any:
        return _balanced(formulas, lambda a, b: self.dreal.And(a, b))

    def any_of(self, formulas: Sequence[Any]) -> Any:
        return _balanced(formulas, lambda a, b: self.dreal.Or(a, b))

    def demand(self, formula: Any) -> None:
        self.demands.append(formula)

    def bounds(self, variable: Term, lower: Fraction, upper: Fraction | None) -> None:
        """float64 ends first, then those that are no floats."""
        low = float_ends(lower, lower)[0]
        self.demand(variable.expression >= low)
        if Fraction(low) != lower:
            self.demand(self.compare(variable, ">=", lower))
        if upper is not None:
            high = float_ends(upper, upper)[1]
            self.demand(variable.expression <= high)
            if Fraction(high) != upper:
                self.demand(self.compare(variable, "<=", upper))
