"""What the tests of the checker's enclosures share: formulas as its graphs, boxes, and an oracle.

The oracle is the prover's ball arithmetic at a point, which shares no code with the checker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations_with_replacement

import numpy as np
from flint import arb, ctx, fmpq

from certify.balls import BallInterpreter
from proofs.checker.graph import Graph, read_program
from proofs.checker.models import Box, Matrices
from proofs.checker.series import Undefined
from systems.expression import Expression
from systems.tape import compile_tape

Sides = list[tuple[Fraction, Fraction]]
Point = list[Fraction]
ORDERS = (1, 2, 3, 4, 5, 6)


@dataclass(frozen=True)
class Formulas:
    """Outputs over one or two input vectors (the state, then the disturbance)."""

    graph: Graph
    matrices: Matrices
    nodes: list[int]
    states: int

    def box(self, sides: Sides, order: int) -> Box:
        return Box(self.graph, sides, self.states, order, self.matrices, {})


def formulas(outputs: Sequence[Expression], inputs: Sequence[Expression]) -> Formulas:
    """The outputs as nodes of the checker's graph, by way of the certificate's spelling."""
    data = compile_tape(outputs, inputs).to_json()
    registers = data.pop("outputs")
    assert isinstance(registers, list)
    graph = Graph()
    bound = [graph.add("variable", v.size, integers=(i,)) for i, v in enumerate(inputs)]
    nodes = graph.splice(read_program(data, "tape"), bound)
    return Formulas(graph, Matrices(graph), [nodes[r] for r in registers], inputs[0].size)


def oracle(outputs: Sequence[Expression], inputs: Sequence[Expression]) -> BallInterpreter:
    return BallInterpreter(compile_tape(outputs, inputs), 192)


def at(model: Sequence[arb], sides: Sides, point: Point, order: int) -> arb:
    """The numbers that a model stands for at a point of its box."""
    with ctx.workprec(256):
        wide = [(x, a, b) for x, (a, b) in zip(point, sides, strict=True) if a < b]
        h = [_ball((2 * x - a - b) / (b - a)) for x, a, b in wide]
        names = (
            m for d in range(order + 1) for m in combinations_with_replacement(range(len(h)), d)
        )
        out = arb(0)
        for c, name in zip(model, names, strict=False):
            for v in name:
                c = c * h[v]
            out += c
        return out


def _ball(value: Fraction) -> arb:
    return arb(fmpq(value.numerator, value.denominator))


WIDTHS = [Fraction(0)] + [Fraction(*w) for w in (
    (1, 2**60), (1, 10**9), (1, 1000), (3, 100), (1, 7), (2, 3), (2, 1), (9, 1),
)]  # fmt: skip


def random_sides(n: int, generator: np.random.Generator) -> Sides:
    """A box: most often of sides alike, at times of very different ones; kinks at its ends."""
    width = WIDTHS[generator.integers(1, len(WIDTHS))]
    out = []
    for _ in range(n):
        if generator.random() < 0.3:
            width = WIDTHS[generator.integers(len(WIDTHS))]
        places = [
            Fraction(int(generator.integers(-300, 300)), 128),
            Fraction(int(generator.integers(-9, 9)), 7),
            Fraction(int(generator.integers(-2, 3))),
            -width / 2,
        ]
        low = places[generator.integers(len(places))]
        out.append((low, low + width))
    return out


def random_points(sides: Sides, count: int, generator: np.random.Generator) -> list[Point]:
    """The middle, a corner, and points inside or on a side."""
    ends = [Fraction(int(generator.integers(2))) for _ in sides]
    steps = [[Fraction(1, 2)] * len(sides), ends] + [
        [Fraction(int(k), 64) for k in generator.integers(0, 65, len(sides))] for _ in range(count)
    ]
    return [[a + t * (b - a) for t, (a, b) in zip(row, sides, strict=True)] for row in steps]


def check(
    outputs: Sequence[Expression],
    slopes: Sequence[Expression],
    inputs: Sequence[Expression],
    generator: np.random.Generator,
    *,
    boxes: int = 4,
    points: int = 5,
    orders: Sequence[int] = ORDERS,
) -> int:
    """Assert that values and gradients lie in the models, point by point, for random boxes.

    ``slopes`` is the gradient of the first output by the state. Returns how many models were
    compared; where a function is not defined on all of a box there are none.
    """
    known, exact = formulas(outputs, inputs), oracle([*outputs, *slopes], inputs)
    compared = 0
    for _ in range(boxes):
        sides = random_sides(sum(v.size for v in inputs), generator)
        where = random_points(sides, points, generator)
        wanted = [exact.outputs(point, point) for point in where]
        order = int(generator.choice(orders))
        box = known.box(sides, order)
        try:
            found = [box.value(node) for node in known.nodes]
            if slopes:
                found += [[model] for model in box.gradient(known.nodes[0])]
        except Undefined:
            continue
        for point, values in zip(where, wanted, strict=True):
            for models, balls in zip(found, values, strict=True):
                for model, value in zip(models, balls, strict=True):
                    held = at(model, sides, point, order)
                    place = f"order {order}, box {sides}, point {point}"
                    assert held.overlaps(value), f"{place}: {value} is not in {held}"
                    top = box.monomials.upper(model)
                    assert not top < value.lower(), f"{place}: {value} is above {top}"
                    compared += 1
    return compared
