"""Certificates: only from theorems, exact, stable, and told what is wrong when read."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.verdict import Proved
from proofs.certificate import (
    PARTS,
    certificate_of,
    conditions_of,
    load_certificate,
    save_certificate,
)
from proofs.certificate_reader import hashes_of, tape_of
from proofs.statement import closed_loop_tape
from systems.box import Box
from systems.errors import InputError
from systems.evaluate import evaluate
from systems.json_data import canonical_json
from tests.proofs import results
from tests.proofs.test_tree_code import leaf_table

PROVED = {
    "pendulum": results.proved,
    "one state": lambda: results.proved("synthetic-1"),
    "three states": lambda: results.proved("lorenz"),
    "attraction": results.proved_attraction,
}


@pytest.mark.parametrize("kind", PROVED)
def test_what_is_loaded_is_what_was_proved(tmp_path: Path, kind: str) -> None:
    result = PROVED[kind]()
    document = certificate_of(result, {"seed": 0})
    save_certificate(document, tmp_path / "certificate.json")
    again = load_certificate(tmp_path / "certificate.json")
    assert again == document
    assert result.theorem is not None
    rebuilt = conditions_of(again)
    assert set(rebuilt) == set(result.theorem.evidence)
    for name, (condition, tree) in rebuilt.items():
        search = result.theorem.evidence[name]
        assert isinstance(search.verdict, Proved) and search.verdict.evidence is not None
        assert condition.tape.digest == search.condition.tape.digest
        assert condition.violation == search.condition.violation
        assert condition.regions == search.condition.regions
        assert condition.outputs == search.condition.outputs
        regions = list(condition.regions)
        assert leaf_table(tree, regions) == leaf_table(search.verdict.evidence, regions)


def test_the_statement_is_exact() -> None:
    result = results.proved()
    assert result.theorem is not None and result.theorem.ellipsoid is not None
    statement: Any = certificate_of(result)["statement"]
    found = result.theorem.constants
    for name in ("c1", "c2", "mu", "epsilon", "core", "c_q"):
        assert Fraction(statement["constants"][name]) == getattr(found, name)
    P = [[float.fromhex(v) for v in row] for row in statement["ellipsoid"]["P"]]
    assert np.array_equal(P, result.theorem.ellipsoid.matrix)
    assert statement["system"]["domain"] == [["-1/1", "1/1"], ["-1/1", "1/1"]]
    assert statement["domain"] == [["-1/1", "1/1"], ["-1/1", "1/1"]]
    assert statement["system"]["states"] == [
        {"name": "theta", "unit": "rad"},
        {"name": "omega", "unit": "rad/s"},
    ]
    assert statement["system"]["parameters"]["g"]["value"] == "49/5"


def test_a_statement_on_a_smaller_box_says_so() -> None:
    """Beyond its own domain D the sublevel set may go on; the certificate must name D."""
    result = results.proved_on_a_part()
    assert result.problem.domain != result.problem.system.domain
    document: Any = certificate_of(result)
    sides = document["statement"]["domain"]
    found = [[Fraction(a), Fraction(b)] for a, b in sides]
    assert found == [list(p) for p in zip(*_ends(result.problem.domain), strict=True)]
    assert document["statement"]["system"]["domain"] != sides
    assert document["evidence"]["decrease"]["regions"] == [sides]


def _ends(box: Box) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    return box.lower, box.upper


def test_the_tapes_speak_of_this_closed_loop() -> None:
    """F = f + g k and V̇ = ∇V·F, tried at points with the tapes that the document holds."""
    document: Any = certificate_of(results.proved())
    loop = document["statement"]["closed_loop"]
    points = np.random.default_rng(0).uniform(-1, 1, (50, 2))

    def values(key: str, at: Any = points) -> list[Any]:
        return evaluate(tape_of(document, loop[key], key), at)

    f, g = values("dynamics")
    (k,), (F,), (rate,) = values("control"), values("field"), values("derivative")
    np.testing.assert_allclose(F, f + g * k, rtol=1e-12)
    step = 1e-6
    slope = np.stack(
        [
            (values("value", points + step * e)[0] - values("value", points - step * e)[0])[:, 0]
            for e in np.eye(2)
        ],
        axis=1,
    ) / (2 * step)
    np.testing.assert_allclose(rate[:, 0], (slope * F).sum(axis=1), rtol=1e-6, atol=1e-8)


def test_hashes_do_not_depend_on_the_run() -> None:
    from systems import zoo

    one, two = (certificate_of(results.of(zoo.pendulum()), {"seed": s}) for s in (0, 1))
    first: Any = one["sha256"]
    second: Any = two["sha256"]
    for part in ("statement", "programs", "evidence", "trust"):
        assert first[part] == second[part]
    assert first["provenance"] != second["provenance"] and first["document"] != second["document"]


@pytest.mark.parametrize(
    "result", [results.refuted, results.refuted_decrease, results.unknown], ids=lambda r: r.__name__
)
def test_nothing_unproved_gets_a_certificate(result: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=r"no certificate: the verdict is (Refuted|Unknown)"):
        certificate_of(result())


def test_the_file_is_its_own_canonical_form(tmp_path: Path) -> None:
    document = certificate_of(results.proved(), {"note": "α", "worst": float("inf")})
    save_certificate(document, tmp_path / "c.json")
    text = (tmp_path / "c.json").read_text(encoding="ascii")
    assert canonical_json(json.loads(text)) + "\n" == text
    assert document["provenance"]["run"] == {"note": "α", "worst": "inf"}  # type: ignore[index]


def changed(change: Callable[[Any], object], *, rehash: bool) -> Any:
    document = json.loads(canonical_json(certificate_of(results.proved())))
    change(document)
    if rehash and set(PARTS) <= document.keys():
        document["sha256"] = hashes_of(document)
    return document


def at(*path: str | int, value: object) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return change


def first_program(document: Any) -> Any:
    return next(iter(document["programs"].values()))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (at("format", value="stableproof-candidate"), "'stableproof-candidate', not"),
        (lambda d: d.pop("format"), "not \"stableproof-certificate\""),
        (at("version", value=2), "format version 2, and this program reads version 1"),
        (at("version", value=1.0), "format version 1.0"),
        (lambda d: d.pop("trust"), "'trust' is missing"),
        (at("more", value=1), "unknown key 'more'"),
        (at("statement", "claim", value="world peace"), r"statement\.claim: unknown claim"),
        (at("statement", "constants", "c2", value="0.1"), r"statement\.constants\.c2: '0.1'"),
        (at("statement", "constants", "c2", value=None), r"statement\.constants\.c2"),
        (at("statement", "system", "domain", 0, 0, value="2/1"), r"domain: .*empty"),
        (at("statement", "system", "states", value=[]), "wanted"),
        (at("statement", "system", "name", value="a\nb"), r"system\.name: .*printed"),
        (at("statement", "ellipsoid", "P", 0, 0, value="nan"), r"ellipsoid\.P\[0\]: 'nan'"),
        (at("statement", "closed_loop", "control", value=None), "closed_loop.control"),
        (at("evidence", "decrease", "tree", "splits", value=1), r"evidence\.decrease\.tree\.shape"),
        (at("evidence", "decrease", "verdict", value="unknown"), r"evidence\.decrease\.verdict"),
        (at("evidence", "equilibrium", "verdict", value=None), r"evidence\.equilibrium\.verdict"),
        (at("evidence", "core", "regions", value=[]), r"evidence\.core: .*region"),
        (at("evidence", "core", "violation", 0, "sense", value=">"), r"violation\[0\]: 'at least'"),
        (at("evidence", "core", "violation", 0, "output", value=7), "output that the tape lacks"),
        (at("evidence", "core", "tape", "outputs", value=[0]), r"core\.tape\.digest"),
        (at("evidence", "core", "tape", "outputs", value=[]), r"core\.tape\.digest"),
        (at("evidence", "core", "tape", "program", value="0" * 64), "there is no such program"),
        (lambda d: d["evidence"].pop("equilibrium"), "equilibrium is wanted"),
        (at("volume", "at_least", value="inf"), r"volume\.at_least"),
        (lambda d: first_program(d)["constants"].pop(), r"programs\..*another hash"),
    ],
)  # fmt: skip
def test_a_malformed_certificate_is_told_with_its_place(
    tmp_path: Path, change: Callable[[Any], object], told: str
) -> None:
    path = tmp_path / "c.json"
    path.write_text(canonical_json(changed(change, rehash=True)))
    with pytest.raises(InputError, match=told) as caught:
        load_certificate(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


@pytest.mark.parametrize("part", PARTS)
def test_a_changed_part_is_noticed(tmp_path: Path, part: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(canonical_json(changed(at(part, "extra", value=1), rehash=False)))
    with pytest.raises(InputError, match=rf"sha256\.{part}: the content has another hash"):
        load_certificate(path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.9999])
def test_a_truncated_certificate_is_told(tmp_path: Path, share: float) -> None:
    path = tmp_path / "c.json"
    save_certificate(certificate_of(results.proved()), path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=r"c\.json is not a certificate: .*cut off"):
        load_certificate(path)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_random_damage_never_crashes_the_reader(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Any one value replaced, hashes recomputed: it loads, or one clear line says why not."""
    document = changed(lambda d: None, rehash=False)
    holder: Any = document
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = data.draw(st.sampled_from(keys))
        inner = holder[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.integers(0, 5)) == 0:
            break
        holder = inner
    holder[key] = data.draw(
        st.sampled_from([None, True, -1, 0, 2.5, 10**30, "", "1/3", "a" * 70, [], [[]], {}, [0]])
    )
    if set(PARTS) <= document.keys():
        document["sha256"] = hashes_of(document)
    path = tmp_path_factory.mktemp("damage") / "c.json"
    path.write_text(canonical_json(document))
    try:
        load_certificate(path)
    except InputError as error:
        assert "\n" not in str(error) and len(str(error)) < 600


def test_descriptions_of_several_lines_do_no_harm(tmp_path: Path) -> None:
    from dataclasses import replace

    from systems import zoo

    system = replace(zoo.synthetic(1), description="two\nlines\tand \x1b[31mcolour")
    save_certificate(certificate_of(results.of(system)), tmp_path / "c.json")
    document: Any = load_certificate(tmp_path / "c.json")
    assert document["statement"]["system"]["description"] == "two lines and [31mcolour"


def test_the_closed_loop_program_is_whole() -> None:
    tape = closed_loop_tape(results.proved().problem)
    assert tape.output_sizes == (2, 2, 1, 1, 2)
