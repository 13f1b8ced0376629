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

from certify import StabilityResult
from certify.tree_code import decode_tree, encode_tree
from certify.verdict import Proved
from proofs.binding import binding_gaps
from proofs.certificate import (
    PARTS,
    certificate_of,
    conditions_of,
    load_certificate,
    problem_of,
    save_certificate,
)
from proofs.certificate_reader import hashes_of, statement_from
from proofs.statement import Programs
from systems import expression as ex
from systems.box import Box
from systems.errors import InputError
from systems.evaluate import evaluate, function
from systems.json_data import canonical_json
from systems.tape import compile_tape
from tests.proofs import kinds, results
from tests.proofs.test_tree_code import leaf_table

PROVED: dict[str, Callable[[], StabilityResult]] = {
    "pendulum": results.proved,
    "one state": lambda: results.proved("synthetic-1"),
    "three states": lambda: results.proved("lorenz"),
    "chosen c1": results.proved_attraction,
    **kinds.ALL,
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
    assert list(rebuilt) == list(result.theorem.evidence)
    assert set(document["evidence"]) == set(rebuilt)  # type: ignore[call-overload]
    assert binding_gaps(again, result.problem.system, result.problem.candidate) == []
    for name, (condition, tree) in rebuilt.items():
        search = result.theorem.evidence[name]
        assert isinstance(search.verdict, Proved) and search.verdict.evidence is not None
        points = np.random.default_rng(0).uniform(-0.5, 0.5, (20, condition.tape.dimension))
        for mine, other in zip(
            evaluate(condition.tape, points), evaluate(search.condition.tape, points), strict=True
        ):
            np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-9)
        assert condition.violation == search.condition.violation
        assert condition.regions == search.condition.regions
        assert condition.outputs == search.condition.outputs
        regions = list(condition.regions)
        assert leaf_table(tree, regions) == leaf_table(search.verdict.evidence, regions)


@pytest.mark.parametrize("kind", kinds.ALL)
def test_a_statement_names_what_its_theorem_has(kind: str) -> None:
    result = kinds.ALL[kind]()
    problem, theorem = result.problem, result.theorem
    assert theorem is not None
    statement: Any = certificate_of(result)["statement"]
    system = problem.system
    assert statement["theorem"] == theorem.claim.value
    assert statement["system"]["time"] == system.time
    assert [d["name"] for d in statement["system"]["disturbances"]] == list(
        system.disturbance_names
    )
    assert [u["name"] for u in statement["unsafe"]] == [u.name for u in system.unsafe]
    for name, value in statement["constants"].items():
        exact = getattr(theorem.constants, name)
        assert value == (None if exact is None else f"{exact.numerator}/{exact.denominator}")
    again = problem_of(certificate_of(result))
    assert again.domain == problem.domain
    assert again.system.disturbance_range == system.disturbance_range
    assert [u.name for u in again.system.unsafe] == [u.name for u in system.unsafe]


@pytest.mark.parametrize("kind", kinds.ALL)
def test_the_volume_is_what_its_boxes_have_together(kind: str) -> None:
    """Added up again in rationals, and V at random points of the boxes is at most c2."""
    result = kinds.ALL[kind]()
    document: Any = certificate_of(result)
    statement, volume = statement_from(document), document["volume"]
    D, c2 = statement.domain, statement.constants["c2"]
    tree = decode_tree(volume["tree"], [D], 2, "volume.tree")
    lower, upper = tree.boxes(*(np.array([v]) for v in D.outer()))
    counted = np.flatnonzero((tree.axis < 0) & (tree.reason == 0))
    total = Fraction(0)
    for i in counted:
        side = Fraction(1)
        for a, b, low, high in zip(lower[i], upper[i], D.lower, D.upper, strict=True):
            side *= min(Fraction(float(b)), high) - max(Fraction(float(a)), low)
        total += side
    at_least = Fraction(float.fromhex(volume["at_least"]))
    assert 0 < at_least <= total < at_least * (1 + Fraction(1, 10**12))
    share = np.random.default_rng(0).random((len(counted), D.dimension))
    points = lower[counted] + share * (upper[counted] - lower[counted])
    assert c2 is not None and evaluate(statement.value, points)[0].max() <= float(c2)
    units = [u for u in result.problem.system.state_units if u]
    assert volume["unit"] == (" * ".join(units) or "1")


def test_the_statement_is_exact() -> None:
    result = results.proved()
    assert result.theorem is not None and result.theorem.ellipsoid is not None
    statement: Any = certificate_of(result)["statement"]
    found = result.theorem.constants
    for name in ("c1", "c2", "mu", "epsilon", "core", "c_q"):
        assert Fraction(statement["constants"][name]) == getattr(found, name)
    P = [[float.fromhex(v) for v in row] for row in statement["ellipsoid"]["P"]]
    assert np.array_equal(P, result.theorem.ellipsoid.matrix)
    assert statement["equilibrium"] == ["0/1", "0/1"]
    assert statement["domain"] == [["-1/1", "1/1"], ["-1/1", "1/1"]]
    assert statement["system"]["states"] == [
        {"name": "theta", "unit": "rad"},
        {"name": "omega", "unit": "rad/s"},
    ]
    assert statement["theorem"] == "asymptotic stability"
    assert statement["system"]["time"] == "continuous"
    assert statement["constants"]["alpha"] is None and statement["unsafe"] == []


