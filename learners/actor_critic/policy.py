"""The frozen policy: the mean action of trained actors, as floats and as an exact expression.

What ships is what is proved: :meth:`Policy.expression` is built of the very weights with which
:meth:`Policy.act` computes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learners.actor_critic.archive import AnyArray, read_archive, write_archive
from learners.actor_critic.view import View
from systems import expression as ex
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.exact import ExactArray, exact
from systems.expression import Expression

Array = NDArray[np.float64]

KIND, VERSION = "stableproof-policy", 1


@dataclass(frozen=True, eq=False)
class FrozenActor:
    """One controller: u = middle + half·tanh(z), z = z_ref + K d + M (h(d, r) − h(0, r)).

    d = s − s_ref, the local states less their reference, unscaled: scales are in the weights.
    ``layers`` are (W, b) of h, W of shape (width, n) or, if the view tracks, (width, 2n), the
    second half for s_ref − centre. ``mean`` is M (m, width), ``gain`` K (m, n). A policy that is
    not ``anchored`` has z = ``offset`` + K d + M h(d, r).
    """

    view: View
    layers: tuple[tuple[Array, Array], ...]
    mean: Array
    gain: Array
    offset: Array
    anchored: bool

    def act(self, states: Array, references: Array, steady: Array) -> Array:
        """(N, m) from local states and references (N, n); ``steady`` is z_ref, (N, m)."""
        view = self.view
        deviation = states - references
        if not self.anchored:
            steady = np.broadcast_to(self.offset, steady.shape)
            rest = np.zeros((1, self.mean.shape[1]))
        else:
            rest = self._hidden(np.zeros_like(deviation), references)
        h = self._hidden(deviation, references) - rest
        z = steady + h @ self.mean.T + deviation @ self.gain.T
        out: Array = view.middle + view.half * np.tanh(z)
        return out

    def _hidden(self, deviation: Array, references: Array) -> Array:
        h = deviation
        if self.view.tracks:
            h = np.hstack([deviation, references - np.array(self.view.centre)])
        for W, b in self.layers:
            h = np.tanh(h @ W.T + b)
        return h

    def expression(
        self, state: Expression, reference: Sequence[Fraction], steady: Array
    ) -> Expression:
        """u of the plant's whole state, (m,), for one reference of the whole plant."""
        pairs = list(zip(self.view.low, self.view.high, strict=True))
        middle = ex.constant([(a + b) / 2 for a, b in pairs])
        half = ex.constant([(b - a) / 2 for a, b in pairs])
        return middle + half * self.action(state, reference, steady)

    def action(self, state: Expression, reference: Sequence[Fraction], steady: Array) -> Expression:
        """tanh z of the plant's whole state, (m,)."""
        view = self.view
        local = [reference[i] for i in view.states]
        deviation = ex.select(state, view.states) - ex.constant(local)
        h = self._hidden_expression(deviation, local)
        if self.anchored:
            rest = self._hidden_expression(ex.constant([0] * len(local)), local)
            z = ex.affine(self.mean, h - rest, steady)
        else:
            z = ex.affine(self.mean, h, self.offset)
        if self.gain.any():
            z = z + ex.affine(self.gain, deviation)
        return ex.tanh(z)

    def _hidden_expression(self, deviation: Expression, local: Sequence[Fraction]) -> Expression:
        h = deviation
        for index, (W, b) in enumerate(self.layers):
            bias: ExactArray | Array = b
            if not index and self.view.tracks:
                n = len(local)
                bias = _shifted_bias(W[:, n:], b, local, self.view.centre)
                W = np.ascontiguousarray(W[:, :n])
            h = ex.tanh(ex.affine(W, h, bias))
        return h


def _shifted_bias(
    W: Array, b: Array, local: Sequence[Fraction], centre: Sequence[float]
) -> ExactArray:
    """b + W (s_ref − centre), exactly."""
    shift = [r - exact(c) for r, c in zip(local, centre, strict=True)]
    sums = [
        exact(float(offset)) + sum((exact(float(w)) * s for w, s in zip(row, shift, strict=True)))
        for row, offset in zip(W, b, strict=True)
    ]
    return ExactArray.from_rationals(sums, (len(sums),))


