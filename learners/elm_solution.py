"""What policy iteration arrives at, and whether it may be trusted: stable at x*, V positive."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from learners.elm_features import Features
from learners.elm_least_squares import effective_rank
from learners.elm_start import Start, shown_eigenvalue
from learners.numeric import Plant, upper_entries

Array = NDArray[np.float64]

MOST_CHECKED = 1000
"""V > 0 is looked for at about so many points at most."""
NEGATIVE = 0.01
"""V counts as positive if it is not below −NEGATIVE times its maximum: that much may be an error of
the fit, while the wrong root of the equation takes V down by the size of V itself."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Output weights per orbit, with the HJB residual (max, rms) at the held-out points.

    ``iteration`` counts from 1. ``decreases``: V does, along the policy it evaluates, at all
    points; ``is_close``: its residual is small enough to begin with it on more features;
    ``is_positive``: V is, at all points, but for errors of the fit.
    """

    beta: Array
    features: Features
    factor: Array
    residual_max: float
    residual_rms: float
    regularization: float
    iteration: int
    decreases: bool
    is_close: bool
    is_positive: bool = False

    @property
    def is_lyapunov(self) -> bool:
        return self.is_positive and self.decreases

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


def best_stable(
    found: list[Solution], x: Array, plant: Plant, start: Start, warnings: list[str]
) -> Solution | None:
    """The one with the least residual among those, on the same features, whose policy is stable.

    ``is_positive`` is set from V at the points x (N, n). For every other one a line is added to
    ``warnings``.
    """
    stable = _stable(found, plant, start, warnings)
    if not stable:
        return None
    best = min(stable, key=lambda s: s.residual_rms)
    some = x[:: 1 + len(x) // MOST_CHECKED]
    V = best.features.values((some - plant.x_star) / plant.half_widths, best.beta)
    return replace(best, is_positive=bool(V.min() > -NEGATIVE * V.max()))


def _stable(
    found: list[Solution], plant: Plant, start: Start, warnings: list[str]
) -> list[Solution]:
    """Those whose greedy policy has a stable linearisation; all, where that decides nothing."""
    linear = start.linear
    if not found or linear is None or found[0].features.activation == "relu":
        return found
    n, h = len(plant.x_star), plant.half_widths
    entries = np.array([s.beta for s in found]) @ found[0].features.curvature.T
    hessians = entries[:, upper_entries(n)[2]].reshape(-1, n, n) / np.outer(h, h)
    closed = linear.A - linear.B @ (plant.half_R_inverse @ (linear.B.T @ hessians))
    good = (np.linalg.eigvals(closed).real.max(axis=1) < 0.0).tolist()
    for solution, matrix, yes in zip(found, closed, good, strict=True):
        if not yes:
            warnings.append(
                f"iteration {solution.iteration}: the policy lost stability at the equilibrium "
                f"(eigenvalue {shown_eigenvalue(matrix)}) and was dropped"
            )
    return [s for s, yes in zip(found, good, strict=True) if yes]
