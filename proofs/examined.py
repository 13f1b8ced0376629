"""What a cross-examination needs of a claim: the closed loop, V, q, the sets and the constants.

Taken from the statement alone: V, k and φ as they are written there. No derivative of V, no
condition and no evidence of the proof is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from certify.theorem import Theorem
from certify.validated import VectorField
from proofs.certificate_reader import statement_from
from proofs.statement import CONSTANTS, box_data
from proofs.statement_reader import Statement, box_from
from systems import expression as ex
from systems.box import Box
from systems.differentiate import NotDifferentiableError
from systems.dynamics import Time
from systems.errors import InputError
from systems.expression import Expression
from systems.json_data import quotient
from systems.tape import Tape, compile_tape
from systems.tape_json import expressions_of, tape_from_json


@dataclass(frozen=True, eq=False)
class Examined:
    """A claim about ẋ = F(x, w) or x⁺ = F(x, w), as tapes and exact numbers.

    ``quadratic`` is q, None where the theorem has no ellipsoid. ``constants`` has every constant of
    the format, None where the theorem has none. ``has_band``: whether V decreases between two
    levels; where an ellipsoid carries the claim, nothing is said of V.
    """

    time: Time
    field: VectorField
    value: Tape
    quadratic: Tape | None
    unsafe: tuple[tuple[str, Tape], ...]
    domain: Box
    equilibrium: tuple[Fraction, ...]
    disturbance_range: Box | None
    constants: Mapping[str, Fraction | None]
    has_band: bool

    def constant(self, name: str) -> Fraction:
        """A constant that the theorem has. Raises InputError where it has none."""
        value = self.constants[name]
        if value is None:
            raise InputError(f"statement.constants.{name}: is missing")
        return value

    @property
    def least_q(self) -> Fraction:
        """Down to where q falls along every solution: to c1 where the flow contracts around a set
        point, else to 0."""
        converges = not self.has_band and self.constants["alpha"] is not None
        return self.constant("c1") if converges else Fraction(0)

    @property
    def bottom(self) -> Fraction:
        """a = min(c1, core), from where on V decreases."""
        c1, core = self.constant("c1"), self.constants["core"]
        return c1 if core is None else min(c1, core)

    def to_json(self) -> dict[str, object]:
        """As plain data, for another process."""
        W = self.disturbance_range
        return {
            "time": self.time,
            "rate": self.field.rate.to_json(),
            "slopes": self.field.slopes.to_json(),
            "value": self.value.to_json(),
            "quadratic": None if self.quadratic is None else self.quadratic.to_json(),
            "unsafe": [[name, tape.to_json()] for name, tape in self.unsafe],
            "domain": box_data(self.domain),
            "equilibrium": [quotient(v) for v in self.equilibrium],
            "disturbance_range": None if W is None else box_data(W),
            "constants": {k: None if v is None else quotient(v) for k, v in self.constants.items()},
            "has_band": self.has_band,
        }

    @staticmethod
    def from_json(data: Mapping[str, object]) -> Examined:
        """What :meth:`to_json` wrote."""
        part: dict[str, object] = dict(data)
        star, W, sets, known = (
            part[k] for k in ("equilibrium", "disturbance_range", "unsafe", "constants")
        )
        assert isinstance(star, list) and isinstance(sets, list) and isinstance(known, dict)
        n = len(star)
        return Examined(
            "discrete" if part["time"] == "discrete" else "continuous",
            VectorField(tape_from_json(part["rate"]), tape_from_json(part["slopes"])),
            tape_from_json(part["value"]),
            None if part["quadratic"] is None else tape_from_json(part["quadratic"]),
            tuple((name, tape_from_json(tape)) for name, tape in sets),
            box_from(part["domain"], "domain", n),
            tuple(Fraction(v) for v in star),
            None if not isinstance(W, list) else box_from(W, "disturbance_range", len(W)),
            {k: None if v is None else Fraction(v) for k, v in known.items()},
            bool(part["has_band"]),
        )


def examined_of(claim: Mapping[str, object] | Theorem) -> Examined:
    """What is to be examined of a certificate's document, or of a theorem.

    Raises InputError where the document is malformed, or its closed loop has no Jacobian to
    simulate with.
    """
    try:
        return _of_theorem(claim) if isinstance(claim, Theorem) else _of_document(claim)
    except NotDifferentiableError as error:
        raise InputError(f"the closed loop cannot be simulated rigorously: {error}") from None


def _of_document(document: Mapping[str, object]) -> Examined:
    s = statement_from(document)
    state = ex.variable("x", len(s.states))
    W = s.disturbance_range
    w = None if W is None else ex.variable("w", W.dimension)
    field = _closed_loop(s, state, w)
    shape = None if s.ellipsoid is None else s.ellipsoid[0]
    return Examined(
        s.time,
        VectorField.of(field, state, w),
        s.value,
        None if shape is None else _quadratic(shape, s.equilibrium, state),
        s.unsafe,
        s.domain,
        s.equilibrium,
        W,
        {name: s.constants[name] for name in CONSTANTS},
        s.has_band,
    )


def _closed_loop(s: Statement, state: Expression, w: Expression | None) -> Expression:
    """F(x, w) = φ(x, k(x), w)."""
    inputs = [state]
    if s.control is not None:
        variables, outputs = expressions_of(s.control)
        inputs.append(ex.substitute(outputs[0], {variables[0]: state}))
    if w is not None:
        inputs.append(w)
    variables, outputs = expressions_of(s.dynamics)
    return ex.substitute(outputs[0], dict(zip(variables, inputs, strict=True)))


def _of_theorem(theorem: Theorem) -> Examined:
    problem, k = theorem.problem, theorem.constants
    system, state = problem.system, problem.state
    ellipsoid = theorem.ellipsoid
    star = system.equilibrium
    return Examined(
        system.time,
        VectorField.of(problem.field, state, system.disturbance),
        compile_tape([problem.value], [state]),
        None if ellipsoid is None else _quadratic(ellipsoid.matrix, star, state),
        tuple((s.name, compile_tape(s.constraints, [state])) for s in system.unsafe),
        problem.domain,
        star,
        system.disturbance_range,
        {name: getattr(k, name) for name in CONSTANTS},
        theorem.claim.has_band,
    )


def _quadratic(matrix: object, star: Sequence[Fraction], state: Expression) -> Tape:
    """q(x) = (x − x*)ᵀ P (x − x*)."""
    d = state - ex.constant(list(star))
    return compile_tape([ex.dot(d, ex.affine(matrix, d))], [state])  # type: ignore[arg-type]
