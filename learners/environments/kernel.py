"""The compiled step of many episodes at once: compiled once for all systems, as programs are data.

Rows are taken in blocks of :data:`LANES`. A register holds one scalar of every row of the block, so
that an instruction is one loop over neighbouring numbers, and the registers stay in the cache. No
fast-math flag is set: a row's numbers depend neither on the rows beside it nor on their number.

Every row draws from a stream of its own, SplitMix64 (Steele, Lea and Flood, "Fast splittable
pseudorandom number generators", 2014); normal numbers by Marsaglia's polar method.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numba
import numpy as np

from learners.environments import codes

F = TypeVar("F", bound=Callable[..., object])
Index = int | np.uint64

ROWS = 128
LANES = np.uint64(ROWS)
"""Rows of a block. Unsigned, as all indices of the inner loops are: an index that could be negative
keeps a loop out of vector instructions."""

NOT_FINITE, COST_NOT_FINITE, OUTSIDE = 1, 2, 4
"""What a step's flags say: of the next state, of a cost, of the physical limits."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


@lru_cache(maxsize=1)
def _sources_digest() -> str:
    """SHA-256 of all that is compiled here: this file, and the numbers of the operations."""
    files = (Path(__file__), Path(codes.__file__))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def _jit(function: F) -> F:
    """Compiled with IEEE semantics and without the interpreter lock; cached where that is possible.

    numba would take a cached function for fresh as long as this file is; the operations' numbers
    stand in another one, and a program in new numbers must not be run by old ones.
    """
    compiled = numba.njit(nogil=True, error_model="numpy")(function)
    try:
        compiled.enable_caching()
    except RuntimeError:  # no folder that could be written to
        return compiled  # type: ignore[no-any-return]
    file = getattr(compiled._cache, "_cache_file", None)
    if file is None or not hasattr(file, "_source_stamp"):
        return numba.njit(nogil=True, error_model="numpy")(function)  # type: ignore[no-any-return]
    file._source_stamp = _sources_digest()
    return compiled  # type: ignore[no-any-return]


@_jit
def uniform(streams: np.ndarray, row: Index) -> float:
    """The next number of a row's stream, uniform in (0, 1); 53 bits, never 0 or 1."""
    streams[row] += _GOLDEN
    z = streams[row]
    z = (z ^ (z >> _S30)) * _FIRST
    z = (z ^ (z >> _S27)) * _SECOND
    z = z ^ (z >> _S31)
    return (float(z >> _S11) + 0.5) * 2.0**-53


@_jit
def normals(
    streams: np.ndarray, row: Index, out: np.ndarray, at: Index, stride: Index, count: Index
) -> None:
    """``count`` standard normal numbers to out[at], out[at + stride], …"""
    k, one = np.uint64(0), np.uint64(1)
    while k < count:
        a, b = 2.0 * uniform(streams, row) - 1.0, 2.0 * uniform(streams, row) - 1.0
        s = a * a + b * b
        if s >= 1.0 or s == 0.0:
            continue
        factor = math.sqrt(-2.0 * math.log(s) / s)
        out[at + k * stride] = a * factor
        if k + one < count:
            out[at + (k + one) * stride] = b * factor
        k += one + one


@_jit
def draw_uniform(
    streams: np.ndarray, rows: np.ndarray, low: np.ndarray, high: np.ndarray, out: np.ndarray
) -> None:
    """For each of ``rows``, a point of the box [low, high], to out[k]."""
    for k in range(len(rows)):
        for j in range(len(low)):
            out[k, j] = low[j] + (high[j] - low[j]) * uniform(streams, rows[k])


@_jit
def _arithmetic(code: int, c: float, R: np.ndarray, o: Index, p: Index, q: Index, n: Index) -> None:
    """o = p ∘ q, p ∘ c or c ∘ p, for the first n lanes."""
    if code == codes.ADD:
        for i in range(n):
            R[o + i] = R[p + i] + R[q + i]
    elif code == codes.SUB:
        for i in range(n):
            R[o + i] = R[p + i] - R[q + i]
    elif code == codes.MUL:
        for i in range(n):
            R[o + i] = R[p + i] * R[q + i]
    elif code == codes.ADD_NUMBER:
        for i in range(n):
            R[o + i] = R[p + i] + c
    elif code == codes.MUL_NUMBER:
        for i in range(n):
            R[o + i] = R[p + i] * c
    elif code == codes.NUMBER_SUB:
        for i in range(n):
            R[o + i] = c - R[p + i]
    elif code == codes.DIV:
        for i in range(n):
            R[o + i] = R[p + i] / R[q + i]
    elif code == codes.DIV_NUMBER:
        for i in range(n):
            R[o + i] = R[p + i] / c
    elif code == codes.NUMBER_DIV:
        for i in range(n):
            R[o + i] = c / R[p + i]
    elif code == codes.CONSTANT:
        for i in range(n):
            R[o + i] = c
    else:
        _extremes(code, c, R, o, p, q, n)