@dataclass(frozen=True, eq=False)
class Policy:
    """Controllers of one plant that need nothing of each other: one, or one a subsystem.

    ``reference_states`` (K, n) and ``reference_inputs`` (K, m) are those it was trained on.
    """

    name: str
    actors: tuple[FrozenActor, ...]
    reference_states: Array
    reference_inputs: Array

    @property
    def input_dimension(self) -> int:
        return int(self.reference_inputs.shape[1])

    def act(
        self, states: Array, references: Array | None = None, reference_inputs: Array | None = None
    ) -> Array:
        """The inputs (N, m) at states (N, n), each with its reference (N, n).

        ``reference_inputs`` (N, m) are the steady inputs of the references; without them they are
        looked up among those of the training. Without references there is the one of the training.
        Raises InputError for a reference outside that set.
        """
        states = np.atleast_2d(np.asarray(states, dtype=np.float64))
        shape = states.shape
        if references is None:
            references, reference_inputs = self._only_reference()
        references = np.broadcast_to(np.asarray(references, dtype=np.float64), shape)
        if reference_inputs is None:
            reference_inputs = self.steady_inputs(references)
        steady = np.asarray(reference_inputs, dtype=np.float64)
        steady = np.broadcast_to(steady, (len(states), self.input_dimension))
        out = np.empty((len(states), self.input_dimension))
        for actor in self.actors:
            seen = list(actor.view.states)
            z_ref = actor.view.before_squash(steady)
            out[:, list(actor.view.inputs)] = actor.act(states[:, seen], references[:, seen], z_ref)
        return out

    def steady_inputs(self, references: Array) -> Array:
        """The steady inputs (N, m) of references (N, n) of the set it was trained on."""
        rows = [self._known.get(row.tobytes()) for row in np.ascontiguousarray(references) + 0.0]
        for row, found in zip(references, rows, strict=True):
            if found is None:
                where = ", ".join(f"{v:.6g}" for v in row)
                raise InputError(
                    f"{self.name}: the reference ({where}) is outside the set that the policy was "
                    "trained on; give its steady inputs with it"
                )
        out: Array = self.reference_inputs[np.array(rows, dtype=np.intp)]
        return out

    @cached_property
    def _known(self) -> dict[bytes, int]:
        rows = np.ascontiguousarray(self.reference_states) + 0.0  # one zero, not two
        return {row.tobytes(): k for k, row in enumerate(rows)}

    def _only_reference(self) -> tuple[Array, Array]:
        if len(self.reference_states) != 1:
            raise InputError(
                f"{self.name}: the policy knows {len(self.reference_states)} references; say which"
            )
        return self.reference_states, self.reference_inputs

    def expression(
        self,
        system: ControlAffineSystem,
        reference: Sequence[object] | None = None,
        reference_input: Sequence[object] | None = None,
    ) -> Expression:
        """u as an expression of the system's state, for one reference (n,) and its inputs (m,).

        By default that is the equilibrium where the policy was trained on that alone. Raises
        InputError where the policy is of another plant.
        """
        n, m = system.state_dimension, system.input_dimension
        if (self.reference_states.shape[1], self.input_dimension) != (n, m):
            raise InputError(
                f"{system.name} has {n} states and {m} inputs, the policy of {self.name} has "
                f"{self.reference_states.shape[1]} and {self.input_dimension}"
            )
        if reference is None:
            only, _ = self._only_reference()
            star = system.equilibrium
            same = np.array_equal(only[0], [float(v) for v in star])
            reference = star if same else only[0].tolist()
        point = [exact(v) for v in reference]
        if reference_input is None:
            reference_input = self.steady_inputs(np.array([[float(v) for v in point]]))[0].tolist()
        steady = np.array([[float(exact(v)) for v in reference_input]])
        parts = [
            a.expression(system.state, point, a.view.before_squash(steady)[0]) for a in self.actors
        ]
        order = [j for a in self.actors for j in a.view.inputs]
        return ex.select(ex.stack(parts), [order.index(j) for j in range(m)])

    def save(self, path: Path | str) -> None:
        """Write the policy as one ``.npz``."""
        actors = []
        arrays: dict[str, Array] = {
            "reference_states": self.reference_states,
            "reference_inputs": self.reference_inputs,
        }
        for i, actor in enumerate(self.actors):
            view = asdict(actor.view)
            view |= {k: [str(v) for v in view[k]] for k in ("low", "high")}
            actors.append({"view": view, "layers": len(actor.layers), "anchored": actor.anchored})
            for k, (W, b) in enumerate(actor.layers):
                arrays |= {f"{i}.weight{k}": W, f"{i}.bias{k}": b}
            arrays |= {f"{i}.{name}": getattr(actor, name) for name in ("mean", "gain", "offset")}
        write_archive(Path(path), KIND, VERSION, {"name": self.name, "actors": actors}, arrays)

    @staticmethod
    def load(path: Path | str) -> Policy:
        """Read what :meth:`save` wrote. Raises InputError, one line, for anything else."""
        header, arrays = read_archive(Path(path), KIND, VERSION)
        try:
            actors = tuple(_actor(arrays, i, entry) for i, entry in enumerate(header["actors"]))
            policy = Policy(
                str(header["name"]), actors, arrays["reference_states"], arrays["reference_inputs"]
            )
            _check_shapes(policy)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            raise InputError(f"{path}: the policy in it is damaged; make it anew") from None
        return policy


