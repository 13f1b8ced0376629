"""Policy iteration on growing prefixes of a feature set; see :mod:`learners.elm_pi`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from learners.elm_features import Features
from learners.elm_least_squares import Basis, effective_rank, regularised
from learners.elm_start import Start
from learners.numeric import Plant, Samples, boundary_dense_points
from systems.errors import InputError

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
STALLED = 0.9
"""Stop when a step lowers the residual to no less than this fraction of the one before."""


@dataclass(frozen=True)
class IterationSettings:
    """What :class:`PolicyIteration` needs of the learner's settings."""

    seed: int
    iterations: int
    collocation_points: int | None
    regularization: float
    target_residual: float | None
    origin_weight: float


@dataclass(frozen=True, eq=False)
class Solution:
    """Output weights per orbit, with the HJB residual (max, rms) at the held-out points."""

    beta: Array
    features: Features
    factor: Array
    residual_max: float
    residual_rms: float
    regularization: float

    def summary(self, W: Array, output: Array) -> dict[str, object]:
        """Figures for the provenance; W and output weights per neuron."""
        return {
            "neurons": self.features.neurons,
            "unknowns": self.features.count,
            "effective_rank": effective_rank(self.factor, self.regularization),
            "hjb_residual_max": self.residual_max,
            "hjb_residual_rms": self.residual_rms,
            "sum_beta": float(np.abs(output).sum()),
            "sum_beta_w": float((np.abs(output) * np.linalg.norm(W, axis=1)).sum()),
        }


@dataclass(frozen=True, eq=False)
class _Points:
    """Collocation points with everything that stays fixed while the policy changes."""

    samples: Samples
    basis: Basis
    root_weights: Array | None = None


