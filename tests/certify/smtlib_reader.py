"""An independent reader of SMT-LIB 2 scripts: evaluates one at a point.

Values are rationals as long as that is possible, and balls from the first exp or root on.

It knows nothing of the writer. Given values of some variables it follows the script from the top:
an assertion with one variable that is still unknown is solved for it where its shape is one of a
few (an equation, a product, a square, an exponential, bounds); every other one is evaluated, to
True, False or, where the balls overlap, None.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from flint import arb, ctx, fmpq

Tree = str | list["Tree"]
Truth = bool | None
Value = Fraction | arb


def parse(text: str) -> list[Tree]:
    """The S-expressions of a script; raises ValueError where brackets do not match."""
    stack: list[list[Tree]] = [[]]
    for token in _tokens(text):
        if token == "(":
            stack.append([])
        elif token == ")":
            done = stack.pop()
            if not stack:
                raise ValueError("a bracket too many")
            stack[-1].append(done)
        else:
            stack[-1].append(token)
    if len(stack) != 1:
        raise ValueError("a bracket is open")
    return stack[0]


def _tokens(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        code = line.split(";")[0]
        yield from code.replace("(", " ( ").replace(")", " ) ").split()


@dataclass
class Script:
    """A script's variables, assertions, other commands, and what defines what, in order."""

    variables: list[str] = field(default_factory=list)
    assertions: list[Tree] = field(default_factory=list)
    steps: list[tuple[str, str, Tree]] = field(default_factory=list)
    commands: list[Tree] = field(default_factory=list)


def read(text: str) -> Script:
    """Raises ValueError for a command other than those the writer is supposed to use."""
    script = Script()
    declared: set[str] = set()
    for command in parse(text):
        match command:
            case ["declare-fun", str(name), [], "Real"]:
                assert name not in declared, f"{name} is declared twice"
                declared.add(name)
                script.variables.append(name)
            case ["define-fun", str(name), [], "Real", term]:
                assert name not in declared, f"{name} is declared twice"
                assert _symbols(term) <= declared, f"{name} is used before it is declared"
                declared.add(name)
                script.steps.append(("define", name, term))
            case ["assert", formula]:
                unknown = _symbols(formula) - declared
                assert not unknown, f"{unknown} are used before they are declared"
                script.assertions.append(formula)
                script.steps.append(("assert", "", formula))
            case [("set-option" | "set-logic" | "check-sat" | "get-model" | "exit"), *_]:
                script.commands.append(command)
            case _:
                raise ValueError(f"unknown command {command}")
    return script


_OPERATORS = frozenset(
    """
    + - * / ^ ite = < <= > >= and or not => true false exp log sqrt sin cos tan tanh min max
    """.split()  # noqa: SIM905
)


def _symbols(tree: Tree) -> set[str]:
    if isinstance(tree, list):
        return set().union(*(_symbols(t) for t in tree))
    return set() if tree in _OPERATORS or tree[0].isdigit() else {tree}


@dataclass
class Evaluation:
    """Balls of all variables and terms, and the truth of every assertion that defined none."""

    values: dict[str, Value]
    truths: dict[int, Truth]
    loose: set[str] = field(default_factory=set)
    """Variables known by their bounds alone, which later assertions may narrow."""

    def difference(self, formula: Tree) -> arb:
        """a − b of a comparison a ⋈ b; of the last one in a disjunction."""
        if isinstance(formula, list) and formula[0] == "or":
            return self.difference(formula[-1])
        assert isinstance(formula, list) and formula[0] in ("<", "<=", ">", ">=", "=")
        with ctx.workprec(PRECISION):
            return _ball(self.term(formula[1])) - _ball(self.term(formula[2]))

    def excused(self, formula: Tree) -> Truth:
        """Whether an alternative before the last one holds."""
        if isinstance(formula, list) and formula[0] == "or":
            return _either([self.truth(f) for f in formula[1:-1]])
        return False

    def term(self, tree: Tree) -> Value:
        if isinstance(tree, str):
            return Fraction(tree) if tree[0].isdigit() else self.values[tree]
        head, *rest = tree
        if head == "ite":
            return self._choice(*rest)
        if head == "^":
            return self.term(rest[0]) ** int(str(rest[1]))
        return _apply(str(head), [self.term(t) for t in rest])

    def _choice(self, condition: Tree, yes: Tree, no: Tree) -> Value:
        truth = self.truth(condition)
        if truth is None:
            return _ball(self.term(yes)).union(_ball(self.term(no)))
        return self.term(yes if truth else no)

    def truth(self, tree: Tree) -> Truth:
        if isinstance(tree, str):
            return {"true": True, "false": False}[tree]
        head, *rest = tree
        match head:
            case "and":
                truths = [self.truth(t) for t in rest]
                return False if False in truths else None if None in truths else True
            case "or":
                return _either([self.truth(t) for t in rest])
            case "not":
                inner = self.truth(rest[0])
                return None if inner is None else not inner
            case "=>":
                first = self.truth(rest[0])
                return _either([None if first is None else not first, self.truth(rest[1])])
        return _compare(str(head), self.term(rest[0]), self.term(rest[1]))


