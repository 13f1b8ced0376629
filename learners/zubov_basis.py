"""Random neurons of any smooth activation, anchored at x*, along the closed loop's vector field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from learners.elm_features import Features
from learners.numeric import upper_entries
from systems import expression as ex
from systems.expression import Expression

Array = NDArray[np.float64]
Smooth = Literal["tanh", "sigmoid", "softplus", "sin"]


@dataclass(frozen=True)
class Activation:
    """σ with two derivatives, and as an expression."""

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    bend: Callable[[Array], Array]
    expression: Callable[[Expression], Expression]


def _sigmoid(z: Array) -> Array:
    out: Array = 0.5 + 0.5 * np.tanh(0.5 * z)
    return out


def _sigmoid_slope(z: Array) -> Array:
    s = _sigmoid(z)
    return s * (1.0 - s)


ACTIVATIONS: dict[str, Activation] = {
    "tanh": Activation(
        np.tanh,
        lambda z: 1.0 - np.tanh(z) ** 2,
        lambda z: -2.0 * np.tanh(z) * (1.0 - np.tanh(z) ** 2),
        ex.tanh,
    ),
    "sigmoid": Activation(
        _sigmoid,
        _sigmoid_slope,
        lambda z: _sigmoid_slope(z) * (1.0 - 2.0 * _sigmoid(z)),
        ex.sigmoid,
    ),
    "softplus": Activation(lambda z: np.logaddexp(0.0, z), _sigmoid, _sigmoid_slope, ex.softplus),
    "sin": Activation(np.sin, np.cos, lambda z: -np.sin(z), ex.sin),
}


@dataclass(frozen=True, eq=False)
class Basis:
    """φⱼ(x) = Σ over an orbit of σ(wᵀz + b) − σ(b) − σ'(b) wᵀz, with z = (x − x*) / ``scale``.

    So W = Σ βⱼ φⱼ and its gradient vanish at x* whatever β is.
    """

    features: Features
    activation: str
    x_star: Array
    scale: Array

    def values(self, x: Array) -> Array:
        """φⱼ at points (N, n); (N, orbits)."""
        f, sigma, z = self.features, ACTIVATIONS[self.activation], (x - self.x_star) / self.scale
        out = np.zeros((len(x), f.count))
        for rows in f.W:
            along = z @ rows.T
            out += sigma.value(along + f.b) - sigma.value(f.b) - sigma.slope(f.b) * along
        return out

    def along(self, x: Array, velocity: Array) -> Array:
        """∇φⱼ·velocity at points and for velocities (N, n); (N, orbits)."""
        f, sigma, z = self.features, ACTIVATIONS[self.activation], (x - self.x_star) / self.scale
        out = np.zeros((len(x), f.count))
        for rows in f.W:
            slope = sigma.slope(z @ rows.T + f.b) - sigma.slope(f.b)
            out += slope * ((velocity / self.scale) @ rows.T)
        return out

    def curvature(self) -> Array:
        """∂²φⱼ/∂zₐ∂z_b at x* for a ≤ b; (n(n + 1)/2, orbits)."""
        f, (first, second, _) = self.features, upper_entries(len(self.scale))
        bend = ACTIVATIONS[self.activation].bend(f.b)
        out: Array = bend * (f.W[:, :, first] * f.W[:, :, second]).sum(axis=0).T
        return out
