"""JSON as this project reads and writes it: canonical out, distrusted in."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import NoReturn

import numpy as np

from systems.errors import InputError

MAX_BYTES = 500_000_000
"""No document of ours is larger; a file that is has come from elsewhere."""


def canonical_json(data: object) -> str:
    """The one spelling of JSON data: keys sorted, no spaces, ASCII, no NaN; what is hashed.

    Raises ValueError where the data holds a number that is not finite.
    """
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def plain(value: object) -> object:
    """Records of a run as JSON data: arrays as lists, rationals and non-finite numbers as text."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Fraction):
        return quotient(value)
    return str(value)


def quotient(value: Fraction) -> str:
    """A rational as text: "p/q" in lowest terms, "p/1" for an integer."""
    return f"{value.numerator}/{value.denominator}"


MAX_DIGITS = 4000
"""Digits of a numerator or denominator; Python itself refuses to read more than 4300."""

_QUOTIENT = re.compile(rf"(-?[0-9]{{1,{MAX_DIGITS}}})/([0-9]{{1,{MAX_DIGITS}}})")


def rational(data: object, where: str) -> Fraction:
    """The rational that :func:`quotient` wrote, else InputError at ``where``."""
    match = _QUOTIENT.fullmatch(data) if isinstance(data, str) else None
    if match is not None and int(match[2]):
        value = Fraction(int(match[1]), int(match[2]))
        if quotient(value) == data:
            return value
    raise InputError(f"{where}: {shown(data)} is no quotient in lowest terms, such as '1/3'")


def shown(data: object) -> str:
    """The beginning of a text, or what the value is."""
    return repr(data[:40]) if isinstance(data, str) else kind(data)


def read_json(
    path: str | PathLike[str],
    what: str,
    *,
    most_bytes: int = MAX_BYTES,
    most_values: int | None = None,
) -> object:
    """The JSON data in a file; ``what`` names the expected kind of file in messages.

    Raises InputError, one line, where the file is missing, unreadable, too large, cut off, not
    JSON, nested too deeply, has a key twice, or holds NaN or a number beyond float64. A short text
    can make millions of small objects: ``most_values`` limits them before any is made.
    """
    file = Path(path)
    text = _text(file, what, most_bytes)
    # Every value but the first follows one of these; those inside strings only count too many.
    if most_values is not None and sum(text.count(c) for c in ",[{") > most_values:
        raise InputError(f"{file} is not {what}: it holds more than {most_values:,} values")
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_not_finite,
            parse_float=_finite,
        )
    except json.JSONDecodeError as error:
        problem = f"{error.msg} at line {error.lineno}, column {error.colno} (cut off or damaged?)"
    except RecursionError:
        problem = "it is nested too deeply"
    except InputError as error:
        problem = str(error)
    except ValueError:
        problem = "it holds a number with too many digits"
    raise InputError(f"{file} is not {what}: {problem}")


def _text(file: Path, what: str, most_bytes: int) -> str:
    try:
        if file.exists() and not file.is_file():
            raise InputError(f"{file} is no ordinary file; give {what}")
        if file.stat().st_size > most_bytes:
            raise InputError(f"{file} is larger than {most_bytes:,} bytes and not {what}")
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"{file}: there is no such file; give {what}") from None
    except UnicodeDecodeError:
        raise InputError(f"{file} is not {what}: it is not UTF-8 text") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    out = dict(pairs)
    if len(out) != len(pairs):
        keys = [k for k, _ in pairs]
        twice = next(k for i, k in enumerate(keys) if k in keys[:i])
        raise InputError(f"the key {twice[:40]!r} stands twice in one object")
    return out


def _not_finite(text: str) -> NoReturn:
    raise InputError(f"it holds {text}, which is no finite number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise InputError(f"it holds {text[:20]}, which is beyond float64")
    return value


def object_of(
    data: object, where: str, keys: Collection[str], optional: Collection[str] = ()
) -> dict[str, object]:
    """A JSON object with exactly these keys, else InputError at ``where``."""
    if not isinstance(data, dict):
        raise InputError(f"{where}: an object is wanted, not {kind(data)}")
    missing = sorted(set(keys) - data.keys())
    if missing:
        raise InputError(f"{where}: {missing[0]!r} is missing")
    strange = sorted(data.keys() - set(keys) - set(optional))
    if strange:
        raise InputError(f"{where}: unknown key {strange[0][:40]!r}")
    return data


def list_of(data: object, where: str, most: int) -> list[object]:
    """A JSON array of at most ``most`` entries, else InputError at ``where``."""
    if not isinstance(data, list):
        raise InputError(f"{where}: a list is wanted, not {kind(data)}")
    if len(data) > most:
        raise InputError(f"{where}: {len(data)} entries are more than the {most} allowed")
    return data


def integer(data: object, where: str, least: int, most: int) -> int:
    """An integer in [least, most], else InputError at ``where``."""
    if not isinstance(data, int) or isinstance(data, bool):
        raise InputError(f"{where}: an integer is wanted, not {kind(data)}")
    if not least <= data <= most:
        raise InputError(f"{where}: {_digits(data)} is not in {least}…{most}")
    return data


def text_of(data: object, where: str, most: int = 1000) -> str:
    """Printable text of at most ``most`` characters, else InputError at ``where``."""
    if not isinstance(data, str):
        raise InputError(f"{where}: text is wanted, not {kind(data)}")
    if len(data) > most:
        raise InputError(f"{where}: text of {len(data)} characters, at most {most} allowed")
    if not data.isprintable():  # control characters would reach a terminal
        raise InputError(f"{where}: the text holds characters that cannot be printed")
    return data


def kind(data: object) -> str:
    """What a JSON value is, in words."""
    names: dict[type, str] = {
        dict: "an object", list: "a list", str: "text", bool: "a truth value",
        int: "an integer", float: "a decimal", type(None): "null",
    }  # fmt: skip
    return names.get(type(data), type(data).__name__)


def _digits(value: int) -> str:
    return str(value) if abs(value) < 10**20 else "a number of too many digits"
