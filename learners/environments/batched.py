"""Many episodes of a task at once, as torch tensors on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from learners.environments.episodes import Episodes
from learners.environments.troubles import Troubles
from systems.task import Noise, Task


@dataclass(frozen=True, eq=False)
class Step:
    """One period of N episodes.

    ``states`` (N, n) are the true next states, before anything is restarted; ``costs`` (N, ν), one
    column for each subsystem, are those of the states and inputs that the period began with.
    ``terminated`` (N,): the state left its physical meaning, or is not finite. Where it is not, or
    is far off, the state before is in its place: all that is handed out are ordinary numbers.
    ``truncated`` (N,): the episode's periods are over, and the plant would go on. ``outside`` names
    what was left, if anything.
    """

    states: torch.Tensor
    costs: torch.Tensor
    terminated: torch.Tensor
    truncated: torch.Tensor
    outside: tuple[str, ...]


class BatchedEnvironment:
    """``batch`` episodes of a task, in step; float64 inside, and outside too unless ``dtype`` is
    torch.float32.

    ``noise`` replaces the task's; for none at all, ``dataclasses.replace(task, noise=None)``.
    Episodes that have ended go on until :meth:`restart` is called for them. The tensors that are
    handed out are never written to again. A row's course depends on the seed, its number and its
    inputs alone: the first rows of a larger batch are a smaller batch.
    """

    def __init__(
        self,
        task: Task,
        batch: int,
        *,
        seed: int = 0,
        noise: Noise | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        self.task, self.batch, self.dtype = task, batch, dtype
        self.episodes = Episodes(task, batch, seed=seed, noise=noise)

    @property
    def states(self) -> torch.Tensor:
        """The states now, (N, n)."""
        return self._tensor(self.episodes.states)

    @property
    def references(self) -> torch.Tensor:
        """The states to be reached, (N, n)."""
        return self._tensor(self.episodes.references)

    @property
    def reference_inputs(self) -> torch.Tensor:
        """The inputs that hold the plant there, (N, m)."""
        return self._tensor(self.episodes.reference_inputs)

    @property
    def reference_indices(self) -> torch.Tensor:
        """Which of the task's references they are, −1 for another one; (N,)."""
        return torch.from_numpy(self.episodes.reference_indices)

    @property
    def exit_costs(self) -> torch.Tensor:
        """What the end of a terminated episode is to count as, (ν,): costs are not negative, so
        that a critic that takes nothing to follow it would learn to leave."""
        return self._tensor(self.episodes.exit_costs)

    @property
    def troubles(self) -> Troubles:
        """What went wrong so far, counted and named."""
        return self.episodes.troubles

    def reset(self, seed: int | None = None) -> torch.Tensor:
        """Begin anew everywhere; with a ``seed``, as if made with it. Returns the states."""
        return self._tensor(self.episodes.reset(seed))

    def step(self, inputs: torch.Tensor) -> Step:
        """One period with ``inputs`` (N, m), in physical units, held, and cut off at the system's
        input limits. Raises InputError for inputs that are not finite, or of another shape."""
        out = self.episodes.step(inputs.detach().numpy())
        return Step(
            self._tensor(out.states),
            self._tensor(out.costs),
            torch.from_numpy(out.terminated),
            torch.from_numpy(out.truncated),
            out.outside,
        )

    def restart(self, mask: torch.Tensor, states: torch.Tensor | None = None) -> None:
        """Begin new episodes where ``mask`` (N,) is true, at ``states`` (their number, n) or drawn
        from the task's starts, each with a reference drawn from the task's."""
        given = None if states is None else states.detach().numpy()
        self.episodes.restart(mask.numpy(), given)

    def follow(
        self, states: torch.Tensor, inputs: torch.Tensor, mask: torch.Tensor | None = None
    ) -> None:
        """Other references from now on, for the rows of ``mask``, with the inputs that hold them;
        as :meth:`learners.environments.episodes.Episodes.follow`."""
        rows = None if mask is None else mask.numpy()
        self.episodes.follow(states.detach().numpy(), inputs.detach().numpy(), rows)

    def track(self, indices: torch.Tensor) -> None:
        """From now on the task's references of these numbers, (N,)."""
        self.episodes.track(indices.numpy())

    def state_dict(self) -> dict[str, NDArray[np.generic]]:
        """All that the further course depends on, as arrays: for checkpoints."""
        return self.episodes.state_dict()

    def load_state_dict(self, saved: Mapping[str, NDArray[np.generic]]) -> None:
        """Go on from there. Raises InputError where it does not fit."""
        self.episodes.load_state_dict(saved)

    def _tensor(self, array: NDArray[np.float64]) -> torch.Tensor:
        out = torch.from_numpy(array)
        return out if self.dtype == torch.float64 else out.to(self.dtype)
