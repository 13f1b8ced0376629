"""System files whose set point is only near an equilibrium."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from systems.checks import equilibrium_values
from systems.errors import InputError
from systems.reader import read_system

TANK = """
[system]
name = "tank"
[states]
c = "mol/l"
[inputs]
q = "l/h"
[dynamics]
c_dot = "q*(1 - c) - exp(-1/(c + 1))*c"
[domain]
c = [0, 1]
[{table}]
c = 0.6
q = {q}
[cost]
Q = [1]
R = 1
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "tank.toml"
    path.write_text(text)
    return path


def test_a_set_point_need_not_be_an_equilibrium(tmp_path: Path) -> None:
    system = read_system(written(tmp_path, TANK.format(table="set_point", q="0.8029")))
    assert system.equilibrium == (Fraction(3, 5),)
    assert system.equilibrium_input == (Fraction(8029, 10000),)
    (left,) = equilibrium_values(system)
    assert 0 < abs(float(left if isinstance(left, Fraction) else left.mid())) < 1e-4


def test_as_an_equilibrium_it_is_refused_and_the_other_table_named(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"not an equilibrium.*or give them in a table \[set_point\]"
    ):
        read_system(written(tmp_path, TANK.format(table="equilibrium", q="0.8029")))


def test_both_tables_are_one_too_many(tmp_path: Path) -> None:
    both = TANK.format(table="set_point", q="0.8029") + "[equilibrium]\nc = 0.6\n"
    with pytest.raises(InputError, match=r"there is a table \[equilibrium\] as well"):
        read_system(written(tmp_path, both))


def test_an_unknown_name_in_it_is_told(tmp_path: Path) -> None:
    text = TANK.format(table="set_point", q="0.8029").replace("q = 0.8029", "flow = 0.8029")
    with pytest.raises(InputError, match=r"set_point.*flow"):
        read_system(written(tmp_path, text))


def test_the_dynamics_are_defined_there(tmp_path: Path) -> None:
    text = TANK.format(table="set_point", q="0.8029").replace("1/(c + 1)", "1/(c - 0.6)")
    with pytest.raises(InputError, match="undefined at the equilibrium"):
        read_system(written(tmp_path, text))
