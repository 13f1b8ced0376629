"""The reactor-separator against what its paper prints, and its references made anew."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import reactor_references
from systems import expression as ex
from systems import zoo
from systems.differentiate import jacobian
from systems.errors import InputError
from systems.evaluate import function
from systems.linearize import linearize
from systems.sampled import Method, Sampling
from systems.zoo import reactor_task
from systems.zoo.reactor_separator import INPUT_HIGH, INPUT_LOW, SET_POINTS, STATES

Array = NDArray[np.float64]

TABLE_1 = np.array(
    [
        [0.1763, 0.6731, 480.3165, 0.1965, 0.6536, 472.7863, 0.0651, 0.6703, 474.8877],
        [0.3628, 0.5961, 451.6020, 0.3768, 0.5817, 442.6132, 0.1623, 0.7490, 445.0317],
        [0.2063, 0.6748, 474.5915, 0.2273, 0.6546, 464.9403, 0.0794, 0.7035, 470.7400],
        [0.0496, 0.4003, 533.1381, 0.0686, 0.3943, 525.2897, 0.0155, 0.2858, 531.8112],
    ]
)
"""s0, sref1, sref2, sref3."""
MASS, HEAT = [0, 1, 3, 4, 6, 7], [2, 5, 8]
HEAT_CAPACITIES = 4200 * np.array([1.0, 0.5, 1.0])

PLANT = zoo.reactor_separator()
U = ex.variable("u", 3)
_RATES = function(PLANT.vector_field(U), PLANT.state, U)
_SLOPES = function(jacobian(PLANT.drift, PLANT.state), PLANT.state)


def rates(x: Array, u: Array) -> Array:
    return _RATES(np.hstack([np.atleast_2d(x), np.atleast_2d(u)]))[0]


def set_point(k: int) -> tuple[Array, Array]:
    point = SET_POINTS[k]
    return np.array([float(v) for v in point.states]), np.array([float(v) for v in point.inputs])


def follow(x: Array, u: Array, hours: float, method: Method = "rk4", substeps: int = 1) -> Array:
    """States (N, 9) after some hours under constant inputs (3,)."""
    field = Sampling(Fraction(1, 200), method, substeps).next_state(
        PLANT.vector_field(U), PLANT.state
    )
    step, held = function(field, PLANT.state, U), np.tile(u, (len(x), 1))
    for _ in range(round(200 * hours)):
        x = step(np.hstack([x, held]))[0]
    return x


def test_the_printed_states_balance_every_mass_within_their_rounding() -> None:
    residuals = rates(TABLE_1, np.zeros((4, 3)))[:, MASS]
    slopes = np.stack(_SLOPES(TABLE_1), axis=1)[:, MASS]
    rounding = 5e-5 * np.abs(slopes).sum(axis=2)
    assert residuals.size == 24
    assert np.abs(residuals).max() == pytest.approx(0.0146, abs=1e-4)
    assert (np.abs(residuals) / rounding).max() == pytest.approx(0.78, abs=0.01)


def test_the_energy_balances_give_the_inputs_of_the_initial_state() -> None:
    heat = -rates(TABLE_1, np.zeros((4, 3)))[:, HEAT] * HEAT_CAPACITIES
    np.testing.assert_allclose(heat[0], [2.89977e6, 0.99993e6, 2.89992e6], atol=6)
    expected = [[2.9911, 0.2961, 3.1282], [2.5214, 0.4323, 3.8336], [2.3310, 1.5082, 4.7007]]
    np.testing.assert_allclose(heat[1:] / 1e6, expected, atol=6e-5)


def test_set_points_round_to_the_printed_digits() -> None:
    for k in range(4):
        x, u = set_point(k)
        np.testing.assert_allclose(x, TABLE_1[k], atol=5.001e-5)
        assert (np.array(INPUT_LOW, float) < u).all() and (u < np.array(INPUT_HIGH, float)).all()
    assert SET_POINTS[0].inputs == (2_900_000, 1_000_000, 2_900_000)
    np.testing.assert_allclose(
        [set_point(k)[1] / 1e6 for k in (1, 2, 3)],
        [[2.9911, 0.2961, 3.1282], [2.5214, 0.4323, 3.8336], [2.3310, 1.5082, 4.7007]],
        rtol=7e-4,  # the printed fractions are rounded, and so were these
    )


def test_set_points_are_steady_to_twelve_digits() -> None:
    """The exact steady state under the same inputs, by Newton's method in 256 bits."""
    from flint import arb, arb_mat

    from systems.constants import enclose_constant

    slopes = ex.stack([entry for row in jacobian(PLANT.drift, PLANT.state) for entry in row])
    for k in range(4):
        x = list(SET_POINTS[k].states)
        field = PLANT.vector_field(ex.constant(list(SET_POINTS[k].inputs)))
        for _ in range(2):
            there = {PLANT.state: ex.constant(x)}
            matrix = arb_mat(9, 9, enclose_constant(ex.substitute(slopes, there)))
            rate = arb_mat(9, 1, enclose_constant(ex.substitute(field, there)))
            change = matrix.solve(rate)
            x = [v - Fraction(float(change[i, 0].mid())) for i, v in enumerate(x)]
        assert all(abs(arb(float(change[i, 0].mid()))) < 1e-20 for i in range(9))
        assert all(abs(v / s - 1) < 2e-12 for v, s in zip(x, SET_POINTS[k].states, strict=True))