def test_annotations_tell_what_the_statement_need_not() -> None:
    document: Any = certificate_of(results.proved())
    notes = document["annotations"]
    assert notes["parameters"]["g"]["value"] == "49/5"
    assert notes["domain"] == [["-1/1", "1/1"], ["-1/1", "1/1"]]
    assert notes["equilibrium_input"] == ["0/1"] and notes["input_limits"] is None


def test_a_statement_on_a_smaller_box_says_so() -> None:
    """Beyond its own domain D the sublevel set may go on; the certificate must name D."""
    result = results.proved_on_a_part()
    assert result.problem.domain != result.problem.system.domain
    document: Any = certificate_of(result)
    sides = document["statement"]["domain"]
    found = [[Fraction(a), Fraction(b)] for a, b in sides]
    assert found == [list(p) for p in zip(*_ends(result.problem.domain), strict=True)]
    assert document["annotations"]["domain"] != sides
    problem = problem_of(document)
    assert problem.domain == result.problem.domain
    assert problem.system.domain == result.problem.system.domain


def _ends(box: Box) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    return box.lower, box.upper


def test_the_tapes_speak_of_this_closed_loop() -> None:
    """V, k and φ(x, u), tried at points with the tapes that the document holds."""
    result = results.proved()
    problem, statement = result.problem, statement_from(certificate_of(result))
    points = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    assert statement.control is not None
    (V,), (k,) = evaluate(statement.value, points), evaluate(statement.control, points)
    (F,) = evaluate(statement.dynamics, np.hstack([points, k]))
    loop = problem.candidate.closed_loop(problem.system)
    assert loop.control is not None
    for mine, other in ((V, problem.value), (k, loop.control), (F, problem.field)):
        np.testing.assert_allclose(mine, function(other, problem.state)(points)[0], rtol=1e-12)


def test_the_controller_of_a_statement_is_cut_off_at_the_limits() -> None:
    result = results.proved("double-integrator")
    document = certificate_of(result)
    statement, problem = statement_from(document), problem_of(document)
    limits = result.problem.system.input_limits
    assert limits is not None and statement.control is not None
    points = np.random.default_rng(0).uniform(-1, 1, (200, 2)) * 1e3
    (k,) = evaluate(statement.control, points)
    low, high = limits.outer()
    assert k.min() == low[0] and k.max() == high[0]
    assert problem.system.input_limits == limits
    rebuilt = problem.candidate.closed_loop(problem.system).control
    assert rebuilt is not None
    np.testing.assert_array_equal(function(rebuilt, problem.state)(points)[0], k)


def test_a_problem_comes_back_from_the_certificate_alone() -> None:
    result = results.proved()
    own, again = result.problem.system, problem_of(certificate_of(result)).system
    for name in (
        "name", "equilibrium", "equilibrium_input", "domain", "state_names", "state_units",
        "input_names", "input_units", "parameters", "parameter_units", "time", "input_dimension",
    ):  # fmt: skip
        assert getattr(again, name) == getattr(own, name), name
    points = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    for mine, other in zip(
        [again.drift, *again.input_columns], [own.drift, *own.input_columns], strict=True
    ):
        np.testing.assert_allclose(
            function(mine, again.state)(points)[0], function(other, own.state)(points)[0]
        )


def test_dynamics_that_are_not_affine_in_the_input_come_back_as_a_closed_loop() -> None:
    """Nobody but us promises φ = f + g u; a certificate from elsewhere may have u² in it."""
    document = json.loads(canonical_json(certificate_of(results.proved())))
    x, u = ex.variable("x", 2), ex.variable("u", 1)
    tape = compile_tape([ex.stack([x[1], x[0] + u[0] ** 2])], [x, u])
    programs = Programs()
    document["statement"]["closed_loop"]["dynamics"] = programs.reference(tape)
    document["programs"] |= programs.by_digest
    problem = problem_of(document)
    assert problem.system.input_dimension == 0 and problem.candidate.control is None
    points = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    control = statement_from(document).control
    assert control is not None
    (k,) = evaluate(control, points)
    (F,) = function(problem.field, problem.state)(points)
    np.testing.assert_allclose(F, np.stack([points[:, 1], points[:, 0] + k[:, 0] ** 2], axis=1))


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


def unsafe_twice(document: Any) -> None:
    wall = {"name": "wall", "tape": document["statement"]["closed_loop"]["value"]}
    document["statement"]["unsafe"] = [wall, wall]


