"""A stand-in for the module ``dreal``: its operators build S-expressions for the reader.

It is as strict as dReal is careless: where dReal would fold constants in rounded arithmetic, or
turn a strict bound on a variable into the next float64, it raises.
"""

from __future__ import annotations

import math
from fractions import Fraction
from types import ModuleType
from typing import Any

from tests.certify.smtlib_reader import Script, Tree, read

LITERAL = "0123456789"


def is_literal(tree: Tree) -> bool:
    match tree:
        case ["-", inner]:
            return is_literal(inner)
        case str():
            return tree[0] in LITERAL
    return False


class FoldedError(AssertionError):
    """dReal would have computed this in rounded float64 arithmetic."""


class Variable:
    def __init__(self, name: str) -> None:
        self.name = name


class Expression:
    def __init__(self, value: float | Variable | list[Tree]) -> None:
        self.tree: Tree
        match value:
            case Variable():
                self.tree = value.name
            case float() if value < 0:
                self.tree = ["-", _literal(-value)]
            case float():
                self.tree = _literal(value)
            case list():
                self.tree = value
            case _:
                raise TypeError(f"{value!r}")

    def __neg__(self) -> Expression:
        return Expression(["-", self.tree])

    def __add__(self, other: Expression) -> Expression:
        return _operation("+", self, other)

    def __sub__(self, other: Expression) -> Expression:
        return _operation("+", self, -other)

    def __mul__(self, other: Expression) -> Expression:
        return _operation("*", self, other)

    def __truediv__(self, other: Expression) -> Expression:
        return _operation("/", self, other)

    def __eq__(self, other: object) -> Formula:  # type: ignore[override]
        return _comparison("=", self, other)

    def __lt__(self, other: object) -> Formula:
        return _comparison("<", self, other)

    def __le__(self, other: object) -> Formula:
        return _comparison("<=", self, other)

    def __gt__(self, other: object) -> Formula:
        return _comparison(">", self, other)

    def __ge__(self, other: object) -> Formula:
        return _comparison(">=", self, other)

    __hash__ = None  # type: ignore[assignment]


class Formula:
    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    @staticmethod
    def TRUE() -> Formula:
        return Formula("true")

    @staticmethod
    def FALSE() -> Formula:
        return Formula("false")


class Config:
    """Its options as dReal has them from the start."""

    precision = 1e-3
    number_of_jobs = 1
    use_polytope = False


class Interval:
    def __init__(self, lower: float, upper: float) -> None:
        self.lower, self.upper = lower, upper

    def lb(self) -> float:
        return self.lower

    def ub(self) -> float:
        return self.upper

    def mid(self) -> float:
        return self.lower + 0.5 * (self.upper - self.lower)


def _literal(value: float) -> str:
    assert math.isfinite(value)
    return f"{int(value)}.0" if value == int(value) else str(Fraction(value))


def _operation(head: str, a: Expression, b: Expression) -> Expression:
    if is_literal(a.tree) and is_literal(b.tree):
        raise FoldedError(f"{head} {a.tree} {b.tree}")
    return Expression([head, a.tree, b.tree])


def _comparison(head: str, a: Expression, b: object) -> Formula:
    right = (Expression(b) if isinstance(b, float) else b).tree  # type: ignore[attr-defined]
    literal = is_literal(a.tree) or is_literal(right)
    variable = any(isinstance(t, str) and not is_literal(t) for t in (a.tree, right))
    if head in ("<", ">") and literal and variable:
        raise FoldedError(f"strict bound {a.tree} {head} {right}")
    return Formula([head, a.tree, right])


def _function(name: str) -> Any:
    def apply(a: Expression) -> Expression:
        if is_literal(a.tree):
            raise FoldedError(f"{name} {a.tree}")
        return Expression([name, a.tree])

    return apply


def pow(a: Expression, exponent: Expression) -> Expression:
    if is_literal(a.tree):
        raise FoldedError(f"{a.tree} to a power")
    return Expression(["^", a.tree, str(int(Fraction(str(exponent.tree))))])


def Min(a: Expression, b: Expression) -> Expression:
    return Expression(["min", a.tree, b.tree])


def Max(a: Expression, b: Expression) -> Expression:
    return Expression(["max", a.tree, b.tree])


def _joined(head: str, a: Formula, b: Formula) -> Formula:
    parts: list[Tree] = [head]
    for tree in (a.tree, b.tree):
        flat = isinstance(tree, list) and tree[0] == head
        parts.extend(tree[1:] if flat else [tree])
    return Formula(parts)


def And(a: Formula, b: Formula) -> Formula:
    return _joined("and", a, b)


def Or(a: Formula, b: Formula) -> Formula:
    return _joined("or", a, b)


def module(answer: dict[str, Interval] | None = None) -> ModuleType:
    """The module; ``asked`` collects the formulas and configurations, ``answer`` answers."""
    out: Any = ModuleType("dreal")
    for item in (Variable, Expression, Formula, Config, Min, Max, And, Or, pow):
        setattr(out, item.__name__, item)
    for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh"):
        setattr(out, name, _function(name))
    out.asked = []

    def check(formula: Formula, config: Config) -> _Box | None:
        out.asked.append((formula, config))
        return None if answer is None else _Box(answer)

    out.CheckSatisfiability = check
    return out


class _Box:
    def __init__(self, sides: dict[str, Interval]) -> None:
        self.sides = sides

    def __getitem__(self, variable: Variable) -> Interval:
        return self.sides[variable.name]


def script_of(formula: Formula) -> Script:
    """The formula as a script of assertions, in order."""
    tree = formula.tree
    parts = list(tree[1:]) if isinstance(tree, list) and tree[0] == "and" else [tree]
    script = read("")
    script.assertions = parts
    script.steps = [("assert", "", part) for part in parts]
    return script
