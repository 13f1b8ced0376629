"""The summary of a gate in Markdown, for people who look at the job's page."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from cli.gate.finding import Finding, Status, exit_code, tally
from cli.gate.junit import details
from cli.output import note

MOST_POINTS = 10


def summary(findings: Sequence[Finding]) -> str:
    """A table of all claims, and for each what is claimed or what is wrong."""
    code = exit_code(findings)
    lines = [
        f"## Stableproof gate: {'passed' if code == 0 else 'FAILED'}",
        "",
        f"{tally(findings)}; exit code {code}.",
        "",
        "| claim | system | result | theorem | c2 | volume at least | evidence | time |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_row(f) for f in findings),
    ]
    for finding in findings:
        lines += ["", f"### {text(finding.claim.name)}", "", *_section(finding)]
    return "\n".join(lines) + "\n"


def _row(finding: Finding) -> str:
    known = finding.certified if finding.certificate is not None else None
    proved = finding.status is Status.PROVED
    volume = None if known is None else known.volume
    cells = [
        text(finding.claim.name),
        text(finding.claim.system),
        finding.status.value if proved else f"**{finding.status.value}**",
        "" if known is None else known.theorem,
        "" if known is None else f"{float(known.c2):.6g}",
        "" if known is None or volume is None else text(f"{float(volume):.6g} {known.unit}"),
        _evidence(finding),
        f"{finding.total_seconds:.1f} s",
    ]
    return f"| {' | '.join(cells)} |"


def _evidence(finding: Finding) -> str:
    if finding.certificate is None:
        return ""
    return "proved anew" if finding.origin == "proved" else f"{finding.origin}, re-checked"


def _section(finding: Finding) -> list[str]:
    lines = [text(finding.message)]
    if finding.comparison is not None and finding.status is not Status.SHRUNK:
        told = (finding.comparison.words, finding.comparison.differs)
        lines += ["", text("; ".join(filter(None, told)))]
    points = finding.counterexamples
    if points and finding.status is not Status.PROVED:
        shown = details(finding).splitlines()[2:][-MOST_POINTS:]
        lines += ["", *(f"- {text(line)}" for line in shown)]
    if finding.checked is not None and finding.certificate is not None:
        lines += ["", "What the checker read and checked:", "", *_block(finding.checked.words)]
        lines += ["", f"Certificate: {text(str(finding.certificate))}"]
    return lines


def _block(lines: Sequence[str]) -> list[str]:
    """Lines as they are; a name with backticks in it cannot end the block."""
    flat = [" ".join(line.splitlines()) for line in lines]
    longest = max((len(run) for line in flat for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence, *flat, fence]


def append_job_summary(markdown: str) -> None:
    """Add the summary to the page of a GitHub job, where there is one."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(markdown)
    except OSError as error:
        note(f"the job summary {path} cannot be written: {error.strerror}")


def text(words: str) -> str:
    """Words that Markdown shows as they are, in a table too."""
    flat = " ".join(words.split())
    for sign, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        flat = flat.replace(sign, name)
    for sign in "\\`*_[]|~#!":
        flat = flat.replace(sign, f"\\{sign}")
    return flat
