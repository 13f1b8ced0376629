"""Many episodes of a task at once, in numpy: what both kinds of environments are made of.

An episode ends in one of two ways, and they are kept apart. *Terminated*: the state left its
physical meaning, or is not finite; there is nothing after it. *Truncated*: the task's number of
periods is over; the plant would go on, and a learner bootstraps through it.

Costs are not negative, so a terminated episode looks cheap to a learner that counts nothing after
its end. :attr:`Episodes.exit_costs` is what the end is to count as.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learners.environments import kernel
from learners.environments.model import FAR, Model, evaluate
from learners.environments.streams import Streams
from learners.environments.troubles import Troubles
from systems.errors import InputError
from systems.task import Noise, Task, check_noise
from systems.words import input_names, state_names

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MOST_REDRAWS = 1000
"""So often a start without physical meaning is drawn anew."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """One period of N episodes, as :class:`learners.environments.batched.Step`, in numpy."""

    states: Array
    costs: Array
    terminated: Mask
    truncated: Mask
    outside: tuple[str, ...]


class Episodes:
    """N episodes of a task, in step.

    ``states`` (N, n), ``references`` (N, n), ``reference_inputs`` (N, m), ``reference_indices``
    (N,): which of the task's they are, −1 for none; ``steps`` (N,): periods since the start,
    ``episode`` (N,): how many were begun before. ``noise`` replaces the task's.
    The arrays that are handed out are never written to again. A row's course depends on the seed,
    its number and its inputs alone, not on how many rows there are.

    Raises InputError where the task has no start with physical meaning.
    """

    def __init__(
        self, task: Task, batch: int, *, seed: int = 0, noise: Noise | None = None
    ) -> None:
        if batch < 1:
            raise InputError(f"a batch has at least one episode, not {batch}")
        if not task.system.input_dimension:
            raise InputError(f"{task.system.name} has no inputs: there is nothing to be learned")
        self.task, self.batch, self.seed = task, batch, seed
        self.noise = task.noise if noise is None else noise
        if self.noise is not None:
            check_noise(self.noise, task.system.state_dimension, task.system.name)
        self.troubles = Troubles()
        self._model = Model.of(task, self.noise)
        self._begin(seed)

    def _begin(self, seed: int) -> None:
        n, m = self.task.system.state_dimension, self.task.system.input_dimension
        self.seed = seed
        self._noise_streams = Streams.seeded(seed, 0, self.batch)
        self._start_streams = Streams.seeded(seed, 1, self.batch)
        self.states: Array = np.empty((self.batch, n))
        self._targets: Array = np.empty((self.batch, n + m))
        self.reference_indices = np.zeros(self.batch, np.intp)
        self.steps = np.zeros(self.batch, np.int64)
        self.episode = np.full(self.batch, -1, np.int64)
        self._at_limit = np.zeros((self.batch, m), np.int64)
        self.restart(np.ones(self.batch, np.bool_))

    @property
    def references(self) -> Array:
        return self._targets[:, : self.states.shape[1]]

    @property
    def reference_inputs(self) -> Array:
        return self._targets[:, self.states.shape[1] :]

    @property
    def exit_costs(self) -> Array:
        """What the end of a terminated episode counts as, for each subsystem; (ν,)."""
        return self._model.exit_costs

    def reset(self, seed: int | None = None) -> Array:
        """Begin anew everywhere; with a ``seed``, as if made with it. Returns the states."""
        if seed is not None:
            self._begin(seed)
        else:
            self.restart(np.ones(self.batch, np.bool_))
        return self.states

    def restart(self, mask: Mask, states: Array | None = None) -> None:
        """Begin new episodes where ``mask`` (N,) is true, at ``states`` (their number, n) or drawn
        uniformly from the task's starts, each with a reference drawn from the task's.

        Raises InputError where given states make no sense.
        """
        rows = np.flatnonzero(mask)
        if not len(rows):
            return
        drawn = self._draw_starts(rows) if states is None else self._given(states, len(rows))
        self.states = self.states.copy()
        self.states[rows] = drawn
        self._targets = self._targets.copy()
        self._targets[rows] = self._draw_targets(rows)
        self.steps[rows] = 0
        self._at_limit[rows] = 0
        self.episode[rows] += 1

    def follow(self, states: Array, inputs: Array, mask: Mask | None = None) -> None:
        """From now on references ``states`` with the inputs that hold them, (k, n) and (k, m), for
        the k rows of ``mask`` (all of them without one). Raises InputError for wrong shapes."""
        rows = np.flatnonzero(np.ones(self.batch, np.bool_) if mask is None else mask)
        target = np.concatenate(
            [
                _checked(states, (len(rows), self.states.shape[1]), "references"),
                _checked(inputs, (len(rows), self._at_limit.shape[1]), "reference inputs"),
            ],
            axis=1,
        )
        self._targets = self._targets.copy()
        self._targets[rows] = target
        self.reference_indices = self.reference_indices.copy()
        self.reference_indices[rows] = -1

    def track(self, indices: NDArray[np.intp]) -> None:
        """From now on the task's references of these numbers, (N,). Raises InputError where the
        task has no such reference."""
        known = self._model.targets
        bad = np.flatnonzero((indices < 0) | (indices >= len(known)))
        if indices.shape != (self.batch,) or not np.issubdtype(indices.dtype, np.integer):
            raise InputError(f"{self.batch} whole numbers of references are wanted")
        if len(bad):
            raise InputError(
                f"{self.task.system.name}: there is no reference {indices[bad[0]]}; the task has "
                f"those from 0 to {len(known) - 1}"
            )
        self._targets = known[indices]
        self.reference_indices = indices.astype(np.intp)

    def step(self, inputs: Array) -> Outcome:
        """One period with ``inputs`` (N, m), in physical units, held.

        Inputs beyond the system's limits are cut off, as the actuator would. Where a next state is
        not finite, or far off, the state before it is returned in its place, and the exit cost for
        a cost that is not finite: what is handed out are always ordinary numbers. Raises InputError
        for inputs that are not finite, or of another shape.
        """
        u = np.ascontiguousarray(inputs, dtype=np.float64)
        if u.shape != self._at_limit.shape:
            raise InputError(f"inputs of shape {u.shape} where {self._at_limit.shape} is wanted")
        if not np.isfinite(u).all():
            self._refuse(u)
        model, x = self._model, self.states
        after = np.empty_like(x)
        costs = np.empty((self.batch, model.costs))
        flags = np.empty(self.batch, np.uint8)
        p = model.program
        flagged = kernel.step(
            p.code, p.numbers, p.registers, p.outputs, x, u, self._targets, model.limits,
            model.noise, model.disturbance, self._noise_streams.state, self._at_limit,
            after, costs, flags,
        )  # fmt: skip
        self.steps += 1
        truncated = self.steps >= self.task.episode_steps
        terminated = flags != 0
        outside = self._explain(after, costs, flags) if flagged else ()
        if truncated.any():
            self._note_limits(truncated)
        self.states = after
        return Outcome(after, costs, terminated, truncated & ~terminated, outside)

    def margins(self, states: Array) -> Array:
        """The margins of the task's physical limits at states (N, n); (N, number of limits)."""
        return evaluate(self._model.margins, states)

    # What follows is for checkpoints.

    def state_dict(self) -> dict[str, NDArray[np.generic]]:
        """All that the further course depends on, as arrays."""
        return {
            "states": self.states.copy(),
            "targets": self._targets.copy(),
            "reference_indices": self.reference_indices.copy(),
            "steps": self.steps.copy(),
            "episode": self.episode.copy(),
            "at_limit": self._at_limit.copy(),
            "noise_streams": self._noise_streams.state.copy(),
            "start_streams": self._start_streams.state.copy(),
        }

    def load_state_dict(self, saved: Mapping[str, NDArray[np.generic]]) -> None:
        """Go on from there. Raises InputError where an array is missing or does not fit."""
        own = self.state_dict()
        for name, array in own.items():
            given = saved.get(name)
            if given is None or given.shape != array.shape or given.dtype != array.dtype:
                raise InputError(
                    f"the saved episodes' {name} do not fit {self.batch} episodes of "
                    f"{self.task.system.name}"
                )
        self.states, self._targets = saved["states"].copy(), saved["targets"].copy()  # type: ignore[assignment]
        self.reference_indices = saved["reference_indices"].copy()  # type: ignore[assignment]
        self.steps[:], self.episode[:] = saved["steps"], saved["episode"]
        self._at_limit[:] = saved["at_limit"]
        self._noise_streams.state[:] = saved["noise_streams"]
        self._start_streams.state[:] = saved["start_streams"]

    # Drawing.

    def _draw_starts(self, rows: NDArray[np.intp]) -> Array:
        low, high = self._model.starts
        out = self._start_streams.uniform(rows, low, high)
        if not self.task.physical:
            return out
        for _ in range(MOST_REDRAWS):
            bad = ~(self.margins(out) >= 0.0).all(axis=1)
            if not bad.any():
                return out
            out[bad] = self._start_streams.uniform(rows[bad], low, high)
        margins = self.margins(out[bad][:1])[0]
        name = self.task.physical[int(np.argmin(margins))].name
        raise InputError(
            f"{self.task.system.name}: of {MOST_REDRAWS} starts drawn from the task's box, none is "
            f"physical ({name}); choose another box of starts"
        )

    def _draw_targets(self, rows: NDArray[np.intp]) -> Array:
        known = self._model.targets
        index = np.zeros(len(rows), np.intp)
        if len(known) > 1:
            share = self._start_streams.uniform(rows, np.zeros(1), np.ones(1))[:, 0]
            index = (share * len(known)).astype(np.intp)
        self.reference_indices = self.reference_indices.copy()
        self.reference_indices[rows] = index
        return known[index]

    def _given(self, states: Array, count: int) -> Array:
        out = _checked(states, (count, self.states.shape[1]), "starts")
        if self.task.physical:
            margins = self.margins(out)
            row, limit = (int(v) for v in np.unravel_index(np.argmin(margins), margins.shape))
            if not margins[row, limit] >= 0.0:
                raise InputError(
                    f"start {row} of {self.task.system.name} is not physical: "
                    f"{self.task.physical[limit].name}"
                )
        return out

    # Naming what went wrong.

    def _refuse(self, u: Array) -> None:
        row, j = (int(v) for v in np.argwhere(~np.isfinite(u))[0])
        raise InputError(
            f"{self.task.system.name}: row {row} has the input "
            f"{input_names(self.task.system)[j]} = {u[row, j]}, which is no finite number"
        )

    def _where(self, row: int) -> str:
        at = f"row {row}, episode {self.episode[row]}, step {self.steps[row]}"
        return f"{self.task.system.name}: {at}"

    def _explain(self, after: Array, costs: Array, flags: NDArray[np.uint8]) -> tuple[str, ...]:
        """Count and name what ended episodes; puts usable numbers in the place of others."""
        names, rows = list[str](), np.flatnonzero(flags)
        x = after[rows]
        far = ~(np.abs(x - self._model.centre) <= self._model.far)
        gone = far.any(axis=1)
        if gone.any():
            for j in np.flatnonzero(far.any(axis=0)).tolist():
                name, finite = state_names(self.task.system)[j], np.isfinite(x[:, j])
                names += self._note(f"{name} is not finite", rows[~finite])
                names += self._note(f"{name} is {FAR:g} times its scale", rows[far[:, j] & finite])
            after[rows[gone]] = self.states[rows[gone]]
        left = ~(self.margins(x) >= 0.0)
        left[gone] = False
        for k in np.flatnonzero(left.any(axis=0)).tolist():
            limit = self.task.physical[k].name
            self._note(f"{limit} does not hold", rows[left[:, k]])
            names.append(limit)
        costly = rows[flags[rows] & kernel.COST_NOT_FINITE != 0]
        if len(costly):
            names += self._note("the cost is not finite", costly)
            costs[costly] = self.exit_costs
        return tuple(names)

    def _note(self, kind: str, rows: NDArray[np.intp]) -> list[str]:
        """Count a kind of trouble in these rows; the kind, where there are any."""
        if not len(rows):
            return []
        self.troubles.add(kind, f"{self._where(int(rows[0]))}: {kind}", len(rows))
        return [kind]

    def _note_limits(self, ended: Mask) -> None:
        """Inputs that were at a limit for a whole episode."""
        whole = (self._at_limit >= self.steps[:, None]) & ended[:, None]
        for j in np.flatnonzero(whole.any(axis=0)).tolist():
            name = input_names(self.task.system)[j]
            self._note(f"{name} was at its limits all the time", np.flatnonzero(whole[:, j]))


def _checked(values: Array, shape: tuple[int, ...], what: str) -> Array:
    out = np.array(values, dtype=np.float64)
    if out.shape != shape:
        raise InputError(f"{what} of shape {out.shape} where {shape} is wanted")
    if not np.isfinite(out).all():
        raise InputError(f"{what} must be finite numbers")
    return out
