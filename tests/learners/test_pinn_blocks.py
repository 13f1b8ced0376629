"""States that nothing couples are trained block by block, and V is the sum."""

from __future__ import annotations

import numpy as np
import pytest

from learners import PinnPolicyIteration, pinn_blocks
from learners.elm_structure import detect_structure
from learners.lqr import lqr_candidate
from learners.numeric import Plant
from learners.pinn_draw import draw_structured
from learners.pinn_training import PinnTraining
from systems import zoo
from systems.build import system_from_text
from systems.dynamics import ControlAffineSystem
from systems.evaluate import function


def two_blocks() -> ControlAffineSystem:
    """A pendulum and, beside it, a state of its own; the equilibrium is not the origin."""
    return system_from_text(
        "two blocks",
        ["a", "b", "c"],
        ["u", "v"],
        {"a": "b", "b": "sin(a) - b + u", "c": "(c - 1)**3 + v"},
        domain=[[-1, 1], [-1, 1], ["0.5", "1.5"]],
        Q=[1, 1, 2],
        equilibrium={"c": 1},
    )


@pytest.mark.parametrize("depth", [1, 2])
def test_parts_of_a_network_are_put_back_where_they_were(depth: int) -> None:
    plant = Plant(two_blocks())
    structure = detect_structure(plant, lambda x: np.zeros((len(x), 2)))
    network, theta = draw_structured(40, depth, structure, "tanh", 3)
    assert sorted(structure.blocks) == [(0, 1), (2,)]
    z = np.random.default_rng(0).uniform(-1, 1, (50, 3))
    total = np.zeros(50)
    for block in structure.blocks:
        rows = pinn_blocks._looking_at(network, block)
        part, weights = network.part(rows), network.part_of(theta, rows)
        total += part.values(weights, z)
        assert np.array_equal(network.with_part(theta, rows, weights), theta)
        other = network.with_part(theta, rows, 2.0 * weights)
        assert np.array_equal(network.part_of(other, rows), 2.0 * weights)
    assert np.allclose(total, network.values(theta, z), rtol=0, atol=1e-12)


def error(system: ControlAffineSystem, **settings: object) -> float:
    candidate = PinnPolicyIteration(**settings).fit(system)  # type: ignore[arg-type]
    assert candidate.provenance["warnings"] == []
    x = system.domain.sample(5000, np.random.default_rng(7))
    V = function(candidate.value, system.state)(x)[0][:, 0]
    return float(np.abs(V - (x**4 + x**2).sum(axis=1)).max())


def test_four_states_are_as_easy_as_four_times_one() -> None:
    assert error(zoo.synthetic(4), neurons=96) < 1e-4


def test_blocks_of_different_sizes_and_a_centre_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    system = two_blocks()
    candidate = PinnPolicyIteration(neurons=60).fit(system)
    assert candidate.provenance["warnings"] == []
    assert sorted(candidate.provenance["blocks"]) == [[0, 1], [2]]  # type: ignore[type-var]
    assert candidate.provenance["hjb_residual_max"] < 1e-2  # type: ignore[operator]
    gains = function(lqr_candidate(system).control, system.state)  # type: ignore[arg-type]
    ours = function(candidate.control, system.state)  # type: ignore[arg-type]
    near = np.array([0.0, 0.0, 1.0]) + 1e-4 * np.eye(3)
    assert np.allclose(ours(near)[0], gains(near)[0], rtol=0, atol=1e-6)

    monkeypatch.setattr("learners.pinn_pi.trained_by_blocks", lambda *_: None)
    together = PinnPolicyIteration(neurons=60).fit(system)
    x = system.domain.sample(500, np.random.default_rng(1))
    one, other = (function(c.value, system.state)(x)[0] for c in (candidate, together))
    assert np.abs(one - other).max() < 1e-2 * np.abs(one).max()


def test_extra_points_count_in_every_block() -> None:
    plant = Plant(two_blocks())
    structure = detect_structure(plant, lambda x: np.zeros((len(x), 2)))
    network, theta = draw_structured(40, 1, structure, "tanh", 0)
    points = np.array([[0.5, -0.5, 1.25]])
    training = PinnTraining(None, plant, None, network, theta, (points, np.ones(1)), None)  # type: ignore[arg-type]
    assert np.array_equal(pinn_blocks._in_block(training, (0, 1))[0], [[0.5, -0.5, 1.0]])
    assert np.array_equal(pinn_blocks._in_block(training, (2,))[0], [[0.0, 0.0, 1.25]])


def test_a_block_that_fails_leaves_all_to_be_trained_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    run = PinnTraining.run

    def failing(self: PinnTraining) -> object:
        asked.append(self.axes)
        return None if self.axes == (1,) else run(self)

    monkeypatch.setattr(PinnTraining, "run", failing)
    candidate = PinnPolicyIteration(neurons=40, steps=20, iterations=4).fit(zoo.synthetic(2))
    assert asked == [(0,), (1,), None]
    first = candidate.provenance["history"][0]  # type: ignore[index]
    assert first["iteration"] == 1 and first["unknowns"] == candidate.provenance["unknowns"]
