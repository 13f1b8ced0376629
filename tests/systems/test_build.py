"""Systems made in Python, from text and from sympy, and how f and g are found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy as sp

from systems import expression as ex
from systems.affine_split import split_affine
from systems.box import Box
from systems.build import system_from_sympy, system_from_text
from systems.differentiate import gradient
from systems.dynamics import UnsafeSet
from systems.errors import InputError
from systems.evaluate import function
from systems.parser import parse_expression

BOX = [[-1, 1], [-1, 1]]
OSCILLATOR = {"x": "v", "v": "-x + u"}


def test_text_and_sympy_make_the_same_system() -> None:
    a, b, u, m = sp.symbols("a b u m")
    third = sp.Rational(1, 3)
    from_sympy = system_from_sympy(
        "plant",
        [a, b],
        [u],
        [b, sp.sin(a) / m - third * b**3 + u * sp.cos(a) / m],
        domain=BOX,
        Q=a**2 + 2 * b**2,
        R=3,
        parameters={m: "0.15"},
        input_limits=[[-2, 2]],
    )
    from_text = system_from_text(
        "plant",
        ["a", "b"],
        "u",
        ["b", "sin(a)/m - b**3/3 + u*cos(a)/m"],
        domain={"a": [-1, 1], "b": [-1, 1]},
        Q="a**2 + 2*b**2",
        R=3,
        parameters={"m": "0.15"},
        input_limits={"u": [-2, 2]},
    )
    points = np.random.default_rng(0).uniform(-1, 1, size=(20, 2))
    values = [
        function([s.drift, *s.input_columns, s.state_cost], s.state)(points)
        for s in (from_sympy, from_text)
    ]
    for left, right in zip(*values, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-13, atol=1e-15)
    assert from_sympy.input_limits == from_text.input_limits
    assert from_sympy.parameters == from_text.parameters == {"m": Fraction(3, 20)}
    assert from_sympy.input_cost == from_text.input_cost


def test_functions_of_time_as_states() -> None:
    from sympy.physics.mechanics import dynamicsymbols

    theta, omega = dynamicsymbols("theta omega")
    u = sp.Symbol("u")
    system = system_from_sympy("p", [theta, omega], [u], [omega, sp.sin(theta) + u], domain=BOX)
    assert system.state_names == ("theta", "omega")


def test_a_float_is_its_bits_and_text_is_exact() -> None:
    for value, expected in [(0.15, Fraction(0.15)), ("0.15", Fraction(3, 20))]:
        system = system_from_text(
            "p", ["x"], [], {"x": "-k*x"}, domain=[[-1, 1]], parameters={"k": value}
        )
        assert system.parameters["k"] == expected


def test_an_equilibrium_away_from_zero() -> None:
    system = system_from_text(
        "tank",
        {"h": "m"},
        {"q": "m^3/s"},
        {"h": "q - sqrt(h)/10"},
        domain=[[1, 9]],
        Q="(h - 4)**2",
        equilibrium={"h": 4, "q": "1/5"},
    )
    assert system.equilibrium == (4,) and system.equilibrium_input == (Fraction(1, 5),)


@pytest.mark.parametrize(
    "formula",
    [
        "sin(a)*u + b*w - 3",
        "(a + u)*(b + 2)/(1 + a**2) - 4*w",
        "-(u - w)/2 - (-u)",
        "a*b",
        "u",
        "2*(a + 3*(b - w*cos(a))) - u/(2 + b)",
        "0*u + a",
    ],
)
def test_the_split_agrees_with_the_derivative(formula: str) -> None:
    x, u = ex.variable("x", 2), ex.variable("u", 2)
    names = {"a": x[0], "b": x[1], "u": u[0], "w": u[1]}
    whole = parse_expression(formula, names, where="here")
    drift, columns = split_affine(whole, u)
    assert u not in ex.variables(drift)
    assert all(u not in ex.variables(c) for c in columns.values())
    effects = ex.stack([columns.get(j, ex.constant(0)) for j in range(2)])
    rebuilt = drift + ex.dot(effects, u)
    points = np.random.default_rng(0).normal(size=(20, 4))
    values = function([whole, rebuilt, gradient(whole, u), effects], x, u)(points)
    np.testing.assert_allclose(values[0], values[1], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(values[2], values[3], rtol=1e-12, atol=1e-12)


def test_drift_keeps_no_trace_of_the_inputs() -> None:
    """(u + a)/(1 + b²) leaves a/(1 + b²), and u/(1 + b²) leaves plain 0, not 0/(1 + b²)."""
    x, u = ex.variable("x", 2), ex.variable("u", 1)
    names = {"a": x[0], "b": x[1], "u": u}
    drift, _ = split_affine(parse_expression("u/(1 + b**2)", names, where="here"), u)
    assert ex.rational_values(drift) == [0]


def _oscillator(**changes: object) -> Callable[[], object]:
    arguments: dict[str, object] = {"domain": BOX, **changes}
    equations = arguments.pop("equations", OSCILLATOR)
    states = arguments.pop("states", ["x", "v"])
    inputs = arguments.pop("inputs", ["u"])
    return lambda: system_from_text("osc", states, inputs, equations, **arguments)  # type: ignore[arg-type]


WRONG = {
    "equation count": (
        _oscillator(equations=["v"]),
        "osc: equations: 2 entries are wanted, 1 given",
    ),
    "domain count": (_oscillator(domain=[[-1, 1]]), "osc: domain: 2 entries are wanted, 1 given"),
    "equation of nobody": (
        _oscillator(equations={**OSCILLATOR, "w": "x"}),
        "osc: dynamics w: there is no state 'w' (known: x, v)",
    ),
    "equal names": (_oscillator(states=["x", "x"]), "two of the names x, x are equal"),
    "name twice": (_oscillator(inputs=["x"]), "osc: inputs x: 'x' is already one of the states"),
    "nan": (
        _oscillator(parameters={"k": float("nan")}),
        "osc: parameters k: nan is not a finite number",
    ),
    "nobody's number": (
        _oscillator(parameters={"k": None}),
        "osc: parameters k: a sympy expression is wanted",
    ),
    "domain text": (
        _oscillator(domain=["ab", "cd"]),
        "osc: domain x: give two ends, [lower, upper]",
    ),
    "domain outside": (
        _oscillator(domain=[[1, 2], [-1, 1]]),
        "the equilibrium 0 is not inside [1, 2]",
    ),
    "no equilibrium": (
        _oscillator(equilibrium={"x": "1/2"}),
        "osc: equilibrium: not an equilibrium: f(x*, u*) = (0, -0.5) at x* = (0.5, 0), u* = (0)",
    ),
    "kinked cost": (
        _oscillator(Q="abs(x) + abs(v) - 3*x**2"),
        "it must be positive in the whole domain except at the equilibrium",
    ),
    "cost undefined": (_oscillator(Q="x**2/v"), "osc: cost Q: Q is not defined at the equilibrium"),
    "cost along a diagonal": (_oscillator(Q="(x - v)**4"), "Q = 0 at x = "),
    "r not symmetric": (
        _oscillator(inputs=["u", "w"], R=[[1, 1], [0, 1]]),
        "osc: cost R: R is not symmetric; make R[i][j] equal to R[j][i]",
    ),
    "r indefinite": (
        _oscillator(inputs=["u", "w"], R=[[1, 2], [2, 1]]),
        "osc: cost R: R is not positive definite; every input needs a positive cost",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_told_in_one_line(case: str) -> None:
    build, message = WRONG[case]
    with pytest.raises(InputError) as caught:
        build()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_symbols_of_one_name() -> None:
    with pytest.raises(InputError, match="two of the symbols have the same name"):
        system_from_sympy(
            "p",
            [sp.Symbol("a"), sp.Symbol("a", real=True)],
            [],
            [sp.Integer(0), sp.Integer(0)],
            domain=BOX,
        )


def test_costs_that_are_positive_without_being_quadratic_are_fine() -> None:
    for Q in ("abs(x) + abs(v)", "x**4 + v**2", "1 - cos(x) + v**2", "x**2*(1 + v**2) + v**2"):
        assert _oscillator(Q=Q)() is not None


def test_text_and_sympy_give_the_same_disturbed_system() -> None:
    x, v, u, w, h = sp.symbols("x v u w h")
    more: dict[str, Any] = {
        "domain": [[-1, 1], [-1, 1]],
        "time": "discrete",
        "disturbance_range": [["-1/2", "1/2"]],
        "unsafe": {"wall": "x >= 0.75", "corner": ["x >= 0.5", "v <= -h"]},
    }
    written = system_from_text(
        "cart", ["x", "v"], ["u"], ["x + h*v", "v + h*(u + w**2*v)"],
        parameters={"h": "0.1"}, disturbances=["w"], **more,
    )  # fmt: skip
    symbolic = system_from_sympy(
        "cart", [x, v], [u], [x + h * v, v + h * (u + w**2 * v)],
        parameters={h: "0.1"}, disturbances=[w], **more,
    )  # fmt: skip
    points = np.random.default_rng(0).uniform(-0.5, 0.5, size=(20, 3))
    for system in (written, symbolic):
        assert system.time == "discrete" and system.disturbance_names == ("w",)
        assert system.disturbance_range == Box.of([["-1/2", "1/2"]])
        assert [len(s.constraints) for s in system.unsafe] == [1, 2]
        f, g = function([system.drift, *system.input_columns], *system.variables)(points)
        p, q, r = points.T
        np.testing.assert_allclose(f, np.stack([p + 0.1 * q, q + 0.1 * r**2 * q], 1), rtol=1e-13)
        np.testing.assert_allclose(g, [[0, 0.1]] * 20, rtol=1e-15)


def test_a_range_of_another_length_is_told() -> None:
    with pytest.raises(InputError, match="disturbance_range: 1 entries are wanted, 2 given"):
        system_from_text(
            "p", ["x"], [], {"x": "w - x"}, domain=[[-1, 1]],
            disturbances=["w"], disturbance_range=[[-1, 1], [-1, 1]],
        )  # fmt: skip


@pytest.mark.parametrize("twin", ["\uff58", "\u00b5"])
def test_a_name_that_formulas_spell_otherwise_is_refused(twin: str) -> None:
    """Python reads a fullwidth x as x: the second equation would be about the first state."""
    with pytest.raises(InputError, match=f"formulas read '{twin}' as"):
        system_from_text("plant", ["x", twin], [], {"x": "-x", twin: f"-2*{twin}"}, domain=BOX)


def test_unsafe_sets_whose_names_a_certificate_cannot_tell_apart() -> None:
    plant = system_from_text("plant", ["x"], [], {"x": "-x"}, domain=[[-1, 1]])
    walls = tuple(UnsafeSet(n, (plant.state - end,)) for n, end in (("a b", 1), ("a  b", 2)))
    with pytest.raises(ValueError, match="two unsafe sets have the same name"):
        replace(plant, unsafe=walls)
