"""``stableproof certify``: prove or refute a candidate that is there already."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import click

from cli.errors import CODES, StoppedByUserError
from cli.options import common, constants, out, seed, solvers
from cli.output import note, say
from cli.sampling import sampling


@click.command("certify")
@click.argument("system")
@click.argument("candidate", type=click.Path())
@sampling
@constants
@solvers
@seed
@out
@common
def command(system: str, candidate: str, as_json: bool, **options: Any) -> int:
    """Prove that CANDIDATE (a file of train or import, or their folder) stabilises SYSTEM.

    Constants that are left out are searched for, for the largest region. With --out, leaves a
    certificate (where proved) and a report in that folder.
    """
    from certify import Budget, prove_stability
    from cli.evidence import leave_contradiction, leave_evidence, tell
    from cli.first_region import EXTRA, first_region, first_region_rows, is_wanted
    from cli.inputs import constant_settings, load_candidate_for, load_plant, requested, with_claim
    from cli.outcome import counterexample_row, outcome, reason_of
    from cli.panel import panel_of
    from cli.progress import ProgressBars
    from cli.transcript import proof_rows, sampling_rows, verdict_row
    from cli.warm_up import warm_up

    plant = load_plant(system, options)
    options = with_claim(options, plant)
    asked = requested(options, plant)
    panel = panel_of(options)
    proposal = load_candidate_for(plant, candidate)
    folder = None
    if options["out"] is not None:
        folder = _folder(plant, candidate, {**constant_settings(options)}, options)
        former = folder.outcome
        if former is not None:
            from cli.evidence import lacking, retell

            wrong = folder.repair()
            if wrong is None:
                note(f"{folder.path} holds this proof already{lacking(folder)}")
                return retell(former, as_json)
            note(f"{wrong}; the proof is repeated")
    try:
        warm_up()
        held = nullcontext() if folder is None else folder.unless_refused()
        with held, ProgressBars() as bars:
            clock = Budget(options["time_limit"]).started()
            own = prove_stability(
                plant.system,
                proposal,
                asked,
                budget=Budget(panel.own_seconds(options["time_limit"])),
                on_progress=bars.proving,
                seed=options["seed"],
            )
            told = panel.consult(own, clock.remaining.seconds, options["seed"], bars)
        if told.interrupted and not told.decided:
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        raise StoppedByUserError("interrupted: nothing was decided") from None
    result = told.result
    found = result.counterexample
    rows = [] if found is None else [counterexample_row(found, result, 1)]
    lines = [*sampling_rows(plant.system), *proof_rows(own, panel.counts_own), *told.rows()]
    lines.append(verdict_row(result, result.verdict))
    lines += told.last_rows()
    open_reason = None
    if not panel.asks and is_wanted(asked, result.verdict):
        seconds = EXTRA * options["time_limit"]
        with ProgressBars() as bars:
            first = first_region(plant.system, [(proposal, own)], seconds, options["seed"], bars)
        if first is not None:
            open_reason = reason_of(result.verdict, result)
            result, lines = first, [*lines, *first_region_rows(first)]
    record = outcome(
        result,
        result.verdict,
        counterexamples=rows,
        candidate=str(candidate),
        no_larger_region=open_reason,
        **told.keys(),
    )
    before = 0 if as_json else len(lines)  # told before the report is drawn, which takes seconds
    for line in lines[:before]:
        say(line)
    try:
        record, lines = leave_contradiction(told, folder, record, lines, options["seed"])
        if folder is not None:
            record, lines = leave_evidence(folder, result, result.verdict, record, [], lines)
    except KeyboardInterrupt:
        finished = folder is not None and folder.outcome is not None
        kept = "was decided, and kept" if finished else "nothing was kept"
        raise StoppedByUserError(f"interrupted: {kept}") from None
    tell(record, lines[before:], as_json)
    if told.interrupted:
        raise StoppedByUserError(told.interruption)
    return CODES[str(record["verdict"])]


def _folder(plant: Any, candidate: str, settings: dict[str, object], options: Any) -> Any:
    import hashlib
    from pathlib import Path

    from cli.run_folder import RunFolder

    file = Path(candidate) / "candidate.json" if Path(candidate).is_dir() else Path(candidate)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    stated = {**plant.settings(), **settings, "seed": options["seed"], "candidate_sha256": digest}
    return RunFolder.open(
        options["out"], "certify", stated, force=options["force"], system=plant.text
    )
