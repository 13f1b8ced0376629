"""The affine functions of linear relaxations hold what they bound, point by point.

Sharper than a comparison of bounds: Σ λⱼ yⱼ + c is compared with the function above it at every
point of a box, for any multipliers, also of entries that coincide, cancel or are lost to underflow.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from flint import arb, fmpq
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from certify import Condition, Constraint
from certify.balls import BallInterpreter
from certify.enclosure import backward as back
from certify.enclosure import relaxation, relaxed
from certify.enclosure.engine import LINEAR, Engine, Levels
from certify.enclosure.program import OFFSET
from systems import expression as ex
from systems.box import Box
from systems.differentiate import NotDifferentiableError, gradient
from systems.expression import Expression, Op
from systems.tape import Tape, compile_tape
from tests.certify.enclosures import points_in
from tests.certify.graphs import graphs
from tests.certify.test_enclosure_properties import deterministic, network, scattered

Array = NDArray[np.float64]


def at(form: Array, t: list[Fraction]) -> arb:
    """An affine function of t in rationals; floats and points are meant exactly."""
    total = sum((Fraction(float(f)) * v for f, v in zip(form[1:], t, strict=True)), Fraction(0))
    total += Fraction(float(form[0]))
    return arb(fmpq(total.numerator, total.denominator))


def weights(J: int, generator: np.random.Generator) -> Array:
    """Multipliers of a few outputs, of any size, some of which cancel."""
    out = np.zeros(J)
    chosen = generator.permutation(J)[:3]
    scale = 10.0 ** generator.choice([0.0, 0.0, 9.0, -9.0, -160.0, 120.0], len(chosen))
    out[chosen] = generator.normal(size=len(chosen)) * scale
    out[chosen[-1]] = generator.choice([-1.0, 1.0]) * out[chosen[0]]
    return out


def check_forms(tape: Tape, low: Array, high: Array, generator: np.random.Generator) -> int:
    """How many comparisons were made of forms that are bounded."""
    engine = Engine(tape, np.maximum(np.abs(low), np.abs(high)).max(axis=0))
    P, oracle, seen = engine._whole, BallInterpreter(tape, 256), 0
    S, form = relaxation.space(tape.dimension, P.entries), np.zeros(1 + tape.dimension)
    offsets = [int(P.code[o, OFFSET]) for o in P.outputs]
    centre, radius = engine._balls(low, high)
    where = points_in(low, high, 2, generator)[:, ::2]
    for b in range(len(low)):
        program = (P.code, P.pool, P.lists)
        relaxation.forward(*program, centre[b], radius[b], S)
        values = [[v[0] for v in oracle.outputs(p, p)] for p in where[b].tolist()]
        ts = [
            [(Fraction(x) - Fraction(c)) / Fraction(r) if r else Fraction(0)
             for x, c, r in zip(p, centre[b].tolist(), radius[b].tolist(), strict=True)]
            for p in where[b].tolist()
        ]  # fmt: skip
        for e, j in zip(offsets, range(len(offsets)), strict=True):
            if np.isfinite([S.lo[e], S.hi[e]]).all():
                for v, t in zip(values, ts, strict=True):
                    assert v[j].is_finite()
                    assert not (v[j] < at(S.L[:, e], t) or v[j] > at(S.H[:, e], t))
        for turn in range(4):
            factors, constant = weights(len(offsets), generator), float(generator.normal())
            if turn % 2:
                back.improve(*program, S, centre[b], radius[b], form)
            back.clear(S)
            for e, factor in zip(offsets, factors.tolist(), strict=True):
                back.add(S, e, factor)
            bound = back.backward(*program, constant, P.widest, S, centre[b], radius[b], form)
            if not np.isfinite(bound):
                continue
            for v, t in zip(values, ts, strict=True):
                h = arb(constant)
                for factor, value in zip(factors.tolist(), v, strict=True):
                    h += arb(factor) * value if factor else 0
                assert h.is_finite() and not (h > at(form, t) or h > arb(bound))
                seen += 1
    return seen


@deterministic(40)
@given(data=st.data(), n=st.integers(min_value=1, max_value=3), seed=st.integers(0, 10**6))
def test_of_random_formulas(data: st.DataObject, n: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    x, y = data.draw(graphs(n, steps=True))
    try:
        slope = gradient(y, x)
    except NotDifferentiableError:  # a step of x: it is bounded all the same
        slope = x
    outputs = [y, y, *(slope[i] for i in range(n)), x[n - 1], y - slope[0], ex.constant("1/3")]
    tape = compile_tape([*outputs, ex.pi() * y, ex.stack([x, y, x])[n] * y], [x])
    try:
        check_forms(tape, *scattered(n, 12, generator), generator)
    except ValueError as error:  # a constant such as log(0): then there is nothing to bound
        assert "undefined" in str(error) or "may be 0" in str(error)


@pytest.mark.parametrize("op", [Op.TANH, Op.RELU, Op.SIGMOID, Op.SOFTPLUS], ids=lambda o: o.value)
def test_of_networks_that_cancel(op: Op) -> None:
    """Points and tiny boxes: what is left of the differences is rounding, and nothing else."""
    generator = np.random.default_rng(3)
    x = ex.variable("x", 2)
    deep = network(x, [7, 5], op, generator, 0.9)
    flat = ex.affine([["1/3", -0.1, 7e5]], ex.stack([deep, deep * deep, x[0]]), ["1/7"])
    shifted = [ex.pi() * deep, deep + 1e9, (deep + 1e9) * (deep - 1e9), ex.stack([deep, flat])[0]]
    tape = compile_tape([deep, flat, deep - flat, *shifted, x[1]], [x])
    low = generator.uniform(-1, 1, (60, 2))
    high = low + np.resize([0.0, 0.0, 1e-13, 1e-7, 0.3], 60)[:, None]
    assert check_forms(tape, low, high, generator) > 300


def planted(outputs: list[Expression], x: Expression, violation: list[Constraint]) -> Condition:
    names = tuple(f"y{i}" for i in range(len(outputs)))
    box = Box.symmetric([1] * x.size)
    return Condition("pairs", "pairs", compile_tape(outputs, [x]), names, tuple(violation), (box,))


def test_of_pairs_of_constraints() -> None:
    """The reason of a box that two constraints close names them, and its weight, rightly: each is
    at least 0 somewhere, their weighted sum nowhere."""
    generator, x = np.random.default_rng(4), ex.variable("x", 2)
    pairs, seen = 0, set()
    for _ in range(150):
        a, b = generator.normal(size=2), float(generator.uniform(0.2, 3))
        bend = ex.tanh(ex.affine([a.tolist()], x)) * float(generator.normal()) * 0.05
        one, other = (
            ex.affine([a.tolist()], x) + bend,
            ex.affine([(-b * a).tolist()], x) + ex.sin(bend),
        )
        signs = generator.choice([-1, 1], 2)
        gap = Fraction(float(generator.uniform(-0.02, 0.25) * np.abs(a).sum()))
        violation = [
            Constraint(k, "at least" if s > 0 else "at most", level)
            for k, s, level in ((0, signs[0], gap), (1, signs[0], -gap / 3), (2, signs[1], gap))
        ]
        claim = planted([one, other, x[0] * 9], x, violation)
        engine = Engine(claim.tape, np.ones(2))
        tested = engine.test(
            -np.ones((1, 2)), np.ones((1, 2)), LINEAR, Levels.of(claim.violation), np.ones(2)
        )
        reason, w = int(tested.reason[0]), arb(float(tested.weight[0]))
        if reason < 3:
            continue
        i, j = divmod(reason - 3, 3)
        pairs += 1
        seen.add((i, j))
        oracle = BallInterpreter(claim.tape, 128)
        for point in points_in(-np.ones((1, 2)), np.ones((1, 2)), 12, generator)[0].tolist():
            y = oracle.outputs(point, point)
            h = [c.sign * (y[c.output][0] - arb(fmpq(c.level.numerator, c.level.denominator)))
                 for c in claim.violation]  # fmt: skip
            assert h[j] + w * h[i] < 0
    assert pairs > 20 and len(seen) >= 2


def test_of_pairs_whose_nonlinear_parts_cancel() -> None:
    """They do in one backward pass of h₀ + w h₁, not in the affine functions above both."""
    closed = 0
    generator, x = np.random.default_rng(6), ex.variable("x", 2)
    for _ in range(400):
        inner = network(x, [4], Op.TANH, generator, 1.0)
        k, shift = float(generator.uniform(0.3, 3)), float(generator.normal())
        line = ex.affine([generator.normal(size=2).tolist()], x)
        one, other = inner + line, (inner + line) * k - x[1] * 1e-3 + shift
        level = Fraction(float(generator.uniform(-0.3, 0.3)))
        margin = Fraction(float(generator.uniform(0.0, 0.06)))
        violation = [
            Constraint(0, "at least", level),
            Constraint(1, "at most", Fraction(k) * level + Fraction(shift) - margin),
        ]
        claim = planted([one, other], x, violation)
        oracle = BallInterpreter(claim.tape, 128)
        engine = Engine(claim.tape, np.ones(2))
        low = generator.uniform(-1, 0.5, (1, 2))
        tested = engine.test(low, low + 0.5, LINEAR, Levels.of(claim.violation), np.ones(2))
        reason, w = int(tested.reason[0]), arb(float(tested.weight[0]))
        if reason < 2:
            continue
        i, j = divmod(reason - 2, 2)
        closed += 1
        for point in points_in(low, low + 0.5, 12, generator)[0].tolist():
            y = oracle.outputs(point, point)
            h = [c.sign * (y[c.output][0] - arb(fmpq(c.level.numerator, c.level.denominator)))
                 for c in claim.violation]  # fmt: skip
            assert h[j] + w * h[i] < 0
    assert closed > 20


def test_weights_of_pairs_hold_for_any_forms() -> None:
    """f + w g < 0 where the best weight says so, in rationals, at the worst corner."""
    generator, shown = np.random.default_rng(9), 0
    for _ in range(4000):
        n = int(generator.integers(1, 5))
        f, g = generator.normal(size=(2, n + 1)) * 10.0 ** generator.choice([0, 0, 12, -200, 150])
        f[1:] = -g[1:] * generator.choice([1.0, 3.0, 1e-3]) * (1 + 1e-15 * generator.normal(size=n))
        w, bound = relaxed._best_weight(f, g)
        if not np.isfinite(bound):
            continue
        p, q, v = ([Fraction(float(c)) for c in form] for form in (f, g, [w]))
        worst = p[0] + v[0] * q[0]
        worst += sum(abs(a + v[0] * b) for a, b in zip(p[1:], q[1:], strict=True))
        assert w >= 0 and worst <= Fraction(float(bound))
        shown += 1
    assert shown > 1000
