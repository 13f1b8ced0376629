"""A Lyapunov function of a frozen policy: a witness, fitted to it after the training.

The policy is what ships; V only has to show that it works. V is a quadratic form plus random
neurons, anchored at x*, and its coefficients solve one linear least-squares problem. In discrete
time that is

    V(F(x)) − V(x) = −ℓ(x),    ℓ = |z|², z = x − x* in the domain's half-widths,

and ∇V·F = −ℓ in continuous time, each row divided by ℓ: a relative error below 1 is a decrease,
near x* as elsewhere. Where parts of the domain do not converge, the solution grows without bound
towards them, and W = 1 − exp(−αV) of Zubov's theorem (1961) is fitted instead, which is 1 there:

    W(F(x)) − W(x) = −(exp(αℓ(x)) − 1)(1 − W(x)),

again linear in W. Then, as in :mod:`learners.zubov_fit`, the inequalities that a proof needs are
fitted where the equation's solution breaks them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learners.extra_points import checked_points
from learners.frozen_loop import FrozenLoop
from learners.witness_basis import WitnessBasis
from learners.witness_judge import Samples, judge
from learners.zubov_fit import Fit, compressed
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.expression import Expression
from systems.threads import single_threaded_blas

Array = NDArray[np.float64]

POINTS, POINTS_PER_UNKNOWN = 800, 6
NEAR_SHARE = 0.5
"""Of the points: drawn towards x* on all scales, down to :data:`NEAREST` of the domain."""
NEAREST = 1e-3
DEEP = 3.0
"""αV of the points that take the most to converge: W there is 0.95."""
SLOWEST = 0.2
"""The share of the equation's rate that the inequalities ask for."""
MARGIN = 0.02
"""1 − W below which a row's weight no longer grows."""
EQUATION_WEIGHT = 0.03
"""How much the equation still counts among the inequalities."""
ORIGIN_WEIGHT = 0.3
NEWTON_STEPS = 12


@dataclass(frozen=True, eq=False)
class WitnessPoints:
    """Where a witness is fitted: ``inside`` (N, n) converge without leaving the domain, at
    ``costs`` (N,), the others (M, n) do not; with a weight each."""

    inside: Array
    costs: Array
    weights: Array
    outside: Array
    outside_weights: Array

    @property
    def share(self) -> float:
        """How many of the points converge."""
        return len(self.inside) / max(len(self.inside) + len(self.outside), 1)


def fit_witness(
    system: ControlAffineSystem,
    control: Expression | None,
    *,
    neurons: int = 100,
    seed: int = 0,
    points: Array | None = None,
    weights: Array | None = None,
    regularization: float = 1e-9,
    bounded: bool | None = None,
) -> Expression:
    """V for the closed loop under ``control``, an expression of the system's state.

    ``points`` (M, n), such as counterexamples, join the fit with ``weights`` (M,), 10 by default.
    ``bounded`` fits W = 1 − exp(−αV); by default both are fitted where part of the domain does not
    converge, and the one that falls on more of it at samples is returned. V and
    its gradient are 0 at x* exactly. Raises :class:`InputError` where the policy does not stabilise
    x* exponentially, or nothing in the domain converges. The fit promises nothing.
    """
    with single_threaded_blas():
        loop = FrozenLoop(system, control)
        extra = checked_points(system, points, weights)
        basis = WitnessBasis.draw(loop, neurons, seed)
        drawn = draw_points(loop, basis.count, seed, extra)
        kinds = [bounded] if bounded is not None else [False, True][: 1 + bool(len(drawn.outside))]
        found = [solve_witness(basis, drawn, regularization, bounded=kind) for kind in kinds]
        if len(found) == 1:
            return found[0]
        samples = Samples.draw(loop, seed)
        return max(found, key=lambda value: judge(value, samples).share)


def draw_points(
    loop: FrozenLoop, unknowns: int, seed: int, extra: tuple[Array, Array] | None = None
) -> WitnessPoints:
    """Points of the domain and, as many, drawn towards x*; sorted by where they end up.

    Raises :class:`InputError` where x* is not exponentially stable, or none of them converges.
    """
    n, _ = len(loop.scale), loop.cost_to_go  # which an unstable x* does not have
    generator = np.random.default_rng([seed, 41])
    count = POINTS * n + POINTS_PER_UNKNOWN * unknowns
    low, high = loop.ends
    x = low + (high - low) * generator.random((count, n))
    near = int(NEAR_SHARE * count)
    x[:near] = (
        loop.x_star
        + (x[:near] - loop.x_star)
        * 10.0 ** generator.uniform(np.log10(NEAREST), 0.0, near)[:, None]
    )
    w = np.ones(count)
    if extra is not None and len(extra[0]):
        x, w = np.vstack([x, extra[0]]), np.append(w, extra[1])
    costs = loop.costs(x)
    sound = np.isfinite(costs) & np.isfinite(loop.at(x)).all(axis=1)
    if not sound.any():
        raise InputError(
            f"{loop.system.name}: no trajectory from the domain was seen to converge to the "
            "equilibrium under the policy; train it longer, or choose a smaller domain"
        )
    return WitnessPoints(x[sound], costs[sound], w[sound], x[~sound], w[~sound])