def test_the_published_inputs_are_not_steady() -> None:
    moved = rates(TABLE_1[1:], np.array(reactor_task.PUBLISHED_INPUTS))[:, HEAT]
    expected = [[236, 389, -493], [-109, 234, -3], [357, -522, -156]]
    np.testing.assert_allclose(moved, expected, atol=0.6)


@pytest.mark.parametrize(("k", "slowest"), [(0, -3.27), (1, -0.82), (2, -3.30), (3, -4.68)])
def test_open_loop_eigenvalues(k: int, slowest: float) -> None:
    A, _ = linearize(zoo.reactor_separator(k))
    assert np.linalg.eigvals(A).real.max() == pytest.approx(slowest, abs=6e-3)


def test_the_reaction_goes_out_under_the_inputs_of_the_first_reference() -> None:
    """From the colder starts the plant comes to rest in a second state, which is stable too."""
    s0, _ = set_point(0)
    factors = np.array([0.8, 0.85, 0.9, 0.95, 1.0, 1.1, 1.2])
    x = follow(factors[:, None] * s0, set_point(1)[1], 8)
    assert ((x[:3, 2] > 397) & (x[:3, 2] < 401)).all()
    np.testing.assert_allclose(x[3:], np.tile(TABLE_1[1], (4, 1)), atol=0.05)
    out = follow(x[:1], set_point(1)[1], 15)
    assert np.abs(rates(out, set_point(1)[1])).max() < 1e-3
    slopes = np.stack(_SLOPES(out), axis=1)[0]
    assert np.linalg.eigvals(slopes).real.max() < -0.5
    for k in (2, 3):
        reached = follow(factors[:, None] * s0, set_point(k)[1], 8)
        np.testing.assert_allclose(reached, np.tile(TABLE_1[k], (7, 1)), atol=0.05)


def test_eulers_method_errs_a_thousand_times_as_much() -> None:
    """Five substeps of a period from the hottest start under full heat, in the worst component."""
    hottest, full = 1.2 * TABLE_1[:1], np.array(INPUT_HIGH, float)
    exact = follow(hottest, full, 0.005, substeps=100)
    euler = np.abs(follow(hottest, full, 0.005, "euler", 5) - exact).max()
    rk4 = np.abs(follow(hottest, full, 0.005, "rk4", 5) - exact).max()
    assert euler == pytest.approx(0.482, abs=2e-3)
    assert rk4 == pytest.approx(5.6e-4, rel=0.02)


def test_the_references_are_steady_states_in_the_published_range() -> None:
    known = reactor_task.references()
    assert known.states.shape == (1375, 9) and known.inputs.shape == (1375, 3)
    np.testing.assert_allclose(known.states[:3], TABLE_1[1:], atol=5.001e-5)
    assert known.states[:, 0].min() == known.states[2, 0]
    assert known.states[:, 0].max() == known.states[0, 0]
    assert np.abs(rates(known.states, known.inputs)).max() < 1e-5
    assert (known.inputs > np.array(INPUT_LOW, float)).all()
    assert (known.inputs < np.array(INPUT_HIGH, float)).all()
    np.testing.assert_allclose(known.states[:, HEAT].std(axis=0), 20, atol=2.1)
    with pytest.raises(ValueError, match="read-only"):
        known.states[0, 0] = 0.0


def test_the_references_come_out_anew() -> None:
    """The first of the draws, from the seed on."""
    known = reactor_task.references()
    inputs = reactor_references.draw(np.random.default_rng(reactor_references.SEED))[:40]
    states, settled = reactor_references.steady_states(inputs)
    low, high = known.states[:, 0].min(), known.states[:, 0].max()
    kept = settled & (states[:, 0] >= low) & (states[:, 0] <= high)
    count = int(kept.sum())
    assert count > 5
    np.testing.assert_array_equal(known.inputs[3 : 3 + count], inputs[kept])
    np.testing.assert_allclose(known.states[3 : 3 + count], states[kept], rtol=1e-8, atol=1e-9)


def test_the_task_fits_the_plant() -> None:
    task_of = zoo.entry("reactor-separator").task
    assert task_of is not None
    task = task_of(PLANT)
    covered = [i for part in task.partition for i in part.states]
    assert covered == list(range(9)) and [p.inputs for p in task.partition] == [(0,), (1,), (2,)]
    assert task.sampling == reactor_task.SAMPLING and task.episode_steps == 500
    s0, _ = set_point(0)
    margins = function([limit.margin for limit in task.physical], PLANT.state)
    assert all((m > 0).all() for m in margins(np.vstack([TABLE_1, s0])))
    beyond = np.vstack([1.2 * s0, np.where(np.arange(9) == 3, -0.01, s0), s0 - 250, s0 + 600])
    names = [limit.name for limit in task.physical]
    values = np.hstack(margins(beyond))
    broken = [{n for n, v in zip(names, row, strict=True) if v < 0} for row in values]
    assert broken[0] == {"xA1 + xB1 <= 1", "xA2 + xB2 <= 1"}
    assert broken[1] == {"xA2 >= 0"}
    assert {"T1 >= 273.15 K", "T2 >= 273.15 K"} <= broken[2] and "T3 <= 1000 K" in broken[3]
    scaled = (task.references.states - task.centre) / task.scale if task.references else None
    assert scaled is not None and np.abs(scaled.mean(axis=0)[HEAT]).max() < 1e-9
    assert np.abs(scaled[:, MASS]).max() <= 1.0


def test_no_other_set_points_are_known() -> None:
    with pytest.raises(InputError, match="has the set points 0 to 3, not 4"):
        zoo.reactor_separator(4)
    assert len(STATES) == 9
