"""Theorems that are false by a hair, in every condition; none is proved, and true twins are."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from certify import Budget, Claim, Proved, StabilityResult, Unknown, search
from certify.ellipsoid import Ellipsoid
from certify.stability import StabilityProblem
from systems import expression as ex
from systems.dynamics import UnsafeSet
from systems.expression import Expression
from tests.certify.claims import (
    ASYMPTOTIC,
    EXPONENTIAL,
    PRACTICAL,
    Plant,
    assert_not_proved,
    assert_refuted,
    assert_simulations_agree,
    plant,
    theorem_of,
)

HAIR = Fraction(1, 10**8)
BANDED = [c for c in Claim if c.has_band]
BAND = {"c1": "1/16", "c2": "1/2"}
TURNING = ["-x1 + 2*x2", "-x2 - 2*x1"]
SPIRAL = ["0.6*x1 + 0.5*x2", "0.6*x2 - 0.5*x1"]
"""V = |x|² falls to 0.61 V in a step."""


def constants_for(claim: Claim, discrete: bool = False) -> dict[str, object]:
    """The band, and a speed that the two loops above have; an ellipsoid is found, not given."""
    if not claim.has_band:
        return {}
    speed = {"alpha": "1/4"} if claim is EXPONENTIAL else {"mu": "1/128"}
    return {**BAND, **speed}


@pytest.fixture(scope="module", autouse=True)
def compiled_kernels() -> None:
    """So that no case spends its time limit on the compiler."""
    plant(TURNING).prove(ASYMPTOTIC, seconds=300, **constants_for(ASYMPTOTIC))


@pytest.mark.parametrize("discrete", [False, True], ids=["continuous", "discrete"])
@pytest.mark.parametrize("claim", Claim, ids=lambda c: c.value)
def test_sound_twins_of_every_theorem(claim: Claim, discrete: bool) -> None:
    result = plant(SPIRAL if discrete else TURNING, discrete=discrete).prove(
        claim, **constants_for(claim)
    )
    assert_simulations_agree(theorem_of(result))


@pytest.mark.parametrize("discrete", [False, True], ids=["continuous", "discrete"])
@pytest.mark.parametrize("claim", BANDED, ids=lambda c: c.value)
def test_an_unsafe_set_that_touches_the_region(claim: Claim, discrete: bool) -> None:
    """x1 ≥ r is avoided on V ≤ c2 iff c2 < r²; a small ball, iff it lies outside."""
    equations = SPIRAL if discrete else TURNING
    c2 = Fraction(1, 2)
    for sign in (-1, 1):
        r = Fraction(float(c2) ** 0.5) * (1 + sign * HAIR)
        ball = f"(x1 + {r + Fraction(1, 100)})**2 + x2**2 <= 0.0001"
        for unsafe in ({"wall": f"x1 >= {r}"}, {"far": "x1 >= 2", "ball": ball}):
            loop = plant(equations, discrete=discrete, unsafe=unsafe)
            result = loop.prove(claim, **constants_for(claim))
            if sign > 0:
                assert_simulations_agree(theorem_of(result))
            else:
                assert_not_proved(result, "avoid 1", "avoid 2")


def test_unsafe_sets_lower_a_level_that_is_searched_for() -> None:
    loop = plant(TURNING, unsafe={"corner": ["x1 >= 1/4", "x2 >= 1/4"]})
    theorem = theorem_of(loop.prove(ASYMPTOTIC))
    assert Fraction(1, 10) < theorem.constants.c2 < Fraction(1, 8)
    assert_simulations_agree(theorem)
    assert_not_proved(loop.prove(ASYMPTOTIC, c2="1/8"), "avoid 1")
    assert_refuted(loop.prove(ASYMPTOTIC, c2="0.126"), "avoid 1")
    plain = plant(TURNING)
    centre = UnsafeSet("centre", (Fraction(1, 100) - plain.value,))
    around = replace(plain, system=replace(plain.system, unsafe=(centre,)))
    for claim in BANDED:
        assert_not_proved(around.prove(claim), "avoid 1")


@pytest.mark.parametrize("n", [1, 2])
def test_a_disturbance_too_large_by_a_hair(n: int) -> None:
    """V̇ = −2|x|² + 2 x₁ w ≤ −μ on V ≥ c1 = 1/16 iff |w| ≤ (2 c1 − μ) / (2 √c1) = 15/64."""
    equations = ["-x1 + w1", "-x2"][:n]
    for sign in (-1, 1):
        d = Fraction(15, 64) * (1 + sign * HAIR)
        loop = plant(equations, w=[(-d, d)])
        result = loop.prove(PRACTICAL, **constants_for(PRACTICAL))
        if sign < 0:
            assert_simulations_agree(theorem_of(result))
        else:
            assert_refuted(result, "decrease")
        assert_refuted(loop.prove(ASYMPTOTIC), "equilibrium")
        assert_refuted(loop.prove(EXPONENTIAL), "equilibrium")


def test_a_disturbance_too_large_by_a_hair_in_discrete_time() -> None:
    """x⁺ = x/2 + w: V falls by μ on |x| ≥ s = 1/4 iff (s/2 + |w|)² ≤ s² − μ; s²−μ = (3/16)²."""
    mu = Fraction(1, 16) - Fraction(9, 256)
    for sign in (-1, 1):
        d = Fraction(1, 16) * (1 + sign * HAIR)
        loop = plant(["x1/2 + w1"], discrete=True, w=[(-d, d)])
        result = loop.prove(PRACTICAL, c1="1/16", c2="1/2", mu=mu)
        if sign < 0:
            assert_simulations_agree(theorem_of(result))
        else:
            assert_refuted(result, "decrease")


@pytest.mark.parametrize("discrete", [False, True], ids=["continuous", "discrete"])
def test_c1_of_practical_stability_is_found_just_above_the_truth(discrete: bool) -> None:
    """The disturbance holds |x| at 1/10 at worst: c1 > 1/100, and not far above."""
    loop = plant(
        ["x1/2 + w1"] if discrete else ["-x1 + w1"],
        discrete=discrete,
        w=[("-0.05", "0.05")] if discrete else [("-0.1", "0.1")],
    )
    theorem = theorem_of(loop.prove(PRACTICAL))
    assert Fraction(1, 100) < theorem.constants.c1 < Fraction(12, 1000)
    assert theorem.constants.c2 > Fraction(9, 10)
    assert_simulations_agree(theorem)
    given = theorem_of(loop.prove(PRACTICAL, epsilon="0.2"))
    assert given.constants.epsilon == Fraction(1, 5)
    too_small = loop.prove(PRACTICAL, epsilon="0.09")
    assert isinstance(too_small.verdict, Unknown) and "larger" in too_small.verdict.reason


def test_a_disturbance_that_stops_the_contraction() -> None:
    """ẋ = (w − 1) x and x⁺ = w x: stable iff w < 1, and at the rate alpha iff below that."""
    for sign in (-1, 1):
        top = 1 + sign * HAIR
        for loop in (
            plant(["(w1 - 1)*x1"], w=[(-1, top)]),
            plant(["w1*x1"], discrete=True, w=[("-1/2", top)]),
        ):
            given = {"c1": "1/16", "c2": "1/2", "mu": "1/10000000000"}
            if sign < 0:
                theorem_of(loop.prove(ASYMPTOTIC, **given))
            else:
                assert_not_proved(loop.prove(ASYMPTOTIC, 2.0, **given), "decrease")
    half = plant(["(w1 - 1)*x1"], w=[(-1, "1/2")])
    theorem_of(half.prove(EXPONENTIAL, alpha=1 - HAIR))
    assert_not_proved(half.prove(EXPONENTIAL, alpha=1 + HAIR), "decrease", "contraction")


@pytest.mark.parametrize(
    "equations",
    [
        ["-x1 + w1*0.000000000000000000000000000001"],
        ["-x1 + (w1**2 - 1/4)*w1*0.001"],
        ["-x1 + sin(w1)*tanh(w1)"],
        ["-x1 + max(w1 - 0.999, 0)"],
        ["-x1 + min(w1, 0)*0.1"],
    ],
)
@pytest.mark.parametrize("discrete", [False, True], ids=["continuous", "discrete"])
def test_an_equilibrium_that_moves_with_the_disturbance(
    equations: list[str], discrete: bool
) -> None:
    """Also where it is at rest for some w: the claim is for all of them."""
    if discrete:
        equations = [f"x1 + 0.5*({e})" for e in equations]
    loop = plant(equations, discrete=discrete, w=[(-1, 1)])
    for claim in (ASYMPTOTIC, EXPONENTIAL):
        assert_refuted(loop.prove(claim), "equilibrium")


@pytest.mark.parametrize(
    "equations",
    [
        ["-x1*(1 + w1/2)"],
        ["-x1 + 0.1*sin(x1*w1)"],
        ["-x1 + 0.2*(tanh(w1 + x1) - tanh(w1))"],
        ["-x1 + 0.1*w1*min(x1, 0) + 0.1*max(x1*w1, 0)"],
        ["-x1 + 0.1*(exp(w1)*x1)/(2 + w1)"],
    ],
)
@pytest.mark.parametrize("discrete", [False, True], ids=["continuous", "discrete"])
def test_an_equilibrium_for_every_disturbance(equations: list[str], discrete: bool) -> None:
    if discrete:
        equations = [f"x1 + 0.5*({e})" for e in equations]
    loop = plant(equations, discrete=discrete, w=[(-1, 1)])
    for claim in (ASYMPTOTIC, EXPONENTIAL):
        assert_simulations_agree(theorem_of(loop.prove(claim)), steps=600)


def test_a_step_that_leaves_the_domain() -> None:
    """A turn by 90° and 9/10 of the length: from (x, 0) to (0, −9x/10), with |x₂| ≤ 1/2 in D."""
    loop = plant(["0.9*x2", "-0.9*x1"], discrete=True, domain=[(-1, 1), ("-1/2", "1/2")])
    edge = Fraction(25, 81)
    for claim in BANDED:
        speed = {"alpha": "1/10"} if claim is EXPONENTIAL else {"mu": "1/1000"}
        sound = loop.prove(claim, c1="1/16", c2=edge * (1 - HAIR), **speed)
        assert_simulations_agree(theorem_of(sound))
        assert_refuted(loop.prove(claim, c1="1/16", c2=edge * (1 + HAIR), **speed), "containment")
        free = theorem_of(loop.prove(claim))
        assert free.constants.c2 <= edge or free.problem.domain != loop.system.domain
        assert_simulations_agree(free)


def bump(x: Expression, centre: object, width: object) -> Expression:
    """1 at the centre, 0 from width/2 on."""
    return ex.relu(1 - ex.absolute(x[0] - ex.constant(centre)) * (2 / Fraction(width)))  # type: ignore[arg-type]


def test_a_step_out_of_the_trap() -> None:
    """From 1/8, where the decrease condition does not look, to 1/16 + h: inside iff h ≤ 3/16."""
    for sign in (-1, 1):
        h = Fraction(3, 16) * (1 + sign * HAIR)
        loop = plant([f"x1/2 + {h}*max(1 - 16*abs(x1 - 1/8), 0)"], discrete=True)
        result = loop.prove(PRACTICAL, **constants_for(PRACTICAL))
        if sign < 0:
            assert_simulations_agree(theorem_of(result))
        else:
            assert_refuted(result, "trap")
    pushed = plant(["x1/2 + w1*max(1 - 16*abs(x1 - 1/8), 0)"], discrete=True, w=[(0, h)])
    found = theorem_of(pushed.prove(PRACTICAL))
    assert Fraction(1, 16) < found.constants.c1 < Fraction(1, 14) < found.constants.c2
    assert_simulations_agree(found)


@pytest.mark.parametrize("claim", [ASYMPTOTIC, EXPONENTIAL], ids=lambda c: c.value)
def test_the_trap_is_needed_whatever_is_claimed(claim: Claim) -> None:
    """V has a peak at 1/5, above c2, and x⁺ = −9x/10 leads from −2/9, deep below c1, onto it.

    Decrease, containment, core, contraction and even the avoidance of a set inside that peak all
    hold; yet solutions leave {V ≤ c2} and meet the set.
    """
    loop = plant(
        ["-0.9*x1"],
        discrete=True,
        value=lambda x: ex.dot(x, x) + bump(x, "1/5", "1/50"),
        unsafe={"peak": ["x1 >= 0.196", "x1 <= 0.204"]},
    )
    speed = {"alpha": "1/10"} if claim is EXPONENTIAL else {"mu": "1/1000"}
    result = loop.prove(claim, **BAND, **speed)
    assert_refuted(result, "trap")
    shown = {name for name, s in result.searches.items() if isinstance(s.verdict, Proved)}
    assert {"decrease", "containment", "core", "contraction", "avoid 1"} <= shown
    assert_not_proved(loop.prove(claim), "trap", "avoid 1", "decrease", "containment")


@pytest.mark.parametrize(
    ("loop", "rate"),
    [
        (plant(["-x1"]), Fraction(2)),
        (plant(TURNING), Fraction(2)),
        (plant(["-x1", "-3*x2"]), Fraction(2)),
        (plant(["x1/2"], discrete=True), Fraction(3, 4)),
        (plant(SPIRAL, discrete=True), Fraction(39, 100)),
        (plant(["(1/2 + w1)*x1"], discrete=True, w=[("-1/2", "1/4")]), Fraction(7, 16)),
    ],
)
def test_a_rate_too_large_by_a_hair(loop: Plant, rate: Fraction) -> None:
    sound = loop.prove(EXPONENTIAL, **BAND, alpha=rate * (1 - HAIR))
    assert_simulations_agree(theorem_of(sound), steps=600)
    for factor in (1, 1 + HAIR):
        alpha = rate * factor
        assert_not_proved(loop.prove(EXPONENTIAL, 1.0, **BAND, alpha=alpha), "decrease")
        assert_not_proved(loop.prove(EXPONENTIAL, 1.0, alpha=alpha), "decrease")
    found = theorem_of(loop.prove(EXPONENTIAL))
    assert found.constants.alpha is not None
    assert rate * Fraction(4, 5) < found.constants.alpha < rate


def test_a_rate_that_holds_at_the_equilibrium_but_not_in_the_band() -> None:
    """ẋ = −x + x³: −V̇/V = 2 (1 − x²) falls to 1 where V = 1/2."""
    loop = plant(["-x1 + x1**3"])
    assert_simulations_agree(theorem_of(loop.prove(EXPONENTIAL, **BAND, alpha=1 - HAIR)))
    assert_refuted(loop.prove(EXPONENTIAL, **BAND, alpha=1 + HAIR), "decrease")


def test_a_rate_that_holds_in_the_band_but_not_at_the_equilibrium() -> None:
    """ẋ = −x (1/10 + 4 x²): slow near 0. Claimed from c1 = 1/16 on, V falls at the rate 1/2."""
    loop = plant(["-x1*(0.1 + 4*x1**2)"])
    assert_not_proved(loop.prove(EXPONENTIAL, **BAND, alpha="1/2"), "decrease", "contraction")
    assert_simulations_agree(theorem_of(loop.prove(EXPONENTIAL, **BAND, alpha="1/6")), steps=3000)


@pytest.mark.parametrize(
    "equations",
    [
        ["x1*(1 + 1/1000000000) - x1**3/2"],
        ["-x1*(1 + 1/1000000000) + x1**3/2"],
        ["1.000000001*(0.8*x1 + 0.6*x2)*(1 - (x1**2 + x2**2)/2)",
         "1.000000001*(0.8*x2 - 0.6*x1)*(1 - (x1**2 + x2**2)/2)"],
    ],
)  # fmt: skip
def test_eigenvalues_just_outside_the_unit_circle(equations: list[str]) -> None:
    """Far from 0 everything falls; at 0 it grows, too slowly to be seen."""
    loop = plant(equations, discrete=True)
    for claim in (ASYMPTOTIC, EXPONENTIAL):
        assert_not_proved(loop.prove(claim), "decrease")
        assert_not_proved(loop.prove(claim, **BAND), "decrease", "contraction")
    practical = theorem_of(loop.prove(PRACTICAL, c1="1/16", c2="1/2", mu="1/1000"))
    assert_simulations_agree(practical)
    inside = [
        e.replace("1 + 1/1000000000", "9/10").replace("1.000000001", "0.99") for e in equations
    ]
    assert_simulations_agree(theorem_of(plant(inside, discrete=True).prove(ASYMPTOTIC)), steps=4000)


@pytest.mark.parametrize("alpha", [None, Fraction(1, 5)])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_discrete_contraction_is_decided_by_eigenvalues(n: int, alpha: Fraction | None) -> None:
    """For x⁺ = A x the claim is AᵀPA ≺ (1 − alpha) P, for random A, P and R."""
    generator = np.random.default_rng(n)
    proved = 0
    for _ in range(40):
        A = np.round(generator.normal(size=(n, n)) * (0.7 - 0.12 * n) * 64) / 64
        half = generator.normal(size=(n, n))
        P = (half @ half.T + 0.1 * np.eye(n)).astype(np.float32).astype(np.float64)
        P = (P + P.T) / 2
        S = A.T @ P @ A - (1 - float(alpha or 0)) * P
        R = generator.normal(size=(n, n))
        if generator.random() < 0.7:  # coordinates in which the discs are nearly points
            R = np.linalg.eigh(S)[1].T
        rows = [" + ".join(f"({a!r})*x{j + 1}" for j, a in enumerate(r)) for r in A.tolist()]
        loop = plant(rows, discrete=True)
        problem = problem_of(loop.prove(PRACTICAL, seconds=0.01))
        condition = problem.contraction(Ellipsoid(P, R), Fraction(1, 100), alpha)
        found = search(condition, Budget(5.0, 5000))
        if isinstance(found.verdict, Proved):
            proved += 1
            assert np.linalg.eigvalsh(S).max() < 0
    assert proved >= 2


def problem_of(result: StabilityResult) -> StabilityProblem:
    return result.problem


@pytest.mark.parametrize(
    ("equations", "discrete", "stable"),
    [
        (["-x1 + 0.9*max(x1, 0)"], False, True),
        (["-x1 + 1.000001*max(x1, 0)"], False, False),
        (["-x1 - max(x1, 0)"], False, True),
        (["-min(2*x1, -0.000001*x1)"], False, False),
        (["0.95*x1 - max(x1, 0)/2"], True, True),
        (["1.000001*x1 - max(x1, 0)/2"], True, False),
        (["-1.000001*x1 + max(x1, 0)/2"], True, False),
        (["w1*x1/2 + 0.45*max(x1, 0)"], True, True),
        (["w1*x1/2 + 0.500001*max(x1, 0)"], True, False),
        (["w1*x1/2 - 0.500001*min(x1, 0)"], True, False),
    ],
)
def test_kinks_at_the_equilibrium(equations: list[str], discrete: bool, stable: bool) -> None:
    """At a kink every element of Clarke's Jacobian counts."""
    disturbed = "w1" in equations[0]
    loop = plant(equations, discrete=discrete, w=[(-1, 1)] if disturbed else ())
    for claim in (ASYMPTOTIC, EXPONENTIAL):
        result = loop.prove(claim, seconds=20 if stable else 2)
        if stable:
            assert_simulations_agree(theorem_of(result), count=40, steps=2000)
        else:
            assert_not_proved(result, "decrease", "contraction")