def solve_witness(
    basis: WitnessBasis,
    points: WitnessPoints,
    regularization: float = 1e-9,
    *,
    bounded: bool,
) -> Expression:
    """The witness over these features, fitted at these points: V, or W where it is ``bounded``."""
    alpha = DEEP / float(np.quantile(points.costs, 0.98)) if bounded else 0.0
    rows = _Rows(basis, points, alpha, regularization)
    return basis.expression(rows.fit())


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of the problem; α = 0 for V itself."""

    basis: WitnessBasis
    points: WitnessPoints
    alpha: float
    regularization: float

    def fit(self) -> Array:
        """The coefficients: of the equation, then of the inequalities where those are broken."""
        change, rate, values = self._inside()
        A = (change - rate[:, None] * values * (self.alpha > 0)) / rate[:, None]
        root = np.sqrt(self.points.weights)
        hessian, wanted = self._origin(len(A))
        equation = np.vstack([A * root[:, None], hessian]), np.append(-root, wanted)
        beyond, one = self._beyond()
        start = self.basis.solve(
            np.vstack([equation[0], beyond]), np.append(equation[1], one), self.regularization
        )
        met = self._with_ridge(equation, hessian, wanted)
        fit = Fit(self, met, self._limits(change, rate, values), start)
        return fit.enlarge(NEWTON_STEPS, lambda *_: None)

    def solve(self, A: Array, r: Array, level: float, /) -> Array:
        """As the basis regularises it."""
        return self.basis.solve(A, r, level)

    def _inside(self) -> tuple[Array, Array, Array]:
        """The change of every feature along F, the rate of W where it is 0, the features."""
        loop, x = self.basis.loop, self.points.inside
        F, values = loop.at(x), self.basis.values(x)
        z = loop.scaled(x)
        cost = np.vecdot(z, z)
        if loop.discrete:
            change = self.basis.values(F) - values
            rate = np.expm1(self.alpha * cost) if self.alpha else cost
        else:
            change, rate = self.basis.along(x, F), cost * (self.alpha or 1.0)
        return change, np.maximum(rate, 1e-300), values

    def _origin(self, rows: int) -> tuple[Array, Array]:
        """The Hessian of the linear part's cost to go at x*, as heavy as so many rows."""
        P = 2.0 * (self.alpha or 1.0) * self.basis.loop.cost_to_go
        upper = np.triu_indices(len(P))
        weight = np.sqrt(rows) / np.abs(P).max()
        return self.basis.curvature() * weight, P[upper] * weight

    def _beyond(self) -> tuple[Array, Array]:
        """W at points that do not converge, where it is 1; no rows for V."""
        if not self.alpha:
            return np.empty((0, self.basis.count)), np.empty(0)
        root = np.sqrt(self.points.outside_weights)
        return self.basis.values(self.points.outside) * root[:, None], root

    def _with_ridge(
        self, equation: tuple[Array, Array], hessian: Array, wanted: Array
    ) -> tuple[Array, Array]:
        """What is met as well as may be, beside the inequalities: little of the equation."""
        A, r = equation
        penalty = self.basis.penalty
        level = 10.0 * self.regularization * float(np.linalg.norm(A / penalty))
        return compressed(
            np.vstack([EQUATION_WEIGHT * A, ORIGIN_WEIGHT * hessian, level * np.diag(penalty)]),
            np.concatenate([EQUATION_WEIGHT * r, ORIGIN_WEIGHT * wanted, np.zeros(len(penalty))]),
        )

    def _limits(self, change: Array, rate: Array, values: Array) -> tuple[Array, Array]:
        """A decrease of at least a share of the equation's, and W ≥ 1 where nothing converges."""
        p = self.points
        if self.alpha:
            slower = change - SLOWEST * rate[:, None] * values
            weight = np.sqrt(p.weights) / (rate * np.maximum(np.exp(-self.alpha * p.costs), MARGIN))
        else:
            slower, weight = change, np.sqrt(p.weights) / rate
        beyond, one = self._beyond()
        return (
            np.vstack([slower * weight[:, None], -beyond]),
            np.append(-SLOWEST * rate * weight, -one),
        )
