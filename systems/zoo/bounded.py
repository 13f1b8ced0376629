"""Systems of the region-of-attraction literature: limited inputs, large boxes, and the reversed
Van der Pol oscillator, which has no input at all.

Dynamics, limits and boxes as in "Two-Stage Training ..." (arXiv 2506.01356, Tables 1 and 3). No
running costs are published for these; Q = I and R = I here.
"""

from __future__ import annotations

from functools import partial

from systems.build import system_from_text
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.formulas import did_you_mean
from systems.zoo.entry import Entry

# torque limit: half-widths of the box that was searched
PENDULUM_BOXES = {"6": ("20", "100"), "0.75": ("19.2", "64.8")}
STEERING_LIMITS = ("0.84", "0.5")
REVERSED_BOXES = {1: ("2.5", "3.5"), 3: ("3", "6")}


def _symmetric(*half_widths: str) -> list[tuple[str, str]]:
    return [(f"-{h}", h) for h in half_widths]


def van_der_pol() -> ControlAffineSystem:
    """Van der Pol oscillator with |u| ≤ 1."""
    return system_from_text(
        "van-der-pol",
        ["x1", "x2"],
        ["u"],
        {"x1": "x2", "x2": "-x1 + (1 - x1**2)*x2 + u"},
        domain=_symmetric("4.8", "10.8"),
        input_limits={"u": [-1, 1]},
        description="Van der Pol oscillator, |u| <= 1",
    )


def van_der_pol_reversed(mu: int = 1) -> ControlAffineSystem:
    """Van der Pol in reversed time, uncontrolled; its region of attraction is bounded by the limit
    cycle. ``mu`` is 1 or 3."""
    if mu not in REVERSED_BOXES:
        raise InputError(f"the reversed Van der Pol oscillator has mu = 1 or 3, not {mu}")
    return system_from_text(
        f"van-der-pol-reversed-{mu}",
        ["x1", "x2"],
        [],
        {"x1": "-x2", "x2": "x1 - mu*(1 - x1**2)*x2"},
        parameters={"mu": mu},
        domain=_symmetric(*REVERSED_BOXES[mu]),
        description=f"Van der Pol oscillator in reversed time, mu = {mu}, no input",
    )


def double_integrator() -> ControlAffineSystem:
    """Double integrator with |u| ≤ 1."""
    return system_from_text(
        "double-integrator",
        {"p": "m", "v": "m/s"},
        {"u": "m/s^2"},
        {"p": "v", "v": "u"},
        domain=_symmetric("26.4", "9.6"),
        input_limits={"u": [-1, 1]},
        description="double integrator, |u| <= 1",
    )


def pendulum_bounded(limit: str = "6") -> ControlAffineSystem:
    """Inverted pendulum with a limited torque: "6" (8.15 mgl) or "0.75" (1.02 mgl), in N m."""
    if limit not in PENDULUM_BOXES:
        raise InputError(f"no torque limit {limit!r}{did_you_mean(limit, PENDULUM_BOXES)}")
    return system_from_text(
        f"pendulum-bounded-{limit}",
        {"theta": "rad", "omega": "rad/s"},
        {"u": "N m"},
        {"theta": "omega", "omega": "g/l*sin(theta) - b/(m*l**2)*omega + u/(m*l**2)"},
        parameters={"m": "0.15", "l": "0.5", "b": "0.1", "g": "9.81"},
        domain=_symmetric(*PENDULUM_BOXES[limit]),
        input_limits={"u": [f"-{limit}", limit]},
        description=f"inverted pendulum, torque |u| <= {limit} N m",
    )


