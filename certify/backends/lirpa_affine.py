"""Affine maps of several vectors: what lies between two non-linear nodes of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Affine:
    """Σ W_k a_k + b over nodes a_k: ``parts`` maps k to W_k (size, size of a_k), ``bias`` is b."""

    parts: dict[int, Array]
    bias: Array

    @property
    def size(self) -> int:
        return len(self.bias)

    def times(self, factor: Array) -> Affine:
        """Each row times a number; broadcasts a single row."""
        wide = self.spread(len(factor))
        return Affine({k: factor[:, None] * w for k, w in wide.parts.items()}, factor * wide.bias)

    def spread(self, size: int) -> Affine:
        """A single row repeated."""
        return self if self.size >= size else self.rows([0] * size)

    def rows(self, indices: Sequence[int]) -> Affine:
        chosen = list(indices)
        return Affine({k: w[chosen] for k, w in self.parts.items()}, self.bias[chosen])

    def plus(self, other: Affine, factor: float = 1.0) -> Affine:
        """The sum with ``factor`` times another; a single row is broadcast."""
        size = max(self.size, other.size)
        a, b = self.spread(size), other.spread(size)
        parts = dict(a.parts)
        for k, w in b.parts.items():
            parts[k] = parts[k] + factor * w if k in parts else factor * w
        return Affine(parts, a.bias + factor * b.bias)

    def mapped(self, weight: Array, bias: Array) -> Affine:
        """weight · self + bias."""
        return Affine({k: weight @ w for k, w in self.parts.items()}, weight @ self.bias + bias)


def stacked(forms: Sequence[Affine]) -> Affine:
    """The forms one below the other."""
    parts: dict[int, Array] = {}
    total = sum(f.size for f in forms)
    at = 0
    for f in forms:
        for k, w in f.parts.items():
            parts.setdefault(k, np.zeros((total, w.shape[1])))[at : at + f.size] = w
        at += f.size
    return Affine(parts, np.concatenate([f.bias for f in forms]))
