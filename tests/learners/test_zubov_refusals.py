"""What Zubov learning cannot do is said in one line."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from learners import ZubovLearning
from systems import expression as ex
from systems import zoo
from systems.build import system_from_text
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError

SMALL = ZubovLearning(neurons=20, iterations=5)


def plant(
    equations: Mapping[str, str], half_width: str = "1", **more: object
) -> ControlAffineSystem:
    names = list(equations)
    return system_from_text(
        "bad", names, [], equations, domain=[(f"-{half_width}", half_width)] * len(names),
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("system", "message"),
    [
        (plant({"x": "x/2"}, time="discrete"), "continuous time only"),
        (plant({"x": "x", "y": "-y"}), r"unstable \(eigenvalue 1\)"),
        (plant({"x": "y", "y": "-x"}), r"not exponentially stable \(rightmost eigenvalue 0\+1j\)"),
        (plant({"x": "-x**3"}), "not exponentially stable"),
    ],
)
def test_an_unfit_system_is_refused_before_training(
    system: ControlAffineSystem, message: str
) -> None:
    for attempt in (SMALL.check_for, SMALL.fit):
        with pytest.raises(InputError, match=message) as caught:
            attempt(system)
        assert "\n" not in str(caught.value)


def test_equations_undefined_in_the_domain_are_refused() -> None:
    with pytest.raises(InputError, match="choose a domain on which the equations are defined"):
        SMALL.fit(plant({"x": "-log(1 + x)"}, "2"))


def test_an_unstable_policy_is_refused_with_its_eigenvalue() -> None:
    system = zoo.system("pendulum")
    learner = ZubovLearning(neurons=20, initial_gain=np.zeros((1, 2)))
    for attempt in (learner.check_for, learner.fit):
        with pytest.raises(InputError, match=r"unstable .*eigenvalue"):
            attempt(system)
    with pytest.raises(InputError, match="shape"):
        ZubovLearning(initial_gain=np.zeros((2, 2))).check_for(system)


def test_blow_up_within_the_domain_is_only_a_smaller_region() -> None:
    """ẋ = −x + 10⁶x⁵ escapes in finite time from beyond |x| = 10^−1.5."""
    candidate = SMALL.fit(plant({"x": "-x + 1000000*x**5"}, "2"))
    found = candidate.provenance["region_half_widths"]
    assert isinstance(found, list)
    assert found[0] == pytest.approx(10**-1.5, rel=1e-3)


def test_a_region_that_cannot_be_seen_is_refused() -> None:
    """Converging only within 10⁻¹⁰ of x*, in a domain of width 2."""
    with pytest.raises(InputError, match="no trajectory from the domain was seen to converge"):
        SMALL.fit(plant({"x": "-x + 100000000000000000000*x**3"}))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"neurons": 0}, "neurons must be at least 1"),
        ({"layers": 2}, "one hidden layer"),
        ({"activation": "relu"}, "activation must be one of tanh, sigmoid, softplus, sin"),
        ({"regularization": 0.0}, "regularization must be in"),
        ({"iterations": 0}, "iterations must be at least 1"),
    ],
)
def test_bad_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ZubovLearning(**settings)  # type: ignore[arg-type]


def test_a_gain_and_a_policy_are_one_too_many() -> None:
    policy = ex.variable("x", 1)
    with pytest.raises(InputError, match="not both"):
        ZubovLearning(initial_gain=np.zeros((1, 1)), initial_policy=policy)


@pytest.mark.parametrize(
    ("points", "weights", "message"),
    [
        (None, np.ones(1), "without extra_points"),
        (np.ones((2, 3)), None, r"shape \(M, 1\)"),
        (np.array([[np.nan]]), None, "finite"),
        (np.ones((2, 1)), np.ones(3), r"shape \(2,\)"),
        (np.ones((1, 1)), np.array([-1.0]), "not negative"),
    ],
)
def test_bad_extra_points(
    points: np.ndarray | None, weights: np.ndarray | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        SMALL.fit(plant({"x": "-x"}), extra_points=points, extra_weights=weights)


def test_too_many_neurons_are_refused_before_any_memory_is_taken() -> None:
    learner = ZubovLearning(neurons=30_000)
    for attempt in (learner.check_for, learner.fit):
        with pytest.raises(InputError, match=r"too many .*use fewer neurons"):
            attempt(plant({"x": "-x", "y": "-y + x**2"}))


def test_the_units_of_the_states_do_not_matter() -> None:
    """In other units the cost to go near x* is the same, and so is what is learned."""
    from learners.numeric import Plant
    from learners.zubov_field import first_field

    plain = plant({"x": "y", "y": "-x - y"})
    other = system_from_text(
        "units", ["x", "y"], [], {"x": "y/1e6", "y": "-1e6*x - y"},
        domain=[("-1/1000", "1/1000"), ("-1000", "1000")],
    )  # fmt: skip
    found, there = (first_field(Plant(system), None, None) for system in (plain, other))
    P, h = there.matrix, there.scale
    assert np.abs(P * np.outer(h, h) - found.matrix).max() < 1e-12
    learned, again = (SMALL.fit(system).provenance for system in (plain, other))
    for figure in ("alpha", "speed", "region_share"):
        assert again[figure] == pytest.approx(learned[figure], rel=1e-3)
