"""Lagrange multipliers and temperatures, as exponentials: positive, and free to exceed 1.

A multiplier that is clipped to 1 voids its constraint: the actor then always has a price at which
breaking it pays. Here it rises for as long as the constraint is broken. The bounds are against
overflow alone; that one was reached is counted, and learners log it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

LEAST, MOST = 1e-6, 1e6
"""Bounds of every multiplier."""


@dataclass
class Multiplier:
    """e^λ, raised and lowered by Adam's rule on −λ·violation (Kingma and Ba, 2015).

    A plain number: everything it is made of goes into a checkpoint as it stands.
    """

    logarithm: float = 0.0
    rate: float = 1e-3
    least: float = LEAST
    most: float = MOST
    first: float = 0.0
    second: float = 0.0
    updates: int = 0
    at_bound: int = 0

    @property
    def value(self) -> float:
        """e^λ."""
        return math.exp(self.logarithm)

    def update(self, violation: float) -> None:
        """Up where ``violation`` > 0, down where it is negative; nothing where it is no number."""
        if not math.isfinite(violation):
            return
        self.updates += 1
        self.first += 0.1 * (violation - self.first)
        self.second += 0.001 * (violation * violation - self.second)
        mean = self.first / (1.0 - 0.9**self.updates)
        size = math.sqrt(self.second / (1.0 - 0.999**self.updates)) + 1e-8
        moved = self.logarithm + self.rate * mean / size
        self.logarithm = min(max(moved, math.log(self.least)), math.log(self.most))
        self.at_bound += moved > self.logarithm

    def state(self) -> dict[str, float]:
        """All of it, for a checkpoint."""
        return dict(vars(self))

    def restore(self, state: dict[str, float]) -> None:
        """Back to what :meth:`state` gave."""
        for name, old in list(vars(self).items()):
            setattr(self, name, type(old)(state[name]))
