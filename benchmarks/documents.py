"""Certificates as plain JSON data: their hashes and their file, after the format's page alone."""

from __future__ import annotations

import hashlib
import json
from typing import Any

Document = dict[str, Any]
PARTS = ("statement", "programs", "evidence", "volume", "annotations", "trust", "provenance")


def rehashed(document: Document) -> Document:
    """The same document with the hashes of what is in it: of programs, parts and the whole."""
    statement = document["statement"]
    programs = {}
    for old, program in document["programs"].items():
        new = digest(program)
        programs[new] = program
        statement = _renamed(statement, old, new)
    return sealed({**document, "statement": statement, "programs": programs})


def sealed(document: Document) -> Document:
    """The same document with the hashes of its parts and of the whole."""
    body = {k: v for k, v in document.items() if k != "sha256"}
    hashes = {part: digest(body[part]) for part in PARTS}
    return {**body, "sha256": {**hashes, "document": digest(body)}}


def encoded(document: Document) -> bytes:
    """The file of a document."""
    return (canonical(document) + "\n").encode("ascii")


def digest(data: object) -> str:
    """SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical(data).encode("ascii")).hexdigest()


def canonical(data: object) -> str:
    """The one spelling of JSON data; NaN, which has none, as Python spells it."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def _renamed(data: Any, old: str, new: str) -> Any:
    if isinstance(data, dict):
        return {k: _renamed(v, old, new) for k, v in data.items()}
    if isinstance(data, list):
        return [_renamed(v, old, new) for v in data]
    return new if data == old else data
