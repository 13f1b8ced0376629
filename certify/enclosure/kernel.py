"""The compiled arithmetic of Taylor models: compiled once, for every system and order.

A register holds, for every entry i, a polynomial p of total degree ≤ K in t ∈ [−1, 1]ⁿ (the box is
centre + radius ∘ t) and a remainder ρ ≥ 0 with  value(t) ∈ p(t) ± ρ  for all t. Beside the
coefficients stand their *buckets*: upper bounds of Σ|c_α| over each degree, and ρ as bucket K+1.
What a truncation cuts off, and what rounding adds, is bounded by products of buckets (Makino and
Berz, "Taylor models and other validated functional inclusion methods", 2003, with rounding
bounded by the sum of the moduli).

Layout: a register of size s at entry ``off`` keeps coefficient α of its entry i at
C[off·M + α·s + i] and bucket d at G[off·(K+2) + d·s + i], so that the innermost loops run over i
and vectorise. No fast-math flag is set anywhere. A NaN never closes a box: it fails every
comparison that would.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numba
import numpy as np

from certify.enclosure import series
from certify.enclosure.compiled import jit
from certify.enclosure.monomials import Monomials
from certify.enclosure.rounding import TINY, U, down, up

Tables = namedtuple("Tables", "n M K count degree product square sign exponent")
"""What the kernels need of :class:`Monomials`, as plain arrays."""


def tables(m: Monomials) -> Tables:
    """The tables as the kernels take them; ValueError beyond the order they have room for."""
    if m.order > series.MAX_ORDER:
        raise ValueError(f"Taylor order {m.order} is beyond the kernels' {series.MAX_ORDER}")
    return Tables(m.n, m.size, m.order, m.count, m.degree, m.product, m.square, m.sign, m.exponents)


@jit
def store_buckets(C: np.ndarray, G: np.ndarray, off: int, size: int, top: int, T: Tables) -> None:
    """Recompute buckets 0…K of a register of degree ``top``; bucket K+1 is left alone."""
    inflate = 1.0 + (T.M + 4) * 4.0 * U
    base, coef = off * (T.K + 2), off * T.M
    start = 0
    for d in range(T.K + 1):
        bucket = G[base + d * size : base + (d + 1) * size]
        for i in range(size):
            bucket[i] = 0.0
        if d <= top:
            for a in range(start, T.count[d]):
                row = C[coef + a * size : coef + (a + 1) * size]
                for i in range(size):
                    bucket[i] += abs(row[i])
            for i in range(size):
                bucket[i] *= inflate
        start = T.count[d]


@jit
def clear(C: np.ndarray, off: int, size: int, T: Tables) -> None:
    """All coefficients of a register to 0."""
    block = C[off * T.M : (off + size) * T.M]
    for k in range(len(block)):
        block[k] = 0.0


@jit
def polynomial_range(
    P: np.ndarray, first: int, stride: int, top: int, T: Tables
) -> tuple[float, float]:
    """Bounds of Σ P[first + α·stride] t^α, |α| ≤ top, over [−1, 1]ⁿ.

    The linear and the square term of each variable are bounded together and exactly, other even
    monomials one-sidedly, the rest by their modulus.
    """
    centre = P[first]
    low, high = 0.0, 0.0
    mass = abs(centre)
    if top >= 1:
        for v in range(T.n):
            a = abs(P[first + (1 + v) * stride])
            b = P[first + T.square[v] * stride] if top >= 2 else 0.0
            mass += a + abs(b)
            if a >= 2.0 * abs(b):
                high += b + a
                low += b - a
            elif b > 0.0:
                high += b + a
                low -= a * a / (4.0 * b)
            else:
                high += a * a / (-4.0 * b)
                low += b - a
    for k in range(T.n + 1, T.count[top]):
        c = P[first + k * stride]
        if T.sign[k] == 0:
            mass += abs(c)
            high += abs(c)
            low -= abs(c)
        elif T.sign[k] == 1:
            mass += abs(c)
            high += max(c, 0.0)
            low += min(c, 0.0)
    slack = mass * (8.0 * U * (T.M + 8)) + TINY
    return down(centre + low - slack), up(centre + high + slack)


@jit
def entry_range(
    C: np.ndarray, G: np.ndarray, off: int, size: int, i: int, top: int, T: Tables
) -> tuple[float, float]:
    """Bounds of entry i of a register, remainder included."""
    low, high = polynomial_range(C, off * T.M + i, size, top, T)
    rem = G[off * (T.K + 2) + (T.K + 1) * size + i]
    return down(low - rem), up(high + rem)


@jit
def affine(
    C: np.ndarray,
    G: np.ndarray,
    out: int,
    rows: int,
    arg: int,
    columns: int,
    top: int,
    pool: np.ndarray,
    weight: int,
    bias: int,
    T: Tables,
) -> None:
    """out = W a + b, with Wᵀ at pool[weight:] and b at pool[bias:]."""
    offset = pool[bias : bias + rows]
    for a in range(T.count[top]):
        target = C[(out * T.M + a * rows) : (out * T.M + (a + 1) * rows)]
        source = C[(arg * T.M + a * columns) : (arg * T.M + (a + 1) * columns)]
        if a == 0:
            for i in range(rows):
                target[i] = offset[i]
        for j in range(columns):
            c = source[j]
            if c != 0.0:
                column = pool[weight + j * rows : weight + (j + 1) * rows]
                for i in range(rows):
                    target[i] += column[i] * c
    # One rounding more than the columns for the bias, two for constants that are no floats.
    g = 1.001 * U * (columns + 5)
    inflate = 1.0 + (columns + T.K + 8) * 4.0 * U
    first = out * (T.K + 2) + (T.K + 1) * rows
    rem = G[first : first + rows]
    for i in range(rows):
        rem[i] = abs(offset[i]) * g + TINY
    for j in range(columns):
        mass = 0.0
        for d in range(T.K + 1):
            mass += G[arg * (T.K + 2) + d * columns + j]
        v = G[arg * (T.K + 2) + (T.K + 1) * columns + j] * (1.0 + 8.0 * U) + g * mass
        if v != 0.0:
            column = pool[weight + j * rows : weight + (j + 1) * rows]
            for i in range(rows):
                rem[i] += abs(column[i]) * v
    for i in range(rows):
        rem[i] = rem[i] * inflate + TINY


@jit
def add(
    C: np.ndarray,
    G: np.ndarray,
    out: int,
    size: int,
    x: int,
    xs: int,
    xt: int,
    y: int,
    ys: int,
    yt: int,
    sign: float,
    T: Tables,
) -> None:
    """out = x + sign · y entrywise; an operand of size 1 is broadcast."""
    for a in range(T.count[xt]):
        for i in range(size):
            C[out * T.M + a * size + i] = C[x * T.M + a * xs + (i if xs > 1 else 0)]
    for a in range(T.count[yt]):
        for i in range(size):
            C[out * T.M + a * size + i] += sign * C[y * T.M + a * ys + (i if ys > 1 else 0)]
    for i in range(size):
        p, q = x * (T.K + 2) + (i if xs > 1 else 0), y * (T.K + 2) + (i if ys > 1 else 0)
        mass = 0.0
        for d in range(T.K + 1):
            mass += G[p + d * xs] + G[q + d * ys]
        rem = G[p + (T.K + 1) * xs] + G[q + (T.K + 1) * ys] + 2.0 * U * mass
        G[out * (T.K + 2) + (T.K + 1) * size + i] = rem * (1.0 + (T.K + 8) * 8.0 * U) + TINY


@jit
def add_constant(
    C: np.ndarray,
    G: np.ndarray,
    out: int,
    size: int,
    x: int,
    xs: int,
    xt: int,
    sign: float,
    pool: np.ndarray,
    mid: int,
    radius: int,
    T: Tables,
) -> None:
    """out = sign · x + c for a constant vector c = pool[mid:] ± pool[radius:] of the full size."""
    for a in range(T.count[xt]):
        for i in range(size):
            C[out * T.M + a * size + i] = sign * C[x * T.M + a * xs + (i if xs > 1 else 0)]
    for i in range(size):
        C[out * T.M + i] += pool[mid + i]
        p = x * (T.K + 2) + (i if xs > 1 else 0)
        rem = G[p + (T.K + 1) * xs] + pool[radius + i] + 2.0 * U * (G[p] + abs(pool[mid + i]))
        G[out * (T.K + 2) + (T.K + 1) * size + i] = rem * (1.0 + 64.0 * U) + TINY


@jit
def scale(
    C: np.ndarray,
    G: np.ndarray,
    out: int,
    size: int,
    x: int,
    xs: int,
    xt: int,
    pool: np.ndarray,
    mid: int,
    radius: int,
    T: Tables,
) -> None:
    """out = c ∘ x for a constant vector c = pool[mid:] ± pool[radius:] of the full size."""
    for a in range(T.count[xt]):
        for i in range(size):
            C[out * T.M + a * size + i] = pool[mid + i] * C[x * T.M + a * xs + (i if xs > 1 else 0)]
    for i in range(size):
        p = x * (T.K + 2) + (i if xs > 1 else 0)
        mass = 0.0
        for d in range(T.K + 1):
            mass += G[p + d * xs]
        c, r = abs(pool[mid + i]), pool[radius + i]
        rem = (c + r) * G[p + (T.K + 1) * xs] + (r + 2.0 * U * c) * mass
        G[out * (T.K + 2) + (T.K + 1) * size + i] = rem * (1.0 + (T.K + 16) * 8.0 * U) + TINY


@jit
def multiply(
    C: np.ndarray,
    G: np.ndarray,
    out: int,
    size: int,
    x: int,
    xs: int,
    xt: int,
    y: int,
    ys: int,
    yt: int,
    T: Tables,
) -> None:
    """out = x ∘ y truncated at degree K; the register must be clear. xt, yt: operands' degrees."""
    for a in range(T.count[xt]):
        for b in range(T.count[min(yt, T.K - T.degree[a])]):
            first = out * T.M + T.product[a, b] * size
            target = C[first : first + size]
            p, q = C[x * T.M + a * xs :], C[y * T.M + b * ys :]
            if xs == size and ys == size:
                for i in range(size):
                    target[i] += p[i] * q[i]
            else:
                for i in range(size):
                    target[i] += p[i if xs > 1 else 0] * q[i if ys > 1 else 0]
    g = 1.001 * U * (T.M + 3)
    for i in range(size):
        p, q = x * (T.K + 2) + (i if xs > 1 else 0), y * (T.K + 2) + (i if ys > 1 else 0)
        # tail is Σ of y's buckets from K + 1 − d on: what times x's bucket d goes beyond degree K.
        tail = G[q + (T.K + 1) * ys]
        cut, whole = G[p] * tail, G[p]
        for d in range(1, T.K + 2):
            tail += G[q + (T.K + 1 - d) * ys]
            cut += G[p + d * xs] * tail
            whole += G[p + d * xs]
        whole *= tail
        rem = (cut + g * whole) * (1.0 + (T.K + 4) * (T.K + 4) * 8.0 * U) + TINY
        # Zero times what may not be defined is not zero; the loop above skips zeros.
        last = T.K + 1
        if not (math.isfinite(G[p + last * xs]) and math.isfinite(G[q + last * ys])):
            rem = math.inf
        G[out * (T.K + 2) + (T.K + 1) * size + i] = rem


