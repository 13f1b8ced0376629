"""One episode of a task at a time, as a :class:`gymnasium.Env`.

The step is that of :class:`learners.environments.batched.BatchedEnvironment`, by the same kernel:
with the same seed, an environment is the batch's first row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium
import numpy as np
from numpy.typing import NDArray

from learners.environments.episodes import Episodes
from learners.environments.tasks import task_for
from systems import zoo
from systems.errors import InputError
from systems.task import Noise, Task

Array = NDArray[np.float64]
Observation = NDArray[np.float32]

OBSERVED = 1e6
"""Scaled states beyond this are shown as this; no episode gets there."""


class SystemEnvironment(gymnasium.Env[Observation, Observation]):
    """A task, for one agent that has all inputs.

    Observations are float32, (n,): the states, scaled as the task says, (x − centre)/scale. Where
    the task has references, the reference follows, scaled likewise, (2n,). Actions are float32 in
    [−1, 1], (m,), and stand for [``action_low``, ``action_high``]. The reward is −cost, the sum
    over the subsystems. A state that leaves its physical meaning terminates the episode, and its
    end counts as :attr:`exit_cost`, as else it would pay to leave. The task's number of periods
    truncates it.

    ``info`` has the float64 ``state`` and ``reference`` in physical units, the ``input`` that was
    held, the ``cost`` of the period without any exit cost, and in ``outside`` the names of the
    limits that were left.

    ``reset`` takes as options a ``state`` (n,) to begin at, in physical units, and the number of a
    ``reference`` of the task. Raises InputError for options and actions that make no sense.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}
    render_mode = None

    def __init__(self, task: Task, *, noise: Noise | None = None) -> None:
        self.task, self._given_noise = task, noise
        n, m = task.system.state_dimension, task.system.input_dimension
        self._episodes: Episodes | None = None
        self._centre, self._scale = np.array(task.centre), np.array(task.scale)
        self._low, self._high = np.array(task.action_low), np.array(task.action_high)
        self._tracks = task.references is not None
        size = 2 * n if self._tracks else n
        self.observation_space = gymnasium.spaces.Box(-OBSERVED, OBSERVED, (size,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (m,), np.float32)

    @property
    def episodes(self) -> Episodes:
        """The one episode, and what went wrong in it and in those before (``troubles``)."""
        if self._episodes is None:
            raise InputError(
                f"{self.task.system.name}: reset the environment before the first step"
            )
        return self._episodes

    @property
    def exit_cost(self) -> float:
        """What the end of a terminated episode costs beside the period's cost."""
        return self._total(self.episodes.exit_costs)

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        if self._episodes is None or seed is not None:
            seed = int(self.np_random.integers(2**63)) if seed is None else seed
            self._episodes = Episodes(self.task, 1, seed=seed, noise=self._given_noise)
        else:
            self._episodes.reset()
        self._begin_as_asked({} if options is None else options)
        return self._observe(), self._info()

    def step(
        self, action: NDArray[np.floating[Any]]
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        episodes = self.episodes
        given = np.asarray(action, dtype=np.float64)
        if given.shape != self._low.shape:
            raise InputError(
                f"{self.task.system.name}: an action of shape {given.shape} where "
                f"{self._low.shape} is wanted"
            )
        held = self._low + (self._high - self._low) * (0.5 * (np.clip(given, -1.0, 1.0) + 1.0))
        out = episodes.step(held[None])
        cost, terminated = self._total(out.costs[0]), bool(out.terminated[0])
        info = self._info() | {"input": held, "cost": cost, "outside": out.outside}
        reward = -cost - (self.exit_cost if terminated else 0.0)
        return self._observe(), reward, terminated, bool(out.truncated[0]), info

    def _total(self, costs: Array) -> float:
        """The plant's cost: in a running cost, every subsystem sees the whole."""
        return float(costs[0] if self.task.cost == "running" else costs.sum())

    def _begin_as_asked(self, options: Mapping[str, Any]) -> None:
        unknown = sorted(set(options) - {"state", "reference"})
        if unknown:
            raise InputError(
                f"{self.task.system.name}: reset has no option {unknown[0]!r}; it takes state and "
                "reference"
            )
        if "state" in options:
            state = np.asarray(options["state"], dtype=np.float64)
            self.episodes.restart(np.ones(1, np.bool_), state[None])
        if "reference" in options:
            self.episodes.track(np.array([options["reference"]]))

    def _observe(self) -> Observation:
        episodes = self.episodes
        seen = (episodes.states[0] - self._centre) / self._scale
        if self._tracks:
            wanted = (episodes.references[0] - self._centre) / self._scale
            seen = np.concatenate([seen, wanted])
        shown: Observation = np.clip(seen, -OBSERVED, OBSERVED).astype(np.float32)
        return shown

    def _info(self) -> dict[str, Any]:
        episodes = self.episodes
        return {"state": episodes.states[0].copy(), "reference": episodes.references[0].copy()}


def zoo_environment(name: str, **options: Any) -> SystemEnvironment:
    """The environment of a zoo system; ``options`` are those of :func:`task_for`, and ``noise``."""
    noise = options.pop("noise", None)
    return SystemEnvironment(task_for(zoo.system(name), **options), noise=noise)
