"""Linear relaxations of the checker bound what they say they bound: lines, planes, whole formulas.

A relaxation is compared as a function, point by point, with ball arithmetic of 192 bits that shares
no code with the checker. Planted errors have to be found by the same comparisons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from flint import arb, ctx, fmpq
from hypothesis import given
from hypothesis import strategies as st

from proofs.checker import check_bytes, deep, lines, relaxation, turning
from proofs.checker.derivatives import Formula
from proofs.checker.document import read
from proofs.checker.graph import Graph
from proofs.checker.lines import slopes
from proofs.checker.models import Matrices
from proofs.checker.relaxation import Register, Relaxation
from proofs.checker.replay import PRECISION, Ladders, Replay
from proofs.checker.series import Undefined
from proofs.checker.turning import turn
from systems import expression as ex
from systems.expression import Expression, Op
from tests.certify.graphs import graphs
from tests.proofs.checker_boxes import Sides, at, formulas, oracle, random_points, random_sides
from tests.proofs.forgeries import CONSTANTS, DYNAMICS, ENTRY, MAP_ENTRY, TRUE, jump
from tests.proofs.handmade import document_of, encoded
from tests.proofs.test_checker_models import ACTIVATIONS, deterministic, layer, slopes_of
from tests.systems.graphs import kinked, random_graph


@pytest.fixture(autouse=True)
def precision() -> Iterator[None]:
    with ctx.workprec(PRECISION):
        yield


FUNCTIONS: dict[lines.Op, Callable[[arb], arb]] = {
    "sin": arb.sin, "tan": arb.tan, "exp": arb.exp, "log": arb.log, "sqrt": arb.sqrt,
    "tanh": arb.tanh, "tanh'": lambda z: 1 / z.cosh() ** 2, "reciprocal": lambda z: 1 / z,
    "softplus": lambda z: (1 + z.exp()).log(), "relu": lambda z: (z + abs(z)) / 2,
    "step": lambda z: arb(int(z > 0)), 2: lambda z: z * z, 3: lambda z: z**3, 6: lambda z: z**6,
    7: lambda z: z**7,
}  # fmt: skip
POSITIVE = {"log", "sqrt", "reciprocal"}
SILLY = (0.0, -0.0, 1.0, -1.0, 0.25, 2.0, -3.0, 1e-12, -1e-9, 1e9, -1e15, 5e-324)


def random_interval(op: lines.Op, generator: np.random.Generator) -> tuple[float, float]:
    width = float(10 ** generator.uniform(-9, 1)) * (generator.random() > 0.05)
    low = float(generator.normal() * 10 ** generator.uniform(-3, 1))
    if generator.random() < 0.2:
        low = float(generator.choice([0.0, -width, -width / 2]))
    if op == "tan":
        low, width = float(generator.uniform(-1.5, 1.4)), min(width, 0.1)
    if op in POSITIVE:
        low = abs(low) + 1e-3
    return low, low + width


def compared(op: lines.Op, generator: np.random.Generator) -> tuple[int, int]:
    """On a fine grid, how many numbers are on the wrong side of a line or outside of the range; and
    how many lines leave more room than they have to: a tenth of what there is to a line of that
    slope, or what rounding to 64 bits makes of a point that is found by a square root."""
    crossed = loose = counted = 0
    for _ in range(120):
        low, high = random_interval(op, generator)
        pairs = [slopes(op, low, high, low + (high - low) * t) for t in (0.5, 0.1)]
        pairs += [tuple(generator.choice(SILLY, 2)), tuple(generator.normal(size=2))]
        for below, above in pairs:
            try:
                (s, t), (u, v), whole = lines.lines(op, arb(low), arb(high), below, above)
            except Undefined:
                continue
            assert s == below and u == above
            with ctx.workprec(192):
                zs = [arb(low) + (arb(high) - arb(low)) * k / 64 for k in range(65)]
                zs += [arb(z) for z in (-1e-30, 0, 1e-30) if low <= z <= high]
                ys = [FUNCTIONS[op](z) for z in zs]
                if op == "step" and low <= 0 <= high:
                    zs, ys = [*zs, arb(0)], [*ys, arb(1)]  # set-valued
                under = [y - s * z - t for y, z in zip(ys, zs, strict=True)]
                over = [u * z + v - y for y, z in zip(ys, zs, strict=True)]
            crossed += sum(bool(r < 0) for r in under + over)
            crossed += sum(not whole.overlaps(y) for y in ys)
            scale = max(abs(float(y)) for y in ys) + max(abs(below), abs(above)) * (
                abs(low) + abs(high)
            )
            for rests in ([float(r) for r in under], [float(r) for r in over]):
                loose += min(rests) > 0.1 * (max(rests) - min(rests)) + 1e-8 * scale
            counted += 1
    assert counted > 200
    return crossed, loose


@pytest.mark.parametrize("op", FUNCTIONS, ids=str)
def test_a_line_of_any_slope_is_on_its_side(op: lines.Op) -> None:
    """And touches the function there, or nearly: else nothing would be found wrong with it."""
    assert compared(op, np.random.default_rng([7, len(str(op))])) == (0, 0)


@pytest.mark.parametrize("op", FUNCTIONS, ids=str)
def test_planted_errors_of_lines_are_found(op: lines.Op, monkeypatch: pytest.MonkeyPatch) -> None:
    right = lines._level_points
    monkeypatch.setattr(lines, "_level_points", lambda *_: [])  # the ends alone
    assert compared(op, np.random.default_rng(3))[0] > 0
    monkeypatch.setattr(lines, "_level_points", lambda op, s, *ends: right(op, -s, *ends))
    assert op in ("relu", "step") or compared(op, np.random.default_rng(3))[0] > 0
    monkeypatch.setattr(lines, "_level_points", right)
    chosen = lines._rests  # s z too much
    monkeypatch.setattr(lines, "_rests", lambda points, s, *ends: chosen(points, -s, *ends))
    assert compared(op, np.random.default_rng(3))[0] > 0


def product_crossings(generator: np.random.Generator) -> int:
    crossed = 0
    for _ in range(300):
        x, y = (sorted(generator.normal(size=2) * 10 ** generator.uniform(-3, 2)) for _ in range(2))
        ends = [(arb(float(a)), arb(float(b))) for a, b in (x, y)]
        weight = arb(float(generator.choice([0, 1, 0.5, generator.random()])))
        below, above = relaxation.product_planes(ends[0], ends[1], weight)
        for corner in [*generator.random((20, 2)), (0, 0), (0, 1), (1, 0), (1, 1)]:
            a, b = (
                (1 - t) * p + t * q
                for t, (p, q) in zip(map(arb, map(float, corner)), ends, strict=True)
            )
            for sign, ((p, q), constant) in ((1, below), (-1, above)):
                crossed += bool(sign * (a * b - p * a - q * b - constant) < 0)
    return crossed


def test_planes_of_products(monkeypatch: pytest.MonkeyPatch) -> None:
    assert product_crossings(np.random.default_rng(0)) == 0
    right = relaxation.product_planes
    monkeypatch.setattr(relaxation, "product_planes", lambda *a: right(*a)[::-1])
    assert product_crossings(np.random.default_rng(0)) > 0


def relaxed(
    outputs: Sequence[Expression],
    slopes_: Sequence[Expression],
    inputs: Sequence[Expression],
    generator: np.random.Generator,
    *,
    boxes: int = 4,
    points: int = 5,
) -> tuple[int, int]:
    """How many bounds were compared with values at points, and how many of them do not hold: each
    node's own, and those of weighted sums from the output down. ``slopes_`` is the gradient of the
    first output by the state; also this is compared."""
    known, exact = formulas(outputs, inputs), oracle([*outputs, *slopes_], inputs)
    formula = Formula(known.graph, known.nodes)
    roots = [formula.at[i] for i in known.nodes]
    roots += [formula.gradient(roots[0])] if slopes_ else []
    graph, matrices, states = formula.graph, Matrices(formula.graph), inputs[0].size
    count = wrong = 0
    for _ in range(boxes):
        sides = random_sides(sum(v.size for v in inputs), generator)
        box = Relaxation(graph, sides, states, matrices, {})
        try:
            box.forward(roots)
        except Undefined:
            continue
        except AssertionError:  # bounds that contradict each other
            return count, wrong + 1
        terms = [
            (i, k, float(generator.normal())) for i in roots for k in range(graph.nodes[i].size)
        ]
        chosen = [[(i, k, arb(f))] for i, k, f in terms]
        chosen += [[term for one in chosen for term in one], [(i, k, arb(-f)) for i, k, f in terms]]
        bounds = [box.upper(sum_) for sum_ in chosen]
        for sum_ in chosen[-2:] * 2:  # and by planes that have been turned
            turn(box, box.upper(sum_))
            chosen, bounds = [*chosen, sum_], [*bounds, box.upper(sum_)]
        for point in random_points(sides, points, generator):
            values = [v for balls in exact.outputs(point, point) for v in balls]
            entry = {term[:2]: v for term, v in zip(terms, values, strict=True)}
            for bound, sum_ in zip(bounds, chosen, strict=True):
                true = sum((f * entry[i, k] for i, k, f in sum_), arb(0))
                wrong += bool(at(bound, sides, point, 1) < true)
            for (i, k, _), v in zip(terms, values, strict=True):
                register = box.registers[i]
                wrong += bool(at(register.low[k], sides, point, 1) > v)
                wrong += bool(at(register.high[k], sides, point, 1) < v)
                wrong += bool(register.ends[k][0] > v or register.ends[k][1] < v)
            count += len(bounds) + len(terms)
    return count, wrong


@deterministic(60)
@given(data=st.data(), n=st.integers(min_value=1, max_value=3), seed=st.integers(0, 10**6))
def test_random_formulas_and_their_gradients(data: st.DataObject, n: int, seed: int) -> None:
    x, y = data.draw(graphs(n))
    assert relaxed([y], slopes_of(y, x), [x], np.random.default_rng(seed))[1] == 0


def every_kind(seed: int) -> tuple[int, int]:
    generator = np.random.default_rng(seed)
    x, w = ex.variable("x", 2), ex.variable("w", 1 + seed % 2)
    y = random_graph(generator, [x, w])
    y = y if seed % 3 else y + ex.tanh(kinked(x + w[0])) + ex.tan(ex.tanh(x[0])) + ex.relu(y)
    return relaxed([y], slopes_of(y, x), [x, w], generator, points=3)


def test_graphs_with_every_kind_of_node() -> None:
    found = [every_kind(seed) for seed in range(15)]
    assert sum(count for count, _ in found) > 500
    assert not any(wrong for _, wrong in found)


@pytest.mark.parametrize("op", ACTIVATIONS, ids=lambda op: op.value)
def test_deep_networks(op: Op) -> None:
    count = 0
    for n in (1, 2, 3):
        generator = np.random.default_rng([n, ord(op.value[0])])
        x = ex.variable("x", n)
        for scale in (0.3, 2.0):
            hidden = ex.apply(
                op, layer(ex.apply(op, layer(x, 7, generator, scale)), 6, generator, scale)
            )
            y = ex.affine(generator.normal(size=(1, 6)), hidden) + ex.dot(x, x)
            compared_, wrong = relaxed([y, hidden], slopes_of(y, x), [x], generator)
            assert not wrong
            count += compared_
    assert count > 1000


def test_factors_of_either_sign() -> None:
    """A constant, or a factor on the way down, that is a ball around 0: the planes cannot be told,
    and the bounds have to hold for each of its numbers."""
    graph, unit = Graph(), [[arb(0, 1)]]
    tanh = graph.add("tanh", 1, graph.add("variable", 1, integers=(0,)))
    factor = graph.add("constant", 1, constants=[(fmpq(0),)])
    product = graph.add("mul", 1, factor, tanh)
    fixed = {factor: Register(unit, unit, [(arb(-1), arb(1))])}
    box = Relaxation(graph, [(Fraction(-1), Fraction(3))], 1, Matrices(graph), fixed)
    box.forward([product])
    bounds = [box.upper([(product, 0, arb(1))]), box.upper([(product, 0, arb(-1))]),
              box.upper([(tanh, 0, arb(0, 1))])]  # fmt: skip
    (low,), (high,) = box.registers[product].low, box.registers[product].high
    bounds += [high, [-c for c in low]]
    for h in (-1, 1):
        most = abs(arb(1 + 2 * h).tanh())
        assert all(not (sum((c * h for c in p[1:]), p[0]).upper() < most) for p in bounds)


PLANTED: dict[str, Callable[[], tuple[object, str, object]]] = {
    "lines the wrong way round": lambda: (
        relaxation, "_lines", lambda *a, f=relaxation._lines: (f(*a)[0][::-1], f(*a)[1])),
    "products the wrong way round": lambda: (
        relaxation, "product_planes", lambda *a, f=relaxation.product_planes: f(*a)[::-1]),
    "functions put in for the wrong sign": lambda: (
        relaxation, "_put", lambda p, a, k, sign, f=relaxation._put: f(p, a, k, -sign)),
    "a slope of the wrong sign": lambda: (
        Formula, "_slope", lambda self, i, z, f=Formula._slope: self._times(-1, f(self, i, z))),
    "constants lost on the way down": lambda: (
        Relaxation, "_down", lambda self, i, r, add, f=Relaxation._down: 0 * f(self, i, r, add)),
    "planes turned to the wrong side": lambda: (
        turning, "_better", lambda node, ends, plane, side, at, f=turning._better: f(
            node, ends, plane, 1 - side, at)),
    "a mean of planes with the constant of one": lambda: (
        turning, "_better", lambda node, ends, plane, side, at, f=turning._better: (
            f(node, ends, plane, side, at)[0], plane[1])),
    "factors of the wrong sign on the way down": lambda: (
        Relaxation, "_down",
        lambda self, i, r, add, f=Relaxation._down: f(self, i, [-v for v in r], add)),
}  # fmt: skip


@pytest.mark.parametrize("error", PLANTED)
def test_planted_errors_are_found(error: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*PLANTED[error]())
    assert any(every_kind(seed)[1] for seed in range(15))


@pytest.mark.parametrize(
    "build",
    [
        lambda x: ex.tanh(1 / x),
        lambda x: ex.sin(ex.log(x)),
        lambda x: ex.relu(x - 50) / x,
        lambda x: ex.clip(ex.tan(x), -1, 1),
        lambda x: ex.affine([[0.0, 1.0]], ex.stack([ex.sqrt(x), x])),
        lambda x: (x - x) * ex.log(x),
    ],
)
def test_what_is_undefined_somewhere_has_no_bound(
    build: Callable[[Expression], Expression],
) -> None:
    x = ex.variable("x", 1)
    known = formulas([build(x)], [x])
    formula = Formula(known.graph, known.nodes)
    box = Relaxation(formula.graph, [(Fraction(-2), Fraction(2))], 1, Matrices(formula.graph), {})
    with pytest.raises(Undefined):
        box.forward([formula.at[known.nodes[0]]])


def test_behind_a_step_there_is_no_gradient() -> None:
    x = ex.variable("x", 1)
    known = formulas([ex.apply(Op.STEP, x) * x], [x])
    formula = Formula(known.graph, known.nodes)
    with pytest.raises(Undefined):
        formula.gradient(formula.at[known.nodes[0]])


@pytest.fixture
def order_0_alone(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Nothing but relaxations wherever they are offered, and they are for every formula (not for
    discs). Of the claims every third has to do."""
    asked: list[int] = []
    models = Replay._failing_axis

    def failing_axis(
        self: Replay, sides: Sides, chosen: object, order: int, default: int
    ) -> object:
        offered = self._deep.offers([constraint for constraint, _ in chosen])  # type: ignore[attr-defined]
        asked.extend([0] * offered)
        return models(self, sides, chosen, 0 if offered else order, default)  # type: ignore[arg-type]

    monkeypatch.setattr(deep, "LAYERS", 0)
    monkeypatch.setattr(Replay, "_failing_axis", failing_axis)
    return asked


