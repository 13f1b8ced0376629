"""What a run remembers of a result that is not proved, so that a report can be written later."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from certify.branch_and_bound import Search
from certify.candidate import Candidate
from certify.conditions import Condition, Constraint
from certify.result import Requested, StabilityResult
from certify.stability import StabilityProblem
from certify.theorem import Claim, Constants
from certify.verdict import Counterexample, Proved, Refuted, Unknown, Verdict
from proofs.statement import box_data
from proofs.statement_reader import box_from
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.json_data import integer, list_of, object_of, quotient, rational, text_of
from systems.tape_json import exact_number

ASKED = ("c1", "c2", "mu", "alpha", "epsilon")
CONSTANTS = (*ASKED, "core", "c_q")
MOST = 10_000
"""Coordinates, conditions, constraints: any list."""


def remembered(result: StabilityResult) -> dict[str, object]:
    """A result as JSON data: the verdicts and what was claimed, without the evidence."""
    return {
        "claim": result.requested.claim.value,
        "requested": _constants(result.requested, ASKED),
        "constants": None if result.constants is None else _constants(result.constants, CONSTANTS),
        "domain": box_data(result.problem.domain),
        "verdict": _verdict_data(result.verdict),
        "searches": [_search_data(name, s) for name, s in result.searches.items()],
        "seconds": result.seconds,
        "asked": list(result.asked),
    }


def result_of_memory(
    data: object, system: ControlAffineSystem, candidate: Candidate, where: str
) -> StabilityResult:
    """The result that :func:`remembered` wrote, about this system and candidate.

    It can be told, and nothing can be concluded from it: there is no evidence in it, and V stands
    in for what its conditions bounded. Raises InputError, beginning with ``where``.
    """
    keys = ("claim", "requested", "constants", "domain", "verdict", "searches", "seconds")
    table = object_of(data, where, keys, ("asked",))
    asked_of = list_of(table.get("asked", []), f"{where}.asked", MOST)
    others = tuple(text_of(line, f"{where}.asked", 10_000) for line in asked_of)
    n = system.state_dimension
    try:
        problem = StabilityProblem(system, candidate, box_from(table["domain"], where, n))
        claim = Claim(text_of(table["claim"], f"{where}.claim"))
        asked = Requested(claim=claim, **_read(table["requested"], ASKED, where))
        found = None
        if table["constants"] is not None:
            known = _read(table["constants"], CONSTANTS, where)
            c1, c2 = known.pop("c1"), known.pop("c2")
            if c1 is None or c2 is None:
                raise InputError(f"{where}.constants: c1 and c2 are wanted")
            found = Constants(c1, c2, **known)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None
    verdict = _verdict(table["verdict"], where)
    if isinstance(verdict, Proved):
        raise InputError(
            f"{where}.verdict: it was proved, and only a certificate, which is missing, tells a "
            "proof anew"
        )
    searches = {}
    for part in list_of(table["searches"], f"{where}.searches", MOST):
        search = _search(part, problem, f"{where}.searches")
        searches[search.condition.name] = search
    took = _seconds(table["seconds"], where)
    return StabilityResult(problem, asked, verdict, None, found, None, searches, None, took, others)


def _constants(source: object, names: tuple[str, ...]) -> dict[str, str | None]:
    values = {name: getattr(source, name) for name in names}
    return {name: None if v is None else quotient(v) for name, v in values.items()}


def _read(data: object, names: tuple[str, ...], where: str) -> dict[str, Fraction | None]:
    table = object_of(data, where, names)
    return {k: None if v is None else rational(v, f"{where}.{k}") for k, v in table.items()}


def _search_data(name: str, search: Search) -> dict[str, object]:
    condition = search.condition
    return {
        "name": name,
        "claim": condition.claim,
        "outputs": list(condition.outputs),
        "violation": [
            {"output": c.output, "sense": c.sense, "level": quotient(c.level), "strict": c.strict}
            for c in condition.violation
        ],
        "verdict": _verdict_data(search.verdict),
        "boxes": search.boxes,
        "seconds": search.seconds,
        "order": search.order,
    }


def _search(data: object, problem: StabilityProblem, where: str) -> Search:
    keys = ("name", "claim", "outputs", "violation", "verdict", "boxes", "seconds", "order")
    table = object_of(data, where, keys)
    outputs = [text_of(o, where, 200) for o in list_of(table["outputs"], where, MOST)]
    constraints = [_constraint(c, where) for c in list_of(table["violation"], where, MOST)]
    tape = problem.value_tape
    try:
        condition = Condition(
            text_of(table["name"], where, 100),
            text_of(table["claim"], where),
            tape.with_outputs(tape.outputs * len(outputs)),
            tuple(outputs),
            tuple(constraints),
            (problem.domain,),
        )
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None
    return Search(
        _verdict(table["verdict"], where),
        condition,
        integer(table["boxes"], f"{where}.boxes", 0, 10**15),
        _seconds(table["seconds"], where),
        integer(table["order"], f"{where}.order", 0, 100),
    )


def _constraint(data: object, where: str) -> Constraint:
    table = object_of(data, where, ("output", "sense", "level", "strict"))
    sense, strict = table["sense"], table["strict"]
    if (sense != "at least" and sense != "at most") or not isinstance(strict, bool):
        raise InputError(f"{where}: 'at least' or 'at most', strict or not, is wanted")
    return Constraint(
        integer(table["output"], where, 0, MOST),
        "at least" if sense == "at least" else "at most",
        rational(table["level"], where),
        strict,
    )


def _verdict_data(verdict: Verdict) -> dict[str, object]:
    match verdict:
        case Proved():
            return {"word": "proved"}
        case Unknown(reason):
            return {"word": "unknown", "reason": reason}
        case Refuted(found):
            return {
                "word": "refuted",
                "condition": found.condition,
                "point": [v.hex() for v in found.point],
                "outputs": [[a.hex(), b.hex()] for a, b in found.outputs],
            }


def _verdict(data: object, where: str) -> Verdict:
    word = data.get("word") if isinstance(data, Mapping) else None
    if word == "proved":
        return Proved()
    if word == "unknown":
        table = object_of(data, where, ("word", "reason"))
        return Unknown(text_of(table["reason"], where, 10_000))
    if word != "refuted":
        raise InputError(f"{where}: a verdict is wanted: proved, refuted or unknown")
    table = object_of(data, where, ("word", "condition", "point", "outputs"))
    outputs = [list_of(o, where, 2) for o in list_of(table["outputs"], where, MOST)]
    if any(len(o) != 2 for o in outputs):
        raise InputError(f"{where}: two bounds of every output are wanted")
    return Refuted(
        Counterexample(
            text_of(table["condition"], where, 100),
            tuple(_float(v, where) for v in list_of(table["point"], where, MOST)),
            tuple((_float(a, where), _float(b, where)) for a, b in outputs),
        )
    )


def _float(data: object, where: str) -> float:
    if data in ("inf", "-inf"):
        return float(str(data))  # an output that no bound was found for
    value = exact_number(data, where)
    if not isinstance(value, float):
        raise InputError(f"{where}: a hexadecimal float is wanted")
    return value


def _seconds(data: object, where: str) -> float:
    if isinstance(data, bool) or not isinstance(data, int | float) or data < 0:
        raise InputError(f"{where}.seconds: a number of seconds is wanted")
    return float(data)
