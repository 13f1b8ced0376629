"""A condition as an SMT-LIB 2 script that asserts its negation: "unsat" means that it holds.

Two dialects. "standard" uses +, −, ·, /, ite and the functions exp, sin and cos: cvc5 takes all of
it (logic QF_NRAT), MathSAT 5 has exp and sin but no cosine that its interface shows, and Z3 takes
scripts without functions (logic QF_NRA). "dreal" is for dReal 4, which has powers, tanh, tan, log,
sqrt, min and max too.

What is shared is named by a ``define-fun`` without arguments in the standard dialect: a flat list,
where nested ``let`` would recurse as deep as the graph. dReal reads both as a new variable and an
equation, so the dialect for it says so, and only for what is not small: dReal also splits such
variables.

dReal adds up and multiplies constants in rounded float64 arithmetic before any interval sees them
((/ 3 20) is not 3/20 to it, nor is 0.1·x + 0.2·x = 0.3·x rounded outwards). Its dialect therefore
writes every number other than 0 and ±1 as a variable of its own, fixed to the number or, where it
is no decimal, to the float64 interval around it. No two constants ever meet.

A point at which an output is undefined counts as a violation, explicitly: the tools' own meanings
differ there (in SMT-LIB x/0 is any number; dReal's intervals drop such points).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

from certify.balls import BallInterpreter
from certify.conditions import Condition, Constraint
from certify.scalar_form import Language, Relation, scalar_form
from certify.scalar_writer import Target, Writer
from systems.errors import UnsupportedExpression
from systems.expression import Op
from systems.tape import Tape

Dialect = Literal["dreal", "standard"]

STANDARD_FUNCTIONS = frozenset({Op.EXP, Op.SIN, Op.COS})
DREAL_FUNCTIONS = frozenset(
    {Op.EXP, Op.SIN, Op.COS, Op.TAN, Op.LOG, Op.SQRT, Op.TANH, Op.POWER, Op.MIN, Op.MAX}
)

MOST_REGIONS_ENCLOSED = 200
"""With more regions than this, nothing is shown to be defined beforehand."""


def smtlib(condition: Condition, *, dialect: Dialect, precision: Fraction | None = None) -> str:
    """The negation of a condition as an SMT-LIB 2 script, exact to the last bit.

    Some point of the regions satisfies every constraint of the violation, or leaves an output
    undefined while no constraint excludes it. The states are the variables of
    :func:`variable_names`. ``precision`` is dReal's δ. Raises UnsupportedExpression for numbers
    that dReal cannot read, ValueError for another dialect.
    """
    if dialect not in ("dreal", "standard"):
        raise ValueError(f'{dialect!r} is no dialect: "dreal" and "standard" are')
    target: _Text = _DReal() if dialect == "dreal" else _Standard()
    names = variable_names(condition.tape)
    language = dreal_language(condition) if dialect == "dreal" else Language(STANDARD_FUNCTIONS)
    form = scalar_form(condition, names, language)
    Writer(form, target).write()
    used = {node.kind for node in form.nodes} | {f.kind for f in form.fresh}
    transcendental = dialect == "standard" and bool(used & {"exp", "sin", "cos", "logarithm"})
    options = ["(set-option :produce-models true)"]
    if dialect == "dreal" and precision is not None:
        options.append(f"(set-option :precision {_decimal(precision)})")
    return "\n".join(
        [
            *_comments(condition, names, dialect),
            *options,
            f"(set-logic {'QF_NRAT' if transcendental else 'QF_NRA'})",
            *target.lines,
            "(check-sat)",
            "(get-model)",
            "(exit)",
            "",
        ]
    )


def dreal_language(condition: Condition) -> Language:
    """dReal's functions; a partial one as it is only where ball arithmetic shows it defined."""
    regions = condition.regions
    if len(regions) > MOST_REGIONS_ENCLOSED:
        return Language(DREAL_FUNCTIONS)
    interpreter = BallInterpreter(condition.tape, 64)
    boxes = [interpreter.registers(r.lower, r.upper) for r in regions]

    def defined(_op: Op, register: int, entry: int) -> bool:
        return all(box[register][entry].is_finite() for box in boxes)

    return Language(DREAL_FUNCTIONS, defined)


_WORDS = frozenset(
    """
    abs and arccos arccot arccsc arcsec arcsin arctan arctan2 acos asin atan atan2 cos cosh cot csc
    distinct div divisible e exp false iand is_int ite int let log max maximize min minimize mod
    not or par pi pow sec sin sinh sqrt tan tanh to_int to_real true xor as exists forall assert
    echo exit pop push reset match select store bool real Bool Int Real Binary String Array
    BINARY DECIMAL HEXADECIMAL NUMERAL STRING
    """.split()  # noqa: SIM905
)


