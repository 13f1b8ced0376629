"""Candidates with a planted violation: none may be Proved, and their sound twins not Refuted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import pytest

from certify import Budget, Claim, Condition, Constraint, Proved, Refuted, Requested, search
from systems import expression as ex
from systems.box import Box
from systems.expression import Expression
from systems.tape import compile_tape
from tests.certify.planted import (
    BUMPS,
    Loop,
    breaks,
    confirmed,
    loop,
    place,
    square,
    state,
    turning,
)

Case = tuple[Loop, Requested]

BAND = Requested(c1=Fraction(1, 16), c2=Fraction(1, 2), mu=Fraction(1, 128))
REACHES = Requested(BAND.c1, BAND.c2, BAND.mu, None, Claim.PRACTICAL_STABILITY)
"""For V with kinks, to whose second derivative nothing may be asked."""


@pytest.fixture(scope="module", autouse=True)
def compiled_kernels() -> None:
    """So that no case spends its time limit on the compiler."""
    x = state(1)
    loop(x, square(x), drift=turning(x)).prove(BAND, seconds=300)


def count_refuted(cases: list[Case], names: set[str]) -> float:
    """The share of refuted cases; asserts that none is proved and that every point is real."""
    refuted = 0
    for planted, requested in cases:
        result = planted.prove(requested)
        assert not isinstance(result.verdict, Proved)
        if isinstance(result.verdict, Refuted):
            assert result.verdict.counterexample.condition in names
            assert confirmed(result)
            refuted += 1
    return refuted / len(cases)


def assert_proved(cases: list[Case]) -> None:
    for sound, requested in cases:
        verdict = sound.prove(requested, seconds=20).verdict
        assert isinstance(verdict, Proved), verdict


WIDTHS = {1: (2e-2, 2e-3, 2e-4), 2: (0.1, 2e-3, 2e-4), 3: (0.2, 2e-3)}
"""Widths of the bumps in a domain of side 2: down to a hundredth of a percent of it."""


def bumped(n: int, width: float, kind: str, carrier: str, seed: int, sound: bool) -> Case:
    """A bump in the dynamics, in the controller, or in V, somewhere in the band.

    With F = −x (1 − A b), V̇ = −2 V (1 − A b) is positive where b > 1/A. With V = |x|² (1 + a b)
    the bump's slope 2 a |x|² / width outweighs the decrease on its far side.
    """
    x = state(n)
    centre = place(n, 0.2, 0.4, np.random.default_rng([seed, n]))
    bump = BUMPS[kind](x, centre, width)
    slowed = turning(x) * (1 - (0.5 if sound else 1.05) * bump)
    if carrier == "dynamics":
        return loop(x, square(x), drift=slowed), BAND
    if carrier == "controller":
        return loop(x, square(x), control=slowed), BAND
    height = width * (0.05 if sound else 2.1)
    value = square(x) * (1 + height * bump)
    return loop(x, value, drift=turning(x)), REACHES if kind == "relu" else BAND


@pytest.mark.parametrize("carrier", ["dynamics", "controller", "value"])
@pytest.mark.parametrize("kind", sorted(BUMPS))
def test_bumps(kind: str, carrier: str) -> None:
    cases = [
        bumped(n, width, kind, carrier, seed, sound=False)
        for n, widths in WIDTHS.items()
        for width in widths
        for seed in range(3)
    ]
    assert len(cases) == 24
    assert count_refuted(cases, {"decrease"}) >= 0.95


@pytest.mark.parametrize("carrier", ["dynamics", "controller", "value"])
@pytest.mark.parametrize("kind", sorted(BUMPS))
def test_harmless_bumps(kind: str, carrier: str) -> None:
    assert_proved(
        [
            bumped(n, width, kind, carrier, 0, sound=True)
            for n, widths in WIDTHS.items()
            for width in widths[: 1 if n == 3 else 3]
            if n < 3 or (kind, carrier) == ("relu", "dynamics")
        ]
    )


def hairs(sound: bool) -> Iterator[Case]:
    """Constants on the wrong side of the truth, or on the right one, by a hair.

    V = |x|² and V̇ = −2 |x|² on |xᵢ| ≤ w: V > c2 on the boundary iff c2 < w²; {V ≤ c1} lies in the
    open ball of radius ε iff ε² > c1; V̇ ≤ −μ on c1 ≤ V iff μ ≤ 2 c1.
    """
    side = -1 if sound else 1
    for n in (1, 2, 3):
        for width in (1, Fraction(1, 4)):
            x = state(n)
            plain = loop(x, square(x), drift=turning(x), half_width=width)
            c1, c2, mu = Fraction(width**2) / 16, Fraction(width**2) / 2, Fraction(width**2) / 128
            radius = Fraction(width) / 4
            yield plain, Requested(c1, width**2 * (1 + side * Fraction(1, 10**8)), mu)
            yield plain, Requested(c1, c2, mu, radius * (1 - side * Fraction(1, 10**6)))
            yield plain, Requested(c1, c2, 2 * c1 * (1 + side * Fraction(1, 10**9)))


def test_constants_wrong_by_a_hair() -> None:
    cases = list(hairs(sound=False))
    assert len(cases) == 18
    assert count_refuted(cases, {"containment", "small set", "decrease"}) >= 0.9


def test_constants_right_by_a_hair() -> None:
    assert_proved(list(hairs(sound=True)))


def test_touching_constants_are_never_proved_where_strictness_matters() -> None:
    for n in (1, 2):
        x = state(n)
        plain = loop(x, square(x), drift=turning(x))
        for requested in (
            Requested(Fraction(1, 16), Fraction(1), Fraction(1, 128)),
            Requested(Fraction(1, 16), Fraction(1, 2), Fraction(1, 128), Fraction(1, 4)),
        ):
            assert not isinstance(plain.prove(requested).verdict, Proved)
        # V̇ ≤ −2 c1 holds with equality: true, so it may stay open but is not refuted.
        level = Requested(Fraction(1, 16), Fraction(1, 2), Fraction(1, 8))
        assert not isinstance(plain.prove(level).verdict, Refuted)


def cornered(n: int, width: float, kind: str, sound: bool) -> Case:
    """V dips at one corner of the domain to just below, or above, c2; everywhere else it is ≥ 1."""
    x = state(n)
    corner = [1.0] * n
    bump = BUMPS[kind](x, corner, width)
    level = float(np.tanh(4.0) ** n) if kind == "tanh" else 1.0
    # On the plateau of the tanh bump V is lowest at its inner end, not in the corner.
    margin = 1e-4 + (2 * width if kind == "tanh" else 0.0)
    deep = 1 - (0.75 + (margin if sound else -1e-4)) / n
    value = square(x) * (1 - deep / level * bump)
    requested = Requested(BAND.c1, Fraction(3, 4), BAND.mu, None, Claim.PRACTICAL_STABILITY)
    return loop(x, value, drift=turning(x)), requested


@pytest.mark.parametrize("kind", sorted(BUMPS))
def test_containment_broken_at_a_corner_only(kind: str) -> None:
    widths = (0.1, 1e-2, 2e-4)
    false = [cornered(n, w, kind, sound=False) for n in (2, 3) for w in widths]
    assert count_refuted(false, {"containment"}) == 1
    assert_proved([cornered(n, w, kind, sound=True) for n in (2,) for w in widths])


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("off", ["1e-30", "-1e-300"])
def test_equilibria_off_by_nothing_one_could_see(n: int, off: str) -> None:
    x = state(n)
    nudge = ex.constant([0] * (n - 1) + [off])
    first = ex.constant([off] + [0] * (n - 1))
    cases = [
        (loop(x, square(x), drift=turning(x) + nudge), BAND),
        (loop(x, square(x), control=turning(x) + first), BAND),
        (loop(x, square(x) + off, drift=turning(x)), BAND),
        (loop(x, square(x) + ex.sin(x[0] + off) - ex.sin(x[0]), drift=turning(x)), BAND),
    ]
    assert count_refuted(cases, {"equilibrium"}) == 1


VACUOUS: dict[str, Callable[[Expression], Expression]] = {
    "V = -1": lambda x: 0 * x[0] - 1,
    "V = 0": lambda x: 0 * x[0],
    "V = -|x|^2": lambda x: -square(x),
    "V = 1 + |x|^2": lambda x: 1 + square(x),
    "V too low for c2": lambda x: square(x) * Fraction(1, 10**9),
    "V too high for c2": lambda x: square(x) * 10**9,
    "V falls again": lambda x: square(x) - square(x) ** 2 * 2,
}


@pytest.mark.parametrize("name", VACUOUS)
def test_empty_sets_prove_nothing(name: str) -> None:
    cases = []
    for n in (1, 2, 3):
        x = state(n)
        candidate = loop(x, VACUOUS[name](x), drift=turning(x))
        if name == "V too high for c2":  # a band thinner than the floats about it
            x_unstable = loop(x, VACUOUS[name](x), drift=-turning(x))
            cases.append((x_unstable, BAND))
        else:
            cases.append((candidate, BAND))
            free = candidate.prove(Requested())
            if name != "V too low for c2" and name != "V falls again":
                assert not isinstance(free.verdict, Proved)
    assert count_refuted(cases, {"core", "containment", "equilibrium", "decrease"}) == 1


@pytest.mark.parametrize("n", [2, 3])
def test_a_semidefinite_value_closes_nothing(n: int) -> None:
    x = state(n)
    for requested in (BAND, REACHES, Requested(), Requested(claim=Claim.PRACTICAL_STABILITY)):
        verdict = loop(x, x[0] ** 2, drift=turning(x)).prove(requested).verdict
        assert not isinstance(verdict, Proved)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_unstable_loops(n: int) -> None:
    x = state(n)
    one = ex.constant(1)
    grows = turning(x) * (one - 2 * square(x))  # V̇ > 0 where V > 1/2
    cases = [
        (loop(x, square(x), drift=-turning(x)), BAND),
        (loop(x, square(x), drift=turning(x) * (square(x) - 1)), BAND),
        (loop(x, square(x), drift=grows), Requested(BAND.c1, Fraction(51, 100), BAND.mu)),
        (loop(x, square(x), control=x * "1/1000000"), BAND),
        (loop(x, square(x), drift=ex.clip(turning(x), 0, 1)), BAND),
    ]
    assert count_refuted(cases, {"decrease"}) >= 0.8
    assert_proved([(loop(x, square(x), drift=grows), Requested(BAND.c1, Fraction(49, 100)))])


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("kind", sorted(BUMPS))
def test_levels_that_are_searched_for_stay_below_the_violation(n: int, kind: str) -> None:
    x = state(n)
    for seed, width in enumerate((0.1, 2e-3, 2e-4)):
        centre = place(n, 0.3, 0.6, np.random.default_rng([seed, n, 7]))
        planted = loop(x, square(x), drift=turning(x) * (1 - 1.05 * BUMPS[kind](x, centre, width)))
        result = planted.prove(Requested())
        level = sum(Fraction(c) ** 2 for c in centre)
        assert not breaks(result.searches["contraction"].condition, centre)
        assert isinstance(result.verdict, Proved)
        assert result.theorem is not None and result.constants is not None
        assert result.constants.c2 < level
        assert result.constants.c1 < result.constants.c2


@pytest.mark.parametrize("n", [1, 2, 3])
def test_searches_find_tiny_violations_anywhere(n: int) -> None:
    """f ≥ 1 only on a bump, at a random place of a region at a random scale and place."""
    generator = np.random.default_rng(n)
    false, true = [], []
    for k in range(20):
        x = state(n)
        scale = 2.0 ** generator.integers(-20, 20)
        middle = scale * np.round(generator.uniform(-3, 3, n) * 64) / 64
        low, high = middle - scale, middle + scale * generator.choice([0.5, 1, 4], n)
        share = np.round(generator.uniform(0, 1, n) * 256) / 256
        share[generator.random(n) < 0.2] = 1.0  # on a face, or in a corner
        centre = low + share * (high - low)
        width = scale * float(generator.choice([0.2, 1e-2, 2e-4]))
        shifted = ex.total(ex.absolute(x - ex.constant(centre.tolist())))
        bump = ex.relu(1 - shifted * (2 / width))
        for sound, out in ((False, false), (True, true)):
            height = 1 - 1e-6 if sound else 1 + 1e-6
            formula = height * bump - 0.5 * ex.sin(shifted / scale) ** 2
            condition = Condition(
                "bump", "f < 1", compile_tape([formula], [x]), ("f",),
                (Constraint(0, "at least", Fraction(1)),),
                (Box.of(zip(low.tolist(), high.tolist(), strict=True)),),
            )  # fmt: skip
            out.append(search(condition, Budget(5.0), seed=k))
    for found in false:
        assert isinstance(found.verdict, Refuted)
        assert breaks(found.condition, found.verdict.counterexample.point)
    for found in true:
        assert isinstance(found.verdict, Proved)