def path_tracking(limit: str = "0.84") -> ControlAffineSystem:
    """A wheeled vehicle on a circle: distance and heading errors, |u| ≤ "0.84" or "0.5".

    The equilibrium input is l/R, which keeps the wheels on the circle.
    """
    if limit not in STEERING_LIMITS:
        raise InputError(f"no steering limit {limit!r}{did_you_mean(limit, STEERING_LIMITS)}")
    return system_from_text(
        f"path-tracking-{limit}",
        {"d": "m", "theta": "rad"},
        {"u": "1"},
        {"d": "v*sin(theta)", "theta": "v*u/l - cos(theta)/(R/v - sin(theta))"},
        parameters={"v": 2, "l": 1, "R": 10},
        domain=_symmetric("10", "10"),
        equilibrium={"u": "l/R"},
        input_limits={"u": [f"-{limit}", limit]},
        description=f"vehicle tracking a circle, |u| <= {limit}",
    )


def cartpole_bounded() -> ControlAffineSystem:
    """Cart and pole, states (p, θ, ṗ, θ̇), |u| ≤ 30 N."""
    return system_from_text(
        "cartpole-bounded",
        {"p": "m", "theta": "rad", "v": "m/s", "omega": "rad/s"},
        {"u": "N"},
        {
            "p": "v",
            "theta": "omega",
            "v": "(u + mp*sin(theta)*(l*omega**2 - g*cos(theta)))/(mc + mp*sin(theta)**2)",
            "omega": "(-u*cos(theta) - mp*l*omega**2*sin(theta)*cos(theta)"
            " + (mc + mp)*g*sin(theta))/(l*(mc + mp*sin(theta)**2))",
        },
        parameters={"mc": 1, "mp": "0.1", "l": 1, "g": "9.81"},
        domain=_symmetric("3.6", "2.4", "12", "12"),
        input_limits={"u": [-30, 30]},
        description="cart with an inverted pole, |u| <= 30 N",
    )


def quadrotor_2d_bounded() -> ControlAffineSystem:
    """Planar quadrotor with rotor thrusts 0 ≤ uᵢ ≤ 6 N; it hovers at mg/2 each."""
    return system_from_text(
        "quadrotor-2d-bounded",
        {"x": "m", "y": "m", "theta": "rad", "vx": "m/s", "vy": "m/s", "omega": "rad/s"},
        {"u1": "N", "u2": "N"},
        {
            "x": "vx",
            "y": "vy",
            "theta": "omega",
            "vx": "-sin(theta)*(u1 + u2)/m",
            "vy": "cos(theta)*(u1 + u2)/m - g",
            "omega": "r/I*(u1 - u2)",
        },
        parameters={"m": "0.486", "I": "0.00383", "r": "0.25", "g": "9.81"},
        domain=_symmetric("12", "13.2", "12", "19.2", "20.4", "88.8"),
        equilibrium={"u1": "m*g/2", "u2": "m*g/2"},
        input_limits={"u1": [0, 6], "u2": [0, 6]},
        description="planar quadrotor with two rotors, 0 <= thrust <= 6 N each",
    )


ENTRIES = [
    Entry("van-der-pol", "Van der Pol oscillator, |u| <= 1, 2 states", van_der_pol),
    *(
        Entry(
            f"van-der-pol-reversed-{mu}",
            f"Van der Pol oscillator in reversed time, mu = {mu}, no input, 2 states",
            partial(van_der_pol_reversed, mu),
        )
        for mu in REVERSED_BOXES
    ),
    Entry("double-integrator", "double integrator, |u| <= 1, 2 states", double_integrator),
    *(
        Entry(
            f"pendulum-bounded-{limit}",
            f"inverted pendulum, torque |u| <= {limit} N m, 2 states",
            partial(pendulum_bounded, limit),
        )
        for limit in PENDULUM_BOXES
    ),
    *(
        Entry(
            f"path-tracking-{limit}",
            f"vehicle tracking a circle, |u| <= {limit}, 2 states",
            partial(path_tracking, limit),
        )
        for limit in STEERING_LIMITS
    ),
    Entry(
        "cartpole-bounded", "cart with an inverted pole, |u| <= 30 N, 4 states", cartpole_bounded
    ),
    Entry(
        "quadrotor-2d-bounded",
        "planar quadrotor with two rotors of 0 to 6 N, 6 states, 2 inputs",
        quadrotor_2d_bounded,
    ),
]
