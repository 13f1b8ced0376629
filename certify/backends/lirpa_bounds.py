"""Bounds of a graph on batches of boxes by the library auto_LiRPA, in float64 and one thread."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from certify.backends.lirpa_compatibility import load
from certify.backends.lirpa_graph import Graph
from systems.expression import Op

Array = NDArray[np.float64]

METHODS = {
    "ibp": "IBP",
    "crown-ibp": "CROWN-IBP",
    "crown": "CROWN",
    "alpha-crown": "CROWN-Optimized",
}
"""Our names and the library's: intervals; relaxations backwards over intervals; relaxations
backwards for every layer (Zhang et al. 2018); the same with optimised slopes (Xu et al. 2021)."""

ITERATIONS = 10
"""Steps of the optimisation of slopes."""

POSITIVE = 1e-9
"""A logarithm's argument must be above this, times 1 + its largest value: the library takes
log(max(a, 1e-12)), and its intervals are right to rounding in their larger end only."""

SATURATED = 500.0
"""The library's lines for tanh and sigmoid begin here: beyond, they may cut the function."""


class Bounds:
    """Bounds of one graph's outputs by one method of the library's installed version."""

    def __init__(self, graph: Graph, method: str, version: str) -> None:
        self.graph, self.method = graph, method
        self._library = load(version)
        import torch

        with _settings():
            self._module = self._library.BoundedModule(
                _module_of(graph),
                torch.zeros(1, graph.nodes[0].size),
                bound_opts={
                    "conv_mode": "matrix",
                    "optimize_bound_args": {"iteration": ITERATIONS, "lr_alpha": 0.1},
                },
                device="cpu",
            )
        # 0.3 bounds a relu by intervals here, and writes the result to the node below it.
        self._module.ibp_intermediate = []
        self._nodes = list(self._module._modules.values())
        self._logarithms = self._after("BoundLog")
        self._saturating = self._after("BoundTanh", "BoundSigmoid")
        wanted = [n.op for n in graph.nodes]
        if len(self._logarithms) != wanted.count(Op.LOG):
            raise ValueError("the library dropped a logarithm, whose domain is then unknown")
        if len(self._saturating) != wanted.count(Op.TANH) + wanted.count(Op.SIGMOID):
            raise ValueError("the library dropped a tanh or a sigmoid")

    def __call__(self, lower: Array, upper: Array) -> tuple[Array, Array, Array]:
        """lower, upper (B, n) → bounds (B, J) of the outputs, infinite where there are none.

        And the largest number in between, (B,): what rounding errors are a share of. alpha-CROWN
        gives upper bounds only: each side would take an optimisation of its own.
        """
        import torch

        low, high = torch.from_numpy(lower), torch.from_numpy(upper)
        with _settings():
            box = self._library.PerturbationLpNorm(norm=np.inf, x_L=low, x_U=high)
            x = self._library.BoundedTensor(low + 0.5 * (high - low), box)
            below, above = self._module.compute_bounds(
                x=(x,), method=METHODS[self.method], bound_lower=self.method != "alpha-crown"
            )
        z = above.detach().numpy().copy()
        a = np.full_like(z, -np.inf) if below is None else below.detach().numpy().copy()
        largest = self._largest(len(lower))
        known = self._defined(len(lower)) & np.isfinite(largest)
        known &= np.isfinite(z).all(axis=1) & ~np.isnan(a).any(axis=1)
        a[~known], z[~known] = -np.inf, np.inf
        return a, z, largest

    def _after(self, *kinds: str) -> list[Any]:
        """The nodes whose values a function of these kinds is applied to."""
        return [n.inputs[0] for n in self._nodes if type(n).__name__ in kinds]

    def _defined(self, boxes: int) -> NDArray[np.bool_]:
        """Where the library's own intervals lie where its relaxations hold."""
        out = np.ones(boxes, dtype=bool)
        for node in self._logarithms:
            least, most = _interval(node, boxes)
            out &= (least > POSITIVE * (1.0 + most)).all(axis=1)
        for node in self._saturating:
            least, most = _interval(node, boxes)
            out &= ((least >= -SATURATED) & (most <= SATURATED)).all(axis=1)
        return out

    def _largest(self, boxes: int) -> Array:
        out = np.zeros(boxes)
        for node in self._nodes:
            if getattr(node, "lower", None) is not None and getattr(node, "perturbed", False):
                for end in _interval(node, boxes):
                    np.maximum(out, np.abs(end).max(axis=1), out=out)
        return out


def _interval(node: Any, boxes: int) -> tuple[Array, Array]:
    """The library's bounds of a node on every box; NaN, which is inside nothing, without any."""
    low, high = getattr(node, "lower", None), getattr(node, "upper", None)
    if low is None or high is None:
        missing = np.full((boxes, 1), np.nan)
        return missing, missing
    rows = len(low)
    return low.detach().numpy().reshape(rows, -1), high.detach().numpy().reshape(rows, -1)


@contextlib.contextmanager
def _settings() -> Iterator[None]:
    """float64, one thread, and silence; the process's own settings come back afterwards."""
    import torch

    kind, threads = torch.get_default_dtype(), torch.get_num_threads()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_default_dtype(kind)
        torch.set_num_threads(threads)


def _module_of(graph: Graph) -> Any:
    """The graph as a torch module (B, n) → (B, J)."""
    import torch

    functions: dict[Op, Callable[[Any], Any]] = {
        Op.SIN: torch.sin,
        Op.COS: torch.cos,
        Op.EXP: torch.exp,
        Op.LOG: torch.log,
        Op.TANH: torch.tanh,
        Op.SIGMOID: torch.sigmoid,
        Op.RELU: torch.relu,
    }

    class Module(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for r, node in enumerate(graph.nodes):
                if node.map is None:
                    continue
                bias = node.map.bias
                for k, weight in node.map.parts.items():
                    # Always with a bias: the library treats a product without one otherwise.
                    layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
                    layer.weight.data = torch.from_numpy(np.ascontiguousarray(weight))
                    layer.bias.data = torch.from_numpy(np.array(bias))
                    self.add_module(f"map_{r}_{k}", layer)
                    bias = np.zeros_like(bias)
            self.requires_grad_(False)

        def forward(self, x: Any) -> Any:
            known: list[Any] = []
            for r, node in enumerate(graph.nodes):
                if node.map is not None:
                    value = None
                    for k in node.map.parts:
                        part = getattr(self, f"map_{r}_{k}")(known[k])
                        value = part if value is None else value + part
                elif node.op is Op.VARIABLE:
                    value = x
                elif node.op is Op.MUL:
                    value = known[node.args[0]] * known[node.args[1]]
                else:
                    value = functions[node.op](known[node.args[0]])
                known.append(value)
            return known[-1]

    return Module()