@numba.njit(inline="always")
def _finite(low: float, high: float) -> bool:
    return math.isfinite(low) and math.isfinite(high)


@jit
def unary(
    kind: int,
    C: np.ndarray,
    G: np.ndarray,
    out: int,
    size: int,
    arg: int,
    top: int,
    coef: np.ndarray,
    work: np.ndarray,
    product: np.ndarray,
    T: Tables,
) -> None:
    """out = φ(arg): Taylor polynomial at the centre, composed by Horner, with Lagrange remainder.

    Scratch: ``coef`` (K+1, ≥ size), ``work`` (≥ 6(K+2)), ``product`` (≥ size·M).
    """
    K, stride = T.K, T.K + 2
    low, high = work[:stride], work[stride : 2 * stride]
    range_low, range_high = work[2 * stride : 3 * stride], work[3 * stride : 4 * stride]
    for i in range(size):
        z0 = C[arg * T.M + i]
        zl, zh = entry_range(C, G, arg, size, i, top, T)
        reach = up(max(zh - z0, z0 - zl))
        series.coefficients(kind, z0, z0, K, low, high)
        series.coefficients(kind, zl, zh, K + 1, range_low, range_high)
        # The order whose Lagrange remainder is least on this range, at most K.
        best, best_order, power = math.inf, 0, 1.0
        for k in range(K + 1):
            power = up(power * reach)
            bound = up(max(abs(range_low[k + 1]), abs(range_high[k + 1])) * power)
            if _finite(range_low[k + 1], range_high[k + 1]) and bound < best:
                best, best_order = bound, k
        error, power = best, 1.0
        for k in range(K + 1):
            coef[k, i] = 0.0
            if k <= best_order:
                a = 0.5 * (low[k] + high[k])
                coef[k, i] = a
                spread = max(high[k] - a, a - low[k])
                if not _finite(low[k], high[k]):
                    spread = math.inf
                error = up(error + up(up(spread) * power))
                power = up(power * reach)
        rem = up(error + _composition_error(G, arg, size, i, coef, work, T))
        flat_low, flat_high = range_low[0], range_high[0]
        middle = 0.5 * (flat_low + flat_high)
        flat = up(max(flat_high - middle, middle - flat_low))
        if not (rem < flat):
            for k in range(1, K + 1):
                coef[k, i] = 0.0
            coef[0, i] = middle
            rem = flat
        if not (math.isfinite(rem) and math.isfinite(coef[0, i])):
            for k in range(K + 1):
                coef[k, i] = 0.0
            rem = math.inf
        G[out * stride + (K + 1) * size + i] = rem
    _compose(C, out, size, arg, top, coef, product, T)


