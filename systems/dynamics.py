"""Control-affine systems and the closed loops made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from systems import expression as ex
from systems.box import Box
from systems.exact import ExactArray, exact, nearest_float
from systems.expression import Expression, Op
from systems.limits import lies_within
from systems.sampled import Sampling

Matrix = tuple[tuple[Fraction, ...], ...]
Time = Literal["continuous", "discrete"]


@dataclass(frozen=True, eq=False)
class UnsafeSet:
    """{x in the domain : every one of ``constraints``, scalar expressions of x, is ≥ 0}."""

    name: str
    constraints: tuple[Expression, ...]

    def __post_init__(self) -> None:
        if not self.constraints:
            raise ValueError(f"the unsafe set {self.name} needs at least one constraint")
        if any(c.size != 1 for c in self.constraints):
            raise ValueError(f"the unsafe set {self.name} needs scalar constraints")


@dataclass(frozen=True, eq=False)
class ControlAffineSystem:
    """ẋ = f(x) + g(x) u on a box, with the running cost Q(x) + (u − u*)ᵀ R (u − u*).

    ``state`` is the variable x of size n; ``drift`` is f, of size n; ``input_columns`` are the m
    columns of g, each of size n; ``equilibrium`` is x* and ``equilibrium_input`` is u*, with
    f(x*) + g(x*) u* = 0. ``state_cost`` is Q, a scalar expression of x; ``input_cost`` is R,
    symmetric and positive definite, (m, m). ``input_limits`` bounds u where the actuator does.
    A system with m = 0 is uncontrolled.

    In discrete ``time``, x⁺ = f(x) + g(x) u, and an equilibrium has f(x*) + g(x*) u* = x*.

    With a ``sampling``, which only a discrete system can have, f and g are those of the ODE
    ẋ = f(x) + g(x) u that is sampled, and x⁺ is its Runge-Kutta step with u and w held; an
    equilibrium is one of the ODE, and so of the step (:mod:`systems.sampled`).

    ``disturbance`` is the variable w of size p; f and g may depend on it, nothing else may. All
    that is known of w(t) is that it stays in the box W, ``disturbance_range``. A disturbed system
    has its equilibrium at least where w is the centre of W. ``unsafe`` holds the sets to avoid.

    Raises ValueError where these do not fit together.
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
    time: Time = "continuous"
    disturbance: Expression | None = None
    disturbance_range: Box | None = None
    disturbance_names: tuple[str, ...] = ()
    disturbance_units: tuple[str, ...] = ()
    unsafe: tuple[UnsafeSet, ...] = ()
    sampling: Sampling | None = None

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
            ("disturbance_names", self.disturbance_names, self.disturbance_dimension),
            ("disturbance_units", self.disturbance_units, self.disturbance_dimension),
        ):
            if given and len(given) != wanted:
                raise ValueError(f"{self.name}: {wanted} {what} wanted, {len(given)} given")
        if self.time not in ("continuous", "discrete"):
            raise ValueError(f"{self.name}: time is continuous or discrete, not {self.time!r}")
        if self.sampling is not None and self.time != "discrete":
            raise ValueError(f"{self.name}: a sampled system is discrete, not {self.time}")
        self._check_disturbance()
        self._check_variables()

    def _check_disturbance(self) -> None:
        w, box = self.disturbance, self.disturbance_range
        if w is None and box is None:
            return
        if w is None or box is None:
            raise ValueError(f"{self.name}: give the disturbance and its range, or neither")
        if w.op is not Op.VARIABLE or w is self.state or w.name == self.state.name:
            raise ValueError(f"{self.name}: the disturbance must be a variable of its own name")
        if box.dimension != w.size:
            raise ValueError(f"{self.name}: the disturbance range needs {w.size} entries")

    def _check_variables(self) -> None:
        """Nothing may depend on what it is not a function of."""
        names = [" ".join(s.name.split()) for s in self.unsafe]  # as a certificate spells them
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name}: two unsafe sets have the same name")
        constraints = [c for s in self.unsafe for c in s.constraints]
        for what, expressions, known in (
            ("the dynamics depend", [self.drift, *self.input_columns], self.variables),
            ("the state cost depends", [self.state_cost], (self.state,)),
            ("an unsafe set depends", constraints, (self.state,)),
        ):
            for node in ex.topological(expressions):
                if node.op is Op.VARIABLE and not any(node is v for v in known):
                    raise ValueError(f"{self.name}: {what} on the variable {node.name!r}")

    @property
    def state_dimension(self) -> int:
        return self.state.size

    @property
    def input_dimension(self) -> int:
        return len(self.input_columns)

    @property
    def disturbance_dimension(self) -> int:
        return 0 if self.disturbance is None else self.disturbance.size

    @property
    def has_rates(self) -> bool:
        """Whether f + g u is ẋ, in continuous time or before sampling, rather than x⁺."""
        return self.time == "continuous" or self.sampling is not None

    @property
    def variables(self) -> tuple[Expression, ...]:
        """The state and, where there is one, the disturbance: all that F depends on."""
        return (self.state,) if self.disturbance is None else (self.state, self.disturbance)

    def nominal(self) -> ControlAffineSystem:
        """The system with the disturbance held at the centre of its range; itself without one."""
        if self.disturbance is None or self.disturbance_range is None:
            return self
        centre = {self.disturbance: ex.constant(list(self.disturbance_range.centre))}
        return replace(
            self,
            drift=ex.substitute(self.drift, centre),
            input_columns=tuple(ex.substitute(c, centre) for c in self.input_columns),
            disturbance=None,
            disturbance_range=None,
            disturbance_names=(),
            disturbance_units=(),
        )

    def vector_field(self, control: Expression | None) -> Expression:
        """f(x) + g(x) u with the expression ``control`` of size m for u (None where m = 0).

        In discrete time this is not a rate but the next state; of a sampled system it is the step
        in which u is held at the value that ``control`` has when the step begins.
        """
        if self.sampling is None:
            return self._affine_in(control)
        if not self.input_columns:
            return self._held_step[1]
        u, step = self._held_step
        if u is None or control is None or control.size != u.size:
            raise ValueError(f"{self.name} needs a control of size {self.input_dimension}")
        return ex.substitute(step, {u: control})

    def _affine_in(self, control: Expression | None) -> Expression:
        if not self.input_columns:
            return self.drift
        if control is None or control.size != self.input_dimension:
            raise ValueError(f"{self.name} needs a control of size {self.input_dimension}")
        out = self.drift
        for j, column in enumerate(self.input_columns):
            out = out + column * control[j]
        return out

    @cached_property
    def _held_step(self) -> tuple[Expression | None, Expression]:
        """A variable u of its own, and the step in terms of x, u and w.

        k(x) may take the place of u only when the step is complete: put in before, it would be
        evaluated anew at every stage of the Runge-Kutta method, and the input would not be held.
        """
        assert self.sampling is not None
        u = ex.variable("u", self.input_dimension) if self.input_columns else None
        return u, self.sampling.next_state(self._affine_in(u), self.state)

    def input_matrix_transposed_times(self, vector: Expression) -> Expression:
        """g(x)ᵀ v, of size m, for an expression v of size n.

        Raises ValueError for a sampled system, whose step is not affine in u.
        """
        if self.sampling is not None:
            raise ValueError(f"{self.name}: a sampled system is not affine in its inputs")
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
    """ẋ = F(x) = f(x) + g(x) k(x), or x⁺ = F(x) in discrete time.

    ``field`` is F as one expression of the system's ``variables``, the state and any disturbance.
    """

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
