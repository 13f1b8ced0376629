"""The numbers that DLAC's controllers learn with."""

from __future__ import annotations

import math
from dataclasses import dataclass

from systems.errors import InputError


@dataclass(frozen=True)
class Hyperparameters:
    """What a controller learns with.

    ``discount`` γ, ``decrease`` α₃, ``target_rate`` of the critic that (9) is bootstrapped from (1:
    the critic itself). Entropy is held at ``entropy`` per action at first and at ``final_entropy``
    in the end, the learning rate likewise, both geometrically or linearly in the share of training
    that is over. ``exploration``: the deviations of z with which the first and the last of the
    environments act, geometrically spaced in between, and in the end ``final_exploration`` times
    that; None acts as the policy itself would. ``anchored``: the reference is a steady state of
    every policy. ``linear``: a path beside the hidden layers.

    ``relative``: a critic's squared errors (9) are divided by this plus what it is to learn,
    c + γL. Small L near the reference then count too; and where others make the outcome vary, L
    becomes a harmonic rather than an arithmetic mean of it, less than the expectation. None leaves
    (9) as printed. ``least_price``: e^λ does not fall below it, as it would wherever (14) holds
    with room to spare, and with it all interest in costs.
    """

    hidden: tuple[int, ...] = (32, 32)
    critic_hidden: tuple[int, ...] = (48, 48)
    critics: int = 2
    discount: float = 0.95
    decrease: float = 0.5
    batch: int = 512
    buffer: int = 500_000
    target_rate: float = 0.01
    learning_rate: float = 1e-3
    final_learning_rate: float = 3e-5
    multiplier_rate: float = 3e-3
    entropy: float = -0.5
    final_entropy: float = -3.0
    exploration: tuple[float, float] | None = (0.1, 1.5)
    final_exploration: float = 0.3
    anchored: bool = True
    linear: bool = True
    relative: float | None = 0.05
    least_price: float = 1.0

    def __post_init__(self) -> None:
        for name in ("critics", "batch", "buffer"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.critics > 2:
            raise InputError(f"critics must be 1 or 2, not {self.critics}")
        for name in ("hidden", "critic_hidden"):
            widths = getattr(self, name)
            if not widths or min(widths) < 1:
                raise InputError(f"{name} must be widths of layers, such as (32, 32), not {widths}")
        for name in ("discount", "target_rate", "decrease"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise InputError(f"{name} must be in (0, 1], not {getattr(self, name)}")
        for name in (
            "learning_rate",
            "final_learning_rate",
            "multiplier_rate",
            "least_price",
            "final_exploration",
        ):
            if not 0.0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} must be positive and finite, not {getattr(self, name)}")
        if self.exploration is not None and not 0.0 < self.exploration[0] <= self.exploration[1]:
            raise InputError(f"exploration must be 0 < first <= last, not {self.exploration}")
        if self.relative is not None and not self.relative > 0.0:
            raise InputError(f"relative must be positive, not {self.relative}")
