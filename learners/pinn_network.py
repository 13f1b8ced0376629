"""A network as the value function of PINN-PI: its slopes along vectors, and their derivatives.

In domain units z = (x − x*) / half-widths, N(z) = Σ_c βᵀ h_L(S_c z) with h_l = σ(W_l h_{l−1} + b_l)
and signs S_c that make V even where the Hamiltonian is. V(z) = N(z) − N(0) − ∇N(0)·z, so that V and
∇V vanish at the equilibrium whatever the weights are, and no loss has to see to it.

All that policy iteration asks of a network is its slope v·∇V(z) along given vectors v, and how that
changes with every weight. With a tangent (ȧ, ḣ) carried forward along v and adjoints ā, ã of a, ȧ
carried back, the derivative by W_l at one point is ā h_{l−1}ᵀ + ã ḣ_{l−1}ᵀ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
SmoothActivation = Literal["tanh", "sigmoid", "softplus", "sin"]
ACTIVATIONS: tuple[SmoothActivation, ...] = ("tanh", "sigmoid", "softplus", "sin")


def _tanh(a: Array) -> tuple[Array, Array, Array]:
    h = np.tanh(a)
    slope = 1.0 - h * h
    return h, slope, -2.0 * h * slope


def _logistic(a: Array) -> Array:
    out: Array = 0.5 + 0.5 * np.tanh(0.5 * a)  # does not overflow
    return out


def _sigmoid(a: Array) -> tuple[Array, Array, Array]:
    h = _logistic(a)
    slope = h * (1.0 - h)
    return h, slope, slope * (1.0 - 2.0 * h)


def _softplus(a: Array) -> tuple[Array, Array, Array]:
    slope = _logistic(a)
    return np.logaddexp(0.0, a), slope, slope * (1.0 - slope)


def _sin(a: Array) -> tuple[Array, Array, Array]:
    h = np.sin(a)
    return h, np.cos(a), -h


_DERIVATIVES: dict[str, Callable[[Array], tuple[Array, Array, Array]]] = {
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "sin": _sin,
}
"""σ, σ' and σ'' of every activation."""


@dataclass(frozen=True, eq=False)
class _Swept:
    """One layer after the passes: its input (h, ḣ), and the adjoints (ā, ã) of its a and ȧ."""

    h: Array
    dh: Array
    abar: Array
    dabar: Array


