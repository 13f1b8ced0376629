"""``stableproof check``: recheck a certificate independently, and hold it against simulation."""

from __future__ import annotations

import os
import re
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.errors import PROVED, REFUTED
from cli.options import Seconds, common, seed
from cli.output import note, say, say_json
from cli.sampling import KEYS, sampling
from cli.transcript import row, seconds

if TYPE_CHECKING:
    from proofs.checker import Outcome
    from proofs.cross_examination import CrossExamination

TOLD = 3
"""Disagreements that are told in full; ``--json`` has all of them."""


@click.command("check")
@click.argument("certificate", metavar="CERT", type=click.Path())
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes.  [default: one a core]")
@click.option(
    "--against-simulation",
    "count",
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="Also simulate N starts of the certified region, with rigorous bounds.",
)
@seed
@click.option(
    "--horizon",
    type=Seconds("horizon", 1e6),
    help="Simulate so long at most (in discrete time: so many steps); with --against-simulation.",
)
@click.option("--system", metavar="SYSTEM", help="It must speak of this system; with --candidate.")
@click.option(
    "--candidate", type=click.Path(), help="It must speak of this candidate; with --system."
)
@sampling
@click.option("--claim-hash", metavar="SHA256", help="Its statement must have this hash.")
@common
def command(certificate: str, as_json: bool, **options: Any) -> int:
    """Recheck the certificate CERT, or that of a run's folder, trusting nothing of the prover.

    Exit codes: 0 valid, 1 invalid, or not of the system, candidate or claim asked for, or
    contradicted by a simulation; 2 unreadable.
    """
    from cli.progress import ProgressBars
    from systems.errors import InputError

    path = Path(certificate)
    path = path / "certificate.json" if path.is_dir() else path
    wanted = _claim_hash(options["claim_hash"])
    if (options["system"] is None) != (options["candidate"] is None):
        raise InputError("--system and --candidate belong together: give both")
    if options["system"] is None and any(options[key] is not None for key in KEYS):
        raise InputError("--sample-time is for --system: give --system and --candidate too")
    _refuse_idle(options)
    data = _read(path, in_folder=str(path) != certificate)
    with ProgressBars() as bars:
        outcome = _checked(data, options["jobs"], bars)
        if outcome.status == "unreadable":
            raise InputError(f"{path}: {outcome.message}")
        gaps = _gaps(path, outcome, wanted, options)
        found, elapsed = None, 0.0
        if options["count"] is not None:
            started = time.perf_counter()
            found = _simulated(path, outcome, options, bars)
            elapsed = time.perf_counter() - started
    if found is not None and found.of("disagreement"):
        _shout(path, found, options)
    contradicted = found is not None and bool(found.of("disagreement"))
    if as_json:
        say_json(_record(path, outcome, gaps, found, contradicted))
    else:
        _tell(outcome, gaps, found, elapsed)
    good = outcome.status == "valid" and not gaps and not contradicted
    return PROVED if good else REFUTED


def _refuse_idle(options: Any) -> None:
    """Raises InputError for options of a simulation where none was asked for."""
    from click.core import ParameterSource

    from systems.errors import InputError

    given = click.get_current_context().get_parameter_source
    for name in ("horizon", "seed"):
        if options["count"] is None and given(name) is ParameterSource.COMMANDLINE:
            raise InputError(f"--{name} is for a simulation: give --against-simulation N too")


def _claim_hash(text: str | None) -> str | None:
    from systems.errors import InputError

    if text is not None and not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise InputError("--claim-hash: the 64 hexadecimal digits of a SHA-256 are wanted")
    return None if text is None else text.lower()


def _read(path: Path, in_folder: bool) -> bytes:
    """The bytes of the certificate; ``in_folder``: only its folder was named."""
    from proofs.checker.document import MAX_BYTES
    from systems.errors import InputError

    try:
        # A pipe without a writer would be waited for, even to be opened.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise InputError(f"{path} cannot be read: it is no ordinary file")
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        if isinstance(error, FileNotFoundError) and path.parent.is_dir() and in_folder:
            raise InputError(
                f"{path} cannot be read: there is none; a run leaves one only where every "
                f"condition is proved with evidence ('show {path.parent}' tells what it found)"
            ) from None
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path} cannot be read: {reason}") from None


def _checked(data: bytes, jobs: int | None, bars: Any) -> Outcome:
    from proofs.checker import check_bytes

    return check_bytes(data, jobs, lambda done, of: bars.counting("checking", "leaves", done, of))


def _document(path: Path, outcome: Outcome) -> dict[str, object]:
    """The same certificate, read by our own reader: the statement's hash tells that it is."""
    from proofs.certificate_reader import load_certificate
    from systems.errors import InputError

    document = load_certificate(path)
    hashes = document["sha256"]
    assert isinstance(hashes, dict)
    if hashes["statement"] != outcome.claim_hash:
        raise InputError(f"{path} was changed while it was read; check it again")
    return document


