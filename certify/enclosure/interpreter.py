"""Runs a program on boxes and tests constraints; the inner loop of every search."""

from __future__ import annotations

import numpy as np

from certify.enclosure import kernel as k
from certify.enclosure import program as p
from certify.enclosure.compiled import jit
from certify.enclosure.kernel import Tables
from certify.enclosure.rounding import TINY, U, down, up

LAG, DISTURBANCE_LAG = 256.0, 4.0
"""A coordinate this much wider than the nearest constraint's, relatively, is halved instead; V does
not depend on disturbances, so that theirs is rarely the nearest."""


@jit
def _input(
    C: np.ndarray,
    G: np.ndarray,
    out: int,
    size: int,
    first: int,
    centre: np.ndarray,
    radius: np.ndarray,
    T: Tables,
) -> None:
    """x_v = c_v + r_v t_v."""
    for i in range(size):
        v = first + i
        C[out * T.M + i] = centre[v]
        if T.K >= 1:
            C[out * T.M + (1 + v) * size + i] = radius[v]
        G[out * (T.K + 2) + (T.K + 1) * size + i] = 0.0 if T.K >= 1 else radius[v]


@jit
def _copy(
    C: np.ndarray,
    G: np.ndarray,
    out: int,
    size: int,
    at: int,
    arg: int,
    arg_size: int,
    i: int,
    T: Tables,
) -> None:
    """Entry ``at`` of the register out := entry i of the register arg."""
    for a in range(T.M):
        C[out * T.M + a * size + at] = C[arg * T.M + a * arg_size + i]
    rem = (T.K + 1) * arg_size + i
    G[out * (T.K + 2) + (T.K + 1) * size + at] = G[arg * (T.K + 2) + rem]


@jit
def run(
    code: np.ndarray,
    pool: np.ndarray,
    lists: np.ndarray,
    centre: np.ndarray,
    radius: np.ndarray,
    given: np.ndarray,
    given_rem: np.ndarray,
    T: Tables,
    C: np.ndarray,
    G: np.ndarray,
    coef: np.ndarray,
    work: np.ndarray,
    product: np.ndarray,
) -> None:
    """Fill the workspace C, G with the models of every register on the box centre ± radius.

    ``given`` (entries, M) and ``given_rem`` (entries,) are the preloaded models.
    """
    for r in range(code.shape[0]):
        op, size, off = code[r, p.OPERATION], code[r, p.SIZE], code[r, p.OFFSET]
        top = min(code[r, p.DEGREE], T.K)
        x = code[r, p.FIRST]
        y = code[r, p.SECOND]
        xo, xs, xt = 0, 0, 0
        if x >= 0:
            xo, xs, xt = code[x, p.OFFSET], code[x, p.SIZE], min(code[x, p.DEGREE], T.K)
        k.clear(C, off, size, T)
        if op == p.INPUT:
            _input(C, G, off, size, code[r, p.EXTRA], centre, radius, T)
        elif op == p.PRELOADED:
            first = code[r, p.EXTRA]
            for i in range(size):
                for a in range(T.M):
                    C[off * T.M + a * size + i] = given[first + i, a]
                G[off * (T.K + 2) + (T.K + 1) * size + i] = given_rem[first + i]
        elif op == p.AFFINE:
            k.affine(C, G, off, size, xo, xs, xt, pool, code[r, p.POOL], code[r, p.POOL2], T)
        elif op == p.ADD or op == p.SUB:
            yo, ys, yt = code[y, p.OFFSET], code[y, p.SIZE], min(code[y, p.DEGREE], T.K)
            k.add(C, G, off, size, xo, xs, xt, yo, ys, yt, 1.0 if op == p.ADD else -1.0, T)
        elif op == p.ADD_CONSTANT:
            sign = float(code[r, p.EXTRA])
            k.add_constant(
                C, G, off, size, xo, xs, xt, sign, pool, code[r, p.POOL], code[r, p.POOL2], T
            )
        elif op == p.SCALE:
            k.scale(C, G, off, size, xo, xs, xt, pool, code[r, p.POOL], code[r, p.POOL2], T)
        elif op == p.MUL:
            yo, ys, yt = code[y, p.OFFSET], code[y, p.SIZE], min(code[y, p.DEGREE], T.K)
            k.multiply(C, G, off, size, xo, xs, xt, yo, ys, yt, T)
        elif op == p.UNARY:
            k.unary(code[r, p.EXTRA], C, G, off, size, xo, xt, coef, work, product, T)
        elif op == p.RELU:
            k.relu(C, G, off, size, xo, xt, T)
        elif op == p.STEP:
            k.step(C, G, off, size, xo, xt, T)
        elif op == p.STACK:
            start = code[r, p.EXTRA]
            at = 0
            for j in range(lists[start]):
                part = lists[start + 1 + j]
                for i in range(code[part, p.SIZE]):
                    _copy(C, G, off, size, at, code[part, p.OFFSET], code[part, p.SIZE], i, T)
                    at += 1
        elif op == p.SLICE:
            for i in range(size):
                _copy(C, G, off, size, i, xo, xs, lists[code[r, p.EXTRA] + i], T)
        elif op == p.CONST:
            for i in range(size):
                C[off * T.M + i] = pool[code[r, p.POOL] + i]
                G[off * (T.K + 2) + (T.K + 1) * size + i] = pool[code[r, p.POOL2] + i]
        k.store_buckets(C, G, off, size, top, T)


