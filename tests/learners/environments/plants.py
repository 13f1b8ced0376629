"""Small plants and tasks for tests of environments."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from learners.environments import task_for
from systems import zoo
from systems.build import system_from_text
from systems.dynamics import ControlAffineSystem
from systems.sampled import Sampling
from systems.task import Noise, PhysicalLimit, References, Subsystem, Task, default_task

CONTROLLED = [name for name in zoo.names() if zoo.system(name).input_dimension]
UNCONTROLLED = [name for name in zoo.names() if name not in CONTROLLED]


def pendulum_task(**changes: object) -> Task:
    return replace(task_for(zoo.pendulum(), sample_time="0.02"), **changes)  # type: ignore[arg-type]


def still() -> ControlAffineSystem:
    """x and y that stay where they are but for their inputs, y with a limit: for noise alone."""
    return system_from_text(
        "still",
        ["x", "y"],
        ["u", "v"],
        {"x": "u", "y": "v"},
        domain=[[-5, 5], [-5, 5]],
        input_limits={"u": [-1, 1], "v": [-2, 2]},
    )


def still_task(sigma: float = 0.0, bound: float = 0.0, **changes: object) -> Task:
    """Two subsystems with tracking costs, three references, and y ≥ −4."""
    system = still()
    task = default_task(system, sampling=Sampling(Fraction(1, 10)), episode_steps=50)
    given: dict[str, object] = {
        "cost": "tracking",
        "scale": (2.0, 4.0),
        "noise": Noise((sigma, sigma), (bound, bound)) if sigma else None,
        "references": References(
            np.array([[0.0, 0.0], [1.0, -1.0], [2.0, 3.0]]),
            np.array([[0.0, 0.0], [0.1, 0.2], [0.3, 0.4]]),
        ),
        "partition": (Subsystem("first", (0,), (0,)), Subsystem("second", (1,), (1,))),
        "physical": (PhysicalLimit("y >= -4", system.state[1] + 4),),
        **changes,
    }
    return replace(task, **given)  # type: ignore[arg-type]


def exploding() -> ControlAffineSystem:
    """ẋ = exp(x) + u, which is beyond all floats a step after x = 7."""
    return system_from_text(
        "exploding",
        ["x"],
        ["u"],
        {"x": "exp(x) - 1 + u"},
        domain=[[-1, 8]],
        input_limits={"u": [-1, 1]},
    )
