"""The region that LQR's own quadratic gives by the same method, beside a proved one."""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction
from typing import TYPE_CHECKING

from cli.transcript import decimal, row, seconds

if TYPE_CHECKING:
    from certify.result import StabilityResult
    from cli.progress import ProgressBars

LEAST_SECONDS, SHARE = 2.0, 1.0
"""LQR's proof may take as long as the one it stands beside, and these seconds at least."""


@dataclass(frozen=True)
class BesideLqr:
    """``volume`` is the rigorous bound of LQR's region, None where nothing was proved."""

    volume: float | None
    c2: str | None
    took: float
    own: float

    def row(self) -> str:
        """The line of the transcript."""
        text = "V = x'Px of its own gain, by the same method"
        if self.volume is None:
            return row("LQR", text, "unknown", seconds(self.took))
        ratio = f"; ours has {self.own / self.volume:.3g} of it" if self.own > 0 else ""
        shown = f"volume >= {decimal(Fraction(self.volume), 4)}{ratio}"
        return row("LQR", text, "proved", seconds(self.took), shown)

    def as_json(self) -> dict[str, object]:
        """``volume``, ``c2`` (exact) and the seconds of the proof."""
        return {"volume": self.volume, "c2": self.c2, "seconds": self.took}


def beside_lqr(result: StabilityResult, seed: int, bars: ProgressBars) -> BesideLqr | None:
    """Prove LQR's candidate as this result was proved; None where there is nothing to compare.

    That is: no volume, constants that were asked for and mean nothing for another V, LQR itself,
    or a system that has no LQR.
    """
    from certify import Budget, Claim, prove_stability
    from certify.free_inputs import without_free_inputs
    from learners.lqr import lqr_candidate
    from systems.errors import InputError

    system, asked, volume = result.problem.system, result.requested, result.volume
    fixed = any(getattr(asked, f.name) is not None for f in fields(asked) if f.name != "claim")
    is_lqr = result.problem.candidate.provenance.get("learner") == "lqr"
    if volume is None or fixed or is_lqr or not system.input_dimension:
        return None
    if asked.claim is Claim.SET_POINT_CONVERGENCE:
        system = without_free_inputs(system)  # they are those of our controller, not of LQR's
    try:
        candidate = lqr_candidate(system)
    except InputError:
        return None
    budget = Budget(max(LEAST_SECONDS, SHARE * result.seconds))
    found = prove_stability(
        system, candidate, asked, budget=budget, on_progress=bars.proving, seed=seed
    )
    if found.theorem is None or found.volume is None:
        return BesideLqr(None, None, found.seconds, volume.at_least)
    c2 = str(found.theorem.constants.c2)
    return BesideLqr(found.volume.at_least, c2, found.seconds, volume.at_least)
