"""The gymnasium environments: gymnasium's own checker, names, and the same numbers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from learners.environments import make_environment, register
from learners.environments.episodes import Episodes
from systems import zoo
from systems.errors import InputError
from systems.task import Noise
from tests.learners.environments.plants import (
    CONTROLLED,
    UNCONTROLLED,
    pendulum_task,
    still_task,
)

ROOT = Path(__file__).resolve().parent.parent.parent.parent
gymnasium = pytest.importorskip("gymnasium", reason="these are gymnasium's environments")
env_checker = pytest.importorskip("gymnasium.utils.env_checker", reason="it comes with gymnasium")

FILE = """\
states = ["h"]
inputs = ["q"]

[system]
name = "tank"

[dynamics]
h_dot = "q - h"

[domain]
h = [-1, 1]

[cost]
Q = 1
R = 1
"""


@pytest.mark.parametrize("name", CONTROLLED)
def test_every_system_passes_gymnasiums_checker(name: str) -> None:
    """Warnings are errors here."""
    assert f"stableproof/{name}-v0" in register()
    env_checker.check_env(gymnasium.make(f"stableproof/{name}-v0").unwrapped)


@pytest.mark.parametrize("name", UNCONTROLLED)
def test_without_inputs_there_is_nothing_to_be_learned(name: str) -> None:
    register()
    with pytest.raises(InputError, match=f"{name} has no inputs"):
        gymnasium.make(f"stableproof/{name}-v0")


def test_a_task_with_references_passes_too_and_shows_them() -> None:
    environment = make_environment(still_task(0.5, 2.0))
    environment.spec = gymnasium.envs.registration.EnvSpec(
        "test/still-v0", entry_point=lambda **_: make_environment(still_task(0.5, 2.0))
    )
    env_checker.check_env(environment)
    seen, info = environment.reset(seed=1)
    scaled = [*(info["state"] / [2.0, 4.0]), *(info["reference"] / [2.0, 4.0])]
    assert np.allclose(seen, scaled, rtol=1e-6) and seen.dtype == np.float32


def test_names_are_registered_once() -> None:
    names = register()
    assert register() == names and len(names) == len(zoo.names())
    assert all(gymnasium.spec(name) for name in names)


def test_it_is_the_first_row_of_a_batch() -> None:
    task = still_task(0.5, 2.0, episode_steps=9)
    environment, episodes = make_environment(task), Episodes(task, 3, seed=6)
    _, info = environment.reset(seed=6)
    generator = np.random.default_rng(0)
    for _ in range(40):
        assert np.array_equal(info["state"], episodes.states[0])
        assert np.array_equal(info["reference"], episodes.references[0])
        action = generator.uniform(-1, 1, 2).astype(np.float32)
        _, reward, terminated, truncated, info = environment.step(action)
        done = episodes.step(np.tile(info["input"], (3, 1)))
        assert np.array_equal(info["state"], done.states[0])
        assert info["cost"] == done.costs[0].sum()
        assert (terminated, truncated) == (done.terminated[0], done.truncated[0])
        assert reward == -info["cost"] - (environment.exit_cost if terminated else 0.0)
        if terminated or truncated:
            _, info = environment.reset()
        episodes.restart(done.terminated | done.truncated)


def test_actions_stand_for_the_whole_range_of_inputs() -> None:
    environment = make_environment(still_task())
    environment.reset(seed=0)
    for action, held in ((-1.0, [-1, -2]), (0.0, [0, 0]), (0.5, [0.5, 1]), (7.0, [1, 2])):
        info = environment.step(np.full(2, action, np.float32))[4]
        assert info["input"].tolist() == held


def test_leaving_ends_the_episode_and_is_paid_for() -> None:
    environment = make_environment(still_task())
    environment.reset(seed=0, options={"state": [0.0, -3.9], "reference": 0})
    _, reward, terminated, truncated, info = environment.step(np.array([0.0, -1.0]))
    assert terminated and not truncated and info["outside"] == ("y >= -4",)
    assert info["cost"] == pytest.approx((3.9 / 4) ** 2)
    assert reward == -info["cost"] - environment.exit_cost and environment.exit_cost > 10


def test_a_running_cost_is_counted_once_however_many_subsystems_see_it() -> None:
    environment = make_environment(still_task(cost="running"))
    _, info = environment.reset(seed=0, options={"state": [2.0, 0.0], "reference": 0})
    info = environment.step(np.zeros(2))[4]
    assert info["cost"] == pytest.approx(0.1 * 4.0)


def test_the_same_seed_is_the_same_course() -> None:
    environment = make_environment(still_task(0.5, 2.0))
    action, runs = np.array([0.3, -0.3]), []
    for seed in (1, 1, 2):
        seen = [environment.reset(seed=seed)[0]]
        seen += [environment.step(action)[0] for _ in range(5)]
        runs.append(np.array(seen))
    assert np.array_equal(runs[0], runs[1]) and not np.array_equal(runs[0], runs[2])


def test_options_of_the_task_and_noise_can_be_given_by_name() -> None:
    register()
    environment = gymnasium.make(
        "stableproof/pendulum-v0",
        sample_time="0.05",
        episode_steps=3,
        noise=Noise((0.1, 0.1), (1.0, 1.0)),
    )
    task = environment.unwrapped.task
    assert float(task.sampling.period) == 0.05 and task.episode_steps == 3
    environment.reset(seed=0)
    ends = [environment.step(np.zeros(1, np.float32))[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]


def test_a_users_system_file_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "tank.toml"
    path.write_text(FILE)
    environment = make_environment(path, sample_time="0.1")
    _, info = environment.reset(seed=0, options={"state": [0.5]})
    assert environment.task.system.name == "tank"
    info = environment.step(np.zeros(1))[4]
    assert info["state"][0] == pytest.approx(0.5 * np.exp(-0.1), rel=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"start": [0, 0]}, "reset has no option 'start'; it takes state and reference"),
        ({"state": [0.0]}, "starts of shape"),
        ({"state": [0.0, -9.0]}, "is not physical: y >= -4"),
        ({"reference": 5}, "there is no reference 5"),
        ({"reference": 0.5}, "whole numbers"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        make_environment(still_task()).reset(seed=0, options=options)


def test_misuse_is_told() -> None:
    environment = make_environment(still_task())
    with pytest.raises(InputError, match="reset the environment before the first step"):
        environment.step(np.zeros(2))
    environment.reset(seed=0)
    with pytest.raises(InputError, match=r"an action of shape \(1,\) where \(2,\)"):
        environment.step(np.zeros(1))
    with pytest.raises(InputError, match="the input u = nan"):
        environment.step(np.array([np.nan, 0.0]))
    with pytest.raises(InputError, match="a task is complete: it takes no share"):
        make_environment(pendulum_task(), share="1/2")


@pytest.mark.parametrize(
    ("missing", "calls", "extra"),
    [
        ("gymnasium", ["SystemEnvironment", "register()", "make_environment('x.toml')"], "rl"),
        ("torch", ["BatchedEnvironment", "Step"], "train"),
    ],
)
def test_a_missing_library_is_named_with_the_command_that_installs_it(
    missing: str, calls: list[str], extra: str
) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None\nfrom learners import environments\n"
    for call in calls:
        program += f"try: environments.{call}\nexcept ValueError as error: print(error)\n"
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    wanted = f'{missing} is not installed; install it with: pip install "stableproof[{extra}]"\n'
    assert told == len(calls) * wanted


def test_importing_learners_imports_neither_torch_nor_gymnasium() -> None:
    program = "import sys, learners, learners.environments; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert not {"torch", "gymnasium", "casadi"} & set(loaded)
