"""The LiRPA backend: what it answers, what it refuses, and what its proofs are worth."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from certify import Budget, Claim, Condition, Constraint, Proved, Refuted, Requested, Unknown
from certify.backends import Soundness, backend, child, lirpa, names
from certify.backends.lirpa import METHODS, Lirpa, is_supported
from certify.backends.lirpa_task import task
from certify.branch_and_bound import search
from certify.enclosure.engine import LINEAR
from certify.reprove import reprove
from certify.theorem import conclude
from certify.tree_code import decode_tree
from systems import expression as ex
from systems.box import Box
from systems.differentiate import gradient
from systems.expression import Expression, Op
from tests.certify.planted import breaks, loop, place, square, state, tanh_bump, turning
from tests.certify.statements import ALL
from tests.certify.test_branch_and_bound import bowl, condition

Array = NDArray[np.float64]
FOUND = backend("lirpa:crown").availability()
with_library = pytest.mark.skipif(
    not FOUND.available, reason=f"auto_LiRPA cannot be used: {'; '.join(FOUND.missing)}"
)
ENOUGH = Budget(3600.0)
OPTIONS = {"seconds": 3600.0, "boxes": 20_000, "seed": 0, "version": FOUND.version}
FAST = ("ibp", "crown-ibp", "crown")


def network(bump: Callable[[Expression], Expression] | None = None) -> Condition:
    """V falls on a band of V = |tanh(W₂ tanh(W₁ x))|² + |x|²/10, ∇V spelt out, ẋ contracting."""
    generator = np.random.default_rng(3)
    x = state(2)
    first, second = (np.round(generator.normal(size=s) * 512) / 1024 for s in ((8, 2), (8, 8)))
    hidden = ex.tanh(ex.affine(second, ex.tanh(ex.affine(first, x))))
    value = ex.dot(hidden, hidden) + square(x) * "1/10"
    field = ex.stack([ex.tanh(x[1]) * "1/2" - x[0], x[0] ** 2 * "1/4" - 2 * x[1]])
    change = ex.dot(gradient(value, x), field)
    if bump is not None:
        change = change + bump(x)
    return condition(
        [value, change], x,
        [Constraint(0, "at least", Fraction(1, 20)), Constraint(0, "at most", Fraction(3, 10)),
         Constraint(1, "at least", Fraction(-1, 1000), strict=True)],
        [Box.symmetric([1, 1])],
    )  # fmt: skip


def answer(asked: Condition, method: str, **changed: object) -> dict[str, object]:
    """The task's answer, in this process."""
    return task(asked, {**OPTIONS, "method": method, **changed})


@with_library
def test_a_deep_network_is_proved_on_trust_and_then_by_ourselves() -> None:
    asked = network()
    said = backend("lirpa:crown-ibp").ask(asked, Budget(120.0))
    assert isinstance(said.verdict, Proved), said.verdict
    assert said.said == "every box closed"
    bounds, torch = said.verdict.trust
    assert bounds == (
        f"auto_LiRPA {FOUND.version}, method crown-ibp: bounds without regard to rounding, "
        "not float-sound"
    )
    assert torch.startswith("torch ")
    assert said.verdict.evidence is not None
    ours = reprove(asked, said.verdict.evidence, ENOUGH).verdict
    assert isinstance(ours, Proved) and ours.trust == () and ours.evidence is not None
    assert ours.evidence.nodes >= said.verdict.evidence.nodes


@with_library
@pytest.mark.parametrize("method", METHODS)
def test_methods_agree_with_our_own_search(method: str) -> None:
    true = bowl(2) if method == "ibp" else contracting()
    assert isinstance(search(true, ENOUGH).verdict, Proved)
    said = answer(true, method)
    assert said["said"] == "every box closed", said
    tree = decode_tree(said["tree"], true.regions, len(true.violation), "tree")
    assert isinstance(reprove(true, tree, ENOUGH).verdict, Proved)


