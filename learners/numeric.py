"""The floating-point side of a system that learners share: samples, greedy policies, residuals.

Nothing here is rigorous; learners propose, they do not prove.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from systems import expression as ex
from systems.box import Box
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.evaluate import evaluate
from systems.tape import Tape, compile_tape

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Samples:
    """What the dynamics are at N points: x (N, n), f (N, n), Q (N,).

    g is of shape (N, n, m), or (n, m) where it is the same everywhere.
    """

    x: Array
    f: Array
    g: Array
    Q: Array

    def velocity(self, u: Array) -> Array:
        """f + g u, of shape (N, n), for inputs of shape (N, m)."""
        if not u.shape[1]:
            return self.f
        if self.g.ndim == 2:
            out: Array = u @ self.g.T
        else:
            out = np.matmul(self.g, u[:, :, None])[:, :, 0]
        out += self.f
        return out

    def input_slope(self, gradient: Array) -> Array:
        """∇V g, of shape (N, m), for ∇V of shape (N, n)."""
        if self.g.ndim == 2:
            out: Array = gradient @ self.g
        else:
            out = np.matmul(gradient[:, None, :], self.g)[:, 0, :]
        return out


@dataclass(frozen=True, eq=False)
class Plant:
    """A system compiled for evaluation at many points at once.

    ``fraction`` says how much of the system's domain is learned on, scaled about the equilibrium.
    Raises :class:`InputError` where R is not symmetric and positive definite.
    """

    system: ControlAffineSystem
    fraction: float = 1.0

    def __post_init__(self) -> None:
        R = self.R
        if not np.array_equal(R, R.T):
            raise InputError(f"{self.system.name}: the input cost R is not symmetric")
        if R.size and (lowest := float(np.linalg.eigvalsh(R)[0])) <= 0.0:
            raise InputError(
                f"{self.system.name}: the input cost R must be positive definite, "
                f"but it has the eigenvalue {lowest:.6g}"
            )

    def restricted(self, fraction: float) -> Plant:
        """The same plant, compiled once, on ``fraction`` of the system's domain."""
        out = replace(self, fraction=fraction)
        out.__dict__["_tape"] = self._tape
        return out

    @cached_property
    def domain(self) -> Box:
        """Where V is learned: x* + fraction · (the system's domain − x*)."""
        if self.fraction == 1.0:
            return self.system.domain
        box, star, k = self.system.domain, self.system.equilibrium, Fraction(self.fraction)
        return Box(
            tuple(s + k * (low - s) for s, low in zip(star, box.lower, strict=True)),
            tuple(s + k * (high - s) for s, high in zip(star, box.upper, strict=True)),
        )

    @cached_property
    def R(self) -> Array:
        return self.system.input_cost_array()

    @cached_property
    def x_star(self) -> Array:
        return np.array([float(v) for v in self.system.equilibrium])

    @cached_property
    def u_star(self) -> Array:
        return np.array([float(v) for v in self.system.equilibrium_input])

    @cached_property
    def half_widths(self) -> Array:
        """How far the domain reaches from the equilibrium along each axis, at most; (n,)."""
        low, high = self.ends
        return np.maximum(high - self.x_star, self.x_star - low)

    @cached_property
    def ends(self) -> tuple[Array, Array]:
        """The domain's lower and upper ends, (n,) each."""
        return self.domain.outer()

    @cached_property
    def _tape(self) -> Tape:
        """f and Q, and the columns of g where they vary."""
        s = self.system
        columns = s.input_columns if self._common_g is None else ()
        return compile_tape([s.drift, s.state_cost, *columns], [s.state])

    @cached_property
    def _common_g(self) -> Array | None:
        """g (n, m) where it is the same everywhere, as in most plants; else None."""
        columns = [ex.rational_values(c) for c in self.system.input_columns]
        if any(c is None for c in columns):
            return None
        rows = [[float(v) for v in c] for c in columns if c is not None]
        return np.array(rows).reshape(len(rows), len(self.x_star)).T.copy()

    @cached_property
    def half_R_inverse(self) -> Array:
        """½ R⁻¹, (m, m)."""
        return np.asarray(0.5 * np.linalg.inv(self.R), dtype=np.float64)

    @cached_property
    def _limits(self) -> tuple[Array, Array] | None:
        limits = self.system.input_limits
        return None if limits is None else limits.outer()

    def sample(self, x: Array) -> Samples:
        """The dynamics and the state cost at points (N, n).

        Raises :class:`InputError` where one of them is not finite.
        """
        f, Q, *columns = evaluate(self._tape, x)
        g = self._common_g
        if g is None:
            g = np.empty((*f.shape, len(columns)))
            for j, column in enumerate(columns):
                g[:, :, j] = column
        if np.isfinite(f.sum() + g.sum() + Q.sum()):
            return Samples(x, f, g, Q[:, 0])
        self._refuse_undefined(x, f, g, Q)
        return Samples(x, f, g, Q[:, 0])

    def _refuse_undefined(self, x: Array, f: Array, g: Array, Q: Array) -> None:
        for what, values in (("f", f), ("g", g), ("Q", Q)):
            if values is self._common_g:
                continue
            if not np.isfinite(values).all():
                bad = ~np.isfinite(values.reshape(len(x), -1)).all(axis=1)
                where = ", ".join(f"{v:.6g}" for v in x[np.argmax(bad)])
                raise InputError(
                    f"{self.system.name}: {what}(x) is not a finite number at x = ({where}); "
                    "choose a domain on which the equations are defined"
                )

    def saturate(self, u: Array) -> Array:
        """Inputs (N, m) cut off at the actuator's limits."""
        return u if self._limits is None else np.clip(u, *self._limits)

    def greedy(self, samples: Samples, gradient: Array) -> Array:
        """u = u* − ½ R⁻¹ gᵀ∇V, cut off at the input limits; (N, m) for ∇V of shape (N, n)."""
        return self.saturate(self.u_star - samples.input_slope(gradient) @ self.half_R_inverse)

    def running_cost(self, samples: Samples, u: Array) -> Array:
        """Q + (u − u*)ᵀR(u − u*), of shape (N,)."""
        return samples.Q + self.input_energy(u - self.u_star)

    def input_energy(self, v: Array) -> Array:
        """vᵀRv for each row of v (N, m)."""
        out: Array = np.vecdot(v @ self.R, v)
        return out

    def hamiltonian(self, samples: Samples, gradient: Array, u: Array) -> Array:
        """∇V·(f + g u) + Q + (u − u*)ᵀR(u − u*): the GHJB residual; the HJB's for the greedy u."""
        out: Array = np.vecdot(gradient, samples.velocity(u)) + self.running_cost(samples, u)
        return out


