"""What is measured of a controller: cost from common starts, HJB residual, and what is proved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import timed
from benchmarks.reproduce_run import rounded
from certify import Budget, Candidate, Claim, Proved, Requested, StabilityResult
from certify.region_volume import region_volume
from learners.numeric import Plant
from systems.differentiate import gradient
from systems.dynamics import ControlAffineSystem
from systems.evaluate import function
from systems.simulate import Simulation, simulate

Array = NDArray[np.float64]
START_SEED, POINT_SEED = 2024, 2025
SHARE = 0.9
"""Starts are uniform in the domain, shrunk about the equilibrium by this factor."""
HORIZON = 10.0
SAMPLES = 201
BLOW_UP = 100.0
"""A trajectory diverges where a coordinate leaves ±100 or cannot be followed for 10 s."""
SETTLED = 0.02
"""At rest: within this part of the domain's half-widths of the equilibrium at the end."""
TOLERANCES = {"relative_tolerance": 1e-8, "absolute_tolerance": 1e-11}
RESIDUAL_POINTS = 2000
CURVE_STEP = 4
"""Every fourth sample of each start's cost is kept."""
SHOWN, SHOWN_SAMPLES = 6, 101
"""So many trajectories are kept for the pictures, for so many of the samples."""


def common_starts(system: ControlAffineSystem, count: int, share: float = SHARE) -> Array:
    """The same initial states for every controller of the system, (count, n)."""
    drawn = system.domain.sample(count, np.random.default_rng(START_SEED))
    centre = np.array([float(v) for v in system.equilibrium])
    out: Array = centre + share * (drawn - centre)
    return out


def follow(
    system: ControlAffineSystem, candidate: Candidate, starts: Array, samples: int = SAMPLES
) -> Simulation:
    """10 seconds of the closed loop."""
    return simulate(
        candidate.closed_loop(system), starts, HORIZON, samples=samples, blow_up=BLOW_UP,
        **TOLERANCES,
    )  # fmt: skip


def cost_data(system: ControlAffineSystem, simulation: Simulation) -> dict[str, object]:
    """Mean accumulated cost over the starts that do not diverge, and how many do.

    A start that ends outside the domain diverges, wherever its solution may be going: there the
    controllers were never trained, and a cost of another world would hide all the others.
    """
    low, high = system.domain.outer()
    last = simulation.states[:, -1]
    whole = simulation.completed & ((low <= last) & (last <= high)).all(axis=1)
    centre = np.array([float(v) for v in system.equilibrium])
    ends = np.abs(simulation.states[whole, -1] - centre) / (0.5 * (high - low))
    curve = simulation.costs[whole].mean(axis=0) if whole.any() else None
    return {
        "starts": len(whole),
        "diverged": int((~whole).sum()),
        "unsettled": int((ends.max(axis=1, initial=0.0) > SETTLED).sum()),
        "mean_cost": None if curve is None else float(curve[-1]),
        "furthest_end": None if curve is None else float((ends * 0.5 * (high - low)).max()),
        "costs": rounded(np.where(whole, simulation.total_costs, np.nan), 9),
        "times": rounded(simulation.times),
        "mean_cost_curve": None if curve is None else rounded(curve),
        "cost_curves": rounded(
            np.where(whole[:, None], simulation.costs[:, ::CURVE_STEP], np.nan), 5
        ),
        "trajectories": rounded(simulation.states[:SHOWN, :SHOWN_SAMPLES], 4),
    }


def common_cost(rows: Sequence[dict[str, Any]]) -> NDArray[np.bool_]:
    """The starts from which none of the controllers diverges, (starts,).

    A controller that diverges from every start is no part of the comparison.
    """
    ends = [[c is not None for c in row["costs"]] for row in rows]
    return np.asarray(np.array([e for e in ends if any(e)] or ends).all(axis=0))


def cost_words(row: dict[str, Any]) -> str:
    """A table's cell: no start is averaged away in silence."""
    if row.get("mean_cost") is None:
        return f"all {row['starts']} diverge" if "starts" in row else "–"
    words = f"{row['mean_cost']:.6g}"
    if row["diverged"]:
        words += f" ({row['diverged']} of {row['starts']} diverge and are left out)"
    if row["unsettled"]:
        words += f" ({row['unsettled']} not at rest)"
    return words


