"""Inputs for a reader of certificates that nobody would write in good faith, each from its number.

Half are damaged bytes or another spelling of JSON; the others are changed as data, most of them
with all hashes computed anew, so that they are refused, if at all, for what they say.
"""

from __future__ import annotations

import base64
import json
import random
import sys
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.documents import Document, canonical, encoded, rehashed, sealed
from benchmarks.fuzz_programs import enemy_program
from benchmarks.packed_tree import KINDS, array, pack_bytes, packed

NASTY: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 255, 2**31, 2**53 + 1, 10**17, 10**18, -(10**30), 10**400,
    0.0, -0.0, 1.0, 1.5, 1e300, float("nan"), float("inf"), float("-inf"), "", " ", "0", "1", "-1",
    "0/1", "1/1", "-1/1", "-0/1", "0/0", "1/0", "2/4", "1/-2", "01/2", "1/2 ", "+1/2", "1_0/3",
    "١/٢", f"1/{'9' * 1900}", f"{'9' * 1990}/1", f"{'9' * 5000}/1", "nan", "inf", "-inf", "NaN",
    "0x1.8p+0", "0x1.8000000000000p+0", "-0x1.8000000000000p+0", "0x0.0p+0", "-0x0.0p+0",
    "0x1.0000000000000p+1023", "0x1.0000000000000p+99999", "0x0.0000000000001p-1022", "0X1.8P+0",
    "0x1.fffffffffffffp+1023", "1e5", "../../etc/passwd", "/dev/zero", "file:///etc/passwd",
    "$(touch x)", "{{7*7}}", "%s%n", "__class__", "__import__('os')", "\x00", "\x1b[2J", "\u202e",
    "\ud800", "é", "a" * 300, "a" * 20_000, "decrease", "variable", "asymptotic stability",
    "continuous", [], {}, [[]], [{}], [None], {"": None}, [0] * 200, [["0/1", "1/1"]],
    {"program": "x", "outputs": [0]}, {"name": "x", "unit": "y"},
)  # fmt: skip

PROOF = ("statement", "statement", "programs", "programs", "evidence", "volume")

Family = Callable[[random.Random, Sequence[Document]], bytes]


def fuzz_input(subjects: Sequence[Document], seed: int, number: int) -> tuple[str, bytes]:
    """Input ``number``: the name of its family, and its bytes. The same for the same arguments."""
    generator = random.Random(f"{seed} {number}")
    family = generator.choices(list(FAMILIES), list(WEIGHTS))[0]
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)  # what is nested must be hashed; reading it is another's business
    try:
        return family, FAMILIES[family](generator, subjects)
    finally:
        sys.setrecursionlimit(usual)


def _bytes_of(r: random.Random, subjects: Sequence[Document]) -> bytearray:
    return bytearray(encoded(r.choice(subjects)))


def _truncated(r: random.Random, subjects: Sequence[Document]) -> bytes:
    data = _bytes_of(r, subjects)
    return bytes(data[: r.choice([r.randrange(len(data)), len(data) - r.randrange(1, 4)])])


def _flipped(r: random.Random, subjects: Sequence[Document]) -> bytes:
    data = _bytes_of(r, subjects)
    for _ in range(r.choice([1, 1, 2, 8])):
        data[r.randrange(len(data))] ^= 1 << r.randrange(8)
    return bytes(data)


def _characters(r: random.Random, subjects: Sequence[Document]) -> bytes:
    data = _bytes_of(r, subjects)
    for _ in range(r.choice([1, 1, 3])):
        i = r.randrange(len(data))
        new = r.choice([b"", b'"', b"{", b"}", b"[", b",", b":", b"\\", b"0", b"-", b" ", b"\xff"])
        data[i : i + r.randrange(2)] = new
    return bytes(data)


def _spliced(r: random.Random, subjects: Sequence[Document]) -> bytes:
    data, other = _bytes_of(r, subjects), _bytes_of(r, subjects)
    i, j = r.randrange(len(data)), r.randrange(len(other))
    length = r.choice([r.randrange(200), len(other)])
    data[i : i + r.choice([0, length])] = other[j : j + length]
    return bytes(data)