@jit
def bound_outputs(
    code: np.ndarray,
    pool: np.ndarray,
    lists: np.ndarray,
    outputs: np.ndarray,
    widest: int,
    entries: int,
    centre: np.ndarray,
    radius: np.ndarray,
    given: np.ndarray,
    given_rem: np.ndarray,
    T: Tables,
    out_lower: np.ndarray,
    out_upper: np.ndarray,
) -> None:
    """Bounds of every output on every box; centre, radius (B, n); out_lower, out_upper (B, J)."""
    C, G = np.zeros(entries * T.M), np.zeros(entries * (T.K + 2))
    coef, work = np.zeros((T.K + 1, widest)), np.zeros(6 * (T.K + 2))
    product = np.zeros(widest * T.M)
    for b in range(centre.shape[0]):
        run(
            code, pool, lists, centre[b], radius[b], given[b], given_rem[b], T, C, G, coef, work,
            product,
        )  # fmt: skip
        for j in range(outputs.shape[0]):
            row = outputs[j]
            top = min(code[row, p.DEGREE], T.K)
            out_lower[b, j], out_upper[b, j] = k.entry_range(
                C, G, code[row, p.OFFSET], 1, 0, top, T
            )


@jit
def test_boxes(
    code: np.ndarray,
    pool: np.ndarray,
    lists: np.ndarray,
    outputs: np.ndarray,
    widest: int,
    entries: int,
    centre: np.ndarray,
    radius: np.ndarray,
    given: np.ndarray,
    given_rem: np.ndarray,
    T: Tables,
    sign: np.ndarray,
    level: np.ndarray,
    level_error: np.ndarray,
    strict: np.ndarray,
    scale: np.ndarray,
    states: int,
    reason: np.ndarray,
    weight: np.ndarray,
    axis: np.ndarray,
    middle: np.ndarray,
    out_lower: np.ndarray,
    out_upper: np.ndarray,
) -> None:
    """Close boxes on which not all of h_j ≥ 0 can hold, h_j = sign_j · output_j − level_j.

    For each box b: ``reason[b]`` is −1 where it stays open; j < J where h_j < 0 on it (≤ 0 for a
    strict constraint h_j > 0); J + i·J + j where h_j + weight[b] h_i < 0 with weight[b] ≥ 0.
    ``axis[b]`` is the coordinate to split, judged by the constraint nearest to closing the box.
    ``middle[b, j]`` approximates h_j at the centre; out_lower and out_upper bound h_j on the box.
    ``level`` is enclosed by ± level_error. ``scale`` (n,) are the widths of the whole region.
    Coordinates from ``states`` on are disturbances. Where a box lies across the boundary of the
    nearest constraint, halving it for that one's sake goes on for ever and closes nothing: a
    coordinate that another constraint asks for is halved once it lags behind.
    """
    J = outputs.shape[0]
    C, G = np.zeros(entries * T.M), np.zeros(entries * (T.K + 2))
    coef, work = np.zeros((T.K + 1, widest)), np.zeros(6 * (T.K + 2))
    product, combined = np.zeros(widest * T.M), np.zeros(T.M)
    for b in range(centre.shape[0]):
        run(
            code, pool, lists, centre[b], radius[b], given[b], given_rem[b], T, C, G, coef, work,
            product,
        )  # fmt: skip
        reason[b] = -1
        weight[b] = 0.0
        nearest, nearest_share = 0, np.inf
        for j in range(J):
            row = outputs[j]
            off, top = code[row, p.OFFSET], min(code[row, p.DEGREE], T.K)
            low, high = k.entry_range(C, G, off, 1, 0, top, T)
            if sign[j] > 0.0:
                a, z = down(low - level[j] - level_error[j]), up(high - level[j] + level_error[j])
            else:
                a, z = down(-high - level[j] - level_error[j]), up(-low - level[j] + level_error[j])
            # Two subtractions, two roundings: once more outwards.
            a, z = down(a), up(z)
            out_lower[b, j], out_upper[b, j] = a, z
            middle[b, j] = sign[j] * C[off * T.M] - level[j]
            if reason[b] < 0 and (z < 0.0 or (strict[j] and z <= 0.0)):
                reason[b] = j
            share = z / (z - a) if z - a > 0.0 else np.inf
            if share < nearest_share:
                nearest, nearest_share = j, share
        if reason[b] >= 0:
            continue
        _close_by_pairs(
            b, C, G, code, outputs, T, sign, level, level_error, combined, reason, weight
        )
        if reason[b] < 0:
            best = _axis(C, G, code[outputs[nearest], p.OFFSET], radius[b], scale, T)
            if best >= 0:
                for j in range(J):
                    v = _axis(C, G, code[outputs[j], p.OFFSET], radius[b], scale, T)
                    lag = LAG if v < states else DISTURBANCE_LAG
                    if radius[b, v] * scale[best] > lag * radius[b, best] * scale[v]:
                        best = v
            axis[b] = best


