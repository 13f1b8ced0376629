"""On which line of a TOML text a key stands; tomllib keeps the values and forgets the lines."""

from __future__ import annotations

import re

_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?$")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")


class Lines:
    """Line numbers (from 1) of the tables and keys of one TOML text."""

    def __init__(self, text: str) -> None:
        self._numbers: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        fence = ""
        for number, line in enumerate(text.splitlines(), start=1):
            if fence:  # inside a text of several lines, nothing is a key
                fence = "" if fence in line else fence
                continue
            if header := _HEADER.match(line):
                table = _parts(header[1])
                self._numbers.setdefault(table, number)
            elif key := _KEY.match(line):
                path = table + _parts(key[1])
                for length in range(1, len(path) + 1):
                    self._numbers.setdefault(path[:length], number)
            fence = _opened(line)

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
