"""The statement in words and formulas: what a reader should compare with what he was promised."""

from __future__ import annotations

from fractions import Fraction

from flint import fmpq

from .statement import (
    CONSTANTS,
    CONVERGENCE,
    EXPONENTIAL,
    LOCAL,
    PRACTICAL,
    Signal,
    Statement,
)

LONGEST = 240
"""Parts of a formula; a longer one, such as a wide network's, is no reading matter."""


class _TooLongError(Exception):
    pass


def describe(s: Statement, volume: Fraction | None) -> list[str]:
    """Lines of text; everything here comes from the statement that is checked."""
    rows = [
        ("theorem", f"{s.theorem}, in {'discrete' if s.discrete else 'continuous'} time"),
        ("system", s.name),
        ("states", ", ".join(map(_signal, s.states))),
    ]
    if s.inputs:
        rows.append(("inputs", ", ".join(map(_signal, s.inputs))))
    for v, ends in zip(s.disturbances, s.disturbance, strict=True):
        rows.append(("disturbance", f"{_signal(v)} in {_interval(ends)}"))
    rows.append((_centre_word(s), f"({', '.join(map(_short, s.centre))})"))
    rows.append(("domain D", " x ".join(map(_interval, s.domain))))
    formulas = _Formulas(s)
    mark = "+" if s.discrete else "'"
    rows += formulas.rows(s.field, [f"{v.name}{mark}" for v in s.states])
    formulas.control = None  # from here on, k itself
    if s.control is not None:
        rows += formulas.rows(s.control, [v.name for v in s.inputs])
    rows += formulas.rows(s.value, ["V"])
    for name, nodes in s.unsafe:
        rows.append(("unsafe set", f"{name}, where every one of these is >= 0:"))
        rows += [row for i in nodes for row in formulas.rows(i, ["  s"])]
    values = [(name, getattr(s, name)) for name in CONSTANTS]
    rows.append(("constants", ", ".join(f"{k} = {_short(v)}" for k, v in values if v is not None)))
    rows.append(("claimed", f"for every start x in D with V(x) <= c2 = {_short(s.c2)},"))
    rows += [("", line) for line in _conclusion(s)]
    if volume is not None:
        rows.append(("volume", f"of {{x in D : V(x) <= c2}} at least {_below(volume)}"))
    return [f"{head:<12} {line}" for head, line in rows]


def _conclusion(s: Statement) -> list[str]:
    out = ["whatever the disturbance does within its range,"] if s.disturbances else []
    where = (
        f"{{q <= c_q = {_short(s.c_q)}}}, inside D"
        if s.theorem in (LOCAL, CONVERGENCE)
        else "this set"
    )
    out.append(f"the solution stays in {where}" + ", and meets no unsafe set" * bool(s.unsafe))
    if s.theorem == PRACTICAL:
        time = (s.c2 - s.c1) / s.mu
        bound = f"{-(-time // 1)} steps" if s.discrete else f"{_short(time)} units of time"
        out.append(f"and is in {{V <= c1 = {_short(s.c1)}}} within {bound}, for good;")
        out.append("nothing is claimed about convergence to a point")
    elif s.theorem == CONVERGENCE:
        out += _convergence(s)
    else:
        out.append("and converges to the equilibrium, which is asymptotically stable")
    if s.theorem in (LOCAL, CONVERGENCE):
        out.append("with q(x) = (x - x*)' P (x - x*) and P as in the file")
    if s.theorem == EXPONENTIAL:
        alpha = _short(s.alpha)
        law = f"(1 - {alpha})^t" if s.discrete else f"e^(-{alpha} t)"
        out.append(f"V shrinks at least like {law} down to {_short(s.bottom)}; from then on")
        out.append("(x - x*)' P (x - x*) does, with P as in the file")
    if s.epsilon is not None:
        out.append(f"{{V <= c1}} lies within {_short(s.epsilon)} of the {_centre_word(s)}")
    return out


def _convergence(s: Statement) -> list[str]:
    rate = _short(s.alpha)
    law = f"(1 - {rate})^(t/2)" if s.discrete else f"e^(-{rate} t/2)"
    out = [f"and comes into {{q <= c1 = {_short(s.c1)}}} for good;"]
    if not s.disturbances:
        out.append("in it lies the one equilibrium to which all these solutions converge;")
    pair = "any two of them" + ", under the same disturbance," * bool(s.disturbances)
    return [*out, f"{pair} approach each other, in sqrt(q), like {law} or faster"]


