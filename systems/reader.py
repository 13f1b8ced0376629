"""Users' own systems: a TOML file becomes a :class:`ControlAffineSystem`.

The format is described in docs/system-files.md. A file is untrusted: formulas are parsed by
:mod:`systems.parser`, numbers are taken exactly as written, and whatever is wrong is told in one
line with the file, the line, and what would be right.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from systems.description import Description, build_system, check_names
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.file_lines import Lines
from systems.formulas import did_you_mean

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from systems.file_shape import SystemFile

MAX_BYTES = 1_000_000
"""A system file is written by hand; a larger one is something else."""

_SUFFIX = "_dot"


def read_system(path: str | PathLike[str]) -> ControlAffineSystem:
    """The system that a TOML file describes, checked.

    Raises InputError, one line: file, line, what is wrong, what would be right.
    """
    file = Path(path)
    text = _text(file)
    lines = Lines(text)
    shape = _shape(_tables(file, text), _Places(file, lines))
    return build_system(_description(shape, _Places(file, lines)), _Places(file, lines))


class _Places:
    """Where a table or key stands in the file, as the beginning of a message."""

    def __init__(self, file: Path, lines: Lines) -> None:
        self._file = file
        self._lines = lines

    def __call__(self, table: str, key: str) -> str:
        if table == "dynamics" and key:
            key += _SUFFIX
        return self.at((table, key) if key else (table,))

    def at(self, path: tuple[str, ...]) -> str:
        """The place of a key, such as "motor.toml:14: [domain] theta"."""
        line = self._lines.find(*path)
        place = f"{self._file}:{line}" if line else f"{self._file}"
        return f"{place}: [{path[0]}] {' '.join(path[1:])}".rstrip() if path else place


def _text(file: Path) -> str:
    try:
        if file.is_dir():
            raise InputError(f"{file} is a directory; give a system file (TOML)")
        if file.stat().st_size > MAX_BYTES:
            raise InputError(f"{file} is larger than {MAX_BYTES:,} bytes and no system file")
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{file}: there is no such file") from None
    except UnicodeDecodeError as error:
        line = file.read_bytes()[: error.start].count(b"\n") + 1
        raise InputError(f"{file}:{line}: not UTF-8 text; save the file as UTF-8") from None
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file} cannot be read: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _tables(file: Path, text: str) -> dict[str, object]:
    try:
        # Numbers stay as written: 0.15 is 3/20.
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = re.search(r" \(at line (\d+), column (\d+)\)", message)
        what = message[: place.start()] if place else message.replace(" (at end of document)", "")
        last = text.count("\n") + 1
        number = place[1] if place else last
        column = f", column {place[2]}" if place else ", at the end"
        if twice := _given_twice(text, int(number), what):
            raise InputError(f"{file}:{number}: {twice}") from None
        raise InputError(
            f"{file}:{number}{column}: not valid TOML: {what}; texts need quotation marks, and "
            "every key stands once"
        ) from None
    except RecursionError:
        raise InputError(f"{file}: nested too deeply for a system file") from None
    except (ValueError, ArithmeticError):
        raise InputError(f"{file}: contains a number with too many digits") from None


def _given_twice(text: str, number: int, what: str) -> str:
    """Which key or table stands twice, and where first; empty where that is not the trouble."""
    if declared := re.match(r"Cannot declare \((.*)\) twice", what):
        path = tuple(re.findall(r"'([^']*)'", declared[1]))
        name = f"the table [{'.'.join(path)}]"
        first = Lines(text).find(*path)
    elif what.startswith("Cannot overwrite a value"):
        before = text.splitlines()[:number]
        table = next((m for line in reversed(before) if (m := _TABLE.match(line))), None)
        key = before[-1].split("=")[0].strip() if before else ""
        name = f"the key {key!r}"
        first = Lines(text).find(*([table[1].strip()] if table else []), key)
    else:
        return ""
    place = f", first in line {first}" if first is not None and first < number else ""
    return f"{name} stands twice{place}; keep one of them"


_TABLE = re.compile(r"\s*\[([^\[\]]+)\]")


def _shape(tables: Mapping[str, object], places: _Places) -> SystemFile:
    from pydantic import ValidationError

    from systems.file_shape import SystemFile

    try:
        return SystemFile.model_validate(tables)
    except ValidationError as error:
        raise _translated(error, places) from None


def _translated(error: ValidationError, places: _Places) -> InputError:
    """The most telling of the complaints: a misspelt key comes before a missing one."""
    from systems.file_shape import EXAMPLES, CostTable, SystemFile, SystemTable

    known = {
        "": list(SystemFile.model_fields),
        "system": list(SystemTable.model_fields),
        "cost": list(CostTable.model_fields),
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
    check_names(shape.states, shape.inputs, shape.parameters, places)
    equations: dict[str, object] = {}
    for key, text in shape.dynamics.items():
        state = key.removesuffix(_SUFFIX)
        if state == key or state not in shape.states:
            wanted = [f"{s}{_SUFFIX}" for s in shape.states]
            place = places.at(("dynamics", key))
            raise InputError(f"{place}: unknown key {key!r}{did_you_mean(key, wanted)}")
        equations[state] = text
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
        equilibrium=shape.equilibrium,
        input_limits=shape.input_limits,
        description=shape.system.description,
    )
