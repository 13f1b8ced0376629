"""What a progress bar says: of training, and of the time that is left."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

QUIET = 5.0
"""Seconds in which nothing is said of the time left."""
LEAST = 0.02
"""The share that must be done before anything is said."""
AGREE = 3.0
"""Two estimates, from all that was done and from the last of it, may differ by this factor."""
LONGEST = 100 * 3600.0
RECENT = 0.3
"""The share of the time so far that counts as recent."""
SMOOTH = 0.1
"""The share of the time so far within which an estimate gives way to what is told now."""


@dataclass
class Remaining:
    """The seconds left, from the share of the work that is done, told now and then.

    Work seldom goes on evenly. So the rate of late counts, and is compared with the rate over all:
    where they tell very different times, or the share has just fallen, nothing is said.
    """

    told: list[tuple[float, float]] = field(default_factory=list)
    _smooth: float | None = None
    _since: float = 0.0

    def tell(self, now: float, share: float) -> None:
        """At the time ``now`` (seconds), ``share`` (0 to 1) is done."""
        if self.told and share < self.told[-1][1]:
            self.told.clear()  # it began anew, or was more than was thought
            self._smooth = None
        self.told.append((now, share))
        if len(self.told) > 400:
            del self.told[1:-1:2]
        fresh = self._estimate(now, share)
        if fresh is None or self._smooth is None:
            self._smooth = fresh
        else:
            expected = max(self._smooth - (now - self._since), 0.0)
            weight = -math.expm1(-(now - self._since) / max(SMOOTH * (now - self.told[0][0]), 1.0))
            self._smooth = expected + weight * (fresh - expected)
        self._since = now

    def _estimate(self, now: float, share: float) -> float | None:
        start, first = self.told[0]
        if now - start < QUIET or share - first < LEAST or share >= 1.0:
            return None
        overall = (1.0 - share) * (now - start) / (share - first)
        cutoff = now - RECENT * (now - start)
        then, before = next(t for t in reversed(self.told) if t[0] <= cutoff)
        if share <= before:
            return None
        late = (1.0 - share) * (now - then) / (share - before)
        if not 1 / AGREE <= late / overall <= AGREE or late > LONGEST:
            return None
        return late

    def seconds(self, now: float) -> float | None:
        """What is left, None where that cannot be told."""
        if self._smooth is None:
            return None
        left = self._smooth - (now - self._since)
        return left if left > 0.0 else None  # it ought to be over, and is not

    def words(self, now: float) -> str:
        """About 40 s left; empty where that cannot be told."""
        left = self.seconds(now)
        return "" if left is None else f"about {_rounded(left)} left"


def _rounded(seconds: float) -> str:
    """As few digits as the estimate is worth."""
    if seconds < 10:
        return f"{max(round(seconds), 1)} s"
    if seconds < 57.5:
        return f"{5 * round(seconds / 5)} s"
    if seconds < 3570:
        return f"{max(round(seconds / 60), 1)} min"
    return f"{seconds / 3600:.1f} h"


def training_words(entry: Mapping[str, object]) -> str:
    """Iteration 3/10, step 40/400, 100 unknowns, HJB residual 1.0e-02; of an actor-critic, episode
    120/4000, mean cost 3.2, critic loss 1.0e-02, entropy -1.1, multiplier 0.8, constraint -1e-03.
    """
    if "episode" in entry:
        return _episode_words(entry)
    parts = [_of(entry, "iteration", "iterations"), _of(entry, "step", "steps")]
    unknowns = entry.get("unknowns")
    if isinstance(unknowns, int | float):
        parts.append(f"{unknowns:.0f} unknowns")
    residual, loss = entry.get("hjb_residual_max"), entry.get("loss")
    if isinstance(residual, float):
        parts.append(f"HJB residual {residual:.1e}")
    elif isinstance(loss, float):
        parts.append(f"loss {loss:.1e}")
    return ", ".join(p for p in parts if p)


def _episode_words(entry: Mapping[str, object]) -> str:
    parts = [_of(entry, "episode", "episodes")]
    for key, words, form in (
        ("return", "mean cost", ".3g"),
        ("critic_loss", "critic loss", ".1e"),
        ("entropy", "entropy", ".2g"),
        ("multiplier", "multiplier", ".2g"),
        ("constraint", "constraint", ".1e"),
    ):
        value = entry.get(key)
        if isinstance(value, int | float) and math.isfinite(value):
            parts.append(f"{words} {value:{form}}")
    return ", ".join(p for p in parts if p)


def _of(entry: Mapping[str, object], what: str, most: str) -> str:
    done, whole = entry.get(what), entry.get(most)
    if not isinstance(done, int | float):
        return ""
    return f"{what} {done:.0f}" + (f"/{whole:.0f}" if isinstance(whole, int | float) else "")
