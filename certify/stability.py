"""What is claimed of a closed loop: the conditions whose conjunction is asymptotic stability.

For ẋ = F(x) on a box D around the equilibrium x*, with levels 0 < c1 < c2 (conditions 1–3 are those
of Meng et al., arXiv 2402.10119, Appendix D; 4 closes the hole they leave at the equilibrium):

0. F(x*) = 0, V(x*) = 0 in real arithmetic (:mod:`certify.equilibrium`).
1. decrease: V̇ ≤ −μ wherever c1 ≤ V ≤ c2 in D.
2. containment: V > c2 on the boundary of D.
3. small set: {V ≤ c1} ∩ D lies inside the ball of radius ε about x*.
4. core: {V ≤ c1} ∩ D lies inside the ellipsoid E = {q ≤ c_q}, q(x) = (x − x*)ᵀ P (x − x*), and
   contraction: P DF(x) + DF(x)ᵀ P ≺ 0 on E, so that q decreases along every solution in E.
   Where only attraction is claimed, instead, defined: F is bounded on {V ≤ c1} ∩ D.

F is the closed loop with the actuator's limits in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from certify.candidate import Candidate
from certify.conditions import Condition, Constraint
from systems import expression as ex
from systems.box import Box
from systems.differentiate import directional, gradient
from systems.dynamics import ControlAffineSystem
from systems.exact import ExactArray
from systems.expression import Expression
from systems.tape import Tape, compile_tape

Array = NDArray[np.float64]

VAST = Fraction(2**400)
"""No closed loop that is defined on a box is this fast; only a pole is."""


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """q(x) = (x − x*)ᵀ P (x − x*), P symmetric with float entries meant exactly, (n, n).

    ``scaling`` is R, (n, n), with R (P A + Aᵀ P) Rᵀ ≈ −I for the linearisation A: in these
    coordinates Gershgorin's discs decide definiteness. Any R is sound; a poor one proves less.
    """

    matrix: Array
    scaling: Array


@dataclass(frozen=True, eq=False)
class StabilityProblem:
    """A closed loop and a Lyapunov candidate, and the statements that can be made about them.

    ``domain`` is D, by default the system's; any box around the equilibrium inside that will do.
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

    @property
    def domain(self) -> Box:
        return self.chosen_domain or self.system.domain

    @cached_property
    def state(self) -> Expression:
        return self.system.state

    @cached_property
    def value(self) -> Expression:
        return self.candidate.on(self.system).value

    @cached_property
    def field(self) -> Expression:
        return self.candidate.closed_loop(self.system).field

    @cached_property
    def displacement(self) -> Expression:
        return self.state - ex.constant(list(self.system.equilibrium))

    @cached_property
    def derivative(self) -> Expression:
        """V̇ = ∇V · F."""
        return ex.dot(gradient(self.value, self.state), self.field)

    @cached_property
    def program(self) -> Tape:
        """One program for every statement about V: outputs V, V̇, |x − x*|² and |F|²."""
        squared = ex.total(self.displacement**2)
        speed = ex.total(self.field**2)
        return compile_tape([self.value, self.derivative, squared, speed], [self.state])

    def asking(self, *which: int) -> Tape:
        """The program, asked for some of its outputs only (by position)."""
        return self.program.with_outputs([self.program.outputs[i] for i in which])

    @cached_property
    def equilibrium_tape(self) -> Tape:
        """F and V, which must vanish at x*."""
        return compile_tape([self.field, self.value], [self.state])

    def decrease(self, c1: Fraction, c2: Fraction, mu: Fraction) -> Condition:
        return Condition(
            "decrease",
            "V̇ ≤ −μ wherever c1 ≤ V ≤ c2",
            self.asking(0, 1),
            ("V", "dV/dt"),
            (
                Constraint(0, "at least", c1),
                Constraint(0, "at most", c2),
                Constraint(1, "at least", -mu, strict=True),
            ),
            (self.domain,),
        )

    def containment(self, c2: Fraction) -> Condition:
        return Condition(
            "containment",
            "V > c2 on the boundary of the domain",
            self.asking(0),
            ("V",),
            (Constraint(0, "at most", c2),),
            self.domain.faces(),
        )

    def small_set(self, c1: Fraction, epsilon: Fraction) -> Condition:
        return Condition(
            "small set",
            "V ≤ c1 only where |x − x*| < ε",
            self.asking(0, 2),
            ("V", "|x - x*|^2"),
            (
                Constraint(0, "at most", c1),
                Constraint(1, "at least", epsilon**2),
            ),
            (self.domain,),
        )

    def defined(self, c1: Fraction) -> Condition:
        """Needed where nothing else is shown inside {V ≤ c1}: the closed loop has no pole there."""
        return Condition(
            "defined",
            "F is defined and bounded where V ≤ c1",
            self.asking(0, 3),
            ("V", "|F|^2"),
            (Constraint(0, "at most", c1), Constraint(1, "at least", VAST)),
            (self.domain,),
        )

    def origin_program(self, ellipsoid: Ellipsoid) -> Tape:
        """The program for statements about an ellipsoid: outputs q, the largest disc end, V."""
        if ellipsoid not in self._origin_programs:
            self._origin_programs[ellipsoid] = compile_tape(
                [self.quadratic(ellipsoid), self._gershgorin(ellipsoid), self.value], [self.state]
            )
        return self._origin_programs[ellipsoid]

    @cached_property
    def _origin_programs(self) -> dict[Ellipsoid, Tape]:
        return {}

    def core(self, ellipsoid: Ellipsoid, c1: Fraction, level: Fraction) -> Condition:
        program = self.origin_program(ellipsoid)
        return Condition(
            "core",
            "V ≤ core only inside the ellipsoid q < c_q",
            program.with_outputs([program.outputs[2], program.outputs[0]]),
            ("V", "q"),
            (Constraint(0, "at most", c1), Constraint(1, "at least", level)),
            (self.domain,),
        )

    def contraction(self, ellipsoid: Ellipsoid, level: Fraction) -> Condition:
        program = self.origin_program(ellipsoid)
        return Condition(
            "contraction",
            "P DF(x) + DF(x)ᵀ P is negative definite on the ellipsoid q ≤ c_q",
            program.with_outputs(program.outputs[:2]),
            ("q", "largest disc end"),
            (Constraint(0, "at most", level), Constraint(1, "at least", Fraction(0))),
            (self.domain,),
        )

    def quadratic(self, ellipsoid: Ellipsoid) -> Expression:
        d = self.displacement
        return ex.dot(d, ex.affine(ellipsoid.matrix, d))

    @cached_property
    def jacobian_columns(self) -> tuple[Expression, ...]:
        """∂F/∂xᵢ, i = 1…n, each of size n."""
        unit = np.eye(self.state.size)
        return tuple(directional(self.field, self.state, ex.constant(list(row))) for row in unit)

    def _gershgorin(self, ellipsoid: Ellipsoid) -> Expression:
        """The largest right end of a Gershgorin disc of R (P DF + DFᵀ P) Rᵀ: below 0 ⇒ definite.

        The matrix is J + Jᵀ with J = R P DF Rᵀ, whose column i is R P (DF Rᵀ)ᵢ.
        """
        n = self.state.size
        R, P = ellipsoid.scaling, ellipsoid.matrix
        left = exact_product(R, P)
        columns = [
            ex.affine(left, _combination(self.jacobian_columns, R[i].tolist())) for i in range(n)
        ]
        discs = []
        for i in range(n):
            end: Expression = 2 * columns[i][i]
            for j in range(n):
                if j != i:
                    end = end + ex.absolute(columns[i][j] + columns[j][i])
            discs.append(end)
        out = discs[0]
        for disc in discs[1:]:
            out = ex.maximum(out, disc)
        return out


