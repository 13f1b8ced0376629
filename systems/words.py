"""Expressions as plain text that a person can read, and that :mod:`systems.parser` reads back.

A scalar is kept as a sum of products while it is put together, each product a rational times
factors over factors; so signs, constants and parentheses come out as one would write them. Nothing
is multiplied out, and no two terms are merged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from systems import expression as ex
from systems.dynamics import ControlAffineSystem
from systems.expression import UNARY, Expression, Op
from systems.quadratic import quadratic_form

LONGEST = 10_000
"""Characters of a formula; a longer one, such as a wide network's, is no reading matter."""

LONG = "(too long to write out)"


class TooLongError(ValueError):
    """A formula longer than :data:`LONGEST` characters."""


def formula(expression: Expression, names: Mapping[str, Sequence[str]]) -> str:
    """A scalar expression as text; ``names`` gives, for each variable, its components' names.

    Rationals are decimals where these are exact and short, else quotients. The text denotes the
    same real number as the expression wherever that is defined. Raises TooLongError.
    """
    if expression.size != 1:
        raise ValueError(f"a formula is a scalar, not a vector of size {expression.size}")
    root = (expression, 0)
    done: dict[tuple[int, int], Sum] = {}
    pending = [(root, False)]
    while pending:  # operands before their users, without recursion: long sums are deep
        (node, i), ready = pending.pop()
        if (id(node), i) in done:
            continue
        needed = _operands(node, i)
        if ready:
            known = [done[id(a), k] for a, k in needed]
            done[id(node), i] = _bounded(_combined(node, i, known, names))
        else:
            pending.append(((node, i), True))
            pending.extend((entry, False) for entry in needed)
    return _sum_text(done[id(expression), 0])


def equations(
    system: ControlAffineSystem, states: Sequence[str], inputs: Sequence[str]
) -> list[str]:
    """f(x) + g(x) u, one right-hand side for each state: of ẋ, or of x⁺ in discrete time. Of a
    sampled system, it is that of ẋ; :func:`sampling_words` says the rest.

    Disturbances go by :func:`disturbance_names`.
    """
    names = {system.state.name: states}
    if system.disturbance is not None:
        names[system.disturbance.name] = disturbance_names(system)
    acting = None
    if inputs:
        free = next(name for name in ("u", "control", "input") if name not in names)
        acting = ex.variable(free, len(inputs))
        names[acting.name] = inputs
    rows = []
    for i in range(system.state_dimension):
        row = system.drift[i]
        for j, column in enumerate(system.input_columns):
            assert acting is not None
            row = row + column[i] * acting[j]
        rows.append(_short(row, names))
    return rows


def sampling_words(system: ControlAffineSystem) -> str:
    """Such as "sampled every 0.02 s, RK4, input held"; empty for a system that is not sampled."""
    return "" if system.sampling is None else system.sampling.describe(time_unit(system))


def time_unit(system: ControlAffineSystem) -> str:
    """The unit of time where other units tell it, as rad and rad/s do; else empty.

    The states' units come first; those of inputs and parameters count where these are silent.
    """
    others = [*system.input_units, *system.parameter_units.values()]
    for units in (system.state_units, others):
        found = {unit for text in units for unit in re.findall(r"/\s*(s|min|h)\b", text)}
        if found:
            return found.pop() if len(found) == 1 else ""
    return ""


def state_names(system: ControlAffineSystem) -> list[str]:
    """The given names, or x, or x1, x2, …"""
    return _named(system.state_names, "x", system.state_dimension)


def input_names(system: ControlAffineSystem) -> list[str]:
    """The given names, or u, or u1, u2, …"""
    return _named(system.input_names, "u", system.input_dimension)


def disturbance_names(system: ControlAffineSystem) -> list[str]:
    """The given names, or w, or w1, w2, …"""
    return _named(system.disturbance_names, "w", system.disturbance_dimension)


def _named(given: Sequence[str], letter: str, count: int) -> list[str]:
    if given:
        return list(given)
    return [letter] if count == 1 else [f"{letter}{i + 1}" for i in range(count)]


def unsafe_sets(system: ControlAffineSystem, states: Sequence[str]) -> dict[str, list[str]]:
    """For each unsafe set its comparisons, such as ``x1 - 1.5 >= 0``; all hold in it."""
    names = {system.state.name: states}
    return {s.name: [f"{_short(c, names)} >= 0" for c in s.constraints] for s in system.unsafe}


def costs(
    system: ControlAffineSystem, states: Sequence[str], inputs: Sequence[str]
) -> tuple[str, str]:
    """Q(x), and (u − u*)ᵀ R (u − u*), which is empty for a system without inputs."""
    state_cost = _short(system.state_cost, {system.state.name: states})
    if not inputs:
        return state_cost, ""
    u = ex.variable("u", len(inputs))
    form = quadratic_form(system.input_cost, u, system.equilibrium_input)
    return state_cost, _short(form, {"u": inputs})


def _short(expression: Expression, names: Mapping[str, Sequence[str]]) -> str:
    try:
        return formula(expression, names)
    except TooLongError:
        return LONG


@dataclass(frozen=True)
class _Factor:
    """Text that stands as it is in a product; in a power only if it is an ``atom``."""

    text: str
    atom: bool = True


@dataclass(frozen=True)
class _Product:
    """A rational times factors over factors."""

    number: Fraction
    above: tuple[_Factor, ...] = ()
    below: tuple[_Factor, ...] = ()


