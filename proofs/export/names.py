"""Text from statements made fit for comments and file names of other languages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

MOST = 4000
"""Characters of one comment line."""

_WORDS = {
    "V̇": "dV/dt", "≤": "<=", "≥": ">=", "−": "-", "–": "-", "μ": "mu", "µ": "mu", "ε": "eps",
    "α": "alpha", "β": "beta", "θ": "theta", "φ": "phi", "ω": "omega", "Ω": "Ohm", "Δ": "Delta ",
    "∇": "grad ", "·": "*", "×": "x", "°": "deg", "²": "^2", "³": "^3", "⁺": "^+", "ᵀ": "^T",
    "…": "...", "∈": "in",
}  # fmt: skip


def comment(text: str) -> str:
    """One line of printable ASCII that no language takes for more than a comment.

    A backslash would join the next line to a comment of C, and so would the trigraph ``??/``.
    """
    for letter, word in _WORDS.items():
        text = text.replace(letter, word)
    text = unicodedata.normalize("NFKD", text)
    text = "".join(c for c in text if not unicodedata.combining(c))
    plain = "".join(c if " " <= c <= "~" and c not in "\\?" else "_" for c in text)
    return plain if len(plain) <= MOST else plain[: MOST - 3] + "..."


def commented(lines: Iterable[str], mark: str) -> str:
    """The lines as comments that begin with ``mark``, each ended."""
    return "".join(f"{mark} {comment(line)}".rstrip() + "\n" for line in lines)


def file_stem(name: str) -> str:
    """The name of a condition as the beginning of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "condition"
