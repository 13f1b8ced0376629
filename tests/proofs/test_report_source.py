"""A report that is written later says what the first one said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from certify import StabilityResult
from certify.verdict import Proved
from proofs.certificate import certificate_of, load_certificate, save_certificate
from proofs.report import write_report
from proofs.report_memory import remembered, result_of_memory
from proofs.report_source import result_of_certificate
from systems import zoo
from systems.errors import InputError
from tests.proofs import kinds, results

UNPROVED: dict[str, Callable[[], StabilityResult]] = {
    "refuted": results.refuted,
    "refuted decrease": results.refuted_decrease,
    "unknown": results.unknown,
}


def told(folder: Path, result: StabilityResult, **more: Any) -> str:
    folder.mkdir(exist_ok=True)
    return write_report(folder, result, pictures=False, **more).read_text(encoding="utf-8")


def again(document: dict[str, object], path: Path) -> dict[str, object]:
    save_certificate(document, path)
    return load_certificate(path)


@pytest.mark.parametrize("kind", kinds.ALL)
def test_a_certificate_gives_the_report_back(tmp_path: Path, kind: str) -> None:
    first = kinds.ALL[kind]()
    document = again(certificate_of(first), tmp_path / "certificate.json")
    problem = first.problem
    second = result_of_certificate(document, (problem.system, problem.candidate))
    assert second.theorem is not None and second.paving is not None and first.paving is not None
    assert told(tmp_path / "a", first) == told(tmp_path / "b", second)
    assert second.paving.volume == first.paving.volume
    np.testing.assert_array_equal(np.sort(second.paving.lower, 0), np.sort(first.paving.lower, 0))


def test_a_certificate_alone_is_enough(tmp_path: Path) -> None:
    first = results.proved()
    second = result_of_certificate(certificate_of(first))
    report = told(tmp_path, second)
    assert "**Proved.**" in report and "theta" in report and "rad/s" in report
    assert [(n, s.boxes, s.order) for n, s in second.searches.items()] == [
        (n, first.searches[n].boxes, first.searches[n].order) for n in second.searches
    ]


def test_a_certificate_of_something_else_is_refused() -> None:
    first, other = results.proved(), results.proved("lorenz")
    loop = other.problem.system, other.problem.candidate
    with pytest.raises(InputError, match="does not speak of this closed loop"):
        result_of_certificate(certificate_of(first), loop)


def test_a_certificate_without_its_core_is_refused() -> None:
    document = certificate_of(results.proved())
    evidence = document["evidence"]
    assert isinstance(evidence, dict)
    del evidence["core"]
    with pytest.raises(InputError, match="core"):
        result_of_certificate(document)


def test_what_the_prover_recorded_need_not_be_there() -> None:
    """The provenance proves nothing, and a report that it does not fit is a report still."""
    document = {**certificate_of(results.proved()), "provenance": {"searches": 3, "seconds": "x"}}
    result = result_of_certificate(document)
    assert isinstance(result.verdict, Proved) and result.seconds == 0.0
    assert result.paving is not None and result.paving.at_most >= result.paving.volume > 0


@pytest.mark.parametrize("kind", UNPROVED)
def test_what_is_remembered_gives_the_report_back(tmp_path: Path, kind: str) -> None:
    first = UNPROVED[kind]()
    memory = json.loads(json.dumps(remembered(first), allow_nan=False))
    second = result_of_memory(memory, first.problem.system, first.problem.candidate, "here")
    assert second.theorem is None
    assert told(tmp_path / "a", first) == told(tmp_path / "b", second)


def harms() -> list[tuple[str, Callable[[dict[str, Any]], object]]]:
    return [
        ("proved", lambda m: m.update(verdict={"word": "proved"})),
        ("verdict", lambda m: m.update(verdict="refuted")),
        ("verdict", lambda m: m.update(verdict={"word": "perhaps"})),
        ("claim", lambda m: m.update(claim=["x"])),
        ("here", lambda m: m.update(claim="immortality")),
        ("missing", lambda m: m.pop("domain")),
        ("here", lambda m: m.update(domain=[["0/1", "1/1"]])),
        ("c1", lambda m: m["requested"].update(c1="0.1")),
        ("here", lambda m: m["requested"].update(c1="-1/1")),
        ("here", lambda m: m["searches"][0].update(outputs=[])),
        ("boxes", lambda m: m["searches"][0].update(boxes=-1)),
        ("here", lambda m: m["searches"][0]["violation"][0].update(sense="near")),
        ("here", lambda m: m["verdict"].update(point=[0.5, 0.5])),
        ("here", lambda m: m["verdict"].update(outputs=[["0x0.0p+0"]])),
        ("seconds", lambda m: m.update(seconds=-1)),
        ("searches", lambda m: m.update(searches={})),
    ]


@pytest.mark.parametrize("number", range(len(harms())))
def test_a_damaged_memory_is_refused_in_one_line(number: int) -> None:
    words, harm = harms()[number]
    first = results.refuted_decrease()
    memory = json.loads(json.dumps(remembered(first)))
    harm(memory)
    with pytest.raises(InputError, match=words) as caught:
        result_of_memory(memory, first.problem.system, first.problem.candidate, "here")
    assert "\n" not in str(caught.value)


def test_a_memory_of_another_system_is_refused() -> None:
    first = results.refuted_decrease()
    with pytest.raises(InputError, match="here"):
        result_of_memory(remembered(first), zoo.system("lorenz"), first.problem.candidate, "here")
