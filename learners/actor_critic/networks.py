"""Networks of actor-critics: squashed Gaussian actors and Lyapunov critics, small and smooth.

Everything is written in the scaled error e = (s − s_ref)/scale, the scaled reference
r = (s_ref − centre)/scale (where there are several) and actions a = tanh z in (−1, 1).

The actor's mean is *anchored*: z(e, r) = z_ref + K e + M (h(e, r) − h(0, r)), where z_ref is the
pre-image of the steady input, so that the reference is a steady state of every policy in the class.
K is a linear path beside the hidden layers; stabilising gains are easily learnt with it. All
activations are tanh, for proofs.

A Lyapunov critic is L(e, a, r) = ‖φ‖² + b ≥ 0 with φ = J (e, a − a_ref) + M (h(e, a − a_ref, r) −
h(0, 0, r)) and a trained constant b ≥ 0, which is what the noise of a stochastic policy costs at
the reference. L − b is 0 with zero gradient at the reference, whatever the weights are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal

import torch

CriticForm = Literal["norm", "square"]

LEAST_LOG_STD, MOST_LOG_STD = -5.0, 1.0
FIRST_STD = 0.15
"""Of z, when training begins: an unstable plant bears little noise."""
_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


class Layers(torch.nn.Module):
    """tanh layers of ``copies`` networks at once: (copies, N, in) → (copies, N, out)."""

    def __init__(
        self, copies: int, inputs: int, hidden: Sequence[int], generator: torch.Generator
    ) -> None:
        super().__init__()
        widths = [inputs, *hidden]
        self.weights = torch.nn.ParameterList(
            drawn((copies, a, b), 1.0 / math.sqrt(a), generator)
            for a, b in itertools.pairwise(widths)
        )
        self.biases = torch.nn.ParameterList(drawn((copies, 1, b), 0.3, generator) for b in hidden)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for weight, bias in zip(self.weights, self.biases, strict=True):
            x = torch.tanh(torch.baddbmm(bias, x, weight))
        return x


class Actor(torch.nn.Module):
    """A squashed Gaussian policy of ``states`` scaled errors, and of the reference if it tracks."""

    def __init__(
        self,
        states: int,
        actions: int,
        hidden: Sequence[int],
        generator: torch.Generator,
        *,
        tracks: bool = False,
        anchored: bool = True,
        linear: bool = True,
        first_std: float = FIRST_STD,
    ) -> None:
        super().__init__()
        self.tracks, self.anchored, self.linear = tracks, anchored, linear
        self.layers = Layers(1, states * (2 if tracks else 1), hidden, generator)
        width = hidden[-1]
        self.mean = drawn((width, actions), 0.01, generator)
        self.offset = torch.nn.Parameter(torch.zeros(actions), requires_grad=not anchored)
        self.gain = torch.nn.Parameter(torch.zeros(states, actions), requires_grad=linear)
        self.spread = drawn((width, actions), 0.01, generator)
        self.log_std = torch.nn.Parameter(torch.full((actions,), math.log(first_std)))

    def forward(
        self, error: torch.Tensor, reference: torch.Tensor | None, steady: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log of the deviation of z, (N, m) each.

        ``error`` (N, n), ``reference`` (N, n) or None, ``steady`` (N, m) or (1, m): z_ref.
        """
        h = self._hidden(error, reference)
        log_std = torch.addmm(self.log_std, h, self.spread).clamp(LEAST_LOG_STD, MOST_LOG_STD)
        if not self.anchored:
            return torch.addmm(self.offset, h, self.mean) + error @ self.gain, log_std
        rest = self._hidden(torch.zeros_like(error if self.tracks else error[:1]), reference)
        return steady + (h - rest) @ self.mean + error @ self.gain, log_std

    def _hidden(self, error: torch.Tensor, reference: torch.Tensor | None) -> torch.Tensor:
        x = torch.cat([error, reference], 1) if self.tracks and reference is not None else error
        out: torch.Tensor = self.layers(x[None])[0]
        return out

    def sample(
        self,
        error: torch.Tensor,
        reference: torch.Tensor | None,
        steady: torch.Tensor,
        generator: torch.Generator,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Actions in (−1, 1), (N, m), by the reparametrisation f(s, ε), and log π of them, (N,)."""
        mean, log_std = self(error, reference, steady)
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
        z = mean + log_std.exp() * noise
        # log(1 − tanh² z) = 2 (log 2 − z − softplus(−2z)), which does not lose the tails.
        squash = 2.0 * (math.log(2.0) - z - torch.nn.functional.softplus(-2.0 * z))
        density = -0.5 * noise.square() - log_std - _HALF_LOG_TWO_PI - squash
        return torch.tanh(z), density.sum(1)

    def act(
        self, error: torch.Tensor, reference: torch.Tensor | None, steady: torch.Tensor
    ) -> torch.Tensor:
        """The mean action tanh(mean of z), (N, m)."""
        return torch.tanh(self(error, reference, steady)[0])


class LyapunovCritic(torch.nn.Module):
    """One or two critics L ≥ 0 of errors, actions and, if they track, references.

    ``form``: "norm" is ‖φ‖² with ``features`` entries in φ, "square" the square of one output.
    """

    def __init__(
        self,
        states: int,
        actions: int,
        hidden: Sequence[int],
        generator: torch.Generator,
        *,
        tracks: bool = False,
        copies: int = 2,
        form: CriticForm = "norm",
        features: int | None = None,
    ) -> None:
        super().__init__()
        self.tracks, self.copies = tracks, copies
        seen = states + actions
        self.layers = Layers(copies, seen + (states if tracks else 0), hidden, generator)
        out = 1 if form == "square" else (features or 2 * seen)
        width = hidden[-1]
        self.output = drawn((copies, width, out), 1.0 / math.sqrt(width * out), generator)
        self.skip = drawn((copies, seen, out), 1.0 / math.sqrt(seen * out), generator)
        self.log_rest = torch.nn.Parameter(torch.full((copies, 1), -6.0))

    def forward(
        self, error: torch.Tensor, deviation: torch.Tensor, reference: torch.Tensor | None = None
    ) -> torch.Tensor:
        """L of every copy, (copies, N).

        ``error`` (N, n), ``deviation`` (N, m): a − a_ref, ``reference`` (N, n) or None.
        """
        seen = torch.cat([error, deviation], 1)
        at_rest = torch.zeros_like(seen if self.tracks else seen[:1])
        h = self.layers(self._inputs(seen, reference)) - self.layers(
            self._inputs(at_rest, reference)
        )
        several = seen.expand(self.copies, -1, -1)
        features = torch.baddbmm(torch.bmm(several, self.skip), h, self.output)
        return features.square().sum(2) + self.log_rest.exp()

    def _inputs(self, seen: torch.Tensor, reference: torch.Tensor | None) -> torch.Tensor:
        x = torch.cat([seen, reference], 1) if self.tracks and reference is not None else seen
        return x.expand(self.copies, -1, -1)

    def pessimistic(
        self, error: torch.Tensor, deviation: torch.Tensor, reference: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The largest of the copies, (N,): of costs, the pessimistic choice is the maximum."""
        values = self(error, deviation, reference)
        return values[0] if self.copies == 1 else torch.maximum(values[0], values[1])


def drawn(shape: tuple[int, ...], size: float, generator: torch.Generator) -> torch.nn.Parameter:
    """Uniform in ±√3·``size``, whose standard deviation is ``size``."""
    uniform = torch.rand(shape, generator=generator) * 2.0 - 1.0
    return torch.nn.Parameter(uniform * (math.sqrt(3.0) * size))


def copy_into(target: torch.nn.Module, source: torch.nn.Module) -> None:
    """The weights of ``source``, into ``target``."""
    move_towards(target, source, 1.0)


@torch.no_grad()
def move_towards(target: torch.nn.Module, source: torch.nn.Module, share: float) -> None:
    """target ← (1 − share)·target + share·source, weight by weight."""
    ours, theirs = list(target.parameters()), list(source.parameters())
    if share == 1.0:
        torch._foreach_copy_(ours, theirs)
    else:
        torch._foreach_lerp_(ours, theirs, share)
