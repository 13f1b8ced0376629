"""Reading certificates: form and hashes are checked here, truth is not.

A certificate that loads is whole, of a known version, and well formed. That its claim follows from
its evidence is for the independent checker.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike

from certify.conditions import Condition, Constraint
from certify.split_tree import SplitTree
from certify.theorem import Claim
from proofs.statement import CONSTANTS, sha256_of
from proofs.tree_code import decode_tree
from systems.box import Box
from systems.errors import InputError
from systems.json_data import integer, list_of, object_of, rational, read_json, shown, text_of
from systems.tape import Tape
from systems.tape_json import exact_number, tape_from_json

FORMAT = "stableproof-certificate"
VERSION = 1
PARTS = ("statement", "programs", "evidence", "volume", "trust", "provenance")
_SYSTEM = (
    "name", "description", "time", "states", "inputs", "parameters", "domain", "equilibrium",
    "equilibrium_input", "input_limits",
)  # fmt: skip
_CLOSED_LOOP = ("dynamics", "control", "value", "field", "derivative")
_CONDITION = ("claim", "tape", "outputs", "violation", "regions", "tree", "verdict")
MOST = 10_000
"""Regions, constraints, states: any list whose length a person sets."""


def hashes_of(document: Mapping[str, object]) -> dict[str, str]:
    """SHA-256 of every part and, as "document", of everything but the hashes themselves."""
    rest = {k: v for k, v in document.items() if k != "sha256"}
    return {**{p: sha256_of(document[p]) for p in PARTS}, "document": sha256_of(rest)}


def load_certificate(path: str | PathLike[str]) -> dict[str, object]:
    """The document in a certificate file, its form and hashes checked.

    Raises InputError, one line, where the file is no certificate, of another version, cut off,
    malformed (the place is told), or changed since it was written.
    """
    data = read_json(path, "a certificate")
    try:
        document = _recognised(data)
        programs = _programs(document["programs"])
        _conditions(document, programs)
        _check_statement(document, programs)
        _check_records(document)
    except InputError as error:
        raise InputError(f"{path} is no usable certificate: {error}") from None
    return document


def _recognised(data: object) -> dict[str, object]:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else data
        raise InputError(f'"format" is {shown(found)}, not "{FORMAT}"')
    version = data.get("version")
    if type(version) is not int or version != VERSION:
        raise InputError(
            f"it is of format version {str(version)[:20]}, and this program reads version {VERSION}"
        )
    document = object_of(data, "the file", ("format", "version", *PARTS, "sha256"))
    claimed = object_of(document["sha256"], "sha256", (*PARTS, "document"))
    for part, digest in hashes_of(document).items():
        if claimed[part] != digest:
            raise InputError(f"sha256.{part}: the content has another hash; it was changed")
    return document


def conditions_of(document: Mapping[str, object]) -> dict[str, tuple[Condition, SplitTree]]:
    """Every condition of a certificate with its split tree, rebuilt; the equilibrium has none.

    Raises InputError with the place of whatever is malformed.
    """
    return _conditions(document, _programs(document["programs"]))


def _conditions(
    document: Mapping[str, object], programs: Mapping[str, Tape]
) -> dict[str, tuple[Condition, SplitTree]]:
    evidence = document["evidence"]
    if not isinstance(evidence, dict) or "equilibrium" not in evidence:
        raise InputError("evidence: an object with an equilibrium is wanted")
    equilibrium = object_of(
        evidence["equilibrium"], "evidence.equilibrium", ("claim", "tape", "verdict")
    )
    _tape(equilibrium["tape"], "evidence.equilibrium.tape", programs)
    _check_proved(equilibrium["verdict"], "evidence.equilibrium")
    return {
        name: _condition(name, data, f"evidence.{text_of(name, 'evidence', 40)}", programs)
        for name, data in evidence.items()
        if name != "equilibrium"
    }


def tape_of(document: Mapping[str, object], reference: object, where: str) -> Tape:
    """The tape that a reference in the document means. Raises InputError."""
    return _tape(reference, where, _programs(document["programs"]))


def _programs(data: object) -> dict[str, Tape]:
    """Every program as a tape of its first register; the key is its hash."""
    if not isinstance(data, dict):
        raise InputError("programs: an object is wanted")
    out = {}
    for digest, program in data.items():
        where = f"programs.{text_of(digest, 'programs', 64)[:8]}"
        table = object_of(program, where, ("inputs", "instructions", "constants"))
        if sha256_of(table) != digest:
            raise InputError(f"{where}: the program has another hash")
        out[digest] = tape_from_json({**table, "outputs": [0]}, where)
    return out


def _tape(data: object, where: str, programs: Mapping[str, Tape]) -> Tape:
    table = object_of(data, where, ("program", "outputs", "digest"))
    program = programs.get(table["program"]) if isinstance(table["program"], str) else None
    if program is None:
        raise InputError(f"{where}.program: there is no such program")
    registers = list_of(table["outputs"], f"{where}.outputs", MOST)
    last = len(program.instructions) - 1
    tape = program.with_outputs([integer(v, f"{where}.outputs", 0, last) for v in registers])
    if not registers or tape.digest != table["digest"]:
        raise InputError(f"{where}.digest: the tape has another hash")
    return tape


def _condition(
    name: str, data: object, where: str, programs: Mapping[str, Tape]
) -> tuple[Condition, SplitTree]:
    table = object_of(data, where, _CONDITION)
    _check_proved(table["verdict"], where)
    constraints = list_of(table["violation"], f"{where}.violation", 100)
    regions = list_of(table["regions"], f"{where}.regions", MOST)
    outputs = list_of(table["outputs"], f"{where}.outputs", 100)
    tape = _tape(table["tape"], f"{where}.tape", programs)
    boxes = [box_from(r, f"{where}.regions[{i}]", tape.dimension) for i, r in enumerate(regions)]
    try:
        condition = Condition(
            name,
            text_of(table["claim"], f"{where}.claim"),
            tape,
            tuple(text_of(o, f"{where}.outputs", 100) for o in outputs),
            tuple(_constraint(c, f"{where}.violation[{i}]") for i, c in enumerate(constraints)),
            tuple(boxes),
        )
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None
    return condition, decode_tree(table["tree"], boxes, len(constraints), f"{where}.tree")


def _check_proved(verdict: object, where: str) -> None:
    if verdict != "proved":
        raise InputError(f"{where}.verdict: {shown(verdict)} instead of 'proved'")


def _constraint(data: object, where: str) -> Constraint:
    table = object_of(data, where, ("output", "sense", "level", "strict"))
    sense, strict = table["sense"], table["strict"]
    if (sense != "at least" and sense != "at most") or not isinstance(strict, bool):
        raise InputError(f"{where}: 'at least' or 'at most', strict or not, is wanted")
    return Constraint(
        integer(table["output"], f"{where}.output", 0, MOST),
        "at least" if sense == "at least" else "at most",
        rational(table["level"], f"{where}.level"),
        strict,
    )


def box_from(data: object, where: str, dimension: int) -> Box:
    """A box of exact intervals; raises InputError."""
    sides = []
    for i, side in enumerate(list_of(data, where, MOST)):
        ends = list_of(side, f"{where}[{i}]", 2)
        if len(ends) != 2:
            raise InputError(f"{where}[{i}]: two ends are wanted")
        sides.append((rational(ends[0], f"{where}[{i}]"), rational(ends[1], f"{where}[{i}]")))
    if len(sides) != dimension:
        raise InputError(f"{where}: {len(sides)} intervals, but {dimension} are wanted")
    try:
        box = Box.of(sides)
        box.outer()
    except (ValueError, OverflowError) as error:
        raise InputError(f"{where}: {error}") from None
    return box


def _check_statement(document: Mapping[str, object], programs: Mapping[str, Tape]) -> None:
    """The statement's form: names, rationals, sizes, tapes."""
    keys = ("claim", "words", "domain", "system", "closed_loop", "constants", "ellipsoid")
    statement = object_of(document["statement"], "statement", keys)
    if statement["claim"] not in [c.value for c in Claim]:
        raise InputError(f"statement.claim: unknown claim {shown(statement['claim'])}")
    text_of(statement["words"], "statement.words")
    n, m = _check_system(statement["system"], "statement.system")
    box_from(statement["domain"], "statement.domain", n)
    loop = object_of(statement["closed_loop"], "statement.closed_loop", _CLOSED_LOOP)
    wanted = {
        "dynamics": (n,) * (m + 1), "control": (m,), "value": (1,), "field": (n,),
        "derivative": (1,),
    }  # fmt: skip
    for key, sizes in wanted.items():
        where = f"statement.closed_loop.{key}"
        if key == "control" and loop[key] is None and not m:
            continue
        tape = _tape(loop[key], where, programs)
        if tape.dimension != n or tape.output_sizes != sizes:
            raise InputError(f"{where}: a tape of {n} inputs and outputs {sizes} is wanted")
    constants = object_of(statement["constants"], "statement.constants", CONSTANTS)
    for key, value in constants.items():
        if value is not None or key in ("c1", "c2", "mu"):
            rational(value, f"statement.constants.{key}")
    if statement["ellipsoid"] is not None:
        shapes = object_of(statement["ellipsoid"], "statement.ellipsoid", ("P", "R"))
        for key, rows in shapes.items():
            _check_matrix(rows, f"statement.ellipsoid.{key}", n)


