"""Set-point convergence: where x* is no equilibrium, one is near, and everything goes there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from certify import (
    Budget,
    Candidate,
    Proved,
    Refuted,
    Requested,
    StabilityResult,
    Unknown,
    prove_stability,
    search,
)
from certify.ellipsoid import Ellipsoid, half_widths
from certify.free_inputs import with_free_inputs, without_free_inputs
from certify.theorem import Theorem, conclude
from learners.lqr import lqr_candidate
from systems import expression as ex
from systems import zoo
from systems.dynamics import ControlAffineSystem, UnsafeSet, linear_control
from systems.errors import InputError
from systems.evaluate import function
from systems.sampled import Sampling, sampled
from tests.certify.claims import CONVERGENCE, Plant, plant, simulate, theorem_of

Array = NDArray[np.float64]


def pushed(equations: Sequence[str], *push: str, discrete: bool = False) -> Plant:
    """Equations that rest at 0, and a steady push that moves them away from there."""
    loop = plant(equations, discrete=discrete)
    return replace(loop, system=replace(loop.system, drift=loop.system.drift + ex.constant(push)))


def starts_in(theorem: Theorem, count: int, seed: int) -> Array:
    """Points of the ellipsoid {q ≤ c2}, uniform on its shells, (count, n)."""
    assert theorem.ellipsoid is not None
    generator = np.random.default_rng(seed)
    n = len(theorem.ellipsoid.matrix)
    direction = generator.normal(size=(count, n))
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    radius = np.sqrt(float(theorem.constants.c2) * generator.uniform(0.2, 0.9999, (count, 1)))
    factor = np.linalg.cholesky(theorem.ellipsoid.matrix)
    star = np.array([float(v) for v in theorem.problem.system.equilibrium])
    return np.asarray(star + radius * direction @ np.linalg.inv(factor))


def q_of(theorem: Theorem, x: Array) -> Array:
    assert theorem.ellipsoid is not None
    d = x - np.array([float(v) for v in theorem.problem.system.equilibrium])
    return np.asarray(np.einsum("...i,ij,...j", d, theorem.ellipsoid.matrix, d))


def assert_simulations_agree(theorem: Theorem, steps: int = 600, h: float = 0.02) -> None:
    """Solutions stay, come within c1 and never leave that again, and pairs approach at the rate."""
    k = theorem.constants
    path = simulate(theorem, starts_in(theorem, 60, 0), steps, h, 1)
    q = q_of(theorem, path)
    assert k.c_q is not None and k.alpha is not None and theorem.ellipsoid is not None
    slack = 1e-9 * float(k.c_q)
    assert (q <= float(k.c_q) + slack).all()
    inside = q <= float(k.c1) + slack
    assert (np.diff(inside.astype(int), axis=0) >= 0).all() and inside[-1].all()
    if theorem.problem.system.disturbance is None:
        gap = path[:, ::2] - path[:, 1::2]
        apart = np.einsum("tni,ij,tnj->tn", gap, theorem.ellipsoid.matrix, gap)
        base = 1 - float(k.alpha) if theorem.problem.is_discrete else np.exp(-float(k.alpha) * h)
        law = apart[0] * base ** np.arange(steps + 1)[:, None]
        assert (apart <= law * (1 + 1e-6) + slack).all()
    for unsafe in theorem.problem.system.unsafe:
        held = function(list(unsafe.constraints), theorem.problem.state)
        assert not any((np.hstack(held(x)) >= 0).all(axis=1).any() for x in path)


def unproved(result: StabilityResult) -> Refuted | Unknown:
    assert result.theorem is None and isinstance(result.verdict, Refuted | Unknown)
    return result.verdict


def test_an_equilibrium_beside_the_set_point() -> None:
    """−x1 + 1/100 rests at 1/100: never nearer than what is claimed, and not much farther."""
    theorem = theorem_of(pushed(["-x1", "-2*x2 + x1/10"], "1/100", "0").prove(CONVERGENCE))
    assert list(theorem.evidence) == ["core", "contraction", "rest"]
    assert theorem.ellipsoid is not None
    rest = np.array([[0.01, 0.0005]])
    assert q_of(theorem, rest)[0] <= float(theorem.constants.c1)
    far = half_widths(theorem.ellipsoid, theorem.constants.c1)
    assert 0.01 <= float(far[0]) < 1.0
    assert_simulations_agree(theorem)


@pytest.mark.parametrize("rate", [None, "1/10", "19/10"])
def test_the_rate_is_the_one_asked_for(rate: str | None) -> None:
    asked = {} if rate is None else {"alpha": rate}
    theorem = theorem_of(pushed(["-x1"], "1/1000").prove(CONVERGENCE, **asked))
    assert theorem.constants.alpha == (Fraction(rate) if rate else Fraction(1, 2))
    assert_simulations_agree(theorem)


def test_a_rate_beyond_the_linearisation_is_not_proved() -> None:
    assert isinstance(unproved(plant(["-x1"]).prove(CONVERGENCE, 5.0, alpha="21/10")), Unknown)


def test_a_map() -> None:
    theorem = theorem_of(pushed(["x1/2"], "1/100", discrete=True).prove(CONVERGENCE))
    assert q_of(theorem, np.array([[0.02]]))[0] <= float(theorem.constants.c1)
    assert_simulations_agree(theorem, 200)
    with pytest.raises(ValueError, match="below 1"):
        plant(["x1/2"], discrete=True).prove(CONVERGENCE, alpha="1")


def test_a_push_that_nobody_knows() -> None:
    """No equilibrium is promised then, only the small ellipsoid."""
    theorem = theorem_of(plant(["-x1 + w1"], w=[("-1/20", "1/20")]).prove(CONVERGENCE))
    assert q_of(theorem, np.array([[0.05]]))[0] <= float(theorem.constants.c1)
    assert "equilibrium" not in theorem.words
    assert_simulations_agree(theorem)


@pytest.mark.parametrize(
    ("equations", "push"),
    [
        (["-x1"], ["3/2"]),
        (["-x1 + x1**3"], ["3/10"]),
        (["x1"], ["1/1000"]),
        (["0", "-x2"], ["1/1000", "0"]),
        (["x2", "-x1"], ["0", "0"]),
        (["-x1**3"], ["1/1000"]),
    ],
    ids=["rests outside", "pushed over the edge", "unstable", "drifts", "a centre", "marginal"],
)
def test_what_does_not_converge_nearby_is_not_proved(equations: list[str], push: list[str]) -> None:
    assert isinstance(unproved(pushed(equations, *push).prove(CONVERGENCE, 5.0)), Unknown)


def test_what_moves_at_the_set_point_is_named() -> None:
    verdict = unproved(pushed(["-x1", "-x2"], "1/1000", "3/2").prove(CONVERGENCE, 5.0))
    assert isinstance(verdict, Unknown)
    assert "at the set point x2 moves by 1.5 a unit of time" in verdict.reason


def test_two_equilibria_are_never_in_one_ellipsoid() -> None:
    """x − x³ has stable ones at ±1; around 1 the ellipsoid keeps to where it contracts."""
    loop = plant(["x1 - x1**3"], domain=[(-3, 3)])
    drift = loop.system.drift + ex.constant(["1/1000"])
    system = replace(loop.system, drift=drift, equilibrium=(Fraction(1),))
    theorem = theorem_of(
        replace(loop, system=system, value=ex.total((system.state - 1) ** 2)).prove(CONVERGENCE)
    )
    low = 1 - float(half_widths(theorem.ellipsoid, theorem.constants.c2)[0])  # type: ignore[arg-type]
    assert theorem.constants.alpha == 1  # 2(1 − 3x²) + 1 < 0 beyond √(1/2)
    assert 0.5**0.5 < low < 0.72
    assert_simulations_agree(theorem)


def test_an_ellipsoid_is_lowered_where_it_takes_branching_again() -> None:
    """The hull of the larger one, whose tree shows the smaller, sticks out of the box around it."""
    equations = ["-0.6*x1 + 0.1*sin(5*x1 + 2*x2)", "-0.6*x2 + 0.1*sin(4*x2 - 3*x1)"]
    free = theorem_of(plant(equations).prove(CONVERGENCE, alpha="1/20"))
    assert free.constants.c_q is not None and free.ellipsoid is not None
    far = half_widths(free.ellipsoid, free.constants.c_q)[0] * Fraction(97, 100)
    theorem = theorem_of(
        plant(equations, unsafe={"far": f"x1 >= {far.numerator}/{far.denominator}"}).prove(
            CONVERGENCE, alpha="1/20"
        )
    )
    assert theorem.constants.c_q is not None and theorem.constants.c_q < free.constants.c_q
    region = theorem.evidence["contraction"].condition.regions[0]
    assert not theorem.problem.domain.contains(region.upper)
    assert_simulations_agree(theorem, 2000, 0.1)


def test_a_smaller_c1_than_shown_is_not_concluded() -> None:
    theorem = theorem_of(pushed(["-x1"], "1/100").prove(CONVERGENCE))
    closer = replace(theorem.constants, c1=theorem.constants.c1 / 16)
    with pytest.raises(ValueError, match="other constants"):
        conclude(CONVERGENCE, theorem.problem, closer, theorem.ellipsoid, theorem.evidence)
    assert theorem.ellipsoid is not None and closer.alpha is not None
    condition = theorem.problem.rest(theorem.ellipsoid, closer.c1, closer.alpha)
    assert isinstance(search(condition, Budget(seconds=5)).verdict, Refuted)


@pytest.mark.parametrize("missing", ["core", "contraction", "rest"])
def test_no_evidence_may_be_missing(missing: str) -> None:
    theorem = theorem_of(pushed(["-x1"], "1/100").prove(CONVERGENCE))
    evidence = {k: v for k, v in theorem.evidence.items() if k != missing}
    with pytest.raises(ValueError, match=f"'{missing}' was not examined"):
        conclude(CONVERGENCE, theorem.problem, theorem.constants, theorem.ellipsoid, evidence)


def limited() -> ControlAffineSystem:
    return zoo.system("pendulum-bounded-6")


def prove(system: ControlAffineSystem, candidate: Candidate) -> StabilityResult:
    return prove_stability(system, candidate, Requested(claim=CONVERGENCE), budget=Budget(20.0))


def test_inputs_stay_off_their_limits() -> None:
    system = limited()
    theorem = theorem_of(prove(system, lqr_candidate(system)))
    assert [s.name for s in theorem.problem.system.unsafe] == [
        "u at its lower limit", "u at its upper limit",
    ]  # fmt: skip
    k = function(
        theorem.problem.candidate.on(theorem.problem.system).control, theorem.problem.state
    )  # type: ignore[arg-type]
    assert np.abs(k(starts_in(theorem, 2000, 3))[0]).max() < 6.0
    assert_simulations_agree(theorem)
    assert (
        with_free_inputs(theorem.problem.system, lqr_candidate(system)).unsafe
        == theorem.problem.system.unsafe
    )


def named_as_a_limit(name: str) -> ControlAffineSystem:
    system = limited()
    nothing = UnsafeSet(name, (0 * system.state[0] - 1,))
    return replace(system, unsafe=(nothing,))


@pytest.mark.parametrize("name", ["u at its lower limit", "u at  its upper limit"])
def test_no_other_set_passes_for_an_input_at_its_limit(name: str) -> None:
    system = named_as_a_limit(name)
    with pytest.raises(InputError, match="give it another name"):
        prove(system, lqr_candidate(limited()))


def test_the_sets_of_one_controller_are_not_those_of_another() -> None:
    system = limited()
    lqr = lqr_candidate(system)
    other = replace(lqr, control=ex.multiply(2, lqr.on(system).control))  # type: ignore[arg-type]
    first = with_free_inputs(system, lqr)
    with pytest.raises(InputError, match="give it another name"):
        with_free_inputs(first, other)
    again = with_free_inputs(without_free_inputs(first), other)
    assert [s.name for s in again.unsafe] == [s.name for s in first.unsafe]
    assert not set(again.unsafe) & set(first.unsafe)
    kept = named_as_a_limit("elsewhere")
    assert without_free_inputs(with_free_inputs(kept, lqr)).unsafe == kept.unsafe


def test_an_input_at_its_limit_at_the_set_point_is_not_proved() -> None:
    system = limited()
    K = np.array(lqr_candidate(system).provenance["gain"])
    pushed = linear_control(K, system) + ex.constant([6])
    candidate = Candidate(system.state, ex.total(system.state**2), pushed)
    assert isinstance(unproved(prove(system, candidate)), Unknown)


def test_a_sampled_plant_with_a_wrong_steady_input() -> None:
    """The pendulum, sampled: a torque of 1/1000 N m too much moves its rest, by as much as said."""
    system = sampled(limited(), Sampling(Fraction(1, 50)))
    K = np.array(lqr_candidate(system).provenance["gain"])
    control = linear_control(K, system) + ex.constant(["1/1000"])
    theorem = theorem_of(prove(system, Candidate(system.state, ex.total(system.state**2), control)))
    settled = simulate(theorem, starts_in(theorem, 4, 0), 3000, 1.0, 0)[-1]
    assert np.ptp(settled, axis=0).max() < 1e-6
    far = [float(v) for v in half_widths(theorem.ellipsoid, theorem.constants.c1)]  # type: ignore[arg-type]
    assert (np.abs(settled) <= far).all() and np.abs(settled).max() > 1e-5


@pytest.mark.parametrize("level", ["1/1000000007", "1", "123456789", "1e-30"])
def test_half_widths_are_never_too_short(level: str) -> None:
    generator = np.random.default_rng(7)
    A = generator.normal(size=(4, 4))
    matrix = A @ A.T + np.eye(4)
    matrix = np.tril(matrix) + np.tril(matrix, -1).T
    widths = half_widths(Ellipsoid(matrix, np.eye(4)), Fraction(level))
    exact = np.sqrt(float(Fraction(level)) * np.diag(np.linalg.inv(matrix)))
    assert np.allclose([float(w) for w in widths], exact, rtol=1e-9)
    one = half_widths(Ellipsoid(np.array([[4.0]]), np.eye(1)), Fraction(level))[0]
    assert Fraction(level) / 4 <= one**2 <= Fraction(level) / 4 * (1 + Fraction(1, 2**50))


def test_the_verdict_is_never_vacuous() -> None:
    result = pushed(["-x1"], "1/100").prove(CONVERGENCE)
    assert isinstance(result.verdict, Proved) and result.constants is not None
    assert 0 < result.constants.c1 < result.constants.c2
