"""Policy iteration on growing prefixes of a feature set; see :mod:`learners.elm_pi`.

The Hamilton-Jacobi-Bellman equation has more solutions than V*: p = ∇V solves a quadratic equation
at every point, and its other root belongs to a policy that destabilises. A least-squares answer
for a policy that does not stabilise (because the features are too few to say what the policy
should be, or because no policy can) is drawn to that root, and iteration never comes back from
it: the residual shrinks, and V is negative. So what a prefix has learned is handed on only if it
is a Lyapunov function at all points looked at: V > 0, and V decreases along the policy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from learners.elm_features import Features
from learners.elm_least_squares import Basis, regularised
from learners.elm_solution import Solution, best_stable
from learners.elm_start import Start
from learners.numeric import Plant, Samples, boundary_dense_points, upper_entries

Array = NDArray[np.float64]
Progress = Callable[[Mapping[str, object]], None]

SMALLEST_PREFIX = 24
GROWTH_OF_BOX = 1.4
CONVERGED = 0.1
"""Stop when (k₊ − k)ᵀR(k₊ − k) is at most this times the largest GHJB residual."""
EARLY_REGULARIZATION = 1e-4
"""While the policy still moves: far from a solution V may be singular at the boundary, and an
exact fit of it would only spoil the next policy."""
SETTLED = 0.03
"""The policy has settled when (k₊ − k)ᵀR(k₊ − k) is at most this times the running cost."""
CLOSE = 0.03
"""More features continue from fewer where the rms residual is at most this times the running cost;
else from the first policy."""
STALLED = 0.9
"""Stop when a step lowers the residual to no less than this fraction of the one before."""


@dataclass(frozen=True)
class IterationSettings:
    """What :class:`PolicyIteration` needs of the learner's settings.

    ``points_per_unknown`` holds where ``collocation_points`` is None; ``arcsine`` is how dense the
    points are at the boundary (:func:`learners.numeric.boundary_dense_points`).
    """

    seed: int
    iterations: int
    collocation_points: int | None
    points_per_unknown: int
    arcsine: float
    regularization: float
    target_residual: float | None
    origin_weight: float


@dataclass(frozen=True, eq=False)
class _Points:
    """Points with everything that stays fixed while the policy changes.

    The first ``fitted`` are collocation points, the others are held out.
    """

    samples: Samples
    basis: Basis
    fitted: int
    root_weights: Array | None
    soft: tuple[Array, Array] | None


@dataclass(frozen=True, eq=False)
class _Step:
    """One policy iteration: the V that evaluates a policy, and the improved policy's inputs."""

    beta: Array
    factor: Array
    u: Array
    decreases: bool
    residual: Array
    entry: dict[str, float]


