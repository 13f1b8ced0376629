"""The report's formulas, a small part of LaTeX, as HTML that wraps, prints and is read aloud."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_SYMBOLS = {
    "mu": "μ", "alpha": "α", "varepsilon": "ε", "epsilon": "ε", "nabla": "∇", "cdot": "·",
    "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "in": "∈", "min": "min", "max": "max",
    "times": "×", "to": "→", "partial": "∂", "Delta": "Δ", "prec": "≺", "lambda": "λ",
    "rho": "ρ", "ne": "≠", "cap": "∩", "forall": "∀", "infty": "∞", "subset": "⊂", "sum": "∑",
    "dots": "…", "ldots": "…", "phi": "φ", "{": "{", "}": "}", ",": "\u2009", ";": "\u2005",
    "quad": "\u2003", "|": "‖",
}  # fmt: skip
_ACCENTS = {"dot": "\u0307", "bar": "\u0304", "hat": "\u0302"}
_UPRIGHT = ("text", "mathrm", "operatorname")
_RELATIONS = frozenset("≤≥=<>∈≺→≠⊂+−")
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[A-Za-z]+|[0-9.]+|\s+|.", re.DOTALL)


def math_html(source: str) -> Markup:
    """A formula as HTML; a command that is not known stands there by its name."""
    reader = _Reader(_TOKEN.findall(source))
    return Markup('<span class="math">{}</span>').format(reader.group(None))


class _Reader:
    """The tokens of a formula, read once from left to right."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.at = 0

    def group(self, end: str | None) -> Markup:
        """Everything up to the token ``end``, or to the end of the formula."""
        out = Markup()
        while self.at < len(self.tokens):
            token = self._next()
            if token == end:
                break
            out += self._one(token)
        return out

    def _next(self) -> str:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def _argument(self) -> Markup:
        while self.at < len(self.tokens) and self.tokens[self.at].isspace():
            self.at += 1
        if self.at == len(self.tokens):
            return Markup()
        token = self._next()
        if len(token) > 1 and token[0].isalnum():  # without braces, one character is meant
            self.tokens[self.at : self.at] = [token[1:]]
            token = token[0]
        return self._one(token)

    def _one(self, token: str) -> Markup:
        if token == "{":
            return self.group("}")
        if token in ("_", "^"):
            return Markup("<sub>{}</sub>" if token == "_" else "<sup>{}</sup>").format(
                self._argument()
            )
        if token.startswith("\\") and len(token) > 1:
            return self._command(token[1:])
        if token.isspace():
            return Markup(" ")
        sign = {"-": "−", "'": "′", "*": "∗"}.get(token, token)
        if sign in _RELATIONS:
            return Markup(" {} ").format(sign)
        # A relation may stand at a line's end, a letter may not be torn from its index.
        return Markup("<i>{}</i>").format(sign) if sign[0].isalpha() else escape(sign)

    def _command(self, name: str) -> Markup:
        if name in _ACCENTS:
            inner = self._argument()
            return Markup("<i>{}</i>").format(inner.striptags() + _ACCENTS[name])
        if name in _UPRIGHT:
            return escape(self._braced())
        symbol = _SYMBOLS.get(name)
        if symbol is None:
            return escape(name)
        if symbol in _RELATIONS:
            return Markup(" {} ").format(symbol)
        return Markup("<i>{}</i>").format(symbol) if symbol in "μαελρφ" else escape(symbol)

    def _braced(self) -> str:
        """The text between braces, as it stands."""
        if self.at < len(self.tokens) and self.tokens[self.at] == "{":
            self.at += 1
            start = self.at
            while self.at < len(self.tokens) and self.tokens[self.at] != "}":
                self.at += 1
            found = "".join(self.tokens[start : self.at])
            self.at += 1
            return found
        return ""