@dataclass(frozen=True, eq=False)
class Network:
    """The form of a network; its weights are one vector θ (``count``,): W₁, b₁, W₂, b₂, …, β.

    ``signs`` (copies, width of layer 1, n) holds ±1, and 0 where a neuron does not look at a
    coordinate; a copy in which a neuron's row is all 0 does not exist for it. ``masks`` says for
    W₂, W₃, … which weights there are, (width, width before). Only those are in θ.
    """

    activation: SmoothActivation
    signs: Array
    masks: tuple[NDArray[np.bool_], ...] = ()

    @property
    def dimension(self) -> int:
        return int(self.signs.shape[2])

    @cached_property
    def _places(self) -> tuple[tuple[Indices, Indices], ...]:
        """Row and column of every weight of every layer, in the order of θ."""
        first = (self.signs != 0.0).any(axis=0)
        return tuple((r, c) for r, c in (np.nonzero(mask) for mask in (first, *self.masks)))

    @cached_property
    def widths(self) -> tuple[int, ...]:
        return (int(self.signs.shape[1]), *(len(mask) for mask in self.masks))

    @cached_property
    def count(self) -> int:
        """The number of weights that are trained."""
        return sum(len(r) for r, _ in self._places) + sum(self.widths) + self.widths[-1]

    @cached_property
    def members(self) -> NDArray[np.bool_]:
        """Which copies of which neurons of the first layer exist, (copies, width)."""
        out: NDArray[np.bool_] = (self.signs != 0.0).any(axis=2)
        return out

    @property
    def output(self) -> slice:
        """Where the output weights β are in θ."""
        return slice(self.count - self.widths[-1], self.count)

    def layers(self, theta: Array) -> tuple[list[tuple[Array, Array]], Array]:
        """(W_l, b_l) of every layer, and β."""
        out, at, before = [], 0, self.dimension
        for (rows, columns), width in zip(self._places, self.widths, strict=True):
            W = np.zeros((width, before))
            W[rows, columns] = theta[at : at + len(rows)]
            at += len(rows)
            out.append((W, theta[at : at + width]))
            at, before = at + width, width
        return out, theta[at:]

    def packed(self, layers: list[tuple[Array, Array]], beta: Array) -> Array:
        """θ from what :meth:`layers` gives."""
        parts: list[Array] = []
        for (rows, columns), (W, b) in zip(self._places, layers, strict=True):
            parts += [W[rows, columns], b]
        return np.concatenate([*parts, beta])

    def part(self, rows: Indices) -> Network:
        """The neurons ``rows`` of every layer, as a network of their own."""
        masks = tuple(mask[np.ix_(rows, rows)] for mask in self.masks)
        return Network(self.activation, self.signs[:, rows], masks)

    def part_of(self, theta: Array, rows: Indices) -> Array:
        """The weights of :meth:`part` among those of the whole."""
        layers, beta = self.layers(theta)
        chosen = [
            (W[np.ix_(rows, rows)] if level else W[rows], b[rows])
            for level, (W, b) in enumerate(layers)
        ]
        return self.part(rows).packed(chosen, beta[rows])

    def with_part(self, theta: Array, rows: Indices, part: Array) -> Array:
        """``theta`` with the weights of :meth:`part` put back in their places."""
        layers, beta = self.layers(theta)
        chosen, output = self.part(rows).layers(part)
        put = []
        for level, ((W, b), (V, c)) in enumerate(zip(layers, chosen, strict=True)):
            W, b = W.copy(), b.copy()
            W[np.ix_(rows, rows) if level else rows] = V
            b[rows] = c
            put.append((W, b))
        beta = beta.copy()
        beta[rows] = output
        return self.packed(put, beta)

    def values(self, theta: Array, z: Array) -> Array:
        """V at points z (N, n); (N,)."""
        rest = self._plain(theta, np.zeros((1, self.dimension)))
        slope = self._plain_gradient(theta, np.zeros((1, self.dimension)))[0]
        out: Array = self._plain(theta, z) - rest - z @ slope
        return out

    def gradient(self, theta: Array, z: Array) -> Array:
        """∇V by z at points z (N, n); (N, n)."""
        rest = self._plain_gradient(theta, np.zeros((1, self.dimension)))
        out: Array = self._plain_gradient(theta, z) - rest
        return out

    def slopes(self, theta: Array, z: Array, v: Array) -> tuple[Array, Array]:
        """v·∇V(z) for N points and vectors (N, n) each, and its derivatives by θ; (N,), (count, N).

        The derivatives are laid out weight by weight, so that each is one contiguous row.
        """
        n = self.dimension
        at_rest, rest_derivatives = self._rows(theta, np.zeros((n, n)), np.eye(n))
        out, derivatives = self._rows(theta, z, v)
        out -= v @ at_rest
        derivatives -= rest_derivatives @ v.T
        return out, derivatives

    def pulled_back(self, theta: Array, z: Array, v: Array, weights: Array) -> Array:
        """Σ weightsᵢ ∂(vᵢ·∇V(zᵢ))/∂θ without the derivatives at each point; (count,)."""
        n = self.dimension
        out = self._sum(theta, z, v, weights)
        out -= self._sum(theta, np.zeros((n, n)), np.eye(n), v.T @ weights)
        return out

    def _plain(self, theta: Array, z: Array) -> Array:
        layers, beta = self.layers(theta)
        out = np.zeros(len(z))
        for sign in self.signs:
            h = z.T
            for level, (W, b) in enumerate(layers):
                h = _DERIVATIVES[self.activation]((W * sign if not level else W) @ h + b[:, None])[
                    0
                ]
            out += beta @ h
        return out

    def _plain_gradient(self, theta: Array, z: Array) -> Array:
        layers, beta = self.layers(theta)
        out = np.zeros((self.dimension, len(z)))
        for sign in self.signs:
            h, passed = z.T, []
            for level, (W, b) in enumerate(layers):
                weights = W * sign if not level else W
                h, slope, _ = _DERIVATIVES[self.activation](weights @ h + b[:, None])
                passed.append((weights, slope))
            back = np.broadcast_to(beta[:, None], h.shape)
            for weights, slope in reversed(passed):
                back = weights.T @ (back * slope)
            out += back
        return np.ascontiguousarray(out.T)

    def _sweep(
        self, layers: list[tuple[Array, Array]], beta: Array, sign: Array, z: Array, v: Array
    ) -> tuple[list[_Swept], Array]:
        """Both passes for one copy; also ḣ of the last layer."""
        h, dh, forward = z.T, v.T, []
        for level, (W, b) in enumerate(layers):
            weights = W * sign if not level else W
            da = weights @ dh
            before = h, dh
            h, slope, bend = _DERIVATIVES[self.activation](weights @ h + b[:, None])
            bend *= da
            dh = slope * da
            forward.append((weights, before, slope, bend))
        swept = []
        hbar: Array | None = None  # N enters only through its slope
        dhbar: Array = np.broadcast_to(beta[:, None], dh.shape)
        for weights, before, slope, bend in reversed(forward):
            abar, dabar = dhbar * bend, dhbar * slope
            if hbar is not None:
                abar += hbar * slope
            swept.append(_Swept(*before, abar, dabar))
            hbar, dhbar = weights.T @ abar, weights.T @ dabar
        return swept[::-1], dh

    def _rows(self, theta: Array, z: Array, v: Array) -> tuple[Array, Array]:
        """As :meth:`slopes`, of N instead of V."""
        layers, beta = self.layers(theta)
        values, out = np.zeros(len(z)), np.zeros((self.count, len(z)))
        for sign in self.signs:
            swept, dh = self._sweep(layers, beta, sign, z, v)
            values += beta @ dh
            at = 0
            for level, ((rows, columns), s) in enumerate(zip(self._places, swept, strict=True)):
                part = s.abar[rows] * s.h[columns]
                part += s.dabar[rows] * s.dh[columns]
                if not level:
                    part *= sign[rows, columns][:, None]
                out[at : at + len(rows)] += part
                at += len(rows)
                out[at : at + len(s.abar)] += s.abar
                at += len(s.abar)
            out[at:] += dh
        return values, out

    def _sum(self, theta: Array, z: Array, v: Array, weights: Array) -> Array:
        layers, beta = self.layers(theta)
        out = np.zeros(self.count)
        for sign in self.signs:
            swept, dh = self._sweep(layers, beta, sign, z, v)
            parts: list[Array] = []
            for level, ((rows, columns), s) in enumerate(zip(self._places, swept, strict=True)):
                W = (s.abar * weights) @ s.h.T + (s.dabar * weights) @ s.dh.T
                if not level:
                    W *= sign
                parts += [W[rows, columns], s.abar @ weights]
            out += np.concatenate([*parts, dh @ weights])
        return out