@pytest.mark.parametrize("name", list(TRUE)[::2])
def test_true_claims_are_shown_by_relaxations(name: str, order_0_alone: list[int]) -> None:
    outcome = check_bytes(encoded(document_of(TRUE[name])), 1)
    assert (outcome.status, outcome.message) == ("valid", "")
    assert len(order_0_alone) > 100


@pytest.mark.parametrize("name", list(DYNAMICS | CONSTANTS)[::3])
def test_false_claims_are_not(name: str, order_0_alone: list[int]) -> None:
    made, begins = (DYNAMICS | CONSTANTS)[name]
    outcome = check_bytes(encoded(document_of(made)), 1)
    assert outcome.status == "invalid" and outcome.message.startswith(begins), outcome.message


@pytest.mark.parametrize("name", TRUE)
def test_at_a_point_relaxations_and_models_are_the_same_number(name: str) -> None:
    """Levels, signs, weights and what V̇ + alpha V is made of, for every constraint and pair."""
    replay, generator = Replay(read(encoded(document_of(TRUE[name])))), np.random.default_rng(1)
    compared_ = 0
    for condition, _ in replay.trees:
        constraints = [c for c in condition.constraints if c.kind != "disc"]
        choices = [[(c, Fraction(1))] for c in constraints]
        choices += [
            [(c, Fraction(1)), (d, Fraction(1, 3))] for c in constraints for d in constraints
        ]
        for chosen in choices:
            inside = [a + (b - a) * Fraction(generator.random()) for a, b in condition.regions[0]]
            point = [(v, v) for v in inside]
            models = replay._sums(replay._box(point, 1), chosen)
            for (p,), q in zip(models, replay._deep.sums(point, chosen), strict=True):
                assert len(q) == 1
                assert float(q[0]) == pytest.approx(float(p), rel=1e-14, abs=1e-14)
                compared_ += 1
    assert compared_ > 5


