"""Sign symmetries and decoupled blocks of a Hamilton-Jacobi-Bellman equation, found by evaluation.

A test at random points can be fooled only by a set of plants of measure zero; and a learner that
is fooled proposes a worse candidate, never a wrong proof.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from learners.numeric import Plant, Policy

Array = NDArray[np.float64]

PROBES = 4
TOLERANCE = 1e-9
MOST_ENUMERATED = 8
"""All sign patterns are tried up to this dimension, unless a caller asks for more; beyond it, −1
alone. An orbit of features has as many neurons as there are symmetries."""


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


def detect_structure(
    plant: Plant, policy: Policy, *, most_enumerated: int = MOST_ENUMERATED
) -> Structure:
    """The structure that the HJB equation and the first policy have in common.

    All sign patterns are tried up to the dimension ``most_enumerated``; beyond it, −1 alone.

    Both are functions of (x, p): the Hamiltonian, and p·(f + g k₀) for the first policy k₀. They
    are evaluated at a few random points of the domain; at the same points with signs flipped; and
    with coordinates of other points mixed in.
    """
    n = len(plant.x_star)
    low, high = plant.ends
    unit, p = _probes(n)
    x = low + (high - low) * unit
    patterns = _sign_patterns(_centred(plant), most_enumerated)
    pairs, masks = _pair_masks(n)
    here, flipped, mixed = _at_once(
        lambda x, p: _observed(plant, policy, x, p),
        (x[:PROBES], p[:PROBES]),
        (
            plant.x_star + patterns[:, None, :] * (x[:PROBES] - plant.x_star),
            patterns[:, None, :] * p[:PROBES],
        ),
        (_mixed(masks, x), _mixed(masks, p)),
    )
    tolerance = TOLERANCE * np.abs(here).max(axis=0)
    kept = (np.abs(flipped - here) <= tolerance).all(axis=(1, 2))
    difference = here - mixed[:, 0] - mixed[:, 1] + mixed[:, 2]
    found = (np.abs(difference) > tolerance).any(axis=(1, 2)).tolist()
    coupled = frozenset(pair for pair, yes in zip(pairs, found, strict=True) if yes)
    return Structure(patterns[kept], _blocks(n, coupled), coupled)


def _observed(plant: Plant, policy: Policy, x: Array, p: Array) -> Array:
    """(H(x, p), p·(f + g k₀)) at N points, shape (N, 2)."""
    samples = plant.sample(x)
    first = np.vecdot(p, samples.velocity(policy(x)))
    return np.stack([plant.hamiltonian(samples, p, plant.greedy(samples, p)), first], axis=1)


def _at_once(
    observe: Callable[[Array, Array], Array], *blocks: tuple[Array, Array]
) -> tuple[Array, ...]:
    """``observe`` at all (x, p) of arrays (..., n) in one call; one array (..., 2) for each."""
    n = blocks[0][0].shape[-1]
    values = observe(
        np.concatenate([x.reshape(-1, n) for x, _ in blocks]),
        np.concatenate([p.reshape(-1, n) for _, p in blocks]),
    )
    out, end = [], 0
    for x, _ in blocks:
        begin, end = end, end + x.size // n
        out.append(values[begin:end].reshape(*x.shape[:-1], 2))
    return tuple(out)


def _mixed(masks: NDArray[np.bool_], points: Array) -> Array:
    """The first probes with the masked coordinates of the second ones; (pairs, 3, PROBES, n)."""
    return np.where(masks[:, :, None, :], points[PROBES:], points[:PROBES])


@lru_cache
def _probes(n: int) -> tuple[Array, Array]:
    """Points x of the unit box and normal p, (2 PROBES, n) each; the same ones for every plant."""
    generator = np.random.default_rng(n)
    return generator.random((2 * PROBES, n)), generator.normal(size=(2 * PROBES, n))


@lru_cache
def _pair_masks(n: int) -> tuple[list[tuple[int, int]], NDArray[np.bool_]]:
    """All pairs, and for each: the first coordinate, the second, both; (pairs, 3, n)."""
    pairs = list(itertools.combinations(range(n), 2))
    masks = np.zeros((len(pairs), 3, n), dtype=bool)
    for k, (i, j) in enumerate(pairs):
        masks[k, 0, i] = masks[k, 1, j] = masks[k, 2, i] = masks[k, 2, j] = True
    return pairs, masks


def _centred(plant: Plant) -> tuple[bool, ...]:
    """Which intervals of the domain have x* in the middle."""
    domain, star = plant.domain, plant.system.equilibrium
    ends = zip(domain.lower, domain.upper, star, strict=True)
    return tuple(low + high == 2 * middle for low, high, middle in ends)


@lru_cache
def _sign_patterns(may_flip: tuple[bool, ...], most_enumerated: int) -> Array:
    """Rows of ±1, identity first."""
    n, free = len(may_flip), np.flatnonzero(may_flip)
    if len(free) <= most_enumerated:
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
