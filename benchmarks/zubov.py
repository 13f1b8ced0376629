"""The reversed Van der Pol oscillator: how much of its region of attraction is learned and proved.

The region's true area is that inside the limit cycle, from accurate integration; what is compared
with it is the volume of a rigorous inner paving of the proved sublevel set.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from benchmarks.report import Bar, Report, Row
from benchmarks.settings import Settings
from certify import Budget, Candidate, Proved, Requested, StabilityResult, prove_stability
from certify.volume import Paving, sublevel_paving
from learners import ZubovLearning
from systems import zoo
from systems.build import system_from_text
from systems.dynamics import ControlAffineSystem

LYZNET = {"1": (95.64, 1467.0), "3": (85.12, 944.0)}
"""Published for LyZNet: percent of the region verified, seconds in all, on a laptop's processor."""
NEURONS = {"0.5": 100, "1": 100, "3": 140}
SEEDS = (0, 1, 2)
BOXES = {"0.5": (2.5, 3.0)}
"""Half-widths for what is not in the zoo; the limit cycle reaches to (2.00, 2.29)."""
HIGHER = ("0.9995", "0.999", "0.998", "0.996", "0.993")
"""Levels asked for after the first proof, as shares of the one that samples promise."""
PROOF_SECONDS, PAVING_SECONDS = 60.0, 60.0
TOLERANCE, MOST_BOXES, MOST_LEAVES = 1e-3, 4_000_000, 200_000
COLUMNS = (
    "mu", "neurons", "seeds", "proved, % of the region", "training", "proofs", "in all", "boxes",
    "LyZNet %", "LyZNet",
)  # fmt: skip
NOTES = (
    "Van der Pol in reversed time; the true region is inside the limit cycle, its area by "
    "integration. Asymptotic stability on {V ≤ c2}, whose volume is that of a rigorous inner "
    f"paving to a tolerance of {TOLERANCE:g}.",
    "proofs: all that were tried: one that finds its own c2, then higher ones asked for, from "
    "the highest down, until one is proved. Medians over the seeds, and every seed's figure.",
    "LyZNet: published percent and seconds (training and verification, a laptop's processor).",
)


@dataclass(frozen=True, eq=False)
class Run:
    """One seed: the best proof, and what all of them took."""

    percent: float
    training: float
    proofs: float
    boxes: int
    c2: float | None
    paving: Paving | None
    verdict: str


def run(settings: Settings) -> Iterator[Report]:
    """The table, one report."""
    names = {_name(mu): mu for mu in NEURONS}
    rows = []
    for name in settings.among(list(names)):
        mu = names[name]
        rows.append(row(mu, settings))
        settings.say("  ".join(rows[-1].cells))
    yield Report("zubov", "Region of attraction of an uncontrolled system", NOTES, COLUMNS, rows)


def reversed_van_der_pol(mu: str) -> ControlAffineSystem:
    """From the zoo where it has this one."""
    if mu not in BOXES:
        return zoo.system(_name(mu))
    return system_from_text(
        _name(mu), ["x1", "x2"], [], {"x1": "-x2", "x2": "x1 - mu*(1 - x1**2)*x2"},
        parameters={"mu": mu}, domain=[(-h, h) for h in BOXES[mu]],
    )  # fmt: skip


def _name(mu: str) -> str:
    return f"van-der-pol-reversed-{mu}"


def region_area(mu: float) -> float:
    """The area inside the limit cycle of ẋ₁ = x₂, ẋ₂ = −x₁ + μ(1 − x₁²)x₂, by Green's theorem.

    Forward in time the cycle attracts: after a transient, ½∮(x₁ dx₂ − x₂ dx₁) between two passages
    of the section x₂ = 0, x₁ > 0, integrated along with the state.
    """
    from scipy.integrate import solve_ivp

    def rate(_: float, y: np.ndarray) -> list[float]:
        x, v = y[0], y[1]
        a = -x + mu * (1 - x * x) * v
        return [v, a, 0.5 * (x * a - v * v)]

    def section(_: float, y: np.ndarray) -> float:
        return float(y[1])

    section.direction = -1.0  # type: ignore[attr-defined]
    found = solve_ivp(
        rate, (0.0, 100.0 + 40.0 / mu), [2.0, 0.0, 0.0],
        method="DOP853", rtol=1e-12, atol=1e-13, events=section,
    )  # fmt: skip
    assert found.y_events is not None
    before, after = found.y_events[0][-2:]
    return abs(float(after[2] - before[2]))


