"""The critic as a Lyapunov candidate: V(x) = L(x, μ(x)) − b of a frozen policy μ.

V(x*) = 0 and ∇V(x*) = 0 hold exactly, by the form of the critic: V is a sum of squares that all
vanish at x*.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from learners.actor_critic.networks import LyapunovCritic
from learners.actor_critic.policy import FrozenActor
from systems import expression as ex
from systems.dynamics import ControlAffineSystem
from systems.expression import Expression

Array = NDArray[np.float64]


def critic_value(
    critic: LyapunovCritic, actor: FrozenActor, system: ControlAffineSystem, steady: Array
) -> Expression:
    """V of the system's state for the equilibrium; of two critics, the first.

    ``steady`` (m,) is the pre-image of the equilibrium's input. A critic of several references is
    that of the equilibrium as one of them.
    """
    view, state = actor.view, system.state
    scale = np.array(view.scale)
    n = len(scale)
    there = [system.equilibrium[i] for i in view.states]
    reference = (np.array([float(v) for v in there]) - np.array(view.centre)) / scale
    displacement = ex.select(state, view.states) - ex.constant(there)
    action = actor.action(state, system.equilibrium, steady)
    deviation = action - ex.substitute(action, {state: ex.constant(list(system.equilibrium))})
    seen = ex.stack([displacement, deviation])

    def scaled(weight: Array) -> Array:
        """Of x − x* instead of the error; (in, out) to (out, in)."""
        rows = weight.copy()
        rows[:n] /= scale[:, None]
        return np.ascontiguousarray(rows.T)

    def hidden(h: Expression) -> Expression:
        for k, (weight, bias) in enumerate(
            zip(critic.layers.weights, critic.layers.biases, strict=True)
        ):
            W, b = _floats(weight)[0], _floats(bias)[0, 0]
            if not k and view.tracks:
                W, b = W[: seen.size], b + reference @ W[seen.size :]
            h = ex.tanh(ex.affine(np.ascontiguousarray(W.T) if k else scaled(W), h, b))
        return h

    change = hidden(seen) - hidden(ex.constant([0] * seen.size))
    features = ex.affine(np.ascontiguousarray(_floats(critic.output)[0].T), change) + ex.affine(
        scaled(_floats(critic.skip)[0]), seen
    )
    return ex.total(features**2)


def _floats(tensor: torch.Tensor) -> Array:
    out: Array = tensor.detach().numpy().astype(np.float64)
    return out