@pytest.mark.parametrize(("widths", "offered"), [((9,), False), ((9, 5), True)])
def test_only_what_is_deep_is_offered_them(widths: tuple[int, ...], offered: bool) -> None:
    """One layer, also with a sigmoid on its sum, is better served by models; and a step has no
    slope, so that V̇ has no formula behind it."""

    def network(x: Expression) -> Expression:
        z, generator = x, np.random.default_rng(0)
        for width in widths:
            z = ex.tanh(layer(z, width, generator, 1.0))
        return ex.sigmoid(ex.total(z)) + ex.dot(x, x)

    for value, differentiable in ((network, True), (lambda x: network(x) + jump(x[0]), False)):
        replay = Replay(read(encoded(document_of(replace(MAP_ENTRY, value=value)))))
        assert_offers(replay, offered)
        replay = Replay(read(encoded(document_of(replace(ENTRY, value=value, hints=ENTRY)))))
        rate = next(c for c, _ in replay.trees if c.name == "decrease").constraints[2]
        assert replay._deep.offers([rate]) is (offered and differentiable)


def assert_offers(replay: Replay, offered: bool) -> None:
    for condition, _ in replay.trees:
        for constraint in condition.constraints:
            if constraint.node == replay.statement.value:
                assert replay._deep.offers([constraint]) is offered


def test_what_is_offered_may_change_among_the_leaves_of_a_condition() -> None:
    """Two constraints with a weight: those of one leaf are deep, those of another are not."""
    ladders = Ladders(2)
    for deep_ in (False, True, False) * 40:
        ladder, _ = ladders.next(("core", False), deep_)
        assert deep_ or 0 not in ladder
        ladders.learn(50.0)