def contracting() -> Condition:
    """As bowl, without sines: relaxations refuse them."""
    x = state(2)
    return condition(
        [square(x), ex.dot(x, ex.tanh(3 * x)) * -1], x,
        [Constraint(0, "at least", Fraction(1, 50)), Constraint(1, "at least", Fraction(-1, 1000))],
        [Box.symmetric([1, 1])],
    )  # fmt: skip


@with_library
@pytest.mark.parametrize("method", FAST)
def test_a_planted_violation_is_never_proved(method: str) -> None:
    generator = np.random.default_rng(11)
    for width in (0.5, 0.1, 0.02):
        centre = place(2, 0.3, 0.9, generator)
        false = network(lambda x, c=centre, w=width: tanh_bump(x, c, w) * 4)  # type: ignore[misc]
        loose = replace(false, violation=false.violation[2:])  # on the whole box
        said = answer(loose, method, boxes=3000)
        assert "no_violation" not in said
        if "points" in said:
            point = [float.fromhex(v) for v in said["points"][0]]  # type: ignore[index]
            assert breaks(loose, point)


@with_library
def test_statements_of_known_truth_are_never_contradicted() -> None:
    decided = 0
    for s in ALL:
        if backend("lirpa:crown-ibp").explain_unsupported(s.condition) is not None:
            continue
        said = answer(s.condition, "crown-ibp", boxes=200)
        assert s.truth is True or "no_violation" not in said, s.name
        assert s.truth is False or "points" not in said, s.name
        decided += "open" not in said
    assert decided >= 50


@with_library
def test_the_child_is_given_its_time_and_stopped() -> None:
    said = backend("lirpa:crown").ask(hopeless(), Budget(1.0))
    assert isinstance(said.verdict, Unknown) and "ran out" in said.verdict.reason


def hopeless() -> Condition:
    x = state(3)
    value = ex.tanh(x[0] * x[1]) + ex.tanh(x[1] * x[2])
    return condition(
        [value - value * 1 + ex.tanh(x[0] * x[1]) - ex.tanh(x[1] * x[0])], x,
        [Constraint(0, "at least", Fraction(1, 10**8))], [Box.symmetric([9, 9, 9])],
    )  # fmt: skip


def test_our_own_relaxations_prove_without_trust_and_without_the_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pretend(monkeypatch, torch=None, auto_LiRPA=None)
    monkeypatch.setattr(child, "run_child", lambda *_: pytest.fail("no child is needed"))
    asked = network()
    verdict = backend("lirpa").check(asked, ENOUGH)
    assert isinstance(verdict, Proved) and verdict.trust == () and verdict.evidence is not None
    relaxed = search(asked, ENOUGH, order=LINEAR)
    assert isinstance(relaxed.verdict, Proved) and relaxed.verdict.evidence is not None
    assert verdict.evidence.leaves == relaxed.verdict.evidence.leaves
    assert isinstance(backend("lirpa").check(bowl(2, twist=4.0), ENOUGH), Refuted)


def test_names_methods_and_soundness() -> None:
    assert backend("lirpa").name == "lirpa" and backend("lirpa").soundness is Soundness.RIGOROUS
    assert {f"lirpa:{m}" for m in METHODS} <= set(names())
    for method in METHODS:
        made = backend(f"lirpa:{method}")
        assert made.name == f"lirpa:{method}" and made.soundness is Soundness.NOT_FLOAT_SOUND
    with pytest.raises(ValueError, match="'beta-crown' is none of ibp, crown-ibp"):
        Lirpa("beta-crown")


