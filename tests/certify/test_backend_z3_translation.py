"""Z3's terms against the tape, by rational arithmetic at random points."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from certify.backends.z3 import Z3
from certify.backends.z3_quotients import Quotient
from certify.backends.z3_solving import Nowhere, Somewhere, decide
from certify.backends.z3_translation import Slack, Translation
from certify.balls import enclose_point
from certify.conditions import Condition, Constraint
from systems import expression as ex
from systems.box import Box
from systems.expression import Expression, Op
from systems.tape import Tape, compile_tape
from tests.certify.truth import UndefinedError, exact_outputs

pytestmark = pytest.mark.skipif(
    not Z3().availability().available, reason="z3-solver is not installed"
)

numbers = st.fractions(min_value=-3, max_value=3, max_denominator=4)
coordinates = st.sampled_from([Fraction(v, 2) for v in (0, 0, 1, 2, 3, 4, -1, -2)])
points = st.tuples(coordinates, coordinates)
BOX = Box.symmetric([2, 2])
BINARY = [Op.ADD, Op.SUB, Op.MUL, Op.DIV, Op.DIV, Op.MIN, Op.MAX]


@st.composite
def tapes(draw: st.DrawFn, *, steps: bool = False) -> Tape:
    """A scalar made of a handful of random nodes: numbers, affine maps, quotients, kinks.

    Nothing is simplified on the way, and operands of size 1 meet operands of size 2.
    """
    x = ex.variable("x", 2)
    nodes = [x, x[0], x[1], ex.constant(draw(numbers))]
    unary = [Op.RELU, Op.STEP] if steps else [Op.RELU]
    for _ in range(draw(st.integers(2, 6))):
        a, b = draw(st.sampled_from(nodes[-2:])), draw(st.sampled_from(nodes))
        match draw(st.sampled_from(["binary", "binary", "unary", "power", "affine", "stack"])):
            case "binary":
                op = draw(st.sampled_from(BINARY))
                nodes.append(Expression(op, (a, b), max(a.size, b.size)))
            case "unary":
                nodes.append(Expression(draw(st.sampled_from(unary)), (a,), a.size))
            case "power":
                exponent = draw(st.integers(2, 4))
                nodes.append(Expression(Op.POWER, (a,), a.size, integers=(exponent,)))
            case "affine":
                weight = [[draw(numbers) for _ in range(a.size)] for _ in range(2)]
                nodes.append(ex.affine(weight, a, [draw(numbers), draw(numbers)]))
            case "stack":
                nodes.append(Expression(Op.STACK, (a[0], b[b.size - 1]), 2))
    return compile_tape([ex.total(nodes[-1])], [x])


def about(tape: Tape, relation: str, level: Fraction, *regions: Box) -> Condition:
    sense, strict = ("at least" if relation[0] == ">" else "at most"), relation in ("<", ">")
    constraint = Constraint(0, sense, level, strict)  # type: ignore[arg-type]
    return Condition("c", "", tape, ("g",), (constraint,), regions)


def value_of(translation: Translation, q: Quotient, point: Sequence[Fraction]) -> Fraction:
    over, under = q.over, translation.algebra.divisor(q.under)
    return number(translation, over, point) / number(translation, under, point)


def number(translation: Translation, term: Any, point: Sequence[Fraction]) -> Fraction:
    if isinstance(term, Fraction):
        return term
    value = at(translation, term, point)
    return Fraction(value.numerator_as_long(), value.denominator_as_long())


def at(translation: Translation, term: Any, point: Sequence[Fraction]) -> Any:
    """A term with numbers in the place of the coordinates."""
    z3, real = translation.z3, translation.algebra.real
    pairs = [(x, real(point[k])) for k, x in translation.variables.items()]
    return z3.simplify(z3.substitute(term, *pairs))


def is_true(translation: Translation, terms: Sequence[Any], point: Sequence[Fraction]) -> bool:
    z3 = translation.z3
    value = at(translation, z3.And(*terms), point)
    assert z3.is_true(value) or z3.is_false(value)
    return bool(z3.is_true(value))


def evaluated(tape: Tape, point: Sequence[Fraction]) -> Fraction | None:
    """The output in rationals, None where it is undefined."""
    try:
        (value,) = exact_outputs(tape, point)
    except UndefinedError:
        return None
    assert value is not None
    return value


@settings(max_examples=150, deadline=None)
@given(tapes(), points, numbers)
def test_terms_have_the_values_of_the_tape(
    tape: Tape, point: tuple[Fraction, Fraction], level: Fraction
) -> None:
    expected = evaluated(tape, point)
    condition = about(tape, ">", level, BOX)
    translation = Translation(condition, BOX)
    (constraint,) = condition.violation
    defined = is_true(translation, [translation.is_defined(constraint)], point)
    # Balls know entry by entry what is defined: one that is dropped later on does no harm.
    assert defined is enclose_point(tape, point)[0][0].is_finite()
    if not defined:
        assert is_true(translation, translation.negation(), point)
    if expected is None:
        return
    assert value_of(translation, translation.outputs[0], point) == expected
    for relation, holds in {
        ">": expected > level, ">=": expected >= level, "<": expected < level,
        "<=": expected <= level,
    }.items():  # fmt: skip
        condition = about(tape, relation, level, BOX)
        translation = Translation(condition, BOX)
        assert is_true(translation, translation.negation(), point) is holds


@settings(max_examples=100, deadline=None)
@given(tapes(), points, numbers, st.sampled_from([">", ">=", "<", "<="]))
def test_what_is_widened_holds_wherever_the_negation_does(
    tape: Tape, point: tuple[Fraction, Fraction], level: Fraction, relation: str
) -> None:
    translation = Translation(about(tape, relation, level, BOX), BOX)
    slack = Slack((Fraction(1, 1000),), Fraction(1, 1000))
    negated = is_true(translation, translation.negation(), point)
    assert not negated or is_true(translation, translation.widened(slack), point)
    found = is_true(translation, translation.violation([Fraction(1, 1000)]), point)
    assert not found or negated


@settings(max_examples=60, deadline=None)
@given(tapes(steps=True), points, st.sampled_from([">", ">=", "<", "<="]), st.booleans())
def test_a_single_point_is_decided_as_rationals_do(
    tape: Tape, point: tuple[Fraction, Fraction], relation: str, one_side: bool
) -> None:
    value = evaluated(tape, point)
    assume(value is not None)
    assert value is not None
    # Along the free side only the point is asked about, by an equation.
    x = ex.variable("x", 2)
    upper = (point[0] + 1, point[1]) if one_side else point
    outcome = decide(about(tape, relation, value, Box(point, point)), 10.0)
    assert isinstance(outcome, Somewhere if "=" in relation else Nowhere)
    if one_side:
        end = compile_tape([x[0]], [x])
        outcome = decide(about(end, "<=", point[0], Box(point, upper)), 10.0)
        assert isinstance(outcome, Somewhere) and outcome.point == point


def test_an_operation_that_is_unknown_raises() -> None:
    x = ex.variable("x", 1)
    region = Box.symmetric([1])
    tape = compile_tape([ex.tanh(x)], [x])
    with pytest.raises(ValueError, match="tanh"):
        Translation(about(tape, ">", Fraction(0), region), region)


def test_every_operation_is_taken_or_refused() -> None:
    """An operation added to the language later is not silently dropped."""
    from certify.backends.z3_folding import TAKEN

    refused = {
        Op.PI, Op.SIN, Op.COS, Op.TAN, Op.EXP, Op.LOG, Op.TANH, Op.SIGMOID, Op.SOFTPLUS,
    }  # fmt: skip
    assert set(Op) == TAKEN | refused and not TAKEN & refused


@pytest.mark.parametrize("radicand, root", [("4/9", "2/3"), ("0", "0")])
def test_a_root_is_the_one_that_is_not_negative(radicand: str, root: str) -> None:
    x = ex.variable("x", 1)
    tape = compile_tape([ex.sqrt(x)], [x])
    r, y = Fraction(radicand), Fraction(root)
    point = Box((r,), (r,))
    wide = Box((r,), (r + 1,))
    for region in (point, wide):
        assert isinstance(decide(about(tape, "<", y, region), 10.0), Nowhere)
        assert isinstance(decide(about(tape, "<=", y, region), 10.0), Somewhere)


def test_a_root_of_a_quotient_is_free_where_that_has_no_value() -> None:
    """√(1/x): at x = 0, and below, no y must be asked for, or those points would be lost."""
    x = ex.variable("x", 1)
    tape = compile_tape([ex.sqrt(1 / x)], [x])
    for low, high in ((0, 1), (-1, 0), (-1, 1)):
        region = Box.of([(low, high)])
        outcome = decide(about(tape, "<", Fraction(0), region), 10.0)
        assert isinstance(outcome, Somewhere) and not outcome.certain
    outcome = decide(about(tape, "<", Fraction(1), Box.of([("1/100", 1)])), 10.0)
    assert isinstance(outcome, Nowhere)


def test_a_step_at_its_jump_may_be_any_number_between() -> None:
    x = ex.variable("x", 1)
    tape = compile_tape([ex.apply(Op.STEP, x)], [x])
    zero = Box.of([(0, 0)])
    for level in (Fraction(0), Fraction(1, 3), Fraction(1)):
        for relation in ("<=", ">="):
            assert isinstance(decide(about(tape, relation, level, zero), 10.0), Somewhere)
    assert isinstance(decide(about(tape, ">", Fraction(1), zero), 10.0), Nowhere)
    assert isinstance(decide(about(tape, "<", Fraction(0), zero), 10.0), Nowhere)


OPERATIONS = [
    *((op, k) for op in (Op.ADD, Op.SUB, Op.MUL, Op.DIV, Op.MIN, Op.MAX) for k in (0, 1)),
    *((op, 0) for op in (Op.RELU, Op.STEP, Op.SQRT, Op.POWER)),
]


@pytest.mark.parametrize(("op", "place"), OPERATIONS)
def test_a_pole_in_any_operand_leaves_the_result_undefined(op: Op, place: int) -> None:
    x = ex.variable("x", 1)
    operands = [1 / x] if len([o for o, _ in OPERATIONS if o is op]) == 1 else [x + 2, x + 2]
    operands[place] = 1 / x
    integers = (2,) if op is Op.POWER else ()
    tape = compile_tape([Expression(op, tuple(operands), 1, integers=integers)], [x])
    condition = about(tape, ">", Fraction(10**6), Box.symmetric([1]))
    translation = Translation(condition, condition.regions[0])
    (constraint,) = condition.violation
    assert not is_true(translation, [translation.is_defined(constraint)], [Fraction(0)])


@pytest.mark.parametrize("exponent", [2, 3, 4])
@pytest.mark.parametrize("at_x", [0, 3])
def test_powers_of_a_quotient_have_their_own_sign(exponent: int, at_x: int) -> None:
    """1 / (x − 2)ᵖ is negative for odd p only: a comparison is mirrored there, and nowhere else."""
    x = ex.variable("x", 1)
    point = [Fraction(at_x)]
    factor = Expression(Op.DIV, (ex.constant(1), x - 2), 1)
    power = Expression(Op.POWER, (factor,), 1, integers=(exponent,))
    product = factor
    for _ in range(exponent - 1):
        product = Expression(Op.MUL, (product, factor), 1)
    value = 1 / (point[0] - 2) ** exponent
    region = Box.of([(-4, 4)])
    for term in (power, product):
        tape = compile_tape([term], [x])
        for level in (value - 1, value, value + 1):
            for relation, holds in {">": value > level, "<=": value <= level}.items():
                translation = Translation(about(tape, relation, level, region), region)
                assert is_true(translation, translation.negation(), point) is holds


def test_a_step_at_its_jump_is_chosen_anew_for_every_output() -> None:
    x = ex.variable("x", 1)
    unit = ex.apply(Op.STEP, x)
    tape = compile_tape([unit, unit + 1], [x])
    both = (Constraint(0, "at most", Fraction(0)), Constraint(1, "at least", Fraction(2)))
    zero = Box.of([(0, 0)])
    assert isinstance(decide(Condition("c", "", tape, ("g", "h"), both, (zero,)), 10.0), Somewhere)
