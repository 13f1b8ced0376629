"""Closed loops of the zoo to export, and how close an exported function has to come."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from certify.balls import BallInterpreter
from certify.candidate import Candidate, anchored_control, anchored_value
from learners.lqr import lqr_candidate
from proofs.export.functions import Function, functions_of
from proofs.export.source import Source, source_of_candidate
from systems import expression as ex
from systems import zoo
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.tape import Tape

Array = NDArray[np.float64]

TOLERANCE = 1e-12
COUNT = 40


def network_candidate(system: ControlAffineSystem, seed: int = 0) -> Candidate:
    """V and k of the form that extreme learning machines have, with weights drawn at random for
    states scaled by the domain."""
    generator = np.random.default_rng(seed)
    n, m, x = system.state_dimension, system.input_dimension, system.state
    low, high = system.domain.outer()
    W = generator.uniform(-1, 1, (9, n)) / ((high - low) / 2)
    hidden = ex.tanh(ex.affine(W, x, generator.uniform(-1, 1, 9) - W @ ((low + high) / 2)))
    value = anchored_value(ex.affine(generator.normal(size=(1, 9)), hidden), x, system.equilibrium)
    control = None
    if m:
        network = ex.affine(generator.normal(size=(m, 9)), hidden)
        control = anchored_control(network, x, system.equilibrium, system.equilibrium_input)
    return Candidate(x, value, control)


@cache
def source_of(name: str, kind: str) -> Source | None:
    """A system of the zoo under the LQR ("lqr"; None where it has none) or a network ("elm")."""
    system = zoo.system(name)
    try:
        candidate = lqr_candidate(system) if kind == "lqr" else network_candidate(system)
    except InputError:
        return None
    return source_of_candidate(system, candidate)


def functions(source: Source) -> list[Function]:
    return functions_of(source.problem)[0]


def points_of(source: Source, tape: Tape, count: int = COUNT) -> Array:
    """Random points of the domain, with disturbances where the tape depends on them."""
    box = source.problem.region if len(tape.inputs) == 2 else source.problem.domain
    return box.sample(count, np.random.default_rng(1))


def differences(tape: Tape, points: Array, found: Array) -> Array:
    """|found − tape| / max(1, |tape|), beyond what float64 arithmetic excuses.

    The reference is ball arithmetic, and so are the excuses: a run at 53 bits bounds the error of
    every way to round the same operations, however badly conditioned they are.
    """
    exact, rough = BallInterpreter(tape, 200), BallInterpreter(tape, 53)
    out = np.zeros(len(points))
    for row, point in enumerate(points.tolist()):
        middle = exact.outputs(point, point)[0]
        spread = rough.outputs(point, point)[0]
        for entry, (m, s) in enumerate(zip(middle, spread, strict=True)):
            if not s.is_finite():
                continue
            true, value = float(m.mid()), float(found[row, entry])
            error = abs(value - true) - 4 * float(s.rad())
            error = np.inf if np.isnan(error) else error
            out[row] = max(out[row], error / max(1.0, abs(true)))
    return out
