"""Pictures of a training while it goes on: when, where, and never at the training's cost."""

from __future__ import annotations

import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cli import training_picture
from cli.run_folder import RunFolder
from cli.training_events import TrainingEvents, open_events
from cli.training_levels import Stage
from cli.training_record import TrainingRecord, from_csv
from cli.training_watch import TrainingWatch, live_picture
from learners.lqr import lqr_candidate
from learners.repair import Repair
from systems import zoo
from tests.cli.conftest import FAST, Run

DRAW = training_picture.training_picture
OPEN = open_events
REPAIRED = ("pendulum", "--neurons", "6", "--c1", "0.01", "--c2", "0.029", "--mu", "1e-4")
"""Refuted in its first round, proved in its second."""


def entry(k: int = 1, scale: float = 1.0) -> dict[str, object]:
    return {
        "iteration": k, "hjb_residual_max": 0.1**k, "hjb_residual_rms": 0.01**k, "loss": 0.5**k,
        "policy_change": 0.2**k, "value": lambda x: scale * (1 + 1 / k) * (x**2).sum(axis=1),
    }  # fmt: skip


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Drawn:
    """A stand-in for drawing, which takes its time."""

    clock: Clock
    seconds: float
    at: list[float] = field(default_factory=list)

    def __call__(self, record: TrainingRecord, stage: Stage) -> bytes:
        self.at.append(self.clock.now)
        self.clock.now += self.seconds
        return b"a picture"


def folder_in(path: Path) -> RunFolder:
    return RunFolder.open(path / "out", "train", {}, force=False)


def silent(_: Mapping[str, object]) -> None:
    """No progress bar."""


def test_pictures_take_a_small_share_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    drawn = Drawn(clock, seconds=1.0)
    monkeypatch.setattr(training_picture, "training_picture", drawn)
    watch = TrainingWatch(zoo.system("pendulum"), folder_in(tmp_path), clock)
    hear = watch.hearing(silent)
    while clock.now < 600:
        clock.now += 0.2
        hear(entry())
    assert 15 <= drawn.at[0] <= 16  # 4 % of them are the 0.6 s that a first picture may take
    assert len(drawn.at) > 15 and len(drawn.at) * drawn.seconds <= 0.045 * clock.now
    assert min(np.diff(drawn.at)) >= 5.0
    assert len(from_csv((tmp_path / "out/training.csv").read_text())) > 2000


def test_cheap_pictures_come_every_few_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    drawn = Drawn(clock, seconds=0.01)
    monkeypatch.setattr(training_picture, "training_picture", drawn)
    watch = TrainingWatch(zoo.system("pendulum"), folder_in(tmp_path), clock)
    hear = watch.hearing(silent)
    while clock.now < 60:
        clock.now += 0.2
        hear(entry())
    steps = np.diff(drawn.at)
    assert len(steps) > 6 and min(steps) >= 5.0 and max(steps) < 5.5


@pytest.mark.parametrize("name", ["synthetic-1", "pendulum", "lorenz", "cartpole"])
def test_every_dimension_has_a_picture(name: str) -> None:
    system = zoo.system(name)
    record = TrainingRecord()
    n = system.state_dimension
    record.add(entry(1))
    record.add({"iteration": 2, "step": 5, "loss": 0.1})
    record.add({**entry(2), "box": 0.5})
    record.finish_round(lambda x: (x**2).sum(axis=1))
    record.add(entry(1, 2.0))
    record.found, record.given = [(1, (0.1,) * n)], np.full((3, n), 0.1)
    assert size_of(DRAW(record, Stage.of(system)))[0] > 1000
    record.learnt.clear()
    assert 500 < size_of(DRAW(record, Stage.of(system)))[0] < 1000  # without V, one half


def size_of(picture: bytes | None) -> tuple[int, int]:
    assert picture is not None and picture.startswith(b"\x89PNG\r\n")
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


@pytest.mark.parametrize(
    "hostile",
    [
        {"hjb_residual_max": 0.0},
        {"hjb_residual_max": float("nan")},
        {"loss": float("inf"), "policy_change": -1.0},
        {"loss": 1e308, "hjb_residual_max": 1e-308},
        {"step": 1, "loss": 0.5, "value": lambda x: np.full(len(x), np.nan)},
        {"policy_change": 0.5, "value": lambda x: np.zeros(len(x))},
        {"policy_change": 0.5, "value": lambda x: 1e300 * x[:, 0] ** 3},
    ],
)
def test_numbers_beyond_reason_are_no_error(hostile: dict[str, object]) -> None:
    record = TrainingRecord()
    record.add(hostile)
    stage = Stage.of(zoo.system("pendulum"))
    alone = DRAW(record, stage)
    assert alone is None or size_of(alone)
    record.add(entry(2))
    assert size_of(DRAW(record, stage))


