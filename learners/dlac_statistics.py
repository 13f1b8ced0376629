"""Theorem 1 of DLAC as statements about held-out trajectories, each with its confidence.

Theorem 1: with α₁ cⁱ ≤ Lⁱ ≤ α₂ cⁱ (5a), L = Σ Lⁱ (5b) and E[L(s′) − L(s)] ≤ −α₃ E[C(s)] (5c), an
ergodic closed loop is stable in mean cost. None of this is proved here. What is given is

* the least and largest ratio Lⁱ/cⁱ that was seen, and with what confidence how small a share of
  trajectories leaves these bounds somewhere (exact binomial bound of Clopper and Pearson);
* a one-sided upper bound on E[L(s′) − L(s) + α₃ C(s)], by Student's t or by Hoeffding's inequality;
* Gelman and Rubin's R̂ over chains from dispersed starts, a check of ergodicity which can fail but
  never confirm it.

Samples of one trajectory depend on each other. Whole trajectories do not: they are the units of
every bound, drawn independently from the stated distribution of starts, references and noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MeanBound:
    """``mean`` over ``count`` trajectories and ``upper``, which the expectation exceeds only where
    an event of probability 1 − ``confidence`` has happened.

    ``method`` "student": means of trajectories taken as normal, which is an approximation.
    "hoeffding": holds for every distribution on the stated range.
    """

    mean: float
    upper: float
    confidence: float
    count: int
    method: str

    @property
    def holds(self) -> bool:
        """Whether the expectation is at most 0, with this confidence."""
        return self.upper <= 0.0


@dataclass(frozen=True)
class RatioBounds:
    """(5a): ``lower`` ≤ L/c ≤ ``upper`` at every sample of ``fitted`` trajectories with c above
    ``least_cost``; on ``count`` other trajectories, ``violations`` left these bounds somewhere, so
    that a trajectory leaves them with a probability of at most ``probability``, with
    ``confidence``."""

    lower: float
    upper: float
    least_cost: float
    fitted: int
    count: int
    violations: int
    probability: float
    confidence: float


@dataclass(frozen=True)
class Ergodicity:
    """R̂ of every coordinate, the largest of them, and whether that is below ``threshold``."""

    r_hat: tuple[float, ...]
    threshold: float

    @property
    def largest(self) -> float:
        return max(self.r_hat)

    @property
    def consistent(self) -> bool:
        """Whether the chains look alike. It does not show that the closed loop is ergodic."""
        return self.largest < self.threshold


def mean_decrease(
    lyapunov: ArrayLike, costs: ArrayLike, alpha: float, *, confidence: float = 0.95
) -> MeanBound:
    """(5c): an upper bound on E[L(s′) − L(s) + α₃ C(s)], by Student's t over trajectories.

    ``lyapunov`` (M, T + 1): L = Σ Lⁱ along M independent trajectories; ``costs`` (M, T): C of the
    first T states. The expectation is over a time in 0…T−1 drawn uniformly.
    """
    L, C = np.asarray(lyapunov, dtype=np.float64), np.asarray(costs, dtype=np.float64)
    if L.ndim != 2 or C.shape != (L.shape[0], L.shape[1] - 1):
        raise ValueError(f"L of shape (M, T + 1) and C of (M, T) wanted, not {L.shape}, {C.shape}")
    return student_bound((np.diff(L, axis=1) + alpha * C).mean(axis=1), confidence=confidence)


def student_bound(means: ArrayLike, *, confidence: float = 0.95) -> MeanBound:
    """An upper bound on an expectation from one mean a trajectory, (M,), M at least 2."""
    from scipy.stats import t

    x = _units(means, 2, confidence)
    deviation = float(np.std(x, ddof=1)) / math.sqrt(len(x))
    upper = float(x.mean()) + float(t.ppf(confidence, len(x) - 1)) * deviation
    return MeanBound(float(x.mean()), upper, confidence, len(x), "student")


def hoeffding_bound(
    means: ArrayLike, low: float, high: float, *, confidence: float = 0.95
) -> MeanBound:
    """The same without an assumption but that each mean lies in [``low``, ``high``].

    That range must be known beforehand, not read off the data. Raises ValueError where it is wrong.
    """
    x = _units(means, 1, confidence)
    if not low < high or (x < low).any() or (x > high).any():
        raise ValueError(f"the means do not all lie in [{low}, {high}]")
    margin = (high - low) * math.sqrt(-math.log(1.0 - confidence) / (2.0 * len(x)))
    return MeanBound(float(x.mean()), float(x.mean()) + margin, confidence, len(x), "hoeffding")


def violation_probability(violations: int, count: int, *, confidence: float = 0.95) -> float:
    """The upper bound of Clopper and Pearson on a probability: exact for independent trials."""
    from scipy.stats import beta

    if not 0 <= violations <= count or count < 1:
        raise ValueError(f"{violations} violations in {count} trials make no sense")
    _check_confidence(confidence)
    if violations == count:
        return 1.0
    return float(beta.ppf(confidence, violations + 1, count - violations))


def ratio_bounds(
    lyapunov: ArrayLike, costs: ArrayLike, *, least_cost: float, confidence: float = 0.95
) -> RatioBounds:
    """(5a): α₁ and α₂ from the first half of M trajectories, tested on the other half.

    ``lyapunov`` and ``costs`` (M, T): Lⁱ and cⁱ. Where c → 0 the ratio of a learned L and c means
    nothing, and so samples with c ≤ ``least_cost`` do not count; the statement is about the others.
    Raises ValueError where nothing is left.
    """
    L, C = np.asarray(lyapunov, dtype=np.float64), np.asarray(costs, dtype=np.float64)
    if L.ndim != 2 or L.shape != C.shape or len(L) < 2:
        raise ValueError(f"L and C of shape (M, T) with M ≥ 2 wanted, not {L.shape}, {C.shape}")
    _check_confidence(confidence)
    if not (np.isfinite(L).all() and np.isfinite(C).all()) or (C < 0).any():
        raise ValueError("L and C must be finite, and C not negative")
    counts = least_cost < C
    ratio = L / np.where(counts, C, 1.0)
    half = len(L) // 2
    fit = ratio[:half][counts[:half]]
    if not fit.size:
        raise ValueError(f"no sample has a cost above {least_cost}")
    lower, upper = float(fit.min()), float(fit.max())
    outside = counts[half:] & ((ratio[half:] < lower) | (ratio[half:] > upper))
    violations, count = int(outside.any(axis=1).sum()), len(L) - half
    bound = violation_probability(violations, count, confidence=confidence)
    return RatioBounds(lower, upper, least_cost, half, count, violations, bound, confidence)


def gelman_rubin(
    chains: ArrayLike, *, threshold: float = 1.1, resolution: float = 0.0
) -> Ergodicity:
    """R̂ over K ≥ 2 chains of T ≥ 4 states each, (K, T, n), with the transient already cut off.

    R̂² = ((T−1)/T W + B/T)/W with W the mean variance within a chain and B/T the variance of the
    chains' means (Gelman and Rubin 1992, without its factor for few chains). Every chain is split
    into halves, which also shows a drift (Gelman and others, Bayesian Data Analysis, 2013). A
    coordinate that does not move at all has R̂ = 1 where all chains agree, else ∞; where all chains
    together stay within ``resolution``, they agree.
    """
    x = np.asarray(chains, dtype=np.float64)
    if x.ndim != 3 or x.shape[0] < 2 or x.shape[1] < 4 or not np.isfinite(x).all():
        raise ValueError(f"finite chains of shape (K ≥ 2, T ≥ 4, n) wanted, not {x.shape}")
    half = x.shape[1] // 2
    parts = np.concatenate([x[:, :half], x[:, -half:]])
    within = parts.var(axis=1, ddof=1).mean(axis=0)
    between = parts.mean(axis=1).var(axis=0, ddof=1)
    moves = within > 0.0
    squared = (half - 1) / half + between / np.where(moves, within, 1.0)
    still = np.where(between > 0.0, np.inf, 1.0)
    r_hat = np.where(moves, np.sqrt(squared), still)
    r_hat[np.ptp(parts, axis=(0, 1)) <= resolution] = 1.0
    return Ergodicity(tuple(float(v) for v in r_hat), threshold)


def _units(means: ArrayLike, least: int, confidence: float) -> Array:
    x = np.asarray(means, dtype=np.float64)
    if x.ndim != 1 or len(x) < least or not np.isfinite(x).all():
        raise ValueError(f"at least {least} finite means of trajectories wanted, not {x.shape}")
    _check_confidence(confidence)
    return x


def _check_confidence(confidence: float) -> None:
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"a confidence lies between 0 and 1, not {confidence}")
