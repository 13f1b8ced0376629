"""Gate files: TOML in, claims out, or one line with file and line that says what is wrong.

The format is described in docs/gate.md. Paths are relative to the gate file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from os.path import realpath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cli.gate.backends import check_backends
from cli.gate.claim import Gate, GateClaim, Places
from cli.gate.options import import_options, run_options
from systems.errors import InputError
from systems.file_lines import Lines
from systems.formulas import did_you_mean
from systems.toml_file import read_toml

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

    from cli.gate.shape import ClaimTable, GateTables

EXAMPLE = 'system = "pendulum"'
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")

OWN_VALUE = {
    "local-stability": "local stability",
    "set-point-convergence": "set-point convergence",
}
"""The theorems that find a V of their own, by option and by name."""


def read_gate(path: str | Path) -> Gate:
    """The claims of a gate file. Raises InputError, one line, for whatever is wrong in it."""
    file = Path(path)
    tables, text = read_toml(file, "gate file")
    lines = Lines(text)
    shape = _shape(file, tables, lines)
    if not shape.claim:
        raise InputError(f"{file}: it holds no claim; add [[claim]], with lines such as {EXAMPLE}")
    slugs = slugs_of([c.name for c in shape.claim])
    _refuse_twins(file, shape, lines)
    claims = tuple(
        _claim(table, slug, _places(file, lines, i))
        for i, (table, slug) in enumerate(zip(shape.claim, slugs, strict=True))
    )
    base = file.parent
    return Gate(file, base / shape.out, base / shape.cache, shape.jobs, claims)


def slugs_of(names: Sequence[str]) -> list[str]:
    """The names as parts of file names: ASCII, no separators or dots, different from each other."""
    out: list[str] = []
    taken: set[str] = set()
    for name in names:
        stem = _UNSAFE.sub("-", name).strip("-")[:60] or "claim"
        slug, n = stem, 2
        while slug.casefold() in taken:  # some file systems do not tell a from A
            slug, n = f"{stem}-{n}", n + 1
        taken.add(slug.casefold())
        out.append(slug)
    return out


def _refuse_twins(file: Path, shape: GateTables, lines: Lines) -> None:
    """Names and baselines belong to one claim each, however a baseline's path is spelt."""
    for key in ("name", "baseline"):
        values = [getattr(c, key) for c in shape.claim]
        known = [v if key == "name" or v is None else realpath(file.parent / v) for v in values]
        for i, value in enumerate(values):
            if value is not None and known[i] in known[:i]:
                where = _places(file, lines, i)(key)
                raise InputError(f"{where}: another claim has the {key} {value[:40]!r} already")


def _places(file: Path, lines: Lines, index: int) -> Places:
    start = ("claim", str(index))
    line = lines.find(*start) or 1
    known = {p[2:]: n for p, n in lines.all().items() if p[:2] == start and len(p) > 2}
    return Places(file, line, known)


def _claim(table: ClaimTable, slug: str, places: Places) -> GateClaim:
    base = places.file.parent
    kind, source = _whose(table, places)
    check_backends(table.backends, places("backends"))
    networks = {} if table.networks is None else import_options(table.networks, base, places)
    if table.region.c1 and table.region.c2 and table.region.c1 >= table.region.c2:
        raise InputError(f"{places('region', 'c1')}: c1 must be below c2")
    if table.theorem in OWN_VALUE and table.minimum.c2 is not None:
        raise InputError(
            f"{places('minimum', 'c2')}: {OWN_VALUE[table.theorem]} finds a V of its own, "
            "of which a level says nothing; give a volume, or a box as the region"
        )
    if table.region.box is not None and not table.region.box:
        raise InputError(f"{places('region', 'box')}: it is empty; give an interval for each state")
    return GateClaim(
        name=table.name,
        slug=slug,
        system=_system(table.system, base),
        kind=kind,
        source="" if source is None else str(base / source),
        options=run_options(table, places),
        networks=networks,
        box=table.region.box,
        least_volume=table.minimum.volume,
        least_c2=table.minimum.c2,
        backends=tuple(table.backends),
        baseline=None if table.baseline is None else base / table.baseline,
        shrink_tolerance=table.shrink_tolerance,
        places=places,
    )


def _whose(
    table: ClaimTable, places: Places
) -> tuple[Literal["candidate", "networks", "learner"], str | None]:
    given = [k for k in ("candidate", "networks", "learner") if getattr(table, k) is not None]
    if len(given) == 1:
        match given[0]:
            case "candidate":
                return "candidate", table.candidate
            case "networks":
                return "networks", None
        return "learner", None
    if given:
        raise InputError(f"{places(given[1])}: give {' or '.join(given)}, not both")
    raise InputError(
        f"{places()}: whose controller is it? add candidate, learner or networks, for example "
        'learner = "elm-pi"'
    )


def _system(text: str, base: Path) -> str:
    """A name of the zoo, or a file relative to the gate file."""
    is_file = text.endswith(".toml") or "/" in text or (base / text).is_file()
    return str(base / text) if is_file else text


def _shape(file: Path, tables: dict[str, Any], lines: Lines) -> GateTables:
    from pydantic import ValidationError

    from cli.gate.shape import GateTables

    try:
        return GateTables.model_validate(tables)
    except ValidationError as error:
        raise _translated(error, file, lines) from None


def _translated(error: ValidationError, file: Path, lines: Lines) -> InputError:
    """The most telling of the complaints: a misspelt key comes before a missing one."""
    first = min(error.errors(include_url=False), key=_urgency)
    path = tuple(str(p) for p in first["loc"])
    line = lines.find(*path)
    place = f"{file}:{line}" if line else f"{file}"
    words = " ".join(path[2:] if path[0] == "claim" else path)
    match first["type"]:
        case "extra_forbidden":
            hint = did_you_mean(path[-1], _known_keys(path[:-1]))
            return InputError(f"{place}: unknown key {path[-1][:40]!r}{hint}")
        case "missing":
            return InputError(f"{place}: {path[-1]} is missing; add for example {_example(path)}")
        case "value_error":
            return InputError(f"{place}: {words}: {first['ctx']['error']}")
    return InputError(f"{place}: {words or path[0]}: give {_wanted(path)}")


def _urgency(detail: ErrorDetails) -> int:
    order = ("extra_forbidden", "missing")
    return order.index(detail["type"]) if detail["type"] in order else 2


def _known_keys(path: tuple[str, ...]) -> list[str]:
    from cli.gate.shape import ClaimTable, GateTables, MinimumTable, RegionTable

    models: dict[tuple[str, ...], type[BaseModel]] = {
        (): GateTables,
        ("claim",): ClaimTable,
        ("claim", "region"): RegionTable,
        ("claim", "minimum"): MinimumTable,
    }
    model = models.get(tuple(p for p in path if not p.isdigit()))
    return [] if model is None else list(model.model_fields)


def _example(path: tuple[str, ...]) -> str:
    return {"name": 'name = "my-claim"', "system": EXAMPLE}.get(path[-1], f"{path[-1]} = …")


def _wanted(path: tuple[str, ...]) -> str:
    if path[0] == "claim" and len(path) <= 2:
        return f"tables [[claim]], with lines such as {EXAMPLE}"
    return "a table, such as { c2 = 0.029 }"
