"""Weights of small tanh networks, and the deep candidate made from two of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from certify import Candidate, anchored_value
from systems import expression as ex
from systems.dynamics import ControlAffineSystem
from systems.expression import Expression

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Network:
    """x ↦ W_L tanh(… tanh(W₁x + b₁) …) + b_L; ``layers`` are the (W, b), W (rows, columns)."""

    layers: tuple[tuple[Array, Array], ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.layers[0][0].shape[1], *(len(b) for _, b in self.layers))

    def __call__(self, points: Array) -> Array:
        """Values at points (N, n), shape (N, outputs)."""
        for weight, bias in self.layers[:-1]:
            points = np.tanh(points @ weight.T + bias)
        weight, bias = self.layers[-1]
        return np.asarray(points @ weight.T + bias)

    def expression(self, x: Expression) -> Expression:
        for weight, bias in self.layers[:-1]:
            x = ex.tanh(ex.affine(weight, x, bias))
        weight, bias = self.layers[-1]
        return ex.affine(weight, x, bias)


def deep_candidate(
    system: ControlAffineSystem,
    value: Network,
    control: Network,
    provenance: Mapping[str, object],
) -> Candidate:
    """V(x) = N(x) − N(x*) − ∇N(x*)·(x − x*) with N = sigmoid(value), k(x) = tanh(M(x) − M(x*)).

    |k| < 1, so that input limits ±1 hold without clipping; k(x*) = 0, so the system's u* must be 0.
    """
    x = system.state
    there = {x: ex.constant(list(system.equilibrium))}
    M = control.expression(x)
    k = ex.tanh(M - ex.substitute(M, there))
    N = ex.sigmoid(value.expression(x))
    return Candidate(x, anchored_value(N, x, system.equilibrium), k, provenance)
