"""One hidden layer without composition: exact sums first, then one remainder for all neurons.

For N(x) = βᵀ tanh(W x + b) the Taylor coefficient of δ^α about a box's centre is
Σⱼ βⱼ tanh^(|α|)(zⱼ)/|α|! · multinomial(α) · wⱼ^α: one matrix product for a whole batch of boxes.
Large output weights cancel in that sum, before anything is bounded; the remainder, the rounding
and the error of tanh depend on the box's radius alone, as polynomials in it that are prepared
once. Derivatives of N come from the same product: their coefficients are those of N, shifted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import polynomial as poly
from numpy.typing import NDArray

from certify.enclosure.compiled import jit
from certify.enclosure.kernel import Tables
from certify.enclosure.layers import Entry, Layer
from certify.enclosure.monomials import Monomials, monomials
from certify.enclosure.rounding import ELEMENTARY, TINY, U, gamma, up_array
from certify.enclosure.series import MAX_ORDER, TANH_CAPS, tanh_polynomials

Array = NDArray[np.float64]

BLOCK = 128
"""Neurons a partial sum: the rounding bound of a blocked sum grows with the block, not the sum."""


@dataclass(frozen=True, eq=False)
class _Plan:
    """How the model of one entry is read off the coefficients of its potential.

    Coefficient a of ∂^e N is factor[a] · (coefficient source[a] of N); ``error`` bounds what
    is wrong with it as computed; ``tail`` are the coefficients, in the radius, of the Lagrange
    remainder, whose exponents are ``tail_exponents``.
    """

    which: int
    offset: float
    source: NDArray[np.int64]
    factor: Array
    error: Array
    tail: Array
    tail_exponents: NDArray[np.int64]


class ShallowModels:
    """Taylor models of order K of a layer's entries, for batches of boxes.

    ``reach`` (n,) bounds |x| over all boxes that will be asked for; it enters the error of W x.
    Coefficients of N are taken to degree H = K + max(1, derivatives in use).
    """

    def __init__(self, layer: Layer, order: int, reach: Array) -> None:
        self.layer, self.order, self.reach = layer, order, np.asarray(reach)
        self.top = order + max(1, layer.derivatives)
        if not (order >= 1 and self.top <= MAX_ORDER):
            raise ValueError(f"Taylor order {order} is beyond the engine")
        n = layer.weight.shape[1]
        self.high = monomials(n, self.top)
        self.polynomials = tanh_polynomials(self.top)
        # Every entry of these products carries at most H + 4 roundings, bounded below.
        powers = _powers(layer.weight, self.high)
        self.products = [_columns(layer.betas, powers, self.high, d) for d in range(self.top + 1)]
        self.error = self._coefficient_errors(powers, reach)
        self._number = self.high.index()
        self._moduli: dict[int, Array] = {}
        self.plans = {
            register: [self._plan(entry) for entry in entries]
            for register, entries in layer.registers.items()
        }

    def _coefficient_errors(self, powers: Array, reach: Array) -> Array:
        """E (R, M'): |computed − true| coefficient of each potential, whatever the box."""
        m, n = self.layer.weight.shape
        weight, bias = np.abs(self.layer.weight), np.abs(self.layer.bias)
        slip = up_array(gamma(n + 2) * (weight @ np.abs(reach) + bias), n + 4)
        share = gamma(BLOCK + m // BLOCK + self.top + 12)
        out = np.zeros((len(self.layer.betas), self.high.size))
        for k in range(self.top + 1):
            p = self.polynomials[k]
            evaluation = gamma(2 * k + 8) * np.abs(p).sum()
            evaluation += ELEMENTARY * np.abs(poly.polyder(p)).sum() * (1.0 + 1e-9)
            per_neuron = evaluation + (k + 1) * TANH_CAPS[k + 1] * slip + share * TANH_CAPS[k]
            chosen = self.high.degree == k
            moduli = np.abs(powers[:, chosen]) * self.high.multinomial[chosen]
            weights = np.abs(self.layer.betas) * per_neuron
            out[:, chosen] = up_array(weights @ moduli, m + self.top + 16)
        return out

    def _plan(self, entry: Entry) -> _Plan:
        """∂^e N is expanded to degree H − |e|; its Lagrange remainder has degree p = H − |e| + 1.

        Since tanh^(|e|) is expanded, it is sup|tanh^(H+1)|/p! Σ |β| |w|^e (|w|·r)^p.
        """
        m, n = self.layer.weight.shape
        e = np.bincount(np.array(entry.indices, dtype=int), minlength=n)
        d = len(entry.indices)
        kept = self.high.exponents[self.high.degree <= self.top - d]
        source = np.array([self._number[tuple(a)] for a in (kept + e).tolist()], dtype=np.int64)
        factor = np.array(
            [math.prod(math.perm(x + y, y) for x, y in zip(a, e.tolist(), strict=True))
             for a in kept.tolist()],
            dtype=np.float64,
        )  # fmt: skip
        p = self.top - d + 1
        last = monomials(n, p)
        chosen = last.degree == p
        moduli = np.abs(self.layer.weight)
        through = np.abs(self.layer.betas[entry.which]) * (moduli**e).prod(axis=1)
        cap = TANH_CAPS[self.top + 1] * math.perm(self.top + 1, d)
        tail = cap * (through @ self._moduli_to(p))
        return _Plan(
            entry.which,
            entry.offset,
            source,
            factor,
            up_array(factor * self.error[entry.which][source], 2),
            up_array(tail, m + self.top + n + 16),
            np.ascontiguousarray(last.exponents[chosen]),
        )

    def _moduli_to(self, degree: int) -> Array:
        """multinomial(α) |wⱼ|^α for |α| = degree, (m, number)."""
        if degree not in self._moduli:
            table = monomials(self.layer.weight.shape[1], degree)
            chosen = table.degree == degree
            powers = _powers(np.abs(self.layer.weight), table)[:, chosen]
            self._moduli[degree] = powers * table.multinomial[chosen]
        return self._moduli[degree]

    def coefficients(self, centre: Array) -> Array:
        """Taylor coefficients in δ = x − centre up to degree H: (R, B, M'), as computed."""
        batch, R = len(centre), len(self.layer.betas)
        activations = np.tanh(centre @ self.layer.weight.T + self.layer.bias)
        out = np.zeros((R, batch, self.high.size))
        squares = activations * activations
        m = activations.shape[1]
        start = 0
        for k in range(self.top + 1):
            derivative = _parity_horner(self.polynomials[k], activations, squares)
            width = int(self.high.count[k]) - start
            total = np.zeros((batch, R * width))
            for s in range(0, m, BLOCK):
                total += derivative[:, s : s + BLOCK] @ self.products[k][s : s + BLOCK]
            out[:, :, start : start + width] = total.reshape(batch, R, width).transpose(1, 0, 2)
            start += width
        return out

    def models(
        self, centre: Array, radius: Array, registers: Sequence[int], T: Tables
    ) -> tuple[Array, Array]:
        """Models in t of the registers' entries, in order: given (B, E, M), remainders (B, E)."""
        raw = self.coefficients(centre)
        plans = [plan for register in registers for plan in self.plans[register]]
        given = np.empty((len(centre), len(plans), T.M))
        given_rem = np.empty((len(centre), len(plans)))
        for e, plan in enumerate(plans):
            _normalise(
                raw[plan.which],
                radius,
                plan.source,
                plan.factor,
                plan.error,
                plan.tail,
                plan.tail_exponents,
                plan.offset,
                self.high.exponents,
                T,
                given[:, e],
                given_rem[:, e],
            )
        return given, given_rem


def _powers(weight: Array, table: Monomials) -> Array:
    """wⱼ^α for every neuron and monomial, (m, M)."""
    out = np.ones((len(weight), table.size))
    number = table.index()
    for a in range(1, table.size):
        alpha = table.exponents[a].copy()
        i = int(np.flatnonzero(alpha)[0])
        alpha[i] -= 1
        out[:, a] = out[:, number[tuple(alpha.tolist())]] * weight[:, i]
    return out


def _columns(betas: Array, powers: Array, table: Monomials, degree: int) -> Array:
    """βⱼ · multinomial(α) · wⱼ^α for |α| = degree: (m, R · number)."""
    chosen = table.degree == degree
    scaled = powers[:, chosen] * table.multinomial[chosen]
    return np.ascontiguousarray((betas.T[:, :, None] * scaled[:, None, :]).reshape(len(powers), -1))


def _parity_horner(p: Array, t: Array, s: Array) -> Array:
    """A polynomial that is even or odd in t, from s = t²."""
    odd = len(p) % 2 == 0
    c = p[1::2] if odd else p[0::2]
    if len(c) == 1:
        value = np.full_like(t, c[0])
    else:
        value = s * c[-1]
        value += c[-2]
        for a in c[-3::-1]:
            value *= s
            value += a
    return value * t if odd else value


@jit
def _normalise(
    coefficients: np.ndarray,
    radius: np.ndarray,
    source: np.ndarray,
    factor: np.ndarray,
    error: np.ndarray,
    tail: np.ndarray,
    tail_exponents: np.ndarray,
    offset: float,
    exponents: np.ndarray,
    T: Tables,
    given: np.ndarray,
    given_rem: np.ndarray,
) -> None:
    """The model in t of one entry on every box, from coefficients (B, M') in δ of its potential.

    What lies beyond degree K is bounded by its modulus. Writes given (B, M), given_rem (B,).
    """
    inflate = 1.0 + (source.shape[0] + tail.shape[0] + T.K + 16) * 8.0 * U
    for b in range(coefficients.shape[0]):
        rem, mass = 0.0, abs(offset)
        for a in range(source.shape[0]):
            power = _power(radius[b], exponents, a)
            value = factor[a] * coefficients[b, source[a]] * power
            if a < T.M:
                given[b, a] = value
                mass += abs(value)
            else:
                rem += abs(value)
            rem += error[a] * power
        given[b, 0] += offset
        for a in range(tail.shape[0]):
            rem += tail[a] * _power(radius[b], tail_exponents, a)
        rem += mass * (T.K + 8) * 2.0 * U
        given_rem[b] = rem * inflate + TINY


@jit
def _power(r: np.ndarray, exponents: np.ndarray, a: int) -> float:
    out = 1.0
    for v in range(exponents.shape[1]):
        for _ in range(exponents[a, v]):
            out *= r[v]
    return out