def test_asking_whether_it_is_there_imports_nothing_heavy() -> None:
    program = (
        "import sys; from certify.backends import backend;"
        "backend('lirpa:crown').availability();"
        "print([m for m in ('torch', 'auto_LiRPA', 'tqdm') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert ran.stdout.strip() == "[]"


def pretend(monkeypatch: pytest.MonkeyPatch, **installed: str | None) -> None:
    versions = {"torch": "2.13.0", "tqdm": "4.70", "appdirs": "1.4", "auto-LiRPA": "0.3"}
    found = versions | {k.replace("_", "-"): v for k, v in installed.items()}
    monkeypatch.setattr(lirpa, "_version", lambda name: found[name])


@pytest.mark.parametrize(
    ("installed", "missing", "install"),
    [
        ({"torch": None}, ("the package torch",), ("pip install 'stableproof[lirpa]'",)),
        (
            {"auto_LiRPA": None},
            ("the package auto-LiRPA",),
            ("pip install --no-deps auto-LiRPA==0.3",),
        ),
        (
            {"auto_LiRPA": "0.2"},
            ("auto-LiRPA 0.3, or 0.7 and later: 0.2 is installed",),
            ("pip install --no-deps auto-LiRPA==0.3",),
        ),
        (
            {"appdirs": None, "auto_LiRPA": "nightly"},
            (
                "the package appdirs",
                "auto-LiRPA 0.3, or 0.7 and later: nightly is installed",
            ),
            ("pip install 'stableproof[lirpa]'", "pip install --no-deps auto-LiRPA==0.3"),
        ),
    ],
)
def test_what_is_missing_is_told_with_what_installs_it(
    installed: dict[str, str | None],
    missing: tuple[str, ...],
    install: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pretend(monkeypatch, **installed)
    chosen = backend("lirpa:crown")
    found = chosen.availability()
    assert (found.available, found.missing, found.install) == (False, missing, install)
    verdict = chosen.check(contracting(), Budget(1.0))
    assert isinstance(verdict, Unknown)
    assert verdict.reason.startswith(f"lirpa:crown: not available: {'; '.join(missing)} (")


@pytest.mark.parametrize(
    ("version", "known"),
    [("0.3", True), ("0.3.1", True), ("0.7.1", True), ("1.0", True), ("0.2", False),
     ("0.30", True), ("0.6.9", False), ("", False), ("3", False)],
)  # fmt: skip
def test_supported_versions(version: str, known: bool) -> None:
    assert is_supported(version) is known


@pytest.mark.parametrize("version", ["0.3", "0.7.1"])
@pytest.mark.parametrize("method", METHODS)
def test_what_is_refused_is_named_with_its_reason(
    method: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, auto_LiRPA=version)
    chosen = backend(f"lirpa:{method}")
    for op in (Op.SIN, Op.COS, Op.TAN):
        why = chosen.explain_unsupported(about(ex.apply(op, state(1))))
        if method == "ibp":
            assert why is None
        else:
            assert why is not None and f"operation {op.value} " in why and version[:3] in why
    why = chosen.explain_unsupported(about(ex.apply(Op.STEP, state(1))))
    assert why is not None and "operation step is not supported" in why
    assert chosen.explain_unsupported(about(ex.sqrt(1 + ex.softplus(state(1))))) is None
    unused = about(ex.apply(Op.SIN, state(1)))
    tape = unused.tape.with_outputs([*unused.tape.outputs, 0])
    other = replace(
        unused, tape=tape, outputs=("y0", "x"), violation=(Constraint(1, "at least", Fraction(2)),)
    )
    assert chosen.explain_unsupported(other) is None


def about(expression: Expression) -> Condition:
    x = next(n for n in ex.variables(expression))
    return condition(
        [expression], x, [Constraint(0, "at least", Fraction(9))], [Box.symmetric([1])]
    )


def test_a_proof_on_trust_makes_no_theorem() -> None:
    x = state(2)
    asked = Requested(Fraction(1, 16), Fraction(1, 2), Fraction(1, 128), Fraction(1, 3))
    result = loop(x, square(x), drift=turning(x)).prove(asked, seconds=3600)
    assert result.constants is not None
    arguments: dict[str, Any] = {
        "claim": Claim.ASYMPTOTIC_STABILITY,
        "problem": result.problem,
        "constants": result.constants,
        "ellipsoid": result.ellipsoid,
    }
    assert conclude(**arguments, evidence=result.searches)
    for name, found in result.searches.items():
        assert isinstance(found.verdict, Proved)
        trusting = Proved(found.verdict.evidence, ("auto_LiRPA 0.3: not float-sound",))
        evidence = {**result.searches, name: replace(found, verdict=trusting)}
        with pytest.raises(ValueError, match="rests on a foreign solver"):
            conclude(**arguments, evidence=evidence)
