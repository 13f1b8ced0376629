"""What was asked of a proof, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from certify.branch_and_bound import Search
from certify.ellipsoid import Ellipsoid
from certify.region_volume import TIGHT, RegionVolume, region_volume
from certify.stability import StabilityProblem
from certify.theorem import Claim, Constants, Theorem
from certify.verdict import Counterexample, Refuted, Verdict
from certify.volume import Paving
from systems.dynamics import ControlAffineSystem


@dataclass(frozen=True)
class Requested:
    """Constants the user fixes; what is None is searched for. All positive.

    ``alpha`` is the rate of exponential stability, whose decrease has no ``mu``, or that of
    set-point convergence.
    """

    c1: Fraction | None = None
    c2: Fraction | None = None
    mu: Fraction | None = None
    epsilon: Fraction | None = None
    claim: Claim = Claim.ASYMPTOTIC_STABILITY
    alpha: Fraction | None = None

    def __post_init__(self) -> None:
        for name in ("c1", "c2", "mu", "epsilon", "alpha"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be positive, not {float(value):g}")
        if self.c1 is not None and self.c2 is not None and self.c1 >= self.c2:
            raise ValueError(f"c1 = {float(self.c1):g} must be below c2 = {float(self.c2):g}")
        if not self.claim.has_band:
            given = [n for n in ("c1", "c2", "mu", "epsilon") if getattr(self, n) is not None]
            if given:
                raise ValueError(
                    f"{self.claim.value} finds its ellipsoid itself and takes no {given[0]}; claim "
                    "asymptotic stability, or leave it out"
                )
        if self.claim is Claim.EXPONENTIAL_STABILITY:
            if self.mu is not None:
                raise ValueError("exponential stability has a rate alpha, and no mu; leave mu out")
        elif self.alpha is not None and not self.claim.has_rate:
            raise ValueError(
                "only exponential stability and set-point convergence have a rate; claim one of "
                "them, or leave it out"
            )

    def check_for(self, system: ControlAffineSystem) -> None:
        """Raises ValueError where the constants make no sense for the system."""
        if system.time == "discrete" and self.alpha is not None and self.alpha >= 1:
            raise ValueError(
                f"in discrete time V falls to (1 - alpha) V in a step, so that the rate must be "
                f"below 1, not {float(self.alpha):g}"
            )


@dataclass(frozen=True, eq=False)
class StabilityResult:
    """What was found: the verdict on the whole claim, and on every condition by name.

    ``theorem`` is there iff the verdict is Proved, with nothing to trust. ``searches`` holds the
    evidence, ``constants`` what was asked or found (None where the search did not get that far),
    ``paving`` an inner paving of {V ≤ c2} with a rigorous lower bound of its volume, and ``volume``
    the best such bound that was found (an ellipsoid's, in many dimensions). ``asked``
    tells, a line each, what other backends said of the conditions. A verdict that rests on them has
    no theorem, but constants.
    """

    problem: StabilityProblem
    requested: Requested
    verdict: Verdict
    theorem: Theorem | None
    constants: Constants | None
    ellipsoid: Ellipsoid | None
    searches: Mapping[str, Search]
    paving: Paving | None
    seconds: float
    asked: tuple[str, ...] = ()
    volume: RegionVolume | None = None

    @property
    def plain_volume(self) -> RegionVolume | None:
        """A bound that needs no search, so that what is read back from a certificate has it too.

        The paving's, which a certificate shows; V's own formula, where V is a quadratic form of
        which the paving shows little.
        """
        if self.constants is None or self.theorem is None:
            return None
        best = region_volume(self.problem, self.constants.c2, paving=self.paving, search=False)
        if best is None or self.paving is None or self.paving.volume < TIGHT * best.at_least:
            return best
        return RegionVolume(self.paving.volume, "paving")

    @property
    def boxes(self) -> int:
        return sum(s.boxes for s in self.searches.values())

    @property
    def counterexample(self) -> Counterexample | None:
        return self.verdict.counterexample if isinstance(self.verdict, Refuted) else None
