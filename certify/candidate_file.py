"""Candidates as files: one JSON document, written whole or not at all, read with distrust."""

from __future__ import annotations

import json
from os import PathLike

from certify.candidate import Candidate
from systems.errors import InputError
from systems.files import write_atomically
from systems.json_data import object_of, plain, read_json, text_of
from systems.tape import Tape, compile_tape
from systems.tape_json import expressions_of, tape_from_json

FORMAT = "stableproof-candidate"
VERSION = 1


def candidate_tape(candidate: Candidate) -> Tape:
    """The tape of V, and of k where there is one, as functions of the state."""
    control = [] if candidate.control is None else [candidate.control]
    return compile_tape([candidate.value, *control], [candidate.state])


def save_candidate(candidate: Candidate, path: str | PathLike[str], system_name: str) -> None:
    """Write a candidate for the system of that name. Raises InputError where it cannot be written.

    V and k are kept exactly. What is no JSON in the provenance becomes text or lists; its order is
    kept, since it is that of tables in reports.
    """
    document = {
        "format": FORMAT,
        "version": VERSION,
        "system": text_of(system_name, "the system's name", 200),
        "tape": candidate_tape(candidate).to_json(),
        "provenance": plain(candidate.provenance),
    }
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    write_atomically(path, text + "\n")


def load_candidate(path: str | PathLike[str]) -> tuple[Candidate, str]:
    """The candidate in a file, and the name of the system it was made for.

    Raises InputError, one line, where the file is no candidate, damaged, or of another version.
    """
    data = read_json(path, "a candidate file")
    try:
        return _candidate(data)
    except InputError as error:
        raise InputError(f"{path} is no usable candidate file: {error}") from None


def _candidate(data: object) -> tuple[Candidate, str]:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InputError(f'"format": "{FORMAT}" is missing; `stableproof train` writes such files')
    version = data.get("version")
    if type(version) is not int or version != VERSION:
        raise InputError(
            f"it is of version {str(version)[:20]}, and this program reads version {VERSION}"
        )
    table = object_of(data, "the file", ("format", "version", "system", "tape", "provenance"))
    name = text_of(table["system"], "system", 200)
    provenance = table["provenance"]
    if not isinstance(provenance, dict):
        raise InputError("provenance: an object is wanted")
    tape = tape_from_json(table["tape"])
    states, outputs = expressions_of(tape)
    if len(states) != 1 or len(outputs) not in (1, 2):
        raise InputError("tape: one input (the state) and one or two outputs (V, k) are wanted")
    if outputs[0].size != 1:
        raise InputError(f"tape: V must be a scalar, not a vector of size {outputs[0].size}")
    control = outputs[1] if len(outputs) == 2 else None
    return Candidate(states[0], outputs[0], control, provenance), name