@jit
def _composition_error(
    G: np.ndarray, arg: int, size: int, i: int, coef: np.ndarray, work: np.ndarray, T: Tables
) -> float:
    """What Σ coef[k] qᵏ loses by truncation, by the argument's remainder, and by rounding.

    The majorant Σ|coef[k]| q̂ᵏ is computed by degree; its bucket K+1 collects what is cut off.
    """
    K, stride = T.K, T.K + 2
    H, tail = work[4 * stride : 5 * stride], work[5 * stride : 6 * stride]
    first = arg * stride
    tail[K + 1] = G[first + (K + 1) * size + i]
    for e in range(K, 0, -1):
        tail[e] = tail[e + 1] + G[first + e * size + i]
    for d in range(stride):
        H[d] = 0.0
    H[0] = abs(coef[K, i])
    for k in range(K - 1, -1, -1):
        # H := H q̂ + |coef[k]|, in place from the highest degree down.
        cut = H[K + 1] * tail[1]
        for d in range(K + 1):
            cut += H[d] * tail[K + 1 - d]
        H[K + 1] = cut
        for d in range(K, 0, -1):
            total = 0.0
            for e in range(1, d + 1):
                total += H[d - e] * G[first + e * size + i]
            H[d] = total
        H[0] = abs(coef[k, i])
    whole = 0.0
    for d in range(stride):
        whole += H[d]
    inflate = 1.0 + (K + 4) * (K + 4) * (K + 4) * 8.0 * U
    error: float = (H[K + 1] + whole * (1.001 * U * (T.M + 4) * (K + 2))) * inflate + TINY
    return error


