"""The backward pass of a linear relaxation, and better slopes for it; see ``relaxation``."""

from __future__ import annotations

import math

import numpy as np

from certify.enclosure import program as p
from certify.enclosure.compiled import jit
from certify.enclosure.lines import RELU, SQUARE, intercepts, is_defined
from certify.enclosure.relaxation import Space, plane_intercepts
from certify.enclosure.rounding import TINY, U, up
from certify.enclosure.slopes import supporting


@jit
def clear(S: Space) -> None:
    """No multipliers yet."""
    for e in range(S.multiplier.shape[0]):
        S.multiplier[e], S.mass[e] = 0.0, 0.0


@jit
def add(S: Space, e: int, value: float) -> None:
    """One more contribution to a multiplier."""
    S.multiplier[e] += value
    S.mass[e] += abs(value)


@jit
def _affine_backward(
    S: Space,
    off: int,
    rows: int,
    x: int,
    columns: int,
    pool: np.ndarray,
    weight: int,
    bias: int,
    g: float,
    error: float,
) -> tuple[bool, float, float, float]:
    """λᵀ(W a + b): whether there is anything, the error so far, λᵀb, and the sum of its moduli."""
    factor, mass = S.multiplier[off : off + rows], S.mass[off : off + rows]
    lo, hi = S.lo[off : off + rows], S.hi[off : off + rows]
    whole, part, moduli = 0.0, 0.0, 0.0
    for i in range(rows):
        whole += mass[i]
        if mass[i] != 0.0:
            error += g * mass[i] * max(abs(lo[i]), abs(hi[i]))
            part += factor[i] * pool[bias + i]
            moduli += abs(factor[i] * pool[bias + i])
    if whole == 0.0:
        return False, error, 0.0, 0.0
    for j in range(columns):
        column = pool[weight + j * rows : weight + (j + 1) * rows]
        # Four sums at once: one would wait for itself at every step.
        v0, v1, v2, v3, s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        whole_rows = rows - rows % 4
        for i in range(0, whole_rows, 4):
            t0, t1 = factor[i] * column[i], factor[i + 1] * column[i + 1]
            t2, t3 = factor[i + 2] * column[i + 2], factor[i + 3] * column[i + 3]
            v0, v1, v2, v3 = v0 + t0, v1 + t1, v2 + t2, v3 + t3
            s0, s1, s2, s3 = s0 + abs(t0), s1 + abs(t1), s2 + abs(t2), s3 + abs(t3)
        for i in range(whole_rows, rows):
            t0 = factor[i] * column[i]
            v0, s0 = v0 + t0, s0 + abs(t0)
        S.multiplier[x + j] += (v0 + v1) + (v2 + v3)
        S.mass[x + j] += (s0 + s1) + (s2 + s3)
    return True, error, part, moduli


