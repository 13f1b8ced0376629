"""Models, and how they are multiplied and bounded.

A box is x = c + r∘h with h ∈ [−1, 1]ⁿ. A *model* is a polynomial in h of total degree ≤ K whose
coefficients are balls, as a flat list in graded order, cut off after its last degree: it stands for
every function whose value at each h is that of the polynomial for some choice of numbers in the
balls. Whatever is left out (products of degree > K, remainders) is enclosed for all h and added to
the constant coefficient, which makes the model an enclosure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache, reduce
from itertools import accumulate, combinations_with_replacement, pairwise
from math import factorial, prod
from operator import itemgetter, mul

from flint import arb, fmpq

from .series import Ball

Model = list[Ball]
ZERO, ONE = arb(0), arb(1)
"""``ZERO`` itself, not its equals, marks a coefficient that is not there."""
UNIT, HALF = arb(0, 1), arb(0.5, 0.5)
"""[−1, 1] and [0, 1]."""


class Monomials:
    """The monomials in n variables up to degree K, in graded order, and their products."""

    def __init__(self, n: int, order: int) -> None:
        self.order = order
        found = [()] if n == 0 else [
            m for d in range(order + 1) for m in combinations_with_replacement(range(n), d)
        ]  # fmt: skip
        index = {m: i for i, m in enumerate(found)}
        self.degree = [len(m) for m in found]
        self.first = [self.degree.index(d) for d in range(self.degree[-1] + 1)] + [len(found)]
        self._sum = [
            [index[tuple(sorted(a + b))] for b in found if len(a) + len(b) <= order] for a in found
        ]
        self.even = {i for i, m in enumerate(found) if m and all(m.count(v) % 2 == 0 for v in m)}
        self._pairs: dict[tuple[int, int, int, int], list[Pairs | None]] = {}
        self.coefficients = [(m, _multinomial(m)) for m in found]
        self.square = {index[(v,)]: index[(v, v)] for v in range(n) if order >= 2}

    def range_of(self, model: Model, first: int = 1) -> Ball:
        """The range of the part from coefficient ``first`` on."""
        odd, even = ZERO, ZERO
        for i, c in enumerate(model[first:], first):
            if c is not ZERO:
                if i in self.even:
                    even = even + c * HALF
                else:
                    odd = odd + abs(c)
        return odd * UNIT + even

    def upper(self, model: Model) -> Ball:
        """Something that no value of the model exceeds; squares are taken with their variable."""
        bound, done = model[0], set()
        for i, j in self.square.items():
            if j < len(model) and model[i] is not ZERO and model[j] is not ZERO:
                slope, bend = abs(model[i]), model[j]
                if bend < 0 and not slope >= -2 * bend:
                    bound = bound + slope * slope / (-4 * bend)
                else:
                    bound = bound + slope + (bend if bend < 0 else bend.nonnegative_part())
                done |= {i, j}
        rest = ZERO
        for i, c in enumerate(model[1:], 1):
            if c is not ZERO and i not in done:
                rest = rest + (c.nonnegative_part() if i in self.even else abs(c))
        return (bound + rest).upper()

    def multiply(self, p: Model, q: Model) -> Model:
        """The product, what is beyond the order enclosed in the constant."""
        return _closed(*self.product(p, q))

    def product(self, p: Model, q: Model) -> tuple[Model, Ball]:
        """The product up to the order, and the range of what is beyond."""
        if len(p) == 1 or len(q) == 1:
            return (scaled(q, p[0]) if len(p) == 1 else scaled(p, q[0])), ZERO
        key = (self._lowest(p), len(p), self._lowest(q), len(q))
        if key not in self._pairs:
            self._pairs[key] = self._pairs_of(*key)
        out: Model = []
        for pairs in self._pairs[key]:
            if pairs is None:
                out.append(ZERO)
            else:
                products = map(mul, pairs[0](p), pairs[1](q))
                out.append(sum(products, next(products)))
        fits = self.degree[len(p) - 1] + self.degree[len(q) - 1] <= self.order
        return out, ZERO if fits else self._beyond(p, q)

    def _lowest(self, p: Model) -> int:
        """The index of the first coefficient that is there."""
        return next((i for i, c in enumerate(p) if c is not ZERO), 0)

    def _pairs_of(self, p_first: int, p_end: int, q_first: int, q_end: int) -> list[Pairs | None]:
        """For each monomial of the product, which coefficients of p and of q meet in it."""
        found: dict[int, list[tuple[int, int]]] = {}
        for i in range(p_first, p_end):
            for j in range(q_first, min(q_end, len(self._sum[i]))):
                found.setdefault(self._sum[i][j], []).append((i, j))
        out: list[Pairs | None] = [None] * self.first[self.degree[max(found, default=0)] + 1]
        for k, pairs in found.items():
            left, right = zip(*pairs, strict=True)
            out[k] = _chosen(left), _chosen(right)
        return out

    def _beyond(self, p: Model, q: Model) -> Ball:
        """The range of the terms of degree > K in p q, from the sizes of homogeneous parts."""
        sizes, tails = self._sizes(p), list(accumulate(reversed(self._sizes(q))))
        tails.reverse()  # tails[j]: the size of q from degree j on
        start = self.order + 1
        beyond = [a * tails[start - i] for i, a in enumerate(sizes) if start - i < len(tails)]
        return sum(beyond, ZERO) * UNIT

    def _sizes(self, p: Model) -> list[Ball]:
        """For each degree, the sum of |coefficients|."""
        ends = pairwise(self.first[: self.degree[len(p) - 1] + 2])
        return [sum(map(abs, p[a:b]), ZERO) for a, b in ends]


Pairs = tuple[Callable[[Model], Sequence[Ball]], Callable[[Model], Sequence[Ball]]]


def _chosen(indices: Sequence[int]) -> Callable[[Model], Sequence[Ball]]:
    """The entries of a list at these indices, as a sequence even where it is one."""
    if len(indices) == 1:
        return itemgetter(slice(indices[0], indices[0] + 1))
    return itemgetter(*indices)


def _multinomial(m: tuple[int, ...]) -> int:
    return factorial(len(m)) // prod(factorial(count) for count in Counter(m).values())


@cache
def monomials(n: int, order: int) -> Monomials:
    return Monomials(n, order)


def ball(value: Fraction) -> Ball:
    """A ball that holds the number, which is exact where the precision allows it."""
    return arb(fmpq(value.numerator, value.denominator))


def scaled(p: Model, factor: Ball) -> Model:
    return [ZERO] if factor is ZERO else [c if c is ZERO else c * factor for c in p]


def plus(p: Model, q: Model, sign: int = 1) -> Model:
    """p + q, or p − q."""
    if sign < 0:
        q = [c if c is ZERO else -c for c in q]
    if len(p) < len(q):
        p, q = q, p
    out = list(p)
    for i, c in enumerate(q):
        if c is not ZERO:
            out[i] = c if out[i] is ZERO else out[i] + c
    return out


def _closed(p: Model, rest: Ball) -> Model:
    return p if rest is ZERO else [p[0] + rest, *p[1:]]


class Line:
    """The algebra of models in one variable s with |s| ≤ radius: lists of coefficients of s^k.

    An entry φ(wᵀx + b) of a hidden layer depends on the box only through s = wᵀ(x − c), and so does
    what is made of it entry by entry; in one variable this costs little, whatever n is.
    """

    def __init__(self, radius: Ball, order: int) -> None:
        self.order, self.degree = order, range(order + 1)
        power_, self.ranges = ONE, [ONE]
        for k in range(1, 2 * order + 1):
            power_ = power_ * radius
            self.ranges.append(power_ * (UNIT if k % 2 else HALF))

    def range_of(self, p: Model) -> Ball:
        out = ZERO
        for c, s in zip(p[1:], self.ranges[1:], strict=False):
            if c is not ZERO:
                out = out + c * s
        return out

    def upper(self, p: Model) -> Ball:
        return (p[0] + self.range_of(p)).upper()

    def multiply(self, p: Model, q: Model) -> Model:
        return _closed(*self.product(p, q))

    def product(self, p: Model, q: Model) -> tuple[Model, Ball]:
        """The product up to the order, and the range of what is beyond."""
        if len(p) == 1 or len(q) == 1:
            return (scaled(q, p[0]) if len(p) == 1 else scaled(p, q[0])), ZERO
        K, rest = self.order, ZERO
        out = [ZERO] * (min(K, len(p) + len(q) - 2) + 1)
        for i, a in enumerate(p):
            if a is not ZERO:
                for j, b in enumerate(q, i):
                    if b is ZERO:
                        continue
                    if j <= K:
                        out[j] = a * b if out[j] is ZERO else out[j] + a * b
                    else:
                        rest = rest + a * b * self.ranges[j]
        return out, rest


Algebra = Monomials | Line


def total(models: Sequence[Model]) -> Model:
    """The sum of some models."""
    return reduce(plus, models)
