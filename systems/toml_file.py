"""TOML files that people write: read with distrust, and told in one line where they are wrong."""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from pathlib import Path

from systems.errors import InputError
from systems.file_lines import Lines

MAX_BYTES = 1_000_000
"""Such a file is written by hand; a larger one is something else."""


def read_toml(file: Path, what: str) -> tuple[dict[str, object], str]:
    """The tables of a file, and its text; ``what`` it should be, for messages: "system file".

    Numbers stay as written: 0.15 is a Decimal. Raises InputError, one line, where the file cannot
    be read or is not valid TOML.
    """
    text = _text(file, what)
    return _tables(file, text, what), text


def _text(file: Path, what: str) -> str:
    try:
        if file.is_dir():
            raise InputError(f"{file} is a directory; give a {what} (TOML)")
        if file.stat().st_size > MAX_BYTES:
            raise InputError(f"{file} is larger than {MAX_BYTES:,} bytes and no {what}")
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


def _tables(file: Path, text: str, what: str) -> dict[str, object]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = re.search(r" \(at line (\d+), column (\d+)\)", message)
        problem = (
            message[: place.start()] if place else message.replace(" (at end of document)", "")
        )
        last = text.count("\n") + 1
        number = place[1] if place else last
        column = f", column {place[2]}" if place else ", at the end"
        if twice := _given_twice(text, int(number), problem):
            raise InputError(f"{file}:{number}: {twice}") from None
        raise InputError(
            f"{file}:{number}{column}: not valid TOML: {problem}; texts need quotation marks, and "
            "every key stands once"
        ) from None
    except RecursionError:
        raise InputError(f"{file}: nested too deeply for a {what}") from None
    except (ValueError, ArithmeticError):
        raise InputError(f"{file}: contains a number with too many digits") from None


def _given_twice(text: str, number: int, problem: str) -> str:
    """Which key or table stands twice, and where first; empty where that is not the trouble."""
    if declared := re.match(r"Cannot declare \((.*)\) twice", problem):
        path = tuple(re.findall(r"'([^']*)'", declared[1]))
        name = f"the table [{'.'.join(path)}]"
        first = Lines(text).find(*path)
    elif problem.startswith("Cannot overwrite a value"):
        lines, line = Lines(text), (text.splitlines() or [""])[:number][-1]
        key = line.split("=")[0].strip()
        name = f"the key {key!r}"
        first = lines.find(*lines.table_at(number), key)
    else:
        return ""
    place = f", first in line {first}" if first is not None and first < number else ""
    return f"{name} stands twice{place}; keep one of them"
