"""The closed loop of a policy that no longer changes: its linear part, and where it converges.

Nothing here is rigorous; what a learner is told here, proofs judge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_continuous_lyapunov, solve_discrete_lyapunov

from learners.lqr import MARGIN
from learners.zubov_flow import Flow
from systems.differentiate import jacobian
from systems.dynamics import ClosedLoop, ControlAffineSystem
from systems.errors import InputError
from systems.evaluate import function
from systems.expression import Expression

Array = NDArray[np.float64]

LONGEST = 40.0
"""Time constants of the slowest mode at x* after which a trajectory is given up."""
MOST_STEPS = 20_000
ROOM = 10.0
"""So many times as far from x* as the domain a trajectory may go before it counts as diverging."""
RATE_SHARE = 0.5
"""Near x*, the quadratic cost to go has to fall at this share of its linear rate, at least."""


@dataclass(frozen=True, eq=False)
class FrozenLoop:
    """ẋ = F(x), or x⁺ = F(x), under a policy that stays as it is; disturbances are at the centres
    of their ranges.

    Raises :class:`InputError` where F is not finite, or has no linearisation, at x*.
    """

    system: ControlAffineSystem
    control: Expression | None

    def __post_init__(self) -> None:
        if not np.isfinite(self.matrix).all():
            raise InputError(
                f"{self.system.name}: the closed loop is not differentiable at the equilibrium, so "
                "that no Lyapunov function can be fitted to the policy"
            )

    @property
    def discrete(self) -> bool:
        return self.system.time == "discrete"

    @cached_property
    def field(self) -> Expression:
        """F, of the system's state."""
        nominal = self.system.nominal()
        limited = None if self.control is None else nominal.saturated(self.control)
        return ClosedLoop(nominal, limited).field

    @cached_property
    def _compiled(self) -> Callable[[Array], list[Array]]:
        return function(self.field, self.system.state)

    def at(self, x: Array) -> Array:
        """F at points (N, n); (N, n), not finite where it is not defined."""
        return self._compiled(x)[0] if len(x) else np.empty_like(x)

    @cached_property
    def x_star(self) -> Array:
        return np.array([float(v) for v in self.system.equilibrium])

    @cached_property
    def ends(self) -> tuple[Array, Array]:
        """The domain's lower and upper ends, (n,) each."""
        return self.system.domain.outer()

    @cached_property
    def scale(self) -> Array:
        """How far the domain reaches from x* along each axis, at most; (n,)."""
        low, high = self.ends
        return np.maximum(high - self.x_star, self.x_star - low)

    def scaled(self, x: Array) -> Array:
        """z = (x − x*)/scale."""
        out: Array = (x - self.x_star) / self.scale
        return out

    def inside(self, x: Array) -> NDArray[np.bool_]:
        """Which points (N, n) are in the domain; (N,)."""
        low, high = self.ends
        return np.asarray(((low <= x) & (x <= high)).all(axis=1))

    @cached_property
    def matrix(self) -> Array:
        """DF(x*) in domain units, (n, n)."""
        slopes = function(jacobian(self.field, self.system.state), self.system.state)
        out = np.array([row[0] for row in slopes(self.x_star[None])])
        return np.asarray(out * self.scale / self.scale[:, None])

    @cached_property
    def decay(self) -> float:
        """The slowest rate of the linear part, per unit of time or per step; ≤ 0 where x* is not
        exponentially stable."""
        eigenvalues = np.linalg.eigvals(self.matrix)
        if self.discrete:
            return float(-np.log(max(np.abs(eigenvalues).max(), 1e-300)))
        return float(-eigenvalues.real.max())

    @property
    def is_stable(self) -> bool:
        """Whether x* is exponentially stable, as the linear part says."""
        return self.decay > MARGIN

    def instability(self) -> str:
        """Why it is not, in words."""
        eigenvalues = np.linalg.eigvals(self.matrix)
        if self.discrete:
            return f"an eigenvalue has modulus {np.abs(eigenvalues).max():.6g}, not below 1"
        return f"an eigenvalue has real part {eigenvalues.real.max():.6g}, not below 0"

    @cached_property
    def cost_to_go(self) -> Array:
        """P, with zᵀPz the cost to go of ∫|z|² dt (in discrete time Σ|z|²) near x*; (n, n).

        Raises :class:`InputError` where x* is not exponentially stable.
        """
        name = self.system.name
        if not self.is_stable:
            raise InputError(
                f"{name}: the policy does not stabilise the equilibrium: {self.instability()}"
            )
        one, A = np.eye(len(self.scale)), self.matrix
        P = solve_discrete_lyapunov(A.T, one) if self.discrete else None
        P = np.asarray(solve_continuous_lyapunov(A.T, -one) if P is None else P)
        P = np.asarray(0.5 * (P + P.T), dtype=np.float64)
        if not np.isfinite(P).all() or np.linalg.eigvalsh(P)[0] <= 0.0:
            raise InputError(
                f"{name}: the closed loop decays too slowly at the equilibrium to compute with"
            )
        return P

    def to_go(self, x: Array) -> Array:
        """zᵀPz, (N,)."""
        z = self.scaled(x)
        out: Array = np.vecdot(z @ self.cost_to_go, z)
        return out

    @cached_property
    def arrival(self) -> float:
        """A level of zᵀPz from which on, at samples, it falls about as the linear part does."""
        n = len(self.scale)
        values, vectors = np.linalg.eigh(self.cost_to_go)
        ball = np.random.default_rng(0).normal(size=(200 * n, n))
        ball /= np.linalg.norm(ball, axis=1)[:, None]
        surface = ball / np.sqrt(values) @ vectors.T
        low, high = self.ends
        room = np.minimum(high - self.x_star, self.x_star - low) / self.scale
        level = float((room**2 / np.diag(np.linalg.inv(self.cost_to_go))).min())
        for _ in range(60):
            z = np.sqrt(level) * surface
            x = self.x_star + z * self.scale
            with np.errstate(all="ignore"):
                fall = self._fall(x, z)
                if (fall >= RATE_SHARE * np.vecdot(z, z)).all():
                    break
            level /= 4.0
        return level / 16.0

    def _fall(self, x: Array, z: Array) -> Array:
        """How much zᵀPz falls, at a point's rate or in a step; (N,)."""
        P, F = self.cost_to_go, self.at(x)
        if self.discrete:
            after = self.scaled(F)
            return np.asarray(np.vecdot(z @ P, z) - np.vecdot(after @ P, after))
        return np.asarray(-2.0 * np.vecdot(z @ P, F / self.scale))

    def costs(self, starts: Array) -> Array:
        """∫|z|² dt, or Σ|z|², along the trajectory from each of the starts (N, n); (N,).

        Infinite where it leaves the domain or does not arrive near x* in time.
        """
        low, high = self.ends
        return self._followed(starts, low, high)

    def converges(self, starts: Array) -> NDArray[np.bool_]:
        """Whether each of the starts (N, n) ends near x*, also by way of outside the domain; (N,).

        All False where x* is not exponentially stable.
        """
        if not self.is_stable:
            return np.zeros(len(starts), dtype=bool)
        low, high = self.ends
        wide = self.x_star + ROOM * (low - self.x_star), self.x_star + ROOM * (high - self.x_star)
        return np.asarray(np.isfinite(self._followed(starts, *wide)))

    def _followed(self, starts: Array, low: Array, high: Array) -> Array:
        if self.discrete:
            return self._iterated(starts, low, high)
        matrix = self.cost_to_go / np.outer(self.scale, self.scale)
        horizon = LONGEST / self.decay

        def cost(x: Array, _: Array) -> Array:
            z = self.scaled(x)
            return np.asarray(np.vecdot(z, z))

        flow = Flow(self.at, cost, self.x_star, low, high, matrix, self.arrival, horizon)
        return flow.costs(starts)

    def _iterated(self, starts: Array, low: Array, high: Array) -> Array:
        out = np.full(len(starts), np.inf)
        rows, x, spent = np.arange(len(starts)), starts, np.zeros(len(starts))
        with np.errstate(all="ignore"):
            for _ in range(int(min(MOST_STEPS, LONGEST / self.decay + 1.0))):
                to_go = self.to_go(x)
                arrived = to_go <= self.arrival
                out[rows[arrived]] = spent[arrived] + to_go[arrived]
                going = ~arrived & ((low <= x) & (x <= high)).all(axis=1)  # NaN is nowhere
                if not going.any():
                    break
                rows, x, spent = rows[going], x[going], spent[going]
                z = self.scaled(x)
                spent = spent + np.vecdot(z, z)
                x = self.at(x)
        return out
