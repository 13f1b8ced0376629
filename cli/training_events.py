"""What TensorBoard shows of a training, where it is installed: curves by round, and the picture.

Its own writer of event files is used, which imports neither torch nor TensorFlow. That of torch,
``torch.utils.tensorboard``, is the same writer behind an import of torch; and tensorboardX imports
torch where there is one.
"""

from __future__ import annotations

import contextlib
import struct
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cli.training_record import SERIES, Entry

FOLDER = "tensorboard"
SUFFIX = ".stableproof"
"""Of our event files' names: a fresh run removes those of a former run, and no others."""
TAGS = {
    "loss": "loss",
    "hjb_residual_max": "residual/HJB max",
    "hjb_residual_rms": "residual/HJB rms",
    "ghjb_residual_max": "residual/GHJB max",
    "policy_change": "policy change",
}
EPISODIC_TAGS = {
    "return": "episode/mean cost",
    "critic_loss": "episode/critic loss",
    "entropy": "episode/entropy",
    "multiplier": "episode/multiplier",
    "constraint": "episode/constraint",
}
STEP_TAG = "loss by step"


def open_events(folder: Path, *, fresh: bool) -> TrainingEvents | None:
    """Event files under a run's folder; None where TensorBoard is not installed.

    ``fresh``: a training begins, and the event files of a former run are removed.
    """
    if find_spec("tensorboard") is None:
        return None
    writer = import_module("tensorboard.summary.writer.event_file_writer")
    event = import_module("tensorboard.compat.proto.event_pb2")
    summary = import_module("tensorboard.compat.proto.summary_pb2")
    there = folder / FOLDER
    if fresh:
        for old in there.glob(f"round-*/events.out.tfevents.*{SUFFIX}"):
            with contextlib.suppress(OSError):
                old.unlink()
    return TrainingEvents(there, writer.EventFileWriter, event.Event, summary.Summary)


class TrainingEvents:
    """A run of TensorBoard for every round, ``round-1`` and so on; its steps are iterations."""

    def __init__(self, folder: Path, writer: Any, event: Any, summary: Any) -> None:
        self.folder = folder
        self._writer_type, self._event, self._summary = writer, event, summary
        self._round, self._writer, self._steps = 0, None, 0

    def entry(self, entry: Entry) -> None:
        """The numbers of one entry. A step's loss has a curve of its own, with its own count."""
        if entry.ends_iteration:
            told = {TAGS[k]: v for k in SERIES if (v := entry.numbers.get(k)) is not None}
            self._write(entry.round, entry.iteration, told)
            return
        self._writer_of(entry.round)
        self._steps += 1
        told = {
            tag: v for k, tag in EPISODIC_TAGS.items() if (v := entry.numbers.get(k)) is not None
        }
        self._write(entry.round, int(entry.numbers.get("episode", self._steps)), told)
        loss = entry.numbers.get("loss")
        if loss is not None:
            self._write(entry.round, self._steps, {STEP_TAG: loss})

    def picture(self, entry: Entry, png: bytes) -> None:
        """The picture as it was after an entry."""
        width, height = struct.unpack(">II", png[16:24])  # of the header, the first chunk
        image = self._summary.Image(
            width=width, height=height, colorspace=4, encoded_image_string=png
        )
        value = self._summary.Value(tag="training", image=image)
        self._add(entry.round, entry.iteration, [value])

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None

    def _write(self, number: int, step: int, told: dict[str, float]) -> None:
        values = [self._summary.Value(tag=k, simple_value=v) for k, v in told.items()]
        if values:
            self._add(number, step, values)

    def _add(self, number: int, step: int, values: list[Any]) -> None:
        summary = self._summary(value=values)
        event = self._event(wall_time=time.time(), step=step, summary=summary)
        self._writer_of(number).add_event(event)

    def _writer_of(self, number: int) -> Any:
        if self._writer is None or number != self._round:
            self.close()
            self._round, self._steps = number, 0
            self._writer = self._writer_type(
                str(self.folder / f"round-{number}"), filename_suffix=SUFFIX
            )
        return self._writer
