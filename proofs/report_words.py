"""Numbers and tables in Markdown, safe for whatever names a user's file holds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction

from proofs.statement import one_line
from systems.box import Box
from systems.dynamics import ControlAffineSystem
from systems.words import disturbance_names, state_names


def text(value: object) -> str:
    """Anything as one line of Markdown that starts no markup."""
    out = one_line(str(value))
    for mark in "\\`*_{}[]<>#|$~":
        out = out.replace(mark, "\\" + mark)
    return out


def figure(value: object) -> str:
    """A number with few digits; other values as text."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Fraction):
        return approximate(value)
    if isinstance(value, float):
        return f"{value:.4g}" if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        return ", ".join(figure(v) for v in value)
    return text(value)


def approximate(value: Fraction) -> str:
    """A rational as a decimal: exact where seven digits suffice, else with "≈"."""
    short = f"{float(value):.7g}"
    return short if Fraction(short) == value else f"≈ {short}"


def box(sides: Box) -> str:
    """A box as a product of intervals."""
    ends = zip(sides.lower, sides.upper, strict=True)
    return " × ".join(f"[{approximate(a)}, {approximate(b)}]" for a, b in ends)


def coordinates(system: ControlAffineSystem) -> list[tuple[str, str]]:
    """Names and units of states and disturbances, in the order of a condition's coordinates."""
    names = [*state_names(system), *disturbance_names(system)]
    states = system.state_units or ("",) * system.state_dimension
    disturbances = system.disturbance_units or ("",) * system.disturbance_dimension
    return list(zip(names, (*states, *disturbances), strict=True))


def rounded_down(value: float, digits: int = 5) -> str:
    """A few digits of a number, never more than it is."""
    return _rounded(value, digits, ROUND_FLOOR)


def rounded_up(value: float, digits: int = 5) -> str:
    """A few digits of a number, never less than it is."""
    return _rounded(value, digits, ROUND_CEILING)


def _rounded(value: float, digits: int, direction: str) -> str:
    near = Context(prec=digits, rounding=direction).create_decimal(Decimal(value))
    return f"{float(near):.{digits}g}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table; the cells are Markdown already."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return [*lines, ""]


def table_of(records: Sequence[Mapping[str, object]]) -> list[str]:
    """A table of records, with a column for every key that holds no long list."""
    keys = list(dict.fromkeys(k for r in records for k in r))
    short = [k for k in keys if all(_is_short(r.get(k)) for r in records)]
    head = [text(k.replace("_", " ")) for k in short]
    return table(head, [[figure(r.get(k)) for k in short] for r in records])


LONG = 8
"""Rows; a longer table is folded."""


def folded(summary: str, lines: Sequence[str]) -> list[str]:
    """A table under a line that opens it, where it is long."""
    if sum(line.startswith("|") for line in lines) - 2 <= LONG:
        return list(lines)
    return ["<details>", f"<summary>{text(summary)}</summary>", "", *lines, "</details>", ""]


def _is_short(value: object) -> bool:
    if isinstance(value, Mapping):
        return False
    return not isinstance(value, list | tuple) or (
        len(value) <= 6 and not any(isinstance(v, list | tuple | Mapping) for v in value)
    )


def seconds(value: float) -> str:
    """A duration."""
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"
