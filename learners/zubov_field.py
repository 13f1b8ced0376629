"""The vector field whose region of attraction is learned: a plant under a policy that stays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_continuous_lyapunov

from learners.elm_start import Start, first_policy, shown_eigenvalue
from learners.lqr import is_marginal, linearise, spectral_abscissa
from learners.numeric import Plant
from learners.zubov_flow import Cost, Flow
from learners.zubov_points import Region
from systems.errors import InputError
from systems.expression import Expression

Array = NDArray[np.float64]

RATE_SHARE = 0.5
"""Near x*, the quadratic cost to go has to fall at this share of its linear rate, at least."""
LONGEST = 40.0
"""Time constants of the slowest mode at x* after which a trajectory is given up."""
ALPHA_RAYS = 300
DEPTHS = (0.9, 0.99)
ALPHA_RANGE = (0.7, 3.0)
"""α times the mean of V at 90 % of the way: W there is between 0.5 and 0.95."""


@dataclass(frozen=True, eq=False)
class ClosedField:
    """ẋ = F(x); ``matrix`` P is the cost to go near x* for ψ ≈ |z|², z in domain units."""

    start: Start
    matrix: Array
    scale: Array
    decay: float
    """The slowest rate of the linear part."""

    @property
    def plant(self) -> Plant:
        return self.start.plant

    def velocity(self, x: Array) -> Array:
        """F at points (N, n) of the domain."""
        return self.plant.sample(x).velocity(self.start.policy(x))

    def cost(self, speed: float) -> Cost:
        """ψ = |z|² / (1 + |ż|²/speed²)."""

        def psi(x: Array, velocity: Array) -> Array:
            z, rate = (x - self.plant.x_star) / self.scale, velocity / self.scale
            out: Array = np.vecdot(z, z) / (1.0 + np.vecdot(rate, rate) / speed**2)
            return out

        return psi

    def flow(self) -> Flow:
        """Its trajectories in the domain, with no cost yet."""
        low, high = self.plant.ends
        star = self.plant.x_star
        horizon = LONGEST / self.decay
        return Flow(self.velocity, None, star, low, high, self.matrix, self._arrival(), horizon)

    def _arrival(self) -> float:
        """A level of dᵀPd, P the cost to go, from which on samples it falls as the linear part."""
        generator = np.random.default_rng(0)
        n = len(self.scale)
        values, vectors = np.linalg.eigh(self.matrix)
        ball = generator.normal(size=(200 * n, n))
        ball /= np.linalg.norm(ball, axis=1)[:, None]
        surface = ball / np.sqrt(values) @ vectors.T  # dᵀPd = 1
        low, high = self.plant.ends
        room = np.minimum(high - self.plant.x_star, self.plant.x_star - low)
        level = float((room**2 / np.diag(np.linalg.inv(self.matrix))).min())
        for _ in range(60):
            d = np.sqrt(level) * surface
            z = d / self.scale
            slope = 2.0 * np.vecdot(d @ self.matrix, self.velocity(self.plant.x_star + d))
            if (slope <= -RATE_SHARE * np.vecdot(z, z)).all():
                break
            level /= 4.0
        return level / 16.0


def first_field(plant: Plant, gain: Array | None, policy: Expression | None) -> ClosedField:
    """Under the policy given, or LQR. Raises InputError unless x* is exponentially stable."""
    name = plant.system.name
    linear = linearise(plant.system)
    if not plant.system.input_dimension:
        _refuse_unstable(linear.A, f"{name}: the equilibrium", "it has no region of attraction")
    start = first_policy(plant, gain, policy)
    if start.linear is None or start.K is None:
        closed = linear.A if start.K is None else linear.closed_loop(start.K)
        raise InputError(
            f"{name}: the equilibrium is not exponentially stable under this policy (rightmost "
            f"eigenvalue {shown_eigenvalue(closed)}); Zubov learning needs a linear part that "
            "decays"
        )
    closed, scale = linear.closed_loop(start.K), plant.half_widths
    return ClosedField(start, _cost_to_go(closed, scale, name), scale, -spectral_abscissa(closed))


def _cost_to_go(closed: Array, scale: Array, name: str) -> Array:
    """P of the cost ∫|z|² dt = dᵀPd of ḋ = ``closed`` d, with z = d / ``scale``; (n, n).

    It is solved for in z: states of very different units would leave no digit of it right.
    """
    rows = closed * scale / scale[:, None]
    P = np.asarray(solve_continuous_lyapunov(rows.T, -np.eye(len(scale))))
    P = 0.5 * (P + P.T)
    if not np.isfinite(P).all() or np.linalg.eigvalsh(P)[0] <= 0.0:
        raise InputError(
            f"{name}: the linear part at the equilibrium decays too slowly to compute with "
            f"(rightmost eigenvalue {shown_eigenvalue(closed)}, beside one of modulus "
            f"{np.abs(np.linalg.eigvals(closed)).max():.3g}); choose another policy"
        )
    return np.asarray(P / np.outer(scale, scale))


def _refuse_unstable(closed: Array, what: str, therefore: str) -> None:
    abscissa = spectral_abscissa(closed)
    if is_marginal(closed, abscissa):
        raise InputError(
            f"{what} is not exponentially stable (rightmost eigenvalue {shown_eigenvalue(closed)});"
            " Zubov learning needs a linear part that decays"
        )
    if abscissa > 0.0:
        raise InputError(
            f"{what} is unstable (eigenvalue {shown_eigenvalue(closed)}); {therefore} to learn"
        )


def mean_speed(field: ClosedField, region: Region, generator: np.random.Generator) -> float:
    """The root-mean-square of |ż| in the region."""
    x = region.along(generator.random(1000) ** (1.0 / len(field.scale)), generator)
    rate = field.velocity(x) / field.scale
    return float(np.sqrt(np.vecdot(rate, rate).mean()))


def exponent(flow: Flow, region: Region, generator: np.random.Generator) -> float:
    """α, with which 1 − W falls about linearly towards the boundary; see :mod:`learners.zubov`."""
    seed = generator.integers(2**32)
    values = []
    for depth in DEPTHS:
        same_rays = np.random.default_rng(seed)
        values.append(flow.costs(region.along(np.full(ALPHA_RAYS, depth), same_rays)))
    both = np.isfinite(values[0]) & np.isfinite(values[1])
    if not both.any():
        return 1.0 / float(np.quantile(flow.to_go(region.crossings), 0.5))
    outer, inner = float(values[1][both].mean()), float(values[0][both].mean())
    ratio = np.log((1 - DEPTHS[0]) / (1 - DEPTHS[1]))
    low, high = (k / inner for k in ALPHA_RANGE)
    return float(np.clip(ratio / max(outer - inner, 1e-300), low, high))