def _gaps(path: Path, outcome: Outcome, wanted: str | None, options: Any) -> list[str]:
    """In which respects the certificate does not speak of what was asked for."""
    out = []
    if wanted is not None and wanted != outcome.claim_hash:
        out.append(f"its claim has the hash {outcome.claim_hash}, not {wanted}")
    if options["system"] is not None:
        from cli.inputs import load_candidate_for, load_plant
        from proofs.binding import binding_gaps

        plant = load_plant(options["system"], options)
        candidate = load_candidate_for(plant, options["candidate"])
        out += binding_gaps(_document(path, outcome), plant.system, candidate)
    return out


def _simulated(path: Path, outcome: Outcome, options: Any, bars: Any) -> CrossExamination:
    from proofs.cross_examination import cross_examine

    return cross_examine(
        _document(path, outcome),
        options["count"],
        options["seed"],
        options["horizon"],
        options["jobs"],
        lambda done, of: bars.counting("simulating", "starts", done, of),
    )


def _tell(
    outcome: Outcome, gaps: list[str], found: CrossExamination | None, elapsed: float
) -> None:
    for line in outcome.words:
        say(line)
    if outcome.claim_hash is not None:
        say(row("claim", f"sha256 {outcome.claim_hash}"))
    if found is not None:
        _tell_simulation(found, elapsed)
    if outcome.status == "valid":
        leaves = f"{outcome.leaves:,} leaves rechecked in ball arithmetic"
        say(f"valid: {leaves}, {seconds(outcome.seconds)}")
    for gap in gaps:
        say(f"not what was asked for: {gap}")
    if found is not None and found.of("disagreement"):
        say("contradicted: a rigorous simulation breaks the claim; do not rely on it")
    if outcome.status != "valid":
        say(f"invalid: {outcome.message}")


def _tell_simulation(found: CrossExamination, elapsed: float) -> None:
    parts = [f"{len(found.of(k))} {k}" for k in ("converged", "undecided")]
    count, wrong = len(found.findings), len(found.of("disagreement"))
    told = f"{count} starts: {', '.join(parts)}, {wrong} in DISAGREEMENT"
    say(row("simulated", told if wrong else told.replace("DISAGREEMENT", "disagreement")))
    say(row("", f"validated bounds, {seconds(elapsed)}"))
    for remark in found.remarks:
        say(row("", remark))
    for reason in sorted({t.reason for t in found.of("undecided")})[:TOLD]:
        say(row("undecided", reason))


def _record(
    path: Path,
    outcome: Outcome,
    gaps: list[str],
    found: CrossExamination | None,
    contradicted: bool,
) -> dict[str, object]:
    from cli.outcome import nothing_decided

    valid = outcome.status == "valid"
    verdict = "refuted" if contradicted else "proved" if valid and not gaps else "unknown"
    reasons = [] if valid else [outcome.message]
    if contradicted:
        reasons.insert(0, "DISAGREEMENT: a rigorous simulation contradicts the claim")
    reasons += gaps
    return {
        **nothing_decided("; ".join(reasons) or "every leaf was rechecked"),
        "verdict": verdict,
        "certificate": str(path),
        "status": outcome.status,
        "message": outcome.message,
        "words": outcome.words,
        "leaves": outcome.leaves,
        "claim_hash": outcome.claim_hash,
        "seconds": {"train": 0.0, "prove": 0.0, "check": outcome.seconds},
        "gaps": gaps,
        "disagreement": contradicted,
        "simulation": None if found is None else found.to_json(),
    }


def _shout(path: Path, found: CrossExamination, options: Any) -> None:
    """On standard error, framed: one of the two programs is wrong, or the certificate is."""
    wrong = found.of("disagreement")
    lines = [
        "DISAGREEMENT",
        "",
        f"A RIGOROUS SIMULATION CONTRADICTS THIS CERTIFICATE, FROM {len(wrong)} OF "
        f"{len(found.findings)} STARTS. DO NOT RELY ON IT.",
        "",
        f"certificate  {path}",
        f"repeat       --against-simulation {len(found.findings)} --seed {options['seed']}"
        + ("" if options["horizon"] is None else f" --horizon {options['horizon']!r}"),
    ]
    for t in wrong[:TOLD]:
        lines += [
            "",
            f"start        {_exactly(t.start)}",
            *([f"disturbance  {_exactly(t.disturbance)}, constant"] if t.disturbance else []),
            f"V(start)     in [{t.value_at_start[0]!r}, {t.value_at_start[1]!r}]",
            f"at time      {t.time!r}, after {t.steps} steps",
            f"x from       {_exactly(t.lower)}",
            f"x to         {_exactly(t.upper)}",
            f"V            in [{t.value[0]!r}, {t.value[1]!r}]",
            f"but          {t.reason}",
        ]
    if len(wrong) > TOLD:
        lines += ["", f"and {len(wrong) - TOLD} more: --json has all of them"]
    width = max(map(len, lines))
    note("#" * (width + 4))
    for line in lines:
        note(f"# {line:<{width}} #")
    note("#" * (width + 4))


def _exactly(point: tuple[float, ...]) -> str:
    """Python's shortest decimals, which read back as the same floats."""
    return "(" + ", ".join(map(repr, point)) + ")"
