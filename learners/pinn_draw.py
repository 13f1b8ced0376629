"""The networks that PINN-PI starts from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from learners.elm_features import draw_adapted, orbit_signs
from learners.elm_structure import Structure
from learners.pinn_network import Network, SmoothActivation

Array = NDArray[np.float64]

STEEPNESS = {"tanh": 1.0, "sigmoid": 2.0, "softplus": 2.0, "sin": 1.0}
"""How much larger weights must be for an activation to bend where tanh does."""


def draw_dense(
    neurons: int, depth: int, n: int, activation: SmoothActivation, seed: int
) -> tuple[Network, Array]:
    """A plain network of dense layers, told nothing of the plant, and its first weights.

    Weights are normal with variance 1 / (inputs of the layer), biases uniform in [−1, 1]; both
    are larger for activations that bend more slowly (:data:`STEEPNESS`).
    """
    generator = np.random.default_rng(seed)
    masks = tuple(np.ones((neurons, neurons), dtype=bool) for _ in range(depth - 1))
    network = Network(activation, np.ones((1, neurons, n)), masks)
    steepness = STEEPNESS[activation]
    drawn = [_layer(generator, neurons, before) for before in (n, *network.widths[:-1])]
    layers = [(steepness * W, steepness * b) for W, b in drawn]
    return network, network.packed(layers, _output(generator, neurons))


def draw_structured(
    neurons: int, depth: int, structure: Structure, activation: SmoothActivation, seed: int
) -> tuple[Network, Array]:
    """A network with the symmetries and the blocks of the Hamiltonian, and its first weights.

    One layer: the hidden layer of an extreme learning machine (:func:`draw_adapted`), each orbit
    of neurons one set of weights. Several: every block of coordinates has a network of its own,
    summed over the symmetries' actions on the block. Every layer has at most ``neurons`` neurons,
    all copies counted, and at least one for every block.
    """
    if depth > 1:
        return _draw_blocks(neurons, depth, structure, activation, seed)
    features = draw_adapted(neurons, structure, "tanh", seed)
    network = Network(activation, np.sign(features.W) * np.sign(features.W[0]))
    steepness = STEEPNESS[activation]
    layers = [(steepness * features.W[0], steepness * features.b)]
    generator = np.random.default_rng([seed, 1])
    return network, network.packed(layers, _output(generator, features.count))


def _draw_blocks(
    neurons: int, depth: int, structure: Structure, activation: SmoothActivation, seed: int
) -> tuple[Network, Array]:
    patterns = [orbit_signs(structure.signs, block) for block in structure.blocks]
    total = sum(len(block) ** 2 for block in structure.blocks)
    widths = [
        max(1, int(neurons * len(block) ** 2 / total) // len(signs))
        for block, signs in zip(structure.blocks, patterns, strict=True)
    ]
    owner = np.repeat(np.arange(len(widths)), widths)
    signs = np.zeros((max(len(p) for p in patterns), len(owner), structure.dimension))
    for k, (block, pattern) in enumerate(zip(structure.blocks, patterns, strict=True)):
        rows = np.flatnonzero(owner == k)
        signs[np.ix_(np.arange(len(pattern)), rows, np.array(block))] = pattern[:, None, :]
    network = Network(activation, signs, (owner[:, None] == owner,) * (depth - 1))
    generator = np.random.default_rng(seed)
    layers = []
    for seen in ((signs != 0.0).any(axis=0), *network.masks):
        W, b = _layer(generator, *seen.shape)
        W *= seen * np.sqrt(seen.shape[1] / seen.sum(axis=1))[:, None]
        layers.append((STEEPNESS[activation] * W, STEEPNESS[activation] * b))
    return network, network.packed(layers, _output(generator, len(owner)))


def _output(generator: np.random.Generator, width: int) -> Array:
    out: Array = generator.normal(size=width) / np.sqrt(width)
    return out


def _layer(generator: np.random.Generator, width: int, before: int) -> tuple[Array, Array]:
    W = generator.normal(size=(width, before)) / np.sqrt(before)
    return W, generator.uniform(-1.0, 1.0, width)