def variable_names(tape: Tape) -> tuple[str, ...]:
    """A name for every entry of the input: plain symbols to all tools, no two alike.

    An input x of size 1 is x, one of size 2 is x_1 and x_2.
    """
    out: list[str] = []
    taken = set(_WORDS)
    for name, size in tape.inputs:
        plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
        if not re.match(r"[A-Za-z]", plain):
            plain = f"x{plain}"
        for k in range(size):
            wanted = plain if size == 1 else f"{plain}_{k + 1}"
            while wanted in taken:
                wanted += "_"
            taken.add(wanted)
            out.append(wanted)
    return tuple(out)


_ASCII = {
    "V̇": "dV/dt", "≤": "<=", "≥": ">=", "≠": "/=", "∇": "grad ", "·": "*", "−": "-", "μ": "mu",
    "ε": "eps", "α": "alpha", "ᵀ": "^T", "∈": "in", "…": "...",
}  # fmt: skip


def _plain(text: str) -> str:
    """Text that cannot end a comment."""
    for letter, word in _ASCII.items():
        text = text.replace(letter, word)
    shown = " ".join(text.split())
    return "".join(c if " " <= c <= "~" else "?" for c in shown)


def _words(constraint: Constraint, names: Sequence[str]) -> str:
    """A constraint as text, its level exact unless that is long."""
    relation = ">" if constraint.sense == "at least" else "<"
    level = str(constraint.level)
    shown = level if len(level) <= 40 else "a long rational, given below"
    return f"{names[constraint.output]} {relation}{'' if constraint.strict else '='} {shown}"


def _comments(condition: Condition, names: Sequence[str], dialect: Dialect) -> list[str]:
    violated = " and ".join(_words(c, condition.outputs) for c in condition.violation)
    inputs = [f"{n}[{k}]" for n, size in condition.tape.inputs for k in range(size)]
    lines = [
        f"{condition.name}: {condition.claim}",
        "The negation of the claim: in a region, " + violated + ", or an output is undefined.",
        "unsat: the claim holds on all of its regions, and every output it needs is defined.",
        "Variables: "
        + ", ".join(f"{a} is {b}" for a, b in zip(names, inputs, strict=True))
        + "; names with ! are auxiliary.",
    ]
    if dialect == "dreal":
        lines.append(
            "For dReal 4. Quotients, roots and logarithms are written as they are only where they "
            "were shown to be defined on all of the regions."
        )
    return [f"; {_plain(line)}" for line in lines]


def _decimal(value: Fraction) -> str:
    """A positive rational as a decimal, exact; ValueError where it has none of ordinary length."""
    twos, rest = 0, value.denominator
    while rest % 2 == 0:
        twos, rest = twos + 1, rest // 2
    fives = 0
    while rest % 5 == 0:
        fives, rest = fives + 1, rest // 5
    digits = max(twos, fives, 1)
    if rest != 1 or digits > 1100:
        raise ValueError(f"{value} is no finite decimal")
    whole = value.numerator * 10**digits // value.denominator
    text = str(whole).rjust(digits + 1, "0")
    cut = len(text) - digits
    fraction = text[cut:].rstrip("0") or "0"
    return f"{text[:cut]}.{fraction}"


