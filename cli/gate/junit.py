"""JUnit XML, as GitHub's and GitLab's readers and Jenkins take it.

A claim is a suite of one test case: its properties are in the suite, where every reader of the
format allows them. A claim that is refuted, rejected or too small is a failure, one that is unknown
or could not be read an error.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from cli.gate.finding import Finding, Status

ERRORS = (Status.UNKNOWN, Status.INPUT, Status.BUG)
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(findings: Sequence[Finding], gate: Path) -> str:
    """The document, as text that begins with the XML declaration."""
    root = ElementTree.Element("testsuites", {"name": "stableproof", **_counts(findings)})
    for finding in findings:
        root.append(_suite(finding, gate))
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _suite(finding: Finding, gate: Path) -> ElementTree.Element:
    claim = finding.claim
    suite = ElementTree.Element("testsuite", {"name": clean(claim.name), **_counts([finding])})
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in _properties(finding):
        ElementTree.SubElement(properties, "property", {"name": name, "value": clean(value)})
    case = ElementTree.SubElement(
        suite,
        "testcase",
        {
            "classname": clean(f"stableproof.{gate.stem}"),
            "name": clean(claim.name),
            "time": f"{finding.total_seconds:.3f}",
            "file": clean(claim.places.file.as_posix()),
            "line": str(claim.line),
        },
    )
    if finding.status is not Status.PROVED:
        tag = "error" if finding.status in ERRORS else "failure"
        about = {"type": finding.status.value, "message": clean(finding.message)}
        ElementTree.SubElement(case, tag, about).text = clean(details(finding))
    elif finding.checked is not None:
        words = "\n".join((finding.message, *finding.checked.words))
        ElementTree.SubElement(case, "system-out").text = clean(words)
    return suite


def _properties(finding: Finding) -> list[tuple[str, str]]:
    known = [("status", finding.status.value), ("system", finding.claim.system)]
    if finding.origin:
        known.append(("origin", finding.origin))
    if finding.certified is not None and finding.certificate is not None:
        known.append(("theorem", finding.certified.theorem))
        known.append(("statement-sha256", finding.certified.statement_hash))
        known.append(("certificate", str(finding.certificate)))
    return known + list(finding.constants().items())


def details(finding: Finding) -> str:
    """The message, where in the gate file the claim stands, and every counterexample."""
    lines = [finding.message, f"{finding.claim.places.file}:{finding.claim.line}"]
    for point in finding.counterexamples:
        where = ", ".join(f"{float(v):.17g}" for v in _coordinates(point))
        lines.append(f"counterexample to {point['condition']}: x = ({where})")
    return "\n".join(lines)


def _coordinates(point: object) -> list[float]:
    found = point["point"] if isinstance(point, dict) else []
    return list(found)


def _counts(findings: Sequence[Finding]) -> dict[str, str]:
    bad = [f.status for f in findings if f.status is not Status.PROVED]
    errors = sum(s in ERRORS for s in bad)
    return {
        "tests": str(len(findings)),
        "failures": str(len(bad) - errors),
        "errors": str(errors),
        "skipped": "0",
        "time": f"{sum(f.total_seconds for f in findings):.3f}",
    }


def clean(text: str) -> str:
    """Text without the characters that XML cannot hold."""
    return _NOT_XML.sub("�", text)
