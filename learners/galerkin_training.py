"""Which part of the domain V is computed on: all of it, or the largest part that has one.

Galerkin's equations are averages over the box, so a corner that the policy cannot hold spoils V
everywhere. Where there is no Lyapunov function on the whole domain, iteration starts on the box on
which the first policy's quadratic cost decreases, and follows V to larger ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from learners.elm_start import Start
from learners.elm_structure import Structure, detect_structure
from learners.galerkin_basis import PolynomialBasis, exponents_of
from learners.galerkin_iteration import PolicyIteration, Progress, Solution
from learners.galerkin_quadrature import (
    QuadratureEquations,
    refuse_dimension,
    settled_quadrature,
)
from learners.galerkin_separable import NotSeparableError, expand
from learners.galerkin_tables import SeparableEquations, terms_of
from learners.numeric import Plant
from learners.outward import outward_warnings

Array = NDArray[np.float64]

MOST_SIGN_PATTERNS = 12
"""All sign patterns are tried up to this dimension: each symmetry halves the unknowns."""
GROWTH = (1.4, 1.15)
"""Of the box, from one V to the next; the smaller factor once the larger one fails."""
LIMITS = "input limits cut the policy off"
TRIES = 4
"""Halvings of the box on which the first policy is trusted."""
UNSETTLED = 1e-3
"""Integrals that have converged no better are worth a warning."""


GalerkinEquations = SeparableEquations | QuadratureEquations


@dataclass(frozen=True)
class Integration:
    """``how``: "tables" or "quadrature"; nodes along an axis; what convergence was reached."""

    how: str
    nodes: int
    error: float

    def summary(self) -> dict[str, object]:
        """For the provenance."""
        error = self.error if np.isfinite(self.error) else None
        return {"integrals": self.how, "nodes": self.nodes, "integration_error": error}


@dataclass(eq=False)
class Training:
    """All runs for one candidate, with their common history and warnings.

    ``integrations``: of a solution's iteration, how its integrals were computed; ``failures``: why
    runs gave nothing.
    """

    order: int
    iterations: int
    plant: Plant
    start: Start
    progress: Progress | None
    history: list[dict[str, object]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    integrations: dict[int, Integration] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @cached_property
    def structure(self) -> Structure:
        """What V shares with the plant and the first policy."""
        return detect_structure(self.plant, self.start.policy, most_enumerated=MOST_SIGN_PATTERNS)

    def basis(self, plant: Plant) -> PolynomialBasis:
        """Raises :class:`InputError` where the order is too large for the dimension."""
        degrees = exponents_of(self.structure, self.order, plant.system.name)
        return PolynomialBasis(plant, self.order, degrees)

    def check(self) -> None:
        """Raises :class:`InputError` where the order or the integrals cannot be had."""
        basis = self.basis(self.plant)
        why = LIMITS
        if self.plant.system.input_limits is None:
            try:
                few = [
                    np.linspace(low, high, 3) for low, high in zip(*self.plant.ends, strict=True)
                ]
                expand(terms_of(self.plant.system, self.start), self.plant.system.state, few)
            except NotSeparableError as error:
                why = str(error)
            else:
                return
        refuse_dimension(basis, why)

    def run(self) -> Solution | None:
        """A Lyapunov function on the whole domain, or else on the largest part found.

        Where there is none, a positive V with a stable policy on the whole domain, or None.
        """
        whole = self._attempt(1.0, None)
        if whole is not None and whole.is_lyapunov:
            return whole
        part = self._largest_part()
        name = self.plant.system.name
        if part is None or part.plant.fraction < 1.0:
            self.warnings += outward_warnings(self.plant, self.start)
        if part is None:
            if whole is not None:
                self.warnings.append(
                    f"{name}: V does not decrease everywhere in its largest sublevel set; a higher "
                    "order or a smaller domain may help"
                )
            return whole
        if part.plant.fraction < 1.0:
            self.warnings.append(
                f"{name}: no Lyapunov function of order {self.order} was found on the whole "
                f"domain; V was computed on the {part.plant.fraction:.3g}-fold domain about the "
                "equilibrium, and says nothing outside (another order or a smaller domain may help)"
            )
        return part

    def _largest_part(self) -> Solution | None:
        first = min(self.start.box, 1.0 / GROWTH[0])
        best: Solution | None = None
        for halvings in range(TRIES):
            found = self._attempt(_short(first * 0.5**halvings), None)
            if found is not None and found.is_lyapunov:
                best = found
                break
        for factor in GROWTH:
            while best is not None and best.plant.fraction < 1.0:
                found = self._attempt(_short(min(1.0, best.plant.fraction * factor)), best)
                if found is None or not found.is_lyapunov:
                    break
                best = found
        return best

    def _attempt(self, fraction: float, known: Solution | None) -> Solution | None:
        plant = self.plant if fraction == 1.0 else self.plant.restricted(fraction)
        basis = self.basis(plant)
        equations, integration = self._equations(basis)
        run = PolicyIteration(
            basis,
            self.start,
            equations,
            self.iterations,
            self.history,
            self.progress,
        )
        c = None
        if known is not None:
            ratio = fraction / known.plant.fraction
            stretched = known.monomial_coefficients * ratio ** basis.exponents.sum(axis=1)
            c = basis.from_monomials(stretched)
        found = run.solve(c)
        if found is None:
            self.failures.append(run.failure)
        else:
            self.integrations[found.iteration] = integration
        if run.failure:
            self._warn(run.failure, fraction, found, known)
        return found

    def _warn(
        self, failure: str, fraction: float, found: Solution | None, known: Solution | None
    ) -> None:
        """Which iterate was dropped, why, and what was done."""
        domain = "" if fraction == 1.0 else f" on the {fraction:.3g}-fold domain"
        then = "nothing was left; iteration began again on a smaller part of the domain"
        if found is not None:
            then = (
                f"iteration {found.iteration} was kept; another order, a smaller domain or another "
                "initial policy may help"
            )
        elif known is not None:
            then = f"V of the {known.plant.fraction:.3g}-fold domain was kept"
        self.warnings.append(
            f"iteration {len(self.history) + 1}{domain}: {failure}; it was dropped: {then}"
        )

    def _equations(self, basis: PolynomialBasis) -> tuple[GalerkinEquations, Integration]:
        """Exact tables where the integrals factorise, else quadrature."""
        why = LIMITS
        if basis.plant.system.input_limits is None:
            try:
                tables = SeparableEquations(basis, self.start)
            except NotSeparableError as error:
                why = str(error)
            else:
                nodes = len(tables.axes[0].nodes)
                return tables, Integration("tables", nodes, tables.unsettled)
        refuse_dimension(basis, why)
        equations, change = settled_quadrature(basis, self.start)
        return equations, Integration("quadrature", equations.count, change)

    def integration_of(self, solution: Solution) -> dict[str, object]:
        """How its integrals were computed; warns where they have not converged well."""
        found = self.integrations[solution.iteration]
        if not found.error <= UNSETTLED:
            self.warnings.append(
                f"{self.plant.system.name}: the Galerkin integrals have converged to "
                f"{found.error:.1e} only (a kink or a steep function on the domain); elm-pi needs "
                "no integrals"
            )
        return found.summary()


def _short(fraction: float) -> float:
    """Three significant digits, for readable provenance."""
    return float(f"{fraction:.3g}")
