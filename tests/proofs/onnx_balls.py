"""ONNX models in ball arithmetic: what a model says when read as formulas over the reals.

Written from the ONNX operator documentation, apart from the code that writes the models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import onnx
from flint import arb, ctx, fmpq
from onnx import numpy_helper

Row = list[arb]
Matrix = list[Row]
PRECISION = 300

_UNARY: dict[str, Callable[[arb], arb]] = {
    "Sin": lambda z: z.sin(),
    "Cos": lambda z: z.cos(),
    "Exp": lambda z: z.exp(),
    "Log": lambda z: z.log(),
    "Sqrt": lambda z: z.sqrt(),
    "Tanh": lambda z: z.tanh(),
    "Sigmoid": lambda z: 1 / (1 + (-z).exp()),
    "Relu": lambda z: z.max(arb(0)),
    "Abs": abs,
    "Neg": lambda z: -z,
    "Identity": lambda z: z,
}
_BINARY: dict[str, Callable[[arb, arb], arb]] = {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Div": lambda a, b: a / b,
    "Min": lambda a, b: a.min(b),
    "Max": lambda a, b: a.max(b),
    "Pow": lambda a, b: a ** int(float(b)),
    # truth values as 0 and 1; what is not decided is a mistake of the test's points
    "Less": lambda a, b: _decided(a < b, a >= b),
    "Greater": lambda a, b: _decided(a > b, a <= b),
}


def _decided(yes: bool, no: bool) -> arb:
    assert yes or no
    return arb(int(yes))


def run(content: bytes, point: Sequence[Fraction]) -> Row:
    """The one output of a model with one input, at one point."""
    model = onnx.load_model_from_string(content)
    with ctx.workprec(PRECISION):
        known: dict[str, Matrix] = {}
        integers: dict[str, list[int]] = {}
        for tensor in model.graph.initializer:
            array = numpy_helper.to_array(tensor)
            if array.dtype.kind == "i":
                integers[tensor.name] = array.tolist()
            else:
                known[tensor.name] = [[arb(v) for v in row] for row in array.tolist()]
        [given] = model.graph.input
        known[given.name] = [[arb(fmpq(v.numerator, v.denominator)) for v in point]]
        for node in model.graph.node:
            known[node.output[0]] = _value(node, known, integers)
        [result] = model.graph.output
        return known[result.name][0]


def _value(
    node: onnx.NodeProto, known: dict[str, Matrix], integers: dict[str, list[int]]
) -> Matrix:
    attributes = {a.name: a.i for a in node.attribute}
    if node.op_type == "Gather":
        assert attributes == {"axis": 1}
        return [[row[k] for k in integers[node.input[1]]] for row in known[node.input[0]]]
    a = [known[name] for name in node.input]
    match node.op_type:
        case "Concat":
            assert attributes == {"axis": 1} and len({len(m) for m in a}) == 1
            return [[v for m in a for v in m[r]] for r in range(len(a[0]))]
        case "Gemm":
            assert attributes == {"transB": 1}
            product = [[_dot(row, column) for column in a[1]] for row in a[0]]
            return _broadcast(_BINARY["Add"], product, a[2])
        case "MatMul":
            columns = list(zip(*a[1], strict=True))
            return [[_dot(row, column) for column in columns] for row in a[0]]
        case "Where":
            picked = _broadcast(lambda c, v: v if c == 1 else arb(0), a[0], a[1])
            other = _broadcast(lambda c, v: v if c == 0 else arb(0), a[0], a[2])
            return _broadcast(_BINARY["Add"], picked, other)
        case op if op in _UNARY:
            return [[_UNARY[op](v) for v in row] for row in a[0]]
        case op:
            return _broadcast(_BINARY[op], a[0], a[1])


def _dot(a: Sequence[arb], b: Sequence[arb]) -> arb:
    total = arb(0)
    for p, q in zip(a, b, strict=True):
        total += p * q
    return total


def _broadcast(function: Callable[[arb, arb], arb], a: Matrix, b: Matrix) -> Matrix:
    rows, columns = max(len(a), len(b)), max(len(a[0]), len(b[0]))
    for m in (a, b):
        assert len(m) in (1, rows) and len(m[0]) in (1, columns)

    def at(m: Matrix, r: int, c: int) -> arb:
        return m[r % len(m)][c % len(m[0])]

    return [[function(at(a, r, c), at(b, r, c)) for c in range(columns)] for r in range(rows)]
