"""Bounds and tests of boxes by linear relaxations: what ``interpreter`` does by Taylor models."""

from __future__ import annotations

import math

import numpy as np

from certify.enclosure import backward as back
from certify.enclosure import program as p
from certify.enclosure import relaxation
from certify.enclosure.compiled import jit
from certify.enclosure.interpreter import DISTURBANCE_LAG, LAG
from certify.enclosure.relaxation import Space
from certify.enclosure.rounding import TINY, U, down, up

ROUNDS = 2
"""Improvements of the slopes for the constraint that is nearest to closing a box."""

PROMISING = 0.25
"""They are tried where a bound has to fall by at most this share of the constraint's range."""


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
    out_lower: np.ndarray,
    out_upper: np.ndarray,
) -> None:
    """Bounds of every output on every box; centre, radius (B, n); out_lower, out_upper (B, J)."""
    n = centre.shape[1]
    S, form = relaxation.space(n, entries), np.zeros(n + 1)
    for b in range(centre.shape[0]):
        relaxation.forward(code, pool, lists, centre[b], radius[b], S)
        for j in range(outputs.shape[0]):
            e = code[outputs[j], p.OFFSET]
            for side in range(2):
                best = S.hi[e] if side else -S.lo[e]
                for turn in range(1 + ROUNDS):
                    if turn:
                        back.improve(code, pool, lists, S, centre[b], radius[b], form)
                    back.clear(S)
                    back.add(S, e, 1.0 if side else -1.0)
                    found = back.backward(
                        code, pool, lists, 0.0, widest, S, centre[b], radius[b], form
                    )
                    best = min(best, found)
                if side:
                    out_upper[b, j] = best
                else:
                    out_lower[b, j] = -best


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
    """As ``interpreter.test_boxes``, which says what the arguments are."""
    n, J = centre.shape[1], outputs.shape[0]
    S = relaxation.space(n, entries)
    forms, combined, gap = np.zeros((J, n + 1)), np.zeros(n + 1), np.zeros(J)
    for b in range(centre.shape[0]):
        relaxation.forward(code, pool, lists, centre[b], radius[b], S)
        reason[b], weight[b], axis[b] = -1, 0.0, -1
        nearest, nearest_share = 0, np.inf
        for j in range(J):
            e = code[outputs[j], p.OFFSET]
            low, high = (S.lo[e], S.hi[e]) if sign[j] > 0.0 else (-S.hi[e], -S.lo[e])
            a = down(down(low - level[j] - level_error[j]))
            z = up(up(high - level[j] + level_error[j]))
            out_lower[b, j], out_upper[b, j] = a, z
            middle[b, j] = sign[j] * 0.5 * (S.L[0, e] + S.H[0, e]) - level[j]
            if not math.isfinite(S.lo[e]):
                middle[b, j] = -1.0
            gap[j] = S.H[0, e] - S.L[0, e]
            share = z / (z - a) if z - a > 0.0 else np.inf
            if share < nearest_share:
                nearest, nearest_share = j, share
        _close(out_upper[b], strict, b, reason)
        for turn in range(J):
            # The constraint that is nearest to closing the box first.
            j = nearest if turn == 0 else (turn - 1 if turn <= nearest else turn)
            if reason[b] < 0:
                bound = _bound(
                    j, code, pool, lists, outputs, widest, S, centre[b], radius[b], sign, level,
                    level_error, forms[j],
                )  # fmt: skip
                out_upper[b, j] = min(out_upper[b, j], bound)
                _close(out_upper[b], strict, b, reason)
        if reason[b] >= 0:
            continue
        nearest_share = np.inf
        for j in range(J):
            spread = out_upper[b, j] - out_lower[b, j]
            share = out_upper[b, j] / spread if spread > 0.0 else np.inf
            if share < nearest_share:
                nearest, nearest_share = j, share
        if reason[b] < 0:
            _close_by_pairs(
                b, code, pool, lists, outputs, widest, S, centre[b], radius[b], sign, level,
                level_error, forms, combined, reason, weight,
            )  # fmt: skip
        if reason[b] < 0 and nearest_share < PROMISING:
            for _ in range(ROUNDS):
                # The slopes are improved for the multipliers of the last backward pass.
                _bound(
                    nearest, code, pool, lists, outputs, widest, S, centre[b], radius[b], sign,
                    level, level_error, combined,
                )  # fmt: skip
                back.improve(code, pool, lists, S, centre[b], radius[b], combined)
                z = _bound(
                    nearest, code, pool, lists, outputs, widest, S, centre[b], radius[b], sign,
                    level, level_error, combined,
                )  # fmt: skip
                out_upper[b, nearest] = min(out_upper[b, nearest], z)
            _close(out_upper[b], strict, b, reason)
        if reason[b] < 0:
            axis[b] = _split_axis(forms, gap, nearest, radius[b], scale, states)


