"""What a certificate states, as JSON data: the system, the closed loop, the theorem's constants.

``docs/certificate-format.md`` describes it. Nothing else is claimed by a certificate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from certify.candidate import Candidate
from certify.theorem import Theorem
from systems import expression as ex
from systems.box import Box
from systems.dynamics import ControlAffineSystem
from systems.expression import Expression
from systems.json_data import canonical_json, quotient
from systems.tape import Tape, compile_tape

CONSTANTS = ("c1", "c2", "mu", "alpha", "epsilon", "core", "c_q")


class Programs:
    """Straight-line programs by the SHA-256 of their JSON, each kept once.

    A tape is a program and the registers that are asked for; tapes often share a program.
    """

    def __init__(self) -> None:
        self.by_digest: dict[str, dict[str, object]] = {}

    def reference(self, tape: Tape) -> dict[str, object]:
        """Keep the tape's program; returns how a certificate refers to the tape."""
        program = tape.to_json()
        outputs = program.pop("outputs")
        digest = sha256_of(program)
        self.by_digest[digest] = program
        return {"program": digest, "outputs": outputs}


def sha256_of(data: object) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal."""
    import hashlib

    return hashlib.sha256(canonical_json(data).encode("ascii")).hexdigest()


def statement_of(theorem: Theorem, programs: Programs) -> dict[str, object]:
    """The statement; its tapes go into ``programs``."""
    problem, ellipsoid = theorem.problem, theorem.ellipsoid
    system = problem.system
    constants = {name: getattr(theorem.constants, name) for name in CONSTANTS}
    return {
        "theorem": theorem.claim.value,
        "system": system_data(system),
        "equilibrium": [quotient(v) for v in system.equilibrium],
        "domain": box_data(problem.domain),
        "closed_loop": closed_loop_data(system, problem.candidate, programs),
        "unsafe": unsafe_data(system, programs),
        "constants": {k: None if v is None else quotient(v) for k, v in constants.items()},
        "ellipsoid": None
        if ellipsoid is None
        else {"P": _rows(ellipsoid.matrix), "R": _rows(ellipsoid.scaling)},
    }


def system_data(system: ControlAffineSystem) -> dict[str, object]:
    """Name, time, and the names and units of states, inputs and disturbances."""
    n, m, p = system.state_dimension, system.input_dimension, system.disturbance_dimension
    disturbances = _named(system.disturbance_names, system.disturbance_units, "w", p)
    ranges = [] if system.disturbance_range is None else box_data(system.disturbance_range)
    return {
        "name": one_line(system.name),
        "time": system.time,
        "states": _named(system.state_names, system.state_units, "x", n),
        "inputs": _named(system.input_names, system.input_units, "u", m),
        "disturbances": [
            {**entry, "range": ends} for entry, ends in zip(disturbances, ranges, strict=True)
        ],
    }


def closed_loop_data(
    system: ControlAffineSystem, candidate: Candidate, programs: Programs
) -> dict[str, object]:
    """The three tapes: V and k share one program of x; the dynamics φ(x, u, w) have another.

    Raises ValueError where candidate and system do not fit.
    """
    loop = candidate.closed_loop(system)
    value = candidate.on(system).value
    controlled = [] if loop.control is None else [loop.control]
    both = tape_over([value, *controlled], system.state)
    control = both.with_outputs(both.outputs[1:]) if controlled else None
    return {
        "value": programs.reference(both.with_outputs(both.outputs[:1])),
        "control": None if control is None else programs.reference(control),
        "dynamics": programs.reference(dynamics_tape(system)),
    }


def unsafe_data(system: ControlAffineSystem, programs: Programs) -> list[dict[str, object]]:
    """Every unsafe set: its name and the tape whose outputs are all ≥ 0 on it."""
    return [
        {
            "name": one_line(unsafe.name),
            "tape": programs.reference(tape_over(unsafe.constraints, system.state)),
        }
        for unsafe in system.unsafe
    ]


def dynamics_tape(system: ControlAffineSystem) -> Tape:
    """φ(x, u, w), with inputs x, then u where there are inputs, then w where it is disturbed."""
    m = system.input_dimension
    inputs, names, control = [system.state], ["x"], None
    if m:
        control = ex.variable("u", m)
        inputs.append(control)
        names.append("u")
    if system.disturbance is not None:
        inputs.append(system.disturbance)
        names.append("w")
    return _renamed(compile_tape([system.vector_field(control)], inputs), names)


def tape_over(outputs: Sequence[Expression], state: Expression) -> Tape:
    """A tape of expressions of the state, which it calls x."""
    return _renamed(compile_tape(outputs, [state]), ["x"])


def _renamed(tape: Tape, names: Sequence[str]) -> Tape:
    """Variables are named after their part, so that equal functions have equal programs."""
    inputs = tuple((name, size) for name, (_, size) in zip(names, tape.inputs, strict=True))
    return replace(tape, inputs=inputs)


def annotations_of(system: ControlAffineSystem) -> dict[str, object]:
    """What the author says of the system; nothing of the proof rests on it."""
    limits = system.input_limits
    return {
        "description": one_line(system.description),
        "parameters": {
            name: {"value": quotient(value), "unit": one_line(system.parameter_units.get(name, ""))}
            for name, value in system.parameters.items()
        },
        "input_limits": None if limits is None else box_data(limits),
        "equilibrium_input": [quotient(v) for v in system.equilibrium_input],
        "domain": box_data(system.domain),
    }


def names_of(given: Sequence[str], letter: str, count: int) -> list[str]:
    """The names given, else x1, x2, … (or x, where there is one)."""
    if given:
        return list(given)
    return [letter] if count == 1 else [f"{letter}{i + 1}" for i in range(count)]


def box_data(box: Box) -> list[list[str]]:
    """The exact ends, coordinate by coordinate."""
    return [[quotient(a), quotient(b)] for a, b in zip(box.lower, box.upper, strict=True)]


def _named(
    names: Sequence[str], units: Sequence[str], letter: str, count: int
) -> list[dict[str, object]]:
    known = names_of(names, letter, count)
    return [
        {"name": one_line(n), "unit": one_line(u)}
        for n, u in zip(known, units or [""] * count, strict=True)
    ]


def one_line(text: str) -> str:
    """Text without line ends and other characters that are not printed."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def _rows(matrix: NDArray[np.float64]) -> list[list[str]]:
    return [[v.hex() for v in row] for row in matrix.tolist()]
