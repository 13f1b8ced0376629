"""Enclosures of a tape on batches of boxes: the one door to the kernels."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from certify.conditions import Constraint
from certify.enclosure import interpreter, relaxed
from certify.enclosure.folding import Constants
from certify.enclosure.kernel import Tables, tables
from certify.enclosure.layers import Layer, find_layers
from certify.enclosure.monomials import monomials
from certify.enclosure.program import Program, compile_program
from certify.enclosure.rounding import U
from certify.enclosure.shallow import ShallowModels
from systems.expression import UNARY, Op
from systems.tape import Tape
from systems.threads import single_threaded_blas

Array = NDArray[np.float64]

Models = tuple[Array, Array, Array, Array]
"""Centres and radii (B, n) of boxes, preloaded models (B, E, M) and their remainders (B, E)."""

CHUNK = 128
"""Boxes a matrix product: its operands then stay in cache."""

REACH_MARGIN = 2.0**-30
"""Room for boxes that rounding has made a little larger than their region."""

MOST_MONOMIALS = 2000
"""Models with more are not tried: a single batch of boxes would outlast any budget."""

THREADS = min(2, os.cpu_count() or 1)

LINEAR = 0
"""The "order" of linear relaxations, beside the orders of Taylor models."""


_BENDING = UNARY - {Op.STEP}
"""The operations that a layer may consist of."""


class _Shared:
    """What engines of one program have in common: folded constants, hidden layers, their models."""

    def __init__(self, tape: Tape) -> None:
        self.constants = Constants(tape)
        self.layers: list[Layer] = find_layers(tape, self.constants)
        self._models: dict[tuple[int, int], ShallowModels] = {}

    def models(self, which: int, order: int, reach: Array) -> ShallowModels:
        key = (which, order)
        known = self._models.get(key)
        if known is None or not (reach <= known.reach).all():
            known = ShallowModels(self.layers[which], order, reach)
            self._models[key] = known
        return known


@dataclass(frozen=True, eq=False)
class Levels:
    """A violation's constraints as arrays: h_j = sign_j · output − level_j, level ± error."""

    outputs: NDArray[np.int64]
    sign: Array
    level: Array
    error: Array
    strict: NDArray[np.bool_]

    @staticmethod
    def of(constraints: tuple[Constraint, ...]) -> Levels:
        sign = np.array([float(c.sign) for c in constraints])
        level = np.array([float(c.level) for c in constraints])
        exact = np.array([c.level == float(c.level) for c in constraints])
        return Levels(
            np.array([c.output for c in constraints], dtype=np.int64),
            sign,
            sign * level,
            np.where(exact, 0.0, np.spacing(np.abs(level))),
            np.array([c.strict for c in constraints]),
        )


@dataclass(frozen=True, eq=False)
class Tested:
    """What a test of B boxes against J constraints found; see interpreter.test_boxes."""

    reason: NDArray[np.int64]
    weight: Array
    axis: NDArray[np.int64]
    middle: Array
    lower: Array
    upper: Array


