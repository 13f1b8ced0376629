"""JUnit XML, SARIF and the job summary: well formed whatever the names hold, and what they say."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from cli.gate.claim import GateClaim
from cli.gate.file import read_gate
from cli.gate.finding import Finding, Status, exit_code
from cli.gate.junit import junit
from cli.gate.sarif import RULES, rule_of, sarif
from cli.gate.summary import summary
from tests.cli.gates import GateFiles

EVIL = "<b>&\"']]>|`*_\n\x00\x1b[31m#\ufffe \U0001f600"
POINT = {"round": 1, "condition": "decrease", "point": [0.1, -1.0], "values": {"V": [1.0, 1.1]}}


@pytest.fixture
def claim(gate: GateFiles) -> GateClaim:
    return read_gate(gate.write("")).claims[0]


def findings(claim: GateClaim, text: str = EVIL) -> list[Finding]:
    evil = replace(claim, name=text, system=text)
    return [
        Finding(evil, status, text, condition="decrease" if i % 2 else "", counterexamples=[POINT])
        for i, status in enumerate(Status)
    ]


def test_junit_is_read_back_by_the_standard_parser(claim: GateClaim) -> None:
    every = findings(claim)
    root = ElementTree.fromstring(junit(every, Path("a/stability.toml")).encode())
    suites = root.findall("testsuite")
    assert root.tag == "testsuites" and len(suites) == len(every)
    failures, errors = root.findall(".//failure"), root.findall(".//error")
    assert [int(root.get(k, "")) for k in ("tests", "failures", "errors")] == [
        len(every), len(failures), len(errors),
    ]  # fmt: skip
    assert {e.get("type") for e in errors} == {"unknown", "input error", "internal error"}
    assert {e.get("type") for e in failures} == {"refuted", "rejected", "shrunk", "too small"}
    for suite in suites:
        (case,) = suite.findall("testcase")
        assert case.get("classname") == "stableproof.stability" and case.get("name")
        assert float(case.get("time", "")) >= 0
        assert "\x1b" not in ElementTree.tostring(suite, encoding="unicode")


def test_junit_tells_constants_and_counterexamples(gate: GateFiles) -> None:
    gate.write("region = { c2 = 2 }", "region = { c2 = 3 }")
    assert gate.run().code == 1
    root = ElementTree.parse(gate.out / "junit.xml").getroot()
    proved, refuted = root.findall("testsuite")
    known = {p.get("name"): p.get("value") for p in proved.findall("properties/property")}
    assert known["c2"] == "2" and known["status"] == "proved" and float(known["volume"] or 0) > 1
    (failure,) = refuted.findall("testcase/failure")
    assert "counterexample to containment: x = (" in (failure.text or "")
    assert proved.find("testcase/failure") is None


def check_sarif(log: Any) -> list[Mapping[str, Any]]:
    """The structure that SARIF 2.1.0 demands of what is used here; returns the results."""
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] and isinstance(driver["version"], str)
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(set(ids)) == len(ids)
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"].endswith(".")
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note", "none")
    assert type(run["invocations"][0]["executionSuccessful"]) is bool
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["kind"] == "fail" and result["level"] in ("error", "warning")
        assert result["message"]["text"]
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        assert re.fullmatch(r"[A-Za-z0-9%._~/:-]+", physical["artifactLocation"]["uri"])
        assert physical["region"]["startLine"] >= 1
        prints = result["fingerprints"], result["partialFingerprints"]
        assert all(isinstance(v, str) and v for p in prints for v in p.values())
    assert isinstance(run["results"], list)
    return list(run["results"])


def test_sarif_has_a_result_for_every_claim_that_is_not_proved(claim: GateClaim) -> None:
    every = findings(claim)
    log = json.loads(json.dumps(sarif(every, claim.places.file.parent), allow_nan=False))
    results = check_sarif(log)
    assert len(results) == len(every) - 1
    uris = {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in results}
    assert uris == {"stability.toml"}
    levels = {r["properties"]["status"]: r["level"] for r in results}
    assert levels.pop("unknown") == "warning" and set(levels.values()) == {"error"}


def test_sarif_of_a_run(gate: GateFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(gate.folder.parent))
    gate.write("region = { c2 = 2 }", "region = { c2 = 3 }", "minimum = { volume = 3 }")
    assert gate.run().code == 1
    broken, small = check_sarif(json.loads((gate.out / "results.sarif").read_text()))
    assert broken["ruleId"] == "stableproof/containment"
    assert small["ruleId"] == "stableproof/region-too-small"
    physical = broken["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "gate/stability.toml"
    assert physical["region"]["startLine"] == 8
    first = json.loads((gate.out / "results.sarif").read_text())["runs"][0]["results"]
    assert gate.run().code == 1
    again = json.loads((gate.out / "results.sarif").read_text())["runs"][0]["results"]
    for key in ("fingerprints", "partialFingerprints"):
        assert [r[key] for r in first] == [r[key] for r in again]
        assert first[0][key] != first[1][key]


def test_a_file_outside_of_the_repository_has_an_absolute_address(
    claim: GateClaim, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    (result, *_) = check_sarif(sarif(findings(claim, "x"), other))
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri.startswith("file:///")


def test_every_condition_of_a_theorem_has_a_rule(claim: GateClaim) -> None:
    for name in ("decrease", "small set", "trap"):
        finding = Finding(claim, Status.REFUTED, "", condition=name)
        assert rule_of(finding) == name
    assert rule_of(Finding(claim, Status.REFUTED, "", condition="avoid 2")) == "avoid"
    assert rule_of(Finding(claim, Status.UNKNOWN, "", condition="levels")) == "not-proved"
    assert all(s.rule in RULES for s in Status)


def test_the_summary_shows_evil_names_as_they_are(claim: GateClaim) -> None:
    text = summary(findings(claim))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(Status)
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 9 for row in rows)
    assert "<b>" not in text and "&lt;b&gt;" in text
    assert not [line for line in text.splitlines() if line.startswith(("<", "`"))]


def test_the_summary_goes_to_the_job_page(
    gate: GateFiles, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    gate.write("region = { c2 = 2 }", "region = { c2 = 3 }")
    assert gate.run().code == 1
    text = page.read_text()
    assert text == "before\n" + (gate.out / "summary.md").read_text()
    assert "Stableproof gate: FAILED" in text and "1 proved, 1 refuted" in text
    assert "counterexample to containment" in text
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    ended = gate.run()
    assert ended.code == 1 and "the job summary" in ended.err


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ([], 0),
        ([Status.PROVED], 0),
        ([Status.PROVED, Status.UNKNOWN], 3),
        ([Status.UNKNOWN, Status.SHRUNK], 1),
        ([Status.UNKNOWN, Status.REJECTED, Status.PROVED], 1),
        ([Status.REFUTED, Status.INPUT, Status.UNKNOWN], 2),
    ],
)
def test_the_worst_decides(claim: GateClaim, statuses: list[Status], code: int) -> None:
    assert exit_code([Finding(claim, s, "") for s in statuses]) == code
