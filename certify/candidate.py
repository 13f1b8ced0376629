"""A proposal: a Lyapunov function V and a controller k, as expressions, with no promise yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from systems import expression as ex
from systems.differentiate import gradient
from systems.dynamics import ClosedLoop, ControlAffineSystem
from systems.expression import Expression, Op


@dataclass(frozen=True, eq=False)
class Candidate:
    """V (size 1) and k (size m, None for an uncontrolled system) as expressions of ``state``.

    The object that is shipped is, bit for bit, the object that is verified. ``provenance`` records
    how it came about (learner, seed, settings, training figures) as plain JSON data.
    """

    state: Expression
    value: Expression
    control: Expression | None
    provenance: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.state.op is not Op.VARIABLE:
            raise ValueError("the state must be a variable")
        if self.value.size != 1:
            raise ValueError(f"V must be a scalar, not a vector of size {self.value.size}")
        for what, node in (("V", self.value), ("k", self.control)):
            if node is not None and any(v is not self.state for v in ex.variables(node)):
                raise ValueError(f"{what} depends on a variable other than the state")

    def closed_loop(self, system: ControlAffineSystem) -> ClosedLoop:
        """The system under this controller, in the system's own state variable.

        Where the system has input limits, the actuator cuts the controller off at them.
        Raises ValueError where the dimensions do not fit.
        """
        if self.state.size != system.state_dimension:
            raise ValueError(
                f"the candidate has {self.state.size} states, {system.name} has "
                f"{system.state_dimension}"
            )
        control = self.on(system).control
        return ClosedLoop(system, None if control is None else system.saturated(control))

    def on(self, system: ControlAffineSystem) -> Candidate:
        """The same candidate written in the system's own state variable."""
        if self.state is system.state:
            return self
        renaming = {self.state: system.state}
        control = None if self.control is None else ex.substitute(self.control, renaming)
        return Candidate(
            system.state, ex.substitute(self.value, renaming), control, self.provenance
        )


def anchored_value(
    network: Expression, state: Expression, equilibrium: Sequence[Fraction]
) -> Expression:
    """V(x) = N(x) − N(x*) − ∇N(x*)·(x − x*), so that V(x*) = 0 and ∇V(x*) = 0 exactly.

    N(x*) stays a constant *expression*: in real arithmetic the two cancel, which no float constant
    would. ``network`` must be differentiable at x*.
    """
    there = {state: ex.constant(list(equilibrium))}
    slope = ex.substitute(gradient(network, state), there)
    displacement = state - ex.constant(list(equilibrium))
    return network - ex.substitute(network, there) - ex.dot(slope, displacement)


def anchored_control(
    network: Expression,
    state: Expression,
    equilibrium: Sequence[Fraction],
    equilibrium_input: Sequence[Fraction],
) -> Expression:
    """k(x) = N(x) − N(x*) + u*, so that k(x*) = u* exactly."""
    there = {state: ex.constant(list(equilibrium))}
    return network - ex.substitute(network, there) + ex.constant(list(equilibrium_input))
