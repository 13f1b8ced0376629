"""Every system of the paper by LQR, ELM-PI, PINN-PI and Galerkin: training, cost, proof, region."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.reproduce_learners import Controller, train
from benchmarks.reproduce_measure import (
    HORIZON,
    SETTLED,
    SHARE,
    START_SEED,
    common_cost,
    common_starts,
    constant,
    cost_data,
    follow,
    hjb_residual,
    is_proved,
    largest_region,
    number,
    seconds_words,
    verdict_words,
)
from benchmarks.reproduce_part import Part, Scale, find, is_measured, markdown_table, why_not
from benchmarks.reproduce_run import Data, Task
from certify import Claim, Requested
from systems import zoo

STORE = "systems"
SIZES: dict[str, dict[str, int]] = {
    # neurons of ELM-PI and PINN-PI, order of Galerkin's polynomials
    "synthetic-1": {"elm-pi": 100, "pinn-pi": 50, "galerkin": 4},
    "synthetic-2": {"elm-pi": 200, "pinn-pi": 50, "galerkin": 4},
    "synthetic-3": {"elm-pi": 400, "pinn-pi": 50, "galerkin": 4},
    "synthetic-4": {"elm-pi": 800, "pinn-pi": 50, "galerkin": 4},
    "pendulum": {"elm-pi": 100, "pinn-pi": 50, "galerkin": 4},
    "lorenz": {"elm-pi": 200, "pinn-pi": 50, "galerkin": 4},
    "bilinear": {"elm-pi": 50, "pinn-pi": 50, "galerkin": 4},
    "cartpole": {"elm-pi": 200, "pinn-pi": 50, "galerkin": 4},
    "quadrotor-2d": {"elm-pi": 400, "pinn-pi": 50, "galerkin": 4},
    "quadrotor-3d": {"elm-pi": 400, "pinn-pi": 50, "galerkin": 4},
}
LEARNERS = ("lqr", "elm-pi", "pinn-pi", "galerkin")
QUICK = ("bilinear", "pendulum")
COMPARED = ("pendulum", "cartpole", "quadrotor-2d", "quadrotor-3d")
"""The systems of Figures 5 and 6."""
EXPECTED = {"lqr": 20.0, "elm-pi": 25.0, "pinn-pi": 60.0, "galerkin": 30.0}
BILINEAR = Requested(
    c1=Fraction("0.01"),
    c2=Fraction("1.99"),
    mu=Fraction("1e-5"),
    epsilon=Fraction("0.01"),
    claim=Claim.PRACTICAL_STABILITY,
)
"""V* has a kink at 0, where nothing can be claimed of the linearisation."""


def tasks(scale: Scale) -> list[Task]:
    """A row for every system and learner."""
    out = []
    for system, sizes in SIZES.items():
        if scale.quick and system not in QUICK:
            continue
        for learner in LEARNERS:
            fewer = scale.quick and learner == "pinn-pi"
            size = 10 if fewer else sizes.get(learner, 0)
            controller = Controller(learner, size, iterations=3 if fewer else 10)
            key = {"system": system, **controller.key, **scale.key, "starts": scale.starts}
            work = partial(measure, system, controller, scale)
            out.append(Task(STORE, key, EXPECTED[learner], work))
    return out


def measure(name: str, controller: Controller, scale: Scale) -> Data:
    """Train with every seed; the first seed's candidate is followed and proved."""
    entry = zoo.entry(name)
    system = entry.build()
    training = train(entry, system, controller, scale.runs)
    candidate = training.candidates[0]
    starts = common_starts(system, scale.starts)
    asked = BILINEAR if name == "bilinear" else None
    return {
        **training.data(),
        **hjb_residual(system, candidate),
        **cost_data(system, follow(system, candidate, starts)),
        **largest_region(system, candidate, scale.limits, asked),
    }


COLUMNS = (
    "system", "controller", "training, s", f"cost, {HORIZON:g} s", "diverge", "not at rest", "HJB "
    "residual, max", "rms",
    "verdict", "c1", "c2", "region's volume", "× LQR's", "shown by", "proof, s",
    "ellipsoid's volume", "× LQR's", "proof, s",
)  # fmt: skip