PRECISION = 256


def evaluate(script: Script, point: Mapping[str, Fraction]) -> Evaluation:
    """Follow the script with these values of variables; ValueError where it cannot be solved."""
    with ctx.workprec(PRECISION):
        values: dict[str, Value] = dict(point)
        run = Evaluation(values, {})
        bounds: dict[str, dict[str, Value]] = {}
        number = -1
        for kind, name, tree in script.steps:
            if kind == "define":
                values[name] = run.term(tree)
                continue
            number += 1
            unknown = _symbols(tree) - set(values)
            if not unknown:
                _narrow(run, tree)
                run.truths[number] = run.truth(tree)
            elif len(unknown) == 1:
                _solve(run, tree, unknown.pop(), bounds)
            else:
                raise ValueError(f"{unknown} are all unknown in {tree}")
        return run


def _solve(run: Evaluation, tree: Tree, v: str, bounds: dict[str, dict[str, Value]]) -> None:
    """Give the unknown variable of an assertion its value, or a bound."""
    body = tree
    if isinstance(tree, list) and tree[0] == "or":
        excuses, body = tree[1:-1], tree[-1]
        if _either([run.truth(f) for f in excuses]) is not False:
            run.values[v] = arb.nan()  # free, or not known to be determined
            return
    match body:
        case [(">=" | "<=") as side, name, limit] if name == v and v not in _symbols(limit):
            known = bounds.setdefault(v, {})
            known[str(side)] = run.term(limit)
            if len(known) == 2:
                run.values[v] = _ball(known[">="]).union(_ball(known["<="]))
                run.loose.add(v)
        case ["=", name, term] if name == v and v not in _symbols(term):
            run.values[v] = run.term(term)
        case ["=", ["*", a, b], term] if a == b == v:
            run.values[v] = _root(run.term(term))
        case ["=", ["^", a, "2"], term] if a == v:
            run.values[v] = _root(run.term(term))
        case ["=", ["*", a, factor], term] if a == v and v not in _symbols(factor):
            run.values[v] = _apply("/", [run.term(term), run.term(factor)])
        case ["=", ["exp", a], term] if a == v:
            run.values[v] = _apply("log", [run.term(term)])
        case _:
            raise ValueError(f"cannot solve {body} for {v}")


def _narrow(run: Evaluation, tree: Tree) -> None:
    """What an assertion says of a variable in [0, 1] that is so far only bounded."""
    match tree:
        case ["=>", condition, ["=", str(v), term]] if v in run.loose:
            if run.truth(condition) is True:
                run.values[v] = run.term(term)
        case ["<=", ["*", z, ["+", "1.0", ["-", str(v)]]], "0.0"] if v in run.loose:
            if run.term(z) > 0:
                run.values[v] = Fraction(1)
        case [">=", ["*", z, str(v)], "0.0"] if v in run.loose:
            if run.term(z) < 0:
                run.values[v] = Fraction(0)


def _ball(value: Value) -> arb:
    return arb(fmpq(value.numerator, value.denominator)) if isinstance(value, Fraction) else value


def _finite(ball: arb) -> arb:
    return ball if ball.is_finite() else arb.nan()


_FUNCTIONS = frozenset({"exp", "log", "sqrt", "sin", "cos", "tan", "tanh"})


def _apply(head: str, a: list[Value]) -> Value:
    """An operation, in rationals where its operands are and it is rational."""
    if head in _FUNCTIONS:
        return _finite(getattr(_ball(a[0]), head)())
    if not all(isinstance(v, Fraction) for v in a):
        a = [_ball(v) for v in a]
    match head:
        case "+":
            return sum(a[1:], a[0])
        case "-":
            return -a[0] if len(a) == 1 else a[0] - sum(a[2:], a[1])
        case "*":
            out = a[0]
            for factor in a[1:]:
                out = out * factor
            return out
        case "/":
            if isinstance(a[1], Fraction):
                return a[0] / a[1] if a[1] else arb.nan()
            return _finite(a[0] / a[1])
        case "min":
            return a[0].min(a[1]) if isinstance(a[0], arb) else min(a)
        case "max":
            return a[0].max(a[1]) if isinstance(a[0], arb) else max(a)
    raise ValueError(f"unknown operation {head}")


def _root(value: Value) -> arb:
    ball = _ball(value)
    return _finite(ball.nonnegative_part().sqrt()) if not ball < 0 else arb.nan()


def _either(truths: list[Truth]) -> Truth:
    return True if True in truths else None if None in truths else False


def _compare(head: str, a: Value, b: Value) -> Truth:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b, "=": a == b}[head]
    p, q = _ball(a), _ball(b)
    if not (p.is_finite() and q.is_finite()):
        return None
    match head:
        case "<":
            return True if p < q else False if p >= q else None
        case "<=":
            return True if p <= q else False if p > q else None
        case ">":
            return True if p > q else False if p <= q else None
        case ">=":
            return True if p >= q else False if p < q else None
        case "=":
            return None if p.overlaps(q) else False
    raise ValueError(f"unknown comparison {head}")