@jit
def _close_by_pairs(
    b: int,
    C: np.ndarray,
    G: np.ndarray,
    code: np.ndarray,
    outputs: np.ndarray,
    T: Tables,
    sign: np.ndarray,
    level: np.ndarray,
    level_error: np.ndarray,
    combined: np.ndarray,
    reason: np.ndarray,
    weight: np.ndarray,
) -> None:
    """Look for w ≥ 0 with h_j + w h_i < 0 on the box: then h_i ≥ 0 and h_j ≥ 0 exclude each other.

    w is chosen to cancel the linear parts as far as it can (the S-procedure with one multiplier).
    """
    J = outputs.shape[0]
    for j in range(J):
        for i in range(J):
            if i == j or reason[b] >= 0:
                continue
            oi, oj = code[outputs[i], p.OFFSET], code[outputs[j], p.OFFSET]
            dot, norm = 0.0, 0.0
            if T.K >= 1:
                for v in range(1, 1 + T.n):
                    dot += sign[i] * C[oi * T.M + v] * sign[j] * C[oj * T.M + v]
                    norm += C[oi * T.M + v] * C[oi * T.M + v]
            if not (dot < 0.0 and norm > 0.0):
                continue
            w = -dot / norm
            if combination_is_negative(
                oi, oj, w, C, G, T, sign[i], sign[j], level[i], level[j], level_error[i],
                level_error[j], combined,
            ):  # fmt: skip
                reason[b] = J + i * J + j
                weight[b] = w


@jit
def combination_is_negative(
    oi: int,
    oj: int,
    w: float,
    C: np.ndarray,
    G: np.ndarray,
    T: Tables,
    sign_i: float,
    sign_j: float,
    level_i: float,
    level_j: float,
    error_i: float,
    error_j: float,
    combined: np.ndarray,
) -> bool:
    """Whether h_j + w h_i < 0 on the box, rigorously."""
    mass = 0.0
    for a in range(T.M):
        x, y = sign_j * C[oj * T.M + a], w * sign_i * C[oi * T.M + a]
        combined[a] = x + y
        mass += abs(x) + abs(y)
    combined[0] -= level_j + w * level_i
    mass += abs(level_j) + w * abs(level_i)
    rem = G[oj * (T.K + 2) + T.K + 1] + w * G[oi * (T.K + 2) + T.K + 1] + error_j + w * error_i
    _, high = k.polynomial_range(combined, 0, 1, T.K, T)
    slack = rem * (1.0 + 32.0 * U) + 8.0 * U * (T.M + 8) * mass + TINY
    negative: bool = up(high + slack) < 0.0
    return negative


@jit
def _axis(
    C: np.ndarray,
    G: np.ndarray,
    off: int,
    radius: np.ndarray,
    scale: np.ndarray,
    T: Tables,
) -> int:
    """The coordinate whose halving takes most from the polynomial's spread.

    Where the remainder outweighs the spread, the relatively widest coordinate; −1 for a point.
    """
    best, best_value, spread = -1, -1.0, 0.0
    for v in range(T.n):
        if radius[v] > 0.0:
            influence = 0.0
            for a in range(1, T.M):
                if T.exponent[a, v] > 0:
                    influence += abs(C[off * T.M + a])
            spread += influence
            if influence > best_value:
                best, best_value = v, influence
    if not (spread > G[off * (T.K + 2) + T.K + 1]):
        best_value = -1.0
        for v in range(T.n):
            if radius[v] > 0.0 and radius[v] / scale[v] > best_value:
                best, best_value = v, radius[v] / scale[v]
    return best
