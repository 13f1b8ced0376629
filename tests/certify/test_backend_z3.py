"""The Z3 backend: what it decides, what it refuses, and that it can be stopped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction

import pytest

from certify import Budget, Proved, Refuted, Unknown
from certify.backends import backend
from certify.backends import z3 as module
from certify.backends.z3_folding import MOST_TERMS, explain_unsupported
from certify.backends.z3_solving import Nowhere, Somewhere, Undecided, decide
from certify.backends.z3_task import candidates
from certify.conditions import Condition, Constraint
from certify.stability import StabilityProblem
from learners.lqr import lqr_candidate
from systems import expression as ex
from systems import zoo
from systems.box import Box
from systems.differentiate import gradient
from systems.expression import Expression, Op
from systems.tape import compile_tape

needs_z3 = pytest.mark.skipif(
    not module.Z3().availability().available, reason="z3-solver is not installed"
)

HAIR = Fraction(1, 10**30)
THIRD = Fraction(1, 3)
UNIT, SQUARE = [(-1, 1)], [(-1, 1), (-1, 1)]
Part = tuple[Expression, str, object]


def condition(violation: Callable[[Expression], Sequence[Part]], *regions: object) -> Condition:
    """No x in the regions has (output, relation, level) for all parts."""
    boxes = tuple(Box.of(r) for r in regions)  # type: ignore[arg-type]
    x = ex.variable("x", boxes[0].dimension)
    parts = violation(x)
    return Condition(
        "statement",
        "",
        compile_tape([value for value, _, _ in parts], [x]),
        tuple(f"g{k}" for k in range(len(parts))),
        tuple(
            Constraint(
                k,
                "at least" if relation[0] == ">" else "at most",
                Fraction(level),  # type: ignore[arg-type]
                strict=relation in ("<", ">"),
            )
            for k, (_, relation, level) in enumerate(parts)
        ),
        boxes,
    )


def step(z: Expression) -> Expression:
    return ex.apply(Op.STEP, z)


def decrease(cubic: Fraction, mu: object) -> Callable[[Expression], Sequence[Part]]:
    """Along x₁' = −x₁ + cubic·x₁³ + x₂/2, x₂' = −x₂, of V = x₁² + x₂² + x₁²x₂²/4, on a band."""

    def parts(x: Expression) -> Sequence[Part]:
        V = ex.dot(x, x) + Fraction(1, 4) * x[0] ** 2 * x[1] ** 2
        field = ex.stack([cubic * x[0] ** 3 - x[0] + Fraction(1, 2) * x[1], -1 * x[1]])
        change = ex.dot(gradient(V, x), field)
        return [(V, ">=", "1/10"), (V, "<=", 1), (change, ">", mu)]

    return parts


HOLDS = {
    "square": condition(lambda x: [(x**2, "<", 0)], UNIT),
    "square at most 1": condition(lambda x: [(x**2, ">", 1)], UNIT),
    "square by a hair": condition(lambda x: [(x**2, ">=", 1 + HAIR)], UNIT),
    "square positive by a hair": condition(lambda x: [(x**2 + ex.constant(HAIR), "<=", 0)], UNIT),
    "end of a region": condition(lambda x: [(x, ">", "2/3")], [(0, "2/3")]),
    "point": condition(lambda x: [(3 * x, ">", 1)], [("1/3", "1/3")]),
    "side of width 0": condition(lambda x: [(x[0] * x[1], ">", "1/6")], [("1/3", "1/3"), (0, 0.5)]),
    "three half-planes": condition(
        lambda x: [(x[0] + x[1], ">=", 0), (x[0] - x[1], ">=", 0), (x[0], "<", 0)], SQUARE
    ),
    "two regions": condition(lambda x: [(x**2, "<", 1)], [(1, 2)], [(-2, -1)]),
    "pole outside": condition(lambda x: [(1 / (x - 2), ">", -THIRD)], UNIT),
    "pole of even order outside": condition(lambda x: [(1 / (x - 2) ** 2, "<", "1/9")], UNIT),
    "pole behind a guard": condition(lambda x: [(x, ">=", "1/2"), (1 / x, ">", 2)], UNIT),
    "quotients with a common pole": condition(
        lambda x: [(x / (x + 2) + 2 / (x + 2), ">", 1)], UNIT
    ),
    "quotient of quotients": condition(
        lambda x: [((1 / (x + 2)) / (1 / (x + 3)), "<", "4/3")], UNIT
    ),
    "negative divisor in a maximum": condition(
        lambda x: [(ex.maximum(1 / (x - 2), -1 / (2 - x)), ">", -THIRD)], UNIT
    ),
    "modulus": condition(lambda x: [(ex.absolute(x), "<", 0)], UNIT),
    "relu": condition(lambda x: [(ex.relu(x) - ex.relu(-1 * x) - x, ">", 0)], UNIT),
    "clip": condition(lambda x: [(ex.clip(2 * x, -1, 1), ">", 1)], UNIT),
    "step times its argument": condition(lambda x: [(step(x) * x, "<", 0)], UNIT),
    "step of what is positive": condition(lambda x: [(step(x**2 + ex.constant(1)), "<", 1)], UNIT),
    "root": condition(lambda x: [(ex.sqrt(x), ">", 2)], [(0, 4)]),
    "root of a square": condition(lambda x: [(ex.sqrt(x**2) - ex.absolute(x), ">", 0)], UNIT),
    "irrational constant": condition(lambda x: [(x - ex.sqrt(2), ">=", 0)], [(0, "1.41421356")]),
    "sine of 0": condition(lambda x: [(x + ex.sin(0 * x + 0), ">", 1)], UNIT),
    "decrease": condition(decrease(Fraction(1, 10), "-1/100"), SQUARE),
}

VIOLATED = {
    "square positive": condition(lambda x: [(x**2, "<=", 0)], UNIT),
    "square below 1": condition(lambda x: [(x**2, ">=", 1)], UNIT),
    "square by a hair": condition(lambda x: [(x**2, ">=", 1)], [(0, 1 + HAIR)]),
    "negative by a hair": condition(lambda x: [(x**2 - ex.constant(HAIR), "<", 0)], UNIT),
    "root of two": condition(lambda x: [(x**2, ">=", 2), (x**2, "<=", 2)], [(0, 2)]),
    "end of a region": condition(lambda x: [(x, ">=", "2/3")], [(0, "2/3")]),
    "point": condition(lambda x: [(3 * x, ">=", 1)], [("1/3", "1/3")]),
    "second region": condition(lambda x: [(x, ">", 4)], [(1, 2)], [(3, 5)]),
    "modulus": condition(lambda x: [(ex.absolute(x), "<=", 0)], UNIT),
    "pole with values": condition(lambda x: [(1 / x, ">", 10**6)], UNIT),
    "quotient below its pole": condition(lambda x: [(1 / (x - 2), "<", -(10**6))], [(0, 2)]),
    "step": condition(lambda x: [(step(x), ">=", 1)], UNIT),
    "root": condition(lambda x: [(ex.sqrt(x), ">=", 2)], [(0, 4)]),
    "decrease": condition(decrease(Fraction(3), "-1/100"), SQUARE),
}

UNDEFINED = {
    "pole inside": condition(lambda x: [(x / x, ">", 2)], UNIT),
    "pole at an irrational point": condition(lambda x: [(0 * (1 / (x**2 - 2)), ">", 1)], [(0, 2)]),
    "pole with the weight 0": condition(
        lambda x: [(ex.affine([[0, 1]], ex.stack([1 / x, x])), ">", 2)], UNIT
    ),
    "pole at the end": condition(lambda x: [(-1 / x, ">", 0)], [(0, 1)]),
    "pole at a guard": condition(lambda x: [(x, ">=", 0), (1 / x, "<", 0)], UNIT),
    "pole in a pole": condition(lambda x: [(1 / (1 + 1 / x), ">", 9), (x, "<=", 0)], [(0, 1)]),
    "constant pole": condition(lambda x: [(x + 1 / (x - x), ">", 9)], [("1/3", "1/3")]),
    "pole at a kink": condition(lambda x: [(-1 / ex.absolute(x), ">", 0)], UNIT),
    "root of a negative": condition(lambda x: [(ex.sqrt(x) + 1, "<", 0)], [(-HAIR, 1)]),
    "root in a root": condition(lambda x: [(ex.sqrt(ex.sqrt(x) - 1), "<", 0)], [(0, 4)]),
    "square of a root": condition(lambda x: [(ex.sqrt(x) ** 2 - x, ">", 0)], UNIT),
    "step at its jump": condition(lambda x: [(step(x), ">=", THIRD), (step(x), "<=", THIRD)], UNIT),
    "step twice": condition(lambda x: [(step(x), ">=", "2/3"), (step(2 * x), "<=", THIRD)], UNIT),
}  # fmt: skip


@needs_z3
@pytest.mark.parametrize("name", HOLDS)
def test_what_holds_has_no_violation(name: str) -> None:
    assert decide(HOLDS[name], 20.0) == Nowhere()


@needs_z3
@pytest.mark.parametrize("name", VIOLATED)
def test_a_violation_is_found_however_small(name: str) -> None:
    assert isinstance(decide(VIOLATED[name], 20.0), Somewhere)


@needs_z3
@pytest.mark.parametrize("name", UNDEFINED)
def test_a_point_without_value_is_no_proof(name: str) -> None:
    found = decide(UNDEFINED[name], 20.0)
    assert isinstance(found, Somewhere) and not found.certain


@needs_z3
def test_a_model_is_exact_and_lies_in_the_region() -> None:
    found = decide(VIOLATED["square by a hair"], 20.0)
    assert isinstance(found, Somewhere)
    assert 1 <= found.point[0] <= 1 + HAIR
    found = decide(VIOLATED["root of two"], 20.0)
    assert isinstance(found, Somewhere)
    assert abs(found.point[0] ** 2 - 2) < Fraction(1, 10**29)


@needs_z3
def test_answers_of_the_child_become_verdicts() -> None:
    z3, budget = backend("z3"), Budget(20.0)
    proved = z3.check(HOLDS["square"], budget)
    assert isinstance(proved, Proved) and proved.evidence is None
    assert proved.trust and "Z3" in proved.trust[0]
    refuted = z3.check(VIOLATED["decrease"], budget)
    assert isinstance(refuted, Refuted)
    lower, upper = refuted.counterexample.outputs[2]
    assert -0.01 < lower <= upper
    answer = z3.ask(UNDEFINED["pole inside"], budget)
    assert isinstance(answer.verdict, Unknown) and answer.said.startswith("sat (")


@needs_z3
def test_an_exact_hair_is_never_a_proof() -> None:
    answer = backend("z3").ask(VIOLATED["negative by a hair"], Budget(20.0))
    assert not isinstance(answer.verdict, Proved) and answer.said.startswith("sat")


@needs_z3
def test_it_agrees_with_branch_and_bound_on_a_saturated_loop() -> None:
    """Double integrator, |u| ≤ 1, LQR: V quadratic, its decrease kinked."""
    plant = zoo.double_integrator()
    problem = StabilityProblem(plant, lqr_candidate(plant))
    a, mu = Fraction(1, 10), Fraction(1, 100)
    expected = {
        problem.decrease(a, Fraction(1), mu): Nowhere,
        problem.decrease(a, Fraction(400), mu): Somewhere,
        problem.decrease(a, Fraction(1), Fraction(1)): Somewhere,
        problem.containment(Fraction(50)): Nowhere,
        problem.containment(Fraction(10**4)): Somewhere,
        problem.small_set(Fraction(1, 100), Fraction(1)): Nowhere,
    }
    for asked, outcome in expected.items():
        assert isinstance(decide(asked, 20.0), outcome), asked.name
        verdict = backend("taylor").check(asked, Budget(20.0))
        assert isinstance(verdict, Proved if outcome is Nowhere else Refuted), asked.name


@needs_z3
def test_what_takes_too_long_is_stopped_and_open() -> None:
    def hard(x: Expression) -> Sequence[Part]:
        V = ex.dot(x, x) + x[0] ** 3 * x[1] ** 2 * x[2] + x[1] ** 3 * x[2] ** 4
        change = ex.dot(gradient(V, x), ex.stack([x[1] * x[2] - x[0] ** 3, x[0] - x[1], x[2] ** 5]))
        return [(V, ">=", THIRD), (V, "<=", THIRD), (change, "<=", "1/7"), (change, ">=", "1/7")]

    asked = condition(hard, [(-1, 1)] * 3)
    answer = backend("z3").ask(asked, Budget(0.2))
    assert isinstance(answer.verdict, Unknown), answer
    assert "time limit" in answer.verdict.reason
    assert isinstance(decide(asked, 0.0), Undecided)


def test_the_first_operation_that_it_cannot_take_is_named() -> None:
    sine = condition(lambda x: [(ex.sin(x) + ex.tanh(x), ">", 1)], UNIT)
    reason = explain_unsupported(sine)
    assert reason is not None and "sin" in reason and "tanh" not in reason
    reason = explain_unsupported(condition(lambda x: [(x - ex.pi(), ">", 1)], UNIT))
    assert reason is not None and "pi" in reason
    verdict = module.Z3().check(sine, Budget(1.0))
    assert isinstance(verdict, Unknown)


def test_only_what_a_constraint_needs_has_to_be_supported() -> None:
    asked = condition(lambda x: [(x, ">", 1), (ex.sin(x), ">", 1)], UNIT)
    without = Condition(
        asked.name, "", asked.tape, asked.outputs, asked.violation[:1], asked.regions
    )
    assert explain_unsupported(asked) is not None
    assert explain_unsupported(without) is None


def test_constants_are_folded_where_they_are_plainly_rational() -> None:
    x = ex.variable("x", 1)
    folded = [Op.SIN, Op.TAN, Op.TANH, Op.COS, Op.EXP, Op.SIGMOID]
    for op in folded:  # an expression that was not simplified as it was built
        zero = ex.Expression(Op.SUB, (ex.constant(1), ex.constant(1)), 1)
        tape = compile_tape([x + ex.Expression(op, (zero,), 1)], [x])
        asked = Condition(
            "f", "", tape, ("g",), (Constraint(0, "at least", Fraction(3)),), (Box.of(UNIT),)
        )
        assert explain_unsupported(asked) is None, op


def test_what_is_hopelessly_large_is_refused() -> None:
    n = 300
    weight = [[1] * n for _ in range(n)]
    asked = condition(lambda x: [(ex.total(ex.relu(ex.affine(weight, x))), ">", 1)], UNIT * n)
    reason = explain_unsupported(asked)
    assert reason is not None and str(MOST_TERMS) in reason
    tower = condition(lambda x: [(x, ">", 1)], UNIT)
    x = ex.variable("x", 1)
    power = ex.constant(3)
    for _ in range(4):
        power = ex.Expression(Op.POWER, (power,), 1, integers=(1000,))
    tape = compile_tape([x * power], [x])
    reason = explain_unsupported(Condition("t", "", tape, ("g",), tower.violation, tower.regions))
    assert reason is not None and "digits" in reason


def test_a_power_of_powers_is_refused() -> None:
    asked = condition(lambda x: [((x**1000) ** 1000, ">", 1)], UNIT)
    reason = explain_unsupported(asked)
    assert reason is not None and "degree 1000000" in reason


def test_candidates_are_the_floats_around_a_point() -> None:
    assert candidates([Fraction(1, 2), Fraction(3)]) == [[0.5, 3.0]]
    around = candidates([THIRD])
    assert around[0] == [1 / 3] and len(around) == 3
    assert candidates([Fraction(10**400)]) == [[float("inf")]]


def test_a_missing_library_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    found = module.Z3().availability()
    assert not found.available and found.install == ("pip install 'stableproof[smt]'",)
    verdict = module.Z3().check(HOLDS["square"], Budget(1.0))
    assert isinstance(verdict, Unknown) and "not available" in verdict.reason


@pytest.mark.parametrize(
    "installed, enough", [("4.12.6.0", False), ("4.13.0.0", True), ("5.4.0.0", True), ("x", False)]
)
def test_an_old_library_is_not_used(
    monkeypatch: pytest.MonkeyPatch, installed: str, enough: bool
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    monkeypatch.setattr(module, "version", lambda name: installed)
    found = module.Z3().availability()
    assert found.available is enough and found.version == installed
    assert enough or "4.13" in found.missing[0]


def test_asking_whether_it_is_there_does_not_load_it() -> None:
    code = (
        "import sys; from certify.backends import backend; backend('z3').availability(); "
        "sys.exit('z3' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
