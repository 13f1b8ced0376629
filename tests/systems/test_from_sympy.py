"""sympy trees become expressions with the same values."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy.physics.mechanics import dynamicsymbols

from systems import expression as ex
from systems.errors import InputError
from systems.evaluate import function
from systems.formulas import constant_value
from systems.from_sympy import from_sympy

A, B = sp.symbols("a b", real=True)
STATE = ex.variable("x", 2)
SYMBOLS = {A: STATE[0], B: STATE[1]}


def trees() -> st.SearchStrategy[sp.Expr]:
    numbers = st.sampled_from([sp.Integer(2), sp.Rational(-3, 7), sp.Float(0.15), sp.pi])
    leaves = st.sampled_from([A, B]) | numbers

    def grow(inner: st.SearchStrategy[sp.Expr]) -> st.SearchStrategy[sp.Expr]:
        return st.one_of(
            st.builds(lambda p, q: p + q, inner, inner),
            st.builds(lambda p, q: p - q, inner, inner),
            st.builds(lambda p, q: p * q, inner, inner),
            st.builds(lambda p, q: p / (2 + sp.sin(q)), inner, inner),
            st.builds(lambda f, p: f(p), st.sampled_from([sp.sin, sp.cos, sp.tanh]), inner),
            st.builds(
                lambda f, p: f(p), st.sampled_from([sp.Abs, lambda z: sp.exp(-(z**2))]), inner
            ),
            st.builds(lambda f, p, q: f(p, q), st.sampled_from([sp.Max, sp.Min]), inner, inner),
            st.builds(lambda p: (1 + p**2) ** sp.Rational(-3, 2), inner),
        )

    return st.recursive(leaves, grow, max_leaves=5)


@settings(max_examples=60, deadline=None)
@given(trees(), st.lists(st.floats(-1.5, 1.5), min_size=2, max_size=2))
def test_values_agree_with_lambdify(tree: sp.Expr, point: list[float]) -> None:
    expected = sp.lambdify([A, B], tree, "math")(*point)
    got = function(from_sympy(tree, SYMBOLS), STATE)(np.array([point]))[0][0, 0]
    assert got == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (sp.Float(0.15), Fraction(0.15)),
        (sp.Float(-2.5e-300), Fraction(-2.5e-300)),
        (sp.Rational(3, 20), Fraction(3, 20)),
        (sp.Integer(-4), Fraction(-4)),
        (sp.Float(0), Fraction(0)),
        (0.25, Fraction(1, 4)),
        (7, Fraction(7)),
    ],
)
def test_numbers_are_exact(number: object, value: Fraction) -> None:
    assert constant_value(from_sympy(number, {})) == value


def test_a_quotient_stays_one_quotient() -> None:
    node = from_sympy(A / (1 + B**2), SYMBOLS)
    assert node.op is ex.Op.DIV
    assert node.args[0] is SYMBOLS[A]


def test_relu_heaviside_and_e() -> None:
    assert from_sympy(sp.Max(0, A), SYMBOLS).op is ex.Op.RELU
    assert from_sympy(sp.Heaviside(A), SYMBOLS).op is ex.Op.STEP
    assert from_sympy(sp.Heaviside(A, 1), SYMBOLS).op is ex.Op.STEP
    value = function(from_sympy(sp.E * A, SYMBOLS), STATE)(np.array([[2.0, 0.0]]))[0]
    assert value[0, 0] == pytest.approx(2 * np.e)


def test_functions_of_time_may_be_states() -> None:
    theta = dynamicsymbols("theta")
    node = from_sympy(sp.sin(theta), {theta: STATE[0]})
    assert node.op is ex.Op.SIN and node.args[0].op is ex.Op.SLICE


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (sp.Piecewise((A, A > 0), (0, True)), "Piecewise is not supported; write it with Max"),
        (sp.Symbol("alpha") + A, "unknown symbol alpha (known: a, b)"),
        (sp.sign(A), "a sign is not continuous"),
        (sp.sinh(A), "sinh is not supported; rewrite it with"),
        (A**B, "the exponent must be a number"),
        (A ** sp.Rational(1, 3), "write exp(p*log(x))"),
        (A**100, "the exponent 100 is beyond ±64"),
        (sp.I * A, "not a real number"),
        (sp.oo, "not a real number"),
        (sp.nan, "not a real number"),
        (sp.zoo, "not a real number"),
        (sp.Float("1e400"), "beyond the range of float64"),
        (sp.Integer(10) ** 400, "beyond the range of float64"),
        (sp.Derivative(sp.Function("f")(A), A), "Derivative is not supported"),
        (sp.Function("f")(A), "f is not supported"),
        (sp.Matrix([A]), "a sympy expression is wanted"),
        ("a + b", "a sympy expression is wanted, not str"),
    ],
)
def test_what_has_no_place_is_named(tree: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        from_sympy(tree, SYMBOLS)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_package_does_not_import_sympy() -> None:
    code = "import sys, systems; systems.zoo.pendulum(); sys.exit('sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
