"""A condition as plain JSON data, exact to the last bit: for child processes and bug reports."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from certify.conditions import Condition, Constraint
from systems.box import Box
from systems.errors import InputError
from systems.json_data import integer, list_of, object_of, quotient, rational, text_of
from systems.tape_json import tape_from_json

_KEYS = ("name", "claim", "tape", "outputs", "violation", "regions")
MOST_REGIONS, MOST_CONSTRAINTS, MOST_OUTPUTS = 10_000, 1_000, 1_000


def condition_to_json(condition: Condition) -> dict[str, object]:
    """Every number as an exact quotient or hexadecimal float."""
    return {
        "name": condition.name,
        "claim": condition.claim,
        "tape": condition.tape.to_json(),
        "outputs": list(condition.outputs),
        "violation": [
            {
                "output": c.output,
                "sense": c.sense,
                "level": quotient(c.level),
                "strict": c.strict,
            }
            for c in condition.violation
        ],
        "regions": [
            [[quotient(a), quotient(b)] for a, b in zip(r.lower, r.upper, strict=True)]
            for r in condition.regions
        ],
    }


def condition_from_json(data: object, where: str = "condition") -> Condition:
    """The condition that :func:`condition_to_json` wrote. Raises InputError, naming the place."""
    table = object_of(data, where, _KEYS)
    tape = tape_from_json(table["tape"], f"{where}.tape")
    names = list_of(table["outputs"], f"{where}.outputs", MOST_OUTPUTS)
    violation = list_of(table["violation"], f"{where}.violation", MOST_CONSTRAINTS)
    regions = list_of(table["regions"], f"{where}.regions", MOST_REGIONS)
    try:
        return Condition(
            text_of(table["name"], f"{where}.name"),
            text_of(table["claim"], f"{where}.claim"),
            tape,
            tuple(text_of(n, f"{where}.outputs[{i}]") for i, n in enumerate(names)),
            tuple(
                _constraint(c, f"{where}.violation[{i}]", len(names))
                for i, c in enumerate(violation)
            ),
            tuple(_box(r, f"{where}.regions[{i}]", tape.dimension) for i, r in enumerate(regions)),
        )
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None


def _constraint(data: object, where: str, outputs: int) -> Constraint:
    table = object_of(data, where, ("output", "sense", "level", "strict"))
    sense, strict = table["sense"], table["strict"]
    if sense not in ("at least", "at most"):
        raise InputError(f'{where}.sense: "at least" or "at most" is wanted')
    if not isinstance(strict, bool):
        raise InputError(f"{where}.strict: true or false is wanted")
    checked: Literal["at least", "at most"] = "at least" if sense == "at least" else "at most"
    output = integer(table["output"], f"{where}.output", 0, outputs - 1)
    return Constraint(output, checked, rational(table["level"], f"{where}.level"), strict)


def _box(data: object, where: str, dimension: int) -> Box:
    sides = list_of(data, where, dimension)
    if len(sides) != dimension:
        raise InputError(f"{where}: {dimension} intervals are wanted, not {len(sides)}")
    ends: list[tuple[Fraction, Fraction]] = []
    for i, side in enumerate(sides):
        pair = list_of(side, f"{where}[{i}]", 2)
        if len(pair) != 2:
            raise InputError(f"{where}[{i}]: a lower and an upper end are wanted")
        ends.append((rational(pair[0], f"{where}[{i}]"), rational(pair[1], f"{where}[{i}]")))
    return Box.of(ends)
