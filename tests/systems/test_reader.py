"""System files: what a right one becomes, and the one line that each wrong one gets."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.evaluate import function
from systems.reader import read_system

GOOD = """\
# an inverted pendulum, driven by a motor
[system]
name = "motor-pendulum"
description = "a test"

[states]
theta = "rad"
omega = "rad/s"

[inputs]
u = "V"

[parameters]
m = { value = 0.15, unit = "kg" }
l = 0.5
g = 9.81
k = "m*l**2"

[dynamics]
theta_dot = "omega"
omega_dot = \"\"\"
    g/l*sin(theta)
  + u/k\"\"\"

[domain]
theta = ["-1/2", 0.5]
omega = [-3, 3]

[cost]
Q = [10, 0.1]
R = 2

[input_limits]
u = [-6, 6]
"""


def read(folder: Path, text: str) -> ControlAffineSystem:
    file = folder / "plant.toml"
    file.write_text(text, encoding="utf-8")
    return read_system(file)


def test_a_file_becomes_the_system_it_describes(tmp_path: Path) -> None:
    system = read(tmp_path, GOOD)
    assert system.name == "motor-pendulum"
    assert system.state_names == ("theta", "omega") and system.input_names == ("u",)
    assert system.state_units == ("rad", "rad/s") and system.input_units == ("V",)
    assert system.parameter_units == {"m": "kg"}
    assert system.parameters["m"] == Fraction(3, 20)
    assert system.parameters["k"] == Fraction(3, 80)
    assert system.domain.lower == (Fraction(-1, 2), Fraction(-3))
    assert system.domain.upper == (Fraction(1, 2), Fraction(3))
    assert system.input_cost == ((Fraction(2),),)
    assert system.input_limits is not None and system.input_limits.upper == (Fraction(6),)
    points = np.array([[0.3, -1.0], [-0.2, 2.0]])
    f, g, Q = function([system.drift, *system.input_columns, system.state_cost], system.state)(
        points
    )
    np.testing.assert_allclose(
        f, np.stack([points[:, 1], 9.81 / 0.5 * np.sin(points[:, 0])], axis=1), rtol=1e-14
    )
    np.testing.assert_allclose(g, [[0, 80 / 3]] * 2, rtol=1e-14)
    np.testing.assert_allclose(Q[:, 0], 10 * points[:, 0] ** 2 + 0.1 * points[:, 1] ** 2)


def test_names_without_units_and_matrices(tmp_path: Path) -> None:
    text = """
states = ["x1", "x2"]
inputs = ["u1", "u2"]
system.name = "two"
[dynamics]
x1_dot = "x2 + u1"
x2_dot = "-x1 + 2*u1 - u2"
[domain]
x1 = [-1, 1]
x2 = [-1, 1]
[cost]
Q = [[2, 1], [1, 2]]
R = [[1, "1/2"], [0.5, 1]]
"""
    system = read(tmp_path, text)
    assert system.input_cost == ((1, Fraction(1, 2)), (Fraction(1, 2), 1))
    Q = function(system.state_cost, system.state)(np.array([[1.0, 3.0]]))[0]
    assert Q[0, 0] == 2 + 18 + 6


def test_an_uncontrolled_system_needs_no_inputs_and_no_r(tmp_path: Path) -> None:
    text = GOOD.replace('[inputs]\nu = "V"\n', "").replace("  + u/k", "  - omega")
    text = text.replace("R = 2\n", "").replace("[input_limits]\nu = [-6, 6]\n", "")
    assert read(tmp_path, text).input_dimension == 0


def test_an_irrational_input_is_measured_from_the_equilibrium(tmp_path: Path) -> None:
    """2 = i² has no rational solution; a derived parameter is exact all the same."""
    text = """
