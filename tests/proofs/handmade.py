"""Certificates made by hand, true or false, each with the best evidence that can be had.

Nothing here comes from the prover or from the checker: the conditions are written down once more
from docs/certificate-format.md, and every leaf of a regular grid gets the reason that samples
favour. Of a true claim the checker is convinced by that; a false one has had its chance.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from systems import expression as ex
from systems.differentiate import gradient, jacobian
from systems.expression import Expression
from systems.tape import compile_tape
from tests.proofs.handmade_trees import Sides, grid_tree, inside

Document = dict[str, Any]
Intervals = Sequence[tuple[str, str]]
Matrix = Sequence[Sequence[float]]
NAMES = ("c1", "c2", "mu", "alpha", "epsilon", "core", "c_q")
PARTS = ("statement", "programs", "evidence", "volume", "annotations", "trust", "provenance")


@dataclass(frozen=True)
class Made:
    """A claim about the states x under disturbances, without inputs; numbers as texts.

    ``grid``: how many parts the trees cut each axis into. ``hints``: the claim whose evidence is
    given instead, where this one's cannot be worked out.
    """

    theorem: str
    time: str
    constants: Mapping[str, str]
    value: Callable[[Expression], Expression]
    field: Callable[[Expression, Expression | None], Expression]
    domain: Intervals = (("-1", "1"), ("-1", "1"))
    star: Sequence[str] = ("0", "0")
    gusts: Intervals = ()
    unsafe: Sequence[Callable[[Expression], Sequence[Expression]]] = ()
    P: Matrix | None = None
    R: Matrix = ((1.0, 0.0), (0.0, 1.0))
    box: Intervals = (("-1/4", "1/4"), ("-1/4", "1/4"))
    at_least: float | None = None
    grid: int = 8
    hints: Made | None = None
    edit: Callable[[Document], None] = lambda document: None


def document_of(made: Made) -> Document:
    """The certificate as JSON data, but for its hashes."""
    loop = _Loop(made)
    programs: Document = {}

    def tape(outputs: Sequence[Expression], inputs: Sequence[Expression]) -> Document:
        program = compile_tape(outputs, inputs).to_json()
        registers = program.pop("outputs")
        programs[_hash(program)] = program
        return {"program": _hash(program), "outputs": registers}

    statement = {
        "theorem": made.theorem,
        "system": _system(made),
        "equilibrium": [_text(v) for v in made.star],
        "domain": [_texts(ends) for ends in made.domain],
        "closed_loop": {
            "value": tape([loop.value], [loop.x]),
            "control": None,
            "dynamics": tape([loop.field], loop.inputs),
        },
        "unsafe": [
            {"name": f"set {k}", "tape": tape(outputs, [loop.x])}
            for k, outputs in enumerate(loop.unsafe, 1)
        ],
        "constants": dict.fromkeys(NAMES) | {k: _text(v) for k, v in made.constants.items()},
        "ellipsoid": None if made.P is None else {"P": _rows(made.P), "R": _rows(made.R)},
    }
    document = {
        "format": "stableproof-certificate",
        "version": 1,
        "statement": statement,
        "programs": programs,
        "evidence": _Loop(made.hints or made).evidence(),
        "volume": loop.volume(),
        "annotations": {},
        "trust": {},
        "provenance": {},
    }
    made.edit(document)
    return document


def encoded(document: Document) -> bytes:
    """The file's bytes, programs and parts hashed afresh."""
    names = {old: _hash(program) for old, program in document["programs"].items()}
    body = {
        **document,
        "programs": {names[old]: program for old, program in document["programs"].items()},
        "statement": _renamed(document["statement"], names),
    }
    body.pop("sha256", None)
    hashes = {part: _hash(body[part]) for part in PARTS} | {"document": _hash(body)}
    return (_canonical({**body, "sha256": hashes}) + "\n").encode("ascii")