def hjb_residual(system: ControlAffineSystem, candidate: Candidate) -> dict[str, object]:
    """Largest and rms of |Q + DV f − ¼ DV g R⁻¹gᵀDVᵀ| at common uniform points of the domain."""
    plant = Plant(system.nominal())
    x = system.domain.sample(RESIDUAL_POINTS, np.random.default_rng(POINT_SEED))
    on = candidate.on(system)
    slope = function(gradient(on.value, system.state), system.state)(x)[0]
    samples = plant.sample(x)
    u = plant.greedy(samples, slope)
    residual = np.vecdot(slope, samples.velocity(u)) + plant.running_cost(samples, u)
    return {
        "hjb_residual_max": float(np.abs(residual).max()),
        "hjb_residual_rms": float(np.sqrt(np.mean(residual**2))),
    }


@dataclass(frozen=True)
class Limits:
    """Seconds a proof may take, and how often one that is quick is repeated."""

    budget: float = 20.0
    repeats: int = 3
    quick: float = 3.0


def proof_data(
    system: ControlAffineSystem, candidate: Candidate, asked: Requested, limits: Limits
) -> dict[str, object]:
    """Verdict, constants (exact fractions as text), region and seconds of one claim."""
    found = timed(system, candidate, asked, limits.budget, 1)
    if found.seconds <= limits.quick and limits.repeats > 1:
        found = timed(system, candidate, asked, limits.budget, limits.repeats)
    data = found.data()
    data["paving_volume"] = data["volume"]
    data["claim"] = asked.claim.value
    data["boxes"] = found.result.boxes
    data["domain"] = [[str(a), str(b)] for a, b in _sides(found.result)]
    data |= region_data(found.result, limits.budget / 4)
    return data


def region_data(result: StabilityResult, seconds: float) -> dict[str, object]:
    """A lower bound of the proved region's volume, and how it is shown."""
    constants = result.constants
    if not isinstance(result.verdict, Proved) or constants is None:
        return {"volume": None, "volume_by": ""}
    shown = region_volume(
        result.problem, constants.c2, paving=result.paving, budget=Budget(seconds)
    )
    if shown is None:
        return {"volume": None, "volume_by": "nothing found"}
    return {"volume": shown.at_least, "volume_by": shown.how}


def _sides(result: StabilityResult) -> list[tuple[Any, Any]]:
    domain = result.problem.domain
    return list(zip(domain.lower, domain.upper, strict=True))


def largest_region(
    system: ControlAffineSystem,
    candidate: Candidate,
    limits: Limits,
    asked: Requested | None = None,
) -> dict[str, object]:
    """The largest region proved for the candidate's V, and the ellipsoid that needs no search."""
    out: dict[str, object] = {
        "proof": proof_data(system, candidate, asked or Requested(), limits),
        "ellipsoid": None,
    }
    if asked is None or asked.claim.closes_origin:
        local = Requested(claim=Claim.LOCAL_STABILITY)
        out["ellipsoid"] = proof_data(system, candidate, local, limits)
    return out


def is_proved(proof: Any) -> bool:
    return isinstance(proof, dict) and proof.get("verdict") == "proved"


def verdict_words(proof: dict[str, Any]) -> str:
    """Never a bare no: the reason is beside it."""
    return "proved" if is_proved(proof) else f"{proof['verdict']}: {proof['reason']}"


def constant(proof: dict[str, Any], name: str) -> str:
    """A proved constant as a decimal; the JSON holds the fraction."""
    from fractions import Fraction

    constants = proof.get("constants")
    if not is_proved(proof) or not constants or constants.get(name) is None:
        return "–"
    return f"{float(Fraction(constants[name])):.4g}"


def seconds_words(value: float | None) -> str:
    """Three digits: 0.00123, 12.3, 123."""
    if value is None:
        return "–"
    return f"{value:.3g}" if value < 999.5 else f"{value:.0f}"


def number(value: float | None, form: str = ".2e") -> str:
    return "–" if value is None or not math.isfinite(value) else format(value, form)
