"""Sampled systems: the input is held for a period, and a Runge-Kutta step is the next state.

The step is an expression like any other, so that what a learner is trained on, what a simulation
runs and what a proof speaks of are one and the same map. It is an approximation of the continuous
system's flow; a proof about it says nothing about the error of that approximation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from systems import expression as ex
from systems.errors import InputError
from systems.exact import exact_words
from systems.expression import Expression

if TYPE_CHECKING:
    from systems.dynamics import ControlAffineSystem

Method = Literal["rk4", "euler"]
METHODS: tuple[Method, ...] = ("rk4", "euler")
TITLES: dict[Method, str] = {"rk4": "RK4", "euler": "Euler"}
MOST_SUBSTEPS = 100
"""The step is one expression: with more substeps than this it is too long to prove anything of."""
LONGEST_NAME = 200
"""Characters of a system's name, as candidate files and certificates take them."""


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
        if not 1 <= self.substeps <= MOST_SUBSTEPS:
            raise ValueError(f"a period has 1 to {MOST_SUBSTEPS} substeps, not {self.substeps}")

    @property
    def suffix(self) -> str:
        """What is added to the name of a system that is sampled so; no two samplings share it."""
        steps = f" in {self.substeps} steps" if self.substeps > 1 else ""
        return f" sampled every {exact_words(self.period)} by {TITLES[self.method]}{steps}"

    def describe(self, time_unit: str = "") -> str:
        """In words, such as "sampled every 0.02 s, RK4, input held"."""
        period = f"{exact_words(self.period)} {time_unit}".rstrip()
        steps = f" in {self.substeps} steps" if self.substeps > 1 else ""
        return f"sampled every {period}, {TITLES[self.method]}{steps}, input held"

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


def sampled(system: ControlAffineSystem, sampling: Sampling) -> ControlAffineSystem:
    """The discrete system x⁺ = φ(x, u, w), one step of ẋ = f + g u with u and w held.

    ``drift`` and ``input_columns`` remain those of the ODE; its ``vector_field`` is the step. The
    running cost becomes that of a period, period · (Q + (u − u*)ᵀR(u − u*)), so that the sum over
    the steps is the Riemann sum of the continuous cost, and V and costs can be compared with the
    continuous ones. The sampling becomes part of the name.

    Raises InputError for a discrete system, or where the name becomes too long.
    """
    if system.time == "discrete":
        raise InputError(
            f"{system.name} is a discrete system already; only a continuous one can be sampled"
        )
    name = system.name + sampling.suffix
    if len(name) > LONGEST_NAME:
        raise InputError(
            f"{name[:60]}…: a name of {len(name)} characters is too long; shorten the system's "
            "name, or write the sampling period with fewer digits"
        )
    h = sampling.period
    return replace(
        system,
        name=name,
        time="discrete",
        sampling=sampling,
        state_cost=ex.multiply(h, system.state_cost),
        input_cost=tuple(tuple(h * v for v in row) for row in system.input_cost),
    )


def unsampled(system: ControlAffineSystem) -> ControlAffineSystem:
    """The continuous system that :func:`sampled` made this one of; any other system as it is."""
    sampling = system.sampling
    if sampling is None:
        return system
    h = sampling.period
    return replace(
        system,
        name=system.name.removesuffix(sampling.suffix),
        time="continuous",
        sampling=None,
        state_cost=ex.multiply(1 / h, system.state_cost),
        input_cost=tuple(tuple(v / h for v in row) for row in system.input_cost),
    )
