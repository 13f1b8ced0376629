"""Better planes for a bound by linear relaxations.

A bound is attained at a corner of the box, where the planes in use give every node a value. There
its derivative by a slope vanishes if the plane touches the function, or its envelope, at the values
that the operands have; so each is moved half the way to that one. (α-CROWN takes gradient steps: Xu
et al., Fast and Complete, ICLR 2021.) Nothing of this needs a proof: whatever a line's slope is,
its intercept is computed anew, and the mean of two planes on one side is on that side.
"""

from __future__ import annotations

from collections.abc import Sequence

from flint import arb_mat

from .algebra import ONE, ZERO, Model
from .graph import Node
from .lines import lines, slopes
from .relaxation import MEAN, Ends, Plane, Relaxation, product_planes
from .series import Ball


def turn(box: Relaxation, bound: Model) -> None:
    """Turn the planes that the last ``upper`` has put in, whose result is the bound. Raises
    Undefined."""
    at: dict[int, list[Ball]] = {}
    for i in box.graph.needed(box.rows):
        register, node = box.registers[i], box.graph.nodes[i]
        operands = [at[k] for k in node.args]
        if register.is_exact:
            at[i] = [_at_corner(p, bound) for p in register.low]
        elif node.op == "affine":
            weight, bias = (box.matrices.constant(c, node.size) for c in node.constants)
            at[i] = (weight * arb_mat([[v] for v in operands[0]]) + bias).entries()
        elif node.op == "stack":
            at[i] = [v for part in operands for v in part]
        elif node.op == "slice":
            at[i] = [operands[0][k] for k in node.integers]
        else:
            at[i] = _turned(box, i, operands)


def _turned(box: Relaxation, i: int, at: Sequence[list[Ball]]) -> list[Ball]:
    """Turn the planes of one node, of whose operands ``at`` are values; returns its own values."""
    node, register = box.graph.nodes[i], box.registers[i]
    operands = [box.registers[k].spread(node.size) for k in node.args]
    points = zip(*(v if len(v) == node.size else v * node.size for v in at), strict=True)
    row, planes, values = box.rows.get(i, [ZERO] * node.size), [], []
    for k, (pair, point, factor) in enumerate(zip(register.planes, points, row, strict=True)):
        side = int(factor > 0)
        weights, constant = pair[side]
        values.append(sum((s * z for s, z in zip(weights, point, strict=True)), constant))
        if pair[0] is not pair[1] and (factor > 0 or factor < 0):
            ends = [r.ends[k] for r in operands]
            better = _better(node, ends, pair[side], side, point)
            pair = (pair[0], better) if side else (better, pair[1])
        planes.append(pair)
    register.planes = planes
    return values


def _at_corner(p: Model, bound: Model) -> Ball:
    """A value of the model at the corner where the bound is largest."""
    signs = [-1 if c < 0 else 1 for c in bound[1:]] + [1] * len(p)
    return sum((c * sign for c, sign in zip(p[1:], signs, strict=False)), p[0])


def _better(node: Node, ends: Sequence[Ends], plane: Plane, side: int,
            at: Sequence[Ball]) -> Plane:  # fmt: skip
    """The plane half-way from this one, below (side 0) or above, to the tightest at a point."""
    if len(ends) == 1:
        function = node.integers[0] if node.op == "power" else node.op
        low, high = ends[0]
        best = slopes(function, float(low), float(high), float(at[0]))[side]
        slope = (float(plane[0][0]) + best) / 2
        line = lines(function, low, high, slope, slope)[:2][side]
        return (line[0],), line[1]
    first, second = (product_planes(ends[0], ends[1], weight)[side] for weight in (ZERO, ONE))

    def value(p: Plane) -> Ball:
        return p[0][0] * at[0] + p[0][1] * at[1] + p[1]

    tightest = first if (value(first) < value(second)) == (side == 1) else second
    pairs = zip(plane[0], tightest[0], strict=True)
    return tuple((s + t) * MEAN for s, t in pairs), (plane[1] + tightest[1]) * MEAN