def _actor(arrays: Mapping[str, AnyArray], i: int, entry: Mapping[str, Any]) -> FrozenActor:
    raw = dict(entry["view"])
    for name in ("states", "inputs"):
        raw[name] = tuple(int(v) for v in raw[name])
    for name in ("centre", "scale"):
        raw[name] = tuple(float(v) for v in raw[name])
    for name in ("low", "high"):
        raw[name] = tuple(exact(str(v)) for v in raw[name])
    return FrozenActor(
        View(**raw),
        tuple((arrays[f"{i}.weight{k}"], arrays[f"{i}.bias{k}"]) for k in range(entry["layers"])),
        arrays[f"{i}.mean"],
        arrays[f"{i}.gain"],
        arrays[f"{i}.offset"],
        bool(entry["anchored"]),
    )


def _check_shapes(policy: Policy) -> None:
    """Raises ValueError where the parts of a policy that was read do not fit together."""
    n, m = policy.reference_states.shape[1], policy.input_dimension
    moved = sorted(j for a in policy.actors for j in a.view.inputs)
    seen = [i for a in policy.actors for i in a.view.states]
    if moved != list(range(m)) or not all(0 <= i < n for i in seen):
        raise ValueError("indices")
    if len(policy.reference_states) != len(policy.reference_inputs):
        raise ValueError("references")
    for a in policy.actors:
        states, inputs = len(a.view.states), len(a.view.inputs)
        before = states * (2 if a.view.tracks else 1)
        for W, b in a.layers:
            if W.shape != (len(b), before):
                raise ValueError("layers")
            before = len(b)
        shapes = (a.mean.shape, a.gain.shape, a.offset.shape)
        if shapes != ((inputs, before), (inputs, states), (inputs,)):
            raise ValueError("weights")
        if len(a.view.low) != inputs or len(a.view.high) != inputs:
            raise ValueError("ranges")
        if len(a.view.scale) != states or len(a.view.centre) != states:
            raise ValueError("scales")
    every = [w for a in policy.actors for layer in a.layers for w in layer]
    every += [w for a in policy.actors for w in (a.mean, a.gain, a.offset)]
    for array in (*every, policy.reference_states, policy.reference_inputs):
        if array.dtype != np.float64 or not math.isfinite(float(np.abs(array).sum())):
            raise ValueError("numbers")
