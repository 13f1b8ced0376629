"""One hidden layer without composition: exact sums first, then one remainder for all neurons.

For N(x) = βᵀ tanh(W x + b) the Taylor coefficient of δ^α about a box's centre is
Σⱼ βⱼ tanh^(|α|)(zⱼ)/|α|! · multinomial(α) · wⱼ^α: one matrix product for a whole batch of boxes.
Large output weights cancel in that sum, before anything is bounded; the remainder, the rounding
and the error of tanh depend on the box's radius alone, as polynomials in it that are prepared
once. ∇N comes from the same product, since its coefficients are those of N, shifted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.polynomial import polynomial as poly
from numpy.typing import NDArray

from certify.balls import constant_registers, to_float_interval
from certify.enclosure.kernel import Tables, jit
from certify.enclosure.monomials import Monomials, monomials
from certify.enclosure.rounding import ELEMENTARY, TINY, U, gamma, up_array
from certify.enclosure.series import MAX_ORDER, TANH_CAPS
from systems.expression import Op
from systems.tape import Tape

Array = NDArray[np.float64]

BLOCK = 128
"""Neurons a partial sum: the rounding bound of a blocked sum grows with the block, not the sum."""


MOST_ROWS = 12
"""A wider map after the hidden layer is a deep network's, better served by composition."""


@dataclass(frozen=True, eq=False)
class Uses:
    """A potential N = βᵀ tanh(W x + b) and the registers that hold N + c or ∇N + c."""

    beta: Array
    values: list[tuple[int, int, float]] = field(default_factory=list)  # register, entry, offset
    gradients: list[tuple[int, Array]] = field(default_factory=list)  # register, offset


@dataclass(frozen=True, eq=False)
class Layer:
    """One hidden layer tanh(W x + b) of the tape, W (m, n), and the potentials made of it."""

    weight: Array
    bias: Array
    potentials: list[Uses]


def find_layers(tape: Tape) -> list[Layer]:
    """The one-hidden-layer networks of a tape whose weights are floats, exactly."""
    if len(tape.inputs) != 1:
        return []
    constants = _exact_constants(tape)
    layers = []
    for index, i in enumerate(tape.instructions):
        if i.op is not Op.TANH:
            continue
        z = tape.instructions[i.args[0]]
        if z.op is not Op.AFFINE or tape.instructions[z.args[0]].op is not Op.VARIABLE:
            continue
        weight, bias = (tape.constants[k] for k in z.constants)
        if weight.is_dyadic and bias.is_dyadic:
            potentials = _potentials(tape, index, weight.values, constants)
            if potentials:
                layers.append(Layer(weight.values, bias.values, potentials))
    return layers


def _exact_constants(tape: Tape) -> dict[int, Array]:
    """The constant registers that are floats exactly."""
    out = {}
    for index, balls in constant_registers(tape).items():
        ends = np.array([to_float_interval(b) for b in balls])
        if (ends[:, 0] == ends[:, 1]).all():
            out[index] = ends[:, 0]
    return out


def _potentials(
    tape: Tape, hidden: int, weight: Array, constants: dict[int, Array]
) -> list[Uses]:
    m = len(weight)
    one = np.ones(m)
    plain: dict[int, Array] = {hidden: one}  # register = coefficient ∘ h
    squares: set[int] = set()
    primes: dict[int, Array] = {}  # register = coefficient ∘ (1 − h²)
    found: dict[bytes, Uses] = {}

    def uses(beta: Array) -> Uses:
        beta = np.ascontiguousarray(beta) + 0.0
        return found.setdefault(beta.tobytes(), Uses(beta))

    for index, i in enumerate(tape.instructions):
        if i.op is Op.POWER and i.args == (hidden,) and i.integers == (2,):
            squares.add(index)
        elif i.op is Op.SUB and i.args[1] in squares and _is_one(constants.get(i.args[0])):
            primes[index] = one
        elif i.op is Op.MUL:
            for a, b in (i.args, i.args[::-1]):
                if a in constants:
                    factor = np.broadcast_to(constants[a], (i.size,))
                    for forms in (plain, primes):
                        if b in forms and (forms[b] == 1.0).all():
                            forms[index] = factor
        elif i.op is Op.AFFINE and i.args[0] in plain | primes.keys():
            rows, offset = (tape.constants[k] for k in i.constants)
            if not (rows.is_dyadic and offset.is_dyadic) or i.size > MOST_ROWS:
                continue
            if i.args[0] in plain:
                betas = _rows(rows.values, plain[i.args[0]])
                for r, beta in enumerate(betas or []):
                    uses(beta).values.append((index, r, float(offset.values[r])))
            elif np.array_equal(rows.values, weight.T):
                uses(primes[i.args[0]]).gradients.append((index, offset.values))
    return list(found.values())


