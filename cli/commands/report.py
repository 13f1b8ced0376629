"""``stableproof report``: write the report of a finished run anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import common
from cli.transcript import row

if TYPE_CHECKING:
    from certify.candidate import Candidate
    from certify.result import StabilityResult
    from systems.dynamics import ControlAffineSystem

CERTIFICATE = "certificate.json"


@click.command("report")
@click.argument("folder", metavar="DIR", type=click.Path())
@common
def command(folder: str, as_json: bool) -> int:
    """Write report.html and report.md in DIR, the folder that run or certify left.

    Both tell what the certificate states, or what was refuted or left open. Nothing is proved
    again: that is what check does. Needs the report extra. Exit code 0.
    """
    from cli.evidence import checking_commands, draw, tell
    from cli.lock import hold
    from cli.outcome import nothing_decided
    from cli.run_folder import RunFolder
    from cli.training_watch import live_picture
    from proofs.report import PAGE, write_report

    _require_libraries()
    path = Path(folder)
    data = _finished(path)
    hold(path)
    held, outcome = RunFolder(path, data), data["outcome"]
    document = _certificate(path, data)
    result = _result(path, data, document)
    repeat = data.get("command_line") or _recorded(document).get("command") or ""

    def write() -> None:
        write_report(
            path, result, rounds=_records(outcome.get("rounds")),
            counterexamples=_records(outcome.get("counterexamples")), certificate=document,
            commands=checking_commands(document), repeat=str(repeat),
            training_picture=live_picture(held), beside=outcome,
        )  # fmt: skip

    held.announce("report.md")
    draw(held, write)
    paths = {"report": str(path / "report.md"), "page": str(path / PAGE)}
    if "page" not in outcome:  # what told the run to draw was interrupted, or could not
        told = [*outcome.get("transcript", []), row("page", paths["page"])]
        held.save(outcome={**outcome, "page": paths["page"], "transcript": told})
    reason = "a report tells what was recorded; check proves it again"
    record = {**nothing_decided(reason), **paths}
    tell(record, [row(name, there) for name, there in paths.items()], as_json)
    return 0


def _require_libraries() -> None:
    from importlib.util import find_spec

    from systems.errors import InputError

    absent = [name for name in ("jinja2", "plotly") if find_spec(name) is None]
    if absent:
        raise InputError(
            f"the report needs {' and '.join(absent)}; pip install 'stableproof[report]' brings "
            "what is missing"
        )


def _finished(folder: Path) -> dict[str, Any]:
    """The record of a finished run whose files are whole. Raises InputError."""
    from cli.integrity import damage
    from cli.run_folder import CHECKED, RUN, read_run
    from systems.errors import InputError

    if not (folder / RUN).exists():
        raise InputError(f"{folder} holds no run: there is no {RUN} in it")
    data = read_run(folder)
    if data["command"] not in ("run", "certify"):
        raise InputError(f"{folder} is of '{data['command']}', which proves nothing to report")
    if data["status"] != "finished":
        raise InputError(f"{folder}: the run is not finished; the same command goes on with it")
    wrong = {name: what for name, what in damage(folder, data).items() if name in CHECKED}
    if wrong:
        raise InputError("; ".join(wrong.values()))
    return data


def _certificate(folder: Path, data: Mapping[str, Any]) -> dict[str, object] | None:
    from proofs.certificate import load_certificate

    return load_certificate(folder / CERTIFICATE) if CERTIFICATE in data["files"] else None


def _result(
    folder: Path, data: Mapping[str, Any], document: Mapping[str, object] | None
) -> StabilityResult:
    """What the run found. Raises InputError where its parts do not fit together."""
    from cli.run_folder import RUN
    from proofs.report_memory import result_of_memory
    from proofs.report_source import result_of_certificate
    from systems.errors import InputError

    examined = _examined(folder, data)
    if document is not None:
        return result_of_certificate(document, examined)
    if examined is None:
        raise InputError(
            f"{folder}: the candidate that was examined, {data['outcome'].get('candidate')}, is "
            "gone or changed; put it back, or certify again"
        )
    if data["outcome"].get("verdict") == "proved":
        raise InputError(
            f"{folder}: a proof on a solver's word leaves no certificate, from which its report "
            "could be written anew; the same command with --force repeats both"
        )
    if data.get("examined") is None:
        raise InputError(f"{folder}: {RUN} does not say what was examined; run it again")
    return result_of_memory(data["examined"], *examined, where=f"{folder / RUN}: examined")


def _examined(
    folder: Path, data: Mapping[str, Any]
) -> tuple[ControlAffineSystem, Candidate] | None:
    """The system and the candidate; None where the candidate is not there any more."""
    from cli.inputs import load_candidate_for, recorded_plant
    from cli.integrity import digest

    plant = recorded_plant(folder, data)
    file = folder / "candidate.json"
    if data["command"] == "certify":
        named = Path(str(data["outcome"].get("candidate")))
        file = named / "candidate.json" if named.is_dir() else named
        if not file.is_file() or digest(file) != data["settings"].get("candidate_sha256"):
            return None
    return plant.system, load_candidate_for(plant, str(file))


def _recorded(document: Mapping[str, object] | None) -> Mapping[str, object]:
    """What the certificate says of the run that it comes from."""
    provenance = {} if document is None else document["provenance"]
    told = provenance.get("run") if isinstance(provenance, Mapping) else None
    return told if isinstance(told, Mapping) else {}


def _records(found: object) -> list[Mapping[str, object]]:
    """A table of run.json."""
    return [r for r in found if isinstance(r, Mapping)] if isinstance(found, list) else []
