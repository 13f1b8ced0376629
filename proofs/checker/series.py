"""Taylor coefficients of functions of one variable, in balls.

``coefficients(op, c, m)`` encloses φ⁽ᵏ⁾(z)/k! for k = 0…m and every z in the ball c; an integer for
the operation is the power to it. Where φ or a
derivative may not exist on c, a coefficient is not finite, and :class:`Undefined` is raised.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from math import comb

from flint import arb, arb_poly, ctx, fmpq, fmpq_poly

Ball = arb


class Undefined(ArithmeticError):  # noqa: N818 - it names an outcome
    """Nothing can be said of this box: a function may be undefined somewhere in it."""


def coefficients(op: str | int, c: Ball, m: int) -> list[Ball]:
    """φ⁽ᵏ⁾(c)/k!, k = 0…m."""
    if isinstance(op, int):
        rest = range(op, max(op - m, 0) - 1, -1)
        out = [_integer_power(c, e) * comb(op, e) for e in rest]
        size = abs(out[0]).upper()
        if not (size == 0 or 1 / _HUGE < size < _HUGE):
            raise Undefined("a number beyond all bounds")
        return out + [arb(0)] * (m + 1 - len(out))
    out = _SERIES[op](c, m)
    if not all(map(arb.is_finite, out)):
        raise Undefined(op)
    return out


def last(op: str | int, c: Ball, m: int) -> Ball:
    """The coefficient k = m ≥ 1 alone; of a wide ball, as a rule more tightly."""
    if op == "tanh" or op == "sigmoid":
        return _hull(op, c, m)
    return coefficients(op, c, m)[m]


def _integer_power(c: Ball, exponent: int) -> Ball:
    """Tight on wide balls: monotone where odd, never negative where even."""
    if c.rad() < _NARROW and not c.contains(0):  # the power of a ball around 0 may be nan
        return c**exponent
    if exponent % 2 == 0:  # abs() of a ball around 0 still has negative numbers
        c = abs(c).nonnegative_part()
        return _hull_of_ends(lambda z: z**exponent, c).nonnegative_part()
    return _hull_of_ends(lambda z: z**exponent, c)


_NARROW, _HUGE = arb(2) ** -20, arb(2) ** 1_000_000


def _monotone(function: Callable[[Ball], Ball], c: Ball) -> Ball:
    """The range of an increasing function; of a wide ball, from its two ends."""
    return function(c) if c.rad() < _NARROW else _hull_of_ends(function, c)


def _hull_of_ends(function: Callable[[Ball], Ball], c: Ball) -> Ball:
    return function(c.lower()).union(function(c.upper()))


def _sigmoid(z: Ball) -> Ball:
    return 1 / (1 + (-z).exp()) if z > 0 else 1 - 1 / (1 + z.exp())


def _softplus(z: Ball) -> Ball:
    return z + (-z).exp().log1p() if z > 0 else z.exp().log1p()


@cache
def _rational_polynomials(op: str, m: int) -> tuple[fmpq_poly, ...]:
    """P_k with φ⁽ᵏ⁾/k! = P_k(φ), from φ' = Q(φ): P_0 = x, (k + 1) P_{k+1} = P_k' Q."""
    slope = {"tanh": [1, 0, -1], "sigmoid": [0, 1, -1], "tan": [1, 0, 1]}[op]
    out, q = [fmpq_poly([0, 1])], fmpq_poly(slope)
    for k in range(m):
        out.append(out[-1].derivative() * q * fmpq(1, k + 1))
    return tuple(out)


@cache
def _polynomials(op: str, m: int, precision: int) -> tuple[arb_poly, ...]:
    return tuple(arb_poly(p) for p in _rational_polynomials(op, m))


FAR, PARTS = 8, 16


@cache
def _cells(op: str, k: int) -> list[list[Ball]]:
    """φ⁽ᵏ⁾/k! on the cells (−∞, −8], [−8, −8 + 1/16], …, [8, ∞), and on runs of 2, 4, 8, … of them
    from each: the hull of two runs bounds it on a wide ball without evaluating φ there."""
    p = arb_poly(_rational_polynomials(op, k)[k])
    function = arb.tanh if op == "tanh" else _sigmoid
    ends = [function(arb(fmpq(i, PARTS))) for i in range(-FAR * PARTS, FAR * PARTS + 1)]
    values = [arb(-1 if op == "tanh" else 0), *ends, arb(1)]
    runs = [[p(a.union(b)) for a, b in pairwise(values)]]
    while len(runs[-1]) > 1 << len(runs) - 1:
        step = 1 << len(runs) - 1
        runs.append([a.union(b) for a, b in zip(runs[-1], runs[-1][step:], strict=False)])
    return runs


def _of_itself(op: str, value: Ball, m: int) -> list[Ball]:
    """For functions whose derivatives are polynomials of their value."""
    return [p(value) for p in _polynomials(op, m, ctx.prec)]


def _hull(op: str, c: Ball, k: int) -> Ball:
    """φ⁽ᵏ⁾(c)/k! of tanh or the sigmoid, from the cells that c meets."""
    if c.rad() < _NARROW:
        return coefficients(op, c, k)[k]
    runs = _cells(op, k)
    first, last_ = _cell(float(c.lower()) - 1e-9), _cell(float(c.upper()) + 1e-9)
    level = (last_ + 1 - first).bit_length() - 1
    return runs[level][first].union(runs[level][last_ + 1 - (1 << level)])


def _cell(z: float) -> int:
    return int(min(max((z + FAR) * PARTS + 1, 0), 2 * FAR * PARTS + 1))


def _tanh(c: Ball, m: int) -> list[Ball]:
    return _of_itself("tanh", _monotone(arb.tanh, c), m)


def _sigmoids(c: Ball, m: int) -> list[Ball]:
    return _of_itself("sigmoid", _monotone(_sigmoid, c), m)


def _softpluses(c: Ball, m: int) -> list[Ball]:
    slopes = _sigmoids(c, m - 1) if m else []
    return [_monotone(_softplus, c)] + [s / (k + 1) for k, s in enumerate(slopes)]


def _tan(c: Ball, m: int) -> list[Ball]:
    return _of_itself("tan", c.tan(), m)


def _exp(c: Ball, m: int) -> list[Ball]:
    out = [_monotone(arb.exp, c)]
    for k in range(m):
        out.append(out[-1] / (k + 1))
    return out


def _wave(shift: int) -> Callable[[Ball, int], list[Ball]]:
    def series(c: Ball, m: int) -> list[Ball]:
        s, z = c.sin(), c.cos()
        turns, out, factorial = (s, z, -s, -z), [], 1
        for k in range(m + 1):
            factorial *= max(k, 1)
            out.append(turns[(k + shift) % 4] / factorial)
        return out

    return series


def _log(c: Ball, m: int) -> list[Ball]:
    if not c > 0:
        raise Undefined("log")
    out, inverse, term = [_monotone(arb.log, c)], 1 / c, arb(-1)
    for k in range(1, m + 1):
        term = -term * inverse
        out.append(term / k)
    return out


def _sqrt(c: Ball, m: int) -> list[Ball]:
    if not c >= 0 or (m and not c > 0):
        raise Undefined("sqrt")
    out = [_monotone(arb.sqrt, c)]
    for k in range(m):
        out.append(out[-1] / c * fmpq(1 - 2 * k, 2 * (k + 1)))
    return out


def _reciprocal(c: Ball, m: int) -> list[Ball]:
    if c.contains(0):
        raise Undefined("division by 0")
    out = [1 / c]
    for _ in range(m):
        out.append(-out[-1] * out[0])
    return out


_SERIES: dict[str, Callable[[Ball, int], list[Ball]]] = {
    "tanh": _tanh, "sigmoid": _sigmoids, "softplus": _softpluses, "tan": _tan, "exp": _exp,
    "sin": _wave(0), "cos": _wave(1), "log": _log, "sqrt": _sqrt, "reciprocal": _reciprocal,
}  # fmt: skip
