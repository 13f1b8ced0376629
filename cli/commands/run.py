"""``stableproof run``: train, prove, repair, and leave a certificate and a report."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import click

from cli.errors import StoppedByUserError
from cli.options import common, constants, out, seed, solvers, training
from cli.output import note
from cli.sampling import sampling


@click.command("run")
@click.argument("system")
@sampling
@training
@seed
@constants
@solvers
@click.option(
    "--rounds",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    help="Of training, proof and repair, at most.",
)
@out
@common
def command(system: str, as_json: bool, **options: Any) -> int:
    """Train a controller for SYSTEM (of the zoo, or a TOML file) and prove it stable.

    Counterexamples go back into the training until the proof succeeds or a limit ends it.
    Constants that are left out are searched for. With --out, leaves candidate, certificate and
    report in that folder; after Ctrl-C the same command goes on where it stopped.
    """
    from cli.actor_critic import keep_state, sampled_by_task
    from cli.evidence import lacking, retell
    from cli.inputs import constant_settings, load_plant, requested, with_claim
    from cli.learner_options import (
        learner_settings,
        make_learner,
        note_ignored,
        rounds_of,
        with_defaults,
    )
    from cli.learners import LEARNERS
    from cli.loop import Loop
    from cli.panel import panel_of
    from cli.run_folder import RunFolder

    plant = sampled_by_task(load_plant(system, options), LEARNERS[options["learner"]])
    options = with_claim(options, plant)
    asked = requested(options, plant)
    panel = panel_of(options)
    note_ignored(options)
    options = with_defaults(options, plant)
    learner = make_learner(options, plant)
    rounds = rounds_of(options)
    folder = None
    if options["out"] is not None:
        settings = {
            **plant.settings(),
            **learner_settings(options),
            **constant_settings(options),
            "rounds": rounds,
        }
        folder = RunFolder.open(
            options["out"], "run", settings, force=options["force"], system=plant.text
        )
        former = folder.outcome
        if former is not None:
            wrong = folder.repair()
            if wrong is None:
                note(f"{folder.path} holds this run already, finished{lacking(folder)}")
                return retell(former, as_json)
            note(f"{wrong}; the run is repeated from what is left")
    keep_state(learner, options, folder)
    loop = Loop(
        plant, learner, asked, rounds, options["time_limit"], options["seed"], folder, panel,
        count_training=not LEARNERS[options["learner"]].episodic,
    )  # fmt: skip
    try:
        with nullcontext() if folder is None else folder.unless_refused():
            return loop.run(as_json)
    except KeyboardInterrupt:
        raise StoppedByUserError(f"interrupted{_kept(folder)}") from None


def _kept(folder: Any) -> str:
    if folder is None:
        return ""
    if folder.outcome is not None:
        return "; the proof is finished and kept, the report lacks pictures"
    return "; the same command goes on where this one stopped"
