"""The translation for dReal's Python interface, evaluated at points against the tape.

The library is not needed: a strict stand-in records the formulas.
"""

from __future__ import annotations

import sys
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.backends.dreal_formulas import statement
from certify.backends.dreal_task import task
from certify.conditions import Condition
from certify.smtlib import variable_names
from systems import expression as ex
from systems.box import Box
from systems.errors import UnsupportedExpression
from systems.expression import Op
from tests.certify import fake_dreal
from tests.certify.fake_dreal import FoldedError, Interval
from tests.certify.graphs import graphs, numbers
from tests.certify.scalar_checks import check_claim, condition_of
from tests.certify.smtlib_reader import Evaluation, Tree, evaluate
from tests.certify.statements import ALL


def translated(condition: Condition, point: list[Fraction]) -> tuple[Evaluation, list[Tree]]:
    script = fake_dreal.script_of(statement(condition, fake_dreal.module()).formula)
    names = variable_names(condition.tape)
    evaluation = evaluate(script, dict(zip(names, point, strict=True)))
    return evaluation, script.assertions


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_formulas_and_tapes_agree_at_points(data: st.DataObject) -> None:
    """And nothing meets that dReal would fold: the stand-in would raise."""
    x, y = data.draw(graphs(2, steps=True))
    point = [data.draw(numbers) for _ in range(2)]
    sense, strict = data.draw(st.sampled_from(["at least", "at most"])), data.draw(st.booleans())
    condition = condition_of([y], x, [(0, sense, data.draw(numbers), strict)])
    evaluation, assertions = translated(condition, point)
    check_claim(condition, evaluation, assertions[-1], point)


@pytest.mark.parametrize("op", sorted(ex.UNARY, key=lambda op: op.value))
@pytest.mark.parametrize("z", ["-3/2", "-1", "0", "1/3", "1", "7"])
def test_every_function_of_a_variable_and_of_a_constant(op: Op, z: str) -> None:
    x = ex.variable("x", 2)
    held = ex.Expression(op, (ex.constant(Fraction(z)),), 1)
    for y in (ex.apply(op, x[0]), held):
        point = [Fraction(z), Fraction(0)]
        condition = condition_of([y], x, [(0, "at least", Fraction(1, 7), False)])
        evaluation, assertions = translated(condition, point)
        check_claim(condition, evaluation, assertions[-1], point)


@pytest.mark.parametrize("s", [s for s in ALL if s.point is not None], ids=lambda s: s.name)
def test_no_known_violation_is_excluded(s: object) -> None:
    point = list(s.point)  # type: ignore[attr-defined]
    try:
        evaluation, _ = translated(s.condition, point)  # type: ignore[attr-defined]
    except UnsupportedExpression:
        return  # says so
    assert False not in evaluation.truths.values()


def test_the_stand_in_refuses_what_dreal_would_fold() -> None:
    one, half = fake_dreal.Expression(1.0), fake_dreal.Expression(0.5)
    with pytest.raises(FoldedError):
        _ = one + half
    with pytest.raises(FoldedError):
        fake_dreal.module().exp(one)
    with pytest.raises(FoldedError):
        _ = fake_dreal.Expression(fake_dreal.Variable("x")) < one


def test_a_number_that_is_no_float_lies_between_floats() -> None:
    x = ex.variable("x", 2)
    condition = condition_of([x[0]], x, [(0, "at least", "3/20", False)])
    script = fake_dreal.script_of(statement(condition, fake_dreal.module()).formula)
    ends = [Fraction(str(t[2])) for t in script.assertions if t[1] == "number!1"]
    assert len(ends) == 2
    assert ends[0] < Fraction(3, 20) < ends[1]
    assert all(Fraction(float(end)) == end for end in ends)


def test_a_region_of_width_zero_that_is_no_float() -> None:
    x = ex.variable("x", 2)
    region = Box.of([("1/5", "1/5"), (0, 1)])
    condition = condition_of([x[1]], x, [(0, "at least", 0, False)], [region])
    inside = translated(condition, [Fraction(1, 5), Fraction(1)])[0]
    assert False not in inside.truths.values()
    outside = translated(condition, [Fraction(0.2), Fraction(1) + Fraction(1, 10**20)])[0]
    assert False in outside.truths.values()


def test_a_constraint_that_fails_outright() -> None:
    x = ex.variable("x", 2)
    condition = condition_of([x[0] * 0 + 1], x, [(0, "at most", 0, False)])
    formula = statement(condition, fake_dreal.module()).formula
    assert formula.tree[-1] == "false"


class TestTask:
    """The child's side, with the stand-in for the library."""

    x = ex.variable("x", 2)
    condition = condition_of([x[0] ** 2 + x[1]], x, [(0, "at least", "30", False)])

    def ask(
        self, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Interval] | None
    ) -> tuple[dict[str, object], fake_dreal.Config]:
        module = fake_dreal.module(answer)
        monkeypatch.setitem(sys.modules, "dreal", module)
        said = task(self.condition, {"delta": 1e-4, "jobs": 2, "seconds": 1.0})
        ((_, config),) = module.asked
        return said, config

    def test_unsat(self, monkeypatch: pytest.MonkeyPatch) -> None:
        said, config = self.ask(monkeypatch, None)
        assert said == {"no_violation": True, "said": "unsat"}
        assert (config.precision, config.number_of_jobs, config.use_polytope) == (1e-4, 2, False)

    def test_a_box(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sides = {"x_1": Interval(1.0, 2.0), "x_2": Interval(-1.0, 0.0), "number!1": Interval(0, 0)}
        said, _ = self.ask(monkeypatch, sides)
        rows = [[1.5, -0.5], [1.0, -1.0], [2.0, 0.0]]
        assert said["points"] == [[v.hex() for v in row] for row in rows]
        assert said["said"] == "delta-sat with delta = 0.0001"

    def test_a_package_that_does_not_load(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "dreal", None)
        said = task(self.condition, {"delta": 1e-4, "jobs": 1, "seconds": 1.0})
        assert "does not load" in str(said["open"])
