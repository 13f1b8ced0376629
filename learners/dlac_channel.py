"""The only way from one controller of DLAC to another: a scalar a controller and sample.

In a round every controller sends its mⁱ (12), one number for each sample of a batch, and receives
m⁻ⁱ = Σ_{j≠i} mʲ (13). What passes is copied into plain arrays of numbers: no gradient, no memory of
the sender's and nothing else can travel with it. Everything that passes is counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Traffic:
    """What has passed: rounds, messages of controllers to the channel and back, numbers in them."""

    rounds: int
    sent: int
    received: int
    floats_sent: int
    floats_received: int


class Channel:
    """Between ``controllers`` controllers, in rounds of :meth:`send` by all and then
    :meth:`receive` by all.

    Raises ValueError where a message is anything else than one finite number a sample, or out of
    turn: a broken message must not go on unnoticed.
    """

    def __init__(self, controllers: int) -> None:
        if controllers < 1:
            raise ValueError(f"a channel needs a controller, not {controllers}")
        self._count = controllers
        self._inbox: dict[int, Array] = {}
        self._served: set[int] = set()
        self._rounds = self._sent = self._received = 0
        self._floats_sent = self._floats_received = 0

    @property
    def traffic(self) -> Traffic:
        return Traffic(
            self._rounds, self._sent, self._received, self._floats_sent, self._floats_received
        )

    @traffic.setter
    def traffic(self, passed: Traffic) -> None:
        """Go on counting from there: for checkpoints, which are taken between rounds."""
        self._rounds, self._sent, self._received = passed.rounds, passed.sent, passed.received
        self._floats_sent, self._floats_received = passed.floats_sent, passed.floats_received

    def send(self, sender: int, values: ArrayLike) -> None:
        """mⁱ for each of the B samples of the batch that all controllers look at, (B,)."""
        message = np.array(values, dtype=np.float64, copy=True)
        self._check_turn(sender, sender in self._inbox, "sends")
        if message.ndim != 1 or not message.size:
            raise ValueError(
                f"a message is one number a sample, an array of shape (B,), not {message.shape}"
            )
        if any(len(other) != len(message) for other in self._inbox.values()):
            raise ValueError(f"controller {sender} sends {len(message)} samples, others do not")
        if not np.isfinite(message).all():
            raise ValueError(f"controller {sender} sends numbers that are not finite")
        self._inbox[sender] = message
        if self._count > 1:  # what one controller alone would send goes nowhere
            self._sent += 1
            self._floats_sent += message.size

    def receive(self, receiver: int) -> Array:
        """m⁻ⁱ, (B,): the sum over all other controllers, once all have sent."""
        self._check_turn(receiver, receiver in self._served, "receives")
        if len(self._inbox) < self._count:
            raise ValueError(f"only {len(self._inbox)} of {self._count} controllers have sent")
        others = [self._inbox[j] for j in sorted(self._inbox) if j != receiver]
        total = np.sum(others, axis=0) if others else np.zeros_like(self._inbox[receiver])
        if others:  # one controller alone is told nothing
            self._received += 1
            self._floats_received += total.size
        self._served.add(receiver)
        if len(self._served) == self._count:
            self._inbox.clear()
            self._served.clear()
            self._rounds += 1
        return total

    def _check_turn(self, controller: int, done: bool, verb: str) -> None:
        if not 0 <= controller < self._count:
            raise ValueError(f"there are {self._count} controllers, no number {controller}")
        if verb == "sends" and self._served:
            raise ValueError(f"controller {controller} sends before all others have received")
        if done:
            raise ValueError(f"controller {controller} {verb} twice in a round")
