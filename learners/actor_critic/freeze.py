"""From a trained actor to the frozen one: float64 weights with the scales in them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from learners.actor_critic.networks import Actor
from learners.actor_critic.policy import FrozenActor
from learners.actor_critic.view import View

Array = NDArray[np.float64]


def frozen(actor: Actor, view: View) -> FrozenActor:
    """The mean action of the actor."""
    scale = np.array(view.scale)
    seen = np.concatenate([scale, scale]) if view.tracks else scale
    layers: list[tuple[Array, Array]] = []
    for weight, bias in zip(actor.layers.weights, actor.layers.biases, strict=True):
        W = np.ascontiguousarray(_floats(weight)[0].T)
        layers.append((W if layers else W / seen, _floats(bias)[0, 0]))
    return FrozenActor(
        view,
        tuple(layers),
        np.ascontiguousarray(_floats(actor.mean).T),
        np.ascontiguousarray(_floats(actor.gain).T) / scale,
        _floats(actor.offset),
        actor.anchored,
    )


def _floats(tensor: torch.Tensor) -> Array:
    out: Array = tensor.detach().numpy().astype(np.float64)
    return out
