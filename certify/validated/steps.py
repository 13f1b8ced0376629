"""One step of ẋ = F(x, w): an enclosure over the whole step, and of what becomes of a set.

Smooth: the Taylor polynomial of degree K − 1 at the set's centre and, for the rest of the set, its
derivative over the hull; the remainder is the K-th coefficient over a box B that provably contains
the solutions during the step (the high-order enclosure of Nedialkov, Jackson and Pryce 2001: if
p([0, h]) + [0, h]ᴷ c_K(B) lies inside B, no solution leaves B before h).

Rough, where a kink or a jump of F may be met: B from Picard's operator, X + [0, h] F(B) inside B;
then x(h) ∈ x + h F(x) + (h²/2) DF(B) F(B) with Clarke's Jacobian, and at a jump x(h) ∈ x + h F(B).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from flint import arb, arb_mat

from certify.validated.field import Bundle, VectorField
from certify.validated.jets import KinkError, Series
from certify.validated.lohner import Parallelepiped

ROUGH = 2.0**-15
"""A rough step's length, as a share of the loop's shortest time constant and crossing time."""
SHORTEST = 2.0**-40
"""No smooth step is shorter than this share of that time constant."""
ATTEMPTS = 60
ACCURACY = 2.0**-34
"""The error that one step may add, as a share of the scale of each state."""


class EnclosureLostError(ArithmeticError):
    """No enclosure is found beyond a time; the message says why, in words."""


@dataclass(frozen=True, eq=False)
class Step:
    """x(length) lies in image + derivative · (x(0) − m), and x(t) in ``during`` until then.

    ``during`` are n balls; ``promise`` is the length that would just have met the tolerance (a
    guess), None of a rough step.
    """

    length: float
    image: arb_mat
    derivative: arb_mat
    during: list[arb]
    promise: float | None


@dataclass(frozen=True, eq=False)
class Start:
    """A set to start from, the parameters, and how large errors may be: one bound a state."""

    field: VectorField
    set_: Parallelepiped
    parameter: Sequence[arb]
    tolerance: Sequence[float]


def advance(start: Start, longest: float, order: int) -> Step:
    """One step of at most the given length, of order K. Raises EnclosureLostError."""
    scale = min(_time_constant(start), _crossing_time(start))
    try:
        return _smooth(start, longest, order, scale)
    except KinkError:
        return _rough(start, min(longest, ROUGH * scale))


def _time_constant(start: Start) -> float:
    """1 / the norm of the Jacobian; at most 1e6."""
    entries = start.field.jacobian(start.set_.hull(), start.parameter).entries()
    size = max(float(e.abs_upper()) for e in entries)
    if not math.isfinite(size):
        raise EnclosureLostError("the closed loop's Jacobian is not bounded here")
    return 1.0 / max(size * start.field.dimension, 1e-6)


def _crossing_time(start: Start) -> float:
    """How long a state takes to change by its scale, at the speed that it has now."""
    rates = start.field.value(start.set_.hull(), start.parameter)
    speeds = [
        float(r.abs_upper()) * ACCURACY / e for r, e in zip(rates, start.tolerance, strict=True)
    ]
    return 1.0 / max(*speeds, 1e-6) if all(map(math.isfinite, speeds)) else math.inf


def _smooth(start: Start, longest: float, order: int, scale: float) -> Step:
    field, w = start.field, start.parameter
    centre = start.set_.centre.entries()
    bundle = field.bundle(start.set_.hull(), centre, order - 1, w)
    if not all(c.is_finite() for s in bundle.terms for c in s):
        raise EnclosureLostError("the closed loop is not defined on all of the enclosure")
    h = min(longest, _promising(bundle.terms, start.tolerance))
    for _ in range(ATTEMPTS):
        h = _rounded(h)
        if h < SHORTEST * scale:
            break
        during, room = _candidate(bundle.terms, h, start.tolerance)
        try:
            beyond = field.bundle(during, [x.mid() for x in during], order, w)
        except KinkError:
            if h <= ROUGH * scale:
                raise
            h /= 4
            continue
        remainder = [s[order] * arb(h) ** order for s in beyond.terms]
        if not all(abs(r) < u for r, u in zip(remainder, room, strict=True)):
            h /= 2
            continue
        errors = zip(remainder, start.tolerance, strict=True)
        excess = max(float(r.abs_upper()) / e for r, e in errors)
        if excess > 16:
            h *= max(0.2, 0.9 * excess ** (-1 / order))
            continue
        promise = h * min(2.0, (4 / max(excess, 1e-30)) ** (1 / order))
        return _taylor(bundle, h, remainder, during, promise)
    raise EnclosureLostError("no step is short enough for an enclosure of the solution")


def _taylor(
    bundle: Bundle, h: float, remainder: Sequence[arb], during: list[arb], promise: float
) -> Step:
    """Put the step together from the polynomial at the centre and its derivative on the hull."""
    at_end = [_at(s, arb(h)) + r for s, r in zip(bundle.centre, remainder, strict=True)]
    derivative = arb_mat(len(at_end), len(at_end))
    for coefficient in reversed(bundle.derivative):
        derivative = derivative * arb(h) + coefficient
    return Step(h, arb_mat(len(at_end), 1, at_end), derivative, during, promise)


def _candidate(
    bundle: Sequence[Series], h: float, tolerance: Sequence[float]
) -> tuple[list[arb], list[arb]]:
    """The polynomial's range over [0, h], made a little larger, and by how much."""
    half = arb(h) / 2
    whole_step = arb(half.mid(), half.mid())
    ranges = [_at(s, whole_step) for s in bundle]
    room = [
        arb(float(r.rad()) * 2.0**-10 + 1024 * e) for r, e in zip(ranges, tolerance, strict=True)
    ]
    return [r + arb(0, u) for r, u in zip(ranges, room, strict=True)], room


