"""From Galerkin coefficients to a candidate: a polynomial in the state, and its greedy policy."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from certify.candidate import Candidate
from learners.elm_candidate import greedy_policy
from systems import expression as ex
from systems.dynamics import ControlAffineSystem
from systems.expression import Expression

Array = NDArray[np.float64]
Exponent = tuple[int, ...]

NEGLIGIBLE = 2.0**-50
"""Coefficients of degree ≥ 3 below this share of the largest, on the unit box, are rounding."""


def polynomial(
    system: ControlAffineSystem, exponents: NDArray[np.intp], coefficients: Array
) -> Expression:
    """Σ cₖ (x − x*)^aₖ for exponents (N, n) of total degree ≥ 2 and coefficients (N,).

    It is written as m(x)ᵀW m(x) with monomials m of half the degree: of the forms that were tried
    (a sum of monomials, Horner's, powers of the variables) the quickest to bound with its gradient.
    """
    halves = [_halves(tuple(a)) for a in exponents.tolist()]
    levels = _levels({half for pair in halves for half in pair})
    m = _monomials(system, levels)
    number = {a: k for k, a in enumerate(a for level in levels for a in level)}
    W = np.zeros((len(number), len(number)))
    for (left, right), c in zip(halves, coefficients.tolist(), strict=True):
        W[number[left], number[right]] += 0.5 * c
        W[number[right], number[left]] += 0.5 * c
    return ex.dot(m, ex.affine(W, m))


def _halves(a: Exponent) -> tuple[Exponent, Exponent]:
    """Two exponents of about half the degree, whose sum is a."""
    variables = [d for d, e in enumerate(a) for _ in range(e)]
    left, right = variables[::2], variables[1::2]
    axes = range(len(a))
    return tuple(left.count(d) for d in axes), tuple(right.count(d) for d in axes)


def _levels(wanted: set[Exponent]) -> list[list[Exponent]]:
    """Exponents by degree, from 1: those wanted, and those they are built from."""
    top = max(sum(a) for a in wanted)
    levels: list[list[Exponent]] = []
    above: set[Exponent] = set()
    for degree in range(top, 0, -1):
        above = {a for a in wanted if sum(a) == degree} | {_lowered(a) for a in above}
        levels.insert(0, sorted(above, reverse=True))
    return levels


def _monomials(system: ControlAffineSystem, levels: list[list[Exponent]]) -> Expression:
    """The monomials (x − x*)^a as one vector.

    One of degree d is one of degree d − 1 times a variable, and those of a degree are one product
    of vectors.
    """
    away = system.state - ex.constant(list(system.equilibrium))
    parts = [away[[_last(a) for a in levels[0]]]]
    for below, level in itertools.pairwise(levels):
        number = {a: k for k, a in enumerate(below)}
        parts.append(
            parts[-1][[number[_lowered(a)] for a in level]] * away[[_last(a) for a in level]]
        )
    return ex.stack(parts)


def _last(a: Exponent) -> int:
    """The last variable that occurs."""
    return max(d for d, e in enumerate(a) if e)


def _lowered(a: Exponent) -> Exponent:
    """Without one factor of the last variable."""
    last = _last(a)
    return tuple(e - (d == last) for d, e in enumerate(a))


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
