"""The linearisation, and where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from systems.build import system_from_text
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.linearize import linearize


def scalar(equation: str, **more: object) -> ControlAffineSystem:
    return system_from_text("plant", ["x"], ["u"], {"x": equation}, domain=[[-1, 1]], **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("equation", "slope", "effect"),
    [
        ("sin(3*x) + u", 3, 1),
        ("0.1*x + cos(x)*u", 0.1, 1),
        ("x*abs(x) + 2*u", 0, 2),
        ("relu(x - 1/2) + max(x, -2) + u", 1, 1),
        ("exp(x) - 1 + u*exp(1)", 1, np.e),
        ("tanh(x)*sqrt(2) + u", np.sqrt(2), 1),
    ],
)
def test_slopes(equation: str, slope: float, effect: float) -> None:
    A, B = linearize(scalar(equation))
    np.testing.assert_allclose(A, [[slope]], rtol=1e-15)
    np.testing.assert_allclose(B, [[effect]], rtol=1e-15)


def test_the_equilibrium_input_counts() -> None:
    """ẋ = -1 + (1 + x) u has slope u* = 1."""
    A, B = linearize(scalar("-1 + (1 + x)*u", equilibrium={"u": 1}))
    assert A.tolist() == [[1.0]] and B.tolist() == [[1.0]]


def test_an_uncontrolled_system_has_an_empty_b() -> None:
    system = system_from_text("p", ["x"], [], {"x": "-x"}, domain=[[-1, 1]])
    A, B = linearize(system)
    assert A.tolist() == [[-1.0]] and B.shape == (1, 0)


@pytest.mark.parametrize(
    "equation",
    ["abs(x) + u", "relu(x) + u", "max(x, 2*x) + u", "sqrt(x**2) + u", "x + x*u + abs(sin(x))"],
)
def test_a_kink_at_the_equilibrium_is_told(equation: str) -> None:
    with pytest.raises(InputError, match="the equation of x is not differentiable at the equil"):
        linearize(scalar(equation))
