"""Units are text, kept and shown; here they are only counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def in_powers(units: Iterable[str]) -> list[str]:
    """The factors of a product of units, each once: m, rad, m gives m^2 and rad.

    States without a unit (the empty text) count for nothing. In the order of first appearance.
    """
    counts = Counter(u for u in units if u)
    return [u if n == 1 else f"{_factor(u)}^{n}" for u, n in counts.items()]


def _factor(unit: str) -> str:
    """In parentheses where a power would else belong to a part of it."""
    return unit if unit.isalpha() else f"({unit})"