def test_without_matplotlib_a_line_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(training_picture, "training_picture", DRAW)
    watch = TrainingWatch(zoo.system("pendulum"), folder_in(tmp_path))
    watch.hearing(silent)(entry())
    assert watch.finish() is None and watch.finish() is None
    (line,) = capfd.readouterr().err.splitlines()
    assert "matplotlib is not installed" in line and "stableproof[report]" in line
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"run.json", "training.csv"}


def test_what_fails_costs_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> bytes:
        raise ZeroDivisionError("no picture today")

    monkeypatch.setattr(training_picture, "training_picture", broken)
    folder = folder_in(tmp_path)
    (folder.path / "training.csv").write_text("a stranger's")
    watch = TrainingWatch(zoo.system("pendulum"), folder)
    watch.hearing(silent)(entry())
    watch.trained(lqr_candidate(zoo.system("pendulum")))
    assert watch.finish() is None
    told = capfd.readouterr().err.splitlines()
    assert len(told) == 2
    assert "training.csv was not written by this run" in told[0]
    assert told[1] == "training.png is not drawn: no picture today"
    assert (folder.path / "training.csv").read_text() == "a stranger's"


def test_without_a_folder_nothing_is_kept() -> None:
    watch = TrainingWatch(zoo.system("pendulum"), None)
    told: list[Mapping[str, object]] = []
    watch.hearing(told.append)(entry())
    watch.trained(lqr_candidate(zoo.system("pendulum")))
    assert len(told) == 1 and watch.record.entries == [] and watch.finish() is None


