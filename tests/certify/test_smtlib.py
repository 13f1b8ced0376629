"""The SMT-LIB scripts: evaluated at points by an independent reader, against the tape in balls."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, get_args

import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.balls import enclose_point
from certify.conditions import Condition
from certify.smtlib import Dialect, smtlib, variable_names
from systems import expression as ex
from systems.box import Box
from systems.errors import UnsupportedExpression
from systems.expression import Op
from systems.tape import compile_tape
from tests.certify.graphs import graphs, numbers
from tests.certify.scalar_checks import check_claim, condition_of
from tests.certify.smtlib_reader import Evaluation, Tree, evaluate, parse, read
from tests.certify.statement import Statement
from tests.certify.statements import ALL

DIALECTS: tuple[Dialect, ...] = get_args(Dialect)


def run(condition: Condition, dialect: Dialect, point: Sequence[Fraction]) -> Evaluation:
    script = read(smtlib(condition, dialect=dialect))
    names = variable_names(condition.tape)
    assert list(names) == script.variables[: len(names)]
    return evaluate(script, dict(zip(names, point, strict=True)))


def last_assertions(condition: Condition, dialect: Dialect) -> list[Tree]:
    script = read(smtlib(condition, dialect=dialect))
    return list(script.assertions[-len(condition.violation) :])


@pytest.mark.parametrize("dialect", DIALECTS)
@given(st.data())
@settings(max_examples=100, deadline=None)
def test_scripts_and_tapes_agree_at_points(dialect: Dialect, data: st.DataObject) -> None:
    x, y = data.draw(graphs(2, steps=True))
    point = [data.draw(numbers) for _ in range(2)]
    level = data.draw(numbers)
    sense, strict = data.draw(st.sampled_from(["at least", "at most"])), data.draw(st.booleans())
    condition = condition_of([y, x[0]], x, [(0, sense, level, strict), (1, "at most", 4, False)])
    evaluation = run(condition, dialect, point)
    check_claim(condition, evaluation, last_assertions(condition, dialect)[0], point)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("op", sorted(ex.UNARY, key=lambda op: op.value))
@pytest.mark.parametrize("z", ["-3/2", "-1/1000", "0", "1/3", "1", "7"])
def test_every_function_at_a_point(dialect: Dialect, op: Op, z: str) -> None:
    x = ex.variable("x", 2)
    condition = condition_of([ex.apply(op, x[0])], x, [(0, "at least", Fraction(1, 7), False)])
    point = [Fraction(z), Fraction(0)]
    ((truth,),) = enclose_point(condition.tape, point, 256)
    evaluation = run(condition, dialect, point)
    (claim,) = last_assertions(condition, dialect)
    if truth.is_finite():
        difference = truth - arb(1) / 7
        assert evaluation.difference(claim).overlaps(difference)
        if not difference.contains(0):
            assert evaluation.truth(claim) is bool(difference > 0)
    else:
        assert evaluation.truth(claim) is True  # undefined: a violation


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("build", "point", "undefined"),
    [
        (lambda x: 1 / x[0], 0, True),
        (lambda x: 1 / x[0], 1, False),
        (lambda x: x[0] / (x[0] * x[0]), 0, True),
        (lambda x: ex.log(ex.log(x[0])), -1, True),
        (lambda x: ex.log(ex.log(x[0])), "1/2", True),
        (lambda x: ex.log(ex.log(x[0])), 2, False),
        (lambda x: ex.sqrt(x[0]), -1, True),
        (lambda x: ex.sqrt(x[0]), 0, False),
        (lambda x: ex.apply(Op.STEP, ex.log(x[0])), -1, True),
        (lambda x: ex.affine([[0, 0]], ex.stack([ex.log(x[0]), x[1]])), -1, True),
        (lambda x: ex.stack([ex.log(x[0]), x[1]])[[1, 0]][0], -1, False),
        (lambda x: ex.minimum(1 / x[0], 0), 0, True),
        (lambda x: x[1] / (x[0] - x[0] * ex.constant(1)), 3, True),
    ],
)
def test_an_undefined_output_counts_as_a_violation(
    dialect: Dialect, build: object, point: object, undefined: bool
) -> None:
    """Even though the constraint itself asks for more than any value of it."""
    x = ex.variable("x", 2)
    condition = condition_of([build(x)], x, [(0, "at least", 10**6, False)])  # type: ignore[operator]
    evaluation = run(condition, dialect, [Fraction(point), Fraction(0)])  # type: ignore[arg-type]
    (claim,) = last_assertions(condition, dialect)
    assert evaluation.truth(claim) is undefined


def test_a_constraint_that_fails_excuses_an_undefined_one() -> None:
    x = ex.variable("x", 2)
    condition = condition_of(
        [1 / x[0], x[1]], x, [(0, "at least", 0, False), (1, "at least", 1, False)]
    )
    for dialect in DIALECTS:
        claims = last_assertions(condition, dialect)
        evaluation = run(condition, dialect, [Fraction(0), Fraction(0)])
        assert [evaluation.truth(c) for c in claims] == [True, False]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("sense", ["at least", "at most"])
def test_strictness_is_exact(
    dialect: Dialect, sense: Literal["at least", "at most"], strict: bool
) -> None:
    x = ex.variable("x", 2)
    level = Fraction(3, 20)
    condition = condition_of([x[0]], x, [(0, sense, level, strict)])
    (claim,) = last_assertions(condition, dialect)
    for step in (Fraction(-1, 10**30), Fraction(0), Fraction(1, 10**30)):
        truth = run(condition, dialect, [level + step, Fraction(0)]).truth(claim)
        wanted = (step > 0) if sense == "at least" else (step < 0)
        assert truth is (wanted or (step == 0 and not strict))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_regions_are_exact(dialect: Dialect) -> None:
    x = ex.variable("x", 2)
    regions = [Box.of([("1/5", "1/5"), ("-3/20", 1)]), Box.of([(2, 3), (2, 3)])]
    condition = condition_of([x[0]], x, [(0, "at least", -9, False)], regions)
    inside = [("1/5", "-3/20"), ("1/5", "1"), ("2", "3"), ("5/2", "5/2")]
    tiny = Fraction(1, 10**25)
    outside = [(Fraction(1, 5) + tiny, 0), ("1/5", Fraction(-3, 20) - tiny), ("2", "1"), (9, 9)]
    for points, wanted in ((inside, True), (outside, False)):
        for point in points:
            truths = run(condition, dialect, [Fraction(v) for v in point]).truths.values()
            assert all(t is True for t in truths) is wanted, point


def test_sharing_keeps_the_size_of_the_graph() -> None:
    """2^60 leaves as a tree."""
    x = ex.variable("x", 2)
    z = x[0]
    for _ in range(60):
        z = ex.tanh(z) * z + 1
    for dialect in DIALECTS:
        assert (
            len(smtlib(condition_of([z], x, [(0, "at least", 0, False)]), dialect=dialect)) < 30_000
        )


def test_a_deep_chain_is_not_nested_deeply() -> None:
    x = ex.variable("x", 2)
    z = x[0]
    for _ in range(3000):
        z = ex.sin(z)
    for dialect in DIALECTS:
        text = smtlib(condition_of([z], x, [(0, "at least", 0, False)]), dialect=dialect)
        depth = deepest = 0
        for character in text:
            depth += (character == "(") - (character == ")")
            deepest = max(deepest, depth)
        assert deepest < 300


def test_zero_weights_are_skipped_and_equal_operands_added() -> None:
    x = ex.variable("x", 2)
    twice = ex.affine([[Fraction(1, 3), 0, Fraction(2, 3)]], ex.stack([x[0], x[1], x[0]]))
    text = smtlib(condition_of([twice], x, [(0, "at least", 0, False)]), dialect="standard")
    assert "(assert (>= x_1 0.0))" in text
    assert "x_2 0.0" not in text


@pytest.mark.parametrize("level", ["1/3", 0, -1])
def test_no_two_numbers_meet_in_dreals_dialect(level: object) -> None:
    """dReal folds constants in rounded arithmetic: each is a variable of its own."""
    x = ex.variable("x", 2)
    held = [ex.Expression(Op.EXP, (ex.constant(v),), 1) for v in (-1, 0, 1, 2)]
    y = ex.total(ex.stack(held)) + "0.1" * x[0] + "0.2" * (x[0] + "0.3" * x[1])
    condition = condition_of([y, x[0]], x, [(0, "at least", level, True), (1, "at most", 1, True)])
    script = read(smtlib(condition, dialect="dreal"))
    assert not any(_folds(tree) for tree in script.assertions)
    assert {"0.1", "0.2", "0.3"} <= {t[2] for t in script.assertions if isinstance(t[2], str)}


def _folds(tree: Tree) -> bool:
    """Whether dReal computes with literals alone, or bounds a bare variable strictly by one."""
    if not isinstance(tree, list):
        return False
    head, *rest = tree
    literal = [_is_literal(t) for t in rest]
    if head in ("<", ">") and any(literal):
        return any(isinstance(t, str) and not _is_literal(t) for t in rest)
    arithmetic = head not in ("=", ">=", "<=", "and", "or", "-")
    return (arithmetic and all(literal)) or any(_folds(t) for t in rest)


def _is_literal(tree: Tree) -> bool:
    match tree:
        case ["-", inner]:
            return _is_literal(inner)
        case str():
            return tree[0].isdigit()
    return False


def test_comments_hold_whatever_the_claim_says() -> None:
    x = ex.variable("x", 2)
    claim = "V ≥ 0\n(assert false)\r(exit)\x00 \u2028 ü"
    text = smtlib(
        condition_of([x[0]], x, [(0, "at least", 0, False)], claim=claim), dialect="dreal"
    )
    assert text.isascii()
    assert ["assert", "false"] not in parse(text)
    assert parse(text)[-1] == ["exit"]


def test_claims_are_legible_in_comments() -> None:
    from certify.smtlib import _plain

    assert _plain("V̇ ≤ −μ where P DF + DFᵀ P, ε") == "dV/dt <= -mu where P DF + DF^T P, eps"


def test_names_are_plain_distinct_and_no_words_of_the_tools() -> None:
    sizes = [("x", 2), ("x_1", 1), ("exp", 1), ("θ'", 1), ("2", 1), ("", 1), ("let", 1), ("x-1", 1)]
    inputs = [ex.variable(name, size) for name, size in sizes]
    names = variable_names(compile_tape([inputs[0]], inputs))
    assert len(set(names)) == len(names) == 9
    assert not {"exp", "let"} & set(names)
    assert all(n.isascii() and n.isidentifier() for n in names)


def test_numbers_beyond_float64_are_refused_for_dreal_only() -> None:
    x = ex.variable("x", 2)
    condition = condition_of([x[0]], x, [(0, "at least", Fraction(10) ** 310, False)])
    with pytest.raises(UnsupportedExpression, match="dReal"):
        smtlib(condition, dialect="dreal")
    assert "(/ " not in smtlib(condition, dialect="standard")


def test_a_dialect_that_is_none() -> None:
    x = ex.variable("x", 2)
    with pytest.raises(ValueError, match="no dialect"):
        smtlib(condition_of([x[0]], x, [(0, "at least", 0, False)]), dialect="lisp")  # type: ignore[arg-type]


def test_precision_logic_and_order_of_the_commands() -> None:
    x = ex.variable("x", 2)
    condition = condition_of([ex.exp(x[0])], x, [(0, "at most", 0, False)])
    dreal = parse(smtlib(condition, dialect="dreal", precision=Fraction(1, 10**9)))
    assert ["set-option", ":precision", "0.000000001"] in dreal
    assert ["set-logic", "QF_NRA"] in dreal
    standard = parse(smtlib(condition, dialect="standard"))
    assert ["set-logic", "QF_NRAT"] in standard
    for script in (dreal, standard):
        assert script[0] == ["set-option", ":produce-models", "true"]
        assert script[-3:] == [["check-sat"], ["get-model"], ["exit"]]


POLYNOMIAL = [
    (lambda x: x[0] ** 2 + x[1] ** 2 - x[0] * x[1], ("at most", 0, True), "unsat"),
    (lambda x: x[0] ** 2 + x[1] ** 2 - x[0] * x[1], ("at most", 0, False), "sat"),
    (lambda x: x[0] * x[1] / (1 + x[0] ** 2), ("at least", 3, False), "unsat"),
    (lambda x: x[0] / x[1], ("at least", 10**9, False), "sat"),
    (lambda x: x[0] / (x[1] ** 2 + "1/3"), ("at least", 12, True), "unsat"),
    (lambda x: ex.sqrt(x[0] ** 2), ("at least", "4", True), "unsat"),
    (lambda x: ex.sqrt(x[0]), ("at least", "1000", False), "sat"),
    (
        lambda x: ex.relu(x[0]) + ex.relu(-x[0]) - ex.maximum(x[0], -x[0]),
        ("at most", 0, True),
        "unsat",
    ),
    (lambda x: ex.apply(Op.STEP, x[0]) * x[0], ("at most", 0, True), "unsat"),
    (lambda x: ex.apply(Op.STEP, x[0]) - "1/2" + x[0] ** 2, ("at most", "-1/4", True), "sat"),
    (lambda x: x[0] ** 9 - x[0] ** 8, ("at least", 4**9 - 4**8, True), "unsat"),
]


@pytest.mark.parametrize(("build", "violation", "answer"), POLYNOMIAL)
def test_z3_reads_the_polynomial_scripts_and_decides_them(
    build: object, violation: tuple[str, object, bool], answer: str
) -> None:
    z3 = pytest.importorskip("z3", reason="z3-solver is not installed")
    x = ex.variable("x", 2)
    sense, level, strict = violation
    condition = condition_of([build(x)], x, [(0, sense, level, strict)])  # type: ignore[operator, list-item]
    solver = z3.Solver()
    solver.set("timeout", 20_000)
    solver.add(z3.parse_smt2_string(smtlib(condition, dialect="standard")))
    assert str(solver.check()) == answer


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("s", [s for s in ALL if s.point is not None], ids=lambda s: s.name)
def test_no_known_violation_is_excluded(s: Statement, dialect: Dialect) -> None:
    """Nor a point where an output is undefined and no other constraint fails."""
    assert s.point is not None
    try:
        evaluation = run(s.condition, dialect, s.point)
    except UnsupportedExpression:
        assert dialect == "dreal"
        return  # it says so
    assert False not in evaluation.truths.values()


EXTREMES = """
(define-fun max ((a Real) (b Real)) Real (ite (>= a b) a b))
(define-fun min ((a Real) (b Real)) Real (ite (<= a b) a b))
"""
"""What dReal has and Z3 has not."""

LOOSE = {"point-at-a-third", "two-neighbouring-floats"}
"""True by less than the width of the float64 interval that stands for a number such as 1/3."""


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "s",
    [s for s in ALL if s.kind in ("polynomial", "rational", "kinked")],
    ids=lambda s: s.name,
)
def test_z3_on_the_scripts_does_not_contradict_the_truth(s: Statement, dialect: Dialect) -> None:
    """It reads dReal's dialect too: what is unsat there is so in exact arithmetic."""
    z3 = pytest.importorskip("z3", reason="z3-solver is not installed")
    try:
        script = smtlib(s.condition, dialect=dialect)
    except UnsupportedExpression:
        assert dialect == "dreal"
        return  # it says so
    if "QF_NRAT" in script:
        return  # a logarithm inside a rational statement
    solver = z3.Solver()
    solver.set("timeout", 300)
    solver.add(z3.parse_smt2_string(EXTREMES + script))
    answer = str(solver.check())
    expected = {"unknown", "unsat" if s.truth is True else "sat"}
    assert answer in (expected | {"sat"} if dialect == "dreal" and s.name in LOOSE else expected)
