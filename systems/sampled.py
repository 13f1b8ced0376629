"""Sampled systems: the input is held for a period, and a Runge-Kutta step is the next state.

The step is an expression like any other, so that what a learner is trained on, what a simulation
runs and what a proof speaks of are one and the same map. It is an approximation of the continuous
system's flow; a proof about it says nothing about the error of that approximation.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from systems import expression as ex
from systems.expression import Expression

Method = Literal["rk4", "euler"]
METHODS: tuple[Method, ...] = ("rk4", "euler")


@dataclass(frozen=True)
class Sampling:
    """How a continuous system becomes a discrete one: ``substeps`` equal steps of the classical
    Runge-Kutta method or of Euler's in every ``period`` (in the system's unit of time), with the
    input and the disturbance held.

    Raises ValueError where these make no sense.
    """

    period: Fraction
    method: Method = "rk4"
    substeps: int = 1

    def __post_init__(self) -> None:
        if self.period <= 0:
            raise ValueError(f"the sampling period must be positive, not {self.period}")
        if self.method not in METHODS:
            raise ValueError(f"the method is {' or '.join(METHODS)}, not {self.method!r}")
        if self.substeps < 1:
            raise ValueError(f"a period has at least one step, not {self.substeps}")

    def next_state(self, field: Expression, state: Expression) -> Expression:
        """x⁺ for ẋ = ``field``, an expression of the variable ``state`` (both of size n) and of
        whatever is held in between."""
        h = self.period / self.substeps

        def rate(at: Expression) -> Expression:
            return field if at is state else ex.substitute(field, {state: at})

        x = state
        for _ in range(self.substeps):
            first = rate(x)
            if self.method == "euler":
                x = x + ex.multiply(h, first)
                continue
            second = rate(x + ex.multiply(h / 2, first))
            third = rate(x + ex.multiply(h / 2, second))
            fourth = rate(x + ex.multiply(h, third))
            x = x + ex.multiply(h / 6, first + 2 * second + 2 * third + fourth)
        return x