def row(mu: str, settings: Settings) -> Row:
    """All seeds of one μ."""
    system, area = reversed_van_der_pol(mu), region_area(float(mu))
    neurons = settings.sizes([NEURONS[mu]], [60])[0]
    seeds = SEEDS[: settings.repeats]
    runs = [one(system, neurons, seed, area) for seed in seeds]
    percent = statistics.median(r.percent for r in runs)
    training, proofs = (statistics.median(getattr(r, k) for r in runs) for k in _SECONDS)
    total = statistics.median(r.training + r.proofs for r in runs)
    published = LYZNET.get(mu)
    bars = [Bar.claim("proved with every seed", all(r.verdict == "proved" for r in runs))]
    if published is not None:
        bars += [
            Bar("% of the region", published[0], percent, unit="%", at_least=True),
            Bar("seconds in all", published[1], total),
        ]
    cells = (
        mu, str(neurons), ", ".join(f"{r.percent:.2f}" for r in runs), f"{percent:.2f}",
        f"{training:.2f} s", f"{proofs:.2f} s", f"{total:.2f} s",
        str(int(statistics.median(r.boxes for r in runs))),
        "–" if published is None else f"{published[0]:.2f}",
        "–" if published is None else f"{published[1]:.0f} s",
    )  # fmt: skip
    data = {
        "mu": mu, "neurons": neurons, "area": area, "percent": percent,
        "training_seconds": training, "proof_seconds": proofs, "seconds": total,
        "published": published,
        "runs": [
            {
                "seed": seed, "percent": r.percent, "training_seconds": r.training,
                "proof_seconds": r.proofs, "boxes": r.boxes, "c2": r.c2, "verdict": r.verdict,
                "volume": None if r.paving is None else r.paving.volume,
                "at_most": None if r.paving is None else r.paving.at_most,
            }
            for seed, r in zip(seeds, runs, strict=True)
        ],
    }  # fmt: skip
    return Row(cells, data, bars)


_SECONDS = ("training", "proofs")


def one(system: ControlAffineSystem, neurons: int, seed: int, area: float) -> Run:
    """Train, prove, ask for more, and pave what is proved."""
    began = time.perf_counter()
    candidate = ZubovLearning(neurons=neurons, seed=seed).fit(system)
    training = time.perf_counter() - began
    began = time.perf_counter()
    tried = [prove_stability(system, candidate, budget=Budget(PROOF_SECONDS))]
    if isinstance(tried[0].verdict, Proved):
        tried += _higher(system, candidate, tried[0])
    proofs = time.perf_counter() - began
    boxes = sum(r.boxes for r in tried)
    proved = [r for r in tried if r.theorem is not None]
    if not proved:
        verdict = type(tried[0].verdict).__name__.lower()
        return Run(0.0, training, proofs, boxes, None, None, verdict)
    best = max(proved, key=_level)
    paving = sublevel_paving(
        best.problem.value_tape, _level(best), best.problem.domain, Budget(PAVING_SECONDS),
        tolerance=TOLERANCE, most_boxes=MOST_BOXES, most_leaves=MOST_LEAVES,
    )  # fmt: skip
    percent = 100.0 * paving.volume / area
    return Run(percent, training, proofs, boxes, float(_level(best)), paving, "proved")


def _level(result: StabilityResult) -> Fraction:
    assert result.theorem is not None
    return result.theorem.constants.c2


def _higher(
    system: ControlAffineSystem, candidate: Candidate, first: StabilityResult
) -> list[StabilityResult]:
    """Proofs of higher levels, from the highest down to the first that holds."""
    promised = candidate.provenance["promised_level"]
    assert isinstance(promised, float)
    tried: list[StabilityResult] = []
    for share in HIGHER:
        level = Fraction(share) * Fraction(round(promised * 10**5), 10**5)
        if level <= _level(first):
            break
        budget = Budget(PROOF_SECONDS)
        tried.append(prove_stability(system, candidate, Requested(c2=level), budget=budget))
        if tried[-1].theorem is not None:
            break
    return tried