def test_train_and_run_leave_picture_and_table(
    stableproof: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[TrainingRecord] = []

    def drawn(record: TrainingRecord, stage: Stage) -> bytes:
        seen.append(record)
        return b"a picture"

    monkeypatch.setattr(training_picture, "training_picture", drawn)
    for arguments in (("train", "pendulum", "--neurons", "12"), ("run", *REPAIRED)):
        out = tmp_path / arguments[0]
        assert stableproof(*arguments, "--out", out).code == 0
        assert (out / "training.png").read_bytes() == b"a picture"
        entries = from_csv((out / "training.csv").read_text())
        assert entries == seen[-1].entries and seen[-1].learnt[-1].iteration is None
    assert {e.round for e in entries} == {1, 2}
    assert [number for number, _ in seen[-1].found] == [1]
    assert seen[-1].given is not None and len(seen[-1].given) > 1


def test_a_baseline_has_no_training_to_show(stableproof: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert stableproof("train", "pendulum", "--learner", "lqr", "--out", out).code == 0
    assert {p.name for p in out.iterdir()} == {"run.json", "candidate.json"}


def test_after_ctrl_c_the_history_goes_on(
    stableproof: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(TrainingWatch, "proved", stop_in_round_2)
        assert stableproof("run", *REPAIRED, "--out", out).code == 130
    before = from_csv((out / "training.csv").read_text())
    assert {e.round for e in before} == {1, 2}
    ended = stableproof("run", *REPAIRED, "--out", out)
    assert ended.code == 0 and "resuming" in ended.err
    assert from_csv((out / "training.csv").read_text()) == before


def stop_in_round_2(watch: TrainingWatch, *_: object) -> None:
    if watch.record.round == 2:
        raise KeyboardInterrupt


def test_ctrl_c_in_the_middle_of_training_keeps_what_was_told(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    with pytest.raises(KeyboardInterrupt), TrainingWatch(zoo.system("pendulum"), folder) as watch:
        watch.hearing(silent)(entry(1))
        watch.trained(lqr_candidate(zoo.system("pendulum")))
        watch.hearing(silent)(entry(1))
        raise KeyboardInterrupt
    table = folder.path / "training.csv"
    assert [e.round for e in from_csv(table.read_text())] == [1, 2]
    assert not (folder.path / "training.png").exists()
    again = TrainingWatch(zoo.system("pendulum"), folder)
    repair = Repair(np.zeros((0, 2)), np.zeros(0), round=2)
    again.resume(repair, False, [])
    assert [e.round for e in again.record.entries] == [1]  # round 2 is trained again
    again.hearing(silent)(entry(1))
    assert again.record.entries[-1].round == 2


def test_a_damaged_history_is_told_and_left(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = folder_in(tmp_path)
    table = folder.write("training.csv", lambda path: path.write_bytes(b"\xff\xfe"))
    for content in (b"\xff\xfe", b"round\n1\n"):
        table.write_bytes(content)
        watch = TrainingWatch(zoo.system("pendulum"), folder)
        watch.resume(Repair(np.zeros((0, 2)), np.zeros(0), round=3), False, [])
        assert watch.record.entries == [] and watch.record.round == 3
        assert len(capfd.readouterr().err.splitlines()) == 1


def test_the_report_shows_the_live_picture(
    stableproof: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[bytes | None] = []
    monkeypatch.setattr(training_picture, "training_picture", lambda *_: b"a picture")

    def draw(folder: Path, report: Any) -> tuple[dict[str, object], list[str]]:
        given.append(report.training_picture)
        return {}, []

    monkeypatch.setattr("proofs.report._draw", draw)
    out = tmp_path / "out"
    assert stableproof("run", *FAST, "--out", out).code == 0
    assert stableproof("report", out).code == 0
    assert given == [b"a picture", b"a picture"]


def test_a_picture_without_a_table_is_of_an_old_run(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    folder.write("training.png", lambda path: path.write_bytes(b"old"))
    assert live_picture(folder) is None
    folder.write("training.csv", lambda path: path.write_text(""))
    assert live_picture(folder) == b"old"
    (folder.path / "training.png").unlink()
    assert live_picture(folder) is None


class Writer:
    """A stand-in for TensorBoard's writer of event files."""

    made: list[Writer]

    def __init__(self, folder: str, filename_suffix: str) -> None:
        self.events: list[Any] = []
        self.open, self.folder = True, Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"events.out.tfevents.1.host{filename_suffix}").write_bytes(b"")
        Writer.made.append(self)

    def add_event(self, event: Any) -> None:
        assert self.open
        self.events.append(event)

    def close(self) -> None:
        self.open = False


class Summary(SimpleNamespace):
    class Value(SimpleNamespace):
        pass

    class Image(SimpleNamespace):
        pass


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    parts: dict[str, dict[str, object]] = {
        "summary.writer.event_file_writer": {"EventFileWriter": Writer},
        "compat.proto.event_pb2": {"Event": SimpleNamespace},
        "compat.proto.summary_pb2": {"Summary": Summary},
    }
    package(monkeypatch, "tensorboard")
    for path, members in parts.items():
        words = path.split(".")
        for k in range(1, len(words) + 1):
            module = package(monkeypatch, ".".join(["tensorboard", *words[:k]]))
        vars(module).update(members)
    monkeypatch.setattr("cli.training_events.open_events", OPEN)
    Writer.made = []


def package(monkeypatch: pytest.MonkeyPatch, name: str) -> ModuleType:
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None, is_package=True)
    module.__path__ = []
    monkeypatch.setitem(sys.modules, name, module)
    return module


@pytest.mark.usefixtures("stand_in")
def test_tensorboard_hears_of_every_round(
    stableproof: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 7, 5)
    monkeypatch.setattr(training_picture, "training_picture", lambda *_: png)
    out = tmp_path / "out"
    assert stableproof("run", *REPAIRED, "--out", out).code == 0
    assert [w.folder for w in Writer.made] == [
        out / "tensorboard/round-1", out / "tensorboard/round-2",
    ]  # fmt: skip
    entries = from_csv((out / "training.csv").read_text())
    for number, writer in enumerate(Writer.made, 1):
        assert not writer.open
        told = [
            (e.step, v.tag, v.simple_value)
            for e in writer.events for v in e.summary.value if hasattr(v, "simple_value")
        ]  # fmt: skip
        wanted = [(e.iteration, e.numbers["hjb_residual_max"]) for e in entries
                  if e.round == number]  # fmt: skip
        assert [(k, v) for k, tag, v in told if tag == "residual/HJB max"] == wanted
    image = Writer.made[-1].events[-1].summary.value[0].image
    assert (image.width, image.height, image.encoded_image_string) == (7, 5, png)


@pytest.mark.usefixtures("stand_in")
def test_a_fresh_training_removes_only_our_old_events(tmp_path: Path) -> None:
    there = tmp_path / "tensorboard/round-1"
    there.mkdir(parents=True)
    for name in ("events.out.tfevents.0.host.stableproof", "events.out.tfevents.0.host"):
        (there / name).write_bytes(b"")
    assert isinstance(OPEN(tmp_path, fresh=False), TrainingEvents)
    assert len(list(there.iterdir())) == 2
    OPEN(tmp_path, fresh=True)
    assert [p.name for p in there.iterdir()] == ["events.out.tfevents.0.host"]


@pytest.mark.usefixtures("stand_in")
def test_a_tensorboard_that_fails_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Writer, "add_event", full)
    watch = TrainingWatch(zoo.system("pendulum"), folder_in(tmp_path))
    for k in range(1, 4):
        watch.hearing(silent)(entry(k))
    watch.finish()
    assert capfd.readouterr().err.splitlines() == [
        "nothing goes to TensorBoard any more: disk full"
    ]
    assert len(watch.record.entries) == 3


def test_without_tensorboard_there_is_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    assert OPEN(tmp_path, fresh=True) is None
    assert list(tmp_path.iterdir()) == []
