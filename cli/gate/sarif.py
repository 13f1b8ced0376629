"""SARIF 2.1.0: a result for every claim that is not proved, at its line of the gate file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from cli.gate.finding import Finding, Status, exit_code
from cli.version import version

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
RULES = {
    "equilibrium": "F(x*) = 0 and V(x*) = 0 hold exactly.",
    "centre": "V(x*) = 0 holds exactly.",
    "decrease": "V decreases along the solutions between its levels.",
    "containment": "No solution leaves the domain where V is at most c2.",
    "small set": "The sublevel set of c1 lies in the ball of radius epsilon.",
    "core": "The innermost sublevel set lies in the ellipsoid around the equilibrium.",
    "contraction": "The closed loop contracts towards the equilibrium on the ellipsoid.",
    "defined": "The closed loop has no pole in the innermost sublevel set.",
    "rest": "Everything comes to rest near the set point.",
    "trap": "No solution leaves the innermost sublevel set.",
    "avoid": "No solution that starts in the certified region meets the unsafe set.",
    "not-proved": "The claim is proved within its limits.",
    "certificate-rejected": "The independent checker accepts the certificate.",
    "region-shrank": "The certified region is as large as that of the baseline.",
    "region-too-small": "The certified region is as large as the claim asks.",
    "input-error": "The gate file and the files that it names can be read.",
    "internal-error": "Stableproof itself does not fail.",
}
"""What has to hold; a result says that it does not, or was not shown to."""


def sarif(findings: Sequence[Finding], root: Path) -> dict[str, object]:
    """The log as JSON data; files are named relative to ``root`` where they lie in it."""
    failed = [f for f in findings if f.status is not Status.PROVED]
    driver = {
        "name": "stableproof",
        "version": version(),
        "rules": [
            {
                "id": identifier(name),
                "name": name.title().replace(" ", "").replace("-", ""),
                "shortDescription": {"text": text},
                "defaultConfiguration": {"level": "error"},
            }
            for name, text in RULES.items()
        ],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True, "exitCode": exit_code(findings)}],
        "results": [_result(f, root) for f in failed],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def rule_of(finding: Finding) -> str:
    """The condition of the theorem that is at fault, or what else is."""
    name = finding.condition.partition(" ")[0] if finding.condition.startswith("avoid") else ""
    name = name or finding.condition
    return name if name in RULES else finding.status.rule


def identifier(rule: str) -> str:
    return f"stableproof/{rule.replace(' ', '-')}"


def repository_root() -> Path:
    """Where a CI system checked the repository out, or the folder one stands in."""
    return Path(os.environ.get("GITHUB_WORKSPACE") or ".")


def _result(finding: Finding, root: Path) -> dict[str, object]:
    rule, uri = rule_of(finding), _uri(finding.claim.places.file, root)
    identity = "\n".join((uri, finding.claim.name, rule))
    fingerprint = hashlib.sha256(identity.encode()).hexdigest()
    return {
        "ruleId": identifier(rule),
        "ruleIndex": list(RULES).index(rule),
        "kind": "fail",
        "level": "warning" if finding.status is Status.UNKNOWN else "error",
        "message": {"text": f"{finding.claim.name}: {finding.status.value}: {finding.message}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": uri},
                    "region": {"startLine": finding.claim.line},
                },
                "logicalLocations": [{"name": finding.claim.name, "kind": "declaration"}],
            }
        ],
        "fingerprints": {"stableproofClaim/v1": fingerprint},
        "partialFingerprints": {"primaryLocationLineHash": f"{fingerprint[:16]}:1"},
        "properties": {
            "status": finding.status.value,
            "counterexamples": list(finding.counterexamples),
        },
    }


def _uri(file: Path, root: Path) -> str:
    """Relative to the root, as viewers expect; else absolute."""
    whole = file.resolve()
    try:
        return quote(whole.relative_to(root.resolve()).as_posix())
    except ValueError:
        return whole.as_uri()
