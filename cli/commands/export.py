"""``stableproof export``: files for other tools, of a run's closed loop and of what was proved."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import common
from cli.output import say, say_json
from cli.transcript import row

if TYPE_CHECKING:
    from proofs.export.artifact import Written
    from proofs.export.source import Source

NAMES = ("smt2", "vnnlib", "onnx", "torch", "c")
CERTIFICATE, CANDIDATE = "certificate.json", "candidate.json"


@click.command("export")
@click.argument("run", metavar="RUN", type=click.Path())
@click.option(
    "--format",
    "formats",
    type=click.Choice(NAMES),
    multiple=True,
    help="A format; may be given several times.  [default: all that are possible]",
)
@click.option("--out", type=click.Path(), required=True, help="The new folder to write to.")
@click.option("--force", is_flag=True, help="Replace a former export in --out.")
@common
def command(run: str, formats: tuple[str, ...], out: str, force: bool, as_json: bool) -> int:
    """Write files for other tools, of RUN: the folder of a run, or a certificate.

    smt2 and vnnlib state the conditions of the certificate; onnx, torch and c hold V, the
    controller and the closed loop. Without a certificate there is only the latter. What is proved
    is proved in real arithmetic, which is not that of these files. Exit code 0.
    """
    from cli.outcome import nothing_decided
    from proofs.export.folder import check_target, write_folder
    from proofs.export.formats import INDEX, exported, index_of

    folder = Path(out)
    check_target(folder, force)
    source = _source(Path(run))
    written = exported(source, formats)
    write_folder(folder, written.artifacts, force)
    if as_json:
        files = [a for a in written.artifacts if a.path != INDEX]
        record = index_of(source, files, written.left_out)
        reason = "files only; check proves the certificate again"
        say_json({**nothing_decided(reason), **record, "out": str(folder)})
    else:
        _tell(folder, source, written)
    return 0


def _tell(folder: Path, source: Source, written: Written) -> None:
    from proofs.export.formats import INDEX

    proved = "nothing is proved of it" if source.theorem is None else f"claim: {source.theorem}"
    say(row("system", f"{source.problem.system.name}, {proved}"))
    counts = Counter(a.path.partition("/")[0] for a in written.artifacts if a.path != INDEX)
    for name, count in counts.items():
        say(row(name, f"{count} files in {folder / name}"))
    for x in written.left_out:
        say(row("left out", f"{x.format}, {x.what}: {x.reason}"))
    say(row("index", str(folder / INDEX)))


def _source(path: Path) -> Source:
    """What RUN holds. Raises InputError."""
    from proofs.certificate import load_certificate
    from proofs.export.source import source_of_certificate
    from systems.errors import InputError

    if path.is_file():
        if path.name == CANDIDATE:
            raise InputError(f"{path} is a candidate: give the folder of its run instead")
        return source_of_certificate(load_certificate(path))
    if not path.is_dir():
        raise InputError(f"{path}: there is no such folder or certificate")
    data = _record(path)
    if (path / CERTIFICATE).exists():
        return source_of_certificate(load_certificate(path / CERTIFICATE))
    if data is None:
        raise InputError(f"{path} holds no run: neither run.json nor {CERTIFICATE} is in it")
    return _unproved(path, data)


def _record(folder: Path) -> dict[str, Any] | None:
    """What run.json says, None where there is none. Raises InputError where files are damaged."""
    from cli.integrity import damage
    from cli.run_folder import CHECKED, RUN, read_run
    from systems.errors import InputError

    if not (folder / RUN).exists():
        return None
    data = read_run(folder)
    wrong = {name: what for name, what in damage(folder, data).items() if name in CHECKED}
    if data["status"] == "finished" and wrong:
        raise InputError("; ".join(wrong.values()))
    return data


def _unproved(folder: Path, data: dict[str, Any]) -> Source:
    """The candidate of a run that has no certificate."""
    from cli.inputs import load_candidate_for, recorded_plant
    from proofs.export.source import source_of_candidate
    from systems.errors import InputError

    file = folder / CANDIDATE
    if data["command"] == "certify":
        if data["status"] != "finished":
            raise InputError(
                f"{folder}: the proof is not finished; the same command goes on with it"
            )
        file = Path(str(data["outcome"].get("candidate")))
    if not file.exists():
        raise InputError(f"{folder} holds no candidate yet: {file} is not there")
    plant = recorded_plant(folder, data)
    return source_of_candidate(plant.system, load_candidate_for(plant, str(file)))
