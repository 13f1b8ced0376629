"""Reading a certificate that nobody vouches for: bounded memory, one spelling, all hashes right.

Everything here raises :class:`Unreadable` with one line that says what is wrong and where; a wrong
hash makes a certificate :class:`Invalid`.
"""

from __future__ import annotations

import hashlib
import json
import re
from fractions import Fraction
from typing import Any

from flint import fmpq

FORMAT, VERSION = "stableproof-certificate", 1
PARTS = ("statement", "programs", "evidence", "volume", "annotations", "trust", "provenance")
MAX_BYTES, MAX_ITEMS, MAX_DIGITS = 200_000_000, 6_000_000, 2_000

_RATIONAL = re.compile(r"(-?(?:0|[1-9][0-9]*))/([1-9][0-9]*)")
_HEX_FLOAT = re.compile(r"-?0x[01]\.[0-9a-f]{1,13}p[+-][0-9]{1,4}|-?0x0\.0p\+0")


class Unreadable(ValueError):  # noqa: N818 - it names a verdict
    """Not a certificate of this format; nothing is said about what it claims."""


class Invalid(Exception):  # noqa: N818 - it names a verdict
    """A certificate that does not prove what it states."""


def read(data: bytes) -> dict[str, Any]:
    """The document in the bytes of a file, its form and hashes checked."""
    if len(data) > MAX_BYTES:
        raise Unreadable(f"larger than {MAX_BYTES:,} bytes: not a certificate")
    if sum(map(data.count, (b",", b"[", b"{"))) > MAX_ITEMS:
        raise Unreadable(f"more than {MAX_ITEMS:,} items: not a certificate")
    try:
        document = json.loads(
            data.decode("ascii"),
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_short_integer,
        )
        is_canonical = canonical(document) + "\n" == data.decode("ascii")
    except UnicodeDecodeError as error:
        raise Unreadable(f"byte {error.start} is not ASCII: not a certificate") from None
    except json.JSONDecodeError as error:
        raise Unreadable(f"not JSON, or cut off: {error}") from None
    except RecursionError:
        raise Unreadable("nested too deeply: not a certificate") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise Unreadable(f'"format" is not "{FORMAT}": not a certificate')
    version = document.get("version")
    if type(version) is not int or version != VERSION:
        raise Unreadable(f"format version {str(version)[:20]}; this checker reads {VERSION}")
    fields(document, "the file", "format", "version", "sha256", *PARTS)
    if not is_canonical:
        raise Unreadable("not in canonical form: it was edited or written by something else")
    hashes = fields(document["sha256"], "sha256", "document", *PARTS)
    for part in (*PARTS, "document"):
        body: Any = document.get(part)
        if part == "document":
            body = {k: v for k, v in document.items() if k != "sha256"}
        if digest(body) != hashes[part]:
            raise Invalid(f"sha256.{part}: the content has another hash; it was changed")
    return document


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise Unreadable("a key stands twice in one object")
    return out


def _no_constant(name: str) -> None:
    raise Unreadable(f"{name} is no number of a certificate")


def _finite(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        _no_constant(digits[:20])
    return value


def _short_integer(digits: str) -> int:
    if len(digits) > 18:
        raise Unreadable("an integer of more than 18 digits")
    return int(digits)


def canonical(data: Any) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(data: Any) -> str:
    return hashlib.sha256(canonical(data).encode("ascii")).hexdigest()


def fields(data: Any, where: str, *keys: str) -> dict[str, Any]:
    """An object with exactly these keys."""
    if not isinstance(data, dict) or set(data) != set(keys):
        raise Unreadable(f"{where}: an object with exactly the keys {', '.join(keys)} is wanted")
    return data


def items(data: Any, where: str, count: int | None = None, most: int = MAX_ITEMS) -> list[Any]:
    """A list, of the given length or of at most ``most`` entries."""
    if not isinstance(data, list) or len(data) > most or count not in (None, len(data)):
        raise Unreadable(f"{where}: a list of {'few' if count is None else count} is wanted")
    return data


def integer(data: Any, where: str, below: int, least: int = 0) -> int:
    if type(data) is not int or not least <= data < below:
        raise Unreadable(f"{where}: an integer from {least} to {below - 1} is wanted")
    return data


def text(data: Any, where: str, most: int = 200) -> str:
    """One printable line, so that nothing can forge what is printed around it."""
    if not isinstance(data, str) or len(data) > most or not data.isprintable() or "  " in data:
        raise Unreadable(f"{where}: a line of at most {most} printable characters is wanted")
    return data


def rational(data: Any, where: str) -> Fraction:
    """A text "p/q" in lowest terms."""
    found = _RATIONAL.fullmatch(data) if isinstance(data, str) and len(data) < MAX_DIGITS else None
    value = Fraction(int(found[1]), int(found[2])) if found else None
    if value is None or f"{value.numerator}/{value.denominator}" != data:
        raise Unreadable(f'{where}: a rational "p/q" in lowest terms is wanted')
    return value


def real(data: Any, where: str) -> float:
    """A finite float64 as its hexadecimal literal."""
    if isinstance(data, str) and _HEX_FLOAT.fullmatch(data):
        try:
            value = float.fromhex(data)
        except OverflowError:
            value = float("inf")
        if value.hex() == data:
            return value
    raise Unreadable(f"{where}: a hexadecimal float64 is wanted")


def number(data: Any, where: str) -> fmpq:
    """An exact number: a hexadecimal float, or a quotient that is none."""
    if isinstance(data, str) and "/" in data:
        quotient = rational(data, where)
        if abs(quotient) < 2**1024 and Fraction(float(quotient)) == quotient:
            raise Unreadable(f"{where}: a number that a float64 equals is written as one")
        return fmpq(quotient.numerator, quotient.denominator)
    return fmpq(*real(data, where).as_integer_ratio())


def interval(data: Any, where: str) -> tuple[Fraction, Fraction]:
    low, high = (rational(v, where) for v in items(data, where, 2))
    if not low <= high or max(abs(low), abs(high)) > 10**300:
        raise Unreadable(f"{where}: an interval with lower end <= upper end is wanted")
    return low, high


def box(data: Any, where: str, n: int) -> list[tuple[Fraction, Fraction]]:
    return [interval(v, f"{where}[{i}]") for i, v in enumerate(items(data, where, n))]
