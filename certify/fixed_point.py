"""Is x* an equilibrium, and V(x*) = 0, in real arithmetic and for every disturbance?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product

from certify.equilibrium import Answer, ZeroTest, prove_zero
from certify.stability import StabilityProblem
from certify.verdict import Counterexample, Refuted, Unknown
from systems.box import Box

MOST_CORNERS = 64
"""So many corners of W, at most, are tried for one at which F(x*, w) does not vanish."""


def equilibrium_verdict(problem: StabilityProblem) -> Refuted | Unknown | None:
    """None where F(x*, w) = 0 (in discrete time x*) for all w ∈ W, and V(x*) = 0; else why not."""
    return _verdict(problem, "equilibrium", (0, 1))


def centre_verdict(problem: StabilityProblem) -> Refuted | Unknown | None:
    """None where V(x*) = 0; else why not."""
    return _verdict(problem, "centre", (1,))


def _verdict(
    problem: StabilityProblem, name: str, which: Sequence[int]
) -> Refuted | Unknown | None:
    whole, system = problem.equilibrium_tape, problem.system
    tape = whole.with_outputs([whole.outputs[i] for i in which])
    shift = [f" - x*_{i + 1}" if problem.is_discrete else "" for i in range(system.state_dimension)]
    moved = [f"F_{i + 1}(x*){text}" for i, text in enumerate(shift)]
    names = [*(moved if 0 in which else []), "V(x*)"]
    star, W = system.equilibrium, system.disturbance_range
    tests = _flat(prove_zero(tape, star, W))
    still = [i for i, test in enumerate(tests) if test.answer is not Answer.ZERO]
    if not still:
        return None
    for point in _points(star, W):  # a single w that moves the equilibrium refutes the claim
        for test in _flat(prove_zero(tape, point)):
            if test.answer is Answer.NONZERO:
                at = tuple(float(v) for v in point)
                return Refuted(Counterexample(name, at, ((test.lower, test.upper),)))
    test = tests[still[0]]
    return Unknown(
        f"{name}: {names[still[0]]} lies in [{test.lower:.3g}, {test.upper:.3g}], but that it is 0 "
        f"in real arithmetic {_for_every(W)}could not be shown; anchor V and k at the equilibrium"
        f"{_advice(W) if name == 'equilibrium' else ''}"
    )


def _for_every(W: Box | None) -> str:
    return "" if W is None else "for every disturbance "


def _advice(W: Box | None) -> str:
    return "" if W is None else ", or claim practical stability, which needs V(x*) = 0 only"


def _flat(tests: list[list[ZeroTest]]) -> list[ZeroTest]:
    return [test for entries in tests for test in entries]


def _points(star: Sequence[Fraction], W: Box | None) -> Iterator[tuple[Fraction, ...]]:
    """x*, with w at the centre of W and in its corners."""
    fixed = tuple(star)
    if W is None:
        yield fixed
        return
    yield fixed + W.centre
    for k, corner in enumerate(product(*zip(W.lower, W.upper, strict=True))):
        if k == MOST_CORNERS:
            return
        yield fixed + corner