def _renamed(data: Any, names: Mapping[str, str]) -> Any:
    if isinstance(data, dict):
        return {
            k: names.get(v, v) if k == "program" else _renamed(v, names) for k, v in data.items()
        }
    return [_renamed(v, names) for v in data] if isinstance(data, list) else data


def _canonical(data: Any) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _hash(data: Any) -> str:
    return hashlib.sha256(_canonical(data).encode("ascii")).hexdigest()


def _text(value: str) -> str:
    number = Fraction(value)
    return f"{number.numerator}/{number.denominator}"


def _texts(ends: tuple[str, str]) -> list[str]:
    return [_text(v) for v in ends]


def _rows(matrix: Matrix) -> list[list[str]]:
    return [[float(v).hex() for v in row] for row in matrix]


def _sides(ends: Intervals) -> Sides:
    return tuple((Fraction(a), Fraction(b)) for a, b in ends)


def _system(made: Made) -> Document:
    return {
        "name": "made by hand",
        "time": made.time,
        "states": [{"name": f"x{i + 1}", "unit": "m"} for i in range(len(made.domain))],
        "inputs": [],
        "disturbances": [
            {"name": f"w{i + 1}", "unit": "", "range": _texts(ends)}
            for i, ends in enumerate(made.gusts)
        ],
    }


