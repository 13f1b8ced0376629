"""Random formulas with a value known independently: a tree, its text, and how to compute it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from hypothesis import strategies as st

NAMES = {"x": Fraction(3, 7), "y": Fraction(-5, 4), "mass_2": Fraction(2)}

PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "neg": 3, "**": 4, "atom": 5}

FLOAT_FUNCTIONS: dict[str, Callable[..., float]] = {
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "exp": lambda z: math.exp(min(z, 600.0)),
    "sigmoid": lambda z: 0.5 * (1 + math.tanh(0.5 * z)),
    "softplus": lambda z: max(z, 0.0) + math.log1p(math.exp(-abs(z))),
    "relu": lambda z: max(z, 0.0),
    "abs": abs,
    "min": min,
    "max": max,
}


@dataclass(frozen=True)
class Tree:
    """``head`` is an operator, a function's name, or "atom"; an atom has text and value."""

    head: str
    children: tuple[Tree, ...] = ()
    text: str = ""
    value: Fraction = Fraction(0)

    def render(self) -> str:
        """Text with no more parentheses than Python's precedence needs."""
        if self.head == "atom":
            return self.text
        if self.head == "neg":
            return "-" + self._wrapped(0, PRECEDENCE["neg"])
        if self.head == "**":
            return f"{self._wrapped(0, 5)}**{self.children[1].text}"
        if self.head in PRECEDENCE:
            mine = PRECEDENCE[self.head]
            return f"{self._wrapped(0, mine)} {self.head} {self._wrapped(1, mine + 1)}"
        return f"{self.head}({', '.join(c.render() for c in self.children)})"

    def _wrapped(self, index: int, needed: int) -> str:
        child = self.children[index]
        text = child.render()
        return text if PRECEDENCE.get(child.head, 5) >= needed else f"({text})"

    def exact(self) -> Fraction:
        """The value in rationals; ZeroDivisionError where there is none."""
        values = [c.exact() for c in self.children]
        match self.head:
            case "atom":
                return self.value
            case "neg":
                return -values[0]
            case "+":
                return values[0] + values[1]
            case "-":
                return values[0] - values[1]
            case "*":
                return values[0] * values[1]
            case "/":
                return values[0] / values[1]
            case "**":
                return values[0] ** int(values[1])
        raise AssertionError(self.head)

    def number(self, names: Mapping[str, float]) -> float:
        """The value in floats, with the standard library's functions."""
        values = [c.number(names) for c in self.children]
        match self.head:
            case "atom":
                return names[self.text] if self.text in names else float(self.value)
            case "neg":
                return -values[0]
            case "+":
                return values[0] + values[1]
            case "-":
                return values[0] - values[1]
            case "*":
                return values[0] * values[1]
            case "/":
                return values[0] / values[1]
            case "**":
                return values[0] ** int(values[1])
        return FLOAT_FUNCTIONS[self.head](*values)


def literals() -> st.SearchStrategy[Tree]:
    """Decimals as people write them, with the rational they denote computed from the digits."""

    def decimal(whole: int, digits: str, exponent: int | None) -> Tree:
        text = f"{whole}.{digits}" if digits else str(whole)
        value = Fraction(int(f"{whole}{digits}"), 10 ** len(digits))
        if exponent is not None:
            text += f"e{exponent}"
            value = value * 10**exponent if exponent >= 0 else value / 10**-exponent
        return Tree("atom", (), text, value)

    return st.builds(
        decimal,
        st.integers(0, 99),
        st.text("0123456789", max_size=3),
        st.none() | st.integers(-3, 3),
    )


def atoms() -> st.SearchStrategy[Tree]:
    names = st.sampled_from(sorted(NAMES)).map(lambda n: Tree("atom", (), n, NAMES[n]))
    return literals() | names


def rational_trees() -> st.SearchStrategy[Tree]:
    """Formulas of + - * / ** and unary minus, with a rational value."""
    exponents = st.integers(0, 3).map(lambda k: Tree("atom", (), str(k), Fraction(k)))

    def grow(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
        return st.one_of(
            st.builds(lambda h, a, b: Tree(h, (a, b)), st.sampled_from("+-*/"), inner, inner),
            st.builds(lambda a: Tree("neg", (a,)), inner),
            st.builds(lambda a, k: Tree("**", (a, k)), inner, exponents),
        )

    return st.recursive(atoms(), grow, max_leaves=8)


def smooth_trees(*, functions: tuple[str, ...] = ("sin", "cos", "tanh", "sigmoid", "softplus")):
    """Formulas without division whose values and slopes stay moderate."""
    small = st.sampled_from(["0.5", "2", "0.3", "1"]).map(
        lambda t: Tree("atom", (), t, Fraction(t))
    )
    names = st.sampled_from(sorted(NAMES)).map(lambda n: Tree("atom", (), n, NAMES[n]))

    def grow(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
        return st.one_of(
            st.builds(lambda h, a, b: Tree(h, (a, b)), st.sampled_from("+-*"), inner, inner),
            st.builds(lambda f, a: Tree(f, (a,)), st.sampled_from(functions), inner),
            st.builds(lambda a: Tree("**", (a, Tree("atom", (), "2", Fraction(2)))), inner),
        )

    return st.recursive(small | names, grow, max_leaves=6)
