"""LAC: what it learns, the traps it must not fall into, and what it does with bad input."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from certify.equilibrium import Answer, prove_zero
from learners.actor_critic.running import one_thread
from learners.lac import LyapunovActorCritic
from systems import zoo
from systems.build import system_from_text
from systems.differentiate import gradient
from systems.errors import InputError
from systems.evaluate import function
from systems.exact import exact
from systems.limits import lies_within
from systems.tape import compile_tape
from systems.task import PhysicalLimit, Task
from tests.learners.actor_critic.tasks import first_order, first_order_task, two_tanks_task

torch = pytest.importorskip("torch", reason="LAC trains with torch")
lac = pytest.importorskip("learners.lac", reason="LAC trains with torch")
encoding = pytest.importorskip("learners.actor_critic.encoding", reason="LAC trains with torch")
judging = pytest.importorskip("learners.actor_critic.judge", reason="LAC trains with torch")

SMALL = LyapunovActorCritic(
    hidden=(8,), critic_hidden=(16,), environments=16, updates=96, batch=32, warm_up=10,
    capacity=2000, judged=4, updates_per_period=4, learning_rate=3e-3,
)  # fmt: skip


@pytest.fixture(autouse=True)
def on_one_thread() -> Iterator[None]:
    """What is called here without :meth:`train` is as small as what is called with it."""
    with one_thread():
        yield


def training(task: Task | None = None, **changes: Any) -> lac.Lac:
    from learners.actor_critic.record import Record

    return lac.Lac(dataclasses.replace(SMALL, **changes), task or first_order_task(), Record())


def batch_of(algorithm: lac.Lac, count: int = 64, ended: float = 0.0) -> encoding.Batch:
    g = torch.Generator().manual_seed(3)
    rows = {
        "error": torch.randn(count, 1, generator=g),
        "action": torch.rand(count, 1, generator=g) * 2 - 1,
        "cost": torch.rand(count, 1, generator=g) + 0.5,
        "next_error": torch.randn(count, 1, generator=g),
        "ended": torch.full((count, 1), ended),
    }
    batch: encoding.Batch = algorithm.encoder.unpack(rows)
    return batch


# What it learns.


def test_it_learns_to_stabilise() -> None:
    """An unstable plant: from every start to the origin, at nearly the least cost."""
    settings = dataclasses.replace(SMALL, updates=800, environments=32, batch=128)
    task = first_order_task()
    trained = settings.train(task)
    found = judging.judge(task, trained.policy, starts=64, seed=11, periods=60)
    assert found.success == 1.0

    class Optimal:
        """u = −K x with the gain of the discrete Riccati equation."""

        def act(self, states: Any, references: Any, reference_inputs: Any) -> Any:
            del references, reference_inputs
            a, b = math.exp(0.1), math.exp(0.1) - 1
            p = 1.0
            for _ in range(500):
                p = 1.0 + a * a * p / (1.0 + b * b * p)
            return np.clip(-(a * b * p / (1.0 + b * b * p)) * states, -2.0, 2.0)

    best = judging.judge(task, Optimal(), starts=64, seed=11, periods=60)
    assert best.success == 1.0
    assert found.mean_cost < 1.15 * best.mean_cost
    assert trained.figures["success"] == 1.0
    V = function(trained.value(task.system), task.system.state)(np.array([[0.2], [0.5], [1.0]]))[0]
    assert bool((np.diff(V[:, 0]) > 0).all()) and V[0, 0] > 0


def test_the_same_seed_gives_the_same_policy_and_another_does_not() -> None:
    one, same, other = (
        dataclasses.replace(SMALL, seed=seed).train(first_order_task()).policy.actors[0].mean
        for seed in (0, 0, 1)
    )
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_threads_and_global_generators_are_left_alone() -> None:
    torch.set_num_threads(2)
    state = torch.get_rng_state()
    SMALL.train(first_order_task())
    assert torch.get_num_threads() == 2
    assert torch.equal(torch.get_rng_state(), state)


def test_a_reference_set_is_tracked_with_its_steady_inputs() -> None:
    task = two_tanks_task()
    trained = dataclasses.replace(SMALL, updates=500, batch=128).train(task)
    found = judging.judge(task, trained.policy, starts=64, seed=3, periods=200)
    assert found.success == 1.0
    with pytest.raises(InputError, match="knows 3 references; say which"):
        trained.candidate(task.system)


# The traps.


def test_targets_bootstrap_through_a_time_limit_but_not_through_an_end() -> None:
    """One update on transitions that go on, and on the same that ended."""
    for ended in (0.0, 1.0):
        algorithm = training(learning_rate=1e-12, relative=None, discount=0.9)
        algorithm.cost_unit = 2.0
        batch = batch_of(algorithm, ended=ended)
        state = algorithm.generator.get_state()
        figures = algorithm.update(batch)
        algorithm.generator.set_state(state)
        with torch.no_grad():
            action, _ = algorithm.actor.sample(
                batch.then.error, None, batch.then.steady, algorithm.generator
            )
            later = algorithm.target.pessimistic(batch.then.error, action - batch.then.rest)
            now = algorithm.critic(batch.seen.error, batch.action - batch.seen.rest)
        cost = batch.cost / 2.0
        target = cost / (1 - 0.9) if ended else cost + 0.9 * later
        assert figures["critic_loss"] == pytest.approx(
            float((now - target).square().mean()), rel=1e-4
        )


def test_environments_call_a_time_limit_no_end() -> None:
    algorithm = training(first_order_task(episode_steps=2))
    for _ in range(9):
        algorithm.collect()
    assert algorithm.rollout.episodes > 30
    assert not algorithm.replay.column("ended").any()


def test_the_multiplier_exceeds_one_where_the_constraint_is_broken() -> None:
    """A plant without control: the constraint cannot hold, and its price must go on rising."""
    runaway = system_from_text(
        "runaway",
        ["x"],
        ["u"],
        {"x": "3*x + u/1000"},
        domain=[[-1, 1]],
        input_limits={"u": [-1, 1]},
    )
    task = first_order_task(system=runaway, action_low=(-1.0,), action_high=(1.0,))
    algorithm = training(task, multiplier_rate=0.05)
    algorithm.begin()
    for _ in range(60):
        algorithm.period(4)
    assert algorithm.lagrange.value > 10.0
    assert algorithm.lagrange.at_bound == 0


def test_the_constraint_is_that_of_the_paper() -> None:
    """E[L(s', f(s', ε)) − L(s, a) + α₃c], the larger of the two critics everywhere."""
    algorithm = training(relative=None, alpha3=0.25)
    batch = batch_of(algorithm)
    state = algorithm.generator.get_state()
    with torch.no_grad():
        action, log_density = algorithm.actor.sample(
            batch.then.error, None, batch.then.steady, algorithm.generator
        )
        later = algorithm.critic(batch.then.error, action - batch.then.rest).amax(0)
        now = algorithm.critic(batch.seen.error, batch.action - batch.seen.rest).amax(0)
    algorithm.generator.set_state(state)
    figures = algorithm.update(batch)
    wanted = float((later - now + 0.25 * batch.cost).mean())
    assert figures["constraint"] == pytest.approx(wanted, rel=1e-4)
    assert figures["entropy"] == pytest.approx(-float(log_density.mean()), rel=1e-5)


def test_the_actors_gradient_is_of_the_weights_that_its_loss_was_computed_with() -> None:
    """Whatever the critic's step is, which comes in the same update."""
    algorithms = [training(learning_rate=rate) for rate in (1e-12, 0.3)]
    for algorithm in algorithms:
        algorithm.update(batch_of(algorithm))
    small, large = ([p.grad for p in a.actor_weights] for a in algorithms)
    assert all(torch.equal(p, q) for p, q in zip(small, large, strict=True))
    assert any(bool(p.any()) for p in small)