def _centre_word(s: Statement) -> str:
    return {PRACTICAL: "centre", CONVERGENCE: "set point"}.get(s.theorem, "equilibrium")


def _signal(v: Signal) -> str:
    return f"{v.name} [{v.unit}]" if v.unit else v.name


def _interval(ends: tuple[Fraction, Fraction]) -> str:
    return f"[{_short(ends[0])}, {_short(ends[1])}]"


def _short(value: Fraction | fmpq) -> str:
    """Exact where a few characters do, else marked as rounded."""
    exact = value if isinstance(value, Fraction) else Fraction(int(value.p), int(value.q))
    if not 1e-300 < abs(exact) < 1e300:
        return "0" if not exact else "a number beyond 1e300" if abs(exact) > 1 else "a tiny number"
    for text in (f"{float(exact):.6g}", str(exact)):
        if len(text) <= 12 and Fraction(text) == exact:
            return text
    return f"~{float(exact):.6g}"


def _below(value: Fraction) -> str:
    """Six digits, rounded down."""
    shown = float(f"{float(value):.6g}")
    return f"{shown if Fraction(shown) <= value else shown * (1 - 1e-5):.6g}"


class _Formulas:
    """Entries of nodes as text; while ``control`` is set, u stands for itself."""

    def __init__(self, s: Statement) -> None:
        self.graph, self.control = s.graph, s.control
        self.names = [[v.name for v in s.states], [v.name for v in s.disturbances]]
        self.inputs = [v.name for v in s.inputs]

    def rows(self, node: int, heads: list[str]) -> list[tuple[str, str]]:
        out = []
        for k, head in enumerate(heads):
            self.room = LONGEST
            try:
                text = self._entry(node, k)[0]
            except (_TooLongError, RecursionError):
                count = len(self.graph.needed([node]))
                text = f"a program of {count} instructions; see closed_loop in the file"
            out.append((head, f"= {text}"))
        return out

    def _entry(self, i: int, k: int) -> tuple[str, int]:
        """The text, and how tightly it binds: 0 a sum, 1 a product, 2 a unit."""
        self.room -= 1
        if self.room < 0:
            raise _TooLongError
        node = self.graph.nodes[i]
        sizes = [self.graph.nodes[a].size for a in node.args]

        def part(number: int, least: int, entry: int = k) -> str:
            arg, size = node.args[number], sizes[number]
            text, strength = self._entry(arg, entry if size > 1 else 0)
            return text if strength >= least else f"({text})"

        if i == self.control:
            return self.inputs[k], 2
        match node.op:
            case "variable":
                return self.names[node.integers[0]][k], 2
            case "constant":
                return _number(node.constants[0][k]), 2
            case "pi":
                return "pi", 2
            case "slice":
                return self._entry(node.args[0], node.integers[k])
            case "stack":
                number = 0
                while k >= sizes[number]:
                    k, number = k - sizes[number], number + 1
                return self._entry(node.args[number], k)
            case "affine":
                row = node.constants[0][k * sizes[0] : (k + 1) * sizes[0]]
                terms = ["" if w == 1 else f"{_number(w)}*" for w in row]
                used = [f"{t}{part(0, 1, j)}" for j, t in enumerate(terms) if row[j]]
                if node.constants[1][k] or not used:
                    used.append(_number(node.constants[1][k]))
                return " + ".join(used), 0
            case "power":
                return f"{part(0, 2)}^{node.integers[0]}", 1
            case "add":
                return f"{part(0, 0)} + {part(1, 0)}", 0
            case "sub":
                return f"{part(0, 0)} - {part(1, 1)}", 0
            case "mul":
                return f"{part(0, 1)}*{part(1, 1)}", 1
            case "div":
                return f"{part(0, 1)}/{part(1, 2)}", 1
        return f"{node.op}({', '.join(part(j, 0) for j in range(len(sizes)))})", 2


def _number(value: fmpq) -> str:
    text = _short(value)
    return f"({text})" if text[0] == "-" or "/" in text else text
