"""Checkpoints: whole, safe, and refused with a reason where they do not belong."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest

from learners.actor_critic.archive import read_archive, write_archive
from learners.actor_critic.record import Record
from systems.build import system_from_text
from systems.errors import InputError
from systems.exact import exact
from systems.sampled import Sampling
from systems.task import Noise, PhysicalLimit, Task
from tests.learners.actor_critic.tasks import first_order_task, two_tanks_task

torch = pytest.importorskip("torch", reason="checkpoints hold torch tensors")
checkpoint = pytest.importorskip("learners.actor_critic.checkpoint", reason="it needs torch")

SETTINGS = {"updates": 10, "hidden": (4, 4)}
STATE = {
    "weights": [torch.arange(6.0).reshape(2, 3), torch.tensor([1, 2])],
    "arrays": {"streams": np.array([1, 2**63], dtype=np.uint64), "done": np.array([True, False])},
    "none": None,
    "number": 0.1,
    "infinite": float("inf"),
    "rows": [{"loss": 1.5}],
    "empty": torch.zeros(0, 3),
}


def saved(path: Path, task: Task | None = None) -> Path:
    checkpoint.save_checkpoint(path, "lac", task or first_order_task(), SETTINGS, STATE)
    return path


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = saved(tmp_path / "kept.npz")
    state = checkpoint.load_checkpoint(path, "lac", first_order_task(), SETTINGS)
    assert torch.equal(state["weights"][0], STATE["weights"][0])
    assert state["weights"][1].dtype == torch.int64
    streams = np.asarray(state["arrays"]["streams"])
    assert streams.dtype == np.uint64 and streams[1] == 2**63
    assert state["number"] == 0.1 and state["none"] is None and state["infinite"] == float("inf")
    assert state["rows"] == [{"loss": 1.5}] and state["empty"].shape == (0, 3)


def other_tasks() -> dict[str, Task]:
    task = first_order_task()
    limit = PhysicalLimit("x >= -3", task.system.state[0] + exact(3))
    return {
        "sampling": dataclasses.replace(task, sampling=Sampling(exact("0.2"))),
        "method": dataclasses.replace(task, sampling=Sampling(exact("0.1"), "euler")),
        "episode": dataclasses.replace(task, episode_steps=21),
        "scale": dataclasses.replace(task, scale=(2.0,)),
        "range": dataclasses.replace(task, action_low=(-1.5,)),
        "cost": dataclasses.replace(task, cost="tracking"),
        "noise": dataclasses.replace(task, noise=Noise((0.1,), (1.0,))),
        "physical": dataclasses.replace(task, physical=(limit,)),
    }


@pytest.mark.parametrize("name", list(other_tasks()))
def test_another_task_on_the_same_system_is_refused(name: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "kept.npz")
    with pytest.raises(InputError, match=r"is of another task on first-order") as caught:
        checkpoint.load_checkpoint(path, "lac", other_tasks()[name], SETTINGS)
    assert "\n" not in str(caught.value)


def test_another_system_learner_or_setting_is_refused_with_both_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "kept.npz")
    task = first_order_task()
    for learner, other, settings, words in (
        ("lac", two_tanks_task(), SETTINGS, "of the system first-order, not of two-tanks"),
        ("dlac", task, SETTINGS, "of the learner lac, not of dlac"),
        ("lac", task, SETTINGS | {"updates": 11}, "was trained with updates = 10, not 11"),
        ("lac", task, SETTINGS | {"new": 1}, "was trained with new = None, not 1"),
    ):
        with pytest.raises(InputError, match=words):
            checkpoint.load_checkpoint(path, learner, other, settings)


def test_another_version_is_refused_with_both_named(tmp_path: Path) -> None:
    path = tmp_path / "old.npz"
    write_archive(path, checkpoint.KIND, 7, {"tree": None}, {})
    with pytest.raises(InputError, match="format version 7, this program reads version 1"):
        checkpoint.load_checkpoint(path, "lac", first_order_task(), SETTINGS)


def test_damaged_and_foreign_files_are_refused_in_a_line(tmp_path: Path) -> None:
    path = saved(tmp_path / "kept.npz")
    data = path.read_bytes()
    damaged = [data[:k] for k in (0, 4, len(data) // 3, len(data) - 1)]
    damaged += [data[:300] + bytes([data[300] ^ 255]) + data[301:], b"not an archive", b"\x80\x04."]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(
            InputError, match="is no stableproof-checkpoint file, or is damaged"
        ) as e:
            checkpoint.load_checkpoint(path, "lac", first_order_task(), SETTINGS)
        assert "\n" not in str(e.value)
    write_archive(path, "stableproof-policy", 1, {}, {})
    with pytest.raises(InputError, match="is no stableproof-checkpoint file"):
        checkpoint.load_checkpoint(path, "lac", first_order_task(), SETTINGS)


@pytest.mark.parametrize("tree", [{"\0array": []}, {"\0array": "none"}, {"\0array": {}}])
def test_a_tree_that_names_no_array_is_damaged(tree: object, tmp_path: Path) -> None:
    path, task = tmp_path / "kept.npz", first_order_task()
    header = {
        "learner": "lac",
        "system": "first-order",
        "fingerprint": checkpoint.fingerprint(task),
        "settings": {},
        "tree": tree,
    }
    write_archive(path, checkpoint.KIND, 1, header, {})
    with pytest.raises(InputError, match="is damaged"):
        checkpoint.load_checkpoint(path, "lac", task, {})


def test_the_range_of_disturbances_belongs_to_the_task() -> None:
    def task(reach: int) -> Task:
        system = system_from_text(
            "pushed", ["x"], ["u"], {"x": "x + u + d"}, domain=[[-1, 1]],
            input_limits={"u": [-2, 2]}, disturbances=["d"],
            disturbance_range=[[-reach, reach]],
        )  # fmt: skip
        return first_order_task(system=system)

    assert checkpoint.fingerprint(task(1)) == checkpoint.fingerprint(task(1))
    assert checkpoint.fingerprint(task(1)) != checkpoint.fingerprint(task(2))


@pytest.mark.parametrize("state", [{"rows": {}, "warnings": []}, {"rows": [], "warnings": 3}])
def test_a_record_of_another_shape_is_no_record(state: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        Record().restore(state)


def test_a_pickle_inside_is_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "kept.npz"
    header = np.frombuffer(json.dumps({"format": checkpoint.KIND}).encode(), dtype=np.uint8)
    np.savez(path, header=header, a0=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="is damaged"):
        read_archive(path, checkpoint.KIND, 1)


def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "kept.npz")
    before = path.read_bytes()

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(InputError, match=r"kept.npz: cannot be written: No space left on device"):
        saved(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["kept.npz"]


def test_records_are_plain_data_and_go_on() -> None:
    heard: list[object] = []
    record = Record(heard.append)
    record.row(step=1, loss=float("nan"))
    record.warn("first-order: something", 2)
    record.warn("first-order: something")
    record.warn("first-order: once")
    other = Record()
    other.restore(json.loads(json.dumps(record.state())))
    assert other.rows == [{"step": 1, "loss": None}] == heard
    assert other.warnings == ["first-order: something (3 times)", "first-order: once"]
