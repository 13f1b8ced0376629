"""The linearisation at the equilibrium: ẋ ≈ A (x - x*) + B (u - u*).

In discrete time, x⁺ - x* is that; of a sampled system, A and B are the derivatives of the step with
respect to the state and to the input that is held. Disturbances are at the centre of their ranges.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from flint import arb
from numpy.typing import NDArray

from systems import expression as ex
from systems.constants import enclose_constant
from systems.differentiate import jacobian
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.exact import nearest_float
from systems.expression import Expression

Array = NDArray[np.float64]


def linearize(system: ControlAffineSystem) -> tuple[Array, Array]:
    """A = ∂(f + g u*)/∂x at x*, of shape (n, n), and B = g(x*), of shape (n, m).

    Of a sampled system, A = ∂φ/∂x and B = ∂φ/∂u at (x*, u*), where φ(x, u) is its step.
    Differentiated exactly and evaluated rigorously: every entry is the nearest float, up to the
    last bit. Raises InputError where the dynamics are not differentiable at the equilibrium.
    """
    system = system.nominal()
    n, m = system.state_dimension, system.input_dimension
    there = {system.state: ex.constant(list(system.equilibrium))}
    if m and system.sampling is not None:
        u = ex.variable("u", m)
        there[u] = ex.constant(list(system.equilibrium_input))
        step = system.vector_field(u)
        return (
            _rows(system, jacobian(step, system.state), there),
            _rows(system, jacobian(step, u), there),
        )
    frozen_input = ex.constant(list(system.equilibrium_input)) if m else None
    A = _rows(system, jacobian(system.vector_field(frozen_input), system.state), there)
    B = np.zeros((n, m))
    for j, column in enumerate(system.input_columns):
        B[:, j] = _rows(system, list(column), there)[:, 0]
    return A, B


def _rows(
    system: ControlAffineSystem, rows: Sequence[Expression], there: dict[Expression, Expression]
) -> Array:
    """The values of a row for each state, (n, the rows' size)."""
    return np.array([_values(system, row, there, i) for i, row in enumerate(rows)])


def _values(
    system: ControlAffineSystem,
    row: Expression,
    there: dict[Expression, Expression],
    index: int,
) -> list[float]:
    try:
        fixed = ex.substitute(row, there)
        balls = None if fixed.op is ex.Op.CONSTANT else enclose_constant(fixed)
    except (ZeroDivisionError, ValueError):
        raise _not_differentiable(system, index) from None
    out = []
    for j in range(row.size):
        exactly = ex.rational_values(fixed[j])
        if exactly is not None:
            out.append(nearest_float(exactly[0]))
            continue
        assert balls is not None
        value = balls[j]
        # A kink at the equilibrium leaves a step in [0, 1] behind, and with it a wide ball.
        if not value.is_finite() or value.rad() > arb("1e-30") * (1 + abs(value)):
            raise _not_differentiable(system, index)
        out.append(float(value.mid()))
    return out


def _not_differentiable(system: ControlAffineSystem, row: int) -> InputError:
    state = system.state_names[row] if system.state_names else f"x{row + 1}"
    return InputError(
        f"{system.name}: the equation of {state} is not differentiable at the equilibrium, so the "
        "system has no linearisation there; replace abs, min, max, relu or sqrt by a smooth "
        "function, or move the kink"
    )
