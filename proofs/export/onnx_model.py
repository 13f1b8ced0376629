"""ONNX models of V, its gradient, the controller, the closed loop and V's change, in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np

from proofs.export.artifact import Artifact, ImpossibleError, LeftOut, Written
from proofs.export.functions import functions_of
from proofs.export.names import comment
from proofs.export.numbers import rounding_line
from proofs.export.onnx_graph import Graph, emit, model_bytes, spread
from proofs.export.source import NOT_PROVED, Source
from systems.exact import ExactArray
from systems.tape import Tape


def require_onnx() -> None:
    """Raises ImpossibleError where onnx is not installed."""
    if find_spec("onnx") is None:
        raise ImpossibleError("the package onnx is missing; pip install 'stableproof[onnx]'")


def write_onnx(source: Source) -> Written:
    """One model a function: inputs x (batch, n) and w (batch, p), one output (batch, size)."""
    require_onnx()
    functions, absent = functions_of(source.problem)
    artifacts = [
        Artifact(
            f"onnx/{f.name}.onnx",
            function_model(f.tape, f.name, f.output, (f.words, *source.origin, *NOT_PROVED)),
            f.words,
        )
        for f in functions
    ]
    left_out = [LeftOut("onnx", name, reason) for name, reason in absent.items()]
    return Written(tuple(artifacts), tuple(left_out))


def function_model(tape: Tape, name: str, output: str, origin: Sequence[str] = ()) -> bytes:
    """The model of a tape with one output; its inputs keep their names.

    Constants are the nearest float64. A step is 1/2 at 0, as in :mod:`systems.evaluate`.
    """
    graph = Graph()
    offsets = np.cumsum([0, *(size for _, size in tape.inputs)]).tolist()
    inputs = {at: name for at, (name, _) in zip(offsets, tape.inputs, strict=False)}
    known = emit(tape, graph, inputs, NearestFloats())
    register = tape.outputs[0]
    result, size = known[register], tape.instructions[register].size
    if not tape.varying[register]:
        first, first_size = tape.inputs[0]
        result = spread(graph, result, first, first_size, size)
    graph.add("Identity", result, to=output)
    lines = [comment(line) for line in (*origin, rounding_line(tape))]
    return model_bytes(graph, name, tape.inputs, [(output, size)], lines)


class NearestFloats:
    """Constants as the nearest float64; functions spelt so that float64 keeps its digits."""

    def array(self, graph: Graph, array: ExactArray) -> str:
        return graph.tensor(np.atleast_2d(array.values))

    def pi(self, graph: Graph) -> str:
        return graph.number(math.pi)

    def sigmoid(self, graph: Graph, z: str) -> str:
        """exp(−|z|) never overflows, and the lower tail keeps its digits."""
        small, one = _small_exponential(graph, z), graph.number(1.0)
        above = graph.add("GreaterOrEqual", z, graph.number(0.0))
        numerator = graph.add("Where", above, one, small)
        return graph.add("Div", numerator, graph.add("Add", one, small))

    def softplus(self, graph: Graph, z: str) -> str:
        """max(z, 0) + log(1 + e) with e = exp(−|z|).

        ONNX has no log1p: with s = 1 + e rounded, log(1 + e) is e log(s) / (s − 1) to full
        accuracy, and e where s is 1 (Goldberg, ACM Computing Surveys 23(1), 1991, theorem 4).
        """
        one, small = graph.number(1.0), _small_exponential(graph, z)
        total = graph.add("Add", one, small)
        exponent = graph.add("Sub", total, one)
        lost = graph.add("Equal", exponent, graph.number(0.0))
        quotient = graph.add("Div", small, graph.add("Where", lost, one, exponent))
        logarithm = graph.add("Where", lost, one, graph.add("Log", total))
        return graph.add("Add", graph.add("Relu", z), graph.add("Mul", logarithm, quotient))

    def step(self, graph: Graph, z: str, size: int) -> str:
        """What is neither above, below nor at 0 is NaN, and stays so."""
        del size
        zero = graph.number(0.0)
        at = graph.add("Where", graph.add("Equal", z, zero), graph.number(0.5), z)
        below = graph.add("Where", graph.add("Less", z, zero), zero, at)
        return graph.add("Where", graph.add("Greater", z, zero), graph.number(1.0), below)


def _small_exponential(graph: Graph, z: str) -> str:
    return graph.add("Exp", graph.add("Neg", graph.add("Abs", z)))
