"""What formulas may be made of, whether they come as text or from sympy.

Numbers stay exact and of bounded length, so that no formula, however hostile, makes a rational
with millions of digits.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import reduce

from systems import expression as ex
from systems.errors import InputError
from systems.exact import nearest_float
from systems.expression import Expression

MAX_EXPONENT = 64
"""The largest power that a formula may contain."""

_MAX_BITS = 4096  # float64 reaches 2**1024; four times that leaves room for intermediate quotients
_MAX_DECIMAL_EXPONENT = 300


@dataclass(frozen=True)
class Function:
    """A function of the language: how many arguments it takes and what it builds."""

    least: int
    most: int | None
    build: Callable[..., Expression]
    usage: str

    def takes(self, count: int) -> bool:
        return self.least <= count and (self.most is None or count <= self.most)


def _unary(name: str, build: Callable[[Expression], Expression]) -> tuple[str, Function]:
    return name, Function(1, 1, build, f"{name}(z)")


FUNCTIONS: dict[str, Function] = dict(
    [
        _unary("sin", ex.sin),
        _unary("cos", ex.cos),
        _unary("tan", ex.tan),
        _unary("exp", ex.exp),
        _unary("log", ex.log),
        _unary("sqrt", ex.sqrt),
        _unary("tanh", ex.tanh),
        _unary("sigmoid", ex.sigmoid),
        _unary("softplus", ex.softplus),
        _unary("relu", ex.relu),
        _unary("abs", ex.absolute),
        ("min", Function(2, None, lambda *a: reduce(ex.minimum, a), "min(a, b)")),
        ("max", Function(2, None, lambda *a: reduce(ex.maximum, a), "max(a, b)")),
        ("clip", Function(3, 3, ex.clip, "clip(z, low, high)")),
    ]
)

RESERVED = frozenset({"pi", *FUNCTIONS})
"""Names that a formula already gives a meaning."""


def number_from_text(text: str) -> Fraction:
    """The exact value of a decimal such as "0.15" or "1e-3"; InputError where it is none.

    The exponent is looked at before the rational is made: "1e999999" costs nothing.
    """
    if len(text) > 400:
        raise InputError(f"the number {text[:12]}… has more than 400 digits")
    try:
        decimal = Decimal(text)
    except InvalidOperation:
        raise InputError(f"{text!r} is not a number of ordinary size") from None
    if not decimal.is_finite():
        raise InputError(f"{text} is not a finite number")
    if decimal and abs(decimal.adjusted()) > _MAX_DECIMAL_EXPONENT:
        raise InputError(f"the number {text} is beyond 1e±{_MAX_DECIMAL_EXPONENT}")
    if not decimal:
        return Fraction(0)
    return Fraction(decimal)


def raise_to(base: Expression, exponent: Fraction) -> Expression:
    """``base`` to an integer or half-integer power; x**(1/2) is sqrt(x)."""
    if abs(exponent) > MAX_EXPONENT:
        raise InputError(f"the exponent {_short(exponent)} is beyond ±{MAX_EXPONENT}")
    if exponent.denominator > 2:
        raise InputError(
            f"the exponent {_short(exponent)} is no integer and no half; write exp(p*log(x)) "
            "for a real power p"
        )
    values = ex.rational_values(base)
    if values is not None and _bits(values) * abs(exponent) > _MAX_BITS:
        raise InputError("a power of constants is too large to write out")
    if exponent.denominator == 2:
        base, exponent = ex.sqrt(base), 2 * exponent
    return bounded(lambda: ex.power(base, int(exponent)))


def bounded(build: Callable[[], Expression]) -> Expression:
    """What ``build`` makes; InputError where a constant overflows or divides by 0."""
    try:
        node = build()
    except ZeroDivisionError:
        raise InputError("division by zero") from None
    except InputError:
        raise
    except ValueError as error:
        raise InputError(str(error)) from None
    values = ex.rational_values(node)
    if values is not None and _bits(values) > _MAX_BITS:
        raise InputError("a constant has too many digits to be carried exactly")
    return node


def constant_value(node: Expression) -> Fraction | None:
    """The rational that a scalar constant denotes, else None."""
    values = ex.rational_values(node)
    return None if values is None else values[0]


def did_you_mean(word: str, known: Iterable[str], *, also: Iterable[str] = ()) -> str:
    """A parenthesis that names the nearest known word, or the known ones where none is near.

    Words of ``also`` are offered when they are near, but not listed.
    """
    choices = list(dict.fromkeys(known))
    near = [c for c in choices if c.lower() == word.lower()]
    near = near or difflib.get_close_matches(word, [*choices, *also], n=1, cutoff=0.6)
    if near:
        return f" (did you mean '{near[0]}'?)"
    if not choices:
        return ""
    shown = ", ".join(choices[:12]) + (", …" if len(choices) > 12 else "")
    return f" (known: {shown})"


def _bits(values: Iterable[Fraction]) -> int:
    return max(max(v.numerator.bit_length(), v.denominator.bit_length()) for v in values)


def _short(value: Fraction) -> str:
    if value.denominator == 1 and abs(value) < 10**12:
        return str(value.numerator)
    try:
        return f"{nearest_float(value):g}"
    except ValueError:
        return "given"
