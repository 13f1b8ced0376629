"""The settings of LAC (:mod:`learners.lac`), checked."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

from systems.errors import InputError


@dataclass(frozen=True)
class LacSettings:
    """What a training's result depends on.

    ``updates`` of ``batch`` transitions each; after every period of the ``environments`` there are
    ``updates_per_period``. The first ``warm_up`` periods only collect. ``discount`` is γ,
    ``alpha3`` α₃, ``entropy`` the least entropy for each input (of actions in (−1, 1)),
    ``soft_update`` the share by which the target network moves, ``least_multiplier`` the least e^λ.
    ``critics``: 1 or 2. ``relative``: what is added to L where errors count relative to it; None
    for the absolute errors that were printed. ``judged``: how often in a training policies are
    judged. ``further``: the share of ``updates`` that counterexamples are worth. ``linear`` adds a
    linear path to the actor, ``anchored`` fixes its action at the reference. ``starts``: the share
    of the domain that episodes begin in.
    """

    hidden: tuple[int, ...] = (32, 32)
    critic_hidden: tuple[int, ...] = (64, 64)
    critics: int = 2
    critic_form: Literal["norm", "square"] = "norm"
    environments: int = 64
    updates: int = 12_000
    updates_per_period: int = 8
    warm_up: int = 50
    batch: int = 256
    capacity: int = 200_000
    discount: float = 0.99
    soft_update: float = 0.01
    learning_rate: float = 1e-3
    final_rate: float = 0.1
    multiplier_rate: float = 1e-3
    least_multiplier: float = 1.0
    alpha3: float = 0.5
    entropy: float = -3.0
    relative: float | None = 1e-4
    judged: int = 10
    further: float = 0.25
    anchored: bool = True
    linear: bool = True
    starts: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in (
            "environments", "updates", "updates_per_period", "warm_up", "batch", "capacity",
            "judged",
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("discount", "soft_update", "final_rate", "further", "starts"):
            high = "1)" if name == "discount" else "1]"
            value = getattr(self, name)
            if not 0.0 < value <= 1.0 or (name == "discount" and value == 1.0):
                raise InputError(f"{name} must be in (0, {high}, not {value}")
        for name in ("learning_rate", "multiplier_rate", "alpha3"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} must be positive and finite, not {getattr(self, name)}")
        if self.relative is not None and not 0.0 < self.relative < math.inf:
            raise InputError(f"relative must be positive and finite, not {self.relative}")
        for name in ("hidden", "critic_hidden"):
            if not getattr(self, name) or min(getattr(self, name)) < 1:
                raise InputError(
                    f"{name} needs one positive width a layer, not {getattr(self, name)}"
                )
        if self.critics not in (1, 2):
            raise InputError(f"critics must be 1 or 2, not {self.critics}")
        if self.critic_form not in ("norm", "square"):
            raise InputError(f'critic_form must be "norm" or "square", not {self.critic_form!r}')
        if self.capacity < self.environments:
            raise InputError(
                f"a replay buffer of {self.capacity} transitions is too small for "
                f"{self.environments} environments"
            )

    def settings(self) -> dict[str, object]:
        """What the result depends on, plain JSON data."""
        names = (f.name for f in dataclasses.fields(self) if not f.name.startswith("_"))
        return {name: getattr(self, name) for name in names}
