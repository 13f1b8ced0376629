"""Closed loops whose V is whatever a test wants, to measure {V ≤ c2}."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from certify.candidate import Candidate
from certify.stability import StabilityProblem
from systems import expression as ex
from systems.box import Box
from systems.dynamics import ControlAffineSystem, Time
from systems.evaluate import function
from systems.expression import Expression


def resting(
    value: Callable[[Expression], Expression],
    domain: Box,
    *,
    field: Callable[[Expression], Expression] = lambda x: -x,
    time: Time = "continuous",
    equilibrium: tuple[Fraction, ...] | None = None,
) -> StabilityProblem:
    """ẋ = F(x), by default −x, with a V of one's own."""
    n = domain.dimension
    x = ex.variable("x", n)
    system = ControlAffineSystem(
        name="resting",
        state=x,
        drift=field(x),
        input_columns=(),
        domain=domain,
        equilibrium=equilibrium or (Fraction(0),) * n,
        equilibrium_input=(),
        state_cost=ex.constant(0),
        input_cost=(),
        time=time,
    )
    return StabilityProblem(system, Candidate(x, value(x), None))


def sampled_volume(problem: StabilityProblem, c2: Fraction, count: int = 200_000) -> float:
    """The volume of {x in D : V ≤ c2}, by counting points of the box."""
    points = problem.domain.sample(count, np.random.default_rng(1))
    values = function(problem.value, problem.state)(points)[0][:, 0]
    return float((values <= float(c2)).mean()) * float(problem.domain.volume)
