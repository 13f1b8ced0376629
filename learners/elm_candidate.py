"""From weights to a candidate: V and k as exact expressions of the state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from certify.candidate import Candidate, anchored_value
from systems import expression as ex
from systems.differentiate import gradient
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.exact import ExactArray
from systems.expression import Expression

Array = NDArray[np.float64]


def network_candidate(
    system: ControlAffineSystem,
    W: Array,
    b: Array,
    beta: Array,
    activation: str,
    provenance: Mapping[str, object],
) -> Candidate:
    """V anchored at x* from N(x) = Σ βⱼ σ(wⱼᵀx + bⱼ), and its greedy policy.

    Shapes: W (neurons, n), b and beta (neurons,). Raises :class:`InputError` for a relu network
    where g(x*) ≠ 0: its gradient jumps at x*, and k would too.
    """
    hidden = ex.affine(W, system.state, b)
    if activation == "tanh":
        network = ex.affine(beta[None, :], ex.tanh(hidden))
        value = anchored_value(network, system.state, system.equilibrium)
    else:
        _refuse_jump(system)
        network = ex.affine(beta[None, :], ex.relu(hidden))
        there = {system.state: ex.constant(list(system.equilibrium))}
        value = network - ex.substitute(network, there)
    return Candidate(system.state, value, greedy_policy(system, value), provenance)


def greedy_policy(system: ControlAffineSystem, value: Expression) -> Expression | None:
    """k = u* − ½ R⁻¹ gᵀ∇V with R⁻¹ exact, cut off at the input limits (eq. 10).

    Where ∇V(x*) = 0 exactly, so does k(x*) = u*. None for an uncontrolled system.
    """
    if not system.input_dimension:
        return None
    slope = system.input_matrix_transposed_times(gradient(value, system.state))
    weight = [[-v / 2 for v in row] for row in rational_inverse(system.input_cost)]
    u_star = ExactArray.of(list(system.equilibrium_input))
    return system.saturated(ex.affine(ExactArray.of(weight), slope, u_star))


def rational_inverse(matrix: Sequence[Sequence[Fraction]]) -> list[list[Fraction]]:
    """The exact inverse of a positive definite matrix, by Gauss-Jordan without pivoting."""
    m = len(matrix)
    rows = [[*row, *(Fraction(i == j) for j in range(m))] for i, row in enumerate(matrix)]
    for k in range(m):
        if rows[k][k] <= 0:
            raise InputError("the input cost R must be symmetric and positive definite")
        pivot = rows[k][k]
        rows[k] = [v / pivot for v in rows[k]]
        for i in range(m):
            if i != k and rows[i][k]:
                factor = rows[i][k]
                rows[i] = [v - factor * w for v, w in zip(rows[i], rows[k], strict=True)]
    return [row[m:] for row in rows]


def _refuse_jump(system: ControlAffineSystem) -> None:
    there = {system.state: ex.constant(list(system.equilibrium))}
    for column in system.input_columns:
        values = ex.rational_values(ex.substitute(column, there))
        if values is None or any(values):
            raise InputError(
                f"{system.name}: a relu value function has a kink at the equilibrium, and the "
                'controller would jump there because g(x*) is not 0; use activation="tanh"'
            )