def test_leaving_the_physical_meaning_is_not_learnt_as_a_way_out() -> None:
    """Staying costs something for ever; an end that cost nothing would be the cheaper way."""
    task = first_order_task()
    limit = PhysicalLimit("|x| <= 1.2", exact("1.44") - task.system.state[0] ** 2)
    task = dataclasses.replace(task, physical=(limit,))
    trained = dataclasses.replace(SMALL, updates=500, batch=128).train(task)
    assert trained.figures["success"] == 1.0


# Checkpoints and counterexamples.


def test_a_resumed_training_ends_in_the_same_policy_bit_for_bit(tmp_path: Path) -> None:
    path, task = tmp_path / "kept.npz", first_order_task()

    class StoppedError(Exception):
        pass

    def stop(figures: Mapping[str, object]) -> None:
        if "value" in figures and figures["step"] == 48:
            raise StoppedError

    whole = SMALL.train(task)
    interrupted = dataclasses.replace(SMALL)
    with pytest.raises(StoppedError):
        interrupted.train(task, progress=stop, checkpoint=path)
    assert path.is_file()  # of the judgement before
    resumed = dataclasses.replace(SMALL).train(task, resume=path)
    [ours], [theirs] = whole.policy.actors, resumed.policy.actors
    for name in ("mean", "gain", "offset"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name))
    for layer, other in zip(ours.layers, theirs.layers, strict=True):
        assert all(np.array_equal(p, q) for p, q in zip(layer, other, strict=True))
    for p, q in zip(whole.critic.parameters(), resumed.critic.parameters(), strict=True):
        assert torch.equal(p, q)
    assert [{**row} for row in whole.figures["history"]] == resumed.figures["history"]


