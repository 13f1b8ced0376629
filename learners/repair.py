"""What the next round of the loop does differently, decided by why the last one failed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from learners.counterexamples import Failure
from systems.box import Box
from systems.errors import InputError

Array = NDArray[np.float64]

STAGES = ("equilibrium", "origin", "contraction", "core", "containment", "levels", "decrease")
"""The order in which a proof examines its conditions; what is not named here comes last."""
LEVEL_CONDITIONS = ("containment", "levels", "small set")
"""They fail by the constants asked for at least as often as by the learner, and so does avoiding
an unsafe set."""
EXACT_CONDITIONS = ("equilibrium", "centre")
"""The candidate misses these by construction, not by its fit."""
LEVEL_PATIENCE = 2
PATIENCE = 3
"""Rounds without progress after which the loop gives up."""
PROGRESS = 0.9
"""A violation that shrank to less than this fraction of the smallest before is progress."""
FIRST_WEIGHT = 10.0
RAISE = 4.0
LARGEST_WEIGHT = 1e4
SAME_PLACE = 0.1
"""Two counterexamples closer than this, of the domain's widths, are one violation."""
GROWTH = 2
MOST_GROWTH = 16
"""Networks grow up to this multiple of the size they start with."""


@dataclass(frozen=True, eq=False)
class Repair:
    """What the rounds so far have taught: handed to the next fit, and stored to resume a run.

    ``round`` is the number of the round to come, from 1. ``points`` (M, n) are the counterexamples
    so far and ``weights`` (M,) what each counts; ``neurons`` None means as the learner was given.
    ``stage`` and ``severity`` are of the best failure so far, ``stalled`` counts rounds without
    progress since.
    """

    points: Array
    weights: Array
    round: int = 1
    neurons: int | None = None
    stage: int = -1
    severity: float | None = None
    stalled: int = 0
    words: str = field(default="", compare=False)

    @staticmethod
    def none(dimension: int) -> Repair:
        """The state before the first round."""
        return Repair(np.empty((0, dimension)), np.empty(0))

    def as_json(self) -> dict[str, object]:
        return {
            "round": self.round,
            "points": self.points.tolist(),
            "weights": self.weights.tolist(),
            "neurons": self.neurons,
            "stage": self.stage,
            "severity": self.severity,
            "stalled": self.stalled,
        }

    @staticmethod
    def from_json(data: object, dimension: int) -> Repair:
        """Raises InputError where the data is not what :meth:`as_json` writes."""
        try:
            return _checked(data, dimension)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise InputError("the stored state of the loop is damaged") from None


def _checked(data: object, dimension: int) -> Repair:
    if not isinstance(data, Mapping):
        raise TypeError
    points = np.asarray(data["points"], dtype=np.float64).reshape(-1, dimension)
    weights = np.asarray(data["weights"], dtype=np.float64)
    whole = [data["round"], data["stage"], data["stalled"]]
    whole += [] if data["neurons"] is None else [data["neurons"]]
    if any(type(v) is not int for v in whole) or data["round"] < 1:
        raise TypeError
    if weights.shape != (len(points),) or not (weights > 0).all():
        raise ValueError
    if not (np.isfinite(points).all() and np.isfinite(weights).all()):
        raise ValueError
    severity = None if data["severity"] is None else float(data["severity"])
    if severity is not None and not math.isfinite(severity):
        raise ValueError
    return Repair(
        points,
        weights,
        data["round"],
        data["neurons"],
        data["stage"],
        severity,
        data["stalled"],
    )


def fails_by_level(condition: str) -> bool:
    """Whether other constants may be all that is wanted."""
    return condition in LEVEL_CONDITIONS or condition.startswith("avoid ")


def next_repair(
    last: Repair, failure: Failure, domain: Box, neurons: int | None, first: int | None
) -> Repair | None:
    """The next round's repair, or None where nothing promising is left.

    ``neurons`` is the network's present size and ``first`` the one it began with (None where the
    learner has no such knob). New counterexamples are added with weight; where the violation is an
    old one, its weight is raised; where that did not help, where there is no point to learn from,
    or where the linearisation itself fails, the network grows.
    """
    stage = _stage(failure.condition)
    if failure.condition in EXACT_CONDITIONS:
        return None
    progress = last.round == 1 or _progress(last, stage, failure.severity)
    stalled = 0 if progress else last.stalled + 1
    patience = LEVEL_PATIENCE if fails_by_level(failure.condition) else PATIENCE
    if stalled >= patience:
        return None
    size = neurons
    if not progress or not len(failure.points) or failure.condition in ("origin", "contraction"):
        size = _grown(neurons, first)
    points, weights, raised = _merged(last, failure.points, domain)
    fresh = len(points) - len(last.points)
    if size == neurons and not fresh and not raised:
        return None
    better = progress or last.round == 1
    return replace(
        last,
        points=points,
        weights=weights,
        round=last.round + 1,
        neurons=size,
        stage=stage if better else last.stage,
        severity=failure.severity if better else last.severity,
        stalled=stalled,
        words=_words(fresh, raised, neurons, size),
    )


def _stage(condition: str) -> int:
    return STAGES.index(condition) if condition in STAGES else len(STAGES)


def _progress(last: Repair, stage: int, severity: float | None) -> bool:
    """Whether the failure came later in the proof, or is smaller, than the best one so far."""
    if stage != last.stage:
        return stage > last.stage
    if severity is None or last.severity is None:
        return False
    return severity < PROGRESS * last.severity


def _grown(neurons: int | None, first: int | None) -> int | None:
    if neurons is None or first is None:
        return neurons
    return min(GROWTH * neurons, max(MOST_GROWTH * first, neurons))


def _merged(last: Repair, new: Array, domain: Box) -> tuple[Array, Array, int]:
    """Old points and the new ones; old ones that a new one confirms weigh more instead."""
    low, high = domain.outer()
    points, weights = last.points, last.weights.copy()
    fresh, raised = [], np.zeros(len(points), dtype=bool)
    for x in new:
        near = np.abs((points - x) / (high - low)).max(axis=1, initial=0.0) < SAME_PLACE
        raised |= near & (weights < LARGEST_WEIGHT)
        if not (np.abs(points - x).max(axis=1, initial=0.0) == 0.0).any():
            fresh.append(x)
    weights[raised] = np.minimum(weights[raised] * RAISE, LARGEST_WEIGHT)
    added = np.array(fresh).reshape(-1, points.shape[1])
    return (
        np.concatenate([points, added]),
        np.concatenate([weights, np.full(len(added), FIRST_WEIGHT)]),
        int(raised.sum()),
    )


def _words(fresh: int, raised: int, neurons: int | None, size: int | None) -> str:
    parts = []
    if fresh:
        parts.append(f"{fresh} counterexample{'s' if fresh > 1 else ''} added")
    if raised:
        parts.append(f"{raised} raised in weight")
    if size != neurons:
        parts.append(f"{neurons} -> {size} neurons")
    return ", ".join(parts)
