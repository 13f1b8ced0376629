"""Which order to use, and how long a step to try: by what the last steps achieved."""

from __future__ import annotations

import math

ORDERS = (4, 6, 8, 11, 14, 18, 24, 30)
"""The orders to choose from."""
MEMORY = 40
"""After so many steps the neighbouring orders are tried again: the solution has moved on."""


class Pace:
    """Climbs to the order with the longest step for its cost; deterministic, and only a guess.

    Boxes over which a remainder is bounded make high orders worse than any estimate from the
    coefficients at a point says; so orders are compared by the steps that they really allowed.
    """

    def __init__(self) -> None:
        self.order = 11
        self._reached: dict[int, float] = {}
        self._age = 0

    @property
    def longest(self) -> float:
        """The step worth trying now."""
        known = self._reached.get(self.order, max(self._reached.values(), default=1e9))
        return known

    def record(self, length: float) -> None:
        """A step was made with this order, which could have been of this length."""
        self._reached[self.order] = length
        self._age += 1
        if self._age % MEMORY == 0:
            self._reached = {self.order: length}
        place = ORDERS.index(self.order)
        around = ORDERS[max(place - 1, 0) : place + 2]
        unknown = [k for k in around if k not in self._reached]
        self.order = unknown[0] if unknown else max(around, key=self._gain)

    def _gain(self, order: int) -> float:
        return self._reached[order] / math.pow(order + 5, 1.4)
