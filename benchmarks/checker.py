"""The independent checker: leaves a second on two cores, beside the time of the search itself."""

from __future__ import annotations

import json
import statistics
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from benchmarks.deep import CANDIDATE
from benchmarks.documents import Document, canonical, encoded, sealed
from benchmarks.measure import Timed, milliseconds, timed
from benchmarks.report import Bar, Report, Row
from benchmarks.settings import Settings
from certify import Candidate, Requested
from certify.candidate_file import load_candidate
from learners import ElmPolicyIteration
from learners.lqr import lqr_candidate
from proofs.certificate import certificate_of
from proofs.checker import Outcome, check_bytes
from systems import zoo
from systems.dynamics import ControlAffineSystem

JOBS = 2
BUDGET = 120.0
NEURONS, QUICK_NEURONS = 100, 20
SHALLOW, DEEP = 1000.0, 300.0
COLUMNS = (
    "certificate", "verdict", "leaves", "of the volume", "search", "with the volume", "check",
    "leaves/s", "conditions only", "leaves/s", "raw", "compressed",
)  # fmt: skip
NOTES = (
    f"Checked in ball arithmetic by {JOBS} processes, their start included; medians of the "
    "repeats. Conditions only: the same file without its volume, whose leaves are the easy ones.",
    "Search: in all, from system and candidate to the verdict, with its own two threads; with the "
    "volume: the paving included that measures the region. Compressed: zlib, level 9.",
    "Deep: V 2-40-40-1 and a controller 2-10-10-1 for Van der Pol, the candidate of deep.md with "
    "the constants given; the others search for their constants.",
)


Claimed = tuple[ControlAffineSystem, Candidate, Requested]


@dataclass(frozen=True)
class Case:
    """One certificate to be checked; ``bar`` in leaves a second, where there is one."""

    name: str
    make: Callable[[], Claimed]
    bar: float | None = None


def run(settings: Settings) -> Iterator[Report]:
    """The table, one report."""
    rows = []
    for case in _cases(settings):
        rows.append(measure(case, settings.repeats))
        settings.say("  ".join(rows[-1].cells))
    yield Report("checker", "The independent checker", NOTES, COLUMNS, rows)


def _cases(settings: Settings) -> Iterator[Case]:
    neurons = QUICK_NEURONS if settings.quick else NEURONS
    third = "synthetic-3" if settings.quick else "lorenz"
    for name in settings.among(("pendulum", third)):
        words = f"{name}, ELM-PI, one layer of {neurons}"
        yield Case(words, _network(name, neurons), None if settings.quick else SHALLOW)
    if settings.among(("van-der-pol",)):
        yield Case("van-der-pol, deep", _deep, DEEP)
    if not settings.quick and settings.among(("cartpole",)):
        yield Case("cartpole, LQR", _lqr)


def measure(case: Case, repeats: int) -> Row:
    """Prove and check, each several times."""
    proof = timed(*case.make(), BUDGET, repeats)
    result = proof.result
    if result.theorem is None:
        reason = f"{proof.verdict}: {proof.reason}"
        bars = [] if case.bar is None else [
            Bar("leaves/s", case.bar, None, "", True, reason)
        ]  # fmt: skip
        return Row((case.name, reason, *["–"] * (len(COLUMNS) - 2)), {"what": case.name}, bars)
    document: Document = json.loads(canonical(certificate_of(result)))
    data, alone = encoded(document), encoded(sealed({**document, "volume": None}))
    return _row(case, proof, data, _checked(data, repeats), _checked(alone, repeats))


def _checked(data: bytes, repeats: int) -> tuple[Outcome, float]:
    found = [check_bytes(data, JOBS) for _ in range(repeats)]
    return found[-1], statistics.median(one.seconds for one in found)


def _row(
    case: Case,
    proof: Timed,
    data: bytes,
    whole: tuple[Outcome, float],
    conditions: tuple[Outcome, float],
) -> Row:
    rates = [found.leaves / seconds for found, seconds in (whole, conditions)]
    valid = whole[0].status == conditions[0].status == "valid"
    bars = [Bar.claim("valid", valid)]
    if case.bar is not None:
        bars += [
            Bar(what, case.bar, rate if valid else None, "", True, whole[0].message)
            for what, rate in zip(("leaves/s", "conditions only, leaves/s"), rates, strict=True)
        ]
    packed = len(zlib.compress(data, 9))
    cells = (
        case.name, whole[0].status, f"{whole[0].leaves:,}",
        f"{whole[0].leaves - conditions[0].leaves:,}", milliseconds(proof.seconds),
        milliseconds(proof.call), milliseconds(whole[1]), f"{rates[0]:,.0f}",
        milliseconds(conditions[1]), f"{rates[1]:,.0f}",
        f"{len(data) / 1e3:,.0f} kB", f"{packed / 1e3:,.0f} kB",
    )  # fmt: skip
    out = {
        "what": case.name,
        "status": whole[0].status,
        "message": whole[0].message,
        "leaves": whole[0].leaves,
        "condition_leaves": conditions[0].leaves,
        "proof": proof.data(),
        "check_seconds": whole[1],
        "check_conditions_seconds": conditions[1],
        "leaves_per_second": rates[0],
        "condition_leaves_per_second": rates[1],
        "bytes": len(data),
        "compressed_bytes": packed,
    }
    return Row(cells, out, bars)


def _network(name: str, neurons: int) -> Callable[[], Claimed]:
    def make() -> Claimed:
        system = zoo.system(name)
        return system, ElmPolicyIteration(neurons=neurons, seed=0).fit(system), Requested()

    return make


def _deep() -> Claimed:
    candidate, name = load_candidate(CANDIDATE)
    proved = candidate.provenance["proved"]
    assert isinstance(proved, dict)
    c1, c2, mu, epsilon = (
        None if proved[k] is None else Fraction(proved[k]) for k in ("c1", "c2", "mu", "epsilon")
    )
    return zoo.system(name), candidate, Requested(c1, c2, mu, epsilon)


def _lqr() -> Claimed:
    system = zoo.system("cartpole")
    return system, lqr_candidate(system), Requested()
