"""Fitting the deep Van der Pol networks with torch, which is handed in, not imported here."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.deep_network import Network
from benchmarks.van_der_pol_targets import CEILING, HALF_WIDTHS, TEACHER, Targets

Array = NDArray[np.float64]
Layers = list[tuple[Any, Any]]
VALUE_SIZES, CONTROL_SIZES = (2, 40, 40, 1), (2, 10, 10, 1)
MARGIN = 0.3
"""V̇ should be below this share of the target's derivative, which is negative."""
DECAY = 2e-3
"""Weight of Σw²: smaller weights make tighter enclosures, hence fewer boxes."""


def initial_layers(torch: Any, sizes: tuple[int, ...], scale: tuple[float, float]) -> Layers:
    """Random layers; ``scale`` are rough inverse lengths for the first one's columns."""
    layers = []
    for i, (before, after) in enumerate(pairwise(sizes)):
        spread = torch.tensor(scale) if i == 0 else before**-0.5
        weight = torch.randn(after, before) * spread
        bias = torch.randn(after) * (1.0 if i == 0 else 0.1)
        layers.append((weight.requires_grad_(), bias.requires_grad_()))
    return layers


def forward(torch: Any, layers: Layers, x: Any) -> Any:
    """The network at points (N, 2), shape (N,)."""
    for weight, bias in layers[:-1]:
        x = torch.tanh(x @ weight.T + bias)
    weight, bias = layers[-1]
    return (x @ weight.T + bias)[:, 0]


def forward_along(torch: Any, layers: Layers, x: Any, direction: Any) -> tuple[Any, Any]:
    """sigmoid of the network, and its derivative along a direction (N, 2) at every point."""
    for weight, bias in layers[:-1]:
        x = torch.tanh(x @ weight.T + bias)
        direction = (direction @ weight.T) * (1.0 - x * x)
    weight, bias = layers[-1]
    N = torch.sigmoid(x @ weight.T + bias)[:, 0]
    return N, (direction @ weight.T)[:, 0] * N * (1.0 - N)


def value_along(torch: Any, layers: Layers, x: Any, direction: Any) -> tuple[Any, Any]:
    """The anchored V and its derivative along a direction."""
    N, rate = forward_along(torch, layers, x, direction)
    N0, slope = forward_along(torch, layers, torch.zeros(2, 2), torch.eye(2))
    return N - N0[0] - x @ slope, rate - direction @ slope


def as_network(layers: Layers) -> Network:
    return Network(tuple((w.detach().numpy().copy(), b.detach().numpy().copy()) for w, b in layers))


def optimise(torch: Any, layers: Layers, steps: int, rate: float, loss: Callable[[], Any]) -> float:
    """Adam with a cosine schedule; ``loss`` is called every step. Returns the last loss."""
    optimiser = torch.optim.Adam([p for layer in layers for p in layer], lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, rate / 300)
    value = torch.zeros(())
    for _ in range(steps):
        value = loss()
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        schedule.step()
    return float(value.detach())


def train_controller(torch: Any, steps: int) -> Network:
    """M of k(x) = tanh(M(x) − M(0)), fitted to the teacher on the box."""
    layers = initial_layers(torch, CONTROL_SIZES, (0.3, 0.5))
    half, teacher = torch.tensor(HALF_WIDTHS), torch.tensor(TEACHER)

    def loss() -> Any:
        x = torch.cat([half * (2 * torch.rand(256, 2) - 1), 3 * torch.rand(512, 2) - 1.5])
        M = forward(torch, layers, x) - forward(torch, layers, torch.zeros(1, 2))
        wanted = -(x @ teacher)
        saturated = torch.relu(2.5 - M * torch.sign(wanted)) ** 2  # tanh(2.5) is nearly 1
        return torch.where(wanted.abs() < 2.5, (M - wanted) ** 2, saturated).mean()

    optimise(torch, layers, steps, 1e-2, loss)
    return as_network(layers)


def sample(generator: np.random.Generator, count: int) -> Array:
    """Points for the fit: half of them in the box, a third around the limit cycle's inside, the
    rest dense towards the equilibrium."""
    wide = generator.uniform(-1, 1, (count // 2, 2)) * HALF_WIDTHS
    middle = generator.uniform(-1, 1, (count // 3, 2)) * np.array([2.5, 3.5])
    rest = count - len(wide) - len(middle)
    angle = generator.uniform(0, 2 * np.pi, rest)
    radius = np.exp(generator.uniform(np.log(0.02), np.log(1.0), rest))
    return np.concatenate([wide, middle, (radius * np.array([np.cos(angle), np.sin(angle)])).T])


def closed_loop_field(points: Array, controller: Network) -> Array:
    x, y = points.T
    u = np.tanh(controller(points)[:, 0] - controller(np.zeros((1, 2)))[0, 0])
    return np.stack([y, -x + (1 - x**2) * y + u], axis=1)


def train_value(
    torch: Any, layers: Layers, data: Targets, weights: Array, field: Array, steps: int, rate: float
) -> float:
    """Fit V to the targets, in place."""
    x, F, w = torch.tensor(data.points), torch.tensor(field), torch.tensor(weights)
    T = torch.tensor(np.minimum(data.values, CEILING))
    inside = torch.tensor((data.values < CEILING).astype(float))
    slope = torch.tensor(np.where(data.values < CEILING, data.slopes, -1.0))

    def loss() -> Any:
        chosen = torch.multinomial(w, 3072, replacement=True)
        V, rate_of_V = value_along(torch, layers, x[chosen], F[chosen])
        near, wanted = inside[chosen], T[chosen]
        error = (V - wanted) / (wanted + 0.02)
        fit = near * error**2 + (1 - near) * torch.relu(-error) ** 2
        ratio = rate_of_V / slope[chosen]  # 1 where Zubov's equation holds, and never below 0
        residual = near * torch.nn.functional.huber_loss(
            ratio, torch.ones_like(ratio), reduction="none", delta=0.3
        )
        decrease = near * torch.relu(MARGIN - ratio)
        size = sum((weight**2).sum() for weight, _ in layers)
        return (20 * fit + residual + 2 * decrease).mean() + DECAY * size

    return optimise(torch, layers, steps, rate, loss)
