"""The loop of ``run``: told line by line, and stored stage by stage so that it can be resumed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cli.beside_ellipsoid import BesideEllipsoid, beside_ellipsoid
from cli.beside_lqr import BesideLqr, beside_lqr
from cli.errors import CODES, StoppedByUserError
from cli.evidence import leave_contradiction, leave_evidence
from cli.first_region import EXTRA, first_region, first_region_rows, is_wanted, origin_size
from cli.outcome import counterexample_row, outcome, reason_of, word
from cli.output import note, say, say_json
from cli.progress import ProgressBars
from cli.training_watch import TrainingWatch
from cli.transcript import proof_rows, row, sampling_rows, training_row, verdict_row
from systems.errors import InputError

if TYPE_CHECKING:
    from certify.candidate import Candidate
    from certify.result import Requested, StabilityResult
    from certify.verdict import Verdict
    from cli.inputs import Plant
    from cli.panel import Consulted, Panel
    from cli.run_folder import RunFolder
    from learners.refine import Attempt, Learner
    from learners.repair import Repair


@dataclass
class Loop:
    """One ``stableproof run``. ``lines`` is the transcript, ``rows`` the table of rounds."""

    plant: Plant
    learner: Learner
    asked: Requested
    rounds: int
    time_limit: float
    seed: int
    folder: RunFolder | None
    panel: Panel
    count_training: bool = True
    lines: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    points: list[dict[str, Any]] = field(default_factory=list)
    quiet: bool = False
    _repair: Any = None
    _first: Candidate | None = None
    _origin: tuple[Candidate, StabilityResult] | None = None
    _watch: Any = None
    _bars: ProgressBars | None = None

    def run(self, as_json: bool) -> int:
        """All of it; returns the exit code. KeyboardInterrupt leaves the folder resumable."""
        from certify import Budget
        from cli.warm_up import warm_up
        from learners.refine import refine
        from learners.repair import Repair

        self.quiet = as_json
        self._watch = TrainingWatch(self.plant.system, self.folder)
        repair, trained = self._stored()
        self._repair = repair or Repair.none(self.plant.system.state_dimension)
        warm_up()
        last: Attempt | None = None
        clock = Budget(self.time_limit).started()
        with self._watch, ProgressBars() as bars:
            self._bars = bars

            def on_trained(number: int, candidate: Candidate, elapsed: float) -> None:
                bars.clear()
                if not self.count_training:
                    clock.start += elapsed
                self._trained(number, candidate, elapsed)

            for last in refine(
                self.plant.system,
                self.learner,
                self.asked,
                rounds=self.rounds,
                budget=Budget(self.panel.own_seconds(self.time_limit)),
                on_progress=bars.proving,
                on_training=self._watch.hearing(bars.training),
                on_trained=on_trained,
                seed=self.seed,
                resume=repair,
                trained=trained,
                count_training=self.count_training,
            ):
                bars.clear()
                self._proved(last)
        self._bars = None
        assert last is not None and last.conclusion is not None
        return self._end(last, clock.remaining.seconds, as_json)

    def _tell(self, line: str) -> None:
        self.lines.append(line)
        if self._bars is not None:
            self._bars.clear()  # one may have appeared while a picture was drawn
        if not self.quiet:
            say(line)

    def _stored(self) -> tuple[Repair | None, tuple[Candidate, float] | None]:
        """Where an interrupted run stopped: the repair to come, and its candidate if trained."""
        stored = None if self.folder is None else self.folder.data.get("loop")
        if self.folder is None or stored is None:
            return None, None
        from certify.candidate_file import load_candidate
        from learners.repair import Repair

        path = self.folder.path
        dimension = self.plant.system.state_dimension
        try:
            repair = Repair.from_json(stored["repair"], dimension)
            self.rows, self.points = list(stored["rounds"]), list(stored["counterexamples"])
            elapsed = stored["train_seconds"]
            self.lines = [str(line) for line in stored["transcript"]]
            if not (elapsed is None or isinstance(elapsed, float)):
                raise TypeError
        except (KeyError, TypeError, InputError):
            raise InputError(f"{path}: run.json is damaged; --force starts anew") from None
        trained = None
        if elapsed is not None:
            try:
                trained = load_candidate(path / "candidate.json")[0], elapsed
            except InputError as error:
                note(f"{error}; it is trained again")
                del self.lines[-1 if repair.round == 1 else -2 :]  # what _trained told of it
        self._watch.resume(repair, trained is not None, self.points)
        if not self.quiet:
            for line in self.lines:
                say(line)
        note(f"resuming {path} at round {repair.round}")
        return repair, trained

    def _store(self, repair: Repair, train_seconds: float | None) -> None:
        if self.folder is not None:
            self.folder.save(
                loop={
                    "repair": repair.as_json(),
                    "train_seconds": train_seconds,
                    "rounds": self.rows,
                    "counterexamples": self.points,
                    "transcript": self.lines,
                }
            )

    def _trained(self, number: int, candidate: Candidate, elapsed: float) -> None:
        if not self.lines:
            for line in sampling_rows(self.plant.system):
                self._tell(line)
        if number > 1:
            self._tell(f"round {number}")
        line = training_row(candidate, elapsed)
        if self.count_training and elapsed > self.time_limit:
            words = f"training alone took longer than the time limit of {self.time_limit:g} s"
            line += "\n" + row("note", f"{words}; give more with --time-limit, or learn less")
        self._tell(line)
        self._first = self._first or candidate
        self._keep_candidate(candidate)
        self._store(self._repair, elapsed)
        self._watch.trained(candidate)

    def _proved(self, attempt: Attempt) -> None:
        if self.rows and self.rows[-1]["round"] == attempt.round:
            return  # the refit after this round failed: nothing new was proved
        self.rows.append(attempt.as_row())
        largest = -math.inf if self._origin is None else origin_size(self._origin[1])
        if origin_size(attempt.result) > largest:
            self._origin = attempt.candidate, attempt.result
        found = attempt.result.counterexample
        if found is not None:
            self.points.append(counterexample_row(found, attempt.result, attempt.round))
        self._watch.proved(attempt, self.points)
        for line in proof_rows(attempt.result, self.panel.counts_own):
            self._tell(line)
        if attempt.next_repair is not None:
            verdict = attempt.verdict
            self._tell(f"{word(verdict)}: {reason_of(verdict, attempt.result)}")
            self._tell(row("repair", attempt.next_step))
            self._repair = attempt.next_repair
            self._store(attempt.next_repair, None)

    def _end(self, last: Attempt, remaining: float, as_json: bool) -> int:
        assert last.conclusion is not None
        with ProgressBars() as bars:
            told = self.panel.consult(last.result, remaining, self.seed, bars)
        if told.interrupted and not told.decided:
            raise KeyboardInterrupt
        result, conclusion, open_reason = self._last_word(last, told)
        larger, beside = None, None
        try:
            if not told.interrupted:
                larger = self._beside_ellipsoid(result, conclusion)
                beside = self._beside_lqr(result, conclusion)
        except KeyboardInterrupt:  # what is proved is not lost for what only stands beside it
            note("interrupted: the proof is kept, without all that it was to be compared with")
        extra = 0.0 if open_reason is None else result.seconds
        proposal = result.problem.candidate  # of the last round, or the one with an ellipsoid
        record = outcome(
            result,
            conclusion,
            counterexamples=self.points,
            train_seconds=sum(r["train_seconds"] for r in self.rows),
            prove_seconds=sum(r["prove_seconds"] for r in self.rows) + extra,
            boxes=sum(r["boxes"] for r in self.rows),
            rounds=self.rows,
            training={k: v for k, v in proposal.provenance.items() if k != "history"},
            candidate=None,
            no_larger_region=open_reason,
            larger_ellipsoid=None if larger is None else larger.as_json(),
            lqr=None if beside is None else beside.as_json(),
            **told.keys(),
        )
        before = len(self.lines)
        record, lines = leave_contradiction(told, self.folder, record, self.lines, self.seed)
        if self.folder is not None:
            if word(conclusion) == "proved" and not result.requested.claim.has_band:
                self._keep_candidate(result.problem.candidate)  # V was found with the ellipsoid
            record["candidate"] = str(self.folder.path / "candidate.json")
            record, lines = leave_evidence(
                self.folder, result, conclusion, record, self.rows, lines, self._watch.finish
            )
        for line in lines[before:]:
            self._tell(line)
        if as_json:
            say_json(record)
        if told.interrupted:
            raise StoppedByUserError(told.interruption)
        return CODES[str(record["verdict"])]

    def _last_word(
        self, last: Attempt, told: Consulted
    ) -> tuple[StabilityResult, Verdict, str | None]:
        """The result and the verdict; where only an ellipsoid is proved, why no more is."""
        assert last.conclusion is not None
        result = told.result
        conclusion = concluded(last.conclusion, last.result.verdict, result.verdict, self.rounds)
        for line in [*told.rows(), verdict_row(result, conclusion), *told.last_rows()]:
            self._tell(line)
        if not self.panel.asks and is_wanted(self.asked, conclusion):
            found = self._first_region(last)
            if found is not None:
                return found, found.verdict, reason_of(conclusion, result)
        return result, conclusion, None

    def _beside_ellipsoid(
        self, result: StabilityResult, conclusion: Verdict
    ) -> BesideEllipsoid | None:
        if word(conclusion) != "proved" or self.panel.asks:
            return None
        with ProgressBars() as bars:
            larger = beside_ellipsoid(result, self.seed, bars)
        if larger is not None:
            self._tell(larger.row())
        return larger

    def _beside_lqr(self, result: StabilityResult, conclusion: Verdict) -> BesideLqr | None:
        if word(conclusion) != "proved" or result.theorem is None:
            return None
        with ProgressBars() as bars:
            beside = beside_lqr(result, self.seed, bars)
        if beside is not None:
            self._tell(beside.row())
        return beside

    def _first_region(self, last: Attempt) -> StabilityResult | None:
        """The ellipsoid of the candidate that has shown the largest one, or else of the last or the
        first."""
        tried: list[tuple[Candidate, StabilityResult | None]] = [(last.candidate, None)]
        if self._first is not None and self._first is not last.candidate:
            tried.append((self._first, None))
        if self._origin is not None:
            tried = [self._origin]
        with ProgressBars() as bars:
            found = first_region(self.plant.system, tried, EXTRA * self.time_limit, self.seed, bars)
        if found is None:
            return None
        for line in first_region_rows(found):
            self._tell(line)
        return found

    def _keep_candidate(self, candidate: Candidate) -> None:
        from certify.candidate_file import save_candidate

        if self.folder is not None:
            name = self.plant.system.name
            self.folder.write("candidate.json", lambda path: save_candidate(candidate, path, name))


def concluded(loop: Verdict, own: Verdict, joint: Verdict, rounds: int) -> Verdict:
    """The last word of a run: the loop's, unless other backends changed that on its last round.

    What they refute where more than one round was asked for is open: another candidate might do.
    """
    from certify.verdict import Refuted, Unknown

    if joint == own:
        return loop
    if rounds > 1 and isinstance(own, Unknown) and isinstance(loop, Unknown):
        if isinstance(joint, Refuted):
            found = joint.counterexample
            where = ", ".join(f"{v:.6g}" for v in found.point)
            last = f"the last candidate is refuted in {found.condition} at ({where})"
            return Unknown(f"{loop.reason}; {last}")
        if isinstance(joint, Unknown):
            return Unknown(f"{loop.reason}; {joint.reason}")
    return joint
