"""What can be claimed of a closed loop: the conditions that theorems are made of.

The loop is ẋ = F(x, w) or x⁺ = F(x, w), on a box D around x*, for every disturbance w in a box W
(where there is none, read D for D × W). ΔV is ∇V·F in continuous and V(F) − V in discrete time.
With levels 0 < a ≤ c1 < c2 (decrease, containment and small set are conditions of Meng et al.,
arXiv 2402.10119, Appendix D):

* equilibrium: F(x*, w) = 0 (in discrete time x*), V(x*) = 0 in real arithmetic; centre: V(x*) = 0.
* decrease: ΔV ≤ −μ, or ΔV ≤ −alpha·V, wherever a ≤ V ≤ c2.
* containment: V > c2 on the boundary of D; in discrete time F in D wherever V ≤ c2.
* small set: {V ≤ c1} lies inside the ball of radius ε about x*.
* core and contraction: {V ≤ core} lies inside an ellipsoid on which its quadratic form decreases.
* defined: F is bounded on {V ≤ a}; trap: V(F) ≤ c1 wherever V ≤ c1.
* avoid: {V ≤ c2} misses an unsafe set; where an ellipsoid alone carries the claim, it does.

``docs/certificate-format.md`` states them exactly, and :mod:`certify.theorem` says which of them a
theorem needs. F is the closed loop with the actuator's limits in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from certify.candidate import Candidate
from certify.conditions import Condition, Constraint
from certify.ellipsoid import Ellipsoid, continuous_disc_end, discrete_disc_end, quadratic
from systems import expression as ex
from systems.box import Box
from systems.differentiate import directional, gradient
from systems.dynamics import ControlAffineSystem
from systems.expression import Expression
from systems.tape import Tape, compile_tape

__all__ = ["VAST", "Ellipsoid", "StabilityProblem"]

VAST = Fraction(2**400)
"""No closed loop that is defined on a box is this fast; only a pole is."""


@dataclass(frozen=True, eq=False)
class StabilityProblem:
    """A closed loop and a Lyapunov candidate, and the statements that can be made about them.

    ``domain`` is D, by default the system's; any box around the equilibrium inside that will do.
    Tapes take the state and, where there is one, the disturbance. Raises ValueError where the
    candidate is no function of the state alone, or the domain does not fit.
    """

    system: ControlAffineSystem
    candidate: Candidate
    chosen_domain: Box | None = None

    def __post_init__(self) -> None:
        whole, part = self.system.domain, self.domain
        if not (whole.contains(part.lower) and whole.contains(part.upper)):
            raise ValueError("the domain of a statement must lie in the system's domain")
        if not part.contains_in_interior(self.system.equilibrium):
            raise ValueError("the domain of a statement must contain the equilibrium inside")
        control = self.candidate.control
        for part_of in (self.candidate.value, *([] if control is None else [control])):
            if any(v is not self.candidate.state for v in ex.variables(part_of)):
                raise ValueError("V and k must depend on the state alone")

    @property
    def domain(self) -> Box:
        return self.chosen_domain or self.system.domain

    @property
    def is_discrete(self) -> bool:
        return self.system.time == "discrete"

    @property
    def variables(self) -> tuple[Expression, ...]:
        """The inputs of every tape: the state, and the disturbance where there is one."""
        return self.system.variables

    def disturbed(self, box: Box) -> Box:
        """A box of states × W: what a condition on it ranges over."""
        W = self.system.disturbance_range
        return box if W is None else Box(box.lower + W.lower, box.upper + W.upper)

    @property
    def region(self) -> Box:
        """D × W."""
        return self.disturbed(self.domain)

    @cached_property
    def state(self) -> Expression:
        return self.system.state

    @cached_property
    def value(self) -> Expression:
        return self.candidate.on(self.system).value

    @cached_property
    def field(self) -> Expression:
        """F(x, w)."""
        return self.candidate.closed_loop(self.system).field

    @cached_property
    def displacement(self) -> Expression:
        return self.state - ex.constant(list(self.system.equilibrium))

    @cached_property
    def next_value(self) -> Expression:
        """V(F), in discrete time."""
        return ex.substitute(self.value, {self.state: self.field})

    @cached_property
    def derivative(self) -> Expression:
        """ΔV: ∇V · F in continuous, V(F) − V in discrete time."""
        if self.is_discrete:
            return self.next_value - self.value
        return ex.dot(gradient(self.value, self.state), self.field)

    @cached_property
    def excursion(self) -> Expression:
        """How far F lies outside D, along the axis where it is farthest; ≤ 0 inside."""
        low, high = ex.constant(list(self.domain.lower)), ex.constant(list(self.domain.upper))
        out = ex.maximum(low - self.field, self.field - high)
        worst = out[0]
        for i in range(1, out.size):
            worst = ex.maximum(worst, out[i])
        return worst

    @property
    def change_name(self) -> str:
        """What ΔV is called among a condition's outputs."""
        return "V(F) - V" if self.is_discrete else "dV/dt"

    @cached_property
    def _program(self) -> tuple[Tape, Mapping[str, int]]:
        """One program for the statements about V, and the position of each output in it."""
        outputs = {
            "V": self.value,
            self.change_name: self.derivative,
            "|x - x*|^2": ex.total(self.displacement**2),
        }
        if self.is_discrete:
            outputs |= {"V(F)": self.next_value, "excursion": self.excursion}
        else:
            outputs |= {"|F|^2": ex.total(self.field**2)}
        tape = compile_tape(list(outputs.values()), self.variables)
        return tape, {name: k for k, name in enumerate(outputs)}

    @property
    def program(self) -> Tape:
        """The program of V, ΔV and what else the conditions that need no ellipsoid speak of."""
        return self._program[0]

    def asking(self, *names: str) -> Tape:
        """The program, asked for some of its outputs only."""
        tape, position = self._program
        return tape.with_outputs([tape.outputs[position[name]] for name in names])

    @cached_property
    def value_tape(self) -> Tape:
        """V as a function of the state alone."""
        if self.system.disturbance is None:
            return self.asking("V")
        return compile_tape([self.value], [self.state])

    @cached_property
    def equilibrium_tape(self) -> Tape:
        """What must vanish at x* for every w: F (in discrete time F − x), and V."""
        residual = self.field - self.state if self.is_discrete else self.field
        return compile_tape([residual, self.value], self.variables)

    def decrease(self, bottom: Fraction, c2: Fraction, mu: Fraction) -> Condition:
        """ΔV ≤ −μ on the band."""
        return self._about_value(
            "decrease",
            f"{self._change} ≤ −μ wherever a ≤ V ≤ c2",
            (self.change_name,),
            Constraint(0, "at least", bottom),
            Constraint(0, "at most", c2),
            Constraint(1, "at least", -mu, strict=True),
        )

    def exponential_decrease(self, bottom: Fraction, c2: Fraction, alpha: Fraction) -> Condition:
        """ΔV ≤ −alpha·V on the band."""
        if alpha not in self._rates:
            rate = self.derivative + ex.multiply(alpha, self.value)
            self._rates[alpha] = compile_tape([self.value, rate], self.variables)
        return Condition(
            "decrease",
            f"{self._change} ≤ −alpha·V wherever a ≤ V ≤ c2",
            self._rates[alpha],
            ("V", f"{self.change_name} + alpha V"),
            (
                Constraint(0, "at least", bottom),
                Constraint(0, "at most", c2),
                Constraint(1, "at least", Fraction(0), strict=True),
            ),
            (self.region,),
        )

    @cached_property
    def _rates(self) -> dict[Fraction, Tape]:
        return {}

    @property
    def _change(self) -> str:
        return "V(F) − V" if self.is_discrete else "V̇"

    def containment(self, c2: Fraction) -> Condition:
        """Solutions do not leave D from {V ≤ c2}."""
        if self.is_discrete:
            return self._about_value(
                "containment",
                "F lies in the domain wherever V ≤ c2",
                ("excursion",),
                Constraint(0, "at most", c2),
                Constraint(1, "at least", Fraction(0), strict=True),
            )
        return self._about_value(
            "containment",
            "V > c2 on the boundary of the domain",
            (),
            Constraint(0, "at most", c2),
            regions=tuple(self.disturbed(face) for face in self.domain.faces()),
        )

    def small_set(self, c1: Fraction, epsilon: Fraction) -> Condition:
        """{V ≤ c1} lies in the ball of radius ε."""
        return self._about_value(
            "small set",
            "V ≤ c1 only where |x − x*| < ε",
            ("|x - x*|^2",),
            Constraint(0, "at most", c1),
            Constraint(1, "at least", epsilon**2),
        )

    def defined(self, bottom: Fraction) -> Condition:
        """Needed where nothing else is shown inside {V ≤ a}: the closed loop has no pole there.

        Only in continuous time: in discrete time containment bounds F already.
        """
        return self._about_value(
            "defined",
            "F is defined and bounded where V ≤ a",
            ("|F|^2",),
            Constraint(0, "at most", bottom),
            Constraint(1, "at least", VAST),
        )

    def trap(self, c1: Fraction) -> Condition:
        """In discrete time: a step from {V ≤ c1} ends in {V ≤ c1}, however far V is below c1."""
        return self._about_value(
            "trap",
            "V(F) ≤ c1 wherever V ≤ c1",
            ("V(F)",),
            Constraint(0, "at most", c1),
            Constraint(1, "at least", c1, strict=True),
        )

    def avoid(self, number: int, c2: Fraction) -> Condition:
        """{V ≤ c2} misses unsafe set ``number``, counted from 1."""
        unsafe = self.system.unsafe[number - 1]
        if number not in self._unsafe_tapes:
            self._unsafe_tapes[number] = compile_tape(
                [self.value, *unsafe.constraints], self.variables
            )
        J = len(unsafe.constraints)
        return Condition(
            f"avoid {number}",
            f"V > c2 on the unsafe set {unsafe.name}",
            self._unsafe_tapes[number],
            ("V", *(f"{unsafe.name} {j + 1}" for j in range(J))),
            (
                Constraint(0, "at most", c2),
                *(Constraint(j + 1, "at least", Fraction(0)) for j in range(J)),
            ),
            (self.region,),
        )

    def ellipsoid_avoids(self, number: int, ellipsoid: Ellipsoid, level: Fraction) -> Condition:
        """{q ≤ level} misses unsafe set ``number``, counted from 1."""
        unsafe = self.system.unsafe[number - 1]
        key = number, ellipsoid
        if key not in self._ellipsoid_unsafe_tapes:
            self._ellipsoid_unsafe_tapes[key] = compile_tape(
                [quadratic(ellipsoid, self.displacement), *unsafe.constraints], self.variables
            )
        J = len(unsafe.constraints)
        return Condition(
            f"avoid {number}",
            f"q > c_q on the unsafe set {unsafe.name}",
            self._ellipsoid_unsafe_tapes[key],
            ("q", *(f"{unsafe.name} {j + 1}" for j in range(J))),
            (
                Constraint(0, "at most", level),
                *(Constraint(j + 1, "at least", Fraction(0)) for j in range(J)),
            ),
            (self.region,),
        )

    @cached_property
    def _ellipsoid_unsafe_tapes(self) -> dict[tuple[int, Ellipsoid], Tape]:
        return {}

    @cached_property
    def _unsafe_tapes(self) -> dict[int, Tape]:
        return {}

    def _about_value(
        self,
        name: str,
        claim: str,
        others: tuple[str, ...],
        *violation: Constraint,
        regions: tuple[Box, ...] | None = None,
    ) -> Condition:
        """A condition on V and other outputs of the program."""
        outputs = ("V", *others)
        tape = self.asking(*outputs)
        return Condition(name, claim, tape, outputs, violation, regions or (self.region,))

    def origin_program(self, ellipsoid: Ellipsoid, alpha: Fraction | None = None) -> Tape:
        """The program for statements about an ellipsoid: outputs q, the largest disc end, V."""
        key = ellipsoid, alpha
        if key not in self._origin_programs:
            disc_end = discrete_disc_end if self.is_discrete else continuous_disc_end
            self._origin_programs[key] = compile_tape(
                [
                    quadratic(ellipsoid, self.displacement),
                    disc_end(ellipsoid, self.jacobian_columns, alpha),
                    self.value,
                ],
                self.variables,
            )
        return self._origin_programs[key]

    @cached_property
    def _origin_programs(self) -> dict[tuple[Ellipsoid, Fraction | None], Tape]:
        return {}

    def core(
        self, ellipsoid: Ellipsoid, core: Fraction, level: Fraction, alpha: Fraction | None = None
    ) -> Condition:
        """{V ≤ core} lies inside {q < c_q}; ``alpha`` only chooses the program it shares."""
        program = self.origin_program(ellipsoid, alpha)
        return Condition(
            "core",
            "V ≤ core only inside the ellipsoid q < c_q",
            program.with_outputs([program.outputs[2], program.outputs[0]]),
            ("V", "q"),
            (Constraint(0, "at most", core), Constraint(1, "at least", level)),
            (self.region,),
        )

    def contraction(
        self, ellipsoid: Ellipsoid, level: Fraction, alpha: Fraction | None = None
    ) -> Condition:
        """S ≺ 0 on the ellipsoid, stated on D; any box around the ellipsoid will do."""
        program = self.origin_program(ellipsoid, alpha)
        return Condition(
            "contraction",
            f"{self._form_words(alpha)} is negative definite on the ellipsoid q ≤ c_q",
            program.with_outputs(program.outputs[:2]),
            ("q", "largest disc end"),
            (Constraint(0, "at most", level), Constraint(1, "at least", Fraction(0))),
            (self.region,),
        )

    def rest(self, ellipsoid: Ellipsoid, level: Fraction, alpha: Fraction) -> Condition:
        """F(x*, w), in discrete time F(x*, w) − x*, is so short that the contraction at the rate
        alpha ends in {q ≤ level}: its q is below alpha² level / 4, for every w."""
        star = self.system.equilibrium
        moved = self.field - ex.constant(list(star)) if self.is_discrete else self.field
        return Condition(
            "rest",
            f"q({'F - x*' if self.is_discrete else 'F'}) < alpha² c1/4 at x*",
            compile_tape([quadratic(ellipsoid, moved)], self.variables),
            ("|F - x*|_P^2" if self.is_discrete else "|F|_P^2",),
            (Constraint(0, "at least", alpha**2 * level / 4),),
            (self.disturbed(Box(star, star)),),
        )

    def _form_words(self, alpha: Fraction | None) -> str:
        if self.is_discrete:
            return "DFᵀ P DF − P" if alpha is None else "DFᵀ P DF − (1 − alpha) P"
        return "P DF + DFᵀ P" if alpha is None else "P DF + DFᵀ P + alpha P"

    @cached_property
    def jacobian_columns(self) -> tuple[Expression, ...]:
        """∂F/∂xᵢ, i = 1…n, each of size n."""
        unit = np.eye(self.state.size)
        return tuple(directional(self.field, self.state, ex.constant(list(row))) for row in unit)
