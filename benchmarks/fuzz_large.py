"""Inputs of a hundred megabytes, and short ones that would take forever: bombs of every kind."""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from collections.abc import Callable

from benchmarks.documents import Document, canonical, encoded, rehashed, sealed
from benchmarks.fuzz_programs import BOMBS, bomb

HUNDRED = 100_000_000
ITEMS = 5_000_000


def large_input(document: Document, number: int) -> tuple[str, bytes]:
    """Input ``number`` of those below: its name and its bytes."""
    name = list(LARGE)[number]
    return name, LARGE[name](json.loads(canonical(document)))


def _beside(document: Document, value: object) -> bytes:
    """A valid certificate but for what its provenance holds."""
    document["provenance"]["run"] = value
    return encoded(sealed(document))


def _in_place_of_trust(document: Document, value: str) -> bytes:
    """Its hashes are of no use: they would take as much memory as reading it."""
    document["trust"] = "HERE"
    return encoded(document).replace(b'"HERE"', value.encode("ascii"))


def _tree(document: Document, packed: bytes, splits: int | None = None) -> bytes:
    tree = document["evidence"]["decrease"]["tree"]
    tree["shape"] = b64encode(packed).decode("ascii")
    tree["splits"] = tree["splits"] if splits is None else splits
    return encoded(sealed(document))


def _zeros(count: int) -> bytes:
    """So many zero bytes, compressed, without ever holding them."""
    packer, block = zlib.compressobj(9), bytes(1_000_000)
    return b"".join([*(packer.compress(block) for _ in range(count // len(block))), packer.flush()])


def _program(kind: str) -> Callable[[Document], bytes]:
    def make(document: Document) -> bytes:
        tape = document["statement"]["closed_loop"]["value"]
        program = bomb(kind, document["programs"][tape["program"]]["inputs"])
        document["programs"]["bomb"] = program
        tape["program"], tape["outputs"] = "bomb", [len(program["instructions"]) - 1]
        return encoded(rehashed(document))

    return make


LARGE: dict[str, Callable[[Document], bytes]] = {
    "100 MB of opening brackets": lambda d: b"[" * HUNDRED,
    "100 MB of nested lists": lambda d: b"[" * (HUNDRED // 2) + b"]" * (HUNDRED // 2),
    "100 MB of nested objects": lambda d: b'{"a":' * (HUNDRED // 5),
    "5,000,000 nested lists in a certificate": lambda d: _in_place_of_trust(
        d, "[" * ITEMS + "]" * ITEMS
    ),
    "100 MB of spaces": lambda d: b" " * HUNDRED,
    "100 MB of zero bytes": lambda d: bytes(HUNDRED),
    "100 MB of digits": lambda d: b"9" * HUNDRED,
    "100 MB of digits in a certificate": lambda d: _in_place_of_trust(d, "9" * HUNDRED),
    "100 MB of text": lambda d: b'"' + b"a" * HUNDRED + b'"',
    "100 MB of escapes": lambda d: b'"' + b"\\u0041" * (HUNDRED // 6) + b'"',
    "100 MB of text beside a proof": lambda d: _beside(d, "a" * HUNDRED),
    "100 MB of a list": lambda d: b"[" + b"0," * (HUNDRED // 2) + b"0]",
    "1,000,000 objects beside a proof": lambda d: _beside(d, [{} for _ in range(1_000_000)]),
    "5,000,000 objects": lambda d: _in_place_of_trust(d, "[" + "{}," * (ITEMS // 2) + "0]"),
    "2,000,000 keys": lambda d: _in_place_of_trust(
        d, "{" + ",".join(f'"{i}":0' for i in range(2_000_000)) + "}"
    ),
    "a certificate and 100 MB of spaces": lambda d: encoded(d) + b" " * HUNDRED,
    "201 MB": lambda d: encoded(d) + b" " * 201_000_000,
    "an array that unpacks to 2 GB": lambda d: _tree(d, _zeros(2_000_000_000)),
    "an array of 4,000,000 splits": lambda d: _tree(d, _zeros(10_000_000), 4_000_000),
    "100 MB of an array": lambda d: _tree(d, b"\x00" * (HUNDRED * 3 // 4)),
    **{kind: _program(kind) for kind in BOMBS},
}