def weighted_volume(document: Any) -> None:
    """A leaf of the volume that two constraints together should close."""
    regions = [statement_from(document).domain]
    tree = decode_tree(document["volume"]["tree"], regions, 2, "tree")
    tree.reason[np.flatnonzero(tree.axis < 0)[0]] = 3
    document["volume"]["tree"] = encode_tree(tree, regions, 2)


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
        (at("statement", "theorem", value="world peace"), r"statement\.theorem: unknown theorem"),
        (at("statement", "theorem", value=["x"]), r"statement\.theorem: unknown theorem a list"),
        (at("statement", "theorem", value="practical stability"), "no such constant; null"),
        (at("statement", "words", value="more"), r"statement: unknown key 'words'"),
        (at("statement", "constants", "c2", value="0.1"), r"statement\.constants\.c2: '0.1'"),
        (at("statement", "constants", "c2", value=None), r"statement\.constants\.c2"),
        (at("statement", "constants", "mu", value=None), r"statement\.constants\.mu"),
        (at("statement", "constants", "alpha", value="1/2"), r"constants\.alpha: the theorem"),
        (at("statement", "domain", 0, 0, value="2/1"), r"domain: .*empty"),
        (at("statement", "domain", 0, value=["0/1"]), r"domain\[0\]: 1 values, but 2"),
        (at("statement", "domain", 0, 0, value="0/1"), r"domain: the equilibrium does not lie"),
        (at("statement", "domain", 0, 1, value="1" * 400 + "/1"), r"domain: "),
        (at("statement", "equilibrium", value=["0/1"]), r"equilibrium: 1 values, but 2"),
        (at("statement", "system", "time", value="sometimes"), r"time: 'sometimes' is neither"),
        (at("statement", "system", "disturbances", value=[{"name": "w", "unit": "N"}]), "range"),
        (at("statement", "system", "disturbances",
            value=[{"name": "w", "unit": "N", "range": ["0/1", "1/1"]}]),
         r"closed_loop\.dynamics: inputs of sizes \(2, 1, 1\)"),
        (at("statement", "unsafe", value=[{"name": "wall", "tape": None}]), r"unsafe\[0\]\.tape"),
        (unsafe_twice, r"unsafe\[1\]\.name: another unsafe set"),
        (at("statement", "system", "states", value=[]), "wanted"),
        (at("statement", "system", "name", value="a\nb"), r"system\.name: .*printed"),
        (at("statement", "ellipsoid", "P", 0, 0, value="nan"), r"ellipsoid\.P\[0\]: 'nan'"),
        (at("statement", "ellipsoid", "P", 0, 0, value="1/3"), r"ellipsoid\.P\[0\]: 2 hexa"),
        (at("statement", "ellipsoid", "P", 0, 1, value="0x1.0p+0"), r"ellipsoid\.P\[0\]: '0x1"),
        (at("statement", "ellipsoid", "P", 0, 1, value=(7.0).hex()), r"P: .* not symmetric"),
        (at("statement", "ellipsoid", value=None), r"ellipsoid: an object is wanted"),
        (at("statement", "closed_loop", "control", value=None), "closed_loop.control"),
        (at("statement", "closed_loop", "dynamics", "outputs", value=[0, 0]), r"loop\.dynamics"),
        (at("statement", "closed_loop", "value", "outputs", value=[]), "outputs: a tape needs"),
        (at("statement", "closed_loop", "value", "program", value="0" * 64), "no such program"),
        (at("evidence", "decrease", "tree", "splits", value=1), r"evidence\.decrease\.tree\.shape"),
        (at("evidence", "equilibrium", value={}), r"evidence: unknown key 'equilibrium'"),
        (at("evidence", "decrease", "claim", value="V falls"), r"decrease: unknown key 'claim'"),
        (at("evidence", "core", "box", value=[]), r"evidence\.core: unknown key 'box'"),
        (at("evidence", "contraction", "box", value=[]), r"contraction\.box: 0 intervals, but 2"),
        (lambda d: d["evidence"].pop("core"), r"evidence: 'core' is missing"),
        (lambda d: d["evidence"]["contraction"].pop("box"), r"contraction: 'box' is missing"),
        (at("annotations", "domain", value=None), r"annotations\.domain: a list is wanted"),
        (at("annotations", "parameters", value=[]), r"annotations\.parameters"),
        (at("trust", value=[]), "trust: an object is wanted"),
        (at("provenance", value=None), "provenance: an object is wanted"),
        (at("volume", "at_least", value=(-1.0).hex()), r"volume\.at_least: .* not negative"),
        (at("volume", "at_least", value="1/3"), r"volume\.at_least: a hexadecimal"),
        (at("volume", "tree", "splits", value=1), r"volume\.tree\.shape"),
        (weighted_volume, r"volume\.tree\.reasons: a reason other than 0 and 1"),
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


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
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
    assert document["annotations"]["description"] == "two lines and [31mcolour"
