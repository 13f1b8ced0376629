"""Tasks as data: the default one, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from systems import zoo
from systems.box import Box
from systems.build import system_from_text
from systems.dynamics import ControlAffineSystem
from systems.errors import InputError
from systems.evaluate import function
from systems.sampled import Sampling, sampled
from systems.task import Noise, PhysicalLimit, References, Subsystem, Task, default_task


def off_centre() -> ControlAffineSystem:
    return system_from_text(
        "tank",
        {"h": "m"},
        {"q": "m^3/h"},
        {"h": "q - h"},
        domain=[[1, 7]],
        equilibrium={"h": 3, "q": 3},
        input_limits={"q": [0, 10]},
    )


def pendulum_task(**options: object) -> Task:
    given = {"sample_time": "0.02", "action_range": ([-3], [3]), **options}
    return default_task(zoo.pendulum(), **given)  # type: ignore[arg-type]


def test_the_default_task_is_centred_on_the_equilibrium() -> None:
    task = default_task(off_centre(), sample_time="0.1", share="1/2")
    assert task.starts == Box.of([[2, 5]])
    assert task.centre == (3.0,) and task.scale == (4.0,)
    assert task.action_low == (0.0,) and task.action_high == (10.0,)
    assert task.sampling == Sampling(Fraction(1, 10))
    assert [p.name for p in task.physical] == ["|h - 3| <= 40"]
    margin = function(task.physical[0].margin, task.system.state)
    assert margin(np.array([[3.0], [43.0], [-38.0]]))[0][:, 0].tolist() == [40.0, 0.0, -1.0]


def test_a_discrete_system_needs_no_period() -> None:
    assert default_task(zoo.pendulum_discrete(), action_range=([-1], [1])).sampling is None
    step = sampled(zoo.pendulum(), Sampling(Fraction(1, 50)))
    assert default_task(step, action_range=([-1], [1])).sampling is None


def test_a_range_of_actions_stays_within_the_limits() -> None:
    task = default_task(off_centre(), sample_time=1, action_range=([-5], [4]))
    assert (task.action_low, task.action_high) == ((0.0,), (4.0,))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sample_time": None}, "pendulum is continuous: give a sampling period"),
        ({"sample_time": "0"}, "must be positive"),
        ({"sample_time": float("nan")}, "the sampling period: nan is not a finite number"),
        ({"sampling": Sampling(Fraction(1))}, "not both"),
        ({"action_range": None}, "the inputs have no limits"),
        ({"action_range": ([1], [1])}, "the range of the input u is empty"),
        ({"action_range": ([1, 2], [3, 4])}, "needs 1 lower and upper ends"),
        ({"action_range": (["-inf"], [1])}, "an end of the range of actions"),
        ({"share": 0}, r"a share of the domain in \(0, 1\]"),
        ({"share": 2}, r"a share of the domain in \(0, 1\]"),
        ({"episode_steps": 0}, "at least one step"),
    ],
)
def test_what_makes_no_task_is_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        pendulum_task(**options)


def test_without_inputs_there_is_nothing_to_be_learned() -> None:
    with pytest.raises(InputError, match="has no inputs: there is nothing to be learned"):
        default_task(zoo.van_der_pol_uncertain(), sample_time="0.1")
    with pytest.raises(InputError, match="is discrete already"):
        default_task(zoo.pendulum_discrete(), sample_time="0.1", action_range=([-1], [1]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"centre": (0.0,)}, "centre needs 2 numbers, not 1"),
        ({"scale": (1.0, float("nan"))}, "scale must be finite"),
        ({"scale": (1.0, 0.0)}, "scale of every state must be positive"),
        ({"action_high": (float("inf"),)}, "action_high must be finite"),
        ({"starts": Box.symmetric([1])}, "starts need 2 intervals"),
        ({"sampling": None}, "has no sampling"),
        ({"references": References(np.zeros((1, 3)), np.zeros((1, 1)))}, "references of shapes"),
        ({"references": References(np.zeros((0, 2)), np.zeros((0, 1)))}, "K of at least 1"),
        ({"references": References(np.full((1, 2), np.nan), np.zeros((1, 1)))}, "must be finite"),
        ({"noise": Noise((1.0,), (1.0,))}, "noise's sigma needs 2 numbers"),
        ({"noise": Noise((1.0, 1.0), (1.0, -1.0))}, "noise's bound must be finite"),
        ({"partition": (Subsystem("half", (0,), (0,)),)}, "each of the 2 states in one"),
        ({"partition": (Subsystem("a", (0, 1), ()),)}, "each of the 1 inputs in one"),
        ({"physical": (PhysicalLimit("both", zoo.pendulum().state),)}, "is one number"),
    ],
)
def test_a_task_whose_parts_do_not_fit_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        replace(pendulum_task(), **change)  # type: ignore[arg-type]
