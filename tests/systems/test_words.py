"""Formulas as text: what is written is read back with the same value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from systems import expression as ex
from systems import zoo
from systems.dynamics import ControlAffineSystem
from systems.evaluate import function
from systems.expression import Expression
from systems.parser import parse_comparison, parse_expression
from systems.words import (
    TooLongError,
    costs,
    disturbance_names,
    equations,
    formula,
    input_names,
    state_names,
    unsafe_sets,
)
from tests.systems import strategies as trees

POINTS = np.random.default_rng(0).uniform(-1.0, 1.0, size=(50, 3))


def same(read: Expression, meant: Expression, x: Expression, points: np.ndarray) -> None:
    a, b = (function(e, x)(points)[0] for e in (read, meant))
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * max(1.0, np.nanmax(np.abs(b))))


def named(system: ControlAffineSystem) -> tuple[list[str], list[str]]:
    return state_names(system), input_names(system)


@pytest.mark.parametrize("name", zoo.names())
def test_the_zoo_is_written_and_read_back(name: str) -> None:
    system = zoo.system(name)
    n, m, p = system.state_dimension, system.input_dimension, system.disturbance_dimension
    states, inputs = named(system)
    z = ex.variable("z", n + m + p)
    names = {s: z[i] for i, s in enumerate([*states, *inputs, *disturbance_names(system)])}
    here = {system.state: ex.select(z, range(n))}
    if system.disturbance is not None:
        here[system.disturbance] = ex.select(z, range(n + m, n + m + p))
    control = ex.select(z, range(n, n + m)) if m else None
    whole = ex.substitute(system.drift, here)
    for j, column in enumerate(system.input_columns):
        assert control is not None
        whole = whole + ex.substitute(column, here) * control[j]
    points = np.random.default_rng(1).uniform(-1.0, 1.0, size=(20, n + m + p))
    points[:, :n] = system.domain.sample(20, np.random.default_rng(2))
    for i, row in enumerate(equations(system, states, inputs)):
        same(parse_expression(row, names, where="row"), whole[i], z, points)
    Q, _ = costs(system, states, inputs)
    same(parse_expression(Q, names, where="Q"), ex.substitute(system.state_cost, here), z, points)
    told = unsafe_sets(system, states)
    for unsafe in system.unsafe:
        for text, constraint in zip(told[unsafe.name], unsafe.constraints, strict=True):
            meant = ex.substitute(constraint, here)
            same(parse_comparison(text, names, where="unsafe"), meant, z, points)


@settings(max_examples=150, deadline=None)
@given(trees.smooth_trees(functions=("sin", "exp", "relu", "abs", "softplus")))
def test_any_formula_is_read_back(tree: trees.Tree) -> None:
    x = ex.variable("x", 3)
    names = dict(zip(trees.NAMES, x, strict=True))
    meant = parse_expression(tree.render(), names, where="tree")
    values = function(meant, x)(POINTS)[0]
    text = formula(meant, {"x": list(trees.NAMES)})
    good = np.isfinite(values[:, 0]) & (np.abs(values[:, 0]) < 1e12)
    same(parse_expression(text, names, where="text"), meant, x, POINTS[good])


@settings(max_examples=150, deadline=None)
@given(trees.rational_trees())
def test_any_rational_formula_is_read_back_exactly(tree: trees.Tree) -> None:
    x = ex.variable("x", 3)
    try:
        tree.exact()
        meant = parse_expression(
            tree.render(), dict(zip(trees.NAMES, x, strict=True)), where="tree"
        )
        text = formula(meant, {"x": list(trees.NAMES)})
    except (ZeroDivisionError, ValueError):
        return  # a constant divisor of 0, or constants too long to carry
    values = {k: ex.constant(v) for k, v in trees.NAMES.items()}
    there = parse_expression(text, values, where="text")
    assert ex.rational_values(there) == [tree.exact()], text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("x - (y - 2)", "x - y + 2"),
        ("-(x + y)*3", "-3*(x + y)"),
        ("x/(y*2)", "0.5*x/y"),
        ("x/3", "x/3"),
        ("2/(3*x)", "2/(3*x)"),
        ("(x/y)**2", "(x/y)**2"),
        ("(x**2)**3", "(x**2)**3"),
        ("-x**2", "-x**2"),
        ("(-x)**2", "(-x)**2"),
        ("abs(x - y)", "abs(x - y)"),
        ("sin(-x)*-y", "-sin(-x)*y"),
        ("min(x, max(y, -1))", "min(x, max(y, -1))"),
        ("x/(y/2)", "2*x/y"),
        ("9.81/0.5*sin(x)", "19.62*sin(x)"),
        ("x*pi - 0", "x*pi"),
    ],
)
def test_formulas_look_as_one_writes_them(text: str, written: str) -> None:
    v = ex.variable("v", 2)
    read = parse_expression(text, {"x": v[0], "y": v[1]}, where="test")
    assert formula(read, {"v": ["x", "y"]}) == written


def test_vectors_are_written_out() -> None:
    v = ex.variable("v", 2)
    rows = ex.affine([["0.5", "-1"], ["0", "1/3"]], ex.sin(v), ["0", "-2"])
    names = {"v": ["x", "y"]}
    assert formula(rows[0], names) == "0.5*sin(x) - sin(y)"
    assert formula(rows[1], names) == "sin(y)/3 - 2"
    with pytest.raises(ValueError, match="scalar"):
        formula(rows, names)


def test_a_formula_that_doubles_and_doubles_is_refused_early() -> None:
    node = ex.variable("v", 1)
    for _ in range(200):
        node = ex.sin(node) * node
    with pytest.raises(TooLongError):
        formula(node, {"v": ["x"]})


def test_costs_are_about_the_equilibrium() -> None:
    system = zoo.pendulum()
    Q, R = costs(system, *named(system))
    assert Q and R.endswith("**2")