def _is_one(value: Array | None) -> bool:
    return value is not None and bool((value == 1.0).all())


def _rows(rows: Array, coefficient: Array) -> list[Array] | None:
    """The rows of  rows · diag(coefficient), where no rounding is needed to say them."""
    if (coefficient == 1.0).all():
        return list(rows)
    if (rows == 1.0).all():
        return [coefficient] * len(rows)
    return None


class ShallowModels:
    """Taylor models of order K of every value and gradient of a layer, for batches of boxes.

    ``reach`` (n,) bounds |x| over all boxes that will be asked for; it enters the error of W x.
    """

    def __init__(self, layer: Layer, order: int, reach: Array) -> None:
        m, n = layer.weight.shape
        if not 1 <= order <= MAX_ORDER - 2:
            raise ValueError(f"Taylor order {order} is outside 1…{MAX_ORDER - 2}")
        self.layer, self.order, self.n = layer, order, n
        self.high = monomials(n, order + 1)
        self.betas = np.array([p.beta for p in layer.potentials])
        self.polynomials = _tanh_polynomials(order + 1)
        # Every entry of these products carries at most K + 4 roundings, bounded below.
        powers = _powers(layer.weight, self.high)
        self.products = [
            _columns(self.betas, powers, self.high, d) for d in range(order + 2)
        ]
        self.error = self._coefficient_errors(powers, reach)
        self.tail_value, self.tail_gradient = self._tails()
        last = monomials(n, order + 2)
        self.tail_exponents = (
            np.ascontiguousarray(last.exponents[last.degree == order + 2]),
            np.ascontiguousarray(self.high.exponents[self.high.degree == order + 1]),
        )
        self.shift = _shifts(self.high, order)

    def _coefficient_errors(self, powers: Array, reach: Array) -> Array:
        """E (R, M'): |computed − true| coefficient of each potential, whatever the box."""
        m, n = self.layer.weight.shape
        weight, bias = np.abs(self.layer.weight), np.abs(self.layer.bias)
        slip = up_array(gamma(n + 2) * (weight @ np.abs(reach) + bias), n + 4)
        share = gamma(BLOCK + m // BLOCK + self.order + 12)
        out = np.zeros((len(self.betas), self.high.size))
        for k in range(self.order + 2):
            p = self.polynomials[k]
            evaluation = gamma(2 * k + 8) * np.abs(p).sum()
            evaluation += ELEMENTARY * np.abs(poly.polyder(p)).sum() * (1.0 + 1e-9)
            per_neuron = evaluation + (k + 1) * TANH_CAPS[k + 1] * slip + share * TANH_CAPS[k]
            chosen = self.high.degree == k
            moduli = np.abs(powers[:, chosen]) * self.high.multinomial[chosen]
            weights = np.abs(self.betas) * per_neuron
            out[:, chosen] = up_array(weights @ moduli, m + self.order + 16)
        return out

    def _tails(self) -> tuple[Array, Array]:
        """Lagrange remainders as polynomials in the radius.

        For the value: the coefficients of r^α, |α| = K + 2, (R, ·). For each component of the
        gradient: those of |α| = K + 1, (R, n, ·).
        """
        m, n = self.layer.weight.shape
        K = self.order
        moduli = np.abs(self.layer.weight)
        last = monomials(n, K + 2)
        cap = TANH_CAPS[K + 2]
        top = _powers(moduli, last)[:, last.degree == K + 2] * last.multinomial[
            last.degree == K + 2
        ]
        value = up_array(cap * (np.abs(self.betas) @ top), m + K + 8)
        chosen = self.high.degree == K + 1
        below = _powers(moduli, self.high)[:, chosen] * self.high.multinomial[chosen]
        gradient = np.array(
            [
                up_array((K + 2) * cap * ((np.abs(self.betas) * moduli[:, i]) @ below), m + K + 8)
                for i in range(n)
            ]
        )
        return value, np.ascontiguousarray(gradient.transpose(1, 0, 2))

    def coefficients(self, centre: Array) -> Array:
        """Taylor coefficients in δ = x − centre up to degree K + 1: (B, R, M'), as computed."""
        batch, R = len(centre), len(self.betas)
        activations = np.tanh(centre @ self.layer.weight.T + self.layer.bias)
        out = np.zeros((batch, R, self.high.size))
        squares = activations * activations
        m = activations.shape[1]
        for k in range(self.order + 2):
            derivative = _parity_horner(self.polynomials[k], activations, squares)
            chosen = np.flatnonzero(self.high.degree == k)
            total = np.zeros((batch, R * len(chosen)))
            for s in range(0, m, BLOCK):
                total += derivative[:, s : s + BLOCK] @ self.products[k][s : s + BLOCK]
            out[:, :, chosen] = total.reshape(batch, R, len(chosen))
        return out

    def models(
        self, centre: Array, radius: Array, entries: list[tuple[int, int, float]], T: Tables
    ) -> tuple[Array, Array]:
        """Models in t of the asked entries: given (B, E, M) and remainders (B, E).

        An entry is (potential, component, offset); component −1 is the value, i is ∂/∂xᵢ.
        """
        raw = self.coefficients(centre)
        batch = len(centre)
        given, given_rem = np.empty((batch, len(entries), T.M)), np.empty((batch, len(entries)))
        for e, (which, component, offset) in enumerate(entries):
            value = component < 0
            tail = self.tail_value[which] if value else self.tail_gradient[which, component]
            normalise(
                np.ascontiguousarray(raw[:, which]),
                radius,
                self.error[which],
                tail,
                self.tail_exponents[0 if value else 1],
                self.high.exponents,
                self.shift[max(component, 0)],
                component,
                offset,
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


def _shifts(table: Monomials, order: int) -> NDArray[np.int64]:
    """For each variable i and each α of degree ≤ order, the number of α + eᵢ: (n, M)."""
    number = table.index()
    kept = table.exponents[table.degree <= order]
    return np.array(
        [
            [number[tuple((a + (np.arange(table.n) == i)).tolist())] for a in kept]
            for i in range(table.n)
        ],
        dtype=np.int64,
    )


def _columns(betas: Array, powers: Array, table: Monomials, degree: int) -> Array:
    """βⱼ · multinomial(α) · wⱼ^α for |α| = degree: (m, R · number)."""
    chosen = table.degree == degree
    scaled = powers[:, chosen] * table.multinomial[chosen]
    return np.ascontiguousarray((betas.T[:, :, None] * scaled[:, None, :]).reshape(len(powers), -1))


def _tanh_polynomials(order: int) -> list[Array]:
    """tanh⁽ᵏ⁾/k! as polynomials in tanh, k = 0…order, every coefficient rounded once.

    p_{k+1} = p_k' (1 − t²) / (k + 1), computed in rationals.
    """
    p = [Fraction(0), Fraction(1)]
    out = [np.array([float(c) for c in p])]
    for k in range(1, order + 1):
        slope = [j * c for j, c in enumerate(p)][1:]
        p = [*slope, Fraction(0), Fraction(0)]
        for j, c in enumerate(slope):
            p[j + 2] -= c
        p = [c / k for c in p]
        out.append(np.array([float(c) for c in p]))
    return out


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
def normalise(
    coefficients: np.ndarray,
    radius: np.ndarray,
    error: np.ndarray,
    tail: np.ndarray,
    tail_exponents: np.ndarray,
    exponents: np.ndarray,
    shift: np.ndarray,
    component: int,
    offset: float,
    T: Tables,
    given: np.ndarray,
    given_rem: np.ndarray,
) -> None:
    """Models in t of one entry, from the coefficients (B, M') in δ of its potential.

    ``component`` is −1 for the value, i for ∂N/∂xᵢ, whose coefficient of δ^α is
    (αᵢ + 1) · N's at α + eᵢ, found at ``shift[α]``. Writes given (B, M) and given_rem (B,).
    """
    size = exponents.shape[0]
    for b in range(coefficients.shape[0]):
        rem, mass = 0.0, 0.0
        for a in range(T.M):
            power = _power(radius[b], exponents, a)
            factor, source = 1.0, a
            if component >= 0:
                factor, source = exponents[a, component] + 1.0, shift[a]
            value = factor * coefficients[b, source] * power
            given[b, a] = value
            mass += abs(value)
            rem += factor * error[source] * power
        if component < 0:
            for a in range(T.M, size):
                power = _power(radius[b], exponents, a)
                rem += (abs(coefficients[b, a]) + error[a]) * power
        for a in range(tail_exponents.shape[0]):
            rem += tail[a] * _power(radius[b], tail_exponents, a)
        given[b, 0] += offset
        rem += (mass + abs(offset)) * (T.K + 8) * 2.0 * U
        given_rem[b] = rem * (1.0 + (size + T.K + 16) * 8.0 * U) + TINY


@jit
def _power(r: np.ndarray, exponents: np.ndarray, a: int) -> float:
    out = 1.0
    for v in range(exponents.shape[1]):
        for _ in range(exponents[a, v]):
            out *= r[v]
    return out