def test_a_checkpoint_of_another_system_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kept.npz"
    dataclasses.replace(SMALL).train(first_order_task(), checkpoint=path)
    with pytest.raises(InputError, match="of the system first-order, not of two-tanks"):
        dataclasses.replace(SMALL).train(two_tanks_task(), resume=path)


def test_counterexamples_are_trained_on_from_where_the_training_stopped() -> None:
    task, points = first_order_task(), np.array([[0.9], [-0.8]])
    extra = points, np.ones(2)
    settings = dataclasses.replace(SMALL)
    first = settings.train(task)
    again = settings.train(task, extra=extra)
    assert again.figures["updates"] == SMALL.updates + math.ceil(SMALL.further * SMALL.updates)
    assert not np.array_equal(first.policy.actors[0].mean, again.policy.actors[0].mean)
    anew = dataclasses.replace(SMALL).train(task, extra=extra)  # without what was kept
    assert np.array_equal(anew.policy.actors[0].mean, again.policy.actors[0].mean)
    history: Any = again.figures["history"]
    assert history[-1]["step"] == again.figures["updates"]


def test_episodes_begin_at_counterexamples() -> None:
    algorithm = training()
    algorithm.begin()
    algorithm.focus_on(np.array([[0.9], [-0.8]]), np.array([1.0, 1.0]))
    algorithm.collect()
    errors = algorithm.near.column("error")[:, 0]
    assert set(np.round(errors.tolist(), 6)) == {0.9, -0.8}
    near = algorithm.batch().seen.error[-8:, 0]
    assert set(np.round(near.tolist(), 6)) <= {0.9, -0.8}


# The candidate.


def test_the_candidate_is_the_policy_with_an_anchored_value() -> None:
    task = first_order_task()
    trained = SMALL.train(task)
    candidate = trained.candidate(task.system)
    x = np.linspace(-1, 1, 41)[:, None]
    assert candidate.control is not None and task.system.input_limits is not None
    V, k = function([candidate.value, candidate.control], candidate.state)(x)
    np.testing.assert_allclose(k, trained.policy.act(x), rtol=0, atol=1e-14)
    assert lies_within(candidate.control, task.system.input_limits)
    with torch.no_grad():
        action = torch.from_numpy(k / 2.0).float()
        critic = trained.critic
        L = critic(torch.from_numpy(x).float(), action)[0] - critic.log_rest[0].exp()
    np.testing.assert_allclose(V[:, 0], L.numpy(), rtol=1e-3, atol=1e-5)
    slope = gradient(candidate.value, candidate.state)
    tape = compile_tape([candidate.value, slope], [candidate.state])
    for tests in prove_zero(tape, list(task.system.equilibrium)):
        assert all(test.answer is Answer.ZERO for test in tests)


def test_a_critic_of_several_references_is_anchored_at_the_equilibrium() -> None:
    task = two_tanks_task()
    trained = dataclasses.replace(SMALL, updates=20, judged=1).train(task)
    system, reference = task.system, np.array([[1.0, 1.0]])
    x = np.random.default_rng(0).uniform(0.5, 2.0, (20, 2))
    V = function(trained.value(system), system.state)(np.vstack([x, reference]))[0][:, 0]
    encoder = encoding.Encoder(trained.policy.actors[0].view, trained.policy.reference_inputs)
    many = torch.from_numpy(np.repeat(reference, 20, 0))
    seen = encoder(torch.from_numpy(x), many, many)  # the pumps are at 1, too
    u = trained.policy.act(x, many.numpy())
    action = torch.from_numpy(trained.policy.actors[0].view.squashed(u)).float()
    critic = trained.critic
    with torch.no_grad():
        L = critic(seen.error, action - seen.rest, seen.reference)[0] - critic.log_rest[0].exp()
    np.testing.assert_allclose(V[:-1], L.numpy(), rtol=1e-3, atol=1e-5)
    assert V[-1] == pytest.approx(0.0, abs=1e-25)


