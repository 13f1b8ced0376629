"""Which part of the domain a network is trained on, and what is said where it is not all of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from learners.elm_start import Start
from learners.numeric import Plant
from learners.outward import outward_warnings
from learners.pinn_iteration import Evaluated, PinnIteration, PinnSettings
from learners.pinn_network import Network
from learners.pinn_progress import Progress, Reporter

Array = NDArray[np.float64]

FRACTIONS = (0.7, 0.5, 0.35, 0.25, 0.15, 0.1)
SHARES_OF_BOX = (1.0, 0.5)
"""Of the box on which the first policy's quadratic cost decreases."""
PROBE_STEPS, PROBE_ITERATIONS = 30, 6


@dataclass(frozen=True, eq=False)
class Trained:
    """A value function on the domain of ``plant``."""

    solution: Evaluated
    plant: Plant


@dataclass(eq=False)
class PinnTraining:
    """All runs for one candidate, with their common history and warnings."""

    settings: PinnSettings
    plant: Plant
    start: Start
    network: Network
    theta: Array
    extra: tuple[Array, Array]
    progress: Progress | None
    axes: tuple[int, ...] | None = None
    history: list[dict[str, object]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def run(self) -> Trained | None:
        """A Lyapunov function on the whole domain, or else on the largest of some parts of it.

        Where there is none either, the best V with a stable policy; None where there is nothing.
        """
        self._warn_of_few_points()
        whole = self._attempt(self.plant, self.settings)
        if whole is not None and whole.solution.is_lyapunov:
            return whole
        self.warnings += outward_warnings(self.plant, self.start)
        part = self._largest_part()
        if part is not None:
            self.warnings.append(
                f"{self.plant.system.name}: no value function was found that is positive and "
                "decreases on the whole domain (some of it may be beyond control, or need more "
                f"neurons); it was trained on the {part.plant.fraction:.3g}-fold domain about the "
                "equilibrium, and says nothing outside"
            )
            return part
        if whole is not None:
            self.warnings.append(
                f"{self.plant.system.name}: the value function does not decrease everywhere, not "
                "even on a small part of the domain; more neurons or a smaller domain may help"
            )
        return whole

    def _largest_part(self) -> Trained | None:
        """The first of the parts that, with few steps, has a Lyapunov function; then all steps."""
        quick = replace(
            self.settings,
            steps=min(self.settings.steps, PROBE_STEPS),
            iterations=min(self.settings.iterations, PROBE_ITERATIONS),
        )
        for fraction in self._fractions():
            plant = self.plant.restricted(fraction)
            probe = self._attempt(plant, quick)
            if probe is not None and probe.solution.is_lyapunov:
                full = self._attempt(plant, self.settings)
                return full if full is not None and full.solution.is_lyapunov else probe
        return None

    def _fractions(self) -> tuple[float, ...]:
        """Some, and where they are all too large for the first policy, what it can hold."""
        box = self.start.box
        if box >= FRACTIONS[-1]:
            return FRACTIONS
        return (*FRACTIONS, *(float(f"{share * box:.2g}") for share in SHARES_OF_BOX))

    def _attempt(self, plant: Plant, settings: PinnSettings) -> Trained | None:
        run = PinnIteration(
            settings,
            plant,
            self.start,
            self.network,
            self._extra_inside(plant),
            self.history,
            self.warnings,
            Reporter(self.progress),
            self.axes,
        )
        found = run.run(self.theta)
        return None if found is None else Trained(found, plant)

    def _extra_inside(self, plant: Plant) -> tuple[Array, Array]:
        points, roots = self.extra
        if not len(points) or plant.fraction == 1.0:
            return self.extra
        low, high = plant.ends
        inside = ((low <= points) & (points <= high)).all(axis=1)
        return points[inside], roots[inside]

    def _warn_of_few_points(self) -> None:
        points, unknowns = self.settings.points, self.network.count
        if points < unknowns and self.settings.optimizer == "levenberg-marquardt":
            self.warnings.append(
                f"{self.plant.system.name}: {points} collocation points for {unknowns} weights "
                "leave the least squares singular; use fewer neurons or more collocation points "
                f"(at least {2 * unknowns})"
            )