@jit
def _close(upper: np.ndarray, strict: np.ndarray, b: int, reason: np.ndarray) -> None:
    for j in range(upper.shape[0]):
        if reason[b] < 0 and (upper[j] < 0.0 or (strict[j] and upper[j] <= 0.0)):
            reason[b] = j


@jit
def _bound(
    j: int,
    code: np.ndarray,
    pool: np.ndarray,
    lists: np.ndarray,
    outputs: np.ndarray,
    widest: int,
    S: Space,
    centre: np.ndarray,
    radius: np.ndarray,
    sign: np.ndarray,
    level: np.ndarray,
    level_error: np.ndarray,
    form: np.ndarray,
) -> float:
    """An upper bound of h_j on the box, and an affine function above it."""
    back.clear(S)
    back.add(S, code[outputs[j], p.OFFSET], sign[j])
    constant = -level[j] + level_error[j]  # one rounding, which backward counts
    bound: float = back.backward(code, pool, lists, constant, widest, S, centre, radius, form)
    return bound


@jit
def _close_by_pairs(
    b: int,
    code: np.ndarray,
    pool: np.ndarray,
    lists: np.ndarray,
    outputs: np.ndarray,
    widest: int,
    S: Space,
    centre: np.ndarray,
    radius: np.ndarray,
    sign: np.ndarray,
    level: np.ndarray,
    level_error: np.ndarray,
    forms: np.ndarray,
    combined: np.ndarray,
    reason: np.ndarray,
    weight: np.ndarray,
) -> None:
    """Look for w ≥ 0 with h_j + w h_i < 0 on the box: from the affine functions above both, and
    then by a backward pass of the sum, for the best of these weights."""
    J = outputs.shape[0]
    best, first, second, best_weight = np.inf, -1, -1, 0.0
    for j in range(J):
        for i in range(J):
            if i == j:
                continue
            w, value = _best_weight(forms[j], forms[i])
            if value < 0.0:
                reason[b], weight[b] = J + i * J + j, w
                return
            relative = value / (1e-300 + abs(forms[j, 0]) + w * abs(forms[i, 0]))
            if w > 0.0 and relative < best:
                best, first, second, best_weight = relative, j, i, w
    if first < 0 or not best < 1.0:
        return
    w = best_weight
    back.clear(S)
    back.add(S, code[outputs[first], p.OFFSET], sign[first])
    back.add(S, code[outputs[second], p.OFFSET], sign[second] * w)
    moduli = abs(level[first]) + w * abs(level[second])
    errors = level_error[first] + w * level_error[second]
    constant = up(up(-level[first] - w * level[second]) + errors + 16.0 * U * (moduli + errors))
    bound = back.backward(code, pool, lists, constant, widest, S, centre, radius, combined)
    if bound < 0.0:
        reason[b], weight[b] = J + second * J + first, w


@jit
def _best_weight(f: np.ndarray, g: np.ndarray) -> tuple[float, float]:
    """The w > 0 that minimises the bound of f + w g over t ∈ [−1, 1]ⁿ, and that bound.

    The bound is convex and piecewise linear in w: its minimum lies where a coefficient vanishes.
    """
    best_weight, best = 0.0, np.inf
    for k in range(1, f.shape[0]):
        if f[k] * g[k] < 0.0:
            w = -f[k] / g[k]
            total, moduli = f[0] + w * g[0], abs(f[0]) + w * abs(g[0])
            for m in range(1, f.shape[0]):
                total += abs(f[m] + w * g[m])
                moduli += abs(f[m]) + w * abs(g[m])
            bound = up(total + 8.0 * U * (f.shape[0] + 4) * moduli + TINY)
            if bound < best:
                best_weight, best = w, bound
    return best_weight, best


@jit
def _split_axis(
    forms: np.ndarray,
    gap: np.ndarray,
    nearest: int,
    radius: np.ndarray,
    scale: np.ndarray,
    states: int,
) -> int:
    """The coordinate to halve, by the same rule as for Taylor models."""
    best = _steepest(forms[nearest], gap[nearest], radius, scale)
    if best < 0:
        return best
    for j in range(forms.shape[0]):
        v = _steepest(forms[j], gap[j], radius, scale)
        lag = LAG if v < states else DISTURBANCE_LAG
        if radius[v] * scale[best] > lag * radius[best] * scale[v]:
            best = v
    return best


@jit
def _steepest(form: np.ndarray, gap: float, radius: np.ndarray, scale: np.ndarray) -> int:
    """The coordinate on which the bound depends most; the widest where the gap outweighs that."""
    best, best_value, spread = -1, -1.0, 0.0
    for v in range(radius.shape[0]):
        if radius[v] > 0.0:
            influence = abs(form[1 + v])
            spread += influence
            if influence > best_value:
                best, best_value = v, influence
    if not (math.isfinite(spread) and 2.0 * spread > gap):
        best, best_value = -1, -1.0
        for v in range(radius.shape[0]):
            if radius[v] > 0.0 and radius[v] / scale[v] > best_value:
                best, best_value = v, radius[v] / scale[v]
    return best
