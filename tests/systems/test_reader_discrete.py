"""System files in discrete time, with disturbances and unsafe sets, right and wrong."""

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
from systems.words import equations, unsafe_sets

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "sampled_cart.toml"

GOOD = """\
[system]
name = "cart"
time = "discrete"

[states]
p = "m"
v = "m/s"

[inputs]
u = "N"

[disturbances]
wind = "N"
gain = ""

[disturbance_range]
wind = [-0.1, "h"]
gain = [0.9, 1.1]

[parameters]
h = 0.1
far = "3/2"

[dynamics]
p_next = "p + h*v"
v_next = "v + h*(gain*u + (wind + 1)**2*v)"

[domain]
p = [-2, 2]
v = [-2, 2]

[cost]
Q = [1, 1]
R = 1

[unsafe]
wall = "p >= far"
"hard landing" = ["p >= 1", "v**2 <= 4*h", "v >= 0"]
"""


def read(folder: Path, text: str) -> ControlAffineSystem:
    file = folder / "cart.toml"
    file.write_text(text, encoding="utf-8")
    return read_system(file)


def test_a_file_becomes_the_system_it_describes(tmp_path: Path) -> None:
    system = read(tmp_path, GOOD)
    assert system.time == "discrete"
    assert system.disturbance_names == ("wind", "gain") and system.disturbance_units == ("N", "")
    box = system.disturbance_range
    assert box is not None
    assert box.lower == (Fraction(-1, 10), Fraction(9, 10))
    assert box.upper == (Fraction(1, 10), Fraction(11, 10))
    points = np.array([[0.3, -1.0, 0.1, 1.1], [-0.2, 2.0, -0.1, 1.0]])
    p, v, wind, gain = points.T
    f, g = function([system.drift, *system.input_columns], *system.variables)(points)
    np.testing.assert_allclose(
        f, np.stack([p + 0.1 * v, v + 0.1 * (wind + 1) ** 2 * v], axis=1), rtol=1e-14
    )
    np.testing.assert_allclose(g, np.stack([0 * p, 0.1 * gain], axis=1), rtol=1e-14)
    states = ["p", "v"]
    assert unsafe_sets(system, states) == {
        "wall": ["p - 1.5 >= 0"],
        "hard landing": ["p - 1 >= 0", "0.4 - v**2 >= 0", "v >= 0"],
    }
    assert equations(system, states, ["u"])[1] == "v + 0.1*(wind + 1)**2*v + 0.1*gain*u"


def test_time_is_continuous_where_the_file_is_silent(tmp_path: Path) -> None:
    text = GOOD.replace('time = "discrete"\n', "").replace("_next", "_dot")
    assert read(tmp_path, text).time == "continuous"
    said = GOOD.replace('"discrete"', '"continuous"').replace("_next", "_dot")
    assert read(tmp_path, said).time == "continuous"


def test_names_of_disturbances_may_stand_in_a_list(tmp_path: Path) -> None:
    text = 'disturbances = ["wind", "gain"]\n' + GOOD.replace(
        '[disturbances]\nwind = "N"\ngain = ""\n', ""
    )
    assert read(tmp_path, text).disturbance_units == ("", "")


def test_the_example_is_what_its_comments_say() -> None:
    system = read_system(EXAMPLE)
    assert system.time == "discrete" and [s.name for s in system.unsafe] == ["wall", "hard landing"]
    # the double integrator sampled exactly: p + h v + h²/(2m) F, v + h/m F
    F = system.vector_field(system.state[0] * 0 + 2)
    after = function(F, *system.variables)(np.array([[1.0, 3.0, 0.05]]))[0]
    np.testing.assert_allclose(after, [[1 + 0.3 + 0.01 * 2.05, 3 + 0.2 * 2.05]], rtol=1e-14)


