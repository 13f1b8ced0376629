"""Which part of the domain a value function is learned on: all of it, or as much as will do.

On a box from which bounded inputs cannot bring every state back, V* is infinite somewhere, and no
network is a Lyapunov function there. The largest part of the box on which one can be found, scaled
about the equilibrium, is then searched for by bisection with few neurons.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from learners.elm_features import Features
from learners.elm_iteration import IterationSettings, PolicyIteration, Progress
from learners.elm_solution import Solution
from learners.elm_start import Start
from learners.elm_structure import Structure
from learners.numeric import Plant

Array = NDArray[np.float64]
Draw = Callable[[Plant], tuple[Structure, Features]]
"""The hidden layer for a plant on its part of the domain."""

PROBES = 5
PROBE_UNKNOWNS = 100
LARGEST_FIRST_GUESS = 0.5
LAST_TRIES = 3
"""Halvings of the smallest part tried, where no larger one gave a Lyapunov function."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A value function on the domain of ``plant``."""

    solution: Solution
    plant: Plant
    structure: Structure


@dataclass(eq=False)
class Training:
    """All runs of policy iteration for one candidate, with their common history and warnings."""

    settings: IterationSettings
    plant: Plant
    start: Start
    draw: Draw
    extra: tuple[Array, Array]
    progress: Progress | None
    history: list[dict[str, object]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def run(self) -> Trained | None:
        """A Lyapunov function on the whole domain, or else on the largest part found.

        Where there is none either, a positive V with a stable policy, on the whole domain; None
        where there is nothing at all.
        """
        whole = self._attempt(1.0, None)
        if whole is not None and whole.solution.is_lyapunov:
            return whole
        part = self._largest_part()
        if part is None:
            return self._spare(whole)
        if part.solution.features.count >= PROBE_UNKNOWNS // 2:
            full = self._attempt(part.plant.fraction, None)
            part = full if full is not None and full.solution.is_lyapunov else part
        self.warnings.append(
            f"{self.plant.system.name}: no value function was found that is positive and decreases "
            f"on the whole domain (some of it may be beyond control, or need more neurons); it was "
            f"trained on the {part.plant.fraction:.3g}-fold domain about the equilibrium, and says "
            "nothing outside"
        )
        return part

    def _spare(self, whole: Trained | None) -> Trained | None:
        if whole is not None:
            self.warnings.append(
                f"{self.plant.system.name}: the value function does not decrease everywhere, not "
                "even on a small part of the domain; more neurons may help"
            )
        return whole

    def _largest_part(self) -> Trained | None:
        high, low = 1.0, min(self.start.box, LARGEST_FIRST_GUESS)
        best: Trained | None = None
        for _ in range(PROBES):
            middle = _short(math.sqrt(low * high))
            found = self._attempt(middle, PROBE_UNKNOWNS)
            if found is not None and found.solution.is_lyapunov:
                best, low = found, middle
            else:
                high = middle
        for halvings in range(LAST_TRIES):
            if best is not None:
                break
            found = self._attempt(_short(low * 0.5**halvings), PROBE_UNKNOWNS)
            best = found if found is not None and found.solution.is_lyapunov else None
        return best

    def _attempt(self, fraction: float, largest: int | None) -> Trained | None:
        plant = self.plant if fraction == 1.0 else self.plant.restricted(fraction)
        structure, features = self.draw(plant)
        run = PolicyIteration(
            self.settings,
            plant,
            self.start,
            features,
            self._extra_inside(plant),
            self.history,
            self.warnings,
            self.progress,
        )
        solution = run.solve(largest) or run.spare
        return None if solution is None else Trained(solution, plant, structure)

    def _extra_inside(self, plant: Plant) -> tuple[Array, Array]:
        """The extra points of a part of the domain; beyond it there is nothing to be learned."""
        points, roots = self.extra
        if not len(points) or plant.fraction == 1.0:
            return self.extra
        low, high = plant.ends
        inside = ((low <= points) & (points <= high)).all(axis=1)
        return points[inside], roots[inside]


def _short(fraction: float) -> float:
    """Three significant digits, for readable provenance."""
    return float(f"{fraction:.3g}")
