"""What samples say of a W that was learned: up to which level it may be provable. No proof."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learners.zubov_fit import Equation
from learners.zubov_points import Region, draw_points

Array = NDArray[np.float64]

SAMPLES = 4000
CORE = 0.02
"""Points nearer to x* than this share of the way are left out: the slope vanishes at x*."""


@dataclass(frozen=True)
class Promise:
    """``level``: the lowest W among samples at which it does not fall, or which lie outside of the
    region. ``share``: how much of the region lies below it.
    """

    level: float
    share: float

    def warnings(self, name: str) -> list[str]:
        """A line where there is little to prove."""
        if self.share >= 0.5:
            return []
        return [
            f"{name}: samples show W to decrease on {100 * self.share:.2g} % of the region of "
            "attraction only; more neurons, another seed or a smaller domain may help"
        ]


def promise(
    equation: Equation, region: Region, beta: Array, generator: np.random.Generator
) -> Promise:
    """Judge β at fresh points."""
    points = draw_points(region, SAMPLES, generator)
    star, widths = region.flow.x_star, region.half_widths
    away = (np.abs(points.interior - star) > CORE * widths).any(axis=1)
    x = points.interior[away]
    rising = equation.slopes(x) @ beta >= 0.0
    outside = np.vstack([points.boundary, points.outside])
    outside = outside[region.flow.holds(outside)]
    level = min(
        (equation.basis.values(x[rising]) @ beta).min(initial=np.inf),
        (equation.basis.values(outside) @ beta).min(initial=np.inf),
    )
    shares = generator.random(SAMPLES) ** (1.0 / len(widths))
    values = equation.basis.values(region.along(shares, generator)) @ beta
    return Promise(float(level), float((values <= level).mean()))


def zubov_residual(
    equation: Equation, region: Region, beta: Array, generator: np.random.Generator
) -> tuple[float, float]:
    """|∇W·F + αψ(1 − W)| / αψ at held-out points, the largest and the root mean square."""
    shares = generator.random(SAMPLES) ** (1.0 / len(region.half_widths))
    x = region.along(np.maximum(shares, CORE), generator)
    rate, W = equation.rate(x), equation.basis.values(x) @ beta
    relative = (equation.slopes(x) @ beta + rate * (1.0 - W)) / rate
    return float(np.abs(relative).max()), float(np.sqrt((relative**2).mean()))
