"""Small tasks for tests of actor-critics."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from systems.box import Box
from systems.build import system_from_text
from systems.dynamics import ControlAffineSystem
from systems.sampled import Sampling
from systems.task import References, Task


def first_order(limits: tuple[object, object] | None = (-2, 2)) -> ControlAffineSystem:
    """ẋ = x + u: unstable, one state, one input."""
    return system_from_text(
        "first-order",
        ["x"],
        ["u"],
        {"x": "x + u"},
        domain=[[-1, 1]],
        input_limits=None if limits is None else {"u": list(limits)},
    )


def first_order_task(**changes: object) -> Task:
    """Sampled every 0.1, episodes of 20 periods."""
    system = changes.pop("system", None) or first_order()
    assert isinstance(system, ControlAffineSystem)
    settings: dict[str, object] = {
        "system": system,
        "sampling": Sampling(Fraction(1, 10)),
        "episode_steps": 20,
        "starts": Box.symmetric([1]),
        "centre": (0.0,),
        "scale": (1.0,),
        "action_low": (-2.0,),
        "action_high": (2.0,),
    }
    return Task(**(settings | changes))  # type: ignore[arg-type]


def two_tanks_task() -> Task:
    """Two tanks with a pump each, and three levels to be held."""
    system = system_from_text(
        "two-tanks",
        ["a", "b"],
        ["p", "q"],
        {"a": "p - a", "b": "q + a - 2*b"},
        domain=[[0, 4], [0, 4]],
        equilibrium={"a": 1, "b": 1, "p": 1, "q": 1},
        input_limits={"p": [0, 3], "q": [-1, 5]},
    )
    levels = np.array([[1.0, 1.0], [1.5, 1.25], [0.5, 0.75]])
    pumps = np.column_stack([levels[:, 0], 2.0 * levels[:, 1] - levels[:, 0]])
    return Task(
        system=system,
        sampling=Sampling(Fraction(1, 20)),
        episode_steps=30,
        starts=Box.of([(Fraction(1, 2), 2), (Fraction(1, 2), 2)]),
        centre=(1.0, 1.0),
        scale=(0.7, 1.3),
        action_low=(0.0, -1.0),
        action_high=(3.0, 5.0),
        cost="tracking",
        references=References(levels, pumps),
    )
