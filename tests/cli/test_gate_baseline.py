"""Baselines: a region that shrank, what counts as shrinking, and how baselines are made."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import proofs.checker
from certify import Budget, Candidate, Claim, Requested, prove_stability
from cli.gate.baseline import Baseline, compare
from cli.gate.certified import Certified, certified_by
from learners.lqr import lqr_candidate
from proofs.certificate import certificate_of, load_certificate
from systems import expression as ex
from systems import zoo
from systems.box import Box
from systems.dynamics import ControlAffineSystem, UnsafeSet
from systems.errors import InputError
from tests.cli.conftest import TOML
from tests.cli.gates import GateFiles, forge

WITH = 'baseline = "kept/base.json"\n'


def region(c2: str) -> str:
    return WITH + f"region = {{ c2 = {c2} }}"


@pytest.fixture
def kept(gate: GateFiles) -> Path:
    """A gate whose claim has a baseline with c2 = 2, in an empty cache."""
    gate.write(region("2"))
    assert gate.run("--update-baseline").code == 0
    gate.cached.unlink()
    return gate.folder / "kept" / "base.json"


def test_a_missing_baseline_is_told_with_what_writes_it(gate: GateFiles) -> None:
    gate.write(region("2"))
    found = gate.one()
    assert found["status"] == "input error" and "--update-baseline writes it" in found["message"]


def test_update_baseline_writes_the_checked_certificate(gate: GateFiles, kept: Path) -> None:
    assert kept.read_bytes() == (gate.out / "certificates" / "c1.json").read_bytes()
    assert proofs.checker.check_file(kept).status == "valid"
    found = gate.one()
    assert found["status"] == "proved" and not found["baseline"]["shrank"]


def test_a_committed_baseline_is_evidence_for_an_unchanged_claim(
    gate: GateFiles, kept: Path, no_proving: Callable[[], None]
) -> None:
    no_proving()
    found = gate.one()
    assert found["status"] == "proved" and found["origin"] == "baseline"
    assert found["checker"]["valid"]


def test_a_smaller_region_fails_with_both_volumes_and_levels(gate: GateFiles, kept: Path) -> None:
    before = gate.one()["region"]
    gate.write(region("1.9"))
    ended = gate.run("--json")
    (found,) = ended.data["claims"]
    assert ended.code == 1 and found["status"] == "shrunk" and found["baseline"]["shrank"]
    for number in (before["volume"], found["region"]["volume"], 2, 1.9):
        assert f"{number:.6g}" in found["message"]
    assert found["certificate"] is not None
    assert "shrunk: the certified region shrank" in gate.run().out


def test_update_baseline_takes_the_smaller_region(gate: GateFiles, kept: Path) -> None:
    gate.write(region("1.9"))
    assert gate.run().code == 1
    assert gate.run("--update-baseline").code == 0
    assert gate.run().code == 0
    document = json.loads(kept.read_text())
    assert document["statement"]["constants"]["c2"] == "19/10"


def test_the_tolerance_is_a_share_of_the_volume(gate: GateFiles, kept: Path) -> None:
    """The volume of {V <= c2} goes with the root of c2 here: 1.9 has 97.5 % of that of 2."""
    for tolerance, status in (("0.001", "shrunk"), ("0.1", "proved")):
        gate.write(f"{region('1.9')}\nshrink_tolerance = {tolerance}")
        assert gate.one()["status"] == status


def test_a_larger_region_passes(gate: GateFiles, kept: Path) -> None:
    gate.write(region("2.2"))
    found = gate.one()
    assert found["status"] == "proved" and found["origin"] == "proved"


def test_a_volume_that_its_tree_does_not_show_is_rejected(gate: GateFiles, kept: Path) -> None:
    forge(kept, lambda d: d["volume"].update(at_least=(1.99).hex()))
    assert gate.one()["status"] == "rejected"


def test_a_level_that_did_not_fall_is_enough_for_the_same_V(kept: Path) -> None:
    """Lower bounds of volumes depend on the time there was; the set does not."""
    document: Any = load_certificate(kept)
    was = Baseline(kept, document, certified_by(document))
    tolerance, volume = Fraction(1, 100), was.certified.volume
    assert volume is not None
    less = replace(was.certified, volume=volume / 2)
    assert not compare(less, was, tolerance).shrank
    assert compare(replace(less, value="another V"), was, tolerance).shrank
    assert compare(replace(less, domain=Box.of([(-1, 2)])), was, tolerance).shrank
    lower = replace(was.certified, constants={**was.certified.constants, "c2": Fraction(1)})
    assert not compare(lower, was, tolerance).shrank  # the volume is as large
    assert compare(replace(lower, volume=None), was, tolerance).shrank
    silent = Baseline(kept, document, replace(was.certified, volume=None))
    assert compare(lower, silent, tolerance).shrank
    assert not compare(was.certified, silent, tolerance).shrank
    with pytest.raises(InputError, match="states no volume"):
        compare(replace(less, value="another V"), silent, tolerance)
    with pytest.raises(InputError, match="is for asymptotic stability of 'motor', not practical"):
        compare(replace(less, theorem="practical stability"), was, tolerance)


def test_another_candidate_is_compared_by_volume(gate: GateFiles, kept: Path) -> None:
    """V doubled: its level 2 is the former level 1, and its level 4 the former 2."""
    candidate = gate.folder / "motor.json"
    from certify.candidate import Candidate
    from certify.candidate_file import load_candidate, save_candidate

    V, name = load_candidate(candidate)
    save_candidate(Candidate(V.state, V.value + V.value, V.control), candidate, name)
    gate.write(region("2"))
    assert gate.one()["status"] == "shrunk"
    gate.write(region("4"))
    assert gate.one()["status"] == "proved"


@pytest.mark.parametrize("content", ["", "{}", "mine"])
def test_a_baseline_that_is_none(gate: GateFiles, kept: Path, content: str) -> None:
    kept.write_text(content)
    found = gate.one()
    assert found["status"] == "input error" and "stability.toml:" in found["message"]
    ended = gate.run("--update-baseline")
    assert ended.code == 2 and "it is not overwritten" in ended.out
    assert kept.read_text() == content


def test_a_damaged_baseline_is_replaced_on_demand(gate: GateFiles, kept: Path) -> None:
    whole = kept.read_text()
    kept.write_text(whole.replace('"2/1"', '"3/1"'))
    assert gate.one()["status"] == "input error"
    assert gate.run("--update-baseline").code == 0
    assert gate.one()["status"] == "proved"


def test_a_baseline_of_another_system_or_theorem(gate: GateFiles, kept: Path) -> None:
    (gate.folder / "motor.toml").write_text(TOML.replace('name = "motor"', 'name = "engine"'))
    text = gate.write(region("2")).read_text()
    gate.write_text(text.replace('candidate = "motor.json"', 'learner = "lqr"'))
    found = gate.one()
    assert (
        found["status"] == "input error" and "--update-baseline writes it anew" in found["message"]
    )


CHANGES = {
    'x = "rad"': ('x = "deg"', "set of states or units"),
    "[cost]": ('[unsafe]\nwall = "x >= 0.99"\n\n[cost]', "list of unsafe sets"),
    'u = "V"\n': (
        'u = "V"\n\n[disturbances]\nw = "V"\n\n[disturbance_range]\nw = [-0.1, 0.1]\n',
        "set of disturbances",
    ),
}


@pytest.mark.parametrize("old", CHANGES)
def test_a_baseline_whose_region_cannot_be_compared(gate: GateFiles, kept: Path, old: str) -> None:
    """In degrees the volume is another number; a region that avoids less is no larger."""
    new, told = CHANGES[old]
    assert old in TOML
    (gate.folder / "motor.toml").write_text(TOML.replace(old, new))
    gate.write(region("2"))
    found = gate.one()
    assert found["status"] == "input error" and f"has another {told}" in found["message"]
    (gate.folder / "motor.toml").write_text(TOML)
    assert gate.one()["status"] == "proved"


def test_a_baseline_about_another_point_or_time(kept: Path) -> None:
    document: Any = load_certificate(kept)
    was = Baseline(kept, document, certified_by(document))
    for what, other in (("time", "discrete"), ("equilibrium", (Fraction(1),))):
        now = replace(was.certified, about={**was.certified.about, what: other})
        with pytest.raises(InputError, match=f"has another {what}; --update"):
            compare(now, was, Fraction(1, 100))


def test_a_forged_baseline_is_rejected(gate: GateFiles, kept: Path) -> None:
    """It claims the c2 that the claim asks for, and that is false."""

    def larger(document: Any) -> None:
        document["statement"]["constants"]["c2"] = "3/1"

    forge(kept, larger)
    gate.write(region("3"))
    ended = gate.run("--json")
    (found,) = ended.data["claims"]
    assert ended.code == 1 and found["status"] == "rejected"
    assert "THE INDEPENDENT CHECKER REJECTS" in found["message"]
    assert "it is the baseline" in ended.err
    assert found["certificate"] is None and found["region"] is None


HIGHER = "2987/1000"
"""V = 2.41 on the boundary of the domain."""


def raised(document: Any) -> None:
    """A lie about {V <= c2}: its evidence is for a lower level."""
    document["statement"]["constants"]["c2"] = HIGHER


def fuller(document: Any) -> None:
    document["volume"].update(at_least=(1.99).hex())


@pytest.mark.parametrize("lie", [raised, fuller])
@pytest.mark.parametrize("c2", ["2", "2.2", "3"])
def test_a_forged_baseline_is_rejected_whatever_is_in_the_cache(
    gate: GateFiles, kept: Path, lie: Callable[[Any], None], c2: str
) -> None:
    """Once the verdict was that of the cache, and the figures of a forgery were printed."""
    gate.write(f"{region(c2)}\nshrink_tolerance = 0.9")
    before = gate.one()["status"]  # the claim's certificate is in the cache now, if it is true
    assert before == ("refuted" if c2 == "3" else "proved")
    forge(kept, lie)
    assert proofs.checker.check_file(kept).status == "invalid"
    ended = gate.run("--json")
    (found,) = ended.data["claims"]
    assert ended.code == 1 and found["status"] == "rejected" and found["origin"] == "baseline"
    assert "it is the baseline" in found["message"]
    assert found["baseline"] is None and found["certificate"] is None
    names = [p.name for p in (gate.out / "certificates").iterdir()]
    assert names == ["c1.rejected.json"]
    for report in ("summary.md", "junit.xml", "results.sarif"):
        written = (gate.out / report).read_text()
        assert "1.99" not in written and "2.987" not in written


def test_a_baseline_that_is_the_certificate_is_checked_once(
    gate: GateFiles, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    honest = proofs.checker.check_file

    def counted(*given: Any) -> Any:
        calls.append(given)
        return honest(*given)

    monkeypatch.setattr(proofs.checker, "check_file", counted)
    for expected in (1, 1):
        calls.clear()
        assert gate.one()["status"] == "proved" and len(calls) == expected
        assert (gate.out / "certificates" / "c1.json").read_bytes() == kept.read_bytes()
    gate.write(region("2.2"))
    calls.clear()
    assert gate.one()["status"] == "proved" and len(calls) == 2


def test_a_baseline_of_other_functions_is_told_beside_the_comparison(
    gate: GateFiles, kept: Path
) -> None:
    assert gate.one()["baseline"]["differs"] is None
    toml = gate.folder / "motor.toml"
    toml.write_text(TOML.replace('x_dot = "x + u"', 'x_dot = "1.01*x + u"'))
    found = gate.one()
    assert found["status"] == "proved"
    assert found["baseline"]["differs"] == "the baseline has other dynamics"
    lines = gate.run().out.splitlines()
    (at,) = (i for i, line in enumerate(lines) if line.startswith("baseline "))
    assert lines[at + 1].strip() == "the baseline has other dynamics"
    assert "the baseline has other dynamics" in (gate.out / "summary.md").read_text()
    text = (gate.folder / "stability.toml").read_text()
    gate.write_text(text.replace('candidate = "motor.json"', 'learner = "lqr"'))
    found = gate.one()
    told = "the baseline has other dynamics, another controller and another V"
    assert found["baseline"]["differs"] == told


def test_nothing_is_updated_by_a_claim_that_is_not_proved(gate: GateFiles, kept: Path) -> None:
    before = kept.read_bytes()
    gate.write(region("3"))
    assert gate.run("--update-baseline").code == 1
    assert kept.read_bytes() == before


def test_another_controller_reaches_its_limits_elsewhere() -> None:
    """Set-point convergence has these states among its unsafe sets; the region compares still."""
    system = zoo.system("pendulum-bounded-6")
    lqr = lqr_candidate(system)
    assert lqr.control is not None
    bolder = replace(lqr, control=ex.multiply(Fraction(3, 2), lqr.control))
    lake = UnsafeSet("lake", (system.state[0] - 3,))
    asked = Requested(claim=Claim.SET_POINT_CONVERGENCE)

    def certified(plant: ControlAffineSystem, candidate: Candidate) -> Certified:
        result = prove_stability(plant, candidate, asked, budget=Budget(20.0))
        return certified_by(certificate_of(result))

    now = certified(system, bolder)
    baseline = Baseline(Path("baseline.json"), {}, certified(system, lqr))
    assert "another controller" in compare(now, baseline, Fraction(1, 10)).differs
    with_lake = replace(baseline, certified=certified(replace(system, unsafe=(lake,)), lqr))
    with pytest.raises(InputError, match="another list of unsafe sets"):
        compare(now, with_lake, Fraction(1, 10))
