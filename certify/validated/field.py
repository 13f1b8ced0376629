"""A closed loop's F(x, w), its Jacobian, and the Taylor series of the solutions of ẋ = F."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from flint import arb, arb_mat

from certify.validated.jets import Jets, KinkError, Series
from systems import expression as ex
from systems.differentiate import directional
from systems.expression import Expression, Op
from systems.tape import Tape, compile_tape


@dataclass(frozen=True, eq=False)
class Bundle:
    """Taylor coefficients, over a box and at its centre by state, and ∂x(t)/∂x(0) over the box."""

    terms: list[Series]
    centre: list[Series]
    derivative: list[arb_mat]


@dataclass(frozen=True, eq=False)
class VectorField:
    """F of n states and p parameters (a disturbance that is held constant), as two tapes.

    ``rate`` has the output F. ``slopes`` has the n columns of ∂F/∂x as outputs; where F jumps (it
    holds a unit step) they are the slopes of the piece that the point lies on. Both take the state,
    then the parameters.
    """

    rate: Tape
    slopes: Tape

    @staticmethod
    def of(
        field: Expression, state: Expression, parameter: Expression | None = None
    ) -> VectorField:
        """From the expression F of the variables ``state`` and ``parameter``."""
        inputs = [state] if parameter is None else [state, parameter]
        jumps = [node for node in ex.topological([field]) if node.op is Op.STEP]
        held = {node: ex.variable(f"step {i}", node.size) for i, node in enumerate(jumps)}
        smooth, back = ex.substitute(field, held), {v: node for node, v in held.items()}
        unit = np.eye(state.size)
        columns = [directional(smooth, state, ex.constant(list(row))) for row in unit]
        return VectorField(
            compile_tape([field], inputs),
            compile_tape([ex.substitute(c, back) for c in columns], inputs),
        )

    @property
    def dimension(self) -> int:
        """n, the number of states."""
        return self.rate.output_sizes[0]

    @cached_property
    def jumps(self) -> bool:
        """Whether F is discontinuous somewhere; solutions are then meant in Filippov's sense."""
        return any(self.rate.instructions[i].op is Op.STEP for i in self.rate.needed)

    @cached_property
    def _rate(self) -> Jets:
        return Jets(self.rate)

    @cached_property
    def _slopes(self) -> Jets:
        return Jets(self.slopes)

    def value(self, box: Sequence[arb], parameter: Sequence[arb] = ()) -> list[arb]:
        """An enclosure of F over a box; at kinks and jumps too."""
        return [s[0] for s in self._rate.series([[x] for x in (*box, *parameter)], 1)[0]]

    def jacobian(self, box: Sequence[arb], parameter: Sequence[arb] = ()) -> arb_mat:
        """An enclosure of Clarke's generalised Jacobian of a piece of F over a box."""
        return self._jacobians([[x] for x in (*box, *parameter)], 1)[0]

    def is_smooth(self, box: Sequence[arb], parameter: Sequence[arb] = ()) -> bool:
        """Whether F provably has no kink and no jump on a box."""
        try:
            self._rate.series([[x] for x in (*box, *parameter)], 2)
        except KinkError:
            return False
        return True

    def series(
        self, point: Sequence[arb], count: int, parameter: Sequence[arb] = ()
    ) -> list[Series]:
        """The Taylor coefficients c₀ … c_count of the solution that starts at a point, by state.

        Newton's iteration on series doubles the known terms: where x̃ has the first m terms of a
        solution, the next m of them solve δ' = DF(x̃) δ + F(x̃) up to O(t²ᵐ⁻¹). Raises KinkError
        where F may not be smooth at the point.
        """
        known: list[Series] = [[x] for x in point]
        while (m := len(known[0])) <= count:
            target = min(2 * m, count + 1)
            needed = target - 1 - m
            held = [[w] for w in parameter]
            slopes = self._jacobians([*known, *held], needed) if needed else []
            self._extend(known, target, slopes, parameter)
        return known

    def bundle(
        self,
        box: Sequence[arb],
        centre: Sequence[arb],
        count: int,
        parameter: Sequence[arb] = (),
    ) -> Bundle:
        """The same for all solutions that start in a box around ``centre``, with derivatives.

        The terms of :meth:`series` grow too wide over a box, since a network's neurons cancel each
        other; so each is replaced by its mean-value form c_k(m) + ∂c_k/∂x (x − m) where that is
        narrower. The derivatives Y_k solve Y' = DF(x) Y.
        """
        n = self.dimension
        middle = self.series(centre, count, parameter)
        offset = arb_mat(n, 1, list(box)) - arb_mat(n, 1, list(centre))
        known: list[Series] = [[x] for x in box]
        derivative = [arb_mat(n, n, [int(i == j) for i in range(n) for j in range(n)])]
        slopes: list[arb_mat] = []
        while (m := len(known[0])) <= count:
            self._extend(known, min(2 * m, count + 1), slopes, parameter)
            terms = len(known[0]) - 1
            slopes = self._jacobians([*known, *([w] for w in parameter)], terms)
            derivative = _variational(slopes, derivative[0])
            for k in range(m, terms + 1):
                spread = (derivative[k] * offset).entries()
                for s, c, r in zip(known, middle, spread, strict=True):
                    centred = c[k] + r
                    if centred.is_finite() and not s[k].rad() < centred.rad():
                        s[k] = centred
        return Bundle(known, middle, derivative)

    def _extend(
        self,
        known: list[Series],
        target: int,
        slopes: Sequence[arb_mat],
        parameter: Sequence[arb],
    ) -> None:
        """Newton's step: from m terms to ``target`` ≤ 2m, given DF(x̃) to enough terms."""
        m, n = len(known[0]), self.dimension
        residual = self._rate.series([*known, *([w] for w in parameter)], target - 1)[0]
        change: dict[int, arb_mat] = {}
        for k in range(m - 1, target - 1):
            right = arb_mat(n, 1, [r[k] for r in residual])
            for back in range(k - m + 1):
                right += slopes[back] * change[k - back]
            change[k + 1] = right / (k + 1)
        for k in range(m, target):
            for s, c in zip(known, change[k].entries(), strict=True):
                s.append(c)

    def _jacobians(self, inputs: Sequence[Series], length: int) -> list[arb_mat]:
        """The coefficients of ∂F/∂x along a series."""
        n = self.dimension
        columns = self._slopes.series(inputs, length)
        return [
            arb_mat(n, n, [columns[j][i][k] for i in range(n) for j in range(n)])
            for k in range(length)
        ]


def _variational(slopes: Sequence[arb_mat], identity: arb_mat) -> list[arb_mat]:
    """The coefficients of the solution of Y' = A(t) Y with Y(0) = I."""
    out = [identity]
    for k in range(len(slopes)):
        total = slopes[0] * out[k]
        for back in range(1, k + 1):
            total += slopes[back] * out[k - back]
        out.append(total / (k + 1))
    return out
