"""The baselines on the reactor-separator and on systems where the best input is known."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from learners.baselines import (
    Controller,
    LoopPair,
    OpenLoop,
    PredictiveController,
    ProportionalIntegral,
    TrackingLqr,
    TrainedPolicy,
)
from learners.baselines.casadi_program import casadi_outputs
from learners.environments.episodes import Episodes
from learners.lqr import Linearisation, solve_riccati
from systems import expression as ex
from systems import zoo
from systems.differentiate import jacobian
from systems.errors import InputError
from systems.evaluate import evaluate, function
from systems.expression import Op
from systems.sampled import sampled
from systems.tape import compile_tape
from systems.task import Task, default_task
from systems.zoo.reactor_task import reactor_task, references
from tests.systems.graphs import kinked, random_graph, used

Array = NDArray[np.float64]

PAIRS = [LoopPair(3 * i + 2, i) for i in range(3)]
TOLERANCE = np.array([0.01, 0.01, 1.0] * 3)


@pytest.fixture(scope="module")
def reactor() -> Task:
    return replace(reactor_task(zoo.reactor_separator()), noise=None)


@pytest.fixture(scope="module")
def integrator() -> Task:
    return default_task(zoo.double_integrator(), sample_time="0.1")


def settled(task: Task, controller: Controller, reference: int, steps: int) -> Array:
    """Whether 40 starts are within 1 K and 0.01 of a reference after some periods."""
    episodes = Episodes(task, 40, seed=1)
    known = references()
    episodes.follow(*(np.tile(v[reference], (40, 1)) for v in (known.states, known.inputs)))
    controller.reset(40)
    for _ in range(steps):
        inputs = controller.act(episodes.states, episodes.references, episodes.reference_inputs)
        episodes.step(inputs)
    return (np.abs(episodes.states - episodes.references) < TOLERANCE).all(axis=1)


@pytest.mark.parametrize("reference", [0, 1, 2])
def test_loops_and_lqr_settle_from_all_starts_within_an_hour(reactor: Task, reference: int) -> None:
    for controller in (ProportionalIntegral(reactor, PAIRS), TrackingLqr(reactor)):
        assert settled(reactor, controller, reference, 200).all(), controller.name


def test_open_loop_leaves_the_first_reference_to_itself(reactor: Task) -> None:
    assert settled(reactor, OpenLoop(), 0, 500).mean() < 0.3
    assert settled(reactor, OpenLoop(), 2, 500).all()


def test_a_policy_is_asked_with_what_it_was_trained_on() -> None:
    seen: list[Array] = []

    def act(x: Array, r: Array, u: Array) -> Array:
        seen.extend([x, r, u])
        return u + 1

    x, r, u = np.zeros((2, 9)), np.ones((2, 9)), np.full((2, 3), 2.0)
    controller = TrainedPolicy("DLAC", act)
    controller.reset(2)
    assert (controller.act(x, r, u) == 3).all()
    assert [a is b for a, b in zip(seen, (x, r, u), strict=True)] == [True] * 3


def test_the_integral_stands_still_at_a_limit_and_removes_an_offset(reactor: Task) -> None:
    loops = ProportionalIntegral(reactor, PAIRS)
    known = references()
    r, u = known.states[:1], known.inputs[:1]
    cold = r - 100 * (np.arange(9) % 3 == 2)
    for _ in range(50):
        assert (loops.act(cold, r, u) >= reactor.action_high).all()
    there = loops.act(r, r, u)
    np.testing.assert_allclose(there, u)
    warm = r + 0.01 * (np.arange(9) % 3 == 2)
    first = loops.act(warm, r, u)
    later = [loops.act(warm, r, u) for _ in range(5)][-1]
    assert (first < u).all() and (later < first).all()


def test_loops_refuse_what_they_cannot_control(reactor: Task) -> None:
    with pytest.raises(InputError, match="does not move its state"):
        ProportionalIntegral(reactor, [LoopPair(0, 0)])
    discrete = default_task(zoo.pendulum_discrete(), action_range=([-1], [1]))
    with pytest.raises(InputError, match="no sampling period"):
        ProportionalIntegral(discrete, [LoopPair(1, 0)])


def test_the_lqr_of_every_row_is_its_own_references(reactor: Task) -> None:
    """Against the Riccati solution of a linearisation by finite differences."""
    known = references()
    lqr = TrackingLqr(reactor)
    rows = [0, 2, 0, 700]
    r, held = known.states[rows], known.inputs[rows]
    generator = np.random.default_rng(0)
    x = r + generator.normal(size=(4, 9)) * reactor.scale / 10
    found = lqr.act(x, r, held)
    plant = sampled(reactor.system, reactor.sampling) if reactor.sampling else reactor.system
    u = ex.variable("u", 3)
    step = function(plant.vector_field(u), plant.state, u)
    widths = np.append(np.array(reactor.scale), np.array(reactor.action_high)) * 1e-5
    for i, row in enumerate(rows):
        point = np.append(known.states[row], known.inputs[row])
        change = step(point + np.diag(widths))[0] - step(point - np.diag(widths))[0]
        slopes = change / (2 * widths[:, None])
        half = (np.array(reactor.action_high) - reactor.action_low) / 2
        cost = np.diag(1 / np.array(reactor.scale) ** 2), 0.01 * np.diag(1 / half**2)
        K, _ = solve_riccati(Linearisation(slopes[:9].T, slopes[9:].T, *cost, "discrete"), "")
        np.testing.assert_allclose(found[i], held[i] - K @ (x[i] - r[i]), rtol=1e-6)


@pytest.mark.parametrize("horizon", [1, 7])
def test_prediction_with_the_cost_to_go_is_lqr_where_the_plant_is_linear(
    integrator: Task, horizon: int
) -> None:
    pytest.importorskip("casadi", reason="predictive control needs casadi")
    predictive = PredictiveController(integrator, horizon=horizon)
    x = np.array([[0.3, -0.1], [-0.5, 0.4], [0.02, 0.01]])
    zero, held = np.zeros((3, 2)), np.zeros((3, 1))
    predictive.reset(3)
    expected = TrackingLqr(integrator).act(x, zero, held)
    assert np.abs(expected).max() < 1.0
    for _ in range(2):  # cold, and from the last solution; IPOPT stops at 1e-6 in the cost
        np.testing.assert_allclose(predictive.act(x, zero, held), expected, atol=1e-4)
    assert predictive.failures == 0


def test_prediction_keeps_to_the_limits_and_beats_lqr_on_the_reactor(reactor: Task) -> None:
    pytest.importorskip("casadi", reason="predictive control needs casadi")
    known = references()
    costs = []
    for controller in (TrackingLqr(reactor), PredictiveController(reactor, horizon=10)):
        episodes = Episodes(reactor, 1, seed=3)
        episodes.follow(known.states[1:2], known.inputs[1:2])
        controller.reset(1)
        cost = 0.0
        for _ in range(60):
            inputs = controller.act(episodes.states, episodes.references, episodes.reference_inputs)
            if isinstance(controller, PredictiveController):
                assert (inputs >= reactor.action_low).all()
                assert (inputs <= reactor.action_high).all()
            episodes.step(inputs)
            error = (episodes.states - episodes.references) / reactor.scale
            cost += float((error**2).sum())
        costs.append(cost)
    assert costs[1] < costs[0]


def test_casadi_computes_what_tapes_do() -> None:
    pytest.importorskip("casadi", reason="predictive control needs casadi")
    import casadi

    x, y = ex.variable("x", 2), ex.variable("y", 1)
    seen: set[Op] = set()
    for seed in range(15):
        generator = np.random.default_rng(seed)
        root = random_graph(generator, [x, y]) + kinked(x) * ex.pi() / ex.constant("1/3")
        root = ex.stack([root, ex.tan(x), ex.apply(Op.STEP, x), ex.sigmoid(9 * x), x])
        tape = compile_tape([root, y], [x, y])
        a, b = casadi.SX.sym("a", 2), casadi.SX.sym("b", 1)
        compiled = casadi.Function("f", [a, b], casadi_outputs(tape, [a, b]))
        points = generator.normal(size=(10, 3))
        found = [compiled(p[:2], p[2:]) for p in points]
        for k, expected in enumerate(evaluate(tape, points)):
            values = np.array([np.asarray(f[k]).ravel() for f in found])
            np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-12)
        seen |= used(root)
    assert seen == set(Op)


def test_the_plant_casadi_sees_has_the_same_slopes(reactor: Task) -> None:
    pytest.importorskip("casadi", reason="predictive control needs casadi")
    import casadi

    system = reactor.system
    tape = compile_tape([system.drift], [system.state])
    z = casadi.SX.sym("z", 9)
    (drift,) = casadi_outputs(tape, [z])
    slopes = casadi.Function("slopes", [z], [casadi.jacobian(drift, z)])
    ours = function(list(jacobian(system.drift, system.state)), system.state)
    for point in references().states[:3]:
        expected = np.vstack([row for row in ours(point[None])])
        np.testing.assert_allclose(np.asarray(slopes(point)), expected, rtol=1e-10, atol=1e-10)


def test_without_casadi_the_command_that_installs_it_is_told(
    integrator: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "casadi", None)
    with pytest.raises(InputError, match=r'pip install "stableproof\[nmpc\]"'):
        PredictiveController(integrator, horizon=5)
