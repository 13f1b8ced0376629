"""Products of units, for volumes."""

from __future__ import annotations

import pytest

from systems.units import in_powers


@pytest.mark.parametrize(
    ("units", "product"),
    [
        ((), []),
        (("", ""), []),
        (("rad", "rad/s"), ["rad", "rad/s"]),
        (("m", "m/s", "", "m", "m/s"), ["m^2", "(m/s)^2"]),
        (("m^2", "m^2"), ["(m^2)^2"]),
    ],
)
def test_a_unit_stands_once(units: tuple[str, ...], product: list[str]) -> None:
    assert in_powers(units) == product