def write(rows: list[Data], out: Path) -> list[str]:
    """One table, LQR first for every system."""
    lines = []
    for system in SIZES:
        found = [r for k in LEARNERS if (r := find(rows, system=system, learner=k)) is not None]
        simulated = [r for r in found if is_measured(r)]
        common = common_cost(simulated) if simulated else np.empty(0, dtype=np.bool_)
        baseline = find(rows, system=system, learner="lqr")
        lines += [_cells(row, baseline, common) for row in found]
    return [*NOTES, *markdown_table(COLUMNS, lines)]


def _cells(row: Data, baseline: Data | None, common: NDArray[np.bool_]) -> tuple[str, ...]:
    key = row["key"]
    words = Controller(key["learner"], key["size"], key["features"]).words
    if not is_measured(row):
        return (key["system"], words, why_not(row), *["–"] * (len(COLUMNS) - 3))
    proof, ellipsoid = row["proof"], row["ellipsoid"]
    training = seconds_words(row["training_seconds"])
    if row["runs"] == 1:
        training += " (1 run)"
    return (
        key["system"], words, training, cost_over(row, common),
        f"{row['diverged']} of {row['starts']}", str(row["unsettled"]),
        number(row["hjb_residual_max"]), number(row["hjb_residual_rms"]),
        f"{verdict_words(proof)} ({proof['claim']})", constant(proof, "c1"), constant(proof, "c2"),
        *_region(proof, _part(baseline, "proof")), proof["volume_by"] or "–",
        seconds_words(proof["seconds"]), *_ellipsoid(ellipsoid, _part(baseline, "ellipsoid")),
    )  # fmt: skip


def cost_over(row: Data, common: NDArray[np.bool_]) -> str:
    """The mean over the common starts, and over how many where not over all."""
    if not common.any() or row["diverged"] == row["starts"]:
        return "–"
    mean = np.mean([c for c, shared in zip(row["costs"], common, strict=True) if shared])
    return f"{mean:.6g}" + ("" if common.all() else f" (of {common.sum()})")


def _ellipsoid(proof: Data | None, baseline: Data | None) -> tuple[str, ...]:
    if proof is None:
        return "–", "–", "–"
    if not is_proved(proof):
        return verdict_words(proof), "–", seconds_words(proof["seconds"])
    return (*_region(proof, baseline), seconds_words(proof["seconds"]))


def _part(row: Data | None, name: str) -> Data | None:
    return row.get(name) if row is not None and is_measured(row) else None


def _region(proof: Data, baseline: Data | None) -> tuple[str, str]:
    """The volume, and its ratio to LQR's: of pavings where ours is known by one only."""
    name = "paving_volume" if proof["volume_by"] == "paving" else "volume"
    of_lqr = baseline[name] if baseline is not None else None
    ratio = proof[name] / of_lqr if proof[name] and of_lqr else None
    return number(proof["volume"], ".4g"), number(ratio, ".3g")


NOTES = [
    f"Training: medians of three runs (seeds 0, 1, 2). Cost: accumulated over {HORIZON:g} s, "
    f"averaged over the same 50 initial states for every controller of a system, uniform in the "
    f"domain shrunk by {SHARE:g} about the equilibrium (numpy's default_rng({START_SEED})). A "
    "start from which any of the controllers diverges is left out of the mean of all of them (the "
    "column says of how many starts it is then) and counted beside it. A start diverges where "
    "its solution ends outside the domain, or leaves ±100; it is not at rest where it ends "
    f"further than {SETTLED:g} of the domain's half-width from the equilibrium. Residual: of the "
    "HJB equation at 2,000 uniform points of the whole domain. Verdict, c1, c2 (decimals; the "
    "exact fractions are in "
    f"rows/{STORE}.jsonl), region and proof: of seed 0's candidate, medians of three proofs where "
    "a proof takes at most 3 s; c1 and c2 are in each V's own scale. The region's volume is a "
    "rigorous lower bound. × LQR's: over that of LQR's own quadratic by the same method. "
    "Ellipsoid: the theorem that needs no branching, about the closed loop of the same controller.",
    "",
    "The bilinear system's linearisation vanishes, so there is no LQR, and its claim is practical "
    "stability with c1 = 0.01, c2 = 1.99, μ = 1e-5, ε = 0.01.",
]

PART = Part("systems", "Every system, every learner", tasks, write)
