"""The systems of Meng, Zhou, Mukherjee, Fitzsimmons, Song and Liu, "Physics-Informed Neural
Network Policy Iteration" (arXiv 2402.10119), with the constants they state.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial

import numpy as np

from systems import expression as ex
from systems.box import Box
from systems.build import system_from_text
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.exact import ExactArray
from systems.expression import Expression
from systems.quadratic import diagonal
from systems.task import Task, default_task
from systems.zoo.entry import Entry, constants, gain

SYNTHETIC_DIMENSIONS = range(1, 13)


def synthetic(n: int) -> ControlAffineSystem:
    """ẋᵢ = xᵢ³ + uᵢ on [−1, 1]ⁿ, with Q = Σ(xᵢ² + 2xᵢ⁴) and R = I; n from 1 to 12."""
    if n not in SYNTHETIC_DIMENSIONS:
        raise InputError(f"synthetic systems have 1 to 12 states, not {n}")
    x = ex.variable("x", n)
    unit = np.eye(n)
    weights = ExactArray.of(np.ones((1, n)))
    return ControlAffineSystem(
        name=f"synthetic-{n}",
        state=x,
        drift=x**3,
        input_columns=tuple(ex.constant(unit[j]) for j in range(n)),
        domain=Box.symmetric([1] * n),
        equilibrium=(Fraction(0),) * n,
        equilibrium_input=(Fraction(0),) * n,
        state_cost=ex.affine(weights, x**2 + 2 * x**4),
        input_cost=diagonal([Fraction(1)] * n),
        state_names=tuple(f"x{i + 1}" for i in range(n)),
        input_names=tuple(f"u{i + 1}" for i in range(n)),
        description=f"n independent cubic states, n = {n}; V* is known",
    )


def synthetic_optimal_value(x: Expression) -> Expression:
    """V* = Σ(xᵢ⁴ + xᵢ²)."""
    return ex.total(x**4 + x**2)


def bilinear() -> ControlAffineSystem:
    """ẋ = x u with Q = x², R = 1; V* = 2|x| has a kink at 0."""
    return system_from_text(
        "bilinear",
        ["x"],
        ["u"],
        {"x": "x*u"},
        domain=[[-1, 1]],
        description="one state, bilinear; V* = 2|x| is not differentiable at 0",
    )


def bilinear_optimal_value(x: Expression) -> Expression:
    """V* = 2|x|."""
    return ex.total(2 * ex.absolute(x))


def bilinear_task(system: ControlAffineSystem) -> Task:
    """With a period and a range of inputs of its own: its linearisation suggests neither."""
    period = None if system.time == "discrete" else "0.05"
    return default_task(system, sample_time=period, action_range=([-5], [5]))


def pendulum() -> ControlAffineSystem:
    """The inverted pendulum, θ measured from upright; Q = I, R = 2."""
    return system_from_text(
        "pendulum",
        {"theta": "rad", "omega": "rad/s"},
        {"u": "N m"},
        {
            "theta": "omega",
            "omega": "(m*g*l*sin(theta) - mu*omega + u)/(m*l**2)",
        },
        parameters={"m": "0.1", "g": "9.8", "l": "0.5", "mu": "0.1"},
        domain=[[-1, 1], [-1, 1]],
        R=2,
        description="inverted pendulum with viscous friction and a torque",
    )


def lorenz() -> ControlAffineSystem:
    """The Lorenz system with an input in the first equation; Q = I, R = 1.

    The paper prints ẋ₂ = 28x₁ − x₂ without −x₁x₃; that is a misprint.
    """
    return system_from_text(
        "lorenz",
        ["x1", "x2", "x3"],
        ["u"],
        {
            "x1": "-10*x1 + 10*x2 + u",
            "x2": "28*x1 - x2 - x1*x3",
            "x3": "-8/3*x3 + x1*x2",
        },
        domain=[[-1, 1]] * 3,
        description="Lorenz system, stabilised at the origin",
    )


def cartpole() -> ControlAffineSystem:
    """Cart and pole, θ from upright; Q = diag(60, 1.5, 180, 45), R = 1."""
    return system_from_text(
        "cartpole",
        {"theta": "rad", "omega": "rad/s", "p": "m", "v": "m/s"},
        {"u": "N"},
        {
            "theta": "omega",
            "omega": "(-m*L*omega**2*sin(theta)*cos(theta) + (M + m)*g*sin(theta) - cos(theta)*u)"
            "/(L*(M + m*sin(theta)**2))",
            "p": "v",
            "v": "(m*sin(theta)*(L*omega**2 - g*cos(theta)) + u)/(M + m*sin(theta)**2)",
        },
        parameters={"m": "0.1", "M": 1, "L": "0.8", "g": "9.8"},
        domain=[["-0.2", "0.2"]] * 4,
        Q=[60, "1.5", 180, 45],
        description="cart with an inverted pole, force on the cart",
    )


def quadrotor_2d() -> ControlAffineSystem:
    """Planar quadrotor, inputs measured from hover; Q = diag(10, 10, 10, 1, 1, 1), R = I."""
    return system_from_text(
        "quadrotor-2d",
        {"x": "m", "y": "m", "theta": "rad", "vx": "m/s", "vy": "m/s", "omega": "rad/s"},
        {"u1": "m/s^2", "u2": "rad/s^2"},
        {
            "x": "vx",
            "y": "vy",
            "theta": "omega",
            "vx": "sin(theta)*(g + u1)",
            "vy": "cos(theta)*(g + u1) - g",
            "omega": "u2",
        },
        parameters={"g": "9.81"},
        domain=[["-0.2", "0.2"]] * 6,
        Q=[10, 10, 10, 1, 1, 1],
        description="planar quadrotor of unit mass and inertia about hover",
    )


def quadrotor_3d() -> ControlAffineSystem:
    """Quadrotor in space with Euler rates as inputs; Q = diag(10 ×6, 1 ×3), R = I."""
    return system_from_text(
        "quadrotor-3d",
        {
            **{p: "m" for p in ("px", "py", "pz")},
            **{v: "m/s" for v in ("vx", "vy", "vz")},
            **{a: "rad" for a in ("phi", "theta", "psi")},
        },
        {"u1": "m/s^2", "u2": "rad/s", "u3": "rad/s", "u4": "rad/s"},
        {
            "px": "vx",
            "py": "vy",
            "pz": "vz",
            "vx": "-sin(theta)*(g + u1)",
            "vy": "cos(theta)*sin(phi)*(g + u1)",
            "vz": "cos(theta)*cos(phi)*(g + u1) - g",
            "phi": "u2",
            "theta": "u3",
            "psi": "u4",
        },
        parameters={"g": "9.81"},
        domain=[["-0.2", "0.2"]] * 9,
        Q=[10] * 6 + [1] * 3,
        description="quadrotor in space about hover: thrust and Euler rates",
    )


# The paper places the poles of the linearisation and does not say where. The third state is
# uncontrollable with the stable pole −8/3; this gain puts the other two at −10 and −20.
_LORENZ_GAIN = gain((19, Fraction(451, 28), 0))

ENTRIES = [
    *(
        Entry(
            f"synthetic-{n}",
            f"{n} independent cubic state{'s' if n > 1 else ''} with known V*",
            partial(synthetic, n),
            constants(mu="1e-4", c1="0.01", c2="1.99", epsilon="0.1"),
            synthetic_optimal_value,
        )
        for n in SYNTHETIC_DIMENSIONS
    ),
    Entry(
        "bilinear",
        "one bilinear state; V* = 2|x| is not differentiable at 0",
        bilinear,
        optimal_value=bilinear_optimal_value,
        initial_policy="-3*abs(x)",
        task=bilinear_task,
        activation="relu",
    ),
    Entry(
        "pendulum",
        "inverted pendulum with friction and a torque, 2 states",
        pendulum,
        constants(c1="0.01", c2="0.029"),
    ),
    Entry("lorenz", "Lorenz system with one input, 3 states", lorenz, initial_gain=_LORENZ_GAIN),
    Entry(
        "cartpole",
        "cart with an inverted pole, 4 states (the paper's order: theta, omega, p, v)",
        cartpole,
        initial_gain=gain(("-32.8482", "-9.1512", -1, "-2.3460")),
    ),
    Entry(
        "quadrotor-2d",
        "planar quadrotor about hover, 6 states, 2 inputs",
        quadrotor_2d,
        initial_gain=gain(
            (0, 1, 0, 0, "1.7321", 0),
            (1, 0, "13.5165", "1.9380", 0, "5.2946"),
        ),
    ),
    Entry(
        "quadrotor-3d",
        "quadrotor in space about hover, 9 states, 4 inputs",
        quadrotor_3d,
        initial_gain=gain(
            (0, 0, 1, 0, 0, "1.7321", 0, 0, 0),
            (0, 1, 0, 0, "1.4515", 0, "5.4294", 0, 0),
            (-1, 0, 0, "-1.4515", 0, 0, 0, "5.4294", 0),
            (0, 0, 0, 0, 0, 0, 0, 0, 1),
        ),
    ),
]
