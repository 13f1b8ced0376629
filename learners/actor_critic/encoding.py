"""The plant's states and references as a controller's networks see them: scaled, float32."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from learners.actor_critic.view import MOST_SQUASHED, View

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Seen:
    """What a controller sees: the scaled error (N, n), the scaled reference (N, n) where there are
    several, and the pre-image of the steady input (N, m) or (1, m)."""

    error: torch.Tensor
    reference: torch.Tensor | None
    steady: torch.Tensor

    @property
    def rest(self) -> torch.Tensor:
        """The steady action a_ref in (−1, 1)."""
        return torch.tanh(self.steady)


@dataclass(frozen=True, eq=False)
class Batch:
    """Transitions: ``action`` (B, m), ``cost`` (B,), ``ended`` (B,): 1 where nothing follows."""

    seen: Seen
    action: torch.Tensor
    cost: torch.Tensor
    then: Seen
    ended: torch.Tensor


class Encoder:
    """Of one view. ``reference_inputs`` (K, m of the plant) are all steady inputs there are.

    Raises InputError where one of them leaves no room for control.
    """

    def __init__(self, view: View, reference_inputs: Array) -> None:
        self.view = view
        self._inputs = torch.tensor(view.inputs)
        self._states = torch.tensor(view.states)
        self._centre = torch.tensor(view.centre, dtype=torch.float64)
        self._scale = torch.tensor(view.scale, dtype=torch.float64)
        self._steady = torch.from_numpy(view.before_squash(reference_inputs)).float()
        self._middle = torch.from_numpy(view.middle)
        self._half = torch.from_numpy(view.half)

    def __call__(
        self, states: torch.Tensor, references: torch.Tensor, reference_inputs: torch.Tensor
    ) -> Seen:
        """From the plant's ``states`` and ``references`` (N, n) and ``reference_inputs`` (N, m),
        float64."""
        x, r = states[:, self._states], references[:, self._states]
        error = ((x - r) / self._scale).float()
        if not self.view.tracks:
            return Seen(error, None, self._steady)
        share = (reference_inputs[:, self._inputs] - self._middle) / self._half
        steady = torch.atanh(share.clamp(-MOST_SQUASHED, MOST_SQUASHED))
        return Seen(error, ((r - self._centre) / self._scale).float(), steady.float())

    def unpack(self, batch: Mapping[str, torch.Tensor]) -> Batch:
        """A batch of the replay buffer, (B, width) each, as what was seen, done and met."""
        reference, steady = batch.get("reference"), batch.get("steady", self._steady)
        return Batch(
            Seen(batch["error"], reference, steady),
            batch["action"],
            batch["cost"][:, 0],
            Seen(batch["next_error"], reference, steady),
            batch["ended"][:, 0],
        )

    def inputs(self, actions: torch.Tensor) -> torch.Tensor:
        """The plant's inputs (N, m of the view), float64, of actions in (−1, 1)."""
        return self._middle + self._half * actions.double()