class PolicyIteration:
    """One training run. ``history`` has one entry for every policy iteration."""

    def __init__(
        self,
        settings: IterationSettings,
        plant: Plant,
        start: Start,
        features: Features,
        extra: tuple[Array, Array],
        progress: Progress | None,
    ) -> None:
        self.settings, self.plant, self.start, self.features = settings, plant, start, features
        self.extra, self.progress = extra, progress
        self.generator = np.random.default_rng([settings.seed, 2])
        self.history: list[dict[str, object]] = []
        held_out = self._boundary_dense(features.count // 4 + 40)
        self.held_out = plant.sample(held_out)

    def solve(self) -> Solution:
        """The best solution found, by its rms HJB residual at the held-out points.

        Raises :class:`InputError` where no iteration gave a finite policy.
        """
        best: Solution | None = None
        for count in prefix_sizes(self.features.count):
            found = self._on_prefix(self.features.prefix(count), best)
            if found is not None and (best is None or found.residual_rms < best.residual_rms):
                best = found
            if self._good_enough(best):
                break
        if best is None:
            raise InputError(
                f"{self.plant.system.name}: policy iteration diverged; "
                "give another initial policy, more neurons or a smaller domain"
            )
        return best

    def _good_enough(self, solution: Solution | None) -> bool:
        target = self.settings.target_residual
        return solution is not None and target is not None and solution.residual_max <= target

    def _on_prefix(self, features: Features, known: Solution | None) -> Solution | None:
        """Iterate to convergence on these features, from a solution on fewer of them."""
        n = len(self.plant.x_star)
        wanted = 2 * features.count + 10 * n
        cloud = self._boundary_dense(min(wanted, self.settings.collocation_points or wanted))
        if features.count == self.features.count and self.settings.collocation_points:
            cloud = self._boundary_dense(self.settings.collocation_points)
        beta = None if known is None else _padded(known.beta, features.count)
        box = self.start.box if known is None else 1.0
        early = max(self.settings.regularization, EARLY_REGULARIZATION)
        while box < 1.0:
            inner = self._points(features, self.plant.x_star + box * (cloud - self.plant.x_star))
            beta, _, entry = self._step(features, inner, beta, early)
            self._record({**entry, "box": box})
            box *= GROWTH_OF_BOX
        points = self._with_extra(features, cloud)
        return self._converge(features, points, beta, settled=known is not None)

    def _converge(
        self, features: Features, points: _Points, beta: Array | None, settled: bool
    ) -> Solution | None:
        held_out = Basis.at(features, self.held_out.x, self.plant.x_star, self.plant.half_widths)
        best: Solution | None = None
        final = self.settings.regularization
        level = final if settled else max(final, EARLY_REGULARIZATION)
        for _ in range(self.settings.iterations):
            beta, factor, entry = self._step(features, points, beta, level)
            largest, rms = self._residual(held_out, beta)
            residual = {"hjb_residual_max": largest, "hjb_residual_rms": rms}
            self._record({**entry, "box": 1.0, **residual})
            if not np.isfinite(rms):
                break
            stalled = best is not None and rms > STALLED * best.residual_rms
            if best is None or rms < best.residual_rms:
                best = Solution(beta, features, factor, largest, rms, level)
            converged = entry["policy_change"] <= CONVERGED * entry["ghjb_residual_max"]
            if level == final and (stalled or converged):
                break
            if self._good_enough(best):
                break
            if stalled or converged or entry["policy_change"] <= SETTLED * entry["cost_max"]:
                level = final
        return best

    def _step(
        self, features: Features, points: _Points, beta: Array | None, level: float
    ) -> tuple[Array, Array, dict[str, float]]:
        """Evaluate the greedy policy of ``beta`` (or the first policy), and improve it."""
        plant, samples, basis = self.plant, points.samples, points.basis
        if beta is None:
            u = self.start.policy(samples.x)
        else:
            u = plant.greedy(samples, basis.gradient(beta))
        cost = plant.running_cost(samples, u)
        A, r = basis.along(samples.velocity(u)), -cost
        if points.root_weights is not None:
            A *= points.root_weights[:, None]
            r *= points.root_weights
        if self._hessian is not None:
            root = np.sqrt(self.settings.origin_weight * len(r))
            A = np.vstack([A, root * features.curvature])
            r = np.append(r, root * self._hessian)
        beta, factor = regularised(A, r, features.penalty, level)
        gradient = basis.gradient(beta)
        ghjb = np.abs(plant.hamiltonian(samples, gradient, u))
        change = plant.input_energy(plant.greedy(samples, gradient) - u)
        entry = {
            "unknowns": float(features.count),
            "ghjb_residual_max": float(ghjb.max()),
            "policy_change": float(change.max()),
            "cost_max": float(cost.max()),
            "sum_beta_w": float(np.abs(beta) @ features.penalty),
        }
        return beta, factor, entry

    @cached_property
    def _hessian(self) -> Array | None:
        """The entries a ≤ b of the Hessian 2P of V at x*, in domain units."""
        P = self.start.P
        if P is None or not self.settings.origin_weight or self.features.activation == "relu":
            return None
        h = self.plant.half_widths
        out: Array = (2.0 * P * np.outer(h, h))[np.triu_indices(len(h))]
        return out

    def _residual(self, basis: Basis, beta: Array) -> tuple[float, float]:
        """Largest and rms HJB residual at the held-out points."""
        gradient = basis.gradient(beta)
        u = self.plant.greedy(self.held_out, gradient)
        residual = self.plant.hamiltonian(self.held_out, gradient, u)
        return float(np.abs(residual).max()), float(np.sqrt(np.mean(residual**2)))

    def _with_extra(self, features: Features, cloud: Array) -> _Points:
        extra, roots = self.extra
        if not len(extra):
            return self._points(features, cloud)
        points = self._points(features, np.vstack([cloud, extra]))
        weights = np.concatenate([np.ones(len(cloud)), roots])
        return replace(points, root_weights=weights)

    def _points(self, features: Features, x: Array) -> _Points:
        basis = Basis.at(features, x, self.plant.x_star, self.plant.half_widths)
        return _Points(self.plant.sample(x), basis)

    def _boundary_dense(self, count: int) -> Array:
        return boundary_dense_points(self.plant.system.domain, count, self.generator)

    def _record(self, entry: dict[str, float]) -> None:
        self.history.append({**entry, "unknowns": int(entry["unknowns"])})
        if self.progress is not None:
            self.progress(self.history[-1])


def prefix_sizes(count: int) -> list[int]:
    """The whole, its half, its quarter, … down to :data:`SMALLEST_PREFIX`; smallest first."""
    sizes = [count]
    while sizes[-1] >= 2 * SMALLEST_PREFIX:
        sizes.append((sizes[-1] + 1) // 2)
    return sizes[::-1]


def _padded(beta: Array, count: int) -> Array:
    """The same V on more features: their coefficients start at 0."""
    return np.concatenate([beta, np.zeros(count - len(beta))])
