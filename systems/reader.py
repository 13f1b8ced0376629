"""Users' own systems: a TOML file becomes a :class:`ControlAffineSystem`.

The format is described in docs/system-files.md. A file is untrusted: formulas are parsed by
:mod:`systems.parser`, numbers are taken exactly as written, and whatever is wrong is told in one
line with the file, the line, and what would be right.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from systems.description import Description, build_system, check_names
from systems.dynamics import ControlAffineSystem, Time
from systems.errors import InputError
from systems.file_lines import Lines
from systems.formulas import did_you_mean
from systems.sampled import Method
from systems.toml_file import read_toml
from systems.values import Value

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from systems.file_shape import SystemFile


class SamplingAsWritten(TypedDict, total=False):
    """The part of a description that [sampling] gives."""

    sample_time: Value
    sample_method: Method
    substeps: int


_SUFFIXES: dict[Time, str] = {"continuous": "_dot", "discrete": "_next"}
"""What stands behind a state's name in [dynamics]: its rate, or its next value."""


def read_system(path: str | PathLike[str]) -> ControlAffineSystem:
    """The system that a TOML file describes, checked.

    Raises InputError, one line: file, line, what is wrong, what would be right.
    """
    file = Path(path)
    tables, text = read_toml(file, "system file")
    lines = Lines(text)
    shape = _shape(tables, _Places(file, lines))
    places = _Places(file, lines, _SUFFIXES[shape.system.time])
    return build_system(_description(shape, places), places)


class _Places:
    """Where a table or key stands in the file, as the beginning of a message."""

    def __init__(self, file: Path, lines: Lines, suffix: str = "") -> None:
        self._file = file
        self._lines = lines
        self._suffix = suffix

    def __call__(self, table: str, key: str) -> str:
        if table == "dynamics" and key:
            key += self._suffix
        return self.at((table, key) if key else (table,))

    def at(self, path: tuple[str, ...]) -> str:
        """The place of a key, such as "motor.toml:14: [domain] theta"."""
        line = self._lines.find(*path)
        place = f"{self._file}:{line}" if line else f"{self._file}"
        keys = [key if key.isprintable() else repr(key) for key in path[1:]]
        return f"{place}: [{path[0]}] {' '.join(keys)}".rstrip() if path else place


def _shape(tables: Mapping[str, object], places: _Places) -> SystemFile:
    from pydantic import ValidationError

    from systems.file_shape import SystemFile

    try:
        return SystemFile.model_validate(tables)
    except ValidationError as error:
        raise _translated(error, places) from None


def _translated(error: ValidationError, places: _Places) -> InputError:
    """The most telling of the complaints: a misspelt key comes before a missing one."""
    from systems.file_shape import EXAMPLES, CostTable, SamplingTable, SystemFile, SystemTable

    known = {
        "": list(SystemFile.model_fields),
        "system": list(SystemTable.model_fields),
        "cost": list(CostTable.model_fields),
        "sampling": list(SamplingTable.model_fields),
    }
    details = sorted(error.errors(include_url=False), key=_urgency)
    first = details[0]
    path = tuple(str(p) for p in first["loc"])
    parent, key = path[:-1], path[-1]
    place = places.at(path)
    match first["type"]:
        case "extra_forbidden":
            what = "key" if parent else "table"
            hint = did_you_mean(key, known.get(".".join(parent), []))
            return InputError(f"{place}: unknown {what} {key!r}{hint}")
        case "missing" if not parent:
            example = EXAMPLES[key]
            return InputError(
                f"{places.at(())}: the table [{key}] is missing; add it, with lines such as "
                f"{example}"
            )
        case "missing":
            example = EXAMPLES[parent[0]]
            return InputError(f"{places.at(parent)}: {key} is missing; add for example {example}")
        case "value_error":
            return InputError(f"{place}: {first['ctx']['error']}")
    return InputError(f"{place}: give a table, [{path[0]}] with lines such as key = value")


def _urgency(detail: ErrorDetails) -> int:
    order = ("extra_forbidden", "missing")
    return order.index(detail["type"]) if detail["type"] in order else 2


def _description(shape: SystemFile, places: _Places) -> Description:
    check_names(shape.states, shape.inputs, shape.disturbances, shape.parameters, places)
    equations = _equations(shape, places)
    if shape.equilibrium and shape.set_point is not None:
        raise InputError(
            f"{places.at(('set_point',))}: there is a table [equilibrium] as well; leave one out"
        )
    if shape.inputs and shape.cost.R is None:
        raise InputError(f"{places.at(('cost',))}: R is missing; add for example R = 1")
    return Description(
        name=shape.system.name,
        states=shape.states,
        inputs=shape.inputs,
        equations=equations,
        domain=shape.domain,
        state_cost=shape.cost.Q,
        input_cost=1 if shape.cost.R is None else shape.cost.R,
        parameters={k: p.value for k, p in shape.parameters.items()},
        parameter_units={k: p.unit for k, p in shape.parameters.items()},
        equilibrium=shape.equilibrium if shape.set_point is None else shape.set_point,
        at_rest=shape.set_point is None,
        input_limits=shape.input_limits,
        description=shape.system.description,
        time=shape.system.time,
        disturbances=shape.disturbances,
        disturbance_range=shape.disturbance_range,
        unsafe=shape.unsafe,
        **_sampling(shape),
    )


def _sampling(shape: SystemFile) -> SamplingAsWritten:
    table = shape.sampling
    if table is None:
        return {}
    return {
        "sample_time": table.period,
        "sample_method": table.method,
        "substeps": table.substeps,
    }


def _equations(shape: SystemFile, places: _Places) -> dict[str, object]:
    """The right-hand side for each state, whose keys have to suit the system's time."""
    suffix = _SUFFIXES[shape.system.time]
    equations: dict[str, object] = {}
    for key, text in shape.dynamics.items():
        state = key.removesuffix(suffix)
        if state == key or state not in shape.states:
            place = places.at(("dynamics", key))
            if hint := _of_the_other_time(key, shape):
                raise InputError(f"{place}: {hint}")
            wanted = [f"{s}{suffix}" for s in shape.states]
            raise InputError(f"{place}: unknown key {key!r}{did_you_mean(key, wanted)}")
        equations[state] = text
    return equations


def _of_the_other_time(key: str, shape: SystemFile) -> str:
    """What to write where a rate stands in a discrete system, or the other way round."""
    for state in shape.states:
        if shape.system.time == "discrete" and key == f"{state}_dot":
            return (
                f'a discrete system has no rates; write {state}_next = "…", the value of {state} '
                "one step later"
            )
        if shape.system.time == "continuous" and key == f"{state}_next":
            return (
                f'a next value belongs to a discrete system; add time = "discrete" to [system], '
                f'or write {state}_dot = "…", the rate of {state}'
            )
    return ""
