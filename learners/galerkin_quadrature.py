"""The Galerkin equations by tensor-product quadrature: where integrals do not factorise.

That is so for a policy cut off at input limits, and for dynamics, costs or policies that are no
sums of products of functions of one variable. The nodes' number grows like a power of the
dimension, so there are few dimensions in which it can be had.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from learners.elm_start import Start
from learners.galerkin_basis import PolynomialBasis
from learners.galerkin_tables import Equations
from learners.numeric import Samples
from systems.errors import InputError

Array = NDArray[np.float64]

MOST_DIMENSIONS = 4
MOST_POINTS = (100_000, 400_000)
"""Below four dimensions, and in four."""
MOST_KEPT = 30_000_000
"""Numbers: basis functions at the nodes are kept from one iteration to the next up to so many."""
SETTLED = 1e-7
"""Twice the nodes change V by no more than this, relative to V's norm."""


class QuadratureEquations:
    """By ``count`` Gauss-Legendre nodes along every axis."""

    def __init__(self, basis: PolynomialBasis, start: Start, count: int) -> None:
        self.basis, self.start, self.count = basis, start, count
        nodes, weights = np.polynomial.legendre.leggauss(count)
        grid = np.array(list(itertools.product(nodes, repeat=len(basis.half))))
        self.weights = np.array([0.5 * weights])
        for _ in range(len(basis.half) - 1):
            self.weights = np.multiply.outer(self.weights.ravel(), 0.5 * weights)
        self.weights = self.weights.ravel()
        self.samples = basis.plant.sample(basis.centre + basis.half * grid)
        size = len(grid) * len(basis.degrees) * (1 + len(basis.half))
        self.kept: dict[int, tuple[Array, Array]] | None = {} if size <= MOST_KEPT else None

    def first(self) -> Equations:
        """For the first policy."""
        return self._equations(lambda samples, _: self.start.policy(samples.x))

    def improved(self, v: Array) -> Equations:
        """For the greedy policy of V = Σ vₖ ψₖ, cut off at the input limits."""
        return self._equations(lambda s, slopes: self.basis.plant.greedy(s, (slopes @ v).T))

    def _equations(self, policy: Callable[[Samples, Array], Array]) -> Equations:
        size = len(self.basis.degrees)
        A, b = np.zeros((size, size)), np.zeros(size)
        every, plant = self.samples, self.basis.plant
        for part in self.basis.chunks(len(every.x)):
            g = every.g if every.g.ndim == 2 else every.g[part]
            samples = Samples(every.x[part], every.f[part], g, every.Q[part])
            psi, slopes = self._basis_at(part.start, samples.x)
            u = policy(samples, slopes)
            along = np.einsum("dpm,pd->pm", slopes, samples.velocity(u))
            weighted = psi * self.weights[part][:, None]
            A += weighted.T @ along
            b -= weighted.T @ plant.running_cost(samples, u)
        return A, b

    def _basis_at(self, start: int, x: Array) -> tuple[Array, Array]:
        """ψ and ∇ψ, from the last time where memory allows it."""
        if self.kept is None:
            return self.basis.at(x)
        if start not in self.kept:
            self.kept[start] = self.basis.at(x)
        return self.kept[start]


def settled_quadrature(basis: PolynomialBasis, start: Start) -> tuple[QuadratureEquations, float]:
    """The equations with so many nodes that V no longer changes, and the last relative change."""
    n, count = len(basis.half), basis.order + 4
    last, before, change = QuadratureEquations(basis, start, count), None, np.inf
    while True:
        A, b = last.first()
        Q = basis.restriction
        try:
            c = np.linalg.solve(Q.T @ A @ Q, Q.T @ b)
        except np.linalg.LinAlgError:
            return last, np.inf
        if before is not None:
            change = float(np.linalg.norm(c - before) / np.linalg.norm(c))
        count *= 2
        if not change > SETTLED or count**n > MOST_POINTS[n == MOST_DIMENSIONS]:
            return last, change
        last, before = QuadratureEquations(basis, start, count), c


def refuse_dimension(basis: PolynomialBasis, why: str) -> None:
    """Raises :class:`InputError` where quadrature would need too many points."""
    system, n = basis.plant.system, len(basis.half)
    if n > MOST_DIMENSIONS:
        raise InputError(
            f"{system.name}: the Galerkin integrals do not factorise ({why}), and quadrature "
            f"is for at most {MOST_DIMENSIONS} states, not {n}; use another learner (elm-pi)"
        )
