"""Boxes in time against exact solutions, other integrators, and what cannot be integrated."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import pytest
from flint import arb, arb_mat, ctx
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from certify.validated import Enclosure, EnclosureLostError, Trajectory, VectorField
from certify.validated.lohner import Parallelepiped
from learners.lqr import lqr_candidate
from systems import expression as ex
from systems import zoo
from systems.evaluate import function
from systems.expression import Expression

Build = Callable[[Expression], Expression]


def trajectory(n: int, build: Build, start: list[float], **options: object) -> Trajectory:
    x = ex.variable("x", n)
    return Trajectory(VectorField.of(build(x), x), start, **options)  # type: ignore[arg-type]


def until(path: Trajectory, end: float, most: int = 2000) -> Iterator[Enclosure]:
    yield path.now()
    for _ in range(most):
        if path.time >= Fraction(end) * Fraction(999_999, 1_000_000):
            return
        yield path.step(end - float(path.time))
    raise AssertionError(f"only at {float(path.time)} after {most} steps")


def holds(e: Enclosure, point: list[float], error: float = 0.0) -> bool:
    return all(a - error <= v <= b + error for a, v, b in zip(e.lower, point, e.upper, strict=True))


def within(true: arb, low: float, high: float) -> bool:
    """Not provably outside: at the start, a ball around the exact value is compared with it."""
    return not (true < low or true > high)


def width(e: Enclosure) -> float:
    return max(b - a for a, b in zip(e.lower, e.upper, strict=True))


@settings(max_examples=15)
@given(st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_linear_systems_have_the_matrix_exponential(n: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    A = np.round(generator.uniform(-2, 2, (n, n)) * 64) / 64
    start = (np.round(generator.uniform(-1, 1, n) * 64) / 64).tolist()
    path = trajectory(n, lambda x: ex.affine(A, x), start)
    for e in until(path, 2.0):
        with ctx.workprec(200):
            grown = arb_mat(n, n, [arb(v) for v in A.ravel().tolist()]) * arb(e.time)
            true = (grown.exp() * arb_mat(n, 1, [arb(v) for v in start])).entries()
            for v, low, high in zip(true, e.lower, e.upper, strict=True):
                assert within(v, low, high)
    assert width(e) < 1e-6


def test_a_rotation_is_not_wrapped() -> None:
    """A box that is wrapped anew at every step would grow by a factor e^(2π) a turn."""
    path = trajectory(2, lambda x: ex.stack([x[1], -x[0]]), [1.0, 0.0])
    *_, e = until(path, 60.0)
    assert holds(e, [math.cos(e.time), -math.sin(e.time)], 1e-13)
    assert width(e) < 1e-7


def test_the_logistic_equation() -> None:
    path = trajectory(1, lambda x: x * (1 - x), [0.125])
    for e in until(path, 20.0):
        with ctx.workprec(200):
            true = 1 / (1 + 7 * (-arb(e.time)).exp())
            assert within(true, e.lower[0], e.upper[0])
    assert width(e) < 1e-8


def test_between_samples_the_solution_stays_in_the_hull() -> None:
    path = trajectory(1, lambda x: x * (1 - x), [0.125])
    before = 0.0
    for e in until(path, 6.0):
        for t in np.linspace(before, e.time, 5):
            true = 1 / (1 + 7 * math.exp(-t))
            assert e.during[0][0] - 1e-14 <= true <= e.during[1][0] + 1e-14
        before = e.time


def test_the_energy_of_a_pendulum_is_kept() -> None:
    path = trajectory(2, lambda x: ex.stack([x[1], -ex.sin(x[0])]), [1.5, 0.25])
    energies = []
    for e in until(path, 25.0):
        x, y = (arb(a).union(arb(b)) for a, b in zip(e.lower, e.upper, strict=True))
        energies.append(y * y / 2 - x.cos())
    assert all(energy.overlaps(energies[0]) for energy in energies)
    assert all(energy.rad() < 1e-6 for energy in energies)


@pytest.mark.parametrize(
    "name", ["pendulum", "lorenz", "van-der-pol", "cartpole", "pendulum-bounded-0.75"]
)
def test_closed_loops_of_the_zoo_agree_with_another_integrator(name: str) -> None:
    """DOP853 at a tolerance of 1e-12 lies in the boxes, up to its own error; kinks included."""
    system = zoo.system(name)
    loop = lqr_candidate(system).closed_loop(system)
    start = [
        float(c + w / 32) for c, w in zip(system.equilibrium, system.domain.widths, strict=True)
    ]
    path = Trajectory(VectorField.of(loop.field, system.state), start)
    found = list(until(path, 1.5))
    compiled = function(loop.field, system.state)
    times = [e.time for e in found]
    solution = solve_ivp(
        lambda _, x: compiled(x[None])[0][0],
        (0.0, times[-1]),
        start,
        method="DOP853",
        t_eval=times,
        rtol=1e-12,
        atol=1e-14,
        max_step=0.01,
    )
    assert len(solution.t) == len(found)
    for e, point in zip(found, solution.y.T.tolist(), strict=True):
        assert holds(e, point, 1e-8)
    assert width(found[-1]) < 1e-4


def test_a_kink_is_crossed() -> None:
    """ẋ = −1 − relu(x): e^(−t) (x₀ + 1) − 1 down to x = 0, and then −(t − t₀)."""
    path = trajectory(1, lambda x: -1 - ex.relu(x), [1.0])
    crossing = math.log(2.0)
    for e in until(path, 2.0):
        t = e.time
        true = 2 * math.exp(-t) - 1 if t <= crossing else crossing - t
        assert holds(e, [true], 1e-14)
    assert width(e) < 1e-6


def test_a_jump_is_crossed_and_a_sliding_mode_is_held() -> None:
    """ẋ = −1 − step(x) crosses 0; ẋ = 1 − 2 step(x) comes to rest there, in Filippov's sense."""
    crossing = trajectory(1, lambda x: -1 - ex.apply(ex.Op.STEP, x), [0.5])
    for e in until(crossing, 1.0):
        t = e.time
        assert holds(e, [0.5 - 2 * t if t <= 0.25 else 0.25 - t], 1e-14)
    assert width(e) < 1e-3
    sliding = trajectory(1, lambda x: 1 - 2 * ex.apply(ex.Op.STEP, x), [0.5])
    for _ in range(100):
        e = sliding.step(1.0)
        assert holds(e, [max(0.5 - e.time, 0.0)], 1e-14)
    assert e.time > 0.5


