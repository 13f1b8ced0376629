"""What the zoo knows about a system besides its equations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from systems.dynamics import ControlAffineSystem
from systems.exact import exact
from systems.expression import Expression
from systems.task import Task

Gain = tuple[tuple[Fraction, ...], ...]


@dataclass(frozen=True)
class VerificationConstants:
    """The constants with which a paper verifies: V̇ ≤ −mu on c1 ≤ V ≤ c2, {V ≤ c1} in the ball of
    radius epsilon. None where the paper is silent."""

    mu: Fraction | None = None
    c1: Fraction | None = None
    c2: Fraction | None = None
    epsilon: Fraction | None = None


@dataclass(frozen=True, eq=False)
class Entry:
    """One system: how to build it, and what is known about it.

    ``optimal_value`` makes V* of the state, where it is known in closed form. ``initial_gain`` is
    K₀ of shape (m, n) for the initial policy u = u* − K₀ (x − x*). ``initial_policy`` is there
    where the linearisation has no LQR policy to start from: formulas of the states, one an input,
    separated by ";". ``activation`` names the features that fit the value function, where it is
    known to have kinks. ``task`` says what a controller is trained for, where that takes more than
    the system's equations and costs. ``set_point`` is there where no equilibrium is rational, and
    x* is only near one: no |fᵢ(x*) + gᵢ(x*) u*| exceeds it.
    """

    name: str
    description: str
    build: Callable[[], ControlAffineSystem]
    verification: VerificationConstants = VerificationConstants()
    optimal_value: Callable[[Expression], Expression] | None = None
    initial_gain: Gain | None = None
    initial_policy: str | None = None
    activation: str | None = None
    task: Callable[[ControlAffineSystem], Task] | None = None
    set_point: Fraction | None = None


def gain(*rows: tuple[str | int | Fraction, ...]) -> Gain:
    """A gain matrix from its rows, exact."""
    return tuple(tuple(exact(v) for v in row) for row in rows)


def constants(
    mu: str | None = None, c1: str | None = None, c2: str | None = None, epsilon: str | None = None
) -> VerificationConstants:
    """Verification constants from decimals."""
    values = (None if v is None else exact(v) for v in (mu, c1, c2, epsilon))
    return VerificationConstants(*values)
