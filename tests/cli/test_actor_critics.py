"""``--learner lac`` and ``--learner dlac``: one command to a proof, files, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from cli.actor_critic import CHECKPOINT, settings_of, widths
from cli.inputs import load_plant
from cli.learner_options import learner_class
from cli.learners import LEARNERS
from cli.progress_words import training_words
from cli.training_picture import positions
from cli.training_record import COLUMNS, EPISODIC, TrainingRecord, as_csv, from_csv
from learners.environments.tasks import task_for
from systems.errors import InputError
from tests.cli.conftest import TOML, Run

torch = pytest.importorskip("torch", reason="actor-critics are trained with torch")

TINY = ("--learner", "lac", "--episodes", "2")
"""A second of training, which suffices for one state that is unstable."""


@pytest.fixture(scope="module")
def proved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the motor, made once."""
    folder = tmp_path_factory.mktemp("proved")
    (folder / "motor.toml").write_text(TOML, encoding="utf-8")
    return folder


@pytest.fixture
def finished(proved: Path, stableproof: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that holds motor.toml, and the run in "out"."""
    monkeypatch.chdir(proved)
    if not (proved / "out").exists():
        ended = stableproof("run", "motor.toml", *TINY, "--out", "out")
        assert ended.code == 0, ended.err
        (proved / "told").write_text(ended.out, encoding="utf-8")
        (proved / "noted").write_text(ended.err, encoding="utf-8")
    return proved


def test_one_command_trains_and_proves(finished: Path) -> None:
    told, noted = ((finished / name).read_text(encoding="utf-8") for name in ("told", "noted"))
    first, second, *_ = told.splitlines()
    assert first == "system       motor, sampled every 0.2, RK4, input held"
    assert second.startswith("training     LAC, 32 x 32 neurons") and "V: " in second
    assert "proved: asymptotically stable" in told
    assert "sampled every 0.2" in noted and "--sample-time" in noted
    names = {p.name for p in (finished / "out").iterdir()}
    assert {"candidate.json", "certificate.json", "report.md", CHECKPOINT} <= names
    table = (finished / "out" / "training.csv").read_text(encoding="utf-8")
    assert set(EPISODIC[1:]) <= set(table.splitlines()[0].split(","))
    assert "sampled every 0.2" in (finished / "out" / "report.md").read_text(encoding="utf-8")


TWO = """\
[system]
name = "two motors"

[states]
x = "rad"
y = "rad"

[inputs]
u = "V"
v = "V"

[dynamics]
x_dot = "x + 0.2*y + u"
y_dot = "y - 0.2*x + v"

[domain]
x = [-1, 1]
y = [-1, 1]

[cost]
Q = "x**2 + y**2"
R = [[1, 0], [0, 1]]
"""


def test_two_controllers_that_see_a_state_each_are_proved(
    stableproof: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("two.toml").write_text(TWO, encoding="utf-8")
    arguments = (
        "--learner",
        "dlac",
        "--partition",
        "x:u;y:v",
        "--episodes",
        "600",
        "--hidden",
        "8",
    )
    ended = stableproof("run", "two.toml", *arguments, "--out", "two", "--json")
    assert ended.code == 0, ended.err
    training = ended.data["training"]
    assert training["partition"] == "x:u;y:v" and training["traffic"]["sent"] > 0
    assert ended.data["verdict"] == "proved"
    assert Path("two", CHECKPOINT).exists()


def test_the_run_is_told_as_json(finished: Path, stableproof: Run) -> None:
    data = stableproof("run", "motor.toml", *TINY, "--out", "out", "--json").data
    assert data["verdict"] == "proved" and data["system"] == "motor sampled every 0.2 by RK4"
    training = data["training"]
    assert training["learner"] == "lac" and training["settings"]["hidden"] == [32, 32]
    assert training["witness"]["name"] in [t["name"] for t in training["witness"]["tried"]]
    assert 0 < training["witness"]["sampled_share"] <= training["witness"]["attracted_share"] + 0.1
    assert [t["why"] for t in training["trainings"]] == [""]


def test_the_certificate_is_checked_and_the_candidate_proved_by_hand(
    finished: Path, stableproof: Run
) -> None:
    assert stableproof("check", "out/certificate.json").code == 0
    by_hand = stableproof("certify", "motor.toml", "out", "--sample-time", "0.2")
    assert by_hand.code == 0 and by_hand.out.startswith("system       motor, sampled every 0.2")
    other = stableproof("certify", "motor.toml", "out", "--sample-time", "0.1")
    assert other.code == 2 and "motor sampled every 0.2 by RK4" in other.err
    continuous = stableproof("certify", "motor.toml", "out")
    assert continuous.code == 2 and "--sample-time" in continuous.err


def test_a_training_is_gone_on_from_its_checkpoint(
    finished: Path, stableproof: Run, tmp_path: Path
) -> None:
    file = finished / "out" / CHECKPOINT
    ended = stableproof(
        "train", "motor.toml", "--learner", "lac", "--episodes", "3", "--checkpoint", str(file),
        "--out", str(tmp_path / "on"), "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    made = json.loads((finished / "out" / "run.json").read_text(encoding="utf-8"))
    before = made["outcome"]["training"]["updates"]
    assert ended.data["training"]["updates"] > before
    assert (tmp_path / "on" / CHECKPOINT).exists()


def test_an_interrupted_training_ends_in_the_same(
    finished: Path, stableproof: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from learners.actor_critic import course

    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert stableproof("train", "motor.toml", *TINY, "--out", str(whole)).code == 0
    judged: list[int] = []
    own = course.Course._judge

    def interrupt(self: Any, *given: Any) -> None:
        own(self, *given)
        judged.append(self.algorithm.updates)
        if len(judged) == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(course.Course, "_judge", interrupt)
        stopped = stableproof("train", "motor.toml", *TINY, "--out", str(halves))
    assert stopped.code == 130 and (halves / CHECKPOINT).exists()
    assert "the same command goes on where this one stopped" in stopped.err
    assert not (halves / "candidate.json").exists()
    again = stableproof("train", "motor.toml", *TINY, "--out", str(halves))
    assert again.code == 0
    assert len(judged) == 4
    first, second = (
        json.loads((folder / "candidate.json").read_text(encoding="utf-8"))
        for folder in (whole, halves)
    )
    for key in ("value", "control"):
        assert first.get(key) == second.get(key)
    assert {k: v for k, v in first.items() if k != "provenance"} == {
        k: v for k, v in second.items() if k != "provenance"
    }


Refused = Callable[..., str]


@pytest.fixture
def refused(stableproof: Run, tmp_path: Path) -> Refused:
    """The one line that a command line is refused with; nothing is left behind."""

    def tell(*arguments: str) -> str:
        out = tmp_path / "refused"
        ended = stableproof("train", *arguments, "--out", str(out))
        assert ended.code == 2 and not ended.out
        *notes, error = ended.err.splitlines()
        assert error.startswith("error: ") and len(notes) <= 1
        assert not out.exists()
        return error

    return tell


@pytest.mark.parametrize(
    ("hidden", "learner"), [("0", "lac"), ("32,x", "dlac"), ("", "lac"), ("9999", "dlac")]
)
def test_widths_that_make_no_sense_are_refused(refused: Refused, hidden: str, learner: str) -> None:
    said = refused("pendulum", "--learner", learner, "--hidden", hidden)
    assert f"--hidden {hidden}" in said and "such as 32,32" in said


@pytest.mark.parametrize(
    ("partition", "said"),
    [
        ("theta:u", "'omega'"),
        ("theta,omega:u;theta:u", "appears more than once"),
        ("theta,omega", "states:inputs"),
        ("theta,speed:u", "'speed'"),
        ("theta,omega:", "no inputs"),
    ],
)
def test_partitions_that_make_no_sense_are_refused(
    refused: Refused, partition: str, said: str
) -> None:
    assert said in refused("pendulum", "--learner", "dlac", "--partition", partition)


def test_systems_that_an_actor_cannot_take_are_refused(refused: Refused) -> None:
    for learner in ("lac", "dlac"):
        assert "no inputs" in refused("van-der-pol-reversed", "--learner", learner)
    assert "takes no initial policy" in refused(
        "pendulum", "--learner", "lac", "--initial-gain", "20,5"
    )


def test_a_missing_torch_is_told_with_the_command_that_installs_it(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.actor_critic.find_spec", lambda name: None)
    said = refused("pendulum", "--learner", "lac")
    assert "needs torch" in said and 'pip install "stableproof[train]"' in said


def test_checkpoints_of_something_else_are_refused(
    finished: Path, refused: Refused, tmp_path: Path
) -> None:
    file = str(finished / "out" / CHECKPOINT)
    lac = ("--learner", "lac", "--episodes", "2")
    said = refused("pendulum", *lac, "--checkpoint", file)
    assert "motor sampled every 0.2 by RK4" in said and "pendulum sampled every 0.01" in said
    said = refused("motor.toml", "--learner", "dlac", "--episodes", "2", "--checkpoint", file)
    assert "lac" in said and "dlac" in said
    said = refused("motor.toml", *lac, "--hidden", "8", "--checkpoint", file)
    assert "hidden" in said and "32" in said and "8" in said
    said = refused("motor.toml", *lac, "--seed", "1", "--checkpoint", file)
    assert "seed" in said
    assert "no such file" in refused("motor.toml", *lac, "--checkpoint", "nowhere.npz")
    damaged = tmp_path / "damaged.npz"
    whole = Path(file).read_bytes()
    damaged.write_bytes(whole[: len(whole) // 2])
    assert "damaged" in refused("motor.toml", *lac, "--checkpoint", str(damaged))
    damaged.write_text("no archive", encoding="utf-8")
    assert "damaged" in refused("motor.toml", *lac, "--checkpoint", str(damaged))


def test_a_damaged_checkpoint_of_the_folder_is_told(
    finished: Path, stableproof: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "again"
    shutil.copytree(finished / "out", folder)
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    (folder / "run.json").write_text(
        json.dumps({**run, "status": "started", "loop": None, "outcome": None}), encoding="utf-8"
    )
    (folder / CHECKPOINT).write_bytes(b"PK")
    ended = stableproof("run", "motor.toml", *TINY, "--out", str(folder))
    assert ended.code == 2 and CHECKPOINT in ended.err


@pytest.mark.parametrize("learner", ["lac", "dlac"])
def test_episodes_are_as_many_periods_of_the_plant(learner: str) -> None:
    made = learner_class(LEARNERS[learner])
    nothing = {"hidden": None, "partition": None, "checkpoint": None, "seed": 5}
    plant = load_plant("pendulum-discrete")
    assert settings_of(made, {**nothing, "episodes": None}, plant) == {"seed": 5}
    found = settings_of(made, {**nothing, "episodes": 640, "hidden": "8,4"}, plant)
    steps = 640 * task_for(plant.system).episode_steps
    assert found.pop("hidden") == (8, 4)
    assert found.pop("seed") == 5
    [(name, value)] = found.items()
    per = {f.name: f.default for f in fields(made)}
    if name == "steps":
        assert value == steps
    else:
        assert name == "updates"
        assert value == -(-steps // per["environments"]) * per["updates_per_period"]


def test_widths_are_read() -> None:
    assert widths("64,32") == (64, 32) and widths("8") == (8,)
    with pytest.raises(InputError):
        widths("8,,8")


def test_the_bar_says_what_an_episode_costs() -> None:
    told = {
        "episode": 1200, "return": 3.14159, "critic_loss": 0.0123, "entropy": -1.52,
        "multiplier": 1.0, "constraint": -0.0123, "step": 5, "steps": 9,
    }  # fmt: skip
    assert training_words(told) == (
        "episode 1200, mean cost 3.14, critic loss 1.2e-02, entropy -1.5, multiplier 1, "
        "constraint -1.2e-02"
    )
    assert "mean cost" not in training_words({**told, "return": float("nan")})


def test_curves_of_episodes_are_kept_and_read_back() -> None:
    record = TrainingRecord()
    record.add({"step": 8, "episode": 10, "critic_loss": 0.5, "return": float("nan")})
    record.add({"step": 9, "value": lambda x: x[:, 0]})
    record.add({"step": 16, "episode": 30, "critic_loss": 0.25, "return": 4.0})
    text = as_csv(record.entries)
    assert text.splitlines()[0].split(",") == [*COLUMNS, "episode", "return", "critic_loss"]
    assert from_csv(text) == record.entries
    where, along, _ = positions(record.entries)
    assert along == "episode" and where.tolist() == [10.0, 10.0, 30.0]
    plain = TrainingRecord()
    plain.add({"iteration": 1, "loss": 1.0})
    assert as_csv(plain.entries).splitlines()[0] == ",".join(COLUMNS)


def test_the_claim_of_a_set_point_that_is_no_equilibrium_is_the_one_that_can_hold(
    stableproof: Run, tmp_path: Path
) -> None:
    """The notes alone: a run on nine states takes too long here."""
    missing = str(tmp_path / "missing.json")
    ended = stableproof("certify", "reactor-separator-2", missing, "--sample-time", "0.005")
    assert ended.code == 2 and "--claim set-point-convergence" in ended.err
    given = stableproof("certify", "reactor-separator-2", missing, "--claim", "local-stability")
    assert given.code == 2 and "set-point-convergence" not in given.err
    other = stableproof("certify", "pendulum", missing)
    assert "--claim" not in other.err
