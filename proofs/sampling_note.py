"""How a certificate tells that its φ is a sampled equation: an annotation, taken only if it fits.

The statement has φ(x, u, w), the step, whole. The annotation adds the equation that was sampled;
with it the closed loop is rebuilt with its inputs, although φ is not affine in them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from proofs.statement import dynamics_tape
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.expression import Expression, substitute, topological
from systems.json_data import integer, object_of, quotient, rational, shown
from systems.sampled import METHODS, MOST_SUBSTEPS, Sampling
from systems.tape import Tape, compile_tape
from systems.tape_json import expressions_of, tape_from_json

KEY = "sampling"


@dataclass(frozen=True, eq=False)
class SamplingNote:
    """The sampling, and f and the columns of g of ẋ = f + g u as the outputs of a tape of x (and
    w)."""

    sampling: Sampling
    equation: Tape


def sampling_note(system: ControlAffineSystem) -> dict[str, object]:
    """The annotation under its key; empty for a system that is not sampled."""
    if system.sampling is None:
        return {}
    tape = compile_tape([system.drift, *system.input_columns], list(system.variables))
    named = zip("xw", tape.inputs, strict=False)
    tape = replace(tape, inputs=tuple((name, size) for name, (_, size) in named))
    note = {
        "period": quotient(system.sampling.period),
        "method": system.sampling.method,
        "substeps": system.sampling.substeps,
        "equation": tape.to_json(),
    }
    return {KEY: note}


def read_sampling_note(data: object, where: str) -> SamplingNote:
    """What :func:`sampling_note` wrote. Raises InputError with the place."""
    table = object_of(data, where, ("period", "method", "substeps", "equation"))
    period = rational(table["period"], f"{where}.period")
    method = next((m for m in METHODS if m == table["method"]), None)
    if method is None:
        given, known = shown(table["method"]), " or ".join(METHODS)
        raise InputError(f"{where}.method: {known} is wanted, not {given}")
    if period <= 0:
        raise InputError(f"{where}.period: a positive number is wanted")
    substeps = integer(table["substeps"], f"{where}.substeps", 1, MOST_SUBSTEPS)
    equation = tape_from_json(table["equation"], f"{where}.equation")
    return SamplingNote(Sampling(period, method, substeps), equation)


def equation_of(
    note: SamplingNote, state: Expression, disturbance: Expression | None, inputs: int
) -> tuple[Expression, tuple[Expression, ...]] | None:
    """f and the columns of g in these variables; None where sizes do not fit."""
    variables = [state] if disturbance is None else [state, disturbance]
    taken, outputs = expressions_of(note.equation)
    if [v.size for v in taken] != [v.size for v in variables]:
        return None
    if len(outputs) != 1 + inputs or any(node.size != state.size for node in outputs):
        return None
    renaming = dict(zip(taken, variables, strict=True))
    drift, *columns = (substitute(node, renaming) for node in outputs)
    return drift, tuple(columns)


def is_step_of(system: ControlAffineSystem, dynamics: Tape) -> bool:
    """Whether a sampled system's step is this very φ, operation by operation."""
    assert system.sampling is not None
    parts = topological([system.drift, *system.input_columns])
    if len(parts) * system.sampling.substeps > 8 * len(dynamics.instructions) + 1000:
        return False  # far too long to be φ; no file may make us write it out
    variables, outputs = expressions_of(dynamics)
    return compile_tape(outputs, variables).digest == dynamics_tape(system).digest
