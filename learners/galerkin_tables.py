"""The Galerkin equations from tables of integrals, each a sum of products of integrals in one
variable.

As in Beard, Saridis and Wen, "Galerkin approximations of the generalized Hamilton-Jacobi-Bellman
equation" (Automatica 33(12), 1997), what does not depend on the policy is integrated once; an
iteration only contracts the tables with the last V. Integrals in one variable are Gauss-Legendre
sums: of polynomials they are exact but for rounding, of other smooth functions they have converged
to rounding. Measure: uniform on the domain, of mass 1.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from learners.elm_start import Start
from learners.galerkin_basis import PolynomialBasis, legendre
from learners.galerkin_separable import Terms, expand, number, product, scaled, total
from systems import expression as ex
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.expression import Expression, Op

Array = NDArray[np.float64]
Equations = tuple[Array, Array]
"""A (M, M) and b (M,) on Legendre products: Σⱼ ⟨ψᵢ, ∇ψⱼ·F⟩ vⱼ = bᵢ = −⟨ψᵢ, running cost⟩."""

NODES = (32, 64, 128, 256)
"""Nodes a panel, tried in turn."""
RESOLVED = 1e-13
"""A function is resolved by its nodes when its Legendre coefficients have fallen so far."""
KINKED = (Op.RELU, Op.STEP, Op.MIN, Op.MAX, Op.SQRT)


@dataclass(frozen=True, eq=False)
class Axis:
    """A quadrature rule along one axis, in panels: nodes and weights (P·K,), with ψ's factors."""

    nodes: Array
    weights: Array
    values: Array
    slopes: Array
    panels: int

    def single(self, factor: Array | None) -> Array:
        """∫ ψᵢ γ, (K,)."""
        out: Array = self._weighted(factor) @ self.values
        return out

    def double(self, factor: Array | None, slope: bool) -> Array:
        """∫ ψᵢ ψⱼ γ, or with ψ'ⱼ; (K, K)."""
        right = self.slopes if slope else self.values
        out: Array = (self.values * self._weighted(factor)[:, None]).T @ right
        return out

    def triple(self, factor: Array | None, slope: bool, other: bool) -> Array:
        """∫ ψᵢ ψⱼ ψₖ γ, or with ψ'ⱼ, ψ'ₖ; (K, K, K)."""
        left = self.slopes if slope else self.values
        right = self.slopes if other else self.values
        weighted = self.values * self._weighted(factor)[:, None]
        out: Array = np.einsum("mi,mj,mk->ijk", weighted, left, right, optimize=True)
        return out

    def _weighted(self, factor: Array | None) -> Array:
        return self.weights if factor is None else self.weights * factor

    def unresolved(self, factor: Array) -> float:
        """How much of a function's Legendre coefficients is in the last quarter, on any panel."""
        count = len(self.nodes) // self.panels
        transform = _transform(count)
        coefficients = np.abs(factor.reshape(self.panels, count) @ transform)
        largest = float(coefficients.max())
        return float(coefficients[:, -(count // 4) :].max()) / largest if largest else 0.0


@lru_cache
def _transform(count: int) -> Array:
    nodes, weights = np.polynomial.legendre.leggauss(count)
    values, _ = legendre(nodes, count - 1)
    out: Array = values * (0.5 * weights)[:, None]
    out.setflags(write=False)
    return out


def axis_rule(basis: PolynomialBasis, d: int, count: int, split: bool) -> Axis:
    """``count`` nodes on each panel; two panels that meet at x*, where ``split``."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    half, centre = float(basis.half[d]), float(basis.centre[d])
    low, high = centre - half, centre + half
    middle = [float(basis.plant.x_star[d])] if split else []
    ends = [low, *middle, high]
    x = [0.5 * (b - a) * nodes + 0.5 * (a + b) for a, b in itertools.pairwise(ends)]
    w = [0.5 * (b - a) / (high - low) * weights for a, b in itertools.pairwise(ends)]
    points = np.concatenate(x)
    values, slopes = legendre((points - centre) / half, basis.order, 1.0 / half)
    return Axis(points, np.concatenate(w), values, slopes, len(x))


def terms_of(system: ControlAffineSystem, start: Start) -> list[Expression]:
    """All that is integrated: f, Q, the columns of g, and the first policy where there is one."""
    policy = [] if start.control is None else [start.control]
    return [system.drift, system.state_cost, *system.input_columns, *policy]


class SeparableEquations:
    """Tables of integrals for a plant and a first policy without input limits.

    ``unsettled`` is how far the worst one-dimensional integrand is from being resolved; 0 where all
    are. Raises :class:`learners.galerkin_separable.NotSeparableError`, and :class:`InputError`
    where a function is not finite on the domain.
    """

    def __init__(self, basis: PolynomialBasis, start: Start) -> None:
        self.basis, self.start = basis, start
        self.m = basis.plant.system.input_dimension
        split = self._has_kinks()
        for count in NODES:
            n = len(basis.half)
            self.axes = [axis_rule(basis, d, count, split) for d in range(n)]
            field, cost, self.couplings, self.first_field, self.first_cost = self._expanded()
            everything = [*field, cost, *self.couplings.values(), *self.first_field]
            self.unsettled = self._unsettled([*everything, self.first_cost])
            if not self.unsettled:
                break
        self.F, self.q = self._advection(field), self.moments(cost)
        self.D = self._triple() if self.m else None

    def first(self) -> Equations:
        """For the first policy."""
        return self._advection(self.first_field), -self.moments(self.first_cost)

    def improved(self, v: Array) -> Equations:
        """For the greedy policy of V = Σ vₖ ψₖ."""
        if self.D is None:
            return self.F, -self.q
        S = self.D @ v
        return self.F - 0.5 * S, -(self.q + 0.25 * (S @ v))

    def _expanded(self) -> tuple[list[Terms], Terms, dict[tuple[int, int], Terms], list[Terms],
                                 Terms]:  # fmt: skip
        """f + g u*, Q, g R⁻¹gᵀ by entries a ≤ b; and f + g k, Q + (k − u*)ᵀR(k − u*)."""
        plant = self.basis.plant
        system, n, m = plant.system, len(self.basis.half), self.m
        found = expand(
            terms_of(system, self.start), system.state, [axis.nodes for axis in self.axes]
        )
        drift, cost, g = found[0], found[1][0], found[2 : 2 + m]
        k = found[2 + m] if m else []
        u_star, R, inverse = plant.u_star, plant.R, 2.0 * plant.half_R_inverse
        field = [
            total([drift[a], *(scaled(g[j][a], float(u_star[j])) for j in range(m))])
            for a in range(n)
        ]
        pairs = [(j, i, float(inverse[j, i])) for j in range(m) for i in range(m) if inverse[j, i]]
        couplings = {
            (a, b): total([scaled(product(g[j][a], g[i][b]), w) for j, i, w in pairs])
            for a in range(n)
            for b in range(a, n)
        }
        first = [total([drift[a], *(product(g[j][a], k[j]) for j in range(m))]) for a in range(n)]
        away = [total([k[j], number(-float(u_star[j]))]) for j in range(m)]
        energy = [
            scaled(product(away[j], away[i]), float(R[j, i])) for j in range(m) for i in range(m)
        ]
        return field, cost, couplings, first, total([cost, *energy])

    def _has_kinks(self) -> bool:
        outputs = terms_of(self.basis.plant.system, self.start)
        return any(node.op in KINKED for node in ex.topological(outputs))

    def _unsettled(self, sums: Sequence[Terms]) -> float:
        worst, seen = 0.0, set()
        for terms in sums:
            for term in terms:
                for d, values in term.factors.items():
                    if not np.isfinite(values).all() or not np.isfinite(term.number):
                        self._refuse(d)
                    if (d, key := values.tobytes()) not in seen:
                        seen.add((d, key))
                        worst = max(worst, self.axes[d].unresolved(values))
        return worst if worst > RESOLVED else 0.0

    def _refuse(self, d: int) -> None:
        system = self.basis.plant.system
        name = system.state_names[d] if system.state_names else f"x{d + 1}"
        raise InputError(
            f"{system.name}: the dynamics, the cost or the initial policy are not finite somewhere "
            f"along {name}; choose a domain on which the equations are defined"
        )

    def moments(self, terms: Terms) -> Array:
        """⟨ψᵢ, ·⟩, (M,)."""
        degrees = self.basis.degrees
        out = np.zeros(len(degrees))
        for term in terms:
            part = np.full(len(degrees), term.number)
            for d, axis in enumerate(self.axes):
                part *= axis.single(term.factors.get(d))[degrees[:, d]]
            out += part
        return out

    def _advection(self, field: Sequence[Terms]) -> Array:
        """⟨ψᵢ, ∇ψⱼ·F⟩, (M, M)."""
        degrees = self.basis.degrees
        out = np.zeros((len(degrees), len(degrees)))
        for a, terms in enumerate(field):
            for term in terms:
                part = np.full(out.shape, term.number)
                for d, axis in enumerate(self.axes):
                    one = axis.double(term.factors.get(d), d == a)
                    part *= one[degrees[:, d][:, None], degrees[:, d]]
                out += part
        return out

    def _triple(self) -> Array:
        """⟨ψᵢ, ∇ψⱼ·gR⁻¹gᵀ∇ψₖ⟩, (M, M, M)."""
        degrees = self.basis.degrees
        out = np.zeros((len(degrees),) * 3)
        plain = [self._gathered(axis.triple(None, False, False), d)
                 for d, axis in enumerate(self.axes)]  # fmt: skip
        for (a, b), terms in self.couplings.items():
            for term in terms:
                factors = [
                    plain[d]
                    if d not in (a, b) and d not in term.factors
                    else self._gathered(axis.triple(term.factors.get(d), d == a, d == b), d)
                    for d, axis in enumerate(self.axes)
                ]
                for i, part in self._rows(factors):
                    out[i] += term.number * part
                    if a != b:
                        out[i] += term.number * part.T
        return out

    def _gathered(self, one: Array, d: int) -> Array:
        index = self.basis.degrees[:, d]
        return one[:, index[:, None], index]

    def _rows(self, factors: Sequence[Array]) -> Iterator[tuple[int, Array]]:
        """For each i the product over the axes, (M, M)."""
        for i, degree in enumerate(self.basis.degrees.tolist()):
            part = factors[0][degree[0]].copy()
            for factor, k in zip(factors[1:], degree[1:], strict=True):
                part *= factor[k]
            yield i, part
