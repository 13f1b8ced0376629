"""Sign symmetries and decoupled blocks of a Hamilton-Jacobi-Bellman equation, found by evaluation.

A test at random points can be fooled only by a set of plants of measure zero; and a learner that
is fooled proposes a worse candidate, never a wrong proof.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learners.numeric import Plant, Policy

Array = NDArray[np.float64]

PROBES = 4
TOLERANCE = 1e-9
MOST_ENUMERATED = 8
"""All sign patterns are tried up to this dimension; beyond it, −1 alone."""


@dataclass(frozen=True, eq=False)
class Structure:
    """What V is known to satisfy before it is computed.

    ``signs`` (group, n): the symmetries diag(s) about x*, identity first. ``blocks``: V is a sum
    over them. ``coupled``: the pairs i < j that interact directly in the Hamiltonian.
    """

    signs: Array
    blocks: tuple[tuple[int, ...], ...]
    coupled: frozenset[tuple[int, int]]

    @property
    def dimension(self) -> int:
        return int(self.signs.shape[1])


def unstructured(dimension: int) -> Structure:
    """No symmetry, one block, everything coupled."""
    pairs = frozenset(itertools.combinations(range(dimension), 2))
    return Structure(np.ones((1, dimension)), (tuple(range(dimension)),), pairs)


def detect_structure(plant: Plant, policy: Policy, seed: int) -> Structure:
    """The structure that the HJB equation and the first policy have in common."""
    probe = _Probe(plant, policy, np.random.default_rng([seed, 1]))
    signs, coupled = probe.sign_symmetries(), probe.coupled_pairs()
    return Structure(signs, _blocks(len(plant.x_star), coupled), coupled)


class _Probe:
    """H(x, p), and p·(f + g k₀) for the first policy k₀, at random points of the domain."""

    def __init__(self, plant: Plant, policy: Policy, generator: np.random.Generator) -> None:
        self.plant, self.policy = plant, policy
        n = len(plant.x_star)
        self.x = plant.system.domain.sample(2 * PROBES, generator)
        self.p = generator.normal(size=(2 * PROBES, n))
        values = self._values(self.x, self.p)
        self.here = values[:PROBES]
        self.tolerance = TOLERANCE * (1e-300 + np.abs(values).max(axis=0))

    def _values(self, x: Array, p: Array) -> Array:
        """Shape (N, 2)."""
        samples = self.plant.sample(x)
        greedy = self.plant.greedy(samples, p)
        first = (p * samples.velocity(self.policy(x))).sum(axis=1)
        return np.column_stack([self.plant.hamiltonian(samples, p, greedy), first])

    def sign_symmetries(self) -> Array:
        low, high = self.plant.system.domain.lower, self.plant.system.domain.upper
        star = self.plant.system.equilibrium
        centred = [a + b == 2 * c for a, b, c in zip(low, high, star, strict=True)]
        patterns = _sign_patterns(np.array(centred))
        x, p = self.x[:PROBES], self.p[:PROBES]
        x_star = self.plant.x_star
        flipped = x_star + patterns[:, None, :] * (x - x_star)
        n = len(x_star)
        values = self._values(flipped.reshape(-1, n), (patterns[:, None, :] * p).reshape(-1, n))
        difference = np.abs(values.reshape(len(patterns), PROBES, 2) - self.here)
        kept: Array = patterns[(difference <= self.tolerance).all(axis=(1, 2))]
        return kept

    def coupled_pairs(self) -> frozenset[tuple[int, int]]:
        """Pairs with a non-zero mixed difference of H in (xᵢ, pᵢ) and (xⱼ, pⱼ)."""
        n = len(self.plant.x_star)
        pairs = list(itertools.combinations(range(n), 2))
        if not pairs:
            return frozenset()
        masks = np.zeros((len(pairs), 3, n), dtype=bool)
        for k, (i, j) in enumerate(pairs):
            masks[k, 0, i] = masks[k, 1, j] = masks[k, 2, i] = masks[k, 2, j] = True
        mixed = [
            np.where(masks[:, :, None, :], v[PROBES:], v[:PROBES]).reshape(-1, n)
            for v in (self.x, self.p)
        ]
        one, other, both = np.moveaxis(
            self._values(mixed[0], mixed[1]).reshape(len(pairs), 3, PROBES, 2), 1, 0
        )
        difference = np.abs(self.here - one - other + both)
        found = (difference > self.tolerance).any(axis=(1, 2))
        return frozenset(p for p, c in zip(pairs, found.tolist(), strict=True) if c)


def _sign_patterns(may_flip: NDArray[np.bool_]) -> Array:
    """Rows of ±1, identity first."""
    n, free = len(may_flip), np.flatnonzero(may_flip)
    if len(free) <= MOST_ENUMERATED:
        choices = np.array(list(itertools.product((1.0, -1.0), repeat=len(free))))
        out = np.ones((len(choices), n))
        out[:, free] = choices.reshape(len(choices), len(free))
        return out
    flips = np.ones((2, n))
    flips[1, free] = -1.0
    return flips


def _blocks(n: int, coupled: frozenset[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    """The connected components of the coupling graph."""
    label = list(range(n))
    for i, j in sorted(coupled):
        old, new = label[j], label[i]
        label = [new if v == old else v for v in label]
    return tuple(tuple(i for i in range(n) if label[i] == root) for root in sorted(set(label)))
