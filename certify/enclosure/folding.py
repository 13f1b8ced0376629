"""Constant subexpressions, folded once into floats with rigorous radii."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from certify.balls import Balls, constant_registers, to_float_interval
from systems.expression import Op
from systems.tape import Tape

Array = NDArray[np.float64]


class Constants(Mapping[int, tuple[Array, Array]]):
    """Register → (middle, radius), for registers that do not depend on the input.

    Literal constants are read off; others are enclosed in ball arithmetic, and only when the first
    of them is asked for. A radius of 0 means that the middle is the constant, exactly.
    """

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._balls: dict[int, Balls] | None = None
        self._known: dict[int, tuple[Array, Array]] = {}

    def __getitem__(self, register: int) -> tuple[Array, Array]:
        if register not in self._known:
            self._known[register] = self._folded(register)
        return self._known[register]

    def __iter__(self) -> Iterator[int]:
        return (r for r, varies in enumerate(self._tape.varying) if not varies)

    def __len__(self) -> int:
        return sum(not varies for varies in self._tape.varying)

    def __contains__(self, register: object) -> bool:
        return isinstance(register, int) and not self._tape.varying[register]

    def exact(self, register: int) -> Array | None:
        """The constant's floats where they are exact, else None."""
        if register not in self:
            return None
        middle, radius = self[register]
        return middle if np.isfinite(middle).all() and not radius.any() else None

    def _folded(self, register: int) -> tuple[Array, Array]:
        if self._tape.varying[register]:
            raise KeyError(register)
        instruction = self._tape.instructions[register]
        if instruction.op is Op.CONSTANT:
            array = self._tape.constants[instruction.constants[0]]
            return array.values, array.radius()
        if self._balls is None:
            self._balls = constant_registers(self._tape)
        ends = np.array([to_float_interval(b) for b in self._balls[register]])
        low, high = ends[:, 0], ends[:, 1]
        with np.errstate(invalid="ignore"):  # an undefined constant becomes NaN, and is refused
            middle = low + (high - low) / 2
            radius = np.maximum(high - middle, middle - low)
        return middle, np.where(radius > 0, radius * (1 + 1e-15) + 1e-300, radius)
