"""What every controller of a comparison can do, and the two that do nothing themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Controller(Protocol):
    """Controls N copies of a plant at once, each towards a reference of its own.

    A controller with a memory keeps one for every copy; :meth:`reset` makes it forget, and says
    how many copies there are. Whatever it asks for is cut off at the input limits by the plant.
    """

    @property
    def name(self) -> str: ...

    def reset(self, count: int) -> None: ...

    def act(self, states: Array, references: Array, reference_inputs: Array) -> Array:
        """Inputs (N, m), physical units, from states (N, n), the states to be reached (N, n) and
        the inputs that hold the plant there (N, m)."""
        ...


@dataclass
class OpenLoop:
    """The reference's steady inputs, whatever the state is."""

    name: str = "open loop"

    def reset(self, count: int) -> None:
        pass

    def act(self, states: Array, references: Array, reference_inputs: Array) -> Array:
        return reference_inputs


Act = Callable[[Array, Array, Array], Array]


@dataclass
class TrainedPolicy:
    """A trained policy as a controller: ``policy`` is such as
    :meth:`learners.actor_critic.policy.Policy.act`."""

    name: str
    policy: Act

    def reset(self, count: int) -> None:
        pass

    def act(self, states: Array, references: Array, reference_inputs: Array) -> Array:
        return self.policy(states, references, reference_inputs)
