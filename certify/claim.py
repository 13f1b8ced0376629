"""The theorems by name, and the constants they speak of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction


class Claim(Enum):
    """What a certificate states; the value is the theorem's name in files."""

    ASYMPTOTIC_STABILITY = "asymptotic stability"
    EXPONENTIAL_STABILITY = "exponential stability"
    PRACTICAL_STABILITY = "practical stability"
    LOCAL_STABILITY = "local stability"
    SET_POINT_CONVERGENCE = "set-point convergence"

    @property
    def option(self) -> str:
        """Its name on the command line and in gate files."""
        return self.value.replace(" ", "-")

    @property
    def closes_origin(self) -> bool:
        """Whether it speaks of x* as the equilibrium, where everything comes to rest."""
        return self not in (Claim.PRACTICAL_STABILITY, Claim.SET_POINT_CONVERGENCE)

    @property
    def has_ellipsoid(self) -> bool:
        """Whether an ellipsoid around x*, on which a quadratic form contracts, belongs to it."""
        return self is not Claim.PRACTICAL_STABILITY

    @property
    def has_band(self) -> bool:
        """Whether V has to decrease between two levels; else an ellipsoid alone carries it."""
        return self not in (Claim.LOCAL_STABILITY, Claim.SET_POINT_CONVERGENCE)

    @property
    def has_rate(self) -> bool:
        """Whether alpha is one of its constants."""
        return self in (Claim.EXPONENTIAL_STABILITY, Claim.SET_POINT_CONVERGENCE)

    @property
    def centre(self) -> str:
        """x* by a name that claims nothing more than the theorem."""
        match self:
            case Claim.PRACTICAL_STABILITY:
                return "centre"
            case Claim.SET_POINT_CONVERGENCE:
                return "set point"
        return "equilibrium"

    @property
    def words(self) -> str:
        """The theorem in a sentence or two; ``Theorem.words`` says all that follows."""
        stays = "Every solution that starts in the domain with V ≤ c2 stays there"
        match self:
            case Claim.ASYMPTOTIC_STABILITY:
                return (
                    "The equilibrium is asymptotically stable, and every solution that starts in "
                    "the domain with V ≤ c2 stays there and converges to it."
                )
            case Claim.EXPONENTIAL_STABILITY:
                return (
                    "The equilibrium is exponentially stable: every solution that starts in the "
                    "domain with V ≤ c2 stays there and converges to it at the rate alpha."
                )
            case Claim.LOCAL_STABILITY:
                return (
                    "The equilibrium is asymptotically stable, and every solution that starts in "
                    "the domain with V ≤ c2 stays in an ellipsoid around it, inside the domain, "
                    "and converges to it; V is stated with the ellipsoid and need not be the "
                    "candidate's."
                )
            case Claim.SET_POINT_CONVERGENCE:
                return (
                    "Every solution that starts in the domain with V ≤ c2 stays in an ellipsoid "
                    "around the set point, inside the domain, and comes close to the set point; "
                    "where nothing disturbs it, it converges to one equilibrium there, at the rate "
                    "alpha. V is stated with the ellipsoid and need not be the candidate's."
                )
            case Claim.PRACTICAL_STABILITY:
                return (
                    f"{stays}, reaches {{V ≤ c1}} in finite time and never leaves it again. "
                    "Nothing is claimed about convergence to the centre itself."
                )


@dataclass(frozen=True)
class Constants:
    """The constants of a theorem, exact; None where the theorem has none.

    ``mu`` is there unless ``alpha`` is, the rate of an exponential claim. ``core`` is the level up
    to which {V ≤ core} lies in the ellipsoid {q ≤ c_q}; it may be smaller than c1, and the
    decrease then holds from core on. ``epsilon`` belongs to the ball around {V ≤ c1}. Local
    stability has no band: there c1, c2 and core are one level. Neither has set-point convergence:
    there c2 and core are one level, and c1 is that of the ellipsoid {q ≤ c1} in which it ends.
    """

    c1: Fraction
    c2: Fraction
    mu: Fraction | None = None
    epsilon: Fraction | None = None
    core: Fraction | None = None
    c_q: Fraction | None = None
    alpha: Fraction | None = None

    @property
    def bottom(self) -> Fraction:
        """a, the level from which on V decreases."""
        return self.c1 if self.core is None else min(self.core, self.c1)