Policy = Callable[[Array], Array]
"""States (N, n) to inputs (N, m)."""


@lru_cache
def upper_entries(n: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the entries a ≤ b of an (n, n) matrix, and where each of the n² entries
    of a symmetric matrix is among them.
    """
    rows, columns = np.triu_indices(n)
    index = np.zeros((n, n), dtype=np.intp)
    index[rows, columns] = index[columns, rows] = np.arange(len(rows))
    out = rows, columns, index.ravel()
    for array in out:
        array.setflags(write=False)
    return out


def low_discrepancy(count: int, dimension: int, shift: Array) -> Array:
    """The first points of a Kronecker sequence in [0, 1)ⁿ, shape (count, dimension).

    Its generators are the powers of the inverse of the root of rⁿ⁺¹ = r + 1, the generalised
    golden ratio; ``shift`` of shape (dimension,) makes it a random one.
    """
    out: Array = (shift + np.arange(1, count + 1)[:, None] * _kronecker_steps(dimension)) % 1.0
    return out


@lru_cache
def _kronecker_steps(dimension: int) -> Array:
    root = 2.0
    for _ in range(40):
        root = (1.0 + root) ** (1.0 / (dimension + 1))
    steps = np.array([root**-k for k in range(1, dimension + 1)])
    steps.setflags(write=False)
    return steps


def boundary_dense_points(
    ends: tuple[Array, Array], count: int, generator: np.random.Generator, arcsine: float = 1.0
) -> Array:
    """Quasi-random points of a box, (count, n), with the arcsine density along every axis.

    ``ends`` are the box's lower and upper ends, (n,) each; ``arcsine`` from 1 down to 0 leads to
    uniform points.

    As with Chebyshev nodes, a least-squares fit at uniform points is worst at the boundary and in
    the corners; this density evens the error out.
    """
    low, high = ends
    u = low_discrepancy(count, len(low), generator.random(len(low)))
    if arcsine < 1.0:
        return low + (high - low) * (arcsine * (0.5 - 0.5 * np.cos(np.pi * u)) + (1 - arcsine) * u)
    return low + (high - low) * (0.5 - 0.5 * np.cos(np.pi * u))