def _at(series: Sequence[arb], time: arb) -> arb:
    out = arb(0)
    for c in reversed(series):
        out = out * time + c
    return out


def _promising(bundle: Sequence[Series], tolerance: Sequence[float]) -> float:
    """The step at which the last terms known fall below the tolerance; a guess."""
    out, count = math.inf, len(bundle[0])
    for s, e in zip(bundle, tolerance, strict=True):
        for k in range(max(1, count - 2), count):
            size = float(s[k].abs_upper())
            if size > 0:
                out = min(out, (e / size) ** (1 / k))
    return out


def _rounded(h: float) -> float:
    """A little less, with few digits: sums of steps stay exact."""
    if not 0 < h < 1e9:
        h = min(max(h, 0.0), 1e9)
    mantissa, exponent = math.frexp(h)
    return math.ldexp(math.floor(mantissa * 4096), exponent - 12)


def _rough(start: Start, h: float) -> Step:
    field, w, n = start.field, start.parameter, start.field.dimension
    h = _rounded(h)
    during = _picard(start, h)
    rate = field.value(during, w)
    identity = arb_mat(n, n, [int(i == j) for i in range(n) for j in range(n)])
    centre, step = start.set_.centre, arb(h)
    speed = arb_mat(n, 1, rate)
    if field.jumps and not field.is_smooth(during, w):
        return Step(h, centre + speed * step, identity, during, None)
    here = arb_mat(n, 1, field.value(centre.entries(), w))
    bend = field.jacobian(during, w) * speed
    image = centre + here * step + bend * (step * step / 2)
    derivative = identity + field.jacobian(start.set_.hull(), w) * step
    return Step(h, image, derivative, during, None)


def _picard(start: Start, h: float) -> list[arb]:
    """A box that the solutions do not leave before h: X + [0, h] F(B) lies inside B."""
    hull = start.set_.hull()
    half = arb(h) / 2
    whole_step = arb(half.mid(), half.mid())
    box = hull
    for _ in range(20):
        rate = start.field.value(box, start.parameter)
        if not all(r.is_finite() for r in rate):
            break
        image = [x + whole_step * r for x, r in zip(hull, rate, strict=True)]
        if all(b.contains_interior(x) for b, x in zip(box, image, strict=True)):
            return box
        box = [
            x + arb(0, x.rad() / 8 + arb(e)) for x, e in zip(image, start.tolerance, strict=True)
        ]
    raise EnclosureLostError("the enclosure at a kink of the closed loop grows without bound")
