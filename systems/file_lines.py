"""On which line of a TOML text a key stands; tomllib keeps the values and forgets the lines."""

from __future__ import annotations

import re

_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?$")
_ARRAY = re.compile(r"\s*\[\[\s*([^\[\]]+?)\s*\]\]\s*(#.*)?$")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")


class Lines:
    """Line numbers (from 1) of the tables and keys of one TOML text.

    A table of an array has its number, from 0, in its path: ``find("claim", "1", "name")``.
    """

    def __init__(self, text: str) -> None:
        self._numbers: dict[tuple[str, ...], int] = {}
        self._lengths: dict[tuple[str, ...], int] = {}
        self._headers: list[tuple[int, tuple[str, ...]]] = []
        table: tuple[str, ...] = ()
        fence = ""
        for number, line in enumerate(text.splitlines(), start=1):
            if fence:  # inside a text of several lines, nothing is a key
                fence = "" if fence in line else fence
                continue
            if header := _HEADER.match(line) or _ARRAY.match(line):
                table = self._entered(_parts(header[1]), bool(_ARRAY.match(line)), number)
            elif key := _KEY.match(line):
                path = table + _parts(key[1])
                for length in range(1, len(path) + 1):
                    self._numbers.setdefault(path[:length], number)
            fence = _opened(line)

    def _entered(self, parts: tuple[str, ...], array: bool, number: int) -> tuple[str, ...]:
        """The path of the table that a header begins."""
        path: tuple[str, ...] = ()
        for i, part in enumerate(parts):
            path = (*path, part)
            if array and i == len(parts) - 1:
                self._numbers.setdefault(path, number)
                self._lengths[path] = self._lengths.get(path, 0) + 1
            if path in self._lengths:
                path = (*path, str(self._lengths[path] - 1))
        self._numbers.setdefault(path, number)
        self._headers.append((number, path))
        return path

    def table_at(self, number: int) -> tuple[str, ...]:
        """The path of the table that a line belongs to; () before the first."""
        return next((path for at, path in reversed(self._headers) if at <= number), ())

    def all(self) -> dict[tuple[str, ...], int]:
        """The line of every table and key by its path."""
        return dict(self._numbers)

    def find(self, *path: str) -> int | None:
        """The line of a key, or of the nearest table around it; None where there is none."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._numbers:
                return self._numbers[path[:length]]
        return None


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _opened(line: str) -> str:
    """The fence of a text that this line opens and does not close."""
    for fence in ('"""', "'''"):
        if line.count(fence) % 2:
            return fence
    return ""
