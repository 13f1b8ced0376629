"""What follows from a theorem, in words: everything, with its constants, and nothing more."""

from __future__ import annotations

from fractions import Fraction

from certify.theorem import Claim, Theorem
from systems.exact import short_fraction


def conclusion_words(theorem: Theorem) -> str:
    """The conclusion of a theorem: "What follows" of ``docs/certificate-format.md``."""
    k = theorem.constants
    sentences = [
        f"Every solution that starts in the domain with V ≤ c2 = {_short(k.c2)} stays there, "
        f"reaches {{V ≤ c1}}, c1 = {_short(k.c1, down=False)}, {_entry(theorem)} and never "
        "leaves it.",
        *_equilibrium(theorem),
        *_ball(theorem),
        *_disturbances(theorem),
        *_unsafe(theorem),
    ]
    return " ".join(sentences)


def _entry(theorem: Theorem) -> str:
    """When a solution has reached {V ≤ c1}, at the latest; rounded up."""
    k, discrete = theorem.constants, theorem.problem.is_discrete
    if k.mu is None:
        return "in finite time"
    bound = (k.c2 - k.c1) / k.mu
    if discrete:
        steps = -(-bound.numerator // bound.denominator)
        return f"after at most {steps} step{'s' if steps != 1 else ''}"
    return f"within a time of at most {_short(bound, down=False)}"


def _equilibrium(theorem: Theorem) -> list[str]:
    k, discrete = theorem.constants, theorem.problem.is_discrete
    match theorem.claim:
        case Claim.PRACTICAL_STABILITY:
            return ["Nothing is claimed about convergence to the equilibrium itself."]
        case Claim.ASYMPTOTIC_STABILITY:
            return ["The equilibrium is asymptotically stable, and all these solutions converge."]
        case Claim.EXPONENTIAL_STABILITY:
            assert k.alpha is not None
            rate = _short(k.alpha)
            falls = f"(1 − {rate})^t V(x(0))" if discrete else f"exp(−{rate} t) V(x(0))"
            return [
                "The equilibrium is exponentially stable, and all these solutions converge: "
                f"V(x(t)) ≤ {falls} as long as V ≥ {_short(k.bottom, down=False)}, and from then "
                "on a quadratic form of the distance to the equilibrium shrinks at the same rate."
            ]


def _ball(theorem: Theorem) -> list[str]:
    epsilon = theorem.constants.epsilon
    if epsilon is None:
        return []
    return [f"{{V ≤ c1}} lies within {_short(epsilon, down=False)} of the equilibrium."]


def _disturbances(theorem: Theorem) -> list[str]:
    if theorem.problem.system.disturbance is None:
        return []
    every = "sequence of disturbances" if theorem.problem.is_discrete else "measurable disturbance"
    return [f"All of this holds for every {every} within the stated range."]


def _unsafe(theorem: Theorem) -> list[str]:
    names = [unsafe.name for unsafe in theorem.problem.system.unsafe]
    if not names:
        return []
    sets = "the unsafe set" if len(names) == 1 else "any of the unsafe sets"
    return [f"None of these solutions ever meets {sets} {', '.join(names)}."]


def _short(value: Fraction, down: bool = True) -> str:
    """Four digits, on the side on which the statement stays true."""
    return f"{float(short_fraction(value, down)):.4g}"
