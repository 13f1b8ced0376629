"""Cross-examination: starts of the certified region, simulated rigorously, against the claim.

A simulation proves no theorem, but one trajectory can break one; and the arithmetic and the code
are others than those of the prover and of the checker.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from certify.balls import BallInterpreter, to_float_interval
from certify.theorem import Theorem
from proofs.examined import Examined, examined_of
from proofs.witness import Finding, Witness
from systems.errors import InputError
from systems.evaluate import evaluate

Array = NDArray[np.float64]
Case = tuple[tuple[float, ...], tuple[float, ...]]
"""A start and a disturbance, both exact."""

MOST_CORNERS = 8
"""Corners of W that are tried, before random points of W."""


@dataclass(frozen=True)
class CrossExamination:
    """All findings, in the order of the starts, and what they do not cover."""

    findings: tuple[Finding, ...]
    remarks: tuple[str, ...]

    def of(self, outcome: str) -> list[Finding]:
        """Those that ended so: "converged", "undecided" or "disagreement"."""
        return [t for t in self.findings if t.outcome == outcome]

    def to_json(self) -> dict[str, object]:
        """Counts, and every finding in full."""
        outcomes = ("converged", "undecided", "disagreement")
        return {
            **{outcome: len(self.of(outcome)) for outcome in outcomes},
            "remarks": list(self.remarks),
            "trajectories": [asdict(t) for t in self.findings],
        }


def cross_examine(
    claim: Mapping[str, object] | Theorem,
    count: int,
    seed: int = 0,
    horizon: float | None = None,
    jobs: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> CrossExamination:
    """Simulate ``count`` starts of {x ∈ D : V(x) ≤ c2}, given as a document or a theorem.

    Half of the starts are spread over the region, half lie close below its boundary. ``horizon``
    (time, or steps in discrete time) ends trajectories early; else their number of steps does.
    ``jobs`` processes share the work, by default one for each core. Raises InputError where the
    document is malformed or no start is found.
    """
    if count < 1:
        raise ValueError(f"{count} starts are nothing to examine")
    examined = examined_of(claim)
    generator = np.random.default_rng(seed)
    starts = _starts(examined, count, generator)
    cases = list(zip(starts, _disturbances(examined, count, generator), strict=True))
    found = []
    for finding in _examined(examined, cases, horizon, _workers(jobs, count)):
        found.append(finding)
        if on_progress is not None:
            on_progress(len(found), count)
    return CrossExamination(tuple(found), tuple(_remarks(examined)))


def _remarks(claim: Examined) -> Iterator[str]:
    if claim.disturbance_range is not None:
        yield (
            "only disturbances that stay constant were examined: corners of W and random points "
            "of it, one with each start"
        )
    if claim.field.jumps:
        yield "where the closed loop jumps, solutions are meant in Filippov's sense"


def _workers(jobs: int | None, count: int) -> int:
    if jobs is not None:
        return max(1, min(jobs, count))
    return max(1, min(os.cpu_count() or 1, count // 4))


def _examined(
    claim: Examined, cases: Sequence[Case], horizon: float | None, workers: int
) -> Iterator[Finding]:
    if workers == 1:
        witness = Witness(claim, horizon)
        yield from (witness.examine(*case) for case in cases)
        return
    import multiprocessing

    text = json.dumps(claim.to_json())
    context = multiprocessing.get_context("spawn")
    with _interrupts_held_back():
        pool = context.Pool(workers, _prepare, (text, horizon))
    with pool:
        yield from pool.imap(_work, cases)


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Processes that are started here never see Ctrl-C; here it comes afterwards.

    A worker is deaf to it from its first instruction, long before :func:`_prepare` is reached.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # its own start would let Ctrl-C through again
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


_witness: list[Witness] = []
"""Of a worker process: the one claim that it examines."""


def _prepare(text: str, horizon: float | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, who ends the workers
    _witness[:] = [Witness(Examined.from_json(json.loads(text)), horizon)]


def _work(case: Case) -> Finding:
    return _witness[0].examine(*case)


def _starts(claim: Examined, count: int, generator: np.random.Generator) -> list[tuple[float, ...]]:
    """Float points that lie in the region, rigorously."""
    spread, close = (count + 1) // 2, count // 2
    certain = _Membership(claim)
    inner = certain.first(itertools.chain(_uniform(claim, generator), _rays(claim, generator, 0)))
    outer = certain.first(_rays(claim, generator, 1))
    found = [*itertools.islice(inner, spread), *itertools.islice(outer, close)]
    if len(found) < count:
        raise InputError("hardly a float64 point of the domain has V <= c2: nothing to simulate")
    return found


class _Membership:
    """Whether a point lies in {x ∈ D : V(x) ≤ c2}, without doubt."""

    def __init__(self, claim: Examined) -> None:
        self._claim = claim
        self._value = BallInterpreter(claim.value, 80)
        self._level = claim.constant("c2")

    def first(self, batches: Iterator[Array]) -> Iterator[tuple[float, ...]]:
        for batch in batches:
            for row in batch.tolist():
                if self._holds(row):
                    yield tuple(row)

    def _holds(self, point: Sequence[float]) -> bool:
        high = to_float_interval(self._value.outputs(point, point)[0][0])[1]
        return bool(high <= self._level) and self._claim.domain.contains(point)


def _uniform(claim: Examined, generator: np.random.Generator) -> Iterator[Array]:
    """Uniform points of D with V ≤ c2, a few batches: in many dimensions hardly any is."""
    level = float(claim.constant("c2"))
    for _ in range(16):
        points = claim.domain.sample(4096, generator)
        yield points[evaluate(claim.value, points)[0][:, 0] <= level]


def _rays(claim: Examined, generator: np.random.Generator, close: int) -> Iterator[Array]:
    """Points on rays from x*: spread over the part inside, or close to where V reaches c2."""
    level, n = float(claim.constant("c2")), len(claim.equilibrium)
    star = np.array([float(v) for v in claim.equilibrium])
    low, high = claim.domain.outer()
    for _ in range(64):
        unit = generator.uniform(-1, 1, (256, n))
        axis = generator.integers(n, size=256)
        unit[np.arange(256), axis] = np.where(generator.random(256) < 0.5, -1.0, 1.0)
        rays = np.where(unit < 0, -unit * (low - star), unit * (high - star))
        inside, outside = np.zeros(256), np.ones(256)
        for _ in range(50):
            middle = 0.5 * (inside + outside)
            below = evaluate(claim.value, star + middle[:, None] * rays)[0][:, 0] <= level
            inside, outside = np.where(below, middle, inside), np.where(below, outside, middle)
        if close:
            share = 1.0 - 10.0 ** generator.uniform(-8, -2, 256)
        else:
            share = generator.random(256) ** (1 / n)
        yield star + (share * inside)[:, None] * rays


def _disturbances(
    claim: Examined, count: int, generator: np.random.Generator
) -> list[tuple[float, ...]]:
    """One constant disturbance for each start: corners of W in turn, then random points of W."""
    W = claim.disturbance_range
    if W is None:
        return [()] * count
    sides = [(_inner(a, 1, b), _inner(b, -1, a)) for a, b in zip(W.lower, W.upper, strict=True)]
    corners = list(itertools.islice(itertools.product(*sides), MOST_CORNERS))
    out: list[tuple[float, ...]] = []
    for k in range(count):
        if k % 2 == 0 or not len(out):
            out.append(corners[(k // 2) % len(corners)])
        else:
            drawn = [float(generator.uniform(a, b)) if a < b else a for a, b in sides]
            out.append(tuple(drawn))
    return out


def _inner(end: Fraction, towards: int, other: Fraction) -> float:
    """The float next to an end of an interval, inside; raises where there is none."""
    value = float(end)
    if (Fraction(value) - end) * towards < 0:
        value = float(np.nextafter(value, towards * np.inf))
    if (other - Fraction(value)) * towards < 0:
        raise InputError("a disturbance's range holds no float64 number to simulate with")
    return value