@_jit
def _joined(
    code: int, c: float, R: np.ndarray, o: Index, p: Index, q: Index, r: Index, n: Index
) -> None:
    """o = p q + r, p c + q or r - p q, rounded twice."""
    if code == codes.MUL_ADD:
        for i in range(n):
            R[o + i] = R[p + i] * R[q + i] + R[r + i]
    elif code == codes.MUL_NUMBER_ADD:
        for i in range(n):
            R[o + i] = R[p + i] * c + R[q + i]
    else:
        for i in range(n):
            R[o + i] = R[r + i] - R[p + i] * R[q + i]


@_jit
def _extremes(code: int, c: float, R: np.ndarray, o: Index, p: Index, q: Index, n: Index) -> None:
    """Minima and maxima; NaN stays NaN."""
    if code == codes.MIN:
        for i in range(n):
            R[o + i] = R[p + i] if R[p + i] <= R[q + i] or R[p + i] != R[p + i] else R[q + i]
    elif code == codes.MAX:
        for i in range(n):
            R[o + i] = R[p + i] if R[p + i] >= R[q + i] or R[p + i] != R[p + i] else R[q + i]
    elif code == codes.MIN_NUMBER:
        for i in range(n):
            R[o + i] = c if R[p + i] > c else R[p + i]
    elif code == codes.MAX_NUMBER:
        for i in range(n):
            R[o + i] = c if R[p + i] < c else R[p + i]


@_jit
def _function(code: int, R: np.ndarray, o: Index, p: Index, n: Index) -> None:
    """o = φ(p), for the first n lanes."""
    if code == codes.SIN:
        for i in range(n):
            R[o + i] = math.sin(R[p + i])
    elif code == codes.COS:
        for i in range(n):
            R[o + i] = math.cos(R[p + i])
    elif code == codes.TAN:
        for i in range(n):
            R[o + i] = math.tan(R[p + i])
    elif code == codes.EXP:
        for i in range(n):
            R[o + i] = math.exp(R[p + i])
    elif code == codes.LOG:
        for i in range(n):
            R[o + i] = np.log(R[p + i])
    elif code == codes.SQRT:
        for i in range(n):
            R[o + i] = np.sqrt(R[p + i])
    elif code == codes.TANH:
        for i in range(n):
            R[o + i] = math.tanh(R[p + i])
    elif code == codes.SIGMOID:
        for i in range(n):
            small = math.exp(-abs(R[p + i]))  # at most 1: nothing overflows
            R[o + i] = (1.0 if R[p + i] >= 0.0 else small) / (1.0 + small)
    elif code == codes.SOFTPLUS:
        for i in range(n):
            R[o + i] = max(R[p + i], 0.0) + math.log1p(math.exp(-abs(R[p + i])))
    elif code == codes.RELU:
        for i in range(n):
            R[o + i] = 0.0 if R[p + i] < 0.0 else R[p + i]
    else:
        for i in range(n):
            R[o + i] = 1.0 if R[p + i] > 0.0 else (0.5 if R[p + i] == 0.0 else 0.0 * R[p + i])


@_jit
def run(code: np.ndarray, numbers: np.ndarray, R: np.ndarray, lanes: Index) -> None:
    """One program on one block; register k is R[k·LANES:]."""
    for k in range(len(code)):
        op, o, p = code[k, 0], code[k, 1] * LANES, code[k, 2] * LANES
        if op >= codes.SIN:
            _function(op, R, o, p, lanes)
        elif op >= codes.MUL_ADD:
            _joined(op, numbers[k], R, o, p, code[k, 3] * LANES, code[k, 4] * LANES, lanes)
        else:
            _arithmetic(op, numbers[k], R, o, p, code[k, 3] * LANES, lanes)


@_jit
def evaluate(
    code: np.ndarray,
    numbers: np.ndarray,
    registers: int,
    outputs: np.ndarray,
    points: np.ndarray,
    out: np.ndarray,
) -> None:
    """The outputs (N, outputs) of a program at points (N, inputs)."""
    R = np.empty(registers * LANES)
    for first in range(0, len(points), LANES):
        lanes = np.uint64(min(ROWS, len(points) - first))
        _load(R, np.uint64(0), points, first, lanes)
        run(code, numbers, R, lanes)
        for j in range(len(outputs)):
            _store(R, outputs[j], out, j, first, lanes)


