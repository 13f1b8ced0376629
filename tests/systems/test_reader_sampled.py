"""System files with a [sampling] table, and what is told of a wrong one."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.evaluate import function
from systems.reader import read_system
from systems.sampled import Sampling, sampled
from systems.words import equations, sampling_words

PLAIN = """\
[system]
name = "cart"
[states]
p = "m"
v = "m/s"
[inputs]
force = "N"
[parameters]
m = 2
rate = 50
[dynamics]
p_dot = "v"
v_dot = "(force - v**3)/m"
[domain]
p = [-1, 1]
v = [-1, 1]
[cost]
Q = [1, 1]
R = 3
"""
LINES = PLAIN.count("\n")


def read(folder: Path, text: str) -> ControlAffineSystem:
    file = folder / "cart.toml"
    file.write_text(text, encoding="utf-8")
    return read_system(file)


@pytest.mark.parametrize(
    ("table", "sampling"),
    [
        ("period = 0.02", Sampling(Fraction(1, 50))),
        ('period = "1/rate"', Sampling(Fraction(1, 50))),
        ('period = 1\nmethod = "euler"\nsubsteps = 7', Sampling(Fraction(1), "euler", 7)),
    ],
)
def test_a_table_samples_the_system_of_the_rest(
    tmp_path: Path, table: str, sampling: Sampling
) -> None:
    system = read(tmp_path, f"{PLAIN}[sampling]\n{table}\n")
    wanted = sampled(read(tmp_path, PLAIN), sampling)
    assert (system.name, system.time, system.sampling) == (wanted.name, "discrete", sampling)
    points = system.domain.sample(20, np.random.default_rng(0))
    u = -2 * system.state[0] - system.state[1]
    same = -2 * wanted.state[0] - wanted.state[1]
    here = function(system.vector_field(u), system.state)(points)[0]
    there = function(wanted.vector_field(same), wanted.state)(points)[0]
    assert (here == there).all()
    assert system.input_cost == ((3 * sampling.period,),)


def test_it_is_told_as_its_equation_and_its_sampling(tmp_path: Path) -> None:
    system = read(tmp_path, f"{PLAIN}[sampling]\nperiod = 0.02\n")
    assert equations(system, ["p", "v"], ["force"]) == ["v", "-0.5*v**3 + 0.5*force"]
    assert sampling_words(system) == "sampled every 0.02 s, RK4, input held"
    assert sampling_words(read(tmp_path, PLAIN)) == ""


WRONG = {
    "no period": ("", "[sampling]: period is missing; add for example period = 0.02"),
    "a period of 0": ("period = 0", "period: the period must be positive, not 0"),
    "a negative period": ("period = -0.1", "period: the period must be positive, not -0.1"),
    "a list": ("period = [1]", "give a number or text"),
    "an irrational period": ('period = "sqrt(2)"', "is not a rational number"),
    "a period in states": ('period = "p"', "unknown name 'p'"),
    "a third method": ('period = 1\nmethod = "heun"', 'method: give "rk4" or "euler"'),
    "no whole number of steps": ("period = 1\nsubsteps = 1.5", "substeps: give a number of steps"),
    "no steps": ("period = 1\nsubsteps = 0", "substeps: give a number of steps in a period"),
    "too many steps": ("period = 1\nsubsteps = 101", "from 1 to 100"),
    "a misspelt key": ("perod = 1", "unknown key 'perod' (did you mean 'period'?)"),
    "a period too long to name": ('period = "1/7**64/7**64/7**64/7**64"', "a name of "),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    table, message = WRONG[name]
    with pytest.raises(InputError) as caught:
        read(tmp_path, f"{PLAIN}[sampling]\n{table}\n")
    assert message in str(caught.value) and "\n" not in str(caught.value)
    line = int(str(caught.value).split(":")[1])
    assert LINES < line <= LINES + 3


def test_a_discrete_system_is_not_sampled_again(tmp_path: Path) -> None:
    text = PLAIN.replace("[states]", 'time = "discrete"\n[states]').replace("_dot", "_next")
    with pytest.raises(InputError, match="a discrete system has its steps already"):
        read(tmp_path, f"{text}[sampling]\nperiod = 1\n")