def test_in_many_states_v_is_a_quadratic_form() -> None:
    """A reference set and nine states: the reactor, from a training that is much too short."""
    system = zoo.system("reactor-separator-2")
    settings = dataclasses.replace(SMALL, updates=4, warm_up=1, judged=1)
    candidate = settings.fit(system)
    at = np.array([[float(v) for v in system.equilibrium]])
    away = at + 1e-3 * np.ones_like(at)
    V = function(candidate.value, system.state)(np.vstack([at, away, 2.0 * away - at]))[0][:, 0]
    assert V[0] == 0.0 and V[2] == pytest.approx(4.0 * V[1], rel=1e-6)
    assert len(candidate.provenance["trainings"]) == 1  # type: ignore[arg-type]


def test_what_is_kept_of_a_first_training_does_not_change() -> None:
    task, extra = first_order_task(), (np.array([[0.9]]), np.ones(1))
    settings = dataclasses.replace(SMALL)
    histories = [settings.train(task, extra=extra).figures["history"] for _ in range(2)]
    assert [len(rows) for rows in histories] == [len(histories[0])] * 2  # type: ignore[arg-type]


def test_fit_learns_a_system_in_discrete_time() -> None:
    from systems.sampled import sampled

    task = first_order_task()
    assert task.sampling is not None
    system = sampled(task.system, task.sampling)
    heard: list[Mapping[str, object]] = []
    settings = dataclasses.replace(SMALL, updates=160)
    candidate = settings.fit(system, progress=heard.append)
    assert candidate.state is system.state
    figures = candidate.provenance
    assert figures["learner"] == "lac" and figures["seed"] == 0
    for name in ("settings", "warnings", "history", "seconds", "solve_seconds"):
        assert name in figures
    assert {"step", "steps", "share"} <= set(heard[-1])
    values = [h["value"] for h in heard if "value" in h]
    assert len(values) == SMALL.judged
    V: Any = values[-1]
    assert V(np.array([[0.0]]))[0] == pytest.approx(0.0, abs=1e-6)
    assert V(np.array([[0.5]]))[0] > 0.0


# Bad input.


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"updates": 0}, "updates must be at least 1"),
        ({"discount": 1.0}, r"discount must be in \(0, 1\), not 1.0"),
        ({"soft_update": 0.0}, r"soft_update must be in \(0, 1\]"),
        ({"learning_rate": math.nan}, "learning_rate must be positive and finite"),
        ({"relative": 0.0}, "relative must be positive"),
        ({"hidden": ()}, "hidden needs one positive width a layer"),
        ({"critics": 3}, "critics must be 1 or 2"),
        ({"critic_form": "sum"}, 'critic_form must be "norm" or "square"'),
        ({"capacity": 10, "environments": 16}, "a replay buffer of 10 transitions is too small"),
    ],
)
def test_settings_that_make_no_sense(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        dataclasses.replace(SMALL, **changes)


def test_systems_that_cannot_be_learnt_are_refused_before_training() -> None:
    with pytest.raises(InputError, match="no inputs"):
        SMALL.check_for(zoo.system("van-der-pol-reversed-1"))
    endless = first_order_task(system=first_order(None))
    object.__setattr__(endless, "action_low", (-math.inf,))
    with pytest.raises(InputError, match="needs finite limits"):
        SMALL.train(endless)


def test_a_missing_torch_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match=r'LAC needs torch: pip install "stableproof\[train\]"'):
        SMALL.check_for(first_order())


def test_a_training_that_diverges_is_named_and_what_was_learnt_is_kept() -> None:
    task = first_order_task()
    settings = dataclasses.replace(SMALL, judged=4)
    broken = {"at": 60}
    original = lac.Lac.update

    def update(self: lac.Lac, batch: Any) -> dict[str, float]:
        figures: dict[str, float] = original(self, batch)
        if self.updates == broken["at"]:
            with torch.no_grad():
                self.actor.mean.fill_(torch.nan)
        return figures

    lac.Lac.update = update
    try:
        trained = settings.train(task)
        [line] = [w for w in trained.figures["warnings"] if "diverged" in w]
        assert line.startswith("first-order: training diverged before update 60")
        assert np.isfinite(trained.policy.act(np.ones((1, 1)))).all()
        broken["at"] = 4
        with pytest.raises(InputError, match="diverged before its first policy was judged"):
            dataclasses.replace(settings, seed=5).train(task)
    finally:
        lac.Lac.update = original
