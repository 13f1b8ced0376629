"""The linearisation at the equilibrium: ẋ ≈ A (x - x*) + B (u - u*).

In discrete time, x⁺ - x* is that. Disturbances are at the centre of their ranges.
"""

from __future__ import annotations

import numpy as np
from flint import arb
from numpy.typing import NDArray

from systems import expression as ex
from systems.constants import rational_or_ball
from systems.differentiate import jacobian
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.exact import nearest_float
from systems.expression import Expression

Array = NDArray[np.float64]


def linearize(system: ControlAffineSystem) -> tuple[Array, Array]:
    """A = ∂(f + g u*)/∂x at x*, of shape (n, n), and B = g(x*), of shape (n, m).

    Differentiated exactly and evaluated rigorously: every entry is the nearest float, up to the
    last bit. Raises InputError where the dynamics are not differentiable at the equilibrium.
    """
    system = system.nominal()
    n, m = system.state_dimension, system.input_dimension
    there = {system.state: ex.constant(list(system.equilibrium))}
    frozen_input = ex.constant(list(system.equilibrium_input)) if m else None
    field = system.vector_field(frozen_input)
    A = np.zeros((n, n))
    B = np.zeros((n, m))
    for i, row in enumerate(jacobian(field, system.state)):
        for j in range(n):
            A[i, j] = _value(system, row[j], there, i)
    for j, column in enumerate(system.input_columns):
        for i in range(n):
            B[i, j] = _value(system, column[i], there, i)
    return A, B


def _value(
    system: ControlAffineSystem,
    entry: Expression,
    there: dict[Expression, Expression],
    row: int,
) -> float:
    try:
        value = rational_or_ball(ex.substitute(entry, there))
    except (ZeroDivisionError, ValueError):
        raise _not_differentiable(system, row) from None
    if not isinstance(value, arb):
        return nearest_float(value)
    # A kink at the equilibrium leaves a step in [0, 1] behind, and with it a wide ball.
    if not value.is_finite() or value.rad() > arb("1e-30") * (1 + abs(value)):
        raise _not_differentiable(system, row)
    return float(value.mid())


def _not_differentiable(system: ControlAffineSystem, row: int) -> InputError:
    state = system.state_names[row] if system.state_names else f"x{row + 1}"
    return InputError(
        f"{system.name}: the equation of {state} is not differentiable at the equilibrium, so the "
        "system has no linearisation there; replace abs, min, max, relu or sqrt by a smooth "
        "function, or move the kink"
    )
