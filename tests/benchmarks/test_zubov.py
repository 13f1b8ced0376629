"""The true region of the reversed Van der Pol oscillator, and what is said of it."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from benchmarks.zubov import NEURONS, one, region_area, reversed_van_der_pol
from certify import Proved, Requested, prove_stability
from learners import ZubovLearning


@cache
def limit_cycle(mu: float) -> np.ndarray:
    """Points (N, 2) along it, by an implicit method in Liénard's coordinates y = x³/3 − x − v/μ."""

    def rate(_: float, z: np.ndarray) -> list[float]:
        x, y = z
        v = mu * (x - x**3 / 3 - y)
        return [v, x / mu]

    # Any two periods' worth of time hold the whole cycle; angles then order its points.
    start = solve_ivp(rate, (0, 20 + 20 / mu), [2.0, 0.0], method="Radau", rtol=1e-7, atol=1e-9)
    times = np.linspace(0, 20, 60_001)
    found = solve_ivp(
        rate, (0, 20), start.y[:, -1], method="Radau", rtol=1e-7, atol=1e-9, t_eval=times
    )
    x, y = found.y
    points = np.column_stack([x, mu * (x - x**3 / 3 - y)])
    return points[np.argsort(np.arctan2(points[:, 1], points[:, 0]))]


@pytest.mark.parametrize("mu", sorted(NEURONS))
def test_the_regions_area_by_a_second_method(mu: str) -> None:
    """Another integrator, other coordinates, a polygon's area instead of an integral."""
    x, v = limit_cycle(float(mu)).T
    polygon = 0.5 * abs(np.sum(x * np.roll(v, -1) - v * np.roll(x, -1)))
    assert region_area(float(mu)) == pytest.approx(polygon, rel=1e-4)


@pytest.mark.parametrize("mu", sorted(NEURONS))
def test_the_domain_holds_the_whole_region(mu: str) -> None:
    """With room to spare, so that nothing is cut off."""
    reach = np.abs(limit_cycle(float(mu))).max(axis=0)
    _, high = reversed_van_der_pol(mu).domain.outer()
    assert (reach < 0.97 * high).all()


def test_a_run_proves_more_than_the_published_percent() -> None:
    area = region_area(1.0)
    run = one(reversed_van_der_pol("1"), 60, 0, area)
    assert run.verdict == "proved"
    assert 98.0 < run.percent < 100.0
    assert run.paving is not None
    assert run.paving.volume <= run.paving.at_most < area


def test_a_level_beyond_the_region_is_not_proved() -> None:
    """W is 1 on the limit cycle: above that nothing can be shown, whoever asks."""
    system = reversed_van_der_pol("1")
    candidate = ZubovLearning(neurons=60).fit(system)
    for level in ("1.01", "1.05"):
        result = prove_stability(system, candidate, Requested(c2=Fraction(level)))
        assert not isinstance(result.verdict, Proved)
