"""What a network has to satisfy to evaluate one policy: the rows of a nonlinear least squares.

For every collocation point x, the residual (16) of the GHJB equation ∇V·(f + g κ) + cost. For the
equilibrium, the local-stability loss (21): with M = R⁻¹Bᵀ, the gain ½ M ∇²V(x*) of the improved
policy should be K₊ = M P, where P solves the Lyapunov equation (18) of the present one. An
uncontrolled system has no gain; there M = I, and ½∇²V(x*) should be P itself.

Every row is a sum of slopes v·∇V. Those at the equilibrium are central differences of fourth order,
whose error (about 1e−12) is far below what a fit attains: networks of any depth then need no
derivatives of higher order than the residual's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from learners.pinn_network import Network

Array = NDArray[np.float64]

CHUNK = 2048
"""Points at which a network is evaluated at the same time."""
STENCIL = (-1.0 / 12.0, 2.0 / 3.0, -2.0 / 3.0, 1.0 / 12.0)
OFFSETS = (2.0, 1.0, -1.0, -2.0)
SPACING = 1e-3
"""Of the central differences, in domain units."""


@dataclass(frozen=True, eq=False)
class Origin:
    """Rows (q, n) of ``directions`` M, in domain units: ½ M ∇²V(0) should be ``target`` (q, n).

    ``scales`` (q, n) turn what is missing into units of the running cost.
    """

    directions: Array
    target: Array
    scales: Array

    @cached_property
    def points(self) -> tuple[Array, Array]:
        """Points and vectors of all slopes that are needed, (4 q n, n) each."""
        q, n = self.directions.shape
        z = SPACING * np.array(OFFSETS)[:, None, None, None] * np.eye(n)
        v = np.broadcast_to(self.directions[None, :, None, :], (4, q, n, n))
        return np.broadcast_to(z, v.shape).reshape(-1, n), v.reshape(-1, n)

    def combined(self, slopes: Array) -> Array:
        """½ M ∇²V(0), scaled, from slopes (..., 4 q n); (..., q n)."""
        parts = slopes.reshape(*slopes.shape[:-1], 4, -1)
        weights = 0.5 / SPACING * np.array(STENCIL)[:, None] * self.scales.ravel()
        out: Array = (parts * weights).sum(axis=-2)
        return out

    def spread(self, rows: Array) -> Array:
        """The transposed map of :meth:`combined`: weights of the slopes, (4 q n,)."""
        weights = 0.5 / SPACING * np.array(STENCIL)[:, None] * self.scales.ravel()
        out: Array = (weights * rows).ravel()
        return out


@dataclass(frozen=True, eq=False)
class Equations:
    """Rows root·(v·∇V(z) + cost), then those at the equilibrium; the loss is their mean square.

    z, v (N, n) in domain units; cost and root (N,), where root² is a point's weight.
    """

    network: Network
    z: Array
    v: Array
    cost: Array
    root: Array
    origin: Origin | None = None

    @cached_property
    def _scaled(self) -> tuple[Array, Array]:
        return self.v * self.root[:, None], self.cost * self.root

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.z) + (0 if self.origin is None else self.origin.target.size)

    def residual(self, theta: Array) -> Array:
        """All rows, (rows,)."""
        v, cost = self._scaled
        out = self._slopes(theta, v) + cost
        if self.origin is None:
            return out
        z, directions = self.origin.points
        slopes = np.vecdot(self.network.gradient(theta, z), directions)
        return np.concatenate([out, self._missing(slopes)])

    def ghjb(self, theta: Array) -> Array:
        """The residual of the GHJB equation at the collocation points, unweighted; (N,)."""
        return self._slopes(theta, self.v) + self.cost

    def loss(self, theta: Array) -> float:
        """The mean square of the rows; NaN or infinity where it overflows."""
        r = self.residual(theta)
        return float(r @ r) / len(r)

    def derivatives(self, theta: Array) -> Iterator[tuple[Array, Array]]:
        """Rows and their derivatives, (k,) and (weights, k), a part at a time."""
        v, cost = self._scaled
        for part in self._parts():
            slopes, J = self.network.slopes(theta, self.z[part], v[part])
            yield slopes + cost[part], J
        if self.origin is not None:
            slopes, J = self.network.slopes(theta, *self.origin.points)
            yield self._missing(slopes), self.origin.combined(J)

    def loss_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """The loss and its gradient by θ, by one reverse pass."""
        r = self.residual(theta)
        v, _ = self._scaled
        N, gradient = len(self.z), np.zeros(self.network.count)
        for part in self._parts():
            gradient += self.network.pulled_back(theta, self.z[part], v[part], r[:N][part])
        if self.origin is not None:
            z, directions = self.origin.points
            weights = self.origin.spread(r[N:])
            gradient += self.network.pulled_back(theta, z, directions, weights)
        return float(r @ r) / len(r), 2.0 / len(r) * gradient

    def linear(self, theta: Array) -> tuple[Array, Array]:
        """The rows as A β + a for the output weights β: A (rows, width), a (rows,)."""
        without = theta.copy()
        without[self.network.output] = 0.0
        parts = [J[self.network.output].T for _, J in self.derivatives(theta)]
        return np.concatenate(parts), self.residual(without)

    def _parts(self) -> Iterator[slice]:
        return (slice(at, at + CHUNK) for at in range(0, len(self.z), CHUNK))

    def _slopes(self, theta: Array, v: Array) -> Array:
        """v·∇V at the collocation points, (N,), a part at a time: memory does not grow with N."""
        parts = [np.vecdot(self.network.gradient(theta, self.z[p]), v[p]) for p in self._parts()]
        return np.concatenate(parts)

    def _missing(self, slopes: Array) -> Array:
        assert self.origin is not None
        wanted = (self.origin.target * self.origin.scales).ravel()
        return self.origin.combined(slopes) - wanted


def scaled_origin(
    directions: Array, target: Array, weight: float, points: int, cost_root: Array
) -> Origin | None:
    """The rows of (21), which count ``weight`` times as much as all ``points`` together.

    directions (q, n) and target (q, n) in domain units; ``cost_root`` (q, q) with the running cost
    of inputs v being |cost_root v|². A gain that is wrong by its own size then counts like a
    residual as large as the cost of that gain's inputs. None where the weight or the target is 0.
    """
    turned, wanted = cost_root @ directions, cost_root @ target
    size = float(np.linalg.norm(wanted))
    if not weight or not size:
        return None
    scales = np.full(wanted.shape, math.sqrt(weight * points) * size)
    return Origin(turned, wanted, scales)
