"""Small systems that show what else can be stated: discrete time, disturbances, unsafe sets.

The pendulum is that of :mod:`systems.zoo.policy_iteration`; the boxes and ranges are ours.
"""

from __future__ import annotations

from systems.build import system_from_text
from systems.dynamics import ControlAffineSystem
from systems.zoo.entry import Entry

PENDULUM = {"m": "0.1", "g": "9.8", "l": "0.5", "mu": "0.1"}
TORQUE = "(m*g*l*sin(theta) - mu*omega + {})/(m*l**2)"


def pendulum_discrete() -> ControlAffineSystem:
    """The inverted pendulum, by Euler steps of h = 1/50 s with the torque held."""
    return system_from_text(
        "pendulum-discrete",
        {"theta": "rad", "omega": "rad/s"},
        {"u": "N m"},
        {"theta": "theta + h*omega", "omega": f"omega + h*{TORQUE.format('u')}"},
        parameters={**PENDULUM, "h": "0.02"},
        domain=[[-1, 1], [-4, 4]],
        R=2,
        description="inverted pendulum in discrete time, Euler steps of 0.02 s",
        time="discrete",
    )


def pendulum_disturbed() -> ControlAffineSystem:
    """The inverted pendulum with a torque that nobody knows, |w| ≤ 0.01 N m, beside u.

    It moves the state away from every point, so practical stability is what can be shown.
    """
    return system_from_text(
        "pendulum-disturbed",
        {"theta": "rad", "omega": "rad/s"},
        {"u": "N m"},
        {"theta": "omega", "omega": TORQUE.format("u + w")},
        parameters=PENDULUM,
        domain=[[-1, 1], [-4, 4]],
        R=2,
        description="inverted pendulum under a disturbing torque, |w| <= 0.01 N m",
        disturbances={"w": "N m"},
        disturbance_range=[["-0.01", "0.01"]],
    )


def van_der_pol_uncertain() -> ControlAffineSystem:
    """Van der Pol in reversed time whose mu may be any function of time in [4/5, 6/5].

    What it multiplies vanishes at 0, so 0 is an equilibrium whatever mu does.
    """
    return system_from_text(
        "van-der-pol-uncertain",
        ["x1", "x2"],
        [],
        {"x1": "-x2", "x2": "x1 - mu*(1 - x1**2)*x2"},
        domain=[["-2.5", "2.5"], ["-3.5", "3.5"]],
        description="Van der Pol oscillator in reversed time, 0.8 <= mu <= 1.2, no input",
        disturbances={"mu": ""},
        disturbance_range=[["0.8", "1.2"]],
    )


def double_integrator_unsafe() -> ControlAffineSystem:
    """Double integrator beside a wall, and with a corner of position and speed to keep out of."""
    return system_from_text(
        "double-integrator-unsafe",
        {"p": "m", "v": "m/s"},
        {"u": "m/s^2"},
        {"p": "v", "v": "u"},
        domain=[[-2, 2], [-2, 2]],
        description="double integrator with a wall at p = 1.5 m and a speed limit near it",
        unsafe={"wall": "p >= 1.5", "too fast": ["p >= 0.5", "v >= 1.25"]},
    )


ENTRIES = [
    Entry(
        "pendulum-discrete",
        "inverted pendulum in discrete time, steps of 0.02 s, 2 states",
        pendulum_discrete,
    ),
    Entry(
        "pendulum-disturbed",
        "inverted pendulum, disturbing torque |w| <= 0.01 N m, 2 states",
        pendulum_disturbed,
    ),
    Entry(
        "van-der-pol-uncertain",
        "Van der Pol oscillator in reversed time, 0.8 <= mu <= 1.2, no input, 2 states",
        van_der_pol_uncertain,
    ),
    Entry(
        "double-integrator-unsafe",
        "double integrator with two unsafe sets, 2 states",
        double_integrator_unsafe,
    ),
]
