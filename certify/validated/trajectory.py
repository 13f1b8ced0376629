"""A trajectory in boxes: from an exact start, in continuous or discrete time, parameters held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from flint import arb, arb_mat

from certify.balls import exact_ball, to_float_interval
from certify.validated.field import VectorField
from certify.validated.jets import working_precision
from certify.validated.lohner import Parallelepiped
from certify.validated.pace import Pace
from certify.validated.steps import ACCURACY, EnclosureLostError, Start, advance

__all__ = ["Enclosure", "EnclosureLostError", "Trajectory"]


@dataclass(frozen=True)
class Enclosure:
    """Float64 boxes: x(time) lies in [lower, upper], and since the last one in ``during``."""

    time: float
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    during: tuple[tuple[float, ...], tuple[float, ...]]


class Trajectory:
    """The solution of ẋ = F(x, w), or of x⁺ = F(x, w), for one start and one constant w.

    ``scales`` are typical sizes of the states, by which errors are measured. Call :meth:`step` as
    long as wanted; ``time`` is exact (in discrete time, the number of steps).
    """

    def __init__(
        self,
        field: VectorField,
        start: Sequence[Fraction | float],
        parameter: Sequence[Fraction | float] = (),
        *,
        time: Literal["continuous", "discrete"] = "continuous",
        scales: Sequence[float] | None = None,
    ) -> None:
        if len(start) != field.dimension:
            raise ValueError(f"the field has {field.dimension} states, not {len(start)}")
        if len(start) + len(parameter) != field.rate.dimension:
            raise ValueError("the parameters do not fit the field")
        self.field, self.kind, self.time = field, time, Fraction(0)
        self._tolerance = [s * ACCURACY for s in scales or [1.0] * len(start)]
        self._pace = Pace()
        with working_precision():
            self._parameter = [exact_ball(w) for w in parameter]
            self._set = Parallelepiped.of([exact_ball(x) for x in start])

    def now(self) -> Enclosure:
        """Where the trajectory is."""
        with working_precision():
            return self._enclosure(self._set.hull())

    def step(self, longest: float = 1e9) -> Enclosure:
        """Go on by one step, no longer than ``longest`` (which discrete time ignores).

        Raises EnclosureLostError where no enclosure is found; the trajectory then stays where
        it is.
        """
        with working_precision():
            if self.kind == "discrete":
                return self._next_state()
            start = Start(self.field, self._set, self._parameter, self._tolerance)
            pace = self._pace
            step = advance(start, min(longest, pace.longest), pace.order)
            self._move(step.image, step.derivative)
            if step.promise is not None:
                pace.record(step.promise)
            self.time += Fraction(step.length)
            return self._enclosure(step.during)

    def _next_state(self) -> Enclosure:
        """The mean-value form F(m) + DF(X) (x − m); across a jump, the range of F."""
        field, w, hull, n = self.field, self._parameter, self._set.hull(), self.field.dimension
        if field.jumps and not field.is_smooth(hull, w):
            self._move(arb_mat(n, 1, field.value(hull, w)), arb_mat(n, n))
        else:
            image = field.value(self._set.centre.entries(), w)
            self._move(arb_mat(n, 1, image), field.jacobian(hull, w))
        self.time += 1
        return self._enclosure(self._set.hull())

    def _move(self, image: arb_mat, derivative: arb_mat) -> None:
        finite = all(x.is_finite() for x in (*image.entries(), *derivative.entries()))
        moved = self._set.mapped(image, derivative) if finite else None
        if moved is None or not moved.is_finite():
            raise EnclosureLostError("the closed loop is not defined on all of the enclosure")
        self._set = moved

    def _enclosure(self, during: Sequence[arb]) -> Enclosure:
        ends = [to_float_interval(x) for x in self._set.hull()]
        whole = [to_float_interval(x) for x in during]
        return Enclosure(
            float(self.time),
            tuple(a for a, _ in ends),
            tuple(b for _, b in ends),
            (tuple(a for a, _ in whole), tuple(b for _, b in whole)),
        )
