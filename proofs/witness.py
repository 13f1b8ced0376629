"""One start of a cross-examination: its validated trajectory, held against what the claim says.

Along every solution from {x ∈ D : V(x) ≤ c2}, an established theorem allows: V at most max(a,
V(x(s)) − μ (t − s)), or with alpha at most max(a, e^(−α (t − s)) V(x(s))); in discrete time the
same for one step from V ≥ a; x in D and V ≤ c2 always; no unsafe set; and q never above a value ≤
c_q that it had before. Local stability says nothing of V, but q ≤ c_q from the start on. A
disagreement is an enclosure that lies wholly beyond one of these.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from flint import ctx

from certify.balls import BallInterpreter, to_float_interval
from certify.validated import Enclosure, EnclosureLostError, Trajectory
from proofs.examined import Examined

MOST_STEPS = 2000
"""Steps of one trajectory, unless it converges before."""
TOO_WIDE = 0.02
"""An enclosure wider than this share of the domain decides nothing any more."""
INNER = Fraction(1, 16)
"""A trajectory has converged where q is at most this share of c_q."""
LINGER = 16
"""Steps for which it is followed in {V ≤ c1}, which by practical stability it never leaves."""

Interval = tuple[float, float]

PRECISION = 53
"""Bits of what is computed between the enclosures, which have their own."""


@dataclass(frozen=True)
class Finding:
    """What a trajectory showed; everything that is needed to repeat it.

    ``start`` and ``disturbance`` (held constant) are exact floats. At ``time``, x lies in the box
    ``lower`` … ``upper``, and V between the two ends of ``value``; ``value_at_start`` is V before.
    """

    outcome: Literal["converged", "undecided", "disagreement"]
    reason: str
    start: tuple[float, ...]
    disturbance: tuple[float, ...]
    time: float
    steps: int
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    value_at_start: Interval
    value: Interval


class Witness:
    """Examines starts of one claim; built once for many of them."""

    def __init__(self, claim: Examined, horizon: float | None = None) -> None:
        self.claim, self.horizon = claim, horizon
        self._value = BallInterpreter(claim.value, 80)
        self._quadratic = None if claim.quadratic is None else BallInterpreter(claim.quadratic, 80)
        self._unsafe = [(name, BallInterpreter(tape, 80)) for name, tape in claim.unsafe]
        self._scales = [float(w) for w in claim.domain.widths]

    def examine(self, start: Sequence[float], disturbance: Sequence[float] = ()) -> Finding:
        """Follow the trajectory until it has converged, disagrees, or cannot be followed.

        It has converged where it lies in the innermost set of the claim, as long as it was followed
        there. The finding does not depend on the precision that others have left behind.
        """
        with ctx.workprec(PRECISION):
            return self._followed(start, disturbance)

    def _followed(self, start: Sequence[float], disturbance: Sequence[float]) -> Finding:
        claim = self.claim
        path = Trajectory(claim.field, start, disturbance, time=claim.time, scales=self._scales)
        now, steps = path.now(), 0
        allowed = _Allowed(claim, self._value_at(now), self._quadratic_at(now))
        begun = self._value_at(now)

        def says(outcome: Literal["converged", "undecided", "disagreement"], why: str) -> Finding:
            return Finding(
                outcome,
                why,
                tuple(start),
                tuple(disturbance),
                now.time,
                steps,
                now.lower,
                now.upper,
                begun,
                self._value_at(now),
            )

        unsafe = self._met(now)
        if unsafe is not None:
            return says("disagreement", unsafe)
        reached, last = None, MOST_STEPS
        while True:
            if reached is None:
                reached = self._reached(now)
                last = steps + (LINGER if self._quadratic is None else 0)
            if reached is not None and steps >= last:
                return says("converged", reached)
            stop = self._exhausted(now, steps)
            if stop is not None:
                return says("undecided", stop) if reached is None else says("converged", reached)
            before = path.time
            try:
                now = path.step(1e9 if self.horizon is None else self.horizon - float(before))
            except EnclosureLostError as error:
                lost = f"{error}; validated up to t = {now.time:.6g}"
                return says("undecided", lost) if reached is None else says("converged", reached)
            steps += 1
            broken = self._broken(now, allowed, path.time - before)
            if broken is not None:
                return says("disagreement", broken)

    def _value_at(self, now: Enclosure) -> Interval:
        return _range(self._value, now)

    def _quadratic_at(self, now: Enclosure) -> Interval | None:
        return None if self._quadratic is None else _range(self._quadratic, now)

    def _reached(self, now: Enclosure) -> str | None:
        """In words, the set of the claim that the whole enclosure lies in."""
        q = self._quadratic_at(now)
        if q is not None:
            level = max(INNER * self.claim.constant("c_q"), self.claim.least_q)
            inside = Fraction(q[1]) <= level if q[1] < 1e308 else False
            return (
                f"q(x) <= {float(level / self.claim.constant('c_q')):.4g} c_q" if inside else None
            )
        high = self._value_at(now)[1]
        return "V(x) <= c1" if high < 1e308 and high <= self.claim.constant("c1") else None

    def _exhausted(self, now: Enclosure, steps: int) -> str | None:
        widths = [b - a for a, b in zip(now.lower, now.upper, strict=True)]
        if not all(w <= TOO_WIDE * s for w, s in zip(widths, self._scales, strict=True)):
            return f"the enclosure has become too wide at t = {now.time:.6g}"
        if steps >= MOST_STEPS:
            return f"not there after {steps:,} steps, at t = {now.time:.6g}"
        if self.horizon is not None and now.time >= self.horizon * (1 - 1e-12):
            return f"not there at the horizon t = {now.time:.6g}"
        return None

    def _broken(self, now: Enclosure, allowed: _Allowed, elapsed: Fraction) -> str | None:
        """In words, what the claim forbids and the enclosure proves; None where it proves none."""
        claim, names = self.claim, range(1, len(now.lower) + 1)
        ends = zip(names, now.lower, now.upper, claim.domain.lower, claim.domain.upper, strict=True)
        for i, low, high, least, most in ends:
            if low > most or high < least:
                return f"x{i} lies in [{low!r}, {high!r}], outside the domain"
        value, q = self._value_at(now), self._quadratic_at(now)
        told = allowed.next(value, q, elapsed)
        return self._met(now) if told is None else told

    def _met(self, now: Enclosure) -> str | None:
        """In words, the unsafe set that the whole enclosure lies in."""
        domain = self.claim.domain
        inside = domain.contains(now.lower) and domain.contains(now.upper)
        for name, constraints in self._unsafe:
            if inside and all(a >= 0 for a, _ in _ranges(constraints, now)):
                return f"the trajectory meets the unsafe set {name!r}"
        return None


class _Allowed:
    """Upper bounds of V and q that hold along a trajectory if the claim is true."""

    def __init__(self, claim: Examined, value: Interval, q: Interval | None) -> None:
        self.claim = claim
        self.before = value
        self.value = min(claim.constant("c2"), _rational(value[1], claim.constant("c2")))
        self.q: Fraction | None = None
        if not claim.has_band and value[1] <= claim.constant("c2"):
            self.q = claim.constant("c_q")
        self._lower_q(q)

    def next(self, value: Interval, q: Interval | None, elapsed: Fraction) -> str | None:
        """Go on to a later enclosure of V and q; what is broken there, in words."""
        if not self.claim.has_band:
            self.value = max(self.value, _rational(value[1], self.value))
        elif self.claim.time == "discrete":
            self.value = self._after_one_step()
        else:
            self.value = max(self.claim.bottom, self._decreased(self.value, elapsed))
        self.before = value
        if self.claim.has_band and value[0] > self.value:
            return f"V is at least {value[0]!r}, and the claim allows at most {float(self.value)!r}"
        self.value = min(self.value, _rational(value[1], self.value))
        if q is not None and self.q is not None and q[0] > self.q:
            return f"q is at least {q[0]!r}, after it was at most {float(self.q)!r} <= c_q"
        self._lower_q(q)
        return None

    def _decreased(self, value: Fraction, elapsed: Fraction) -> Fraction:
        """V after a while in the band where it decreases: an upper bound."""
        alpha = self.claim.constants["alpha"]
        if alpha is None:
            return value - self.claim.constant("mu") * elapsed
        if self.claim.time == "discrete":
            return value * (1 - alpha)
        factor = math.exp(-float(alpha * elapsed)) * (1 + 1e-12)
        return value * min(Fraction(1), Fraction(factor))

    def _after_one_step(self) -> Fraction:
        """From V ≥ a it decreases; from V ≤ c1 it stays at most c1 (the condition "trap")."""
        decreased = self._decreased(self.value, Fraction(1))
        if self.before[0] >= self.claim.bottom:
            return decreased
        return max(self.claim.constant("c1"), decreased)

    def _lower_q(self, q: Interval | None) -> None:
        c_q = self.claim.constants["c_q"]
        if q is not None and c_q is not None and math.isfinite(q[1]) and Fraction(q[1]) <= c_q:
            seen = max(Fraction(q[1]), self.claim.least_q)
            self.q = seen if self.q is None else min(self.q, seen)


def _rational(value: float, otherwise: Fraction) -> Fraction:
    return Fraction(value) if math.isfinite(value) else otherwise


def _ranges(function: BallInterpreter, now: Enclosure) -> list[Interval]:
    outputs = function.outputs(now.lower, now.upper)
    return [to_float_interval(ball) for part in outputs for ball in part]


def _range(function: BallInterpreter, now: Enclosure) -> Interval:
    return _ranges(function, now)[0]