def exact_product(a: Array, b: Array) -> ExactArray:
    """The exact product of two float matrices."""
    x, y = ExactArray.of(a).rationals(), ExactArray.of(b).rationals()
    n, m = b.shape
    rows = len(a)
    entries = [
        sum((x[i * n + k] * y[k * m + j] for k in range(n)), Fraction(0))
        for i in range(rows)
        for j in range(m)
    ]
    return ExactArray.from_rationals(entries, (rows, m))


def _combination(vectors: Sequence[Expression], weights: Sequence[float]) -> Expression:
    out: Expression = ex.constant([0] * vectors[0].size)
    for v, w in zip(vectors, weights, strict=True):
        if w:
            out = out + ex.multiply(w, v)
    return out


def is_positive_definite(matrix: Array) -> bool:
    """Whether a symmetric float matrix is positive definite, decided exactly (pivots of LDLᵀ)."""
    n = len(matrix)
    if not np.array_equal(matrix, matrix.T):
        return False
    a = [[Fraction(v) for v in row] for row in matrix.tolist()]
    for k in range(n):
        if a[k][k] <= 0:
            return False
        for i in range(k + 1, n):
            factor = a[i][k] / a[k][k]
            for j in range(k, n):
                a[i][j] -= factor * a[k][j]
    return True
