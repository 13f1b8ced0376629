"""Monomials of total degree ≤ K in n variables, in graded order, and how they multiply."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Monomials:
    """The monomials t^α with |α| ≤ K, by degree; number 0 is the constant, 1…n are t₁…t_n.

    ``exponents`` (M, n); ``degree`` (M,); ``count[d]`` is the number of monomials of degree ≤ d
    (count[-1] = M); ``product[a, b]`` is the number of t^a t^b, −1 beyond degree K;
    ``square[i]`` is the number of tᵢ² (−1 for K < 2); ``sign`` is 2 for these squares, 1 for other
    monomials that are ≥ 0 everywhere, 0 for the rest.
    """

    n: int
    order: int
    exponents: NDArray[np.int64]
    degree: NDArray[np.int64]
    count: NDArray[np.int64]
    product: NDArray[np.int64]
    square: NDArray[np.int64]
    sign: NDArray[np.int64]
    multinomial: NDArray[np.float64]

    @property
    def size(self) -> int:
        return len(self.degree)

    def index(self) -> dict[tuple[int, ...], int]:
        """Exponents → number."""
        return {tuple(a): i for i, a in enumerate(self.exponents.tolist())}


@lru_cache(maxsize=64)
def monomials(n: int, order: int) -> Monomials:
    """The table for n variables and order K; built once for each pair."""
    exponents = []
    for d in range(order + 1):
        for chosen in combinations_with_replacement(range(n), d):
            alpha = [0] * n
            for i in chosen:
                alpha[i] += 1
            exponents.append(tuple(alpha))
    number = {a: i for i, a in enumerate(exponents)}
    degree = np.array([sum(a) for a in exponents], dtype=np.int64)
    table = np.array(exponents, dtype=np.int64).reshape(len(exponents), n)
    product = np.full((len(exponents), len(exponents)), -1, dtype=np.int64)
    count = np.array([int((degree <= d).sum()) for d in range(order + 1)], dtype=np.int64)
    for i, a in enumerate(exponents):
        for j in range(count[order - degree[i]]):
            product[i, j] = number[tuple(x + y for x, y in zip(a, exponents[j], strict=True))]
    square = np.array(
        [number.get(tuple(2 * (j == i) for j in range(n)), -1) for i in range(n)], dtype=np.int64
    )
    sign = ((table % 2 == 0).all(axis=1) & (degree > 0)).astype(np.int64)
    sign[square[square >= 0]] = 2
    multinomial = np.array(
        [math.factorial(sum(a)) / math.prod(math.factorial(k) for k in a) for a in exponents]
    )
    return Monomials(n, order, table, degree, count, product, square, sign, multinomial)
