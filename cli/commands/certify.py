"""``stableproof certify``: prove or refute a candidate that is there already."""

from __future__ import annotations

from typing import Any

import click

from cli.errors import CODES, StoppedByUserError
from cli.options import common, constants, out, seed
from cli.output import note, say, say_json


@click.command("certify")
@click.argument("system")
@click.argument("candidate", type=click.Path())
@constants
@seed
@out
@common
def command(system: str, candidate: str, as_json: bool, **options: Any) -> int:
    """Prove that CANDIDATE (a file of train or import, or their folder) stabilises SYSTEM.

    Constants that are left out are searched for, for the largest region. With --out, leaves a
    certificate (where proved) and a report in that folder.
    """
    from certify import Budget, prove_stability
    from cli.inputs import constant_settings, load_candidate_for, load_plant, requested
    from cli.outcome import counterexample_row, outcome
    from cli.progress import ProgressBars
    from cli.transcript import proof_rows, verdict_row
    from cli.warm_up import warm_up

    asked = requested(options)
    plant = load_plant(system)
    proposal = load_candidate_for(plant, candidate)
    folder = None
    if options["out"] is not None:
        folder = _folder(plant, candidate, {**constant_settings(options)}, options)
        if folder.outcome is not None:
            from cli.evidence import retell

            note(f"{folder.path} holds this proof already; --force repeats it")
            return retell(folder.outcome, as_json)
    try:
        warm_up()
        with ProgressBars() as bars:
            result = prove_stability(
                plant.system,
                proposal,
                asked,
                budget=Budget(options["time_limit"]),
                on_progress=bars.proving,
                seed=options["seed"],
            )
    except KeyboardInterrupt:
        raise StoppedByUserError("interrupted: nothing was decided") from None
    found = result.counterexample
    rows = [] if found is None else [counterexample_row(found, result, 1)]
    record = outcome(result, result.verdict, counterexamples=rows, candidate=str(candidate))
    lines = [*proof_rows(result), verdict_row(result, result.verdict)]
    if folder is not None:
        from cli.evidence import finish, leave_evidence, path_rows

        record = leave_evidence(folder, result, result.verdict, record, [])
        lines += path_rows({**record, "candidate": None})
        finish(folder, record, lines)
    if as_json:
        say_json(record)
    else:
        for line in lines:
            say(line)
    return CODES[str(record["verdict"])]


def _folder(plant: Any, candidate: str, settings: dict[str, object], options: Any) -> Any:
    import hashlib
    from pathlib import Path

    from cli.run_folder import RunFolder

    file = Path(candidate) / "candidate.json" if Path(candidate).is_dir() else Path(candidate)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    stated = {**plant.settings(), **settings, "seed": options["seed"], "candidate_sha256": digest}
    return RunFolder.open(options["out"], "certify", stated, force=options["force"])
