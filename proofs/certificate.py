"""The certificate, format version 1: one JSON document that outlives the run.

It can be built only from a :class:`certify.theorem.Theorem`. ``docs/certificate-format.md``
describes it. Whether it is true is for a checker to say that shares no code with this file.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata
from os import PathLike

from certify.branch_and_bound import Search
from certify.enclosure.rounding import ULPS
from certify.result import StabilityResult
from certify.theorem import Claim, Theorem
from certify.verdict import Proved
from proofs.certificate_reader import (
    FORMAT,
    PARTS,
    VERSION,
    conditions_of,
    hashes_of,
    load_certificate,
)
from proofs.statement import Programs, box_data, closed_loop_tape, one_line, statement_of
from proofs.tree_code import encode_tree
from systems.files import write_atomically
from systems.json_data import canonical_json, plain, quotient

__all__ = [
    "FORMAT",
    "PARTS",
    "VERSION",
    "certificate_of",
    "conditions_of",
    "load_certificate",
    "save_certificate",
]

LIBRARIES = ("stableproof", "numpy", "scipy", "numba", "python-flint")


def certificate_of(
    result: StabilityResult, provenance: Mapping[str, object] | None = None
) -> dict[str, object]:
    """The certificate of a proved result; ``provenance`` records the run (seed, command, timings).

    The parts "statement", "programs" and "evidence" depend on the proof alone, so that their hashes
    are equal wherever it is found again. Raises ValueError where nothing is proved.
    """
    theorem = result.theorem
    if theorem is None:
        raise ValueError(
            f"no certificate: the verdict is {type(result.verdict).__name__}, not Proved"
        )
    programs = Programs()
    document: dict[str, object] = {
        "format": FORMAT,
        "version": VERSION,
        "statement": statement_of(theorem, programs),
        "evidence": _evidence(theorem, programs),
        "programs": programs.by_digest,
        "volume": _volume(result),
        "trust": trust_base(),
        "provenance": _provenance(result, theorem, provenance or {}),
    }
    return {**document, "sha256": hashes_of(document)}


def save_certificate(document: Mapping[str, object], path: str | PathLike[str]) -> None:
    """Write the certificate as canonical JSON, whole or not at all. Raises InputError."""
    write_atomically(path, canonical_json(document) + "\n")


def condition_names(theorem: Theorem) -> list[str]:
    """The conditions that this theorem rests on, beside the exact equilibrium."""
    names = ["decrease", "containment"]
    if theorem.claim is Claim.ASYMPTOTIC_STABILITY:
        names += ["core", "contraction"]
    else:
        names.append("defined")
    if theorem.constants.epsilon is not None:
        names.append("small set")
    return names


def trust_base() -> dict[str, object]:
    """What has to be believed for the prover's word to count; a checker needs none of it."""
    return {
        "tolerances": [],
        "excluded": [],
        "ulps": ULPS,
        "assumptions": [
            "float64 arithmetic follows IEEE 754 and rounds to nearest",
            f"elementary functions of numpy and the C library err by at most {ULPS} units in the "
            "last place",
            "python-flint (Arb) encloses constants, and decides with exact rationals that F and V "
            "vanish at the equilibrium",
            "the programs in systems/ and certify/ compute the bounds that they document",
        ],
    }


def _evidence(theorem: Theorem, programs: Programs) -> dict[str, object]:
    whole = closed_loop_tape(theorem.problem)
    *_, value, field = whole.outputs
    out: dict[str, object] = {
        "equilibrium": {
            "claim": "F(x*) = 0 and V(x*) = 0 in real arithmetic",
            "tape": programs.reference(whole.with_outputs([field, value])),
            "verdict": "proved",
        }
    }
    for name in condition_names(theorem):
        out[name] = _condition(theorem.evidence[name], programs)
    return out


def _condition(search: Search, programs: Programs) -> dict[str, object]:
    condition, verdict = search.condition, search.verdict
    if not isinstance(verdict, Proved) or verdict.evidence is None:
        raise ValueError(f"no certificate: the condition {condition.name!r} has no evidence")
    regions, violation = condition.regions, condition.violation
    return {
        "claim": condition.claim,
        "tape": programs.reference(condition.tape),
        "outputs": list(condition.outputs),
        "violation": [
            {"output": c.output, "sense": c.sense, "level": quotient(c.level), "strict": c.strict}
            for c in violation
        ],
        "regions": [box_data(r) for r in regions],
        "tree": encode_tree(verdict.evidence, regions, len(violation)),
        "verdict": "proved",
    }


def _volume(result: StabilityResult) -> dict[str, object] | None:
    """Bounds of the volume of {x in D : V(x) ≤ c2}."""
    paving = result.paving
    if paving is None:
        return None
    units = [one_line(u) or "1" for u in result.problem.system.state_units]
    return {
        "at_least": float(paving.volume).hex(),
        "at_most": float(paving.at_most).hex(),
        "boxes": len(paving.lower),
        "unit": " * ".join(units),
        "rigorous": True,
        "method": "boxes on which the enclosure of V lies below c2, and those where it may",
    }


def _provenance(
    result: StabilityResult, theorem: Theorem, given: Mapping[str, object]
) -> dict[str, object]:
    searches = {name: theorem.evidence[name] for name in condition_names(theorem)}
    return {
        "versions": versions(),
        "platform": {
            "system": platform.system(),
            "machine": platform.machine(),
            "python": platform.python_implementation(),
        },
        "seconds": result.seconds,
        "boxes": result.boxes,
        "searches": {
            name: {"boxes": s.boxes, "seconds": s.seconds, "order": s.order}
            for name, s in searches.items()
        },
        "candidate": plain(result.problem.candidate.provenance),
        "run": plain(given),
    }


def versions() -> dict[str, str]:
    """The versions of Python and of the libraries that took part."""
    out = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            out[name] = "not installed as a package"
    return out
