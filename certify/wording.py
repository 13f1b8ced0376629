"""What follows from a theorem, in words: everything, with its constants, and nothing more."""

from __future__ import annotations

from fractions import Fraction

from certify.claim import Claim, Constants
from certify.ellipsoid import Ellipsoid, half_widths
from certify.stability import StabilityProblem
from systems.exact import exact_words, short_fraction
from systems.words import state_names

WHOSE_VALUE = "V is here the function stated with the ellipsoid, and need not be the candidate's."
"""Where an ellipsoid carries the claim, whose level c2 means nothing for another V."""


def conclusion_words(
    claim: Claim,
    problem: StabilityProblem,
    constants: Constants,
    ellipsoid: Ellipsoid | None,
) -> str:
    """The conclusion of a theorem: "What follows" of ``docs/certificate-format.md``."""
    k, discrete = constants, problem.is_discrete
    if claim is Claim.SET_POINT_CONVERGENCE:
        assert ellipsoid is not None
        return " ".join([*_convergence(problem, k, ellipsoid), *_whatever(problem)])
    if not claim.has_band:
        return " ".join([_local(problem, k), *_whatever(problem)])
    sentences = [
        f"Every solution that starts in {_start(problem)} with V ≤ c2 = {_short(k.c2)} stays "
        f"there, reaches {{V ≤ c1}}, c1 = {_short(k.c1, down=False)}, {_entry(k, discrete)} and "
        "never leaves it.",
        _equilibrium(claim, k, discrete),
    ]
    if k.epsilon is not None:
        radius = _short(k.epsilon, down=False)
        sentences.append(f"{{V ≤ c1}} lies within {radius} of the {claim.centre}.")
    return " ".join([*sentences, *_whatever(problem)])


def _local(problem: StabilityProblem, k: Constants) -> str:
    assert k.c_q is not None
    return (
        "The equilibrium is asymptotically stable, and every solution that starts in "
        f"{_start(problem)} with V ≤ c2 = {_short(k.c2)} stays in the ellipsoid q ≤ c_q = "
        f"{_short(k.c_q, down=False)}, which lies inside, and converges: q falls along it, "
        f"exponentially fast. {WHOSE_VALUE}"
    )


def _convergence(problem: StabilityProblem, k: Constants, ellipsoid: Ellipsoid) -> list[str]:
    assert k.c_q is not None and k.alpha is not None
    discrete, rate = problem.is_discrete, _short(k.alpha)
    reached = (
        f"Every solution that starts in {_start(problem)} with V ≤ c2 = {_short(k.c2)} stays in "
        f"the ellipsoid q ≤ c_q = {_short(k.c_q, down=False)}, which lies inside, and comes into "
        f"the ellipsoid q ≤ c1 = {_short(k.c1, down=False)} around the set point, for good"
    )
    law = f"(1 − {rate})^(t/2)" if discrete else f"exp(−{rate} t/2)"
    nears = f"approach each other, measured by √q, at least as fast as {law} falls"
    far = half_widths(ellipsoid, k.c1)
    names, units = state_names(problem.system), problem.system.state_units
    within = ", ".join(
        f"{_short(d, down=False)}{f' {unit}' if unit else ''} in {name}"
        for d, name, unit in zip(far, names, units or [""] * len(far), strict=True)
    )
    if problem.system.disturbance is not None:
        return [
            f"{reached}.",
            f"Any two of them under the same disturbance {nears}.",
            f"From the set point they are in the end at most {within} away.",
            WHOSE_VALUE,
        ]
    return [
        f"{reached}; there is exactly one equilibrium in that ellipsoid, and all these solutions "
        "converge to it.",
        f"Any two of them {nears}.",
        f"The equilibrium is at most {within} away from the set point.",
        WHOSE_VALUE,
    ]


def _whatever(problem: StabilityProblem) -> list[str]:
    """What is said of disturbances and unsafe sets."""
    sentences = []
    if problem.system.disturbance is not None:
        every = "sequence of disturbances" if problem.is_discrete else "measurable disturbance"
        sentences.append(f"All of this holds for every {every} within the stated range.")
    names = [unsafe.name for unsafe in problem.system.unsafe]
    if names:
        sets = "the unsafe set" if len(names) == 1 else "any of the unsafe sets"
        sentences.append(f"None of these solutions ever meets {sets} {', '.join(names)}.")
    return sentences


def _start(problem: StabilityProblem) -> str:
    """The box D; where it is not the system's domain, V may be small outside of it too."""
    if problem.domain == problem.system.domain:
        return "the domain"
    sides = zip(problem.domain.lower, problem.domain.upper, strict=True)
    box = " × ".join(f"[{exact_words(a)}, {exact_words(b)}]" for a, b in sides)
    return f"the part {box} of the domain"


def _entry(k: Constants, discrete: bool) -> str:
    """When a solution has reached {V ≤ c1}, at the latest; rounded up."""
    if k.mu is None:
        return "in finite time"
    bound = (k.c2 - k.c1) / k.mu
    if discrete:
        steps = -(-bound.numerator // bound.denominator)
        many = f"{steps} step{'s' if steps != 1 else ''}"
        return f"after at most {many} (a crude bound; usually far fewer)"
    # No system states its unit of time: it is that of the dynamics.
    latest = f"{_short(bound, down=False)} units of time"
    return f"within at most {latest} (a crude bound; usually far less)"


def _equilibrium(claim: Claim, k: Constants, discrete: bool) -> str:
    match claim:
        case Claim.PRACTICAL_STABILITY:
            return "Nothing is claimed about convergence to the centre itself."
        case Claim.ASYMPTOTIC_STABILITY | Claim.LOCAL_STABILITY:
            return "The equilibrium is asymptotically stable, and all these solutions converge."
        case Claim.EXPONENTIAL_STABILITY | Claim.SET_POINT_CONVERGENCE:
            assert k.alpha is not None
            rate = _short(k.alpha)
            falls = f"(1 − {rate})^t V(x(0))" if discrete else f"exp(−{rate} t) V(x(0))"
            return (
                "The equilibrium is exponentially stable, and all these solutions converge: "
                f"V(x(t)) ≤ {falls} as long as V ≥ {_short(k.bottom, down=False)}, and from then "
                "on a quadratic form of the distance to the equilibrium shrinks at the same rate."
            )


def _short(value: Fraction, down: bool = True) -> str:
    """Four digits, on the side on which the statement stays true."""
    return f"{float(short_fraction(value, down)):.4g}"