def _check_system(data: object, where: str) -> tuple[int, int]:
    """(n, m) of a well-formed system."""
    table = object_of(data, where, _SYSTEM)
    for key in ("name", "description", "time"):
        text_of(table[key], f"{where}.{key}", 10_000)
    counts = []
    for key in ("states", "inputs"):
        items = list_of(table[key], f"{where}.{key}", MOST)
        for i, item in enumerate(items):
            for text in object_of(item, f"{where}.{key}[{i}]", ("name", "unit")).values():
                text_of(text, f"{where}.{key}[{i}]")
        counts.append(len(items))
    n, m = counts
    if not isinstance(table["parameters"], dict):
        raise InputError(f"{where}.parameters: an object is wanted")
    for name, item in table["parameters"].items():
        here = f"{where}.parameters.{text_of(name, f'{where}.parameters', 100)}"
        parameter = object_of(item, here, ("value", "unit"))
        rational(parameter["value"], here)
        text_of(parameter["unit"], here)
    for key, count in (("equilibrium", n), ("equilibrium_input", m)):
        values = [rational(v, f"{where}.{key}") for v in list_of(table[key], where, MOST)]
        if len(values) != count:
            raise InputError(f"{where}.{key}: {count} values are wanted")
    box_from(table["domain"], f"{where}.domain", n)
    if table["input_limits"] is not None:
        box_from(table["input_limits"], f"{where}.input_limits", m)
    return n, m


def _check_matrix(data: object, where: str, n: int) -> None:
    rows = list_of(data, where, n)
    for i, row in enumerate(rows):
        entries = list_of(row, f"{where}[{i}]", n)
        for entry in entries:
            exact_number(entry, f"{where}[{i}]")
        if len(entries) != n:
            raise InputError(f"{where}[{i}]: {n} entries are wanted")
    if len(rows) != n:
        raise InputError(f"{where}: {n} rows are wanted")


def _check_records(document: Mapping[str, object]) -> None:
    """What is no part of the proof: volume, trust base, provenance."""
    for part in ("trust", "provenance"):
        if not isinstance(document[part], dict):
            raise InputError(f"{part}: an object is wanted")
    if document["volume"] is not None:
        keys = ("at_least", "at_most", "boxes", "unit", "rigorous", "method")
        volume = object_of(document["volume"], "volume", keys)
        for key in ("at_least", "at_most"):
            exact_number(volume[key], f"volume.{key}")
