"""From what a run has left in files back to its result, so that a report can be written later.

The certificate's hashes and form were checked when it was loaded; whether it is true is for the
checker to say. What was refuted or left open has no certificate: see :mod:`proofs.report_memory`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from certify.branch_and_bound import Search
from certify.candidate import Candidate
from certify.conditions import Condition
from certify.ellipsoid import Ellipsoid
from certify.result import Requested, StabilityResult
from certify.stability import StabilityProblem
from certify.theorem import Claim, conclude, required_conditions
from certify.tree_code import decode_tree
from certify.verdict import Proved
from certify.volume import INSIDE, Paving
from proofs.binding import binding_gaps
from proofs.certificate_problem import as_spoken_of, constants_of, problem_of
from proofs.certificate_reader import regions_of, statement_from, trees_of
from proofs.statement_reader import Statement
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.json_data import object_of
from systems.tape_json import exact_number


def result_of_certificate(
    document: Mapping[str, object],
    closed_loop: tuple[ControlAffineSystem, Candidate] | None = None,
) -> StabilityResult:
    """The result that a certificate states.

    ``closed_loop`` is the system and the candidate that it is said to speak of; without them, both
    are taken from the certificate. Raises InputError where it is malformed, speaks of something
    else, or lacks a condition of its theorem.
    """
    statement = statement_from(document)
    if closed_loop is None:
        problem = problem_of(document)
    else:
        gaps = binding_gaps(document, *closed_loop)
        if gaps:
            raise InputError(f"the certificate does not speak of this closed loop: {gaps[0]}")
        system, candidate = closed_loop
        problem = StabilityProblem(system, as_spoken_of(document, candidate), statement.domain)
    claim, constants = Claim(statement.theorem), constants_of(statement)
    ellipsoid = None if statement.ellipsoid is None else Ellipsoid(*statement.ellipsoid)
    try:
        wanted = required_conditions(claim, problem, constants, ellipsoid)
        searches = _searches(document, statement, wanted)
        theorem = conclude(claim, problem, constants, ellipsoid, searches)
    except InputError:
        raise
    except (ValueError, ArithmeticError) as error:
        raise InputError(f"the certificate does not support its claim: {error}") from None
    took = _mapping(document["provenance"]).get("seconds")
    return StabilityResult(
        problem,
        Requested(claim=claim),
        Proved(),
        theorem,
        constants,
        ellipsoid,
        searches,
        _paving(document, problem),
        _number(took),
        _asked(document),
    )


def _asked(document: Mapping[str, object]) -> tuple[str, ...]:
    """What the run recorded of other backends; no part of the proof."""
    found = _mapping(_mapping(document["provenance"]).get("run")).get("asked")
    return tuple(str(line)[:1000] for line in found) if isinstance(found, list) else ()


def _searches(
    document: Mapping[str, object], statement: Statement, wanted: Mapping[str, Condition]
) -> dict[str, Search]:
    """The evidence, with what the prover recorded of its searches."""
    trees = trees_of(document, statement)
    recorded = _mapping(_mapping(document["provenance"]).get("searches"))
    out = {}
    for name, condition in wanted.items():
        if name == "contraction":
            part = _mapping(_mapping(document["evidence"]).get(name))
            regions = tuple(regions_of(name, statement, part.get("box")))
            condition = replace(condition, regions=regions)
        tree, told = trees[name], _mapping(recorded.get(name))
        boxes, order = int(_number(told.get("boxes"))), int(_number(told.get("order")))
        out[name] = Search(
            Proved(tree), condition, max(boxes, tree.leaves), _number(told.get("seconds")),
            order if 1 <= order <= 8 else 2,
        )  # fmt: skip
    return out


def _paving(document: Mapping[str, object], problem: StabilityProblem) -> Paving | None:
    """The boxes whose volume is the certificate's lower bound."""
    if document["volume"] is None:
        return None
    table = object_of(document["volume"], "volume", ("at_least", "unit", "tree"))
    at_least = exact_number(table["at_least"], "volume.at_least")
    tree = decode_tree(table["tree"], [problem.domain], 2, "volume.tree")
    low, high = problem.domain.outer()
    lower, upper = tree.boxes(low[None, :], high[None, :])
    inside = (tree.axis < 0) & (tree.reason == INSIDE)
    told = _mapping(_mapping(document["provenance"]).get("volume")).get("at_most")
    most = exact_number(told, "provenance.volume.at_most") if isinstance(told, str) else None
    whole = float(problem.domain.volume) * (1 + 1e-9)
    return Paving(
        lower[inside], upper[inside], float(at_least), whole if most is None else float(most), tree
    )


def _mapping(data: object) -> Mapping[str, object]:
    """A part of the provenance, which is free in form."""
    return data if isinstance(data, Mapping) else {}


def _number(data: object) -> float:
    return float(data) if isinstance(data, int | float) else 0.0
