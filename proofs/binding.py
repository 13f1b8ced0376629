"""Whether a certificate speaks of a given system and candidate, and if not, where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from certify.candidate import Candidate
from certify.claim import Claim
from certify.free_inputs import with_free_inputs
from proofs.certificate_reader import programs_from, statement_from
from proofs.statement import Programs, closed_loop_data, system_data, unsafe_data
from proofs.statement_reader import tape_from
from systems.dynamics import ControlAffineSystem
from systems.json_data import quotient
from systems.tape import compile_tape
from systems.tape_json import expressions_of

_NAMES = {
    "name": "the system's name",
    "time": "time",
    "states": "the states",
    "inputs": "the inputs",
    "disturbances": "the disturbances",
}
_TAPES = {
    "value": "V is another function",
    "control": "the controller is another function",
    "dynamics": "the dynamics are others",
}


def binding_gaps(
    document: Mapping[str, object], system: ControlAffineSystem, candidate: Candidate
) -> list[str]:
    """In which respects a certificate does not speak of this system under this candidate.

    One phrase for each; empty iff it speaks of exactly this closed loop. Functions are compared as
    programs, operation by operation and number by number: a formula that is written another way is
    another function. Annotations are not compared, since nothing follows from them; nor is V where
    an ellipsoid carries the theorem, whose V is its quadratic form. Set-point convergence has
    inputs at their limits among its unsafe sets. Raises InputError where the document is malformed.
    """
    if statement_from(document).converges:
        try:
            system = with_free_inputs(system, candidate)
        except ValueError as error:
            return [f"the candidate does not fit the system: {error}"]
    statement = document["statement"]
    assert isinstance(statement, Mapping)
    return [
        *_system_gaps(statement, system),
        *_function_gaps(document, statement, system, candidate),
        *_domain_gaps(statement["domain"], system),
    ]


def _system_gaps(statement: Mapping[str, object], system: ControlAffineSystem) -> list[str]:
    stated, own = statement["system"], system_data(system)
    assert isinstance(stated, Mapping)
    gaps = [
        f"{words}: {_told(stated[key])} in the certificate, {_told(own[key])} here"
        for key, words in _NAMES.items()
        if stated[key] != own[key]
    ]
    star = [quotient(v) for v in system.equilibrium]
    if statement["equilibrium"] != star:
        gaps.append(
            f"the equilibrium: {_told(statement['equilibrium'])} in the certificate, "
            f"{_told(star)} here"
        )
    return gaps


def _function_gaps(
    document: Mapping[str, object],
    statement: Mapping[str, object],
    system: ControlAffineSystem,
    candidate: Candidate,
) -> list[str]:
    programs = Programs()
    unsafe = unsafe_data(system, programs)
    try:
        loop = closed_loop_data(system, candidate, programs)
    except ValueError as error:
        return [f"the candidate does not fit the system: {error}"]
    stated = _Functions(document["programs"])
    here = _Functions(programs.by_digest)
    known = statement["closed_loop"]
    assert isinstance(known, Mapping)
    has_band = Claim(statement["theorem"]).has_band
    compared = {k: v for k, v in _TAPES.items() if k != "value" or has_band}
    gaps = [words for key, words in compared.items() if stated[known[key]] != here[loop[key]]]
    sets = statement["unsafe"]
    assert isinstance(sets, list)
    if [(s["name"], stated[s["tape"]]) for s in sets] != [
        (s["name"], here[s["tape"]]) for s in unsafe
    ]:
        names, own = (_told([s["name"] for s in given]) for given in (sets, unsafe))
        same = ", with other formulas" if names == own else ""
        gaps.append(f"the unsafe sets: {names} in the certificate, {own} here{same}")
    return gaps


class _Functions:
    """Of each tape of a document, the hash of what it needs of its program.

    Two functions in one program, as V and k are, so differ each for itself.
    """

    def __init__(self, programs: object) -> None:
        self.programs = programs_from(programs)

    def __getitem__(self, reference: object) -> str | None:
        if reference is None:
            return None
        variables, outputs = expressions_of(tape_from(reference, "tape", self.programs))
        return compile_tape(outputs, variables).digest


def _domain_gaps(domain: object, system: ControlAffineSystem) -> list[str]:
    assert isinstance(domain, Sequence)
    ends = [(Fraction(low), Fraction(high)) for low, high in domain]
    inside = len(ends) == system.state_dimension and all(
        a <= low and high <= b
        for (low, high), a, b in zip(ends, system.domain.lower, system.domain.upper, strict=True)
    )
    return [] if inside else ["the domain of the certificate is no part of the system's"]


def _told(value: object) -> str:
    """A stated value for people, in one short line."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        unit = f" [{value['unit']}]" if value.get("unit") else ""
        ends = f" in {_told(value['range'])}" if "range" in value else ""
        return f"{value['name']}{unit}{ends}"
    assert isinstance(value, Sequence)
    told = ", ".join(_told(v) for v in value) or "none"
    return told if len(told) <= 120 else f"{told[:117]}…"
