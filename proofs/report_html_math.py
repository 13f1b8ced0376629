"""The report's formulas, a small part of LaTeX, as HTML that wraps, prints and is read aloud."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_SYMBOLS = {
    "mu": "μ", "alpha": "α", "varepsilon": "ε", "epsilon": "ε", "nabla": "∇", "cdot": "·",
    "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "in": "∈", "min": "min", "max": "max",
    "times": "×", "to": "→", "partial": "∂", "Delta": "Δ", "prec": "≺", "lambda": "λ",
    "rho": "ρ", "ne": "≠", "cap": "∩", "forall": "∀", "infty": "∞", "subset": "⊂", "sum": "∑",
    "dots": "…", "ldots": "…", "phi": "φ", "varphi": "φ",
    "{": "{", "}": "}", ",": "\u2009", ";": "\u2005",
    "quad": "\u2003", "|": "‖",
}  # fmt: skip
_ACCENTS = {"dot": "\u0307", "bar": "\u0304", "hat": "\u0302"}
_ITALIC = frozenset("μαελρφ")
_UPRIGHT = ("text", "mathrm", "operatorname")
_RELATIONS = frozenset("≤≥=<>∈≺→≠⊂:")
_OPERATORS = frozenset("+−·×∩")
_OPENING = frozenset("([{,|‖")
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[A-Za-z]+|[0-9.]+|\s+|.", re.DOTALL)


def math_html(source: str) -> Markup:
    """A formula as HTML; a command that is not known stands there by its name."""
    reader = _Reader(_TOKEN.findall(source))
    return Markup('<span class="math">{}</span>').format(reader.group(None))


class _Reader:
    """The tokens of a formula, read once from left to right; white space in it means nothing."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.at = 0
        self.operand = False
        """Whether something stands to the left that an operator could apply to."""

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
        self.operand = False
        made = self._one(token)
        self.operand = True
        return made

    def _one(self, token: str) -> Markup:
        if token == "{":
            return self.group("}")
        if token == "_":
            return Markup("<sub>{}</sub>").format(self._argument())
        if token == "^":
            return Markup("<sup>{}</sup>").format(self._argument())
        if token.startswith("\\") and len(token) > 1:
            return self._command(token[1:])
        if token.isspace():
            return Markup()
        return self._sign({"-": "−", "'": "′", "*": "∗"}.get(token, token))

    def _sign(self, sign: str) -> Markup:
        """A letter, number or operator; a sign with nothing to its left is that of a number."""
        spaced = sign in _RELATIONS or (sign in _OPERATORS and self.operand)
        self.operand = sign not in _RELATIONS | _OPERATORS | _OPENING
        if spaced:
            return Markup(" {} ").format(sign)
        if sign == ",":
            return Markup(", ")
        italic = sign in _ITALIC or (sign.isascii() and sign.isalpha())
        return Markup("<i>{}</i>").format(sign) if italic else escape(sign)

    def _command(self, name: str) -> Markup:
        if name in _ACCENTS:
            made = Markup("<i>{}</i>").format(self._argument().striptags() + _ACCENTS[name])
        elif name in _UPRIGHT:
            made = escape(self._braced())
        elif name in _SYMBOLS:
            symbol = _SYMBOLS[name]
            return self._sign(symbol) if len(symbol) == 1 else self._word(symbol)
        else:
            return self._word(name)
        self.operand = True
        return made

    def _word(self, word: str) -> Markup:
        """The name of a function: upright."""
        self.operand = False
        return escape(word)

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
