"""The ellipsoid of local stability beside a proved region, where it is the larger one.

A level set of V is cut off where it meets the domain's boundary, or where V does not decrease; the
ellipsoid that one bound shows has a shape of its own, and may reach farther.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from cli.first_region import leaves_constants_free
from cli.transcript import decimal, row, seconds

if TYPE_CHECKING:
    from certify.result import StabilityResult
    from cli.progress import ProgressBars

LEAST_SECONDS, SHARE = 2.0, 0.5
"""Its proof may take this share of the one it stands beside, and these seconds at least."""

WORTH = 1.1
"""It is told where it has so many times the volume."""


@dataclass(frozen=True)
class BesideEllipsoid:
    """``volume`` is the rigorous bound of the ellipsoid's volume, ``own`` that of the region."""

    volume: float
    c2: str
    took: float
    own: float

    def row(self) -> str:
        """The line of the transcript."""
        times = f"{self.volume / self.own:.3g} times" if self.own > 0 else "more than"
        text = f"--claim local-stability proves {times} the volume"
        shown = f"volume >= {decimal(Fraction(self.volume), 4)}"
        return row("ellipsoid", text, "proved", seconds(self.took), shown)

    def as_json(self) -> dict[str, object]:
        """``volume``, ``c2`` (exact, of the ellipsoid's own V) and the seconds of the proof."""
        return {"volume": self.volume, "c2": self.c2, "seconds": self.took}


def beside_ellipsoid(
    result: StabilityResult, seed: int, bars: ProgressBars
) -> BesideEllipsoid | None:
    """The ellipsoid of the same closed loop; None where it is not clearly larger."""
    from certify import Budget, Claim, Requested, prove_stability

    if not leaves_constants_free(result.requested) or result.theorem is None:
        return None
    problem, budget = result.problem, Budget(max(LEAST_SECONDS, SHARE * result.seconds))
    found = prove_stability(
        problem.system,
        problem.candidate,
        Requested(claim=Claim.LOCAL_STABILITY),
        budget=budget,
        on_progress=bars.proving,
        seed=seed,
        known=result,
    )
    if found.theorem is None or found.volume is None:
        return None
    own = 0.0 if result.volume is None else result.volume.at_least
    if found.volume.at_least <= WORTH * own:
        return None
    c2 = str(found.theorem.constants.c2)
    return BesideEllipsoid(found.volume.at_least, c2, found.seconds, own)