@jit
def _compose(
    C: np.ndarray,
    out: int,
    size: int,
    arg: int,
    top: int,
    coef: np.ndarray,
    product: np.ndarray,
    T: Tables,
) -> None:
    """Σ_k coef[k] qᵏ by Horner, where q is the argument without its constant term.

    Before the k multiplications that are still to come only degrees ≤ K − k matter, since q has no
    constant term; what is skipped was counted by the majorant. The register must be clear.
    """
    base = out * T.M
    for i in range(size):
        C[base + i] = coef[T.K, i]
    for k in range(T.K - 1, -1, -1):
        limit = T.K - k
        used = T.count[limit] * size
        for j in range(used):
            product[j] = 0.0
        for a in range(T.count[limit - 1]):
            for b in range(1, T.count[min(top, limit - T.degree[a])]):
                first = T.product[a, b] * size
                target = product[first : first + size]
                p = C[base + a * size : base + (a + 1) * size]
                q = C[(arg * T.M + b * size) : (arg * T.M + (b + 1) * size)]
                for i in range(size):
                    target[i] += p[i] * q[i]
        result = C[base : base + used]
        for j in range(used):
            result[j] = product[j]
        for i in range(size):
            result[i] += coef[k, i]


@jit
def relu(C: np.ndarray, G: np.ndarray, out: int, size: int, arg: int, top: int, T: Tables) -> None:
    """out = max(arg, 0): exact where the sign is decided, else the chord's band.

    For any slope s in [0, 1] and z in [l, h] with l < 0 < h, max(z, 0) − s z lies between 0 and
    max(−s l, (1 − s) h).
    """
    stride = T.K + 2
    for i in range(size):
        zl, zh = entry_range(C, G, arg, size, i, top, T)
        slope, offset, extra = 0.0, 0.0, 0.0
        if not math.isfinite(zh - zl):
            extra = math.inf
        elif zl >= 0.0:
            slope = 1.0
        elif zh > 0.0:
            slope = min(max(zh / (zh - zl), 0.0), 1.0)
            gap = up(up(max(-slope * zl, up(1.0 - slope) * zh)))
            offset = 0.5 * gap
            extra = up(offset)
        for a in range(T.count[top]):
            C[out * T.M + a * size + i] = slope * C[arg * T.M + a * size + i]
        C[out * T.M + i] += offset
        mass = 0.0
        for d in range(T.K + 1):
            mass += G[arg * stride + d * size + i]
        inner = slope * G[arg * stride + (T.K + 1) * size + i] if slope > 0.0 else 0.0
        noise = 4.0 * U * (mass + offset) if extra > 0.0 else 0.0
        rem = inner + noise + extra
        G[out * stride + (T.K + 1) * size + i] = (
            0.0 if rem == 0.0 else rem * (1.0 + (T.K + 8) * 8.0 * U) + TINY
        )


@jit
def step(C: np.ndarray, G: np.ndarray, out: int, size: int, arg: int, top: int, T: Tables) -> None:
    """out = the set-valued step of arg: 0, 1, or all of [0, 1] where the sign is not decided."""
    for i in range(size):
        zl, zh = entry_range(C, G, arg, size, i, top, T)
        value, rem = 0.5, 0.5
        if not math.isfinite(zh - zl):
            rem = math.inf
        elif zl > 0.0:
            value, rem = 1.0, 0.0
        elif zh < 0.0:
            value, rem = 0.0, 0.0
        C[out * T.M + i] = value
        G[out * (T.K + 2) + (T.K + 1) * size + i] = rem