Sum = tuple[_Product, ...]
"""Terms; none for 0."""

_MINUS = Fraction(-1)
_NEGATIVE = _Product(_MINUS)


def _operands(node: Expression, i: int) -> list[tuple[Expression, int]]:
    """The scalars that entry ``i`` of a node is made of."""
    match node.op:
        case Op.AFFINE:
            columns = node.args[0].size
            row = node.constants[0].rationals()[i * columns : (i + 1) * columns]
            return [(node.args[0], j) for j, w in enumerate(row) if w]
        case Op.SLICE:
            return [(node.args[0], node.integers[i])]
        case Op.STACK:
            for part in node.args:
                if i < part.size:
                    return [(part, i)]
                i -= part.size
    return [(a, 0 if a.size == 1 else i) for a in node.args]


def _combined(
    node: Expression, i: int, args: Sequence[Sum], names: Mapping[str, Sequence[str]]
) -> Sum:
    match node.op:
        case Op.VARIABLE:
            return (_Product(Fraction(1), (_Factor(names[node.name][i]),)),)
        case Op.CONSTANT:
            return _number(node.constants[0].rationals()[i])
        case Op.PI:
            return (_Product(Fraction(1), (_Factor("pi"),)),)
        case Op.AFFINE:
            return _affine(node, i, args)
        case Op.STACK | Op.SLICE:
            return args[0]
        case Op.ADD:
            return args[0] + args[1]
        case Op.SUB:
            return args[0] + _scaled(_MINUS, args[1])
        case Op.MUL:
            return _times(_product(args[0]), _product(args[1]))
        case Op.DIV:
            p, q = _product(args[0]), _product(args[1])
            return _times(p, _Product(1 / q.number, q.below, q.above))
        case Op.POWER:
            return _factor(f"{_base(args[0])}**{node.integers[0]}", atom=False)
        case Op.MAX if args[1] in (_scaled(_MINUS, args[0]), _times(_product(args[0]), _NEGATIVE)):
            return _factor(f"abs({_sum_text(args[0])})")
    words = [_sum_text(a) for a in args]
    assert node.op in UNARY or node.op in (Op.MIN, Op.MAX)
    return _factor(f"{node.op.value}({', '.join(words)})")


def _affine(node: Expression, i: int, args: Sequence[Sum]) -> Sum:
    columns = node.args[0].size
    row = node.constants[0].rationals()[i * columns : (i + 1) * columns]
    weights = [w for w in row if w]
    terms = [t for w, a in zip(weights, args, strict=True) for t in _scaled(w, a)]
    return (*terms, *_number(node.constants[1].rationals()[i]))


def _number(value: Fraction) -> Sum:
    return (_Product(value),) if value else ()


def _factor(text: str, *, atom: bool = True) -> Sum:
    return (_Product(Fraction(1), (_Factor(text, atom),)),)


def _scaled(factor: Fraction, terms: Sum) -> Sum:
    """A number times a sum; only a sign goes into the parentheses."""
    if abs(factor) == 1 or len(terms) < 2:
        return tuple(replace(t, number=factor * t.number) for t in terms)
    return _times(_Product(factor), _product(terms))


def _product(terms: Sum) -> _Product:
    """The sum as one product: in parentheses, unless it is one already."""
    if not terms:
        return _Product(Fraction(0))
    if len(terms) == 1:
        return terms[0]
    return _Product(Fraction(1), (_Factor(f"({_sum_text(terms)})"),))


def _times(p: _Product, q: _Product) -> Sum:
    return (_Product(p.number * q.number, p.above + q.above, p.below + q.below),)


def _base(terms: Sum) -> str:
    if len(terms) == 1 and terms[0].number == 1 and not terms[0].below:
        above = terms[0].above
        if len(above) == 1 and above[0].atom:
            return above[0].text
    return f"({_sum_text(terms)})"


def _sum_text(terms: Sum) -> str:
    if not terms:
        return "0"
    parts = []
    for k, term in enumerate(terms):
        sign = "-" if term.number < 0 else "+"
        lead = ("-" if sign == "-" else "") if k == 0 else f" {sign} "
        parts.append(lead + _product_text(replace(term, number=abs(term.number))))
    return "".join(parts)


def _product_text(p: _Product) -> str:
    """A product with a number ≥ 0: number·above/below."""
    above, below = [f.text for f in p.above], [f.text for f in p.below]
    short = _decimal(p.number)
    if short is None:
        short = str(p.number.numerator)
        below.insert(0, str(p.number.denominator))
    if short != "1" or not above:
        above.insert(0, short)
    if not below:
        return "*".join(above)
    divisor = below[0] if len(below) == 1 else f"({'*'.join(below)})"
    return f"{'*'.join(above)}/{divisor}"


def _decimal(value: Fraction) -> str | None:
    """The decimal that is exactly a rational ≥ 0, where one of at most 15 digits is."""
    if value.denominator == 1 and value < 10**12:
        return str(value.numerator)
    try:
        short = f"{float(value):.15g}"
    except OverflowError:
        return None
    return short.replace("e+", "e") if Fraction(short) == value else None


def _bounded(terms: Sum) -> Sum:
    length = sum(len(f.text) + 1 for t in terms for f in (*t.above, *t.below))
    if length > LONGEST:
        raise TooLongError(f"the formula has more than {LONGEST} characters")
    return terms
