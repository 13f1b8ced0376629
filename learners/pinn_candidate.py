"""From a network's weights to a candidate: V and k as exact expressions of the state."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from certify.candidate import Candidate, anchored_value
from learners.elm_candidate import greedy_policy
from learners.numeric import Plant
from learners.pinn_network import Network
from systems import expression as ex
from systems.expression import Expression

Array = NDArray[np.float64]

_NODES: dict[str, Callable[[Expression], Expression]] = {
    "tanh": ex.tanh,
    "sigmoid": ex.sigmoid,
    "softplus": ex.softplus,
    "sin": ex.sin,
}


def pinn_candidate(
    plant: Plant, network: Network, theta: Array, provenance: Mapping[str, object]
) -> Candidate:
    """V anchored at x*, and its greedy policy; the first layer in raw coordinates of the state."""
    system = plant.system
    inner = _one_layer if not network.masks else _several_layers
    value = anchored_value(inner(plant, network, theta), system.state, system.equilibrium)
    return Candidate(system.state, value, greedy_policy(system, value), provenance)


def output_sizes(plant: Plant, network: Network, theta: Array) -> dict[str, object]:
    """Σ|β| and Σ|β||w| over all neurons, for one layer; Σ|β| alone for several."""
    layers, beta = network.layers(theta)
    if network.masks:
        return {"sum_beta": float(np.abs(beta).sum() * len(network.signs))}
    W = layers[0][0] / plant.half_widths
    copies = network.members.sum(axis=0) * np.abs(beta)
    along = float(copies @ np.linalg.norm(W, axis=1))
    return {"sum_beta": float(copies.sum()), "sum_beta_w": along}


def _one_layer(plant: Plant, network: Network, theta: Array) -> Expression:
    """All neurons of all copies side by side."""
    [(W, b)], beta = network.layers(theta)
    there = network.members
    rows = (network.signs * W)[there] / plant.half_widths
    biases = np.broadcast_to(b, there.shape)[there] - rows @ plant.x_star
    hidden = ex.affine(rows, plant.system.state, biases)
    output = np.broadcast_to(beta, there.shape)[there]
    return ex.affine(output[None], _NODES[network.activation](hidden))


def _several_layers(plant: Plant, network: Network, theta: Array) -> Expression:
    """One network for each copy, with the neurons it has."""
    layers, beta = network.layers(theta)
    (W, b), *deeper = layers
    out = ex.constant([0])
    for signs, there in zip(network.signs, network.members, strict=True):
        rows = (signs * W)[there] / plant.half_widths
        h = ex.affine(rows, plant.system.state, b[there] - rows @ plant.x_star)
        h = _NODES[network.activation](h)
        kept = there
        for mask, (weights, biases) in zip(network.masks, deeper, strict=True):
            now = mask[:, kept].any(axis=1)  # a block that has no such copy drops out as a whole
            h = ex.affine(np.ascontiguousarray(weights[np.ix_(now, kept)]), h, biases[now])
            h, kept = _NODES[network.activation](h), now
        out = out + ex.affine(beta[kept][None], h)
    return out