@jit
def backward(
    code: np.ndarray,
    pool: np.ndarray,
    lists: np.ndarray,
    constant: float,
    widest: int,
    S: Space,
    centre: np.ndarray,
    radius: np.ndarray,
    form: np.ndarray,
) -> float:
    """An upper bound of constant + Σ λ_e e on the box, for the multipliers λ that are set.

    Fills ``form`` (1 + n,) with an affine function of t that bounds the sum from above.
    """
    # No multiplier and no constant is a sum of more contributions than this, nor any of them the
    # result of more than a few roundings.
    g = 1.01 * U * (widest * 4 + 4 * S.multiplier.shape[0] + 64)
    error, total, moduli = 0.0, constant, abs(constant)
    multiplier, mass, lo, hi = S.multiplier, S.mass, S.lo, S.hi
    below, above = S.below, S.above
    for k in range(form.shape[0]):
        form[k] = 0.0
    for r in range(code.shape[0] - 1, -1, -1):
        op, size, off = code[r, p.OPERATION], code[r, p.SIZE], code[r, p.OFFSET]
        x, y = code[r, p.FIRST], code[r, p.SECOND]
        xo = code[x, p.OFFSET] if x >= 0 else 0
        xs = code[x, p.SIZE] if x >= 0 else 0
        yo = code[y, p.OFFSET] if y >= 0 else 0
        ys = code[y, p.SIZE] if y >= 0 else 0
        if op == p.STACK:
            at = off
            for j in range(lists[code[r, p.EXTRA]]):
                part = lists[code[r, p.EXTRA] + 1 + j]
                for i in range(code[part, p.SIZE]):
                    if mass[at] != 0.0:
                        multiplier[code[part, p.OFFSET] + i] += multiplier[at]
                        mass[code[part, p.OFFSET] + i] += abs(multiplier[at])
                        error += g * mass[at] * max(abs(lo[at]), abs(hi[at]))
                    at += 1
            continue
        if op == p.AFFINE:
            there, error, part, size_of_part = _affine_backward(
                S, off, size, xo, xs, pool, code[r, p.POOL], code[r, p.POOL2], g, error
            )
            if there:
                total += part
                moduli += size_of_part
            continue
        dx, dy = 1 if xs > 1 else 0, 1 if ys > 1 else 0
        extra = code[r, p.EXTRA]
        for i in range(size):
            e = off + i
            m = mass[e]
            if m == 0.0:
                continue
            factor, part = multiplier[e], 0.0
            error += g * m * max(abs(lo[e]), abs(hi[e]))
            if op == p.INPUT:
                form[1 + extra + i] += factor * radius[extra + i]
                part = factor * centre[extra + i]
            elif op == p.SLICE:
                k = xo + lists[extra + i]
                multiplier[k] += factor
                mass[k] += abs(factor)
            elif op == p.CONST:
                part = factor * (S.H[0, e] if factor > 0.0 else S.L[0, e])
            else:
                line = above if factor > 0.0 else below
                term = factor * line[0, e]
                multiplier[xo + i * dx] += term
                mass[xo + i * dx] += abs(term)
                if y >= 0:
                    term = factor * line[1, e]
                    multiplier[yo + i * dy] += term
                    mass[yo + i * dy] += abs(term)
                part = factor * line[2, e]
            total += part
            moduli += abs(part)
    bound, spread = total, 0.0
    for k in range(1, form.shape[0]):
        spread += abs(form[k])
    # Contributions that underflow leave no trace: fewer than 10²⁰ of them, each below 5e-324.
    lost = 1.0
    for e in range(len(lo)):
        largest = max(abs(lo[e]), abs(hi[e]))
        lost += largest if largest < math.inf else 0.0
    error += TINY * lost
    form[0] = up(total + (error * (1.0 + g) + g * (moduli + spread)) * (1.0 + 1e-9) + TINY)
    bound = up(up(form[0] + spread) + g * spread)
    return bound if bound == bound else math.inf


