"""Taylor coefficients of functions of one variable, in balls.

``coefficients(op, c, m)`` encloses φ⁽ᵏ⁾(z)/k! for k = 0…m and every z in the ball c. Where φ or a
derivative may not exist on c, a coefficient is not finite, and :class:`Undefined` is raised.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, reduce

from flint import arb, arb_poly, ctx, fmpq, fmpq_poly

Ball = arb


class Undefined(ArithmeticError):  # noqa: N818 - it names an outcome
    """Nothing can be said of this box: a function may be undefined somewhere in it."""


def coefficients(op: str, c: Ball, m: int) -> list[Ball]:
    """φ⁽ᵏ⁾(c)/k!, k = 0…m."""
    out = _SERIES[op](c, m)
    if not all(v.is_finite() for v in out):
        raise Undefined(op)
    return out


def last(op: str, c: Ball, m: int) -> Ball:
    """The coefficient k = m alone."""
    if op in ("tanh", "sigmoid"):
        return _hull(op, _monotone(arb.tanh if op == "tanh" else _sigmoid, c), m)
    return coefficients(op, c, m)[m]


def power(exponent: int, c: Ball, m: int) -> list[Ball]:
    """The same for the power to an integer ≥ 2."""
    out, binomial = [], 1
    for k in range(m + 1):
        rest = exponent - k
        out.append(_integer_power(c, rest) * binomial if rest >= 0 else arb(0))
        binomial = binomial * rest // (k + 1) if rest > 0 else 0
    return out


def _integer_power(c: Ball, exponent: int) -> Ball:
    """Tight on wide balls: monotone where odd, never negative where even."""
    if c.rad() < _NARROW:
        return c**exponent
    if exponent % 2 == 0:  # abs() of a ball around 0 still has negative numbers
        return _monotone(lambda z: z**exponent, abs(c).nonnegative_part()).nonnegative_part()
    return _monotone(lambda z: z**exponent, c)


_NARROW = arb(2) ** -20


def _monotone(function: Callable[[Ball], Ball], c: Ball) -> Ball:
    """The range of an increasing function; of a wide ball, from its two ends."""
    if c.rad() < _NARROW:
        return function(c)
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


CELLS = 64


@cache
def _cells(op: str, k: int) -> list[Ball]:
    """P_k on each of the cells of [−1, 1] (of [0, 1] for the sigmoid), so that a wide ball gets the
    hull of a few narrow ones instead of one bound from Horner's rule."""
    p = arb_poly(_rational_polynomials(op, k)[k])
    low, width = (fmpq(-1), fmpq(2, CELLS)) if op == "tanh" else (fmpq(0), fmpq(1, CELLS))
    return [p(arb(low + i * width).union(arb(low + (i + 1) * width))) for i in range(CELLS)]


def _of_itself(op: str, value: Ball, m: int) -> list[Ball]:
    """For functions whose derivatives are polynomials of their value."""
    return [p(value) for p in _polynomials(op, m, ctx.prec)]


def _hull(op: str, value: Ball, k: int) -> Ball:
    """P_k on a wide ball of values of tanh or the sigmoid, from the cells that it meets."""
    if value.rad() < _NARROW:
        return _polynomials(op, k, ctx.prec)[k](value)
    unit = (value + 1) / 2 if op == "tanh" else value
    first = max(0, min(CELLS - 1, int(float(unit.lower()) * CELLS - 0.5)))
    end = max(first, min(CELLS - 1, int(float(unit.upper()) * CELLS + 0.5))) + 1
    return reduce(arb.union, _cells(op, k)[first:end])


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
