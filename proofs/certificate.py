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
from certify.theorem import Theorem
from certify.tree_code import encode_tree
from certify.verdict import Proved
from proofs.certificate_problem import conditions_of, problem_of
from proofs.certificate_reader import FORMAT, PARTS, VERSION, hashes_of, load_certificate
from proofs.sampling_note import sampling_note
from proofs.statement import Programs, annotations_of, box_data, one_line, statement_of
from systems.box import Box
from systems.files import write_atomically
from systems.json_data import canonical_json, plain

__all__ = [
    "FORMAT",
    "PARTS",
    "VERSION",
    "certificate_of",
    "conditions_of",
    "load_certificate",
    "problem_of",
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
    programs, n = Programs(), theorem.problem.system.state_dimension
    document: dict[str, object] = {
        "format": FORMAT,
        "version": VERSION,
        "statement": statement_of(theorem, programs),
        "evidence": {name: _condition(search, n) for name, search in theorem.evidence.items()},
        "programs": programs.by_digest,
        "volume": _volume(result),
        "annotations": {
            **annotations_of(theorem.problem.system),
            **sampling_note(theorem.problem.system),
        },
        "trust": trust_base(),
        "provenance": _provenance(result, theorem, provenance or {}),
    }
    return {**document, "sha256": hashes_of(document)}


def save_certificate(document: Mapping[str, object], path: str | PathLike[str]) -> None:
    """Write the certificate as canonical JSON, whole or not at all. Raises InputError."""
    write_atomically(path, canonical_json(document) + "\n")


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


def _condition(search: Search, states: int) -> dict[str, object]:
    condition, verdict = search.condition, search.verdict
    if not isinstance(verdict, Proved) or verdict.evidence is None:
        raise ValueError(f"no certificate: the condition {condition.name!r} has no evidence")
    tree = encode_tree(verdict.evidence, condition.regions, len(condition.violation))
    if condition.name != "contraction":
        return {"tree": tree}
    region = condition.regions[0]
    return {"box": box_data(Box(region.lower[:states], region.upper[:states])), "tree": tree}


def _volume(result: StabilityResult) -> dict[str, object] | None:
    """A lower bound of the volume of {x in D : V(x) ≤ c2}, and the tree that shows it."""
    paving, problem = result.paving, result.problem
    if paving is None or not paving.volume:
        return None
    units = [one_line(u) for u in problem.system.state_units if one_line(u)]
    return {
        "at_least": float(paving.volume).hex(),
        "unit": " * ".join(units) or "1",
        "tree": encode_tree(paving.tree, [problem.domain], 2),
    }


def _provenance(
    result: StabilityResult, theorem: Theorem, given: Mapping[str, object]
) -> dict[str, object]:
    paving = result.paving
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
            for name, s in theorem.evidence.items()
        },
        "volume": None
        if paving is None
        else {"at_most": float(paving.at_most).hex(), "boxes": len(paving.lower)},
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