@pytest.mark.parametrize("discrete", [False, True], ids=["continuous", "discrete"])
def test_a_value_off_zero_at_the_centre(discrete: bool) -> None:
    for off in ("1/1000000000000000000000000000000", "-1/1000000000000000000000000000000"):
        loop = plant(
            SPIRAL if discrete else TURNING,
            discrete=discrete,
            value=lambda x, off=off: ex.dot(x, x) + ex.constant(off),  # type: ignore[misc]
        )
        assert_refuted(loop.prove(PRACTICAL), "centre")
        assert_refuted(loop.prove(ASYMPTOTIC), "equilibrium")


@pytest.mark.parametrize(
    "value", [lambda x: -ex.dot(x, x), lambda x: 0 * x[0], lambda x: x[0] ** 2]
)
@pytest.mark.parametrize("discrete", [False, True], ids=["continuous", "discrete"])
def test_no_theorem_of_a_value_that_says_nothing(value: object, discrete: bool) -> None:
    loop = plant(
        [f"{e} + 0.01*w1*x1" for e in (SPIRAL if discrete else TURNING)],
        discrete=discrete,
        value=value,  # type: ignore[arg-type]
        w=[(-1, 1)],
    )
    for claim in BANDED:
        result = loop.prove(claim)
        assert_not_proved(result, "containment", "core", "decrease", "contraction", "small set")


def test_a_pole_that_a_disturbance_makes() -> None:
    """x / (w + 1.01): finite for w ≥ −1, not for w ≥ −1.02."""
    for discrete in (False, True):
        equation = "0.001*x1/(w1 + 1.01) - x1" if not discrete else "0.001*x1/(w1 + 1.01)"
        theorem_of(plant([equation], discrete=discrete, w=[(-1, 1)]).prove(ASYMPTOTIC))
        loop = plant([equation], discrete=discrete, w=[("-1.02", 1)])
        for claim in BANDED:
            assert not isinstance(loop.prove(claim, seconds=3).verdict, Proved)
