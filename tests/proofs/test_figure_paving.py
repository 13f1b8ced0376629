"""Boxes as figures show them: nothing is left out, and no margin is larger than the truth."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from certify import Claim, StabilityResult
from certify.branch_and_bound import Search
from certify.conditions import Condition, Constraint
from certify.origin import centre_point
from certify.verdict import Proved, Unknown
from proofs.figure_paving import SEVERAL, TOGETHER, PavedCondition, paved_condition
from proofs.report_parts import percent
from systems.evaluate import evaluate
from tests.proofs import kinds, results

NAMES = ("pendulum", "synthetic-1", "lorenz")


def paved(result: StabilityResult, name: str = "decrease", most: int = 5000) -> PavedCondition:
    found = paved_condition(result.searches[name], centre_point(result.problem)[0], most)
    assert found is not None
    return found


def volume(p: PavedCondition) -> float:
    return float((p.upper - p.lower).prod(axis=1).sum())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("most", [1, 7, 60, 5000])
def test_merged_boxes_cover_the_same_region(name: str, most: int) -> None:
    result = results.proved(name)
    p = paved(result, most=most)
    verdict = result.searches["decrease"].verdict
    assert isinstance(verdict, Proved) and verdict.evidence is not None
    assert len(p.lower) <= most and p.merged.sum() == p.leaves == verdict.evidence.leaves
    assert volume(p) == pytest.approx(float(result.problem.domain.volume))
    assert p.thinned == (p.leaves > most)
    assert sum(count for _, count, _ in p.tally) == p.leaves
    words = np.array(p.reasons)[p.kind]
    assert (p.merged[words == SEVERAL] > 1).all()
    assert p.margin.min() == pytest.approx(paved(result).margin.min())


def test_boxes_at_the_slices_are_merged_last() -> None:
    result = results.proved("lorenz")
    whole = paved(result)
    p = paved(result, most=whole.leaves - 20)
    centre = centre_point(result.problem)[0]
    beside = ((centre < p.lower) | (p.upper <= centre)).sum(axis=1)
    assert (p.merged[beside <= 2] == 1).mean() > 0.9 and (p.merged > 1).any()


@pytest.mark.parametrize(
    "result",
    [
        lambda: results.proved("pendulum"),
        lambda: results.proved("lorenz"),
        lambda: kinds.proved(Claim.EXPONENTIAL_STABILITY, "discrete", "product", True),
    ],
    ids=["pendulum", "lorenz", "discrete and disturbed"],
)
@pytest.mark.parametrize("name", ["decrease", "small set", "core", "contraction"])
def test_no_sample_in_a_box_contradicts_its_margin(result: object, name: str) -> None:
    """With its level moved by the margin, no point of a box satisfies the whole violation."""
    proof: StabilityResult = result()  # type: ignore[operator]
    if name not in proof.searches:
        name = "trap"
    search = proof.searches[name]
    p, J = paved(proof, name), len(search.condition.violation)
    assert np.isfinite(p.margin).all() and (p.margin >= 0).all()
    levels = np.array([float(c.level) for c in search.condition.violation])
    sizes = np.abs(levels)
    other = 1.0 if name == "contraction" else sizes.max()
    unit = np.where(sizes > 0, sizes, other)
    sign = np.array([c.sign for c in search.condition.violation])
    outputs = [c.output for c in search.condition.violation]
    draw = np.random.default_rng(0)
    for lower, upper, kind, margin in zip(p.lower, p.upper, p.kind, p.margin, strict=True):
        points = lower + draw.random((40, len(lower))) * (upper - lower)
        values = np.hstack(evaluate(search.condition.tape, points))[:, outputs]
        slack = sign * (values - levels) + margin * unit  # ≥ 0 where the moved constraint holds
        tolerance = 1e-9 * (np.abs(values).max() + unit.max())
        if kind < J:
            assert slack[:, kind].max() <= tolerance
        else:
            assert p.reasons[kind] == TOGETHER
            assert slack.min(axis=1).max() <= tolerance


def test_margins_are_not_idle() -> None:
    """Where one constraint closes a box, its margin is the bound's; somewhere it is substantial."""
    p = paved(results.proved("lorenz"))
    single = p.kind < 3
    assert np.quantile(p.margin[single], 0.5) > 0.05 and (p.margin[~single] > 0).any()


def test_what_has_no_inside_or_no_tree_is_not_shown() -> None:
    result = results.proved("pendulum")
    centre = centre_point(result.problem)[0]
    assert paved_condition(result.searches["containment"], centre) is None
    search = result.searches["decrease"]
    for verdict in (Proved(), Unknown("time")):
        assert paved_condition(replace(search, verdict=verdict), centre) is None


def test_a_tree_that_closes_nothing_has_no_margin() -> None:
    """The bounds are computed again: evidence that does not fit its condition shows as NaN."""
    result = results.proved("pendulum")
    search = result.searches["decrease"]
    condition = search.condition
    stricter = Constraint(0, "at most", Fraction(10**6))
    wrong = Condition(
        condition.name, condition.claim, condition.tape, condition.outputs,
        (condition.violation[0], stricter, Constraint(1, "at least", Fraction(-(10**6)))),
        condition.regions,
    )  # fmt: skip
    p = paved_condition(
        Search(search.verdict, wrong, search.boxes, search.seconds, search.order),
        centre_point(result.problem)[0],
    )
    assert p is not None and np.isnan(p.margin).all()
    assert all(least is None for _, _, least in p.tally)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (None, "not bounded"), (0.0, "below 0.01 %"), (0.5, "50 %"), (0.12349, "12.3 %"),
        (0.0099996, "0.999 %"), (1.789, "178 %"), (17.9, "17 times the level"),
    ],
)  # fmt: skip
def test_margins_are_told_rounded_down(share: float | None, words: str) -> None:
    assert percent(share) == words
    if share is not None and "%" in words and share > 1e-4:
        assert float(words.split()[0]) <= 100 * share
