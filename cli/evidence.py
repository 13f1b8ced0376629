"""What a finished proof leaves in its folder: certificate, report, outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cli.errors import CODES
from cli.output import say, say_json
from cli.transcript import row

if TYPE_CHECKING:
    from certify.prove import StabilityResult
    from cli.run_folder import RunFolder


def leave_evidence(
    folder: RunFolder,
    result: StabilityResult,
    record: Mapping[str, Any],
    history: Sequence[Mapping[str, object]],
) -> dict[str, Any]:
    """Write certificate (iff proved) and report; returns the record with their paths.

    Raises InputError where they cannot be written.
    """
    from proofs.certificate import certificate_of, save_certificate

    provenance = {"command": folder.data["command"], "settings": folder.data["settings"]}
    out = dict(record)
    if result.theorem is not None and record["verdict"] == "proved":
        document = certificate_of(result, {**provenance, "rounds": list(history)})
        path = folder.write("certificate.json", lambda p: save_certificate(document, p))
        out["certificate"] = str(path)
    out["report"] = _report(folder, result, out, history)
    return out


def finish(folder: RunFolder | None, record: Mapping[str, Any], lines: Sequence[str]) -> None:
    """Store the outcome, so that the same command finds it again."""
    if folder is not None:
        folder.save(status="finished", outcome={**record, "transcript": list(lines)})


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


def _report(
    folder: RunFolder,
    result: StabilityResult,
    record: Mapping[str, Any],
    history: Sequence[Mapping[str, object]],
) -> str | None:
    return None
