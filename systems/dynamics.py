"""Control-affine systems and the closed loops made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from systems import expression as ex
from systems.box import Box
from systems.exact import ExactArray, exact, nearest_float
from systems.expression import Expression, Op
from systems.limits import lies_within

Matrix = tuple[tuple[Fraction, ...], ...]


@dataclass(frozen=True, eq=False)
class ControlAffineSystem:
    """ẋ = f(x) + g(x) u on a box, with the running cost Q(x) + (u − u*)ᵀ R (u − u*).

    ``state`` is the variable x of size n; ``drift`` is f, of size n; ``input_columns`` are the m
    columns of g, each of size n; ``equilibrium`` is x* and ``equilibrium_input`` is u*, with
    f(x*) + g(x*) u* = 0. ``state_cost`` is Q, a scalar expression of x; ``input_cost`` is R,
    symmetric and positive definite, (m, m). ``input_limits`` bounds u where the actuator does.
    A system with m = 0 is uncontrolled.
    """

    name: str
    state: Expression
    drift: Expression
    input_columns: tuple[Expression, ...]
    domain: Box
    equilibrium: tuple[Fraction, ...]
    equilibrium_input: tuple[Fraction, ...]
    state_cost: Expression
    input_cost: Matrix
    input_limits: Box | None = None
    state_names: tuple[str, ...] = ()
    input_names: tuple[str, ...] = ()
    state_units: tuple[str, ...] = ()
    input_units: tuple[str, ...] = ()
    description: str = ""
    parameters: dict[str, Fraction] = field(default_factory=dict)
    parameter_units: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n, m = self.state.size, len(self.input_columns)
        if self.state.op is not Op.VARIABLE:
            raise ValueError(f"{self.name}: the state must be a variable")
        sizes = [self.drift.size, *(c.size for c in self.input_columns)]
        if any(s != n for s in sizes):
            raise ValueError(f"{self.name}: {n} states, but dynamics of sizes {sizes}")
        if self.domain.dimension != n or len(self.equilibrium) != n:
            raise ValueError(f"{self.name}: domain and equilibrium need {n} entries")
        if len(self.equilibrium_input) != m or len(self.input_cost) != m:
            raise ValueError(f"{self.name}: equilibrium input and R need {m} entries")
        if self.input_limits is not None and self.input_limits.dimension != m:
            raise ValueError(f"{self.name}: input limits need {m} entries")
        if not self.domain.contains_in_interior(self.equilibrium):
            raise ValueError(f"{self.name}: the domain does not contain the equilibrium inside")
        for what, given, wanted in (
            ("state_names", self.state_names, n),
            ("input_names", self.input_names, m),
            ("state_units", self.state_units, n),
            ("input_units", self.input_units, m),
        ):
            if given and len(given) != wanted:
                raise ValueError(f"{self.name}: {wanted} {what} wanted, {len(given)} given")

    @property
    def state_dimension(self) -> int:
        return self.state.size

    @property
    def input_dimension(self) -> int:
        return len(self.input_columns)

    def vector_field(self, control: Expression | None) -> Expression:
        """f(x) + g(x) u with the expression ``control`` of size m for u (None where m = 0)."""
        if not self.input_columns:
            return self.drift
        if control is None or control.size != self.input_dimension:
            raise ValueError(f"{self.name} needs a control of size {self.input_dimension}")
        out = self.drift
        for j, column in enumerate(self.input_columns):
            out = out + column * control[j]
        return out

    def input_matrix_transposed_times(self, vector: Expression) -> Expression:
        """g(x)ᵀ v, of size m, for an expression v of size n."""
        return ex.stack([ex.dot(column, vector) for column in self.input_columns])

    def saturated(self, control: Expression) -> Expression:
        """The control cut off at the input limits, as the actuator would.

        The control itself where there are none, or where its form already keeps it within them.
        """
        if self.input_limits is None or lies_within(control, self.input_limits):
            return control
        low, high = (ex.constant(v) for v in (self.input_limits.lower, self.input_limits.upper))
        return ex.clip(control, low, high)

    def input_cost_array(self) -> NDArray[np.float64]:
        """R as floats, (m, m)."""
        return np.array([[nearest_float(v) for v in row] for row in self.input_cost]).reshape(
            self.input_dimension, self.input_dimension
        )


@dataclass(frozen=True, eq=False)
class ClosedLoop:
    """ẋ = F(x) = f(x) + g(x) k(x): one expression ``field`` of the variable ``state``."""

    system: ControlAffineSystem
    control: Expression | None

    @property
    def state(self) -> Expression:
        return self.system.state

    @property
    def field(self) -> Expression:
        return self.system.vector_field(self.control)


def linear_control(
    gain: Sequence[Sequence[object]] | NDArray[np.float64], system: ControlAffineSystem
) -> Expression:
    """u = u* − K (x − x*), with K of shape (m, n)."""
    weight = ExactArray.of([[-exact(v) for v in row] for row in gain])
    shifted = system.state - ex.constant(system.equilibrium)
    return ex.affine(weight, shifted, ExactArray.of(list(system.equilibrium_input)))
