"""The statement of a certificate, and the conditions that its theorem needs.

Everything follows from the three programs V, k and φ and from the constants; the evidence brings
nothing but split trees. The table of conditions is that of docs/certificate-format.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from flint import fmpq, fmpq_mat

from .document import Invalid, Unreadable, box, digest, fields, items, rational, real, text
from .graph import BINARY, UNARY, Graph, Program, read_program, tape
from .trees import Region

ASYMPTOTIC, EXPONENTIAL = "asymptotic stability", "exponential stability"
PRACTICAL, LOCAL = "practical stability", "local stability"
CONVERGENCE = "set-point convergence"
CONSTANTS = ("c1", "c2", "mu", "alpha", "epsilon", "core", "c_q")
VAST = Fraction(2**400)


@dataclass(frozen=True)
class Constraint:
    """h ≥ 0 with h = output − level ("at least") or level − output ("at most"); h > 0 if strict.

    The output is the largest entry of a node, or where ``kind`` says so V̇ + alpha V, or the largest
    right end of a Gershgorin disc.
    """

    kind: Literal["node", "rate", "disc"]
    node: int
    level: Fraction
    at_least: bool = True
    strict: bool = False


@dataclass(frozen=True)
class Condition:
    """Holds iff no point of a region satisfies all constraints."""

    name: str
    regions: tuple[Region, ...]
    constraints: tuple[Constraint, ...]


@dataclass(frozen=True)
class Signal:
    name: str
    unit: str


class Statement:
    """What a document claims. Raises Unreadable, or Invalid where a side condition fails."""

    def __init__(self, document: dict[str, Any]) -> None:
        table = fields(document["statement"], "statement", "theorem", "system", "equilibrium",
                       "domain", "closed_loop", "unsafe", "constants", "ellipsoid")  # fmt: skip
        self.theorem: str = table["theorem"]
        if self.theorem not in (ASYMPTOTIC, EXPONENTIAL, PRACTICAL, LOCAL, CONVERGENCE):
            raise Unreadable("statement.theorem: not one that this checker knows")
        self._read_system(table["system"])
        n = len(self.states)
        place = "statement.equilibrium"
        self.centre = [rational(v, place) for v in items(table["equilibrium"], place, n)]
        self.domain: Region = box(table["domain"], "statement.domain", n)
        constants = fields(table["constants"], "statement.constants", *CONSTANTS)
        for name in CONSTANTS:
            value = constants[name]
            setattr(self, name, None if value is None else rational(value, f"constants.{name}"))
        self._read_ellipsoid(table["ellipsoid"], n)
        programs = {}
        if not isinstance(document["programs"], dict):
            raise Unreadable("programs: an object is wanted")
        for key, program in document["programs"].items():
            if digest(program) != key:
                raise Unreadable(f"programs.{key[:8]}: the program has another hash")
            programs[key] = read_program(program, f"programs.{key[:8]}")
        self._build(table, programs)
        self._check_constants()

    # Fractions, and None where the theorem has no such constant; rational matrices, or None.
    c1: Any
    c2: Any
    mu: Any
    alpha: Any
    epsilon: Any
    core: Any
    c_q: Any
    P: Any
    R: Any

    def _read_system(self, data: Any) -> None:
        where = "statement.system"
        table = fields(data, where, "name", "time", "states", "inputs", "disturbances")
        self.name = text(table["name"], where)
        if table["time"] not in ("continuous", "discrete"):
            raise Unreadable(f"{where}.time: continuous or discrete")
        self.discrete = table["time"] == "discrete"
        kinds = {}
        for kind, most, extra in (("states", 100, []), ("inputs", 100, []),
                                  ("disturbances", 100, ["range"])):  # fmt: skip
            place = f"{where}.{kind}"
            rows = items(table[kind], place, most=most)
            rows = [fields(row, place, "name", "unit", *extra) for row in rows]
            kinds[kind] = [Signal(text(r["name"], place), text(r["unit"], place)) for r in rows]
            if kind == "disturbances":
                place += ".range"
                self.disturbance: Region = box([r["range"] for r in rows], place, len(rows))
        self.states, self.inputs, self.disturbances = kinds.values()
        if not self.states:
            raise Unreadable(f"{where}.states: there are none")
        names = [v.name for signals in kinds.values() for v in signals]
        if len(set(names)) < len(names) or not all(map(_is_name, names)):
            raise Unreadable(
                f"{where}: names of states, inputs and disturbances are no names, or twice"
            )

    def _read_ellipsoid(self, data: Any, n: int) -> None:
        self.P = self.R = None
        if data is not None:
            table, both = fields(data, "statement.ellipsoid", "P", "R"), []
            for key in ("P", "R"):
                place = f"statement.ellipsoid.{key}"
                rows = [items(row, place, n) for row in items(table[key], place, n)]
                entries = [fmpq(*real(v, place).as_integer_ratio()) for row in rows for v in row]
                both.append(fmpq_mat(n, n, entries))
            self.P, self.R = both

    def _build(self, table: dict[str, Any], programs: dict[str, Program]) -> None:
        """The graph of the closed loop: nodes of V, k, F, and what the conditions speak of."""
        n, m, p = len(self.states), len(self.inputs), len(self.disturbances)
        loop = fields(table["closed_loop"], "closed_loop", "value", "control", "dynamics")
        graph = self.graph = Graph()
        x = graph.add("variable", n, integers=(0,))
        w = [graph.add("variable", p, integers=(1,))] if p else []

        def enter(data: Any, where: str, sizes: Sequence[int], inputs: Sequence[int]) -> list[int]:
            program, outputs = tape(data, where, programs)
            if list(program.inputs) != [graph.nodes[i].size for i in inputs]:
                raise Unreadable(f"{where}: its inputs have other sizes than the system")
            nodes = graph.splice(program, inputs)
            found = [nodes[r] for r in outputs]
            if [graph.nodes[i].size for i in found] != list(sizes):
                raise Unreadable(f"{where}: its outputs have other sizes than the system")
            return found

        self.value = enter(loop["value"], "closed_loop.value", [1], [x])[0]
        u = enter(loop["control"], "closed_loop.control", [m], [x]) if m else []
        if not m and loop["control"] is not None:
            raise Unreadable("closed_loop.control: there are no inputs")
        self.control = u[0] if u else None
        self.field = enter(loop["dynamics"], "closed_loop.dynamics", [n], [x, *u, *w])[0]
        if self.discrete:
            self.next_value = enter(loop["value"], "closed_loop.value", [1], [self.field])[0]
        self.unsafe: list[tuple[str, list[int]]] = []
        for i, item in enumerate(items(table["unsafe"], "statement.unsafe", most=100)):
            where = f"statement.unsafe[{i}]"
            entry = fields(item, where, "name", "tape")
            count = len(items(fields(entry["tape"], where, "program", "outputs")["outputs"], where))
            nodes = enter(entry["tape"], where, [1] * count, [x])
            self.unsafe.append((text(entry["name"], where), nodes))
        if len({name for name, _ in self.unsafe}) < len(self.unsafe):
            raise Unreadable("statement.unsafe: a name occurs twice")
        identity = [[int(i == j) for j in range(n)] for i in range(n)]
        self.offset = graph.affine(identity, [-c for c in self.centre], x)
        square = graph.add("power", n, self.offset, integers=(2,))
        self.distance = graph.affine([[1] * n], [0], square)
        self.state = x

    def _check_constants(self) -> None:
        lower, upper = zip(*self.domain, strict=True)
        inside = all(a < c < b for a, c, b in zip(lower, self.centre, upper, strict=True))
        need(inside, "the equilibrium is not inside the domain")
        need(self.c1 is not None and self.c2 is not None, "c1 or c2 is missing")
        practical = self.theorem == PRACTICAL
        local, converges = self.theorem == LOCAL, self.theorem == CONVERGENCE
        fast = converges or self.theorem == EXPONENTIAL
        self.bottom = self.c1 if self.core is None else min(self.c1, self.core)
        if local:
            need(0 < self.c2 == self.c1 == self.core, "c1, c2 and core are not one level above 0")
            need(self.epsilon is None, "epsilon does not belong to local stability")
        elif converges:
            need(self.core is not None and 0 < self.c2 == self.core, "c2 and core are not one "
                 "level above 0")  # fmt: skip
            # c1 and c_q are levels of q both.
            need(self.c_q is not None and 0 < self.c1 < self.c_q, "c1 is not between 0 and c_q")
            need(self.epsilon is None, "epsilon does not belong to set-point convergence")
        else:
            need(0 < self.bottom <= self.c1 < self.c2, "the levels are not 0 < core, c1 < c2")
        need((self.mu is None) == (fast or local), "mu does not fit the theorem")
        need((self.alpha is not None) == fast, "alpha does not fit the theorem")
        need(self.mu is None or self.mu > 0, "mu is not positive")
        need(self.alpha is None or self.alpha > 0, "alpha is not positive")
        need(not (fast and self.discrete) or self.alpha < 1, "alpha is not below 1")
        need(self.epsilon is None or self.epsilon > 0, "epsilon is not positive")
        parts = (self.core, self.c_q, self.P)
        need(all((v is None) == practical for v in parts), "the ellipsoid does not fit the theorem")
        if self.P is not None:
            self._check_ellipsoid()

    def _check_ellipsoid(self) -> None:
        """P ≻ 0, and {q ≤ c_q} in the interior of D, in rationals."""
        P, n = self.P, len(self.states)
        need(P.transpose() == P, "P is not symmetric")
        if n * max(max(v.p.bit_length(), v.q.bit_length()) for v in P.entries()) > 50_000:
            raise Unreadable("statement.ellipsoid.P: too many digits for so many states")
        # The roots are real; none is ≤ 0 iff the coefficients alternate and none is 0 (Descartes).
        signs = [v * (-1) ** (n - k) for k, v in enumerate(P.charpoly().coeffs())]
        need(all(v > 0 for v in signs), "P is not positive definite")
        need(self.c_q > 0, "c_q is not positive")
        # On {q ≤ c_q}, |xᵢ − x*ᵢ|² is at most c_q (P⁻¹)ᵢᵢ, and is that somewhere.
        inverse = P.inv()
        self.reach = [
            self.c_q * Fraction(int(v.p), int(v.q)) for v in (inverse[i, i] for i in range(n))
        ]
        for c, (low, high), reach in zip(self.centre, self.domain, self.reach, strict=True):
            need(min(c - low, high - c) ** 2 > reach, "the ellipsoid is not inside the domain")
        self.quadratic = self._form(self.offset)

    def conditions(self, evidence: Any) -> list[tuple[Condition, Any]]:
        """What the theorem needs, each with the tree that is said to show it."""
        found = self._conditions()
        table = fields(evidence, "evidence", *(c.name for c in found))
        out = []
        for condition in found:
            where = f"evidence.{condition.name}"
            if condition.name == "contraction":
                entry = fields(table["contraction"], where, "box", "tree")
                sides = box(entry["box"], where, len(self.states))
                for c, (low, high), reach in zip(self.centre, sides, self.reach, strict=True):
                    covered = low <= c <= high and min(c - low, high - c) ** 2 >= reach
                    need(covered, "contraction: the box does not hold the ellipsoid")
                condition = Condition(condition.name, (self._whole(sides),), condition.constraints)
            else:
                entry = fields(table[condition.name], where, "tree")
            out.append((condition, entry["tree"]))
        return out

    def _whole(self, sides: Region) -> Region:
        return (*sides, *self.disturbance)

    def _conditions(self) -> list[Condition]:
        domain = (self._whole(self.domain),)
        out = []

        def condition(name: str, *constraints: Constraint, regions: Any = domain) -> None:
            out.append(Condition(name, regions, constraints))

        V, local = self.value, self.theorem in (LOCAL, CONVERGENCE)
        below_c2 = Constraint("node", V, self.c2, at_least=False)
        if not local:
            below_c1 = Constraint("node", V, self.c1, at_least=False)
            rate = Constraint("rate", V, Fraction(0) if self.mu is None else -self.mu, strict=True)
            condition("decrease", Constraint("node", V, self.bottom), below_c2, rate)
            if self.discrete:
                outside = Constraint("node", self._excursion(), Fraction(0), strict=True)
                condition("containment", below_c2, outside)
                above_c1 = Constraint("node", self.next_value, self.c1, strict=True)
                condition("trap", below_c1, above_c1)
            else:
                condition("containment", below_c2, regions=self._faces())
            if self.epsilon is not None:
                condition("small set", below_c1,
                          Constraint("node", self.distance, self.epsilon**2))  # fmt: skip
        if self.theorem != PRACTICAL:
            inside = Constraint("node", self.quadratic, self.c_q, at_least=False)
            condition("core", Constraint("node", V, self.core, at_least=False),
                      Constraint("node", self.quadratic, self.c_q))  # fmt: skip
            condition("contraction", inside, Constraint("disc", self.field, Fraction(0)))
            if self.theorem == CONVERGENCE:
                at_rest = (self._whole(tuple((c, c) for c in self.centre)),)
                length = Constraint("node", self._rest_form(), self.alpha**2 * self.c1 / 4)
                condition("rest", length, regions=at_rest)
        elif not self.discrete:
            squares = self.graph.add("power", len(self.states), self.field, integers=(2,))
            speed = self.graph.affine([[1] * len(self.states)], [0], squares)
            condition("defined", Constraint("node", V, self.bottom, at_least=False),
                      Constraint("node", speed, VAST))  # fmt: skip
        # Where no level of V is kept, solutions stay in the ellipsoid.
        kept = inside if local else below_c2
        for k, (_, nodes) in enumerate(self.unsafe, 1):
            condition(f"avoid {k}", kept, *(Constraint("node", i, Fraction(0)) for i in nodes))
        return out

    def _rest_form(self) -> int:
        """The P-length, squared, of F, in discrete time of F − x*."""
        n = len(self.states)
        shift = [-c if self.discrete else Fraction(0) for c in self.centre]
        identity = [[int(i == j) for j in range(n)] for i in range(n)]
        return self._form(self.graph.affine(identity, shift, self.field))

    def _form(self, vector: int) -> int:
        """vᵀ P v."""
        n = len(self.states)
        rows = [[self.P[i, j] for j in range(n)] for i in range(n)]
        products = self.graph.add("mul", n, vector, self.graph.affine(rows, [0] * n, vector))
        return self.graph.affine([[1] * n], [0], products)

    def _excursion(self) -> int:
        """All lowerᵢ − Fᵢ and Fᵢ − upperᵢ, as entries of one node."""
        n = len(self.states)
        rows = [[s * int(i == j) for j in range(n)] for s in (-1, 1) for i in range(n)]
        ends = [low for low, _ in self.domain] + [-high for _, high in self.domain]
        return self.graph.affine(rows, ends, self.field)

    def _faces(self) -> tuple[Region, ...]:
        out = []
        for i, ends in enumerate(self.domain):
            for end in ends:
                sides = list(self.domain)
                sides[i] = (end, end)
                out.append(self._whole(sides))
        return tuple(out)


def _is_name(text: str) -> bool:
    """Not what a formula would be read by otherwise."""
    return text.isidentifier() and text not in UNARY | BINARY | {"pi"}


def need(holds: bool, gap: str) -> None:
    """Raises Invalid with what is missing."""
    if not holds:
        raise Invalid(gap)