class PolicyIteration:
    """One training run. To ``history`` goes an entry for every policy iteration, to ``warnings`` a
    line for every policy that was dropped because it lost stability at the equilibrium.

    ``spare`` is the best V that is positive, with a stable policy, but does not decrease
    everywhere.
    """

    def __init__(
        self,
        settings: IterationSettings,
        plant: Plant,
        start: Start,
        features: Features,
        extra: tuple[Array, Array],
        history: list[dict[str, object]],
        warnings: list[str],
        progress: Progress | None,
    ) -> None:
        self.settings, self.plant, self.start, self.features = settings, plant, start, features
        self.extra, self.progress = extra, progress
        self.history, self.warnings = history, warnings
        self.spare: Solution | None = None
        self.generator = np.random.default_rng([settings.seed, 2])
        self.held_out = self._boundary_dense(features.count // 4 + 40 * len(plant.x_star))

    def solve(self, largest: int | None = None) -> Solution | None:
        """The Lyapunov function with the least rms HJB residual at the held-out points.

        On at most ``largest`` unknowns. None where no prefix gave a Lyapunov function.
        """
        best: Solution | None = None
        count = min(self.features.count, largest or self.features.count)
        with np.errstate(all="ignore"):  # what overflows is seen, and dropped
            for size in prefix_sizes(count):
                features, last = self.features.prefix(size), size == count
                known = best if best is not None and best.is_close else None
                found = self._on_prefix(features, known, last)
                if last and known is not None and not (found and found.is_lyapunov):
                    found = self._on_prefix(features, None, last)
                if found is None or not found.is_lyapunov:
                    self._keep(found)
                    continue
                if best is None or found.residual_rms < best.residual_rms:
                    best = found
                if self._good_enough(best):
                    break
        return best

    def _keep(self, found: Solution | None) -> None:
        if found is not None and found.is_positive:
            spare = self.spare
            if spare is None or found.residual_rms < spare.residual_rms:
                self.spare = found

    def _good_enough(self, solution: Solution) -> bool:
        target = self.settings.target_residual
        return target is not None and solution.residual_max <= target

    def _on_prefix(self, features: Features, known: Solution | None, last: bool) -> Solution | None:
        """Iterate to convergence on these features, from a solution on fewer of them."""
        n, wanted = len(self.plant.x_star), self.settings.collocation_points
        usual = self.settings.points_per_unknown * features.count + 10 * n
        whole = features.count == self.features.count
        cloud = self._boundary_dense(usual if wanted is None else wanted if whole else
                                     min(usual, wanted))  # fmt: skip
        known_beta = None if known is None else _padded(known.beta, features.count)
        points = self._points(features, cloud, 1.0)
        box = 1.0
        if known is None and not self.start.decreases_on(points.samples):
            box = self.start.box / self.plant.fraction
        early = max(self.settings.regularization, EARLY_REGULARIZATION)
        while box < 1.0:
            inner = self._points(features, cloud, box)
            step = self._step(features, inner, self._inputs(inner, known_beta), early)
            self._record(step, features, {}, box)
            if not (step.decreases or last):
                return None
            known_beta = step.beta
            box *= GROWTH_OF_BOX
        u = self._inputs(points, known_beta)
        return self._converge(features, points, u, settled=known is not None, last=last)

    def _inputs(self, points: _Points, beta: Array | None) -> Array:
        """The inputs of the greedy policy of ``beta``, or of the first policy."""
        if beta is None:
            return self.start.policy(points.samples.x)
        return self.plant.greedy(points.samples, points.basis.gradient(beta))

    def _converge(
        self, features: Features, points: _Points, u: Array, settled: bool, last: bool
    ) -> Solution | None:
        found: list[Solution] = []
        least = np.inf
        final = self.settings.regularization
        level = final if settled else max(final, EARLY_REGULARIZATION)
        for _ in range(self.settings.iterations):
            step = self._step(features, points, u, level)
            found.append(self._recorded(step, features, level))
            rms = found[-1].residual_rms
            if not np.isfinite(rms):
                found.pop()
                break
            if not (step.decreases or last):
                break
            stalled, least = rms > STALLED * least, min(rms, least)
            converged = step.entry["policy_change"] <= CONVERGED * step.entry["ghjb_residual_max"]
            if level == final and (stalled or converged):
                break
            if self._good_enough(found[-1]):
                break
            moves = step.entry["policy_change"] > SETTLED * step.entry["cost_max"]
            if stalled or converged or not moves:
                level = final
            u = step.u
        return best_stable(found, points.samples.x, self.plant, self.start, self.warnings)

    def _recorded(self, step: _Step, features: Features, level: float) -> Solution:
        """A step on the whole domain joins the history, and is measured at the held-out points."""
        largest = float(np.abs(step.residual).max())
        rms = math.sqrt(np.vdot(step.residual, step.residual) / len(step.residual))
        measured = {"hjb_residual_max": largest, "hjb_residual_rms": rms}
        self._record(step, features, measured, 1.0)
        return Solution(
            step.beta,
            features,
            step.factor,
            largest,
            rms,
            level,
            len(self.history),
            step.decreases,
            rms <= CLOSE * step.entry["cost_max"],
        )

    def _step(self, features: Features, points: _Points, u: Array, level: float) -> _Step:
        """Evaluate the policy with inputs u (at all points), and improve it."""
        plant, samples, basis, fitted = self.plant, points.samples, points.basis, points.fitted
        along = basis.along(samples.velocity(u))
        cost = plant.running_cost(samples, u)
        A, r = along[:fitted], -cost[:fitted]
        if points.root_weights is not None:
            A, r = A * points.root_weights[:, None], r * points.root_weights
        beta, factor = regularised(A, r, features.penalty, level, points.soft)
        rate = along @ beta
        gradient = basis.gradient(beta)
        improved = plant.greedy(samples, gradient)
        change = plant.input_energy(improved - u)
        ghjb = rate + cost
        entry = {
            "unknowns": float(features.count),
            "ghjb_residual_max": float(np.abs(ghjb[:fitted]).max()),
            "policy_change": float(change[:fitted].max()),
            "cost_max": float(cost[:fitted].max()),
            "sum_beta_w": float(np.abs(beta) @ features.penalty),
        }
        if plant.system.input_limits is None:  # HJB(V₊) = GHJB(V₊, k) − (k₊ − k)ᵀR(k₊ − k)
            residual = ghjb - change
        else:
            residual = plant.hamiltonian(samples, gradient, improved)
        return _Step(beta, factor, improved, bool(rate.max() < 0.0), residual[fitted:], entry)

    @cached_property
    def _hessian(self) -> Array | None:
        """The entries a ≤ b of the Hessian 2P of V at x*, in domain units."""
        if not self.settings.origin_weight or self.features.activation == "relu":
            return None
        P = self.start.P
        if P is None:
            return None
        h = self.plant.half_widths
        rows, columns, _ = upper_entries(len(h))
        out: Array = (2.0 * P * np.outer(h, h))[rows, columns]
        return out

    def _points(self, features: Features, cloud: Array, box: float) -> _Points:
        """The cloud and the held-out points, scaled into a box; extra points in the last one."""
        extra, roots = self.extra
        weights: Array | None = None
        parts = [cloud, self.held_out]
        if box < 1.0:
            star = self.plant.x_star
            parts = [star + box * (part - star) for part in parts]
        elif len(extra):
            parts.insert(1, extra)
            weights = np.concatenate([np.ones(len(cloud)), roots])
        x = np.concatenate(parts)
        basis = Basis.at(features, x, self.plant.x_star, self.plant.half_widths)
        fitted = len(x) - len(self.held_out)
        soft: tuple[Array, Array] | None = None
        if self._hessian is not None:
            root = math.sqrt(self.settings.origin_weight * fitted)
            soft = root * features.curvature, root * self._hessian
        return _Points(self.plant.sample(x), basis, fitted, weights, soft)

    def _boundary_dense(self, count: int) -> Array:
        arcsine = self.settings.arcsine
        return boundary_dense_points(self.plant.ends, count, self.generator, arcsine)

    def _record(
        self, step: _Step, features: Features, measured: dict[str, float], box: float
    ) -> None:
        """``box``: the fraction of this plant's domain that the step looked at.

        ``progress`` also hears which iteration it was, and of V itself.
        """
        more = {"unknowns": int(step.entry["unknowns"]), "box": box * self.plant.fraction}
        self.history.append({**step.entry, **measured, **more})
        if self.progress is not None:
            self.progress(
                {
                    **self.history[-1],
                    "iteration": len(self.history),
                    "value": self._value(features, step.beta),
                }
            )

    def _value(self, features: Features, beta: Array) -> Callable[[Array], Array]:
        star, h = self.plant.x_star, self.plant.half_widths
        return lambda x: features.values((x - star) / h, beta)


def prefix_sizes(count: int) -> list[int]:
    """The whole, its half, its quarter, … down to :data:`SMALLEST_PREFIX`; smallest first."""
    sizes = [count]
    while sizes[-1] >= 2 * SMALLEST_PREFIX:
        sizes.append((sizes[-1] + 1) // 2)
    return sizes[::-1]


def _padded(beta: Array, count: int) -> Array:
    """The same V on more features: their coefficients start at 0."""
    return np.concatenate([beta, np.zeros(count - len(beta))])
