"""Successive Galerkin approximation: rows of Table 3 of the policy-iteration paper, and more."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.measure import milliseconds, requested_of, timed
from benchmarks.report import Bar, Report, Row
from benchmarks.settings import Settings
from certify import Candidate, Claim, Proved, Requested
from learners import GalerkinPolicyIteration
from systems import zoo
from systems.zoo.entry import Entry

BUDGET = 60.0
TIMES_FASTER = 100.0
"""Training, against the paper's seconds."""


@dataclass(frozen=True)
class Case:
    """``paper``: the seconds of Table 3, on an Intel Gold 6148; ``proved``: whether a proof is a
    bar.
    """

    system: str
    order: int
    paper: float | None = None
    proved: bool = True
    quick: bool = False


CASES = (
    Case("pendulum", 2, 4.80, quick=True),
    Case("pendulum", 4, 19.37, quick=True),
    Case("pendulum", 6, 66.52),
    Case("pendulum", 8, 212.42),
    Case("lorenz", 2, 6.63, quick=True),
    Case("lorenz", 4, 69.15),
    Case("lorenz", 6, 893.28),
    Case("synthetic-2", 4, quick=True),
    Case("synthetic-12", 4, proved=False),
    Case("cartpole", 4, proved=False),
    Case("quadrotor-2d", 4, proved=False),
    Case("quadrotor-3d", 4, proved=False),
)
COLUMNS = (
    "system", "order", "unknowns", "iterations", "training", "paper", "HJB max", "HJB rms",
    "verdict", "c1", "c2", "volume", "proof",
)  # fmt: skip
NOTES = (
    "Training: wall time of fit(), exact tables and all iterations to convergence (at most 10), "
    "median of three after one that fills caches; the paper's seconds are for 10 iterations on an "
    "Intel Gold 6148.",
    "HJB: residual at held-out points, quasi-random and dense at the boundary.",
    "Proofs: asymptotic stability, with the paper's c1 and c2 for the pendulum and constants "
    "searched for elsewhere, within 60 s; no bar on it where there are more than 3 states.",
)


def run(settings: Settings) -> Iterator[Report]:
    """The table, one report."""
    names = settings.among(sorted({case.system for case in CASES}))
    rows = []
    for case in CASES:
        if case.system in names and (case.quick or not settings.quick):
            rows.append(_row(case, settings))
            settings.say("  ".join(rows[-1].cells))
    yield Report("galerkin", "Successive Galerkin approximation", NOTES, COLUMNS, rows)


def _row(case: Case, settings: Settings) -> Row:
    entry = zoo.entry(case.system)
    candidate, seconds = _trained(entry, case.order, settings.repeats)
    figures = candidate.provenance
    residuals = [figures[f"hjb_residual_{kind}"] for kind in ("max", "rms")]
    proved_here = case.proved or entry.build().state_dimension <= 4
    bars = []
    if case.paper is not None:
        bars.append(Bar("training", case.paper / TIMES_FASTER, seconds))
    cells = [
        case.system, str(case.order), str(figures["unknowns"]), str(figures["iterations"]),
        milliseconds(seconds), "–" if case.paper is None else f"{case.paper:g} s",
        *(f"{value:.1e}" for value in residuals),
    ]  # fmt: skip
    data: dict[str, object] = {
        "system": case.system,
        "order": case.order,
        "unknowns": figures["unknowns"],
        "iterations": figures["iterations"],
        "training_seconds": seconds,
        "paper_seconds": case.paper,
        "hjb_residual_max": residuals[0],
        "hjb_residual_rms": residuals[1],
        "warnings": figures["warnings"],
    }
    if not proved_here:
        return Row([*cells, *["–"] * 5], data, bars)
    found = timed(entry.build(), candidate, _asked(entry), settings.seconds(BUDGET, 20.0),
                  settings.repeats)  # fmt: skip
    proved = isinstance(found.result.verdict, Proved)
    if case.proved:
        bars.append(Bar.claim("proved", proved))
    constants, volume = found.result.constants, found.result.volume
    cells += [
        found.verdict if proved else f"{found.verdict}: {found.reason}",
        "–" if constants is None else f"{float(constants.c1):.4g}",
        "–" if constants is None else f"{float(constants.c2):.4g}",
        "–" if volume is None else f"{volume.at_least:.4g}",
        milliseconds(found.seconds),
    ]
    return Row(cells, {**data, **found.data()}, bars)


def _asked(entry: Entry) -> Requested:
    """The paper's constants for the pendulum; else all are searched for."""
    if entry.name == "pendulum" and entry.verification is not None:
        return requested_of(entry.verification, Claim.ASYMPTOTIC_STABILITY)
    return Requested()


def _trained(entry: Entry, order: int, repeats: int) -> tuple[Candidate, float]:
    """The candidate and the median of ``fit``'s seconds, first policy as in the zoo."""
    system, gain = entry.build(), None
    if entry.initial_gain is not None:
        gain = np.array([[float(v) for v in row] for row in entry.initial_gain])
    learner = GalerkinPolicyIteration(order=order, initial_gain=gain)
    learner.fit(system)  # fills the caches that every training shares
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        candidate = learner.fit(system)
        seconds.append(time.perf_counter() - began)
    return candidate, statistics.median(seconds)
