"""Random vector-valued expression graphs, smooth, with moderate values."""

from __future__ import annotations

import numpy as np

from systems import expression as ex
from systems.expression import Expression, Op

SMOOTH = [ex.sin, ex.cos, ex.tanh, ex.sigmoid, ex.softplus]


def random_graph(
    generator: np.random.Generator, inputs: list[Expression], nodes: int = 12
) -> Expression:
    """A scalar that uses every kind of node, with shared subexpressions and broadcasting."""
    pool = list(inputs)
    for _ in range(nodes):
        a = pool[generator.integers(len(pool))]
        b = pool[generator.integers(len(pool))]
        pool.append(_grown(generator, a, b))
    parts = [ex.tanh(node) for node in pool]
    weights = generator.normal(size=(1, sum(p.size for p in parts)))
    return ex.affine(weights, ex.stack(parts))


def _grown(generator: np.random.Generator, a: Expression, b: Expression) -> Expression:
    if a.size != b.size and 1 not in (a.size, b.size):
        b = ex.affine(generator.normal(size=(a.size, b.size)) / b.size, b)
    match generator.integers(10):
        case 0:
            return a + b
        case 1:
            return a - b
        case 2:
            return ex.tanh(a) * ex.sin(b)
        case 3:
            return ex.sin(a) / (2 + ex.cos(b))
        case 4:
            return SMOOTH[generator.integers(len(SMOOTH))](a)
        case 5:
            return ex.tanh(a) ** int(generator.integers(2, 5))
        case 6:
            return ex.affine(generator.normal(size=(3, a.size)) / 2, a, generator.normal(size=3))
        case 7:
            return ex.select(a, [int(i) for i in generator.integers(a.size, size=2)])
        case 8:
            return ex.stack([ex.sin(a), ex.constant("0.3"), ex.cos(b)])
        case _:
            return ex.sqrt(1 + ex.sin(a) ** 2) + ex.log(3 + ex.cos(b)) + ex.exp(-(ex.tanh(a) ** 2))


def kinked(inputs: Expression) -> Expression:
    """relu, min, max and abs of the entries of a vector."""
    a, b = inputs[0], inputs[1]
    return ex.relu(a) * b + ex.minimum(a, b) + 2 * ex.maximum(a * b, b) + ex.absolute(a - b)


def used(root: Expression) -> set[Op]:
    return {node.op for node in ex.topological([root])}
