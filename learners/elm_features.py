"""Hidden layers whose weights are drawn and kept: the features of an extreme learning machine.

The paper draws W and b from U[−1, 1] whatever the plant. Three facts about the Hamilton-Jacobi-
Bellman equation let fewer neurons do the same work; all are read off the Hamiltonian

    H(x, p) = Q + p·(f + g u) + (u − u*)ᵀR(u − u*)  with u = u* − ½ R⁻¹gᵀp,

by evaluating it, for any plant:

* **Scale.** V is fitted on the domain, so rows are drawn in z = (x − x*) / half-widths, with
  slopes and biases of one size in every coordinate.
* **Sign symmetry.** Where H(Sx, Sp) = H(x, p) for S = diag(±1) about x*, V(Sx) = V(x). Neurons
  come in orbits {σ(wᵀSz + b)} that share one coefficient: V has the symmetry exactly, and least
  squares has up to |group| times fewer unknowns. Every odd plant has S = −1; the Lorenz system
  has diag(−1, −1, 1).
* **Coupling.** Where H is a sum over blocks of coordinates, so is V, and no neuron needs to look
  at two blocks. Within a block a minor share of rows looks at one coordinate, or at two that are
  coupled: most plants are a simple coupling of nearly separate parts, and what one coordinate
  does alone is represented far better by its own neurons than by dense ones.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from learners.elm_structure import Structure
from learners.numeric import low_discrepancy, upper_entries

Array = NDArray[np.float64]
Activation = Literal["tanh", "relu"]

SLOPES = (0.1, 0.7)
"""|w| of rows on two coordinates, in domain units; √(2/d) of it on d, so that wᵀz has one range.
Smaller slopes fit a smooth V with fewer neurons, at the price of larger output weights; the wide
spread keeps both moderate on every system of the zoo."""
SINGLE_SHARE, PAIR_SHARE = 0.1, 0.2
LARGEST_ORBIT = 16


@dataclass(frozen=True, eq=False)
class Features:
    """Orbits of neurons σ(Wz + b) in domain units z = (x − x*) / half-widths.

    ``W`` has shape (copies, orbits, n): the c-th member of every orbit; a row of zeros where an
    orbit has fewer members (``members``, (copies, orbits)). ``b`` has shape (orbits,).
    """

    W: Array
    b: Array
    members: NDArray[np.bool_]
    activation: Activation

    @property
    def count(self) -> int:
        """The number of orbits: the unknowns of the least squares."""
        return len(self.b)

    @property
    def neurons(self) -> int:
        return int(self.members.sum())

    def prefix(self, count: int) -> Features:
        """The first ``count`` orbits; every prefix has the same mix of rows."""
        return Features(self.W[:, :count], self.b[:count], self.members[:, :count], self.activation)

    @cached_property
    def penalty(self) -> Array:
        """Σ|w| over the members of each orbit: what its coefficient costs in Σ|β||w|; (orbits,)."""
        out: Array = np.linalg.norm(self.W, axis=2).sum(axis=0)
        return out

    @cached_property
    def curvature(self) -> Array:
        """∂²φⱼ/∂zₐ∂z_b at x* for a ≤ b: rows of the Hessian of V; (n(n + 1)/2, orbits)."""
        first, second, _ = upper_entries(self.W.shape[2])
        tanh = np.tanh(self.b)
        bend = -2.0 * tanh * (1.0 - tanh**2)
        out: Array = bend * (self.W[:, :, first] * self.W[:, :, second]).sum(axis=0).T
        return out

    def values(self, z: Array, beta: Array) -> Array:
        """V at points z (N, n), anchored so that V and, for tanh, ∇V vanish at 0; (N,)."""
        out = np.zeros(len(z))
        for W in self.W:
            along = z @ W.T
            if self.activation == "relu":
                out += (np.maximum(along + self.b, 0.0) - np.maximum(self.b, 0.0)) @ beta
                continue
            rest = np.tanh(self.b)
            out += (np.tanh(along + self.b) - rest - (1.0 - rest**2) * along) @ beta
        return out

    def hidden_layer(self, x_star: Array, half_widths: Array) -> tuple[Array, Array]:
        """W (neurons, n) and b (neurons,) as functions of the raw state x."""
        W = self.W[self.members] / half_widths
        return W, np.broadcast_to(self.b, self.members.shape)[self.members] - W @ x_star

    def output_layer(self, beta: Array) -> Array:
        """Each orbit's coefficient for each of its neurons; (neurons,)."""
        out: Array = np.broadcast_to(beta, self.members.shape)[self.members]
        return out


@dataclass(frozen=True, eq=False)
class _Kind:
    """Rows that look at the same coordinates, with the signs of an orbit's members on them."""

    support: tuple[int, ...]
    signs: Array
    weight: float


def draw_uniform(
    neurons: int, half_widths: Array, x_star: Array, activation: Activation, seed: int
) -> Features:
    """The paper's choice: W, b ~ U[−1, 1] in the raw coordinates; no symmetry, no structure."""
    generator = np.random.default_rng(seed)
    W = generator.uniform(-1.0, 1.0, (neurons, len(half_widths)))
    b = generator.uniform(-1.0, 1.0, neurons)
    b = np.zeros(neurons) if activation == "relu" else b + W @ x_star
    everyone = np.ones((1, neurons), dtype=bool)
    return Features((W * half_widths)[None], b, everyone, activation)


