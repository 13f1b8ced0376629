"""Where policy iteration starts: a first policy, checked, and the box on which to trust it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from learners.lqr import (
    Linearisation,
    is_marginal,
    linearise,
    policy_cost,
    riccati_solution,
    solve_riccati,
    spectral_abscissa,
)
from learners.numeric import Plant, Policy, Samples, boundary_dense_points
from systems import expression as ex
from systems.differentiate import jacobian
from systems.dynamics import linear_control
from systems.errors import InputError
from systems.evaluate import function
from systems.expression import Expression

Array = NDArray[np.float64]

SMALLEST_BOX = 1e-3


@dataclass(frozen=True, eq=False)
class Start:
    """The first policy: as a function, and as the expression it was given as, if it was.

    ``linear`` and ``K``: the linearisation and the policy's gain at x*, None where there is no
    linearisation or it decides nothing.
    """

    plant: Plant
    policy: Policy
    expression: Expression | None = None
    linear: Linearisation | None = None
    K: Array | None = None

    @property
    def control(self) -> Expression | None:
        """The policy as an expression, cut off at the input limits; None if uncontrolled."""
        system = self.plant.system
        if self.expression is not None:
            return system.saturated(self.expression)
        if not system.input_dimension or self.K is None:
            return None
        return system.saturated(linear_control(self.K, system))

    @cached_property
    def P(self) -> Array | None:
        """Half the Hessian of V* at x*; None where the linearisation decides nothing."""
        if self.linear is None:
            return None
        if not self.linear.R.size:
            return self.policy_cost
        try:
            return riccati_solution(self.linear, self.plant.system.name)
        except InputError:
            return None

    @cached_property
    def policy_cost(self) -> Array | None:
        """Half the Hessian at x* of the first policy's own cost."""
        if self.linear is None or self.K is None:
            return None
        return policy_cost(self.linear, self.K)

    def decreases_on(self, samples: Samples) -> bool:
        """Whether the policy's quadratic cost xᵀP₀x decreases there at half its linear rate.

        Where it does not, the policy may not stabilise, its GHJB equation have no solution, and a
        least-squares answer no meaning. True where there is no linearisation.
        """
        P = self.policy_cost
        if P is None or self.linear is None or self.K is None:
            return True
        rate = self.linear.Q + self.K.T @ self.linear.R @ self.K
        d = samples.x - self.plant.x_star
        slope = 2.0 * np.vecdot(d @ P, samples.velocity(self.policy(samples.x)))
        slope += 0.5 * np.vecdot(d @ rate, d)
        return bool(slope.max() <= 0.0)

    @cached_property
    def box(self) -> float:
        """The largest tried fraction of the domain on which :meth:`decreases_on` holds."""
        plant = self.plant
        points = boundary_dense_points(
            plant.ends, 100 * len(plant.x_star), np.random.default_rng(0)
        )
        away = points - plant.x_star
        fraction = 1.0
        while fraction > SMALLEST_BOX:
            if self.decreases_on(plant.sample(plant.x_star + fraction * away)):
                break
            fraction *= 0.8
        return fraction


def first_policy(plant: Plant, gain: Array | None, policy: Expression | None) -> Start:
    """From a gain K (u = u* − K(x − x*)), an expression of the state, or LQR where both are None.

    Raises :class:`InputError` where the closed loop is unstable at x*.
    """
    if policy is not None:
        return _from_expression(plant, policy)
    linear = linearise(plant.system)
    n, m = linear.B.shape
    if gain is None:
        if not m:
            return _uncontrolled(plant, linear)
        K, P = solve_riccati(linear, plant.system.name)
        start = _with_gain(plant, linear, K)
        start.__dict__["P"] = start.__dict__["policy_cost"] = P
        return start
    K = np.asarray(gain, dtype=np.float64)
    if K.shape != (m, n):
        raise InputError(f"{plant.system.name}: the initial gain must have shape ({m}, {n})")
    if not np.isfinite(K).all():
        raise InputError(f"{plant.system.name}: the initial gain holds NaN or infinity")
    return _with_gain(plant, linear, K)


def _with_gain(plant: Plant, linear: Linearisation, K: Array) -> Start:
    def policy(x: Array) -> Array:
        return plant.saturate(plant.u_star - (x - plant.x_star) @ K.T)

    return _checked(plant, policy, None, linear, K)


def _uncontrolled(plant: Plant, linear: Linearisation) -> Start:
    K = np.empty((0, len(plant.x_star)))
    return _checked(plant, lambda x: np.empty((len(x), 0)), None, linear, K)


def _from_expression(plant: Plant, policy: Expression) -> Start:
    system = plant.system
    if any(v is not system.state for v in ex.variables(policy)):
        raise InputError(f"{system.name}: the initial policy must be an expression of the state")
    if policy.size != system.input_dimension:
        raise InputError(
            f"{system.name}: the initial policy has size {policy.size}, "
            f"the system {system.input_dimension} inputs"
        )
    evaluate_policy = function([policy, *jacobian(policy, system.state)], system.state)
    values = evaluate_policy(plant.x_star[None])
    at_rest, K = values[0][0], -np.array([row[0] for row in values[1:]])
    if not np.abs(at_rest - plant.u_star).max() <= 1e-9 * (1.0 + np.abs(plant.u_star).max()):
        raise InputError(
            f"{system.name}: the initial policy gives u = {at_rest.tolist()} at the equilibrium "
            f"instead of u* = {plant.u_star.tolist()}"
        )

    def sampled(x: Array) -> Array:
        u = evaluate_policy(x)[0]
        if not np.isfinite(u).all():
            raise InputError(f"{system.name}: the initial policy is not finite on the domain")
        return plant.saturate(u)

    try:
        linear = linearise(system)
    except InputError:  # without a linearisation there is nothing to check, nor to fit at x*
        return Start(plant, sampled, policy)
    return _checked(plant, sampled, policy, linear, K)


def _checked(
    plant: Plant, policy: Policy, expression: Expression | None, linear: Linearisation, K: Array
) -> Start:
    """Refuses an unstable first policy; forgets a linearisation that decides nothing."""
    closed = linear.closed_loop(K)
    abscissa = spectral_abscissa(closed)
    if is_marginal(closed, abscissa):
        return Start(plant, policy, expression)
    if abscissa > 0.0:
        therefore = "there are no inputs to stabilise it; choose another equilibrium"
        if plant.system.input_dimension:
            therefore = "policy iteration needs a stabilising policy to start from"
        what = "under the initial policy " if plant.system.input_dimension else ""
        raise InputError(
            f"{plant.system.name}: the linearisation {what}is unstable "
            f"(eigenvalue {shown_eigenvalue(closed)}); {therefore}"
        )
    return Start(plant, policy, expression, linear, K)


def shown_eigenvalue(closed: Array) -> str:
    """The rightmost eigenvalue of a matrix, for a message."""
    eigenvalues = np.linalg.eigvals(closed)
    worst = complex(eigenvalues[np.argmax(eigenvalues.real)])
    return f"{worst:.6g}" if worst.imag else f"{worst.real + 0.0:.6g}"  # no -0
