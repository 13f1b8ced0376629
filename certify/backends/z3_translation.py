"""A condition's negation on one of its regions, in Z3's terms over the reals.

Every entry of a register is a quotient together with what it *needs* to be defined: divisors that
are not 0, arguments of roots that are not negative. A constraint is no help at a point where its
output is undefined: such a point counts as a violation, unless another constraint is false there.
So "unsat" says what branch and bound shows when it closes every box.

A root is a fresh variable y ≥ 0 with y² = z wherever z is defined and not negative; nothing binds
it elsewhere, so no point is lost. A step at 0 is any number in [0, 1], chosen anew for every
output. Constants are exact rationals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from certify.backends.z3_folding import UnsupportedError, asked, fold
from certify.backends.z3_quotients import Need, Quotient, Quotients, Term
from certify.conditions import Condition, Constraint
from systems.box import Box
from systems.expression import Op
from systems.tape import Instruction

ZERO, ONE = Quotient(Fraction(0)), Quotient(Fraction(1))


@dataclass(frozen=True)
class Slack:
    """How much a formula is widened: every constraint by a number of its own, the rest by one.

    All relations then become strict, which leaves Z3 with open cells and rational samples: where
    closed sets make it work with algebraic numbers, this is faster a hundredfold.
    """

    constraints: tuple[Fraction, ...]
    others: Fraction


class Translation:
    """The negation of a condition on one region; raises UnsupportedError where there is none.

    ``variables`` are the coordinates that vary in the region, by index; ``fixed`` the values of
    the others. ``background`` holds, at every point, for some values of the fresh variables, which
    are then what they stand for.
    """

    def __init__(self, condition: Condition, region: Box) -> None:
        self.algebra = Quotients()
        self.z3 = self.algebra.z3
        self.condition, self.region = condition, region
        ends = list(enumerate(zip(region.lower, region.upper, strict=True)))
        self.fixed = {k: low for k, (low, high) in ends if low == high}
        self.variables: dict[int, Term] = {
            k: self.z3.Real(f"x{k}") for k, (low, high) in ends if low < high
        }
        self.background: list[Term] = []
        self._divisors: list[Quotient] = []
        self._radicands: list[Quotient] = []
        self._kinks: list[Term] = []
        self._tape = asked(condition)
        self._known = fold(self._tape, self.fixed)
        self._stepped = _stepped(self._tape.instructions)
        self._registers: dict[tuple[int, int | None], list[Quotient]] = {}
        used = sorted({c.output for c in condition.violation})
        self.outputs: Mapping[int, Quotient] = {k: self._walk(k) for k in used}

    def negation(self) -> list[Term]:
        """Satisfiable iff some point of the region violates the condition.

        Points where an output is undefined, and all constraints on others hold, count.
        """
        return [*self.inside(), *self._violated(None)]

    def widened(self, slack: Slack) -> list[Term]:
        """Implied by the negation: where this is unsatisfiable, the negation is too."""
        return [*self.inside(slack.others), *self._violated(slack)]

    def violation(self, margins: Sequence[Fraction]) -> list[Term]:
        """In the region's interior all outputs are defined and all constraints hold, by a margin.

        Off every kink of a step. Implies the negation where no margin is below 0.
        """
        each = []
        for c, margin in zip(self.condition.violation, margins, strict=True):
            each += [self.is_defined(c), self.holds(c, margin)]
        smooth = [self.z3.Not(kink) for kink in self._kinks]
        return [*self.inside(Fraction(0)), *smooth, *each]

    def inside(self, beyond: Fraction | None = None) -> list[Term]:
        """The region, or its interior once every side is moved outwards by ``beyond``.

        With it comes the background.
        """
        at_least, at_most = (">=", "<=") if beyond is None else (">", "<")
        more = beyond or Fraction(0)
        sides = []
        for k, variable in self.variables.items():
            x = Quotient(variable)
            sides.append(self.algebra.compare(x, at_least, self.region.lower[k] - more))
            sides.append(self.algebra.compare(x, at_most, self.region.upper[k] + more))
        return [*sides, *self.background]

    def is_defined(self, constraint: Constraint) -> Term:
        """Whether the constraint's output is defined."""
        return self._all(self.outputs[constraint.output])

    def holds(self, constraint: Constraint, margin: Fraction | None = None) -> Term:
        """Whether the constraint holds where its output is defined; strictly, with a margin."""
        strict = constraint.strict or margin is not None
        relation = {1: ">", -1: "<"}[constraint.sign] + ("" if strict else "=")
        level = constraint.level + constraint.sign * (margin or Fraction(0))
        return self.algebra.compare(self.outputs[constraint.output], relation, level)

    def _violated(self, slack: Slack | None) -> list[Term]:
        """For every constraint: it holds, or its output is undefined."""
        out = []
        for k, c in enumerate(self.condition.violation):
            margin = None if slack is None else -slack.constraints[k]
            undefined = self._undefined(self.outputs[c.output], slack)
            out.append(self.z3.Or([*undefined, self.holds(c, margin)]))
        return out

    def _undefined(self, q: Quotient, slack: Slack | None) -> list[Term]:
        """One of these holds where q is undefined; with slack, near such points too."""
        compare, out = self.algebra.compare, []
        for divides, k in sorted(q.needs):
            z = self._divisors[k] if divides else self._radicands[k]
            if not divides:
                out.append(compare(z, "<"))
            elif slack is None:
                out.append(compare(z, "=="))
            else:
                near = compare(z, "<", slack.others), compare(z, ">", -slack.others)
                out.append(self.z3.And(*near))
        return out

    def _all(self, q: Quotient) -> Term:
        """Whether q is defined."""
        return self.z3.Not(self.z3.Or(self._undefined(q, None)))

    def _walk(self, output: int) -> Quotient:
        """An output's value; registers that depend on a step are its own."""
        register = self.condition.tape.outputs[output]
        for index in sorted(self._tape.with_outputs([register]).needed):
            key = self._key(index, output)
            if key not in self._registers:
                self._registers[key] = self._entries(index, output)
        return self._registers[self._key(register, output)][0]

    def _key(self, register: int, output: int) -> tuple[int, int | None]:
        return register, output if self._stepped[register] else None

    def _entries(self, index: int, output: int) -> list[Quotient]:
        folded = self._known[index]
        if None not in folded:
            return [Quotient(v) for v in folded]
        i = self._tape.instructions[index]
        operands = [self._registers[self._key(a, output)] for a in i.args]
        built = self._instruction(i, f"{index}_{output}", operands)
        return [q if v is None else Quotient(v) for v, q in zip(folded, built, strict=True)]

    def _instruction(
        self, i: Instruction, name: str, a: Sequence[list[Quotient]]
    ) -> list[Quotient]:
        """The entries that an instruction writes. ``name`` is a part of fresh variables' names."""
        match i.op:
            case Op.VARIABLE:
                return [self._coordinate(i.integers[0] + k) for k in range(i.size)]
            case Op.CONSTANT:
                return [Quotient(v) for v in self._tape.constants[i.constants[0]].rationals()]
            case Op.AFFINE:
                return self._affine(i, a[0])
            case Op.POWER:
                return [self.algebra.power(z, i.integers[0]) for z in a[0]]
            case Op.STACK:
                return [z for part in a for z in part]
            case Op.SLICE:
                return [a[0][k] for k in i.integers]
            case Op.SQRT:
                return [self._root(z, f"root_{name}_{k}") for k, z in enumerate(a[0])]
            case Op.STEP:
                return [self._unit_step(z, f"step_{name}_{k}") for k, z in enumerate(a[0])]
            case Op.RELU:
                return [self._larger(z, ZERO) for z in a[0]]
            case op if op in _BINARY:
                x, y = (part if len(part) == i.size else part * i.size for part in a)
                return [_BINARY[op](self, p, q) for p, q in zip(x, y, strict=True)]
        raise UnsupportedError(f"the operation {i.op.value} is not one for Z3")

    def _coordinate(self, k: int) -> Quotient:
        return Quotient(self.fixed[k] if k in self.fixed else self.variables[k])

    def _affine(self, i: Instruction, a: list[Quotient]) -> list[Quotient]:
        weight, bias = (self._tape.constants[c].rationals() for c in i.constants)
        n = len(a)
        rows = (weight[r * n : (r + 1) * n] for r in range(i.size))
        return [
            self.algebra.combination([*row, b], [*a, ONE])
            for row, b in zip(rows, bias, strict=True)
        ]

    def _add(self, a: Quotient, b: Quotient) -> Quotient:
        return self.algebra.combination([Fraction(1), Fraction(1)], [a, b])

    def _subtract(self, a: Quotient, b: Quotient) -> Quotient:
        return self.algebra.combination([Fraction(1), Fraction(-1)], [a, b])

    def _multiply(self, a: Quotient, b: Quotient) -> Quotient:
        return self.algebra.multiply(a, b)

    def _divide(self, a: Quotient, b: Quotient) -> Quotient:
        self._divisors.append(b)
        return self._needing(self.algebra.divide(a, b), (True, len(self._divisors) - 1))

    def _larger(self, a: Quotient, b: Quotient) -> Quotient:
        return self.algebra.either(self.algebra.compare(self._subtract(a, b), ">="), a, b)

    def _smaller(self, a: Quotient, b: Quotient) -> Quotient:
        return self.algebra.either(self.algebra.compare(self._subtract(a, b), "<="), a, b)

    def _needing(self, q: Quotient, need: Need) -> Quotient:
        return Quotient(q.over, q.under, q.needs | {need})

    def _root(self, z: Quotient, name: str) -> Quotient:
        self._radicands.append(z)
        y = self._fresh(name, Fraction(0), None)
        result = self._needing(Quotient(y, needs=z.needs), (False, len(self._radicands) - 1))
        rest = self._subtract(self.algebra.power(Quotient(y), 2), z)
        square = self.algebra.compare(rest, "==")
        self.background.append(self.z3.Implies(self._all(result), square))
        return result

    def _unit_step(self, z: Quotient, name: str) -> Quotient:
        self._kinks.append(self.algebra.compare(z, "=="))
        chosen = Quotient(self._fresh(name, Fraction(0), Fraction(1)))
        at_most = self.algebra.either(self.algebra.compare(z, "<"), ZERO, chosen)
        value = self.algebra.either(self.algebra.compare(z, ">"), ONE, at_most)
        return Quotient(value.over, needs=z.needs)

    def _fresh(self, name: str, low: Fraction, high: Fraction | None) -> Term:
        variable = self.z3.Real(name)
        self.background.append(variable >= self.algebra.real(low))
        if high is not None:
            self.background.append(variable <= self.algebra.real(high))
        return variable


_BINARY: Mapping[Op, Callable[[Translation, Quotient, Quotient], Quotient]] = {
    Op.ADD: Translation._add,
    Op.SUB: Translation._subtract,
    Op.MUL: Translation._multiply,
    Op.DIV: Translation._divide,
    Op.MIN: Translation._smaller,
    Op.MAX: Translation._larger,
}


def _stepped(instructions: Sequence[Instruction]) -> list[bool]:
    """For each register, whether it depends on a step, whose value at 0 is a choice."""
    out: list[bool] = []
    for i in instructions:
        out.append(i.op is Op.STEP or any(out[a] for a in i.args))
    return out
