"""What a certificate states, as JSON data: the closed loop, the claim, and its exact constants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from certify.stability import StabilityProblem
from certify.theorem import Theorem
from systems.box import Box
from systems.dynamics import ControlAffineSystem
from systems.json_data import canonical_json, quotient
from systems.tape import Tape, compile_tape

CONSTANTS = ("c1", "c2", "mu", "epsilon", "core", "c_q")


class Programs:
    """Straight-line programs by the SHA-256 of their JSON, each kept once.

    A tape is a program and the registers that are asked for; conditions often share the program.
    """

    def __init__(self) -> None:
        self.by_digest: dict[str, dict[str, object]] = {}

    def reference(self, tape: Tape) -> dict[str, object]:
        """Keep the tape's program; returns how a certificate refers to the tape."""
        program = tape.to_json()
        outputs = program.pop("outputs")
        digest = sha256_of(program)
        self.by_digest[digest] = program
        return {"program": digest, "outputs": outputs, "digest": tape.digest}


def sha256_of(data: object) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal."""
    import hashlib

    return hashlib.sha256(canonical_json(data).encode("ascii")).hexdigest()


def statement_of(theorem: Theorem, programs: Programs) -> dict[str, object]:
    """The statement; its tapes go into ``programs``."""
    ellipsoid = theorem.ellipsoid
    constants = {name: getattr(theorem.constants, name) for name in CONSTANTS}
    return {
        "claim": theorem.claim.value,
        "words": theorem.claim.words,
        "domain": box_data(theorem.problem.domain),
        "system": system_data(theorem.problem.system),
        "closed_loop": closed_loop_data(theorem, programs),
        "constants": {k: None if v is None else quotient(v) for k, v in constants.items()},
        "ellipsoid": None
        if ellipsoid is None
        else {"P": _rows(ellipsoid.matrix), "R": _rows(ellipsoid.scaling)},
    }


def system_data(system: ControlAffineSystem) -> dict[str, object]:
    """Names, units, domain and equilibrium; rationals exact as "p/q"."""
    limits = system.input_limits
    return {
        "name": one_line(system.name),
        "description": one_line(system.description),
        "time": "continuous",
        "states": _named(system.state_names, system.state_units, "x", system.state_dimension),
        "inputs": _named(system.input_names, system.input_units, "u", system.input_dimension),
        "parameters": {
            name: {"value": quotient(value), "unit": one_line(system.parameter_units.get(name, ""))}
            for name, value in system.parameters.items()
        },
        "domain": box_data(system.domain),
        "equilibrium": [quotient(v) for v in system.equilibrium],
        "equilibrium_input": [quotient(v) for v in system.equilibrium_input],
        "input_limits": None if limits is None else box_data(limits),
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
) -> list[dict[str, str]]:
    known = names_of(names, letter, count)
    return [
        {"name": one_line(n), "unit": one_line(u)}
        for n, u in zip(known, units or [""] * count, strict=True)
    ]


def closed_loop_tape(problem: StabilityProblem) -> Tape:
    """One program of the state with the outputs f, the columns of g, k (if any), V and F."""
    system = problem.system
    control = problem.candidate.closed_loop(system).control
    dynamics = [system.drift, *system.input_columns, *([] if control is None else [control])]
    return compile_tape([*dynamics, problem.value, problem.field], [system.state])


def closed_loop_data(theorem: Theorem, programs: Programs) -> dict[str, object]:
    """Tapes over the state: f and the columns of g; k; V; F; and V̇ as the search bounded it."""
    whole = closed_loop_tape(theorem.problem)
    *dynamics, value, field = whole.outputs
    last = 1 + theorem.problem.system.input_dimension
    decrease = theorem.evidence["decrease"].condition.tape

    def tape(outputs: Sequence[int]) -> dict[str, object]:
        return programs.reference(whole.with_outputs(outputs))

    return {
        "dynamics": tape(dynamics[:last]),
        "control": tape(dynamics[last:]) if dynamics[last:] else None,
        "value": tape([value]),
        "field": tape([field]),
        "derivative": programs.reference(decrease.with_outputs(decrease.outputs[1:])),
    }


def one_line(text: str) -> str:
    """Text without line ends and other characters that are not printed."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def _rows(matrix: NDArray[np.float64]) -> list[list[str]]:
    return [[v.hex() for v in row] for row in matrix.tolist()]
