"""Exact real numbers as polynomials in atoms: the arithmetic behind :mod:`certify.equilibrium`.

A *form* is a polynomial with rational coefficients in *atoms*: real numbers such as tanh(3/7), pi,
or the square root of another form, that are given a number the first time they appear. Equal forms
are equal reals; the converse is not promised (sin² + cos² stays what it is), so that only "these
are the same" is ever concluded from them.

Two values are no forms: ``UNDETERMINED`` is some finite real, or a set of them (the slope of relu
at its kink), never cancelled against itself; ``UNDEFINED`` may not exist at all.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from enum import Enum
from fractions import Fraction

from flint import fmpq

from systems.expression import Op

Monomial = tuple[tuple[int, int], ...]
"""Atoms with their exponents, sorted by atom; the empty one belongs to the constant term."""

Form = dict[Monomial, fmpq]
"""No coefficient is zero; the empty form is the number 0."""


class Special(Enum):
    """What is no form."""

    UNDETERMINED = "finite, but not one known number"
    UNDEFINED = "perhaps not defined"


Value = Form | Special
UNDETERMINED, UNDEFINED = Special.UNDETERMINED, Special.UNDEFINED

_EXPANSION_LIMIT = 64
"""Products with more terms than this become an atom, lest deep networks explode."""


def number(value: int | Fraction | fmpq) -> Form:
    """A rational as a form."""
    if isinstance(value, Fraction):
        value = fmpq(value.numerator, value.denominator)
    return {(): fmpq(value)} if value else {}


def rational(form: Form) -> fmpq | None:
    """The number a form without atoms is, else None."""
    if not form:
        return fmpq(0)
    return form[()] if len(form) == 1 and () in form else None


def scaled(form: Form, factor: fmpq) -> Form:
    """factor · form."""
    return {m: factor * c for m, c in form.items()} if factor else {}


def combination(terms: Iterable[tuple[fmpq, Value]], constant: fmpq) -> Value:
    """Σ factor · value + constant; a factor 0 drops a term that is finite."""
    out: Form = number(constant)
    worst: Special | None = None
    for factor, value in terms:
        if isinstance(value, Special):
            if value is UNDEFINED:
                return UNDEFINED
            worst = UNDETERMINED if factor else worst
        elif factor and worst is None:
            accumulate(out, value, factor)
    return out if worst is None else worst


def accumulate(out: Form, form: Form, factor: fmpq) -> None:
    """out += factor · form, in place."""
    for monomial, coefficient in form.items():
        total = out.get(monomial)
        new = factor * coefficient if total is None else total + factor * coefficient
        if new:
            out[monomial] = new
        else:
            del out[monomial]


class Atoms:
    """The atoms met so far, and the operations that may need a new one."""

    def __init__(self) -> None:
        self._index: dict[Hashable, int] = {}
        self._squares: dict[int, Form] = {}

    def atom(self, *key: Hashable) -> Form:
        """The atom of this description, as a form."""
        index = self._index.setdefault(key, len(self._index))
        return {((index, 1),): fmpq(1)}

    def product(self, a: Value, b: Value) -> Value:
        """a · b. Zero times anything finite is zero."""
        if a is UNDEFINED or b is UNDEFINED:
            return UNDEFINED
        if a == {} or b == {}:
            return {}
        if isinstance(a, Special) or isinstance(b, Special):
            return UNDETERMINED
        for p, q in ((a, b), (b, a)):
            if (factor := rational(p)) is not None:
                return scaled(q, factor)
        if len(a) * len(b) > _EXPANSION_LIMIT:
            (p, x), (q, y) = _primitive(a), _primitive(b)
            pair = tuple(sorted((self._label(p), self._label(q))))
            return scaled(self.atom(Op.MUL, *pair), x * y)
        out: Form = {}
        for m, c in a.items():
            for n, d in b.items():
                accumulate(out, self._monomial_product(m, n), c * d)
        return out

    def power(self, a: Value, exponent: int) -> Value:
        """a to a power ≥ 1."""
        if isinstance(a, Special):
            return a
        out: Value = a
        for _ in range(exponent - 1):
            out = self.product(out, a)
        return out

    def quotient(self, a: Value, b: Value, nonzero: bool) -> Value:
        """a / b, where the caller knows from an enclosure whether b is nonzero."""
        if a is UNDEFINED or isinstance(b, Special):
            zero_over_finite = a == {} and b is UNDETERMINED and nonzero
            return {} if zero_over_finite else UNDEFINED
        if (divisor := rational(b)) is not None:
            return self.product(a, number(1 / divisor)) if divisor else UNDEFINED
        if not nonzero:
            return UNDEFINED
        p, content = _primitive(b)
        if isinstance(a, dict) and a:
            q, other = _primitive(a)
            if p == q:
                return number(other / content)
        return self.product(a, scaled(self.atom(Op.DIV, self._label(p)), 1 / content))

    def root(self, a: Form) -> Form:
        """The square root of a form that is known to be ≥ 0."""
        value = rational(a)
        if value is not None:
            top, bottom = value.p, value.q
            if top.is_square() and bottom.is_square():
                return number(fmpq(top.isqrt(), bottom.isqrt()))
        out = self.atom(Op.SQRT, frozenset(a.items()))
        ((index, _),) = next(iter(out))
        self._squares[index] = a
        return out

    def function(self, op: Op, a: Form) -> Form:
        """A function that is defined at a, by its symmetries and known values."""
        if op in _ODD or op in _EVEN or op in (Op.SIGMOID, Op.SOFTPLUS):
            if a and _primitive(a)[1] < 0:
                return self._reflected(op, a)
            known = _known_value(op, a, self.pi)
            if known is not None:
                return number(known)
        if op is Op.EXP and not a:
            return number(1)
        if op is Op.LOG and rational(a) == 1:
            return {}
        return self.atom(op, frozenset(a.items()))

    def positive_part(self, a: Value, sign: int | None) -> Value:
        """max(a, 0), where ``sign`` is that of a if an enclosure shows it."""
        if isinstance(a, Special):
            return a
        value = rational(a)
        if value is not None:
            return number(max(value, fmpq(0)))
        if sign:
            return a if sign > 0 else {}
        p, content = _primitive(a)
        out = scaled(self.atom(Op.RELU, self._label(p)), abs(content))
        if content < 0:  # max(−z, 0) = max(z, 0) − z
            accumulate(out, a, fmpq(1))
        return out

    @property
    def pi(self) -> Form:
        return self.atom(Op.PI)

    def _label(self, form: Form) -> int:
        """A number for a whole form, for use inside keys."""
        return self._index.setdefault(frozenset(form.items()), len(self._index))

    def _reflected(self, op: Op, a: Form) -> Form:
        mirrored = scaled(a, fmpq(-1))
        out = self.function(op, mirrored)
        if op in _EVEN:
            return out
        result = scaled(out, fmpq(-1)) if op is not Op.SOFTPLUS else dict(out)
        if op is Op.SIGMOID:
            accumulate(result, number(1), fmpq(1))
        elif op is Op.SOFTPLUS:  # softplus(z) = z + softplus(−z)
            accumulate(result, a, fmpq(1))
        return result

    def _monomial_product(self, m: Monomial, n: Monomial) -> Form:
        exponents = dict(m)
        for index, exponent in n:
            exponents[index] = exponents.get(index, 0) + exponent
        roots = [i for i, e in exponents.items() if e > 1 and i in self._squares]
        if not roots:
            return {tuple(sorted(exponents.items())): fmpq(1)}
        squares: list[Form] = []
        for index in roots:
            half, rest = divmod(exponents.pop(index), 2)
            squares += [self._squares[index]] * half
            if rest:
                exponents[index] = 1
        out: Value = {tuple(sorted(exponents.items())): fmpq(1)}
        for square in squares:
            out = self.product(out, square)
        assert isinstance(out, dict)
        return out


_ODD = frozenset({Op.SIN, Op.TAN, Op.TANH})
_EVEN = frozenset({Op.COS})
_AT_ZERO = {
    Op.SIN: fmpq(0), Op.TAN: fmpq(0), Op.TANH: fmpq(0), Op.COS: fmpq(1), Op.SIGMOID: fmpq(1, 2),
}  # fmt: skip
_QUARTER_TURNS: dict[Op, Callable[[int], int | None]] = {
    Op.SIN: lambda k: (0, 1, 0, -1)[k % 4],
    Op.COS: lambda k: (1, 0, -1, 0)[k % 4],
    Op.TAN: lambda k: None if k % 2 else 0,
}


def _known_value(op: Op, a: Form, pi: Form) -> fmpq | None:
    """At 0, and at multiples of pi/2."""
    if not a:
        return _AT_ZERO.get(op)
    (key,) = pi
    if op in _QUARTER_TURNS and len(a) == 1 and key in a:
        quarters = 2 * a[key]
        if quarters.q == 1:
            value = _QUARTER_TURNS[op](int(quarters.p))
            return None if value is None else fmpq(value)
    return None


def _primitive(form: Form) -> tuple[Form, fmpq]:
    """(form / content, content), the content being the coefficient of the first monomial."""
    content = form[min(form)]
    return (form if content == 1 else scaled(form, 1 / content)), content
