"""Expressions from sympy trees: the form in which people in this field write dynamics."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import reduce
from typing import TYPE_CHECKING, Any

from systems import expression as ex
from systems.errors import InputError
from systems.expression import Expression, Op
from systems.formulas import bounded, constant_value, did_you_mean, raise_to

if TYPE_CHECKING:
    import sympy

_UNARY = {
    "sin": ex.sin,
    "cos": ex.cos,
    "tan": ex.tan,
    "exp": ex.exp,
    "log": ex.log,
    "tanh": ex.tanh,
    "Abs": ex.absolute,
}

_HINTS = {
    "Piecewise": "write it with Max, Min and Abs, which are continuous",
    "sign": "a sign is not continuous; write tanh(k*x)",
    "Derivative": "put the derivative's value in with .doit() or .subs()",
    "Integral": "put the integral's value in with .doit()",
    "Mod": "a remainder is not continuous",
}


def from_sympy(expr: sympy.Expr, symbols: Mapping[sympy.Expr, Expression]) -> Expression:
    """The scalar expression of a sympy tree, with ``symbols`` for its free symbols.

    ``symbols`` may also hold applied functions such as θ(t) of ``dynamicsymbols``. A Float is the
    binary number that it holds, a Rational is itself. ``Max(0, z)`` is relu; Heaviside is a step,
    enclosed by all of [0, 1] at zero.

    Raises InputError for anything that has no place in a formula (Piecewise, complex numbers,
    unknown symbols, varying exponents), and names it.
    """
    import sympy

    root = sympy.S(expr) if isinstance(expr, int | float) else expr
    if not isinstance(root, sympy.Basic):
        raise InputError(f"a sympy expression is wanted, not {type(expr).__name__}")
    done: dict[sympy.Basic, Expression] = {}
    pending: list[tuple[sympy.Basic, bool]] = [(root, False)]
    while pending:
        node, ready = pending.pop()
        if node in done:
            continue
        operands = () if node in symbols else _operands(node)
        if ready:
            done[node] = _converted(node, [done[a] for a in operands], symbols)
        else:
            pending.append((node, True))
            pending.extend((a, False) for a in operands)
    return done[root]


def _operands(node: Any) -> tuple[Any, ...]:
    if type(node).__name__ == "Heaviside":
        return (node.args[0],)  # the second is the value at zero, which a step leaves open
    if not node.is_Atom and node.func.__name__ not in {*_UNARY, "Add", "Mul", "Pow", "Min", "Max"}:
        raise _refused(node)
    return tuple(node.args)


def _refused(node: Any) -> InputError:
    name = node.func.__name__
    hint = _HINTS.get(name, "rewrite it with sin, cos, exp, log, tanh, Abs, Min, Max and powers")
    return InputError(f"{node}: {name} is not supported; {hint}")


def _converted(
    node: Any, operands: list[Expression], symbols: Mapping[Any, Expression]
) -> Expression:
    if node in symbols:
        return symbols[node]
    try:
        if node.is_Symbol:
            known = [str(s) for s in symbols]
            raise InputError(f"unknown symbol {node}{did_you_mean(str(node), known)}")
        if node.is_Atom:
            return _atom(node)
        return bounded(lambda: _composed(node, operands))
    except InputError as error:
        message = str(error)
        text = str(node)
        shown = text if len(text) <= 60 else text[:57] + "…"
        raise (error if text in message else InputError(f"{shown}: {message}")) from None


def _atom(node: Any) -> Expression:
    import sympy

    if node.is_Rational:
        return bounded(lambda: ex.constant(Fraction(int(node.p), int(node.q))))
    if node.is_Float and node.is_finite:
        sign, mantissa, exponent, _ = node._mpf_
        if abs(exponent) > 2000:
            raise InputError("the number is beyond the range of float64")
        value = Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
        return bounded(lambda: ex.constant(-value if sign else value))
    if node is sympy.pi:
        return ex.pi()
    if node is sympy.E:
        return ex.exp(1)
    raise InputError(f"{node} is not a real number that a formula may contain")


def _composed(node: Any, operands: list[Expression]) -> Expression:
    match node.func.__name__:
        case "Add":
            return reduce(ex.add, operands)
        case "Mul":
            return _product(node, operands)
        case "Pow":
            return _power(operands)
        case "Min":
            return reduce(ex.minimum, operands)
        case "Max":
            return _maximum(operands)
        case "Heaviside":
            return ex.apply(Op.STEP, operands[0])
        case name:
            return _UNARY[name](operands[0])


def _product(node: Any, operands: list[Expression]) -> Expression:
    """One quotient, not a product of reciprocals: sympy writes a/b as a·b⁻¹."""
    above, below = [], []
    for factor, operand in zip(node.args, operands, strict=True):
        if operand.op is Op.DIV and factor.is_Pow and _is_one(operand.args[0]):
            below.append(operand.args[1])
        else:
            above.append(operand)
    numerator = reduce(ex.multiply, above, ex.constant(1))
    return ex.divide(numerator, reduce(ex.multiply, below)) if below else numerator


def _power(operands: list[Expression]) -> Expression:
    base, exponent = operands
    value = constant_value(exponent)
    if value is None:
        if base.op is Op.EXP and constant_value(base.args[0]) == 1:
            return ex.exp(exponent)
        raise InputError("the exponent must be a number; for a varying power use exp(b*log(a))")
    return raise_to(base, value)


def _maximum(operands: list[Expression]) -> Expression:
    zero = [constant_value(a) == 0 for a in operands]
    rest = [a for a, is_zero in zip(operands, zero, strict=True) if not is_zero]
    if any(zero) and rest:
        return ex.relu(reduce(ex.maximum, rest))
    return reduce(ex.maximum, operands)


def _is_one(node: Expression) -> bool:
    return constant_value(node) == 1