[system]
name = "root"
[states]
d = ""
[inputs]
u = ""
[parameters]
i0 = "sqrt(2)"
[dynamics]
d_dot = "2 - (i0 + d)**2 + u"
[domain]
d = [-1, 1]
[cost]
Q = 1
R = 1
"""
    system = read(tmp_path, text)
    assert "i0" not in system.parameters  # it is no rational


# (what to replace, by what, the message after "plant.toml")
WRONG = {
    "unknown table": (
        "[cost]",
        "[costs]",
        ":29: [costs]: unknown table 'costs' (did you mean 'cost'?)",
    ),
    "unknown key": ("R = 2", "r = 2", ":31: [cost] r: unknown key 'r' (did you mean 'R'?)"),
    "unknown key of system": (
        "description =",
        "descripton =",
        ":4: [system] descripton: unknown key 'descripton' (did you mean 'description'?)",
    ),
    "missing table": (
        '[domain]\ntheta = ["-1/2", 0.5]\nomega = [-3, 3]\n',
        "",
        ": the table [domain] is missing; add it, with lines such as theta = [-1, 1]",
    ),
    "missing name": (
        'name = "motor-pendulum"\n',
        "",
        ':2: [system]: name is missing; add for example name = "my-system"',
    ),
    "missing r": ("R = 2\n", "", ":29: [cost]: R is missing; add for example R = 1"),
    "missing equation": (
        'theta_dot = "omega"\n',
        "",
        ":19: [dynamics]: no equation for the state 'theta'; add theta_dot = \"…\"",
    ),
    "misspelt equation": (
        "omega_dot",
        "omgea_dot",
        ":21: [dynamics] omgea_dot: unknown key 'omgea_dot' (did you mean 'omega_dot'?)",
    ),
    "equation without dot": (
        "theta_dot",
        "theta",
        ":20: [dynamics] theta: unknown key 'theta' (did you mean 'theta_dot'?)",
    ),
    "unknown name": (
        'theta_dot = "omega"',
        'theta_dot = "omgea"',
        ":20: [dynamics] theta_dot, column 1: unknown name 'omgea' (did you mean 'omega'?)",
    ),
    "power with a caret": (
        "sin(theta)",
        "sin(theta)^2",
        ":21: [dynamics] omega_dot, line 1 of the formula, column 19: '^' is not a power here; "
        "write ** (x**2)",
    ),
    "input not affine": (
        "+ u/k",
        "+ u**2/k",
        ":21: [dynamics] omega_dot: not affine in the inputs: an input stands inside a power; "
        "write the equation as f(x) + g(x)*u",
    ),
    "input times input": (
        "+ u/k",
        "+ u*(theta + u)",
        "not affine in the inputs: two terms with inputs are multiplied",
    ),
    "input inside a function": ("+ u/k", "+ tanh(u)", "an input stands inside tanh(…)"),
    "input in a denominator": ("+ u/k", "+ 1/(2 + u)", "an input stands in a denominator"),
    "input clipped": ("+ u/k", "+ clip(u, -1, 1)", "state limits as input limits instead"),
    "equation is a list": (
        'theta_dot = "omega"',
        "theta_dot = [1]",
        ':20: [dynamics] theta_dot: give the right-hand side as text, such as "-x1 + u", not a '
        "list of 1",
    ),
    "domain of an unknown state": (
        "omega = [-3, 3]",
        "omga = [-3, 3]",
        ":27: [domain] omga: there is no state 'omga' (did you mean 'omega'?)",
    ),
    "domain missing a state": (
        "omega = [-3, 3]\n",
        "",
        ":25: [domain]: nothing for the state 'omega'; add omega = [lower, upper]",
    ),
    "domain of three numbers": (
        "omega = [-3, 3]",
        "omega = [-3, 0, 3]",
        ":27: [domain] omega: give two ends, [lower, upper], not a list of 3",
    ),
    "domain upside down": (
        "omega = [-3, 3]",
        "omega = [3, -3]",
        ":27: [domain] omega: [3, -3] is empty; the lower end comes first and is smaller",
    ),
    "domain without the equilibrium": (
        "omega = [-3, 3]",
        "omega = [1, 3]",
        ":27: [domain] omega: the equilibrium 0 is not inside [1, 3]; widen the interval or move "
        "the equilibrium",
    ),
    "irrational end": (
        'theta = ["-1/2", 0.5]',
        'theta = ["-pi/2", 0.5]',
        ":26: [domain] theta: -pi/2 is not a rational number; write a decimal such as -1.5708",
    ),
    "infinite end": ("omega = [-3, 3]", "omega = [-inf, 3]", "-Infinity is not a finite number"),
    "giant number": (
        "l = 0.5",
        "l = 1e999999",
        ":15: [parameters] l: the number 1E+999999 is beyond",
    ),
    "parameter is a list": (
        "l = 0.5",
        "l = [0.5]",
        ':15: [parameters] l: give a number, or { value = 0.15, unit = "kg" }',
    ),
    "parameter is true": ("l = 0.5", "l = true", ":15: [parameters] l: give a number"),
    "parameter with a misspelt key": (
        "value = 0.15",
        "valu = 0.15",
        ":14: [parameters] m: give a number",
    ),
    "parameter of later ones": (
        'k = "m*l**2"',
        'k = "m*l**2*q"\nq = 1',
        ":17: [parameters] k: q is defined further down; move it up",
    ),
    "parameter named like a state": (
        "l = 0.5",
        "l = 0.5\ntheta = 1",
        ":16: [parameters] theta: 'theta' is already one of the states; rename one of them",
    ),
    "state with a function's name": (
        'theta = "rad"',
        'sin = "rad"',
        ":7: [states] sin: 'sin' already has a meaning in formulas; write sin_",
    ),
    "parameter with a keyword's name": (
        "l = 0.5",
        "lambda = 0.5",
        "'lambda' already has a meaning",
    ),
    "parameter that is no name": ("l = 0.5", '"l 1" = 0.5', "'l 1' is not a name; use letters"),
    "unit that is no text": (
        'theta = "rad"',
        "theta = 1",
        ":6: [states]: give the unit of theta as text",
    ),
    "equilibrium that is none": (
        "[cost]",
        "[equilibrium]\nomega = 0.5\n\n[cost]",
        ":29: [equilibrium]: not an equilibrium: f(x*, u*) = (0.5, 0) at x* = (0, 0.5), u* = (0); "
        "choose x* and u* with f(x*, u*) = 0",
    ),
    "equilibrium in irrational numbers": (
        "[cost]",
        "[equilibrium]\ntheta = 0.25\n\n[cost]",
        "not an equilibrium: f(x*, u*) = (0, 4.85407) at x* = (0.25, 0), u* = (0)",
    ),
    "equilibrium of an unknown name": (
        "[cost]",
        "[equilibrium]\nomgea = 0\n\n[cost]",
        ":30: [equilibrium] omgea: there is no state or input 'omgea' (did you mean 'omega'?)",
    ),
    "equilibrium where f is undefined": (
        "g/l*sin(theta)",
        "g/l*sin(theta)/theta",
        "[dynamics] omega_dot: 19.62*sin(theta)/theta is undefined at the equilibrium",
    ),
    "r not positive": ("R = 2", "R = -2", ":31: [cost] R: R is not positive definite"),
    "r zero": ("R = 2", "R = 0", ":31: [cost] R: R is not positive definite"),
    "r of the wrong size": (
        "R = 2",
        "R = [1, 2]",
        ":31: [cost] R: R has 2 rows or entries, 1 are wanted",
    ),
    "r as a formula of inputs": ("R = 2", 'R = "u**2"', ":31: [cost] R, column 1: unknown name"),
    "undefined logarithm": (
        'theta_dot = "omega"',
        'theta_dot = "omega + log(theta - 2)"',
        ":20: [dynamics] theta_dot: log(theta - 2) is undefined at the equilibrium, where "
        "theta - 2 = -2",
    ),
    "undefined root": (
        'theta_dot = "omega"',
        'theta_dot = "omega + sqrt(theta)"',
        "sqrt(theta) is undefined where theta < 0, which the domain contains",
    ),
    "parameter further down": (
        "l = 0.5",
        'l = "g/20"',
        ":15: [parameters] l: g is defined further down; move it up",
    ),
    "parameter by itself": ("l = 0.5", 'l = "l/20"', "l is defined by itself"),
    "a table twice": ("[cost]", "[domain]\n[cost]", ":29: the table [domain] stands twice"),
    "q not positive": ("Q = [10, 0.1]", "Q = [10, 0]", ":30: [cost] Q: Q is not positive definite"),
    "q indefinite": (
        "Q = [10, 0.1]",
        "Q = [[1, 2], [2, 1]]",
        ":30: [cost] Q: Q is not positive definite; it must be positive for every x other than x*",
    ),
    "q not symmetric": (
        "Q = [10, 0.1]",
        "Q = [[1, 0], [0.5, 1]]",
        ":30: [cost] Q: Q is not symmetric; make Q[i][j] equal to Q[j][i]",
    ),
    "q ragged": ("Q = [10, 0.1]", "Q = [[1, 0], [1]]", "Q needs 2 rows of 2 numbers each"),
    "q text semidefinite": (
        "Q = [10, 0.1]",
        'Q = "theta**2"',
        ":30: [cost] Q: Q is not positive definite",
    ),
    "q text not zero": (
        "Q = [10, 0.1]",
        'Q = "1 + theta**2 + omega**2"',
        ":30: [cost] Q: Q(x*) = 1 at the equilibrium; it must be 0 there, so write it with x - x*",
    ),
    "q text negative somewhere": (
        "Q = [10, 0.1]",
        'Q = "theta**2 + omega**2 - omega**4"',
        "it must be positive in the whole domain except at the equilibrium",
    ),
    "q with an input": ("Q = [10, 0.1]", 'Q = "theta**2 + u**2"', "unknown name 'u'"),
    "q empty": ("Q = [10, 0.1]", "Q = []", "give a number, a list (the diagonal)"),
    "limits of an unknown input": (
        "u = [-6, 6]",
        "v = [-6, 6]",
        ":34: [input_limits] v: there is no input 'v' (known: u)",
    ),
    "limits without the equilibrium input": (
        "u = [-6, 6]",
        "u = [1, 6]",
        ":34: [input_limits] u: the equilibrium 0 is not inside [1, 6]",
    ),
    "not toml": ("R = 2", "R = = 2", ":31, column 5: not valid TOML: Invalid value"),
    "text without quotation marks": (
        'theta_dot = "omega"',
        "theta_dot = omega",
        ":20, column 13: not valid TOML",
    ),
    "a key twice": ("R = 2", "R = 2\nR = 3", ":32: the key 'R' stands twice, first in line 31"),
    "cut off": ('u = "V"', 'u = "V', "not valid TOML"),
    "a table that is a number": ("[system]\n", "system = 3\n[other]\n", "unknown table 'other'"),
    "states as a number": (
        '[states]\ntheta = "rad"\nomega = "rad/s"\n',
        "states.x = 3\n",
        "unknown key 'states'",
    ),
    "null character": ("g/l*sin", "g/l*\\u0000sin", "the formula contains a null character"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_gets_one_clear_line(case: str, tmp_path: Path) -> None:
    old, new, message = WRONG[case]
    assert old in GOOD
    with pytest.raises(InputError) as caught:
        read(tmp_path, GOOD.replace(old, new, 1))
    told = str(caught.value)
    assert told.startswith(str(tmp_path / "plant.toml") + ":")
    assert message in told
    assert "\n" not in told


def test_units_states_and_nesting_of_odd_kinds(tmp_path: Path) -> None:
    header = '[system]\nname = "x"\n'
    rest = '[dynamics]\nx_dot = "-x"\n[domain]\nx = [-1, 1]\n[cost]\nQ = 1\n'
    with pytest.raises(InputError, match="give names with units"):
        read(tmp_path, f"states = 3\n{header}{rest}")
    with pytest.raises(InputError, match="the name 'x' is given twice"):
        read(tmp_path, f'states = ["x", "x"]\n{header}{rest}')
    with pytest.raises(InputError, match=r"\[states\]: a system needs at least one state"):
        read(tmp_path, f"states = []\n{header}{rest}")
    with pytest.raises(InputError, match=r":1: \[parameters\]: give a table"):
        read(tmp_path, f'parameters = 3\nstates = ["x"]\n{header}{rest}')
    with pytest.raises(InputError, match=r"nested too deeply|not valid TOML"):
        read(tmp_path, f"parameters = {'[' * 5000}{']' * 5000}\n{header}{rest}")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        read_system(tmp_path / "nothing.toml")
    with pytest.raises(InputError, match="is a directory; give a system file"):
        read_system(tmp_path)
    with pytest.raises(InputError, match=r"no such file|cannot be read"):
        read_system(str(tmp_path) + "/a\0b")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"a = 1\n\xff\xfe")
    with pytest.raises(InputError, match=r"binary.toml:2: not UTF-8 text"):
        read_system(binary)
    binary.write_bytes(b"#" * 1_000_001)
    with pytest.raises(InputError, match="is larger than 1,000,000 bytes"):
        read_system(binary)
    binary.write_bytes(b"")
    with pytest.raises(InputError, match=r"the table \[system\] is missing"):
        read_system(binary)
    binary.write_bytes(b"a = " + b"1" * 5000)
    with pytest.raises(InputError, match="too many digits"):
        read_system(binary)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, len(GOOD) - 1),
    st.integers(0, 6),
    st.text(max_size=4),
)
def test_any_damage_is_read_or_told_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, start: int, length: int, patch: str
) -> None:
    text = (
        GOOD[:start]
        + patch.replace("\r", "").encode("utf-8", "ignore").decode()
        + GOOD[start + length :]
    )
    try:
        read(tmp_path_factory.getbasetemp(), text)
    except InputError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(("text", "value"), [("1/2", Fraction(1, 2)), ("l", Fraction(1, 2))])
def test_r_is_a_formula_of_parameters(tmp_path: Path, text: str, value: Fraction) -> None:
    assert read(tmp_path, GOOD.replace("R = 2", f'R = "{text}"')).input_cost == ((value,),)


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeff" + GOOD).name == "motor-pendulum"


def test_a_root_that_is_defined_on_both_sides_is_accepted(tmp_path: Path) -> None:
    text = GOOD.replace('theta_dot = "omega"', 'theta_dot = "omega + sqrt(theta**2)"')
    assert read(tmp_path, text).state_dimension == 2
