"""The polynomials of a Galerkin approximation, on orthonormal Legendre products.

V lies in the span of the monomials (x − x*)^a of total degree 2 … order. That span is what decides
the Galerkin solution, not the basis that is computed in; products of Legendre polynomials keep the
equations well conditioned where monomials would not. The polynomials with V(x*) = 0, ∇V(x*) = 0
within the span of all Legendre products of degree ≤ order are had from a QR factorisation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from learners.elm_structure import Structure
from learners.numeric import Plant, upper_entries
from systems.errors import InputError

Array = NDArray[np.float64]
Integers = NDArray[np.intp]

MOST_MONOMIALS = 200_000
"""So many are enumerated at most, before symmetries thin them out."""
MOST_FUNCTIONS = 500
"""Tables of products of three basis functions then take a gigabyte."""


def exponents_of(structure: Structure, order: int, name: str) -> Integers:
    """Exponents (N, n) of total degree ≤ order, graded: of V's blocks, with V's symmetries.

    A monomial couples only variables of one block. Raises :class:`InputError` where there are too
    many.
    """
    n = structure.dimension
    every = sum(math.comb(len(block) + order, order) for block in structure.blocks)
    if every > MOST_MONOMIALS:
        raise _too_large(name, n, order, every, "")
    rows = {
        _embedded(degrees, block, n)
        for block in structure.blocks
        for degrees in _degrees(len(block), order)
    }
    found = np.array(sorted(rows, key=lambda a: (sum(a), [-e for e in a])), dtype=np.intp)
    flips = (structure.signs < 0.0).astype(np.intp)
    kept = ((found @ flips.T) % 2 == 0).all(axis=1)
    found = found[kept]
    if len(found) > MOST_FUNCTIONS:
        memory = f", whose tables take {8e-9 * len(found) ** 3:.3g} GB"
        raise _too_large(name, n, order, len(found), memory)
    out: Integers = found
    return out


def _too_large(name: str, n: int, order: int, count: int, memory: str) -> InputError:
    return InputError(
        f"{name}: order {order} in {n} dimensions needs {count:,} basis functions{memory}; "
        f"at most {MOST_FUNCTIONS} are possible: choose a lower order, or another learner"
    )


@lru_cache
def _degrees(count: int, order: int) -> tuple[tuple[int, ...], ...]:
    """All exponents of ``count`` variables with a sum of at most ``order``."""
    if not count:
        return ((),)
    return tuple(
        (first, *rest) for first in range(order + 1) for rest in _degrees(count - 1, order - first)
    )


def _embedded(degrees: tuple[int, ...], block: tuple[int, ...], n: int) -> tuple[int, ...]:
    out = [0] * n
    for axis, degree in zip(block, degrees, strict=True):
        out[axis] = degree
    return tuple(out)


def legendre(z: Array, order: int, scale: float = 1.0) -> tuple[Array, Array]:
    """Orthonormal Legendre polynomials of degree 0 … order and their derivatives times ``scale``.

    Orthonormal for the uniform probability measure on [−1, 1]; both of shape (*z.shape, order + 1).
    """
    values = np.polynomial.legendre.legvander(z, order)
    slopes = np.zeros_like(values)
    for k in range(1, order + 1):  # P'ₖ = P'ₖ₋₂ + (2k − 1) Pₖ₋₁
        slopes[..., k] = (2 * k - 1) * values[..., k - 1]
        if k > 1:
            slopes[..., k] += slopes[..., k - 2]
    norms = np.sqrt(2.0 * np.arange(order + 1) + 1.0)
    return values * norms, slopes * (norms * scale)


@dataclass(frozen=True, eq=False)
class PolynomialBasis:
    """The basis on a plant's domain.

    ``degrees`` (M, n) are those of the Legendre products ψ, the constant and linear ones included;
    ``exponents`` (N, n) those of the monomials ((x − x*)/h)^a of degree ≥ 2, h the domain's half
    widths. φ = ψ ``restriction``, orthonormal, spans the same as the monomials.
    """

    plant: Plant
    order: int
    degrees: Integers

    @cached_property
    def centre(self) -> Array:
        low, high = self.plant.ends
        out: Array = 0.5 * (low + high)
        return out

    @cached_property
    def half(self) -> Array:
        low, high = self.plant.ends
        out: Array = 0.5 * (high - low)
        return out

    @cached_property
    def exponents(self) -> Integers:
        out: Integers = self.degrees[self.degrees.sum(axis=1) >= 2]
        return out

    @property
    def count(self) -> int:
        """N, the number of unknowns."""
        return len(self.exponents)

    @cached_property
    def _factorised(self) -> tuple[Array, Array]:
        """Legendre coefficients of the monomials, (M, N), as Q R."""
        n, order = self.degrees.shape[1], self.order
        nodes, weights = np.polynomial.legendre.leggauss(order + 1)
        values, _ = legendre(nodes, order)
        z_star = (self.plant.x_star - self.centre) / self.half
        out = np.ones((len(self.degrees), self.count))
        for d in range(n):
            powers = (nodes - z_star[d])[:, None] ** np.arange(order + 1)
            one = np.einsum("m,mk,me->ke", 0.5 * weights, values, powers)
            one[np.triu_indices(order + 1, 1)[::-1]] = 0.0  # p_k is orthogonal to lower degrees
            out *= one[self.degrees[:, d]][:, self.exponents[:, d]]
        Q, R = np.linalg.qr(out)
        return Q, R

    @property
    def restriction(self) -> Array:
        """ψ-coefficients (M, N) of φ."""
        return self._factorised[0]

    def monomial_coefficients(self, c: Array) -> Array:
        """Of V = Σ cⱼ φⱼ, for ((x − x*)/h)^a; (N,)."""
        out: Array = solve_triangular(self._factorised[1], c)
        return out

    def from_monomials(self, a: Array) -> Array:
        """The inverse of :meth:`monomial_coefficients`."""
        out: Array = self._factorised[1] @ a
        return out

    def hessian(self, c: Array) -> Array:
        """Of V at x*, (n, n)."""
        n = len(self.half)
        rows, columns, where = upper_entries(n)
        a = self.monomial_coefficients(c)
        entries = np.zeros(len(rows))
        numbers = {(i, j): k for k, (i, j) in enumerate(np.stack([rows, columns], 1).tolist())}
        for exponent, value in zip(self.exponents.tolist(), a.tolist(), strict=True):
            if sum(exponent) == 2:
                i, j = (d for d, e in enumerate(exponent) for _ in range(e))
                entries[numbers[i, j]] = 2.0 * value if i == j else value
        out: Array = entries[where].reshape(n, n) / np.outer(self.half, self.half)
        return out

    def products(self, x: Array) -> tuple[list[Array], list[Array]]:
        """The one-dimensional factors of every ψ at points (P, n): values and slopes, (P, M) each
        for every axis.
        """
        values, slopes = [], []
        for d, h in enumerate(self.half.tolist()):
            one, slope = legendre((x[:, d] - self.centre[d]) / h, self.order, 1.0 / h)
            values.append(one[:, self.degrees[:, d]])
            slopes.append(slope[:, self.degrees[:, d]])
        return values, slopes

    def at(self, x: Array) -> tuple[Array, Array]:
        """ψ (P, M) and ∇ψ (n, P, M) at points (P, n)."""
        values, slopes = self.products(x)
        psi = np.prod(values, axis=0)
        gradient = np.empty((len(values), *psi.shape))
        for d, slope in enumerate(slopes):
            gradient[d] = slope
            for other, factor in enumerate(values):
                if other != d:
                    gradient[d] *= factor
        return psi, gradient

    def value(self, x: Array, c: Array) -> Array:
        """V = Σ cⱼ φⱼ at points (P, n); (P,)."""
        values, _ = self.products(np.atleast_2d(np.asarray(x, dtype=np.float64)))
        out: Array = np.prod(values, axis=0) @ (self.restriction @ c)
        return out

    def chunks(self, count: int) -> Iterator[slice]:
        """Slices of so many points that ψ and ∇ψ stay small."""
        size = max(64, 4_000_000 // (len(self.degrees) * (1 + self.degrees.shape[1])))
        return (slice(i, i + size) for i in range(0, count, size))
