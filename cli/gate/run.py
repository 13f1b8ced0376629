"""All claims of a gate file, one after the other, and the reports on them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cli.errors import StoppedByUserError
from cli.gate.baseline import update_baseline
from cli.gate.claim import Gate, GateClaim
from cli.gate.decide import Workshop, decide
from cli.gate.finding import Finding, Status, exit_code, tally
from cli.gate.folder import CANDIDATES, CERTIFICATES, JUNIT, SARIF, SUMMARY, GateFolder
from cli.gate.junit import junit
from cli.gate.sarif import repository_root, sarif
from cli.gate.summary import append_job_summary, summary
from cli.output import note, say, say_json
from cli.transcript import row
from systems.errors import InputError
from systems.files import write_atomically


def run_gate(gate: Gate, *, as_json: bool, updating: bool) -> int:
    """Decide every claim, write every report; returns the exit code.

    Raises InputError where the folder cannot be used, StoppedByUserError on Ctrl-C: the claims
    that are finished are in the cache then.
    """
    folder = GateFolder.open(gate)

    def tell(line: str) -> None:
        if not as_json:
            say(line)

    shop = Workshop(
        folder.path / CERTIFICATES,
        folder.path / CANDIDATES,
        gate.cache,
        gate.jobs,
        updating,
        tell,
    )
    findings: list[Finding] = []
    try:
        for claim in gate.claims:
            tell(row("claim", f"{claim.name}  ({claim.places.file}:{claim.line})"))
            finding = _one(claim, shop)
            findings.append(finding)
            _tell_end(finding, tell)
        record = _report(gate, folder, findings)
    except KeyboardInterrupt:
        _save(gate, folder, findings, "interrupted")
        raise StoppedByUserError(
            f"interrupted: {len(findings)} of {len(gate.claims)} claims are finished; what was "
            "proved is in the cache, and the same command goes on from there"
        ) from None
    code = exit_code(findings)
    if as_json:
        say_json(record)
    else:
        say(row("results", str(folder.path)))
        say(f"gate {'passed' if code == 0 else 'FAILED'}: {tally(findings)}")
    return code


def _one(claim: GateClaim, shop: Workshop) -> Finding:
    finding = decide(claim, shop)
    if not (shop.updating and finding.status is Status.PROVED and finding.certificate):
        return finding
    try:
        update_baseline(claim, finding.certificate)
    except InputError as error:
        return replace(finding, status=Status.INPUT, message=str(error))
    if claim.baseline is not None:
        shop.tell(row("baseline", f"{claim.baseline} is up to date"))
    return finding


def _tell_end(finding: Finding, tell: Any) -> None:
    line = f"{finding.status.value}: {finding.message}"
    tell(line)
    tell("")
    if finding.status is Status.REJECTED:  # wherever standard output goes, this is seen
        note(f"{finding.claim.name}: {finding.message}")


def _report(gate: Gate, folder: GateFolder, findings: list[Finding]) -> Mapping[str, Any]:
    """Write JUnit XML, SARIF, the summary and gate.json; returns the last."""
    markdown = summary(findings)
    log = json.dumps(sarif(findings, repository_root()), indent=1, allow_nan=False)
    write_atomically(folder.path / JUNIT, junit(findings, gate.file))
    write_atomically(folder.path / SARIF, log + "\n")
    write_atomically(folder.path / SUMMARY, markdown)
    append_job_summary(markdown)
    return _save(gate, folder, findings, "finished")


def _save(
    gate: Gate, folder: GateFolder, findings: list[Finding], status: str
) -> Mapping[str, Any]:
    return folder.save(
        status=status,
        gate=str(gate.file),
        exit_code=exit_code(findings) if status == "finished" else None,
        claims=[f.as_json() for f in findings],
    )
