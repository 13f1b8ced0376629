"""Theorem 1 of the DLAC paper, looked at on held-out trajectories of a trained policy."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from benchmarks.reactor_report import Found
from benchmarks.reproduce_part import markdown_table
from benchmarks.reproduce_run import Data

if TYPE_CHECKING:
    from learners.dlac_training import TrainedControllers

HEAD = """
On 200 held-out trajectories of the mean actions, under σ_w1, with the energies Lⁱ that the critics
learnt: (5a) asks for α₁ cⁱ ≤ Lⁱ ≤ α₂ cⁱ, (5c) for a mean decrease of L = Σ Lⁱ by α₃ C. Statistics,
no proof: trajectories are the unit, and each bound holds with 95 % confidence by itself. α₁ and α₂
are read off one half, and tried on the other. R̂ (Gelman and Rubin) compares 20 chains from
dispersed starts; below 1.1 they look alike, which does not show that the closed loop is ergodic.
"""


def theorem_data(trained: TrainedControllers) -> Data:
    """All that :func:`learners.dlac_theorem.theorem_one` finds, as JSON data."""
    from learners.dlac_theorem import theorem_one

    found = theorem_one(trained)
    return {
        "alpha_1": found.alpha_1,
        "alpha_2": found.alpha_2,
        "alpha_3": found.alpha,
        "largest_alpha_3": found.largest,
        "decrease": asdict(found.decrease) | {"holds": found.decrease.holds},
        "ratios": [asdict(r) for r in found.ratios],
        "r_hat": found.ergodicity.largest,
        "trajectories": found.trajectories,
        "steps": found.steps,
    }


def theorem_table(found: Found) -> list[str]:
    """A row for every trial of DLAC that has been looked at."""
    lines = []
    for record in found.trials("dlac"):
        data = record.get("theorem_1")
        if data is None:
            continue
        left = [
            f"{r['violations']} of {r['count']} (≤ {r['probability']:.2g})" for r in data["ratios"]
        ]
        decrease = data["decrease"]
        lines.append([
            f"DLAC, trial {record['trial']}",
            f"{data['alpha_1']:.3g}", f"{data['alpha_2']:.3g}", ", ".join(left),
            f"{decrease['mean']:.3g}", f"{decrease['upper']:.3g}",
            f"{data['alpha_3']:g}: {'holds' if decrease['holds'] else 'does not hold'}",
            f"{data['largest_alpha_3']:.3g}", f"{data['r_hat']:.4f}",
        ])  # fmt: skip
    if not lines:
        return ["", "Nothing is trained yet."]
    return [HEAD, *markdown_table(
        (
            "trial", "α₁", "α₂", "trajectories that leave (5a), per controller",
            "mean of ΔL + α₃ C", "its upper bound", "(5c) with α₃", "largest α₃ that holds", "R̂",
        ),
        lines,
    )]  # fmt: skip