@jit
def improve(
    code: np.ndarray,
    pool: np.ndarray,
    lists: np.ndarray,
    S: Space,
    centre: np.ndarray,
    radius: np.ndarray,
    form: np.ndarray,
) -> None:
    """Better slopes for the bound that the last backward pass gave.

    The bound is attained at a corner of the box, where the lines in use give every entry a value.
    Its derivative with respect to a slope vanishes where the line touches the function at the value
    of its argument: so every line in use is moved half the way to the one that supports the
    function's envelope there.
    """
    at, multiplier, below, above = S.at, S.multiplier, S.below, S.above
    for r in range(code.shape[0]):
        op, size, off = code[r, p.OPERATION], code[r, p.SIZE], code[r, p.OFFSET]
        x, y, extra = code[r, p.FIRST], code[r, p.SECOND], code[r, p.EXTRA]
        xo, xs, yo, ys = 0, 0, 0, 0
        if x >= 0:
            xo, xs = code[x, p.OFFSET], code[x, p.SIZE]
        if y >= 0:
            yo, ys = code[y, p.OFFSET], code[y, p.SIZE]
        dx, dy = 1 if xs > 1 else 0, 1 if ys > 1 else 0
        if op == p.STACK:
            position = off
            for j in range(lists[extra]):
                part = lists[extra + 1 + j]
                for i in range(code[part, p.SIZE]):
                    at[position] = at[code[part, p.OFFSET] + i]
                    position += 1
        elif op == p.AFFINE:
            for i in range(size):
                at[off + i] = pool[code[r, p.POOL2] + i]
            for j in range(xs):
                v, first = at[xo + j], code[r, p.POOL] + j * size
                for i in range(size):
                    at[off + i] += pool[first + i] * v
        elif op == p.INPUT:
            for i in range(size):
                v = extra + i
                at[off + i] = centre[v] + (radius[v] if form[1 + v] >= 0.0 else -radius[v])
        elif op == p.SLICE:
            for i in range(size):
                at[off + i] = at[xo + lists[extra + i]]
        elif op == p.CONST:
            for i in range(size):
                at[off + i] = pool[code[r, p.POOL] + i]
        else:
            for i in range(size):
                e = off + i
                line = above if multiplier[e] > 0.0 else below
                at[e] = line[0, e] * at[xo + i * dx] + line[2, e]
                if y >= 0:
                    at[e] += line[1, e] * at[yo + i * dy]
            if op == p.MUL and x != y:
                _turn_planes(S, off, size, xo, dx, yo, dy)
            elif op == p.MUL:
                _turn_lines(S, SQUARE, off, size, xo)
            elif op == p.RELU:
                _turn_lines(S, RELU, off, size, xo)
            elif op == p.UNARY:
                _turn_lines(S, extra, off, size, xo)


@jit
def _turn_lines(S: Space, kind: int, off: int, size: int, x: int) -> None:
    """Half the way to the line that supports the function's envelope at the corner's value."""
    lo, hi, ends, bend, far = S.lo, S.hi, S.ends, S.bend, S.far
    multiplier, at, below, above = S.multiplier, S.at, S.below, S.above
    for i in range(size):
        e, z = off + i, x + i
        if multiplier[e] == 0.0 or not is_defined(kind, lo[z], hi[z]):
            continue
        upper = multiplier[e] > 0.0
        line, side = (above, 1) if upper else (below, 0)
        a, b = ends[0, e], ends[1, e]
        best = supporting(kind, lo[z], hi[z], a, b, at[z], bend[e], far[side, e], upper)
        line[0, e] = 0.5 * (line[0, e] + best)
        bottom, top = intercepts(kind, line[0, e], lo[z], hi[z], a, b)
        line[2, e] = top if upper else bottom


@jit
def _turn_planes(S: Space, off: int, size: int, x: int, dx: int, y: int, dy: int) -> None:
    """Half the way to the one of McCormick's two planes that is better at the corner."""
    lo, hi, multiplier, at, below, above = S.lo, S.hi, S.multiplier, S.at, S.below, S.above
    for i in range(size):
        e, left, right = off + i, x + i * dx, y + i * dy
        if multiplier[e] == 0.0:
            continue
        upper = multiplier[e] > 0.0
        line = above if upper else below
        lx, ux, ly, uy = lo[left], hi[left], lo[right], hi[right]
        u, v = at[left], at[right]
        first, second, third, fourth = (uy, lx, ly, ux) if upper else (ly, lx, uy, ux)
        one = first * u + second * v - first * second
        other = third * u + fourth * v - third * fourth
        if (other < one) == upper:
            first, second = third, fourth
        a, b = 0.5 * (line[0, e] + first), 0.5 * (line[1, e] + second)
        bottom, top = plane_intercepts(a, b, lx, ux, ly, uy)
        line[0, e], line[1, e], line[2, e] = a, b, top if upper else bottom
