"""Reading certificates: form and hashes are checked here, truth is not.

A certificate that loads is whole, of a known version, and well formed. That its claim follows from
its evidence is for the independent checker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike

from certify.split_tree import SplitTree
from certify.tree_code import decode_tree
from certify.volume import INSIDE, NOT_COUNTED
from proofs.statement import sha256_of
from proofs.statement_reader import Statement, box_from, read_annotations, read_statement
from systems.box import Box
from systems.errors import InputError
from systems.json_data import object_of, read_json, shown, text_of
from systems.tape import Tape
from systems.tape_json import exact_number, tape_from_json

FORMAT = "stableproof-certificate"
VERSION = 1
PARTS = (
    "statement", "programs", "evidence", "volume", "annotations", "trust", "provenance",
)  # fmt: skip
MOST_BYTES = 200_000_000
MOST_VALUES = 3_000_000
"""Numbers, texts, lists and objects of a document; packed arrays are one text each."""


def hashes_of(document: Mapping[str, object]) -> dict[str, str]:
    """SHA-256 of every part and, as "document", of everything but the hashes themselves."""
    rest = {k: v for k, v in document.items() if k != "sha256"}
    return {**{p: sha256_of(document[p]) for p in PARTS}, "document": sha256_of(rest)}


def load_certificate(path: str | PathLike[str]) -> dict[str, object]:
    """The document in a certificate file, its form and hashes checked.

    Raises InputError, one line, where the file is no certificate, of another version, cut off,
    malformed (the place is told), or changed since it was written.
    """
    data = read_json(path, "a certificate", most_bytes=MOST_BYTES, most_values=MOST_VALUES)
    try:
        document = _recognised(data)
        statement = statement_from(document)
        trees_of(document, statement)
        _check_volume(document["volume"], statement)
        read_annotations(document["annotations"], statement)
        for part in ("trust", "provenance"):
            if not isinstance(document[part], dict):
                raise InputError(f"{part}: an object is wanted")
    except InputError as error:
        raise InputError(f"{path} is no usable certificate: {error}") from None
    except RecursionError:  # Python reads a little deeper than it writes, and hashes are of text
        raise InputError(f"{path} is no usable certificate: it is nested too deeply") from None
    return document


def _recognised(data: object) -> dict[str, object]:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else data
        raise InputError(f'"format" is {shown(found)}, not "{FORMAT}"')
    version = data.get("version")
    if type(version) is not int or version != VERSION:
        told = str(version)[:20] if isinstance(version, int | float) else shown(version)
        raise InputError(
            f"it is of format version {told}, and this program reads version {VERSION}"
        )
    document = object_of(data, "the file", ("format", "version", *PARTS, "sha256"))
    claimed = object_of(document["sha256"], "sha256", (*PARTS, "document"))
    for part, digest in hashes_of(document).items():
        if claimed[part] != digest:
            raise InputError(f"sha256.{part}: the content has another hash; it was changed")
    return document


def statement_from(document: Mapping[str, object]) -> Statement:
    """The statement of a document. Raises InputError with the place of what is malformed."""
    return read_statement(document["statement"], programs_from(document["programs"]))


def programs_from(data: object) -> dict[str, Tape]:
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


def trees_of(document: Mapping[str, object], statement: Statement) -> dict[str, SplitTree]:
    """The split tree of every condition. Raises InputError with the place of what is malformed."""
    evidence, wanted = document["evidence"], constraints_of(statement)
    table = object_of(evidence, "evidence", wanted)
    out = {}
    for name, count in wanted.items():
        where = f"evidence.{name}"
        keys = ("box", "tree") if name == "contraction" else ("tree",)
        part = object_of(table[name], where, keys)
        regions = regions_of(name, statement, part.get("box"))
        out[name] = decode_tree(part["tree"], regions, count, f"{where}.tree")
    return out


def constraints_of(statement: Statement) -> dict[str, int]:
    """The conditions that have a tree, each with the number of its constraints."""
    continuous = statement.time == "continuous"
    out = {}
    if statement.has_band:
        out = {"decrease": 3, "containment": 1 if continuous else 2}
    if statement.has_origin:
        out |= {"core": 2, "contraction": 2}
        if statement.converges:
            out["rest"] = 1
    elif continuous:
        out["defined"] = 2
    if statement.has_band and not continuous:
        out["trap"] = 2
    if statement.constants["epsilon"] is not None:
        out["small set"] = 2
    for k, (_, tape) in enumerate(statement.unsafe, 1):
        out[f"avoid {k}"] = 1 + len(tape.outputs)
    return out


def regions_of(name: str, statement: Statement, box: object) -> Sequence[Box]:
    """The regions of a condition, over (x, w); ``box`` is that of the contraction."""
    domain = statement.domain
    regions: Sequence[Box] = [domain]
    if name == "contraction":
        regions = [box_from(box, "evidence.contraction.box", domain.dimension)]
    elif name == "rest":
        regions = [Box(statement.equilibrium, statement.equilibrium)]
    elif name == "containment" and statement.time == "continuous":
        regions = domain.faces()
    W = statement.disturbance_range
    if W is None:
        return regions
    return [Box((*r.lower, *W.lower), (*r.upper, *W.upper)) for r in regions]


def _check_volume(data: object, statement: Statement) -> None:
    if data is None:
        return
    table = object_of(data, "volume", ("at_least", "unit", "tree"))
    at_least = exact_number(table["at_least"], "volume.at_least")
    if not isinstance(at_least, float) or at_least < 0:
        raise InputError("volume.at_least: a hexadecimal float, not negative, is wanted")
    text_of(table["unit"], "volume.unit", 10_000)
    tree = decode_tree(table["tree"], [statement.domain], 2, "volume.tree")
    if (tree.reason[tree.axis < 0] > max(INSIDE, NOT_COUNTED)).any():
        raise InputError("volume.tree.reasons: a reason other than 0 and 1")
