"""A quadratic form and random neurons, anchored at x*: what a witness is a sum of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from certify.candidate import anchored_value
from learners.elm_features import draw_adapted
from learners.elm_least_squares import regularised
from learners.elm_structure import unstructured
from learners.frozen_loop import FrozenLoop
from learners.numeric import upper_entries
from learners.zubov_basis import ACTIVATIONS, Basis
from systems import expression as ex
from systems.expression import Expression

Array = NDArray[np.float64]

STRETCH = 2.0
"""Slopes of the neurons against those of policy iteration's: cut-off inputs bend V more."""
QUADRATIC_PENALTY = 1e-2
"""What a coefficient of the form costs, against one of a neuron of slope 1."""
MOST_NEURONS = 1000


@dataclass(frozen=True, eq=False)
class WitnessBasis:
    """φ = (zₐz_b for a ≤ b, then the neurons of ``smooth``), z = (x − x*)/scale.

    All of them, and their gradients, vanish at x*.
    """

    loop: FrozenLoop
    smooth: Basis | None

    @staticmethod
    def draw(loop: FrozenLoop, neurons: int, seed: int) -> WitnessBasis:
        """With at most so many neurons; the quadratic form alone for 0."""
        if not neurons:
            return WitnessBasis(loop, None)
        structure = unstructured(len(loop.scale))
        drawn = draw_adapted(min(neurons, MOST_NEURONS), structure, "tanh", seed)
        drawn = type(drawn)(STRETCH * drawn.W, drawn.b, drawn.members, "tanh")
        return WitnessBasis(loop, Basis(drawn, "tanh", loop.x_star, loop.scale))

    @property
    def count(self) -> int:
        """The number of unknowns."""
        return len(self.penalty)

    @cached_property
    def penalty(self) -> Array:
        n = len(self.loop.scale)
        form = np.full(n * (n + 1) // 2, QUADRATIC_PENALTY)
        return form if self.smooth is None else np.append(form, self.smooth.features.penalty)

    def values(self, x: Array) -> Array:
        """φⱼ at points (N, n); (N, count)."""
        first, second, _ = upper_entries(len(self.loop.scale))
        z = self.loop.scaled(x)
        form = z[:, first] * z[:, second]
        return form if self.smooth is None else np.hstack([form, self.smooth.values(x)])

    def along(self, x: Array, velocity: Array) -> Array:
        """∇φⱼ·velocity at points and for velocities (N, n); (N, count)."""
        first, second, _ = upper_entries(len(self.loop.scale))
        z, v = self.loop.scaled(x), velocity / self.loop.scale
        form = z[:, first] * v[:, second] + v[:, first] * z[:, second]
        if self.smooth is None:
            return form
        return np.hstack([form, self.smooth.along(x, velocity)])

    def curvature(self) -> Array:
        """∂²φⱼ/∂zₐ∂z_b at x* for a ≤ b; (n(n + 1)/2, count)."""
        first, second, _ = upper_entries(len(self.loop.scale))
        form = np.diag(1.0 + (first == second))
        return form if self.smooth is None else np.hstack([form, self.smooth.curvature()])

    def solve(self, A: Array, r: Array, level: float) -> Array:
        """Least squares with Tikhonov's term."""
        return regularised(A, r, self.penalty, level)[0]

    def expression(self, beta: Array) -> Expression:
        """Σ βⱼ φⱼ, 0 with its gradient at x* in exact arithmetic."""
        state, n = self.loop.system.state, len(self.loop.scale)
        first, second, index = upper_entries(n)
        halves = beta[: len(first)] * np.where(first == second, 1.0, 0.5)
        form = halves[index].reshape(n, n) / np.outer(self.loop.scale, self.loop.scale)
        away = state - ex.constant(list(self.loop.system.equilibrium))
        out = ex.dot(away, ex.affine(form, away))
        if self.smooth is None:
            return out
        features = self.smooth.features
        W, b = features.hidden_layer(self.smooth.x_star, self.smooth.scale)
        output = features.output_layer(beta[len(first) :])
        sigma = ACTIVATIONS[self.smooth.activation].expression
        network = ex.affine(output[None, :], sigma(ex.affine(W, state, b)))
        return out + anchored_value(network, state, self.loop.system.equilibrium)