def test_both_solutions_of_a_jump_that_repels_are_held() -> None:
    """ẋ = 2 step(x) − 1 from 0: solutions leave to both sides, or wait."""
    path = trajectory(1, lambda x: 2 * ex.apply(ex.Op.STEP, x) - 1, [0.0])
    for _ in range(20):
        e = path.step(1.0)
        assert holds(e, [e.time]) and holds(e, [-e.time]) and holds(e, [0.0])


def test_a_solution_that_escapes_is_followed_no_further() -> None:
    """ẋ = 1 + x² is tan t, until π/2."""
    path = trajectory(1, lambda x: 1 + x * x, [0.0])
    with pytest.raises(EnclosureLostError):
        for _ in range(5000):
            e = path.step(1.0)
            assert e.time < math.pi / 2
            with ctx.workprec(200):
                assert within(arb(e.time).tan(), e.lower[0], e.upper[0])
    assert path.time > 1.5


def test_the_edge_of_a_domain_of_definition_is_not_passed() -> None:
    """ẋ = −√x reaches 0 at t = 2, where its slope is infinite."""
    path = trajectory(1, lambda x: -ex.sqrt(x), [1.0])
    with pytest.raises(EnclosureLostError):
        for _ in range(5000):
            e = path.step(1.0)
            assert holds(e, [(1 - e.time / 2) ** 2], 1e-14)
    assert 1.9 < path.time <= 2


def test_maps_are_iterated() -> None:
    """x⁺ = F(x) in rationals, a Hénon map."""
    build: Build = lambda x: ex.stack([1 - x[0] * x[0] * "7/5" + x[1], x[0] * "3/10"])  # noqa: E731
    path = trajectory(2, build, [0.125, 0.25], time="discrete")
    x, y = Fraction(1, 8), Fraction(1, 4)
    for k in range(1, 13):
        e = path.step()
        x, y = 1 - Fraction(7, 5) * x * x + y, Fraction(3, 10) * x
        assert e.time == k
        assert e.lower[0] <= x <= e.upper[0] and e.lower[1] <= y <= e.upper[1]
    assert width(e) < 1e-9


def test_a_map_that_jumps_is_iterated() -> None:
    """x⁺ = x/2 + step(x − 1/3) from 1/3, where step is all of [0, 1]."""
    build: Build = lambda x: x * "1/2" + ex.apply(ex.Op.STEP, x - "1/3")  # noqa: E731
    x = ex.variable("x", 1)
    path = Trajectory(VectorField.of(build(x), x), [Fraction(1, 3)], time="discrete")
    e = path.step()
    assert e.lower[0] <= 1 / 6 and e.upper[0] >= 7 / 6


def test_parameters_are_held() -> None:
    x, w = ex.variable("x", 1), ex.variable("w", 1)
    path = Trajectory(VectorField.of(w - x, x, w), [1.0], [Fraction(1, 3)])
    for e in until(path, 3.0):
        with ctx.workprec(200):
            true = arb(1) / 3 + (-arb(e.time)).exp() * 2 / 3
            assert within(true, e.lower[0], e.upper[0])


def test_sizes_are_checked() -> None:
    x = ex.variable("x", 2)
    field = VectorField.of(-x, x)
    with pytest.raises(ValueError, match="2 states"):
        Trajectory(field, [1.0])
    with pytest.raises(ValueError, match="parameters"):
        Trajectory(field, [1.0, 1.0], [1.0])


def from_box(n: int, build: Build, box: list[arb]) -> Trajectory:
    """A map's trajectory of a whole box of starts."""
    path = trajectory(n, build, [0.0] * n, time="discrete")
    path._set = Parallelepiped.of(box)
    return path


def test_a_map_of_a_wide_box_holds_the_image_of_every_point() -> None:
    """x⁺ = x² on [1/4, 3/4], where the slope at the middle alone would give [0, 1/2]."""
    e = from_box(1, lambda x: x * x, [arb(0.5, 0.25)]).step()
    assert e.lower[0] <= 1 / 16 and e.upper[0] >= 9 / 16
    jumping = from_box(1, lambda x: ex.apply(ex.Op.STEP, x - "3/10"), [arb(0.25, 0.25)]).step()
    assert jumping.lower[0] <= 0 and jumping.upper[0] >= 1


def test_the_slopes_of_a_field_that_jumps_are_those_of_its_pieces() -> None:
    x = ex.variable("x", 1)
    field = VectorField.of(ex.apply(ex.Op.STEP, x) * x**2 - x, x)
    assert field.jumps
    assert field.jacobian([arb(2)])[0, 0] == 3 and field.jacobian([arb(-2)])[0, 0] == -1
