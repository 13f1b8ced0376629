"""Formulas as text: exact values, and one clear line for everything that is refused."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from systems import expression as ex
from systems.errors import InputError
from systems.evaluate import function
from systems.formulas import FUNCTIONS, constant_value
from systems.parser import parse_comparison, parse_expression
from tests.systems.strategies import FLOAT_FUNCTIONS, NAMES, Tree, rational_trees, smooth_trees

STATE = ex.variable("x", 3)
VARIABLES = {name: STATE[i] for i, name in enumerate(NAMES)}
CONSTANTS = {name: ex.constant(value) for name, value in NAMES.items()}


def value_of(text: str) -> Fraction | None:
    return constant_value(parse_expression(text, CONSTANTS, where="here"))


@settings(max_examples=300)
@given(rational_trees())
def test_rational_formulas_have_their_exact_value(tree: Tree) -> None:
    text = tree.render()
    try:
        expected = tree.exact()
    except ZeroDivisionError:
        with pytest.raises(InputError, match=r"^here, column \d+: division by zero$"):
            value_of(text)
        return
    try:
        assert value_of(text) == expected
    except InputError as error:
        # Only sheer size may stand between a formula and its value.
        assert "too many digits" in str(error) or "too large" in str(error)
        assert max(expected.numerator.bit_length(), expected.denominator.bit_length()) > 100


@settings(max_examples=150)
@given(
    smooth_trees(functions=tuple(f for f in FLOAT_FUNCTIONS if f not in ("min", "max", "exp"))),
    st.lists(st.floats(-2, 2), min_size=3, max_size=3),
)
def test_formulas_of_variables_evaluate_like_the_standard_library(
    tree: Tree, point: list[float]
) -> None:
    node = parse_expression(tree.render(), VARIABLES, where="here")
    expected = tree.number(dict(zip(NAMES, point, strict=True)))
    got = function(node, STATE)(np.array([point]))[0][0, 0]
    assert got == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", sorted(FLOAT_FUNCTIONS))
def test_every_function_means_what_it_says(name: str) -> None:
    usage = f"{name}(x, y)" if name in ("min", "max") else f"{name}(x)"
    node = parse_expression(usage, VARIABLES, where="here")
    for x, y in [(0.3, -1.2), (-0.7, 0.4), (2.0, 2.5)]:
        arguments = (x, y) if "," in usage else (x,)
        got = function(node, STATE)(np.array([[x, y, 0.0]]))[0][0, 0]
        assert got == pytest.approx(FLOAT_FUNCTIONS[name](*arguments), rel=1e-14)


def test_functions_with_a_smaller_domain() -> None:
    for text, expected in [("sqrt(x)", 0.5), ("log(x)", np.log(0.25)), ("tan(x)", np.tan(0.25))]:
        node = parse_expression(text, VARIABLES, where="here")
        assert function(node, STATE)(np.array([[0.25, 0, 0]]))[0][0, 0] == pytest.approx(expected)
    clip = parse_expression("clip(x, -1, 1/2)", VARIABLES, where="here")
    points = np.array([[-3.0, 0, 0], [0.2, 0, 0], [0.7, 0, 0]])
    assert function(clip, STATE)(points)[0][:, 0].tolist() == [-1.0, 0.2, 0.5]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.15", Fraction(3, 20)),
        ("1e-3", Fraction(1, 1000)),
        ("2.50E2", Fraction(250)),
        (".5", Fraction(1, 2)),
        ("3.", Fraction(3)),
        ("1_000", Fraction(1000)),
        ("007e0", Fraction(7)),
        ("-2**2", Fraction(-4)),
        ("2**-1", Fraction(1, 2)),
        ("2**3**2", Fraction(512)),
        ("8 - 3 - 2", Fraction(3)),
        ("8/4/2", Fraction(1)),
        ("-8/4*2", Fraction(-4)),
        ("+-+3", Fraction(-3)),
        ("(9/4)**0.5", Fraction(3, 2)),
        ("4**1.5", Fraction(8)),
        ("4**(-1/2)", Fraction(1, 2)),
        ("min(3, 1, 2) + max(3, 1, 2)", Fraction(4)),
        ("relu(-2) + abs(-3) + sin(0) + exp(0)", Fraction(4)),
        (" 1 +\n 2\t+ 3 ", Fraction(6)),
        ("0." + "1" * 300, Fraction(int("1" * 300), 10**300)),
    ],
)
def test_exact_values(text: str, value: Fraction) -> None:
    assert value_of(text) == value


def test_pi_and_half_powers_stay_symbolic() -> None:
    assert parse_expression("pi", {}, where="here").op is ex.Op.PI
    assert parse_expression("x**0.5", VARIABLES, where="here").op is ex.Op.SQRT


def test_names_shadow_nothing_and_may_be_greek() -> None:
    theta = ex.variable("theta", 1)
    assert parse_expression("θ", {"θ": theta}, where="here") is theta


def test_a_long_sum_is_no_problem() -> None:
    assert value_of(" + ".join(["1"] * 2000)) == 2000


REFUSED = [
    ("x y sin(x)", 3, "a * is missing between 'x' and 'y'"),
    ("2 x", 3, "a * is missing between '2' and 'x'"),
    ("(x + 1) (y) z", 9, "a * is missing between ')' and '('"),
    ("1 + sin x", 5, "a function's argument stands in parentheses: sin(x)"),
    ("x^2", 2, "'^' is not a power here; write ** (x**2)"),
    ("1 + z", 5, "unknown name 'z' (known: x, y, mass_2)"),
    ("2*mas_2", 3, "unknown name 'mas_2' (did you mean 'mass_2'?)"),
    ("y + sn(x)", 5, "unknown function 'sn' (did you mean 'sin'?)"),
    ("np.sin(x)", 1, "write sin(…), without anything before it"),
    ("x.real", 1, "a dot has no meaning here"),
    ("x < 2", 1, "comparisons are not allowed; write min, max, abs, clip or relu"),
    ("x if y else 2", 1, "'if' is not allowed"),
    ("x or y", 1, "'and' and 'or' are not allowed"),
    ("x % 2", 2, "'%' is not allowed"),
    ("x // 2", 2, "'//' is not allowed; write / for a quotient"),
    ("x @ y", 2, "'@' is not allowed"),
    ("x[0]", 1, "give every component its own name"),
    ("[x]", 1, "a list is not allowed"),
    ("1,5", 1, "write decimals with a point, 0.15"),
    ("lambda: 1", 1, "'lambda' is not allowed"),
    ("(lambda: 1)()", 1, "only named functions can be called"),
    ("{x: 1}", 1, "only numbers, names, + - * / ** and functions are"),
    ("~x", 1, "only numbers, names, + - * / ** and functions are"),
    ("f'{x}'", 2, "quotation marks have no meaning"),
    ("x'", 2, "name a derivative x_dot, not x'"),
    ("__import__(os)", 1, "unknown function '__import__'"),
    ("(1).__class__", 1, "a dot has no meaning here"),
    ("2x", 1, "a number runs into a name; write 2*x, not 2x"),
    ("2(x)", 1, "only named functions can be called; to multiply, write *"),
    ("x(2)", 1, "'x' is a quantity, not a function; to multiply, write x*(…)"),
    ("pi()", 1, "'pi' is a quantity"),
    ("sin", 1, "sin is a function and is used as sin(z)"),
    ("sin(x, y)", 1, "sin is used as sin(z)"),
    ("min(x)", 1, "min is used as min(a, b)"),
    ("clip(x, 1)", 1, "clip is used as clip(z, low, high)"),
    ("sin(*x)", 1, "sin is used as sin(z)"),
    ("sin(z=x)", 1, "sin is used as sin(z)"),
    ("x = 2", 3, "'=' has no place in a formula; give only the right-hand side"),
    ("|x|", 1, "write abs(x) for an absolute value"),
    ("x | y", 2, "write abs(x) for an absolute value"),
    ("x # note", 3, "put comments on a line of their own"),
    ("x \\ y", 3, "a backslash has no meaning"),
    ("x \0 y", 3, "the formula contains a null character"),
    ("", 1, "the formula is empty; write 0 for zero"),
    ("   ", None, "the formula is empty; write 0 for zero"),
    ("x +", None, "not a formula"),
    ("(x", 1, "not a formula"),
    ("True", 1, "True is not a real number"),
    ("None", 1, "None is not a real number"),
    ("...", 1, "is not a real number"),
    ("2j", 1, "2j is not a real number"),
    ("0x10", 1, "write the number 0x10 in decimals"),
    ("1/0", 1, "division by zero"),
    ("x/(1 - 1)", 1, "division by zero"),
    ("0**-1", 1, "division by zero"),
    ("x**y", 4, "write exp(b*log(a))"),
    ("x**0.3", 1, "write exp(p*log(x)) for a real power p"),
    ("x**65", 1, "the exponent 65 is beyond ±64"),
    ("x**10**12", 1, "is beyond ±64"),
    ("2**64**3", 1, "is beyond ±64"),
    ("((2**-64)**64)**64", None, "too large to write out"),
    ("1e999999", 1, "the number 1e999999 is beyond 1e±300"),
    ("1e-99999999999999999999", 1, "is not a number of ordinary size"),
    ("1e200*1e200", 1, "beyond the range of float64"),
    ("1" * 500, 1, "has more than 400 digits"),
    ("1" * 5000, 1, "too many digits"),
    ("(" * 5000 + "x" + ")" * 5000, 10001, "longer than 10000 characters"),
    ("(" * 500 + "x" + ")" * 500, None, "nested too deeply; split it up"),
    ("-" * 9000 + "x", 1, "nested too deeply; split it up"),
    ("x**" * 3000 + "x", 1, "nested too deeply; split it up"),
    ("+".join("x" * 4900), 1, "nested too deeply; split it up"),
    ("θ + 1", 1, "unknown name 'θ'"),
    ("'é' + x", 1, "quotation marks"),
    ("\ud800", 1, "cannot be read"),
]


@pytest.mark.parametrize(("text", "column", "message"), REFUSED, ids=lambda v: repr(v)[:24])
def test_everything_else_is_refused_in_one_line(
    text: str, column: int | None, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        parse_expression(text, VARIABLES, where="file.toml:3: [dynamics] x_dot")
    told = str(caught.value)
    assert told.startswith("file.toml:3: [dynamics] x_dot, column ")
    assert message in told
    assert "\n" not in told and len(told) < 300
    if column is not None:
        assert f", column {column}: " in told


def test_columns_count_characters_not_bytes() -> None:
    with pytest.raises(InputError, match="column 5: "):
        parse_expression("θ + z", {"θ": ex.constant(1)}, where="here")


@settings(max_examples=200)
@given(st.text(max_size=30))
def test_any_text_is_a_formula_or_an_input_error(text: str) -> None:
    try:
        node = parse_expression(text, VARIABLES, where="here")
    except InputError as error:
        assert str(error).startswith("here, ") and "\n" not in str(error)
    else:
        assert node.size == 1


@settings(max_examples=200)
@given(st.lists(st.sampled_from([*FUNCTIONS, *"()+-*/.,^ x", "**", "1", "0.5", "pi"]), max_size=12))
def test_any_sequence_of_tokens_is_a_formula_or_an_input_error(tokens: list[str]) -> None:
    try:
        assert parse_expression("".join(tokens), VARIABLES, where="here").size == 1
    except InputError as error:
        assert "\n" not in str(error)


@settings(max_examples=100)
@given(rational_trees(), rational_trees(), st.sampled_from([">=", "<="]))
def test_a_comparison_is_the_difference_of_its_sides(left: Tree, right: Tree, sign: str) -> None:
    try:
        a, b = value_of(left.render()), value_of(right.render())
        text = f"{left.render()} {sign}\n {right.render()}"
        difference = constant_value(parse_comparison(text, CONSTANTS, where="here"))
    except InputError:
        return  # a division by 0, or constants too long to carry
    assert a is not None and b is not None
    assert difference == (a - b if sign == ">=" else b - a)


REFUSED_COMPARISONS = {
    "x": (1, "a comparison is wanted, such as x1 >= 3/2"),
    "(x >= 1) + 2": (1, "a comparison is wanted"),
    "x >= 1 if y else 2": (1, "a comparison is wanted"),
    "not x >= 1": (1, "a comparison is wanted"),
    "x > 1": (1, "write >= or <=; the boundary belongs to the set"),
    "x == 1": (1, "only >= and <= compare here"),
    "x in y": (1, "only >= and <= compare here"),
    "0 <= x <= 1": (6, "write each comparison as a text of its own"),
    "x >= 1 or y >= 1": (11, "write each comparison as a text of its own"),
    "x = 1": (3, "write >= or <=, as in x1 >= 3/2"),
    "x => 1": (3, "write >= or <=, as in x1 >= 3/2"),
    "x =< 1": (3, "write >= or <=, as in x1 >= 3/2"),
    "x := 1": (4, "write >= or <=, as in x1 >= 3/2"),
    "x ≥ 1": (3, "write >= for ≥"),
    "x ≤ 1": (3, "write <= for ≤"),
    "x >= 2y": (6, "a number runs into a name"),
    "x >= ": (None, "not a formula"),
    ">= 1": (1, "not a formula"),
    "x >= q": (6, "unknown name 'q'"),
    "x >= (y >= 1)": (7, "comparisons are not allowed"),
    "x >= 1/0": (6, "division by zero"),
    "": (1, "the formula is empty"),
}


@pytest.mark.parametrize("text", REFUSED_COMPARISONS)
def test_what_is_no_comparison_is_told_in_one_line(text: str) -> None:
    column, message = REFUSED_COMPARISONS[text]
    with pytest.raises(InputError) as caught:
        parse_comparison(text, VARIABLES, where="plant.toml:7: [unsafe] wall")
    told = str(caught.value)
    assert told.startswith("plant.toml:7: [unsafe] wall, column ")
    assert message in told and "\n" not in told
    if column is not None:
        assert f", column {column}: " in told


@settings(max_examples=200)
@given(st.lists(st.sampled_from([*"()+-*/.,=<> x", ">=", "<=", "y", "1", " and "]), max_size=12))
def test_any_tokens_are_a_comparison_or_an_input_error(tokens: list[str]) -> None:
    try:
        assert parse_comparison("".join(tokens), VARIABLES, where="here").size == 1
    except InputError as error:
        assert str(error).startswith("here, ") and "\n" not in str(error)
