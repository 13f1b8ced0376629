"""``stableproof train``: a candidate, with no promise."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import Any

import click

from cli.errors import StoppedByUserError
from cli.options import common, out, seed, training
from cli.output import note, say, say_json
from cli.sampling import sampling


@click.command("train")
@click.argument("system")
@sampling
@training
@seed
@out
@common
def command(system: str, as_json: bool, **options: Any) -> int:
    """Train a controller and its Lyapunov function for SYSTEM (of the zoo, or a TOML file).

    With --out, writes DIR/candidate.json for certify. Nothing is proved yet.
    """
    from cli.actor_critic import CHECKPOINT, keep_state, sampled_by_task
    from cli.inputs import load_plant
    from cli.learner_options import learner_settings, make_learner, note_ignored, with_defaults
    from cli.learners import LEARNERS
    from cli.outcome import nothing_decided
    from cli.progress import ProgressBars
    from cli.run_folder import RunFolder
    from cli.training_watch import TrainingWatch
    from cli.transcript import row, sampling_rows, training_row

    plant = sampled_by_task(load_plant(system, options), LEARNERS[options["learner"]])
    note_ignored(options)
    options = with_defaults(options, plant)
    learner = make_learner(options, plant)
    folder = None
    if options["out"] is not None:
        settings = {**plant.settings(), **learner_settings(options)}
        folder = RunFolder.open(
            options["out"], "train", settings, force=options["force"], system=plant.text
        )
        former = folder.outcome
        if former is not None:
            wrong = folder.repair()
            if wrong is None:
                note(f"{folder.path} holds this candidate already; --force trains it again")
                _tell_former(former, as_json)
                return 0
            note(f"{wrong}; it is trained again")
    started = time.perf_counter()
    held = nullcontext() if folder is None else folder.unless_refused()
    keep_state(learner, options, folder)
    watch = TrainingWatch(plant.system, folder)
    try:
        with held, watch, ProgressBars() as bars:
            candidate = learner.fit(plant.system, progress=watch.hearing(bars.training))
    except KeyboardInterrupt:
        kept = folder is not None and (folder.path / CHECKPOINT).exists()
        goes_on = "; the same command goes on where this one stopped" if kept else ""
        raise StoppedByUserError(f"interrupted{goes_on}") from None
    elapsed = time.perf_counter() - started
    lines = [*sampling_rows(plant.system), training_row(candidate, elapsed)]
    record = nothing_decided(
        "trained only; certify proves it or refutes it",
        system=plant.system.name,
        seconds={"train": elapsed, "prove": 0.0},
        training={k: v for k, v in candidate.provenance.items() if k != "history"},
        candidate=None,
        transcript=lines,
    )
    if folder is not None:
        from certify.candidate_file import save_candidate

        path = folder.write(
            "candidate.json", lambda p: save_candidate(candidate, p, plant.system.name)
        )
        record["candidate"] = str(path)
        record["transcript"] = [*lines, row("candidate", str(path))]
        folder.save(status="finished", outcome=record)
        watch.trained(candidate)
        watch.finish()
    _tell_former(record, as_json)
    return 0


def _tell_former(record: dict[str, Any], as_json: bool) -> None:
    lines = record.get("transcript", [])
    if as_json:
        say_json({k: v for k, v in record.items() if k != "transcript"})
    else:
        for line in lines:
            say(str(line))