# (what to replace, by what, the message after "cart.toml")
WRONG = {
    "a third time": (
        '"discrete"',
        '"sampled"',
        ':3: [system] time: give "continuous" or "discrete"',
    ),
    "time that is no text": (
        '"discrete"', "0.1", ':3: [system] time: give "continuous" or "discrete"',
    ),
    "a rate in discrete time": (
        "p_next",
        "p_dot",
        ":25: [dynamics] p_dot: a discrete system has no rates; write p_next = \"…\", the value of "
        "p one step later",
    ),
    "a next value in continuous time": (
        'time = "discrete"\n',
        "",
        ':24: [dynamics] p_next: a next value belongs to a discrete system; add time = "discrete" '
        'to [system], or write p_dot = "…", the rate of p',
    ),
    "a misspelt next value": (
        "p_next",
        "p_nxt",
        ":25: [dynamics] p_nxt: unknown key 'p_nxt' (did you mean 'p_next'?)",
    ),
    "a missing next value": (
        'p_next = "p + h*v"\n',
        "",
        ":24: [dynamics]: no equation for the state 'p'; add p_next = \"…\"",
    ),
    "an equilibrium that moves": (
        '"p + h*v"',
        '"p + h*v + h"',
        ": [equilibrium]: not an equilibrium: f(x*, u*) - x* = (0.1, 0) at x* = (0, 0), u* = (0), "
        "disturbances (0, 1); choose x* and u* with f(x*, u*) = x*",
    ),
    "a disturbance whose centre is not at rest": (
        "(gain*u +",
        "(gain*u + gain +",
        "[equilibrium]: not an equilibrium: f(x*, u*) - x* = (0, 0.1)",
    ),
    "a pole at the centre": (
        "gain*u",
        "u/wind",
        ":16: [disturbance_range]: the dynamics are not defined where the disturbances are at the "
        "centre of their ranges (a division by zero)",
    ),
    "a disturbance without range": (
        "gain = [0.9, 1.1]\n",
        "",
        ":16: [disturbance_range]: nothing for the disturbance 'gain'; add gain = [lower, upper]",
    ),
    "no range at all": (
        '[disturbance_range]\nwind = [-0.1, "h"]\ngain = [0.9, 1.1]\n',
        "",
        ": [disturbance_range]: nothing for the disturbance 'wind'; add wind = [lower, upper]",
    ),
    "a range of nothing": (
        "gain = [0.9, 1.1]",
        "gian = [0.9, 1.1]",
        ":18: [disturbance_range] gian: there is no disturbance 'gian' (did you mean 'gain'?)",
    ),
    "a range without disturbances": (
        '[disturbances]\nwind = "N"\ngain = ""\n',
        "",
        "[dynamics] v_next, column 8: unknown name 'gain' (known: h, far, p, v, u)",
    ),
    "a range upside down": (
        "[0.9, 1.1]",
        "[1.1, 0.9]",
        ":18: [disturbance_range] gain: [1.1, 0.9] is empty; the lower end comes first",
    ),
    "a range of one number": (
        "[0.9, 1.1]",
        "1",
        ":18: [disturbance_range] gain: give two ends, [lower, upper], not a number",
    ),
    "an irrational range": ("[0.9, 1.1]", '[0, "sqrt(2)"]', "sqrt(2) is not a rational number"),
    "a disturbance named like an input": (
        'wind = "N"\n',
        'u = "N"\n',
        ":13: [disturbances] u: 'u' is already one of the inputs; rename one of them",
    ),
    "a parameter named like a disturbance": (
        "far =",
        "wind =",
        ":22: [parameters] wind: 'wind' is already one of the disturbances; rename one of them",
    ),
    "a disturbance with a function's name": (
        'wind = "N"',
        'exp = "N"',
        ":13: [disturbances] exp: 'exp' already has a meaning in formulas; write exp_",
    ),
    "a disturbed cost": ("Q = [1, 1]", 'Q = "p**2 + gain*v**2"', "unknown name 'gain'"),
    "an equilibrium of a disturbance": (
        "[cost]",
        "[equilibrium]\nwind = 0\n[cost]",
        "[equilibrium] wind: there is no state or input 'wind'",
    ),
    "an input times a disturbance squared by itself": (
        "gain*u", "gain*u**2", "not affine in the inputs: an input stands inside a power",
    ),
    "an unsafe set without sense": (
        '"p >= far"',
        "3",
        ':37: [unsafe] wall: give comparisons as text, ["x1 >= 1.5", "x2 <= 0"], all of which hold',
    ),
    "an unsafe set of nothing": ('"p >= far"', "[]", ":37: [unsafe] wall: give comparisons as"),
    "a strict comparison": (
        "p >= far",
        "p > far",
        ":37: [unsafe] wall, column 1: write >= or <=; the boundary belongs to the set",
    ),
    "an equation": (
        "p >= far", "p = far", ":37: [unsafe] wall, column 3: write >= or <=, as in x1 >= 3/2",
    ),
    "a formula": (
        "p >= far",
        "p - far",
        ":37: [unsafe] wall, column 1: a comparison is wanted, such as x1 >= 3/2",
    ),
    "a chain": (
        "p >= far",
        "far <= p <= 2",
        ":37: [unsafe] wall, column 8: write each comparison as a text of its own",
    ),
    "a conjunction in words": (
        "p >= far",
        "p >= far and v >= 0",
        ":37: [unsafe] wall, column 14: write each comparison as a text of its own",
    ),
    "a comparison of no state": (
        "p >= far",
        "far >= 1",
        ":37: [unsafe] wall: no state stands in 'far >= 1'; compare a state with something",
    ),
    "a comparison of an input": (
        "p >= far", "u >= 1", ":37: [unsafe] wall, column 1: unknown name 'u'",
    ),
    "a comparison of a disturbance": (
        "p >= far", "p >= wind", ":37: [unsafe] wall, column 6: unknown name 'wind'",
    ),
    "a set around the equilibrium": (
        "p >= far",
        "p <= far",
        ":37: [unsafe] wall: the equilibrium is in this set, so nothing that converges to it "
        "avoids the set; make the set smaller or move the equilibrium",
    ),
    "a set at the equilibrium": ("p >= far", "p + v >= 0", "the equilibrium is in this set"),
    "a name with two spaces": (
        "wall =", '"the  wall" =', ":37: [unsafe] the  wall: 'the  wall' has spaces at an end, or",
    ),
    "a set without a name": ("wall =", '"" =', ":36: [unsafe]: '' is no name of a set"),
    "a set whose name does not print": (
        "wall =", '"a\\nb" =', r":36: [unsafe]: 'a\nb' is no name of a set",
    ),
    "sets as a list": (
        '[unsafe]\nwall = "p >= far"\n"hard landing" = ["p >= 1", "v**2 <= 4*h", "v >= 0"]\n',
        '[[unsafe]]\nwall = "p >= far"\n',
        "[unsafe]: give a table, [unsafe] with lines such as key = value",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_gets_one_clear_line(case: str, tmp_path: Path) -> None:
    old, new, message = WRONG[case]
    assert old in GOOD
    with pytest.raises(InputError) as caught:
        read(tmp_path, GOOD.replace(old, new, 1))
    told = str(caught.value)
    assert told.startswith(str(tmp_path / "cart.toml") + ":")
    assert message in told
    assert "\n" not in told


def test_a_range_without_any_disturbance(tmp_path: Path) -> None:
    text = GOOD.replace('[disturbances]\nwind = "N"\ngain = ""\n', "")
    text = text.replace("gain*u + (wind + 1)**2*v", "u")
    with pytest.raises(InputError, match=r"\[disturbance_range\] wind: there is no disturbance"):
        read(tmp_path, text)


@pytest.mark.parametrize("table", ["states", "inputs", "disturbances", "unsafe", "domain"])
def test_a_name_of_several_lines_is_told_in_one(tmp_path: Path, table: str) -> None:
    text = GOOD.replace(f"[{table}]\n", f'[{table}]\n"a\\nb" = "p"\n')
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)


@settings(max_examples=150, deadline=None)
@given(
    start=st.integers(0, len(GOOD)),
    length=st.integers(0, 40),
    patch=st.text(alphabet='ab01_="[]<>.,*+-/ \n\\"', max_size=20),
)
def test_any_change_of_the_file_is_a_system_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, start: int, length: int, patch: str
) -> None:
    try:
        read(tmp_path_factory.getbasetemp(), GOOD[:start] + patch + GOOD[start + length :])
    except InputError as error:
        assert "\n" not in str(error)
