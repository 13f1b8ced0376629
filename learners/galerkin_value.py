"""From Galerkin coefficients to a candidate: a polynomial in the state, and its greedy policy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from certify.candidate import Candidate
from learners.elm_candidate import greedy_policy
from systems import expression as ex
from systems.dynamics import ControlAffineSystem
from systems.expression import Expression

Array = NDArray[np.float64]

NEGLIGIBLE = 2.0**-50
"""Coefficients of degree ≥ 3 below this share of the largest, on the unit box, are rounding."""


def polynomial(
    system: ControlAffineSystem, exponents: NDArray[np.intp], coefficients: Array
) -> Expression:
    """Σ cₖ (x − x*)^aₖ for exponents (N, n) and coefficients (N,), of total degree ≥ 2 each.

    A monomial of degree d is one of degree d − 1 times a variable, and those of a degree are one
    vector, so that every product is formed once.
    """
    away = system.state - ex.constant(list(system.equilibrium))
    wanted = {tuple(a): c for a, c in zip(exponents.tolist(), coefficients.tolist(), strict=True)}
    levels = _levels(set(wanted))
    parts: list[Expression] = []
    weights: list[float] = []
    below: Expression = away
    n = exponents.shape[1]
    numbers = {tuple(int(i == d) for i in range(n)): d for d in range(n)}
    for level in levels[1:]:
        parents, axes = zip(*(_parent(a, numbers) for a in level), strict=True)
        below = below[list(parents)] * away[list(axes)]
        numbers = {a: k for k, a in enumerate(level)}
        parts.append(below)
        weights += [wanted.get(a, 0.0) for a in level]
    return ex.affine(np.array([weights]), ex.stack(parts))


def _levels(wanted: set[tuple[int, ...]]) -> list[list[tuple[int, ...]]]:
    """Exponents by degree, from 1: those wanted, and those they are built from."""
    top = max(sum(a) for a in wanted)
    levels: list[list[tuple[int, ...]]] = [[] for _ in range(top)]
    above: set[tuple[int, ...]] = set()
    for degree in range(top, 0, -1):
        here = {a for a in wanted if sum(a) == degree} | {_lowered(a) for a in above}
        levels[degree - 1] = sorted(here, reverse=True)
        above = here
    return levels


def _lowered(a: tuple[int, ...]) -> tuple[int, ...]:
    axis = max(d for d, e in enumerate(a) if e)
    return tuple(e - (d == axis) for d, e in enumerate(a))


def _parent(a: tuple[int, ...], numbers: Mapping[tuple[int, ...], int]) -> tuple[int, int]:
    axis = max(d for d, e in enumerate(a) if e)
    return numbers[_lowered(a)], axis


def polynomial_candidate(
    system: ControlAffineSystem,
    exponents: NDArray[np.intp],
    scaled: Array,
    half: Array,
    provenance: Mapping[str, object],
) -> Candidate:
    """V = Σ scaledₖ ((x − x*)/half)^aₖ and its greedy policy; V and ∇V are 0 at x*, exactly."""
    degree = exponents.sum(axis=1)
    kept = (degree == 2) | (np.abs(scaled) > NEGLIGIBLE * np.abs(scaled).max())
    exponents, scaled = exponents[kept], scaled[kept]
    value = polynomial(system, exponents, scaled / np.prod(half**exponents, axis=1))
    return Candidate(system.state, value, greedy_policy(system, value), provenance)
