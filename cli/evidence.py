"""What a finished proof leaves in its folder: certificate, report, outcome."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from cli.errors import CODES
from cli.output import say, say_json
from cli.progress import waiting
from cli.transcript import row
from systems.files import write_atomically

if TYPE_CHECKING:
    from certify.result import StabilityResult
    from certify.verdict import Verdict
    from cli.panel import Consulted
    from cli.run_folder import RunFolder


DRAWN = ("region.png", "paving.png", "trajectories.png", "training.png", "report.html")
"""What takes longest: pictures, and the page that holds figures."""


def leave_evidence(
    folder: RunFolder,
    result: StabilityResult,
    conclusion: Verdict,
    record: Mapping[str, Any],
    rounds: Sequence[Mapping[str, object]],
    lines: Sequence[str],
    training: Callable[[], bytes | None] = lambda: None,
) -> tuple[dict[str, Any], list[str]]:
    """Write certificate (iff proved) and report, store the outcome, and only then draw.

    Returns the record with their paths, and the transcript with them. A Ctrl-C while pictures are
    drawn leaves a finished run whose report has none. ``training`` draws the training, at last, and
    returns its picture. The page is written here too, since next to
    the pictures it costs little, and it is what people open. Raises InputError where files cannot
    be written.
    """
    from proofs.certificate import certificate_of, save_certificate
    from proofs.report import write_report
    from proofs.report_memory import remembered

    command = repeating_command()
    out, document = dict(record), None
    if result.theorem is not None and record["verdict"] == "proved":
        provenance = {
            "command": command,
            "settings": folder.data["settings"],
            "rounds": list(rounds),
            **({"asked": list(result.asked)} if result.asked else {}),
        }
        with waiting("certificate"):  # with a million leaves that takes seconds
            saved = document = certificate_of(result, provenance)
            path = folder.write("certificate.json", lambda p: save_certificate(saved, p))
        out["certificate"] = str(path)
    if result.verdict != conclusion:  # the loop's last word, not that of its last round
        result = replace(result, verdict=conclusion)

    def report(pictures: bool) -> None:
        write_report(
            folder.path, result, rounds=rounds, counterexamples=record["counterexamples"],
            certificate=document, commands=checking_commands(document), repeat=command,
            pictures=pictures, training_picture=training() if pictures else None, beside=record,
        )  # fmt: skip

    with waiting("report"):
        folder.write("report.md", lambda _: report(False))
    out["report"] = str(folder.path / "report.md")
    told = [*lines, *path_rows(out)]
    memory = None if document is not None else remembered(result)
    folder.save(
        status="finished", outcome={**out, "transcript": told}, pictures="missing",
        command_line=command, examined=memory,
    )  # fmt: skip
    draw(folder, lambda: report(True))
    page = folder.path / "report.html"
    if page.exists():
        out["page"] = str(page)
        told.append(row("page", str(page)))
        folder.save(outcome={**out, "transcript": told})
    return out, told


def leave_contradiction(
    told: Consulted,
    folder: RunFolder | None,
    record: Mapping[str, Any],
    lines: Sequence[str],
    seed: int,
) -> tuple[dict[str, Any], list[str]]:
    """Write the bug report of a contradiction, if there is one, into the folder, if there is one.

    Returns the record with its path, and the transcript with it, or with how to get it.
    """
    from certify.opinions import statement_of
    from cli.bug_report import FILE, bug_report
    from systems.json_data import canonical_json

    if not told.clash:
        return dict(record), list(lines)
    if folder is None:
        how = "the same command with --out DIR writes all that reproduces it into one file"
        return {**record, "bug_report": None}, [*lines, row("bug report", how)]
    document = bug_report(
        told.clash,
        {
            **statement_of(told.own).conditions,
            **{o.condition: o.aside for o in told.opinions if o.aside is not None},
        },
        system=told.own.problem.system.name,
        seed=seed,
        seconds=told.seconds,
        command=repeating_command(),
    )
    path = folder.write(FILE, lambda p: write_atomically(p, canonical_json(document) + "\n"))
    return {**record, "bug_report": str(path)}, [*lines, row("bug report", str(path))]


def draw(folder: RunFolder, report: Callable[[], object]) -> None:
    """Write a report with all that is drawn for it, in a finished run's folder."""
    folder.announce(*DRAWN)
    with waiting("report"):
        report()
    _forget_absent(folder)
    folder.save(pictures="drawn")


def checking_commands(certificate: Mapping[str, object] | None) -> list[str]:
    """Command lines, in the run's folder, that check a certificate."""
    if certificate is None:
        return []
    name = "certificate.json"
    return [f"stableproof check {name}", f"python -m proofs.checker {name}"]


def _forget_absent(folder: RunFolder) -> None:
    """Of the pictures that were announced, some are not drawn for every system."""
    absent = {n for n in DRAWN if not (folder.path / n).exists()}
    folder.save(files=[n for n in folder.data["files"] if n not in absent])


def lacking(folder: RunFolder) -> str:
    """What a note on a finished run says of its report, and of --force."""
    if folder.data.get("pictures") != "missing":
        cut_off = (folder.outcome or {}).get("interrupted")
        return f" ({cut_off}); --force repeats it" if cut_off else "; --force repeats it"
    _forget_absent(folder)
    return "; its report was interrupted and lacks pictures; --force repeats it all"


def repeating_command() -> str:
    """The command line that is being run, for a shell, without what only concerns its output."""
    arguments: list[str] = click.get_current_context().obj or []
    kept = [a for a in arguments if a not in ("--json", "--force", "--debug")]
    return shlex.join(["stableproof", *kept])


def tell(record: Mapping[str, Any], lines: Sequence[str], as_json: bool) -> None:
    """Print a result, for people or as JSON."""
    if as_json:
        say_json(record)
    else:
        for line in lines:
            say(line)


def path_rows(record: Mapping[str, Any]) -> list[str]:
    """Where certificate and report are, for people."""
    names = ("candidate", "certificate", "report")
    return [row(name, str(record[name])) for name in names if record.get(name)]


def retell(record: Mapping[str, Any], as_json: bool) -> int:
    """Tell a stored outcome once more; returns its exit code."""
    if as_json:
        say_json({k: v for k, v in record.items() if k != "transcript"})
    else:
        for line in record.get("transcript", []):
            say(str(line))
    return CODES.get(str(record.get("verdict")), 2)
