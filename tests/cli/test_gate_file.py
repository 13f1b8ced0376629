"""Gate files: what a right one becomes, and the one line that each wrong one gets."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from cli.commands import import_network, run
from cli.gate.claim import Gate
from cli.gate.file import read_gate, slugs_of
from cli.gate.options import FLAGS, LEARNER_KEYS, NETWORK_KEYS
from cli.sampling import KEYS
from systems.errors import InputError

GOOD = """\
out = "results"
jobs = 1

[[claim]]
name = "the first"
system = "pendulum"
candidate = "pendulum.json"
backends = ["taylor", "checker"]
baseline = "kept/first.json"
region = { c2 = 0.029 }

[[claim]]
name = "the second"
system = "plants/motor.toml"
learner = { name = "elm-pi", neurons = 12, seed = 3, initial_policy = "-3*x" }
time_budget = 7.5
shrink_tolerance = 0

[claim.region]
c1 = "1/3"
c2 = 0.5
box = { x = [-0.1, 0.1] }

[claim.minimum]
volume = 0.25
"""


def read(folder: Path, text: str) -> Gate:
    file = folder / "stability.toml"
    file.write_text(text, encoding="utf-8")
    return read_gate(file)


def test_a_whole_file(tmp_path: Path) -> None:
    gate = read(tmp_path, GOOD)
    assert gate.out == tmp_path / "results" and gate.cache == tmp_path / ".stableproof-cache"
    assert gate.jobs == 1
    first, second = gate.claims
    assert first.system == "pendulum" and first.kind == "candidate"
    assert first.source == str(tmp_path / "pendulum.json")
    assert first.baseline == tmp_path / "kept" / "first.json"
    assert first.options["c2"] == Fraction("0.029") and first.options["c1"] is None
    assert first.options["claim"] == "asymptotic-stability"
    assert first.shrink_tolerance == Fraction(1, 100) and first.options["time_limit"] == 60
    assert second.system == str(tmp_path / "plants/motor.toml") and second.kind == "learner"
    assert second.options["neurons"] == 12 and second.options["seed"] == 3
    assert second.options["initial_policy"] == "-3*x"
    assert second.options["c1"] == Fraction(1, 3) and second.options["time_limit"] == 7.5
    assert second.box == {"x": (Fraction(-1, 10), Fraction(1, 10))}
    assert second.least_volume == Fraction(1, 4) and second.least_c2 is None
    assert second.line == 12
    assert second.places("region", "c1").endswith("stability.toml:20: region c1")


def claim(*lines: str) -> str:
    """A file of one claim, with lines added from line 5 on."""
    return "\n".join(('[[claim]]\nname = "a"\nsystem = "pendulum"\nlearner = "lqr"', *lines, ""))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "it holds no claim; add [[claim]]"),
        ("claim = 3", ":1: claim: give tables [[claim]]"),
        ("claim = [3]", "give tables [[claim]]"),
        ("[claim]\nname = 'a'", "give tables [[claim]]"),
        ("[[claim]", "not valid TOML"),
        ("[[claims]]\nname = 'a'", "unknown key 'claims' (did you mean 'claim'?)"),
        ("outt = 'x'\n" + claim(), ":1: unknown key 'outt' (did you mean 'out'?)"),
        ("out = ''\n" + claim(), ":1: out: give text in quotation marks, not empty text"),
        ("out = 3\n" + claim(), ":1: out: give text in quotation marks, not a number"),
        ("jobs = 0\n" + claim(), "jobs: give a number of processes"),
        ("jobs = true\n" + claim(), "jobs: give a number of processes"),
        ('[[claim]]\nname = "a"\nlearner = "lqr"', ":1: system is missing"),
        ('[[claim]]\nsystem = "pendulum"\nlearner = "lqr"', ":1: name is missing"),
        ('[[claim]]\nname = "a"\nsystem = "pendulum"', ":1: whose controller is it?"),
        (claim('candidate = "x"'), "give candidate or learner, not both"),
        (claim("neurons = 3"), ":5: unknown key 'neurons'"),
        (claim("regoin = 3"), ":5: unknown key 'regoin' (did you mean 'region'?)"),
        (claim("region = 3"), ":5: region: give a table"),
        (claim("region = { c3 = 1 }"), ":5: unknown key 'c3'"),
        (claim("region = { c2 = -1 }"), ":5: region c2: give a positive number, not -1"),
        (claim("region = { c2 = nan }"), "region c2: "),
        (claim("region = { c2 = 1e999999999 }"), "region c2: "),
        (claim("region = { c2 = true }"), "region c2: give a number such as 0.029, not a truth"),
        (claim("region = { c1 = 0.2, c2 = 0.1 }"), ":5: region c1: c1 must be below c2"),
        (claim("region = { box = {} }"), ":5: region box: it is empty"),
        (claim("region = { box = { theta = 3 } }"), "give two ends, [lower, upper], not a number"),
        (claim("region = { box = { theta = [1, 0] } }"), "the lower end is not below"),
        (claim("minimum = { area = 1 }"), ":5: unknown key 'area'"),
        (
            claim("theorem = 'local-stability'\nminimum = { c2 = 1 }"),
            ":6: minimum c2: local stability finds a V of its own",
        ),
        (claim("theorem = 'stable'"), ":5: theorem: 'stable' is not one of"),
        (claim("backends = []"), ":5: backends: give a list of names"),
        (
            claim("backends = ['taylor', 'nosuch']"),
            ":5: backends: there is no backend 'nosuch' (known: taylor, ",
        ),
        (claim("backends = ['taylor', 'taylor']"), "the backend 'taylor' is named twice"),
        (claim("time_budget = 0"), ":5: time_budget: give a positive number"),
        (claim("time_budget = 1e20"), ":5: time_budget: "),
        (claim("shrink_tolerance = 1"), ":5: shrink_tolerance: give a share"),
        (claim("[claim.learner]"), "stands twice"),
        (claim() + claim(), ":6: name: another claim has the name 'a' already"),
        (
            claim("baseline = 'x'") + claim("baseline = 'x'").replace('"a"', '"b"'),
            ":10: baseline: another claim has the baseline 'x' already",
        ),
        (
            claim("baseline = 'x'") + claim("baseline = 'y/../x'").replace('"a"', '"b"'),
            ":10: baseline: another claim has the baseline 'y/../x' already",
        ),
        (claim().replace('"a"', f'"{"a" * 300}"'), "at most 200 characters"),
        (claim().replace('"a"', '"\\u0007"'), "cannot be printed"),
        (claim().replace('"lqr"', '"pi"'), ":4: learner name: 'pi' is not one of"),
        (claim().replace('"lqr"', "3"), ":4: learner: give a table such as"),
        (claim().replace('"lqr"', "{ neurones = 3 }"), "unknown key 'neurones'"),
        (claim().replace('"lqr"', "{ neurons = 0 }"), "learner neurons: 0 is not in the range"),
        (claim().replace('"lqr"', "{ neurons = [3] }"), "neurons: give a number or text"),
        (claim().replace('"lqr"', '{ name = "lqr", neurons = 3 }'), "lqr has no neurons"),
        (claim().replace('learner = "lqr"', "networks = {}"), "networks: value is missing"),
        (
            claim().replace('learner = "lqr"', 'networks = { value = "V.npz", as_is = 3 }'),
            "networks as_is: give true or false",
        ),
        (
            claim().replace('learner = "lqr"', 'networks = { value = "V", vlaue = 3 }'),
            "unknown key 'vlaue' (did you mean 'value'?)",
        ),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    tmp_path: Path, refused: Callable[..., str], text: str, part: str
) -> None:
    file = tmp_path / "stability.toml"
    file.write_text(text, encoding="utf-8")
    message = refused("gate", file)
    assert part in message and "stability.toml" in message
    assert [p.name for p in tmp_path.iterdir()] == ["stability.toml"]


def test_no_file_or_a_folder(tmp_path: Path, refused: Callable[..., str]) -> None:
    assert "there is no such file" in refused("gate", tmp_path / "none.toml")
    assert "is a directory; give a gate file" in refused("gate", tmp_path)


def test_names_of_files_stay_inside_their_folder() -> None:
    names = ["../../etc/passwd", "a/b", "a\\b", "A-b", "..", "", "ünï 1", "x" * 300, ".hidden"]
    slugs = slugs_of(names)
    assert len({s.casefold() for s in slugs}) == len(names)
    for slug in slugs:
        assert slug and len(slug) < 80
        assert set(slug) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    assert slugs_of(["claim", "claim"]) == ["claim", "claim-2"]


def test_the_settings_are_those_of_run_and_import() -> None:
    assert set(LEARNER_KEYS) <= {p.name for p in run.command.params}
    assert {*NETWORK_KEYS, *FLAGS} == {str(p.name) for p in import_network.command.params} - {
        "system",
        "out",
        "force",
        "as_json",
        "debug",
        *KEYS,  # of the claim, not of its networks
    }


def test_a_claim_that_the_second_table_spoils_is_named_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"stability.toml:10: region c2: give a positive"):
        read(tmp_path, claim() + "\n" + claim("region = { c2 = 0 }").replace('"a"', '"b"'))