def draw_adapted(neurons: int, structure: Structure, activation: Activation, seed: int) -> Features:
    """At most ``neurons`` neurons, fitted to the plant's structure; see the module's text.

    Relu rows all have their kink through x* (zero bias in z), as in the paper's bilinear example:
    V is then positively homogeneous.
    """
    generator = np.random.default_rng(seed)
    kinds = _kinds(structure)
    order = _interleaved(kinds, neurons)
    copies = max(len(kinds[k].signs) for k in order)
    W = np.zeros((copies, len(order), structure.dimension))
    b = np.zeros(len(order))
    members = np.zeros((copies, len(order)), dtype=bool)
    for k, kind in enumerate(kinds):
        rows = np.flatnonzero(order == k)
        if not len(rows):
            continue
        w, b[rows] = _draw_rows(len(rows), kind, generator)
        size = len(kind.signs)
        W[np.ix_(np.arange(size), rows, np.array(kind.support))] = kind.signs[:, None, :] * w
        members[:size, rows] = True
    if activation == "relu":
        return _without_repetitions(W, members)
    return Features(W, b, members, activation)


def _draw_rows(count: int, kind: _Kind, generator: np.random.Generator) -> tuple[Array, Array]:
    """Directions uniform on the sphere of the support; slopes and biases evenly spread."""
    spread = low_discrepancy(count, 2, generator.random(2))
    directions = generator.normal(size=(count, len(kind.support)))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    slopes = SLOPES[0] + (SLOPES[1] - SLOPES[0]) * spread[:, 0]
    slopes *= np.sqrt(2.0 / len(kind.support))
    odd = bool((kind.signs == -1.0).all(axis=1).any())
    # Under −1 the orbit of −b is the negative of that of b, so b > 0 has them all.
    biases = 0.05 + 0.95 * spread[:, 1] if odd else 2.0 * spread[:, 1] - 1.0
    return directions * slopes[:, None], biases


def _kinds(structure: Structure) -> list[_Kind]:
    """Dense rows of every block, pairs of coupled coordinates, single coordinates."""
    out = []
    for block in structure.blocks:
        pairs = [p for p in itertools.combinations(block, 2) if p in structure.coupled]
        # A block's number of unknowns should grow with its dimension, faster than linearly.
        weight = float(len(block) ** 2)
        single = SINGLE_SHARE if len(block) > 1 else 0.0
        double = PAIR_SHARE if len(block) > 2 and pairs else 0.0
        supports = [(block, 1.0 - single - double)]
        supports += [(p, double / len(pairs)) for p in pairs if double]
        supports += [((i,), single / len(block)) for i in block if single]
        out += [_Kind(s, orbit_signs(structure.signs, s), weight * share) for s, share in supports]
    return out


def orbit_signs(signs: Array, support: tuple[int, ...]) -> Array:
    """The distinct actions of the group on a support, identity first; (members, |support|).

    Beyond :data:`LARGEST_ORBIT` members, a subgroup, with −1 where the group has it.
    """
    patterns = np.array(sorted({tuple(s) for s in signs[:, support].tolist()}, reverse=True))
    if len(patterns) <= LARGEST_ORBIT:
        return patterns
    # Lexicographic order puts −1 last; generate from both ends.
    generated = {tuple(patterns[0])}
    for pattern in (patterns[-1], *patterns[1:-1]):
        if 2 * len(generated) > LARGEST_ORBIT:
            break
        if tuple(pattern) not in generated:
            generated |= {tuple(np.multiply(g, pattern)) for g in generated}
    return np.array(sorted(generated, reverse=True))


def _interleaved(kinds: list[_Kind], neurons: int) -> NDArray[np.intp]:
    """Which kind each orbit is of: in every prefix in proportion to the weights, within budget."""
    if len(kinds) == 1:
        return np.zeros(max(1, neurons // len(kinds[0].signs)), dtype=np.intp)
    total = sum(k.weight for k in kinds)
    counts = [int(neurons * k.weight / total) + 2 for k in kinds]
    times = [(np.arange(c) + 0.5) / k.weight for c, k in zip(counts, kinds, strict=True)]
    order = np.argsort(np.concatenate(times), kind="stable")
    owners = np.repeat(np.arange(len(kinds)), counts)[order]
    sizes = np.array([len(k.signs) for k in kinds])[owners]
    fits = max(1, int(np.searchsorted(np.cumsum(sizes), neurons, side="right")))
    return owners[:fits]


def _without_repetitions(W: Array, members: NDArray[np.bool_]) -> Features:
    """Relu orbits with unit rows and zero bias, each only once (in one dimension there are two)."""
    norms = np.linalg.norm(W[0], axis=1)
    W = W / norms[:, None]
    keys = np.round(np.sort(W, axis=0), 12).transpose(1, 0, 2).reshape(len(norms), -1)
    first = np.sort(np.unique(keys, axis=0, return_index=True)[1])
    return Features(W[:, first], np.zeros(len(first)), members[:, first], "relu")
