"""Pictures of a training while it goes on, in the folder of ``--out``; see :class:`TrainingWatch`.

Nothing here may cost a training: what cannot be drawn or written is told in one line, and training
goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from cli.output import note
from cli.training_record import TrainingRecord, as_csv, from_csv
from systems.errors import InputError
from systems.files import write_atomically

if TYPE_CHECKING:
    from certify.candidate import Candidate
    from cli.run_folder import RunFolder
    from cli.training_events import TrainingEvents
    from learners.refine import Attempt
    from learners.repair import Repair
    from systems.dynamics import ControlAffineSystem

OnTraining = Callable[[Mapping[str, object]], None]

PICTURE, TABLE = "training.png", "training.csv"
PAUSE = 5.0
"""Seconds between two pictures, at least."""
SHARE = 0.04
"""Of the time, at most, goes into pictures while training goes on."""
FIRST_COST = 0.6
"""Seconds that the first picture is taken to cost."""


class TrainingWatch:
    """Keeps training.png, training.csv and, where TensorBoard is there, its events up to date.

    Without a folder it does nothing. ``clock`` gives seconds.
    """

    def __init__(
        self,
        system: ControlAffineSystem,
        folder: RunFolder | None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.system, self.folder, self.clock = system, folder, clock
        self.record = TrainingRecord()
        self._events: TrainingEvents | None = None
        self._told: set[str] = set()
        self._began = self._last = clock()
        self._spent, self._cost = 0.0, FIRST_COST
        self._unwritten = False

    def resume(self, repair: Repair, trained: bool, found: Sequence[Mapping[str, Any]]) -> None:
        """Take up what an interrupted run stored of its finished rounds, and counterexamples."""
        self.record.round = repair.round
        self._counterexamples(found, repair.points)
        if self.folder is None or TABLE not in self.folder.data["files"]:
            return
        done = repair.round if trained else repair.round - 1
        path = self.folder.path / TABLE
        try:
            entries = from_csv(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            told = error if isinstance(error, InputError) else "cannot be read"
            note(f"{path} {told}; {PICTURE} shows what is to come")
            return
        self.record.entries = [e for e in entries if e.round <= done]

    def hearing(self, also: OnTraining) -> OnTraining:
        """A learner's ``progress``: everything is told to ``also``, too."""

        def on_training(told: Mapping[str, object]) -> None:
            also(told)
            if self.folder is not None:
                self._safely("training is recorded no further", lambda: self._heard(told))

        return on_training

    def trained(self, candidate: Candidate) -> None:
        """A round's candidate is there."""
        if self.folder is None:
            return
        part = candidate.provenance.get("trained_fraction")
        box = float(part) if isinstance(part, int | float) and 0 < part < 1 else 1.0
        self.record.finish_round(_value_of(candidate), box)
        if self.record.entries:
            self._write_table()

    def proved(self, attempt: Attempt, found: Sequence[Mapping[str, Any]]) -> None:
        """A round's proof is over; ``found`` are the counterexamples of all rounds so far."""
        self._counterexamples(found, attempt.counterexamples)
        self._draw_now_and_then()

    def __enter__(self) -> TrainingWatch:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """After Ctrl-C, what was told is written, and nothing is drawn."""
        if kind is not None and issubclass(kind, KeyboardInterrupt) and self._unwritten:
            self._write_table()

    def finish(self) -> bytes | None:
        """Draw all of it once more. Returns the picture, None where there is none."""
        picture = None
        if self.folder is not None and self.record.entries:
            self._write_table()
            picture = self._draw()
        if self._events is not None:
            self._safely("TensorBoard's events are not complete", self._events.close)
        return picture

    def _heard(self, told: Mapping[str, object]) -> None:
        entry = self.record.add(told)
        self._unwritten = True
        if self._events is None and "events" not in self._told:
            self._told.add("events")
            self._open_events()
        if self._events is not None:
            events = self._events
            self._safely("nothing goes to TensorBoard any more", lambda: events.entry(entry))
        self._draw_now_and_then()

    def _open_events(self) -> None:
        from cli.training_events import open_events

        assert self.folder is not None
        path, fresh = self.folder.path, TABLE not in self.folder.data["files"]
        self._events = self._safely(
            "nothing goes to TensorBoard", lambda: open_events(path, fresh=fresh)
        )

    def _counterexamples(self, found: Sequence[Mapping[str, Any]], given: Any) -> None:
        self.record.found = [(int(c["round"]), tuple(c["point"])) for c in found]
        self.record.given = given

    def _draw_now_and_then(self) -> None:
        """A picture, where the last one is old enough, and its cost is small beside the rest."""
        now = self.clock()
        affordable = self._spent + self._cost <= SHARE * (now - self._began)
        if self.folder is None or now - self._last < PAUSE or not affordable:
            return
        self._write_table()
        self._draw()
        self._last = self.clock()
        self._cost = self._last - now
        self._spent += self._cost

    def _draw(self) -> bytes | None:
        if find_spec("matplotlib") is None:
            self._once(
                "matplotlib",
                f"{PICTURE} is left out because matplotlib is not installed; "
                "pip install 'stableproof[report]' brings it",
            )
            return None
        picture: bytes | None = self._safely(f"{PICTURE} is not drawn", self._drawn)
        return picture

    def _drawn(self) -> bytes | None:
        from cli.training_levels import Stage
        from cli.training_picture import training_picture

        assert self.folder is not None
        picture = training_picture(self.record, Stage.of(self.system))
        if picture is not None:
            self.folder.write(PICTURE, lambda path: write_atomically(path, picture))
            if self._events is not None:
                self._events.picture(self.record.entries[-1], picture)
        return picture

    def _write_table(self) -> None:
        assert self.folder is not None
        folder, text = self.folder, as_csv(self.record.entries)
        self._unwritten = False
        self._safely(
            f"{TABLE} is not written",
            lambda: folder.write(TABLE, lambda path: write_atomically(path, text)),
        )

    def _safely(self, otherwise: str, what: Callable[[], Any]) -> Any:
        """What ``what`` returns; where it fails, None, and a line that tells why, once."""
        try:
            return what()
        except Exception as error:  # hours of training are worth more than any picture of them
            reason = str(error).split("\n")[0] or type(error).__name__
            self._once(otherwise, f"{otherwise}: {reason}")
            return None

    def _once(self, what: str, line: str) -> None:
        if what not in self._told:
            self._told.add(what)
            note(line)


def live_picture(folder: RunFolder) -> bytes | None:
    """The picture that a former command left of its training; None where it left none."""
    if not {PICTURE, TABLE} <= set(folder.data["files"]):
        return None
    try:
        return (folder.path / PICTURE).read_bytes()
    except OSError:
        return None


def _value_of(candidate: Candidate) -> Callable[[Any], Any]:
    from systems.evaluate import function

    run = function(candidate.value, candidate.state)
    return lambda x: run(x)[0][:, 0]