class _Loop:
    """The expressions of a claim, and its conditions after the format page."""

    def __init__(self, made: Made) -> None:
        self.made = made
        self.x = ex.variable("x", len(made.domain))
        w = ex.variable("w", len(made.gusts)) if made.gusts else None
        self.inputs = [self.x] if w is None else [self.x, w]
        self.value, self.field = made.value(self.x), made.field(self.x, w)
        self.unsafe = [list(build(self.x)) for build in made.unsafe]
        self.star = ex.constant([Fraction(v) for v in made.star])
        self.k = {name: Fraction(v) for name, v in made.constants.items()}

    def volume(self) -> Document | None:
        if self.made.at_least is None:
            return None
        excess = [self.value - self.k["c2"], ex.constant(0) * self.value]
        tree = grid_tree([_sides(self.made.domain)], excess, [self.x], self.made.grid, inside)
        return {"at_least": self.made.at_least.hex(), "unit": "m * m", "tree": tree}

    def evidence(self) -> Document:
        out: Document = {}
        for name, (regions, constraints) in self._conditions().items():
            whole = [(*region, *_sides(self.made.gusts)) for region in regions]
            out[name] = {"tree": grid_tree(whole, constraints, self.inputs, self.made.grid)}
        if self.made.P is not None:
            out["contraction"]["box"] = [_texts(ends) for ends in self.made.box]
        return out

    def _conditions(self) -> dict[str, tuple[list[Sides], list[Expression]]]:
        """The regions of each, and its constraints as h ≥ 0."""
        V, F, k, domain = self.value, self.field, self.k, _sides(self.made.domain)
        discrete, D = self.made.time == "discrete", [domain]
        after = ex.substitute(V, {self.x: F})
        change = after - V if discrete else ex.dot(gradient(V, self.x), F)
        rate = change + k["alpha"] * V if "alpha" in k else change + k.get("mu", Fraction(0))
        bottom = min(k["c1"], k.get("core", k["c1"]))
        if self.made.theorem == "local stability":
            return self._of_ellipsoid(D)
        if self.made.theorem == "set-point convergence":
            return self._of_ellipsoid(D) | {"rest": self._rest()}
        out = {"decrease": (D, [V - bottom, k["c2"] - V, rate])}
        if discrete:
            out["containment"] = (D, [k["c2"] - V, largest(self._excursions())])
            out["trap"] = (D, [k["c1"] - V, after - k["c1"]])
        else:
            out["containment"] = (_faces(domain), [k["c2"] - V])
        if self.made.P is not None:
            out |= self._of_origin(D)
        elif not discrete:
            out["defined"] = (D, [bottom - V, ex.total(F**2) - Fraction(2**400)])
        if "epsilon" in k:
            distance = ex.total((self.x - self.star) ** 2)
            out["small set"] = (D, [k["c1"] - V, distance - k["epsilon"] ** 2])
        for i, outputs in enumerate(self.unsafe, 1):
            out[f"avoid {i}"] = (D, [k["c2"] - V, *outputs])
        return out

    def _of_origin(self, D: list[Sides]) -> dict[str, tuple[list[Sides], list[Expression]]]:
        V, q, k = self.value, self._quadratic(), self.k
        return {
            "core": (D, [k["core"] - V, q - k["c_q"]]),
            "contraction": ([_sides(self.made.box)], [k["c_q"] - q, self._disc()]),
        }

    def _of_ellipsoid(self, D: list[Sides]) -> dict[str, tuple[list[Sides], list[Expression]]]:
        """Those of an ellipsoid alone, which know no level of V but the core's."""
        out, inside = self._of_origin(D), self.k["c_q"] - self._quadratic()
        for i, outputs in enumerate(self.unsafe, 1):
            out[f"avoid {i}"] = (D, [inside, *outputs])
        return out

    def _rest(self) -> tuple[list[Sides], list[Expression]]:
        """|F|² at x*, in discrete time |F − x*|², measured by P."""
        assert self.made.P is not None
        moved = self.field - self.star if self.made.time == "discrete" else self.field
        length = ex.dot(moved, ex.affine(np.array(self.made.P), moved))
        point = tuple((v, v) for v in (Fraction(s) for s in self.made.star))
        return [point], [length - self.k["alpha"] ** 2 * self.k["c1"] / 4]

    def _quadratic(self) -> Expression:
        offset = self.x - self.star
        return ex.dot(offset, ex.affine(np.array(self.made.P), offset))

    def _excursions(self) -> list[Expression]:
        """How far F lies outside the domain, for each of its ends."""
        ends = list(enumerate(_sides(self.made.domain)))
        below = [low - self.field[i] for i, (low, _) in ends]
        return below + [self.field[i] - high for i, (_, high) in ends]

    def _disc(self) -> Expression:
        """The largest right end of a Gershgorin disc of R S Rᵀ."""
        assert self.made.P is not None
        n = self.x.size
        DF = [[row[j] for j in range(n)] for row in jacobian(self.field, self.x)]
        P, R = ([[Fraction(v) for v in row] for row in m] for m in (self.made.P, self.made.R))
        PDF, alpha = _times(P, DF), self.k.get("alpha", Fraction(0))
        if self.made.time == "discrete":
            S = _times(_turned(DF), PDF)
            S = [[S[i][j] - (1 - alpha) * P[i][j] for j in range(n)] for i in range(n)]
        else:
            S = [[PDF[i][j] + PDF[j][i] + alpha * P[i][j] for j in range(n)] for i in range(n)]
        T = _times(_times(R, S), _turned(R))
        sizes = [[ex.absolute(T[i][j]) for j in range(n) if j != i] for i in range(n)]
        return largest([sum(sizes[i], T[i][i]) for i in range(n)])


def largest(entries: Sequence[Expression]) -> Expression:
    out = entries[0]
    for entry in entries[1:]:
        out = ex.maximum(out, entry)
    return out


def _faces(domain: Sides) -> list[Sides]:
    return [
        (*domain[:i], (end, end), *domain[i + 1 :]) for i, ends in enumerate(domain) for end in ends
    ]


def _turned(a: Any) -> list[list[Any]]:
    return [list(column) for column in zip(*a, strict=True)]


def _times(a: Any, b: Any) -> list[list[Any]]:
    zero = ex.constant(0)
    return [
        [sum((x * y for x, y in zip(row, column, strict=True)), zero) for column in _turned(b)]
        for row in a
    ]
