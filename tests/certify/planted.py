"""Closed loops that are stable by construction, and ways to plant a violation in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from certify import Budget, Candidate, Condition, Refuted, Requested, StabilityResult
from certify.balls import enclose_point
from certify.prove import prove_stability
from systems import expression as ex
from systems.box import Box
from systems.dynamics import ControlAffineSystem
from systems.expression import Expression


@dataclass(frozen=True, eq=False)
class Loop:
    """ẋ = drift + u e₁…: a system and a candidate, ready to be proved or refuted."""

    system: ControlAffineSystem
    candidate: Candidate

    def prove(self, requested: Requested, seconds: float = 4.0) -> StabilityResult:
        return prove_stability(self.system, self.candidate, requested, budget=Budget(seconds))


def state(n: int) -> Expression:
    return ex.variable("x", n)


def square(x: Expression) -> Expression:
    """|x|²."""
    return ex.dot(x, x)


def tanh_bump(x: Expression, centre: Sequence[float], width: float) -> Expression:
    """Close to 1 on a box of side ``width`` about the centre, and close to 0 a little outside."""
    out: Expression = ex.constant(1)
    for i, c in enumerate(centre):
        left = ex.tanh((x[i] - (c - width / 2)) * (8 / width))
        right = ex.tanh((x[i] - (c + width / 2)) * (8 / width))
        out = out * ((left - right) * 0.5)
    return out


def relu_bump(x: Expression, centre: Sequence[float], width: float) -> Expression:
    """1 at the centre, 0 from a distance of width/2 on in the sum of moduli."""
    shifted = x - ex.constant(list(centre))
    return ex.relu(1 - ex.total(ex.absolute(shifted)) * (2 / width))


BUMPS = {"tanh": tanh_bump, "relu": relu_bump}


def loop(
    x: Expression,
    value: Expression,
    *,
    drift: Expression | None = None,
    control: Expression | None = None,
    half_width: object = 1,
) -> Loop:
    """ẋ = drift (where no control is given), or ẋ = u, on a box about the origin."""
    n = x.size
    columns = [] if control is None else [ex.constant(list(row)) for row in np.eye(n)]
    system = ControlAffineSystem(
        name="planted",
        state=x,
        drift=ex.constant([0] * n) * x if drift is None else drift,
        input_columns=tuple(columns),
        domain=Box.symmetric([half_width] * n),
        equilibrium=(Fraction(0),) * n,
        equilibrium_input=(Fraction(0),) * len(columns),
        state_cost=square(x),
        input_cost=tuple(
            tuple(Fraction(int(i == j)) for j in range(len(columns))) for i in range(len(columns))
        ),
    )
    return Loop(system, Candidate(x, value, control))


def turning(x: Expression) -> Expression:
    """−x, and a rotation of the first two coordinates, which no |x|² sees."""
    if x.size == 1:
        return -x
    rest = [-x[i] for i in range(2, x.size)]
    return ex.stack([-x[0] + 2 * x[1], -x[1] - 2 * x[0], *rest])


def place(n: int, low: float, high: float, generator: np.random.Generator) -> list[float]:
    """A point with low ≤ |x|² ≤ high, of few binary digits."""
    while True:
        point = np.round(generator.uniform(-1, 1, n) * 4096) / 4096
        if low <= float(point @ point) <= high:
            return [float(v) for v in point]


def confirmed(result: StabilityResult) -> bool:
    """Whether the point of a refutation breaks its condition, in ball arithmetic alone."""
    assert isinstance(result.verdict, Refuted)
    found = result.verdict.counterexample
    if found.condition in ("equilibrium", "centre"):
        outputs = enclose_point(result.problem.equilibrium_tape, found.point, 512)
        judged = outputs if found.condition == "equilibrium" else outputs[1:]
        return any(not ball.contains(0) for part in judged for ball in part)
    return breaks(result.searches[found.condition].condition, found.point)


def breaks(condition: Condition, point: Sequence[float]) -> bool:
    """Whether a point lies in a region and satisfies every constraint of the violation."""
    from flint import arb, fmpq

    if not any(r.contains(point) for r in condition.regions):
        return False
    outputs = [balls[0] for balls in enclose_point(condition.tape, point, 256)]
    for c in condition.violation:
        level = arb(fmpq(c.level.numerator, c.level.denominator))
        excess = c.sign * (outputs[c.output] - level)
        if not (excess > 0 if c.strict else excess >= 0):
            return False
    return True
