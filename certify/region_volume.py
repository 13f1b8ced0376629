"""The best rigorous lower bound of the volume of a proved region, in any number of states."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from certify.budget import Budget
from certify.ellipsoid_volume import ellipsoid_volume, exact_quadratic, level_inside
from certify.inner_ellipsoid import inner_ellipsoid
from certify.stability import StabilityProblem
from certify.volume import Paving
from systems.box import Box
from systems.quadratic import Rows, is_positive_definite

TIGHT = 0.9
"""Where a paving shows this share of what there is, no ellipsoid is looked for."""


@dataclass(frozen=True, eq=False)
class RegionVolume:
    """A rigorous lower bound of the volume of {x in D : V(x) ≤ c2}, and where it comes from.

    "paving": disjoint boxes inside it. "ellipsoid": V is a quadratic form, and the formula counts
    the whole set. "inner ellipsoid": {(x − x*)ᵀ P (x − x*) ≤ level} lies in it, with ``matrix`` P;
    of a quadratic V that D cuts off, of any other V as a search has shown.
    """

    at_least: float
    how: Literal["paving", "ellipsoid", "inner ellipsoid"]
    matrix: Rows | None = None
    level: Fraction | None = None

    def share_of(self, box: Box) -> float:
        """At least this share of the box, which must hold the region."""
        return self.at_least / float(box.volume)


def region_volume(
    problem: StabilityProblem,
    c2: Fraction,
    *,
    paving: Paving | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    search: bool = True,
) -> RegionVolume | None:
    """The best bound: the formula for a quadratic V, else the paving or a proved inner ellipsoid.

    With ``search``, an inner ellipsoid is looked for, within the budget (10 s by default), where
    there is no paving or it leaves much undecided. None where nothing was shown to have a volume.
    """
    exact = _of_quadratic(problem, c2)
    if exact is not None and exact.how == "ellipsoid":
        return exact
    found = [] if exact is None else [exact]
    if paving is not None and paving.volume > 0:
        found.append(RegionVolume(paving.volume, "paving"))
    tight = paving is not None and paving.volume > TIGHT * paving.at_most
    if search and exact is None and not tight:
        inner = inner_ellipsoid(problem, c2, budget or Budget(10.0), seed)
        if inner is not None and inner.volume > 0:
            found.append(RegionVolume(inner.volume, "inner ellipsoid", inner.matrix, inner.level))
    return max(found, key=lambda v: v.at_least, default=None)


def _of_quadratic(problem: StabilityProblem, c2: Fraction) -> RegionVolume | None:
    """The formula, for as much of the ellipsoid {V ≤ c2} as keeps its shape inside D."""
    centre = problem.system.equilibrium
    P = exact_quadratic(problem.value_tape, centre)
    if P is None or c2 <= 0 or not is_positive_definite(P):
        return None
    whole = level_inside(P, centre, problem.domain)
    level = min(c2, whole)
    volume = ellipsoid_volume(P, level)
    if volume <= 0:
        return None
    return RegionVolume(volume, "ellipsoid" if c2 <= whole else "inner ellipsoid", P, level)