@_jit
def _load(R: np.ndarray, at: Index, values: np.ndarray, first: int, lanes: Index) -> Index:
    """Columns of ``values`` (N, k) to registers from ``at`` on; the register after the last."""
    for j in range(np.uint64(values.shape[1])):
        for i in range(lanes):
            R[(at + j) * LANES + i] = values[np.uint64(first) + i, j]
    return at + np.uint64(values.shape[1])


@_jit
def _store(R: np.ndarray, at: Index, out: np.ndarray, j: int, first: int, lanes: Index) -> None:
    """A register to column j of ``out`` (N, k)."""
    for i in range(lanes):
        out[np.uint64(first) + i, j] = R[at * LANES + i]


@_jit
def _hold_inputs(
    R: np.ndarray,
    at: Index,
    u: np.ndarray,
    limits: np.ndarray,
    at_limit: np.ndarray,
    first: int,
    lanes: Index,
) -> Index:
    """The inputs, cut off at limits (2, m); counts the steps that each has been at a limit."""
    for j in range(np.uint64(u.shape[1])):
        low, high = limits[0, j], limits[1, j]
        for i in range(lanes):
            row = np.uint64(first) + i
            v = u[row, j]
            if v <= low:
                v = low
                at_limit[row, j] += 1
            elif v >= high:
                v = high
                at_limit[row, j] += 1
            R[(at + j) * LANES + i] = v
    return at + np.uint64(u.shape[1])


@_jit
def _hold_noise(
    R: np.ndarray,
    at: Index,
    noise: np.ndarray,
    disturbance: np.ndarray,
    streams: np.ndarray,
    first: int,
    lanes: Index,
) -> Index:
    """Noise with rows sigma and bound of (2, k), then disturbances uniform in (2, p)."""
    count, p = np.uint64(noise.shape[1]), np.uint64(disturbance.shape[1])
    for i in range(lanes):
        row = np.uint64(first) + i
        if count:
            normals(streams, row, R, at * LANES + i, LANES, count)
        for j in range(p):
            low, high = disturbance[0, j], disturbance[1, j]
            R[(at + count + j) * LANES + i] = low + (high - low) * uniform(streams, row)
    for j in range(count):
        sigma, bound = noise[0, j], noise[1, j]
        for i in range(lanes):
            k = (at + j) * LANES + i
            R[k] = min(max(R[k] * sigma, -bound), bound)
    return at + count + p


@_jit
def step(
    code: np.ndarray,
    numbers: np.ndarray,
    registers: int,
    outputs: np.ndarray,
    x: np.ndarray,
    u: np.ndarray,
    reference: np.ndarray,
    limits: np.ndarray,
    noise: np.ndarray,
    disturbance: np.ndarray,
    streams: np.ndarray,
    at_limit: np.ndarray,
    next_x: np.ndarray,
    costs: np.ndarray,
    flags: np.ndarray,
) -> int:
    """One period of every row; returns how many rows have a flag.

    The program's inputs are the state, the input, noise, disturbance, and what ``reference`` holds;
    its outputs the next state, the costs, and the margins of the physical limits there.
    """
    R = np.empty(registers * LANES)
    n, v, flagged = next_x.shape[1], costs.shape[1], 0
    for first in range(0, len(x), LANES):
        lanes = np.uint64(min(ROWS, len(x) - first))
        at = _load(R, np.uint64(0), x, first, lanes)
        at = _hold_inputs(R, at, u, limits, at_limit, first, lanes)
        at = _hold_noise(R, at, noise, disturbance, streams, first, lanes)
        _load(R, at, reference, first, lanes)
        run(code, numbers, R, lanes)
        for j in range(n):
            _store(R, outputs[j], next_x, j, first, lanes)
        for j in range(v):
            _store(R, outputs[n + j], costs, j, first, lanes)
        for i in range(lanes):
            row, flag = np.uint64(first) + i, 0
            for j in range(n):
                if not math.isfinite(next_x[row, j]):
                    flag |= NOT_FINITE
            for j in range(v):
                if not math.isfinite(costs[row, j]):
                    flag |= COST_NOT_FINITE
            for j in range(n + v, len(outputs)):
                if not R[outputs[j] * LANES + i] >= 0.0:  # NaN too
                    flag |= OUTSIDE
            flags[row] = flag
            flagged += flag != 0
    return flagged