class Engine:
    """Bounds the scalar outputs of a tape on boxes inside a region |x| ≤ ``reach``.

    An engine for other outputs of the same program shares what is costly (:meth:`asking`).
    Raises ValueError where the tape has an operation the kernels do not know.
    """

    def __init__(self, tape: Tape, reach: Array, shared: _Shared | None = None) -> None:
        self.tape, self.region_reach = tape, np.asarray(reach, dtype=np.float64)
        self.reach = self.region_reach * (1.0 + REACH_MARGIN)
        self._shared = shared or _Shared(tape)
        self.layers = self._shared.layers
        needed = tape.needed
        self._registers = [[r for r in x.registers if r in needed] for x in self.layers]
        preloaded: dict[int, int] = {}
        first = 0
        for layer, registers in zip(self.layers, self._registers, strict=True):
            for register in registers:
                preloaded[register] = first
                first += len(layer.registers[register])
        self.program: Program = compile_program(tape, self._shared.constants, preloaded)

    def asking(self, tape: Tape) -> Engine:
        """The engine of the same program with other outputs, sharing constants and models.

        Raises ValueError where the program is another.
        """
        if tape.instructions is not self.tape.instructions:
            raise ValueError("the tape is another program")
        return Engine(tape, self.region_reach, self._shared)

    @property
    def orders(self) -> tuple[int, ...]:
        """The orders worth trying, the first to start with: Taylor's, and LINEAR for deep tapes."""
        highest = {1: 8, 2: 6, 3: 6, 4: 5}.get(self.tape.dimension, 4)
        n = self.tape.dimension
        taylor = tuple(
            k for k in (2, 3, 4, 5, 6, 8) if k <= highest and math.comb(n + k, k) <= MOST_MONOMIALS
        )
        return (*(taylor or (1,)), LINEAR) if self.is_deep else taylor or (1,)

    @cached_property
    def is_deep(self) -> bool:
        """Whether layers of nonlinear functions stand behind one another: composing models then
        loses much on large boxes."""
        layers: dict[int, int] = {}
        for index, i in enumerate(self.tape.instructions):
            before = max((layers[a] for a in i.args), default=0)
            bends = i.op in _BENDING and i.size > 1 and self.tape.varying[index]
            layers[index] = before + bends
        return max((layers[o] for o in self.tape.outputs), default=0) > 1

    @cached_property
    def _whole(self) -> Program:
        """The program with nothing preloaded: relaxations go through every layer."""
        if not any(self._registers):
            return self.program
        return compile_program(self.tape, self._shared.constants, {})

    def cost(self, order: int) -> float:
        """Work for one box in arbitrary units (about nanoseconds on one core)."""
        if order == LINEAR:
            return 1500.0 + self._whole.linear_work(len(self.program.outputs))
        M = monomials(self.tape.dimension, order).size
        work = 500.0
        for layer in self.layers:
            neurons, rows = len(layer.weight), len(layer.betas)
            higher = monomials(self.tape.dimension, order + max(1, layer.derivatives)).size
            work += neurons * (8.0 + 1.5 * order + 0.06 * higher * rows)
        return work + self.program.work(order, M)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(THREADS)

    def _prepared(self, order: int) -> tuple[Tables, list[tuple[ShallowModels, list[int]]]]:
        models = [
            (self._shared.models(which, order, self.reach), registers)
            for which, registers in enumerate(self._registers)
            if registers
        ]
        return tables(monomials(self.tape.dimension, order)), models

    def bound(self, lower: Array, upper: Array, order: int) -> tuple[Array, Array]:
        """Rigorous bounds of every output on every box: lower, upper (B, n) → two (B, J)."""
        J = len(self.program.outputs)
        out_lower, out_upper = np.empty((len(lower), J)), np.empty((len(lower), J))
        if order == LINEAR:
            self._bound_linearly(lower, upper, out_lower, out_upper)
            return out_lower, out_upper

        def work(s: slice, models: Models, T: Tables) -> None:
            p = self.program
            interpreter.bound_outputs(
                p.code, p.pool, p.lists, p.outputs, p.widest, p.entries,
                *models, T, out_lower[s], out_upper[s],
            )  # fmt: skip

        self._in_parallel(lower, upper, order, work)
        return out_lower, out_upper

    def test(self, lower: Array, upper: Array, order: int, levels: Levels, scale: Array) -> Tested:
        """Try to close every box; lower, upper (B, n) as floats, meant exactly."""
        B, J = len(lower), len(levels.sign)
        result = Tested(
            np.empty(B, dtype=np.int64),
            np.empty(B),
            np.full(B, -1, dtype=np.int64),
            np.empty((B, J)),
            np.empty((B, J)),
            np.empty((B, J)),
        )

        if order == LINEAR:
            self._test_linearly(lower, upper, levels, scale, result)
            return result

        def work(s: slice, models: Models, T: Tables) -> None:
            p = self.program
            interpreter.test_boxes(
                p.code, p.pool, p.lists, p.outputs[levels.outputs], p.widest, p.entries,
                *models, T, levels.sign, levels.level, levels.error, levels.strict, scale,
                self.tape.inputs[0][1], result.reason[s], result.weight[s], result.axis[s],
                result.middle[s], result.lower[s], result.upper[s],
            )  # fmt: skip

        self._in_parallel(lower, upper, order, work)
        return result

    def _bound_linearly(
        self, lower: Array, upper: Array, out_lower: Array, out_upper: Array
    ) -> None:
        centre, radius = self._balls(lower, upper)
        p = self._whole

        def chunk(s: slice) -> None:
            relaxed.bound_outputs(
                p.code, p.pool, p.lists, p.outputs, p.widest, p.entries, centre[s], radius[s],
                out_lower[s], out_upper[s],
            )  # fmt: skip

        self._shared_out(len(lower), chunk)

    def _test_linearly(
        self, lower: Array, upper: Array, levels: Levels, scale: Array, result: Tested
    ) -> None:
        centre, radius = self._balls(lower, upper)
        p = self._whole

        def chunk(s: slice) -> None:
            relaxed.test_boxes(
                p.code, p.pool, p.lists, p.outputs[levels.outputs], p.widest, p.entries,
                centre[s], radius[s], levels.sign, levels.level, levels.error, levels.strict, scale,
                self.tape.inputs[0][1], result.reason[s], result.weight[s], result.axis[s],
                result.middle[s], result.lower[s], result.upper[s],
            )  # fmt: skip

        self._shared_out(len(lower), chunk)

    def _in_parallel(
        self,
        lower: Array,
        upper: Array,
        order: int,
        work: Callable[[slice, Models, Tables], None],
    ) -> None:
        centre, radius = self._balls(lower, upper)
        T, models = self._prepared(order)

        def chunk(s: slice) -> None:
            work(s, (centre[s], radius[s], *self._given(centre[s], radius[s], models, T)), T)

        self._shared_out(len(lower), chunk)

    def _balls(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Centres and radii of boxes. Raises ValueError where one lies beyond the reach."""
        centre = lower + 0.5 * (upper - lower)
        radius = np.maximum(upper - centre, centre - lower)
        radius = radius * (1.0 + 4.0 * U)  # each difference was rounded once; 0 stays 0
        if (np.abs(centre) + radius > self.reach).any():
            raise ValueError("a box lies outside the region that this engine was made for")
        return centre, radius

    def _shared_out(self, count: int, chunk: Callable[[slice], None]) -> None:
        slices = list(_slices(count))
        with single_threaded_blas():
            if len(slices) == 1:
                chunk(slices[0])
            else:
                # Every chunk's products and kernels run on one core; the chunks share the cores.
                list(self._pool.map(chunk, slices))

    def _given(
        self,
        centre: Array,
        radius: Array,
        models: list[tuple[ShallowModels, list[int]]],
        T: Tables,
    ) -> tuple[Array, Array]:
        if not models:
            return np.empty((len(centre), 0, T.M)), np.empty((len(centre), 0))
        parts = [m.models(centre, radius, registers, T) for m, registers in models]
        return (
            np.concatenate([g for g, _ in parts], axis=1),
            np.concatenate([r for _, r in parts], axis=1),
        )


def _slices(count: int) -> Iterator[slice]:
    for start in range(0, count, CHUNK):
        yield slice(start, min(start + CHUNK, count))