def _not_ours(r: random.Random, subjects: Sequence[Document]) -> bytes:
    text = encoded(r.choice(subjects)).decode("ascii")
    ways: list[Callable[[], bytes]] = [
        lambda: r.randbytes(r.randrange(2000)),
        lambda: b"",
        lambda: b"\xef\xbb\xbf" + text.encode(),
        lambda: text.encode("utf-16"),
        lambda: text.replace("\n", "\r\n").encode(),
        lambda: (text * 2).encode(),
        lambda: zlib.compress(text.encode()),
        lambda: base64.b64encode(text.encode()),
        lambda: canonical(r.choice(NASTY)).encode() + b"\n",
        lambda: canonical({"format": r.choice(NASTY), "version": r.choice(NASTY)}).encode(),
        lambda: b"PK\x03\x04" + r.randbytes(100),
    ]
    return r.choice(ways)()


def _spelling(r: random.Random, subjects: Sequence[Document]) -> bytes:
    """The same data, spelt in another way."""
    document = r.choice(subjects)
    text = encoded(document).decode("ascii")
    number = r.choice(["1.0", "1e0", "01", "+1", "0x1", "1_0", "NaN", "-Infinity", "1e999", "-0"])
    entry = r.choice(["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5000, "1e-999"])
    ways: list[Callable[[], str]] = [
        lambda: json.dumps(document, indent=r.choice([None, 0, 1])),
        lambda: json.dumps(document, separators=(",", ":")) + "\n",
        lambda: canonical(document),
        lambda: " " + text,
        lambda: text + r.choice([" ", "\n", "\0", "{}", "//"]),
        lambda: text.replace('"version":1', f'"version":{number}'),
        lambda: text.replace('"format"', '"\\u0066ormat"'),
        lambda: text.replace('"version":1', '"version":1,"version":1'),
        lambda: text.replace('"trust":{', '"trust":{"tolerances":[],', 1),
        lambda: text.replace('"provenance":{', f'"provenance":{{"a":{entry},', 1),
        lambda: text.replace("/", "\\/", 1),
        lambda: text.replace("0x", "0X", 1),
    ]
    return r.choice(ways)().encode("utf-8", "surrogatepass")


def _nested(r: random.Random, subjects: Sequence[Document]) -> bytes:
    """Lists or objects within each other, about as deep as Python goes, or much deeper."""
    depth = r.choice([r.randrange(900, 1010), r.randrange(50), 10_000, 100_000])
    open_, close = r.choice([("[", "]"), ('{"a":', "}")])
    nest = open_ * depth + r.choice(["1", "", "{}"]) + close * r.choice([depth, depth - 1, 0])
    text = encoded(r.choice(subjects)).decode("ascii")
    key = r.choice(
        ['"provenance":{', '"trust":{', '"statement":{', '"programs":{', '"constants":{']
    )
    ways: list[Callable[[], str]] = [
        lambda: nest,
        lambda: text.replace(key, f'{key}"a":{nest},', 1),
        lambda: text.replace('"version":1', f'"version":{nest}'),
        lambda: text.replace('"volume":', f'"volume":{nest},"v":', 1),
    ]
    return r.choice(ways)().encode()


def _nested_and_hashed(r: random.Random, subjects: Sequence[Document]) -> bytes:
    document, value = _copy(r, subjects), r.choice(NASTY)
    for _ in range(r.choice([10, 400, r.randrange(850, 985)])):
        value = r.choice([[value], {"a": value}])
    _put(document, _place(r, document), value)
    return _finish(r, document)


def _value(r: random.Random, subjects: Sequence[Document]) -> bytes:
    document = _copy(r, subjects)
    for _ in range(r.choice([1, 1, 1, 2])):
        _put(document, _place(r, document), r.choice(NASTY))
    return _finish(r, document)


def _structure(r: random.Random, subjects: Sequence[Document]) -> bytes:
    """Something is gone, there twice, elsewhere, or under another name."""
    document = _copy(r, subjects)
    path = _place(r, document)
    parent, key = _parent(document, path), path[-1]
    other = _place(r, document)
    match r.randrange(5):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, list):
            parent.insert(key, parent[key])
        case 1:
            parent[r.choice(["a", "", str(key) + " ", "sha256", "__proto__"])] = parent[key]
        case 2 if isinstance(parent, list):
            r.shuffle(parent)
        case 2:
            parent[str(key).upper()] = parent.pop(key)
        case 3:
            _put(document, path, json.loads(canonical(_parent(document, other)[other[-1]])))
        case _ if isinstance(parent[key], str) and parent[key]:
            text = parent[key]
            i = r.randrange(len(text))
            parent[key] = text[:i] + r.choice("0123456789/-xp+.abcdef ") + text[i + 1 :]
    return _finish(r, document)


def _arrays(r: random.Random, subjects: Sequence[Document]) -> bytes:
    """Packed arrays that are damaged, of another length, or bombs."""
    document = _copy(r, subjects)
    entries = [*document["evidence"].values(), *filter(None, [document["volume"]])]
    tree = r.choice(entries)["tree"]
    name = r.choice(list(KINDS))
    values = list(array(tree, name))
    raw = zlib.decompress(base64.b64decode(tree[name]))
    ways: list[Callable[[], str]] = [
        lambda: tree[name][:-1],
        lambda: tree[name] + r.choice(["=", "A", "\n", "é"]),
        lambda: base64.b64encode(raw).decode(),
        lambda: base64.b64encode(zlib.compress(raw) + b"x").decode(),
        lambda: base64.b64encode(zlib.compress(raw)[:-1]).decode(),
        lambda: base64.urlsafe_b64encode(zlib.compress(r.randbytes(len(raw)))).decode(),
        lambda: pack_bytes(b"\0" * 10_000_000),
        lambda: pack_bytes(r.randbytes(len(raw))),
        lambda: pack_bytes(b"\xff" * len(raw)),
        lambda: pack_bytes(raw[1:]),
        lambda: packed(name, values[::-1]),
    ]
    tree[name] = r.choice(ways)()
    if r.random() < 0.2:
        tree[r.choice(["splits", "moved_count"])] = r.choice([0, 1, 4_000_000, 10**9, len(values)])
    return _finish(r, document)


def _enemy(r: random.Random, subjects: Sequence[Document]) -> bytes:
    """V, k or the dynamics by a program of random instructions."""
    document = _copy(r, subjects)
    loop = document["statement"]["closed_loop"]
    tape = loop[r.choice([k for k, v in loop.items() if v])]
    old = document["programs"][tape["program"]]
    size = old["instructions"][tape["outputs"][0]]["size"]
    program = enemy_program(r, old["inputs"], size)
    document["programs"]["enemy"] = program
    tape["program"], tape["outputs"] = "enemy", [len(program["instructions"]) - 1]
    return encoded(rehashed(document))


def _copy(r: random.Random, subjects: Sequence[Document]) -> Document:
    document: Document = json.loads(canonical(r.choice(subjects)))
    return document


def _place(r: random.Random, document: Document) -> list[Any]:
    """A path to some value, mostly of the proof, the short ones as likely as the long ones."""
    first = r.choice([*PROOF, *PROOF, *sorted(document)])
    path: list[Any] = [first]
    here: Any = document[first]
    while isinstance(here, dict | list) and here and r.random() > 0.12:
        path.append(r.choice(sorted(here)) if isinstance(here, dict) else r.randrange(len(here)))
        here = here[path[-1]]
    return path


def _parent(document: Document, path: Sequence[Any]) -> Any:
    here: Any = document
    for key in path[:-1]:
        here = here[key]
    return here


def _put(document: Document, path: Sequence[Any], value: Any) -> None:
    _parent(document, path)[path[-1]] = value


def _finish(r: random.Random, document: Document) -> bytes:
    """Most of them with the hashes of their content, where that can be made."""
    if r.random() < 0.85:
        for make in (rehashed, sealed):
            try:
                document = make(document)
            except (KeyError, TypeError, AttributeError, ValueError):
                continue
            break
    return encoded(document)


FAMILIES: dict[str, Family] = {
    "cut off": _truncated,
    "bits flipped": _flipped,
    "characters changed": _characters,
    "spliced": _spliced,
    "not ours": _not_ours,
    "other spelling": _spelling,
    "nested": _nested,
    "nested, hashed": _nested_and_hashed,
    "another value": _value,
    "another structure": _structure,
    "packed arrays": _arrays,
    "an enemy's program": _enemy,
}
WEIGHTS = (8, 10, 10, 8, 6, 8, 2, 3, 22, 14, 8, 1)
