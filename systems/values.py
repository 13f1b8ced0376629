"""Single values as users write them: formulas and exact numbers."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from systems import expression as ex
from systems.constants import rational_or_ball, shown
from systems.errors import InputError
from systems.exact import exact
from systems.expression import Expression
from systems.formulas import bounded, number_from_text
from systems.parser import parse_expression

if TYPE_CHECKING:
    import sympy

Value = int | float | Fraction | Decimal | str
"""A number, or text with a formula of parameters. A float is the binary number that it holds."""


def formula(
    value: object,
    names: Mapping[str, Expression],
    where: str,
    symbols: Mapping[str, sympy.Expr] | None = None,
) -> Expression:
    """The scalar expression that a number, a text, an expression or a sympy tree denotes.

    ``symbols`` gives the sympy symbol for each of ``names``. Raises InputError after ``where``.
    """
    if isinstance(value, str):
        return parse_expression(value, names, where=where)
    try:
        if isinstance(value, Decimal):
            return ex.constant(number_from_text(str(value)))
        if isinstance(value, int | float | Fraction):
            return bounded(lambda: ex.constant(exact(value)))
        if isinstance(value, Expression):
            return value
        from systems.from_sympy import from_sympy

        meaning = {s: names[k] for k, s in (symbols or {}).items() if k in names}
        return from_sympy(value, meaning)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None


def rational(value: object, names: Mapping[str, Expression], where: str) -> Fraction:
    """The exact number that a value denotes. Raises InputError where it is not rational."""
    node = formula(value, names, where)
    values = ex.rational_values(node)
    if values is None:
        about = shown(rational_or_ball(node))
        raise InputError(
            f"{where}: {value} is not a rational number; write a decimal such as {about}"
        )
    return values[0]
