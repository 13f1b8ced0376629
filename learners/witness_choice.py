"""Several Lyapunov functions for one frozen policy, and the one to hand to a proof.

They are tried from the simplest on: the critic's own, where the learner has one; the quadratic form
of the linear part; witnesses (:mod:`learners.witness`), at first a form alone, then with more and
more neurons. A proof takes the longer the more neurons there are, so that a later one has to have a
clearly larger region at samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learners.frozen_loop import FrozenLoop
from learners.lqr import quadratic_value
from learners.witness import WitnessPoints, draw_points, solve_witness
from learners.witness_basis import WitnessBasis
from learners.witness_judge import Judgement, Samples, judge
from systems.errors import InputError
from systems.expression import Expression

Array = NDArray[np.float64]

SIZES = (25, 50, 100)
"""Neurons of the witnesses that are tried, up to what was asked for."""
WORTH = 1.15
"""A V with neurons has to have so many times the region of one with fewer."""
PATIENCE = 2
"""After so many sizes that were not worth it, no larger one is tried."""
MOST_STATES = 5
"""Up to so many states neurons are tried: in more, no proof would get through them."""


@dataclass(frozen=True, eq=False)
class Witness:
    """The V that was chosen, ``name`` and ``share`` of it; ``tried`` tells of all, plain JSON data.

    ``stable``: whether the policy stabilises x* at all, as its linear part says; else V is a form
    that promises nothing. ``attracted``: the share of the domain from which, at samples, it
    converges without leaving the domain.
    """

    value: Expression
    name: str
    share: float
    tried: tuple[dict[str, object], ...]
    stable: bool = True
    attracted: float = 0.0

    def warnings(self) -> list[str]:
        """What is to be told of the choice, a line each."""
        critic = next((t for t in self.tried if t["name"] == "critic"), None)
        if not self.stable or critic is None or self.name == "critic" or not critic["words"]:
            return []
        return [f"V is the {self.name}; the critic's own has less: {critic['words']}"]


@dataclass
class _Trial:
    """What was tried so far, and the best of it."""

    samples: Samples
    tried: list[dict[str, object]]
    best: tuple[float, str, Expression] | None = None
    idle: int = 0

    def add(self, name: str, value: Expression) -> None:
        """Judge a V; it becomes the best where it is worth it."""
        found: Judgement = judge(value, self.samples)
        self.tried.append({"name": name, "share": found.share, "words": found.words})
        if self.best is None or found.share > WORTH * self.best[0]:
            self.best = found.share, name, value

    def refused(self, name: str, error: Exception) -> None:
        self.tried.append({"name": name, "share": 0.0, "words": str(error)})


def choose_witness(
    loop: FrozenLoop,
    *,
    critic: Callable[[], Expression] | None = None,
    neurons: int = 100,
    seed: int = 0,
    extra: tuple[Array, Array] | None = None,
) -> Witness:
    """The V of the largest region at samples; ``critic`` makes the critic's, anchored at x*.

    ``extra``, counterexamples (M, n) with weights (M,), join the fits and the samples. Where the
    policy does not stabilise x*, or nothing converges, V is |z|² and will not be proved.
    """
    samples = Samples.draw(loop, seed)
    if extra is not None:
        samples = samples.joined(extra[0])
    trial = _Trial(samples, [])
    if critic is not None:
        _try(trial, "critic", critic)
    if not loop.is_stable:
        return _without(loop, trial)
    P = loop.cost_to_go / np.outer(loop.scale, loop.scale)
    trial.add("quadratic form", quadratic_value(P, loop.system))
    for larger in _witnesses(loop, neurons, seed, extra):
        assert trial.best is not None
        if WORTH * trial.best[0] >= samples.attracted or trial.idle >= PATIENCE:
            break  # nothing can be worth it, or nothing seems to become so
        before = trial.best
        for name, make in larger:
            _try(trial, name, make)
        trial.idle += trial.best is before
    assert trial.best is not None
    share, name, value = trial.best
    return Witness(value, name, share, tuple(trial.tried), attracted=samples.attracted)


def _witnesses(
    loop: FrozenLoop, neurons: int, seed: int, extra: tuple[Array, Array] | None
) -> Iterator[list[tuple[str, Callable[[], Expression]]]]:
    """Names, and how to fit them, from the simplest to the largest; V and W of a size together."""

    def fitted(size: int, bounded: bool) -> Callable[[], Expression]:
        def fit() -> Expression:
            basis = WitnessBasis.draw(loop, size, seed)
            points: WitnessPoints = draw_points(loop, basis.count, seed, extra)
            return solve_witness(basis, points, bounded=bounded)

        return fit

    yield [("fitted form", fitted(0, False)), ("fitted form, bounded", fitted(0, True))]
    if len(loop.scale) > MOST_STATES:
        return
    sizes = [s for s in SIZES if s < neurons] + [neurons] * (neurons > 0)
    for size in sizes:
        words = f"witness of {size} neurons"
        yield [(words, fitted(size, False)), (f"{words}, bounded", fitted(size, True))]


def _try(trial: _Trial, name: str, make: Callable[[], Expression]) -> None:
    try:
        trial.add(name, make())
    except (InputError, ArithmeticError) as error:
        trial.refused(name, error)


def _without(loop: FrozenLoop, trial: _Trial) -> Witness:
    """Where there can be none: something to hand to the proof, which says why it fails."""
    form = quadratic_value(np.diag(1.0 / loop.scale**2), loop.system)
    said = f"the policy does not stabilise the equilibrium: {loop.instability()}"
    tried = (*trial.tried, {"name": "any", "share": 0.0, "words": said})
    return Witness(form, "|z|^2", 0.0, tried, stable=False)
