"""Linear relaxations of a program on a box: forwards for ranges, backwards for the outputs.

Every entry e of a register gets two affine functions of t ∈ [−1, 1]ⁿ (the box is
centre + radius ∘ t) with L_e(t) ≤ e ≤ H_e(t): the forward pass, here. Every nonlinear operation
gets a line (a plane, for a product) below and one above on the ranges of its operands. The backward
pass (``backward``) then starts from Σ cⱼ outputⱼ and replaces entry after entry by its line or
plane, the upper one where its multiplier is positive, until an affine function of t is left (CROWN:
Zhang et al., arXiv 1811.00866; improved slopes: Xu et al., arXiv 2011.13824). It does not suffer
from what the forward pass forgets at every sum.

Rounding: the multipliers are floats and are meant exactly. What a multiplier λ_e should have been
but for rounding differs by at most γ · Σ|contributions|, which times |e| on the box enters the
bound as a constant. An entry that is not defined, or not bounded, on all of the box has an infinite
range, and so has all that depends on it.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numba
import numpy as np

from certify.enclosure import program as p
from certify.enclosure.compiled import jit
from certify.enclosure.lines import RELU, SQUARE, intercepts, is_defined, value
from certify.enclosure.rounding import ELEMENTARY, TINY, U, down, up
from certify.enclosure.series import TANH, plain_range
from certify.enclosure.slopes import curvature, far_tangents, supporting

Space = namedtuple("Space", "L H lo hi below above multiplier mass at bend far ends")
"""Workspace of a program with E entries: forms L, H (1 + n, E), constant first; ranges lo, hi (E,);
lines or planes below, above (3, E): slopes in the first and second operand, intercept;
multipliers and the sums of moduli they came from (E,); values at a corner (E,); for functions, the
curvature (E,), the points of far tangents (2, E), and the values at the ends of ranges (2, E)."""


@jit
def space(n: int, entries: int) -> Space:
    """An empty workspace."""
    return Space(
        np.zeros((n + 1, entries)), np.zeros((n + 1, entries)), np.zeros(entries),
        np.zeros(entries), np.zeros((3, entries)), np.zeros((3, entries)), np.zeros(entries),
        np.zeros(entries), np.zeros(entries), np.zeros(entries, dtype=np.int64),
        np.zeros((2, entries)), np.zeros((2, entries)),
    )  # fmt: skip


@numba.njit(inline="always")
def _set_undefined(S: Space, e: int) -> None:
    for k in range(S.L.shape[0]):
        S.L[k, e], S.H[k, e] = 0.0, 0.0
    S.lo[e], S.hi[e] = -math.inf, math.inf


@jit
def _settle(S: Space, off: int, size: int) -> None:
    """The ranges of a register's entries: from their forms, and not beyond those given in lo, hi.

    A NaN there says that an operand is not bounded; then the entry is not.
    """
    L, H, lo, hi = S.L, S.H, S.lo, S.hi
    n = L.shape[0]
    slack = 4.0 * U * (n + 2)
    for i in range(size):
        e = off + i
        a, b = L[0, e], H[0, e]
        ma, mb = abs(a), abs(b)
        for k in range(1, n):
            u, v = abs(L[k, e]), abs(H[k, e])
            a -= u
            b += v
            ma += u
            mb += v
        a, b = a - (ma * slack + TINY), b + (mb * slack + TINY)
        low, high = lo[e], hi[e]
        if math.isfinite(ma) and math.isfinite(mb) and low == low and high == high:
            a, b = max(a, low), min(b, high)
            lo[e], hi[e] = a, max(a, b)
        else:
            _set_undefined(S, e)


@jit
def _inherit(S: Space, off: int, size: int, x: int, dx: int) -> None:
    """Mark the entries whose operand is not bounded; the others may have any range so far."""
    lo, hi = S.lo, S.hi
    for i in range(size):
        if not (math.isfinite(lo[x + i * dx]) and math.isfinite(hi[x + i * dx])):
            lo[off + i] = math.nan


@jit
def _unlimited(S: Space, off: int, size: int) -> None:
    lo, hi = S.lo, S.hi
    for e in range(off, off + size):
        lo[e], hi[e] = -math.inf, math.inf


@jit
def _combine(S: Space, off: int, size: int, x: int, dx: int, y: int, dy: int) -> None:
    """Forms from the lines (in x) or planes (in x and y; y = −1 for none) of a register."""
    low_sum, high_sum = S.multiplier[off : off + size], S.mass[off : off + size]  # scratch here
    below, above = S.below[:, off : off + size], S.above[:, off : off + size]
    for i in range(size):
        low_sum[i], high_sum[i] = abs(below[2, i]), abs(above[2, i])
    for k in range(S.L.shape[0]):
        L, H = S.L[k], S.H[k]
        for i in range(size):
            a, b = below[0, i], above[0, i]
            m, d = 0.5 * (L[x + i * dx] + H[x + i * dx]), 0.5 * (H[x + i * dx] - L[x + i * dx])
            L[off + i] = a * m - abs(a) * d
            H[off + i] = b * m + abs(b) * d
            low_sum[i] += abs(a) * (abs(m) + abs(d))
            high_sum[i] += abs(b) * (abs(m) + abs(d))
        if y >= 0:
            for i in range(size):
                a, b = below[1, i], above[1, i]
                m, d = 0.5 * (L[y + i * dy] + H[y + i * dy]), 0.5 * (H[y + i * dy] - L[y + i * dy])
                L[off + i] += a * m - abs(a) * d
                H[off + i] += b * m + abs(b) * d
                low_sum[i] += abs(a) * (abs(m) + abs(d))
                high_sum[i] += abs(b) * (abs(m) + abs(d))
    L, H = S.L[0, off : off + size], S.H[0, off : off + size]
    for i in range(size):
        low_error, high_error = 32.0 * U * low_sum[i] + TINY, 32.0 * U * high_sum[i] + TINY
        L[i] = down(L[i] + below[2, i] - low_error)
        H[i] = up(H[i] + above[2, i] + high_error)


@jit
def _function(S: Space, kind: int, off: int, size: int, x: int) -> None:
    """φ(x), entry by entry."""
    lo, hi, ends, bend, far = S.lo, S.hi, S.ends, S.bend, S.far
    below, above = S.below, S.above
    for i in range(size):
        e = off + i
        low, high = lo[x + i], hi[x + i]
        if not is_defined(kind, low, high):
            for k in range(3):
                below[k, e], above[k, e] = 0.0, 0.0
            lo[e] = math.nan
            continue
        a, b = value(kind, low), value(kind, high)
        ends[0, e], ends[1, e], bend[e] = a, b, curvature(kind, low, high)
        far[0, e], far[1, e] = far_tangents(kind, low, high, bend[e])
        z = 0.5 * (low + high)
        s = supporting(kind, low, high, a, b, z, bend[e], far[0, e], False)
        t = supporting(kind, low, high, a, b, z, bend[e], far[1, e], True)
        below[0, e], below[1, e], below[2, e] = s, 0.0, intercepts(kind, s, low, high, a, b)[0]
        above[0, e], above[1, e], above[2, e] = t, 0.0, intercepts(kind, t, low, high, a, b)[1]
        if kind == SQUARE:
            bottom = 0.0 if low <= 0.0 <= high else min(a, b)
            lo[e], hi[e] = max(down(bottom), 0.0), up(max(a, b))
        elif kind == RELU:
            lo[e], hi[e] = a, b
        elif kind == TANH:
            lo[e], hi[e] = a - (abs(a) * ELEMENTARY + TINY), b + (abs(b) * ELEMENTARY + TINY)
        else:
            lo[e], hi[e] = plain_range(kind, low, high)
    _combine(S, off, size, x, 1, -1, 0)
    _settle(S, off, size)


@jit
def plane_intercepts(
    a: float, b: float, lx: float, ux: float, ly: float, uy: float
) -> tuple[float, float]:
    """(t, t') with t ≤ x y − a x − b y ≤ t' on [lx, ux] × [ly, uy], for any slopes a, b.

    The function is bilinear: its extremes lie at corners.
    """
    s, t, u, v = lx * ly, lx * uy, ux * ly, ux * uy
    moduli = abs(s) + abs(t) + abs(u) + abs(v)
    moduli += abs(a) * (abs(lx) + abs(ux)) + abs(b) * (abs(ly) + abs(uy))
    slack = 8.0 * U * moduli + TINY
    c, d = s - a * lx - b * ly, t - a * lx - b * uy
    f, g = u - a * ux - b * ly, v - a * ux - b * uy
    return min(min(c, d), min(f, g)) - slack, max(max(c, d), max(f, g)) + slack


@jit
def _product(S: Space, off: int, size: int, x: int, dx: int, y: int, dy: int) -> None:
    """x ∘ y: at first with the planes half-way between McCormick's two."""
    lo, hi, below, above = S.lo, S.hi, S.below, S.above
    for i in range(size):
        e = off + i
        lx, ux, ly, uy = lo[x + i * dx], hi[x + i * dx], lo[y + i * dy], hi[y + i * dy]
        a, b = 0.5 * (ly + uy), 0.5 * (lx + ux)
        bottom, top = plane_intercepts(a, b, lx, ux, ly, uy)
        below[0, e], below[1, e], below[2, e] = a, b, bottom
        above[0, e], above[1, e], above[2, e] = a, b, top
        s, t, u, v = lx * ly, lx * uy, ux * ly, ux * uy
        lo[e], hi[e] = down(min(min(s, t), min(u, v))), up(max(max(s, t), max(u, v)))
    _inherit(S, off, size, x, dx)
    _inherit(S, off, size, y, dy)
    _combine(S, off, size, x, dx, y, dy)
    _settle(S, off, size)


@jit
def _step(S: Space, off: int, size: int, x: int) -> None:
    """The set-valued step: 0, 1, or all of [0, 1] where the sign is not decided."""
    for i in range(size):
        e = off + i
        for line in (S.below, S.above):
            line[0, e], line[1, e] = 0.0, 0.0
        S.below[2, e] = 1.0 if S.lo[x + i] > 0.0 else 0.0
        S.above[2, e] = 0.0 if S.hi[x + i] < 0.0 else 1.0
        S.lo[e], S.hi[e] = S.below[2, e], S.above[2, e]
    _inherit(S, off, size, x, 1)
    _combine(S, off, size, x, 1, -1, 0)
    _settle(S, off, size)


@jit
def _affine(
    S: Space, off: int, rows: int, x: int, columns: int, pool: np.ndarray, weight: int, bias: int
) -> None:
    """W a + b, with Wᵀ at pool[weight:] and b at pool[bias:], floats within 2u of what is meant."""
    lo, hi, sums = S.lo, S.hi, S.mass[off : off + rows]  # scratch here
    defined = True
    for j in range(x, x + columns):
        defined = defined and math.isfinite(lo[j]) and math.isfinite(hi[j])
    for i in range(rows):
        sums[i] = abs(pool[bias + i])
    for k in range(S.L.shape[0]):
        L, H = S.L[k], S.H[k]
        for i in range(rows):
            L[off + i] = H[off + i] = pool[bias + i] if k == 0 else 0.0
        for j in range(columns):
            low, high = L[x + j], H[x + j]
            if low == 0.0 and high == 0.0:
                continue
            middle, half = 0.5 * (low + high), 0.5 * (high - low)
            size, first = abs(middle) + abs(half), weight + j * rows
            for i in range(rows):  # w ≥ 0 takes the form below for below, w < 0 the one above
                w = pool[first + i]
                product, swing = w * middle, abs(w) * half
                L[off + i] += product - swing
                H[off + i] += product + swing
                sums[i] += abs(w) * size
    g = 1.01 * U * (2 * columns + 24)
    L, H = S.L[0], S.H[0]
    for i in range(rows):
        error = g * (1.0 + 1e-9) * sums[i] + TINY
        L[off + i] = down(L[off + i] - error)
        H[off + i] = up(H[off + i] + error)
        lo[off + i], hi[off + i] = -math.inf if defined else math.nan, math.inf
    _settle(S, off, rows)


@jit
def _sum(S: Space, off: int, size: int, x: int, dx: int, y: int, dy: int, sign: float) -> None:
    """x + sign · y."""
    below, above = S.below, S.above
    for e in range(off, off + size):
        below[0, e], below[1, e], below[2, e] = 1.0, sign, 0.0
        above[0, e], above[1, e], above[2, e] = 1.0, sign, 0.0
    _unlimited(S, off, size)
    _inherit(S, off, size, x, dx)
    _inherit(S, off, size, y, dy)
    _combine(S, off, size, x, dx, y, dy)
    _settle(S, off, size)


@jit
def _scale_and_shift(
    S: Space, off: int, size: int, x: int, dx: int, sign: float, pool: np.ndarray, c: int, d: int,
    scales: bool,
) -> None:  # fmt: skip
    """sign · x + c, or c · x, for constants c ± d."""
    below, above, lo, hi = S.below, S.above, S.lo, S.hi
    for i in range(size):
        e, z, middle, radius = off + i, x + i * dx, pool[c + i], pool[d + i]
        factor, shift, spread = middle, 0.0, 0.0
        if scales:
            if radius > 0.0:
                spread = up(radius * max(abs(lo[z]), abs(hi[z])))
        else:
            factor, shift = sign, middle
            spread = up(radius + 2.0 * U * abs(middle))
        below[0, e], below[1, e], below[2, e] = factor, 0.0, down(shift - spread)
        above[0, e], above[1, e], above[2, e] = factor, 0.0, up(shift + spread)
    _unlimited(S, off, size)
    _inherit(S, off, size, x, dx)
    _combine(S, off, size, x, dx, -1, 0)
    _settle(S, off, size)


@numba.njit(inline="always")
def _copy(S: Space, e: int, x: int) -> None:
    for k in range(S.L.shape[0]):
        S.L[k, e], S.H[k, e] = S.L[k, x], S.H[k, x]
    S.lo[e], S.hi[e] = S.lo[x], S.hi[x]


@jit
def _input(
    S: Space, off: int, size: int, first: int, centre: np.ndarray, radius: np.ndarray
) -> None:
    for i in range(size):
        for k in range(S.L.shape[0]):
            S.L[k, off + i] = S.H[k, off + i] = radius[first + i] if k == 1 + first + i else 0.0
        S.L[0, off + i] = S.H[0, off + i] = centre[first + i]
    _unlimited(S, off, size)
    _settle(S, off, size)


@jit
def _constant(S: Space, off: int, size: int, pool: np.ndarray, c: int, d: int) -> None:
    for i in range(size):
        for k in range(S.L.shape[0]):
            S.L[k, off + i], S.H[k, off + i] = 0.0, 0.0
        S.L[0, off + i] = down(pool[c + i] - pool[d + i])
        S.H[0, off + i] = up(pool[c + i] + pool[d + i])
    _unlimited(S, off, size)
    _settle(S, off, size)


@jit
def forward(
    code: np.ndarray,
    pool: np.ndarray,
    lists: np.ndarray,
    centre: np.ndarray,
    radius: np.ndarray,
    S: Space,
) -> None:
    """Forms, ranges, lines and planes of every entry on the box centre ± radius."""
    for r in range(code.shape[0]):
        op, size, off = code[r, p.OPERATION], code[r, p.SIZE], code[r, p.OFFSET]
        x, y, extra = code[r, p.FIRST], code[r, p.SECOND], code[r, p.EXTRA]
        xo, xs, yo, ys = 0, 0, 0, 0
        if x >= 0:
            xo, xs = code[x, p.OFFSET], code[x, p.SIZE]
        if y >= 0:
            yo, ys = code[y, p.OFFSET], code[y, p.SIZE]
        dx, dy = 1 if xs > 1 else 0, 1 if ys > 1 else 0
        c, d = code[r, p.POOL], code[r, p.POOL2]
        if op == p.INPUT:
            _input(S, off, size, extra, centre, radius)
        elif op == p.AFFINE:
            _affine(S, off, size, xo, xs, pool, c, d)
        elif op == p.ADD or op == p.SUB:
            _sum(S, off, size, xo, dx, yo, dy, 1.0 if op == p.ADD else -1.0)
        elif op == p.ADD_CONSTANT or op == p.SCALE:
            _scale_and_shift(S, off, size, xo, dx, float(extra), pool, c, d, op == p.SCALE)
        elif op == p.MUL and x != y:
            _product(S, off, size, xo, dx, yo, dy)
        elif op == p.MUL:
            _function(S, SQUARE, off, size, xo)
        elif op == p.UNARY:
            _function(S, extra, off, size, xo)
        elif op == p.RELU:
            _function(S, RELU, off, size, xo)
        elif op == p.STEP:
            _step(S, off, size, xo)
        elif op == p.STACK:
            at = off
            for j in range(lists[extra]):
                part = lists[extra + 1 + j]
                for i in range(code[part, p.SIZE]):
                    _copy(S, at, code[part, p.OFFSET] + i)
                    at += 1
        elif op == p.SLICE:
            for i in range(size):
                _copy(S, off + i, xo + lists[extra + i])
        elif op == p.CONST:
            _constant(S, off, size, pool, c, d)
        else:
            for i in range(size):
                _set_undefined(S, off + i)
