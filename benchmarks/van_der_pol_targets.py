"""What the deep Van der Pol benchmark is trained on: a saturated damping, and its cost-to-go.

W(x) = ∫ q(x(t)) dt along the closed loop's trajectories solves Zubov's equation ∇W·F = −q. The cost
q grows towards the faces of the box, so that the sublevel sets of W fill the box well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from benchmarks.deep_network import Network

Array = NDArray[np.float64]
HALF_WIDTHS = np.array([4.8, 10.8])
TEACHER = np.array([1.0, 2.0])
"""The controller learns u = tanh(−x₁ − 2x₂), which brings all of the box back to the origin."""
COST = np.array([1.0, 3.0, 1000.0, 20000.0])
"""q(x) = x₁² + 3x₂² + 1000 (x₁/4.8)⁸ + 20000 (x₂/10.8)⁸."""
BEND = 2.0
LEVEL = 0.8
"""T = LEVEL · log(1 + W/BEND) / log(1 + W_face/BEND): the lowest point of the faces has T = LEVEL,
and what is near the equilibrium is not flattened."""
CEILING = 0.88
"""From this value on V need only be high."""
LOST = (6.0, 14.0)
"""A trajectory that gets so far out is not followed any further."""


@dataclass(frozen=True, eq=False)
class Targets:
    """Points (N, 2), T there (N,), inf where the trajectory is lost, and the derivative of T along
    the closed loop, −q g'(W)."""

    points: Array
    values: Array
    slopes: Array


def joined(first: Targets, second: Targets) -> Targets:
    """Both together."""
    return Targets(
        np.concatenate([first.points, second.points]),
        np.concatenate([first.values, second.values]),
        np.concatenate([first.slopes, second.slopes]),
    )


def running_cost(points: Array) -> Array:
    """q at points (N, 2)."""
    x, y = points.T
    scaled = np.abs(points / HALF_WIDTHS) ** 8
    return np.asarray(COST[0] * x**2 + COST[1] * y**2 + scaled @ COST[2:])


def targets(points: Array, controller: Network, face_cost: float) -> Targets:
    """Targets at points; ``face_cost`` is the least W on the faces of the box."""
    W = cost_to_go(points, controller)
    unit = LEVEL / np.log1p(face_cost / BEND)
    values = unit * np.log1p(W / BEND)
    return Targets(points, values, -unit * running_cost(points) / (BEND + W))


def least_face_cost(controller: Network, count: int = 400) -> float:
    """The least W over points of the box's faces."""
    s = np.linspace(-1.0, 1.0, count)
    e = np.ones(count)
    faces = [np.stack(c, axis=1) for c in ((s, e), (s, -e), (e, s), (-e, s))]
    return float(cost_to_go(np.concatenate(faces) * HALF_WIDTHS, controller).min())


def cost_to_go(points: Array, controller: Network) -> Array:
    """W at points (N, 2) under k(x) = tanh(M(x) − M(0)), shape (N,); inf where it is lost."""
    (A, a), (B, b), (C, _) = controller.layers
    M0 = float((controller(np.zeros((1, 2))) - controller.layers[2][1])[0, 0])
    found: Array = _cost_to_go(np.ascontiguousarray(points), A, a, B, b, C[0].copy(), M0)
    return found


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]
def _cost_to_go(
    points: Array, A: Array, a: Array, B: Array, b: Array, C: Array, M0: float
) -> Array:
    """Runge-Kutta of order 4 with steps adapted to the stiffness."""
    out = np.empty(len(points))
    for i in range(len(points)):
        x, y = points[i, 0], points[i, 1]
        W, t = 0.0, 0.0
        while x * x + y * y > 1e-6 and t < 60.0 and abs(x) < LOST[0] and abs(y) < LOST[1]:
            h = min(0.05, 0.6 / (1.0 + abs(x * x - 1.0) + 0.5 * abs(x * y)))
            p1, r1, q1 = _rates(x, y, A, a, B, b, C, M0)
            p2, r2, q2 = _rates(x + h / 2 * p1, y + h / 2 * r1, A, a, B, b, C, M0)
            p3, r3, q3 = _rates(x + h / 2 * p2, y + h / 2 * r2, A, a, B, b, C, M0)
            p4, r4, q4 = _rates(x + h * p3, y + h * r3, A, a, B, b, C, M0)
            x += h / 6 * (p1 + 2 * p2 + 2 * p3 + p4)
            y += h / 6 * (r1 + 2 * r2 + 2 * r3 + r4)
            W += h / 6 * (q1 + 2 * q2 + 2 * q3 + q4)
            t += h
        out[i] = W if x * x + y * y <= 1e-6 else np.inf
    return out


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]
def _rates(
    x: float, y: float, A: Array, a: Array, B: Array, b: Array, C: Array, M0: float
) -> tuple[float, float, float]:
    """ẋ, ẏ and q."""
    hidden = np.empty(len(a))
    for i in range(len(a)):
        hidden[i] = np.tanh(A[i, 0] * x + A[i, 1] * y + a[i])
    out = -M0
    for i in range(len(b)):
        z = b[i]
        for j in range(len(a)):
            z += B[i, j] * hidden[j]
        out += C[i] * np.tanh(z)
    q = COST[0] * x * x + COST[1] * y * y
    q += COST[2] * (x / HALF_WIDTHS[0]) ** 8 + COST[3] * (y / HALF_WIDTHS[1]) ** 8
    return y, -x + (1.0 - x * x) * y + np.tanh(out), q