class _Text(Target[str, str]):
    """Terms and formulas as S-expressions."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def variable(self, name: str) -> str:
        self.lines.append(f"(declare-fun {name} () Real)")
        return name

    def product(self, a: str, b: str) -> str:
        return f"(* {a} {b})"

    def quotient(self, a: str, b: str) -> str:
        return f"(/ {a} {b})"

    def function(self, name: str, a: str) -> str:
        return f"({name} {a})"

    def equal(self, a: str, b: str) -> str:
        return f"(= {a} {b})"

    def truth(self, value: bool) -> str:
        return "true" if value else "false"

    def all_of(self, formulas: Sequence[str]) -> str:
        return formulas[0] if len(formulas) == 1 else f"(and {' '.join(formulas)})"

    def any_of(self, formulas: Sequence[str]) -> str:
        return formulas[0] if len(formulas) == 1 else f"(or {' '.join(formulas)})"

    def demand(self, formula: str) -> None:
        self.lines.append(f"(assert {formula})")

    def sum(self, constant: Fraction, terms: Sequence[tuple[Fraction, str]]) -> str:
        parts = [self.number(constant)] if constant else []
        for weight, term in terms:
            if abs(weight) == 1:
                parts.append(term if weight > 0 else f"(- {term})")
            else:
                parts.append(f"(* {self.number(weight)} {term})")
        return parts[0] if len(parts) == 1 else f"(+ {' '.join(parts)})"


class _Standard(_Text):
    """Numbers as quotients of decimals: of sort Real in every logic."""

    largest_repeated = 1
    uses_twice = frozenset({"power", "min", "max"})

    def name(self, name: str, term: str) -> str:
        self.lines.append(f"(define-fun {name} () Real {term})")
        return name

    def number(self, value: Fraction) -> str:
        size = f"{abs(value.numerator)}.0"
        if value.denominator != 1:
            size = f"(/ {size} {value.denominator}.0)"
        return f"(- {size})" if value < 0 else size

    def power(self, a: str, exponent: int) -> str:
        return f"(* {' '.join([a] * exponent)})"

    def extreme(self, kind: str, a: str, b: str) -> str:
        return f"(ite ({'<=' if kind == 'min' else '>='} {a} {b}) {a} {b})"

    def compare(self, a: str, relation: Relation, level: Fraction) -> str:
        return f"({relation} {a} {self.number(level)})"

    def bounds(self, variable: str, lower: Fraction, upper: Fraction | None) -> None:
        self.demand(self.compare(variable, ">=", lower))
        if upper is not None:
            self.demand(self.compare(variable, "<=", upper))

    def step(self, variable: str, z: str) -> Sequence[str]:
        return (f"(=> (> {z} 0.0) (= {variable} 1.0))", f"(=> (< {z} 0.0) (= {variable} 0.0))")


class _DReal(_Text):
    """Numbers as variables; strict comparisons never of a bare variable with a literal.

    dReal turns x < c at once into x ≤ the float64 below c, which real numbers between escape;
    x + x < 2c it leaves to its intervals.
    """

    largest_repeated = 40
    uses_twice = frozenset[str]()

    def __init__(self) -> None:
        super().__init__()
        self._constants: dict[Fraction, str] = {}

    def name(self, name: str, term: str) -> str:
        self.variable(name)
        self.demand(self.equal(name, term))
        return name

    def number(self, value: Fraction) -> str:
        if value < 0:
            return f"(- {self.number(-value)})"
        return f"{value.numerator}.0" if value in (0, 1) else self._constant(value)

    def _constant(self, value: Fraction) -> str:
        known = self._constants.get(value)
        if known is None:
            known = self._constants[value] = self.variable(f"number!{len(self._constants) + 1}")
            low, high = float_ends(value, value)
            if low == high or _is_short_decimal(value):
                self.demand(self.equal(known, _decimal(value)))
            else:
                self._outer(known, value, value)
        return known

    def _outer(self, variable: str, lower: Fraction, upper: Fraction) -> tuple[float, float]:
        """Bounds that dReal takes as the variable's interval: never negated, so never strict."""
        low, high = float_ends(lower, upper)
        self.demand(f"(>= {variable} {_float(low)})")
        self.demand(f"(<= {variable} {_float(high)})")
        return low, high

    def function(self, name: str, a: str) -> str:
        # exp(1.0) would be folded in rounded arithmetic
        return f"({name} {self._unfolded(a)})"

    def power(self, a: str, exponent: int) -> str:
        return f"(^ {self._unfolded(a)} {exponent})"

    def _unfolded(self, a: str) -> str:
        literals = {"0.0": Fraction(0), "1.0": Fraction(1)}
        bare = a[3:-1] if a in ("(- 0.0)", "(- 1.0)") else a
        if bare not in literals:
            return a
        named = self._constant(literals[bare])
        return named if bare == a else f"(- {named})"

    def extreme(self, kind: str, a: str, b: str) -> str:
        return f"({kind} {a} {b})"

    def compare(self, a: str, relation: Relation, level: Fraction) -> str:
        if level in (-1, 0, 1) and not a.startswith("("):
            twice = f"{2 * abs(level.numerator)}.0"
            return f"({relation} (+ {a} {a}) {f'(- {twice})' if level < 0 else twice})"
        return f"({relation} {a} {self.number(level)})"

    def bounds(self, variable: str, lower: Fraction, upper: Fraction | None) -> None:
        """float64 ends first, then those that are no floats."""
        if upper is None:
            self.demand(f"(>= {variable} {_float(float_ends(lower, lower)[0])})")
            return
        low, high = self._outer(variable, lower, upper)
        if Fraction(low) != lower:
            self.demand(self.compare(variable, ">=", lower))
        if Fraction(high) != upper:
            self.demand(self.compare(variable, "<=", upper))

    def step(self, variable: str, z: str) -> Sequence[str]:
        # as products, for which no case has to be split
        return (
            f"(<= (* {z} (+ 1.0 (- {variable}))) 0.0)",
            f"(>= (* {z} {variable}) 0.0)",
        )


def _is_short_decimal(value: Fraction) -> bool:
    """Whether it has at most 40 decimals and is of a size that every reader of decimals takes."""
    return 10**40 % value.denominator == 0 and Fraction(1, 10**40) < abs(value) < 10**40


def float_ends(lower: Fraction, upper: Fraction) -> tuple[float, float]:
    """The float64 interval around [lower, upper]: rounded outwards where a float is not exact.

    Raises UnsupportedExpression beyond the range of float64.
    """
    try:
        low, high = lower.numerator / lower.denominator, upper.numerator / upper.denominator
    except OverflowError:
        raise UnsupportedExpression(
            "a constant", "dReal", "it is beyond the range of float64"
        ) from None
    if Fraction(low) > lower:
        low = math.nextafter(low, -math.inf)
    if Fraction(high) < upper:
        high = math.nextafter(high, math.inf)
    return low, high


def _float(value: float) -> str:
    text = _decimal(abs(Fraction(value)))
    return f"(- {text})" if value < 0 else text
