"""Where policy iteration starts: a first policy, checked, and the box on which to trust it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learners.lqr import (
    Linearisation,
    is_marginal,
    linearise,
    policy_cost,
    solve_riccati,
    spectral_abscissa,
)
from learners.numeric import Plant, Policy, boundary_dense_points
from systems import expression as ex
from systems.differentiate import jacobian
from systems.errors import InputError
from systems.evaluate import function
from systems.expression import Expression

Array = NDArray[np.float64]

SMALLEST_BOX = 0.05


@dataclass(frozen=True, eq=False)
class Start:
    """The first policy; half the Hessian of V* at x* (None where the linearisation decides
    nothing); and how far, as a fraction of the domain, the policy's own quadratic cost decreases.
    """

    policy: Policy
    P: Array | None
    box: float


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
        return Start(_linear(plant, K), P, _trusted_box(plant, _linear(plant, K), linear, K))
    K = np.asarray(gain, dtype=np.float64)
    if K.shape != (m, n):
        raise InputError(f"{plant.system.name}: the initial gain must have shape ({m}, {n})")
    if not np.isfinite(K).all():
        raise InputError(f"{plant.system.name}: the initial gain holds NaN or infinity")
    _refuse_unstable(plant, linear.closed_loop(K))
    return _with_gain(plant, _linear(plant, K), linear, K)


def _linear(plant: Plant, K: Array) -> Policy:
    return lambda x: plant.saturate(plant.u_star - (x - plant.x_star) @ K.T)


def _uncontrolled(plant: Plant, linear: Linearisation) -> Start:
    K = np.empty((0, len(plant.x_star)))
    _refuse_unstable(plant, linear.A)
    return _with_gain(plant, lambda x: np.empty((len(x), 0)), linear, K)


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
        return Start(sampled, None, 1.0)
    _refuse_unstable(plant, linear.closed_loop(K))
    return _with_gain(plant, sampled, linear, K)


def _with_gain(plant: Plant, policy: Policy, linear: Linearisation, K: Array) -> Start:
    closed = linear.closed_loop(K)
    if is_marginal(closed, spectral_abscissa(closed)):
        return Start(policy, None, 1.0)
    try:
        P: Array | None = solve_riccati(linear, plant.system.name)[1]
    except InputError:
        P = None
    return Start(policy, P, _trusted_box(plant, policy, linear, K))


def _refuse_unstable(plant: Plant, closed: Array) -> None:
    abscissa = spectral_abscissa(closed)
    if abscissa > 0.0 and not is_marginal(closed, abscissa):
        eigenvalues = np.linalg.eigvals(closed)
        worst = complex(eigenvalues[np.argmax(eigenvalues.real)])
        shown = f"{worst:.6g}" if worst.imag else f"{worst.real:.6g}"
        what = "under the initial policy " if plant.system.input_dimension else ""
        raise InputError(
            f"{plant.system.name}: the linearisation {what}is unstable (eigenvalue {shown}); "
            "policy iteration needs a stabilising policy to start from"
        )


def _trusted_box(plant: Plant, policy: Policy, linear: Linearisation, K: Array) -> float:
    """The largest tried fraction of the domain on which xᵀP₀x decreases at half its linear rate.

    P₀ is the quadratic cost of the policy's linearisation. Beyond, the policy may not stabilise,
    its GHJB equation have no solution, and a least-squares answer no meaning.
    """
    P = policy_cost(linear, K)
    rate = linear.Q + K.T @ linear.R @ K
    points = boundary_dense_points(
        plant.system.domain, 100 * len(plant.x_star), np.random.default_rng(0)
    )
    fraction = 1.0
    while fraction > SMALLEST_BOX:
        x = plant.x_star + fraction * (points - plant.x_star)
        d = x - plant.x_star
        slope = 2.0 * ((d @ P) * plant.sample(x).velocity(policy(x))).sum(axis=1)
        if (slope <= -0.5 * ((d @ rate) * d).sum(axis=1)).all():
            break
        fraction *= 0.8
    return fraction
